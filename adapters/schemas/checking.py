"""JSON Schemas: compiled once each, never fetched from a network, and every violation told in the user's own words.

A schema is checked by its own ``$schema`` draft, 2020-12 if it names none. ``$ref`` reaches into the schema itself and
the published drafts; anything else is reported, not downloaded. Numbers and texts are what JSON says they are: a
boolean is no integer, 1.0 is one, and ``format`` is not checked, as in the reference validator.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fairlead.adapters.errors import Problem

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator
    from referencing import Specification
    from referencing._core import Resolver

_MESSAGE_LIMIT = 300
_IDS = ("$id", "id")
_DATA = {"enum", "const", "examples", "default"}
_BY_NAME = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
_TYPE_NAMES = {
    "array": "an array",
    "boolean": "a boolean",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}


class Schema:
    """A compiled schema. Get one from `compiled`, which keeps it."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Choose the draft; the schema itself is checked by `invalid`."""
        import jsonschema.validators

        named = schema if isinstance(schema.get("$schema"), str) else {}
        self._draft: type[Validator] = jsonschema.validators.validator_for(
            named, default=jsonschema.Draft202012Validator
        )
        self._schema = schema

    @functools.cached_property
    def _validator(self) -> Validator:
        from jsonschema_specifications import REGISTRY

        return self._draft(self._schema, registry=REGISTRY)

    def invalid(self, where: str) -> list[Problem]:
        """Return what is wrong with the schema itself, and every ``$ref`` that leads out of it."""
        errors = self._draft(self._draft.META_SCHEMA).iter_errors(self._schema)
        problems = [problem for error in errors for problem in _problems(error, where, "JSON Schema")]
        return problems or [*self._inner_problems(where)]

    def _inner_problems(self, where: str) -> Iterator[Problem]:
        """Find what the draft's own schema does not see: references to nowhere, and patterns that are none."""
        from jsonschema_specifications import REGISTRY
        from referencing.jsonschema import DRAFT202012, specification_with

        dialect = str(self._schema.get("$schema", "")).removesuffix("#")
        specification = specification_with(dialect, default=DRAFT202012)
        resolver = REGISTRY.resolver_with_root(specification.create_resource(self._schema))
        for place, schema, inner_resolver in _subschemas(self._schema, where, resolver, specification):
            yield from _reference_problems(schema.get("$ref"), f"{place}.$ref", inner_resolver)
            for pattern in (schema.get("pattern"), *schema.get("patternProperties", ())):
                yield from _pattern_problems(pattern, f"{place}.pattern")

    def problems(self, value: Any, where: str, rule: str) -> list[Problem]:
        """Return every violation of a value; ``where`` is its name and ``rule`` where the schema is written."""
        try:
            found = self._validator.iter_errors(value)
            errors = sorted(found, key=lambda error: [_place_in_order(part) for part in error.absolute_path])
            return [problem for error in errors for problem in _problems(error, where, rule)]
        except Exception as error:  # noqa: BLE001 (references without end, NaN: a validator may fail in any way)
            reason = f"{shown(value)} cannot be checked ({type(error).__name__}: {error})"
            return [Problem(where, reason, rule, "Simplify the schema or the value.")]


def compiled(schema: Mapping[str, Any]) -> Schema:
    """Return the compiled form of a schema; equal schemas are compiled once in a process."""
    return _compiled(json.dumps(schema, sort_keys=True))


@functools.lru_cache(maxsize=256)
def _compiled(text: str) -> Schema:
    return Schema(json.loads(text))


def _place_in_order(part: str | int) -> tuple[int, str]:
    return (part, "") if isinstance(part, int) else (-1, part)


def path_to(where: str, parts: Iterable[str | int]) -> str:
    """Return a place as users write it: ``input_values.turbines[2].hub_height``."""
    for part in parts:
        where += f"[{part}]" if isinstance(part, int) else f".{part}"
    return where


