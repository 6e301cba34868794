"""Manifests: every input file is found and hashed before anything runs, and what the app sees is what was found."""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.adapters import storage
from fairlead.adapters.errors import FairleadError
from fairlead.adapters.fingerprint import fingerprint
from fairlead.adapters.twine import Datafile, Dataset, Manifest
from fairlead.adapters.twine.exceptions import InvalidInputException, UnexpectedNumberOfResultsException
from fairlead.adapters.twine.manifests import bind_manifest, identity

ID = "7ead7669-8162-4f64-8cd5-4abe92509e17"


@pytest.fixture
def weather(tmp_path: Path) -> Path:
    """A dataset on this machine: two files, one in a folder."""
    folder = tmp_path / "weather"
    (folder / "2019").mkdir(parents=True)
    (folder / "station.csv").write_text("703165")
    (folder / "2019" / "hours.csv").write_text("1\n2\n")
    return folder


def bound(data: Any, base: Path | None = None) -> dict[str, Any]:
    manifest, problems = bind_manifest(data, "input_manifest", base)
    assert problems == []
    return manifest


def problems_of(data: Any) -> dict[str, str]:
    _, problems = bind_manifest(data, "input_manifest", None)
    assert all(problem.remedy for problem in problems)
    return {problem.where: problem.found for problem in problems}


def names(dataset: dict[str, Any]) -> list[str]:
    return [file["name"] for file in dataset["files"]]


def key(manifest: dict[str, Any]) -> str:
    return fingerprint(identity(manifest))


# Binding


def test_a_folder_is_bound_with_every_file_in_it(weather):
    dataset = bound({"datasets": {"weather": str(weather)}})["datasets"]["weather"]
    assert dataset["path"] == str(weather)
    assert dataset["name"] == "weather"
    assert names(dataset) == ["2019/hours.csv", "station.csv"]
    assert [file["path"] for file in dataset["files"]] == [f"{weather}/2019/hours.csv", f"{weather}/station.csv"]
    assert [file["digest"] for file in dataset["files"]] == [
        blake3(b"1\n2\n").hexdigest(), blake3(b"703165").hexdigest(),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "describe",
    [
        Path,
        str,
        lambda folder: f"{folder}/",
        lambda folder: f"file://{folder}",
        lambda folder: {"path": str(folder)},
        lambda folder: {"path": folder, "files": []},
        lambda folder: {"path": folder, "files": ["station.csv", "2019/hours.csv"]},
        lambda folder: {"path": str(folder), "files": [f"{folder}/station.csv", f"{folder}/2019/hours.csv"]},
        lambda folder: {"path": folder, "files": [{"path": "station.csv"}, {"path": folder / "2019" / "hours.csv"}]},
        lambda folder: {
            "id": ID, "name": "weather", "tags": {}, "labels": [], "path": str(folder),
            "files": [{"id": ID, "path": name, "timestamp": None, "tags": {}, "labels": []}
                      for name in ("station.csv", "2019/hours.csv")],
        },
        Dataset,
        lambda folder: Dataset(folder, files=[folder / "station.csv", Datafile(folder / "2019" / "hours.csv")]),
    ],
)  # fmt: skip
def test_the_same_dataset_may_be_written_in_many_ways(weather, describe):
    manifest = bound({"datasets": {"weather": describe(weather)}})
    assert sorted(names(manifest["datasets"]["weather"])) == ["2019/hours.csv", "station.csv"]
    assert key(manifest) == key(bound({"datasets": {"weather": weather}}))


