"""Datasets in real stores: servers that speak S3 and Google Storage, asked no more than needed."""

from __future__ import annotations

import datetime as dt
import json
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.adapters import storage
from fairlead.adapters.twine import Datafile, Dataset, Manifest
from fairlead.adapters.twine.exceptions import CloudStorageBucketNotFound, InvalidInputException
from fairlead.adapters.twine.manifests import bind_manifest
from fairlead.adapters.twine.resources import cloud, transfer

COUNT = 20
"""How many files a dataset has here: enough that what is asked once for a dataset does not count."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "met"
    (folder / "inner").mkdir(parents=True)
    for number in range(COUNT):
        (folder / ("inner" if number % 2 else "") / f"{number:02}.csv").write_text("x" * (number + 1))
    with Dataset(folder, tags={"site": "north"}, labels=["wind"]) as dataset:
        for file in dataset:
            file.tags["number"] = int(file.name[:2])
            file.timestamp = dt.datetime.fromisoformat(f"2020-01-01T{file.name[:2]}:00:00")
    return folder


def described(dataset: Dataset) -> list[tuple[Any, ...]]:
    return [(file.name, file.id, file.timestamp, file.tags, file.labels) for file in dataset]


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:
        return response.read()


def status(url: str) -> int:
    try:
        fetch(url)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def test_a_dataset_goes_to_a_store_and_comes_back(cloud_store, folder, tmp_path):
    dataset = Dataset(folder)
    target = f"{cloud_store.url}/study/met"
    assert dataset.upload(target) == target
    there = Dataset(target)
    assert (there.id, there.name, there.tags, there.labels) == (dataset.id, "met", {"site": "north"}, {"wind"})
    assert described(there) == described(dataset)
    there.download(tmp_path / "back")
    back = Dataset(tmp_path / "back")
    assert described(back) == described(dataset)
    assert back.hash_value == dataset.hash_value


def test_uploads_and_downloads_take_at_most_two_requests_a_file(cloud_store, folder, tmp_path):
    target = f"{cloud_store.url}/met"
    Dataset(folder).upload(target)
    uploading = len(cloud_store.requests)
    assert uploading <= 2 * COUNT
    assert sum(method in {"PUT", "POST"} for method, _ in cloud_store.requests) >= COUNT
    cloud_store.requests.clear()
    Dataset(target).download(tmp_path / "back")
    downloading = len(cloud_store.requests)
    assert COUNT <= downloading <= 2 * COUNT + 5


def test_files_travel_at_the_same_time(cloud_store, folder):
    meeting, lock, count = threading.Barrier(4), threading.Lock(), 0

    def answer(method: str, _path: str) -> None:
        nonlocal count
        if method in {"PUT", "POST"}:
            with lock:
                count += 1
                turn = count
            if 2 <= turn <= 5:  # after the first, which says that the dataset is on its way
                meeting.wait(10)  # for the others; if they do not come, the connection is closed

    cloud_store.answer(answer)
    Dataset(folder).upload(f"{cloud_store.url}/met")
    assert count > 5
    assert not meeting.broken


def test_what_is_unchanged_is_not_sent_again(cloud_store, folder, monkeypatch):
    target = f"{cloud_store.url}/met"
    Dataset(folder).upload(target)
    sent: list[str] = []
    real = transfer.send
    monkeypatch.setattr(
        transfer, "send", lambda path, *rest, **options: sent.append(Path(path).name) or real(path, *rest, **options)
    )
    # Which of two things of one second is newer cannot be known, so the file that describes all is written anew.
    _later(cloud_store, target)
    Dataset(folder).upload(target)
    assert sent == []
    _later(cloud_store, target)
    (folder / "00.csv").write_text("changed")
    Datafile(folder / "02.csv", ignore_stored_metadata=True, tags={"changed": True}).update_metadata()
    Dataset(folder).upload(target)
    assert sorted(sent) == ["00.csv", "02.csv"]
    assert described(Dataset(target)) == described(Dataset(folder))


def _later(store: Any, target: str) -> None:
    """Write the dataset's metadata again and again until the store's clock says that they are newer than its files."""
    wait = threading.Event()
    text = storage.read_bytes(f"{target}/.octue")
    newest = max(found.modified or 0 for name, found in cloud.objects(target).items() if name != ".octue")
    for _ in range(400):
        storage.write_bytes(f"{target}/.octue", text)
        if (cloud.objects(target)[".octue"].modified or 0) > newest:
            return
        wait.wait(0.01)
    raise AssertionError(f"the clock of {store.url} stands still")


def _described_later(store: Any, folder: Path) -> str:
    """Upload a dataset, change the metadata of its first object by itself, and return the dataset's URL."""
    target = f"{store.url}/met"
    Dataset(folder).upload(target)
    _later(store, target)
    one = Datafile(f"{target}/00.csv")
    assert one.tags == {"number": 0}
    one.tags["number"] = 1000
    one.update_metadata()
    return target


