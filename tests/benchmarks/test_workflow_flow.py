"""How fast a map runs in Prefect, against a flow that is written by hand; both on a server of their own.

Measured is the processor time of the flow's process. The wall clock says little here: a flow run takes a second by
itself, in which it does nothing, and the server is still busy with the events of one run when the next one begins.
"""
# Outputs of tasks are annotated by name.

from __future__ import annotations

import time
from typing import Any

import pytest

pytest.importorskip("prefect")

from fairlead.adapters.workflow import MapWorkflow, as_task

pytestmark = pytest.mark.timeout(600)
ITEMS = 1_000
ROUNDS = 2


@as_task
def nothing(n: int) -> {"n": int}:  # type: ignore[valid-type]
    return {"n": n}


def each() -> Any:
    with MapWorkflow(name="each") as made:
        nothing()
    return made


@pytest.fixture(scope="module")
def seconds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """The processor time of each of the three, in seconds; the least of several rounds, in turn."""
    from prefect import flow, task
    from prefect.settings import PREFECT_HOME, PREFECT_LOGGING_LEVEL, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    from fairlead.flows import workflow_flow

    @task
    def by_hand(n: int) -> int:
        return n

    @flow
    def peer(numbers: list[int]) -> list[int]:
        return by_hand.map(numbers).result()

    cache = tmp_path_factory.mktemp("cache")
    flows = {
        "peer": lambda: peer(list(range(ITEMS))),
        "one by one": lambda: one_by_one(n=list(range(ITEMS))),
        "in chunks": lambda: in_chunks(n=list(range(ITEMS))),
    }
    found: dict[str, list[float]] = {name: [] for name in flows}
    settings = {PREFECT_HOME: tmp_path_factory.mktemp("prefect"), PREFECT_LOGGING_LEVEL: "WARNING"}
    with temporary_settings(settings), prefect_test_harness(server_startup_timeout=120):
        one_by_one = workflow_flow(each(), chunk=1, cache=cache)
        in_chunks = workflow_flow(each(), chunk=50, cache=cache)
        for _ in range(ROUNDS):
            for name, run in flows.items():
                start = time.process_time()
                run()
                found[name].append(time.process_time() - start)
    return {name: min(times) for name, times in found.items()}


@pytest.mark.benchmark(group="Prefect, map of 1,000 items, a task run each")
def test_one_by_one(benchmark: Any, seconds: dict[str, float]) -> None:
    benchmark.extra_info.update(
        against="`task.map`", goal="at most 1.05", measured=seconds["one by one"], limit=seconds["peer"], unit="s"
    )
    benchmark.pedantic(lambda: None)


@pytest.mark.benchmark(group="Prefect, map of 1,000 items, chunk=50")
def test_in_chunks(benchmark: Any, seconds: dict[str, float]) -> None:
    benchmark.extra_info.update(
        against="`task.map`",
        more_is_better=True,
        goal="at least 20",
        measured=seconds["in chunks"],
        limit=seconds["peer"],
        unit="s",
    )
    benchmark.pedantic(lambda: None)