def test_a_dataset_of_files_alone_is_not_bound_to_the_working_folder(weather, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifest = bound({"datasets": {"w": Dataset(files=[weather / "2019" / "hours.csv"])}})
    assert names(manifest["datasets"]["w"]) == ["hours.csv"]


def test_a_manifest_object_is_bound_like_its_description(weather):
    manifest = Manifest({"weather": weather}, id=ID)
    assert bound(manifest)["id"] == ID
    assert key(bound(manifest)) == key(bound(manifest.to_primitive()))


def test_relative_paths_are_relative_to_the_manifests_file(weather, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    dataset = bound({"datasets": {"weather": "weather"}}, tmp_path)["datasets"]["weather"]
    assert dataset["path"] == str(weather)


def test_relative_paths_without_a_manifests_file_are_relative_to_the_working_folder(weather, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = bound({"datasets": {"weather": {"files": ["weather/station.csv"]}}})["datasets"]["weather"]
    assert dataset["files"][0]["path"] == str(weather / "station.csv")


def test_files_without_a_folder_have_their_own_names(weather):
    dataset = bound({"datasets": {"w": {"files": [str(weather / "2019" / "hours.csv")]}}})["datasets"]["w"]
    assert names(dataset) == ["hours.csv"]


def test_octues_metadata_file_is_not_data(weather):
    (weather / ".octue").write_text("{}")
    (weather / "2019" / ".octue").write_text("{}")
    assert names(bound({"datasets": {"w": weather}})["datasets"]["w"]) == ["2019/hours.csv", "station.csv"]


def test_an_empty_folder_is_a_dataset_without_files(tmp_path):
    (tmp_path / "empty").mkdir()
    assert bound({"datasets": {"e": tmp_path / "empty"}})["datasets"]["e"]["files"] == []


def test_a_linked_folder_is_the_folder(weather):
    (weather / "linked").symlink_to("2019")
    before = bound({"datasets": {"w": weather}})
    (weather / "2019" / "hours.csv").write_text("2")
    assert "linked/hours.csv" in names(before["datasets"]["w"])
    assert key(bound({"datasets": {"w": weather}})) != key(before)


@pytest.mark.parametrize("target", ["elsewhere", "elsewhere/x.txt"], ids=["folder", "file"])
@pytest.mark.parametrize("named", [False, True], ids=["found", "named"])
def test_a_link_that_leads_out_of_a_dataset_is_refused(weather, tmp_path, target, named):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.txt").write_text("1")
    (weather / "linked").symlink_to(tmp_path / target)
    file = "linked" if target.endswith(".txt") else "linked/x.txt"
    (found,) = problems_of({"datasets": {"w": {"path": weather, **({"files": [file]} if named else {})}}}).values()
    assert "linked" in found
    assert "leads out of the dataset" in found


def test_a_folder_that_is_a_link_itself_is_the_folder(weather, tmp_path):
    (tmp_path / "link").symlink_to(weather)
    described = {"path": tmp_path / "link", "files": ["station.csv", str(tmp_path / "link" / "2019" / "hours.csv")]}
    before = key(bound({"datasets": {"w": weather}}))
    assert key(bound({"datasets": {"w": tmp_path / "link"}})) == key(bound({"datasets": {"w": described}})) == before


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("{weather}", "{elsewhere}"), ("{weather}", "../elsewhere.csv"), ("{weather}", "2019/../../elsewhere.csv"),
        ("memory://bucket/data", "{elsewhere}"), ("memory://bucket/data", "memory://bucket/other/a.csv"),
        ("memory://bucket/data", "memory://bucket/data/../other/a.csv"),
    ],
)  # fmt: skip
def test_a_file_outside_the_dataset_that_it_is_said_to_be_in_is_refused(weather, tmp_path, path, file):
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_text("not for the app")
    described = {"path": path.format(weather=weather), "files": [file.format(elsewhere=elsewhere)]}
    found = problems_of({"datasets": {"w": described}})
    assert "leads out of the dataset" in found["input_manifest.datasets.w.files[0]"]


@pytest.mark.parametrize("target", ["/nowhere", "x.csv"], ids=["to nothing", "to itself"])
def test_a_link_that_leads_to_nothing_is_told_and_not_passed_over(weather, target):
    (weather / "x.csv").symlink_to(target)
    (found,) = problems_of({"datasets": {"w": weather}}).values()
    assert f"cannot read {weather}/x.csv" in found


def test_a_signature_is_no_part_of_a_files_name(server):
    one, other = (
        bound({"datasets": {"w": {"files": [f"{server}/station.csv?X-Signature={n}"]}}})["datasets"]["w"]
        for n in (1, 2)
    )
    assert names(one) == names(other) == ["station.csv"]
    assert key({"datasets": {"w": one}}) == key({"datasets": {"w": other}})
    file = Datafile(one["files"][0]["path"])
    assert (file.name, file.extension) == ("station.csv", "csv")


def test_a_linked_file_is_the_file(weather):
    (weather / "2019" / "station.csv").write_text("703165")
    before = key(bound({"datasets": {"w": weather}}))
    (weather / "station.csv").unlink()
    (weather / "station.csv").symlink_to("2019/station.csv")
    assert key(bound({"datasets": {"w": weather}})) == before


@pytest.mark.parametrize("labels", [["b", "a"], {"_type": "set", "items": ["a", "b"]}, "a b", {"a", "b"}, ("a", "b")])
def test_labels_are_the_same_however_they_are_written(weather, labels):
    assert bound({"datasets": {"w": {"path": weather, "labels": labels}}})["datasets"]["w"]["labels"] == ["a", "b"]


def test_tags_and_times_of_any_type_become_json_data(weather):
    when = dt.datetime(2019, 1, 1, tzinfo=dt.UTC)
    file = Datafile(weather / "station.csv", timestamp=when, tags={"seen": when})
    manifest = bound({"datasets": {"w": Dataset(weather, files=[file])}})
    assert json.loads(json.dumps(manifest)) == manifest


@pytest.fixture
def server(weather: Path, serve: Callable[[Path], str]) -> str:
    """The dataset on a web server."""
    return serve(weather)


def test_a_file_on_a_server_is_the_same_as_one_here(server, weather):
    there = bound({"datasets": {"w": {"files": [f"{server}/station.csv"]}}})
    here = bound({"datasets": {"w": {"files": [str(weather / "station.csv")]}}})
    assert key(there) == key(here)


def test_a_folder_in_a_store_is_the_same_as_one_here(weather):
    root = f"memory://{uuid.uuid4().hex}"
    for name in ("station.csv", "2019/hours.csv"):
        storage.put(weather / name, storage.join(root, "weather", name))
    assert key(bound({"datasets": {"w": f"{root}/weather"}})) == key(bound({"datasets": {"w": weather}}))
    storage.remove(root)


# What is stored beside files


def store(folder: Path, **records: Any) -> None:
    (folder / ".octue").write_text(json.dumps(records))


FILE = {"id": ID, "timestamp": 7, "tags": {"a": 1}, "labels": {"_type": "set", "items": ["b", "a"]}}


@pytest.mark.parametrize(
    "files", [None, ["station.csv"], [{"path": "station.csv", "tags": {"given": 1}}]], ids=["all", "named", "described"]
)
def test_what_is_stored_about_files_is_bound_with_them(weather, files):
    store(weather, datafiles={"station.csv": FILE})
    described = {"path": weather} if files is None else {"path": weather, "files": files}
    (station,) = (file for file in bound({"datasets": {"w": described}})["datasets"]["w"]["files"]
                  if file["name"] == "station.csv")  # fmt: skip
    assert (station["id"], station["timestamp"], station["tags"], station["labels"]) == (ID, 7, {"a": 1}, ["a", "b"])
    file = Manifest.from_description({"datasets": bound({"datasets": {"w": described}})["datasets"]})
    assert file.get_dataset("w").files.one(name="station.csv").posix_timestamp == 7


def test_what_is_stored_about_a_dataset_is_bound_with_it(weather):
    store(weather, dataset={"id": ID, "name": "stored", "tags": {"a": 1}, "labels": ["l"]})
    dataset = bound({"datasets": {"w": {"path": weather, "name": "given", "tags": {"b": 2}}}})["datasets"]["w"]
    assert (dataset["id"], dataset["name"], dataset["tags"], dataset["labels"]) == (ID, "stored", {"a": 1}, ["l"])


def test_what_is_stored_about_files_is_part_of_their_identity(weather):
    before = key(bound({"datasets": {"w": weather}}))
    store(weather, datafiles={"station.csv": {"id": ID}})
    assert key(bound({"datasets": {"w": weather}})) == before
    store(weather, datafiles={"station.csv": {"tags": {"a": 1}}})
    assert key(bound({"datasets": {"w": weather}})) != before


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({"id": "x"}, "id"),
        ({"tags": {"A": 1}}, "tags"),
        ({"labels": ["A"]}, "labels"),
        ({"timestamp": "2020"}, "timestamp"),
    ],
)
def test_what_is_stored_and_cannot_be_used_is_told_with_its_place(weather, record, field):
    store(weather, datafiles={"station.csv": record})
    assert [*problems_of({"datasets": {"w": weather}})] == [f"{weather}/.octue, 'station.csv'.{field}"]
    assert [*problems_of({"datasets": {"w": {"path": weather, "files": ["station.csv"]}}})] == [
        f"{weather}/.octue, 'station.csv'.{field}"
    ]


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ({"tags": {"A": 1}}, "w.tags"),
        ({"labels": "A"}, "w.labels"),
        ({"files": [{"path": "station.csv", "labels": ["a b"]}]}, "w.files[0].labels"),
        ({"files": [{"path": "station.csv", "timestamp": "2020"}]}, "w.files[0].timestamp"),
        ({"files": [{"path": "station.csv", "timestamp": 1e300}]}, "w.files[0].timestamp"),
    ],
)
def test_tags_labels_and_times_that_octue_refuses_are_named(weather, part, where):
    found = problems_of({"datasets": {"w": {"path": weather, **part}}})
    assert [*found] == [f"input_manifest.datasets.{where}"]