def test_files_that_a_manifest_names_in_a_store_have_what_is_stored_about_them(cloud_store, folder):
    target = f"{cloud_store.url}/met"
    Dataset(folder).upload(target)
    files = [f"{target}/00.csv", {"path": f"{target}/02.csv", "tags": {"given": True}}]
    bound, problems = bind_manifest({"datasets": {"met": {"path": target, "files": files}}}, "input_manifest", None)
    assert problems == []
    assert [file["tags"] for file in bound["datasets"]["met"]["files"]] == [{"number": 0}, {"number": 2}]


def test_what_is_ignored_is_not_asked_for(s3_store, folder):
    for number in range(3):
        storage.put(folder / "00.csv", f"{s3_store.url}/plain/{number}.csv")
    s3_store.requests.clear()
    Dataset(f"{s3_store.url}/plain", ignore_stored_metadata=True)
    assert len(s3_store.requests) == 1


def test_a_folder_in_a_store_is_bound_with_what_is_stored_about_it(cloud_store, folder):
    target = f"{cloud_store.url}/met"
    Dataset(folder).upload(target)
    there, problems = bind_manifest({"datasets": {"met": target}}, "input_manifest", None)
    assert problems == []
    here, _ = bind_manifest({"datasets": {"met": str(folder)}}, "input_manifest", None)
    fields = ("name", "id", "tags", "labels", "timestamp", "digest")
    assert [[file[field] for field in fields] for file in there["datasets"]["met"]["files"]] == [
        [file[field] for field in fields] for file in here["datasets"]["met"]["files"]
    ]


@pytest.mark.parametrize("kind", ["s3_moto", "gcs_store"])  # s3rver keeps the time of an object that it changes
def test_metadata_of_an_object_that_are_changed_later_are_those_of_the_file(kind, request, folder):
    store = request.getfixturevalue(kind)
    target = _described_later(store, folder)
    assert Datafile(f"{target}/00.csv").tags == {"number": 1000}
    assert Dataset(target).files.one(name="00.csv").tags == {"number": 1000}
    assert storage.read_bytes(f"{target}/00.csv") == b"x"


def test_the_metadata_of_an_object_are_those_that_octue_reads(gcs_store, folder):
    file = Datafile(folder / "00.csv")
    file.upload(f"{gcs_store.url}/00.csv")
    kept = cloud.look_up(f"{gcs_store.url}/00.csv").metadata
    assert {name: json.loads(value) for name, value in kept.items()} == {
        "octue__id": file.id,
        "octue__timestamp": {"_type": "datetime", "value": "2020-01-01T00:00:00"},
        "octue__tags": {"number": 0},
        "octue__labels": {"_type": "set", "items": []},
        "octue__sdk_version": file.metadata()["octue__sdk_version"],
    }


def test_files_that_another_program_has_put_into_a_store_are_read_with_their_metadata(cloud_store, folder):
    target = f"{cloud_store.url}/plain"
    for number in range(3):
        storage.put(folder / "00.csv", f"{target}/{number}.csv", {"octue__tags": json.dumps({"n": number}), "x": "y"})
    storage.put(folder / "00.csv", f"{target}/3.csv")
    assert [file.tags for file in Dataset(target)] == [{"n": 0}, {"n": 1}, {"n": 2}, {}]


@pytest.mark.parametrize("size", [3_000, 20_000])
def test_metadata_without_room_at_the_object_are_kept_beside_it(cloud_store, folder, size):
    tags = {"note": "x" * size}
    Datafile(folder / "00.csv", ignore_stored_metadata=True, tags=tags).upload(f"{cloud_store.url}/a/00.csv")
    assert Datafile(f"{cloud_store.url}/a/00.csv").tags == tags
    assert Dataset(f"{cloud_store.url}/a").files.one().tags == tags
    there = Datafile(f"{cloud_store.url}/a/00.csv")
    for change in ({"note": "short"}, tags, {"note": "short again"}):
        there.tags = change
        there.update_metadata()
        assert Datafile(f"{cloud_store.url}/a/00.csv").tags == change
    Dataset(files=[Datafile(folder / "00.csv", ignore_stored_metadata=True, tags=tags)]).upload(f"{cloud_store.url}/b")
    assert Dataset(f"{cloud_store.url}/b").files.one().tags == tags


