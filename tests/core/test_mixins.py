"""What all resources share: ids, labels, tags, hashes and JSON forms, and what they cost."""

from __future__ import annotations

import copy
import datetime as dt
import json
import os
import pickle
import threading
import tracemalloc
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from fairlead.adapters.errors import OutputInvalid
from fairlead.adapters.twine.exceptions import InvalidInputException, InvalidLabelException, InvalidTagException
from fairlead.adapters.twine.resources.label import LabelSet
from fairlead.adapters.twine.resources.mixins import (
    Filterable,
    Hashable,
    Identifiable,
    Labelable,
    Metadata,
    MixinBase,
    Serialisable,
    Taggable,
)
from fairlead.adapters.twine.resources.tag import TagDict

ID = "a10603a0-194c-40d0-a7b7-fcf9952c3690"


class Sample(Labelable, Taggable, Serialisable, Identifiable, Hashable, Filterable, Metadata):
    """Everything at once, as a file or a dataset is."""

    _SERIALISE_FIELDS = ("id", "name", "tags", "labels")
    _ATTRIBUTES_TO_HASH = ("name", "tags")
    _METADATA_ATTRIBUTES = ("id", "tags", "labels")


def test_an_id_that_is_given_is_kept_and_one_that_is_not_is_made_once():
    assert Sample(id=ID.upper()).id == Sample(id=uuid.UUID(ID)).id == ID
    sample = Sample()
    assert sample.id == sample.id
    assert uuid.UUID(sample.id).version == 4
    assert sample.id != Sample().id


def test_copies_and_pickles_have_the_id_of_what_they_are_copies_of():
    for again in (copy.copy, copy.deepcopy, lambda sample: pickle.loads(pickle.dumps(sample))):
        sample = Sample(labels="a", tags={"x": 1})
        other = again(sample)
        assert (other.id, other.labels, other.tags) == (sample.id, sample.labels, sample.tags)


@pytest.mark.parametrize("wrong", ["abc", "", 3, b"x"])
def test_an_id_that_is_no_uuid_is_told(wrong):
    with pytest.raises(InvalidInputException, match="is not a valid uuid string or instance of class UUID"):
        Sample(id=wrong)


def test_an_id_cannot_be_changed():
    sample = Sample(id=ID)
    with pytest.raises(AttributeError):
        sample.id = str(uuid.uuid4())
    assert sample.id == ID


def test_threads_that_ask_at_once_get_the_same_id_labels_and_tags():
    for _ in range(20):
        sample, together = Sample(), threading.Barrier(8)

        def ask(_, sample=sample, together=together):
            together.wait()
            return sample.id, id(sample.labels), id(sample.tags)

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(ask, range(8)))) == 1


def test_an_object_is_shown_by_its_name_or_else_by_its_id():
    assert repr(Sample(name="met", id=ID)) == "<Sample('met')>"
    assert repr(Sample(id=ID)) == f"<Sample({ID})>"


def test_labels_and_tags_are_checked_wherever_they_are_set():
    sample = Sample(labels="b a", tags={"x": 1})
    sample.add_labels("c", "d")
    sample.add_tags({"y": 2}, z=3)
    assert sample.labels == {"a", "b", "c", "d"}
    assert sample.tags == {"x": 1, "y": 2, "z": 3}
    for wrong in (
        lambda: sample.add_labels("e", "Not"),
        lambda: setattr(sample, "labels", "Not"),
        lambda: Sample(labels=3),
    ):
        with pytest.raises(InvalidLabelException):
            wrong()
    for bad in (lambda: sample.add_tags(ok=1, Not=2), lambda: setattr(sample, "tags", {"-": 1})):
        with pytest.raises(InvalidTagException):
            bad()
    assert sample.labels == {"a", "b", "c", "d"}
    assert sample.tags == {"x": 1, "y": 2, "z": 3}
    sample.labels, sample.tags = ["new"], {"new": 1}
    assert (type(sample.labels), type(sample.tags)) == (LabelSet, TagDict)
    assert (sample.labels, sample.tags) == ({"new"}, {"new": 1})


