"""Dataset: which files it has, what is known about them, and what can be added to it."""

from __future__ import annotations

import copy
import gc
import inspect
import json
import os
import pickle
import subprocess
import sys
import time
import tracemalloc
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters import storage
from fairlead.adapters.twine import Datafile, Dataset
from fairlead.adapters.twine.exceptions import InvalidInputException, UnexpectedNumberOfResultsException
from fairlead.adapters.twine.manifests import bind_manifest
from fairlead.adapters.twine.resources import metadata

ID = "7ead7669-8162-4f64-8cd5-4abe92509e17"


def names(dataset: Dataset) -> list[str]:
    return [file.name for file in dataset]


def store(folder: Path, **records: Any) -> None:
    (folder / ".octue").write_text(json.dumps(records))


def test_the_arguments_stand_in_the_documents_order():
    expected = ["path", "files", "recursive", "ignore_stored_metadata", "id", "name", "tags", "labels"]
    assert [*inspect.signature(Dataset).parameters] == expected


# Which files


def test_a_dataset_has_the_files_of_its_folder(folder):
    assert names(Dataset(folder)) == ["a.csv", "b.csv"]
    assert names(Dataset(folder, recursive=False)) == ["a.csv"]
    assert len(Dataset(folder)) == 2


def test_without_a_path_it_is_the_working_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert Dataset().path == str(folder)
    assert names(Dataset()) == ["a.csv", "b.csv"]


@pytest.mark.parametrize("path", ["ds", "ds/", "./ds", "file://{}/ds"])
def test_a_dataset_is_named_after_its_folder(folder, monkeypatch, path):
    monkeypatch.chdir(folder.parent)
    assert Dataset(path.format(folder.parent)).name == "ds"


@pytest.mark.parametrize("kind", [list, set, tuple, frozenset, iter])
@pytest.mark.parametrize(
    "describe",
    [str, Path, Datafile, lambda path: {"path": path}, lambda path: Datafile(path).to_primitive()],
    ids=["text", "path", "datafile", "object", "primitive"],
)
def test_files_are_given_in_many_ways(folder, kind, describe):
    path = folder / "a.csv"
    files = [describe(path)] if kind in {list, tuple, iter} else {path}
    assert [file.local_path for file in Dataset(folder, files=kind(files))] == [str(path)]


@pytest.mark.parametrize("files", ["ds/z.csv", {"path": "z.csv"}, 3])
def test_what_is_no_collection_of_files_is_refused(files):
    with pytest.raises(InvalidInputException, match="must be an iterable of `Datafile` instances") as caught:
        Dataset(files=files)
    assert repr(files) in str(caught.value)


def test_no_files_given_means_those_of_the_folder(folder):
    assert names(Dataset(folder, files=[])) == ["a.csv", "b.csv"]
    assert names(Dataset(files=[])) == []


def test_a_folder_that_is_not_there_has_no_files(tmp_path, memory):
    assert names(Dataset(tmp_path / "nowhere")) == names(Dataset(f"{memory}/nowhere")) == []


def test_what_octue_stores_is_not_data(folder, memory):
    for name in (".octue", "inner/.octue", f"..octue.{'0' * 16}", ".signed_metadata_files/calm-crow"):
        storage.write_bytes(str(folder / name), b"{}")
        storage.write_bytes(f"{memory}/{name}", b"{}")
    storage.write_bytes(f"{memory}/.hidden", b"{}")
    assert names(Dataset(folder)) == ["a.csv", "b.csv"]
    assert names(Dataset(memory)) == [".hidden"]


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path):
    (tmp_path / "secret").write_text("")
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match=f"leads out of the dataset, to {tmp_path}/secret"):
        _ = Dataset(folder).files


def test_an_objects_name_that_leads_out_of_the_dataset_is_refused(memory, tmp_path):
    storage.write_bytes(f"{memory}/a.csv", b"")
    import fsspec

    store = fsspec.filesystem("memory").store
    prefix = memory.removeprefix("memory:/")
    store[f"{prefix}/../../x.csv"] = store[f"{prefix}/a.csv"]
    try:
        with pytest.raises(InvalidInputException, match=r"'\.\./\.\./x\.csv' leads out"):
            Dataset(memory).download(tmp_path / "here")
    finally:
        del store[f"{prefix}/../../x.csv"]


def test_a_dataset_is_where_its_path_says(folder, tmp_path):
    dataset = Dataset(folder)
    assert len(dataset) == 2
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.csv").write_text("")
    dataset.path = tmp_path / "other"
    assert [file.local_path for file in dataset] == [str(tmp_path / "other" / "a.csv")]


