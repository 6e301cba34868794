"""Outputs as JSON: what Octue's encoder takes, and numpy's numbers and arrays, without importing numpy.

Sets and dates become tagged objects, as in Octue's files: ``{"_type": "set", "items": […]}`` and
``{"_type": "datetime", "value": "…"}``. What has no JSON form is reported with the path to it.
"""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def to_json(value: "Any", where: str) -> "Any":
    """Return a value as plain JSON data; raises `OutputInvalid` for what has none, naming the path to it."""
    try:
        return json.loads(json.dumps(value, default=_primitive))
    except (TypeError, ValueError, RecursionError) as error:
        from fairlead.adapters.errors import OutputInvalid, Problem

        place, culprit = _culprit(value, where)
        name = f"{type(culprit).__module__}.{type(culprit).__qualname__}".removeprefix("builtins.")
        found = f"a value of type {name} is not JSON data ({error})"
        remedy = "Store numbers, texts, lists and objects; put anything else into a file of an output dataset."
        raise OutputInvalid(Problem(place, found, "JSON data", remedy)) from error


def _primitive(value: "Any") -> "Any":
    import datetime as dt

    if hasattr(value, "to_primitive"):
        return value.to_primitive()
    if isinstance(value, set | frozenset):
        return {"_type": "set", "items": sorted(value)}
    if isinstance(value, dt.datetime):
        return {"_type": "datetime", "value": value.isoformat()}
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    if type(value).__name__ == "UserString":
        return str(value)
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)


def _culprit(value: "Any", where: str) -> "tuple[str, Any]":
    """Return the innermost part that cannot be encoded."""
    if isinstance(value, dict):
        parts = [(f"{where}.{key}", item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(f"{where}[{index}]", item) for index, item in enumerate(value)]
    else:
        parts = []
    for place, item in parts:
        try:
            json.dumps(item, default=_primitive)
        except (TypeError, ValueError):
            return _culprit(item, place)
        except RecursionError:
            break
    return where, value
