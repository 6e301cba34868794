"""What fairlead adds to tasks that do nothing: in a row, recorded, in a map, in processes, found again, imported.

Beside Outflow where that does the same, timed by itself from its first task to its last, and beside limits.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.workflow import MapWorkflow, Workflow, as_task, run
from fairlead.adapters.workflow.records import Databases, Recorder, read_run, upgrade

NUMBER = 1000
RUNS = {"rounds": 30, "warmup_rounds": 3}
IMPORT = """
import time
start = time.perf_counter()
from fairlead.adapters.workflow import (
    IdentityTask, IfThenElse, IterativeWorkflow, LoopWorkflow, MapWorkflow, MergeTask, Parameter, Skipped, Target, Task,
    Workflow, as_task, as_workflow, exit_pipeline, run,
)
print(time.perf_counter() - start)
"""


@as_task
def Nothing(x: int) -> {"x": int}:
    return x


@as_task
def Keep(x: str) -> {"x": str}:
    return x


@as_task
def Nap(x: int) -> {"x": int}:
    time.sleep(0.02)
    return x


@pytest.fixture
def row() -> Workflow:
    """1,000 tasks, one after the other."""
    with Workflow() as workflow:
        up = Nothing()
        for _ in range(NUMBER - 1):
            up = up | Nothing()
    return workflow


@pytest.fixture
def each() -> Workflow:
    """A map of one task."""
    with Workflow() as workflow, MapWorkflow():
        Nothing()
    return workflow


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[Databases]:
    """A file of SQLite with the tables of run records."""
    with Databases.at(f"sqlite:///{tmp_path / 'runs.db'}") as databases:
        upgrade(databases)
        yield databases


def outflows(outflow: Any, command: str, *, rounds: int = 7, **arguments: Any) -> dict[str, Any]:
    """Return what Outflow takes, as the limit of a row."""
    outflow("seconds", command=command, **arguments)
    times = [outflow("seconds", command=command, **arguments) for _ in range(rounds)]
    return {"limit": statistics.median(times), "against": "`outflow`"}


@pytest.mark.benchmark(group="workflow, 1,000 no-op tasks in a row")
def test_row(benchmark: Any, row: Workflow) -> None:
    benchmark.extra_info.update(limit=NUMBER * 65e-6, against="(limit)", goal="at most 1")
    assert benchmark.pedantic(lambda: run(row, {"x": 1}), **RUNS).outputs == {"x": 1}


@pytest.mark.benchmark(group="workflow, 1,000 no-op tasks in a row, beside Outflow")
def test_row_beside_outflow(benchmark: Any, row: Workflow, outflow: Any) -> None:
    benchmark.extra_info.update(outflows(outflow, "row", number=NUMBER), goal="at most 0.5")
    benchmark.pedantic(lambda: run(row, {"x": 1}), **RUNS)


def tracked(benchmark: Any, row: Workflow, databases: Databases) -> None:
    """Run tasks in a row that are all recorded, again and again, each time until the last record is written."""

    def recorded() -> None:
        with Recorder(databases, row) as recorder:
            run(row, {"x": 1}, observer=recorder)

    benchmark.pedantic(recorded, rounds=10, warmup_rounds=2)
    assert read_run(databases, "last").counts == {"success": NUMBER}


@pytest.mark.benchmark(group="workflow, 1,000 no-op tasks in a row, tracked")
def test_tracked_row(benchmark: Any, row: Workflow, databases: Databases) -> None:
    benchmark.extra_info.update(limit=NUMBER * 0.3e-3, against="(limit)", goal="under 1")
    tracked(benchmark, row, databases)


@pytest.mark.benchmark(group="workflow, 1,000 no-op tasks in a row, tracked, beside Outflow")
def test_tracked_row_beside_outflow(benchmark: Any, row: Workflow, databases: Databases, outflow: Any) -> None:
    outflow("tables")
    before = outflow("tracked")
    peer = outflows(outflow, "tracked_row", rounds=2, number=NUMBER)
    assert outflow("tracked") - before >= 3 * NUMBER
    benchmark.extra_info.update(peer, more_is_better=True, goal="at least 10")
    tracked(benchmark, row, databases)


@pytest.mark.benchmark(group="workflow, map of 1,000 no-op items")
def test_map(benchmark: Any, each: Workflow) -> None:
    benchmark.extra_info.update(limit=NUMBER * 60e-6, against="(limit)", goal="at most 1")
    result = benchmark.pedantic(lambda: run(each, {"x": range(NUMBER)}), **RUNS)
    assert result.outputs == {"x": list(range(NUMBER))}


@pytest.mark.benchmark(group="workflow, map of 1,000 no-op items, beside Outflow")
def test_map_beside_outflow(benchmark: Any, each: Workflow, outflow: Any) -> None:
    benchmark.extra_info.update(outflows(outflow, "each", number=NUMBER), goal="at most 0.5")
    benchmark.pedantic(lambda: run(each, {"x": range(NUMBER)}), **RUNS)


def in_processes(each: Workflow, number: int) -> list[int]:
    """Run a map of so many items in two processes, which are started for it."""
    outputs = run(each, {"x": range(number)}, backend="parallel", options={"workers": 2}).outputs
    found: list[int] = outputs["x"]
    return found


@pytest.mark.benchmark(group="workflow, parallel map of 1,000 no-op items, beside Outflow")
def test_parallel_map_beside_outflow(benchmark: Any, each: Workflow, outflow: Any) -> None:
    peer = outflows(outflow, "each", rounds=3, number=NUMBER, backend="parallel")
    benchmark.extra_info.update(peer, more_is_better=True, goal="at least 20")
    assert benchmark.pedantic(in_processes, (each, NUMBER), rounds=20, warmup_rounds=1) == list(range(NUMBER))


@pytest.mark.benchmark(group="workflow, parallel map of 10,000 no-op items")
def test_parallel_map_of_many_items(benchmark: Any, each: Workflow) -> None:
    times: list[float] = []
    for _ in range(10):
        start = time.perf_counter()
        in_processes(each, NUMBER)
        times.append(time.perf_counter() - start)
    limit = 10 * statistics.median(times)
    benchmark.extra_info.update(limit=limit, against="for ten times 1,000 items", goal="at most 2")
    result = benchmark.pedantic(in_processes, (each, 10 * NUMBER), rounds=10, warmup_rounds=1)
    assert result == list(range(10 * NUMBER))


@pytest.mark.benchmark(group="workflow, parallel map of 200 items of 20 ms, two processes")
def test_parallel_map_of_longer_items(benchmark: Any) -> None:
    with Workflow() as workflow, MapWorkflow():
        Nap()
    benchmark.extra_info.update(limit=2.0, against="(ideal)", more_is_better=True, goal="at least 0.9")
    assert benchmark.pedantic(in_processes, (workflow, 200), rounds=5) == list(range(200))


def hit(benchmark: Any, length: int, cache: Path) -> None:
    """Find a workflow of two tasks again, again and again."""
    with Workflow() as workflow, Workflow(cache=True):
        Keep() | as_task(lambda x: {"length": len(x)})()
    inputs = {"x": "x" * length}
    run(workflow, inputs, cache=str(cache))
    runs = list(cache.glob("*/*/logs/*"))
    assert benchmark.pedantic(lambda: run(workflow, inputs, cache=str(cache)), **RUNS).outputs == {"length": length}
    assert list(cache.glob("*/*/logs/*")) == runs


@pytest.mark.benchmark(group="workflow, cache hit, small input")
def test_hit_of_a_small_input(benchmark: Any, tmp_path: Path) -> None:
    benchmark.extra_info.update(limit=0.00035, against="(limit)", goal="at most 1")
    hit(benchmark, 10, tmp_path)


@pytest.mark.benchmark(group="workflow, cache hit, input of 10 MB")
def test_hit_of_a_large_input(benchmark: Any, tmp_path: Path) -> None:
    benchmark.extra_info.update(limit=0.01, against="(limit)", goal="at most 1")
    hit(benchmark, 10_000_000, tmp_path)


@pytest.mark.benchmark(group="workflow, import")
def test_import(benchmark: Any) -> None:
    command = [sys.executable, "-c", IMPORT]

    def imported() -> float:
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    imported()
    times: list[float] = []
    benchmark.pedantic(lambda: times.append(imported()), rounds=20)
    benchmark.extra_info.update(measured=statistics.median(times), limit=0.15, against="(limit)", goal="at most 1")
