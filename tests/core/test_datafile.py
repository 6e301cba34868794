"""Datafile: what Octue's document says of it, wherever the file is, and what is stored beside it."""

from __future__ import annotations

import copy
import datetime as dt
import inspect
import json
import logging
import pickle
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.adapters import storage
from fairlead.adapters.twine import Datafile
from fairlead.adapters.twine.exceptions import (
    CloudLocationNotSpecified,
    InvalidInputException,
    InvalidLabelException,
    InvalidTagException,
    ReadOnlyResource,
)
from fairlead.adapters.twine.resources import metadata

ID = "7ead7669-8162-4f64-8cd5-4abe92509e17"
OTHER = "f4f92a9c-0e3a-4b0f-9d2e-3a4b7f3a1c11"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "a.csv"
    path.parent.mkdir()
    path.write_text("1,2\n")
    return path


def stored(folder: Path) -> dict[str, Any]:
    return json.loads((folder / ".octue").read_text())


def store(folder: Path, **records: Any) -> None:
    (folder / ".octue").write_text(json.dumps({"datafiles": {f"{name}.csv": one for name, one in records.items()}}))


def test_the_arguments_stand_in_the_documents_order():
    names = ["path", "local_path", "cloud_path", "timestamp", "mode", "update_metadata", "ignore_stored_metadata"]
    assert [*inspect.signature(Datafile).parameters] == [*names, "id", "tags", "labels", "kwargs"]


# What is stored in the folder


def test_stored_metadata_wins_over_arguments(path):
    store(path.parent, a={"id": ID, "timestamp": 7, "tags": {"a": 1}, "labels": ["stored"]})
    file = Datafile(path, id=OTHER, timestamp=8, tags={"b": 2}, labels="given")
    assert (file.id, file.posix_timestamp, file.tags, file.labels) == (ID, 7, {"a": 1}, {"stored"})


def test_stored_metadata_can_be_ignored(path):
    store(path.parent, a={"id": ID, "timestamp": 7, "tags": {"a": 1}, "labels": ["stored"]})
    file = Datafile(path, id=OTHER, timestamp=8, tags={"b": 2}, labels="given", ignore_stored_metadata=True)
    assert (file.id, file.posix_timestamp, file.tags, file.labels) == (OTHER, 8, {"b": 2}, {"given"})


def test_arguments_stay_where_nothing_is_stored(path):
    store(path.parent, a={"tags": {}}, b={"labels": ["other"]})
    file = Datafile(path, tags={"b": 2}, labels={"given"})
    assert (file.tags, file.labels) == ({}, {"given"})


def test_sets_and_dates_are_read_as_octue_writes_them(path):
    when = {"_type": "datetime", "value": "2020-01-02T03:04:05"}
    store(path.parent, a={"timestamp": when, "labels": {"_type": "set", "items": ["b", "a"]}, "tags": {"seen": when}})
    file = Datafile(path)
    assert file.labels == {"a", "b"}
    assert file.timestamp == file.tags["seen"] == dt.datetime(2020, 1, 2, 3, 4, 5)  # noqa: DTZ001 (as it is stored)


@pytest.mark.parametrize(
    "tag", [{"_type": "datetime", "value": "x"}, {"_type": "set", "items": [[1]]}, {"_type": "set"}, {"_type": 1}]
)
def test_what_only_looks_like_a_set_or_a_date_stays_as_it_is(path, tag):
    store(path.parent, a={"tags": {"a": tag}})
    assert Datafile(path).tags == {"a": tag}


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"datafiles": []}', "\udcff", '{"datafiles": {"a.csv": 1}}'])
def test_a_metadata_file_that_is_none_is_told_and_ignored(path, text, caplog):
    (path.parent / ".octue").write_bytes(text.encode("utf-8", "surrogateescape"))
    with caplog.at_level(logging.WARNING):
        assert Datafile(path, tags={"a": 1}).tags == {"a": 1}
    assert "a.csv" in text or f"{path.parent}/.octue" in caplog.text


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"id": "x"}, "'id'.*'x'"), ({"tags": {"A": 1}}, "'tags'.*'A'"), ({"labels": ["A"]}, "'labels'.*'A'"),
        ({"timestamp": "2020"}, "'timestamp'.*'2020'"), ({"tags": 3}, "'tags'"),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_used_is_named_with_its_place(path, record, words):
    store(path.parent, a=record)
    with pytest.raises(InvalidInputException, match=rf"{path.parent}/\.octue, 'a\.csv', {words}"):
        Datafile(path)


