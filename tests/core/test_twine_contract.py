"""The twine: whatever a ``twine.json`` says is understood or refused whole, with every reason at once."""

from __future__ import annotations

import io
import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.adapters.errors import ContractInvalid, FairleadError
from fairlead.adapters.twine import Twine
from fairlead.adapters.twine.contract import MANIFEST_STRANDS, VALUES_STRANDS

WHOLE = {
    "title": "A wind study",
    "configuration_values_schema": {"properties": {"method": {"enum": ["constant", "measured"]}}},
    "configuration_manifest": {"datasets": {"turbines": {"purpose": "power curves", "optional": True}}},
    "input_values_schema": {"type": "object", "required": ["hub_height"], "properties": {"hub_height": {"minimum": 0}}},
    "input_manifest": {"datasets": {"weather": {"file_tags_template": {"required": ["station"]}}}},
    "output_values_schema": {"type": "object"},
    "output_manifest": {"datasets": {"rose": {}}},
    "monitor_message_schema": {"properties": {"progress": {"maximum": 100}}},
    "credentials": [{"name": "GRID_API_KEY_2", "purpose": "prices"}],
    "children": [{"key": "elevation", "purpose": "heights", "notes": "any"}],
    "twined_version": "0.5.1",
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def problems_of(source: object) -> dict[str, str]:
    with pytest.raises(ContractInvalid) as caught:
        Twine(source)
    return {problem.where: problem.found for problem in caught.value.problems}


def test_a_twine_with_every_strand_is_understood():
    twine = Twine(WHOLE)
    assert twine.raw == WHOLE
    assert all(twine.declares(strand) for strand in (*VALUES_STRANDS, *MANIFEST_STRANDS, "credentials", "children"))
    assert all(twine.requires(strand) for strand in (*VALUES_STRANDS, *MANIFEST_STRANDS))


def test_an_empty_twine_declares_nothing():
    twine = Twine({})
    assert not any(twine.declares(strand) for strand in (*VALUES_STRANDS, *MANIFEST_STRANDS, "credentials"))
    assert not any(twine.requires(strand) for strand in (*VALUES_STRANDS, *MANIFEST_STRANDS))


def test_an_optional_strand_is_declared_and_not_required():
    twine = Twine({
        "input_values_schema": {"optional": True, "type": "object"},
        "input_manifest": {"optional": True, "datasets": {}},
    })  # fmt: skip
    assert twine.declares("input_values")
    assert not twine.requires("input_values")
    assert not twine.requires("input_manifest")


@pytest.mark.parametrize("kind", ["path", "text path", "open file", "text", "bytes", "object"])
def test_a_twine_is_read_from_wherever_it_is(kind, tmp_path):
    path = tmp_path / "twine.json"
    path.write_text(json.dumps(WHOLE))
    with path.open() as stream:
        sources = {
            "path": path,
            "text path": str(path),
            "open file": stream,
            "text": json.dumps(WHOLE),
            "bytes": json.dumps(WHOLE).encode(),
            "object": WHOLE,
        }
        assert Twine(sources[kind]).raw == WHOLE


def test_a_twine_is_read_from_a_stream_without_a_name():
    assert Twine(io.StringIO('{"title": "t"}')).raw == {"title": "t"}


def test_a_twine_belongs_to_itself():
    source = {"input_values_schema": {"type": "object"}}
    twine = Twine(source)
    source["input_values_schema"]["type"] = "number"
    assert twine.value_problems("input_values", {}) == []


# Twines that cannot be used


def test_a_twine_that_is_not_json_is_told_by_line_and_column(tmp_path):
    (tmp_path / "twine.json").write_text('{\n  "input_values_schema": {,}\n}')
    (where, found), *_ = problems_of(tmp_path / "twine.json").items()
    assert str(tmp_path / "twine.json") in where
    assert "is not JSON" in found
    assert "line 2, column 27" in found


@pytest.mark.parametrize("text", ["", "{", "[1", "{'a': 1}", "\x00", "[" * 100_000, "1" * 5000])
def test_a_text_that_is_not_json_is_told(text):
    (found,) = problems_of(text).values()
    assert "is not JSON" in found


def test_a_twine_that_is_not_text_is_told(tmp_path):
    (tmp_path / "twine.json").write_bytes(b"\xff\xfe{}")
    (found,) = problems_of(tmp_path / "twine.json").values()
    assert "is not UTF-8: the byte 0xff at position 0" in found


@pytest.mark.parametrize("path", ["nowhere/twine.json", "~nobody-of-this-name/twine.json", "a\0b.json"])
def test_a_twine_that_is_not_there_is_told(path):
    (found,) = problems_of(path).values()
    assert found.startswith("cannot read")


def test_a_key_that_stands_twice_is_told():
    (found,) = problems_of('{"input_manifest": {"datasets": {"a": {}, "b": {}, "a": {"optional": true}}}}').values()
    assert "'a' stands twice" in found


@pytest.mark.parametrize("source", ["[]", "null", "1", '"twine"', [], 1.5, object(), {"title": object()}])
def test_what_is_not_an_object_of_json_data_is_told(source):
    assert problems_of(source)


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ({"input_values_schema": True}, "twine.json.input_values_schema"),
        ({"monitor_message_schema": []}, "twine.json.monitor_message_schema"),
        ({"input_values_schema": {"type": "objekt"}}, "twine.json: input_values_schema.type"),
        ({"output_values_schema": {"pattern": "("}}, "twine.json: output_values_schema.pattern"),
        ({"monitor_message_schema": {"$ref": "#/x"}}, "twine.json: monitor_message_schema.$ref"),
        ({"input_manifest": {}}, "twine.json.input_manifest.datasets"),
        ({"input_manifest": {"datasets": [{}]}}, "twine.json.input_manifest.datasets"),
        ({"output_manifest": {"datasets": {"a": "x"}}}, "twine.json.output_manifest.datasets.a"),
        ({"output_manifest": {"datasets": {"../a": {}}}}, "twine.json.output_manifest.datasets"),
        ({"output_manifest": {"datasets": {"..": {}}}}, "twine.json.output_manifest.datasets"),
        ({"input_manifest": {"datasets": {}, "optional": "yes"}}, "twine.json.input_manifest.optional"),
        (
            {"input_manifest": {"datasets": {"a": {"file_tags_template": {"type": "objekt"}}}}},
            "twine.json: input_manifest.datasets.a.file_tags_template.type",
        ),
        (
            {"input_manifest": {"datasets": {"a": {"file_tags_template": {"$ref": "https://o.org/t.json"}}}}},
            "twine.json: input_manifest.datasets.a.file_tags_template.$ref",
        ),
        ({"credentials": {}}, "twine.json.credentials"),
        ({"credentials": [{}]}, "twine.json.credentials[0].name"),
        ({"credentials": [{"name": "lower"}]}, "twine.json.credentials[0].name"),
        ({"credentials": [{"name": "A", "default": "x"}]}, "twine.json.credentials[0].default"),
        ({"children": [{"purpose": "none"}]}, "twine.json.children[0].key"),
        ({"twined_version": 1}, "twine.json.twined_version"),
    ],
)
def test_a_part_that_breaks_the_format_is_named(part, where):
    assert [*problems_of(part)] == [where]


