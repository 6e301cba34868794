"""Schemas: every violation is told at once, in words that help, and nothing is ever fetched."""

from __future__ import annotations

import math
import socket

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.adapters import schemas
from fairlead.adapters.schemas import compiled, did_you_mean, path_to, shown
from fairlead.adapters.schemas.columns import are_kept

WHERE, RULE = "input_values", "twine.json: input_values_schema"
DRAFTS = {
    "draft-03": "http://json-schema.org/draft-03/schema#",
    "draft-04": "http://json-schema.org/draft-04/schema#",
    "draft-06": "http://json-schema.org/draft-06/schema#",
    "draft-07": "http://json-schema.org/draft-07/schema#",
    "2019-09": "https://json-schema.org/draft/2019-09/schema",
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def told(schema: dict, value: object) -> list[str]:
    """Return the violations of a value, each as users read it, without the rule's name."""
    return [str(problem).replace(f" ({RULE})", "") for problem in compiled(schema).problems(value, WHERE, RULE)]


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "number"}, "high", "input_values: 'high' is not a number."),
        ({"type": "integer"}, True, "input_values: true is not an integer."),
        ({"type": ["string", "null"]}, 1, "input_values: 1 is not a string or null."),
        ({"type": "object"}, None, "input_values: null is not an object."),
        ({"type": "boolean"}, [], "input_values: [] is not a boolean."),
        ({"type": "array"}, {"a": 1}, "input_values: {'a': 1} is not an array."),
        ({"required": ["height"]}, {}, "input_values.height: is missing."),
        ({"enum": ["low", None, 3]}, "hi", "input_values: 'hi' is not one of 'low', null, 3."),
        ({"minimum": 1}, 0, "input_values: 0 is less than the minimum of 1."),
        ({"pattern": "^a"}, "b", "input_values: 'b' does not match '^a'."),
        ({"maxItems": 1}, [1, 2], "input_values: [1, 2] is too long."),
        ({"const": 1}, 2, "input_values: 1 was expected."),
        ({"items": {"properties": {"x": {"type": "null"}}}}, [{}, {"x": 1}], "input_values[1].x: 1 is not null."),
    ],
)
def test_a_violation_says_where_what_was_found_and_what_was_expected(schema, value, message):
    assert len(told(schema, value)) == 1
    assert told(schema, value)[0].startswith(message.removesuffix("."))


def test_a_violation_names_the_rule():
    problem = compiled({"type": "number"}).problems("high", WHERE, RULE)[0]
    assert problem.expected == RULE


def test_all_violations_are_told_at_once():
    schema = {
        "properties": {"a": {"type": "number"}, "b": {"enum": [1]}, "c": {"items": {"type": "string"}}},
        "required": ["d", "e"],
        "additionalProperties": False,
    }
    problems = compiled(schema).problems({"c": ["", 1, 2], "b": 2, "a": "x", "f": 0}, "v", RULE)
    assert {problem.where for problem in problems} == {"v.a", "v.b", "v.c[1]", "v.c[2]", "v.d", "v.e", "v.f"}


def test_what_the_schema_says_for_people_is_the_remedy():
    schema = {"properties": {"hub": {"type": "number", "title": "metres above ground", "examples": [90]}}}
    assert told(schema, {"hub": "high"}) == [
        "input_values.hub: 'high' is not a number. Give metres above ground, e.g. 90."
    ]


def test_a_missing_property_is_described():
    schema = {
        "required": ["hub"],
        "properties": {"hub": {"description": "The hub's height in metres.", "default": 9.5}},
    }
    assert told(schema, {}) == ["input_values.hub: is missing. Give The hub's height in metres, e.g. 9.5."]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"title": "Rotor diameter", "minimum": 10, "maximum": 200, "examples": [120]},
         "Give Rotor diameter, from 10 to 200, e.g. 120."),
        ({"minimum": 0.5, "default": 2}, "Give at least 0.5, e.g. 2."),
        ({"title": "It", "exclusiveMinimum": 0, "maximum": 1}, "Give It, above 0 and at most 1."),
        ({"title": "Depth", "exclusiveMaximum": 0}, "Give Depth, below 0."),
        ({"title": "Class", "enum": ["I", None, 3]}, "Give Class, one of 'I', null, 3."),
        ({"enum": [*range(9)]}, "Give one of 0, 1, 2, 3, 4, 5, …."),
    ],
)  # fmt: skip
def test_the_remedy_says_what_is_allowed(rules, words):
    schema = {"required": ["d"], "properties": {"d": rules}}
    assert told(schema, {}) == [f"input_values.d: is missing. {words}"]


