"""Maps: how items are given, failed and put together, in order, whatever they hold."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
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
    exit_pipeline,
    run,
)
from fairlead.adapters.workflow.exceptions import IOCheckerError, TaskException, WorkflowInvalid


@as_task
def GenData() -> {"raw_data_array": list}:
    raw_data_array = [42, 43, 44, 45]
    return {"raw_data_array": raw_data_array}


@as_task
def Transform(raw_data):
    return {"transformed_data": raw_data * 2}


@as_task
def Compute(transformed_data: int, multiplier: Parameter(int)) -> {"computation_result": int}:
    return transformed_data * multiplier


@as_task
def Tenfold(x: int) -> {"y": int}:
    return x * 10


@as_task
def Three() -> {"xs": list[int]}:
    return [1, 2, 3]


@as_task
def FailOnTwo(x: int) -> {"y": int}:
    if x == 2:
        raise ValueError("two")
    return x


def mapped(*blocks: Any, **options: Any) -> Workflow:
    with Workflow() as workflow:
        MapWorkflow(*blocks, **options)
    return workflow


# Tutorial, part 4, and the standard library


def test_add_map_workflow_to_the_command_workflow():
    @MapWorkflow.as_workflow(cache=False)
    def process_data():
        Transform() | Compute()

    with Workflow() as workflow:
        GenData() | process_data()
    parameters = {"compute": {"multiplier": 3}}
    assert run(workflow, parameters=parameters).outputs == {"computation_result": [252, 258, 264, 270]}


def test_a_result_that_is_not_flattened():
    @MapWorkflow.as_workflow(output_name="computation_result")
    def process_data():
        Transform() | Compute()

    with Workflow() as workflow:
        GenData() | process_data()
    results = run(workflow, parameters={"compute": {"multiplier": 1}}).outputs["computation_result"]
    assert results == [[{"computation_result": x}] for x in (84, 86, 88, 90)]


def test_sbatch_directives_are_for_slurm_only():
    @MapWorkflow.as_workflow(cpus_per_task=5, partition="short", mem="10GO", simultaneous_tasks=3)
    def process():
        Tenfold()

    assert process()(x=[1]) == {"y": [10]}


def test_a_map_of_a_task_that_is_made_in_its_place():
    mapped_computation = MapWorkflow(Tenfold(), output_name="map_computation_result")
    assert mapped_computation(some_data_array=[1, 2]) == {"map_computation_result": [[{"y": 10}], [{"y": 20}]]}


def test_usage(tmp_path):
    data_directory = tmp_path / "data"
    data_directory.mkdir()
    for name in "ab":
        (data_directory / name).write_text(name * 3)

    @as_task
    def ListFiles() -> {"file_path_list": list[str]}:
        return {"file_path_list": sorted(map(str, data_directory.iterdir()))}

    @as_task
    def Read(file_path: str) -> {"data": Any}:
        return {"data": Path(file_path).read_text()}

    @as_task
    def Save(data):
        (tmp_path / data).touch()

    @MapWorkflow.as_workflow
    def process():
        Read() | Save()

    with Workflow() as workflow:
        ListFiles() | process()
    assert run(workflow).outputs == {}
    assert (tmp_path / "aaa").exists()


def test_a_map_by_the_with_syntax():
    with Workflow() as workflow:
        three = Three()
        with MapWorkflow(partition="batch", cpus_per_task=2, simultaneous_tasks=10) as map_task:
            Tenfold()
        three | map_task
    assert run(workflow).outputs == {"y": [10, 20, 30]}


# What an item is given


@as_task
def Pair(a: int, b: int, c: int = 0) -> {"sum": int}:
    return a * 100 + b * 10 + c


@as_task
def Sequences() -> {"a_list": list, "b_list": list}:
    return {"a_list": [1, 2], "b_list": [3, 4]}


def test_map_on_several_takes_them_in_step():
    with Workflow() as workflow:
        Sequences() | MapWorkflow(Pair(), map_on={"a_list": "a", "b_list": "b"})
    assert run(workflow).outputs == {"sum": [130, 240]}


def test_map_on_one_gives_the_others_to_all():
    @as_task
    def Give() -> {"a_list": list, "b": int}:
        return {"a_list": [1, 2], "b": 5}

    with Workflow() as workflow:
        Give() | MapWorkflow(Pair(), map_on={"a_list": "a"})
    assert run(workflow).outputs == {"sum": [150, 250]}


def test_the_only_input_that_nothing_gives_is_mapped():
    @as_task
    def Give() -> {"a_list": list, "b": int}:
        return {"a_list": [1, 2], "b": 5}

    with Workflow() as workflow:
        Give() | MapWorkflow(Pair())
    assert run(workflow).outputs == {"sum": [150, 250]}


def test_a_sequence_of_the_name_of_the_input_is_mapped():
    @as_task
    def Give() -> {"x": list}:
        return [1, 2]

    with Workflow() as workflow:
        Give() | MapWorkflow(Tenfold())
    assert run(workflow).outputs == {"y": [10, 20]}


def test_several_ways_to_map_are_told():
    with Workflow() as workflow:
        Sequences() | MapWorkflow(Pair(), name="m")
    with pytest.raises(IOCheckerError, match=r"map 'm', map_on: there are several ways to map: inputs inside: a, b, c"):
        run(workflow)


def test_sequences_are_of_one_length():
    workflow = mapped(Pair(), name="m", map_on={"p": "a", "q": "b"})
    with pytest.raises(TaskException, match=r"map 'm': 'p' has 2 items, 'q' has 1 items \(sequences of one length"):
        run(workflow, {"p": [1, 2], "q": [1]})


def test_an_input_is_given_one_sequence():
    with pytest.raises(IOCheckerError, match="map 'm', map_on: 'a' gets items of 2 sequences"):
        run(mapped(Pair(b=1), name="m", map_on={"p": "a", "q": "a"}), {"p": [1], "q": [1]})


@pytest.mark.parametrize(
    "sequence",
    [[1, 2], (1, 2), range(1, 3), iter([1, 2]), (i for i in (1, 2)), {1: 0, 2: 0}.keys(), np.array([1, 2]).tolist()],
    ids=lambda sequence: type(sequence).__name__,
)
def test_anything_with_items_is_mapped(sequence):
    assert run(mapped(Tenfold()), {"x": sequence}).outputs == {"y": [10, 20]}


def test_a_task_may_yield_what_is_mapped():
    @as_task
    def Yield() -> {"xs": Any}:
        yield 1
        yield 2

    with Workflow() as workflow:
        Yield() | MapWorkflow(Tenfold())
    assert run(workflow).outputs == {"y": [10, 20]}


@pytest.mark.parametrize("value", [3, None, "abc", b"abc", {"a": 1}, np.array(3)], ids=repr)
def test_what_has_no_items_is_told(value):
    with pytest.raises(TaskException, match=r"map 'm', input 'x': .* has no items to map over"):
        run(mapped(Tenfold(), name="m"), {"x": value})


def test_what_has_no_items_by_its_type_is_told_before_anything_runs():
    @as_task
    def One() -> {"number": int}:
        raise AssertionError

    with Workflow() as workflow:
        One() | MapWorkflow(Tenfold(), name="m")
    with pytest.raises(IOCheckerError, match="map 'm', input 'number': int has no items"):
        run(workflow)


def test_nothing_to_map_over_is_an_error_unless_it_is_allowed():
    with pytest.raises(TaskException, match=r"map 'm', input 'x': is empty: there is nothing.*allow_empty=True"):
        run(mapped(Tenfold(), name="m"), {"x": []})
    assert run(mapped(Tenfold(), allow_empty=True), {"x": []}).outputs == {"y": []}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"map_on": {"xs": "z"}}, "map 'm', map_on: 'z' is no input inside .inputs inside: x"),
        ({"map_on": {}}, "map 'm', map_on: it is empty"),
        ({"map_on": "xs"}, "map 'm', map_on: 'xs' is no mapping"),
        ({"on_error": "ignore"}, "map 'm', on_error: 'ignore' is unknown .fail, collect, drop"),
        ({"on_eror": "drop"}, "map 'm', argument 'on_eror': is unknown"),
        ({"chunk": 0}, "map 'm', chunk: 0 is no whole number above 0"),
        ({"simultaneous_tasks": "3"}, "map 'm', simultaneous_tasks: '3' is no whole number"),
    ],
)
def test_arguments_of_a_map_are_checked(options, text):
    def written() -> None:
        with Workflow() as workflow:
            Three() | MapWorkflow(Tenfold(), name="m", **options)
        workflow.check()

    with pytest.raises(WorkflowInvalid, match=text):
        written()


def test_a_map_has_something_to_give_items_to():
    with pytest.raises(IOCheckerError, match="map 'm': nothing inside takes an input"):
        run(mapped(Three(), name="m"))


def test_a_sequence_that_nothing_gives_is_named_as_the_map_names_it():
    with Workflow() as workflow:
        Three() | MapWorkflow(Tenfold(), name="m", map_on={"numbers": "x"})
    with pytest.raises(IOCheckerError, match="map 'm', input 'numbers': is missing"):
        run(workflow)


# What comes out


def test_each_output_becomes_a_list():
    @as_task
    def Both(x: int) -> {"a": int, "b": str}:
        return {"a": x, "b": str(x)}

    assert run(mapped(Both()), {"x": [1, 2]}).outputs == {"a": [1, 2], "b": ["1", "2"]}


def test_last_blocks_are_kept_apart_where_nothing_is_flattened():
    with Workflow() as workflow, MapWorkflow(flatten_output=False):
        Tenfold()
        as_task(lambda x: {"z": -x})()
    assert run(workflow, {"x": [1, 2]}).outputs == {
        "map_output": [[{"y": 10}, {"z": -1}], [{"y": 20}, {"z": -2}]],
    }


@pytest.mark.parametrize("options", [{}, {"no_outputs": True}])
def test_a_map_may_have_no_outputs(options):
    @as_task
    def Save(y):
        pass

    with Workflow() as workflow, MapWorkflow(**options):
        Tenfold() | Save()
    assert run(workflow, {"x": [1]}).outputs == {}


def test_no_outputs_leaves_out_what_there_is():
    assert run(mapped(Tenfold(), no_outputs=True), {"x": [1]}).outputs == {}


def test_a_skipped_output_keeps_its_place():
    @as_task
    def Odd(x: int) -> {"odd": int}:
        return x if x % 2 else Skipped()

    assert run(mapped(Odd()), {"x": [1, 2, 3]}).outputs == {"odd": [1, Skipped(), 3]}


# Items that fail


def test_an_item_that_fails_fails_the_map_with_its_own_exception():
    workflow = mapped(FailOnTwo(), name="m")
    with pytest.raises(ValueError, match="two") as caught:
        run(workflow, {"x": [1, 2, 3]})
    assert caught.value.__notes__ == ["In task 'm[1]/fail_on_two'.", "In item 1 of map 'm'."]


def test_nothing_is_started_after_an_item_that_fails(note):
    @as_task
    def Note(x: int) -> {}:
        with note.path.open("a") as file:
            file.write(f"{x} ")
        if x == 2:
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 (there is no text)
        run(mapped(Note()), {"x": [1, 2, 3]})
    assert note.taken() == ["1", "2"]


def test_a_failure_that_is_collected_is_data_in_its_place():
    result = run(mapped(FailOnTwo(), name="m", on_error="collect"), {"x": [1, 2, 3]})
    one, failure, three = result.outputs["y"]
    assert (one, three) == (1, 3)
    assert isinstance(failure, Failure)
    assert (failure.index, failure.inputs, failure.type, failure.message) == (1, {"x": 2}, "ValueError", "two")
    assert 'raise ValueError("two")' in failure.traceback
    assert "adapters/workflow" not in failure.traceback
    assert json.loads(json.dumps(failure.to_dict()))["index"] == 1
    assert str(failure) == "item 1 (x=2): ValueError: two"
    assert result.failures == (("m", failure),)


def test_a_failure_that_is_dropped_is_left_out_and_told():
    result = run(mapped(FailOnTwo(), on_error="drop"), {"x": [1, 2, 3]})
    assert result.outputs == {"y": [1, 3]}
    assert [failure.index for _, failure in result.failures] == [1]


def test_the_inputs_of_a_failure_are_shown_whatever_they_are():
    class Odd:
        def __repr__(self):
            raise RuntimeError

    @as_task
    def Fail(x) -> {"y": int}:
        raise ValueError

    values = [np.zeros(3), Odd(), "a" * 10_000, {1, 2}]
    failures = run(mapped(Fail(), on_error="collect"), {"x": values}).outputs["y"]
    json.dumps([failure.to_dict() for failure in failures])
    assert len(failures[2].inputs["x"]) < 1000


@pytest.mark.parametrize(("older", "policy"), [(True, "fail"), (False, "collect")])
def test_the_older_way_to_say_it(older, policy):
    assert MapWorkflow(raise_exceptions=older).on_error == policy


def test_failures_are_never_given_to_a_task_that_asks_for_values():
    @as_task
    def Sum(y: list[int]) -> {"sum": int}:
        return sum(y)

    with Workflow() as workflow:
        MapWorkflow(FailOnTwo(), on_error="collect") | Sum()
    with pytest.raises(TaskException, match=r"input 'y': .* is a list: item 1 of list is not an instance of int"):
        run(workflow, {"x": [1, 2]})


def test_exit_pipeline_in_an_item_ends_the_run():
    @as_task
    def Stop(x: int) -> {"y": int}:
        exit_pipeline()

    result = run(mapped(Stop(), on_error="collect"), {"x": [1]})
    assert (result.exited, result.failures) == (True, ())


def test_an_interrupt_is_no_failure_of_an_item():
    @as_task
    def Interrupt(x: int) -> {"y": int}:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(mapped(Interrupt(), on_error="collect"), {"x": [1]})


# Nesting


def test_maps_nest():
    with Workflow() as workflow, MapWorkflow(name="outer"), MapWorkflow(name="inner"):
        Tenfold()
    assert run(workflow, {"x": [[1, 2], [3]]}).outputs == {"y": [[10, 20], [30]]}


def test_a_failure_deep_inside_is_told_where_it_was():
    with Workflow() as workflow, MapWorkflow(name="outer"), MapWorkflow(name="inner", on_error="collect"):
        FailOnTwo()
    ((path, failure),) = run(workflow, {"x": [[1], [1, 2]]}).failures
    assert (path, failure.index) == ("outer[1]/inner", 1)


def test_fifty_maps_nest():
    value: Any = 1
    with Workflow() as workflow:
        layers = []
        for _ in range(50):
            layers.append(MapWorkflow())
            layers[-1].start()
            value = [value]
        Tenfold()
        for layer in reversed(layers):
            layer.stop()
    outputs: Any = run(workflow, {"x": value}).outputs["y"]
    for _ in range(50):
        (outputs,) = outputs
    assert outputs == 10


def test_branches_in_a_map_are_decided_for_each_item():
    with Workflow() as workflow, MapWorkflow():
        _, then, otherwise = IfThenElse(lambda x: x > 1)
        [then | Tenfold(), otherwise | as_task(lambda x: {"y": 0})()] | MergeTask()
    assert run(workflow, {"x": [1, 2, 1, 3]}).outputs == {"y": [0, 20, 0, 30]}


def test_loops_and_iterations_in_a_map():
    @as_task
    def Grow(x: int) -> {"x": int}:
        return x * 2

    with Workflow() as workflow, MapWorkflow():
        with IterativeWorkflow(break_func=lambda x: x > 10, max_iterations=9) as iteration:
            Grow()
        with LoopWorkflow(iterations=2) as loop:
            Tenfold()
        iteration | loop
    assert run(workflow, {"x": [1, 7]}).outputs == {"y": [160, 140]}


def test_a_parameter_inside_a_map_reaches_its_task():
    with Workflow() as workflow, MapWorkflow(), MapWorkflow():
        Compute()
    outputs = run(workflow, {"transformed_data": [[1], [2]]}, parameters={"compute": {"multiplier": 3}}).outputs
    assert outputs == {"computation_result": [[3], [6]]}


def test_inputs_are_checked_inside_maps_before_anything_runs():
    with Workflow() as workflow:
        Three() | MapWorkflow(Pair(), map_on={"xs": "a"}, name="m")
    with pytest.raises(IOCheckerError, match="task 'pair', input 'b': is missing"):
        run(workflow)


def test_a_map_of_ten_thousand_items_keeps_their_order():
    assert run(mapped(Tenfold()), {"x": range(10_000)}).outputs == {"y": [x * 10 for x in range(10_000)]}


def test_a_set_which_has_no_order_is_refused():
    @as_task
    def Same(x: str) -> {"y": str}:
        return x

    with pytest.raises(TaskException, match=r"no order.*sorted"):
        run(Workflow(MapWorkflow(Same())), {"x": {"a", "b"}})


def test_a_sequence_that_was_added_with_a_default_is_gone_through():
    @as_task
    def Double(n: int) -> {"twice": int}:
        return {"twice": 2 * n}

    mapping = MapWorkflow(Double(), map_on={"numbers": "n"})
    mapping.add_input("numbers", list, [1, 2])

    assert mapping() == {"twice": [2, 4]}
    assert mapping(numbers=[3]) == {"twice": [6]}


@pytest.mark.parametrize("backend", ["default", "parallel"])
def test_an_item_that_calls_sys_exit_has_failed_alone(backend):
    @as_task
    def Solve(case: int) -> {"solved": int}:
        if case == 2:
            sys.exit("no convergence")
        return case

    found = run(Workflow(MapWorkflow(Solve(), on_error="collect")), {"case": [1, 2, 3]}, backend=backend)
    one, failure, three = found.outputs["solved"]
    assert (one, three) == (1, 3)
    assert failure.type == "fairlead.adapters.errors.AppExited"
    assert "called sys.exit('no convergence')" in failure.message
