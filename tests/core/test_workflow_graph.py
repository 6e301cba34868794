"""Graphs: how blocks are joined, nested and named, in every way that the documents of Outflow have."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from fairlead.adapters.workflow import IdentityTask, MapWorkflow, MergeTask, Workflow, as_task, as_workflow, run
from fairlead.adapters.workflow.block import current_workflow
from fairlead.adapters.workflow.exceptions import IOCheckerError, TaskException, WorkflowInvalid


@as_task
def Extract() -> {"raw": int}:
    return 3


@as_task
def Transform(raw: int) -> {"data": int}:
    return raw * 10


@as_task
def Load(data: int) -> {"loaded": str}:
    return f"<{data}>"


@as_task
def Add(x: int) -> {"x": int}:
    return x + 1


@as_task
def Double(x: int) -> {"x": int}:
    return x * 2


# Workflow definition


@as_workflow
def process():
    Extract() | Transform() | Load()


def test_using_the_as_workflow_decorator():
    with Workflow() as workflow:
        process()
    assert run(workflow).outputs == {"loaded": "<30>"}


def test_using_the_as_workflow_decorator_with_parentheses():
    @as_workflow()
    def process():
        Extract() | Transform() | Load()

    assert run(process()).outputs == {"loaded": "<30>"}
    assert process().name == "process"


def test_using_the_explicit_syntax():
    process = Workflow()
    process.start()
    Extract() | Transform() | Load()
    process.stop()
    assert run(process).outputs == {"loaded": "<30>"}


def test_a_workflow_is_called_with_its_inputs():
    with Workflow() as workflow:
        Transform() | Load()
    assert workflow(raw=5) == {"loaded": "<50>"}


def test_workflows_behave_like_tasks():
    @as_workflow
    def process_data():
        Transform() | Load()

    @as_task
    def Print(loaded: str) -> {"text": str}:
        return loaded * 2

    with Workflow() as workflow:
        Extract() | process_data() | Print()
    block = workflow.blocks[1]
    assert (list(block.inputs), list(block.outputs)) == (["raw"], ["loaded"])
    assert run(workflow).outputs == {"text": "<30><30>"}


def test_a_workflow_is_made_anew_with_every_call():
    with Workflow() as workflow:
        process(), process()
    assert [block.name for block in workflow.blocks] == ["process", "process"]
    assert [node.key for node in workflow.graph().nodes] == ["process", "process-2"]


def test_the_arguments_of_a_factory_are_its_own_business():
    @as_workflow
    def scaled(factor, *, offset=0):
        as_task(lambda x: {"y": x * factor + offset})()

    with Workflow() as workflow:
        scaled(3, offset=1)
    assert run(workflow, {"x": 2}).outputs == {"y": 7}


def test_every_block_that_is_made_runs_joined_or_not(note):
    @as_task
    def Note() -> {}:
        note.path.write_text("ran ")

    with Workflow() as workflow:
        Note()
        Extract() | Transform()
    run(workflow)
    assert note.taken() == ["ran"]


# External task in a workflow


@as_task
def BigComputation() -> {"factor": int}:
    return 7


@as_task
def Scale(raw: int, factor: int) -> {"data": int}:
    return raw * factor


def test_an_external_task_with_the_decorator_syntax():
    @as_workflow
    def process(big_computation):
        transform = Scale()
        big_computation | transform
        Extract() | transform | Load()

    with Workflow() as workflow:
        big_computation = BigComputation()
        process(big_computation)
    assert run(workflow).outputs == {"loaded": "<21>"}


def test_an_external_task_with_the_explicit_syntax():
    with Workflow() as workflow:
        big_computation = BigComputation()
        process = Workflow()
        process.start()
        transform = Scale()
        big_computation | transform
        Extract() | transform | Load()
        process.stop()
    assert run(workflow).outputs == {"loaded": "<21>"}


def test_an_external_task_is_for_all_items_of_a_map_and_runs_once(note):
    @as_task
    def Big() -> {"factor": int}:
        with note.path.open("a") as file:
            file.write("big ")
        return 7

    @as_task
    def List() -> {"raws": list[int]}:
        return [1, 2, 3]

    @MapWorkflow.as_workflow(map_on={"raws": "raw"})
    def process(big):
        scale = Scale()
        big | scale

    with Workflow() as workflow:
        big = Big()
        List() | process(big)
    assert run(workflow).outputs == {"data": [7, 14, 21]}
    assert note.taken() == ["big"]


def test_an_external_task_reaches_workflows_in_workflows():
    with Workflow() as workflow:
        big = BigComputation()
        with Workflow(), MapWorkflow(), Workflow():
            big | Scale()
    assert run(workflow, {"raw": [1, 2]}).outputs == {"data": [7, 14]}


# Using decorator on special workflow classes


@pytest.mark.parametrize("hook", ["_run", "run"])
@pytest.mark.parametrize("is_heads", [True, False])
def test_a_special_workflow_class(hook, is_heads):
    def toss(self, **inputs):
        if is_heads:
            return getattr(super(Random, self), hook)(**inputs)
        return dict.fromkeys(self.outputs)  # return None for all output targets

    Random = type("Random", (Workflow,), {hook: toss})  # noqa: N806 (a class)

    @Random.as_workflow(output_name="computation_result")
    def compute_workflow():
        Extract() | Transform() | Load()

    with Workflow() as workflow:
        compute_workflow()
    assert run(workflow).outputs == {"loaded": "<30>" if is_heads else None}


def test_a_hook_may_add_an_input_and_an_output():
    class Timed(Workflow):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.add_output("times", int)

        def run(self, **inputs):
            return {**super().run(**inputs), "times": 1}

    with Workflow() as workflow, Timed():
        Extract()
    assert run(workflow).outputs == {"raw": 3, "times": 1}


def test_a_hook_returns_all_outputs():
    class Forgetful(Workflow):
        def run(self, **inputs):
            return {}

    with Workflow() as workflow, Forgetful(name="it"):
        Extract()
    with pytest.raises(Exception, match=r"workflow 'it': its run returned \{\} \(a dict with 'raw'\)"):
        run(workflow)


# Operators


def test_example_workflow_of_a_diamond():
    @as_task
    def C(data: int) -> {"c": int}:
        return data + 1

    @as_task
    def D(data: int) -> {"d": int}:
        return data + 2

    @as_task
    def E(c: int, d: int) -> {"e": int}:
        return c * d

    with Workflow() as by_edges:
        a, b, e = Extract(), Transform(), E()
        a | b | C() | e
        b | D() | e
    with Workflow() as by_lists:
        Extract() | Transform() | [C(), D()] | E()
    with Workflow() as by_tuples:
        Extract() >> Transform() >> (C(), D()) >> E()
    assert [run(workflow).outputs for workflow in (by_edges, by_lists, by_tuples)] == [{"e": 31 * 32}] * 3


def test_the_left_shift_sends_from_right_to_left():
    with Workflow() as workflow:
        extract = Extract()
        assert (Load() << Transform() << extract) is extract
    assert run(workflow).outputs == {"loaded": "<30>"}
    with Workflow() as workflow:
        Scale() << [Extract(), BigComputation()]
    assert run(workflow).outputs == {"data": 21}
    with Workflow() as workflow:
        [Transform(), as_task(lambda raw: {"other": raw})()] << Extract()
    assert run(workflow).outputs == {"data": 30, "other": 3}


def test_a_list_on_the_left():
    with Workflow() as workflow:
        [Extract(), BigComputation()] | Scale()
    assert run(workflow).outputs == {"data": 21}


def test_a_list_on_the_left_of_a_list():
    @as_task
    def One(raw: int, factor: int) -> {"one": int}:
        return raw + factor

    with Workflow() as workflow:
        [Extract(), BigComputation()] >> One()
        (Extract(name="b"), BigComputation(name="c")) | Scale()
    assert run(workflow).outputs == {"one": 10, "data": 21}


def test_an_edge_that_is_made_twice_is_one():
    with Workflow() as workflow:
        extract, transform = Extract(), Transform()
        extract | transform
        extract | transform
    assert len(workflow.graph().edges) == 1


def test_only_blocks_that_are_joined_give_inputs():
    with Workflow() as workflow:
        Extract() | Add(x=1) | Transform()
    with pytest.raises(IOCheckerError, match="task 'transform', input 'raw': is missing"):
        run(workflow)


def test_an_extra_edge_brings_the_output_of_a_grandparent():
    with Workflow() as workflow:
        extract, transform = Extract(), Transform()
        extract | Add(x=1) | transform
        extract | transform
    assert run(workflow).outputs == {"data": 30}


def test_a_default_holds_where_no_joined_block_gives_it():
    @as_task
    def Scaled(raw: int, by: int = 2) -> {"data": int}:
        return raw * by

    with Workflow() as workflow:
        Extract() | Scaled()
    assert run(workflow).outputs == {"data": 6}
    assert "by" not in workflow.inputs


def test_blocks_run_after_what_they_need_and_else_as_they_were_made(note):
    @as_task
    def Note(x: int) -> {}:
        with note.path.open("a") as file:
            file.write(f"{x} ")

    with Workflow() as workflow:
        blocks = [Note(x=number, name=f"n{number}") for number in range(4)]
        blocks[3] | blocks[1]
    run(workflow)
    assert note.taken() == ["0", "2", "3", "1"]


def test_the_identity_passes_on_what_it_is_given():
    with Workflow() as workflow:
        [Extract(), BigComputation()] | IdentityTask() | Scale()
    assert run(workflow).outputs == {"data": 21}


def test_targets_of_library_tasks_belong_to_the_instance():
    for first, second in ((Extract, Transform), (BigComputation, as_task(lambda factor: {"y": factor}))):
        with Workflow() as workflow:
            first() | IdentityTask() | second()
        run(workflow)
    assert IdentityTask().inputs == MergeTask().inputs == {}


# The graph as data


def test_the_graph_is_data():
    with Workflow(name="whole") as workflow:
        big = BigComputation()
        with MapWorkflow(name="each", on_error="collect", cache=True):
            big | Scale(retries=2, timeout=5)
    graph = workflow.graph()
    assert [(path, node.kind) for path, node in graph.walk()] == [
        ("big_computation", "task"),
        ("each", "map"),
        ("each/scale", "task"),
    ]
    each = graph.nodes[1]
    assert (each.options["cache"], each.options["on_error"]) == (True, "collect")
    assert each.body is not None
    assert each.body.nodes[0].options == {"timeout": 5, "retries": 2}
    assert graph.inputs == {"raw": "Any"}
    assert [(edge.up, edge.down, edge.outputs) for edge in graph.edges] == [("big_computation", "each", ("factor",))]
    json.dumps(asdict(graph), default=list)


# What cannot be right


def test_blocks_join_in_the_body_of_a_workflow_only():
    with pytest.raises(WorkflowInvalid, match=r"extract \| transform: 'extract' and 'transform' were made outside any"):
        Extract() | Transform()


def test_a_class_is_no_block():
    for join in (lambda: Extract() | Transform, lambda: Extract | Transform(), lambda: Extract() | [Transform]):
        with Workflow(), pytest.raises(WorkflowInvalid, match=r"is no block .* Call it: a task is a class\."):
            join()


@pytest.mark.parametrize("thing", [3, None, "load", print, []])
def test_what_is_no_block_is_named(thing):
    with Workflow(), pytest.raises(WorkflowInvalid, match=r"is no block|there is no block in it"):
        Extract() | thing


@pytest.mark.parametrize("body", [lambda: None, lambda: Extract | Transform])
def test_a_workflow_has_blocks(body):
    with Workflow(name="empty") as workflow:
        body()
    with pytest.raises(IOCheckerError, match=r"workflow 'empty': there is no block in it .*MyTask\(\)"):
        run(workflow)


def test_a_circle_is_shown():
    workflow = Workflow(name="w")
    workflow.start()
    one, two, three = Add(name="one"), Add(name="two"), Add(name="three")
    one | two | three | one
    with pytest.raises(WorkflowInvalid, match=r"'w': its blocks are joined in a circle: one \| two \| three \| one"):
        workflow.stop()
    assert current_workflow() is None


def test_a_block_belongs_to_one_workflow():
    with Workflow(name="first"):
        extract = Extract()
    with Workflow(name="second"):
        with pytest.raises(WorkflowInvalid, match="'extract' is inside 'first', which 'transform' is not"):
            extract | Transform()
        with pytest.raises(WorkflowInvalid, match="'extract': it is in workflow 'first', which is written already"):
            Workflow(extract)


def test_an_inner_block_is_not_joined_from_outside():
    with Workflow():
        with Workflow(name="inner"):
            extract = Extract()
        with pytest.raises(WorkflowInvalid, match=r"Join the workflow instead: inner \| transform\."):
            extract | Transform()


@as_workflow
def fails():
    Extract() and 1 / 0


@as_workflow
def turns():
    one, two = Add(), Add()
    one | two | one


def fails_in_a_block():
    with Workflow():
        Extract() and 1 / 0


@pytest.mark.parametrize("body", [fails, turns, fails_in_a_block])
def test_what_goes_wrong_in_a_body_leaves_nothing_behind(body):
    with Workflow() as outer:
        with pytest.raises((ZeroDivisionError, WorkflowInvalid)):
            body()
        assert current_workflow() is outer
        Extract()
    assert current_workflow() is None
    assert run(outer).outputs == {"raw": 3}


def test_a_workflow_is_started_once_and_stopped_once():
    workflow = Workflow(name="w")
    with pytest.raises(WorkflowInvalid, match="workflow 'w': it was not started"):
        workflow.stop()
    workflow.start()
    with pytest.raises(WorkflowInvalid, match="workflow 'w': it was started already"):
        workflow.start()
    workflow.stop()


def test_an_output_that_two_blocks_end_with_is_told():
    with Workflow(name="w") as workflow:
        Extract(), Extract()
    with pytest.raises(IOCheckerError, match="workflow 'w', output 'raw': both 'extract' and 'extract-2' end with it"):
        run(workflow)


def test_an_input_that_two_blocks_give_is_told():
    with Workflow() as workflow:
        [Extract(), Extract(name="again")] | Transform()
    with pytest.raises(IOCheckerError, match="task 'transform', input 'raw': it comes from 'extract' and 'again'"):
        run(workflow)


def test_all_problems_are_told_at_once_at_all_depths():
    @as_task
    def Text() -> {"raw": str}:
        return "a"

    with Workflow() as workflow:
        Text() | Transform()
        with Workflow(name="inner"), Workflow(name="deep"):
            Text() | Transform()
            Load()
    with pytest.raises(IOCheckerError) as caught:
        run(workflow)
    assert [problem.where for problem in caught.value.problems] == [
        "task 'transform', input 'raw'",
        "workflow 'workflow', output 'data'",
        "inner/deep: task 'transform', input 'raw'",
        "task 'load', input 'data'",
    ]


def test_what_is_given_to_a_run_is_checked():
    with Workflow(name="w") as workflow:
        Transform()
    for inputs, text in [
        ({}, r"task 'transform', input 'raw': is missing \(a value of type int\)"),
        ({"raw": "3"}, r"workflow 'w', input 'raw': '3' is a str \(int\)"),
        ({"raw": 3, "rate": 1}, r"workflow 'w', 'rate': is no input of it \(one of: raw\)"),
    ]:
        with pytest.raises(IOCheckerError, match=text):
            run(workflow, inputs)


@pytest.mark.parametrize("thing", [Extract, process, 3, None])
def test_what_is_no_workflow_does_not_run(thing):
    with pytest.raises(WorkflowInvalid, match=r"run: .* is no workflow"):
        run(thing)


def test_a_task_alone_does_not_run_as_a_workflow_but_is_called():
    with pytest.raises(WorkflowInvalid, match=r"Workflow\(MyTask\(\)\)"):
        run(Extract())  # type: ignore[arg-type]
    assert run(Workflow(Extract())).outputs == {"raw": 3}


def test_inputs_are_a_mapping():
    with pytest.raises(Exception, match=r"workflow 'w', inputs: \[1\] is no mapping .*\{'raw': 1\}"):
        run(Workflow(Transform(), name="w"), [1])  # type: ignore[arg-type]


def test_options_that_there_are_not_are_named():
    with pytest.raises(Exception, match=r"'w', option 'cashe': is unknown \(cache, cache_dir"):
        Workflow(name="w", cashe=True)
    with pytest.raises(Exception, match="'quick', option 'retry': is unknown"):

        @as_task(retry=3)
        def quick() -> {}:
            pass


@pytest.mark.parametrize("thing", ["name", 3, type("C", (), {}), type("D", (), {"__call__": lambda self: 1})()])
def test_a_task_is_made_of_a_function(thing):
    with pytest.raises(Exception, match=r"as_task: .* is no function"):
        as_task(thing)


def test_a_value_that_is_bound_has_a_name():
    with pytest.raises(TaskException, match=r"task 'transform': 3 is given without a name .*Transform\(raw=3\)"):
        Transform(3)


# Blocks round a workflow, and what is changed late


@as_task
def Give(number: int) -> {"x": int}:
    return number


@as_task
def First(x: int) -> {"first": int}:
    return x


@as_task
def Second(x: int) -> {"second": int}:
    return x


def test_two_blocks_of_one_name_outside_are_told_apart():
    with Workflow() as workflow:
        one, two = Give(number=1), Give(number=2)
        with Workflow(name="inner"):
            one | First()
            with Workflow(name="deeper"):
                two | Second()
    assert run(workflow).outputs == {"first": 1, "second": 2}


def test_two_blocks_outside_that_give_one_name_are_an_error():
    with Workflow() as workflow:
        givers = [Give(number=1), Give(number=2)]
        with Workflow(name="inner"):
            givers | First()
    with pytest.raises(IOCheckerError, match="'x': it comes from 'give' and 'give-2'"):
        run(workflow)


def test_two_blocks_of_one_name_in_two_workflows_outside_are_told_apart():
    with Workflow() as workflow:
        far = Give(number=1)
        with Workflow(name="middle"):
            near = Give(number=2)
            with Workflow(name="inner"):
                [far, near] | First()
    with pytest.raises(IOCheckerError, match="task 'first', input 'x': it comes from 'give' and 'middle/give'"):
        run(workflow)


def test_what_is_bound_after_the_body_counts():
    with Workflow() as workflow, Workflow(name="inner"):
        late = First()
    late.bind(x=10)
    assert run(workflow).outputs == {"first": 10}
