"""What only a real scheduler shows of workflows: processes that are killed, and tasks that are cleared."""

import pytest

pytest.importorskip("airflow")

from tests.airflow.server import Server

pytestmark = pytest.mark.slow

DAGS = '''
"""Workflows in Airflow."""

import os
import signal
from pathlib import Path

from fairlead.adapters.workflow import IterativeWorkflow, MapWorkflow, as_task, as_workflow
from fairlead.operators import workflow_dag

LEDGER = {ledger!r}  # a text: of a path, what is in the file would count


def times(line):
    with open(LEDGER, "a") as file:
        file.write(line + "\\n")
    return Path(LEDGER).read_text().split().count(line)


@as_task
def names() -> {{"names": list}}:
    return {{"names": ["a", "b", "c"]}}


@as_task
def greet(name: str) -> {{"greeting": str}}:
    times(name)
    return {{"greeting": "hello " + name}}


@as_task
def step(number: int | None = None) -> {{"number": int}}:
    number = (number or 0) + 1
    if times(f"step{{number}}") == 1 and number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return {{"number": number}}


@as_workflow
def study():
    names() | MapWorkflow(greet(), name="greetings")
    IterativeWorkflow(step(), name="steps", max_iterations=4, retries=1, retry_delay=0)


workflow_dag(study())
'''


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    return tmp_path_factory.mktemp("study") / "ledger"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory, ledger):
    server = Server(tmp_path_factory.mktemp("airflow"), {"study.py": DAGS.format(ledger=str(ledger))}, 1)
    yield server
    server.close()


@pytest.fixture(scope="module")
def run_id(airflow):
    """A run that has ended well."""
    run_id, state = airflow.run("study")
    assert state == "success"
    return run_id


def tries(airflow, run_id):
    found = airflow.get(f"/api/v2/dags/study/dagRuns/{run_id}/taskInstances?limit=50")["task_instances"]
    return {(task["task_id"], task["map_index"]): task["try_number"] for task in found}


def test_a_loop_whose_process_was_killed_goes_on_where_it_was(airflow, run_id, ledger):
    assert [line for line in ledger.read_text().split() if line.startswith("step")] == [
        *("step1", "step2", "step3", "step3", "step4")
    ]
    assert tries(airflow, run_id)["steps", -1] == 2


def test_clearing_one_item_runs_it_again_and_no_other(airflow, run_id, ledger):
    before = tries(airflow, run_id)
    airflow.ask(
        "/api/v2/dags/study/clearTaskInstances",
        {"dry_run": False, "dag_run_id": run_id, "only_failed": False, "task_ids": [["greetings.items", 1]]},
    )
    assert airflow.ended("study", run_id) == "success"

    assert {key for key, number in tries(airflow, run_id).items() if number != before[key]} == {("greetings.items", 1)}
    assert [ledger.read_text().split().count(name) for name in "abc"] == [1, 2, 1]