def test_all_problems_of_a_twine_are_told_at_once():
    found = problems_of({
        "input_values_schema": {"type": "objekt"},
        "output_values_schema": {"required": "a"},
        "input_manifest": {"datasets": {"a": {"file_tags_template": {"pattern": "["}}}},
        "credentials": [{"name": "a"}],
    })  # fmt: skip
    assert len(found) == 4


def test_a_twine_is_checked_without_a_network(monkeypatch):
    def refuse(*arguments: object, **_keywords: object) -> None:
        raise AssertionError(f"asked the network: {arguments}")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    Twine(WHOLE | {"input_values_schema": {"$schema": "http://json-schema.org/draft-07/schema#"}})
    problems_of({"input_values_schema": {"$ref": "https://jsonschema.registry.octue.com/a.json"}})


def test_a_schema_that_is_nested_too_deeply_is_told():
    schema: dict[str, object] = {}
    for _ in range(900):
        schema = {"items": schema}
    assert problems_of({"input_values_schema": schema}) == {"twine.json": "is nested too deeply to be checked"}


@given(json_values)
def test_no_object_makes_loading_raise_anything_else(value):
    try:
        Twine(value)
    except FairleadError as error:
        assert isinstance(error, ContractInvalid)  # noqa: PT017 (a valid one is fine too)


