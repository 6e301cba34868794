"""What a record shows of a value: small JSON data as they are, of anything larger or other what it is and how large.

What that costs does not grow with the value: nothing is written out that is then cut. ``failures`` shows more, because
failures are rare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_ITEMS = 20
_DEPTH = 3
_TEXT = 200
_PLAIN = (bool, int, type(None))
_SAYS_ALL = {
    ("datetime", "date"),
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("decimal", "Decimal"),
    ("pathlib", "PosixPath"),
    ("uuid", "UUID"),
}
"""Types that are known to show themselves in few characters; a user's own may do anything."""


def glimpse(value: Any, depth: int = _DEPTH) -> Any:  # noqa: PLR0911 (one for each kind of value)
    """Return JSON data that show a value."""
    kind = type(value)
    if kind in _PLAIN:
        return value if kind is not int or abs(value) < 1 << 63 else f"<int of {value.bit_length()} bits>"
    if kind is str:
        return value if len(value) <= _TEXT else f"{value[:_TEXT]} … ({len(value)} characters)"
    if kind is float:
        return value if math.isfinite(value) else repr(value)
    if kind in {list, tuple, dict}:
        if depth == 0 or len(value) > _ITEMS:
            return f"<{kind.__name__} of {len(value)}>"
        if kind is dict:
            return {str(name)[:_TEXT]: glimpse(item, depth - 1) for name, item in value.items()}
        return [glimpse(item, depth - 1) for item in value]
    return str(value)[:_TEXT] if (kind.__module__, kind.__name__) in _SAYS_ALL else _described(value, kind)


def glimpses(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is shown of each of several values."""
    return {name: glimpse(value) for name, value in values.items()}


def _described(value: Any, kind: type) -> str:
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        shape = getattr(value, "shape", None)
        size = f" of shape {shape}" if isinstance(shape, tuple) else f" of {len(value)}"
    except Exception:  # noqa: BLE001 (many things have no length, and some raise what they like)
        size = ""
    return f"<{name}{size}>"