def test_the_remedy_reads_exclusive_bounds_of_draft_4():
    part = {"title": "It", "minimum": 0, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False}
    schema = {"$schema": "http://json-schema.org/draft-04/schema#", "required": ["d"], "properties": {"d": part}}
    assert told(schema, {}) == ["input_values.d: is missing. Give It, above 0 and at most 9."]


def test_an_unknown_property_is_answered_with_the_nearest_known_one():
    schema = {"properties": {"hub_height": {}, "sectors": {}}, "additionalProperties": False}
    assert told(schema, {"hub_hight": 1}) == ["input_values.hub_hight: is not known. Did you mean 'hub_height'?"]
    assert told(schema, {"xyz": 1}) == ["input_values.xyz: is not known. Known here: hub_height, sectors."]


@given(st.text())
def test_an_unknown_property_is_found_whatever_its_name(name):
    schema = {"properties": {"known": {}}, "additionalProperties": False}
    assert len(told(schema, {name: 1})) == (name != "known")


@given(st.lists(st.text(max_size=3), min_size=1, max_size=3, unique=True))
def test_each_missing_property_is_told_once_whatever_its_name(names):
    problems = compiled({"required": names}).problems({}, WHERE, RULE)
    assert sorted(problem.where for problem in problems) == sorted(f"{WHERE}.{name}" for name in names)


def test_properties_that_a_pattern_allows_are_known():
    schema = {"patternProperties": {"^sector_": {}}, "properties": {"all": {}}, "additionalProperties": False}
    assert told(schema, {"sector_1": 1, "all": 1}) == []
    assert told(schema, {"sector_1": 1, "sektor_2": 1}) == ["input_values.sektor_2: is not known. Known here: all."]


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_a_value_that_has_none_of_several_forms_is_told_why(keyword):
    schema = {keyword: [{"required": ["path"]}, {"type": "object", "properties": {"files": {"type": "array"}}}]}
    (text,) = told({"properties": {"a": schema}}, {"a": {"files": 1}})
    assert text.startswith("input_values.a: {'files': 1} has none of the forms that are allowed:")
    assert text.endswith(": path is missing, or files 1 is not an array.")


def test_a_value_that_has_two_of_several_forms_is_told():
    assert "valid under each of" in told({"oneOf": [{}, {"type": "number"}]}, 1)[0]


def test_a_long_value_is_shortened():
    assert all(len(problem) < 600 for problem in told({"maxItems": 1, "type": "string"}, ["turbine"] * 10_000))


@given(json_values)
def test_a_value_is_valid_exactly_when_the_reference_says_so(value):
    schema = {
        "type": ["object", "array", "number"],
        "properties": {"a": {"type": "integer"}, "": False},
        "additionalProperties": False,
        "items": {"type": ["string", "number"]},
        "minimum": 0,
    }
    assert (told(schema, value) == []) == jsonschema.Draft202012Validator(schema).is_valid(value)


numbers = st.lists(st.integers(-3, 3) | st.floats(-3, 3) | st.booleans() | st.just(math.nan) | st.text(max_size=1))


@given(st.sampled_from(["number", "integer", "string", "boolean", "null"]), st.none() | st.integers(-2, 2), numbers)
def test_a_list_is_valid_exactly_when_the_reference_says_so(kind, limit, value):
    rules = {"type": kind, "title": "a value", **({} if limit is None else {"minimum": limit, "maximum": limit + 2})}
    schema = {"items": rules}
    expected = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(value)]
    assert sorted(error.message for error in compiled(schema).errors(value)) == sorted(expected)


# Drafts


