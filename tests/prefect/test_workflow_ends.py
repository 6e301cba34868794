"""How nodes of a workflow end in Prefect: tried again, failed and gone on, found in the cache, cut off and resumed."""
# Outputs of tasks are annotated by name.

import json
import threading

import pytest

pytest.importorskip("prefect")

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterFlowRunId

from fairlead.adapters.errors import ContractError, Problem
from fairlead.adapters.twine import TwineApp
from fairlead.adapters.workflow import Failure, IterativeWorkflow, MapWorkflow, as_task, as_workflow, run
from fairlead.flows import workflow_flow, workflow_outputs


def task_runs(state):
    """The task runs of a flow run, by name, when the server has heard of all ends."""
    wanted = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        for _ in range(100):
            found = client.read_task_runs(task_run_filter=wanted)
            if found and all(each.state and each.state.is_final() for each in found):
                break
            threading.Event().wait(0.1)
    return {each.name: each for each in found}


class Counted:
    """Counts calls by what they are given."""

    def __init__(self):
        self.calls = {}
        self._lock = threading.Lock()

    def __call__(self, key):
        with self._lock:
            self.calls[key] = self.calls.get(key, 0) + 1
            return self.calls[key]


COUNTED = Counted()


@pytest.fixture(autouse=True)
def anew():
    COUNTED.calls.clear()


@as_task
def flaky(n: int) -> {"n": int}:
    if COUNTED(n) < 3 and n % 2:
        raise ConnectionError(f"{n} is not there yet")
    return {"n": n}


@as_task
def broken(n: int) -> {"n": int}:
    COUNTED(n)
    if n == 1:
        raise ValueError(f"{n} is broken")
    return {"n": n}


# Retries


@as_workflow
def once():
    flaky(retries=2)


def test_the_retries_of_a_block_are_those_of_its_task_run():
    state = workflow_flow(once())(n=1, return_state=True)
    assert state.result() == {"n": 1}
    assert task_runs(state)["flaky"].run_count == 3
    assert COUNTED.calls == {1: 3}


def mapped(task, **options):
    with MapWorkflow(name="each", **options) as made:
        task()
    return made


@pytest.mark.parametrize("chunk", [1, 2, 4])
@pytest.mark.parametrize("on_error", ["fail", "collect"])
def test_the_retries_of_a_map_hold_for_each_item(chunk, on_error):
    flow = workflow_flow(mapped(flaky, retries=2, on_error=on_error), chunk=chunk)
    assert flow(n=[0, 1, 2, 3]) == {"n": [0, 1, 2, 3]}
    assert COUNTED.calls == {0: 1, 1: 3, 2: 1, 3: 3}


def test_the_retries_of_a_map_that_is_one_task_run_hold_for_its_items_alone():
    @as_task
    def broken_item(item: int) -> {"n": int}:
        calls.append(item)
        raise OSError("flaky")

    calls: list[int] = []
    mapping = MapWorkflow(broken_item(), name="mapping", map_on={"items": "item"}, retries=2)
    with pytest.raises(OSError, match="flaky"):
        workflow_flow(mapping, granularity="map")(items=[1])
    assert calls == [1, 1, 1]


def test_what_breaks_a_contract_is_not_tried_again():
    @as_task
    def refuse(n: int) -> {"n": int}:
        COUNTED(n)
        raise ContractError([Problem("n", "is wrong", "right", "")])

    with MapWorkflow(name="each", retries=3, chunk=1) as each:
        refuse()
    with pytest.raises(ContractError):
        workflow_flow(each)(n=[5])
    assert COUNTED.calls == {5: 1}


# Failures


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_failures_are_the_same_records_as_anywhere(chunk):
    expected = run(mapped(broken, on_error="collect"), {"n": [0, 1, 2]}).outputs["n"]
    result = workflow_flow(mapped(broken, on_error="collect"), chunk=chunk)(n=[0, 1, 2])
    found = workflow_outputs(result)["n"]
    assert [found[0], found[2]] == [0, 2]
    assert isinstance(found[1], Failure)
    assert found[1] == expected[1]


def test_failures_that_are_dropped_leave_no_place():
    assert workflow_flow(mapped(broken, on_error="drop"))(n=[0, 1, 2]) == {"n": [0, 2]}