@given(st.sampled_from([*WHOLE]), json_values)
def test_no_value_of_a_strand_makes_loading_raise_anything_else(strand, value):
    try:
        Twine({strand: value})
    except FairleadError as error:
        assert isinstance(error, ContractInvalid)  # noqa: PT017


@given(st.text())
def test_no_text_makes_loading_raise_anything_else(text):
    try:
        Twine(text)
    except FairleadError as error:
        assert isinstance(error, ContractInvalid)  # noqa: PT017


# Schemas elsewhere

ADDRESS = "https://schemas.example.org/wind/1.0.0.json"
SPEED = {"$defs": {"speed": {"type": "number", "minimum": 0}}}
REFERRING = {"input_values_schema": {"properties": {"speed": {"$ref": f"{ADDRESS}#/$defs/speed"}}}}


@pytest.fixture
def mapping(tmp_path):
    """A file that maps the address to a file beside it."""
    (tmp_path / "wind.json").write_text(json.dumps(SPEED))
    (tmp_path / "schemas.json").write_text(json.dumps({ADDRESS: "wind.json"}))
    return tmp_path / "schemas.json"


@pytest.mark.parametrize("kind", ["schema", "file of the schema", "path", "text path", "environment"])
def test_a_schema_elsewhere_is_found_in_the_users_mapping(kind, mapping, monkeypatch):
    monkeypatch.setenv("FAIRLEAD_SCHEMAS", str(mapping) if kind == "environment" else "nowhere.json")
    given = {
        "schema": {ADDRESS: SPEED},
        "file of the schema": {ADDRESS: mapping.with_name("wind.json")},
        "path": mapping,
        "text path": str(mapping),
    }
    twine = Twine(REFERRING, schemas=given.get(kind))
    assert [problem.where for problem in twine.value_problems("input_values", {"speed": -1})] == ["input_values.speed"]
    assert twine.mapped == {ADDRESS: SPEED}


def test_a_schema_in_the_mapping_may_lead_to_others():
    other = "https://schemas.example.org/wind/units.json"
    twine = Twine(
        REFERRING, schemas={ADDRESS: {"$defs": {"speed": {"$ref": "units.json"}}}, other: {"minimum": 3}, "x": 1}
    )
    assert twine.value_problems("input_values", {"speed": 2})
    assert twine.mapped.keys() == {ADDRESS, other}


def test_a_template_for_tags_may_be_elsewhere():
    twine = Twine(
        {"input_manifest": {"datasets": {"mast": {"file_tags_template": {"$ref": ADDRESS}}}}},
        schemas={ADDRESS: {"required": ["station"]}},
    )
    assert twine.manifest_problems("input_manifest", {"mast": {"files": [{"name": "a", "tags": {}}]}})


def test_the_same_contract_loads_again_from_what_it_says():
    twine = Twine(REFERRING, schemas={ADDRESS: SPEED})
    again = Twine(twine.raw, schemas=twine.mapped)
    assert (again.raw, again.mapped) == (twine.raw, twine.mapped)


def test_a_mapping_that_no_reference_needs_is_not_read(monkeypatch):
    monkeypatch.setenv("FAIRLEAD_SCHEMAS", "nowhere.json")
    assert Twine(WHOLE).mapped == {}


