"""The engine parallel: at once what can be, nothing left behind, and no item lost but the one whose process dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.errors import Cancelled, TimedOut, WorkerDied
from fairlead.adapters.host import LoggingHost
from fairlead.adapters.workflow import MapWorkflow, Result, Workflow, as_task, run
from fairlead.adapters.workflow.engines.parallel import Parallel
from fairlead.adapters.workflow.run_state import Run

LIMIT = 20.0
"""Seconds after which something that a test waits for is held not to happen."""


def parallel(workflow: Workflow, inputs: dict[str, Any] | None = None, **arguments: Any) -> Result:
    return run(workflow, inputs, backend="parallel", options={"workers": 2, "grace": 0.2}, **arguments)


def mapped(task: Any, count: int, **options: Any) -> Workflow:
    with Workflow(name="whole") as workflow:
        numbers(count=count) | MapWorkflow(task, map_on={"xs": "x"}, name="each", **options)
    return workflow


@as_task
def numbers(count: int) -> {"xs": list}:
    return {"xs": list(range(count))}


def wait_for(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pids_in(folder: Path) -> list[int]:
    return [int(each.read_text()) for each in folder.glob("*.pid")]


def write_pid(folder: Path, name: object, pid: int | None = None) -> None:
    part = folder / f"{name}.part"
    part.write_text(str(pid or os.getpid()))
    part.rename(folder / f"{name}.pid")


def meeting(folder: Path) -> Any:
    """A task that ends only if two of it run at once."""

    @as_task
    def meet(x: int) -> {"y": int}:
        (folder / str(x)).touch()
        end = time.monotonic() + LIMIT
        while len(list(folder.iterdir())) < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        return {"y": x}

    return meet


def hanging(folder: Path) -> Any:
    """A task that tells of its process, and of one that it starts, and never ends."""

    @as_task
    def hang(x: int) -> {"y": int}:
        child = subprocess.Popen(["sleep", "1000"])
        escaped = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        write_pid(folder, f"child-{x}", child.pid)
        write_pid(folder, f"escaped-{x}", escaped.pid)
        write_pid(folder, x)
        while True:
            signal.pause()

    return hang


def test_items_run_at_once(tmp_path):
    assert parallel(mapped(meeting(tmp_path)(), 2)).outputs == {"y": [0, 1]}


def test_blocks_that_do_not_need_each_other_run_at_once(tmp_path):
    meet = meeting(tmp_path)

    @as_task
    def join(a: int, b: int) -> {"c": int}:
        return {"c": a + b}

    @as_task
    def first() -> {"a": int}:
        return {"a": meet(x=1)()["y"]}

    @as_task
    def second() -> {"b": int}:
        return {"b": meet(x=2)()["y"]}

    with Workflow() as workflow:
        [first(), second()] | join()
    assert parallel(workflow).outputs == {"c": 3}


def test_maps_in_branches_run_at_once(tmp_path):
    meet = meeting(tmp_path)
    with Workflow() as workflow:
        for number in range(2):

            @as_task(name=f"give_{number}")
            def give(number: int = number) -> {"xs": list}:
                return {"xs": [number]}

            give() | MapWorkflow(meet(), map_on={"xs": "x"}, name=f"map_{number}", output_name=f"out_{number}")
    assert parallel(workflow).outputs == {"out_0": [[{"y": 0}]], "out_1": [[{"y": 1}]]}


def test_a_block_that_is_alone_gets_live_values():
    lock = threading.Lock()

    @as_task
    def give() -> {"held": object}:
        return {"held": lock}

    @as_task
    def take(held: object) -> {"same": bool, "pid": int}:
        return {"same": held is lock, "pid": os.getpid()}

    with Workflow() as workflow:
        give() | take()
    assert parallel(workflow).outputs == {"same": True, "pid": os.getpid()}


def test_a_dead_process_loses_one_item_and_is_replaced():
    @as_task
    def die(x: int) -> {"y": int}:
        if x == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if x == 12:
            os._exit(3)
        return {"y": x}

    result = parallel(mapped(die(), 20, on_error="collect", chunk=10))
    lost = {failure.index: failure for _, failure in result.failures}
    assert sorted(lost) == [1, 12]
    assert [each for each in result.outputs["y"] if isinstance(each, int)] == [x for x in range(20) if x not in lost]
    assert "map 'each', item 1: the process that was at it has died: it was ended by SIGKILL" in lost[1].message
    assert "it ended with exit status 3" in lost[12].message


def test_items_whose_processes_died_wait_for_their_next_try_together(tmp_path):
    @as_task
    def die_once(x: int) -> {"y": int}:
        sign = tmp_path / str(x)
        if not sign.exists():
            sign.touch()
            os._exit(3)
        return {"y": x}

    start = time.monotonic()
    assert parallel(mapped(die_once(), 8, retries=1, retry_delay=0.5)).outputs == {"y": [0, 1, 2, 3, 4, 5, 6, 7]}
    assert time.monotonic() - start < 8 * 0.5


def test_retries_of_somebody_else_are_not_those_of_a_process(tmp_path):
    @as_task(retries=2)
    def fail() -> {"a": int}:
        with (tmp_path / "tries").open("a") as file:
            file.write("x")
        raise OSError("as always")

    @as_task
    def live() -> {"b": int}:
        return {"b": 1}

    with Workflow() as workflow:
        fail()
        live()
    engine = Parallel(workers=2)
    try:
        with pytest.raises(OSError, match="as always"):
            engine.run_steps(workflow.wiring(), {}, Run(engine, tried_outside=frozenset({"w/fail"})), "w")
    finally:
        engine.close()
    assert (tmp_path / "tries").read_text() == "x"


def test_what_ended_a_process_is_told():
    @as_task
    def die(x: int) -> {"y": int}:
        os.kill(os.getpid(), signal.SIGUSR1)

    with pytest.raises(WorkerDied) as caught:
        parallel(mapped(die(), 1))
    assert (caught.value.signal, caught.value.code) == (signal.SIGUSR1, None)


def test_what_hangs_in_compiled_code_is_killed_after_its_limit():
    @as_task
    def hang(x: int) -> {"y": int}:
        if x == 1:  # as code does that holds Python's lock: no handler of a signal is run
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
            time.sleep(1000)
        return {"y": x}

    result = parallel(mapped(hang(), 4, timeout=0.2, on_error="collect", chunk=4))
    assert [each for each in result.outputs["y"] if isinstance(each, int)] == [0, 2, 3]
    assert result.outputs["y"][1].type == "fairlead.adapters.errors.TimedOut"
    assert result.outputs["y"][1].message.startswith("map 'each[1]' passed its time limit of 0.2 s.")


def test_a_block_with_a_limit_is_killed_though_it_is_alone():
    @as_task(timeout=0.2)
    def hang() -> {"y": int}:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(1000)

    with Workflow() as workflow:
        hang()
    with pytest.raises(TimedOut, match=r"task 'hang' passed its time limit of 0\.2 s"):
        parallel(workflow)


def test_an_inner_limit_does_not_lengthen_the_outer_one():
    @as_task(timeout=0.4)
    def short(x: int) -> {"y": int}:
        time.sleep(0.2)
        return {"y": x}

    with Workflow() as workflow, MapWorkflow(map_on={"xs": "x"}, timeout=0.5, name="each"):
        before = short(name="first")
        for number in range(4):

            @as_task(name=f"step_{number}", timeout=0.4)
            def again(y: int) -> {"y": int}:
                time.sleep(0.2)
                return {"y": y}

            following = again()
            before | following
            before = following
    with pytest.raises(TimedOut, match=r"map 'each\[0\]' passed its time limit of 0.5 s"):
        run(workflow, {"xs": [1]})


def test_a_limit_holds_in_a_thread_of_another_program():
    @as_task(timeout=0.2)
    def hang() -> {"y": int}:
        while True:
            time.sleep(0.01)

    with Workflow() as workflow:
        hang()
    found: list[BaseException] = []

    def work() -> None:
        try:
            run(workflow)
        except TimedOut as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(LIMIT)
    assert "task 'hang' passed its time limit of 0.2 s" in str(found[0])


def test_a_map_works_where_other_threads_run():
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()

    class Local:
        def __init__(self, x: int) -> None:
            self.x = x

    @as_task
    def make(x: int) -> {"y": object}:
        return {"y": Local(x)}

    try:
        made = parallel(mapped(make(), 3)).outputs["y"]
    finally:
        stop.set()
        other.join()
    assert [(type(each), each.x) for each in made] == [(Local, 0), (Local, 1), (Local, 2)]


class Noticed(ValueError):
    """An error that leaves a file when it arrives in the process that runs the workflow."""

    def __init__(self, file: Path, pid: int) -> None:
        super().__init__("on purpose")
        self.file, self.pid = file, pid
        if os.getpid() == pid:
            file.touch()

    def __reduce__(self) -> Any:
        return Noticed, (self.file, self.pid)


def test_after_a_failure_no_item_after_it_is_started_and_what_runs_is_let_end(tmp_path):
    here = os.getpid()

    @as_task
    def work(x: int) -> {"y": int}:
        (tmp_path / f"begun-{x}").touch()
        if x == 0:
            wait_for((tmp_path / "begun-1").exists)
            raise Noticed(tmp_path / "noticed", here)
        if x == 1:
            wait_for((tmp_path / "noticed").exists)
        (tmp_path / f"ended-{x}").touch()
        return {"y": x}

    with pytest.raises(Noticed):
        parallel(mapped(work(), 100, chunk=1))
    assert (tmp_path / "ended-1").exists()
    assert len(list(tmp_path.glob("begun-*"))) < 5


def test_a_branch_that_fails_ends_the_others(tmp_path):
    hang = hanging(tmp_path)

    @as_task
    def fail() -> {"z": int}:
        wait_for((tmp_path / "1.pid").exists)
        raise ValueError("branch")

    with Workflow() as workflow:
        hang(x=1)
        fail()
    with pytest.raises(ValueError, match="branch"):
        parallel(workflow)
    assert not any(map(is_alive, pids_in(tmp_path)))


def test_a_cancelled_run_leaves_nothing_behind(tmp_path):
    host = LoggingHost()
    threading.Thread(target=lambda: wait_for(lambda: len(pids_in(tmp_path)) == 6) and host.cancel()).start()
    with pytest.raises(Cancelled):
        parallel(mapped(hanging(tmp_path)(), 4), host=host)
    assert len(pids_in(tmp_path)) == 6
    assert not any(map(is_alive, pids_in(tmp_path)))


def test_a_run_that_passes_its_deadline_leaves_nothing_behind(tmp_path):
    with pytest.raises(TimedOut, match="The run passed its time limit"):
        parallel(mapped(hanging(tmp_path)(), 4), host=LoggingHost(timeout=1.0))
    assert not any(map(is_alive, pids_in(tmp_path)))


def test_what_items_have_started_does_not_outlive_the_run(tmp_path):
    @as_task
    def start(x: int) -> {"y": int}:
        child = subprocess.Popen(["sleep", "1000"], start_new_session=bool(x))
        write_pid(tmp_path, x, child.pid)
        return {"y": x}

    parallel(mapped(start(), 2))
    assert len(pids_in(tmp_path)) == 2
    wait_for(lambda: not any(map(is_alive, pids_in(tmp_path))))


PROGRAM = """
import sys
from pathlib import Path
from tests_of_parallel import hanging, mapped, parallel
parallel(mapped(hanging(Path(sys.argv[1]))(), 4))
"""


@pytest.fixture
def program(tmp_path: Path) -> Any:
    """Another process that runs a map whose items never end."""
    (tmp_path / "tests_of_parallel.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    notes = tmp_path / "notes"
    notes.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(notes)],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    process.notes = notes  # type: ignore[attr-defined]
    yield process
    process.kill()
    process.communicate()
    for pid in pids_in(notes):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_nothing_behind(program):
    pids = wait_for(lambda: len(found := pids_in(program.notes)) == 6 and found)
    program.kill()
    wait_for(lambda: not any(map(is_alive, pids)))


@pytest.mark.slow
def test_an_interrupt_ends_a_run_at_once(program):
    pids = wait_for(lambda: len(found := pids_in(program.notes)) == 6 and found)
    program.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in program.communicate(timeout=LIMIT)[1]
    assert not any(map(is_alive, pids))


def test_a_body_is_sent_once_and_not_with_each_item(tmp_path):
    class Heavy:
        def __reduce__(self) -> Any:
            with (tmp_path / "written").open("a") as file:
                file.write("once\n")
            return Heavy, ()

    @as_task
    def use(x: int, heavy: object) -> {"y": int}:
        return {"y": x}

    with Workflow() as workflow:
        MapWorkflow(use(), map_on={"xs": "x"})
    parallel(workflow, {"xs": list(range(50)), "heavy": Heavy()})
    assert (tmp_path / "written").read_text() == "once\n"


ABSTRACT = """
import threading
from collections.abc import Sized
from fairlead.adapters.workflow import MapWorkflow, Task, Workflow, run

