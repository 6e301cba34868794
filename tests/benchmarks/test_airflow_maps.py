"""What chunks save in Airflow: a map of many short items, against the same with a task for each item."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.server import Server
from tests.postgres import Postgres

PYTHON = Path(__file__).parents[2] / ".venv-airflow" / "bin" / "python"
ITEMS, PART, FEW = 1000, 100, 10
DAGS = '''
"""Airflow: a map of short items."""

from fairlead.adapters.workflow import MapWorkflow, as_task
from fairlead.operators import workflow_dag


@as_task
def short(item: int) -> {"done": int}:
    return {"done": item + 1}


for name, chunk in (("auto", "auto"), ("each", 1)):
    mapping = MapWorkflow(short(), name="shorts", map_on={"items": "item"})
    workflow_dag(mapping, dag_id=name, inputs={"items": [0]}, chunk=chunk)
'''


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Server]:
    """An Airflow with a LocalExecutor and PostgreSQL."""
    postgres.do("CREATE DATABASE airflow")
    settings = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.url("airflow").replace("://", "+psycopg2://"),
        "AIRFLOW__CORE__PARALLELISM": "16",
    }
    home = tmp_path_factory.mktemp("airflow")
    server = Server(home, {"shorts.py": DAGS}, 2, python=str(PYTHON), settings=settings)
    yield server
    server.close()


@pytest.mark.timeout(1200)
@pytest.mark.benchmark(group="Airflow, map of 1,000 short items")
def test_many_short_items(benchmark: Any, airflow: Server) -> None:
    seconds: list[float] = []

    def run(dag_id: str, number: int) -> None:
        start = time.perf_counter()
        _, state = airflow.run(dag_id, {"items": list(range(number))}, limit=900)
        seconds.append(time.perf_counter() - start)
        assert state == "success"

    run("each", FEW)
    run("each", PART)
    few, part = seconds
    seconds.clear()
    each = part + (ITEMS - PART) * (part - few) / (PART - FEW)
    benchmark.pedantic(run, ("auto", ITEMS), rounds=3, warmup_rounds=1)
    benchmark.extra_info.update(
        measured=statistics.median(seconds[1:]),
        limit=each,
        unit="s",
        against=f"a task for each item (reckoned from {FEW} and {PART})",
        more_is_better=True,
        goal="at least 20",
    )
