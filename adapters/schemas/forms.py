"""Forms: what people fill in, made from the JSON Schema of a strand, for the web pages of both engines.

`fields` takes the schema apart into the values that it names; `airflow_params` and `prefect_parameters` write those as
each engine wants them. Titles, descriptions, units, choices, ranges and defaults survive. All results are plain data,
and no engine is imported. A form lets pass what the schema does, and maybe more, which is told when the work is bound;
of several alternatives, a value is what those say that name it. A model for programs is made by ``models``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from fairlead.adapters.errors import ContractInvalid, Problem
from fairlead.adapters.schemas.inlining import inlined
from fairlead.adapters.schemas.keywords import ANNOTATIONS

_NULL = {"type": "null"}
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Field:
    """One value that a schema names."""

    name: str
    schema: Mapping[str, Any]
    """What the value must be; it refers to nothing outside itself."""
    required: bool

    @property
    def has_default(self) -> bool:
        """Whether the schema offers a value."""
        return "default" in self.schema


@dataclass(frozen=True)
class ParamSpec:
    """What Airflow's ``Param`` is made of: ``Param(default, description, **schema)``; without a default, if none."""

    description: str | None
    schema: Mapping[str, Any]
    has_default: bool
    default: Any = field(default=None)


def fields(
    schema: Mapping[str, Any], *, where: str = "the schema", elsewhere: Mapping[str, Any] = _NOTHING
) -> list[Field]:
    """Return the values that a schema of an object names, in its order.

    Where it allows several forms (``oneOf``, ``anyOf``), the values of all of them; a value is required if each form
    requires it.

    Args:
        schema: a valid schema.
        where: how messages name it.
        elsewhere: schemas by address that it refers to.

    Raises:
        ContractInvalid: the schema is not one of an object.
    """
    whole = inlined(schema, elsewhere)
    if "type" in whole and "object" not in _list(whole["type"]):
        found = f"is of {' or '.join(_list(whole['type']))}, which has no values of their own names"
        remedy = "Give the values as a whole instead."
        raise ContractInvalid(Problem(where, found, "a schema of an object", remedy))
    properties, required = _named(whole)
    return [Field(name, _described(part), name in required) for name, part in properties.items()]


def airflow_params(
    schema: Mapping[str, Any], *, where: str = "the schema", elsewhere: Mapping[str, Any] = _NOTHING
) -> dict[str, ParamSpec]:
    """Return what makes an Airflow ``Param`` of each value that a schema names; arguments as for `fields`.

    A value that may be absent is None until somebody fills it in. One that is required and has no default has none
    either, so that Airflow asks for it, and refuses a schedule.
    """
    params: dict[str, ParamSpec] = {}
    for value in fields(schema, where=where, elsewhere=elsewhere):
        part = {key: item for key, item in value.schema.items() if key not in {"default", "description"}}
        absent = not value.required and not value.has_default
        params[value.name] = ParamSpec(
            description=value.schema.get("description"),
            schema=_nullable(part) if absent else part,
            has_default=absent or value.has_default,
            default=value.schema.get("default"),
        )
    return params


def prefect_parameters(
    schema: Mapping[str, Any], *, where: str = "the schema", elsewhere: Mapping[str, Any] = _NOTHING
) -> dict[str, Any]:
    """Return Prefect's parameter schema for the values that a schema names; arguments as for `fields`.

    A value is required if the schema requires it and offers no default; then Prefect does not start a run without it.
    """
    named = fields(schema, where=where, elsewhere=elsewhere)
    return {
        "title": "Parameters",
        "type": "object",
        "properties": {
            value.name: {"title": value.name, **value.schema, "position": position}
            for position, value in enumerate(named)
        },
        "required": [value.name for value in named if value.required and not value.has_default],
        "definitions": {},
    }


def _named(whole: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Return the properties of an object and those required, also of the parts and forms that the schema is made of."""
    properties = dict(whole.get("properties", {}))
    required = {*whole.get("required", ())}
    for part in whole.get("allOf", ()):
        inner, needed = _named(part) if isinstance(part, Mapping) else ({}, set[str]())
        _add(properties, inner)
        required |= needed
    for keyword in ("oneOf", "anyOf"):
        forms = [
            _named(form if isinstance(form, Mapping) else {}) for form in whole.get(keyword, ()) if form is not False
        ]
        alternatives: dict[str, Any] = {}
        for inner, _ in forms:
            _add(alternatives, inner, alternative=True)
        _add(properties, alternatives)
        if forms:
            required |= set[str].intersection(*(needed for _, needed in forms))
    for name in required:
        properties.setdefault(name, {})
    return properties, required


def _add(properties: dict[str, Any], more: Mapping[str, Any], *, alternative: bool = False) -> None:
    """Add properties to those that are there; what is there twice must keep both, or either."""
    for name, part in more.items():
        if name not in properties:
            properties[name] = part
            continue
        known = properties[name]
        free = [one for one in (known, part) if one is True or one == {}]
        if free:
            properties[name] = free[0] if alternative or len(free) > 1 else known if part in free else part
        elif part != known:
            words = _words(known) if isinstance(known, Mapping) else {}
            properties[name] = {**words, "anyOf" if alternative else "allOf": [known, part]}


def _described(part: Any) -> Mapping[str, Any]:
    """Return the schema of a value with its type, by which forms choose how to ask for it."""
    if not isinstance(part, Mapping):
        return {} if part else {"not": {}}
    if "type" in part:
        return part
    options = part.get("enum", [part["const"]] if "const" in part else [])
    types = [*dict.fromkeys(_TYPES.get(type(option), "null") for option in options)]
    if not types:
        return part
    return {"type": types[0] if len(types) == 1 else types, **part}


def _nullable(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema that also takes null."""
    if {"const", "not", "allOf", "anyOf", "oneOf", "if"} & part.keys():
        return {**_words(part), "anyOf": [part, _NULL]}
    wider = dict(part)
    if "type" in part:
        wider["type"] = [*dict.fromkeys([*_list(part["type"]), "null"])]
    if "enum" in part and None not in part["enum"]:
        wider["enum"] = [*part["enum"], None]
    return wider


def _words(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: part[key] for key in ANNOTATIONS if key in part and key != "default"}


def _list(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else [*names]