def test_updating_stores_what_is_known_and_leaves_the_rest(path):
    (path.parent / ".octue").write_text(
        json.dumps({"dataset": {"name": "x"}, "datafiles": {"b.csv": {"id": ID}}, "y": 1})
    )
    Datafile(
        path, id=OTHER, timestamp=dt.datetime.fromisoformat("2020-01-01"), tags={"a": [1]}, labels=["l"]
    ).update_metadata()
    assert stored(path.parent) == {
        "dataset": {"name": "x"},
        "datafiles": {
            "b.csv": {"id": ID},
            "a.csv": {
                "id": OTHER,
                "timestamp": {"_type": "datetime", "value": "2020-01-01T00:00:00"},
                "tags": {"a": [1]},
                "labels": {"_type": "set", "items": ["l"]},
                "sdk_version": metadata.sdk_version(),
            },
        },
        "y": 1,
    }


def test_writers_at_the_same_time_lose_no_entry(path):
    program = f"""
import sys
from fairlead.adapters.twine import Datafile
for number in range(15):
    Datafile(f"{path.parent}/{{sys.argv[1]}}-{{number}}.csv", tags={{"n": number}}).update_metadata()
"""
    writers = [subprocess.Popen([sys.executable, "-c", program, str(number)]) for number in range(3)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: Datafile(path.parent / name).update_metadata(), map(str, range(40))))
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(stored(path.parent)["datafiles"]) == 3 * 15 + 40
    assert sorted(file.name for file in path.parent.iterdir()) == [".octue", "a.csv"]


def test_a_folders_metadata_are_read_once_and_again_when_they_change(path, monkeypatch):
    store(path.parent, a={"tags": {"n": 1}})
    reads: list[str] = []
    real = metadata.read
    monkeypatch.setattr(metadata, "read", lambda folder: reads.append(folder) or real(folder))
    assert [Datafile(path.parent / f"{number}.csv").tags for number in range(20)] == [{}] * 20
    assert Datafile(path).tags == {"n": 1}
    assert len(reads) == 1
    Datafile(path.parent / "b.csv", tags={"n": 2}).update_metadata()
    assert Datafile(path.parent / "b.csv").tags == {"n": 2}


names = st.from_regex(r"[a-z0-9]([a-z0-9_]{0,8}[a-z0-9])?", fullmatch=True)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
tag_values = json_values | st.datetimes() | st.sets(st.integers(), max_size=3)
described = st.fixed_dictionaries({
    "id": st.uuids().map(str),
    "timestamp": st.none() | st.datetimes() | st.integers(-(2**31), 2**33) | st.floats(-(2**31), 2**33),
    "tags": st.dictionaries(names, tag_values, max_size=4),
    "labels": st.sets(names.map(lambda name: name.replace("_", "-")), max_size=4),
})  # fmt: skip


def known(file: Datafile) -> tuple[Any, ...]:
    return file.id, file.timestamp, file.posix_timestamp, file.tags, file.labels


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(described)
def test_whatever_is_known_comes_back_from_the_folder(path, fields):
    Datafile(path, ignore_stored_metadata=True, **fields).update_metadata()
    assert known(Datafile(path)) == known(Datafile(path, ignore_stored_metadata=True, **fields))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(described)
def test_whatever_is_known_comes_back_from_a_store(path, memory, fields):
    Datafile(path, ignore_stored_metadata=True, **fields).upload(f"{memory}/a.csv")
    assert known(Datafile(f"{memory}/a.csv")) == known(Datafile(path, ignore_stored_metadata=True, **fields))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(described)
def test_whatever_is_known_comes_back_from_its_json_form(path, fields):
    file = Datafile(path, ignore_stored_metadata=True, **fields)
    for again in (
        Datafile.deserialise(file.serialise(), from_string=True),
        Datafile.deserialise(json.loads(json.dumps(file.to_primitive()))),
        pickle.loads(pickle.dumps(file)),
        copy.deepcopy(file),
        Datafile.from_description(file.to_description()),
    ):
        assert known(again) == known(file)
        assert again.local_path == str(path)


