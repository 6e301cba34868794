"""What makes two blocks the same work: their code, what they are bound to, and how they are joined.

The code of a function is its text without decorators and comments, the values that it closes over, and the user's own
functions, classes and plain constants that it uses by name, with all that these use; never what is installed, nor
fairlead's own. So an edit of a helper in the user's modules is other work, and a new release of numpy is not.

It does not look into what a function does with names: what it finds by `getattr` or `importlib` is not seen.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import sysconfig
import textwrap
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.adapters import values
from fairlead.adapters.errors import ContractError, NotFingerprintable, Problem
from fairlead.adapters.fingerprint import fingerprint
from fairlead.adapters.workflow.branches import Choice, Side
from fairlead.adapters.workflow.loops import IterativeWorkflow, LoopWorkflow
from fairlead.adapters.workflow.maps import MapWorkflow
from fairlead.adapters.workflow.task import Task
from fairlead.adapters.workflow.units import UnitBlock
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fairlead.adapters.workflow.block import Block
    from fairlead.adapters.workflow.running import Run

VERSION = 1
_PLAIN = (type(None), bool, int, float, str, bytes)


def identity_of(block: Block, inputs: Mapping[str, Any], run: Run, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that the result of a block depends on that is run with inputs, as a document for `fingerprint`.

    Raises `NotFingerprintable` for an input or a bound value that has no identity on another machine.
    """
    document = {
        "kind": "block",
        "version": VERSION,
        "block": digest_of(block),
        "inputs": {name: values.identity(value, f"'{block.name}', input '{name}'") for name, value in inputs.items()},
        "parameters": _parameters(block, run),
    }
    return document | ({"extra": dict(extra)} if extra else {})


def digest_of(block: Block) -> str:
    """Return the digest of all that a block's results depend on besides its inputs and parameters."""
    kept = block.digest
    shape = _shape(block)
    if kept is None or kept[0] != shape:
        kept = block.digest = (shape, fingerprint(_described(block)))
    return kept[1]


def _shape(block: Block) -> tuple[int, ...]:
    """Return what changes when somebody goes on building a block."""
    if isinstance(block, Workflow):
        return (len(block.blocks), len(block.edges), *(number for each in block.blocks for number in _shape(each)))
    return (len(block.bound),)


def _described(block: Block) -> dict[str, Any]:
    document: dict[str, Any] = {
        "kind": block.kind,
        "outputs": sorted(block.outputs),
        "bound": {
            name: values.identity(value, f"'{block.name}', bound input '{name}'") for name, value in block.bound.items()
        },
    }
    if isinstance(block, UnitBlock):
        document["unit"] = block.identity()
    elif isinstance(block, Task):
        document["code"] = code_of(type(block) if block.with_self else block.function)
    elif isinstance(block, Choice):
        document["condition"] = code_of(block.condition)
    elif isinstance(block, Side):
        document["taken_if"] = block.taken_if
    elif isinstance(block, Workflow):
        document |= _described_workflow(block)
    return document


def _described_workflow(workflow: Workflow) -> dict[str, Any]:
    wiring = workflow.wiring()
    document: dict[str, Any] = {
        "steps": [
            {
                "block": digest_of(step.block),
                "name": step.key,
                "ups": list(step.ups),
                "sources": {name: list(vars(source).values()) for name, source in step.sources.items()},
                "mapped": sorted(step.mapped),
            }
            for step in wiring.steps
        ],
        "ends": wiring.ends,
    }
    hook = workflow.hook
    if hook is not None:
        document["code"] = code_of(type(workflow))
    if isinstance(workflow, MapWorkflow):
        document["failures"] = [digest_of(step.block) for step in wiring.steps if isinstance(step.block, MapWorkflow)]
        document["put together"] = [
            workflow.on_error,
            workflow.flatten_output,
            workflow.output_name,
            workflow.no_outputs,
        ]
    elif isinstance(workflow, LoopWorkflow):
        document["iterations"] = [workflow.iterations, workflow.infinite]
    elif isinstance(workflow, IterativeWorkflow):
        document["iterations"] = workflow.max_iterations
        document["break"] = code_of(workflow.break_func) if workflow.break_func else None
        document["initial"] = values.identity(workflow.initial_value, f"'{workflow.name}', initial_value")
    return document


def _parameters(block: Block, run: Run) -> dict[str, Any]:
    """Return the values of the parameters of all tasks in a block, by the names of task and parameter."""
    found: dict[str, Any] = {}
    for task in _tasks(block):
        section = run.parameters.get(task.name) or {}
        for name in task.parameters:
            if name in section:
                where = f"parameters.{task.name}.{name}"
                found.setdefault(task.name, {})[name] = values.identity(section[name], where)
    return found


def _tasks(block: Block) -> Iterator[Task]:
    if isinstance(block, Workflow):
        for each in block.blocks:
            yield from _tasks(each)
    elif isinstance(block, Task) and block.parameters:
        yield block


# Code


