"""Units of work in workflows: an app stands wherever a task can."""

from __future__ import annotations

import pytest

from fairlead.adapters.twine import TwineApp
from fairlead.adapters.workflow import IfThenElse, MapWorkflow, MergeTask, Workflow, as_block, as_task, run
from fairlead.adapters.workflow.engines.parallel import Parallel
from fairlead.adapters.workflow.exceptions import IOCheckerError, WorkflowInvalid
from fairlead.adapters.workflow.run_state import Run
from fairlead.adapters.workflow.running import run_block

APP = """
    def run(analysis):
        analysis.output_values = {"power": analysis.input_values["speed"] * analysis.configuration_values["factor"]}
"""
TWINE = {
    "configuration_values_schema": {"type": "object", "required": ["factor"]},
    "input_values_schema": {"type": "object", "required": ["speed"]},
    "output_values_schema": {"type": "object", "required": ["power"]},
}


@as_task
def Speed(speed: int) -> {"input_values": dict}:
    return {"input_values": {"speed": speed}}


@as_task
def Report(output_values: dict) -> {"report": str}:
    return f"{output_values['power']} W"


@pytest.fixture
def power(make_app):
    return lambda factor=10: TwineApp(make_app(APP, TWINE), configuration_values={"factor": factor})


def test_an_app_stands_between_tasks(power, tmp_path):
    with Workflow() as workflow:
        Speed() | power() | Report()
    assert run(workflow, {"speed": 3}, cache=str(tmp_path / "cache")).outputs == {"report": "30 W"}


def test_an_app_is_kept_without_being_told(power, tmp_path):
    with Workflow() as workflow:
        Speed() | power() | Report()
    for _ in range(2):
        run(workflow, {"speed": 3}, cache=str(tmp_path / "cache"))
    assert len(list(tmp_path.glob("cache/*/*/logs/*"))) == 1


def test_what_came_of_an_app_in_another_process_is_shown(power, tmp_path):
    with Workflow() as workflow, MapWorkflow():
        Speed() | power() | Report()
    outcomes = []
    engine = Parallel(workers=2)
    try:
        made = Run(engine, cache=str(tmp_path / "cache"), on_outcome=outcomes.append)
        assert run_block(workflow, {"speed": [1, 2]}, made, "") == {"report": ["10 W", "20 W"]}
    finally:
        engine.close()
    assert sorted(outcome.outputs["output_values"]["power"] for outcome in outcomes) == [10, 20]


def test_an_app_stands_in_maps_and_branches(power, tmp_path):
    with Workflow() as workflow, MapWorkflow():
        speed = Speed()
        choice, then, otherwise = IfThenElse(lambda input_values: input_values["speed"] > 1)
        speed | choice
        [then | power(), otherwise | power(1)] | MergeTask() | Report()
    outputs = run(workflow, {"speed": [1, 2]}, cache=str(tmp_path / "cache")).outputs
    assert outputs == {"report": ["1 W", "20 W"]}


def test_an_app_that_is_joined_twice_is_one_block(power):
    app = power()
    with Workflow() as workflow:
        Speed(speed=1) | app
        app | Report()
    assert [node.kind for node in workflow.graph().nodes] == ["task", "unit", "task"]


def test_the_strands_of_an_app_are_its_targets(power):
    block = as_block(power())
    assert (list(block.inputs), list(block.outputs)) == (["configuration_values", "input_values"], ["output_values"])


def test_a_strand_that_nothing_gives_is_told_before_anything_runs(power):
    with Workflow() as workflow:
        as_task(lambda: {"values": 1})() | power()
    with pytest.raises(IOCheckerError, match="unit 'app', input 'input_values': is missing"):
        run(workflow)


def test_another_configuration_is_other_work_for_a_workflow_round_it(power, tmp_path):
    def report(factor):
        with Workflow() as workflow, Workflow(cache=True):
            Speed() | power(factor) | Report()
        return run(workflow, {"speed": 3}, cache=str(tmp_path / "cache")).outputs["report"]

    assert [report(10), report(20), report(10)] == ["30 W", "60 W", "30 W"]


def test_what_is_no_unit_is_named():
    with Workflow(), pytest.raises(WorkflowInvalid, match=r"'apps/yield': is no block \(a task, a workflow or a unit"):
        Speed() | "apps/yield"
