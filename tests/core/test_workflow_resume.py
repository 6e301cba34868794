"""However a run ended, the next one does only what is missing, in order."""

from __future__ import annotations

import collections
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.adapters.errors import AppExited

STUDY = """
import json, sys
from fairlead.adapters.workflow import IterativeWorkflow, LoopWorkflow, MapWorkflow, Workflow, as_task, run

FOLDER = sys.argv[2]

@as_task
def Work(x: int) -> {"x": int}:
    import os
    with open(os.environ["NOTES"], "a") as file:
        file.write(f"{x} ")
    print(x, flush=True)
    return x + 1

def each():
    MapWorkflow(Work(), cache=True)
    return {"x": list(range(1000))}

def each_of_each():
    MapWorkflow(MapWorkflow(Work(), cache=True))
    return {"x": [list(range(i, i + 100)) for i in range(0, 1000, 100)]}

def iterate():
    IterativeWorkflow(Work(), max_iterations=300, cache=True)
    return {"x": 0}

with Workflow() as workflow:
    inputs = globals()[sys.argv[1]]()
outputs = run(workflow, inputs, cache=FOLDER).outputs
with open(FOLDER + ".json", "w") as file:
    json.dump(outputs, file)
"""
WHOLE = {
    "each": (1000, [x + 1 for x in range(1000)]),
    "each_of_each": (1000, [[x + 1 for x in range(i, i + 100)] for i in range(0, 1000, 100)]),
    "iterate": (300, 300),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", WHOLE)
def test_a_run_that_was_killed_goes_on_where_it_was(what, tmp_path, monkeypatch):
    study, notes = tmp_path / "study.py", tmp_path / "notes"
    study.write_text(STUDY)
    monkeypatch.setenv("NOTES", str(notes))
    command = [sys.executable, str(study), what, str(tmp_path / "cache")]
    times, outputs = WHOLE[what]
    kills = 0
    for lines in (times // 3, times // 4):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(lines):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            kills += 1
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    done = collections.Counter(notes.read_text().split())
    assert set(done) == {str(x) for x in range(times)}
    assert sum(done.values()) <= times + kills
    assert Path(tmp_path, "cache.json").read_text() == str({"x": outputs}).replace("'", '"')


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        (KeyboardInterrupt, KeyboardInterrupt),
        (SystemExit, AppExited),
        (MemoryError, MemoryError),
        (ValueError, ValueError),
    ],
)
def test_whatever_ends_a_map_what_was_done_is_kept(ending, told, cached, study, notes):
    module = study(
        f"""
        import os
        from fairlead.adapters.workflow import MapWorkflow, as_task

        @as_task
        def Work(x: int) -> {{"y": int}}:
            with open(os.environ["NOTES"] + "/note", "a") as file:
                file.write(f"{{x}} ")
            if x == 3 and not os.path.exists(os.environ["NOTES"] + "/mended"):
                raise {ending.__name__}
            return x * 10

        def each():
            MapWorkflow(Work(), cache=True)
        """
    )
    with pytest.raises(told):
        cached(module.each, {"x": [1, 2, 3, 4]})
    (notes / "note").unlink()
    (notes / "mended").touch()
    assert cached(module.each, {"x": [1, 2, 3, 4]}) == ({"y": [10, 20, 30, 40]}, ["3", "4"])


def test_a_workflow_that_failed_runs_only_the_tasks_that_are_missing(cached, study, notes):
    module = study(
        """
        import os
        from fairlead.adapters.workflow import as_task

        def note(word):
            with open(os.environ["NOTES"] + "/note", "a") as file:
                file.write(word + " ")

        @as_task(cache=True)
        def First() -> {"x": int}:
            note("first")
            return 1

        @as_task(cache=True)
        def Second(x: int) -> {"y": int}:
            note("second")
            if not os.path.exists(os.environ["NOTES"] + "/mended"):
                raise OSError("disk")
            return x + 1

        @as_task
        def Third(y: int) -> {"z": int}:
            note("third")
            return y + 1

        def chain():
            First() | Second() | Third()
        """
    )
    with pytest.raises(OSError, match="disk"):
        cached(module.chain)
    (notes / "mended").touch()
    (notes / "note").unlink()
    assert cached(module.chain) == ({"z": 3}, ["second", "third"])
    assert cached(module.chain) == ({"z": 3}, ["third"])


class Killed(BaseException):
    pass


def test_a_loop_goes_on_at_the_iteration_that_its_host_remembers():
    import contextlib

    from fairlead.adapters.workflow import IterativeWorkflow, LoopWorkflow, Workflow, as_task
    from fairlead.adapters.workflow.engines import named
    from fairlead.adapters.workflow.run_state import Run
    from fairlead.adapters.workflow.running import run_block

    remembered: dict[str, tuple[int, dict[str, int]]] = {}

    class Checkpoint:
        def __init__(self, path: str) -> None:
            self.path = path

        def load(self):
            return remembered.get(self.path)

        def save(self, done, outputs):
            remembered[self.path] = (done, outputs)

    class Memory:
        @contextlib.contextmanager
        def checkpoint(self, path, work):
            yield Checkpoint(path)
            remembered.pop(path, None)

    ran: list[int] = []

    @as_task
    def Work(x: int) -> {"x": int}:
        ran.append(x)
        if len(ran) == 4:
            raise Killed
        return x + 1

    for make, expected in (
        (lambda: IterativeWorkflow(Work(), max_iterations=6, name="it"), ([0, 1, 2, 3, 3, 4, 5], 6)),
        (lambda: LoopWorkflow(Work(), iterations=6, name="it"), ([0] * 7, 1)),
    ):
        ran.clear()
        with Workflow() as workflow:
            make()
        with pytest.raises(Killed):
            run_block(workflow, {"x": 0}, Run(named("default"), memory=Memory()), "")
        assert remembered["it"][0] == 3
        outputs = run_block(workflow, {"x": 0}, Run(named("default"), memory=Memory()), "")
        assert (ran, outputs) == (expected[0], {"x": expected[1]})
        assert remembered == {}