@pytest.mark.parametrize("draft", DRAFTS)
def test_every_published_draft_is_known(draft):
    schema = {"$schema": DRAFTS[draft], "properties": {"a": {"type": "number"}}}
    assert compiled(schema).invalid(WHERE) == []
    assert told(schema, {"a": 1}) == []
    assert told(schema, {"a": ""}) == ["input_values.a: '' is not a number."]


def test_a_schema_is_read_by_the_draft_that_it_names():
    schema = {"minimum": 0, "exclusiveMinimum": True}
    assert told(schema | {"$schema": DRAFTS["draft-04"]}, 0) != []
    assert compiled(schema | {"$schema": DRAFTS["draft-04"]}).invalid(WHERE) == []
    assert compiled(schema | {"$schema": DRAFTS["2020-12"]}).invalid(WHERE) != []
    assert told({"$schema": DRAFTS["draft-06"], "exclusiveMinimum": 0}, 0) != []


def test_the_third_drafts_required_properties_are_required():
    schema = {"$schema": DRAFTS["draft-03"], "properties": {"a": {"required": True}}}
    assert "'a' is a required property" in told(schema, {})[0]


def test_a_schema_that_names_no_draft_is_of_the_newest():
    assert told({"prefixItems": [{"type": "string"}]}, [1]) != []
    assert compiled({"exclusiveMinimum": True}).invalid(WHERE) != []


def test_a_schema_that_names_an_unknown_draft_is_of_the_newest():
    schema = {"$schema": "http://json-schema.org/2019-09/schema#", "type": "string"}
    assert compiled(schema).invalid(WHERE) == []
    assert told(schema, 1) != []


def test_numbers_are_what_json_says():
    assert told({"type": "integer"}, 1.0) == []
    for schema in ({"type": "integer"}, {"type": "number"}, {"enum": [1]}):
        assert told(schema, value=True) != []


def test_formats_and_defaults_are_left_alone():
    value: dict[str, object] = {}
    assert told({"properties": {"when": {"format": "date", "default": "today"}}}, value) == []
    assert value == {}
    assert told({"format": "date"}, "no date") == []


def test_a_list_as_items_is_passed_over_by_the_newest_draft_and_read_by_older_ones():
    schema = {"properties": {"pair": {"items": [{"type": "string"}], "additionalItems": False}}}
    assert compiled(schema).invalid(WHERE) == []
    assert told(schema, {"pair": [1, 2]}) == []
    assert len(told(schema | {"$schema": DRAFTS["draft-07"]}, {"pair": [1, 2]})) == 2


# Schemas elsewhere


def test_a_reference_reaches_into_a_schema_that_is_given_by_its_address():
    elsewhere = {"https://o.org/wind.json": {"$defs": {"speed": {"minimum": 0}}, "items": [1]}}
    schema = {"properties": {"speed": {"$ref": "https://o.org/wind.json#/$defs/speed"}}}
    assert compiled(schema, elsewhere).invalid("s") == []
    assert compiled(schema, elsewhere).problems({"speed": -1}, WHERE, RULE)[0].where == f"{WHERE}.speed"
    assert compiled(schema).invalid("s") != []


@pytest.mark.parametrize(
    ("schema", "addresses"),
    [
        ({"$ref": "#/$defs/a", "$defs": {"a": {}}}, ()),
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, ()),
        ({"enum": [{"$ref": "https://o.org/a.json"}]}, ()),
        ({"type": "objekt", "$ref": "https://o.org/a.json"}, ()),
        ({"items": {"$ref": "https://o.org/a.json#/x"}, "not": {"$ref": "b.json"}}, ("https://o.org/a.json", "b.json")),
        ({"$id": "https://o.org/a/b.json", "items": {"$ref": "c.json"}}, ("https://o.org/a/c.json",)),
        ({"items": {"$id": "https://o.org/a/b.json", "$ref": "c.json#x"}}, ("https://o.org/a/c.json",)),
    ],
)
def test_the_addresses_that_lead_out_of_a_schema_are_known(schema, addresses):
    assert compiled(schema).outside == addresses


# Schemas that cannot be used


