"""Datasets with metadata: what it takes to open one, to hold one and to upload one, beside the real octue package."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.twine import Dataset
from tests.peers import Peer
from tests.stores import Store

DatasetOf = Callable[[int], Path]


def know_the_tags(folder: Path) -> list[int]:
    return [file.tags["number"] for file in Dataset(str(folder)).files]


@pytest.mark.benchmark(group="open a dataset, 2,000 files with metadata")
def test_opening(benchmark: Any, dataset_of: DatasetOf, octue: Peer) -> None:
    folder = dataset_of(2_000)
    benchmark.extra_info.update(
        limit=octue("time_opening", path=str(folder)),
        against="`octue`",
        goal="at least 20",
        more_is_better=True,
    )
    assert sorted(benchmark.pedantic(know_the_tags, (folder,), rounds=20, warmup_rounds=1)) == list(range(2_000))


@pytest.mark.benchmark(group="open a dataset, 20,000 files with metadata")
def test_opening_ten_times_as_many(benchmark: Any, dataset_of: DatasetOf) -> None:
    few, many = dataset_of(2_000), dataset_of(20_000)
    know_the_tags(few)
    start = time.perf_counter()
    for _ in range(10):
        know_the_tags(few)
    limit = time.perf_counter() - start
    benchmark.extra_info.update(limit=limit, against="for ten times 2,000 files", goal="at most 2")
    assert sorted(benchmark.pedantic(know_the_tags, (many,), rounds=5, warmup_rounds=1)) == list(range(20_000))


MEMORY = """
import sys
from fairlead.adapters.twine import Dataset

def resident():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * 4096

[file.tags for file in Dataset(sys.argv[1]).files]
before = resident()
held = list(Dataset(sys.argv[2]).files)
assert len({file.tags["number"] for file in held}) == 20_000
print(resident() - before)
"""


@pytest.mark.benchmark(group="memory for a dataset, 20,000 files with metadata")
def test_memory(benchmark: Any, dataset_of: DatasetOf) -> None:
    """A process of its own opens a small dataset, so that everything is imported, and then the large one."""
    command = [sys.executable, "-c", MEMORY, str(dataset_of(2)), str(dataset_of(20_000))]
    grown = benchmark.pedantic(subprocess.check_output, (command,), rounds=1)
    benchmark.extra_info.update(measured=int(grown) / 1e6, unit="MB", limit=100, against="(limit)", goal="under 1")


@pytest.mark.benchmark(group="requests to upload a file, dataset of 100")
def test_upload(benchmark: Any, dataset_of: DatasetOf, octue: Peer, gcs_store: Store) -> None:
    folder = str(dataset_of(100))
    octue("upload_dataset", path=folder, cloud_path=f"{gcs_store.url}/theirs", environment=gcs_store.environment)
    theirs = len(gcs_store.requests)
    gcs_store.requests.clear()
    benchmark.pedantic(lambda: Dataset(folder).upload(f"{gcs_store.url}/ours"), rounds=1)
    ours = len(gcs_store.requests)
    benchmark.extra_info.update(
        measured=ours / 100, unit="requests", limit=theirs / 100, against="`octue`", goal="2 requests, at most 0.34"
    )
    assert ours <= 2 * 100
