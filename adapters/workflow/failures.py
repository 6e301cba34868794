"""A failed item of a map as data, the same in every engine and host: which item, with what inputs, and what went wrong.

The module decides nothing: what becomes of failures is said by the map's ``on_error``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fairlead.adapters import events

_SHOWN = 1000


@dataclass(frozen=True)
class Failure:
    """What is known of an item that failed; plain JSON data."""

    index: int
    """Which item, from 0."""
    inputs: Mapping[str, Any]
    """What the item was given, by name: small JSON data as it is, anything else as text."""
    type: str
    """The qualified name of the exception."""
    message: str
    traceback: str
    """The lines of the user's own code, as Python prints them."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self)

    def __str__(self) -> str:
        """Say it in one line."""
        given = ", ".join(f"{name}={value!r}" for name, value in self.inputs.items())
        return f"item {self.index} ({given}): {self.type}: {self.message}"


def failure_of(error: BaseException, index: int, inputs: Mapping[str, Any]) -> Failure:
    """Make the record of an exception that ended an item."""
    return Failure(
        index=index,
        inputs={name: shown(value) for name, value in inputs.items()},
        type=events.qualified_name(type(error)),
        message=events.message_of(error),
        traceback=events.format_traceback(error, notes=False),
    )


def shown(value: Any) -> Any:
    """Return a value as a record has it: itself if it is small JSON data, else a text."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return short(value)
    return json.loads(text) if len(text) <= _SHOWN else short(value)


def short(value: object, limit: int = 200) -> str:
    """Return how a value shows itself, cut to a line."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001 (a broken __repr__ must not hide what went wrong)
        text = f"<{type(value).__qualname__} that cannot be shown>"
    return text if len(text) <= limit else text[: limit - 2] + " …"