# The file itself


def test_timestamps_are_datetimes_and_seconds(path):
    file = Datafile(path, timestamp=1.5)
    assert file.timestamp == dt.datetime.fromtimestamp(1.5)  # noqa: DTZ006 (as Octue)
    assert file.posix_timestamp == 1.5
    file.timestamp = when = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    assert (file.timestamp, file.posix_timestamp) == (when, 1577836800.0)
    file.timestamp = None
    assert (file.timestamp, file.posix_timestamp) == (None, None)


def test_seconds_stay_seconds_where_they_are_stored(path):
    Datafile(path, timestamp=7.5).update_metadata()
    assert stored(path.parent)["datafiles"]["a.csv"]["timestamp"] == 7.5


def test_making_a_file_of_its_json_form_uploads_nothing(path, memory):
    data = Datafile(path).to_primitive() | {"cloud_path": f"{memory}/a.csv"}
    file = Datafile.deserialise(data)
    assert (file.local_path, file.cloud_path) == (str(path), f"{memory}/a.csv")
    assert storage.walk(memory) == []


def test_a_timestamp_of_another_type_is_a_type_error(path):
    with pytest.raises(TypeError, match=r"timestamp should be a datetime\.datetime.*'2020'"):
        Datafile(path, timestamp="2020")
    with pytest.raises(InvalidInputException, match="nan"):
        Datafile(path, timestamp=float("nan"))


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ({"id": "x"}, InvalidInputException),
        ({"tags": {"A": 1}}, InvalidTagException),
        ({"labels": ["A"]}, InvalidLabelException),
        ({"path": None}, InvalidInputException),
    ],
)
def test_what_cannot_be_used_is_refused(path, argument, error):
    with pytest.raises(error):
        Datafile(**{"path": path, **argument})


def test_a_file_is_opened_in_the_mode_that_was_given(tmp_path):
    with Datafile(tmp_path / "new" / "a.txt", mode="w", tags={"a": 1}, newline="\r\n") as (datafile, file):
        file.write("x\n")
    assert Path(datafile.local_path).read_bytes() == b"x\r\n"
    assert Datafile(tmp_path / "new" / "a.txt").tags == {"a": 1}
    with Datafile(tmp_path / "new" / "a.txt") as (_, file):
        assert file.read() == "x\n"


@pytest.mark.parametrize("mode", ["w", "a", "r+", "x", "wb"])
def test_writing_stores_the_metadata(path, mode):
    file = Datafile(path.parent / "new.csv" if mode == "x" else path, labels=["written"])
    with file.open(mode):
        pass
    assert stored(path.parent)["datafiles"][file.name]["id"] == file.id


def test_reading_and_being_told_not_to_stores_nothing(path):
    with Datafile(path) as (_, file):
        assert file.read() == "1,2\n"
    with Datafile(path, mode="a", update_metadata=False) as (_, file):
        file.write("3,4\n")
    assert [*path.parent.iterdir()] == [path]


def test_a_write_that_fails_stores_nothing(path, memory):
    file = Datafile(path)
    with pytest.raises(ZeroDivisionError), file.open("a"):
        raise ZeroDivisionError
    file.upload(f"{memory}/a.csv")
    with pytest.raises(ZeroDivisionError), file.open("w") as stream:
        stream.write(f"half{1 / 0}")
    assert not (path.parent / ".octue").exists()
    assert storage.read_bytes(f"{memory}/a.csv") == b"1,2\n"


def test_hdf5_files_are_opened_by_h5py(tmp_path):
    with Datafile(tmp_path / "a.hdf5", mode="w") as (datafile, file):
        assert isinstance(file, h5py.File)
        file["speeds"] = [1.0, 2.0]
    with datafile.open() as file:
        assert [*file["speeds"]] == [1.0, 2.0]


def test_the_missing_package_for_hdf5_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match="pip install h5py"), Datafile(tmp_path / "a.hdf5", mode="w"):
        pass


