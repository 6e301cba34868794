"""How fast an input dataset is identified, against the blake3 package on the same bytes."""
# ruff: noqa: PTH118, PTH123
# The peer is written for speed.

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from fairlead.adapters.fingerprint import fingerprint
from fairlead.adapters.twine import TwineApp

TWINE = '{"input_manifest": {"datasets": {"data": {}}}}'
GOAL = {"more_is_better": True, "goal": "at least 0.8"}


@pytest.fixture
def app(tmp_path: Path) -> TwineApp:
    (tmp_path / "twine.json").write_text(TWINE)
    (tmp_path / "app.py").write_text("def run(analysis):\n    pass\n")
    return TwineApp(tmp_path)


def identify(app: TwineApp, dataset: Path) -> str:
    """All that a host does before it knows whether the work was done before."""
    return fingerprint(app.bind({"input_manifest": {"datasets": {"data": str(dataset)}}}).identity)


@pytest.mark.benchmark(group="fingerprint, one file of 1 GiB")
def test_one_large_file(benchmark: Any, app: TwineApp, one_large_file: Path) -> None:
    benchmark.extra_info.update(against="`blake3`, mapped, all threads", **GOAL)
    benchmark.pedantic(identify, (app, one_large_file.parent), rounds=10, warmup_rounds=1)


@pytest.mark.benchmark(group="fingerprint, one file of 1 GiB")
def test_peer_on_one_large_file(benchmark: Any, one_large_file: Path) -> None:
    def peer() -> str:
        return blake3(max_threads=blake3.AUTO).update_mmap(one_large_file).hexdigest()

    benchmark.pedantic(peer, rounds=10, warmup_rounds=1)


@pytest.mark.benchmark(group="fingerprint, 10,000 files of 4 KiB")
def test_many_small_files(benchmark: Any, app: TwineApp, many_small_files: Path) -> None:
    benchmark.extra_info.update(against="`blake3` in a loop over the sorted tree", **GOAL)
    benchmark.pedantic(identify, (app, many_small_files), rounds=10, warmup_rounds=1)


@pytest.mark.benchmark(group="fingerprint, 10,000 files of 4 KiB")
def test_peer_on_many_small_files(benchmark: Any, many_small_files: Path) -> None:
    def peer() -> list[str]:
        paths = sorted(os.path.join(folder, name) for folder, _, names in os.walk(many_small_files) for name in names)
        digests = []
        for path in paths:
            with open(path, "rb") as stream:
                digests.append(blake3(stream.read()).hexdigest())
        return digests

    assert len(benchmark.pedantic(peer, rounds=10, warmup_rounds=1)) == 10_000
