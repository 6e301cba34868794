"""Values and types against targets: what is given must be what the target says, whole and not only its first element.

`checker` makes a check of values for run time; `fits` says before anything runs whether a value of one type can be one
of another. It refuses only types that have no value in common: what may turn out right is left to run time.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar, get_args, get_origin

Check: TypeAlias = Callable[[Any], str]
"""Says what is wrong with a value, or nothing."""

_PROMOTED: dict[type, tuple[type, ...]] = {float: (float, int), complex: (complex, float, int)}
"""What counts as what in annotations, as type checkers have it."""


def checker(kind: Any) -> Check | None:
    """Return what checks a value: a function that says what is wrong with it, or nothing; None if all are right."""
    try:
        return _checker(kind)
    except TypeError:  # what an Annotated adds to a type cannot be hashed
        return _checker(bare(kind))


def bare(kind: Any) -> Any:
    """Return a type without what `Annotated` adds to it, or to what it is made of."""
    return typing.get_type_hints(types.SimpleNamespace(__annotations__={"it": kind}))["it"]


@functools.lru_cache(maxsize=4096)
def _checker(kind: Any) -> Check | None:
    if kind is Any or kind is object or isinstance(kind, TypeVar):
        return None
    if kind is None:
        kind = type(None)
    if type(kind) is type and get_origin(kind) is None:
        allowed = _PROMOTED.get(kind, (kind,))
        return lambda value: "" if isinstance(value, allowed) else f"is {_a(type(value))}"
    return functools.partial(_check_deeply, kind)


def _check_deeply(kind: Any, value: Any) -> str:
    import typeguard

    try:
        typeguard.check_type(value, kind, collection_check_strategy=typeguard.CollectionCheckStrategy.ALL_ITEMS)
    except typeguard.TypeCheckError as error:
        # Where in the value it is; the message names it in one text only.
        path = " of ".join(error._path)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        place = f": {path}" if path else ""
        return f"is {_a(type(value))}{place} {error.args[0]}" if path else f"is {_a(type(value))}: it {error.args[0]}"
    return ""


def _a(kind: type) -> str:
    name = kind.__name__
    return name if name == "NoneType" else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def fits(given: Any, wanted: Any) -> bool:
    """Tell whether a value of type ``given`` can be one of type ``wanted``."""
    given, wanted = _plain(given), _plain(wanted)
    if given is Any or wanted is Any:
        return True
    if _is_union(given) or _is_union(wanted):
        return any(_fits_one(one, other) for one in _members(given) for other in _members(wanted))
    return _fits_one(given, wanted)


def _members(kind: Any) -> tuple[Any, ...]:
    return tuple(map(_plain, get_args(kind))) if _is_union(kind) else (kind,)


def _fits_one(given: Any, wanted: Any) -> bool:
    """Tell whether they fit, neither of them being a union."""
    for one, other in ((given, wanted), (wanted, given)):
        if get_origin(one) is Literal:
            return any(fits_value(value, other) for value in get_args(one))
    given_class, wanted_class = get_origin(given) or given, get_origin(wanted) or wanted
    if not isinstance(given_class, type) or not isinstance(wanted_class, type):
        return True
    if not _related(given_class, wanted_class):
        return False
    ours, theirs = get_args(given), get_args(wanted)
    if given_class is not wanted_class or given_class is tuple or len(ours) != len(theirs):
        return True
    return all(fits(one, other) for one, other in zip(ours, theirs, strict=True))


def fits_value(value: Any, kind: Any) -> bool:
    """Tell whether a value is of a type."""
    check = checker(kind)
    return check is None or not check(value)


def element_of(kind: Any) -> Any:
    """Return the type of what a sequence holds; Any if it does not say, None if it is none."""
    kind = _plain(kind)
    if kind is Any:
        return Any
    if _is_union(kind):
        members = [element for member in get_args(kind) if (element := element_of(member)) is not None]
        return None if not members else members[0] if len(members) == 1 else Any
    origin = get_origin(kind) or kind
    if not isinstance(origin, type):
        return Any
    if origin in {str, bytes, int, float, bool, complex, type(None)}:
        return None
    arguments = get_args(kind)
    if origin is tuple:
        return arguments[0] if arguments[1:] == (Ellipsis,) else Any
    return arguments[0] if len(arguments) == 1 and hasattr(origin, "__iter__") else Any


def _plain(kind: Any) -> Any:
    """Return a type without its annotations and new names; None becomes its type, a type variable Any."""
    while True:
        if kind is None:
            return type(None)
        if isinstance(kind, TypeVar) or kind is object:
            return Any
        if isinstance(kind, typing.NewType):
            kind = kind.__supertype__
        elif get_origin(kind) is typing.Annotated:
            kind = get_args(kind)[0]
        elif typing.is_typeddict(kind):
            return dict
        else:
            return kind


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in {typing.Union, types.UnionType}


def _related(given: type, wanted: type) -> bool:
    if getattr(wanted, "_is_protocol", False) or getattr(given, "_is_protocol", False):
        return True
    try:
        related = issubclass(given, wanted) or issubclass(wanted, given)
    except TypeError:  # a class that does not let itself be asked
        return True
    return related or any(issubclass(given, each) for each in _PROMOTED.get(wanted, ()))
