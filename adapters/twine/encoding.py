"""Values as JSON and back: what Octue's encoder takes, and numpy's numbers and arrays, without importing numpy.

Sets and dates become tagged objects, as in Octue's files: ``{"_type": "set", "items": […]}`` and
``{"_type": "datetime", "value": "…"}``. What has no JSON form is reported with the path to it.
"""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.adapters.errors import ContractError


def to_json(value: "Any", where: str, *, finite: bool = False, error: "type[ContractError] | None" = None) -> "Any":
    """Return a value as plain JSON data; raises an ``error`` for what has none, naming the path to it.

    The error is `OutputInvalid` if no other is given. NaN and infinity are no JSON, but Python reads and writes them;
    with ``finite`` they are refused, and so are texts that are not Unicode.
    """
    try:
        return json.loads(_encoded(value, finite=finite))
    except (TypeError, ValueError, RecursionError) as reason:
        from fairlead.adapters.errors import OutputInvalid, Problem

        place, culprit = _culprit(value, where, finite=finite)
        if isinstance(culprit, float):
            remedy = "Store null (None) where there is no number."
            raise (error or OutputInvalid)(
                Problem(place, f"{culprit} is not JSON", "a finite number", remedy)
            ) from reason
        name = f"{type(culprit).__module__}.{type(culprit).__qualname__}".removeprefix("builtins.")
        found = f"a value of type {name} is not JSON data ({reason})"
        remedy = "Store numbers, texts, lists and objects; put anything else into a file of an output dataset."
        raise (error or OutputInvalid)(Problem(place, found, "JSON data", remedy)) from reason


def from_json(data: "Any") -> "Any":
    """Return JSON data with Octue's tagged objects made into the sets and datetimes that `to_json` wrote.

    What only looks like one of them, such as a date that is none, stays as it is.
    """
    if isinstance(data, list):
        return [from_json(item) for item in data]
    if not isinstance(data, dict):
        return data
    kind = data.get("_type")
    try:
        if kind == "set":
            return {from_json(item) for item in data["items"]}
        if kind == "datetime":
            import datetime as dt

            return dt.datetime.fromisoformat(data["value"])
    except (KeyError, TypeError, ValueError):
        return data
    return {key: from_json(value) for key, value in data.items()}


def _encoded(value: "Any", *, finite: bool) -> bytes:
    """Return JSON; strictly, it is UTF-8 and has finite numbers."""
    return json.dumps(value, default=_primitive, allow_nan=not finite, ensure_ascii=not finite).encode()


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


def _culprit(value: "Any", where: str, *, finite: bool) -> "tuple[str, Any]":
    """Return the innermost part that cannot be encoded."""
    inner = value
    if not isinstance(value, dict | list | tuple | str | int | float | None):
        try:
            inner = _primitive(value)
        except Exception:  # noqa: BLE001 (this is the part that is looked for)
            return where, value
    if isinstance(inner, dict):
        parts = [(f"{where}.{key}", item) for key, item in inner.items()]
    elif isinstance(inner, list | tuple):
        parts = [(f"{where}[{index}]", item) for index, item in enumerate(inner)]
    else:
        parts = []
    for place, item in parts:
        try:
            _encoded(item, finite=finite)
        except (TypeError, ValueError):
            return _culprit(item, place, finite=finite)
        except RecursionError:
            break
    return where, inner if isinstance(inner, float) else value
