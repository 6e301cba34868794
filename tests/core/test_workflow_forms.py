"""What of a workflow is asked for in a form, and how its types are told in JSON Schema."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from fairlead.adapters.errors import InputInvalid
from fairlead.adapters.workflow import MapWorkflow, Parameter, Workflow, as_task
from fairlead.adapters.workflow.forms import (
    Field,
    fields_of,
    filled_in,
    merged_parameters,
    parameters_schema,
    schema_of,
)


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (int, {"type": "integer"}),
        (None, {"type": "null"}),
        (list, {"type": "array"}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (list[Path], {"type": "array"}),
        (Sequence[float], {"type": "array", "items": {"type": "number"}}),
        (dict[str, bool], {"type": "object", "additionalProperties": {"type": "boolean"}}),
        (Literal["a", "b"], {"enum": ["a", "b"]}),
        (Annotated[int, "metres"], {"type": "integer"}),
        (int | None, {"type": ["integer", "null"]}),
        (list[int] | str, {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "string"}]}),
        (int | Path, None),
        (Path, None),
        (Any, None),
    ],
)
def test_types_that_json_has_are_told(kind, schema):
    assert schema_of(kind) == schema


@as_task
def asked(count: int, where: Path = Path("here"), names: list[str] | None = None, factor: Parameter(int) = 0):
    print(count, where, names, factor)


def test_a_form_has_the_inputs_with_their_defaults_as_far_as_these_are_json():
    with Workflow() as workflow:
        asked()

    count, where, names = fields_of(workflow)
    assert count == Field("count", {"type": "integer"})
    assert where == Field("where", {}, None)
    assert (names.name, names.default) == ("names", None)


def test_parameters_are_found_at_all_depths_by_the_names_of_the_tasks():
    with Workflow() as workflow:
        MapWorkflow(asked(), map_on={"counts": "count"})

    assert parameters_schema(workflow)["properties"]["asked"] == {
        "type": "object",
        "properties": {"factor": {"type": "integer"}},
        "required": ["factor"],
    }
    with Workflow() as without:
        pass
    assert parameters_schema(without) is None


@as_task
def dated(day: dt.date, count: int = 3, where: Path = Path("here"), name: str | None = "a", more: object = 0):
    print(day, count, where, name, more)


def test_what_a_form_has_is_what_the_inputs_take_and_defaults_are_left_out():
    with Workflow() as workflow:
        dated()

    form = {"day": "2024-02-29", "count": 3, "where": None, "name": None, "cache": "not an input"}
    assert filled_in(workflow, form) == {"day": dt.date(2024, 2, 29), "name": None}
    assert filled_in(workflow, {"day": "soon", "where": "there"}) == {"day": "soon", "where": Path("there")}


def test_parameters_that_are_given_in_part_leave_the_rest_as_it_is():
    given = {"measure": {"factor": 1, "power": 2}, "report": {"title": "a"}}

    assert merged_parameters(given, None, {"measure": {"factor": 3}}) == {
        "measure": {"factor": 3, "power": 2},
        "report": {"title": "a"},
    }
    assert given["measure"] == {"factor": 1, "power": 2}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [("text", "parameters: 'text' is no mapping"), ({"measure": 5}, "parameters.measure: 5 is no mapping")],
)
def test_parameters_that_are_not_by_name_are_named(wrong, message):
    with pytest.raises(InputInvalid, match=message):
        merged_parameters({"measure": {"factor": 1}}, wrong)


def test_a_form_does_not_require_parameters_that_are_given():
    with Workflow() as workflow:
        asked()

    schema = parameters_schema(workflow, {"asked": {"factor": 1}})
    assert schema is not None
    assert (schema["required"], schema["properties"]["asked"]["required"]) == ([], [])
