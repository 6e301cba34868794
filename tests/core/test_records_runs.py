"""Runs are recorded as they were, block by block, whatever ends them, and at what cost."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update

from fairlead.adapters.errors import ContractError
from fairlead.adapters.workflow import (
    IfThenElse,
    IterativeWorkflow,
    LoopWorkflow,
    MapWorkflow,
    MergeTask,
    Workflow,
    as_task,
    exit_pipeline,
    run,
)
from fairlead.adapters.workflow.records import Databases, MigrationsMissing, Recorder, list_runs, read_run, upgrade
from fairlead.adapters.workflow.records import recorder as recorder_module
from fairlead.adapters.workflow.records.tables import Block, Configuration, Edge, Run, RuntimeException, StateEnum


@as_task
def Numbers() -> {"numbers": list}:
    return {"numbers": [3, 0, 5]}


@as_task
def Halve(number: int) -> {"half": int}:
    return {"half": 30 // number}


@as_task
def Total(half: list) -> {"total": int}:
    return {"total": len(half)}


def study(**options) -> Workflow:
    """Numbers, a map over them of which an item fails, and their total."""
    with Workflow(name="study") as workflow:
        with MapWorkflow(name="halves", **options) as halves:
            Halve()
        Numbers() | halves | Total()
    return workflow


@pytest.fixture
def sqlite(tmp_path) -> Databases:
    with Databases.at(f"sqlite:///{tmp_path / 'runs.db'}") as databases:
        upgrade(databases)
        yield databases


def recorded(databases: Databases, workflow: Workflow, **arguments):
    with Recorder(databases, workflow, **arguments) as recorder:
        run(workflow, observer=recorder)
    return read_run(databases, recorder.run_id)


def test_every_block_of_a_run_has_a_row_with_its_state(databases):
    found = recorded(databases, study(on_error="collect"))
    assert found.summary.state == "success"
    assert found.states == {
        "": "success",
        "numbers": "success",
        "halves": "success",
        "total": "success",
        "halves[0]": "success",
        "halves[0]/halve": "success",
        "halves[1]": "failed",
        "halves[1]/halve": "failed",
        "halves[2]": "success",
        "halves[2]/halve": "success",
    }
    assert found.summary.failed == 1


def test_rows_can_be_asked_for_as_in_outflow(databases):
    recorded(databases, study(on_error="collect"), command="go", configuration={"a": 1})
    session = databases.session
    one = session.query(Run).one()
    assert (one.command_name, one.state, one.configuration.config) == ("go", StateEnum.success, {"a": 1})
    halves = session.query(Block).filter_by(name="halves", kind="map").one()
    assert [block.name for block in halves.upstream_blocks] == ["numbers"]
    assert [block.name for block in halves.downstream_blocks] == ["total"]
    assert [block.kind for block in halves.children] == ["item"] * 3
    assert halves.parent.name == "study"
    assert halves.input_targets == {"number": {"type": "int"}}
    halve = session.query(Block).filter_by(path="halves[2]/halve").one()
    assert halve.input_values == {"number": 5}
    assert halve.type.name == "task"
    assert halve.start_time <= halve.end_time
    assert session.query(Configuration).count() == 1


def test_an_exception_is_kept_once_where_it_was_raised(databases):
    with pytest.raises(ZeroDivisionError):
        recorded(databases, study())
    (raised,) = read_run(databases, "last").exceptions
    assert (raised.path, raised.type) == ("halves[1]/halve", "ZeroDivisionError")
    assert "return {" in raised.traceback
    assert databases.session.query(RuntimeException).count() == 1


def test_what_never_started_in_a_run_that_failed_is_skipped(databases):
    with pytest.raises(ZeroDivisionError):
        recorded(databases, study())
    found = read_run(databases, "last")
    assert found.summary.state == "failed"
    assert found.states["total"] == "skipped"
    assert not {"pending", "running"} & set(found.states.values())


def test_a_run_that_is_ended_early_by_a_task_is_a_success(databases):
    @as_task
    def Stop():
        exit_pipeline("enough")

    @as_task
    def Never():
        raise AssertionError

    with Workflow(name="early") as workflow:
        Stop() | Never()
    found = recorded(databases, workflow)
    assert found.summary.state == "success"
    assert found.states == {"": "success", "stop": "success", "never": "skipped"}


def test_a_run_that_is_interrupted_has_failed_with_all_that_ran(databases):
    @as_task
    def Interrupted():
        signal.raise_signal(signal.SIGINT)

    with Workflow(name="interrupted") as workflow:
        Interrupted() | Total()
    with pytest.raises(ContractError):
        recorded(databases, workflow)  # Total's input comes from nowhere: found before anything runs
    found = read_run(databases, "last")
    assert found.states == {"": "failed", "interrupted": "skipped", "total": "skipped"}
    assert "half" in found.exceptions[0].message
    with Workflow(name="interrupted") as workflow:
        Interrupted()
    with pytest.raises(KeyboardInterrupt):
        recorded(databases, workflow)
    found = read_run(databases, "last")
    assert found.states == {"": "failed", "interrupted": "failed"}
    assert found.exceptions[0].type == "KeyboardInterrupt"


def test_the_branch_that_is_not_taken_is_skipped(databases):
    with Workflow(name="branches") as workflow:
        choice, then, otherwise = IfThenElse(lambda numbers: len(numbers) > 9, name="many")
        with MapWorkflow(name="no") as no:
            Halve()
        Numbers() | choice
        then | no
        [no, otherwise] | MergeTask()
    states = recorded(databases, workflow).states
    assert (states["then_many"], states["no"], states["merge_task"]) == ("skipped", "skipped", "success")
    assert not any(path.startswith("no[") for path in states)


def test_iterations_have_rows_of_their_own(databases):
    @as_task
    def Grow(x: int = 1) -> {"x": int}:
        return {"x": 2 * x}

    with Workflow(name="loops") as workflow:
        with LoopWorkflow(name="loop", iterations=2):
            Numbers()
        with IterativeWorkflow(name="grown", max_iterations=3, break_func=lambda x: x > 3):
            Grow()
    assert recorded(databases, workflow).states == dict.fromkeys(
        ["", "loop", "loop[0]/numbers", "loop[1]/numbers", "grown", "grown[0]/grow", "grown[1]/grow"], "success"
    )


def test_a_map_that_is_run_itself_is_the_first_row(databases):
    mapping = MapWorkflow(name="halves", on_error="drop")
    with mapping:
        Halve()
    with Recorder(databases, mapping) as recorder:
        run(mapping, {"number": [1, 0]}, observer=recorder)
    found = read_run(databases, "last")
    assert found.states == {
        "": "success",
        "[0]": "success",
        "[0]/halve": "success",
        "[1]": "failed",
        "[1]/halve": "failed",
    }


def test_a_try_that_failed_is_in_the_exceptions_of_a_block_that_did_it_then(databases):
    tries: list[int] = []

    @as_task
    def Flaky(number: int) -> {"number": int}:
        tries.append(number)
        if len(tries) < 3:
            msg = f"try {len(tries)}"
            raise OSError(msg)
        return {"number": number}

    with Workflow(name="flaky") as workflow:
        with MapWorkflow(name="items", map_on={"numbers": "number"}, retries=4) as items:
            Flaky()
        Numbers() | items
    found = recorded(databases, workflow)
    assert found.states["items[0]/flaky"] == "success"
    assert [(each.path, each.message) for each in found.exceptions] == [
        ("items[0]/flaky", "try 1"),
        ("items[0]/flaky", "try 2"),
    ]
    assert found.summary.failed == 0


def test_what_an_item_was_given_is_recorded_without_looking_at_all_of_it(databases):
    class Odd:
        def __repr__(self):
            msg = "nobody asks"
            raise AssertionError(msg)

    @as_task
    def Take(numbers: list, odd: object, ratio: float, text: str):
        pass

    with Workflow(name="given") as workflow:
        Take(odd=Odd(), ratio=float("nan"), text="t" * 1000, numbers=[1] * 100_000)
    recorded(databases, workflow)
    shown = databases.session.query(Block).filter_by(name="take").one().input_values
    assert shown["numbers"] == "<list of 100000>"
    assert shown["odd"].endswith("Odd>")
    assert shown["ratio"] == "nan"
    assert len(shown["text"]) < 250


def test_no_secret_gets_into_a_row(databases, caplog):
    secret = "Zx9-very-secret"
    login = "user-password-Q7"
    other = "kept-elsewhere-K5"

    @as_task
    def Leak(text: str, api_key: str, pin: int, store: dict):
        msg = f"cannot log in with {text}"
        raise ValueError(msg)

    with Workflow(name="leak") as workflow:
        Leak(text=f"token {secret}", api_key=login, pin=90817263, store={"credentials": {"key": other}})
    configuration = {
        "secrets": {"service": {"key": secret}, "pin": 90817263},
        "databases": {"default": {"dialect": "postgresql", "user": f"me:{login}", "admin": f"root:{login}"}},
        "note": f"uses {secret}",
        "service": {"url": f"https://me:{login}@host/x", "token": login},
        "aws": {"aws_secret_access_key": other, "tokens": [other]},
    }
    arguments = ["go", f"--url=https://me:{secret}@host/x", "--password", login, f"--api-key={login}", "--n", "3"]
    with pytest.raises(ValueError, match="cannot log in"):
        recorded(databases, workflow, configuration=configuration, arguments=arguments)
    with databases[None].engine.connect() as connection:
        for model in (Run, Block, Configuration, RuntimeException):
            written = str(connection.execute(select(model.__table__)).all())
            assert secret not in written
            assert login not in written
            assert other not in written
            assert "90817263" not in written
    found = read_run(databases, "last")
    assert found.configuration["secrets"] == {"service": {"key": "******"}, "pin": "******"}
    assert found.summary.arguments[3:] == ("******", "--api-key=******", "--n", "3")
    assert "******" in found.exceptions[0].message


def test_texts_that_a_database_refuses_are_recorded_all_the_same(databases):
    @as_task
    def Odd(text: str):
        raise ValueError(text)

    with Workflow(name="odd") as workflow:
        Odd(text="\0 and \udc80")
    with pytest.raises(ValueError, match="and"):
        recorded(databases, workflow)
    assert read_run(databases, "last").exceptions[0].message == "\\0 and \\udc80"


def test_a_configuration_is_kept_once(databases):
    for count in (1, 1, 2):
        recorded(databases, study(on_error="drop"), configuration={"count": count})
    assert databases.session.query(Configuration).count() == 2


def test_a_database_without_tables_is_told_before_anything_runs(tmp_path):
    path = tmp_path / "none.db"
    with pytest.raises(MigrationsMissing, match="management db upgrade heads"):
        recorded(f"sqlite:///{path}", study())
    assert not path.exists()


@pytest.mark.slow
def test_a_run_in_several_processes_is_recorded_by_one(databases):
    pytest.importorskip("fairlead.adapters.workflow.engines.parallel")
    workflow = study(on_error="collect", chunk=1)
    with Recorder(databases, workflow, backend="parallel") as recorder:
        run(workflow, observer=recorder, backend="parallel")
    found = read_run(databases, "last")
    assert (found.summary.state, found.summary.backend) == ("success", "parallel")
    assert found.counts == {"success": 4, "failed": 1}
    assert [each.path for each in found.exceptions] == ["halves[1]/halve"]


DYING = """
    import os, signal, sys
    from fairlead.adapters.workflow import MapWorkflow, Workflow, as_task, run
    from fairlead.adapters.workflow.records import Recorder, Databases, list_runs

    databases = Databases.at(sys.argv[1])

    @as_task
    def Die(number: int) -> {"number": int}:
        while not any(run.id for run in list_runs(databases)):
            pass
        print("running", flush=True)
        sys.stdin.read(1)

    with Workflow(name="dying") as workflow:
        with MapWorkflow(name="items"):
            Die()
    with Recorder(databases, workflow, heartbeat=0.05) as recorder:
        run(workflow, {"number": [1, 2]}, observer=recorder)
