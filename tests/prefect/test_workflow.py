"""Workflows as flows: which task runs there are, what they are called, and what travels between them."""
# Outputs of tasks are annotated by name.

import itertools
import logging
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("prefect")

from fairlead.adapters.errors import InputInvalid, NotPortable
from fairlead.adapters.workflow import (
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
from fairlead.adapters.workflow.exceptions import IOCheckerError, WorkflowInvalid
from fairlead.flows import workflow_flow, workflow_outputs

logger = logging.getLogger("windfarm")


@as_task
def sites(count: int = 3) -> {"names": list[str]}:
    return {"names": [f"site_{letter}.csv" for letter in "abcdefghij"[:count]]}


@as_task
def measure(name: str) -> {"length": int}:
    logger.info("measuring %s", name)
    print("a printed line")
    if "bad" in name:
        raise ValueError(f"{name} is broken")
    return {"length": len(name)}


@as_task
def total(length: list) -> {"total": int}:
    return {"total": sum(each for each in length if isinstance(each, int))}


@as_task
def halve(x: float = 100.0) -> {"x": float}:
    return {"x": x / 2}


@as_task
def say(word: str) -> {"word": str}:
    return {"word": word}


@as_task
def report(word: str, x: float) -> {"text": str}:
    return {"text": f"{word} {x}"}


def is_large(total):
    return total > 20


@as_task
def large(total: int) -> {"word": str}:
    return {"word": "large"}


@as_task
def small(total: int) -> {"word": str}:
    return {"word": "small"}


@as_workflow
def prepare():
    sites()


@MapWorkflow.as_workflow
def process():
    measure()


@IterativeWorkflow.as_workflow(max_iterations=10, break_func=lambda x: x < 20)
def refine():
    halve()


@as_workflow
def study():
    if_, then, else_ = IfThenElse(is_large, name="large")
    merge, end = MergeTask(name="either"), report()
    prepare() | process() | total() | if_
    then | large() | merge
    else_ | small() | merge
    merge | end
    refine() | end


def runs_of(flow, **inputs):
    """Run a flow; return its result or exception, and its task runs by name, in the order in which they started."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    state = flow(**inputs, return_state=True)
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        for _ in range(100):
            found = client.read_task_runs(flow_run_filter=wanted, limit=200)
            if found and all(each.state and each.state.is_final() for each in found):
                break
            threading.Event().wait(0.1)
    found.sort(key=lambda each: each.start_time)
    return state, {each.name: each for each in found}


# What there is to see


@pytest.fixture(scope="module")
def seen(server, tmp_path_factory):
    flow = workflow_flow(study(), cache=tmp_path_factory.mktemp("cache"))
    return runs_of(flow, count=3)


def test_the_outputs_are_those_of_the_workflow_anywhere(seen):
    state, _ = seen
    assert state.result() == run(study(), {"count": 3}).outputs == {"text": "large 12.5"}


def test_every_block_is_a_task_run_with_its_own_name(seen):
    _, runs = seen
    assert {"prepare/sites", "total", "if_large", "then_large", "large", "either", "report"} <= set(runs)


def test_items_of_a_map_are_named_by_number_and_value(seen):
    _, runs = seen
    assert [name for name in sorted(runs) if name.startswith("process")] == [
        "process [0] site_a.csv",
        "process [1] site_b.csv",
        "process [2] site_c.csv",
    ]


def test_iterations_of_a_loop_are_named_by_number_and_come_one_after_the_other(seen):
    _, runs = seen
    iterations = [run for name, run in runs.items() if name.startswith("refine")]
    assert [run.name for run in iterations] == ["refine [0]", "refine [1]", "refine [2]"]
    assert all(one.end_time <= next_.start_time for one, next_ in itertools.pairwise(iterations))


def test_the_side_that_is_not_taken_never_becomes_a_task_run(seen):
    _, runs = seen
    assert not {"else_large", "small"} & set(runs)


def test_a_task_run_shows_which_it_came_after(seen):
    _, runs = seen
    before = {each.id for each in runs["total"].task_inputs["wait_for"]}
    assert before == {run.id for name, run in runs.items() if name.startswith("process")}


# Chunks


@pytest.mark.parametrize(("chunk", "names"), [(2, ["process [0-1]", "process [2] site_c.csv"]), (5, ["process [0-2]"])])
def test_a_chunk_is_one_task_run(chunk, names):
    state, runs = runs_of(workflow_flow(study(), chunk=chunk), count=3)
    assert state.result() == {"text": "large 12.5"}
    assert sorted(name for name in runs if name.startswith("process")) == names


def test_whole_maps_and_loops_can_be_task_runs():
    state, runs = runs_of(workflow_flow(study(), granularity="map"), count=3)
    assert state.result() == {"text": "large 12.5"}
    assert {"process", "refine"} <= set(runs)


def test_a_whole_workflow_can_be_a_task_run():
    state, runs = runs_of(workflow_flow(study(), granularity="whole"), count=1)
    assert state.result() == {"text": "small 12.5"}
    assert list(runs) == ["study"]


def test_a_map_can_be_the_workflow():
    assert workflow_flow(process())(name=["a", "bcd"]) == {"length": [1, 3]}


def test_a_map_over_nothing_is_refused_unless_that_is_right():
    with pytest.raises(Exception, match="allow_empty"):
        workflow_flow(process())(name=[])
    with MapWorkflow(name="process", allow_empty=True) as allowed:
        measure()
    assert workflow_flow(allowed)(name=[]) == {"length": []}


# Task runners


@pytest.fixture
def by_value():
    """Let other processes read what this module defines, though they cannot import it."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def runners():
    from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

    def dask():
        pytest.importorskip("prefect_dask")
        from prefect_dask import DaskTaskRunner

        return DaskTaskRunner(cluster_kwargs={"n_workers": 1, "threads_per_worker": 2, "dashboard_address": None})

    return {
        "threads": lambda: ThreadPoolTaskRunner(max_workers=3),
        "processes": lambda: ProcessPoolTaskRunner(max_workers=2),
        "dask": dask,
    }


class TwoArguments(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


@as_task
def refuse(word: str) -> {"never": str}:
    raise TwoArguments(word, "that")


@as_workflow
def refusing():
    refuse()


@pytest.mark.slow
@pytest.mark.parametrize("runner", runners())
def test_every_task_runner_gives_the_same(runner, by_value):
    assert workflow_flow(study(), task_runner=runners()[runner]())(count=3) == {"text": "large 12.5"}


@pytest.mark.slow
@pytest.mark.parametrize("runner", runners())
def test_an_exception_of_any_class_arrives_from_every_task_runner(runner, by_value):
    with pytest.raises(TwoArguments, match="this and that"):
        workflow_flow(refusing(), task_runner=runners()[runner]())(word="this")


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["processes", "dask"])
def test_a_bound_value_that_cannot_reach_a_task_runner_is_named(runner, by_value):
    @as_task
    def hold(word: str, lock: object) -> {"word": str}:
        return word

    with Workflow(name="holding") as holding:
        hold(lock=threading.Lock())
    with pytest.raises(NotPortable, match=r"task 'hold', bound input 'lock': a value of type _thread.lock"):
        workflow_flow(holding, task_runner=runners()[runner]())(word="this")


def test_independent_branches_run_at_once():
    barrier = threading.Barrier(2, timeout=30)

    @as_task
    def meet() -> {}:
        barrier.wait()

    @as_workflow
    def both():
        meet(name="one")
        meet(name="two")

    assert workflow_flow(both())() == {}


def test_no_more_items_than_allowed_run_at_once():
    now, most, lock = 0, 0, threading.Lock()

    @as_task
    def count(n: int) -> {}:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.02)
        with lock:
            now -= 1

    with MapWorkflow(name="counted", simultaneous_tasks=2, chunk=1) as counted:
        count()
    workflow_flow(counted)(n=list(range(10)))
    assert most == 2


