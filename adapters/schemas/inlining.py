"""JSON Schemas without references: each ``$ref`` replaced by what it leads to, in the words of the newest draft.

Forms and models take a schema apart, property by property, and no part of one written so needs the rest. A schema that
contains itself has no such form: where it comes round again, anything is allowed. The result is never stricter than the
schema, and tells people as much. Values are checked with ``checking``, not with this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fairlead.adapters.schemas.checking import Schema
from fairlead.adapters.schemas.keywords import ANNOTATIONS, BY_NAME, DATA

if TYPE_CHECKING:
    from referencing import Specification
    from referencing._core import Resolver

_GONE = {"$schema", "$id", "id", "$anchor", "$defs", "definitions", "$comment", "$dynamicRef", "$recursiveRef", "$ref"}


def inlined(schema: Mapping[str, Any], elsewhere: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """Return a valid schema without references; ``elsewhere`` holds those that it refers to by address."""
    form = Schema(json.loads(json.dumps(schema)), json.loads(json.dumps(dict(elsewhere))))  # keys in their order
    result = _inlined(form.own, form.resolver(), form.specification, frozenset())
    return result if isinstance(result, dict) else {}


def _inlined(part: Any, resolver: Resolver[Any], specification: Specification[Any], around: frozenset[int]) -> Any:
    """Return a schema without references; ``around`` are those that led here."""
    if not isinstance(part, Mapping):
        return part
    resource = specification.create_resource(part)
    inner = resolver.in_subresource(resource) if resource.id() else resolver
    target = part.get("$ref")
    own = part
    if isinstance(target, str) and specification.name in {"draft-03", "draft-04", "draft-06", "draft-07"}:
        own = {key: value for key, value in part.items() if key in ANNOTATIONS}  # nothing else counts beside a $ref
    result = {key: _part(key, value, inner, specification, around) for key, value in own.items() if key not in _GONE}
    _modernise(result)
    if not isinstance(target, str):
        return result
    led = inner.lookup(target)
    if id(led.contents) in around:
        return result
    there = _inlined(led.contents, led.resolver, specification, around | {id(led.contents)})
    if not isinstance(there, dict):
        return result if there else False
    if all(key in ANNOTATIONS for key in there.keys() & result.keys()):
        return there | result
    return result | {"allOf": [there, *result.get("allOf", ())]}


def _part(
    key: str, value: Any, resolver: Resolver[Any], specification: Specification[Any], around: frozenset[int]
) -> Any:
    if key in DATA:
        return value
    if key in BY_NAME and isinstance(value, Mapping):
        return {name: _inlined(part, resolver, specification, around) for name, part in value.items()}
    if isinstance(value, list):
        return [_inlined(part, resolver, specification, around) for part in value]
    return _inlined(value, resolver, specification, around)


def _modernise(schema: dict[str, Any]) -> None:
    """Say what older drafts say differently as the newest does."""
    if isinstance(schema.get("items"), list):
        schema["prefixItems"] = schema.pop("items")
        if "additionalItems" in schema:
            schema["items"] = schema["additionalItems"]
    schema.pop("additionalItems", None)
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and limit in schema:
            schema[exclusive] = schema.pop(limit)