@pytest.mark.slow
def test_a_large_file_goes_in_parts_with_its_metadata(cloud_store, tmp_path):
    content = bytes(range(256)) * 4 * 1024 * 20
    (tmp_path / "large.bin").write_bytes(content)
    Datafile(tmp_path / "large.bin", tags={"large": True}).upload(f"{cloud_store.url}/large.bin")
    there = Datafile(f"{cloud_store.url}/large.bin")
    assert (there.size_bytes, there.tags) == (len(content), {"large": True})
    assert Path(there.local_path).read_bytes() == content


def test_the_stores_own_hash_is_octues(gcs_store, folder):
    file = Datafile(folder / "01.csv" if (folder / "01.csv").exists() else folder / "inner" / "01.csv")
    file.upload(f"{gcs_store.url}/a.csv")
    there = Datafile(f"{gcs_store.url}/a.csv")
    assert there.size_bytes == 2
    assert there.cloud_hash_value == there.hash_value == file.hash_value
    assert not there.exists_locally


def test_a_file_that_is_not_there_has_no_metadata_and_is_made_by_writing(cloud_store):
    file = Datafile(f"{cloud_store.url}/new.csv", tags={"a": 1})
    assert (file.tags, file.size_bytes, file.cloud_hash_value) == ({"a": 1}, None, None)
    with file.open("w") as stream:
        stream.write("1")
    assert (Datafile(f"{cloud_store.url}/new.csv").tags, Datafile(f"{cloud_store.url}/new.csv").size_bytes) == (
        {"a": 1},
        1,
    )


names = st.from_regex(r"[a-z0-9]([a-z0-9_]{0,8}[a-z0-9])?", fullmatch=True)
values = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8) | st.datetimes()
fields = st.fixed_dictionaries({
    "id": st.uuids().map(str),
    "timestamp": st.none() | st.datetimes() | st.integers(0, 2**33),
    "tags": st.dictionaries(names, values, max_size=3),
    "labels": st.sets(names.map(lambda name: name.replace("_", "-")), max_size=3),
})  # fmt: skip


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields)
def test_whatever_is_known_comes_back_from_a_store(cloud_store, folder, fields):
    file = Datafile(folder / "00.csv", ignore_stored_metadata=True, **fields)
    file.upload(f"{cloud_store.url}/any.csv")
    there = Datafile(f"{cloud_store.url}/any.csv")
    assert (there.id, there.timestamp, there.tags, there.labels) == (file.id, file.timestamp, file.tags, file.labels)


def test_a_dataset_in_a_store_is_described_again_without_its_files(cloud_store, folder):
    target = f"{cloud_store.url}/met"
    Dataset(folder).upload(target)
    there = Dataset(target)
    there.files.one(name="00.csv").tags["number"] = 1000
    there.tags["site"] = "south"
    cloud_store.requests.clear()
    there.upload()
    fetched = [
        path for method, path in cloud_store.requests if method == "GET" and path.endswith((".csv", "alt=media"))
    ]
    assert all("octue" in path for path in fetched)
    again = Dataset(target)
    assert again.tags == {"site": "south"}
    assert again.files.one(name="00.csv").tags == {"number": 1000}


def test_a_bucket_that_is_not_there_is_named(cloud_store):
    url = f"{cloud_store.url}-that-nobody-made/met"
    with pytest.raises(CloudStorageBucketNotFound, match="that-nobody-made/met: there is no such bucket"):
        Dataset(url)
    with pytest.raises(CloudStorageBucketNotFound, match="that-nobody-made"):
        Datafile(__file__).upload(f"{url}/a.csv")


# Signed addresses


def test_a_signed_address_is_read_by_any_http_client(cloud_store, folder):
    file = Datafile(folder / "02.csv")
    file.upload(f"{cloud_store.url}/02.csv")
    url = file.generate_signed_url(dt.timedelta(minutes=5))
    assert fetch(url) == b"xxx"
    again = Datafile(url)
    assert (again.name, again.extension) == ("02.csv", "csv")
    assert Path(again.local_path).read_bytes() == b"xxx"