# Values


def test_values_that_are_no_json_travel_by_the_value_store(tmp_path):
    np = pytest.importorskip("numpy")

    @as_task
    def make() -> {"array": object, "when": tuple}:
        return {"array": np.arange(10_000.0), "when": (1, 2)}

    @as_task
    def use(array: object, when: tuple) -> {"mean": float, "back": object, "kind": str}:
        return {"mean": float(array.mean()), "back": array, "kind": type(when).__name__}

    @as_workflow
    def arrays():
        make() | use()

    result = workflow_flow(arrays(), cache=tmp_path / "kept")()
    assert result["mean"] == 4999.5
    assert result["kind"] == "tuple"
    assert "$fairlead" in result["back"]
    outputs = workflow_outputs(result, tmp_path / "kept")
    assert outputs["back"].shape == (10_000,)
    assert list((tmp_path / "kept" / "values").rglob("*.npy"))


def test_what_cannot_travel_is_named():
    @as_task
    def make() -> {"lock": object}:
        return {"lock": threading.Lock()}

    @as_workflow
    def locks():
        make() | say(word="x")

    with pytest.raises(Exception, match="'make', output 'lock'"):
        workflow_flow(locks())()


def test_a_task_that_returns_skipped_skips_what_is_after_it():
    @as_task
    def maybe() -> {"word": str}:
        return Skipped()

    @as_workflow
    def skipping():
        maybe() | say()

    state, runs = runs_of(workflow_flow(skipping()))
    assert list(runs) == ["maybe"]
    assert workflow_outputs(state.result()) == {"word": Skipped()}


