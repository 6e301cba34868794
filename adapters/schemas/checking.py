"""JSON Schemas: compiled once each, never fetched from a network, and every violation told in the user's own words.

A schema is checked by its own ``$schema`` draft, 2020-12 if it names none. ``$ref`` reaches into the schema itself, the
published drafts, and schemas that are given with it by their addresses; anything else is reported, not downloaded.
Numbers and texts are what JSON says they are: a boolean is no integer, 1.0 is one, and ``format`` is not checked, as in
the reference validator. A list as ``items`` means nothing since 2020-12 and is passed over, as is ``additionalItems``.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fairlead.adapters.errors import Problem
from fairlead.adapters.schemas.columns import are_kept
from fairlead.adapters.schemas.keywords import BY_NAME, DATA

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator
    from referencing import Registry, Resource, Specification
    from referencing._core import Resolver

_MESSAGE_LIMIT = 300
_MOST_FORMS = 5
_MOST_OPTIONS = 6
_IDS = ("$id", "id")
_REFERENCES = ("$ref", "$dynamicRef")
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

    def __init__(self, schema: dict[str, Any], elsewhere: Mapping[str, Any], address: str = "") -> None:
        """Choose the draft; the schema itself is checked by `invalid`. Both become the compiled schema's own."""
        self._draft = _draft_of(schema)
        self.own = schema
        self._elsewhere = elsewhere
        self._address = address
        for part in (schema, *elsewhere.values()):
            _drop_item_lists(part)

    @property
    def keywords(self) -> frozenset[str]:
        """The keywords that constrain something in the schema's draft."""
        return frozenset(self._draft.VALIDATORS)

    @property
    def names_a_draft(self) -> bool:
        """Whether ``$schema`` is the address of a published draft."""
        from jsonschema import Draft3Validator, Draft4Validator
        from jsonschema.validators import validator_for

        # An unknown one is given whatever is to stand for it.
        return validator_for(self.own, default=Draft3Validator) is validator_for(self.own, default=Draft4Validator)

    @functools.cached_property
    def specification(self) -> Specification[Any]:
        """How references are followed in the schema's draft."""
        return _specification_of(self.own)

    @functools.cached_property
    def _registry(self) -> Registry[Any]:
        from jsonschema_specifications import REGISTRY

        resources = [
            (address, _specification_of(schema).create_resource(schema)) for address, schema in self._elsewhere.items()
        ]
        registry: Registry[Any] = REGISTRY.with_resources(resources)
        return registry

    @functools.cached_property
    def _validator(self) -> Validator:
        return _quick(self._draft)(self.own, registry=self._registry)

    @functools.cached_property
    def _malformed(self) -> list[ValidationError]:
        return [*self._draft(self._draft.META_SCHEMA).iter_errors(self.own)]

    @functools.cached_property
    def outside(self) -> tuple[str, ...]:
        """The addresses of all schemas that it refers to and that it does not hold, without fragments."""
        from referencing import Registry
        from referencing.exceptions import NoSuchResource

        asked: dict[str, None] = {}

        def note(address: str) -> Resource[Any]:
            asked[address] = None
            raise NoSuchResource(address)

        if not self._malformed:
            asking: Registry[Any] = Registry(retrieve=note)  # type: ignore[call-arg]
            for _ in self._lost_references("", self._registry.combine(asking)):
                pass
        return tuple(asked)

    def invalid(self, where: str) -> list[Problem]:
        """Return what is wrong with the schema itself, and every reference that leads to nothing that is here."""
        problems = [problem for error in self._malformed for problem in _problems(error, where, "JSON Schema")]
        return problems or [*self._lost_references(where, self._registry), *self._pattern_problems(where)]

    def resolver(self, registry: Registry[Any] | None = None) -> Resolver[Any]:
        """Return what follows the references in the schema."""
        resource = self.specification.create_resource(self.own)
        base = resource.id() or self._address
        resolver: Resolver[Any] = (registry or self._registry).with_resource(base, resource).resolver(base)
        return resolver

    def _lost_references(self, where: str, registry: Registry[Any]) -> Iterator[Problem]:
        from referencing.exceptions import Unresolvable

        root = self.resolver(registry)
        for place, schema, holders in subschemas(self.own, where):
            targets = [
                (keyword, schema[keyword])
                for keyword in _REFERENCES
                if isinstance(schema.get(keyword), str) and keyword in self.keywords
            ]
            resolver: Resolver[Any] = root
            for holder in holders if targets else ():
                resolver = resolver.in_subresource(self.specification.create_resource(holder))
            for keyword, target in targets:
                try:
                    resolver.lookup(target)
                except Unresolvable:
                    yield Problem(
                        f"{place}.{keyword}",
                        f"{shown(target)} leads to nothing that is here, and nothing is downloaded",
                        "a reference into the schema itself, e.g. '#/$defs/name', or to a schema that is given",
                        "Copy what it means into the schema's '$defs' and refer to that, or give that schema.",
                    )

    def _pattern_problems(self, where: str) -> Iterator[Problem]:
        for place, schema, _ in subschemas(self.own, where):
            for pattern in (schema.get("pattern"), *schema.get("patternProperties", ())):
                if not isinstance(pattern, str):
                    continue
                try:
                    re.compile(pattern)
                except re.error as error:
                    found = f"{shown(pattern)} is not a pattern: {error}"
                    expected = "a regular expression as Python has them"
                    yield Problem(f"{place}.pattern", found, expected, "Correct it there.")

    def errors(self, value: Any) -> list[ValidationError]:
        """Return every violation of a value as the reference validator tells it, in the order of their places.

        Raises whatever the validator raises for a schema without end, or for NaN.
        """
        if are_kept([value], self.own, self.own):
            return []
        found = self._validator.iter_errors(value)
        return sorted(found, key=lambda error: [_place_in_order(part) for part in error.absolute_path])

    def first_error(self, value: Any) -> ValidationError | None:
        """Return the first of the `errors`; None if there is none, or if the validator fails."""
        try:
            return next(iter(self.errors(value)), None)
        except Exception:  # noqa: BLE001 (as in `problems`)
            return None

    def problems(self, value: Any, where: str, rule: str) -> list[Problem]:
        """Return every violation of a value; ``where`` is its name and ``rule`` where the schema is written."""
        try:
            return [problem for error in self.errors(value) for problem in _problems(error, where, rule)]
        except Exception as error:  # noqa: BLE001 (references without end, NaN: a validator may fail in any way)
            reason = f"{shown(value)} cannot be checked ({type(error).__name__}: {error})"
            return [Problem(where, reason, rule, "Simplify the schema or the value.")]


