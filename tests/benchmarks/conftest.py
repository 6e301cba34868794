"""Pairs every benchmark with its peer and prints the ratios as the table that docs/explanation/performance.md shows."""

from __future__ import annotations

import functools
import json
import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def noop_app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app that takes a number and does nothing."""
    folder = tmp_path_factory.mktemp("noop")
    (folder / "twine.json").write_text('{"input_values_schema": {"type": "object"}}')
    (folder / "app.py").write_text("def run(analysis):\n    pass\n")
    return folder


@pytest.fixture(scope="session")
def one_large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1 GiB that does not compress."""
    path = tmp_path_factory.mktemp("large") / "large.bin"
    block = os.urandom(1 << 24)
    with path.open("wb") as stream:
        for _ in range(64):
            stream.write(block)
    return path


@pytest.fixture(scope="session")
def many_small_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 files of 4 KiB in 100 folders."""
    root = tmp_path_factory.mktemp("many")
    for i in range(100):
        folder = root / f"{i:03}"
        folder.mkdir()
        for j in range(100):
            (folder / f"{j:03}.bin").write_bytes(os.urandom(4096))
    return root


@pytest.fixture(scope="session")
def dataset_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A folder of so many files, each with its entry in the folder's ``.octue``."""

    @functools.cache
    def make(count: int) -> Path:
        folder = tmp_path_factory.mktemp(f"dataset-{count}-")
        datafiles = {}
        for i in range(count):
            name = f"measurement-{i:05}.csv"
            (folder / name).write_text(f"{i}\n")
            datafiles[name] = {
                "id": str(uuid.UUID(int=i, version=4)),
                "timestamp": None,
                "tags": {"number": i, "mast": "north"},
                "labels": {"_type": "set", "items": ["measured", "raw"]},
                "sdk_version": "0.38.1",
            }
        dataset = {"id": str(uuid.UUID(int=count, version=4)), "name": "met", "tags": {}, "labels": []}
        (folder / ".octue").write_text(json.dumps({"dataset": dataset, "datafiles": datafiles}, indent=4) + "\n")
        return folder

    return make


def is_missed(ratio: float, goal: str) -> bool:
    """Tell whether a ratio misses a goal, which ends in ``at least``, ``at most`` or ``under`` and a number."""
    found = re.search(r"(at least|at most|under) ([0-9.]+)$", goal)
    assert found, goal
    limit = float(found[2])
    return {"at least": ratio < limit, "at most": ratio > limit, "under": ratio >= limit}[found[1]]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session in which a goal was missed."""
    rows = ratios(session.config)
    if session.exitstatus == 0 and any(is_missed(ratio, str(info["goal"])) for *_, ratio, info in rows):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = ratios(config)
    if not rows:
        return
    terminalreporter.section("ratios")
    terminalreporter.write_line("| what | fairlead | peer or limit | ratio | goal |")
    terminalreporter.write_line("|---|---|---|---|---|")
    for group, measured, limit, ratio, info in rows:
        unit, factor = (info["unit"], 1) if "unit" in info else ("ms", 1000)
        terminalreporter.write_line(
            f"| {group} | {factor * measured:.2f} {unit} | {factor * limit:.2f} {unit} {info['against']} "
            f"| {ratio:.2f} | {info['goal']} |"
        )
    for group, _, _, ratio, info in rows:
        if is_missed(ratio, str(info["goal"])):
            terminalreporter.write_line(f"GOAL MISSED: {group}: {ratio:.2f}, {info['goal']}")


def ratios(config: pytest.Config) -> list[tuple[str, float, float, float, dict[str, Any]]]:
    """Return for each group what was measured, its peer or limit, their ratio and what else is known of it."""
    session = getattr(config, "_benchmarksession", None)
    groups: dict[str, dict[str, Any]] = {}
    for benchmark in session.benchmarks if session else ():
        groups.setdefault(benchmark.group, {})["peer" if "peer" in benchmark.name else "ours"] = benchmark
    rows = []
    for group, pair in groups.items():
        info = pair["ours"].extra_info
        # What is no time is measured by the test and says its unit.
        measured = info.get("measured", pair["ours"].stats.median)
        limit = pair["peer"].stats.median if "peer" in pair else info["limit"]
        ratio = limit / measured if info.get("more_is_better") else measured / limit
        rows.append((group, measured, limit, ratio, info))
    return rows
