"""A flow run that is stopped leaves nothing running, wherever its tasks were; one that ends by itself stops nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("prefect")

from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_HOME, PREFECT_LOCAL_STORAGE_PATH
from prefect.states import Cancelling

from fairlead.flows import PrefectHost, twine_task

PROGRAM = """
import asyncio, multiprocessing
from prefect import flow
from fairlead.flows import run_twine_app, twine_task

app = {app!r}

@flow
def in_the_main_thread():
    twine_task(app)({{}})

@flow
def in_a_worker_thread():
    twine_task(app).submit({{}}).result()

@flow
def mapped():
    twine_task(app).map([{{}}]).wait()

@flow
async def in_a_worker_thread_of_an_async_flow():
    twine_task(app).submit({{}}).result()

def alone():
    twine_task(app)({{}})

def in_another_process():
    multiprocessing.get_context("spawn").Process(target=alone).start()

def served():
    run_twine_app.serve("served", parameters={{"app": app, "input_values": {{}}}})

if __name__ == "__main__":
    result = {function}()
    if asyncio.iscoroutine(result):
        asyncio.run(result)
"""


@pytest.fixture
def start(write_app, pids, server, tmp_path):
    """Start a program that runs an app which never ends."""
    programs = []

    def starting(function):
        program = tmp_path / "program.py"
        program.write_text(PROGRAM.format(app=str(write_app(pids.body)), function=function))
        environment = os.environ | {
            "PREFECT_API_URL": server,
            "PREFECT_HOME": str(PREFECT_HOME.value()),
            "PREFECT_LOCAL_STORAGE_PATH": str(PREFECT_LOCAL_STORAGE_PATH.value()),
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        }
        programs.append(subprocess.Popen([sys.executable, program], env=environment, stdout=subprocess.PIPE))
        return programs[0]

    yield starting
    for program in programs:
        program.kill()
        program.wait()
        program.stdout.close()


@pytest.mark.parametrize(
    ("function", "number"),
    [
        ("in_the_main_thread", signal.SIGTERM),
        ("in_a_worker_thread", signal.SIGTERM),
        ("in_a_worker_thread", signal.SIGINT),
        ("in_a_worker_thread_of_an_async_flow", signal.SIGTERM),
        ("mapped", signal.SIGTERM),
    ],
)
def test_a_flow_that_is_told_to_end_stops_its_apps(start, pids, function, number):
    program = start(function)
    started = pids.wait()
    program.send_signal(number)
    program.wait(20)  # less than the 30 s after which Prefect kills it
    assert len(started) == 2
    assert pids.living(started) == []


def test_a_task_in_another_process_ends_when_the_process_that_started_it_is_killed(start, pids):
    program = start("in_another_process")
    started = pids.wait()
    program.kill()
    pids.wait_for_end(started)


def test_a_deployed_run_that_is_cancelled_stops_its_app(start, pids):
    program = start("served")
    assert any(b"is being served" in line for line in program.stdout)
    run = run_deployment("run-twine-app/served", timeout=0)
    started = pids.wait()
    get_client(sync_client=True).set_flow_run_state(run.id, Cancelling())
    pids.wait_for_end(started)
    program.terminate()
    program.wait(30)


@pytest.mark.timeout(60, method="thread")  # Prefect interrupts nothing where somebody else listens for alarms
def test_a_flow_that_passes_its_time_limit_stops_its_apps_in_worker_threads(write_app, pids):
    app = write_app(pids.body)

    @flow(timeout_seconds=1.5)
    def study():
        twine_task(app).submit({}).result()

    state = study(return_state=True)
    assert state.name == "TimedOut"
    started = pids.wait()
    assert len(started) == 2
    assert pids.living(started) == []


@pytest.mark.parametrize("end", ["returns", "fails"])
def test_a_flow_that_ends_by_itself_lets_started_tasks_finish(write_app, pids, end):
    # The app goes on for as long as the isolation needs to look at the host a few times.
    app = write_app(
        pids.body.replace("time.sleep(600)\n", "child.kill(); time.sleep(1); analysis.output_values = {}\n")
    )
    task = twine_task(app)
    futures = []

    @flow
    def study():
        futures.append(task.submit({}))
        pids.wait()
        if end == "fails":
            msg = "something else"
            raise ValueError(msg)

    state = study(return_state=True)
    assert state.name == ("Completed" if end == "returns" else "Failed")
    assert futures[0].state.name == "Completed"


def test_a_run_that_was_cancelled_is_not_retried(doubling, monkeypatch, runs):
    monkeypatch.setattr(PrefectHost, "cancelled", lambda _: True)
    state = twine_task(doubling, retries=3)({"n": 1}, return_state=True)
    assert "Cancelled: The run was cancelled before it started." in state.message
    assert runs() == 0


def test_the_host_knows_which_attempt_of_which_run_it_is():
    seen = []

    @task(retries=1)
    def work():
        with PrefectHost("unit", timeout=5) as host:
            seen.append((host.run_id, host.attempt))
            assert host.deadline is not None
        if len(seen) == 1:
            raise OSError

    work()
    assert [attempt for _, attempt in seen] == [1, 2]
    assert seen[0][0] == seen[1][0]
