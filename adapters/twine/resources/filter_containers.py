"""Sets, lists and dictionaries that are narrowed down and put in order by what is known about their members.

A filter is a keyword argument, ``<attribute>__<nested attribute or key>__<filter>``, e.g. ``tags__height__gt=80``.
Which filters there are depends on the type of the attribute: `TYPE_FILTERS` and `INTERFACE_FILTERS` say so. Members
must be `Filterable`. Nothing is looked up in a store here, and only the standard library is imported.
"""

import datetime as dt
import functools
import itertools
import math
import numbers
from collections.abc import Iterable, Mapping

from fairlead.adapters.twine.exceptions import (
    BrokenSequenceException,
    InvalidInputException,
    UnexpectedNumberOfResultsException,
)
from fairlead.adapters.twine.resources.label import LabelSet
from fairlead.adapters.twine.resources.mixins import Filterable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Generic, Self, TypeVar

    Check = Callable[[Any, Any], bool]

    T = TypeVar("T")
    K = TypeVar("K")
else:  # only type checkers need these, and their module is slow to import

    class Generic:
        """Stands for ``typing.Generic``."""

        def __class_getitem__(cls, _parameters: object) -> type:
            """Be the same class for all parameters."""
            return cls

    T = K = object

_SHOWN = 5
"""How many members a message names."""


def _with_opposites(checks: "Mapping[str, Check]") -> "dict[str, Check]":
    """Return checks and their opposites: ``is_not`` for ``is``, else ``not_…``."""

    def opposite(check: "Check") -> "Check":
        return lambda attribute, value: not check(attribute, value)

    return {
        **checks,
        **{"is_not" if name == "is" else f"not_{name}": opposite(check) for name, check in checks.items()},
    }


def _fold(value: "Any") -> "Any":
    return value.casefold() if isinstance(value, str) else value


_ANY = _with_opposites(
    {
        "equals": lambda attribute, value: attribute == value,
        "is": lambda attribute, value: attribute is value,
    }
)
_ORDERED: "dict[str, Check]" = {
    **_with_opposites({"in_range": lambda attribute, value: value[0] <= attribute <= value[1]}),
    "lt": lambda attribute, value: attribute < value,
    "lte": lambda attribute, value: attribute <= value,
    "gt": lambda attribute, value: attribute > value,
    "gte": lambda attribute, value: attribute >= value,
}
_CONTAINING = _with_opposites({"contains": lambda attribute, value: value in attribute})
_PARTS: "dict[str, Callable[[dt.datetime], Any]]" = {
    "year": lambda attribute: attribute.year,
    "month": lambda attribute: attribute.month,
    "day": lambda attribute: attribute.day,
    "weekday": lambda attribute: attribute.weekday(),
    "iso_weekday": lambda attribute: attribute.isoweekday(),
    "time": lambda attribute: attribute.time(),
    "hour": lambda attribute: attribute.hour,
    "minute": lambda attribute: attribute.minute,
    "second": lambda attribute: attribute.second,
}


def _part_equals(part: "Callable[[dt.datetime], Any]") -> "Check":
    return lambda attribute, value: part(attribute) == value


def _part_in(part: "Callable[[dt.datetime], Any]") -> "Check":
    return lambda attribute, value: part(attribute) in value


TYPE_FILTERS: "dict[type, dict[str, Check]]" = {
    bool: _ANY,
    type(None): _ANY,
    str: {
        **_ANY,
        **_ORDERED,
        **_CONTAINING,
        **_with_opposites(
            {
                "iequals": lambda attribute, value: attribute.casefold() == value.casefold(),
                "icontains": lambda attribute, value: value.casefold() in attribute.casefold(),
                "starts_with": lambda attribute, value: attribute.startswith(value),
                "ends_with": lambda attribute, value: attribute.endswith(value),
            }
        ),
    },
    LabelSet: {
        **_ANY,
        **_CONTAINING,
        **_with_opposites(
            {
                "any_label_contains": lambda attribute, value: attribute.any_label_contains(value),
                "any_label_starts_with": lambda attribute, value: attribute.any_label_starts_with(value),
                "any_label_ends_with": lambda attribute, value: attribute.any_label_ends_with(value),
            }
        ),
    },
    dt.datetime: {
        **_ANY,
        **_ORDERED,
        **{f"{name}_equals": _part_equals(part) for name, part in _PARTS.items()},
        **{f"{name}_in": _part_in(part) for name, part in _PARTS.items()},
        "in_date_range": lambda attribute, value: value[0] <= attribute.date() <= value[1],
        "in_time_range": lambda attribute, value: value[0] <= attribute.time() <= value[1],
    },
}
"""The filters of an attribute by its class or the first of its base classes that is here."""