# Identity


def test_a_manifest_is_known_by_contents_and_not_by_places_or_ids(weather, tmp_path):
    before = key(bound({"id": ID, "datasets": {"w": {"path": weather, "id": ID}}}))
    weather.rename(tmp_path / "moved")
    os.utime(tmp_path / "moved" / "station.csv", (0, 0))
    assert key(bound({"datasets": {"w": tmp_path / "moved"}})) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "station.csv").write_text("703166"),
        lambda folder: (folder / "station.csv").rename(folder / "stations.csv"),
        lambda folder: (folder / "station.csv").rename(folder / "2019" / "station.csv"),
        lambda folder: (folder / "new.csv").write_text(""),
        lambda folder: (folder / "station.csv").unlink(),
    ],
)
def test_any_change_of_a_dataset_changes_its_identity(weather, change):
    before = key(bound({"datasets": {"w": weather}}))
    change(weather)
    assert key(bound({"datasets": {"w": weather}})) != before


@pytest.mark.parametrize(
    "described",
    [
        {"name": "mast 7"},
        {"tags": {"a": 1}},
        {"labels": ["a"]},
        {"files": [{"path": "station.csv", "tags": {"a": 1}}, "2019/hours.csv"]},
        {"files": [{"path": "station.csv", "labels": ["a"]}, "2019/hours.csv"]},
        {"files": [{"path": "station.csv", "timestamp": 0}, "2019/hours.csv"]},
    ],
)
def test_what_an_app_can_read_of_a_dataset_is_part_of_its_identity(weather, described):
    plain = key(bound({"datasets": {"w": weather}}))
    assert key(bound({"datasets": {"w": {"path": weather, **described}}})) != plain