def code_of(thing: Any) -> dict[str, Any]:
    """Return the code of a function or class as a document for `fingerprint`."""
    return _Code().described(thing)


@functools.cache
def _installed() -> tuple[str, ...]:
    """Return the folders of Python's own modules and of what is installed."""
    paths = sysconfig.get_paths()
    return tuple(str(Path(paths[name]).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


@functools.lru_cache(maxsize=4096)
def _is_users(module: str | None) -> bool:
    """Tell whether a module is the user's own code."""
    if module is None or module.partition(".")[0] in {"fairlead", *sys.builtin_module_names}:
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    if module == "__main__" or file is None:
        return module not in sys.stdlib_module_names
    return not str(Path(file).resolve()).startswith(_installed())


class _Code:
    """Goes through a function and what it uses, each once."""

    def __init__(self) -> None:
        self._seen: dict[int, str] = {}

    def described(self, thing: Any) -> dict[str, Any]:
        if isinstance(thing, functools.partial):
            bound = values.identity([list(thing.args), thing.keywords], "a function's bound arguments")
            return {"partial": self.described(thing.func), "bound": bound}
        if isinstance(thing, types.MethodType):
            return self.described(thing.__func__)
        function = inspect.unwrap(thing) if callable(thing) and not isinstance(thing, type) else thing
        if not isinstance(function, types.FunctionType | type):
            kind = type(function)
            if _is_users(kind.__module__):
                return {"callable": self.described(kind), "state": values.identity(vars(function), "a callable")}
            return {
                "name": f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', kind.__qualname__)}"
            }
        if id(function) in self._seen:
            return {"again": self._seen[id(function)]}
        self._seen[id(function)] = function.__qualname__
        if isinstance(function, type):
            return self._class(function)
        return {"text": _text(function), **self._used(function)}

    def _class(self, cls: type) -> dict[str, Any]:
        parts = {}
        for base in cls.__mro__:
            if not _is_users(base.__module__):
                continue
            methods = [getattr(member, "__func__", getattr(member, "fget", member)) for member in vars(base).values()]
            parts[base.__qualname__] = {
                "text": _text(base),
                "used": [
                    self._used(method)
                    for method in methods
                    if isinstance(method, types.FunctionType) and method.__module__ == base.__module__
                ],
            }
        return {"class": parts}

    def _used(self, function: types.FunctionType) -> dict[str, Any]:
        """Return what a function takes from outside itself: defaults, closure, and the user's names."""
        where = f"the function '{function.__qualname__}'"
        variables = inspect.getclosurevars(function).nonlocals
        found: dict[str, Any] = {}
        for name, value in variables.items():
            found[name] = self._value(value, f"{where}, its variable '{name}'")
        for name, value in self._globals(function):
            described = self._global(value)
            if described is not None:
                found[name] = described
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        return {"uses": found, "defaults": [self._value(value, f"{where}, a default") for value in defaults]}

    def _globals(self, function: types.FunctionType) -> Iterator[tuple[str, Any]]:
        """Go through the global names of a function's code, and of the functions in it, with what they are now."""
        names: dict[str, None] = {}
        codes = [function.__code__]
        while codes:
            code = codes.pop()
            names.update(dict.fromkeys(code.co_names))
            codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        for name in names:
            if name in function.__globals__:
                value = function.__globals__[name]
                yield name, value
                if isinstance(value, types.ModuleType) and _is_users(value.__name__):
                    yield from ((f"{name}.{each}", vars(value)[each]) for each in names if each in vars(value))

    def _global(self, value: Any) -> Any:
        """Return a global that counts: the user's functions and classes, and plain constants."""
        if isinstance(value, types.FunctionType | type):
            return self.described(value) if _is_users(value.__module__) else None
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, list | tuple | dict | set | frozenset):
            try:
                return values.identity(value, "a global")
            except ContractError:
                return None
        return None

    def _value(self, value: Any, where: str) -> Any:
        if isinstance(value, types.ModuleType):
            return {"module": value.__name__}
        if callable(value) and not isinstance(value, _PLAIN):
            return self.described(value)
        try:
            return values.identity(value, where)
        except NotFingerprintable:
            raise
        except ContractError as error:
            raise NotFingerprintable(
                [Problem(p.where, p.found, p.expected, p.remedy) for p in error.problems]
            ) from error


@functools.lru_cache(maxsize=4096)
def _text(thing: types.FunctionType | type) -> str:
    """Return the text of a definition without its decorators; of a function that has none, its bytecode."""
    try:
        lines = textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError):
        code = getattr(thing, "__code__", None)
        return (
            repr((code.co_code, code.co_names, [str(each) for each in code.co_consts])) if code else thing.__qualname__
        )
    try:
        tree = ast.parse(lines)
    except SyntaxError:  # a lambda in the midst of an expression
        code = getattr(thing, "__code__", None)
        return repr((code.co_code, code.co_names, code.co_consts)) if code else lines
    definition = tree.body[0]
    if isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return "\n".join(line.rstrip() for line in lines.splitlines()[definition.lineno - 1 :])
    return lines
