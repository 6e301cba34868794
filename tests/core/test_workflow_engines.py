"""One definition, four engines: the same results, failures, cache and events, wherever a workflow's blocks run."""

from __future__ import annotations

import logging
import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.errors import AppRaised, ContractError, InputInvalid, NotPortable, TimedOut, WorkerDied
from fairlead.adapters.workflow import (
    IfThenElse,
    IterativeWorkflow,
    LoopWorkflow,
    MapWorkflow,
    MergeTask,
    Parameter,
    Workflow,
    as_task,
    as_workflow,
    exit_pipeline,
    run,
)
from fairlead.adapters.workflow.run_state import Event
from tests.engines import OTHERS, Engine

in_other_processes = pytest.mark.parametrize("engine", OTHERS, indirect=True)


class TwoArguments(Exception):
    """An exception that could not be made of what it keeps."""

    def __init__(self, place: str, number: int) -> None:
        super().__init__(f"{place} at {number}")
        self.place, self.number = place, number
        self.lock = threading.Lock()


@as_task
def numbers(count: int) -> {"xs": list}:
    return {"xs": list(range(count))}


@as_task
def double(x: int) -> {"y": int}:
    return {"y": 2 * x}


@as_task
def fail_on_odd(x: int) -> {"y": int}:
    if x % 2:
        raise TwoArguments("here", x)
    return {"y": x}


def next_number(folder: Path) -> int:
    """Count from 0, over all processes."""
    with (folder / "count").open("a") as file:
        file.write("x")
        return file.tell() - 1


def mapped(task: Any, count: int, **options: Any) -> Workflow:
    with Workflow(name="whole") as workflow:
        numbers(count=count) | MapWorkflow(task, map_on={"xs": "x"}, name="each", **options)
    return workflow


def test_results_are_in_the_order_of_the_items(engine):
    assert engine(mapped(double(), 7)).outputs == {"y": [0, 2, 4, 6, 8, 10, 12]}


def test_what_items_have_in_common_reaches_each_of_them(engine):
    @as_task
    def add(x: int, offset: list) -> {"y": int}:
        return {"y": x + offset[0]}

    with Workflow() as workflow:
        MapWorkflow(add(), map_on={"xs": "x"})
    assert engine(workflow, {"xs": (x for x in range(3)), "offset": [10]}).outputs == {"y": [10, 11, 12]}


def test_a_failed_item_that_is_collected_leaves_the_same_record(engine):
    result = engine(mapped(fail_on_odd(), 4, on_error="collect"))
    expected = run(mapped(fail_on_odd(), 4, on_error="collect"))
    assert result.outputs == expected.outputs
    assert result.failures == expected.failures
    assert [failure.index for _, failure in result.failures] == [1, 3]


def test_a_failed_item_can_be_left_out(engine):
    assert engine(mapped(fail_on_odd(), 4, on_error="drop")).outputs == {"y": [0, 2]}


def test_an_exception_crosses_with_its_class_attributes_and_notes(engine):
    with pytest.raises(TwoArguments) as caught:
        engine(mapped(fail_on_odd(), 2))
    assert str(caught.value) == "here at 1"
    assert (caught.value.place, caught.value.number) == ("here", 1)
    assert caught.value.__notes__[0] == "In task 'each[1]/fail_on_odd'."
    assert caught.value.__notes__[1:] == ["In item 1 of map 'each'."]


def test_an_exception_of_a_class_that_only_the_task_knows_crosses(engine):
    class Own(Exception):
        pass

    @as_task
    def fail(x: int) -> {"y": int}:
        raise Own(x) from ValueError("why")

    with pytest.raises(Own) as caught:
        engine(mapped(fail(), 1))
    assert caught.value.args == (0,)
    assert isinstance(caught.value.__cause__, ValueError)


def test_the_failure_that_is_raised_is_that_of_the_first_item(engine, tmp_path):
    later = tmp_path / "later"

    @as_task
    def fail(x: int) -> {"y": int}:
        if x == 2:
            later.touch()
        raise TwoArguments("item", x)

    with pytest.raises(TwoArguments, match="item at 0"):
        engine(mapped(fail(), 3, chunk=1))


def test_maps_nest(engine):
    @as_workflow
    def row() -> None:
        MapWorkflow(double(), map_on={"row": "x"}, name="cells")

    with Workflow() as workflow:
        MapWorkflow(row(), map_on={"rows": "row"}, name="rows")
    assert engine(workflow, {"rows": [[1, 2], [3]]}).outputs == {"y": [[2, 4], [6]]}