def test_a_schema_that_is_in_no_mapping_is_told_with_its_place():
    with pytest.raises(ContractInvalid) as caught:
        Twine(REFERRING)
    (problem,) = caught.value.problems
    assert problem.where == "twine.json: input_values_schema.properties.speed.$ref"
    assert ADDRESS in problem.found
    assert "give that schema" in problem.remedy


@pytest.mark.parametrize(
    ("schemas", "where", "found"),
    [
        ("nowhere.json", "schemas", "cannot read"),
        ({ADDRESS: "nowhere.json"}, f"schemas['{ADDRESS}']", "cannot read"),
        ({ADDRESS: []}, f"schemas['{ADDRESS}']", "is not a schema"),
        ({ADDRESS: {"title": object()}}, f"schemas['{ADDRESS}'].title", "is not JSON data"),
        ({ADDRESS: {**SPEED, "$schema": 3}}, f"{ADDRESS}.$schema", "is not a string"),
        ([ADDRESS], "schemas", "is no mapping of schemas"),
        ({ADDRESS: {"type": "objekt"}}, "twine.json: input_values_schema.properties.speed.$ref", "leads to nothing"),
        ({ADDRESS: {**SPEED, "minimum": "0"}}, f"{ADDRESS}.minimum", "is not a number"),
        ({ADDRESS: {**SPEED, "items": {"$ref": "#/x"}}}, f"{ADDRESS}.items.$ref", "leads to nothing"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_told(schemas, where, found):
    with pytest.raises(ContractInvalid) as caught:
        Twine(REFERRING, schemas=schemas)
    assert caught.value.problems[0].where == where
    assert found in caught.value.problems[0].found


def test_a_variable_that_names_no_file_is_told(monkeypatch):
    monkeypatch.setenv("FAIRLEAD_SCHEMAS", "nowhere.json")
    with pytest.raises(ContractInvalid, match=r"FAIRLEAD_SCHEMAS: cannot read nowhere\.json"):
        Twine(REFERRING)


@pytest.mark.parametrize("host", ["refs.schema", "jsonschema.registry"])
@pytest.mark.parametrize("name", ["manifest/0.1.0", "children/0.1.0", "children/0.2.0", "essential-monitors/0.0.2"])
def test_what_octue_has_published_is_here(host, name):
    address = f"https://{host}.octue.com/octue/{name}.json"
    twine = Twine({"monitor_message_schema": {"$ref": address}})
    assert twine.message_problems(1) != []
    assert twine.mapped.keys() == {address}


def test_a_mapping_replaces_what_octue_has_published():
    address = "https://refs.schema.octue.com/octue/essential-monitors/0.0.2.json"
    twine = Twine({"monitor_message_schema": {"$ref": address}}, schemas={address: {"type": "number"}})
    assert twine.message_problems(1) == []


@pytest.mark.parametrize(
    ("message", "valid"),
    [
        ({"service": "s", "status_text": "loading", "date_time": "2026-01-01T00:00:00Z"}, True),
        ({"service": "s", "estimated_seconds_remaining": 0.5, "date_time": "2026-01-01T00:00:00Z"}, True),
        ({"chart": {"data": []}, "date_time": "2026-01-01T00:00:00Z"}, True),
        ({"status_text": "no time"}, False),
        ({"status_text": 1, "date_time": ""}, False),
        ({"estimated_seconds_remaining": 0, "date_time": ""}, False),
        ({"date_time": ""}, False),
    ],
)
def test_essential_monitor_messages_are_checked_without_a_network(message, valid):
    address = "https://refs.schema.octue.com/octue/essential-monitors/0.0.2.json"
    assert (Twine({"monitor_message_schema": {"$ref": address}}).message_problems(message) == []) == valid


# Deprecated forms


def test_a_list_of_datasets_is_read_by_their_keys():
    written = {"input_manifest": {"datasets": [{"key": "weather", "purpose": "wind"}, {"key": "terrain"}]}}
    twine = Twine(written)
    assert twine.datasets("input_manifest") == {"weather": {"purpose": "wind"}, "terrain": {}}
    assert twine.written == written


@pytest.mark.parametrize("datasets", [[{"key": "a"}, {"key": "a"}], [{"purpose": "none"}], ["a"], [{"key": 1}]])
def test_a_list_of_datasets_without_keys_of_their_own_is_told(datasets):
    assert [*problems_of({"input_manifest": {"datasets": datasets}})] == ["twine.json.input_manifest.datasets"]


# Children


def test_children_are_checked_with_all_that_is_wrong():
    backend = {"name": "GCPPubSubBackend", "project_name": "p"}
    children = [{"key": "elevation", "id": "a/b", "backend": backend}]
    assert Twine(WHOLE).children_problems(children) == []
    (missing, stranger) = Twine(WHOLE).children_problems([children[0] | {"key": "elevatoin"}])
    assert missing.where == "children.elevation"
    assert stranger.where == "children[0].key"
    assert stranger.remedy == "Did you mean 'elevation'?"
    (problem,) = Twine(WHOLE).children_problems([{"key": "elevation", "id": "a/b", "backend": {}}])
    assert problem.where == "children[0].backend.name"


# What it is asked


def test_a_strand_that_is_not_declared_must_not_be_given():
    (problem,) = Twine({}).presence_problems("input_values", given=True)
    assert problem.where == "input_values"
    assert "does not take it" in problem.found
    assert "input_values_schema" in problem.remedy


def test_a_strand_that_is_required_must_be_given():
    (problem,) = Twine(WHOLE).presence_problems("input_manifest", given=False)
    assert (problem.where, problem.found) == ("input_manifest", "is missing")
    assert "twine.json" in problem.expected


def test_values_are_checked_against_their_schema():
    (problem,) = Twine(WHOLE).value_problems("input_values", {"hub_height": -1})
    assert problem.where == "input_values.hub_height"
    assert problem.expected == "twine.json: input_values_schema"


def test_more_values_than_the_schema_names_are_allowed():
    assert Twine(WHOLE).value_problems("input_values", {"hub_height": 1, "note": "any"}) == []


def test_a_monitor_message_is_checked_against_its_schema():
    assert Twine(WHOLE).message_problems({"progress": 100}) == []
    (problem,) = Twine(WHOLE).message_problems({"progress": 101})
    assert problem.where == "monitor_message.progress"


def test_a_monitor_message_needs_a_schema():
    (problem,) = Twine({}).message_problems({})
    assert "monitor_message_schema" in problem.remedy


def test_a_dataset_that_is_required_must_be_in_the_manifest():
    (problem,) = Twine(WHOLE).manifest_problems("input_manifest", {})
    assert problem.where == "input_manifest.datasets.weather"
    assert problem.found == "is missing"


def test_a_dataset_that_is_optional_may_be_absent():
    assert Twine(WHOLE).manifest_problems("configuration_manifest", {}) == []


def test_datasets_that_are_not_declared_are_allowed():
    weather = {"files": []}
    assert Twine(WHOLE).manifest_problems("input_manifest", {"weather": weather, "more": weather}) == []


def test_every_file_must_have_the_tags_of_the_template():
    files = [{"name": "a.csv", "tags": {"station": 1}}, {"name": "b.csv", "tags": {}}]
    (problem,) = Twine(WHOLE).manifest_problems("input_manifest", {"weather": {"files": files}})
    assert problem.where == "input_manifest.datasets.weather, tags of b.csv.station"
    assert problem.found == "is missing"


def test_a_credential_must_be_in_the_environment(monkeypatch):
    monkeypatch.delenv("GRID_API_KEY_2", raising=False)
    (problem,) = Twine(WHOLE).credential_problems()
    assert problem.where == "credentials.GRID_API_KEY_2"
    assert "GRID_API_KEY_2" in problem.remedy
    monkeypatch.setenv("GRID_API_KEY_2", "")
    assert Twine(WHOLE).credential_problems() == []
