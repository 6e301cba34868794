"""Finding the workflow that a user names on the command line: ``package.module:study`` or ``folder/file.py:study``.

The name leads to a workflow, to a function that makes one (under ``@as_workflow``) or to a command's class. It may be
left out if a module holds one only, or one of the module's own name. Nothing is run but the module and, to make the
workflow, the function or what the command sets up, with the defaults of its arguments and without a pipeline.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from fairlead.adapters.errors import ContractError, FairleadError, Problem
from fairlead.adapters.workflow.block import Block
from fairlead.adapters.workflow.commands import Command
from fairlead.adapters.workflow.workflow import Workflow

T = TypeVar("T")
_MAKER = Workflow.__module__
_FORMS = "module:attribute or file.py:attribute"


class WorkflowNotFound(ContractError):
    """What is named is not there, cannot be imported, or is no workflow."""


def workflow_of(subject: str) -> Workflow:
    """Return the workflow that a subject names.

    Raises `WorkflowNotFound` for what is not there, cannot be imported, or is no workflow.
    """
    place, _, attribute = subject.partition(":")
    if not place:
        raise _wrong(subject, "names no module", _FORMS, "Write e.g. study.py:study.")
    if place[0] == "." and not _is_file(place):
        wrong = "is a folder" if Path(place).is_dir() else f"'{place}' is no name of a module"
        raise _wrong(subject, wrong, _FORMS, "Write e.g. study.py:study.")
    module = _from_file(subject, Path(place)) if _is_file(place) else _by_name(subject, place)
    if not attribute:
        return _only_one(subject, module)
    found: Any = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            there = ", ".join(_workflows_in(module)) or "none"
            raise _wrong(subject, f"{place} has no '{attribute}'", "a workflow", f"Workflows there: {there}.")
        found = getattr(found, name)
    return _made(subject, found)


def _is_file(place: str) -> bool:
    return place.endswith(".py") or os.sep in place


def _from_file(subject: str, path: Path) -> ModuleType:
    """Import a file as Python does what it runs: with its folder on the path, under its own name if that is free."""
    if path.is_dir():
        raise _wrong(subject, f"'{path}' is a folder", _FORMS, f"Name a file in it, e.g. {path / 'study.py'}.")
    if not path.is_file():
        raise _wrong(subject, f"there is no file '{path}'", _FORMS, f"Relative paths start at {Path.cwd()}.")
    path = path.resolve()
    _on_path(str(path.parent))
    name = path.stem
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    if loaded is not None or name in sys.stdlib_module_names:
        name = f"workflow_{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where what is pickled, and dataclasses, look for it
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _failed(subject, "imported", error) from error
    return module


def _by_name(subject: str, name: str) -> ModuleType:
    _on_path(str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            hint = (
                f"For a file, write {name}.py."
                if Path(f"{name}.py").is_file()
                else "Modules are looked for in the current folder, too."
            )
            raise _wrong(subject, f"there is no module '{error.name}'", _FORMS, hint) from error
        raise _failed(subject, "imported", error) from error
    except Exception as error:
        raise _failed(subject, "imported", error) from error


def _on_path(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _failed(subject: str, what: str, error: Exception) -> WorkflowNotFound:
    """Say that something cannot be imported or made, and where that failed."""
    frames = traceback.extract_tb(error.__traceback__)
    inner = [frame for frame in frames if "importlib" not in frame.filename and frame.filename != __file__]
    line = f" ({Path(inner[-1].filename).name}, line {inner[-1].lineno})" if inner else ""
    found = f"it cannot be {what}: {type(error).__name__}: {error}{line}"
    return _wrong(subject, found, "", "Mend that first.")


def _only_one(subject: str, module: ModuleType) -> Workflow:
    there = _workflows_in(module)
    own = module.__name__.rpartition(".")[2]
    if len(there) == 1 or own in there:
        name = own if own in there else there[0]
        return _made(f"{subject}:{name}", getattr(module, name))
    found = f"holds {len(there)} workflows" if there else "holds no workflow"
    names = ", ".join(f"{subject}:{name}" for name in there)
    raise _wrong(subject, found, "one", f"Write one of: {names}." if names else "Write one under @as_workflow.")


def _workflows_in(module: ModuleType) -> list[str]:
    """Return the names in a module that lead to workflows, or to what makes one and was written there."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, Workflow)
        or ((_makes_one(value) or _is_command(value)) and value.__module__ == module.__name__)
    ]


def _makes_one(value: Any) -> bool:
    """Tell whether a function is one under ``@as_workflow``, which is wrapped by one of the module ``workflow``."""
    return inspect.isfunction(value) and hasattr(value, "__wrapped__") and value.__globals__.get("__name__") == _MAKER


def _is_command(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Command)


def _made(subject: str, value: Any) -> Workflow:
    if isinstance(value, Workflow):
        return value
    if _is_command(value):
        return _called(subject, lambda: _of_command(subject, value))
    if isinstance(value, type):
        kind = "a task" if issubclass(value, Block) else "a class"
        raise _wrong(subject, f"is {kind}", "a workflow", "Put it into a function under @as_workflow, and name that.")
    if not callable(value):
        raise _wrong(subject, f"is of type {type(value).__name__}", "a workflow", "Name a workflow.")
    try:
        inspect.signature(value).bind()
    except TypeError as error:
        expected, remedy = "a function that takes none, and makes a workflow", "Write one that calls it."
        raise _wrong(subject, f"it needs arguments: {error}", expected, remedy) from error
    made = _called(subject, value)
    if isinstance(made, Workflow):
        return made
    found = f"it returns {type(made).__name__}"
    raise _wrong(subject, found, "a function that makes a workflow", "Write @as_workflow above it.")


def _of_command(subject: str, command: type[Command]) -> Workflow:
    """Let a command set up its tasks as its pipeline does, with the defaults of its arguments."""
    from fairlead.adapters.workflow.commands.command_line import CommandLineInvalid, parse
    from fairlead.adapters.workflow.commands.setup import set_up
    from fairlead.adapters.workflow.pipeline.scope import PipelineContextManager, new_scope

    try:
        parsed = parse(command, [], prog=command.name)
    except CommandLineInvalid as error:
        expected = "a command whose arguments have defaults"
        remedy = "Run it in its pipeline, or name a function under @as_workflow that makes the same."
        found = f"it needs arguments: {error.problems[0].found}"
        raise _wrong(subject, found, expected, remedy) from error
    scope = new_scope()
    scope.context.args = parsed.args
    with PipelineContextManager(scope):
        return set_up(parsed.commands, parsed.args)[0]


def _called(subject: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except FairleadError:
        raise
    except Exception as error:
        raise _failed(subject, "made", error) from error


def _wrong(subject: str, found: str, expected: str, remedy: str) -> WorkflowNotFound:
    return WorkflowNotFound(Problem(subject, found, expected, remedy))