def test_a_dataset_is_named_by_its_key_wherever_it_lies(weather, tmp_path):
    moved = shutil.copytree(weather, tmp_path / "copy of weather")
    one, other = (bound({"datasets": {"w": folder}}) for folder in (weather, moved))
    assert one["datasets"]["w"]["name"] == other["datasets"]["w"]["name"] == "w"
    assert key(one) == key(other)


def test_datasets_that_change_keys_are_different(weather, tmp_path):
    (tmp_path / "other").mkdir()
    one = bound({"datasets": {"a": weather, "b": tmp_path / "other"}})
    other = bound({"datasets": {"b": weather, "a": tmp_path / "other"}})
    assert key(one) != key(other)


# Manifests that cannot be used


@pytest.mark.parametrize("data", [None, [], "weather", 1, {}, {"datasets": ["w"]}, {"datasets": None}])
def test_what_is_no_manifest_is_told(data):
    (found,) = problems_of(data).values()
    assert "is not a manifest" in found


@pytest.mark.parametrize("dataset", [None, 1, [], {}, {"name": "x"}])
def test_what_is_no_dataset_is_told(dataset):
    assert "is not a dataset" in problems_of({"datasets": {"w": dataset}})["input_manifest.datasets.w"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    found = problems_of({"datasets": {"w": tmp_path / "nowhere"}})
    assert found == {"input_manifest.datasets.w": f"{tmp_path}/nowhere is not there"}


def test_a_file_that_may_not_be_read_is_not_to_be_removed(weather, monkeypatch):
    def refuse(folder):
        raise PermissionError(errno.EACCES, "Permission denied", f"{folder}/station.csv")

    monkeypatch.setattr("fairlead.adapters.twine.manifests.listing.contents", refuse)  # root may read anything
    _, (problem,) = bind_manifest({"datasets": {"w": weather}}, "input_manifest", None)
    assert (problem.found, problem.remedy) == (
        f"cannot read {weather}/station.csv: Permission denied",
        "Make it readable.",
    )


def test_a_file_in_place_of_a_folder_is_named_with_the_remedy(weather):
    _, (problem,) = bind_manifest({"datasets": {"w": weather / "station.csv"}}, "input_manifest", None)
    assert problem.found == f"{weather}/station.csv is a file, not a folder"
    assert '{"files":' in problem.remedy


def test_every_file_that_is_not_there_is_named(weather):
    found = problems_of({"datasets": {"w": {"path": weather, "files": ["a.csv", "station.csv", "b.csv"]}}})
    assert len(found) == 2
    assert all("cannot read" in text and ".csv" in text for text in found.values())


def test_two_files_of_one_name_are_told_with_both_places(weather, tmp_path):
    (tmp_path / "station.csv").write_text("")
    files = [str(weather / "station.csv"), str(tmp_path / "station.csv")]
    (found,) = problems_of({"datasets": {"w": {"files": files}}}).values()
    assert all(file in found for file in files)


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ({"path": 1}, "w.path"),
        ({"files": "station.csv"}, "w.files"),
        ({"files": 5}, "w.files"),
        ({"files": {"a": 1}}, "w.files"),
        ({"files": [1]}, "w.files[0]"),
        ({"files": [{}]}, "w.files[0]"),
        ({"files": [{"path": None}]}, "w.files[0]"),
        ({"files": ["a\0b"]}, "w, file 'a\0b'"),
        ({"files": ["\ud83d"]}, "w, file '\ud83d'"),
        ({"files": [""]}, "w, file"),
        ({"files": ["memory://x/"]}, "w, file"),
        ({"id": "x"}, "w.id"),
        ({"tags": ["a"]}, "w.tags"),
        ({"labels": 1}, "w.labels"),
        ({"files": [{"path": "station.csv", "id": 1}]}, "w.files[0].id"),
        ({"files": [{"path": "station.csv", "tags": "a"}]}, "w.files[0].tags"),
    ],
)
def test_a_part_of_a_dataset_that_cannot_be_used_is_named(weather, part, where):
    found = problems_of({"datasets": {"w": {"path": weather, **part}}})
    assert any(place.startswith(f"input_manifest.datasets.{where}") for place in found), found