def test_failures_of_maps_in_items_are_told_of(engine):
    @as_workflow
    def row() -> None:
        MapWorkflow(fail_on_odd(), map_on={"row": "x"}, name="cells", on_error="drop")

    with Workflow(name="whole") as workflow:
        MapWorkflow(row(), map_on={"rows": "row"}, name="rows")
    result = engine(workflow, {"rows": [[0, 1], [3]]})
    assert result.outputs == {"y": [[0], []]}
    assert [path for path, _ in result.failures] == ["rows[0]/row/cells", "rows[1]/row/cells"]


def test_branches_in_a_map_are_chosen_for_each_item(engine):
    @as_task
    def large(x: int) -> {"size": str}:
        return {"size": f"{x} is large"}

    @as_task
    def small(x: int) -> {"size": str}:
        return {"size": f"{x} is small"}

    with Workflow() as workflow, MapWorkflow(map_on={"xs": "x"}):
        start, then, otherwise = IfThenElse(lambda x: x > 1, "is_large")
        merge = MergeTask()
        start.add_input("x", int)
        then | large() | merge
        otherwise | small() | merge
    sizes = engine(workflow, {"xs": [1, 2, 0]}).outputs["size"]
    assert sizes == ["1 is small", "2 is large", "0 is small"]


def test_loops_hold_maps(engine):
    @as_task
    def total(y: list) -> {"start": int}:
        return {"start": sum(y)}

    @as_task
    def spread(start: int) -> {"xs": list}:
        return {"xs": [start, start + 1]}

    with Workflow() as workflow, IterativeWorkflow(max_iterations=3, initial_value=1):
        spread() | MapWorkflow(double(), map_on={"xs": "x"}) | total()
    assert engine(workflow).outputs == {"start": 106}


def test_loops_run_in_items(engine):
    with Workflow() as workflow, MapWorkflow(map_on={"xs": "x"}), LoopWorkflow(iterations=2):
        double()
    assert engine(workflow, {"xs": [1, 2]}).outputs == {"y": [2, 4]}


def test_parameters_reach_items(engine):
    @as_task
    def scale(x: int, factor: Parameter(int)) -> {"y": int}:
        return {"y": x * factor}

    assert engine(mapped(scale(), 3), parameters={"scale": {"factor": 5}}).outputs == {"y": [0, 5, 10]}


def test_what_one_engine_has_kept_the_others_find(engine, tmp_path):
    cached = mapped(double(), 3, cache=True)
    assert engine(cached, cache=str(tmp_path / "cache")).outputs == {"y": [0, 2, 4]}
    events: list[Event] = []
    found = run(mapped(double(), 3, cache=True), cache=str(tmp_path / "cache"), observer=events.append)
    assert found.outputs == {"y": [0, 2, 4]}
    assert [event.path for event in events if event.cached] == ["each[0]", "each[1]", "each[2]"]


def test_an_engine_finds_what_another_has_kept(engine, tmp_path):
    run(mapped(double(), 3, cache=True), cache=str(tmp_path / "cache"))
    events: list[Event] = []
    engine(mapped(double(), 3, cache=True), cache=str(tmp_path / "cache"), observer=events.append)
    assert {event.path for event in events if event.cached} == {"each[0]", "each[1]", "each[2]"}


def test_the_same_events_are_told(engine):
    def told(run_: Engine) -> set[tuple[Any, ...]]:
        events: list[Event] = []
        run_(mapped(fail_on_odd(), 3, on_error="collect"), observer=events.append)
        assert len(events) == len({(event.path, event.state, event.items) for event in events})
        return {(event.path, event.name, event.kind, event.state) for event in events}

    assert told(engine) == told(run)


def test_records_of_items_keep_their_logger_and_level(engine, caplog):
    @as_task
    def speak(x: int) -> {"y": int}:
        logging.getLogger("some.place").warning("item %d", x)
        logging.getLogger("some.place").debug("never")
        return {"y": x}

    with caplog.at_level(logging.INFO):
        engine(mapped(speak(), 2))
    records = [record for record in caplog.records if record.name == "some.place"]
    assert sorted((record.levelno, record.getMessage()) for record in records) == [
        (logging.WARNING, "item 0"),
        (logging.WARNING, "item 1"),
    ]


