"""What a task takes and gives: its targets, found in the signature, the return annotation or the return statements.

Annotations may be texts (``from __future__ import annotations``). What is found belongs to a function and is found
once; each task instance has targets of its own. The module checks no values: that is ``checks``.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_origin, is_typeddict

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.exceptions import TargetException, TaskWithKwargsException
from fairlead.adapters.workflow.types import NO_DEFAULT, Parameter

_MISSING = object()


@dataclass(frozen=True)
class Target:
    """One named value that a block takes or gives."""

    name: str
    type: Any = Any
    default: Any = NO_DEFAULT
    """What an input is when nothing gives it a value."""
    is_certain: bool = True
    """Whether an output is there however the task returns."""
    any_name: bool = field(default=False, repr=False)
    """Whether an input also takes the only output that its upstream has, whatever its name."""

    @property
    def is_required(self) -> bool:
        """Whether something must give an input its value."""
        return self.default is NO_DEFAULT

    # The decorators below are Outflow's older way to say what a function's signature says.

    @classmethod
    def input(cls, name: str, type: Any = Any, default: Any = NO_DEFAULT) -> Callable[[Any], Any]:  # noqa: A002 (Outflow's)
        """Decorate a task class with an input."""
        return _declare("_declared_inputs", cls(name, type, default))

    @classmethod
    def output(cls, name: str, type: Any = Any) -> Callable[[Any], Any]:  # noqa: A002 (Outflow's)
        """Decorate a task class with an output."""
        return _declare("_declared_outputs", cls(name, type))

    @classmethod
    def parameter(cls, name: str, type: Any = Any) -> Callable[[Any], Any]:  # noqa: A002 (Outflow's)
        """Decorate a task class with a parameter, whose value the configuration has."""
        return _declare("_declared_parameters", cls(name, type))

    @classmethod
    def parameters(cls, *names: str) -> Callable[[Any], Any]:
        """Decorate a task class with parameters of any type."""
        return _declare("_declared_parameters", *(cls(name) for name in names))


def _declare(attribute: str, *targets: Target) -> Callable[[Any], Any]:
    def decorate(task: Any) -> Any:
        declared = {**getattr(task, attribute, {}), **{target.name: target for target in targets}}
        setattr(task, attribute, declared)
        return task

    return decorate


@dataclass(frozen=True)
class Signature:
    """What a function takes and gives."""

    inputs: Mapping[str, Target]
    parameters: Mapping[str, Target]
    outputs: Mapping[str, Target] | None
    """None if they cannot be told."""
    why: str = ""
    """Why they cannot be told."""
    takes_any: bool = False
    """Whether it takes any name (``**kwargs``)."""


@functools.lru_cache(maxsize=4096)
def signature_of(function: Callable[..., Any], task: str) -> Signature:
    """Find what a task's function takes and gives; ``task`` names it in errors.

    Raises `TargetException` for annotations that cannot be used, and `TaskWithKwargsException`.
    """
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise _unusable(task, f"the signature of {function!r} cannot be read", "a Python function", "") from error
    inputs: dict[str, Target] = {}
    parameters: dict[str, Target] = {}
    takes_any = False
    names = list(found.parameters)
    for name, parameter in found.parameters.items():
        if name == "self" and name == names[0]:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY:
            raise TaskWithKwargsException(
                Problem(
                    f"task '{task}', input '{name}'",
                    "it is keyword-only",
                    "inputs that are also positional",
                    "Leave out the '*' before it.",
                )
            )
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_any = True
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            continue
        annotation = _annotation(parameter.annotation, function, f"task '{task}', input '{name}'")
        if isinstance(annotation, Parameter):
            parameters[name] = Target(name, annotation.type)
        else:
            default = NO_DEFAULT if parameter.default is parameter.empty else parameter.default
            inputs[name] = Target(name, annotation, default)
    outputs, why = _outputs(function, found.return_annotation, task)
    return Signature(inputs, parameters, outputs, why, takes_any)


def _annotation(annotation: Any, function: Callable[..., Any], where: str) -> Any:
    """Return what an annotation means; a text is evaluated where the function was defined."""
    if annotation is inspect.Parameter.empty:
        return Any
    if not isinstance(annotation, str):
        return annotation
    plain = inspect.unwrap(function)
    closure = inspect.getclosurevars(plain).nonlocals if inspect.isfunction(plain) else {}
    try:
        return eval(annotation, getattr(plain, "__globals__", {}), dict(closure))  # noqa: S307 (the user's own text)
    except Exception as error:
        raise TargetException(
            Problem(
                where,
                f"the annotation {annotation!r} cannot be evaluated: {type(error).__name__}: {error}",
                "names that are known where the task is defined",
                "Import them at the top of the module, or leave out 'from __future__ import annotations'.",
            )
        ) from error


def _outputs(function: Callable[..., Any], annotation: Any, task: str) -> tuple[Mapping[str, Target] | None, str]:
    annotation = (
        _annotation(annotation, function, f"task '{task}', return annotation")
        if (annotation is not inspect.Signature.empty)
        else None
    )
    if annotation is None or annotation is type(None):
        return _returned(function)
    if isinstance(annotation, dict):
        return {
            name: Target(name, _annotation(kind, function, f"task '{task}', output '{name}'"))
            for name, kind in annotation.items()
        }, ""
    if is_typeddict(annotation):
        required = annotation.__required_keys__
        hints = typing.get_type_hints(annotation)
        return {name: Target(name, kind, is_certain=name in required) for name, kind in hints.items()}, ""
    raise _unusable(
        task,
        f"the return annotation is {getattr(annotation, '__name__', annotation)!s}",
        "a dict of names and types, or a TypedDict",
        'Write e.g. -> {"result": int}.',
    )


def _unusable(task: str, found: str, expected: str, remedy: str) -> TargetException:
    return TargetException(Problem(f"task '{task}'", found, expected, remedy))


def _returned(function: Callable[..., Any]) -> tuple[Mapping[str, Target] | None, str]:
    """Read the outputs from the return statements of a function, or say why that cannot be done."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return None, "its source is not at hand"
    definition = next(
        (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)), None
    )
    if definition is None:
        return None, "it is not defined with 'def'"
    returns: list[list[str]] = []
    for node in _own_nodes(definition):
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return None, "it yields"
        if isinstance(node, ast.Return):
            keys = _keys(node.value)
            if keys is None:
                if node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None):
                    returns.append([])
                    continue
                if _is_skipped(node.value):
                    continue
                return None, f"line {node.lineno} returns something else than a dict with its names written out"
            returns.append(keys)
    if not any(returns):
        return {}, ""
    names = dict.fromkeys(name for keys in returns for name in keys)
    return {name: Target(name, is_certain=all(name in keys for keys in returns)) for name in names}, ""


def _own_nodes(definition: ast.AST) -> Iterator[ast.AST]:
    """Go through what a function's body holds, without the functions and classes that it defines."""
    for child in ast.iter_child_nodes(definition):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        yield child
        yield from _own_nodes(child)


def _keys(value: ast.expr | None) -> list[str] | None:
    """Return the names in ``{"a": …}`` or ``dict(a=…)``; None for anything else."""
    if isinstance(value, ast.Dict):
        names = [key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
        return names if len(names) == len(value.keys) else None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict" and not value.args:
        names = [keyword.arg for keyword in value.keywords if keyword.arg is not None]
        return names if len(names) == len(value.keywords) else None
    return None


def _is_skipped(value: ast.expr) -> bool:
    """Tell whether a return statement says that nothing was done: ``return Skipped()``."""
    return isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "Skipped"


def type_name(kind: Any) -> str:
    """Return how a type is written."""
    if kind is Any:
        return "Any"
    if kind is None or kind is type(None):
        return "None"
    if get_origin(kind) is None and isinstance(kind, type):
        return kind.__name__
    return str(kind).replace("typing.", "")