# Parameters


def test_the_parameters_of_the_flow_are_the_inputs_of_the_workflow():
    schema = workflow_flow(study()).parameters.model_dump()
    assert list(schema["properties"]) == ["count", "x", "cache", "overwrite_cache"]
    assert schema["properties"]["count"]["type"] == "integer"
    assert schema["properties"]["count"]["default"] == 3


def test_wrong_inputs_are_told_before_anything_runs():
    state, runs = runs_of_nothing(workflow_flow(study()), count="three")
    with pytest.raises(IOCheckerError, match=r"'count': 'three' is a str \(expected: int\)|'count'"):
        state.result()
    assert not runs


def runs_of_nothing(flow, **inputs):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    state = flow(**inputs, return_state=True)
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        return state, client.read_task_runs(flow_run_filter=wanted)


def test_json_data_becomes_what_an_input_takes():
    import datetime as dt

    @as_task
    def year(day: dt.date) -> {"year": int}:
        return {"year": day.year}

    @as_workflow
    def calendar():
        year()

    assert workflow_flow(calendar())(day="2026-11-20") == {"year": 2026}


def test_parameters_that_are_filled_in_in_part_leave_the_others_as_given():
    @as_task
    def scaled(factor: Parameter(int), offset: Parameter(int)) -> {"value": int}:
        return {"value": 10 * factor + offset}

    @as_workflow
    def scaling():
        scaled()

    flow = workflow_flow(scaling(), parameters={"scaled": {"factor": 1, "offset": 2}})
    assert flow(parameters={"scaled": {"factor": 5}}) == {"value": 52}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"granularity": "block"}, "granularity: 'block' is unknown"),
        ({"chunk": 0}, "chunk: 0 is no number of items"),
        ({"backend": "cloud"}, "backend: 'cloud' is unknown"),
    ],
)
def test_arguments_that_cannot_be_are_told_when_the_flow_is_made(arguments, message):
    with pytest.raises(InputInvalid, match=message):
        workflow_flow(study(), **arguments)


def test_what_is_no_workflow_is_refused():
    with pytest.raises(WorkflowInvalid, match="Call it"):
        workflow_flow(study)


def test_a_flow_goes_by_the_name_of_its_variable(tmp_path, monkeypatch):
    (tmp_path / "farm_flow.py").write_text(
        "from fairlead.adapters.workflow import as_task, as_workflow\n"
        "from fairlead.flows import workflow_flow\n"
        "@as_task\n"
        "def double(n: int) -> {'twice': int}:\n"
        "    return {'twice': 2 * n}\n"
        "@as_workflow\n"
        "def study():\n"
        "    double()\n"
        "flow = workflow_flow(study())\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import farm_flow
    from prefect.flows import load_flow_from_entrypoint

    deployment = farm_flow.flow.to_deployment("farm")
    assert deployment.entrypoint.endswith("farm_flow.py:flow")
    loaded = load_flow_from_entrypoint(f"{Path(farm_flow.__file__)}:flow")
    assert loaded.name == "study"
    assert loaded(n=4) == {"twice": 8}


# Ends


def test_exit_pipeline_ends_the_run_as_a_success():
    @as_task
    def stop() -> {"word": str}:
        exit_pipeline("enough")
        return {"word": "never"}

    @as_workflow
    def ending():
        stop() | say()

    state, runs = runs_of(workflow_flow(ending()))
    assert state.is_completed()
    assert state.result() == {}
    assert {name: run.state.name for name, run in runs.items()} == {"stop": "Exited"}


def test_a_loop_can_end_the_run():
    left = iter([1, 2, 3])

    @as_task
    def count() -> {}:
        if next(left) == 3:
            exit_pipeline()

    with LoopWorkflow(name="forever", infinite=True) as forever:
        count()
    state, runs = runs_of(workflow_flow(forever))
    assert state.is_completed()
    assert [name for name, run in runs.items() if run.state.name == "Exited"] == ["forever [2]"]


def test_a_failed_task_fails_the_run_with_its_own_exception():
    @as_workflow
    def broken():
        measure()

    with pytest.raises(ValueError, match=r"bad.csv is broken") as caught:
        workflow_flow(broken())(name="bad.csv")
    assert "In task 'measure'." in caught.value.__notes__
