"""The engine slurm, on a real cluster of two nodes: arrays as the map asks for, and no job left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.errors import Cancelled, InputInvalid, WorkerDied
from fairlead.adapters.host import LoggingHost
from fairlead.adapters.workflow import MapWorkflow, Result, Workflow, as_task, run

pytestmark = pytest.mark.slow
LIMIT = 60.0


def on_slurm(workflow: Workflow, folder: Path, inputs: dict[str, Any] | None = None, **arguments: Any) -> Result:
    options = {"folder": folder, "poll": 0.3, "max_jobs": 2, "grace": 0.3, **arguments.pop("options", {})}
    return run(workflow, inputs, backend="slurm", options=options, **arguments)


def mapped(task: Any, count: int, **options: Any) -> Workflow:
    with Workflow(name="whole") as workflow:
        numbers(count=count) | MapWorkflow(task, map_on={"xs": "x"}, name="each", **options)
    return workflow


@as_task
def numbers(count: int) -> {"xs": list}:
    return {"xs": list(range(count))}


@as_task
def variable(x: int, key: str) -> {"y": str}:
    return {"y": os.environ.get(key, "")}


def hanging(folder: Path) -> Any:
    @as_task
    def hang(x: int) -> {"y": int}:
        (folder / f"begun-{x}").touch()
        while True:
            signal.pause()

    return hang


def wait_for(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return found


def test_items_run_as_tasks_of_one_array(slurm):
    result = on_slurm(mapped(variable(key="SLURM_ARRAY_TASK_ID"), 4), slurm.folder)
    assert result.outputs == {"y": ["0", "0", "1", "1"]}


def test_a_chunk_is_a_task_of_the_array(slurm):
    result = on_slurm(mapped(variable(key="SLURM_ARRAY_TASK_ID"), 4, chunk=3), slurm.folder)
    assert result.outputs == {"y": ["0", "0", "0", "1"]}


def test_the_options_of_a_map_are_those_of_its_jobs(slurm):
    workflow = mapped(variable(key="SLURM_CPUS_PER_TASK"), 2, cpus_per_task=2)
    assert on_slurm(workflow, slurm.folder).outputs == {"y": ["2", "2"]}


def test_options_of_the_engine_hold_for_all_maps_unless_they_say_else(slurm):
    options = {"cpus_per_task": 3, "partition": "debug"}
    workflow = mapped(variable(key="SLURM_CPUS_PER_TASK"), 1)
    assert on_slurm(workflow, slurm.folder, options=options).outputs == {"y": ["3"]}
    workflow = mapped(variable(key="SLURM_CPUS_PER_TASK"), 1, cpus_per_task=1)
    assert on_slurm(workflow, slurm.folder, options=options).outputs == {"y": ["1"]}


def test_as_many_tasks_run_at_once_as_the_map_says(slurm):
    workflow = mapped(variable(key="SLURM_ARRAY_TASK_MAX"), 3, simultaneous_tasks=2, chunk=1)
    assert on_slurm(workflow, slurm.folder).outputs == {"y": ["2", "2", "2"]}
    assert "ArrayTaskThrottle=2" in slurm.ask("scontrol", "show", "job")


def test_tasks_that_are_no_items_run_here(slurm):
    with Workflow() as workflow:
        variable(x=1, key="SLURM_JOB_ID")
    assert on_slurm(workflow, slurm.folder).outputs == {"y": ""}


def test_nothing_is_left_when_all_went_well(slurm):
    before = list(slurm.folder.iterdir())
    on_slurm(mapped(variable(key="HOME"), 2), slurm.folder)
    assert list(slurm.folder.iterdir()) == before
    wait_for(lambda: not slurm.queue())


def test_a_job_that_dies_is_named_with_its_state_and_log(slurm):
    @as_task
    def die(x: int) -> {"y": int}:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(WorkerDied) as caught:
        on_slurm(mapped(die(), 1), slurm.folder)
    assert caught.value.message.startswith("map 'each', item 0: Slurm job ")
    assert " ended as FAILED on n" in caught.value.message
    assert Path(caught.value.log).exists()


def test_a_job_that_uses_more_time_than_it_may_fails_its_item(slurm):
    @as_task
    def hang(x: int) -> {"y": int}:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(1000 if x else 0)
        return {"y": x}

    result = on_slurm(mapped(hang(), 3, timeout=0.5, on_error="collect", chunk=3), slurm.folder)
    assert [result.outputs["y"][0], result.outputs["y"][1].type] == [0, "fairlead.adapters.errors.TimedOut"]


def test_a_job_that_somebody_cancels_fails_its_items(slurm, tmp_path):
    def cancel() -> None:
        wait_for((tmp_path / "begun-0").exists)
        job = next(line.split()[0] for line in slurm.queue())
        slurm.ask("scancel", job)

    thread = threading.Thread(target=cancel)
    thread.start()
    result = on_slurm(mapped(hanging(tmp_path)(), 2, chunk=2, on_error="collect"), slurm.folder)
    thread.join()
    assert ["ended as CANCELLED" in failure.message for _, failure in result.failures] == [True, True]


def test_a_job_that_slurm_ends_at_its_time_fails_the_item_that_it_was_at(slurm, tmp_path):
    def end(job: str, _node: str) -> None:
        slurm.ask("scontrol", "update", f"JobId={job}", "EndTime=now+1")  # a time limit is a minute or more

    check_state("TIMEOUT", slurm, tmp_path, end, time="1")


def test_a_job_whose_node_is_lost_fails_the_item_that_it_was_at(slurm, tmp_path):
    lost: list[str] = []

    def lose(_job: str, node: str) -> None:
        lost.append(node)
        slurm.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")

    try:
        check_state("NODE_FAIL", slurm, tmp_path, lose)
    finally:
        for node in lost:
            slurm.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")


def check_state(state: str, slurm: Any, folder: Path, end: Callable[[str, str], object], **directives: str) -> None:
    """Check what comes of a map whose first item never ends if its job, on its node, is ended so."""

    @as_task
    def hang(x: int) -> {"y": int}:
        (folder / f"begun-{x}").touch()
        while not x:
            signal.pause()
        return {"y": x}

    def interfere() -> None:
        wait_for((folder / "begun-0").exists)
        command = ["squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i %N"]
        end(*wait_for(lambda: slurm.ask(*command)).split())

    thread = threading.Thread(target=interfere)
    thread.start()
    result = on_slurm(mapped(hang(), 2, chunk=2, on_error="collect", **directives), slurm.folder)
    thread.join()
    failure, other = result.outputs["y"]
    assert other == 1
    assert failure.type == "fairlead.adapters.errors.WorkerDied"
    assert re.search(
        rf"^map 'each', item 0: Slurm job [0-9_]+ ended as {state} on n[12]\. See its log", failure.message
    )


def test_a_cancelled_run_cancels_its_jobs(slurm, tmp_path):
    host = LoggingHost()
    thread = threading.Thread(target=lambda: wait_for((tmp_path / "begun-0").exists) and host.cancel())
    thread.start()
    with pytest.raises(Cancelled):
        on_slurm(mapped(hanging(tmp_path)(), 4), slurm.folder, host=host)
    thread.join()
    wait_for(lambda: not slurm.queue())


def test_a_failed_run_cancels_its_jobs(slurm, tmp_path):
    @as_task
    def fail(x: int) -> {"y": int}:
        if x == 0:
            wait_for((tmp_path / "begun-1").exists)
            raise ValueError("first")
        (tmp_path / f"begun-{x}").touch()
        while True:
            signal.pause()

    with pytest.raises(ValueError, match="first"):
        on_slurm(mapped(fail(), 2), slurm.folder)
    wait_for(lambda: not slurm.queue())


PROGRAM = """
import sys
from pathlib import Path
from tests_of_slurm import hanging, mapped, on_slurm
on_slurm(mapped(hanging(Path(sys.argv[1]))(), 4), Path(sys.argv[2]))
"""


def test_a_run_that_is_killed_cancels_its_jobs(slurm, tmp_path):
    (tmp_path / "tests_of_slurm.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(slurm.folder)],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
    )
    try:
        wait_for((tmp_path / "begun-0").exists)
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: not slurm.queue())


def test_jobs_are_not_held_for_dead_while_slurm_does_not_answer(slurm, monkeypatch, tmp_path, caplog):
    @as_task
    def count(x: int) -> {"y": int}:
        with (tmp_path / "begun").open("a") as file:
            file.write("x")
        wait_for((tmp_path / "asked-4").exists)  # so often that a job that is gone would count as dead
        return {"y": x}

    squeue = tmp_path / "squeue"
    squeue.write_text(f"""#!/bin/sh
