"""Tags: named values by which files, datasets and analyses are found again.

A `TagDict` is a dictionary whose keys are all of Octue's form, however it is filled. It does not filter by them: see
``filter_containers``. Only the standard library is imported.
"""

import re

from fairlead.adapters.twine.exceptions import InvalidTagException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Self

    Tags = Mapping[str, Any] | Iterable[tuple[str, Any]]

_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9_]*[a-z0-9])?")


class TagDict(dict[str, "Any"]):
    """Tags by name. A name is of 'a-z', '0-9' and '_' and neither starts nor ends with '_'; values may be anything.

    Nothing is added unless all of it is valid; `InvalidTagException` tells of the first name that is not.
    """

    __slots__ = ()

    def __init__(self, tags: "Tags | None" = None, **kwargs: "Any") -> None:
        """Hold tags of a mapping, of pairs and of keyword arguments."""
        super().__init__()
        self.update(tags, **kwargs)

    def __reduce__(self) -> "tuple[type[Self], tuple[dict[str, Any]]]":
        """Make a copy, or a pickle, of the tags as a plain dictionary."""
        return type(self), (dict(self),)

    def __setitem__(self, name: str, value: "Any", /) -> None:
        """Set one tag."""
        super().__setitem__(_checked(name), value)

    def setdefault(self, name: str, default: "Any" = None, /) -> "Any":
        """Return a tag's value; one that is not there is set first."""
        return super().setdefault(_checked(name), default)

    def update(self, tags: "Tags | None" = None, /, **kwargs: "Any") -> None:  # type: ignore[override]  # None, as Octue
        """Set tags of a mapping, of pairs and of keyword arguments."""
        new = dict(tags or (), **kwargs)
        for name in new:
            _checked(name)
        super().update(new)

    def copy(self) -> "Self":
        """Return the same tags once more."""
        return type(self)(self)

    def __or__(self, other: "Mapping[str, Any]", /) -> "Self":  # type: ignore[override]  # only texts are names
        """Return these tags and others, which win."""
        both = self.copy()
        both.update(other)
        return both

    def __ior__(self, other: "Tags", /) -> "Self":  # type: ignore[override]  # only texts are names
        """Set the tags of a mapping or of pairs."""
        self.update(other)
        return self


def _checked(name: str) -> str:
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance] (apps are untyped)
        msg = f"Tag names must be strings; received {name!r}, which is of type {type(name).__name__}."
        raise InvalidTagException(msg)
    if not _PATTERN.fullmatch(name):
        msg = (
            f"Invalid tag '{name}'. Tags must contain only lowercase characters 'a-z', '0-9', and '_'. They must not "
            "start with '_'. They must not end with it either."
        )
        raise InvalidTagException(msg)
    return name
