"""A workflow that is cut into nodes for an orchestrator is told of as it is in one run: the same paths and records."""

from __future__ import annotations

import pytest

from fairlead.adapters.workflow import IterativeWorkflow, MapWorkflow, Workflow, as_task, run
from fairlead.adapters.workflow.engines import named
from fairlead.adapters.workflow.nodes import flatten, outputs_of, run_node
from fairlead.adapters.workflow.run_state import Event, Run


@as_task
def numbers() -> {"xs": list}:
    return [0, 1, 2]


@as_task
def divide(x: int) -> {"y": float}:
    return 1 / x


def study() -> Workflow:
    with Workflow(name="study") as workflow:
        numbers() | MapWorkflow(divide(), map_on={"xs": "x"}, name="each", on_error="collect")
    return workflow


def alone() -> Workflow:
    return MapWorkflow(divide(), map_on={"xs": "x"}, name="each", on_error="collect")


def refined() -> Workflow:
    with IterativeWorkflow(name="refine", max_iterations=2) as workflow:
        MapWorkflow(divide(), map_on={"xs": "x"}, name="each", on_error="collect")
    return workflow


def in_nodes(workflow: Workflow, inputs: dict, *, whole: bool) -> tuple[dict, list, set]:
    """Run a workflow node by node, as an orchestrator does."""
    events: list[Event] = []
    done = Run(named("default"), observer=events.append)
    flat = flatten(workflow, whole=whole)
    results: dict = {}
    for node in flat.nodes:
        results[node.path] = run_node(node, results, inputs, done)
    return dict(outputs_of(flat, results)), done.failures, {(event.path, event.state) for event in events}


@pytest.mark.parametrize(
    ("make", "inputs"), [(study, {}), (alone, {"xs": [0, 1]}), (refined, {"xs": [0, 1]})], ids=["study", "map", "loop"]
)
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "in nodes"])
def test_a_run_in_nodes_leaves_the_failures_of_one_in_the_terminal(make, inputs, whole):
    events: list[Event] = []
    expected = run(make(), inputs, observer=events.append)
    outputs, failures, told = in_nodes(make(), inputs, whole=whole)
    assert outputs == expected.outputs
    assert tuple(failures) == expected.failures
    assert expected.failures
    states = {(event.path, event.state) for event in events}
    assert told == (states if whole or make is not study else {each for each in states if each[0]})


def test_a_map_that_is_run_itself_tells_its_failures_without_a_path(caplog):
    run(alone(), {"xs": [0]})
    (record,) = [record for record in caplog.records if "ZeroDivisionError" in record.getMessage()]
    assert record.getMessage().startswith("item 0 (x=0)")


def test_a_problem_in_a_map_is_told_with_the_path_of_the_map():
    @as_task
    def words() -> {"xs": list[str]}:
        return ["a"]

    with Workflow(name="w") as workflow, MapWorkflow(name="outer"), Workflow(name="inner"):
        words() | MapWorkflow(divide(), map_on={"xs": "x"}, name="each")
    with pytest.raises(Exception, match=r"outer/inner: map 'each', input 'x': each item of 'xs' is of type str"):
        run(workflow)
