"""Tasks: functions with named inputs and outputs, the smallest blocks of a workflow.

A task is a class, so that it can be used many times; each instance has targets of its own. ``@as_task`` makes one of a
function, subclassing `Task` is the other way. Calling an instance checks what it is given, runs the function and checks
what it returns. What it does not do: keep results, try again or limit time; see ``running``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, overload

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.block import OPTIONS, Block
from fairlead.adapters.workflow.checks import checker
from fairlead.adapters.workflow.exceptions import (
    ContextArgumentException,
    ResultInvalid,
    TargetException,
    TaskException,
)
from fairlead.adapters.workflow.failures import short
from fairlead.adapters.workflow.naming import to_camel_case, to_snake_case
from fairlead.adapters.workflow.targets import Signature, Target, signature_of, type_name
from fairlead.adapters.workflow.types import NO_DEFAULT, Skipped

if TYPE_CHECKING:
    from fairlead.adapters.workflow.running import Run

T = TypeVar("T", bound="Task")
_Check = Callable[[Any], str]


class Task(Block):
    """A function with named inputs and outputs."""

    kind: ClassVar[str] = "task"
    plugin_name: ClassVar[str | None] = None
    """The plugin that it was defined in, if any."""
    with_self: ClassVar[bool] = True
    """Whether the function gets the task as its first argument."""
    options: ClassVar[Mapping[str, Any]] = {}
    """How instances are run unless they are told otherwise; see `Block.with_options`."""

    def __init__(self, *, name: str | None = None, **arguments: Any) -> None:
        """Make a task of a workflow.

        Args:
            name: what it is called, also in the ``parameters`` of the configuration.
            arguments: values of inputs, which then come from nowhere else; and options (see `Block.with_options`) that
                no input is named like.

        Raises:
            TargetException: the task's targets cannot be told.
            TaskException: an argument is no input of it.
        """
        super().__init__(name=name)
        self._calls: _Compiled | None = None
        self._signature: Signature | None = None
        self.setup_targets()
        given = {option: value for option, value in arguments.items() if option in OPTIONS - set(self.inputs)}
        self.with_options(**{**type(self).options, **given})
        self.bind(**{name: value for name, value in arguments.items() if name not in given})

    @property
    def function(self) -> Callable[..., Any]:
        """The function, unbound."""
        return inspect.getattr_static(type(self), "run").__func__ if not self.with_self else type(self).run

    @property
    def signature(self) -> Signature:
        """What the function takes and gives."""
        return self._signature or signature_of(self.function, self.name)

    def setup_targets(self) -> None:
        """Set up inputs, outputs and parameters; here those that the function's signature and returns tell.

        Override it to add targets with `add_input`, `add_output` and `add_parameter`, before or after calling this.
        """
        signature = self.signature
        cls = type(self)
        for targets, found, declared in (
            (self.inputs, signature.inputs, getattr(cls, "_declared_inputs", {})),
            (self.parameters, signature.parameters, getattr(cls, "_declared_parameters", {})),
        ):
            for name, target in {**found, **declared}.items():
                targets.setdefault(name, target)
        for name in self.parameters:
            self.inputs.pop(name, None)
        declared_outputs = getattr(cls, "_declared_outputs", {})
        if not self.outputs:
            self.outputs.update(declared_outputs or signature.outputs or {})

    def add_parameter(self, name: str | Target, type: Any = Any) -> None:  # noqa: A002 (Outflow's name)
        """Give this task a value from the ``parameters`` of the configuration."""
        target = name if isinstance(name, Target) else Target(name, type)
        self.inputs.pop(target.name, None)
        self.parameters[target.name] = target

    def bind(self, **arguments: Any) -> None:
        """Give inputs their values, which then come from nowhere else; raises `TaskException` for other names."""
        unknown = [name for name in arguments if name not in self.inputs and not self.signature.takes_any]
        if unknown:
            there = ", ".join(self.inputs) or "none"
            raise TaskException(
                [
                    Problem(f"task '{self.name}', '{each}'", "is no input of it", f"one of: {there}", "")
                    for each in unknown
                ]
            )
        self.bound.update(arguments)
        self._calls = None

    def problems(self) -> list[Problem]:
        """Say what cannot be right, before anything runs: outputs that cannot be told, bound values of other types."""
        found = []
        if not self.outputs and (why := self.signature.why):
            found.append(
                Problem(
                    f"task '{self.name}'",
                    f"its outputs cannot be told, because {why}",
                    "a return annotation",
                    'Write e.g. -> {"result": int}, or -> {} if it has none.',
                )
            )
        for name, value in self.bound.items():
            target = self.inputs.get(name, Target(name))
            check = checker(target.type)
            if check is not None and not isinstance(value, Skipped) and (wrong := check(value)):
                found.append(_problem(self, "input", target, value, wrong))
        return found

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work: override this, with the task's inputs as arguments."""
        raise TargetException(
            Problem(f"task '{self.name}'", "has no function 'run'", "one in its class", "Write def run(self, ...).")
        )

    def __call__(self, *args: Any, **inputs: Any) -> dict[str, Any]:
        """Run it with values for its inputs, in their order or by name; return its outputs by name.

        Raises:
            TaskException: an input or parameter is missing, unknown or of another type. Nothing has run.
            ResultInvalid: it returned what its outputs do not allow.
        """
        compiled = self._calls or self._compile()
        if args:
            inputs = self._named(args, inputs)
        values = compiled.arguments(self, inputs)
        result = compiled.function(self, **values) if compiled.takes_self else compiled.function(**values)
        if compiled.is_async:
            result = _awaited(result)
        return compiled.outputs_of(self, result)

    def compute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:  # noqa: ARG002 (a block's signature)
        """See `Block.compute`."""
        return self(**inputs)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what any process can make again, and keep what only one can that knows the names in annotations."""
        return {**self.__dict__, "_calls": None, "_signature": self.signature}

    def _compile(self) -> _Compiled:
        self._calls = _Compiled(self)
        return self._calls

    def _named(self, args: tuple[Any, ...], inputs: Mapping[str, Any]) -> dict[str, Any]:
        names = [name for name in self.inputs if name not in self.bound]
        if len(args) == 1 and type(args[0]) is dict and args[0] and set(args[0]) <= set(names):
            return {**args[0], **inputs}  # the outputs of another task, as its call returns them
        if len(args) > len(names):
            raise TaskException(
                Problem(
                    f"task '{self.name}'",
                    f"{len(args)} values were given",
                    f"at most {len(names)}: {', '.join(names) or 'it has no inputs'}",
                    "Give values by name.",
                )
            )
        given = dict(zip(names, args, strict=False))
        twice = sorted(set(given) & set(inputs))
        if twice:
            raise TaskException(
                [Problem(f"task '{self.name}', input '{each}'", "was given twice", "one value", "") for each in twice]
            )
        return {**given, **inputs}

    @classmethod
    @overload
    def as_task(cls: type[T], function: Callable[..., Any], /) -> type[T]: ...

    @classmethod
    @overload
    def as_task(
        cls: type[T], function: None = None, /, *, name: str | None = None, with_self: bool = False, **options: Any
    ) -> Callable[[Callable[..., Any]], type[T]]: ...

    @classmethod
    def as_task(
        cls,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        with_self: bool = False,
        plugin_name: str | None = None,
        **options: Any,
    ) -> type[Self] | Callable[[Callable[..., Any]], type[Self]]:
        """Make a task class of a function; with or without arguments, as a decorator.

        Args:
            function: what the task does.
            name: what it is called; the function's name in snake case without it.
            with_self: whether the function's first argument, ``self``, is the task.
            plugin_name: the plugin that it belongs to.
            options: how its instances are run; see `Block.with_options`.
        """

        def decorate(function: Callable[..., Any]) -> type[Self]:
            first = next(iter(inspect.signature(function).parameters), None)
            if with_self and first != "self":
                raise ContextArgumentException(
                    Problem(
                        f"task '{function.__name__}'",
                        f"its first argument is {first!r}",
                        "'self', because of with_self=True",
                        "Call it 'self'.",
                    )
                )
            made: type[Self] = type(
                to_camel_case(function.__name__),
                (cls,),
                {
                    "run": function if with_self else staticmethod(function),
                    "with_self": with_self,
                    "options": {**cls.options, **options},
                    "name": name or to_snake_case(function.__name__),
                    "plugin_name": plugin_name,
                    "__doc__": function.__doc__,
                    "__module__": function.__module__,
                    "__qualname__": function.__qualname__,
                    "__wrapped__": staticmethod(function),
                },
            )
            signature_of(function, made.name)  # what is wrong with it is told where it is written
            return made

        return decorate if function is None else decorate(function)


as_task = Task.as_task


class _Compiled:
    """What a call needs of a task whose targets will not change any more."""

    def __init__(self, task: Task) -> None:
        found = task.problems()
        if found:
            raise TargetException(found)
        self.function = task.function
        self.takes_self = task.with_self
        self.is_async = inspect.iscoroutinefunction(self.function)
        self.inputs: list[tuple[Target, _Check | None]] = [
            (target, checker(target.type)) for name, target in task.inputs.items() if name not in task.bound
        ]
        self.names = {target.name for target, _ in self.inputs}
        self.bound = task.bound
        self.parameters = [(target, checker(target.type)) for target in task.parameters.values()]
        self.outputs: dict[str, tuple[Target, _Check | None]] = {
            name: (target, checker(target.type)) for name, target in task.outputs.items()
        }
        self.checked = [(name, target, check) for name, (target, check) in self.outputs.items() if check]
        self.certain = [name for name, (target, _) in self.outputs.items() if target.is_certain]
        self.accepts_any = task.signature.takes_any

    def arguments(self, task: Task, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all that the function is called with."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for target, check in self.inputs:
            value = given.get(target.name, NO_DEFAULT)
            if value is NO_DEFAULT:
                if target.default is NO_DEFAULT:
                    expected = f"a value of type {type_name(target.type)}"
                    where = f"task '{task.name}', input '{target.name}'"
                    remedy = "Let an upstream block give it, or bind it."
                    problems.append(Problem(where, "is missing", expected, remedy))
                values[target.name] = target.default
                continue
            if check is not None and (wrong := check(value)):
                problems.append(_problem(task, "input", target, value, wrong))
            values[target.name] = value
        if len(given) > len(self.inputs) or not self.names.issuperset(given):
            for name in given:
                if name not in self.names:
                    if self.accepts_any:
                        values[name] = given[name]
                    elif name in self.bound:
                        problems.append(Problem(f"task '{task.name}', input '{name}'", "is bound already", "", ""))
                    else:
                        there = ", ".join(task.inputs) or "none"
                        where = f"task '{task.name}', '{name}'"
                        problems.append(Problem(where, "is no input of it", f"one of: {there}", ""))
        if self.bound:
            values.update(self.bound)
        if self.parameters:
            from fairlead.adapters.workflow.parameters import parameter_values

            values.update(parameter_values(task, self.parameters, problems))
        if problems:
            raise TaskException(problems)
        return values

    def outputs_of(self, task: Task, result: Any) -> dict[str, Any]:
        """Return what the function returned, by the names of the outputs."""
        outputs = self.outputs
        if type(result) is not dict:
            if isinstance(result, Skipped):
                return dict.fromkeys(outputs, result)
            if not isinstance(result, dict):
                if len(outputs) == 1:
                    result = {next(iter(outputs)): result}
                elif result is None and not self.certain:
                    result = {}
                else:
                    raise ResultInvalid(self._not_a_dict(task, result))
        problems: list[Problem] = []
        if result.keys() != outputs.keys():
            for name in self.certain:
                if name not in result:
                    there = ", ".join(map(repr, result)) or "nothing"
                    where = f"task '{task.name}', output '{name}'"
                    problems.append(Problem(where, f"is missing: it returned {there}", "a value for each output", ""))
            for name in result:
                if name not in outputs:
                    there = ", ".join(map(repr, outputs)) or "none"
                    where = f"task '{task.name}', output {name!r}"
                    problems.append(Problem(where, "is not declared", f"outputs: {there}", "Add it to the annotation."))
        for name, target, check in self.checked:
            if name in result and (wrong := check(result[name])) and not isinstance(result[name], Skipped):
                problems.append(_problem(task, "output", target, result[name], wrong))
        if problems:
            raise ResultInvalid(problems)
        return result  # type: ignore[no-any-return]

    def _not_a_dict(self, task: Task, result: Any) -> Problem:
        if not self.outputs:
            remedy = 'Write e.g. -> {"result": int}, or return nothing.'
            return Problem(
                f"task '{task.name}'", f"returned {short(result)}", "nothing: it declares no outputs", remedy
            )
        names = ", ".join(map(repr, self.outputs))
        found = f"returned {short(result)}"
        remedy = "Only the value of a single output may be returned as it is."
        return Problem(f"task '{task.name}'", found, f"a dict with its outputs {names}", remedy)


def _problem(task: Task, side: str, target: Target, value: Any, wrong: str) -> Problem:
    remedy = "Give such a value, or change the annotation." if side == "input" else "Return such a value, or change it."
    where = f"task '{task.name}', {side} '{target.name}'"
    return Problem(where, f"{short(value)} {wrong}", f"{type_name(target.type)}", remedy)


def _awaited(coroutine: Any) -> Any:
    """Run a coroutine to its end, also where a loop runs in this thread already."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    from concurrent.futures import ThreadPoolExecutor
    from contextvars import copy_context

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, coroutine).result()