def test_an_item_that_failed_and_is_collected_shows_as_such():
    state = workflow_flow(mapped(broken, on_error="collect"), chunk=1)(n=[0, 1, 2], return_state=True)
    runs = task_runs(state)
    assert {name: each.state.name for name, each in runs.items()} == {
        "each [0] 0": "Completed",
        "each [1] 1": "With failures",
        "each [2] 2": "Completed",
    }
    assert "ValueError: 1 is broken" in runs["each [1] 1"].state.message


def test_a_table_lists_the_items_that_failed(shown):
    with MapWorkflow(name="listed", on_error="collect") as listed:
        broken()
    workflow_flow(listed)(n=[0, 1, 2])
    (table,) = shown("listed-failures")
    (row,) = json.loads(table.data)
    assert row["item"] == 1
    assert row["inputs"] == '{"n": 1}'
    assert row["message"] == "1 is broken"


def test_a_failed_item_fails_the_map_and_nothing_more_is_started():
    flow = workflow_flow(mapped(broken, simultaneous_tasks=1), chunk=1)
    with pytest.raises(ValueError, match="1 is broken") as caught:
        flow(n=[0, 1, 2, 3])
    assert "In item 1 of map 'each'." in caught.value.__notes__
    assert COUNTED.calls == {0: 1, 1: 1}


# The cache


def test_what_the_terminal_has_kept_is_found(tmp_path):
    root = str(tmp_path / "kept")
    run(mapped(broken, cache=True), {"n": [2, 3, 4]}, cache=root)
    state = workflow_flow(mapped(broken, cache=True), cache=root, chunk=1)(n=[2, 3, 4], return_state=True)
    assert COUNTED.calls == {2: 1, 3: 1, 4: 1}
    assert {each.state.name for each in task_runs(state).values()} == {"Cached"}


def test_what_is_kept_is_done_again_if_that_is_asked_for(tmp_path):
    flow = workflow_flow(mapped(broken, cache=True), cache=tmp_path / "kept")
    flow(n=[2])
    flow(n=[2])
    flow(n=[2], overwrite_cache=True)
    assert COUNTED.calls == {2: 2}


# Going on


def test_a_retry_of_the_flow_run_goes_on_at_the_iteration_that_failed():
    @as_task
    def step(x: int = 0) -> {"x": int}:
        if COUNTED(x) == 1 and x == 2:
            raise ConnectionError("not yet")
        return {"x": x + 1}

    with IterativeWorkflow(name="steps", max_iterations=4) as steps:
        step()
    assert workflow_flow(steps, retries=1)() == {"x": 4}
    assert COUNTED.calls == {0: 1, 1: 1, 2: 2, 3: 1}


def test_a_retry_of_the_flow_run_does_only_the_items_that_are_missing():
    assert workflow_flow(mapped(flaky, simultaneous_tasks=1), chunk=1, retries=4)(n=[0, 1, 2, 3])["n"] == [0, 1, 2, 3]
    assert COUNTED.calls == {0: 1, 1: 3, 2: 1, 3: 3}


# Units


def test_a_twine_app_in_a_workflow_shows_as_one_anywhere(doubling, runs, shown):
    @as_task
    def values(n: int) -> {"input_values": dict}:
        return {"input_values": {"n": n}}

    @as_workflow
    def farm():
        values() | TwineApp(doubling)

    flow = workflow_flow(farm())
    assert flow(n=4)["output_values"] == {"twice": 8}
    assert flow(n=4)["output_values"] == {"twice": 8}
    assert runs() == 1
    assert shown("doubling")


# Time limits


@pytest.mark.slow
def test_a_time_limit_holds_in_a_worker_thread():
    @as_task
    def hang(n: int) -> {"n": int}:
        if n == 1:
            threading.Event().wait(60)
        return {"n": n}

    with MapWorkflow(name="limited", timeout=2.0, on_error="collect", chunk=1) as limited:
        hang()
    found = workflow_outputs(workflow_flow(limited)(n=[0, 1]))["n"]
    assert found[0] == 0
    assert found[1].type == "fairlead.adapters.errors.TimedOut"
