"""Pydantic models made from JSON Schemas, for programs that want values as objects with attributes.

The model is the shape that the schema describes: nested models, lists, choices, unions; what pydantic has no word for
is kept in the model's own JSON schema. Every instance of the model is checked against the schema itself before anything
else, so that the two never disagree, and values stay as they were given: nothing is coerced. Models within the model
know their shape alone. Forms for people are made by ``forms``.
"""

from __future__ import annotations

import functools
import keyword
import operator
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from fairlead.adapters.schemas.checking import Schema, compiled
from fairlead.adapters.schemas.inlining import inlined
from fairlead.adapters.schemas.keywords import ANNOTATIONS

_Type: TypeAlias = Any
"""A type, or a form that stands for one, such as ``Annotated[...]``."""
_NUMBER = int | float
_SCALARS: Mapping[str, _Type] = {
    "string": str,
    "number": _NUMBER,
    "integer": _NUMBER,
    "boolean": bool,
    "null": type(None),
}
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def pydantic_model(
    schema: Mapping[str, Any], name: str = "Values", *, elsewhere: Mapping[str, Any] = _NOTHING
) -> type[BaseModel]:
    """Return a model whose instances are exactly the values that a schema allows.

    A schema of an object becomes a model with a field for each property, called by the property's name or, where that
    is no name in Python, by one that has it as alias. Any other schema becomes a ``RootModel``. A schema that names
    properties and no type is taken for one of an object.

    Args:
        schema: a valid schema.
        name: what the model is called.
        elsewhere: schemas by address that it refers to.

    Returns:
        A model. ``Model.model_validate(data)`` raises pydantic's ValidationError with every violation;
        ``instance.model_dump(by_alias=True, exclude_unset=True)`` gives the data back.
    """
    whole = inlined(schema, elsewhere)
    if "properties" in whole and "type" not in whole:
        whole = {"type": "object", **whole}
        schema = {"type": "object", **schema}
    form = compiled(schema, elsewhere)
    shape = _Shapes().of(whole, name)
    is_model = isinstance(shape, type) and issubclass(shape, BaseModel)
    base: _Type = shape if is_model else RootModel[shape]  # type: ignore[valid-type]  # made just now

    def check(cls: type[BaseModel], value: Any) -> Any:  # noqa: ARG001 (pydantic passes it)
        _check(form, value, name)
        return value

    first: Any = model_validator(mode="before")
    validators = {"check_against_the_schema": first(classmethod(check))}
    model: type[BaseModel] = create_model(name, __base__=base, __validators__=validators, __module__=__name__)
    model.__doc__ = whole.get("description") or whole.get("title")
    return model


def _check(form: Schema, value: Any, name: str) -> None:
    """Raise pydantic's error with every violation of a value."""
    data = _plain(value)
    try:
        errors = form.errors(data)
    except Exception as error:  # a validator may fail in any way
        problem = f"cannot be checked ({type(error).__name__}: {error})"
        raise PydanticCustomError("json_schema", "{problem}", {"problem": problem}) from error
    if errors:
        details = [
            InitErrorDetails(
                type=PydanticCustomError("json_schema", "{problem}", {"problem": error.message}),
                loc=tuple(error.absolute_path),
                input=error.instance,
            )
            for error in errors
        ]
        raise ValidationError.from_exception_data(name, details)


def _plain(value: Any) -> Any:
    """Return JSON data, also of instances of models in it."""
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True, exclude_unset=True)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


