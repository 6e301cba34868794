"""How values are shown to people, in every host alike: which lists are tables, and how sizes and times are written.

What it does not do: lay anything out. The terminal's report and Prefect's do that, each in its own way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_plain(value: object) -> bool:
    """Tell whether a value fits in a cell: a text, a number, a truth value or nothing."""
    return value is None or isinstance(value, str | int | float)


def is_table(value: Any) -> bool:
    """Tell whether a value is a list of objects that have the same fields, all of them plain."""
    return (
        isinstance(value, list)
        and any(value)
        and all(isinstance(item, Mapping) and item.keys() == value[0].keys() for item in value)
        and all(is_plain(field) for item in value for field in item.values())
    )


def size(number: float) -> str:
    """Return a number of bytes to three digits, e.g. ``3.61 kB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:  # noqa: PLR2004 (the step between units, in three digits)
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def duration(seconds: float) -> str:
    """Return a time, e.g. ``58.3 ms``, ``1.34 s`` or ``2 min 5 s``."""
    if seconds < 0.9995:  # noqa: PLR2004 (a second, in three digits)
        return f"{seconds * 1000:.3g} ms"
    if seconds < 59.995:  # noqa: PLR2004 (a minute, with two decimals)
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
