"""What users of map and loop workflows were promised elsewhere and did not get, held on every engine.

In the order of the harm that it does: the number before each part is its rank in what is known of Outflow 0.9.2.
"""

from __future__ import annotations

import datetime as dt
import decimal
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairlead.adapters.errors import TimedOut
from fairlead.adapters.workflow import (
    Failure,
    IfThenElse,
    IterativeWorkflow,
    LoopWorkflow,
    MapWorkflow,
    MergeTask,
    Parameter,
    Result,
    Skipped,
    Workflow,
    as_task,
    run,
)
from fairlead.adapters.workflow.records import Databases, Recorder, read_run, upgrade
from fairlead.adapters.workflow.records.reading import Details
from tests.engines import ALL, OTHERS, Engine

LIMIT = 30.0
"""Seconds after which what is waited for is held not to happen."""


class Broken(Exception):
    """An exception that pickle cannot make again: its constructor takes more than it keeps."""

    def __init__(self, site: str, number: int) -> None:
        super().__init__(f"{site}: {number}")


@as_task
def numbers(count: int = 4) -> {"xs": list[int]}:
    return list(range(count))


@as_task
def double(x: int) -> {"y": int}:
    return 2 * x


@as_task
def scale(x: int, factor: Parameter(int)) -> {"y": int}:
    return x * factor


@as_task
def divide(x: int) -> {"y": float}:
    return 12 / x


@as_task
def total(y: list) -> {"total": float, "failed": int}:
    return {
        "total": sum(each for each in y if not isinstance(each, Failure)),
        "failed": sum(isinstance(each, Failure) for each in y),
    }


def wait_until(happens: Callable[[], bool]) -> None:
    """Wait, in a task, for what another one does."""
    end = time.monotonic() + LIMIT
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def mapped(task: Any, count: int = 4, **options: Any) -> Workflow:
    with Workflow(name="study") as workflow:
        numbers(count=count) | MapWorkflow(task, map_on={"xs": "x"}, name="each", **options) | total()
    return workflow