number=$(ls {tmp_path} | grep -c asked-)
touch {tmp_path}/asked-$number
echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2
exit 1
""")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("fairlead.adapters.workflow.engines.slurm._PATIENCE", 0.0)
    assert on_slurm(mapped(count(), 1, retries=1), slurm.folder).outputs == {"y": [0]}
    assert (tmp_path / "begun").read_text() == "x"
    assert caplog.text.count("map 'each': Slurm has not answered for ") == 1


def test_what_slurm_refuses_is_told_with_its_words(slurm):
    with pytest.raises(
        InputInvalid,
        match="map 'each', sbatch: Slurm refused the job: sbatch: error: invalid partition specified: nowhere",
    ):
        on_slurm(mapped(variable(key="HOME"), 1, partition="nowhere"), slurm.folder)


def test_an_option_that_sbatch_does_not_have_is_named(slurm):
    with pytest.raises(InputInvalid, match="backend 'slurm', option 'partitoin': is unknown"):
        on_slurm(mapped(variable(key="HOME"), 1), slurm.folder, options={"partitoin": "debug"})


def test_a_folder_must_be_given(slurm, monkeypatch):
    monkeypatch.delenv("FAIRLEAD_TEMP", raising=False)
    with pytest.raises(InputInvalid, match=r"backend 'slurm', folder: is not given .* or set FAIRLEAD_TEMP"):
        run(mapped(variable(key="HOME"), 1), backend="slurm")


def test_the_environment_can_say_the_folder(slurm, monkeypatch):
    monkeypatch.setenv("FAIRLEAD_TEMP", str(slurm.folder))
    result = run(mapped(variable(key="SLURM_JOB_ID"), 1), backend="slurm", options={"poll": 0.3})
    assert result.outputs["y"][0].isdecimal()


def test_a_machine_without_slurm_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputInvalid, match=r"backend 'slurm': sbatch, squeue, scancel cannot be found"):
        on_slurm(mapped(variable(key="HOME"), 1), tmp_path)
