"""What fairlead writes about files, the real octue package reads, and the other way round: see tests/peers.py."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.adapters import twine
from fairlead.adapters.twine import Datafile, Dataset, Manifest
from tests.octue_peer import described, write
from tests.peers import Peer

pytestmark = pytest.mark.slow
EXAMPLES = settings(max_examples=60)

LABELS = st.lists(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
TAGS = st.dictionaries(st.from_regex(r"[a-z0-9]([a-z0-9_]{0,8}[a-z0-9])?", fullmatch=True), JSON, max_size=4)
# The newest octue remembers what it has read by a file's id, whatever the folder, so that ids must never come again.
IDS = st.builds(lambda: str(uuid.uuid4()))
TIMES = st.none() | st.datetimes(
    dt.datetime(1971, 1, 1),  # noqa: DTZ001 (Octue's have no time zone if they come from numbers)
    dt.datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([None, dt.UTC, dt.timezone(dt.timedelta(hours=-3, minutes=-30))]),
)
FILES = st.dictionaries(
    st.text("abcé日 -_.1", min_size=1, max_size=12).filter(lambda name: name.strip(".")),
    st.fixed_dictionaries({"id": IDS, "tags": TAGS, "labels": LABELS, "timestamp": TIMES}),
    min_size=1,
    max_size=4,
)
DATASETS = st.fixed_dictionaries({"id": IDS, "name": st.text(min_size=1, max_size=8), "tags": TAGS, "labels": LABELS})


@pytest.fixture(params=["octue", "newest_octue"], scope="module")
def octue(request) -> Peer:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("datasets")


def folder_of(folders: Path, names: Any) -> str:
    """Make a folder with files of these names, each with other content."""
    folder = Path(tempfile.mkdtemp(dir=folders))
    for i, name in enumerate(names):
        (folder / name).write_bytes(name.encode() * i)
    return str(folder)


def sent(files: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Put timestamps into Octue's JSON."""
    return {name: file | {"timestamp": as_json(file["timestamp"])} for name, file in files.items()}


def as_json(time: dt.datetime | None) -> Any:
    return time and {"_type": "datetime", "value": time.isoformat()}


@EXAMPLES
@given(files=FILES, metadata=DATASETS)
def test_octue_reads_the_metadata_that_fairlead_writes(octue, folders, files, metadata):
    folder = folder_of(folders, files)
    ours = described(write(twine, folder, files, metadata))
    assert {**ours, "hash": 0, "files": {}} == {
        **metadata,
        "labels": sorted(set(metadata["labels"])),
        "hash": 0,
        "files": {},
    }
    assert octue("read_dataset", path=folder) == ours


@EXAMPLES
@given(files=FILES, metadata=DATASETS)
def test_fairlead_reads_the_metadata_that_octue_writes(octue, folders, files, metadata):
    folder = folder_of(folders, files)
    octue("write_dataset", path=folder, files=sent(files), dataset=metadata)
    ours = described(Dataset(folder))
    assert ours == octue("read_dataset", path=folder)
    assert {name: file["tags"] for name, file in ours["files"].items()} == {
        name: file["tags"] for name, file in files.items()
    }


@EXAMPLES
@given(files=FILES, metadata=DATASETS, later=FILES)
def test_each_keeps_what_the_other_has_written_before(octue, folders, files, metadata, later):
    folder = folder_of(folders, {**files, **later})
    octue("write_dataset", path=folder, files=sent(files), dataset=metadata)
    for name, file in later.items():
        Datafile(f"{folder}/{name}", ignore_stored_metadata=True, **file).update_local_metadata()
    seen = octue("read_dataset", path=folder)
    assert seen == described(Dataset(folder))
    assert {name: file["id"] for name, file in seen["files"].items()} == {
        name: file["id"] for name, file in {**files, **later}.items()
    }


@EXAMPLES
@given(files=FILES, metadata=DATASETS, identity=IDS, name=st.none() | st.text(min_size=1, max_size=8))
def test_octue_reads_the_manifests_that_fairlead_writes(octue, folders, files, metadata, identity, name):
    folder = folder_of(folders, files)
    write(twine, folder, files, metadata)
    chosen = Dataset(files=[f"{folder}/{file}" for file in files], path=folder, **metadata)
    manifest = Manifest(datasets={"whole": folder, "chosen": chosen}, id=identity, name=name)
    read = octue("read_manifest", text=manifest.serialise())
    assert (read["id"], read["hash"]) == (identity, manifest.hash_value)
    assert read["name"] == manifest.name
    assert read["datasets"] == {key: described(dataset) for key, dataset in manifest.datasets.items()}