class _Shapes:
    """Types for the parts of one schema, with names of their own for the models among them."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def of(self, part: Any, name: str) -> _Type:
        """Return a type that takes all that a schema allows, and tells in its own JSON schema what the schema does."""
        if not isinstance(part, Mapping):
            return Any
        part = _merged(part)
        forms = [key for key in ("oneOf", "anyOf") if part.get(key)]
        if forms:
            return self._union(part, forms, name)
        options = part.get("enum", [part["const"]] if "const" in part else None)
        if options is not None:
            return _choice(part, options)
        types = part.get("type", [])
        if isinstance(types, list):
            return self._several(part, types, name)
        return self._single(part, types, name)

    def _single(self, part: Mapping[str, Any], kind: str, name: str) -> _Type:
        if kind == "object":
            return self._object(part, name)
        if kind == "array":
            inner = self.of(part.get("items", True), f"{name}Item") if "prefixItems" not in part else Any
            return Annotated[list[inner], Field(json_schema_extra=_words(part, {"items"}))]  # type: ignore[valid-type]
        return Annotated[_SCALARS[kind], WithJsonSchema(_words(part))] if kind in _SCALARS else Any

    def _several(self, part: Mapping[str, Any], types: list[str], name: str) -> _Type:
        if not types:
            if "properties" not in part:
                return Annotated[Any, WithJsonSchema(_words(part))]
            return Annotated[self._object(part, name) | Any, Field(union_mode="left_to_right")]
        if {*types} & {"object", "array"}:
            plain = {key: value for key, value in part.items() if key not in ANNOTATIONS}
            shapes = [self._single({**plain, "type": kind}, kind, name) for kind in types]
            return Annotated[_one_of(shapes), Field(json_schema_extra=_words(part, {*part} - {*ANNOTATIONS}))]
        return Annotated[_one_of([_SCALARS.get(kind, Any) for kind in types]), WithJsonSchema(_words(part))]

    def _union(self, part: Mapping[str, Any], forms: list[str], name: str) -> _Type:
        base = {key: value for key, value in part.items() if key not in {*forms, *ANNOTATIONS}}
        shapes = []
        for key in forms[:1]:  # of two unions at once, the second is left to the schema
            for number, form in enumerate(part[key], 1):
                shapes.append(self.of(_merged({**base, "allOf": [*base.get("allOf", ()), form]}), f"{name}{number}"))
        words = {key: value for key, value in _words(part).items() if key in ANNOTATIONS}
        return Annotated[_one_of(shapes), Field(json_schema_extra=words)]

    def _object(self, part: Mapping[str, Any], name: str) -> type[BaseModel]:
        required = part.get("required", [])
        taken: set[str] = set()
        attributes: dict[str, Any] = {}
        for key, inner in part.get("properties", {}).items():
            attribute = _attribute(key, taken)
            shape = self.of(inner, f"{name}{_capitals(key)}")
            words = {**inner} if isinstance(inner, Mapping) else {}
            extra = {"default": words["default"]} if key in required and "default" in words else {}
            settings: dict[str, Any] = {
                "alias": key if attribute != key else None,
                "title": words.get("title"),
                "description": words.get("description"),
                "examples": words.get("examples"),
            }
            if key in required:
                value = Field(..., json_schema_extra=extra or None, **settings)
            elif "default" in words:
                value = Field(_default(shape, words["default"]), **settings)
            else:
                value = Field(default_factory=_absent, **settings)
            attributes[attribute] = (shape, value)
        rest = part.get("additionalProperties", True)
        closed = rest is False and "patternProperties" not in part
        config = ConfigDict(
            title=part.get("title"),
            extra="forbid" if closed else "allow",
            json_schema_extra=_words(part, {"properties", "required", "type", "title", "description"}),
            protected_namespaces=(),
            serialize_by_alias=True,
        )
        base: type[BaseModel] = create_model(self._name(name), __config__=config, __module__=__name__, **attributes)
        base.__doc__ = part.get("description")
        return base

    def _name(self, name: str) -> str:
        unique, number = name, 1
        while unique in self._names:
            number += 1
            unique = f"{name}_{number}"
        self._names.add(unique)
        return unique


def _merged(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with what ``allOf`` adds; of two rules for one thing the first stays, and the schema has both."""
    merged = {key: value for key, value in part.items() if key != "allOf"}
    for more in part.get("allOf", ()):
        if not isinstance(more, Mapping):
            continue
        inner = _merged(more)
        properties, others = merged.get("properties", {}), inner.get("properties", {})
        twice = {name: {"allOf": [properties[name], others[name]]} for name in properties.keys() & others.keys()}
        required = [*dict.fromkeys([*merged.get("required", ()), *inner.get("required", ())])]
        merged = {**inner, **merged}
        if properties or others:
            merged["properties"] = {**properties, **others, **twice}
        if required:
            merged["required"] = required
    return merged


def _choice(part: Mapping[str, Any], options: list[Any]) -> _Type:
    """Return a type for one of several values; only texts are told apart by Python as they are by JSON."""
    texts = tuple(option for option in options if isinstance(option, str) or option is None)
    if not texts:
        return Annotated[Any, WithJsonSchema(_words(part))]
    literal: _Type = Literal[texts]
    return Annotated[literal if len(texts) == len(options) else literal | Any, WithJsonSchema(_words(part))]


def _default(shape: _Type, default: Any) -> Any:
    """Return a default as the field holds it; one that breaks the schema stays as it is."""
    try:
        return TypeAdapter(shape).validate_python(default)
    except ValidationError:
        return default


def _absent() -> None:
    """Stand for a value that was not given; as a function, because the schema does not offer null."""


def _one_of(shapes: Sequence[_Type]) -> _Type:
    return functools.reduce(operator.or_, shapes)


def _words(part: Mapping[str, Any], told: set[str] | None = None) -> dict[str, Any]:
    """Return what a schema says and its shape does not; ``told`` is what the shape tells."""
    return {key: value for key, value in part.items() if key not in (told or set())}


def _attribute(name: str, taken: set[str]) -> str:
    """Return a name in Python for a property, its own if that is one."""
    free = name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")
    attribute = name if free and not hasattr(BaseModel, name) else f"{re.sub(r'[^A-Za-z0-9_]', '_', name).strip('_')}_"
    attribute = attribute if attribute[0].isalpha() else f"value_{attribute}"
    while attribute in taken:
        attribute += "_"
    taken.add(attribute)
    return attribute


def _capitals(name: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", name))
