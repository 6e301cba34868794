"""What of a workflow is asked for in a form, with a schema where types allow, and what it is given when one comes back.

A type of which JSON Schema cannot say anything is asked for without one: the workflow itself checks what it is given.
How an engine shows a form is its own business.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args, get_origin

from fairlead.adapters.errors import InputInvalid
from fairlead.adapters.workflow.arguments import parameter_problems
from fairlead.adapters.workflow.checks import fits_value
from fairlead.adapters.workflow.task import Task
from fairlead.adapters.workflow.types import NO_DEFAULT
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fairlead.adapters.workflow.targets import Target

Arguments: TypeAlias = tuple[Any, ...]
Schema: TypeAlias = dict[str, Any] | None
Parameters: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Values of parameters by the names of the tasks and their own."""
_TYPES: dict[Any, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


@dataclass(frozen=True)
class Field:
    """One value that is asked for."""

    name: str
    schema: Mapping[str, Any]
    default: Any = field(default=NO_DEFAULT)
    """What it is if nobody fills it in; None stands for a default that is no JSON data."""


def fields_of(workflow: Workflow) -> list[Field]:
    """Return what a workflow is to be given, in its inputs' order."""
    return [_field(target) for name, target in workflow.inputs.items() if name[0] != "@"]


def parameters_schema(workflow: Workflow, given: Parameters | None = None) -> dict[str, Any] | None:
    """Return the schema of all parameters of the tasks in a workflow, by the tasks' names; None if there are none.

    What is ``given`` elsewhere is not required.
    """
    tasks: dict[str, Any] = {}
    for task in _tasks_in(workflow):
        for name, target in task.parameters.items():
            section = tasks.setdefault(task.name, {"type": "object", "properties": {}, "required": []})
            section["properties"][name] = schema_of(target.type) or {}
            if name not in (given or {}).get(task.name, {}):
                section["required"] = sorted({*section["required"], name})
    required = sorted(name for name, section in tasks.items() if section["required"])
    return {"type": "object", "properties": tasks, "required": required} if tasks else None


def merged_parameters(*sources: Parameters | None) -> dict[str, dict[str, Any]]:
    """Return the parameters of several sources, by the names of task and parameter; those of a later one win.

    Raises `InputInvalid` for what is not values by name, below the names of tasks.
    """
    merged: dict[str, dict[str, Any]] = {}
    for source in sources:
        if problems := parameter_problems("parameters", source):
            raise InputInvalid(problems)
        for task, section in (source or {}).items():
            merged.setdefault(task, {}).update(section or {})  # people leave sections empty, also in forms
    return merged


def filled_in(workflow: Workflow, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a workflow is given of what a form has, by the names of its inputs: JSON data as what each takes.

    What is left out elsewhere is left out here, or it would be other work: a default that nobody has changed, and None
    for one that is no JSON data.
    """
    return {
        name: fitted(target, values[name])
        for name, target in workflow.inputs.items()
        if name in values and not _is_default(target, values[name])
    }


def fitted(target: Target, value: Any) -> Any:
    """Return JSON data as what an input takes, such as a date, where pydantic can make that of it."""
    if fits_value(value, target.type):
        return value
    from pydantic import TypeAdapter, ValidationError
    from pydantic.errors import PydanticUserError

    try:
        return TypeAdapter(target.type).validate_python(value)
    except (PydanticUserError, ValidationError):
        return value  # the workflow says what is wrong with it


def _is_default(target: Target, value: Any) -> bool:
    """Tell whether a form has filled in a default."""
    if value is None:
        return not (target.is_required or fits_value(None, target.type)) or target.default is None
    return type(value) is type(target.default) and isinstance(value, str | int | float) and value == target.default


def schema_of(kind: Any) -> Schema:
    """Return the JSON Schema of a type; None if it cannot be said."""
    if kind is None or (isinstance(kind, type) and kind in _TYPES):
        return {"type": _TYPES[type(None) if kind is None else kind]}
    make = _GENERICS.get(get_origin(kind))
    return make(get_args(kind)) if make is not None else None


def _annotated(arguments: Arguments) -> Schema:
    return schema_of(arguments[0])


def _list(arguments: Arguments) -> Schema:
    inside = schema_of(arguments[0])
    return {"type": "array"} if inside is None else {"type": "array", "items": inside}


def _dict(arguments: Arguments) -> Schema:
    inside = schema_of(arguments[-1])
    return {"type": "object"} if inside is None else {"type": "object", "additionalProperties": inside}


def _union(arguments: Arguments) -> Schema:
    members = [schema_of(each) for each in arguments]
    if any(member is None for member in members):
        return None
    if all(set(member or ()) == {"type"} for member in members):
        return {"type": [member["type"] for member in members if member]}
    return {"anyOf": members}


_GENERICS: dict[Any, Callable[[Arguments], Schema]] = {
    Literal: lambda arguments: {"enum": list(arguments)},
    typing.Annotated: _annotated,
    list: _list,
    Sequence: _list,
    dict: _dict,
    Mapping: _dict,
    typing.Union: _union,
    types.UnionType: _union,
}
"""How the schema of a type with arguments is made of these."""


def _field(target: Target) -> Field:
    schema = schema_of(target.type) or {}
    if target.is_required:
        return Field(target.name, schema)
    if _is_json(target.default):
        return Field(target.name, schema, target.default)
    nullable = {"anyOf": [schema, {"type": "null"}]} if schema else {}
    return Field(target.name, nullable, None)


def _is_json(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or isinstance(value, str | bool | int | float)


def _tasks_in(workflow: Workflow) -> list[Task]:
    found: list[Task] = []
    for block in workflow.blocks:
        if isinstance(block, Task):
            found.append(block)
        elif isinstance(block, Workflow):
            found += _tasks_in(block)
    return found