def test_files_are_sorted_by_name_and_equal_only_themselves(path):
    one, other = Datafile(path, id=ID), Datafile(path, id=ID)
    first = Datafile(path.parent / "0.csv")
    assert one != other
    assert sorted([one, first]) == [first, one]
    assert one > first
    with pytest.raises(TypeError, match="cannot be compared"):
        _ = one < "b"


def test_a_file_is_shown_by_its_name(path):
    assert repr(Datafile(path)) == "<Datafile('a.csv')>"


def test_an_id_is_made_once_and_is_not_changed(path):
    file = Datafile(path)
    assert file.id == file.id
    assert uuid.UUID(file.id)
    with pytest.raises(AttributeError):
        file.id = ID


def test_the_metadata_are_named_as_octue_names_them(path):
    file = Datafile(path, id=ID, tags={"a": 1})
    assert {*file.metadata()} == {"octue__id", "octue__timestamp", "octue__tags", "octue__labels", "octue__sdk_version"}
    bare = file.metadata(include_id=False, include_sdk_version=False, use_octue_namespace=False)
    assert bare == {"timestamp": None, "tags": {"a": 1}, "labels": set()}
    assert file.metadata_hash_value == Datafile(path, tags={"a": 1}).metadata_hash_value
    assert file.metadata_hash_value != Datafile(path, tags={"a": 2}).metadata_hash_value


def test_the_hash_is_that_of_the_content_and_can_be_set(path, memory):
    file = Datafile(path)
    assert len(file.hash_value) == 8
    assert Datafile(path.parent / "nothing").hash_value == "AAAAAA=="
    Datafile(path).upload(f"{memory}/a.csv")
    assert Datafile(f"{memory}/a.csv").hash_value == file.hash_value
    known, file.hash_value = file.hash_value, "mine"
    assert file.hash_value == "mine"
    file.reset_hash()
    assert file.hash_value == known
    assert Datafile(path, immutable_hash_value="x", name="ignored").hash_value == "x"


# Between here and a store


def test_a_file_goes_to_a_store_and_comes_back(path, memory, tmp_path):
    file = Datafile(path, tags={"a": 1})
    assert file.upload(f"{memory}/x/a.csv") == file.cloud_path == f"{memory}/x/a.csv"
    assert (file.exists_in_cloud, file.local_path) == (True, str(path))
    back = Datafile(f"{memory}/x/a.csv")
    assert (back.exists_locally, back.tags, back.id) == (False, {"a": 1}, file.id)
    assert back.download(tmp_path / "new" / "b.csv") == back.local_path == str(tmp_path / "new" / "b.csv")
    assert (tmp_path / "new" / "b.csv").read_text() == "1,2\n"


def test_a_file_in_a_store_is_written_there(path, memory):
    with Datafile(f"{memory}/new.csv", mode="w", tags={"a": 1}) as (datafile, file):
        file.write("new")
    assert storage.read_bytes(f"{memory}/new.csv") == b"new"
    assert Datafile(f"{memory}/new.csv").tags == {"a": 1}
    with Datafile(f"{memory}/new.csv", mode="a") as (_, file):
        file.write("er")
    assert storage.read_bytes(f"{memory}/new.csv") == b"newer"
    assert Datafile(f"{memory}/new.csv").id == datafile.id


def test_a_file_may_be_kept_in_two_places(path, memory):
    file = Datafile(path, cloud_path=f"{memory}/a.csv")
    assert storage.read_bytes(f"{memory}/a.csv") == b"1,2\n"
    with file.open("w") as stream:
        stream.write("changed")
    assert storage.read_bytes(f"{memory}/a.csv") == path.read_bytes() == b"changed"


def test_a_local_copy_that_differs_is_fetched_anew(path, memory):
    Datafile(path).upload(f"{memory}/a.csv")
    path.write_text("other")
    assert Datafile(f"{memory}/a.csv", local_path=path).local_path == str(path)
    assert path.read_text() == "1,2\n"


def test_metadata_in_a_store_are_changed_without_the_file(path, memory):
    Datafile(path, tags={"a": 1}).upload(f"{memory}/a.csv")
    file = Datafile(f"{memory}/a.csv")
    file.tags["a"] = 2
    file.update_metadata()
    assert Datafile(f"{memory}/a.csv").tags == {"a": 2}


