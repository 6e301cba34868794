"""Nothing lives on: tasks under Airflow's own supervisor, ended in every way in which a worker's tasks end."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("airflow")

from airflow.sdk.exceptions import AirflowTaskTimeout

from fairlead.adapters.errors import Cancelled
from fairlead.operators import TwineAppOperator

HERE = Path(__file__).parent


class Supervised:
    """A supervisor in a process of its own, and the processes below it."""

    def __init__(self, folder, task_id):
        self.folder = folder
        os.mkfifo(folder / "pids")
        environment = os.environ | {
            "SCRATCH": str(folder),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder),
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        }
        command = [sys.executable, str(HERE / "supervised.py"), task_id]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        self.pids = json.loads((folder / "pids").read_text())

    def requests(self):
        """Wait for the supervisor to end, and return what it asked of the API server."""
        printed, _ = self.process.communicate(timeout=60)
        return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]

    def log(self):
        return [json.loads(line) for line in (self.folder / "task.log").read_text().splitlines()]


@pytest.fixture(params=["polite", "stubborn", "study.stuck"])
def supervised(request, tmp_path):
    """A task whose app never ends: one that ends on SIGTERM, one that does not, and that one in a workflow."""
    supervised = Supervised(tmp_path, request.param)
    yield supervised
    supervised.process.kill()
    supervised.process.communicate()


def test_a_task_marked_in_the_ui_leaves_nothing_behind(supervised, tmp_path, wait_until_gone):
    (tmp_path / "marked").touch()

    supervised.requests()
    wait_until_gone(*supervised.pids.values())
    assert "Task killed!" in [line["event"] for line in supervised.log()]


def test_a_worker_that_is_told_to_stop_leaves_nothing_behind_and_the_task_is_retried(supervised, wait_until_gone):
    supervised.process.send_signal(signal.SIGTERM)

    states = [request["body"]["state"] for request in supervised.requests() if request["path"].endswith("/state")]
    wait_until_gone(*supervised.pids.values(), limit=0)
    assert states == ["up_for_retry"]


@pytest.mark.parametrize("supervised", ["polite"], indirect=True)
def test_a_task_process_that_is_killed_leaves_nothing_behind(supervised, wait_until_gone):
    os.kill(supervised.pids["task"], signal.SIGKILL)

    wait_until_gone(*supervised.pids.values())


@pytest.mark.parametrize("supervised", ["napping.nap"], indirect=True)
def test_python_code_of_a_block_is_interrupted_when_the_worker_is_told_to_stop(supervised, wait_until_gone):
    supervised.process.send_signal(signal.SIGTERM)

    states = [request["body"]["state"] for request in supervised.requests() if request["path"].endswith("/state")]
    wait_until_gone(*supervised.pids.values(), limit=0)
    assert states == ["up_for_retry"]
    assert "the nap was interrupted" in [line["event"] for line in supervised.log()]


@pytest.mark.parametrize("supervised", ["napping.nap"], indirect=True)
def test_python_code_of_a_block_is_interrupted_when_its_task_is_marked_in_the_ui(supervised, tmp_path, wait_until_gone):
    (tmp_path / "marked").touch()

    supervised.requests()
    wait_until_gone(*supervised.pids.values())
    events = [line["event"] for line in supervised.log()]
    assert "the nap was interrupted" in events


def test_on_kill_returns_when_everything_has_ended(apps, tmp_path, context, wait_until_gone):
    os.mkfifo(tmp_path / "pids")
    values = {"pids": str(tmp_path / "pids"), "polite": False}
    operator = TwineAppOperator(task_id="stuck", app=apps / "stuck", input_values=values, cache=tmp_path / "cache")
    errors = []

    def execute():
        try:
            operator.execute(context)
        except Cancelled as error:
            errors.append(error)

    task = threading.Thread(target=execute)
    task.start()
    pids = json.loads((tmp_path / "pids").read_text())
    operator.on_kill()

    wait_until_gone(pids["app"], pids["grandchild"], limit=0)
    task.join()
    assert len(errors) == 1


def test_a_task_that_passes_its_time_limit_leaves_diagnostics_if_they_are_asked_for(apps, tmp_path, context):
    os.mkfifo(tmp_path / "pids")
    values = {"pids": str(tmp_path / "pids"), "polite": True}
    operator = TwineAppOperator(
        task_id="stuck",
        app=apps / "stuck",
        input_values=values,
        cache=tmp_path / "cache",
        diagnostics=tmp_path / "left",
    )

    def time_is_up():
        (tmp_path / "pids").read_text()  # the app has come so far
        signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)

    def end(_number, _frame):
        raise AirflowTaskTimeout

    previous = signal.signal(signal.SIGALRM, end)  # as Airflow's own timeout does
    try:
        clock = threading.Thread(target=time_is_up)
        clock.start()
        with pytest.raises(AirflowTaskTimeout):
            operator.execute(context)
        clock.join()
    finally:
        signal.signal(signal.SIGALRM, previous)
    (record,) = (tmp_path / "left").glob("*/run.json")
    assert json.loads(record.read_text())["error"]["type"] == "Cancelled"


def test_on_kill_of_a_task_that_has_not_started_does_nothing(apps):
    TwineAppOperator(task_id="task", app=apps / "stuck").on_kill()