def test_what_items_print_is_printed_here(engine, capsys):
    @as_task
    def speak(x: int) -> {"y": int}:
        print("item", x)
        return {"y": x}

    engine(mapped(speak(), 2))
    assert sorted(capsys.readouterr().out.splitlines()) == ["item 0", "item 1"]


def test_an_item_can_end_the_run_as_a_success(engine):
    @as_task
    def leave(x: int) -> {"y": int}:
        exit_pipeline("that is all")

    result = engine(mapped(leave(), 3, on_error="collect"))
    assert result.exited
    assert result.outputs == {}


def test_items_are_tried_again(engine, tmp_path):
    @as_task
    def succeed_the_second_time(x: int) -> {"y": int}:
        sign = tmp_path / str(x)
        if not sign.exists():
            sign.touch()
            raise TwoArguments("try", x)
        return {"y": x}

    assert engine(mapped(succeed_the_second_time(), 2, retries=1)).outputs == {"y": [0, 1]}


def test_an_item_that_passes_its_limit_fails(engine):
    @as_task
    def hang(x: int) -> {"y": int}:
        while x:
            threading.Event().wait(1)
        return {"y": x}

    result = engine(mapped(hang(), 2, timeout=0.3, on_error="collect"))
    assert result.outputs["y"][0] == 0
    assert result.outputs["y"][1].type == "fairlead.adapters.errors.TimedOut"
    assert result.outputs["y"][1].message.startswith("map 'each[1]' passed its time limit of 0.3 s.")


def test_each_process_is_set_up_for_the_run(engine, monkeypatch):
    monkeypatch.delenv("SET_UP", raising=False)

    def set_up() -> None:
        os.environ["SET_UP"] = "yes"

    @as_task
    def ask(x: int) -> {"y": str}:
        return {"y": os.environ.get("SET_UP", "no")}

    expected = "no" if engine.name == "default" else "yes"
    assert engine(mapped(ask(), 2), worker_setup=set_up).outputs == {"y": [expected] * 2}


def test_items_are_kept_apart_as_the_map_asks(engine, tmp_path):
    @as_task
    def alone(x: int) -> {"y": int}:
        place = tmp_path / "taken"
        place.mkdir()  # fails if another item is here
        threading.Event().wait(0.01)
        place.rmdir()
        return {"y": x}

    assert engine(mapped(alone(), 4, simultaneous_tasks=1, chunk=1)).outputs == {"y": [0, 1, 2, 3]}


def test_independent_blocks_give_what_they_give_one_after_the_other(engine):
    @as_task
    def left(x: int) -> {"a": int}:
        return {"a": x + 1}

    @as_task
    def right(x: int) -> {"b": int}:
        return {"b": x + 2}

    @as_task
    def both(a: int, b: int, y: list) -> {"c": list}:
        return {"c": [a, b, *y]}

    with Workflow() as workflow:
        join = both()
        [left(), right()] | join
        MapWorkflow(double(), map_on={"xs": "x"}) | join
    assert engine(workflow, {"x": 1, "xs": [1, 2]}).outputs == {"c": [2, 3, 2, 4]}


def test_a_failing_branch_ends_the_run_with_its_exception(engine):
    @as_task
    def works(x: int) -> {"a": int}:
        return {"a": x}

    with Workflow() as workflow:
        works()
        fail_on_odd()
    with pytest.raises(TwoArguments, match="here at 1"):
        engine(workflow, {"x": 1})


@in_other_processes
@pytest.mark.parametrize("side", ["input", "output"])
def test_a_value_that_cannot_be_sent_is_named(engine, side):
    @as_task
    def opened() -> {"xs": list, "lock": object}:
        return {"xs": [0, 1], "lock": threading.Lock()}

    @as_task
    def use(x: int, lock: object) -> {"y": int}:
        return {"y": x}

    @as_task
    def make(x: int) -> {"y": object}:
        return {"y": threading.Lock()}

    with Workflow() as workflow:
        if side == "input":
            opened() | MapWorkflow(use(), map_on={"xs": "x"}, name="each")
        else:
            numbers(count=2) | MapWorkflow(make(), map_on={"xs": "x"}, name="each")
    with pytest.raises(NotPortable) as caught:
        engine(workflow)
    (problem,) = caught.value.problems
    assert problem.where == ("map 'each', input 'lock'" if side == "input" else "map 'each', item 0, output 'y'")
    assert "a value of type _thread.lock cannot be sent to another process" in problem.found
    assert "backend default" in problem.remedy


