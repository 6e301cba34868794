"""Manifest: datasets by key, as Octue's document says, and as JSON in files and stores."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from pathlib import Path

import pytest

from fairlead.adapters import storage
from fairlead.adapters.twine import Datafile, Dataset, Manifest
from fairlead.adapters.twine.exceptions import InvalidInputException
from fairlead.adapters.twine.manifests import bind_manifest, identity

ID = "7ead7669-8162-4f64-8cd5-4abe92509e17"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "met"
    folder.mkdir()
    (folder / "a.csv").write_text("a")
    return folder


def test_the_arguments_stand_in_the_documents_order():
    assert [*inspect.signature(Manifest).parameters][:3] == ["datasets", "id", "name"]


@pytest.mark.parametrize(
    "describe",
    [
        str,
        Path,
        Dataset,
        lambda folder: {"path": str(folder)},
        lambda folder: {"path": str(folder), "files": [str(folder / "a.csv")]},
        lambda folder: Dataset(folder, files=[folder / "a.csv"]).to_primitive(),
        lambda folder: Dataset(folder).to_description(),
    ],
)
def test_datasets_are_given_in_many_ways(folder, describe):
    manifest = Manifest({"met": describe(folder)}, ID, "study")
    assert (manifest.id, manifest.name, [*manifest.datasets]) == (ID, "study", ["met"])
    assert [file.local_path for file in manifest.get_dataset("met")] == [str(folder / "a.csv")]


def test_what_is_no_dataset_is_refused():
    with pytest.raises(InvalidInputException, match=r"datasets\.met: 3 is no dataset"):
        Manifest({"met": 3})


def test_an_unknown_key_is_answered_with_those_there_are(folder):
    with pytest.raises(
        InvalidInputException, match=r"unknown dataset 'q' from Manifest. Allowable keys are: \['met'\]"
    ):
        Manifest({"met": folder}).get_dataset("q")


def test_the_json_form_has_the_path_of_a_folder_and_the_files_of_others(folder):
    manifest = Manifest({"met": folder, "files": Dataset(files={Datafile(folder / "a.csv")}, id=ID)}, id=ID)
    primitive = manifest.to_primitive()
    assert (primitive["id"], primitive["name"], primitive["datasets"]["met"]) == (ID, None, str(folder))
    assert primitive["datasets"]["files"]["files"] == [str(folder / "a.csv")]
    again = Manifest.deserialise(manifest.serialise(), from_string=True)
    assert [[file.name for file in dataset] for dataset in again.datasets.values()] == [["a.csv"], ["a.csv"]]


def test_a_manifest_is_the_same_after_every_way(folder, memory, tmp_path):
    with Dataset(folder, tags={"a": 1}) as dataset:
        dataset.files.one().tags["n"] = 1
    manifest = Manifest({"met": folder}, id=ID)
    manifest.to_file(tmp_path / "manifests" / "one.json")
    manifest.to_cloud(f"{memory}/manifest.json")
    expected = identity(bind_manifest(manifest, "input_manifest", None)[0])
    for again in (
        Manifest.from_file(tmp_path / "manifests" / "one.json"),
        Manifest.from_cloud(f"{memory}/manifest.json"),
        Manifest.from_description(manifest.to_description()),
        copy.deepcopy(manifest),
        pickle.loads(pickle.dumps(manifest)),
        json.loads(manifest.serialise()),
    ):
        bound, problems = bind_manifest(again, "input_manifest", None)
        assert problems == []
        assert bound["id"] == ID
        assert {**identity(bound)["met"], "name": ""} == {**expected["met"], "name": ""}


@pytest.mark.parametrize("text", ["[]", "{", "{}", '{"datasets": 3}'])
def test_a_file_that_is_no_manifest_is_named(tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(InvalidInputException, match=r"m\.json is no manifest"):
        Manifest.from_file(tmp_path / "m.json")


def test_a_manifest_is_prepared_once_from_what_a_twine_declares(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifest = Manifest().prepare({"datasets": {"met": {}, "rose": {"purpose": "results"}}})
    assert [dataset.path for dataset in manifest.datasets.values()] == [f"{tmp_path}/met", f"{tmp_path}/rose"]
    with pytest.raises(InvalidInputException, match="already instantiated"):
        manifest.prepare({"datasets": {}})


def test_all_datasets_are_in_the_cloud_when_all_files_are(folder, memory):
    manifest = Manifest({"met": folder})
    assert not manifest.all_datasets_are_in_cloud
    manifest.get_dataset("met").upload(f"{memory}/met")
    assert manifest.all_datasets_are_in_cloud


def test_datasets_are_downloaded_where_they_are_wanted(folder, memory, tmp_path):
    Dataset(folder).upload(f"{memory}/one")
    Dataset(folder).upload(f"{memory}/two")
    manifest = Manifest({"one": f"{memory}/one", "two": f"{memory}/two", "here": folder})
    only = manifest.download({"one": tmp_path / "one"}, download_all=False)
    assert only == {"one": str(tmp_path / "one")}
    assert (tmp_path / "one" / "a.csv").read_text() == "a"
    places = manifest.download({"one": tmp_path / "again"})
    assert {key: Path(place, "a.csv").read_text() for key, place in places.items()} == dict.fromkeys(places, "a")
    assert (places["here"], places["one"]) == (str(folder), str(tmp_path / "again"))
    with pytest.raises(InvalidInputException, match="'three'"):
        manifest.download({"three": "x"})


def test_paths_of_datasets_can_be_changed(folder):
    manifest = Manifest({"met": folder})
    manifest.update_dataset_paths(lambda dataset: f"gs://bucket/{dataset.name}")
    assert manifest.to_primitive()["datasets"] == {"met": "gs://bucket/met"}


def test_signed_urls_are_for_datasets_in_stores_only(folder):
    manifest = Manifest({"met": folder})
    manifest.use_signed_urls_for_datasets()
    assert manifest.get_dataset("met").path == str(folder)


def test_the_hash_of_a_manifest_depends_on_keys_and_contents(folder):
    assert Manifest().hash_value == "dk29dg=="
    assert Manifest({"met": folder}).hash_value == Manifest({"met": str(folder)}, id=ID).hash_value
    assert Manifest({"met": folder}).hash_value != Manifest({"other": folder}).hash_value


@pytest.mark.parametrize("file", ["../secret.csv", "{secret}", {"path": "{secret}"}, "{met}/link.csv"])
@pytest.mark.parametrize("make", ["constructor", "file", "store", "text"])
def test_a_file_that_is_said_to_be_in_a_folder_and_is_not_is_refused(folder, memory, tmp_path, monkeypatch, file, make):
    secret = tmp_path / "secret.csv"
    secret.write_text("not for the app")
    (folder / "link.csv").symlink_to(secret)
    monkeypatch.chdir(folder)
    text = json.dumps({"datasets": {"met": {"path": str(folder), "files": [file]}}})
    text = text.replace("{secret}", str(secret)).replace("{met}", str(folder))
    storage.write_bytes(f"{memory}/m.json", text.encode())
    (tmp_path / "m.json").write_text(text)
    makes = {
        "constructor": lambda: Manifest(**json.loads(text)),
        "file": lambda: Manifest.from_file(tmp_path / "m.json"),
        "store": lambda: Manifest.from_cloud(f"{memory}/m.json"),
        "text": lambda: Manifest.deserialise(text, from_string=True),
    }
    with pytest.raises(InvalidInputException, match=r"datasets\.met: .* leads out of the dataset"):
        makes[make]()
    free = Manifest({"met": Dataset(folder, files=[secret])})
    assert [file.local_path for file in free.get_dataset("met")] == [str(secret)]


def test_objects_outside_the_dataset_that_they_are_said_to_be_in_are_refused(memory):
    for file in (f"{memory}/other/a.csv", f"{memory}/met/../a.csv", __file__):
        with pytest.raises(InvalidInputException, match="leads out of the dataset"):
            Manifest({"met": {"path": f"{memory}/met", "files": [file]}})


def test_a_manifest_of_files_alone_survives_its_json_form(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    manifest = Manifest({"met": Dataset(files=[folder / "a.csv"])})
    monkeypatch.chdir(tmp_path / "work")
    again = Manifest.deserialise(manifest.serialise(), from_string=True)
    assert [file.local_path for file in again.get_dataset("met")] == [str(folder / "a.csv")]


def test_a_folder_that_is_not_whole_is_told_whatever_files_are_named(folder):
    (folder / ".octue").write_text(json.dumps({"unfinished": {"files": 3}}))
    described = {"datasets": {"met": {"path": str(folder), "files": [str(folder / "a.csv")]}}}
    with pytest.raises(InvalidInputException, match="not whole: an upload of 3 files"):
        Manifest(**described)
    _, (problem,) = bind_manifest(described, "input_manifest", None)
    assert "not whole" in problem.found


def test_one_file_has_one_name_however_it_is_written(folder):
    def named(path: str) -> str:
        bound, problems = bind_manifest({"datasets": {"m": {"path": folder, "files": [path]}}}, "input_manifest", None)
        assert problems == []
        return identity(bound)

    assert named("a.csv") == named("./a.csv") == named(".//a.csv") == named(f"{folder}/./a.csv")