Recorded = Callable[..., tuple[Result, Details]]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Run a workflow in an engine with a database, and return what came of it and what was recorded."""

    def go(engine: Engine, workflow: Workflow, inputs: Any = None, **arguments: Any) -> tuple[Result, Details]:
        with Databases.at(f"sqlite:///{tmp_path / 'runs.db'}") as databases:
            upgrade(databases)
            with Recorder(databases, workflow, **arguments) as recorder:
                result = engine(workflow, inputs, observer=recorder)
            return result, read_run(databases, recorder.run_id)

    return go


# 1. With a database, a map in processes runs its items


def test_a_recorded_run_does_every_item_and_records_it_on_every_engine(engine, recorded):
    result, record = recorded(engine, mapped(divide(), on_error="collect"), backend=engine.name)
    _, expected = recorded(run, mapped(divide(), on_error="collect"))
    assert result.outputs == {"total": 22.0, "failed": 1}
    assert (record.summary.state, record.summary.backend) == ("success", engine.name)
    assert record.states == expected.states
    assert record.states["each[0]"] == record.states["each[0]/divide"] == "failed"
    assert record.states["each[3]/divide"] == "success"
    assert record.counts == expected.counts
    assert [(each.path, each.type) for each in record.exceptions] == [("each[0]/divide", "ZeroDivisionError")]


def test_a_recorded_run_that_fails_is_recorded_so_on_every_engine(engine, recorded, tmp_path):
    with pytest.raises(ZeroDivisionError):
        recorded(engine, mapped(divide(), chunk=1))
    with Databases.at(f"sqlite:///{tmp_path / 'runs.db'}") as databases:
        record = read_run(databases, "last")
    assert record.summary.state == "failed"
    assert record.states["each"] == record.states["each[0]/divide"] == "failed"
    assert record.states["numbers"] == "success"
    assert record.states["total"] == "skipped"
    assert "running" not in record.states.values()


# 2. Without one, too, on a cluster as anywhere


def test_a_run_without_a_database_gives_the_same_on_every_engine(engine, recorded):
    result = engine(mapped(divide(), on_error="collect"))
    with_database, _ = recorded(engine, mapped(divide(), on_error="collect"))
    assert result.outputs == with_database.outputs == {"total": 22.0, "failed": 1}
    assert result.failures == with_database.failures


# 3. Parameters inside a map


def test_a_parameter_inside_a_map_reaches_every_item_on_every_engine(engine):
    assert engine(mapped(scale()), parameters={"scale": {"factor": 3}}).outputs == {"total": 18, "failed": 0}


# 4. The cache never gives the result of other work, and keeps the order

ALIKE: dict[str, tuple[Any, Any]] = {
    "sets": ({1, 2}, {3}),
    "bytes": (b"a", b"b"),
    "arrays": (np.array([1.0]), np.array([2.0])),
    "times": (dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 1, 2, tzinfo=dt.UTC)),
    "decimals": (decimal.Decimal("1.1"), decimal.Decimal("1.10001")),
    "complex": (1 + 2j, 2 + 1j),
    "a list and a tuple": ([1], (1,)),
}


@as_task
def show(value: Any) -> {"shown": str}:
    return repr(value)


@pytest.mark.parametrize("engine", ["default", "parallel"], indirect=True)
@pytest.mark.parametrize("kind", ALIKE)
def test_the_cache_tells_values_of_any_type_apart(kind, engine, tmp_path):
    for value in (*ALIKE[kind], *ALIKE[kind]):
        with Workflow() as workflow:
            MapWorkflow(show(), map_on={"values": "value"}, cache=True)
        assert engine(workflow, {"values": [value]}, cache=str(tmp_path)).outputs == {"shown": [repr(value)]}


def test_the_cache_tells_bound_arguments_apart(engine, tmp_path):
    @as_task
    def add(x: int, more: int) -> {"y": int}:
        return x + more

    for more in (1, 2, 1):
        found = engine(mapped(add(more=more), cache=True), cache=str(tmp_path)).outputs["total"]
        assert found == 6 + 4 * more


def test_the_cache_tells_parameters_of_one_name_apart(engine, tmp_path):
    @as_task
    def shift(y: int, factor: Parameter(int)) -> {"z": int}:
        return y + factor

    for first, second in ((2, 3), (3, 2), (2, 3)):
        with Workflow() as workflow, MapWorkflow(map_on={"xs": "x"}, cache=True):
            scale() | shift()
        parameters = {"scale": {"factor": first}, "shift": {"factor": second}}
        outputs = engine(workflow, {"xs": [1, 2]}, parameters=parameters, cache=str(tmp_path)).outputs
        assert outputs == {"z": [first + second, 2 * first + second]}


def test_results_stay_in_order_though_some_were_kept(engine, tmp_path):
    def each() -> Workflow:
        with Workflow() as workflow:
            MapWorkflow(double(), map_on={"xs": "x"}, cache=True)
        return workflow

    engine(each(), {"xs": [1, 2]}, cache=str(tmp_path))
    assert engine(each(), {"xs": [9, 1, 8, 2]}, cache=str(tmp_path)).outputs == {"y": [18, 2, 16, 4]}


# 5. Branches in loops and maps, one after another


@as_task
def grow(x: int) -> {"x": int}:
    return 3 * x + 1


@as_task
def halve(x: int) -> {"x": int}:
    return x // 2


def collatz() -> None:
    """Halve an even number, and grow an odd one."""
    choice, even, odd = IfThenElse(lambda x: x % 2 == 0, "is_even")
    choice.add_input("x", int)
    [even | halve(), odd | grow()] | MergeTask()


def test_a_branch_is_decided_anew_in_each_item_and_each_round(engine):
    with Workflow() as workflow, MapWorkflow(map_on={"xs": "x"}), IterativeWorkflow(max_iterations=4):
        collatz()
    assert engine(workflow, {"xs": [6, 7, 8, 6]}).outputs == {"x": [16, 17, 4, 16]}


def test_a_branch_is_decided_anew_in_a_loop(engine):
    with Workflow() as workflow, MapWorkflow(map_on={"xs": "x"}), LoopWorkflow(iterations=2):
        collatz()
    assert engine(workflow, {"xs": [3, 4]}).outputs == {"x": [10, 2]}


def test_a_second_choice_and_merge_work_like_the_first(engine):
    with Workflow() as workflow, MapWorkflow(map_on={"xs": "x"}):
        for number in range(2):
            choice, large, small = IfThenElse(lambda x: x > 4, f"is_large_{number}")
            merge = MergeTask()
            [large | halve(), small | grow()] | merge
            if number:
                first | choice
            else:
                choice.add_input("x", int)
            first = merge  # noqa: F841
    assert engine(workflow, {"xs": [1, 9]}).outputs == {"x": [13, 13]}


def test_skipped_may_stand_for_an_output_of_any_type(engine):
    @as_task
    def only_odd(x: int) -> {"y": int}:
        return x if x % 2 else Skipped()

    with Workflow() as workflow:
        MapWorkflow(only_odd(), map_on={"xs": "x"})
    assert [isinstance(each, Skipped) for each in engine(workflow, {"xs": [1, 2, 3]}).outputs["y"]] == [
        False, True, False
    ]  # fmt: skip


# 6. A failed item is no value, and nothing hangs


def test_a_failed_item_fails_the_run_unless_the_map_says_otherwise(engine):
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        engine(mapped(divide()))


def test_a_failure_that_is_collected_is_a_record_and_no_exception(engine):
    with Workflow() as workflow:
        MapWorkflow(divide(), map_on={"xs": "x"}, on_error="collect")
    result = engine(workflow, {"xs": [0, 2]})
    failure, value = result.outputs["y"]
    assert value == 6.0
    assert (failure.index, failure.inputs, failure.type) == (0, {"x": 0}, "ZeroDivisionError")
    assert failure.message == "division by zero"
    assert "return 12 / x" in failure.traceback


@pytest.mark.parametrize("engine", OTHERS, indirect=True)
def test_a_worker_that_dies_costs_its_item_and_the_run_goes_on(engine):
    @as_task
    def die(x: int) -> {"y": int}:
        if x == 1:
            os._exit(137)
        return x

    result = engine(mapped(die(), on_error="collect"))
    assert result.outputs == {"total": 5, "failed": 1}
    ((_, failure),) = result.failures
    assert (failure.index, failure.type) == (1, "fairlead.adapters.errors.WorkerDied")


def test_an_exception_with_several_arguments_arrives_and_hangs_nothing(engine):
    @as_task
    def fail(x: int) -> {"y": int}:
        raise Broken("site", x)

    with pytest.raises(Broken, match="site: 0"):
        engine(mapped(fail()))
    result = engine(mapped(fail(), on_error="collect"))
    assert [failure.message for _, failure in result.failures] == [f"site: {x}" for x in range(4)]


# 7. Retries, time limits, resuming, branches at once


def test_items_are_tried_again_as_often_as_they_may(engine, tmp_path):
    @as_task(retries=2)
    def unsteady(x: int) -> {"y": int}:
        tries = len(list(tmp_path.glob(f"{x}-*")))
        (tmp_path / f"{x}-{tries}").touch()
        if tries < 2:
            raise OSError("not yet")
        return x

    assert engine(mapped(unsteady(), count=2)).outputs == {"total": 1, "failed": 0}
    assert len(list(tmp_path.glob("0-*"))) == 3


def test_an_item_that_hangs_ends_at_its_limit(engine):
    @as_task(timeout=0.5)
    def hang(x: int) -> {"y": int}:
        if x == 1:
            threading.Event().wait()
        return x

    result = engine(mapped(hang(), count=3, on_error="collect"))
    assert result.outputs == {"total": 2, "failed": 1}
    assert result.failures[0][1].type == f"{TimedOut.__module__}.TimedOut"


def test_a_run_that_failed_goes_on_with_what_is_missing(engine, tmp_path):
    folder = str(tmp_path)  # a path in a task counts by what it leads to

    @as_task
    def once(x: int) -> {"y": int}:
        here = Path(folder)
        if x >= 2 and not (here / "mended").exists():
            wait_until(lambda: len(list(here.glob("cache/*/*/outcome.json"))) == 2)
            raise ValueError(f"item {x}")
        (here / f"done-{x}-{time.monotonic_ns()}").touch()
        return x

    with pytest.raises(ValueError, match=r"item [23]"):
        engine(mapped(once(), cache=True, chunk=1), cache=f"{folder}/cache")
    (tmp_path / "mended").touch()
    outputs = engine(mapped(once(), cache=True, chunk=1), cache=f"{folder}/cache").outputs
    assert outputs == {"total": 6, "failed": 0}
    assert sorted(path.name.split("-")[1] for path in tmp_path.glob("done-*")) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("engine", ["parallel", pytest.param("dask", marks=pytest.mark.slow)], indirect=True)
def test_independent_branches_run_at_once(engine, tmp_path):
    def meet(name: str) -> None:
        (tmp_path / name).touch()
        wait_until(lambda: len(list(tmp_path.glob("branch-*"))) == 2)

    @as_task
    def first() -> {"first": bool}:
        meet("branch-1")
        return True

    @as_task
    def second() -> {"second": bool}:
        meet("branch-2")
        return True

    with Workflow() as workflow:
        first()
        second()
    assert engine(workflow).outputs == {"first": True, "second": True}


# 8. An item of a large map costs no more than one of a small map


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["default", "parallel"], indirect=True)
def test_the_cost_of_an_item_does_not_grow_with_their_number(engine):
    def seconds(count: int) -> float:
        return min(engine(mapped(double(), count=count)).seconds for _ in range(3))

    once, twice = seconds(12_000), seconds(24_000)
    assert twice < 3 * once, f"{once:.2f} s for 12,000, {twice:.2f} s for 24,000"


def test_all_engines_are_held_to_this():
    from fairlead.adapters.workflow.engines import NAMES

    assert [getattr(each, "values", [each])[0] for each in ALL] == list(NAMES)
