"""What arguments of the command mean: JSON in a file or as it stands, and numbers above zero.

What is in the JSON is not looked at.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import click


class _Positive(click.FloatRange):
    """A number above zero, which NaN is not."""

    name = "number"

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number above 0.", param, ctx)
        return number


POSITIVE = _Positive()


def source(value: str) -> Path | bytes:
    """Return the path of a JSON file, or JSON text: the value itself or, for ``-``, what is on standard input."""
    if value == "-":
        return sys.stdin.buffer.read()
    is_text = not value.strip() or value.lstrip().startswith(("{", "["))  # empty as a shell's unset variable is
    return os.fsencode(value) if is_text else Path(value)