def shown(value: Any) -> str:
    """Return a value as a message shows it: as JSON, shortened where it is long."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = 80
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else shortener.repr(value)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a remedy for an unknown name: the nearest known one, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"Known here: {', '.join(names)}." if names else ""


def _problems(error: ValidationError, where: str, rule: str) -> Iterator[Problem]:
    place = path_to(where, error.absolute_path)
    demand: Any = error.validator_value
    instance: Any = error.instance
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    if error.validator == "required" and isinstance(demand, list):
        missing = [name for name in demand if name not in instance]
        name = next((name for name in missing if f"{name!r} is a required" in error.message), missing[0])
        yield Problem(path_to(place, [name]), "is missing", rule, _advice(schema.get("properties", {}).get(name)))
    elif error.validator == "additionalProperties" and demand is False:
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for name in instance:
            if name not in known and not any(re.search(pattern, name) for pattern in patterns):
                yield Problem(path_to(place, [name]), "is not known", rule, did_you_mean(name, known))
    elif error.validator == "type":
        expected = demand if isinstance(demand, list) else [demand]
        names = " or ".join(_TYPE_NAMES.get(name, str(name)) for name in expected)
        yield Problem(place, f"{shown(instance)} is not {names}", rule, _advice(schema))
    elif error.validator == "enum":
        options = ", ".join(shown(option) for option in demand)
        yield Problem(place, f"{shown(instance)} is not one of {options}", rule, _advice(schema, example=False))
    else:
        brief = len(error.message) <= _MESSAGE_LIMIT
        message = error.message if brief else f"{shown(instance)} breaks the rule '{error.validator}'"
        yield Problem(place, message, rule, _advice(schema))


def _subschemas(
    schema: Any, place: str, resolver: Resolver[Any], specification: Specification[Any], *, by_name: bool = False
) -> Iterator[tuple[str, Mapping[str, Any], Resolver[Any]]]:
    """Go through a schema and all below it, each with its place and with what resolves its references."""
    parts: Iterable[tuple[str, Any, bool]] = ()
    if isinstance(schema, list):
        parts = [(f"{place}[{index}]", part, False) for index, part in enumerate(schema)]
    elif isinstance(schema, Mapping):
        if not by_name:
            yield place, schema, resolver
        keys = schema if by_name else [key for key in schema if key not in _DATA]
        parts = [(f"{place}.{key}", schema[key], not by_name and key in _BY_NAME) for key in keys]
    for inner_place, part, inner_by_name in parts:
        inner_resolver = resolver
        if isinstance(part, Mapping) and not inner_by_name and any(isinstance(part.get(key), str) for key in _IDS):
            inner_resolver = resolver.in_subresource(specification.create_resource(part))
        yield from _subschemas(part, inner_place, inner_resolver, specification, by_name=inner_by_name)


def _reference_problems(target: Any, place: str, resolver: Resolver[Any]) -> Iterator[Problem]:
    from referencing.exceptions import Unresolvable

    if not isinstance(target, str):
        return
    try:
        resolver.lookup(target)
    except Unresolvable:
        yield Problem(
            place,
            f"{shown(target)} leads to nothing that is here, and nothing is downloaded",
            "a reference into the schema itself, e.g. '#/$defs/name'",
            "Copy what it means into the schema's '$defs' and refer to that.",
        )


def _pattern_problems(pattern: Any, place: str) -> Iterator[Problem]:
    if not isinstance(pattern, str):
        return
    try:
        re.compile(pattern)
    except re.error as error:
        found = f"{shown(pattern)} is not a pattern: {error}"
        yield Problem(place, found, "a regular expression as Python has them", "Correct it there.")


def _advice(schema: Any, *, example: bool = True) -> str:
    """Return what a schema says for people: its title or description, and an example."""
    if not isinstance(schema, Mapping):
        return ""
    meaning = str(schema.get("title") or schema.get("description") or "").strip().rstrip(".")
    examples = [*schema.get("examples", []), *([schema["default"]] if "default" in schema else [])] if example else []
    if meaning and examples:
        return f"Give {meaning}, e.g. {shown(examples[0])}."
    if meaning:
        return f"Give {meaning}."
    return f"Give e.g. {shown(examples[0])}." if examples else ""