INTERFACE_FILTERS: "dict[type, dict[str, Check]]" = {
    numbers.Number: {**_ANY, **_ORDERED},
    Iterable: {
        **_ANY,
        **_CONTAINING,
        **_with_opposites({"icontains": lambda attribute, value: _fold(value) in map(_fold, attribute)}),
    },
}
"""The filters of an attribute of any other class, by what it can do."""

_ALL = {name for filters in (*TYPE_FILTERS.values(), *INTERFACE_FILTERS.values()) for name in filters}
_MISSING = object()


@functools.cache
def _filters_of(cls: type) -> "dict[str, Check] | None":
    """Return the filters for attributes of a class, or None if there are none."""
    for base in cls.__mro__:
        if base in TYPE_FILTERS:
            return TYPE_FILTERS[base]
    return next((filters for interface, filters in INTERFACE_FILTERS.items() if issubclass(cls, interface)), None)


def _get(thing: "Any", names: "Iterable[str]") -> "Any":
    """Return a nested attribute, each by its name or, of a dictionary, by its key; `_MISSING` if there is none.

    A key may have ``__`` in it: of several that begin alike, it is the longest.
    """
    rest = [*names]
    while rest and thing is not _MISSING:
        if isinstance(thing, Mapping):
            keys = ("__".join(rest[:count]) for count in range(len(rest), 0, -1))
            key = next((key for key in keys if key in thing), None)
            if key is None:
                return _MISSING
            thing, rest = thing[key], rest[key.count("__") + 1 :]
        else:
            thing, rest = getattr(thing, rest[0], _MISSING), rest[1:]
    return thing


def _may_hold(attribute: "Any") -> bool:
    """Tell whether what follows an attribute's name may be a key or an attribute instead of a filter."""
    cls: type = type(attribute)
    return attribute is None or attribute is _MISSING or isinstance(attribute, Mapping) or _filters_of(cls) is None


class Filter:
    """One filter with the value to filter for, taken apart once for all the objects it is used on."""

    def __init__(self, name: str, value: object, *, skip_without_attribute: bool = True) -> None:
        """Take a filter apart.

        Args:
            name: ``<attribute>__<…>__<filter>``; ``<attribute>`` and ``<attribute>__<key>`` alone mean ``equals``
            value: what to filter for
            skip_without_attribute: whether what lacks the attribute just does not match

        """
        self.name, self.value, self._skip = name, value, skip_without_attribute
        *self._names, self._action = name.split("__")

    def matches(self, item: object) -> bool:
        """Tell whether an object matches.

        What is None matches no filter that compares, e.g. by a range. Raises AttributeError if the attribute is
        missing and not to be skipped; `InvalidInputException` if its type has no such filter, or if it cannot be
        compared with the value.
        """
        if not self._names:
            attribute = getattr(item, self._action, _MISSING)
            if attribute is _MISSING:
                msg = (
                    f"Invalid filter name {self.name!r}. Filter names should be in the form '<attribute_name_0>__"
                    "<attribute_name_1>__<...>__<filter_kind>' with at least one attribute name included; "
                    f"{item!r} has no attribute {self.name!r} either."
                )
                raise InvalidInputException(msg)
            return self._checked(_ANY["equals"], attribute)
        attribute = _get(item, self._names)
        if self._action not in _ALL and _may_hold(attribute):
            return self._equals_nested(item, attribute)
        if attribute is _MISSING:
            return self._without(item, self._names)
        cls: type = type(attribute)
        filters = _filters_of(cls)
        check = filters.get(self._action) if filters else None
        if check is not None:
            return self._checked(check, attribute)
        if attribute is None and self._action in _ALL:
            return False
        if self._action in _ALL and filters is None:
            msg = (
                f"Attributes of type {cls.__name__} are not currently supported for filtering. "
                f"({self.name}={self.value!r}, on {item!r}.)"
            )
            raise InvalidInputException(msg)
        msg = (
            f"There is no filter called {self._action!r} for attributes of type {cls}. The options are "
            f"{sorted(filters or ())!r}. ({self.name}={self.value!r}, on {item!r}.)"
        )
        raise InvalidInputException(msg)

    def _equals_nested(self, item: object, attribute: object) -> bool:
        """Tell whether an object matches a filter without a filter's name, all of which names an attribute."""
        whole = [*self._names, self._action]
        nested = _get(item, whole)
        if nested is _MISSING:
            return self._without(item, self._names if attribute is _MISSING else whole)
        return self._checked(_ANY["equals"], nested)

    def _without(self, item: object, names: "Iterable[str]") -> bool:
        if self._skip:
            return False
        msg = f"{item!r} does not have an attribute or key named {'.'.join(names)!r}."
        raise AttributeError(msg)

    def _checked(self, check: "Check", attribute: object) -> bool:
        try:
            return bool(check(attribute, self.value))
        except (TypeError, AttributeError, LookupError, ValueError) as error:
            msg = (
                f"The filter {self.name!r} cannot be used on {attribute!r}, which is of type "
                f"{type(attribute).__name__}, with the value {self.value!r}: {error}."
            )
            raise InvalidInputException(msg) from error


