"""Where workflows differ from Outflow 0.9.2 on purpose: one test for each row of the page of deviations."""

from __future__ import annotations

import itertools
import linecache
from typing import Optional

import pytest

from fairlead.adapters.workflow import (
    Failure,
    IfThenElse,
    IterativeWorkflow,
    LoopWorkflow,
    MapWorkflow,
    MergeTask,
    Parameter,
    Skipped,
    Workflow,
    as_task,
    as_workflow,
    exit_pipeline,
    run,
)
from fairlead.adapters.workflow.block import current_workflow
from fairlead.adapters.workflow.exceptions import (
    IOCheckerError,
    ResultInvalid,
    TaskException,
    WorkflowInvalid,
)


@as_task
def Start() -> {"number": int}:
    return 20


@as_task
def Double(number: int) -> {"doubled": int}:
    return 2 * number


@as_task
def Invert(number: float) -> {"inverse": float}:
    return 1 / number


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Results are kept where no other test looks."""
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "cache"))


# Tasks and targets


def test_annotations_may_be_texts():
    assert Double.__wrapped__.__annotations__["number"] == "int"
    assert Double()(number=2) == {"doubled": 4}


def test_a_coroutine_is_awaited():
    @as_task
    async def Later(number: int) -> {"later": int}:
        return number

    assert Later()(number=1) == {"later": 1}


def test_a_task_is_called_with_values_in_order():
    assert Double()(4) == {"doubled": 8}


def test_a_missing_input_is_named_and_nothing_runs():
    ran = []

    @as_task
    def Untyped(value):
        ran.append(value)
        return {"given": value}

    with pytest.raises(TaskException, match="task 'untyped', input 'value'"):
        Untyped()()
    assert not ran


def test_a_function_inside_says_nothing_of_outputs():
    @as_task
    def Outer(number: int):
        def inner():
            return {"inner": number}

        return {"outer": inner()["inner"]}

    assert Outer()(number=1) == {"outer": 1}


def test_each_way_of_returning_may_give_its_own_outputs():
    @as_task
    def Either(number: int):
        if number > 0:
            return {"positive": number}
        return {"other": number}

    assert Either()(number=1) == {"positive": 1}
    assert Either()(number=-1) == {"other": -1}


def test_values_are_checked_to_their_last_item():
    @as_task
    def Total(numbers: list[int]) -> {"total": int}:
        return sum(numbers)

    with pytest.raises(TaskException, match=r"task 'total', input 'numbers': .*item 1"):
        Total()(numbers=[1, "a"])


def test_parameters_are_checked_like_inputs():
    @as_task
    def Scale(factor: Parameter(int)) -> {"scaled": int}:
        return factor

    with Workflow() as workflow:
        Scale()
    with pytest.raises(IOCheckerError, match=r"parameters.scale.factor: 'x' is a str"):
        run(workflow, parameters={"scale": {"factor": "x"}})


def test_targets_belong_to_one_task_alone():
    one = Double()
    one.add_input("more", int)
    assert [*one.inputs] == ["number", "more"]
    assert [*Double().inputs] == ["number"]


def test_a_skipped_output_need_not_have_the_outputs_type():
    @as_task
    def Maybe(number: int) -> {"found": int}:
        return Skipped()

    assert Maybe()(number=1) == {"found": Skipped()}


# Graphs


def test_lists_are_joined():
    @as_task
    def Triple(number: int) -> {"tripled": int}:
        return 3 * number

    @as_task
    def Add(doubled: int, tripled: int) -> {"sum": int}:
        return doubled + tripled

    with Workflow() as workflow:
        Start() | [Double(), Triple()] | Add()
    assert workflow() == {"sum": 100}


def test_types_are_checked_before_anything_runs_inside_maps_too():
    ran = []

    @as_task
    def Texts() -> {"texts": list[str]}:
        ran.append(1)
        return ["a"]

    with Workflow() as workflow:
        Texts() | MapWorkflow(Double(), map_on={"texts": "number"})
    with pytest.raises(IOCheckerError, match="each item of 'texts' is of type str"):
        workflow()
    assert not ran


def test_an_input_from_two_blocks_is_an_error():
    with Workflow() as workflow:
        [Start(), Start(name="again")] | Double()
    with pytest.raises(IOCheckerError, match="it comes from 'start' and 'again'"):
        workflow()


def test_a_circle_is_told_by_its_blocks():
    @as_task
    def Halve(doubled: int) -> {"number": int}:
        return doubled // 2

    @as_workflow
    def circle():
        double = Double()
        double | Halve() | double

    with pytest.raises(WorkflowInvalid, match=r"joined in a circle: (double|halve) \| "):
        circle()


def test_a_body_that_raises_leaves_no_workflow_open():
    @as_workflow
    def broken():
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 (it has no message)
        broken()
    assert current_workflow() is None


@pytest.mark.parametrize("hook", ["run", "_run"])
def test_the_hook_is_called_under_both_of_its_names(hook):
    called = []

    def own(self, **inputs):
        called.append(inputs)
        return getattr(Workflow, hook)(self, **inputs)

    with type("Own", (Workflow,), {hook: own})() as workflow:
        Double()
    assert workflow(number=2) == {"doubled": 4}
    assert called == [{"number": 2}]


# Maps


def test_a_failing_item_fails_its_map_unless_it_says_otherwise():
    with pytest.raises(ZeroDivisionError):
        MapWorkflow(Invert())(number=[1.0, 0.0])


def test_a_collected_failure_is_data():
    result = run(MapWorkflow(Invert(), raise_exceptions=False), {"number": [1.0, 0.0]})
    failure = result.outputs["inverse"][1]
    assert isinstance(failure, Failure)
    assert (failure.index, failure.inputs, failure.type) == (1, {"number": 0.0}, "ZeroDivisionError")
    assert [each for _, each in result.failures] == [failure]


def test_sequences_of_different_lengths_are_an_error():
    @as_task
    def Add(x: int, y: int) -> {"sum": int}:
        return x + y

    with pytest.raises(TaskException, match="sequences of one length"):
        MapWorkflow(Add(), map_on={"xs": "x", "ys": "y"})(xs=[1, 2], ys=[1])


def test_a_map_over_nothing_is_an_error_unless_it_is_allowed():
    with pytest.raises(TaskException, match="is empty"):
        MapWorkflow(Invert())(number=[])
    assert MapWorkflow(Invert(), allow_empty=True)(number=[]) == {"inverse": []}


def test_a_map_whose_last_task_gives_nothing_needs_no_word_about_it():
    @as_task
    def Show(number: float):
        pass

    assert MapWorkflow(Show())(number=[1.0]) == {}


def test_the_order_of_results_is_that_of_the_items_though_some_were_kept():
    kept = MapWorkflow(Double(), cache=True, name="each")
    assert kept(number=[1, 8])["doubled"] == [2, 16]
    assert kept(number=[9, 1, 8, 2])["doubled"] == [18, 2, 16, 4]


# Loops


def test_the_outputs_of_a_loop_are_those_of_its_last_iteration():
    numbers = itertools.count(1)

    @as_task
    def Count() -> {"count": int}:
        return next(numbers)

    assert LoopWorkflow(Count(), iterations=3)() == {"count": 3}


def test_the_initial_value_is_used():
    @as_task
    def Grow(size: int) -> {"size": int}:
        return 2 * size

    assert IterativeWorkflow(Grow(), max_iterations=3, initial_value=5)() == {"size": 40}


def test_a_condition_that_ends_an_iteration_may_ask_for_some_outputs():
    @as_task
    def Grow(size: int) -> {"size": int, "remark": str}:
        return {"size": 2 * size, "remark": ""}

    grow = IterativeWorkflow(Grow(), max_iterations=9, break_func=lambda size: size > 20)
    assert grow(size=1)["size"] == 32


def test_what_is_sent_back_may_be_none_at_first_without_a_default():
    @as_task
    def Grow(size: Optional[int]) -> {"size": int}:
        return 1 if size is None else 2 * size

    assert IterativeWorkflow(Grow(), max_iterations=3)() == {"size": 4}


# Branches


def branched(condition, then_task, else_task):
    @as_workflow
    def body():
        if_, then, else_ = IfThenElse(condition)
        merge = MergeTask()
        if_ | then | then_task() | merge
        else_ | else_task() | merge

    return body()


@as_task
def Even(number: int) -> {"word": str}:
    return f"{number} is even"


@as_task
def Odd(number: int) -> {"word": str}:
    return f"{number} is odd"


def test_a_branch_is_decided_once_and_anew_for_each_item():
    asked = []

    def is_even(number):
        asked.append(number)
        return number % 2 == 0

    with MapWorkflow() as each:
        branched(is_even, Even, Odd)
    assert each(number=[1, 2, 3])["word"] == ["1 is odd", "2 is even", "3 is odd"]
    assert asked == [1, 2, 3]


def test_there_may_be_several_merges():
    @as_workflow
    def both():
        branched(lambda number: number > 1, Even, Odd) | Second()
        branched(lambda number: number > 9, Even, Odd)

    assert both()(number=2) == {"told": "2 is even", "word": "2 is odd"}


@as_task
def Second(word: str) -> {"told": str}:
    return word


def test_two_branches_that_have_both_run_are_an_error():
    @as_task
    def Again(number: int) -> {"number": int}:
        return number

    with Workflow() as workflow:
        [Again(), Again(name="again")] | MergeTask()
    with pytest.raises(ResultInvalid, match="'again' and 'again-2' have both run"):
        workflow(number=1)


def test_a_branch_may_give_none():
    @as_task
    def Nothing(number: int) -> {"word": None}:
        return {"word": None}

    assert branched(lambda number: number > 0, Nothing, Odd)(number=1) == {"word": None}


def test_exit_pipeline_ends_the_run_from_within_an_item():
    seen = []

    @as_task
    def Stop(number: int) -> {"number": int}:
        seen.append(number)
        if number == 2:
            exit_pipeline()
        return number

    result = run(MapWorkflow(Stop(), on_error="collect"), {"number": [1, 2, 3]})
    assert result.exited
    assert seen == [1, 2]


# Caching


@as_task(cache=True)
def Kept(value: object, more: int = 0) -> {"kept": list}:
    return [type(value).__name__, more]


def is_found(value, **bound):
    """Run a task whose results are kept; tell whether its result was found."""
    with Workflow() as workflow:
        Kept(**bound)
    events = []
    run(workflow, {"value": value}, observer=events.append)
    return any(event.cached for event in events)


def test_what_a_task_is_bound_to_is_in_the_key():
    assert not is_found(1, more=1)
    assert not is_found(1, more=2)
    assert is_found(1, more=1)


@pytest.mark.parametrize(
    ("one", "other"), [({1, 2}, {1, 3}), (b"a", b"b"), ((1, 2), [1, 2]), (1, True), (1 + 2j, 1 + 3j)]
)
def test_two_values_are_never_taken_for_one(one, other):
    assert not is_found(one)
    assert not is_found(other)
    assert is_found(one)


def test_the_code_of_a_task_is_in_the_key(tmp_path, monkeypatch):
    module = tmp_path / "edited.py"
    source = (
        "from fairlead.adapters.workflow import Workflow, as_task\n"
        "def helper(x):\n    return x + {n}\n"
        "@as_task(cache=True)\ndef Add(x: int) -> {{'sum': int}}:\n    return helper(x)\n"
        "with Workflow() as workflow:\n    Add()\n"
    )
    results = []
    for number in (1, 22):  # texts of different lengths, so that Python reads the file again
        module.write_text(source.format(n=number))
        namespace = {"__name__": "edited", "__file__": str(module)}
        linecache.checkcache(str(module))
        exec(compile(module.read_text(), str(module), "exec"), namespace)
        results.append(namespace["workflow"](x=1))
    assert results == [{"sum": 2}, {"sum": 23}]