"""


@pytest.fixture
def dying(sqlite, tmp_path):
    """A run in another process, which waits in a task."""
    program = tmp_path / "dying.py"
    program.write_text(textwrap.dedent(DYING))
    with subprocess.Popen(
        [sys.executable, program, f"sqlite:///{sqlite[None].login.place}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "running\n"
        yield process
        process.kill()


@pytest.mark.slow
def test_a_run_whose_process_was_killed_is_dead(sqlite, dying):
    assert list_runs(sqlite)[0].state == "running"
    dying.kill()
    dying.wait()
    (found,) = list_runs(sqlite)
    assert found.state == "dead"
    assert list_runs(sqlite, state="dead") == [found]
    assert list_runs(sqlite, state="running") == []
    assert "running" not in read_run(sqlite, "last").states.values()


def test_a_dead_run_took_as_long_as_it_is_known_to_have_lived(sqlite):
    recorded(sqlite, study(on_error="collect"))
    dead = {"state": "running", "end_time": None, "process": "another-machine/123", "heartbeat_limit": 0.0}
    with sqlite[None].engine.begin() as connection:
        connection.execute(update(Run).values(**dead, heartbeat=text("datetime('now', '-1 second')")))
        (start,) = connection.scalars(select(Run.start_time))
        last = update(Block).where(Block.path == "numbers").values(end_time=start + timedelta(seconds=90))
        connection.execute(last)
    (found,) = list_runs(sqlite)
    assert (found.state, found.seconds) == ("dead", 90.0)
    with sqlite[None].engine.begin() as connection:
        connection.execute(update(Run).values(heartbeat=start + timedelta(seconds=100), heartbeat_limit=-1e9))
    assert list_runs(sqlite)[0].seconds == 100.0


@pytest.mark.slow
def test_the_first_heartbeats_come_soon_so_that_a_short_run_is_known_to_have_lived(sqlite):
    @as_task
    def WaitForHeartbeat():
        limit = time.monotonic() + 10
        while list_heartbeats(sqlite)[0] - started < timedelta(seconds=0.5):
            assert time.monotonic() < limit, "no heartbeat"
            threading.Event().wait(0.05)

    with Workflow(name="waiting") as workflow:
        WaitForHeartbeat()
    with Recorder(sqlite, workflow) as recorder:
        (started,) = list_heartbeats(sqlite)
        run(workflow, observer=recorder)


def list_heartbeats(databases: Databases) -> list[datetime]:
    with databases[None].engine.connect() as connection:
        return list(connection.scalars(select(Run.heartbeat)))


@pytest.mark.slow
def test_a_run_elsewhere_is_dead_when_its_heartbeat_is_old(sqlite, dying):
    elsewhere = {"process": "another-machine/123", "heartbeat_limit": 3600.0}
    with sqlite[None].engine.begin() as connection:
        connection.execute(update(Run).values(elsewhere))
    assert list_runs(sqlite)[0].state == "running"
    os.kill(dying.pid, signal.SIGSTOP)  # no more heartbeats
    with sqlite[None].engine.begin() as connection:
        connection.execute(update(Run).values(heartbeat=text("datetime('now', '-2 hours')")))
    assert list_runs(sqlite)[0].state == "dead"


@pytest.mark.slow
def test_a_run_leaves_heartbeats_also_while_it_is_written_all_the_time(sqlite):
    seen = set()

    @as_task
    def Look():
        with sqlite[None].engine.connect() as connection:
            seen.add(connection.scalar(select(Run.heartbeat)))
        if len(seen) == 2:
            exit_pipeline()

    with LoopWorkflow(name="loop", infinite=True, limit=50_000) as workflow:
        Look()
    with Recorder(sqlite, workflow, heartbeat=0.8) as recorder:
        run(workflow, observer=recorder)
    assert read_run(sqlite, "last").summary.state == "success"


@pytest.mark.parametrize("retries", [0, 1])
def test_what_ran_in_a_process_that_died_does_not_stay_running(sqlite, retries):
    @as_task
    def Die(number: int) -> {"half": int}:
        if number == 0:
            os._exit(3)
        return {"half": number}

    with Workflow(name="study") as workflow:
        with MapWorkflow(name="halves", on_error="collect", retries=retries) as halves:
            Die()
        Numbers() | halves | Total()
    with Recorder(sqlite, workflow) as recorder:
        run(workflow, backend="parallel", options={"workers": 2}, observer=recorder)
    states = read_run(sqlite, "last").states
    assert (states["halves[1]"], states["halves[1]/die"]) == ("failed", "failed")
    assert not {"pending", "running"} & set(states.values())


@pytest.mark.slow
def test_a_program_that_forgets_to_end_its_run_leaves_it_failed(sqlite, tmp_path):
    program = tmp_path / "forgetful.py"
    program.write_text(
        textwrap.dedent(DYING)
        .replace(
            "with Recorder(databases, workflow, heartbeat=0.05) as recorder:",
            "recorder = Recorder(databases, workflow)\nrecorder.start()\nif 1:",
        )
        .replace("sys.stdin.read(1)", "sys.exit(3)")
    )
    done = subprocess.run(
        [sys.executable, program, f"sqlite:///{sqlite[None].login.place}"], check=False, stdout=subprocess.DEVNULL
    )
    assert done.returncode == 1  # of the exception
    found = read_run(sqlite, "last")
    assert found.summary.state == "failed"
    assert not {"pending", "running"} & set(found.states.values())


@pytest.mark.slow
def test_a_lock_that_somebody_holds_delays_records_and_not_the_run(sqlite):
    workflow = study(on_error="drop")
    with Recorder(sqlite, workflow) as recorder, sqlite[None].engine.connect() as other:
        other.exec_driver_sql("BEGIN IMMEDIATE")
        run(workflow, observer=recorder)
        other.rollback()  # had the run waited for this, its records would have been given up
    assert read_run(sqlite, "last").states["total"] == "success"


def test_a_run_goes_on_without_records_when_the_database_is_lost(sqlite, caplog, monkeypatch):
    monkeypatch.setattr(recorder_module, "_PATIENCE", 0.0)
    monkeypatch.setattr(recorder_module, "_INTERVAL", 0.01)
    with Workflow(name="short") as workflow:
        Numbers()
    with Recorder(sqlite, workflow) as recorder:
        with sqlite[None].engine.begin() as connection:
            connection.execute(text("DROP TABLE outflow_block"))
        result = run(workflow, observer=recorder)
        recorder._thread.join(10)
    assert result.outputs == {"numbers": [3, 0, 5]}
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "is not recorded any more" in record.getMessage()


def test_more_events_than_may_wait_are_all_recorded(sqlite, monkeypatch):
    monkeypatch.setattr(recorder_module, "_MOST_WAITING", 10)
    assert recorded(sqlite, chain(100)).counts == {"success": 100}


def test_runs_at_the_same_time_are_recorded_apart(databases):
    def one(number: int) -> None:
        workflow = study(on_error="collect")
        with Recorder(databases, workflow, command=f"run {number}") as recorder:
            run(workflow, observer=recorder)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {found.command for found in list_runs(databases)} == {f"run {number}" for number in range(4)}
    assert all(len(read_run(databases, found.id).states) == 10 for found in list_runs(databases))
    with databases[None].engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Edge)) == 8


def chain(length: int) -> Workflow:
    @as_task
    def Start() -> {"x": int}:
        return {"x": 1}

    @as_task
    def Next(x: int) -> {"x": int}:
        return {"x": x}

    with Workflow(name="chain") as workflow:
        last = Start()
        for _ in range(length - 1):
            last = last | Next()
    return workflow


@pytest.mark.slow
def test_recording_costs_as_much_for_each_of_many_tasks_as_for_each_of_few(sqlite):
    def cost(length: int) -> float:
        workflow = chain(length)
        run(workflow)  # so that it is wired
        start = time.process_time()
        recorded(sqlite, workflow)
        return (time.process_time() - start) / length

    growth = min(cost(4000) / cost(500) for _ in range(5))  # side by side, since the machine may be busy with more
    assert growth < 2, "what grows with the number of tasks would be eight times as much"


@pytest.mark.slow
def test_what_is_kept_in_memory_does_not_grow_with_a_loop(sqlite):
    seen: list[int] = []

    @as_task
    def Look():
        if recorder._waiting or len(seen) % 50 == 0:
            seen.append(len(recorder._ledger._rows))
        else:
            seen.append(0)

    with LoopWorkflow(name="loop", iterations=2000) as workflow:
        Look()
    with Recorder(sqlite, workflow) as recorder:
        run(workflow, observer=recorder)
    assert max(seen) < 10
    assert Path(sqlite[None].login.place).stat().st_size < 2000 * 1000