def test_a_signed_dataset_is_read_with_all_that_is_known(cloud_store, folder, tmp_path):
    dataset = Dataset(folder)
    dataset.upload(f"{cloud_store.url}/met")
    url = Dataset(f"{cloud_store.url}/met").generate_signed_url()
    assert "/met/.signed_metadata_files/" in url
    document = json.loads(fetch(url))
    assert (document["id"], document["tags"], len(document["files"])) == (dataset.id, {"site": "north"}, COUNT)
    signed = Dataset(url)
    assert (signed.id, signed.name) == (dataset.id, "met")
    assert described(signed) == described(dataset)
    signed.download(tmp_path / "back")
    assert Dataset(tmp_path / "back").hash_value == dataset.hash_value
    bound, problems = bind_manifest({"datasets": {"met": url}}, "input_manifest", None)
    assert problems == []
    assert min(file["name"] for file in bound["datasets"]["met"]["files"]) == "00.csv"


def test_a_signed_dataset_of_octues_has_what_the_objects_say(cloud_store, folder):
    dataset = Dataset(folder)
    dataset.upload(f"{cloud_store.url}/met")
    document = {
        "id": dataset.id, "name": "met", "tags": {}, "labels": [],
        "files": [Datafile(f"{cloud_store.url}/met/{number:02}.csv").generate_signed_url() for number in (0, 2)],
    }  # fmt: skip
    place = f"{cloud_store.url}/met/.signed_metadata_files/calm-crow"
    storage.write_bytes(place, json.dumps(document).encode())
    signed = Dataset(cloud.signed(place, dt.timedelta(minutes=5)))
    assert described(signed) == [one for one in described(Dataset(folder)) if one[0] in {"00.csv", "02.csv"}]


def test_datasets_of_a_manifest_are_signed_once(cloud_store, folder):
    Dataset(folder).upload(f"{cloud_store.url}/met")
    manifest = Manifest({"met": f"{cloud_store.url}/met", "here": folder})
    manifest.use_signed_urls_for_datasets()
    paths = manifest.to_primitive()["datasets"]
    assert urlsplit(paths["met"]).scheme == "http"
    assert paths["here"] == str(folder)
    manifest.use_signed_urls_for_datasets()
    assert manifest.to_primitive()["datasets"] == paths
    assert len(Manifest(paths).get_dataset("met")) == COUNT
    assert all(file.cloud_path.startswith("http") for file in manifest.get_dataset("met"))
    assert described(manifest.get_dataset("met")) == described(Dataset(folder))
    again, problems = bind_manifest(manifest, "input_manifest", None)
    assert (problems, len(again["datasets"]["met"]["files"])) == ([], COUNT)
    assert Dataset(f"{cloud_store.url}/met").hash_value == Dataset(folder).hash_value  # the new file is no data


def test_an_address_that_has_expired_is_refused(s3_store, folder):
    file = Datafile(folder / "02.csv")
    file.upload(f"{s3_store.url}/02.csv")
    url = file.generate_signed_url(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2))
    assert fetch(url) == b"xxx"
    pause, deadline, answer = threading.Event(), dt.datetime.now(dt.UTC) + dt.timedelta(seconds=20), 200
    while answer == 200:
        assert dt.datetime.now(dt.UTC) < deadline
        pause.wait(0.1)
        answer = status(url)
    assert answer == 403


def test_an_address_that_was_tampered_with_is_refused(s3_store, folder):
    for name in ("00.csv", "02.csv"):
        Datafile(folder / name).upload(f"{s3_store.url}/{name}")
    url = Datafile(f"{s3_store.url}/02.csv").generate_signed_url()
    assert status(url) == 200
    assert status(url.replace("02.csv", "00.csv")) == 403


def test_an_address_that_would_have_expired_is_not_made(cloud_store, folder):
    file = Datafile(folder / "00.csv")
    file.upload(f"{cloud_store.url}/00.csv")
    with pytest.raises(InvalidInputException, match="expired already"):
        file.generate_signed_url(dt.datetime.fromisoformat("2020-01-01"))


def test_an_address_that_would_expire_at_once_is_not_made(cloud_store, folder):
    Dataset(folder).upload(f"{cloud_store.url}/met")
    for one in (Dataset(f"{cloud_store.url}/met"), Datafile(f"{cloud_store.url}/met/00.csv")):
        with pytest.raises(InvalidInputException, match="expired already"):
            one.generate_signed_url(dt.timedelta(0))


# What is there stays


def test_writing_without_metadata_keeps_those_that_are_stored(cloud_store, folder):
    url = f"{cloud_store.url}/a.csv"
    Datafile(folder / "00.csv", ignore_stored_metadata=True, tags={"n": 1}).upload(url)
    with Datafile(url).open("w", update_metadata=False) as stream:
        stream.write("new")
    assert (Datafile(url).tags, storage.read_bytes(url)) == ({"n": 1}, b"new")
    Datafile(folder / "02.csv").upload(url, update_cloud_metadata=False)
    assert (Datafile(url).tags, storage.read_bytes(url)) == ({"n": 1}, b"xxx")


