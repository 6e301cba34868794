"""Reading JSON texts so that nothing in them is lost in silence, and saying where they cannot be read.

A key that stands twice in one object is an error, because one of its values would be lost. The module does not know
what the JSON means.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from fairlead.adapters.errors import ContractError, Problem


def parse(text: str | bytes, where: str, error: type[ContractError], *, finite: bool = False) -> Any:
    """Return the data of a JSON text.

    Args:
        text: the text; bytes are UTF-8, or what else JSON allows.
        where: what the text is, as users name it, e.g. ``input_values``.
        error: what to raise for a text that cannot be read.
        finite: whether to refuse ``NaN`` and ``Infinity``, which Python's reader takes and JSON does not have.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        data = dict(pairs)
        if len(data) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise error(Problem(where, f"the key '{twice}' stands twice in one object", "", "Keep one of them."))
        return data

    if isinstance(text, str):
        text = text.removeprefix("\ufeff")  # with which Windows begins files
    if not text.strip():
        raise error(Problem(where, "is not JSON: it is empty", "", "Give JSON data."))
    try:
        return json.loads(text, object_pairs_hook=unique, **(_finite(where, error) if finite else {}))
    except UnicodeDecodeError as reason:
        raise error(not_utf8(where, reason)) from reason
    except (ValueError, RecursionError) as reason:
        if isinstance(reason, json.JSONDecodeError):
            found = f"is not JSON: {reason.msg} at line {reason.lineno}, column {reason.colno}"
        else:
            found = f"is not JSON: {reason}"
        raise error(Problem(where, found, "", "Correct it there.")) from reason


def _finite(where: str, error: type[ContractError]) -> dict[str, Any]:
    """Return what reads numbers, and refuses those that are not finite."""

    def refused(number: str) -> NoReturn:
        raise error(Problem(where, f"{number} is not JSON", "a finite number", "Write null where there is no number."))

    def number(digits: str) -> float:
        found = float(digits)
        return found if math.isfinite(found) else refused(digits)

    return {"parse_constant": refused, "parse_float": number}


def not_utf8(where: str, reason: UnicodeDecodeError) -> Problem:
    """Say which byte of a text is not UTF-8."""
    found = f"is not UTF-8: the byte 0x{reason.object[reason.start]:02x} at position {reason.start}"
    return Problem(where, found, "", "Save it as UTF-8.")