@pytest.mark.parametrize(
    ("schema", "where", "found"),
    [
        ({"type": "objekt"}, "s.type", "objekt"),
        ({"properties": {"a": {"minimum": "0"}}}, "s.properties.a.minimum", "'0' is not a number"),
        ({"required": "a"}, "s.required", "'a' is not an array"),
        ({"$schema": []}, "s.$schema", "[] is not a string"),
        ({"pattern": "["}, "s.pattern", "'[' is not a pattern"),
        ({"items": {"patternProperties": {"(": {}}}}, "s.items.pattern", "'(' is not a pattern"),
        ({"$ref": "#/$defs/none"}, "s.$ref", "'#/$defs/none' leads to nothing"),
        ({"$dynamicRef": "https://o.org/a.json#x"}, "s.$dynamicRef", "'https://o.org/a.json#x' leads to nothing"),
        ({"$ref": "#", "items": {"$ref": "#", "$dynamicRef": "b"}}, "s.items.$dynamicRef", "'b' leads to nothing"),
        ({"anyOf": [{}, {"$ref": "other.json"}]}, "s.anyOf[1].$ref", "'other.json' leads to nothing"),
        ({"properties": {"default": {"$ref": "#/x"}}}, "s.properties.default.$ref", "'#/x' leads to nothing"),
    ],
)
def test_a_schema_that_cannot_be_used_says_where_and_why(schema, where, found):
    problems = compiled(schema).invalid("s")
    assert [problem.where for problem in problems] == [where]
    assert found in problems[0].found


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"height": {"type": "number"}}, "$ref": "#/$defs/height"},
        {"$defs": {"node": {"$dynamicAnchor": "node"}}, "items": {"$dynamicRef": "#node"}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "$dynamicRef": "not known in this draft"},
        {"definitions": {"a": {"properties": {"b": {}}}}, "$ref": "#/definitions/a/properties/b"},
        {"$id": "https://example.org/a.json", "$defs": {"b": {}}, "$ref": "#/$defs/b"},
        {"$id": "a/b.json", "$defs": {"b": {}}, "properties": {"c": {"$ref": "#/$defs/b"}}},
        {
            "$defs": {"m": {"$id": "https://o.org/m", "$defs": {"n": {}}, "$ref": "#/$defs/n"}},
            "$ref": "https://o.org/m",
        },
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}, "pattern": {"type": "object"}}},
        {"enum": [{"$ref": "nowhere"}], "default": {"$ref": "nowhere"}, "examples": [{"pattern": "["}]},
        {"$anchor": "top", "$ref": "#top"},
        {"$schema": DRAFTS["draft-04"], "definitions": {"m": {"id": "https://o.org/m"}}, "$ref": "https://o.org/m"},
    ],
)
def test_references_within_a_schema_and_to_published_drafts_are_followed(schema):
    assert compiled(schema).invalid("s") == []


def test_a_reference_to_an_included_schema_is_obeyed():
    included = {"$id": "https://example.org/height.json", "$defs": {"n": {"type": "number"}}, "$ref": "#/$defs/n"}
    schema = {"$defs": {"height": included}, "properties": {"hub": {"$ref": "https://example.org/height.json"}}}
    assert told(schema, {"hub": "high"}) == ["input_values.hub: 'high' is not a number."]


def test_a_reference_into_the_network_is_refused_without_asking_the_network(monkeypatch):
    def refuse(*arguments: object, **_keywords: object) -> None:
        raise AssertionError(f"asked the network: {arguments}")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    schema = {"properties": {"chart": {"$ref": "https://jsonschema.registry.octue.com/octue/plotly.json"}}}
    problem = compiled(schema).invalid("s")[0]
    assert "jsonschema.registry.octue.com" in problem.found
    assert "$defs" in problem.remedy
    assert compiled(schema).problems({"chart": 1}, WHERE, RULE) != []  # also by who did not ask first


@pytest.mark.parametrize(
    ("schema", "value"),
    [({"$ref": "#"}, 1), ({"multipleOf": 0.1}, math.nan), ({"multipleOf": 0.1}, math.inf), ({"pattern": "["}, "a")],
)
def test_what_a_validator_fails_at_counts_as_a_violation(schema, value):
    assert "cannot be checked" in told(schema, value)[0]


def test_a_value_that_is_nested_without_end_counts_as_a_violation():
    value: list[object] = []
    for _ in range(10_000):
        value = [value]
    assert "cannot be checked" in told({"items": {"$ref": "#"}}, value)[0]


