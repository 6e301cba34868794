"""What a valid JSON Schema says without effect: rules that its author may believe in, and that nothing keeps.

Each function finds one such thing. They report, as `Problem`s, and change nothing; whether a schema is valid at all is
said by ``checking``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.adapters.errors import Problem
from fairlead.adapters.schemas.checking import compiled, shown, subschemas

NEWEST = "https://json-schema.org/draft/2020-12/schema"
_DEFINITIONS = ("$defs", "definitions")
_MOST = 5


def lints(schema: Mapping[str, Any], where: str) -> list[Problem]:
    """Return all that a schema says without effect; ``where`` is where it is written."""
    problems = _unknown_draft(schema, where)
    for place, part, _ in subschemas(schema, where):
        for lint in (_old_items, _unchecked_format, _impossible):
            problems += lint(schema, part, place)
    return problems


def unconstrained(schema: Mapping[str, Any], where: str) -> list[Problem]:
    """Return the problem of a schema that lets every value pass, if it does."""
    if compiled(schema).keywords & schema.keys():
        return []
    strangers = [name for name, part in schema.items() if isinstance(part, dict) and name not in _DEFINITIONS]
    remedy = "Say what is allowed, e.g. under 'properties'."
    if strangers:
        remedy = f"Put {', '.join(map(repr, strangers))} under 'properties'."
    return [Problem(where, "lets every value pass: nothing in it is a rule of JSON Schema", "", remedy)]


def unfilled(schema: Mapping[str, Any], where: str) -> list[Problem]:
    """Return one problem of all defaults in a schema, if it has any: a form offers them, and nothing else fills in."""
    places = [place for place, part, _ in subschemas(schema, "") if "default" in part]
    if not places:
        return []
    names = ", ".join(place.replace(".properties.", ".").removeprefix(".") or "the whole" for place in places[:_MOST])
    more = f" and {len(places) - _MOST} more" if len(places) > _MOST else ""
    found = f"defaults ({names}{more}) are offered in forms, and filled in nowhere else"
    return [Problem(where, found, "", "Let the app use them where values are absent.")]


def _unknown_draft(schema: Mapping[str, Any], where: str) -> list[Problem]:
    named = schema.get("$schema")
    if not isinstance(named, str) or compiled(schema).names_a_draft:
        return []
    found = f"{shown(named)} is no draft that is known, so the schema is read as one of 2020-12"
    return [Problem(f"{where}.$schema", found, "the address of a published draft", f"Write '{NEWEST}'.")]


def _old_items(schema: Mapping[str, Any], part: Mapping[str, Any], place: str) -> Iterator[Problem]:
    if "prefixItems" not in compiled(schema).keywords:
        return  # an older draft, which knows both
    if isinstance(part.get("items"), list):
        found = "a list of schemas here is not looked at since draft 2020-12"
        yield Problem(f"{place}.items", found, "one schema", "Call it 'prefixItems', or name an older '$schema'.")
    if "additionalItems" in part:
        found = "is not looked at since draft 2020-12"
        yield Problem(f"{place}.additionalItems", found, "'items'", "Call it 'items', or name an older '$schema'.")


def _unchecked_format(_schema: Mapping[str, Any], part: Mapping[str, Any], place: str) -> Iterator[Problem]:
    if isinstance(part.get("format"), str):
        remedy = "Add a 'pattern', or check it in the app."
        yield Problem(f"{place}.format", f"{shown(part['format'])} is not checked, only shown", "", remedy)


def _impossible(_schema: Mapping[str, Any], part: Mapping[str, Any], place: str) -> Iterator[Problem]:
    required, known = part.get("required"), part.get("properties", {})
    if part.get("additionalProperties") is not False or not isinstance(required, list):
        return
    patterns = part.get("patternProperties", {})
    for name in required:
        if name not in known and not any(re.search(pattern, name) for pattern in patterns):
            found = f"'{name}' is required, and not among the properties that are allowed, so that no object is valid"
            yield Problem(f"{place}.required", found, "", f"Add '{name}' to 'properties', or leave it out.")