def test_files_of_one_name_stay_in_the_order_of_their_places(tmp_path):
    for name in "fbdace":
        (tmp_path / "ds" / name).mkdir(parents=True)
        (tmp_path / "ds" / name / "x").write_text("")
    dataset = Dataset(tmp_path / "ds")
    expected = [f"{tmp_path}/ds/{name}/x" for name in "abcdef"]
    assert [file.local_path for file in dataset] == expected
    assert [file.local_path for file in dataset.files.order_by("name")] == expected
    assert [file["path"] for file in dataset.to_description()["files"]] == expected


def test_colons_in_a_name_make_no_url(folder, memory):
    (folder / "a::b").mkdir()
    (folder / "a::b" / "c::2").write_text("x")
    dataset = Dataset(folder / "a::b")
    assert (dataset.exists_in_cloud, names(dataset)) == (False, ["c::2"])
    dataset.upload(f"{memory}/x")
    assert [Path(file.local_path).read_text() for file in Dataset(f"{memory}/x")] == ["x"]


# What is known


def test_stored_metadata_wins_over_arguments(folder):
    store(folder, dataset={"id": ID, "name": "stored", "tags": {"a": 1}, "labels": ["l"]})
    dataset = Dataset(folder, name="given", tags={"b": 2}, labels=["g"])
    assert (dataset.id, dataset.name, dataset.tags, dataset.labels) == (ID, "stored", {"a": 1}, {"l"})
    ignoring = Dataset(folder, name="given", tags={"b": 2}, labels=["g"], ignore_stored_metadata=True)
    assert (ignoring.name, ignoring.tags, ignoring.labels) == ("given", {"b": 2}, {"g"})


def test_a_list_of_files_in_the_stored_metadata_is_ignored(folder):
    store(folder, dataset={"id": ID, "files": ["/etc/passwd"]})
    assert names(Dataset(folder)) == ["a.csv", "b.csv"]


def test_files_have_what_is_stored_in_their_own_folder(folder):
    store(folder, datafiles={"a.csv": {"tags": {"n": 1}}, "b.csv": {"tags": {"n": "wrong"}}})
    store(folder / "inner", datafiles={"b.csv": {"tags": {"n": 2}}})
    assert [file.tags for file in Dataset(folder)] == [{"n": 1}, {"n": 2}]
    assert [file.tags for file in Dataset(folder, ignore_stored_metadata=True)] == [{}, {}]


@pytest.mark.parametrize("name", [3, ["ds"]])
def test_a_stored_name_that_is_no_text_is_refused(folder, name):
    store(folder, dataset={"name": name})
    with pytest.raises(InvalidInputException, match=r"'name': .* is not a text"):
        Dataset(folder)
    _, (problem,) = bind_manifest({"datasets": {"d": folder}}, "input_manifest", None)
    assert problem.where == f"{folder}/.octue, dataset.name"


@pytest.mark.parametrize("described", [{}, {"files": ["a.csv"]}])
def test_a_folder_in_place_of_the_metadata_file_is_told(folder, described):
    (folder / ".octue").mkdir()
    for look in (Dataset, lambda path: Datafile(path / "a.csv"), lambda path: Dataset(path).update_metadata()):
        with pytest.raises(InvalidInputException, match=r"\.octue is a folder"):
            look(folder)
    _, problems = bind_manifest({"datasets": {"d": {"path": folder, **described}}}, "input_manifest", None)
    assert {problem.found.partition(" is a folder")[0] for problem in problems} == {f"{folder}/.octue"}


def test_a_dataset_in_a_dataset_that_is_not_whole_is_told(folder):
    store(folder / "inner", unfinished={"files": 3})
    with pytest.raises(InvalidInputException, match="inner is not whole: an upload of 3 files"):
        _ = Dataset(folder).files


def test_a_dataset_stores_all_that_is_known_at_once(folder, monkeypatch):
    writes: list[str] = []
    real = metadata.update
    monkeypatch.setattr(metadata, "update", lambda place, change: writes.append(place) or real(place, change))
    with Dataset(folder, tags={"a": 1}) as dataset:
        for number, file in enumerate(dataset):
            file.tags["n"] = number
            (folder / f"unknown-{number}.csv").write_text("")
    assert writes == [str(folder), str(folder / "inner")]
    again = Dataset(folder)
    assert (again.id, again.tags) == (dataset.id, {"a": 1})
    assert {file.name: file.tags for file in again if file.tags} == {"a.csv": {"n": 0}, "b.csv": {"n": 1}}
    assert "unknown-0.csv" not in (folder / ".octue").read_text()


def test_an_error_stores_nothing(folder):
    with pytest.raises(ZeroDivisionError), Dataset(folder):
        raise ZeroDivisionError
    assert not (folder / ".octue").exists()