def test_all_problems_of_a_manifest_are_told_at_once(tmp_path):
    assert len(problems_of({"id": "x", "datasets": {"a": tmp_path / "a", "b": 1, "c": {"path": 2}}})) == 4


# Without the characters by which a path leads out of the test's folder: a manifest of "/" would be hashed for hours.
letters = st.characters(exclude_categories=(), exclude_characters="/.~")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(letters, max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("path", "files", "id", "name", "tags", "labels", "timestamp"), json_values)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(json_values | fields | st.builds(lambda file: {"path": ".", "files": [file]}, json_values | fields))
def test_no_description_makes_binding_raise_anything_else(tmp_path, dataset):
    try:
        manifest, problems = bind_manifest({"datasets": {"w": dataset}}, "input_manifest", tmp_path)
    except FairleadError:
        return
    if not problems:
        json.dumps(manifest)
        Manifest(manifest["datasets"], id=manifest["id"])


# What the app sees


def test_an_app_sees_the_datasets_that_were_bound(weather):
    manifest = Manifest(bound({"datasets": {"weather": {"path": weather, "tags": {"a": 1}, "id": ID}}})["datasets"])
    dataset = manifest.get_dataset("weather")
    assert dataset is manifest.datasets["weather"]
    assert (dataset.name, dataset.path, dataset.tags, dataset.id) == ("weather", str(weather), {"a": 1}, ID)
    assert [file.name for file in dataset] == ["hours.csv", "station.csv"]
    assert {file.local_path for file in dataset.files} == {f"{weather}/2019/hours.csv", f"{weather}/station.csv"}


