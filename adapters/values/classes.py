"""Codecs of classes that people write: dataclasses, pydantic models, enumerations and named tuples.

A class travels by its name and is found again by import. Its objects are made as they were, attribute by attribute:
neither ``__init__`` nor ``__post_init__`` nor a validator runs. So a class is used only if it is of one of these kinds.
What it does not do: take objects of any other class; those need a codec of their own.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import importlib
import inspect
from typing import Any

from fairlead.adapters.values.codec import Family, Unfit, full_name

_DATA = (bool, int, float, str, bytes)
_STATE = {"$set": "__pydantic_fields_set__", "$extra": "__pydantic_extra__", "$private": "__pydantic_private__"}


class _Dataclasses:
    name = "dataclass"

    def takes(self, kind: type) -> bool:
        return dataclasses.is_dataclass(kind) and not _has_content_of_its_own(kind)

    def pack(self, value: Any) -> dict[str, Any]:
        kind = type(value)
        names = [field.name for field in dataclasses.fields(kind)]
        fields = {name: getattr(value, name) for name in names if hasattr(value, name)}
        others = {name: item for name, item in getattr(value, "__dict__", {}).items() if name not in fields}
        return fields | {name: item for name, item in others.items() if not _is_derived(kind, name)}

    def unpack(self, parts: dict[str, Any], kind: type) -> Any:
        value: object = object.__new__(kind)
        for name, item in parts.items():
            if not _is_derived(kind, name):
                object.__setattr__(value, name, item)
        return value


class _Models:
    name = "model"

    def takes(self, kind: type) -> bool:
        return hasattr(kind, "__pydantic_fields__") and issubclass(kind, _pydantic().BaseModel)

    def pack(self, value: Any) -> dict[str, Any]:
        kind = type(value)
        fields = {name: item for name, item in value.__dict__.items() if not _is_derived(kind, name)}
        state = {key: getattr(value, name) for key, name in _STATE.items()}
        if state["$private"] is not None:  # some may not have been given a value yet
            undefined = _undefined()
            state["$private"] = {name: item for name, item in state["$private"].items() if item is not undefined}
        return {"$fields": fields, **{key: item for key, item in state.items() if item is not None}}

    def unpack(self, parts: dict[str, Any], kind: type) -> Any:
        model = _pydantic().BaseModel
        value: object = object.__new__(kind)
        state = {name: parts.get(key) for key, name in _STATE.items()}
        model.__setstate__(value, {"__dict__": parts["$fields"], **state})
        return value


class _Enumerations:
    name = "enum"

    def takes(self, kind: type) -> bool:
        return issubclass(kind, enum.Enum)

    def pack(self, value: Any) -> Any:
        # A flag may be several members at once, and has then no name that finds it.
        return {"flag": value.value} if isinstance(value, enum.Flag) else value.name

    def unpack(self, parts: Any, kind: Any) -> Any:
        return kind(parts["flag"]) if isinstance(parts, dict) else kind.__members__[parts]

    def identity(self, value: Any) -> Any:
        """Return the name and, where it is data, the value: a member that means something else is another one."""
        return [str(value.name), value.value if type(value.value) in _DATA else None]


class _NamedTuples:
    name = "namedtuple"

    def takes(self, kind: type) -> bool:
        fields = getattr(kind, "_fields", None)
        return issubclass(kind, tuple) and isinstance(fields, tuple) and all(isinstance(name, str) for name in fields)

    def pack(self, value: Any) -> dict[str, Any]:
        return dict(zip(type(value)._fields, value, strict=True))

    def unpack(self, parts: dict[str, Any], kind: Any) -> Any:
        return tuple.__new__(kind, [parts[name] for name in kind._fields])


FAMILIES: tuple[Family, ...] = (_Enumerations(), _NamedTuples(), _Models(), _Dataclasses())


@functools.cache
def portable_name(kind: type) -> str:
    """Return the name by which other processes find a class; raises `Unfit` for one that they do not find."""
    name, module = full_name(kind), kind.__module__
    expected = "a class that other processes can import"
    if module == "__main__":
        found = f"its class {kind.__qualname__} is of the script that is run, which another process does not have"
        raise Unfit(found, expected, "Move the class into a module, and import it from there.")
    if "<locals>" in kind.__qualname__:
        found = f"its class {kind.__qualname__} of {module} is made inside a function"
        raise Unfit(found, expected, "Define the class at the top of its module.")
    if "[" in kind.__qualname__:
        found = f"its class {kind.__qualname__} of {module} has parameters, and so no name by which it is found"
        raise Unfit(found, expected, f"Name it: class Name({kind.__qualname__}): pass.")
    try:
        same = _named(name) is kind
    except (ImportError, AttributeError):
        same = False
    if not same:
        found = f"its class is not found again as {name}"
        raise Unfit(found, expected, "Define the class at the top of an importable module, by its own name.")
    return name


def find(name: str, family: Family) -> type:
    """Return the class of a name, if it is of the kind that a family takes; raises `Unfit`."""
    remedy = "Install what the task that made the value had installed, in the same version."
    try:
        kind = _named(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise Unfit(f"its class {name} is not found ({error})", remedy=remedy) from error
    if not isinstance(kind, type) or not family.takes(kind):
        raise Unfit(f"{name} is no {family.name}, and is not used", remedy=remedy)
    return kind


def _named(name: str) -> Any:
    module, _, qualified = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in qualified.split("."):
        found = getattr(found, part)
    return found


def _has_content_of_its_own(kind: type) -> bool:
    """Tell whether a class is built on a type that keeps something besides attributes, as lists and errors do."""
    return any(base.__module__ == "builtins" and base is not object for base in kind.__mro__)


def _is_derived(kind: type, name: str) -> bool:
    """Tell whether an attribute is made again when it is asked for, or belongs to Python."""
    if name.startswith("__") and name.endswith("__"):
        return True
    return isinstance(inspect.getattr_static(kind, name, None), functools.cached_property)


def _pydantic() -> Any:
    import pydantic

    return pydantic


def _undefined() -> Any:
    from pydantic_core import PydanticUndefined

    return PydanticUndefined