class FilterContainer(Generic[T]):
    """What `FilterSet`, `FilterList` and `FilterDict` have in common."""

    def _elements(self) -> "list[T]":
        """Return what the container holds: members, or pairs of key and member."""
        return list(self)  # type: ignore[call-overload,no-any-return]  # a set or a list

    def _in_order(self) -> "list[T]":
        """Return what the container holds, in the order that those have that are equal otherwise."""
        return self._elements()

    def _member(self, element: T) -> object:
        return element

    def filter(self, ignore_items_without_attribute: bool = True, **kwargs: "Any") -> "Self":  # noqa: FBT001, FBT002 (Octue's)
        """Return a new container with those members that match all filters; without filters, a copy.

        Args:
            ignore_items_without_attribute: whether members that lack an attribute are left out; else they raise
                AttributeError
            kwargs: names of filters and the values to filter for, see `Filter`

        Raises TypeError if a member is not `Filterable`, and `InvalidInputException` for a filter that does not exist
        or cannot be used with the value.

        """
        elements = self._elements()
        if kwargs and not all(isinstance(self._member(element), Filterable) for element in elements):
            kind = "values" if isinstance(self, Mapping) else "items"
            msg = f"All {kind} in a {type(self).__name__} must be of type {Filterable.__name__}."
            raise TypeError(msg)
        for name, value in kwargs.items():
            if ignore_items_without_attribute and "__" not in name:
                having = [element for element in elements if hasattr(self._member(element), name)]
                elements = having or elements  # if none has it, the filter says so
            rule = Filter(name, value, skip_without_attribute=ignore_items_without_attribute)
            elements = [element for element in elements if rule.matches(self._member(element))]
        return type(self)(elements)  # type: ignore[call-arg]  # all of them take elements

    def one(self, **kwargs: "Any") -> T:
        """Return the only member that matches all filters (of a dictionary, with its key).

        Raises `UnexpectedNumberOfResultsException` if there is none, or if there are several.
        """
        results = self.filter(**kwargs)._elements()  # noqa: SLF001 (of the same class)
        if len(results) != 1:
            told = "More than one result" if results else "No results"
            found = f" Found {len(results)}: {_named(results)}." if results else ""
            msg = (
                f"{told} found for filters {kwargs} among {len(self._elements())} in the {type(self).__name__}.{found}"
            )
            raise UnexpectedNumberOfResultsException(msg)
        return results[0]

    def order_by(
        self,
        attribute_name: str,
        check_start_value: "Any" = None,
        check_constant_increment: "Any" = None,
        reverse: bool = False,  # noqa: FBT001, FBT002 (Octue's)
    ) -> "FilterList[T]":
        """Return the members as a list in the order of an attribute; equal ones stay in the order they had.

        A set has no order: of it, equal ones are in that of their ``place``, which files have.

        Args:
            attribute_name: the attribute, nested ones as ``tags__sequence`` or ``tags.sequence``
            check_start_value: the value that the first member must have
            check_constant_increment: how much the value must grow from each member to the next
            reverse: whether the greatest comes first

        Raises `InvalidInputException` if a member lacks the attribute or the values have no order, and
        `BrokenSequenceException` if one of the checks fails.

        """
        names = attribute_name.replace("__", ".").split(".")
        shown = ".".join(names)
        keyed = [(_get(self._member(element), names), element) for element in self._in_order()]
        lacking = [element for value, element in keyed if value is _MISSING]
        if lacking:
            msg = (
                f"An attribute named {shown!r} does not exist on one or more members of the {type(self).__name__}: "
                f"{_named(lacking)}."
            )
            raise InvalidInputException(msg)
        try:
            keyed.sort(key=lambda pair: pair[0], reverse=reverse)
        except TypeError as error:
            msg = f"The members of the {type(self).__name__} have no order by {shown!r}: {error}."
            raise InvalidInputException(msg) from error
        if check_start_value is not None:
            _check_start(keyed, shown, check_start_value)
        if check_constant_increment is not None:
            _check_increment(keyed, shown, check_constant_increment)
        return FilterList(element for _, element in keyed)


