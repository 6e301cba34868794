"""Tasks: functions with named inputs and outputs, the smallest blocks of a workflow.

A task is a class, so that it can be used many times; each instance has targets of its own. ``@as_task`` makes one of a
function, subclassing `Task` is the other way. Calling an instance checks what it is given, runs the function and checks
what it returns. What it does not do: keep results, try again or limit time; see ``running``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from fairlead.adapters.errors import AppExited, Problem
from fairlead.adapters.workflow.block import OPTIONS, Block, refuse_unknown
from fairlead.adapters.workflow.checks import checker
from fairlead.adapters.workflow.exceptions import (
    ContextArgumentException,
    ResultInvalid,
    TargetException,
    TaskException,
)
from fairlead.adapters.workflow.failures import short
from fairlead.adapters.workflow.gathering import skipped
from fairlead.adapters.workflow.naming import to_camel_case, to_snake_case
from fairlead.adapters.workflow.targets import Signature, Target, signature_of, type_name
from fairlead.adapters.workflow.types import NO_DEFAULT, Skipped

if TYPE_CHECKING:
    from fairlead.adapters.workflow.run_state import Run

T = TypeVar("T", bound="Task")
_Check = Callable[[Any], str]


class Task(Block):
    """A function with named inputs and outputs."""

    kind: ClassVar[str] = "task"
    plugin_name: ClassVar[str | None] = None
    """The plugin that it was defined in, if any."""
    options: ClassVar[Mapping[str, Any]] = {}
    """How instances are run unless they are told otherwise; see `Block.with_options`."""

    def __init__(self, *values: Any, name: str | None = None, **arguments: Any) -> None:
        """Make a task of a workflow.

        Args:
            values: none: what is bound is named.
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
        try:
            self._set_up(values, arguments)
        except BaseException:
            self.leave()
            raise

    def _set_up(self, values: tuple[Any, ...], arguments: Mapping[str, Any]) -> None:
        self.setup_targets()
        if values:
            name = next(iter(self.inputs), "input")
            found = f"{short(values[0])} is given without a name"
            remedy = f"Write {type(self).__name__}({name}={short(values[0])})."
            raise TaskException(Problem(f"task '{self.name}'", found, "values of inputs, by name", remedy))
        given = {option: value for option, value in arguments.items() if option in OPTIONS - set(self.inputs)}
        self.with_options(**{**type(self).options, **given})
        self.bind(**{name: value for name, value in arguments.items() if name not in given})

    @property
    def function(self) -> Callable[..., Any]:
        """The function, which takes the task as its first argument if `takes_self`."""
        return type(self).run

    @property
    def takes_self(self) -> bool:
        """Whether the function gets the task as its first argument."""
        return inspect.isfunction(inspect.getattr_static(type(self), "run"))

    @property
    def signature(self) -> Signature:
        """What the function takes and gives."""
        return self._signature or signature_of(self.function, self.name)

    def setup_targets(self) -> None:
        """Set up inputs, outputs and parameters; here those that the function's signature and returns tell.

        Override it to add targets with `add_input`, `add_output` and `add_parameter`, before or after calling this.
        """
        cls = type(self)
        if cls.run is Task.run:
            self.run()
        signature = self.signature
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
        wrong = [name for name in arguments if name not in self.inputs]
        if wrong and not (self.signature.takes_any and self.parameters.keys().isdisjoint(wrong)):
            raise TaskException([self.unknown(name) for name in wrong])
        self.bound.update(arguments)
        self._calls = None
        self.rewire()

    def unknown(self, name: str) -> Problem:
        """Say that something is no input of it."""
        where = f"task '{self.name}', '{name}'"
        if name in self.parameters:
            remedy = f"Write it under parameters: {self.name}: in the configuration file, or give it to the run."
            return Problem(where, "is a parameter", "a value in the configuration", remedy)
        there = ", ".join(self.inputs) or "none"
        return Problem(where, "is no input of it", f"one of: {there}", "Leave it out, or correct its name.")

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

    def run(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 (whatever a subclass takes)
        """Do the work: override this, with the task's inputs as arguments."""
        found = "its class has no function 'run'"
        raise TargetException(Problem(f"task '{self.name}'", found, "what it does", "Write def run(self, ...)."))

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
        """See `Block.compute`; a task that calls `sys.exit` has failed, as `AppExited`."""
        try:
            return self(**inputs)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            remedy = "Raise an exception if it has failed. To end a run early, call exit_pipeline()."
            said = f"task '{path or self.name}' called sys.exit({stop.code!r})."
            raise AppExited(said, code=code, remedy=remedy) from stop

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
    ) -> Any:
        """Make a task class of a function; with or without arguments, as a decorator.

        Args:
            function: what the task does.
            name: what it is called; the function's name in snake case without it.
            with_self: whether the function's first argument, ``self``, is the task.
            plugin_name: the plugin that it belongs to.
            options: how its instances are run; see `Block.with_options`.
        """

        def decorate(function: Callable[..., Any]) -> type[Any]:
            _refuse_unfit(function, options, with_self=with_self)
            made: type[Any] = type(
                to_camel_case(function.__name__),
                (cls,),
                {
                    "run": function if with_self else staticmethod(function),
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
        self.takes_self = task.takes_self
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
                value = target.default
                if value is NO_DEFAULT:
                    problems.append(_missing(task, target))
            elif check is not None and (wrong := check(value)):
                problems.append(_problem(task, "input", target, value, wrong))
            values[target.name] = value
        if not self.names.issuperset(given):
            others = {name: value for name, value in given.items() if name not in self.names}
            problems += self._problems_of(task, others)
            values.update(others)
        if self.bound:
            values.update(self.bound)
        if self.parameters:
            from fairlead.adapters.workflow.parameters import parameter_values

            values.update(parameter_values(task, self.parameters, problems))
        if problems:
            raise TaskException(problems)
        return values

    def _problems_of(self, task: Task, others: Mapping[str, Any]) -> list[Problem]:
        """Say what is wrong with values that no input waits for."""
        bound = [name for name in others if name in self.bound]
        unknown = [] if self.accepts_any else [name for name in others if name not in self.bound]
        where = f"task '{task.name}', input"
        return [
            *(Problem(f"{where} '{name}'", "is bound already", "one value", "Give it once.") for name in bound),
            *(task.unknown(name) for name in unknown),
        ]

    def outputs_of(self, task: Task, returned: Any) -> dict[str, Any]:
        """Return what the function returned, by the names of the outputs."""
        result: dict[str, Any] = returned
        if type(returned) is not dict:
            result = dict(returned) if isinstance(returned, dict) else self._named(task, returned)
        problems = [] if result.keys() == self.outputs.keys() else self._problems_in_names(task, result)
        for name, target, check in self.checked:
            if name in result and (wrong := check(result[name])) and not isinstance(result[name], Skipped):
                problems.append(_problem(task, "output", target, result[name], wrong))
        if problems:
            raise ResultInvalid(problems)
        return result

    def _named(self, task: Task, result: Any) -> dict[str, Any]:
        """Return what is no dict as one: the value of the only output, or what was skipped, or nothing."""
        if isinstance(result, Skipped):
            return skipped(self.outputs)
        if len(self.outputs) == 1:
            return dict.fromkeys(self.outputs, result)
        if result is None and not self.certain:
            return {}
        raise ResultInvalid(self._not_a_dict(task, result))

    def _problems_in_names(self, task: Task, result: Mapping[Any, Any]) -> list[Problem]:
        there = ", ".join(map(repr, result)) or "nothing"
        if len(self.outputs) == 1 and self.certain and self.certain[0] not in result:
            (name,) = self.certain
            remedy = f"If the dict is its value, return {{'{name}': the dict}}: a dict is always taken as the outputs."
            where = f"task '{task.name}', output '{name}'"
            return [Problem(where, f"is missing: it returned a dict of {there}", f"a dict of '{name}'", remedy)]
        expected = ", ".join(map(repr, self.outputs)) or "none"
        missing = [
            Problem(
                f"task '{task.name}', output '{name}'",
                f"is missing: it returned {there}",
                "a value for each output",
                "Return it, or take it out of the annotation.",
            )
            for name in self.certain
            if name not in result
        ]
        return missing + [
            Problem(
                f"task '{task.name}', output {name!r}",
                "is not declared",
                f"outputs: {expected}",
                "Add it to the annotation.",
            )
            for name in result
            if name not in self.outputs
        ]

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


def _missing(task: Task, target: Target) -> Problem:
    expected = f"a value of type {type_name(target.type)}"
    where = f"task '{task.name}', input '{target.name}'"
    return Problem(where, "is missing", expected, "Let an upstream block give it, or bind it.")


def _refuse_unfit(function: Any, options: Mapping[str, Any], *, with_self: bool) -> None:
    """Raise `TargetException` for what a task cannot be made of, and `InputInvalid` for options that there are not."""
    if not inspect.isroutine(inspect.unwrap(function)):
        found = f"{short(function)} is no function"
        remedy = "Write a function with def; values of its inputs are bound when a task is made of it: MyTask(x=1)."
        raise TargetException(Problem("as_task", found, "a function", remedy))
    first = next(iter(inspect.signature(function).parameters), None)
    if with_self != (first == "self"):
        where = f"task '{function.__name__}'"
        found, remedy = f"its first argument is {first!r}", "Call it 'self', or leave out with_self=True."
        if first == "self":
            remedy = "Write @as_task(with_self=True), or call it something else."
        expected = "'self' if with_self=True, and only then"
        raise ContextArgumentException(Problem(where, found, expected, remedy))
    refuse_unknown(options, function.__name__)


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
