"""Labels: single words by which files, datasets and analyses are found again.

A `Label` is a text of small letters, digits and hyphens; a `LabelSet` holds only such texts, however it is filled. It
does not filter by them: see ``filter_containers``. Only the standard library is imported.
"""

import json
import re
from collections.abc import Iterable

from fairlead.adapters.twine.exceptions import InvalidLabelException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from typing import Self

_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


class Label(str):
    """A text of 'a-z', '0-9' and '-' that neither starts nor ends with '-'; white space round it is dropped."""

    __slots__ = ()

    def __new__(cls, name: object) -> "Self":
        """Check the text; raises `InvalidLabelException`."""
        if not isinstance(name, str):
            msg = f"Labels must be expressed as a string; received {name!r}, which is of type {type(name).__name__}."
            raise InvalidLabelException(msg)
        name = name.strip()
        if not _PATTERN.fullmatch(name):
            msg = (
                f"Invalid label '{name}'. Labels must contain only lowercase characters 'a-z', '0-9', and '-'. They "
                "must not start with '-'. They must not end with it either."
            )
            raise InvalidLabelException(msg)
        return super().__new__(cls, name)


class LabelSet(set[str]):
    """A set of labels. Whatever is added is checked first, and nothing is added unless all of it is valid."""

    __slots__ = ()

    def __init__(self, labels: "Iterable[str] | None" = None) -> None:
        """Hold the labels of an iterable, of a text that separates them by white space, or of a JSON list.

        Raises `InvalidLabelException` for anything else, and if one of them is no label.
        """
        super().__init__(_checked(() if labels is None else labels))

    def __repr__(self) -> str:
        """Show the labels in order, so that the same labels always look the same."""
        members = ", ".join(map(repr, sorted(self)))
        return f"LabelSet({{{members}}})" if members else "LabelSet()"

    def __reduce__(self) -> "tuple[type[Self], tuple[list[str]]]":
        """Make a copy, or a pickle, of the labels as a list."""
        return type(self), (sorted(self),)

    def add(self, label: str, /) -> None:
        """Add one label."""
        super().add(Label(label))

    def add_labels(self, *labels: str) -> None:
        """Add labels."""
        self.update(labels)

    def update(self, *others: "Iterable[str]") -> None:
        """Add the labels of iterables, or of texts as for the constructor."""
        super().update({label for other in others for label in _checked(other)})

    def __ior__(self, other: "AbstractSet[str]") -> "Self":  # type: ignore[override,misc]  # only texts are labels
        """Add the labels of a set."""
        self.update(other)
        return self

    def symmetric_difference_update(self, other: "Iterable[str]", /) -> None:
        """Keep the labels that are in one of the two only."""
        super().symmetric_difference_update(_checked(other))

    def __ixor__(self, other: "AbstractSet[str]") -> "Self":  # type: ignore[override,misc]  # only texts are labels
        """Keep the labels that are in one of the two only."""
        self.symmetric_difference_update(other)
        return self

    def any_label_contains(self, value: str) -> bool:
        """Tell whether a text is part of a label."""
        return any(value in label for label in self)

    def any_label_starts_with(self, value: str) -> bool:
        """Tell whether a label starts with a text."""
        return any(label.startswith(value) for label in self)

    def any_label_ends_with(self, value: str) -> bool:
        """Tell whether a label ends with a text."""
        return any(label.endswith(value) for label in self)


def _checked(labels: "Iterable[str]") -> "Iterable[str]":
    """Return what is given as labels; raises `InvalidLabelException` unless every one is."""
    if isinstance(labels, LabelSet):
        return labels
    if isinstance(labels, str):
        return {Label(label) for label in _split(labels)}
    if not isinstance(labels, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] (apps are untyped)
        msg = (
            "Labels must be expressed as a whitespace-delimited string or an iterable of strings or Label instances; "
            f"received {labels!r}, which is of type {type(labels).__name__}."
        )
        raise InvalidLabelException(msg)
    return {label if type(label) is Label else Label(label) for label in labels}


def _split(text: str) -> "list[object]":
    """Return the parts of a text: of a JSON list, which Octue's stores have, else between white space."""
    if text.lstrip().startswith("["):  # no label does
        try:
            return list(json.loads(text))
        except ValueError:
            pass  # its parts are told as what they are: no labels
    return list(text.split())