def test_an_unknown_dataset_is_answered_with_those_there_are(weather):
    with pytest.raises(InvalidInputException, match=r"'wether'.*weather"):
        Manifest({"weather": weather}).get_dataset("wether")


def test_the_only_file_of_a_dataset_is_asked_for_as_one(weather):
    assert Dataset(weather / "2019").files.one().name == "hours.csv"
    with pytest.raises(UnexpectedNumberOfResultsException, match=r"hours\.csv.*station\.csv"):
        Dataset(weather).files.one()


def test_a_new_file_in_a_datasets_folder_is_seen(weather):
    dataset = Dataset(weather)
    first = {file.name: file for file in dataset}
    (weather / "new.csv").write_text("")
    assert {file.name for file in dataset} == {"hours.csv", "station.csv", "new.csv"}
    assert {file.name: file for file in dataset}["station.csv"] is first["station.csv"]


def test_a_file_from_elsewhere_is_copied_into_the_dataset(weather, tmp_path):
    (tmp_path / "far.csv").write_text("far")
    dataset = Dataset(tmp_path / "new")
    file = Datafile(tmp_path / "far.csv", tags={"a": 1})
    dataset.add(file, path_in_dataset="inner/near.csv")
    assert (tmp_path / "far.csv").exists()
    assert file.local_path == str(tmp_path / "new" / "inner" / "near.csv")
    assert dataset.files.one() is file


@pytest.mark.parametrize(
    ("file", "place", "error"),
    [
        ("far.csv", "../out.csv", ValueError),
        ("far.csv", "/etc/out.csv", ValueError),
        ("far.csv", "station.csv", FileExistsError),
        (None, "x", InvalidInputException),
    ],
)
def test_a_file_is_added_inside_the_dataset_once(weather, tmp_path, file, place, error):
    (tmp_path / "far.csv").write_text("far")
    with pytest.raises(error):
        Dataset(weather).add(Datafile(tmp_path / file) if file else "far.csv", path_in_dataset=place)


def test_a_datafile_says_what_it_is(weather):
    file = Datafile(weather / "2019" / "hours.tar.gz", labels="b a")
    assert (file.name, file.extension, file.labels) == ("hours.tar.gz", "gz", {"a", "b"})
    assert (file.exists_locally, file.exists_in_cloud, file.size_bytes) == (False, False, None)
    with file.open("wb") as stream:
        stream.write(b"1234")
    assert (file.exists_locally, file.size_bytes) == (True, 4)


def test_writing_a_datafile_makes_its_folders(tmp_path):
    with Datafile(tmp_path / "a" / "b" / "c.txt").open("w") as stream:
        stream.write("text")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "text"


def test_a_file_on_a_server_is_fetched_when_it_is_first_asked_for(server):
    file = Datafile(f"{server}/2019/hours.csv")
    assert (file.exists_locally, file.exists_in_cloud, file.name) == (False, True, "hours.csv")
    with file.open() as stream:
        assert stream.read() == "1\n2\n"
    assert file.exists_locally


def test_a_fetched_file_goes_with_its_datafile(server, scratch):
    file = Datafile(f"{server}/station.csv")
    assert Path(file.local_path).read_text() == "703165"
    del file
    assert [*scratch.iterdir()] == []