@EXAMPLES
@given(files=FILES, metadata=DATASETS, identity=IDS, name=st.none() | st.text(min_size=1, max_size=8))
def test_fairlead_reads_the_manifests_that_octue_writes(octue, folders, files, metadata, identity, name):
    folder = folder_of(folders, files)
    octue("write_dataset", path=folder, files=sent(files), dataset=metadata)
    chosen = {"files": [f"{folder}/{file}" for file in files], "path": folder, **metadata}
    text = octue("write_manifest", datasets={"whole": folder, "chosen": chosen}, id=identity, name=name)
    manifest = Manifest.deserialise(text, from_string=True)
    read = octue("read_manifest", text=text)
    assert (manifest.id, manifest.name, manifest.hash_value) == (identity, read["name"], read["hash"])
    assert {key: described(dataset) for key, dataset in manifest.datasets.items()} == read["datasets"]


@EXAMPLES
@given(
    value=st.none()
    | st.text(max_size=20)
    | st.integers()
    | st.floats(allow_nan=False)
    | st.lists(st.integers(), max_size=5)
    | st.lists(st.text(max_size=5), max_size=5)
    | st.dictionaries(st.text(max_size=4), JSON, max_size=1)
)
def test_hashes_of_values_are_equal(octue, value):
    assert Dataset.hash_non_class_object(value) == octue("hash_of", value=value)


CLOUD_FILES = {
    "a.csv": {
        "id": "5d2f6d80-3c79-4a44-9c2c-2d7d0ec4f9a0",
        "tags": {"height": 80.5},
        "labels": ["raw"],
        "timestamp": None,
    },
    "b-2.csv": {
        "id": "0d2b0b3e-40b3-4e17-b3e8-0b8a5d8f6f10",
        "tags": {"note": "“ü”", "list": [1, {"a": None}]},
        "labels": ["raw", "mast-1"],
        "timestamp": dt.datetime(2021, 3, 4, 5, 6, 7, 8, tzinfo=dt.UTC),
    },
}
CLOUD_DATASET = {"id": "8c3f0d43-4a0b-4d63-8d0e-6f0f3c1c9a11", "name": "met", "tags": {"site": "x"}, "labels": ["raw"]}


def test_octue_reads_a_dataset_that_fairlead_has_uploaded(octue, gcs_store, folders):
    folder = folder_of(folders, CLOUD_FILES)
    dataset = write(twine, folder, CLOUD_FILES, CLOUD_DATASET)
    ours = described(dataset)
    dataset.upload(f"{gcs_store.url}/met")
    assert octue("read_dataset", path=f"{gcs_store.url}/met", environment=gcs_store.environment) == ours


def test_fairlead_reads_a_dataset_that_octue_has_uploaded(octue, gcs_store, folders):
    folder = folder_of(folders, CLOUD_FILES)
    octue("write_dataset", path=folder, files=sent(CLOUD_FILES), dataset=CLOUD_DATASET)
    expected = octue("read_dataset", path=folder)
    octue("upload_dataset", path=folder, cloud_path=f"{gcs_store.url}/met", environment=gcs_store.environment)
    assert described(Dataset(f"{gcs_store.url}/met")) == expected


def test_octue_reads_a_dataset_that_fairlead_has_signed(octue, gcs_store, folders):
    folder = folder_of(folders, CLOUD_FILES)
    dataset = write(twine, folder, CLOUD_FILES, CLOUD_DATASET)
    dataset.upload(f"{gcs_store.url}/met")
    address = Dataset(f"{gcs_store.url}/met").generate_signed_url()
    seen = octue("read_dataset", path=address, environment=gcs_store.environment)
    assert seen == described(Dataset(folder))


def test_fairlead_reads_a_dataset_that_octue_has_signed(octue, gcs_store, folders):
    folder = folder_of(folders, CLOUD_FILES)
    octue("write_dataset", path=folder, files=sent(CLOUD_FILES), dataset=CLOUD_DATASET)
    octue("upload_dataset", path=folder, cloud_path=f"{gcs_store.url}/met", environment=gcs_store.environment)
    address = octue("sign_dataset", cloud_path=f"{gcs_store.url}/met", environment=gcs_store.environment)
    assert described(Dataset(address)) == octue("read_dataset", path=folder)


def test_a_manifest_survives_both_ways_as_a_file(octue, folders, tmp_path):
    folder = folder_of(folders, CLOUD_FILES)
    write(twine, folder, CLOUD_FILES, CLOUD_DATASET)
    Manifest(datasets={"met": folder}).to_file(str(tmp_path / "manifest.json"))
    text = (tmp_path / "manifest.json").read_text()
    assert octue("read_manifest", text=text)["datasets"]["met"] == described(Dataset(folder))
    assert json.loads(text)["datasets"] == {"met": folder}
