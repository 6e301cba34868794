"""How datasets travel between here and a store: with all that is known, and whole, or known not to be."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters import storage
from fairlead.adapters.twine import Datafile, Dataset
from fairlead.adapters.twine.exceptions import CloudLocationNotSpecified, InvalidInputException, ReadOnlyResource
from fairlead.adapters.twine.manifests import bind_manifest
from fairlead.adapters.twine.resources import listing, metadata, transfer

# What arrives


def test_a_dataset_arrives_with_all_that_is_known(folder, root):
    with Dataset(folder, tags={"a": 1}, labels=["l"]) as dataset:
        for number, file in enumerate(dataset):
            file.tags["n"] = number
            file.timestamp = number
    assert dataset.upload(root) == root
    there = Dataset(root)
    assert (there.id, there.name, there.tags, there.labels) == (dataset.id, "ds", {"a": 1}, {"l"})
    assert [(file.name, file.tags, file.posix_timestamp) for file in there] == [
        ("a.csv", {"n": 0}, 0), ("b.csv", {"n": 1}, 1),
    ]  # fmt: skip
    assert Datafile(f"{root}/inner/b.csv").tags == {"n": 1}
    assert sorted(storage.walk(root)) == [".octue", "a.csv", "inner/.octue", "inner/b.csv"]


def test_an_upload_replaces_what_is_known_of_its_files_only(folder, root):
    Dataset(folder).upload(root)
    storage.write_bytes(f"{root}/other.csv", b"")
    for name in ("other.csv", "inner/b.csv"):
        other = Datafile(f"{root}/{name}", ignore_stored_metadata=True, tags={"kept": name})
        other.update_metadata()
    assert Dataset(root).files.one(name="b.csv").tags == {"kept": "inner/b.csv"}
    again = Dataset(folder)
    again.files.one(name="b.csv").tags["n"] = 1
    again.upload(root)
    assert [file.tags for file in Dataset(root)] == [{}, {"n": 1}, {"kept": "other.csv"}]


def test_a_dataset_comes_back_with_all_that_is_known(folder, memory, tmp_path):
    with Dataset(folder, tags={"a": 1}) as dataset:
        dataset.files.one(name="b.csv").tags["n"] = 1
    dataset.upload(memory)
    Dataset(memory).download(tmp_path / "back")
    back = Dataset(tmp_path / "back")
    assert (back.id, back.tags) == (dataset.id, {"a": 1})
    assert {file.local_path: file.tags for file in back} == {
        f"{tmp_path}/back/a.csv": {}, f"{tmp_path}/back/inner/b.csv": {"n": 1},
    }  # fmt: skip


def test_a_download_without_a_place_goes_to_temporary_files(folder, memory, scratch):
    Dataset(folder).upload(memory)
    there = Dataset(memory)
    there.download()
    assert sorted(Path(file.local_path).read_text() for file in there) == ["a", "bb"]
    assert all(file.local_path.startswith(str(scratch)) for file in there)
    del there
    gc.collect()
    assert [*scratch.iterdir()] == []


def test_what_is_fetched_for_an_upload_alone_does_not_stay(folder, memory, scratch):
    Dataset(folder).upload(memory)
    there = Dataset(memory)
    there.upload(f"{memory}/copy")
    assert [*scratch.iterdir()] == []
    assert sorted(Path(file.local_path).read_text() for file in there) == ["a", "bb"]


def test_an_upload_without_metadata_leaves_none(folder, root):
    Dataset(folder, tags={"a": 1}).upload(root, update_cloud_metadata=False)
    assert storage.walk(root) == ["a.csv", "inner/b.csv"]
    Dataset(folder, tags={"a": 1}).upload(root)
    Dataset(folder, tags={"a": 2}).upload(root, update_cloud_metadata=False)
    assert Dataset(root).tags == {"a": 1}


def test_files_know_where_they_have_been_uploaded_to(folder, memory):
    dataset = Dataset(folder)
    assert not dataset.all_files_are_in_cloud
    dataset.upload(memory)
    assert {file.cloud_path: file.local_path for file in dataset} == {
        f"{memory}/a.csv": f"{folder}/a.csv", f"{memory}/inner/b.csv": f"{folder}/inner/b.csv",
    }  # fmt: skip
    assert dataset.all_files_are_in_cloud
    assert (dataset.path, dataset.name, dataset.exists_in_cloud) == (memory, "ds", True)


def test_a_dataset_that_was_uploaded_to_a_folder_is_there(folder, tmp_path):
    dataset = Dataset(folder)
    assert dataset.upload(tmp_path / "a" / "b") == dataset.path == str(tmp_path / "a" / "b")
    assert dataset.name == "ds"
    assert [file.local_path for file in dataset] == [f"{tmp_path}/a/b/a.csv", f"{tmp_path}/a/b/inner/b.csv"]
    assert (folder / "a.csv").exists()


def test_two_files_of_one_name_are_not_uploaded(folder, memory):
    (folder.parent / "a.csv").write_text("other")
    with pytest.raises(InvalidInputException, match=r"two files of the dataset are named 'a\.csv'"):
        Dataset(files=[folder / "a.csv", folder.parent / "a.csv"]).upload(memory)
    assert storage.walk(memory) == []


def test_a_name_that_leads_out_is_not_downloaded(memory, tmp_path):
    storage.write_bytes(f"{memory}/x.csv", b"")
    dataset = Dataset(f"{memory}/met", files=[f"{memory}/met/../x.csv"])
    with pytest.raises(InvalidInputException, match=r"'\.\./x\.csv' leads out"):
        dataset.download(tmp_path / "inner" / "here")
    assert not (tmp_path / "inner").exists()


def test_a_dataset_that_is_here_says_so(folder):
    with pytest.raises(CloudLocationNotSpecified, match="You can only download files from a cloud dataset"):
        Dataset(folder).download()
    for action in (Dataset.upload, Dataset.generate_signed_url, Dataset.update_cloud_metadata):
        with pytest.raises(CloudLocationNotSpecified):
            action(Dataset(folder))


def test_a_web_address_is_read_only(folder, serve):
    dataset = Dataset(f"{serve(folder)}/.signed_metadata_files/x", files=[folder / "a.csv"])
    for action in (dataset.upload, dataset.update_metadata):
        with pytest.raises(ReadOnlyResource, match="read-only"):
            action()


# What is stored afterwards


def test_what_has_changed_of_files_in_a_store_is_stored_with_the_dataset(folder, memory, monkeypatch):
    Dataset(folder).upload(memory)
    late = Dataset(memory)
    with Dataset(memory) as dataset:
        dataset.tags["k"] = 1
        dataset.files.one(name="b.csv").tags["n"] = [1]
    again = Dataset(memory)
    assert (again.tags, [file.tags for file in again]) == ({"k": 1}, [{}, {"n": [1]}])
    late.update_metadata()  # knows nothing new of the files
    with dataset:
        dataset.files.one(name="b.csv").tags["n"].append(2)
    assert [file.tags for file in Dataset(memory)] == [{}, {"n": [1, 2]}]


def test_files_that_were_uploaded_can_be_described_afterwards(folder, memory):
    dataset = Dataset(folder)
    dataset.upload(memory)
    dataset.files.one(name="a.csv").tags["n"] = 1
    dataset.update_metadata()
    assert [file.tags for file in Dataset(memory)] == [{"n": 1}, {}]


def test_an_upload_keeps_what_others_store_meanwhile(folder, tmp_path, monkeypatch):
    target = tmp_path / "target"
    Dataset(folder).upload(target)
    (target / "other.csv").write_text("")
    real = transfer.send

    def send(*arguments: Any, **options: Any) -> None:
        Datafile(target / "other.csv", tags={"n": 1}).update_metadata()
        real(*arguments, **options)

    monkeypatch.setattr(transfer, "send", send)
    (folder / "a.csv").write_text("new")
    Dataset(folder, tags={"a": 1}).upload(target)
    assert Dataset(target).files.one(name="other.csv").tags == {"n": 1}


# Whole, or known not to be


UPLOAD = """
import sys, threading
from fairlead.adapters.twine import Dataset
from fairlead.adapters.twine.resources import transfer