def test_setting_the_local_path_copies_the_file(path, tmp_path, memory):
    file = Datafile(path)
    file.local_path = tmp_path / "copies" / "b.csv"
    assert (tmp_path / "copies" / "b.csv").read_text() == "1,2\n"
    with pytest.raises(FileExistsError, match="Only a path not corresponding to an existing file"):
        file.local_path = path
    with pytest.raises(CloudLocationNotSpecified):
        file.local_path = None
    file.cloud_path = f"{memory}/a.csv"
    file.local_path = None
    assert not file.exists_locally
    with pytest.raises(CloudLocationNotSpecified):
        file.cloud_path = None


def test_a_copy_of_a_file_that_was_fetched_fetches_for_itself(path, memory):
    Datafile(path).upload(f"{memory}/a.csv")
    file = Datafile(f"{memory}/a.csv")
    fetched = Path(file.local_path)
    for again in (copy.deepcopy(file), pickle.loads(pickle.dumps(file))):
        assert again.local_path != str(fetched)
        assert Path(again.local_path).read_bytes() == fetched.read_bytes()
    file.local_path = None
    assert not fetched.exists()


@pytest.mark.parametrize(
    "action",
    [
        lambda file: file.upload(),
        lambda file: file.download(),
        lambda file: file.update_cloud_metadata(),
        lambda file: file.generate_signed_url(),
    ],
)
def test_a_file_without_a_url_says_so(path, action):
    with pytest.raises(CloudLocationNotSpecified):
        action(Datafile(path))


@pytest.mark.parametrize(
    "action",
    [
        lambda file: file.open("w").__enter__(),
        lambda file: file.open("a").__enter__(),
        lambda file: file.upload(),
        lambda file: file.update_metadata(),
    ],
)
def test_a_web_address_is_read_only(path, serve, action):
    file = Datafile(f"{serve(path.parent)}/a.csv")
    with pytest.raises(ReadOnlyResource, match="read-only"):
        action(file)
    with file.open() as stream:
        assert stream.read() == "1,2\n"


def test_a_store_without_signed_urls_is_named(path, memory):
    file = Datafile(path)
    file.upload(f"{memory}/a.csv")
    with pytest.raises(InvalidInputException, match="'memory' storage has no signed URLs"):
        file.generate_signed_url()


def test_a_file_whose_opening_or_writing_failed_does_not_stand_for_the_stored_one(path, memory):
    Datafile(path).upload(f"{memory}/a.csv")
    file = Datafile(f"{memory}/a.csv")
    with pytest.raises(TypeError), file.open("w") as stream:
        stream.writelines(["half", 1])
    assert Path(file.local_path).read_text() == "1,2\n"
    with pytest.raises(LookupError), file.open("w", encoding="none-such"):
        pass
    assert Path(file.local_path).read_text() == "1,2\n"


def test_a_file_in_a_store_is_made_or_continued_as_its_mode_says(path, memory):
    Datafile(path).upload(f"{memory}/a.csv")
    with pytest.raises(FileExistsError), Datafile(f"{memory}/a.csv").open("x"):
        pass
    for mode in "xa":
        with Datafile(f"{memory}/new-{mode}.csv").open(mode) as stream:
            stream.write("new")
        assert storage.read_bytes(f"{memory}/new-{mode}.csv") == b"new"
    with Datafile(f"{memory}/a.csv").open("a") as stream:
        stream.write("3\n")
    assert storage.read_bytes(f"{memory}/a.csv") == b"1,2\n3\n"


def test_threads_that_fetch_one_file_get_one_copy(path, memory, monkeypatch):
    Datafile(path).upload(f"{memory}/a.csv")
    meeting, real = threading.Barrier(4), storage.fetch

    def fetch(*arguments: Any) -> None:
        meeting.wait(10)
        real(*arguments)

    monkeypatch.setattr(storage, "fetch", fetch)
    file = Datafile(f"{memory}/a.csv")
    with ThreadPoolExecutor(4) as pool:
        copies = {one.result() for one in [pool.submit(lambda: file.local_path) for _ in range(4)]}
    assert [Path(copy).read_text() for copy in copies] == ["1,2\n"]


def test_a_quoted_address_names_the_file_that_was_quoted():
    assert Datafile("https://example.org/a%20b.csv?Signature=1").name == "a b.csv"