def test_a_file_is_found_by_its_label(folder):
    dataset = Dataset(folder)
    dataset.files.filter(name="a.csv").one().add_labels("first")
    assert dataset.get_file_by_label("first").name == "a.csv"
    with pytest.raises(UnexpectedNumberOfResultsException):
        dataset.get_file_by_label("second")


def test_the_hash_is_that_of_the_contents_only(folder):
    before = Dataset(folder).hash_value
    (folder / "a.csv").rename(folder / "renamed.csv")
    assert Dataset(folder).hash_value == before
    (folder / "renamed.csv").write_text("other")
    assert Dataset(folder).hash_value != before


def test_the_json_form_has_paths(folder):
    dataset = Dataset(folder, id=ID, tags={"a": 1}, labels=["b", "a"])
    described = {"id": ID, "name": "ds", "path": str(folder), "tags": {"a": 1}, "labels": ["a", "b"]}
    assert dataset.to_primitive(include_files=False) == described
    assert json.loads(dataset.serialise()) == described | {"files": [f"{folder}/a.csv", f"{folder}/inner/b.csv"]}
    assert names(Dataset.deserialise(dataset.serialise(), from_string=True)) == ["a.csv", "b.csv"]


def test_files_alone_have_no_folder_in_their_json_form(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = Dataset(files=[folder / "a.csv"], name="chosen")
    assert "path" not in dataset.to_primitive()
    assert "path" in Dataset(folder, files=[folder / "a.csv"]).to_primitive()
    again = Dataset.deserialise(dataset.serialise(), from_string=True)
    assert (again.name, [file.local_path for file in again]) == ("chosen", [f"{folder}/a.csv"])
    assert again.to_primitive() == dataset.to_primitive()


def test_a_description_makes_the_dataset_again(folder):
    with Dataset(folder, tags={"a": 1}) as dataset:
        dataset.files.one(name="a.csv").tags["n"] = 1
    for again in (
        Dataset.from_description(dataset.to_description()),
        copy.deepcopy(dataset),
        pickle.loads(pickle.dumps(dataset)),
    ):
        assert (again.id, again.name, again.tags) == (dataset.id, "ds", {"a": 1})
        assert [(file.local_path, file.id, file.tags) for file in again] == [
            (file.local_path, file.id, file.tags) for file in dataset
        ]


def test_an_app_reads_described_files_of_its_machine_without_what_stores_need(folder):
    program = """
import json, sys
from fairlead.adapters.twine import Dataset
dataset = Dataset.from_description(json.load(sys.stdin))
print([open(file.local_path).read() for file in dataset], "fairlead.adapters.storage" in sys.modules)
"""
    described = json.dumps(Dataset(folder).to_description())
    done = subprocess.run([sys.executable, "-c", program], input=described, capture_output=True, text=True, check=True)
    assert done.stdout == "['a', 'bb'] False\n"


# What is added


def test_a_file_is_added_to_a_dataset_in_a_store(folder, memory):
    dataset = Dataset(folder)
    dataset.upload(memory)
    there = Dataset(memory)
    (folder.parent / "new.csv").write_text("new")
    there.add(Datafile(folder.parent / "new.csv"), path_in_dataset="inner/new.csv")
    assert names(there) == names(Dataset(memory)) == ["a.csv", "b.csv", "new.csv"]
    with pytest.raises(FileExistsError):
        there.add(Datafile(folder / "a.csv"))
    with pytest.raises(InvalidInputException, match="leads out"):
        there.add(Datafile(folder / "a.csv"), path_in_dataset="../a.csv")


@pytest.mark.parametrize("place", [".", "inner/..", ".octue", "inner/.octue", ".signed_metadata_files/x"])
def test_what_can_be_no_file_of_a_dataset_is_not_added(folder, memory, place):
    (folder.parent / "new.csv").write_text("")
    for target in (folder, memory):
        with pytest.raises(InvalidInputException):
            Dataset(target).add(Datafile(folder.parent / "new.csv"), place)
    assert names(Dataset(folder)) == ["a.csv", "b.csv"]
    assert storage.walk(memory) == []


def test_nothing_is_added_through_a_link(folder, tmp_path):
    (tmp_path / "new.csv").write_text("")
    (tmp_path / "elsewhere").mkdir()
    (folder / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInputException, match="leads out of the dataset by a link"):
        Dataset(folder).add(Datafile(tmp_path / "new.csv"), "out/new.csv")
    (folder / "out").unlink()
    (folder / "nothing").symlink_to(folder / "nowhere")
    with pytest.raises(FileExistsError):
        Dataset(folder).add(Datafile(tmp_path / "new.csv"), "nothing")
    assert [*(tmp_path / "elsewhere").iterdir()] == []


# Signed datasets


def test_a_signed_dataset_is_read_from_the_web(folder, serve):
    address = serve(folder)
    document = {
        "id": ID, "name": "signed", "tags": {"a": 1}, "labels": [],
        "files": [f"{address}/a.csv?Signature=1", f"{address}/inner/b.csv?Signature=2"],
        "datafiles": {"inner/b.csv": {"tags": {"n": 1}}},
    }  # fmt: skip
    storage.write_bytes(str(folder / ".signed_metadata_files" / "calm-crow"), json.dumps(document).encode())
    url = f"{address}/.signed_metadata_files/calm-crow?Signature=3"
    dataset = Dataset(url)
    assert (dataset.id, dataset.name, dataset.tags) == (ID, "signed", {"a": 1})
    assert [(file.name, file.tags) for file in dataset] == [("a.csv", {}), ("b.csv", {"n": 1})]
    assert Path(dataset.files.one(name="b.csv").local_path).read_text() == "bb"
    bound, problems = bind_manifest({"datasets": {"d": url}}, "input_manifest", None)
    assert problems == []
    assert [(file["name"], file["tags"]) for file in bound["datasets"]["d"]["files"]] == [
        ("a.csv", {}), ("inner/b.csv", {"n": 1}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ['{"files": ["/etc/passwd"]}', '{"files": ["s3://other/x"]}', "[]", "{", '{"files": 3}']
)
def test_a_signed_dataset_can_name_nothing_but_web_addresses(folder, serve, text):
    storage.write_bytes(str(folder / ".signed_metadata_files" / "x"), text.encode())
    url = f"{serve(folder)}/.signed_metadata_files/x?Signature=3"
    with pytest.raises(InvalidInputException, match="signed dataset") as caught:
        Dataset(url)
    assert "Signature" not in str(caught.value)


def test_a_signed_dataset_has_the_names_that_were_quoted(folder, serve):
    address = serve(folder)
    (folder / "a b.csv").write_text("quoted")
    document = {"files": [f"{address}/a%20b.csv?Signature=1"], "datafiles": {"a b.csv": {"tags": {"n": 1}}}}
    storage.write_bytes(str(folder / ".signed_metadata_files" / "x"), json.dumps(document).encode())
    (file,) = Dataset(f"{address}/.signed_metadata_files/x?Signature=3")
    assert (file.name, file.tags, Path(file.local_path).read_text()) == ("a b.csv", {"n": 1}, "quoted")


def test_a_quoted_name_that_leads_out_is_refused(folder, serve):
    address = serve(folder)
    document = {"files": [f"{address}/%2E%2E/x.csv"], "datafiles": {}}
    storage.write_bytes(str(folder / ".signed_metadata_files" / "x"), json.dumps(document).encode())
    with pytest.raises(InvalidInputException, match="leads out"):
        Dataset(f"{address}/.signed_metadata_files/x")


# Thousands of files


def described_folder(folder: Path, count: int) -> Path:
    folder.mkdir()
    records = {}
    for number in range(count):
        name = f"{number:05}.csv"
        os.close(os.open(folder / name, os.O_CREAT))
        records[name] = {
            "id": str(uuid.uuid4()), "timestamp": number, "tags": {"number": number, "mast": "north"},
            "labels": {"_type": "set", "items": ["wind"]}, "sdk_version": "0.38.1",
        }  # fmt: skip
    store(folder, dataset={"id": ID}, datafiles=records)
    return folder


def seconds(action: Callable[[], object]) -> float:
    """Return the time of the processor that an action takes, without collecting what other tests have left."""

    def once() -> float:
        start = time.process_time()
        action()
        return time.process_time() - start

    gc.collect()
    gc.disable()
    try:
        return min(once() for _ in range(5))
    finally:
        gc.enable()


@pytest.mark.slow
def test_opening_ten_times_the_files_takes_less_than_twenty_times_as_long(tmp_path):
    small, large = (described_folder(tmp_path / str(count), count) for count in (1_000, 10_000))
    assert sum(file.tags["number"] for file in Dataset(small)) == 999 * 500
    ratio = seconds(lambda: Dataset(large).files) / seconds(lambda: Dataset(small).files)
    assert ratio < 20  # ten times the files; the square of it would be a hundred


@pytest.mark.slow
def test_twenty_thousand_files_take_little_memory(tmp_path):
    folder = described_folder(tmp_path / "many", 20_000)
    gc.collect()
    tracemalloc.start()
    dataset = Dataset(folder)
    assert len(dataset.files) == 20_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000_000