@in_other_processes
def test_what_a_function_closes_over_and_cannot_be_sent_is_named(engine):
    lock = threading.Lock()

    @as_task
    def use(x: int) -> {"y": int}:
        with lock:
            return {"y": x}

    with pytest.raises(NotPortable, match=r"task 'use', function: it uses something that cannot be sent"):
        engine(mapped(use(), 1))


@in_other_processes
def test_a_bound_value_that_cannot_be_sent_is_named(engine):
    @as_task
    def use(x: int, lock: object) -> {"y": int}:
        return {"y": x}

    with pytest.raises(NotPortable, match=r"task 'use', bound input 'lock': a value of type _thread.lock"):
        engine(mapped(use(lock=threading.Lock()), 1))


@in_other_processes
def test_a_process_that_dies_fails_the_item_that_it_was_at(engine):
    @as_task
    def die(x: int) -> {"y": int}:
        if x == 2:
            os._exit(7)
        return {"y": x}

    result = engine(mapped(die(), 6, on_error="collect", chunk=3))
    assert [each for each in result.outputs["y"] if isinstance(each, int)] == [0, 1, 3, 4, 5]
    failure = result.outputs["y"][2]
    assert failure.type == "fairlead.adapters.errors.WorkerDied"
    assert failure.inputs == {"x": 2}


@in_other_processes
def test_an_item_whose_process_dies_is_tried_again(engine, tmp_path):
    @as_task
    def die_once(x: int) -> {"y": int}:
        sign = tmp_path / str(x)
        if not sign.exists():
            sign.touch()
            os._exit(1)
        return {"y": x}

    assert engine(mapped(die_once(), 2, retries=1)).outputs == {"y": [0, 1]}


@pytest.mark.parametrize("engine", [OTHERS[0], OTHERS[2]], indirect=True)
def test_tries_that_raise_and_tries_that_die_are_counted_together(engine, tmp_path):
    @as_task(retries=2)
    def fail() -> {"a": int}:
        number = next_number(tmp_path)
        if number == 2:
            os._exit(1)
        raise OSError

    @as_task
    def live() -> {"b": int}:
        return {"b": 1}

    with Workflow() as workflow:
        live()
        fail()
    with pytest.raises(WorkerDied):
        engine(workflow)
    assert next_number(tmp_path) == 3


@in_other_processes
def test_an_item_whose_process_died_has_only_the_tries_that_are_left(engine, tmp_path):
    @as_task
    def fail(x: int) -> {"y": int}:
        number = next_number(tmp_path)
        if number == 1:
            os._exit(1)
        raise OSError(f"try {number}")

    (failure,) = engine(mapped(fail(), 1, retries=3, on_error="collect")).outputs["y"]
    assert failure.message == "try 3"
    assert next_number(tmp_path) == 4


@pytest.mark.parametrize("engine", ["default", *OTHERS], indirect=True)
def test_an_item_that_cannot_be_sent_fails_alone(engine):
    values = [1, threading.Lock(), 3]

    @as_task
    def give() -> {"xs": list}:
        return {"xs": values}

    @as_task
    def show(x: object) -> {"y": str}:
        return {"y": type(x).__name__}

    with Workflow(name="whole") as workflow:
        give() | MapWorkflow(show(), map_on={"xs": "x"}, name="each", on_error="collect", chunk=3, retries=2)
    first, second, third = engine(workflow).outputs["y"]
    assert (first, third) == ("int", "int")
    if engine.name != "default":
        assert second.type == "fairlead.adapters.errors.NotPortable"
        assert second.message.startswith("map 'each', item 1, input 'x': a value of type _thread.lock cannot be sent")


class Unreadable:
    """Can be pickled, and not unpickled."""

    def __reduce__(self):
        return _refuse, ()


def _refuse():
    raise RuntimeError("never again")


