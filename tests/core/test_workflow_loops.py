"""Loops and iterations: what each round is given, what ends them, and what comes out."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from fairlead.adapters.workflow import (
    IfThenElse,
    IterativeWorkflow,
    LoopWorkflow,
    MapWorkflow,
    MergeTask,
    Skipped,
    Workflow,
    as_task,
    exit_pipeline,
    run,
)
from fairlead.adapters.workflow.exceptions import IOCheckerError, ResultInvalid, WorkflowInvalid


@as_task
def TaskA() -> {"a": int}:
    return 1


@as_task
def Add(x: int) -> {"x": int}:
    return x + 1


@as_task
def AddTo(x: int, step: int) -> {"x": int}:
    return x + step


@pytest.fixture
def count(note: Any) -> Any:
    """A task that notes that it runs, and exits the pipeline or fails in its n-th run."""

    @as_task
    def Counted(a: int = 0, fail_at: int = 0, exit_at: int = 0) -> {"count": int}:
        with note.path.open("a") as file:
            file.write("x ")
            times = file.tell() // 2
        if times == exit_at:
            exit_pipeline()
        if times == fail_at:
            raise RuntimeError("enough")
        return times

    return Counted


# LoopWorkflow


def test_a_loop_repeats_a_workflow(count, note):
    @LoopWorkflow.as_workflow(iterations=3)
    def looped_workflow():
        TaskA() | count()

    with Workflow() as workflow:
        looped_workflow()
    assert run(workflow).outputs == {"count": 3}
    assert note.taken() == ["x", "x", "x"]


def test_an_infinite_loop_repeats_until_an_exception_is_raised(count):
    @LoopWorkflow.as_workflow(infinite=True)
    def looped_workflow():
        TaskA() | count(fail_at=4)

    with pytest.raises(RuntimeError, match="enough") as caught:
        run(looped_workflow())
    assert caught.value.__notes__ == ["In task '[3]/counted'."]


def test_an_infinite_loop_repeats_until_exit_pipeline(count, note):
    @LoopWorkflow.as_workflow(infinite=True)
    def infinite_processing():
        TaskA() | count(exit_at=5)

    with Workflow() as workflow:
        infinite_processing() | as_task(lambda count: {"never": 1})()
    assert run(workflow).exited
    assert len(note.taken()) == 5


def test_an_infinite_loop_ends_when_its_run_is_cancelled(count):
    from fairlead.adapters.errors import Cancelled
    from fairlead.adapters.testing import RecordingHost

    host = RecordingHost()

    @as_task
    def Cancel(count: int) -> {}:
        if count == 3:
            host.cancel()

    with Workflow() as workflow, LoopWorkflow(infinite=True):
        count() | Cancel()
    with pytest.raises(Cancelled):
        run(workflow, host=host)


def test_an_infinite_loop_may_have_a_limit(count, note):
    with Workflow() as workflow, LoopWorkflow(infinite=True, limit=5, name="watch"):
        count()
    with pytest.raises(
        ResultInvalid, match=r"loop 'watch': it was run 5 times and nothing has ended it .* raise the limit"
    ):
        run(workflow)
    assert len(note.taken()) == 5


def test_every_round_of_a_loop_is_given_the_same():
    with Workflow() as workflow, LoopWorkflow(iterations=3):
        Add()
    assert run(workflow, {"x": 1}).outputs == {"x": 2}


def test_what_comes_after_a_loop_gets_its_outputs():
    with Workflow() as workflow:
        with LoopWorkflow(iterations=2) as loop:
            TaskA()
        loop | as_task(lambda a: {"b": a + 1})()
    assert run(workflow).outputs == {"b": 2}


def test_loops_nest(count, note):
    with Workflow() as workflow, LoopWorkflow(iterations=3), LoopWorkflow(iterations=4):
        count()
    run(workflow)
    assert len(note.taken()) == 12


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "loop 'l': it does not say how often .a number of iterations, or infinite=True"),
        ({"iterations": 2, "infinite": True}, "loop 'l': both 'iterations' and 'infinite' are given"),
        ({"iterations": 0}, "loop 'l', iterations: 0 is no whole number above 0"),
        ({"iterations": -1}, "loop 'l', iterations: -1 is no whole number above 0"),
        ({"iterations": "3"}, "loop 'l', iterations: '3' is no whole number above 0"),
        ({"iterations": True}, "loop 'l', iterations: True is no whole number above 0"),
        ({"infinite": True, "limit": 0}, "loop 'l', limit: 0 is no whole number above 0"),
    ],
)
def test_a_loop_says_how_often(arguments, text):
    with Workflow() as workflow, pytest.raises(WorkflowInvalid, match=text):
        LoopWorkflow(name="l", **arguments)
    assert workflow.blocks == []


def test_a_loop_without_blocks_is_told():
    with Workflow() as workflow:
        LoopWorkflow(iterations=3, name="l")
    with pytest.raises(IOCheckerError, match="loop 'l': there is no block in it"):
        run(workflow)


# IterativeWorkflow


def test_outputs_are_inputs_of_the_next_time():
    with Workflow() as workflow, IterativeWorkflow(max_iterations=5):
        Add()
    assert run(workflow, {"x": 0}).outputs == {"x": 5}


def test_an_iteration_ends_when_its_outputs_are_good_enough():
    with Workflow() as workflow, IterativeWorkflow(max_iterations=50, break_func=lambda x: x > 3):
        Add()
    assert run(workflow, {"x": 0}).outputs == {"x": 4}


def test_an_iteration_needs_no_number():
    with Workflow() as workflow, IterativeWorkflow(break_func=lambda x: x >= 100):
        Add()
    assert run(workflow, {"x": 0}).outputs == {"x": 100}


@pytest.mark.parametrize(
    "enough", [lambda x: x > 3, lambda x, y: x + y > 5, lambda **all_: all_["x"] > 3, lambda y, least=2: y >= least]
)
def test_what_ends_it_may_ask_for_some_or_all_outputs(enough):
    with Workflow() as workflow, IterativeWorkflow(max_iterations=50, break_func=enough):
        Add() | as_task(lambda x: {"x": x, "y": x // 2})()
    assert run(workflow, {"x": 0}).outputs == {"x": 4, "y": 2}


@pytest.mark.parametrize("initial", [10, {"x": 10}])
def test_an_initial_value_is_for_the_first_time(initial):
    with Workflow() as workflow, IterativeWorkflow(max_iterations=2, initial_value=initial):
        Add()
    assert run(workflow).outputs == {"x": 12}


def test_what_is_given_from_outside_wins_over_the_initial_value():
    with Workflow() as workflow, IterativeWorkflow(max_iterations=2, initial_value=10):
        Add()
    assert run(workflow, {"x": 0}).outputs == {"x": 2}


def test_an_initial_value_is_for_an_output():
    iteration = IterativeWorkflow(max_iterations=2, initial_value={"z": 1}, name="i")
    iteration.start()
    Add() | as_task(lambda x: {"x": x, "y": 1})()
    with pytest.raises(WorkflowInvalid, match=r"iteration 'i', initial_value: \{'z': 1\} is not for its outputs"):
        iteration.stop()


def test_other_inputs_stay_as_they_are():
    with Workflow() as workflow:
        as_task(lambda: {"step": 5, "x": 0})() | IterativeWorkflow(AddTo(), max_iterations=3)
    assert run(workflow).outputs == {"x": 15}


@pytest.mark.parametrize("on_limit", ["return", "fail"])
def test_an_iteration_that_is_never_good_enough_says_so(on_limit, caplog):
    options = {"max_iterations": 2, "on_limit": on_limit, "name": "i"}
    with Workflow() as workflow, IterativeWorkflow(break_func=lambda x: x > 9, **options):
        Add()
    if on_limit == "return":
        assert run(workflow, {"x": 0}).outputs == {"x": 2}
        assert "was true for none of its 2 iterations" in caplog.text
    else:
        with pytest.raises(ResultInvalid, match="iteration 'i': '<lambda>' was true for none of its 2 iterations"):
            run(workflow, {"x": 0})


def test_nesting_map_workflow_and_iterative_workflow():
    @as_task
    def ListFiles() -> {"files": list}:
        return [1, 2, 3]

    @as_task
    def Read(file: int) -> {"data": int}:
        return file

    @as_task
    def Process(data: int, reduced_data: Optional[int]) -> {"processed": int}:
        return data + (reduced_data or 0)

    @as_task
    def ReduceProcessed(processed: list) -> {"reduced_data": int}:
        return sum(processed)

    @MapWorkflow.as_workflow
    def inner_map_workflow():
        Read() | Process()

    threshold = 100

    def break_func(reduced_data: int):
        if reduced_data > threshold:
            return True
        return False

    @IterativeWorkflow.as_workflow(max_iterations=5, break_func=break_func)
    def my_iterative_workflow():
        inner_map = inner_map_workflow()
        inner_map | ReduceProcessed()
        # mandatory : manually add input to the map_workflow
        inner_map.add_input("reduced_data", type=Optional[int])

    with Workflow() as workflow:
        ListFiles() | my_iterative_workflow()
    # 6, then 3 * 6 + 6, then 3 * 24 + 6, then 3 * 78 + 6
    assert run(workflow).outputs == {"reduced_data": 240}


def test_a_map_inside_may_get_what_is_sent_back_without_being_told():
    @as_task
    def Share(item: int, total: int) -> {"part": int}:
        return item + total

    @as_task
    def Total(part: list) -> {"total": int}:
        return sum(part)

    with Workflow() as workflow, IterativeWorkflow(max_iterations=2, initial_value=0):
        MapWorkflow(Share(), map_on={"items": "item"}) | Total()
    assert run(workflow, {"items": [1, 2]}).outputs == {"total": 9}


def test_branches_in_an_iteration_are_decided_every_time():
    @as_task
    def Halve(x: int) -> {"x": int}:
        return x // 2

    @as_task
    def Triple(x: int) -> {"x": int}:
        return 3 * x + 1

    with Workflow() as workflow, IterativeWorkflow(break_func=lambda x: x == 1, max_iterations=200):
        _, even, odd = IfThenElse(lambda x: x % 2 == 0)
        [even | Halve(), odd | Triple()] | MergeTask()
    assert run(workflow, {"x": 27}).outputs == {"x": 1}


def test_iterations_nest():
    with Workflow() as workflow, IterativeWorkflow(max_iterations=3), IterativeWorkflow(max_iterations=4):
        Add()
    assert run(workflow, {"x": 0}).outputs == {"x": 12}


def test_an_iteration_whose_first_value_nothing_gives_is_told():
    with Workflow() as workflow, IterativeWorkflow(max_iterations=3):
        Add()
    with pytest.raises(IOCheckerError, match="task 'add', input 'x': is missing"):
        run(workflow)


def test_an_output_that_is_sent_back_is_of_the_type_of_the_input():
    @as_task
    def Show(x: int) -> {"x": str}:
        return str(x)

    with Workflow() as workflow, IterativeWorkflow(max_iterations=3, name="i"):
        Show()
    with pytest.raises(IOCheckerError, match=r"iteration 'i', input 'x': it is sent back as str \(int\)"):
        run(workflow, {"x": 0})


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "iteration 'i': nothing ends it .max_iterations, or a break_func"),
        ({"max_iterations": 0}, "iteration 'i', max_iterations: 0 is no whole number above 0"),
        ({"max_iterations": 2.0}, r"iteration 'i', max_iterations: 2\.0 is no whole number above 0"),
        ({"break_func": 3}, "iteration 'i', break_func: 3 is no function"),
        ({"max_iterations": 2, "on_limit": "stop"}, "iteration 'i', on_limit: 'stop' is unknown"),
    ],
)
def test_an_iteration_says_what_ends_it(arguments, text):
    with Workflow() as workflow, pytest.raises(WorkflowInvalid, match=text):
        IterativeWorkflow(name="i", **arguments)
    assert workflow.blocks == []


def test_what_ends_it_asks_for_outputs_only():
    with Workflow() as workflow, IterativeWorkflow(max_iterations=3, break_func=lambda error: error < 1, name="i"):
        Add()
    with pytest.raises(IOCheckerError, match="iteration 'i', break_func: it asks for 'error', which is no output"):
        run(workflow, {"x": 0})


def test_a_skipped_output_is_not_sent_back():
    @as_task
    def Count(n: int = 0, m: int = 7) -> {"n": int, "m": int}:
        return {"n": n + m, "m": Skipped()}

    with Workflow() as workflow, IterativeWorkflow(max_iterations=3):
        Count()
    assert run(workflow).outputs == {"n": 21, "m": Skipped()}


def test_an_end_that_asks_for_what_was_not_given_is_a_named_error():
    @as_task
    def Sometimes(n: int = 0):
        if n:
            return {"n": n}
        return {"n": 1, "done": False}

    with Workflow() as workflow, IterativeWorkflow(max_iterations=3, break_func=lambda done: done):
        Sometimes()
    with pytest.raises(ResultInvalid, match="asks for 'done', which the last iteration did not give"):
        run(workflow)