def compiled(
    schema: Mapping[str, Any], elsewhere: Mapping[str, Any] = MappingProxyType({}), *, address: str = ""
) -> Schema:
    """Return the compiled form of a schema; equal schemas are compiled once in a process.

    Args:
        schema: JSON data.
        elsewhere: the schemas, by their addresses, that it may refer to.
        address: its own, to which its references are relative.
    """
    return _compiled(json.dumps(schema, sort_keys=True), json.dumps(dict(elsewhere), sort_keys=True), address)


@functools.lru_cache(maxsize=256)
def _compiled(text: str, elsewhere: str, address: str) -> Schema:
    return Schema(json.loads(text), json.loads(elsewhere), address)


def _draft_of(schema: Any) -> type[Validator]:
    import jsonschema.validators

    named = schema if isinstance(schema, dict) and isinstance(schema.get("$schema"), str) else {}
    draft: type[Validator] = jsonschema.validators.validator_for(named, default=jsonschema.Draft202012Validator)
    return draft


def _specification_of(schema: Mapping[str, Any]) -> Specification[Any]:
    from referencing.jsonschema import DRAFT202012, specification_with

    return specification_with(str(schema.get("$schema", "")).removesuffix("#"), default=DRAFT202012)


@functools.cache
def _quick(draft: type[Validator]) -> type[Validator]:
    """Return a draft's validator that looks at a long list of plain values as a whole, not at one after the other."""
    import jsonschema.validators

    one_by_one = draft.VALIDATORS["items"]

    def items(validator: Validator, rules: Any, values: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
        if "prefixItems" in schema or not (isinstance(values, list) and are_kept(values, rules)):
            yield from one_by_one(validator, rules, values, schema)

    quick: type[Validator] = jsonschema.validators.extend(draft, {"items": items})  # type: ignore[no-untyped-call]
    return quick


def _drop_item_lists(schema: Any) -> None:
    """Take out what the newest draft does not know, and on which the validator would fail."""
    import jsonschema

    if _draft_of(schema) is jsonschema.Draft202012Validator:
        for _, part, _ in [*subschemas(schema, "")]:
            if isinstance(part.get("items"), list):
                del part["items"]


def subschemas(
    schema: Any, place: str, holders: tuple[Mapping[str, Any], ...] = (), *, by_name: bool = False
) -> Iterator[tuple[str, dict[str, Any], tuple[Mapping[str, Any], ...]]]:
    """Go through a schema and all below it: the place of each, the schema, and those around it that have an id."""
    parts: Iterable[tuple[str, Any, bool]] = ()
    if isinstance(schema, list):
        parts = [(f"{place}[{index}]", part, False) for index, part in enumerate(schema)]
    elif isinstance(schema, dict):
        if not by_name:
            yield place, schema, holders
        keys = schema if by_name else [key for key in schema if key not in DATA]
        parts = [(f"{place}.{key}", schema[key], not by_name and key in BY_NAME) for key in keys]
    for inner_place, part, inner_by_name in parts:
        named = isinstance(part, dict) and not inner_by_name and any(isinstance(part.get(key), str) for key in _IDS)
        yield from subschemas(part, inner_place, (*holders, part) if named else holders, by_name=inner_by_name)


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
        yield Problem(place, f"{shown(instance)} is not one of {options}", rule, _advice(schema, choices=False))
    elif error.validator in {"anyOf", "oneOf"} and error.context:
        yield Problem(place, f"{shown(instance)} has none of the forms that are allowed: {_forms(error)}", rule)
    else:
        brief = len(error.message) <= _MESSAGE_LIMIT
        message = error.message if brief else f"{shown(instance)} breaks the rule '{error.validator}'"
        yield Problem(place, message, rule, _advice(schema))


def _forms(error: ValidationError) -> str:
    """Return why a value has none of several forms: the first violation of each."""
    reasons: dict[str | int, str] = {}
    here = path_to("", error.absolute_path)
    for inner in error.context or ():
        if len(reasons) < _MOST_FORMS and inner.schema_path[0] not in reasons:
            first = next(_problems(inner, "", ""), None)
            place = first.where.removeprefix(here).removeprefix(".") if first else ""
            reasons[inner.schema_path[0]] = f"{place} {first.found}".strip() if first else inner.message
    return ", or ".join(reasons.values())


def _advice(schema: Any, *, choices: bool = True) -> str:
    """Return what a schema says for people: its title or description, what is allowed, and an example."""
    if not isinstance(schema, Mapping):
        return ""
    meaning = str(schema.get("title") or schema.get("description") or "").strip().rstrip(".")
    if "enum" in schema:
        some = [shown(option) for option in schema["enum"]]
        options = ", ".join([*some[:_MOST_OPTIONS], "…"] if len(some) > _MOST_OPTIONS else some)
        parts = [meaning, f"one of {options}" if choices else ""]
    else:
        examples = [*schema.get("examples", []), *([schema["default"]] if "default" in schema else [])]
        example = f"e.g. {shown(examples[0])}" if examples else ""
        # A range alone says too little of what is wanted.
        parts = [meaning, _range(schema) if meaning or example else "", example]
    advice = ", ".join(part for part in parts if part)
    return f"Give {advice}." if advice else ""


def _range(schema: Mapping[str, Any]) -> str:
    """Return the range of a number in words; empty if it has none."""
    low, high, above, below = (
        schema.get(key) for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    )
    # In draft 4, these say of the others that they are exclusive.
    if isinstance(above, bool):
        low, above = (None, low) if above else (low, None)
    if isinstance(below, bool):
        high, below = (None, high) if below else (high, None)
    if None not in (low, high) and above is below is None:
        return f"from {low} to {high}"
    words = {"at least": low, "above": above, "at most": high, "below": below}
    return " and ".join(f"{word} {bound}" for word, bound in words.items() if bound is not None)
