"""Lints: what a twine says without effect is told, with what to do; what is meant is left alone."""

from __future__ import annotations

import pytest

from fairlead.adapters.schemas import compiled
from fairlead.adapters.schemas.lints import lints as lints_of_schema
from fairlead.adapters.schemas.lints import unconstrained, unfilled
from fairlead.adapters.twine import Twine
from fairlead.adapters.twine.lints import lints, remarks

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
PLAIN = {
    "title": "A wind study",
    "description": "How windy it is",
    "configuration_values_schema": {"type": "object", "properties": {"method": {"enum": ["a", "b"]}}},
    "input_values_schema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["height"],
        "properties": {"height": {"type": "number"}, "default": {"type": "string"}, "format": {"type": "string"}},
        "additionalProperties": False,
    },
    "input_manifest": {"datasets": {"weather": {"file_tags_template": {"required": ["station"]}}}},
    "output_values_schema": {"optional": True},
    "monitor_message_schema": {"properties": {"progress": {"type": "number"}}},
    "credentials": [{"name": "GRID_KEY"}],
    "children": [{"key": "elevation"}],
    "twined_version": "0.5.1",
}


def told(twine: dict) -> dict[str, str]:
    return {problem.where: f"{problem.found} {problem.remedy}" for problem in lints(Twine(twine))}


def told_of(schema: dict) -> dict[str, str]:
    assert compiled(schema).invalid("s") == []
    return {problem.where: f"{problem.found} {problem.remedy}" for problem in lints_of_schema(schema, "s")}


def test_a_twine_that_means_what_it_says_has_no_lints():
    assert told(PLAIN) == {}


def test_the_monitor_message_schema_of_octues_documents_constrains_nothing():
    documented = {
        "x": {"description": "Real component", "type": "number"},
        "y": {"description": "Imaginary component", "type": "number"},
        "z": {"description": "Number of iterations before divergence", "type": "number", "minimum": 0},
    }
    twine = Twine({"monitor_message_schema": documented})
    assert twine.message_problems({"x": "not a number"}) == []
    (problem,) = lints(twine)
    assert problem.where == "twine.json: monitor_message_schema"
    assert "lets every value pass" in problem.found
    assert problem.remedy == "Put 'x', 'y', 'z' under 'properties'."


def test_a_monitor_message_schema_that_is_empty_constrains_nothing():
    assert [*told({"monitor_message_schema": {}})] == ["twine.json: monitor_message_schema"]


def test_properties_beside_properties_are_told_for_values_too():
    assert [*told({"input_values_schema": {"height": {"type": "number"}}})] == ["twine.json: input_values_schema"]


@pytest.mark.parametrize("schema", [{}, {"optional": True}, {"description": "anything"}])
def test_values_of_any_kind_may_be_wanted(schema):
    assert told({"input_values_schema": schema}) == {}


@pytest.mark.parametrize("schema", [{"type": "object"}, {"$ref": "#/$defs/a", "$defs": {"a": {}}}, {"oneOf": [{}]}])
def test_a_schema_with_a_rule_constrains_something(schema):
    assert unconstrained(schema, "s") == []


def test_a_list_as_items_is_told_where_the_draft_does_not_know_it():
    schema = {"properties": {"pair": {"items": [{"type": "number"}], "additionalItems": False}}}
    assert {*told_of(schema)} == {"s.properties.pair.items", "s.properties.pair.additionalItems"}
    assert told_of(schema | {"$schema": DRAFT_7}) == {}


def test_a_format_is_told_because_it_is_not_checked():
    assert "'date' is not checked" in told_of({"items": {"format": "date"}})["s.items.format"]


@pytest.mark.parametrize(
    "draft", ["http://json-schema.org/2019-09/schema#", "https://json-schema.org/draft-07/schema#", ""]
)
def test_an_unknown_draft_is_told(draft):
    assert "2020-12" in told_of({"$schema": draft})["s.$schema"]


@pytest.mark.parametrize(
    "draft",
    [
        DRAFT_7,
        "http://json-schema.org/draft-04/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema#",
    ],
)
def test_a_published_draft_is_known(draft):
    assert told_of({"$schema": draft}) == {}


def test_all_defaults_of_a_schema_are_told_at_once_because_only_forms_fill_them_in():
    properties = {name: {"default": 1} for name in "abcdefg"} | {"inner": {"properties": {"x": {"default": 2}}}}
    twine = Twine({"input_values_schema": {"properties": properties}, "output_values_schema": {}})
    (problem,) = remarks(twine)
    assert problem.where == "twine.json: input_values_schema"
    assert problem.found == "defaults (a, b, c, d, e and 3 more) are offered in forms, and filled in nowhere else"
    assert "(a.x)" in unfilled({"properties": {"a": {"properties": {"x": {"default": 1}}}}}, "s")[0].found
    assert lints(twine) == remarks(Twine(PLAIN)) == []


def test_what_is_required_and_not_allowed_is_told():
    schema = {"required": ["a", "b"], "properties": {"a": {}}, "additionalProperties": False}
    (text,) = told_of(schema).values()
    assert "'b' is required" in text
    assert told_of(schema | {"patternProperties": {"^b": {}}}) == {}
    assert told_of(schema | {"additionalProperties": True}) == {}


def test_every_schema_of_a_twine_is_looked_at():
    dated = {"format": "date"}
    twine = {f"{strand}_schema": {"properties": {"a": dated}} for strand in ("input_values", "monitor_message")}
    twine["output_manifest"] = {"datasets": {"rose": {"file_tags_template": {"properties": {"a": dated}}}}}
    assert {*told(twine)} == {
        "twine.json: input_values_schema.properties.a.format",
        "twine.json: monitor_message_schema.properties.a.format",
        "twine.json: output_manifest.datasets.rose.file_tags_template.properties.a.format",
    }


def test_an_unknown_key_is_told_with_the_one_that_was_meant():
    assert told({"input_value_schema": {}})["twine.json: input_value_schema"].endswith(
        "Did you mean 'input_values_schema'?"
    )
    assert "is ignored" in told({"notes": ""})["twine.json: notes"]


def test_a_list_of_datasets_is_told():
    assert [*told({"input_manifest": {"datasets": [{"key": "a"}]}})] == ["twine.json: input_manifest.datasets"]


def test_a_credential_that_octue_would_refuse_is_told():
    credentials = [{"name": "AWS_S3_KEY"}, {"name": "GRID_KEY"}]
    assert [*told({"credentials": credentials})] == ["twine.json: credentials[0].name"]
