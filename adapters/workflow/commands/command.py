"""A command: what a pipeline can be told to do by name, with arguments of its own, and the workflow that does it.

A command is a class, or a function that becomes one with a single task. It is put below another by that one's
`Command.subcommand`. The class says what there is and is never changed by a run; each run makes an instance of its own.
How a command line is read is in ``command_line``, how a workflow is run in ``pipeline``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast, overload

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.exceptions import WorkflowInvalid
from fairlead.adapters.workflow.naming import to_camel_case, to_snake_case

if TYPE_CHECKING:
    import argparse

C = TypeVar("C", bound="type[Command]")
_Function = TypeVar("_Function", bound=Callable[..., Any])
_ARGUMENTS = "__fairlead_arguments__"


class Command:
    """A command of a pipeline; its docstring is its help."""

    name: ClassVar[str] = ""
    """How it is called: by default its class's name in snake case."""
    subcommands: ClassVar[list[type[Command]]] = []
    """Those right below it, of all pipelines of this process."""
    invokable: ClassVar[bool] = True
    """Whether it does something itself; if not, it prints its help."""
    db_untracked: ClassVar[bool] = False
    """Whether its runs are not recorded."""
    backend: ClassVar[str | None] = None
    """The engine that it runs in, if the command line does not say."""
    allow_extra_args: ClassVar[bool] = False
    """Whether arguments that it does not know are right; they are then in ``context.extra_args``."""
    on_before: ClassVar[Callable[..., Any] | None] = None
    """Called before it, or a command below it, sets up its tasks; with the parsed arguments, if it takes one."""

    def __init__(self, parser: argparse.ArgumentParser | None = None) -> None:
        """Take the parser that its arguments are added to."""
        self.parser = parser

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.subcommands = []
        if "name" not in vars(cls):
            cls.name = to_snake_case(cls.__name__)

    def add_arguments(self) -> None:
        """Say what arguments it takes, by calling `add_argument` for each. Override this."""

    def add_argument(self, *names: str, **options: Any) -> Any:
        """Add an argument; it takes what `argparse.ArgumentParser.add_argument` does."""
        if self.parser is None:
            where = f"command '{self.name}', argument {names[0] if names else ''}"
            problem = Problem(where, "is added outside add_arguments", "", "Add it in add_arguments.")
            raise WorkflowInvalid(problem)
        return self.parser.add_argument(*names, **options)

    def setup_tasks(self) -> Any:
        """Make the tasks that the command runs, and join them. Override this.

        Nothing runs here; ``context.args`` has the arguments already. If a block or a list of blocks is returned, the
        run's result is a list of their outputs.
        """

    @overload
    @classmethod
    def subcommand(cls, command: C, /) -> C: ...

    @overload
    @classmethod
    def subcommand(
        cls,
        command: None = None,
        /,
        *,
        name: str | None = None,
        invokable: bool = True,
        db_untracked: bool = False,
        backend: str | None = None,
        allow_extra_args: bool = False,
        on_before: Callable[..., Any] | None = None,
        with_task_context: bool = False,
    ) -> Callable[[Any], Any]: ...

    @classmethod
    def subcommand(
        cls,
        command: Any = None,
        /,
        *,
        name: str | None = None,
        invokable: bool = True,
        db_untracked: bool = False,
        backend: str | None = None,
        allow_extra_args: bool = False,
        on_before: Callable[..., Any] | None = None,
        with_task_context: bool = False,
    ) -> Any:
        """Put a command below this one: decorates a `Command` class, which it returns, or a function.

        A function becomes a command with one task, which is the function; its arguments are declared by `argument`.

        Args:
            command: the class or function, where the decorator is used without arguments.
            name: how it is called.
            invokable: whether it does something itself.
            db_untracked: whether its runs are not recorded.
            backend: the engine that it runs in.
            allow_extra_args: whether arguments that it does not know are right.
            on_before: called before it, or a command below it, sets up its tasks.
            with_task_context: whether the function gets its task as the first argument, ``self``.

        Raises:
            WorkflowInvalid: it is neither a class nor a function, or an argument of the function is not declared.
        """

        def decorate(given: Any) -> type[Command]:
            made = given if _is_command(given) else _command_of(given, with_self=with_task_context)
            made.name = name or made.name
            made.invokable = invokable
            made.db_untracked = db_untracked
            made.backend = backend
            made.allow_extra_args = allow_extra_args
            if on_before is not None:
                made.on_before = staticmethod(on_before)
            cls.subcommands.append(made)
            return made

        return decorate if command is None else decorate(command)


def argument(*names: str, **options: Any) -> Callable[[_Function], _Function]:
    """Declare an argument of a function that becomes a command; it takes what argparse's ``add_argument`` does."""

    def decorate(function: _Function) -> _Function:
        declared = [(names, options), *getattr(function, _ARGUMENTS, ())]
        setattr(function, _ARGUMENTS, declared)
        return function

    return decorate


def _is_command(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, Command)


def _command_of(function: Any, *, with_self: bool) -> type[Command]:
    """Make a command of a function: its body is the only task."""
    from fairlead.adapters.workflow.task import as_task

    if not inspect.isfunction(function):
        found = "is neither a class made from Command nor a function"
        raise WorkflowInvalid(Problem(f"@subcommand, {function!r}", found, "one of these", ""))
    declared: list[tuple[tuple[str, ...], dict[str, Any]]] = list(getattr(function, _ARGUMENTS, ()))
    task_class: Any = as_task(name=to_snake_case(function.__name__), with_self=with_self)(function)
    known = {_destination(names, options) for names, options in declared}
    parameters = [*inspect.signature(function).parameters.values()][1 if with_self else 0 :]
    lost = [each.name for each in parameters if each.default is each.empty and each.name not in known]
    if lost:
        where = f"command '{to_snake_case(function.__name__)}'"
        raise WorkflowInvalid(
            [
                Problem(f"{where}, argument '{each}'", "is not declared", "", f'Write @argument("--{each}") above def.')
                for each in lost
            ]
        )
    taken = [each.name for each in parameters if each.name in known]

    def add_arguments(self: Command) -> None:
        for names, options in declared:
            self.add_argument(*names, **options)

    def setup_tasks(self: Command) -> Any:  # noqa: ARG001 (a method)
        from fairlead.adapters.workflow.pipeline.scope import context

        return task_class(**{name: getattr(context.args, name) for name in taken})

    return cast(
        "type[Command]",
        type(
            to_camel_case(function.__name__),
            (Command,),
            {
                "add_arguments": add_arguments,
                "setup_tasks": setup_tasks,
                "task_class": task_class,
                "__doc__": function.__doc__,
                "__module__": function.__module__,
                "__qualname__": function.__qualname__,
            },
        ),
    )


def _destination(names: tuple[str, ...], options: dict[str, Any]) -> str:
    """Return the name under which argparse keeps an argument."""
    if "dest" in options:
        return str(options["dest"])
    long = next((name for name in names if name.startswith("--")), names[0])
    return long.lstrip("-").replace("-", "_")
