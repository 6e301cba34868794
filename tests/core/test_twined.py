"""twined's interface: what code calls and catches that was written for twined, with our checks behind it."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.adapters.errors import Problem
from fairlead.adapters.twine import contract
from fairlead.adapters.twine.twined import ALL_STRANDS, Twine, exceptions

WHOLE = {
    "title": "A wind study",
    "configuration_values_schema": {"properties": {"method": {"enum": ["constant", "measured"]}}},
    "configuration_manifest": {"datasets": {"turbines": {"optional": True}}},
    "input_values_schema": {"type": "object", "required": ["height"], "properties": {"height": {"type": "number"}}},
    "input_manifest": {"datasets": {"weather": {"file_tags_template": {"required": ["station"]}}}},
    "output_values_schema": {"type": "object", "optional": True},
    "output_manifest": {"datasets": {"rose": {}}},
    "monitor_message_schema": {"properties": {"progress": {"maximum": 100}}},
    "credentials": [{"name": "GRID_API_KEY"}],
    "children": [{"key": "elevation"}],
    "twined_version": "0.5.1",
}
CHILD = {"key": "elevation", "id": "octue/elevation", "backend": {"name": "GCPPubSubBackend", "project_name": "p"}}
WEATHER = {"path": "weather", "files": [{"path": "weather/a.csv", "tags": {"station": 1}}]}


def test_a_twine_is_one_of_ours():
    assert isinstance(Twine(source=WHOLE), contract.Twine)


def test_what_is_in_the_twine_is_an_attribute():
    twine = Twine(source=WHOLE)
    assert twine.title == "A wind study"
    assert twine.children == [{"key": "elevation"}]
    assert twine.input_values_schema["required"] == ["height"]
    assert not hasattr(Twine(source={}), "credentials")


def test_the_strands_that_are_there_are_listed_without_schema():
    twine = Twine(source=WHOLE)
    assert twine.available_strands == {"title", "twined_version", *ALL_STRANDS}
    assert twine.available_manifest_strands == {"configuration_manifest", "input_manifest", "output_manifest"}


def test_a_strand_that_is_optional_is_not_required():
    assert Twine(source=WHOLE).required_strands == {*ALL_STRANDS} - {"output_values"}


def test_a_twine_without_a_source_is_empty_and_that_is_told(caplog):
    assert Twine().available_strands == set()
    assert "Loading empty twine" in caplog.text


@pytest.mark.parametrize("kind", ["file", "path", "text", "object"])
def test_a_twine_comes_from_wherever_it_is(kind, tmp_path):
    path = tmp_path / "twine.json"
    path.write_text(json.dumps(WHOLE))
    sources = {"file": io.StringIO(json.dumps(WHOLE)), "path": str(path), "text": json.dumps(WHOLE), "object": WHOLE}
    assert Twine(source=sources[kind]).raw == WHOLE


def test_the_twined_version_is_ignored():
    assert Twine(source={"twined_version": "99.9"}).twined_version == "99.9"


# What is raised


@pytest.mark.parametrize(
    ("source", "exception", "base"),
    [
        ("nowhere/twine.json", exceptions.TwineFileNotFound, FileNotFoundError),
        ("{", exceptions.InvalidTwineJson, exceptions.InvalidTwine),
        ("", exceptions.InvalidTwineJson, exceptions.InvalidTwine),
        ({"input_values_schema": []}, exceptions.InvalidTwineContents, jsonschema.ValidationError),
        ({"children": [{"purpose": "none"}]}, exceptions.InvalidTwineContents, exceptions.TwineException),
        ({"children": {}}, exceptions.InvalidTwineContents, exceptions.TwineException),
        ({"credentials": [{"purpose": "none"}]}, exceptions.InvalidTwineContents, exceptions.TwineException),
        ({"credentials": [{"name": "MY NAME"}]}, exceptions.InvalidTwineContents, exceptions.TwineException),
        ({"credentials": [{"name": "MY_NAME\n"}]}, exceptions.InvalidTwineContents, exceptions.TwineException),
        ({"credentials": {"name": "A"}}, exceptions.InvalidTwineContents, exceptions.TwineException),
        ("[]", exceptions.InvalidTwineContents, exceptions.TwineException),
    ],
)
def test_a_twine_that_cannot_be_used_raises_twineds_exception(source, exception, base):
    with pytest.raises(exception) as caught:
        Twine(source=source)
    assert isinstance(caught.value, base)
    assert caught.value.problems
    assert str(caught.value.problems[0]) in str(caught.value)


STRANDS = {
    "configuration_values": (exceptions.ConfigurationValuesFileNotFound, exceptions.InvalidValuesJson),
    "input_values": (exceptions.InputValuesFileNotFound, exceptions.InvalidValuesJson),
    "output_values": (exceptions.OutputValuesFileNotFound, exceptions.InvalidValuesJson),
    "configuration_manifest": (exceptions.ConfigurationManifestFileNotFound, exceptions.InvalidManifestJson),
    "input_manifest": (exceptions.InputManifestFileNotFound, exceptions.InvalidManifestJson),
    "output_manifest": (exceptions.OutputManifestFileNotFound, exceptions.InvalidManifestJson),
}


@pytest.mark.parametrize("strand", STRANDS)
def test_a_file_that_is_not_there_is_told_with_its_strand(strand):
    with pytest.raises(STRANDS[strand][0], match=rf"{strand}: cannot read nowhere\.json") as caught:
        Twine(source=WHOLE).validate_strand(strand, "nowhere.json")
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("strand", STRANDS)
@pytest.mark.parametrize("text", ["", "{", "hello"])
def test_what_is_not_json_is_told_with_its_strand(strand, text):
    with pytest.raises(STRANDS[strand][1], match="is not JSON"):
        Twine(source=WHOLE).validate_strand(strand, text)


@pytest.mark.parametrize("strand", [*STRANDS, "children", "monitor_message"])
def test_no_source_at_all_is_told(strand):
    expected = exceptions.InvalidManifestJson if "manifest" in strand else exceptions.InvalidValuesJson
    with pytest.raises(expected, match=rf"Cannot load {strand} - no data source specified\."):
        getattr(Twine(source=WHOLE), f"validate_{strand}")(None)


def test_values_that_break_their_schema_are_told_with_every_problem_and_the_details_of_the_first():
    with pytest.raises(exceptions.InvalidValuesContents) as caught:
        Twine(source=WHOLE).validate_input_values({"height": "high"})
    error = caught.value
    assert isinstance(error, jsonschema.ValidationError)
    assert (error.validator, [*error.absolute_path], error.instance) == ("type", ["height"], "high")
    assert str(error).splitlines() == [
        "'high' is not of type 'number'",
        "input_values.height: 'high' is not a number (twine.json: input_values_schema).",
    ]


def test_values_that_are_no_json_data_are_told():
    with pytest.raises(exceptions.InvalidValuesContents, match=r"input_values\.height"):
        Twine(source=WHOLE).validate_input_values({"height": object()})


@pytest.mark.parametrize("strand", [*STRANDS, "monitor_message"])
def test_a_strand_that_the_twine_does_not_have_cannot_be_validated(strand):
    with pytest.raises(exceptions.StrandNotFound) as caught:
        getattr(Twine(source={}), f"validate_{strand}")({})
    assert isinstance(caught.value, KeyError)
    assert strand in str(caught.value)


def test_a_key_that_stands_twice_is_told():
    with pytest.raises(exceptions.InvalidValuesJson, match="'height' stands twice"):
        Twine(source=WHOLE).validate_input_values('{"height": 1, "height": 2}')


@pytest.mark.parametrize("name", [name for name in vars(exceptions) if isinstance(getattr(exceptions, name), type)])
def test_an_exception_is_made_of_a_text_and_survives_a_pickle(name):
    cls = getattr(exceptions, name)
    if not issubclass(cls, exceptions.TwineException):
        return
    error = pickle.loads(pickle.dumps(cls("gone wrong").telling([Problem("here", "is wrong")])))
    assert type(error) is cls
    assert str(error) == "gone wrong\nhere: is wrong."
    assert str(cls("gone wrong")) == "gone wrong"


# Values


@pytest.mark.parametrize("kind", ["file", "path", "text", "object"])
def test_values_come_from_wherever_they_are(kind, tmp_path):
    path = tmp_path / "values.json"
    path.write_text('{"height": 90}')
    sources = {"file": io.StringIO('{"height": 90}'), "path": path, "text": '{"height": 90}', "object": {"height": 90}}
    assert Twine(source=WHOLE).validate_input_values(sources[kind]) == {"height": 90}


def test_values_beyond_those_of_the_schema_are_allowed():
    assert Twine(source=WHOLE).validate_input_values({"height": 1, "note": ""}) == {"height": 1, "note": ""}


@pytest.mark.parametrize("value", [{}, [], 0, False, ""])
def test_empty_values_are_data(value):
    source = json.dumps(value)
    assert Twine(source={"output_values_schema": {}}).validate(output_values=source) == {"output_values": value}


def test_values_become_an_instance_of_a_class():
    assert Twine(source=WHOLE).validate(input_values={"height": 9}, cls={"input_values": dict}) == {
        "input_values": {"height": 9}
    }
    assert Twine(source=WHOLE).validate_input_values({"height": 9}, cls=lambda height: height + 1) == 10


def test_a_monitor_message_is_validated():
    assert Twine(source=WHOLE).validate_monitor_message({"progress": 1}) == {"progress": 1}
    with pytest.raises(exceptions.InvalidValuesContents, match=r"monitor_message\.progress"):
        Twine(source=WHOLE).validate_monitor_message({"progress": 101})


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_a_value_passes_exactly_when_the_reference_validator_lets_it_pass(value):
    twine = Twine(source={"input_values_schema": {"type": ["object", "array"], "maxItems": 1, "required": ["a"]}})
    schema = twine.input_values_schema
    text = json.dumps(value)
    if jsonschema.Draft202012Validator(schema).is_valid(value):
        assert twine.validate_input_values(text) == value
    else:
        with pytest.raises(exceptions.InvalidValuesContents):
            twine.validate_input_values(text)


def test_what_validation_returns_is_not_what_was_given():
    given_values = {"height": 90, "masts": [1]}
    Twine(source=WHOLE).validate_input_values(given_values)["masts"].append(2)
    assert given_values["masts"] == [1]


# All strands at once


def test_a_strand_that_is_not_in_the_twine_must_not_be_given_unless_that_is_allowed():
    message = "Source data is provided for 'input_values' but no such strand is defined in the twine"
    with pytest.raises(exceptions.StrandNotFound, match=message):
        Twine(source={}).validate(input_values={})
    assert Twine(source={}).validate(input_values={"a": 1}, allow_extra=True) == {"input_values": {"a": 1}}
    assert Twine(source={}).validate(input_values=None) == {"input_values": None}


@pytest.mark.parametrize("strand", ["input_values", "input_manifest", "children"])
def test_a_strand_of_the_twine_must_be_given_unless_it_may_be_missing(strand):
    message = f"The '{strand}' strand is defined in the twine, but no data is provided in sources"
    with pytest.raises(exceptions.TwineValueException, match=message) as caught:
        Twine(source=WHOLE).validate(**{strand: None})
    assert isinstance(caught.value, ValueError)
    assert Twine(source=WHOLE).validate(**{strand: None}, allow_missing=True) == {strand: None}


def test_an_optional_strand_may_be_none():
    assert Twine(source=WHOLE).validate(output_values=None) == {"output_values": None}


def test_an_unknown_strand_is_told():
    with pytest.raises(exceptions.UnknownStrand, match="Unknown strand inputs") as caught:
        Twine(source=WHOLE).validate_strand("inputs", {})
    assert isinstance(caught.value, ValueError)


# Manifests


def test_a_manifest_is_validated_without_a_network_and_without_its_files(monkeypatch):
    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("asked the network"))
    manifest = {"id": None, "datasets": {"weather": WEATHER}}
    assert Twine(source=WHOLE).validate_input_manifest(manifest) == manifest


@pytest.mark.parametrize(
    "dataset",
    [
        "weather",
        {"path": "weather"},
        {"files": ["a.csv"]},
        {"files": [{"path": "a.csv", "tags": {"station": 1}, "labels": {"_type": "set", "items": ["a"]}}]},
        {"id": None, "name": "w", "tags": {}, "labels": [], "files": []},
    ],
)
def test_a_dataset_may_be_written_in_many_ways(dataset):
    Twine(source=WHOLE).validate_input_manifest({"datasets": {"weather": dataset}})


def test_a_list_of_datasets_is_read_by_their_keys():
    twine = Twine(source={"input_manifest": {"datasets": [{"key": "weather", "purpose": "wind"}]}})
    assert twine.input_manifest == {"datasets": {"weather": {"purpose": "wind"}}}
    data = twine.validate_input_manifest({"datasets": [{"key": "weather", "files": []}]})
    assert data == {"datasets": {"weather": {"files": []}}}


@pytest.mark.parametrize(
    "manifest",
    [{}, [], {"datasets": {"weather": 1}}, {"datasets": {"weather": {}}}, {"datasets": 1}, {"datasets": [{}]}],
)
def test_what_is_no_manifest_is_told(manifest):
    with pytest.raises(exceptions.InvalidManifestContents) as caught:
        Twine(source=WHOLE).validate_input_manifest(manifest)
    assert caught.value.problems


def test_a_dataset_that_is_missing_is_told():
    message = r"A dataset named 'weather' is expected in the input_manifest but is missing\."
    with pytest.raises(exceptions.InvalidManifestContents, match=message):
        Twine(source=WHOLE).validate_input_manifest({"datasets": {"wind": "wind"}})


def test_a_dataset_that_is_optional_may_be_missing():
    assert Twine(source=WHOLE).validate_configuration_manifest({"datasets": {}}) == {"datasets": {}}


def test_tags_that_break_the_template_are_told_with_their_file():
    manifest = {"datasets": {"weather": {"files": [{"path": "weather/a.csv", "tags": {}}]}}}
    with pytest.raises(exceptions.InvalidManifestContents, match=r"tags of a.csv.station"):
        Twine(source=WHOLE).validate_input_manifest(manifest)


def test_a_manifest_that_comes_in_becomes_an_instance_of_a_class_and_one_of_ours_becomes_data():
    class Ours:
        def to_primitive(self):
            return {"datasets": {"rose": "rose"}}

    twine = Twine(source=WHOLE)
    assert twine.validate_output_manifest({"datasets": {"rose": "r"}}, cls=lambda datasets: [*datasets]) == ["rose"]
    assert twine.validate_output_manifest(Ours(), cls=dict) == {"datasets": {"rose": "rose"}}


# Children


@pytest.mark.parametrize("project", [{"project_name": "p"}, {"project_id": "p"}])
def test_children_of_both_versions_are_valid(project):
    child = CHILD | {"backend": {"name": "GCPPubSubBackend", **project}, "notes": "any"}
    assert Twine(source=WHOLE).validate_children([child]) == [child]


def test_other_kinds_of_backends_need_no_project():
    Twine(source=WHOLE).validate_children([CHILD | {"backend": {"name": "LocalBackend", "path": "apps/elevation"}}])


@pytest.mark.parametrize(
    ("children", "text"),
    [
        ([], "No children found matching the key elevation"),
        (
            [CHILD, CHILD | {"key": "wind"}],
            "Child with key 'wind' found but no such key exists in the 'children' strand",
        ),
        ({"elevation": CHILD}, "is not an array"),
        ([{"key": "elevation"}], r"children\[0\]\.id: is missing"),
        ([CHILD | {"backend": {}}], r"children\[0\]\.backend\.name: is missing"),
        ([CHILD | {"backend": {"name": "GCPPubSubBackend"}}], "project_name"),
    ],
)
def test_children_that_are_wrong_are_told(children, text):
    with pytest.raises(exceptions.InvalidValuesContents, match=text):
        Twine(source=WHOLE).validate_children(children)


def test_no_children_are_right_where_none_are_asked():
    assert Twine(source={"children": []}).validate(children=[]) == {"children": []}


def test_an_empty_list_of_children_need_not_be_given():
    assert Twine(source={"children": []}).validate(children=None) == {"children": None}


# Credentials


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return tmp_path


def test_a_credential_that_is_missing_is_told(directory):
    with pytest.raises(exceptions.CredentialNotFound, match="Credential 'GRID_API_KEY' missing from environment"):
        Twine(source=WHOLE).validate_credentials()


def test_a_credential_is_read_from_the_env_file_and_the_environment_wins(directory):
    (directory / ".env").write_text("export GRID_API_KEY=filed\n")
    assert Twine(source=WHOLE).validate_credentials() == [{"name": "GRID_API_KEY"}]
    assert os.environ["GRID_API_KEY"] == "filed"
    os.environ["GRID_API_KEY"] = "set"
    Twine(source=WHOLE).validate(credentials=WHOLE["credentials"])
    assert os.environ["GRID_API_KEY"] == "set"


def test_the_env_file_may_be_named(directory):
    (directory / "secrets").write_text("GRID_API_KEY='a'")
    Twine(source=WHOLE).validate_credentials(dotenv_path=directory / "secrets")
    assert os.environ["GRID_API_KEY"] == "a"


def test_a_twine_without_credentials_reads_no_env_file(directory):
    (directory / ".env").write_text("STRANGER=1")
    assert Twine(source={}).validate_credentials() == []
    assert "STRANGER" not in os.environ


# Preparing


def test_strands_are_prepared_from_classes():
    class Manifest:
        def prepare(self, strand):
            return [*strand["datasets"]]

    prepared = Twine(source=WHOLE).prepare("output_manifest", "output_values", cls={"output_manifest": Manifest})
    assert prepared == {"output_manifest": ["rose"], "output_values": {}}
    assert Twine(source={}).prepare("output_values") == {"output_values": None}


def test_preparing_an_unknown_strand_is_told():
    with pytest.raises(exceptions.UnknownStrand, match="outputs"):
        Twine(source=WHOLE).prepare("outputs")


def test_two_children_of_one_key_are_refused():
    with pytest.raises(exceptions.InvalidValuesContents, match="'elevation' stand 2 times") as caught:
        Twine(source=WHOLE).validate_children([CHILD, CHILD | {"id": "org/other:1.0.0"}])
    assert [problem.where for problem in caught.value.problems] == ["children.elevation"]
