"""Pairs every benchmark with its peer and prints the ratios as the table that docs/explanation/performance.md shows."""

from __future__ import annotations

import os
from pathlib import Path

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    session = getattr(config, "_benchmarksession", None)
    groups: dict[str, dict[str, object]] = {}
    for benchmark in session.benchmarks if session else ():
        groups.setdefault(benchmark.group, {})["peer" if "peer" in benchmark.name else "ours"] = benchmark
    if not groups:
        return
    terminalreporter.section("ratios")
    terminalreporter.write_line("| what | fairlead | peer or limit | ratio | goal |")
    terminalreporter.write_line("|---|---|---|---|---|")
    for group, pair in groups.items():
        ours = pair["ours"]
        info = ours.extra_info
        limit = pair["peer"].stats.median if "peer" in pair else info["limit"]
        ratio = limit / ours.stats.median if info.get("throughput") else ours.stats.median / limit
        terminalreporter.write_line(
            f"| {group} | {1000 * ours.stats.median:.2f} ms | {1000 * limit:.2f} ms {info['against']} "
            f"| {ratio:.2f} | {info['goal']} |"
        )