def test_the_json_form_has_the_fields_that_the_class_names():
    sample = Sample(id=ID, name="met", labels="b a", tags={"x": 1})
    expected = {"id": ID, "name": "met", "tags": {"x": 1}, "labels": ["a", "b"]}
    assert sample.to_primitive() == expected
    assert json.loads(sample.serialise()) == expected
    assert sample.serialise() == json.dumps(expected, sort_keys=True, indent=4)
    assert sample.serialise(indent=None) == json.dumps(expected, sort_keys=True)


class Plain(Serialisable):
    _EXCLUDE_SERIALISE_FIELDS = ("secret",)

    def __init__(self, a, b=None):
        self.a, self.b, self.secret, self._hidden, self.logger = a, b, 1, 2, object()


def test_without_names_of_fields_all_that_is_public_is_in_it():
    assert Plain({3, 1}, "x").to_primitive() == {"a": [1, 3], "b": "x"}


@pytest.mark.parametrize("value", [1, [1, {"x": None}], "ü", {"nested": {3, 1}}, dt.datetime(2024, 5, 1, 12)])  # noqa: DTZ001
def test_what_was_serialised_is_read_again_as_what_it_was(value):
    again = Plain.deserialise(Plain(value).serialise(), from_string=True)
    assert again.a == value
    assert Plain.deserialise({"a": value}).a == value


def test_what_has_no_json_form_is_told_with_its_place():
    with pytest.raises(OutputInvalid, match=r"Plain\.a\[1\]: a value of type object is not JSON data"):
        Plain([1, object()]).serialise()


def test_a_file_is_written_whole_and_its_folders_are_made(tmp_path):
    path = tmp_path / "new" / "folder" / "sample.json"
    sample = Sample(id=ID, labels="a")
    sample.to_file(path)
    assert json.loads(path.read_text()) == sample.to_primitive()
    sample.add_labels("b")
    sample.to_file(str(path), indent=None)
    assert path.read_text() == sample.serialise(indent=None)
    assert [*path.parent.iterdir()] == [path]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "sample.json"
    path.parent.mkdir()
    path.write_text("old")

    def fail(*_names):
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        Sample().to_file(path)
    assert ([*path.parent.iterdir()], path.read_text()) == ([path], "old")


def test_a_relative_file_name_needs_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Sample().to_file("sample.json")
    assert tmp_path.joinpath("sample.json").is_file()


def test_a_hash_is_computed_set_once_and_reset():
    sample = Sample(name="met", tags={"x": 1})
    computed = sample.hash_value
    assert computed == Sample(name="met", tags={"x": 1}).hash_value != Sample(name="met").hash_value
    sample.hash_value = "AAAAAA=="
    assert sample.hash_value == "AAAAAA=="
    with pytest.raises(ValueError, match="is immutable - hash_value cannot be set"):
        sample.hash_value = computed
    sample.reset_hash()
    assert sample.hash_value == computed
    assert Sample(immutable_hash_value="known").hash_value == "known"


def test_any_value_can_be_hashed_through_the_class():
    assert Sample.hash_non_class_object([1, 2]) == Hashable.hash_non_class_object([2, 1]) == "UwJ2VQ=="


def test_metadata_are_what_the_class_names_and_their_hash_sees_neither_id_nor_version():
    sample = Sample(id=ID, labels="a", tags={"x": 1})
    assert sample.metadata(include_sdk_version=False) == {"id": ID, "tags": {"x": 1}, "labels": {"a"}}
    assert set(sample.metadata(include_id=False)) == {"tags", "labels", "sdk_version"}
    assert sample.metadata_hash_value == Sample(labels="a", tags={"x": 1}).metadata_hash_value
    assert sample.metadata_hash_value != Sample(labels="a", tags={"x": 2}).metadata_hash_value


def test_an_argument_that_nothing_takes_is_told():
    class Ended(Labelable, Taggable, MixinBase):
        pass

    assert Ended(labels="a").labels == {"a"}
    with pytest.raises(TypeError, match="Ended does not take 3, colour"):
        Ended(3, labels="a", colour="red")


def test_twenty_thousand_objects_take_little_memory():
    tracemalloc.start()
    try:
        samples = [Sample() for _ in range(20_000)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(samples) == 20_000
    assert taken < 10_000_000
