"""What a task takes and gives: its targets, found in the signature, the return annotation or the return statements.

Annotations may be texts (``from __future__ import annotations``). What is found belongs to a function and is found
once; each task instance has targets of its own. The module checks no values: that is ``checks``.
"""

from __future__ import annotations

import ast
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_origin, is_typeddict
from weakref import WeakKeyDictionary

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.checks import bare
from fairlead.adapters.workflow.exceptions import TargetException, TaskWithKwargsException
from fairlead.adapters.workflow.sources import definition
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


_signatures: WeakKeyDictionary[Callable[..., Any], Signature] = WeakKeyDictionary()


def signature_of(function: Callable[..., Any], task: str) -> Signature:
    """Find what a task's function takes and gives, once; ``task`` names it in errors.

    Raises `TargetException` for annotations that cannot be used, and `TaskWithKwargsException`.
    """
    if function not in _signatures:
        _signatures[function] = _found(function, task)
    return _signatures[function]


def _found(function: Callable[..., Any], task: str) -> Signature:
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise _unusable(task, f"the signature of {function!r} cannot be read", "a Python function", "") from error
    inputs: dict[str, Target] = {}
    parameters: dict[str, Target] = {}
    several = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    for place, (name, parameter) in enumerate(found.parameters.items()):
        if parameter.kind in several or (name == "self" and place == 0):
            continue
        where = f"task '{task}', input '{name}'"
        _refuse_kind(parameter, where)
        annotation = _annotation(parameter.annotation, function, where)
        default = NO_DEFAULT if parameter.default is parameter.empty else parameter.default
        if isinstance(annotation, Parameter):
            parameters[name] = Target(name, _type(annotation.type, where), default)
        else:
            inputs[name] = Target(name, _type(annotation, where), default)
    outputs, why = _outputs(function, found.return_annotation, task)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in found.parameters.values())
    return Signature(inputs, parameters, outputs, why, takes_any)


def _refuse_kind(parameter: inspect.Parameter, where: str) -> None:
    """Refuse arguments that are not both positional and named."""
    expected = "inputs that have a name and a position"
    if parameter.kind is parameter.KEYWORD_ONLY:
        raise TaskWithKwargsException(Problem(where, "it is keyword-only", expected, "Leave out the '*' before it."))
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise TargetException(Problem(where, "it is positional-only", expected, "Leave out the '/' after it."))


def _annotation(annotation: Any, function: Callable[..., Any], where: str) -> Any:
    """Return what an annotation means; a text is evaluated where the function was defined."""
    if annotation is inspect.Parameter.empty:
        return Any
    if annotation is Parameter:
        return Parameter()
    if not isinstance(annotation, str) and not typing.get_args(annotation):
        return annotation
    plain = _plain(function)
    names = getattr(plain, "__globals__", {})
    known = _known(plain)
    try:
        if isinstance(annotation, str):
            meant = eval(annotation, names, known)  # noqa: S307 (the user's own text)
            return _annotation(meant, function, where)
        holder = types.SimpleNamespace(__annotations__={"it": annotation})
        return typing.get_type_hints(holder, names, known, include_extras=True)["it"]
    except Exception as error:
        raise TargetException(
            Problem(
                where,
                f"the annotation {annotation!r} cannot be evaluated: {type(error).__name__}: {error}",
                "a type, of names that are known where the task is defined",
                "Write a type, and import its names at the top of the module.",
            )
        ) from error


def _known(function: Any) -> dict[str, Any]:
    """Return the names, besides the global ones, that were known where a function was defined."""
    closure = inspect.getclosurevars(function).nonlocals if inspect.isfunction(function) else {}
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals is not getattr(function, "__globals__", None):
        frame = frame.f_back
    return {**(frame.f_locals if frame is not None else {}), **closure}


def _type(kind: Any, where: str) -> Any:
    """Return what is a type; raises `TargetException` for values and functions, and for what cannot be compared."""
    is_hashable = True
    try:
        hash(bare(kind))
    except TypeError:
        is_hashable = False
    if is_hashable and not isinstance(kind, int | float | str | tuple | types.FunctionType | types.BuiltinFunctionType):
        return kind
    found = f"the annotation {getattr(kind, '__qualname__', repr(kind))} is no type"
    raise TargetException(Problem(where, found, "a type", "Write e.g. int, list[int], int | str or typing.Any."))