def test_what_has_changed_of_files_is_stored_with_their_objects(cloud_store, folder):
    target = f"{cloud_store.url}/met"
    Dataset(folder).upload(target)
    with Dataset(target) as dataset:
        dataset.tags["site"] = "south"
        dataset.files.one(name="00.csv").tags["number"] = 1000
        cloud_store.requests.clear()
    assert len(cloud_store.requests) < 10
    assert Datafile(f"{target}/00.csv").tags == {"number": 1000}
    again = Dataset(target)
    assert (again.tags, described(again)) == ({"site": "south"}, described(dataset))


@pytest.mark.parametrize(
    ("kind", "name"),
    [("s3_store", "a?versionId=3"), ("gcs_store", "a#1"), ("gcs_store", "a?generation=1")],
)
def test_names_that_a_store_cuts_are_refused_before_anything_is_sent(kind, name, request, tmp_path):
    store = request.getfixturevalue(kind)
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds" / name).write_text("")
    (tmp_path / "ds" / "z?#.csv").write_text("")
    for upload in (Dataset(tmp_path / "ds").upload, Datafile(tmp_path / "ds" / name).upload):
        store.requests.clear()
        with pytest.raises(InvalidInputException, match="cannot be stored") as caught:
            upload(f"{store.url}/ds" if upload.__self__.name == "ds" else f"{store.url}/ds/{name}")
        assert f"/ds/{name}'" in str(caught.value)
        assert store.requests == []
    (tmp_path / "ds" / name).unlink()
    Dataset(tmp_path / "ds").upload(f"{store.url}/ds")
    assert [file.name for file in Dataset(f"{store.url}/ds")] == ["z?#.csv"]


def test_a_local_copy_that_is_the_same_is_not_fetched(s3_store, folder):
    Datafile(folder / "02.csv").upload(f"{s3_store.url}/a.csv")
    s3_store.requests.clear()
    Datafile(f"{s3_store.url}/a.csv", local_path=folder / "02.csv")
    assert [method for method, _ in s3_store.requests] == ["HEAD"]
    Datafile(f"{s3_store.url}/a.csv", local_path=folder / "00.csv")
    assert (folder / "00.csv").read_text() == "xxx"


@pytest.mark.parametrize("kind", ["s3_moto", "gcs_store"])  # s3rver keeps the time of an object that it changes
def test_a_dataset_that_is_described_anew_does_not_hide_what_is_newer(kind, request, folder):
    store = request.getfixturevalue(kind)
    target = _described_later(store, folder)
    dataset = Dataset(target)
    dataset.tags["site"] = "south"
    dataset.update_metadata()
    _pass_time(store, target)
    dataset.update_metadata()
    assert Dataset(target).files.one(name="00.csv").tags == {"number": 1000}


def _pass_time(store: Any, target: str) -> None:
    """Wait until an object that is written is newer, by the store's clock, than all of a dataset."""
    newest = max(found.modified or 0 for found in cloud.objects(target).values())
    wait = threading.Event()
    for _ in range(400):
        storage.write_bytes(f"{store.url}/clock", b"")
        if (cloud.look_up(f"{store.url}/clock").modified or 0) > newest:
            return
        wait.wait(0.01)
    raise AssertionError(f"the clock of {store.url} stands still")


def test_new_metadata_leave_what_else_is_said_of_an_object(s3_moto):
    import s3fs

    fs = s3fs.S3FileSystem()
    url = f"{s3_moto.url}/h.csv"
    bucket, key, _ = fs.split_path(url)
    said = {"ContentEncoding": "gzip", "CacheControl": "no-cache", "StorageClass": "STANDARD_IA"}
    fs.call_s3("put_object", Bucket=bucket, Key=key, Body=b"x", **said)
    Datafile(url, tags={"a": 1}).update_metadata()
    facts = fs.call_s3("head_object", Bucket=bucket, Key=key)
    assert {name: facts.get(name) for name in said} == said
    assert Datafile(url).tags == {"a": 1}


def test_colons_in_the_name_of_an_object_are_part_of_it(cloud_store, folder):
    Datafile(folder / "02.csv").upload(f"{cloud_store.url}/ds/a::b.csv")
    (file,) = Dataset(f"{cloud_store.url}/ds")
    assert (file.name, Path(file.local_path).read_text()) == ("a::b.csv", "xxx")
