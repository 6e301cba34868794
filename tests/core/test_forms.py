"""Forms and models: what a schema says for people survives, and neither ever disagrees with the schema."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel, ValidationError

from fairlead.adapters.errors import ContractInvalid
from fairlead.adapters.schemas import airflow_params, compiled, fields, prefect_parameters, pydantic_model
from fairlead.adapters.schemas.inlining import inlined
from tests.wind import HUB_HEIGHT

TURBINE = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A turbine",
    "description": "What the study needs to know of a turbine.",
    "type": "object",
    "required": ["hub_height", "class"],
    "properties": {
        "hub_height": HUB_HEIGHT,
        "class": {"enum": ["I", "II", "III"], "title": "IEC class"},
        "sectors": {"type": "integer", "default": 12, "multipleOf": 4, "description": "Sectors of the rose"},
        "site-name": {"type": ["string", "null"], "maxLength": 20, "pattern": "^[a-z]"},
        "position": {"$ref": "#/$defs/position", "title": "Where it stands"},
        "masts": {"type": "array", "items": {"$ref": "#/$defs/position"}, "minItems": 1},
    },
    "additionalProperties": False,
    "$defs": {
        "position": {
            "type": "object",
            "required": ["x"],
            "properties": {"x": {"type": "number", "units": "km"}, "y": {"type": "number"}},
            "additionalProperties": {"type": "string"},
        }
    },
}
VALID = {"hub_height": 90, "class": "II", "site-name": None, "position": {"x": 1.5, "note": "a"}, "masts": [{"x": 0}]}


# References


def test_a_reference_is_replaced_by_what_it_leads_to_with_what_stands_beside_it():
    part = inlined(TURBINE)["properties"]["position"]
    assert part["title"] == "Where it stands"
    assert part["required"] == ["x"]
    assert "$ref" not in json.dumps(inlined(TURBINE))


def test_rules_beside_a_reference_hold_with_those_it_leads_to():
    schema = {"$defs": {"a": {"minimum": 1}}, "properties": {"n": {"$ref": "#/$defs/a", "minimum": 5}}}
    assert inlined(schema)["properties"]["n"] == {"minimum": 5, "allOf": [{"minimum": 1}]}
    older = schema | {"$schema": "http://json-schema.org/draft-07/schema#"}
    assert inlined(older)["properties"]["n"] == {"minimum": 1}


def test_a_schema_that_contains_itself_allows_anything_where_it_comes_round():
    tree = {
        "$defs": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}}}},
        "$ref": "#/$defs/tree",
    }
    assert inlined(tree) == {"type": "object", "properties": {"left": {}}}


def test_a_schema_elsewhere_is_reached():
    elsewhere = {"https://o.org/a.json": {"$defs": {"n": {"$ref": "#/$defs/m"}, "m": {"type": "number"}}}}
    assert inlined({"$ref": "https://o.org/a.json#/$defs/n"}, elsewhere) == {"type": "number"}


def test_older_drafts_are_told_in_the_words_of_the_newest():
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "properties": {
            "n": {"minimum": 0, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False},
            "pair": {"items": [{"type": "string"}], "additionalItems": False},
        },
    }
    assert inlined(schema)["properties"] == {
        "n": {"exclusiveMinimum": 0, "maximum": 9},
        "pair": {"prefixItems": [{"type": "string"}], "items": False},
    }


def test_properties_are_called_as_they_are_also_where_that_is_a_keyword():
    schema = {"properties": {"$ref": {"type": "string"}, "id": {"type": "number"}, "definitions": {}}}
    assert inlined(schema) == schema


# Fields


def test_the_fields_are_the_properties_in_their_order():
    assert [field.name for field in fields(TURBINE)] == [*TURBINE["properties"]]
    assert [field.name for field in fields(TURBINE) if field.required] == ["hub_height", "class"]


def test_the_fields_of_several_forms_are_those_of_all():
    schema = {
        "type": "object",
        "properties": {"site": {"type": "string"}},
        "oneOf": [
            {"required": ["site", "speed"], "properties": {"speed": {"type": "number", "title": "Speed"}}},
            {"required": ["site", "file"], "properties": {"file": {"type": "string"}, "speed": {"type": "null"}}},
        ],
    }
    named = {field.name: field for field in fields(schema)}
    assert [*named] == ["site", "speed", "file"]
    assert [name for name, field in named.items() if field.required] == ["site"]
    assert named["speed"].schema["anyOf"] == [{"type": "number", "title": "Speed"}, {"type": "null"}]
    assert named["speed"].schema["title"] == "Speed"


def test_an_alternative_that_asks_for_nothing_requires_nothing():
    schema = {"anyOf": [True, {"required": ["a"], "properties": {"a": {"type": "number"}}}, False]}
    assert [(field.name, field.required) for field in fields(schema)] == [("a", False)]


def test_a_value_is_free_if_one_alternative_leaves_it_free_and_bound_if_a_part_binds_it():
    free, bound = {"properties": {"a": {}}}, {"properties": {"a": {"type": "number"}}}
    for parts in ([free, bound], [bound, free]):
        assert [field.schema for field in fields({"oneOf": parts})] == [{}]
        assert [field.schema for field in fields({"allOf": parts})] == [{"type": "number"}]


def test_a_property_that_is_only_required_is_a_field():
    (field,) = fields({"type": "object", "required": ["a"]})
    assert (field.name, field.required) == ("a", True)


def test_a_choice_has_the_type_of_its_options():
    assert fields(TURBINE)[1].schema["type"] == "string"
    assert fields({"properties": {"a": {"enum": [1, None]}}})[0].schema["type"] == ["integer", "null"]
    assert fields({"properties": {"a": {"const": True}}})[0].schema["type"] == "boolean"


def test_a_schema_of_no_object_has_no_fields_and_that_is_told():
    with pytest.raises(ContractInvalid, match=r"twine\.json: input_values_schema: is of array"):
        fields({"type": "array"}, where="twine.json: input_values_schema")


# Airflow


def test_what_the_schema_says_is_in_the_params():
    params = airflow_params(TURBINE)
    height = params["hub_height"]
    assert height.description == "Above ground"
    assert height.schema == {"type": "number", "title": "Hub height", "unit": "m", "minimum": 10, "maximum": 200}
    assert not height.has_default
    assert params["class"].schema == {"type": "string", "enum": ["I", "II", "III"], "title": "IEC class"}
    assert params["sectors"].has_default
    assert params["sectors"].default == 12


def test_a_param_that_may_be_absent_is_none_and_takes_null():
    schema = {
        "properties": {
            "a": {"type": "number"},
            "b": {"enum": ["x"]},
            "c": {"oneOf": [{"type": "object"}], "title": "C"},
        }
    }
    params = airflow_params(schema)
    assert all(param.has_default and param.default is None for param in params.values())
    assert params["a"].schema == {"type": ["number", "null"]}
    assert params["b"].schema == {"type": ["string", "null"], "enum": ["x", None]}
    assert params["c"].schema["title"] == "C"
    for param in params.values():
        assert compiled(param.schema).problems(None, "p", "") == []


# Prefect


def test_what_the_schema_says_is_in_the_parameters():
    parameters = prefect_parameters(TURBINE)
    assert (parameters["title"], parameters["type"]) == ("Parameters", "object")
    assert parameters["required"] == ["hub_height", "class"]
    assert parameters["properties"]["hub_height"] == TURBINE["properties"]["hub_height"] | {"position": 0}
    assert parameters["properties"]["sectors"]["title"] == "sectors"
    assert parameters["properties"]["sectors"]["default"] == 12
    assert [part["position"] for part in parameters["properties"].values()] == [0, 1, 2, 3, 4, 5]


def test_a_parameter_with_a_default_is_not_required():
    schema = {"required": ["a"], "properties": {"a": {"default": 1}}}
    assert prefect_parameters(schema)["required"] == []


@pytest.mark.parametrize("make", [airflow_params, prefect_parameters])
def test_forms_are_plain_data_without_references(make):
    made = make(TURBINE)
    text = json.dumps({name: vars(spec) for name, spec in made.items()} if make is airflow_params else made)
    assert "$ref" not in text


# Models


def test_a_model_has_the_values_as_attributes():
    model = pydantic_model(TURBINE, "Turbine")
    turbine = model.model_validate(VALID)
    assert issubclass(model, BaseModel)
    assert model.__name__ == "Turbine"
    assert turbine.hub_height == 90
    assert turbine.sectors == 12
    assert turbine.class_ == "II"
    assert turbine.position.x == 1.5
    assert [type(mast).__name__ for mast in turbine.masts] == ["TurbineMastsItem"]


def test_a_model_gives_back_what_it_was_given():
    model = pydantic_model(TURBINE)
    assert model.model_validate(VALID).model_dump(exclude_unset=True) == VALID
    assert model.model_validate_json(json.dumps(VALID)).model_dump(mode="json", exclude_unset=True) == VALID
    assert repr(model.model_validate(VALID).hub_height) == "90"


def test_a_models_own_schema_says_what_the_schema_says():
    told = pydantic_model(TURBINE, "Turbine").model_json_schema()
    properties = told["properties"]
    assert told["title"] == "A turbine"
    assert told["description"] == "What the study needs to know of a turbine."
    assert told["required"] == ["hub_height", "class"]
    assert told["additionalProperties"] is False
    for name in ("hub_height", "class", "sectors", "site-name"):
        assert properties[name] == properties[name] | TURBINE["properties"][name]
    assert properties["masts"]["minItems"] == 1
    (position,) = [part for name, part in told["$defs"].items() if name == "TurbinePosition"]
    assert position["title"] == "Where it stands"
    assert position["properties"]["x"]["units"] == "km"
    assert position["additionalProperties"] == {"type": "string"}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"hub_height": 5}, ("hub_height",)),
        ({"hub_height": "90"}, ("hub_height",)),
        ({"hub_height": True}, ("hub_height",)),
        ({"class": "IV"}, ("class",)),
        ({"sectors": 10}, ("sectors",)),
        ({"sectors": None}, ("sectors",)),
        ({"site-name": "X"}, ("site-name",)),
        ({"masts": [{"x": 1}, {}]}, ("masts", 1)),
        ({"position": {"x": 1, "note": 2}}, ("position", "note")),
        ({"color": "red"}, ()),
    ],
)
def test_a_model_tells_each_violation_with_its_place(change, place):
    with pytest.raises(ValidationError) as caught:
        pydantic_model(TURBINE).model_validate({**VALID, **change})
    assert [error["loc"] for error in caught.value.errors()] == [place]


def test_a_model_is_made_of_keywords_and_of_other_models():
    model = pydantic_model(TURBINE)
    first = model(**VALID)
    again = model(hub_height=90, **{"class": "II", "position": first.position})
    assert again.position == first.position
    with pytest.raises(ValidationError):
        model(hub_height=90)


@pytest.mark.parametrize(
    "name",
    ["class", "copy", "model_dump", "_private", "1st", "grün", "a b", "", "schema", "model_config", "json", "__x__"],
)
def test_a_property_may_have_any_name(name):
    schema = {"type": "object", "properties": {name: {"type": "number"}, "a_b": {}}, "required": [name]}
    instance = pydantic_model(schema).model_validate({name: 3, "a_b": 1})
    assert instance.model_dump(exclude_unset=True) == {name: 3, "a_b": 1}


@pytest.mark.parametrize("schema", [{"type": "array", "items": {"type": "number"}}, {"type": "number"}, {}])
def test_a_schema_of_no_object_becomes_a_root_model(schema):
    model = pydantic_model(schema)
    value = 1 if schema.get("type") != "array" else [1]
    assert issubclass(model, RootModel)
    assert model.model_validate(value).root == value


def test_several_forms_become_a_union():
    schema = {
        "oneOf": [
            {"title": "Speed", "required": ["speed"], "properties": {"speed": {"type": "number"}}, "type": "object"},
            {"title": "File", "required": ["file"], "properties": {"file": {"type": "string"}}, "type": "object"},
        ]
    }
    model = pydantic_model(schema, "Wind")
    assert model.model_validate({"speed": 3}).root.speed == 3
    assert model.model_validate({"file": "a"}).root.file == "a"
    with pytest.raises(ValidationError):
        model.model_validate({"speed": 3, "file": "a"})


def test_a_schema_that_contains_itself_becomes_a_model():
    tree = {
        "$ref": "#/$defs/tree",
        "$defs": {
            "tree": {"type": "object", "properties": {"value": {"type": "number"}, "left": {"$ref": "#/$defs/tree"}}}
        },
    }
    model = pydantic_model(tree)
    assert model.model_validate({"left": {"left": {"value": 1}}}).left["left"] == {"value": 1}
    with pytest.raises(ValidationError):
        model.model_validate({"left": {"left": {"value": "high"}}})


# Models and schemas agree

names = st.sampled_from(["a", "b", "class", "b-c"])
texts = st.text(st.characters(codec="utf-8"), max_size=4)
scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1.0, 1e22, -0.0]) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)


def rules(inner):
    kinds = st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null"])
    return st.fixed_dictionaries(
        {},
        optional={
            "type": kinds | st.lists(kinds, min_size=1, max_size=3, unique=True),
            "properties": st.dictionaries(names, inner, max_size=3),
            "required": st.lists(names, max_size=2, unique=True),
            "additionalProperties": st.booleans() | inner,
            "patternProperties": st.dictionaries(st.just("^b"), inner, max_size=1),
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "minimum": st.integers(-3, 3),
            "exclusiveMaximum": st.integers(-3, 3),
            "multipleOf": st.sampled_from([1, 0.5]),
            "maxLength": st.integers(0, 3),
            "pattern": st.sampled_from(["^a", "(?=b)"]),
            "maxItems": st.integers(0, 2),
            "enum": st.lists(scalars, min_size=1, max_size=3),
            "const": scalars,
            "default": values,
            "title": texts,
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "$ref": st.just("#/$defs/shared"),
        },
    )


schemas = st.recursive(st.booleans() | rules(st.just({})), rules, max_leaves=5).filter(lambda s: isinstance(s, dict))


@given(schemas, rules(st.just({})), st.lists(values, min_size=1, max_size=5))
def test_a_model_takes_exactly_what_its_schema_takes_and_gives_it_back(schema, shared, given_values):
    shared.pop("$ref", None)
    schema = {**schema, "$defs": {"shared": shared}}
    told = {"type": "object", **schema} if "properties" in inlined(schema) and "type" not in inlined(schema) else schema
    model = pydantic_model(schema)
    reference = jsonschema.Draft202012Validator(told)
    for value in given_values:
        if reference.is_valid(value):
            assert model.model_validate(value).model_dump(exclude_unset=True) == value
        else:
            with pytest.raises(ValidationError):
                model.model_validate(value)


@given(schemas, rules(st.just({})), values)
def test_a_schema_without_references_takes_all_that_the_schema_takes(schema, shared, value):
    shared.pop("$ref", None)
    schema = {**schema, "$defs": {"shared": shared}}
    without = jsonschema.Draft202012Validator(inlined(schema)).is_valid(value)
    assert without == jsonschema.Draft202012Validator(schema).is_valid(value)


@given(schemas, st.dictionaries(names, values, max_size=3))
def test_each_field_of_a_form_takes_what_the_whole_schema_takes(schema, value):
    schema = {"type": "object", **{key: part for key, part in schema.items() if key not in {"type", "$ref"}}}
    schema = json.loads(json.dumps(schema).replace('"$ref": "#/$defs/shared"', '"$comment": ""'))
    if jsonschema.Draft202012Validator(schema).is_valid(value):
        for field in fields(schema):
            assert field.name in value or not field.required
            if field.name in value and '"oneOf"' not in json.dumps(schema) and '"anyOf"' not in json.dumps(schema):
                assert jsonschema.Draft202012Validator(field.schema).is_valid(value[field.name])