def _plain(function: Callable[..., Any]) -> Any:
    """Return the function itself, without decorators and without the object that a method is bound to."""
    return inspect.unwrap(getattr(function, "__func__", function))


def _outputs(function: Callable[..., Any], annotation: Any, task: str) -> tuple[Mapping[str, Target] | None, str]:
    if annotation is not inspect.Signature.empty and not isinstance(annotation, list | set):
        annotation = _annotation(annotation, function, f"task '{task}', return annotation")
    if annotation in (inspect.Signature.empty, None, type(None)):
        return _returned(function)
    if isinstance(annotation, dict):
        return {
            name: Target(output_name(name, task), _output_type(kind, function, f"task '{task}', output '{name}'"))
            for name, kind in annotation.items()
        }, ""
    if is_typeddict(annotation):
        return _typed(annotation, function, task), ""
    raise _unusable(
        task,
        f"the return annotation is {getattr(annotation, '__name__', annotation)!s}",
        "a dict of names and types, or a TypedDict",
        'Write e.g. -> {"result": int}.',
    )


def _output_type(kind: Any, function: Callable[..., Any], where: str) -> Any:
    return _type(_annotation(kind, function, where), where)


def _typed(annotation: Any, function: Callable[..., Any], task: str) -> dict[str, Target]:
    """Return the outputs that a TypedDict says."""
    names = getattr(_plain(function), "__globals__", {})
    try:
        hints = typing.get_type_hints(annotation, None, names, include_extras=True)
    except (NameError, TypeError) as error:
        found = f"the types of {annotation.__name__} cannot be evaluated: {error}"
        raise _unusable(task, found, "names that are known where it is defined", "Import them there.") from error
    outputs = {}
    for name, hint in hints.items():
        is_marked = get_origin(hint) in {typing.Required, typing.NotRequired}
        is_certain = get_origin(hint) is typing.Required if is_marked else name in annotation.__required_keys__
        kind = typing.get_args(hint)[0] if is_marked else hint
        outputs[name] = Target(output_name(name, task), kind, is_certain=is_certain)
    return outputs


def output_name(name: Any, block: str) -> str:
    """Return the name of an output; raises `TargetException` for what cannot be one."""
    if isinstance(name, str) and name and name[0] != "@":
        return name
    found = f"{name!r} cannot be the name of an output"
    raise TargetException(Problem(f"task '{block}'", found, "a text that does not begin with '@'", "Rename it."))


def _unusable(task: str, found: str, expected: str, remedy: str) -> TargetException:
    return TargetException(Problem(f"task '{task}'", found, expected, remedy))


def _returned(function: Callable[..., Any]) -> tuple[Mapping[str, Target] | None, str]:
    """Read the outputs from the return statements of a function, or say why that cannot be done."""
    plain = _plain(function)
    found = definition(plain) if inspect.isfunction(plain) else None
    if found is None:
        return None, "its source is not at hand"
    returns: list[list[str]] = []
    for node in [ast.Return(found.body)] if isinstance(found, ast.Lambda) else _own_nodes(found):
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return None, "it yields"
        if isinstance(node, ast.Return) and not _is_skipped(node.value):
            keys = _keys(node.value)
            if keys is None:
                line = getattr(node, "lineno", found.lineno)
                return None, f"line {line} returns something else than a dict with its names written out"
            returns.append(keys)
    names = dict.fromkeys(name for keys in returns for name in keys)
    return {name: Target(name, is_certain=all(name in keys for keys in returns)) for name in names}, ""


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Go through what a function's body holds, without the functions and classes that it defines."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        yield child
        yield from _own_nodes(child)


def _keys(value: ast.expr | None) -> list[str] | None:
    """Return the names in ``{"a": …}`` or ``dict(a=…)``, and none for nothing; None for anything else."""
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return []
    if isinstance(value, ast.Dict):
        names = [key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
        return names if len(names) == len(value.keys) else None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict" and not value.args:
        names = [keyword.arg for keyword in value.keywords if keyword.arg is not None]
        return names if len(names) == len(value.keywords) else None
    return None


def _is_skipped(value: ast.expr | None) -> bool:
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
