"""The engine dask, on a real cluster: named errors where there is none, and nothing left on it when a run has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.errors import Cancelled, InputInvalid, RunFailed
from fairlead.adapters.host import LoggingHost
from fairlead.adapters.workflow import MapWorkflow, Result, Workflow, as_task, run

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow
LIMIT = 30.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


def on_dask(workflow: Workflow, address: str, inputs: dict[str, Any] | None = None, **arguments: Any) -> Result:
    return run(workflow, inputs, backend="dask", options={"address": address}, **arguments)


def mapped(task: Any, count: int, **options: Any) -> Workflow:
    with Workflow(name="whole") as workflow:
        numbers(count=count) | MapWorkflow(task, map_on={"xs": "x"}, name="each", **options)
    return workflow


@as_task
def numbers(count: int) -> {"xs": list}:
    return {"xs": list(range(count))}


@as_task
def double(x: int) -> {"y": int}:
    return {"y": 2 * x}


def hanging(folder: Path) -> Any:
    @as_task
    def hang(x: int) -> {"y": int}:
        part = folder / f"{x}.part"
        part.write_text(str(os.getpid()))
        part.rename(folder / f"{x}.pid")
        while True:
            signal.pause()

    return hang


def wait_for(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return found


def pids_in(folder: Path) -> list[int]:
    return [int(each.read_text()) for each in folder.glob("*.pid")]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_cancelled_run_leaves_nothing_on_the_cluster(cluster, tmp_path):
    host = LoggingHost()
    thread = threading.Thread(target=lambda: wait_for(lambda: len(pids_in(tmp_path)) == 2) and host.cancel())
    thread.start()
    with pytest.raises(Cancelled):
        on_dask(mapped(hanging(tmp_path)(), 4), cluster.scheduler_address, host=host)
    thread.join()
    wait_for(lambda: not any(map(is_alive, pids_in(tmp_path))))
    assert on_dask(mapped(double(), 2), cluster.scheduler_address).outputs == {"y": [0, 2]}


PROGRAM = """
import sys
from pathlib import Path
from tests_of_dask import hanging, mapped, on_dask
on_dask(mapped(hanging(Path(sys.argv[1]))(), 4), sys.argv[2])
"""


def test_a_run_that_is_killed_leaves_nothing_on_the_cluster(cluster, tmp_path):
    (tmp_path / "tests_of_dask.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), cluster.scheduler_address],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
    )
    try:
        pids = wait_for(lambda: len(found := pids_in(tmp_path)) == 2 and found)
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: not any(map(is_alive, pids)))


def test_tasks_that_do_not_need_each_other_run_on_the_cluster(cluster):
    @as_task
    def left() -> {"a": int}:
        return {"a": os.getpid()}

    @as_task
    def right() -> {"b": int}:
        return {"b": os.getpid()}

    with Workflow() as workflow:
        left()
        right()
    found = on_dask(workflow, cluster.scheduler_address).outputs
    assert os.getpid() not in {found["a"], found["b"]}


def test_a_run_without_an_address_is_told_how_to_give_one():
    with pytest.raises(InputInvalid, match=r"backend 'dask', address: is not given .*options=\{'address': 'tcp://"):
        run(mapped(double(), 1), backend="dask")


def test_a_cluster_that_does_not_answer_is_named():
    with pytest.raises(RunFailed, match=r"The Dask scheduler tcp://127.0.0.1:9 does not answer"):
        run(mapped(double(), 1), backend="dask", options={"address": "tcp://127.0.0.1:9", "timeout": 1})


def test_a_worker_of_the_cluster_that_dies_loses_nothing(cluster, tmp_path):
    @as_task
    def work(x: int, workers: list) -> {"y": int}:
        if x == 2 and not (tmp_path / "done").exists():
            (tmp_path / "done").touch()
            os.kill(workers[0], signal.SIGKILL)
        return {"y": x}

    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        workers = list(client.run(os.getpid).values())
    result = on_dask(mapped(work(workers=workers), 8, chunk=2), cluster.scheduler_address)
    assert result.outputs == {"y": list(range(8))}