@given(json_values.filter(lambda schema: isinstance(schema, dict)), json_values)
def test_any_object_can_be_asked_whether_it_is_a_schema(schema, value):
    compiled(schema).invalid("s")
    compiled(schema).problems(value, WHERE, RULE)


# Compiled once


def test_equal_schemas_are_compiled_once(monkeypatch):
    made: list[object] = []
    make = schemas.Schema.__init__
    monkeypatch.setattr(schemas.Schema, "__init__", lambda self, *parts: made.append(parts) or make(self, *parts))
    first = compiled({"title": "compiled once", "type": "number", "minimum": 1})
    assert compiled({"minimum": 1, "type": "number", "title": "compiled once"}) is first
    assert len(made) == 1


def test_schemas_that_only_python_takes_for_equal_are_different():
    assert compiled({"const": 1}) is not compiled({"const": True})
    assert compiled({"const": 1}) is not compiled({"const": 1.0})


# Words


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), (False, "false"), (1.5, "1.5"), ("x", "'x'"), ([1], "[1]")]
)
def test_values_are_shown_as_json_where_python_differs(value, text):
    assert shown(value) == text


def test_a_path_is_written_as_users_write_it():
    assert path_to("input_values", ["turbines", 2, "hub_height"]) == "input_values.turbines[2].hub_height"


def test_nothing_known_is_no_advice():
    assert did_you_mean("x", []) == ""


# Large values at a glance


KINDS = {
    "number": st.integers(-3, 3) | st.floats(-3, 3),
    "integer": st.integers(-3, 3) | st.just(2.0),
    "string": st.text("ab", max_size=3),
    "boolean": st.booleans(),
    "null": st.none(),
}
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "minimum": st.integers(-2, 2),
        "exclusiveMaximum": st.integers(-2, 2),
        "maxLength": st.integers(0, 3),
        "multipleOf": st.integers(1, 2),
        "enum": st.lists(st.sampled_from(["", "a", "b", 1, None]), min_size=1, unique=True),
        "title": st.just("words"),
    },
)
ANY = st.recursive(
    st.one_of(*KINDS.values()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
RULES = st.recursive(
    st.builds(lambda kind, limits: {"type": kind, **limits}, st.sampled_from([*KINDS]), LIMITS)
    | LIMITS
    | st.builds(lambda kinds: {"type": kinds}, st.lists(st.sampled_from([*KINDS]), min_size=1, unique=True))
    | st.just({"$ref": "#/$defs/n"}),
    lambda inner: st.one_of(
        st.builds(lambda part, least: {"type": "array", "items": part, "minItems": least}, inner, st.integers(0, 1)),
        st.builds(
            lambda parts, needed, rest: {
                "type": "object",
                "properties": parts,
                "required": needed,
                "additionalProperties": rest,
            },
            st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            st.lists(st.sampled_from("abc"), max_size=1),
            st.booleans(),
        ),
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda parts: {"allOf": parts}, st.lists(inner, min_size=1, max_size=2)),
    ),
    max_leaves=4,
)


@settings(max_examples=400)
@given(RULES, ANY)
def test_a_glance_never_sees_more_than_the_reference_validator(rules, value):
    schema = {"$defs": {"n": {"type": "number", "minimum": 0}}, **rules}
    assert bool(compiled(schema).errors(value)) != jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("rules", "values"),
    [
        ({"type": "array", "items": {"$ref": "#/$defs/n"}}, [1, 2.5]),
        ({"type": "array", "items": {"type": ["number", "null"]}}, [1, None]),
        ({"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "string"}]}}, [1, "a"]),
        ({"type": "array", "items": {"type": "object", "required": ["a"], "properties": {"a": {}}}}, [{"a": 1}]),
        ({"type": "array", "items": {"type": "array", "items": {"type": "integer"}, "minItems": 1}}, [[1], [2, 3]]),
    ],
)
def test_large_data_of_plain_rules_are_seen_at_a_glance(rules, values):
    root = {"$defs": {"n": {"type": "number"}}, **rules}
    assert are_kept([values], root, root)
    assert not are_kept([[*values, object()]], root, root)