@in_other_processes
@pytest.mark.parametrize("side", ["input", "output"])
def test_a_value_that_can_be_pickled_but_not_unpickled_fails_its_item_alone(engine, side):
    values = [1, Unreadable(), 3, 4] if side == "input" else [1, "make", 3, 4]

    @as_task
    def give() -> {"xs": list}:
        return {"xs": values}

    @as_task
    def hand_on(x: object) -> {"y": object}:
        return {"y": Unreadable() if x == "make" else x}

    events = []
    with Workflow(name="whole") as workflow:
        give() | MapWorkflow(hand_on(), map_on={"xs": "x"}, name="each", on_error="collect", chunk=3, retries=2)
    first, second, third, fourth = engine(workflow, observer=events.append).outputs["y"]
    assert (first, third, fourth) == (1, 3, 4)
    assert second.type == "fairlead.adapters.errors.NotPortable"
    what = "what it is given" if side == "input" else "what it returned"
    assert f"map 'each', item 1: {what} cannot be read in another process: RuntimeError: never again" in second.message
    assert [event.state for event in events if event.path == "each[1]"][-1] == "failed"


def test_a_block_that_returns_what_cannot_be_unpickled_is_named():
    @as_task(timeout=60)
    def make() -> {"y": object}:
        return {"y": Unreadable()}

    with Workflow() as workflow:
        make()
    with pytest.raises(NotPortable, match=r"task 'make': what it returned cannot be read"):
        run(workflow, backend="parallel", options={"workers": 1})


@in_other_processes
def test_what_all_items_are_given_and_cannot_be_unpickled_ends_the_map(engine):
    @as_task
    def hand_on(x: int, common: object) -> {"y": int}:
        return {"y": x}

    with pytest.raises(NotPortable, match=r"map 'each': it, or what all its items are given, cannot be read"):
        engine(mapped(hand_on(common=Unreadable()), 2))


def test_an_exception_that_cannot_be_read_keeps_its_name_and_words():
    from fairlead.adapters.workflow.engines.crossing import dumps, loads, read_error, written_error

    class Lost(Exception):
        pass

    text, ((_, *facts),) = loads(written_error(Lost("the words")))
    again = read_error(dumps((text, [(pickle.dumps(Unreadable()), *facts)])))
    assert isinstance(again, AppRaised)
    assert again.exception.endswith("Lost")
    assert "the words" in str(again)


def test_a_map_over_nothing_that_may_be_is_nothing(engine):
    assert engine(mapped(double(), 0, allow_empty=True)).outputs == {"y": []}


# Choosing one


def test_an_unknown_engine_is_named_with_those_there_are():
    with pytest.raises(InputInvalid, match=r"backend: 'ray' is unknown \(default, parallel, slurm, dask\)"):
        run(mapped(double(), 1), backend="ray")


@pytest.mark.parametrize(
    ("backend", "option", "known"),
    [("default", "workers", "none"), ("parallel", "wrokers", "workers, grace"), ("dask", "port", "address, timeout")],
)
def test_an_unknown_option_is_named_with_those_there_are(backend, option, known):
    with pytest.raises(InputInvalid, match=f"backend '{backend}', option '{option}': is unknown .{known}"):
        run(mapped(double(), 1), backend=backend, options={option: 2})


def test_a_number_of_workers_must_be_one():
    with pytest.raises(InputInvalid, match="workers: 0 is no whole number above 0"):
        run(mapped(double(), 1), backend="parallel", options={"workers": 0})


def test_the_errors_of_engines_stand_in_the_tree():
    assert issubclass(NotPortable, ContractError)
    assert not issubclass(WorkerDied, ContractError)
    assert WorkerDied("x", signal=9).to_dict()["signal"] == 9
    assert TimedOut.retryable
    assert WorkerDied.retryable


def raised_by(call: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (whichever it is)
        call()
    return caught.value


@pytest.mark.parametrize("call", [lambda: Path("/nowhere").read_text(), b"\xff".decode, lambda: {}["key"]])
def test_exceptions_of_any_class_are_whole_after_a_journey(call):
    from fairlead.adapters.workflow.engines.crossing import read_error, written_error

    error = raised_by(call)
    again = read_error(written_error(error))
    assert (type(again), str(again), again.args) == (type(error), str(error), error.args)


@pytest.mark.parametrize("engine", [OTHERS[0], OTHERS[2]], indirect=True)
def test_a_block_whose_process_dies_is_told_to_have_failed(engine):
    @as_task
    def die() -> {"a": int}:
        os._exit(1)

    @as_task
    def live() -> {"b": int}:
        return {"b": 1}

    with Workflow() as workflow:
        live()
        die()
    events: list[Event] = []
    with pytest.raises(WorkerDied):
        engine(workflow, observer=events.append)
    assert ("die", "failed") in {(event.path, event.state) for event in events}
