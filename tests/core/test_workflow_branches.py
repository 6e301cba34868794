"""Branches: conditions, the side that is skipped, and what joins them again, any number of times."""

from __future__ import annotations

import pytest

from fairlead.adapters.workflow import (
    IfThenElse,
    LoopWorkflow,
    MapWorkflow,
    MergeTask,
    Skipped,
    Workflow,
    as_task,
    run,
)
from fairlead.adapters.workflow.exceptions import IOCheckerError, ResultInvalid, WorkflowInvalid


@as_task
def A(choice: bool) -> {"choice": bool, "out1": str}:
    return {"choice": choice, "out1": "a"}


@as_task
def B(out1: str) -> {"out1": str, "out2": str}:
    return {"out1": out1, "out2": "b"}


@as_task
def C(out1: str) -> {"out1": str, "out2": str}:
    return {"out1": out1, "out2": "c"}


@as_task
def LastTask(out1: str, out2: str) -> {"last": str}:
    return f"{out1=} , {out2=}"


class SomeCommand:
    @staticmethod
    def condition(**kwargs):
        return kwargs["choice"]


@pytest.mark.parametrize("choice", [True, False])
def test_branches_containing_tasks_with_targets(choice):
    @as_task
    def Then(choice: bool) -> {"then": str}:
        return "b"

    @as_task
    def Else(choice: bool) -> {"otherwise": str}:
        return "c"

    with Workflow() as workflow:
        a, b, c = A(), Then(), Else()
        if_t, then_t, else_t = IfThenElse(SomeCommand.condition)
        a | if_t
        then_t | b
        else_t | c
    expected = {"then": "b", "otherwise": Skipped()} if choice else {"then": Skipped(), "otherwise": "c"}
    assert run(workflow, {"choice": choice}).outputs == expected


@pytest.mark.parametrize("choice", [True, False])
def test_merge_if_then_else_branches(choice):
    with Workflow() as workflow:
        a, b, c = A(), B(), C()
        if_t, then_t, else_t = IfThenElse(SomeCommand.condition)
        merge_task = MergeTask()
        last_task = LastTask()
        a | if_t
        then_t | b | merge_task
        else_t | c | merge_task
        merge_task | last_task
    assert run(workflow, {"choice": choice}).outputs == {"last": f"out1='a' , out2='{'b' if choice else 'c'}'"}


@pytest.mark.parametrize("is_left", [True, False])
def test_merge_manual_branches(is_left):
    @as_task
    def Left() -> {"out": int}:
        return 1 if is_left else Skipped()

    @as_task
    def Right() -> {"out": int}:
        return Skipped() if is_left else 2

    with Workflow() as workflow:
        [Left(), Right()] | MergeTask()
    assert run(workflow).outputs == {"out": 1 if is_left else 2}


def test_the_condition_is_asked_once(note):
    def condition(**kwargs):
        with note.path.open("a") as file:
            file.write("asked ")
        return True

    with Workflow() as workflow:
        _, then, otherwise = IfThenElse(condition)
        [then | B(), otherwise | C()] | MergeTask()
    run(workflow, {"out1": "a"})
    assert note.taken() == ["asked"]


@pytest.mark.parametrize(
    "condition",
    [lambda choice: choice, lambda choice, out1: choice, lambda **all_: all_["choice"], SomeCommand.condition],
)
def test_a_condition_asks_for_some_or_all_of_what_is_given(condition):
    with Workflow() as workflow:
        choice, then, otherwise = IfThenElse(condition)
        A() | choice
        [then | B(), otherwise | C()] | MergeTask()
    assert run(workflow, {"choice": False}).outputs["out2"] == "c"


def test_blocks_after_a_skipped_one_are_skipped_however_many(note):
    @as_task
    def Note(out2: str) -> {"out3": str}:
        note.path.write_text("ran ")
        return out2

    with Workflow() as workflow:
        _, then, _ = IfThenElse(lambda **_: False, name="never")
        then | B() | Note() | Workflow(as_task(lambda out3: {"y": out3})()) | as_task(lambda y: {"z": y})()
    assert run(workflow, {"out1": "a"}).outputs == {"z": Skipped()}
    assert note.taken() == []


@pytest.mark.parametrize(("x", "expected"), [(1, "one"), (2, "two"), (3, "many")])
def test_branches_nest(x, expected):
    def says(text):
        return as_task(name=text)(lambda x: {"text": text})()

    with Workflow() as workflow:
        _, one, more = IfThenElse(lambda x: x == 1)
        two_or_more, two, many = IfThenElse(lambda x: x == 2)
        more | two_or_more
        inner = [two | says("two"), many | says("many")] | MergeTask(name="inner")
        [one | says("one"), inner] | MergeTask(name="outer")
    assert run(workflow, {"x": x}).outputs == {"text": expected}