class FilterSet(set[T], FilterContainer[T]):
    """A set of `Filterable` objects, e.g. the files of a dataset."""

    def _in_order(self) -> "list[T]":
        return sorted(self, key=lambda element: str(getattr(element, "place", "")))


class FilterList(list[T], FilterContainer[T]):
    """A list of `Filterable` objects."""


class FilterDict(dict[K, T], FilterContainer["tuple[K, T]"]):
    """A dictionary of `Filterable` objects by any keys."""

    def _elements(self) -> "list[tuple[K, T]]":
        return list(self.items())

    def _member(self, element: "tuple[K, T]") -> object:
        return element[1]

    def order_by(  # type: ignore[override]  # the order of the document's arguments
        self,
        attribute_name: str,
        reverse: bool = False,  # noqa: FBT001, FBT002 (Octue's)
        *,
        check_start_value: "Any" = None,
        check_constant_increment: "Any" = None,
    ) -> "FilterList[tuple[K, T]]":
        """Return pairs of key and member as a list, in the order of an attribute of the members; else as for a set."""
        return super().order_by(attribute_name, check_start_value, check_constant_increment, reverse)


def _check_start(keyed: "list[tuple[Any, Any]]", shown: str, start: object) -> None:
    if not keyed:
        msg = f"There is no first item whose attribute {shown!r} could equal the given start value {start!r}."
        raise BrokenSequenceException(msg)
    value, first = keyed[0]
    if value != start:
        msg = (
            f"The attribute {shown!r} of the first item, {first!r}, is {value!r}; it does not equal the given start "
            f"value {start!r}."
        )
        raise BrokenSequenceException(msg)


def _check_increment(keyed: "list[tuple[Any, Any]]", shown: str, increment: "Any") -> None:
    for (value, item), (following, successor) in itertools.pairwise(keyed):
        try:
            kept = following - value == increment or (
                isinstance(following, float) and math.isclose(following, value + increment)
            )
        except TypeError as error:
            msg = f"The attributes {shown!r} have no increment that could be {increment!r}: {error}."
            raise InvalidInputException(msg) from error
        if not kept:
            msg = (
                f"The attributes {shown!r} of the items do not increase by a constant increment of {increment!r}: "
                f"after {value!r} ({item!r}) comes {following!r} ({successor!r})."
            )
            raise BrokenSequenceException(msg)


def _named(elements: "list[Any]") -> str:
    """Name the first members."""
    names = sorted(repr(element) for element in itertools.islice(elements, _SHOWN))
    rest = len(elements) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")