class Cubic(Task, Sized):
    def run(self, x: int) -> {"y": int}:
        return {"y": x**3}

    def __len__(self):
        return 1

with Workflow() as workflow:
    MapWorkflow(Cubic(), map_on={"xs": "x"})
if __name__ == "__main__":
    threading.Thread(target=threading.Event().wait, daemon=True).start()  # as an orchestrator has: so none is forked
    print(run(workflow, {"xs": [1, 2, 3]}, backend="parallel", options={"workers": 2}).outputs)
"""


def test_a_task_with_an_abstract_base_is_sent(tmp_path):
    program = tmp_path / "abstract.py"  # since pytest looks for modules in its own way
    program.write_text(ABSTRACT)
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("{'y': [1, 8, 27]}\n", "")


def test_what_is_round_a_map_is_not_sent():
    @as_task
    def give(lock: object) -> {"xs": list}:
        return {"xs": [1, 2]}

    @as_task
    def use(x: int) -> {"y": int}:
        return {"y": x}

    with Workflow() as workflow:
        give(lock=threading.Lock()) | MapWorkflow(use(), map_on={"xs": "x"})
    assert parallel(workflow).outputs == {"y": [1, 2]}


def test_a_setup_that_fails_ends_the_run():
    def set_up() -> None:
        raise LookupError("no such database")

    @as_task
    def use(x: int) -> {"y": int}:
        return {"y": x}

    with pytest.raises(LookupError, match="no such database") as caught:
        parallel(mapped(use(), 3, on_error="collect"), worker_setup=set_up)
    assert "In a worker process, before its first item." in caught.value.__notes__


def test_what_is_printed_before_a_process_dies_is_printed(capsys):
    @as_task
    def die(x: int) -> {"y": int}:
        print("last words")
        os._exit(1)

    parallel(mapped(die(), 1, on_error="collect"))
    assert capsys.readouterr().out == "last words\n"


@pytest.mark.parametrize("moment", ["before it is there", "while it begins"])
@pytest.mark.parametrize("name", ["fairlead-pool", "fairlead-live"])
def test_an_interrupt_while_a_thread_is_started_is_raised_as_it_is(monkeypatch, moment, name):
    started = threading.Thread.start

    def interrupt(timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    def start(self: threading.Thread) -> None:
        if self.name != name:
            started(self)
        elif moment == "before it is there":
            raise KeyboardInterrupt
        else:
            self._started.wait = interrupt  # type: ignore[attr-defined]
            started(self)

    @as_task
    def live() -> {"z": int}:
        return {"z": 1}

    before = children()
    with Workflow(name="whole") as workflow:
        live()
        numbers(count=4)
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        parallel(workflow)
    assert children() == before


def children() -> set[int]:
    """Return the processes that this one has started and that are there, also those that nobody has waited for."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(pid) for each in tasks for pid in each.read_text().split()}