source, target, stop = sys.argv[1], sys.argv[2], int(sys.argv[3])
turn, steps = threading.Lock(), 0

def stopping(step):
    def run(*arguments, **options):
        global steps
        with turn:
            if steps == stop:
                print("ready", flush=True)
                threading.Event().wait()
            steps += 1
        return step(*arguments, **options)
    return run

transfer.send, transfer.metadata.update = stopping(transfer.send), stopping(transfer.metadata.update)
Dataset(source).upload(target)
"""


def interrupted_upload(source: Path, target: str, after: int) -> None:
    """Upload in a process of its own, which is killed when it has taken a number of steps."""
    process = subprocess.Popen([sys.executable, "-c", UPLOAD, source, target, str(after)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def several(tmp_path: Path) -> Path:
    folder = tmp_path / "several"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.csv").write_text(str(number) * 1000)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "s3_store", "gcs_store"])
def test_interrupted_uploads_leave_no_dataset_that_looks_complete(several, tmp_path, place, request):
    target = str(tmp_path / "target") if place == "folder" else f"{request.getfixturevalue(place).url}/data/set"
    for after in (1, 2, 4, 8, 9):
        for file in several.iterdir():  # what has arrived already, and did not change, would not be sent again
            file.write_text(f"{after} of {file.name}")
        interrupted_upload(several, target, after)
        with pytest.raises(InvalidInputException, match="not whole: an upload of 8 files to it was not finished"):
            Dataset(target)
        _, (problem,) = bind_manifest({"datasets": {"d": target}}, "input_manifest", None)
        assert "not whole" in problem.found
    Dataset(several).upload(target)
    assert [file.name for file in Dataset(target)] == [file.name for file in Dataset(several)]
    assert Dataset(target).hash_value == Dataset(several).hash_value


def test_what_is_being_replaced_does_not_look_complete_either(several, root, monkeypatch):
    Dataset(several).upload(root)

    def fail(*_: object, **__: object) -> None:
        raise OSError("the network is down")

    with monkeypatch.context() as patch:
        patch.setattr(transfer, "send", fail)
        with pytest.raises(OSError, match="network"):
            Dataset(several).upload(root)
    with pytest.raises(InvalidInputException, match="not whole"):
        Dataset(root)
    Dataset(several).upload(root)
    assert len(Dataset(root)) == 8


def test_a_download_that_breaks_off_does_not_look_complete(several, memory, tmp_path):
    Dataset(several).upload(memory)
    there = Dataset(memory)
    storage.remove(f"{memory}/5.csv")
    with pytest.raises(FileNotFoundError):
        there.download(tmp_path / "back")
    with pytest.raises(InvalidInputException, match="a download of 8 files to it was not finished; download it again"):
        Dataset(tmp_path / "back")


def test_describing_a_dataset_does_not_make_it_whole(folder, memory):
    Dataset(folder).upload(memory)
    dataset = Dataset(memory)
    dataset.files.one(name="a.csv").tags["n"] = 1
    metadata.update(memory, lambda records: records.update(unfinished={"files": 2}))
    dataset.update_metadata()
    with pytest.raises(InvalidInputException, match="not whole"):
        Dataset(memory)


def test_uploads_into_one_folder_take_turns(tmp_path, monkeypatch):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    target, errors = tmp_path / "target", []
    arrived, going = threading.Event(), threading.Event()
    real = shutil.copyfile

    def slowly(source: Any, *rest: Any, **options: Any) -> Any:
        done = real(source, *rest, **options)
        if str(source).endswith("/a/a"):
            arrived.set()
            assert going.wait(30)
        return done

    def upload(name: str) -> None:
        try:
            Dataset(tmp_path / name).upload(target)
        except Exception as error:  # noqa: BLE001 (told by the test)
            errors.append(error)

    monkeypatch.setattr(shutil, "copyfile", slowly)
    first, second = (threading.Thread(target=upload, args=name) for name in "ab")
    first.start()
    assert arrived.wait(30)
    second.start()
    second.join(0.3)  # without turns, it would be done by now, and have removed what the first one is writing
    assert "unfinished" in json.loads((target / ".octue").read_text())
    going.set()
    first.join(30)
    second.join(30)
    assert errors == []
    assert [file.name for file in Dataset(target)] == ["a", "b"]
    assert sorted(path.name for path in target.iterdir()) == [".octue", "a", "b"]


def test_a_turn_is_over_when_its_process_was_killed(folder, tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / transfer._TURN).write_text("")
    Dataset(folder).upload(tmp_path / "target")
    assert not (tmp_path / "target" / transfer._TURN).exists()


def test_of_many_transfers_only_a_few_run_at_the_same_time():
    running, most, lock = 0, 0, threading.Lock()
    gate = threading.Barrier(listing.AT_ONCE)

    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        if number < listing.AT_ONCE:
            gate.wait(10)
        with lock:
            running -= 1
        return number

    assert [*listing.at_once(work, range(200))] == [*range(200)]
    assert most == listing.AT_ONCE
