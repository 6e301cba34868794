"""What fairlead adds to tasks that do nothing: in a row, in a map, found again; and what it costs to import.

Beside Outflow where that does the same, timed by itself from its first task to its last, and beside limits.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.workflow import MapWorkflow, Workflow, as_task, run

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


def outflows(outflow: Any, command: str, **arguments: Any) -> dict[str, Any]:
    """Return what Outflow takes, as the limit of a row."""
    outflow("seconds", command=command, **arguments)
    times = [outflow("seconds", command=command, **arguments) for _ in range(7)]
    return {"limit": statistics.median(times), "against": "`outflow`"}


@pytest.mark.benchmark(group="workflow, 1,000 no-op tasks in a row")
def test_row(benchmark: Any, row: Workflow) -> None:
    benchmark.extra_info.update(limit=NUMBER * 65e-6, against="(limit)", goal="at most 1")
    assert benchmark.pedantic(lambda: run(row, {"x": 1}), **RUNS).outputs == {"x": 1}


@pytest.mark.benchmark(group="workflow, 1,000 no-op tasks in a row, beside Outflow")
def test_row_beside_outflow(benchmark: Any, row: Workflow, outflow: Any) -> None:
    benchmark.extra_info.update(outflows(outflow, "row", number=NUMBER), goal="at most 0.5")
    benchmark.pedantic(lambda: run(row, {"x": 1}), **RUNS)


@pytest.mark.benchmark(group="workflow, map of 1,000 no-op items")
def test_map(benchmark: Any, each: Workflow) -> None:
    benchmark.extra_info.update(limit=NUMBER * 60e-6, against="(limit)", goal="at most 1")
    result = benchmark.pedantic(lambda: run(each, {"x": range(NUMBER)}), **RUNS)
    assert result.outputs == {"x": list(range(NUMBER))}


@pytest.mark.benchmark(group="workflow, map of 1,000 no-op items, beside Outflow")
def test_map_beside_outflow(benchmark: Any, each: Workflow, outflow: Any) -> None:
    benchmark.extra_info.update(outflows(outflow, "each", number=NUMBER), goal="at most 0.5")
    benchmark.pedantic(lambda: run(each, {"x": range(NUMBER)}), **RUNS)


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