def test_there_may_be_many_merges_one_after_another():
    with Workflow() as workflow:
        up = None
        for number in range(5):
            choice, then, otherwise = IfThenElse(lambda x: x % 2 == 0, name=f"even{number}")
            if up is not None:
                up | choice
            half = as_task(lambda x: {"x": x // 2})()
            grown = as_task(lambda x: {"x": x + 3})()
            up = [then | half, otherwise | grown] | MergeTask()
    assert run(workflow, {"x": 12}).outputs == {"x": 6}  # by way of 6, 3, 6 and 3


def test_a_choice_of_one_item_or_round_does_not_touch_the_next():
    @as_task
    def Flip(x: int) -> {"x": int}:
        return 1 - x

    with Workflow() as workflow, MapWorkflow(), LoopWorkflow(iterations=2):
        _, then, otherwise = IfThenElse(lambda x: x == 1)
        [then | Flip(), otherwise | as_task(lambda x: {"x": x + 10})()] | MergeTask()
    assert run(workflow, {"x": [1, 0, 1, 1, 0, 0]}).outputs == {"x": [0, 10, 0, 0, 10, 10]}


def test_none_is_a_value_like_others_for_a_merge():
    @as_task
    def Nothing(x: int) -> {"y": None}:
        return None

    with Workflow() as workflow:
        _, then, otherwise = IfThenElse(lambda x: x == 1)
        [then | Nothing(), otherwise | as_task(lambda x: {"y": x})()] | MergeTask()
    assert run(workflow, {"x": 1}).outputs == {"y": None}


def test_names_that_end_alike_are_not_mixed_up_by_a_merge():
    @as_task
    def Two(x: int) -> {"out": int, "fout": int}:
        return {"out": 1, "fout": 2}

    with Workflow() as workflow:
        _, then, otherwise = IfThenElse(lambda x: True)
        [then | Two(), otherwise | Two()] | MergeTask()
    assert run(workflow, {"x": 1}).outputs == {"out": 1, "fout": 2}


def test_a_branch_may_be_empty():
    with Workflow() as workflow:
        _, then, otherwise = IfThenElse(lambda x: x > 9)
        [then | as_task(lambda x: {"x": 9})(), otherwise] | MergeTask()
    assert run(workflow, {"x": 3}).outputs == {"x": 3}
    assert run(workflow, {"x": 30}).outputs == {"x": 9}


def test_a_branch_may_be_a_workflow_a_map_or_a_loop():
    with Workflow() as workflow:
        _, then, otherwise = IfThenElse(lambda xs: len(xs) > 1)
        each = MapWorkflow(as_task(lambda x: {"y": x * 2})())
        with LoopWorkflow(iterations=2) as loop:
            as_task(lambda xs: {"y": xs})()
        then | each
        otherwise | loop
        [each, loop] | MergeTask()
    assert run(workflow, {"xs": [1, 2]}).outputs == {"y": [2, 4]}
    assert run(workflow, {"xs": [1]}).outputs == {"y": [1]}


def test_an_exception_of_a_condition_comes_out_with_a_note_of_where():
    with Workflow() as workflow:
        IfThenElse(lambda x: 1 / 0, name="broken")
    with pytest.raises(ZeroDivisionError) as caught:
        run(workflow, {"x": 1})
    assert caught.value.__notes__ == ["In choice 'if_broken'."]


# What cannot be right


def test_two_branches_that_ran_are_not_merged():
    with Workflow() as workflow:
        [B(), C()] | MergeTask(name="m")
    with pytest.raises(ResultInvalid, match=r"merge 'm': .* have both run"):
        run(workflow, {"out1": "a"})


def test_a_merge_has_branches():
    with Workflow() as workflow:
        MergeTask(name="m") | LastTask()
    with pytest.raises(IOCheckerError, match="merge 'm': nothing is joined to it"):
        run(workflow)


def test_a_condition_asks_for_what_it_is_given():
    with Workflow() as workflow:
        choice, _, _ = IfThenElse(lambda wind: wind > 3, name="windy")
        A() | choice
    with pytest.raises(IOCheckerError, match="choice 'if_windy': its condition asks for 'wind', which it is not given"):
        run(workflow, {"choice": True})


def test_a_condition_is_a_function():
    with Workflow(), pytest.raises(WorkflowInvalid, match="IfThenElse: True is no function"):
        IfThenElse(True)  # type: ignore[arg-type]


def test_a_branch_outside_a_workflow_is_told_when_it_is_joined():
    choice, _, _ = IfThenElse(lambda x: x)
    with pytest.raises(WorkflowInvalid, match="were made outside any workflow"):
        A() | choice


@pytest.mark.parametrize("gives", [True, False], ids=["with outputs", "without"])
def test_what_only_comes_after_a_skipped_task_is_skipped_wherever_it_runs(gives):
    from fairlead.adapters.workflow.engines import named
    from fairlead.adapters.workflow.nodes import flatten, outputs_of, run_node
    from fairlead.adapters.workflow.run_state import Run

    def gate() -> {"open": bool}:
        return Skipped()

    def gate_without() -> {}:
        return Skipped()

    @as_task
    def After() -> {"y": int}:
        return 5

    with Workflow() as workflow:
        as_task(gate if gives else gate_without)() | After()
    assert run(workflow).outputs == {"y": Skipped()}
    flat, results = flatten(workflow), {}
    for node in flat.nodes:
        results[node.path] = run_node(node, results, {}, Run(named("default")))
    assert outputs_of(flat, results) == {"y": Skipped()}
