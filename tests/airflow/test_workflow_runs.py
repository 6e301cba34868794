"""What holds when Airflow runs the tasks of a workflow: results, skips, failures, tries, chunks, values, stopping."""

import datetime as dt
import json
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("airflow")

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, TriggerRule
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
    DownstreamTasksSkipped,
)

from fairlead.adapters.errors import Cancelled, StorageFailed
from fairlead.adapters.workflow import (
    IterativeWorkflow,
    MapWorkflow,
    MergeTask,
    Parameter,
    Skipped,
    Workflow,
    as_task,
    as_workflow,
    run,
)
from fairlead.operators import WorkflowTaskGroup, workflow_dag
from fairlead.operators.runs import auto_size

HERE = Path(__file__).parent


@pytest.fixture
def run_workflow(run_dag):
    return lambda dag_id, **parameters: run_dag(dag_id, file="workflows.py", **parameters)


def states(dag_run):
    return {
        (ti.task_id, ti.map_index) if ti.map_index >= 0 else ti.task_id: ti.state for ti in dag_run.get_task_instances()
    }


def tries(dag_run):
    return {ti.task_id: ti.try_number for ti in dag_run.get_task_instances()}


def xcom(dag_run, task_id, key="return_value", map_index=-1):
    return dag_run.get_task_instance(task_id, map_index=map_index).xcom_pull(task_id, key=key, map_indexes=map_index)


class State(dict):
    """A task's state store."""

    def set(self, key, value):
        self[key] = json.loads(json.dumps(value))

    def delete(self, key):
        self.pop(key, None)


class Tasks:
    """Runs tasks of a DAG one by one, by their `execute`, with the XComs and the state that they leave."""

    def __init__(self, dag, **params):
        self.dag, self.params = dag, params
        self.xcoms, self.state = {}, State()
        self.states, self.asked = {}, []

    def __call__(self, task_id, *, try_number=1, max_tries=0, map_index=-1, **replaced):
        task = self.dag.task_dict[task_id]
        if map_index >= 0:
            chunk = self.xcoms[task_id.replace(".items", ".split"), "return_value", -1][map_index]
            task = task.unmap({"chunk": chunk})
        for name, value in replaced.items():
            setattr(task, name, value)
        self.task = task

        def push(key, value):
            self.xcoms[task_id, key, map_index] = json.loads(json.dumps(value))

        def pull(task_ids, key="return_value"):
            found = [self.xcoms[where] for where in sorted(self.xcoms) if where[:2] == (task_ids[0], key)]
            return found or [None]

        ti = SimpleNamespace(
            dag_id="dag",
            run_id="run",
            task_id=task_id,
            map_index=map_index,
            try_number=try_number,
            max_tries=max_tries,
            xcom_push=push,
            xcom_pull=pull,
            get_task_states=self._states,
        )
        try:
            result = task.execute({"ti": ti, "params": self.params, "task_state_store": self.state})
        except AirflowSkipException:
            self.states[task_id] = "skipped"
            raise
        self.states[task_id] = "success"
        push("return_value", result)
        return result

    def _states(self, dag_id, *, task_ids, run_ids):
        self.asked.append(task_ids)
        return {"run": {task_id: state for task_id, state in self.states.items() if task_id in task_ids}}


# Whole runs


def test_a_run_has_the_results_failures_and_branches_that_a_run_in_a_program_has(run_workflow):
    dag_run = run_workflow("farm", count=15)
    module = DagBag(HERE / "dags" / "workflows.py").dags["farm"].task_dict["load"].plan.flat.workflow
    expected = run(module, {"count": 15}, parameters={"measure": {"factor": 10}})

    assert dag_run.state == "success"
    assert xcom(dag_run, "report") == expected.outputs
    assert xcom(dag_run, "report", "text") == expected.outputs["text"]
    ((path, failure),) = expected.failures
    (found,) = xcom(dag_run, "measurements.join", "failures")
    assert found | {"traceback": ""} == {"path": path, **failure.to_dict(), "traceback": ""}
    assert found["traceback"].splitlines()[-1] == failure.traceback.splitlines()[-1]
    assert xcom(dag_run, "measurements.items", "failures", 13) == [found]
    skipped = {name for name, state in states(dag_run).items() if state == "skipped"}
    assert skipped == {"then_cheap_enough", "cheap"}
    label = dag_run.get_task_instance("measurements.items", map_index=13).rendered_map_index
    assert label == "item 13: site_13.csv (failed)"


def test_tries_are_airflows_and_what_would_only_fail_again_is_not_tried_again(run_workflow, tmp_path):
    dag_run = run_workflow("trials")
    ledger = (tmp_path / "ledger").read_text().split()
    found = {name: state for name, state in states(dag_run).items() if state != "success"}

    assert found == {"invalid": "failed"}
    assert (tries(dag_run)["flaky"], ledger.count("flaky")) == (3, 3)
    assert ledger.count("invalid") == 1
    # A loop goes on where it was cut off.
    assert [line for line in ledger if line.startswith("step")] == ["step1", "step2", "step3", "step3", "step4"]
    assert xcom(dag_run, "steps") == {"number": 4}
    # An item that will be collected is tried again before that, by itself.
    assert (ledger.count("a"), ledger.count("b")) == (1, 2)
    assert xcom(dag_run, "surveys.join") == {"found": ["a", "b"]}


def test_what_ends_the_pipeline_leaves_the_rest_out_and_the_run_is_a_success(run_workflow):
    dag_run = run_workflow("early")

    assert dag_run.state == "success"
    assert {name for name, state in states(dag_run).items() if state == "skipped"} >= {"after", "late_ones.join"}
    assert states(dag_run)["leave"] == "success"


def test_groups_take_outputs_of_other_tasks_and_give_theirs_and_run_twine_apps(run_workflow):
    dag_run = run_workflow("joined")

    assert set(states(dag_run).values()) == {"success"}
    assert xcom(dag_run, "receive") == [5, 0]
    assert xcom(dag_run, "counted.double", "outcome")["outputs"]["output_values"]["total"] == 5
    assert xcom(dag_run, "counted.squares_of_nothing.join") == {"squares": []}


# Chunks


@as_task
def numbers(count: int) -> {"items": list, "shared": list}:
    return {"items": list(range(count)), "shared": ["s" * 100_000]}


@as_task
def add(item: int, shared: list) -> {"sum": int}:
    return {"sum": item + len(shared[0])}


@pytest.fixture
def mapped(tmp_path):
    """Run a map of so many items, all but its items; returns what runs its tasks."""

    def make(count, *, task=add, **options):
        @as_workflow
        def mapped():
            numbers() | MapWorkflow(task(), name="sums", map_on={"items": "item"}, **options)

        tasks = Tasks(workflow_dag(mapped(), cache=tmp_path / "cache"), count=count)
        tasks("numbers")
        tasks("sums.split")
        return tasks

    return make


def chunks(tasks):
    return tasks.xcoms["sums.split", "return_value", -1]


@pytest.mark.parametrize("task_id", ["sums.split", "numbers"])
def test_a_result_that_is_not_there_is_told_and_never_taken_for_a_skip(mapped, task_id):
    tasks = mapped(3)
    for where in [where for where in tasks.xcoms if where[0] == task_id]:
        del tasks.xcoms[where]

    with pytest.raises(StorageFailed, match=f"'{task_id}' is a success.*Clear the task '{task_id}'"):
        tasks("sums.join" if task_id == "sums.split" else "sums.split")


@pytest.mark.parametrize(("count", "size"), [(1, 1), (32, 1), (33, 3), (1000, 63), (100_000, 256)])
def test_many_short_items_are_few_tasks(count, size):
    assert auto_size(count) == size


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({}, ["items 0-2", "items 3-5"]),
        ({"chunk": 50}, ["items 0-49", "items 50-99"]),
        ({"chunk": 1}, ["item 0: 0", "item 1: 1"]),
    ],
)
def test_chunks_are_as_large_as_the_map_says_and_called_by_their_items(mapped, options, labels):
    assert [chunk["label"] for chunk in chunks(mapped(100 if "chunk" in options else 34, **options))][:2] == labels


def test_more_items_than_airflow_maps_over_are_larger_chunks(mapped):
    found = chunks(mapped(5000, chunk=1))

    assert len(found) <= 1024
    assert sum(chunk["count"] for chunk in found) == 5000


def test_what_all_items_are_given_is_stored_once_and_no_xcom_is_large(mapped, tmp_path):
    tasks = mapped(64)

    assert max(len(json.dumps(value)) for value in tasks.xcoms.values()) < 10_000
    sizes = [file.stat().st_size for file in (tmp_path / "cache" / "values").rglob("*") if file.is_file()]
    assert len([size for size in sizes if size > 100_000]) == 1


def test_a_maps_results_come_in_the_order_of_its_items(mapped):
    tasks = mapped(40, chunk=7)
    for index in reversed(range(6)):
        tasks("sums.items", map_index=index)

    assert tasks("sums.join") == {"sum": [100_000 + number for number in range(40)]}


def test_a_map_is_not_put_together_of_a_part_of_its_items(mapped):
    tasks = mapped(40, chunk=7)
    tasks("sums.items", map_index=0)

    with pytest.raises(StorageFailed, match=r"Only 7 of the 40 results of 'sums'.*Clear the task 'sums.items'"):
        tasks("sums.join")


def test_one_item_that_runs_again_leaves_the_others_as_they_are(mapped):
    tasks = mapped(3)
    for index in range(3):
        tasks("sums.items", map_index=index)
    before = dict(tasks.xcoms)
    tasks("sums.items", map_index=1, try_number=2)

    assert tasks.xcoms == before


def test_items_of_a_chunk_are_tried_again_one_by_one_and_then_the_chunk_is_not(mapped, tmp_path):
    ledger = tmp_path / "ledger"

    @as_task
    def moody(item: int, shared: list) -> {"sum": int}:
        with ledger.open("a") as file:
            file.write(f"{item}\n")
        if item == 2 or (item == 1 and ledger.read_text().split().count("1") == 1):
            raise OSError("moody")
        return {"sum": item}

    tasks = mapped(4, task=moody, chunk=4, retries=1)
    with pytest.raises(AirflowFailException, match=r"(?s)OSError: moody.*In item 2 of map 'sums'"):
        tasks("sums.items", map_index=0, max_tries=1)
    assert ledger.read_text().split() == ["0", "1", "1", "2", "2"]


def test_a_map_that_is_one_task_limits_and_tries_its_items_and_then_fails_at_once(tmp_path):
    ledger = tmp_path / "ledger"

    @as_task
    def moody(item: int) -> {"sum": int}:
        with ledger.open("a") as file:
            file.write(f"{item}\n")
        if item == 3:
            raise OSError("moody")
        threading.Event().wait(0.15)
        return {"sum": item}

    mapping = MapWorkflow(moody(), name="sums", map_on={"items": "item"}, retries=1, timeout=0.3)
    tasks = Tasks(workflow_dag(mapping, cache=tmp_path, granularity="map"), items=[0, 1, 2, 3])
    with pytest.raises(AirflowFailException, match="OSError: moody"):
        tasks("sums", max_tries=3)
    assert ledger.read_text().split() == ["0", "1", "2", "3", "3"]


# Skips


@as_task
def nothing() -> {"a": int, "b": int}:
    return Skipped()


@as_task
def use(a: int) -> {"c": int}:
    return {"c": a}


@as_workflow
def skipping():
    nothing() | use()


def test_a_block_that_returns_skipped_is_skipped_and_so_is_what_comes_after(tmp_path):
    tasks = Tasks(workflow_dag(skipping(), cache=tmp_path))

    with pytest.raises(AirflowSkipException):
        tasks("nothing")
    # Airflow itself skips what needs all before it, so that this never runs; else the task tells.
    assert tasks.dag.task_dict["use"].trigger_rule == TriggerRule.ALL_SUCCESS
    with pytest.raises(AirflowSkipException):
        tasks("use", trigger_rule=TriggerRule.NONE_FAILED)


@as_task
def give() -> {"a": int}:
    return {"a": 1}


@as_task
def give_other() -> {"a": int}:
    return Skipped()


@as_workflow
def merging():
    [give(), give_other()] | MergeTask()


@pytest.fixture
def merged(tmp_path):
    """Run the blocks before a merge, of which one is skipped; returns what runs its tasks."""
    tasks = Tasks(workflow_dag(merging(), cache=tmp_path))
    tasks("give")
    with pytest.raises(AirflowSkipException):
        tasks("give_other")
    return tasks


def test_a_merge_takes_for_skipped_what_airflow_has_skipped(merged):
    assert merged("merge_task")["a"] == 1
    assert merged.asked == [["give_other"]]


@pytest.mark.parametrize("state", ["success", "running", None])
def test_a_merge_names_the_task_whose_outputs_are_gone_though_it_was_not_skipped(merged, state):
    del merged.xcoms["give", "return_value", -1]
    merged.states["give"] = state

    told = "is a success" if state == "success" else f"is in the state '{state or 'none'}'"
    with pytest.raises(StorageFailed, match=f"'give' {told}, but its XCom 'return_value'.*Clear the task 'give'"):
        merged("merge_task")


def test_airflow_is_not_asked_for_states_if_all_outputs_are_there(merged):
    merged.xcoms["give_other", "return_value", -1] = {"a": 2}

    with pytest.raises(AirflowFailException, match="have both run"):
        merged("merge_task")
    assert merged.asked == []


def test_a_choice_skips_the_side_that_is_not_taken(tmp_path):
    tasks = Tasks(DagBag(HERE / "dags" / "workflows.py").dags["farm"], scratch="")
    tasks.xcoms["total", "return_value", -1] = {"energy": 5.0, "failures": 0}

    with pytest.raises(DownstreamTasksSkipped) as caught:
        tasks("if_cheap_enough", cache=tmp_path)
    assert caught.value.tasks == ["else_cheap_enough"]


# Failures


@as_task
def hopeless() -> {"a": int}:
    error = ValueError("hopeless")
    error.retryable = False
    raise error


@as_task
def broken() -> {"b": int}:
    raise KeyError("the user's own")


@as_workflow
def failing():
    hopeless()
    broken()


def test_an_error_that_says_that_it_would_only_repeat_itself_fails_at_once(tmp_path):
    with pytest.raises(AirflowFailException, match=r"(?s)ValueError: hopeless.*In task 'hopeless'"):
        Tasks(workflow_dag(failing(), cache=tmp_path))("hopeless", retries=3)


def test_an_exception_reaches_airflow_as_it_was_raised_and_its_traceback_shows_the_users_code(tmp_path):
    with pytest.raises(KeyError, match="the user's own") as caught:
        Tasks(workflow_dag(failing(), cache=tmp_path))("broken")

    assert "In task 'broken'." in caught.value.__notes__
    names = [entry.frame.f_globals["__name__"] for entry in caught.traceback]
    assert [name for name in names if name.startswith("fairlead.adapters")] == []
    assert names[-1] == __name__


# Loops


@as_task
def half(value: float) -> {"value": float}:
    if half.cut_off(value):
        raise OSError("cut off")
    return {"value": value / 2}


@as_workflow
def halves():
    IterativeWorkflow(half(), name="halves", initial_value=16.0, max_iterations=3)


def test_a_loop_that_has_ended_well_is_forgotten_and_runs_anew_when_it_is_cleared(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(half, "cut_off", lambda value: seen.append(value) or len(seen) == 2, raising=False)
    tasks = Tasks(workflow_dag(halves(), cache=tmp_path))

    with pytest.raises(OSError, match="cut off"):
        tasks("halves")
    assert tasks.state
    assert tasks("halves", try_number=2) == {"value": 2.0}
    assert not tasks.state
    tasks("halves", try_number=3)
    assert seen == [16, 8, 8, 4, 16, 8, 4]


@as_task
def grow(value: int, by: int, asked: object = None) -> {"value": int}:
    if grow.cut_off(value):
        raise OSError("cut off")
    return {"value": value + by}


@pytest.fixture
def grown(tmp_path, monkeypatch):
    """Cut a loop off after one iteration; returns what runs its task, and what that has seen."""

    def make(**inputs):
        @as_workflow
        def growth():
            IterativeWorkflow(grow(), name="growth", initial_value=0, max_iterations=3)

        seen = []
        monkeypatch.setattr(grow, "cut_off", lambda value: seen.append(value) or len(seen) == 2, raising=False)
        tasks = Tasks(workflow_dag(growth(), cache=tmp_path), **inputs)
        with pytest.raises(OSError, match="cut off"):
            tasks("growth")
        return tasks, seen

    return make


def test_a_loop_goes_on_where_it_was_with_the_same_inputs_and_starts_anew_with_others(grown):
    tasks, seen = grown(by=1)
    assert tasks("growth", try_number=2) == {"value": 3}
    assert seen == [0, 1, 1, 2]

    tasks, seen = grown(by=1)
    tasks.params = {"by": 100}
    assert tasks("growth", try_number=2) == {"value": 300}
    assert seen == [0, 1, 0, 100, 200]


def test_a_loop_whose_inputs_cannot_be_told_from_others_starts_anew_and_says_so(grown, caplog):
    tasks, seen = grown(by=1, asked=threading.Lock())

    assert "growth: a retry will start anew" in caplog.text
    assert tasks("growth", try_number=2) == {"value": 3}
    assert seen == [0, 1, 0, 1, 2]


# Inputs


@as_task
def optional(number: int, text: str = "from the task") -> {"both": str}:
    return {"both": f"{number} {text}"}


@as_workflow
def options():
    optional()


def test_what_nobody_fills_in_is_what_the_task_says(tmp_path):
    tasks = Tasks(workflow_dag(options(), cache=tmp_path), number=1, text=None)
    assert tasks("optional") == {"both": "1 from the task"}


def test_an_input_of_another_type_fails_at_once_and_is_named(tmp_path):
    with pytest.raises(AirflowFailException, match="task 'optional', input 'number': 'one' is a str"):
        Tasks(workflow_dag(options(), cache=tmp_path), number="one")("optional")


@as_task
def scaled(factor: Parameter(int), offset: Parameter(int)) -> {"value": int}:
    return {"value": 10 * factor + offset}


def test_parameters_that_are_filled_in_in_part_leave_the_others_as_given(tmp_path):
    with Workflow(name="scaling") as scaling:
        scaled()
    dag = workflow_dag(scaling, cache=tmp_path, parameters={"scaled": {"factor": 1, "offset": 2}})

    assert Tasks(dag, parameters={"scaled": {"factor": 5}})("scaled") == {"value": 52}
    with pytest.raises(AirflowFailException, match=r"parameters\.scaled: 5 is no mapping"):
        Tasks(dag, parameters={"scaled": 5})("scaled")


@as_task
def day_of(day: dt.date) -> {"weekday": int}:
    return {"weekday": day.weekday()}


def test_json_data_becomes_what_an_input_takes_from_a_form_and_from_other_tasks(tmp_path):
    with Workflow(name="days") as days:
        day_of()
    assert Tasks(workflow_dag(days, cache=tmp_path), day="2024-02-29")("day_of") == {"weekday": 3}
    with DAG("joined", schedule=None) as dag:
        WorkflowTaskGroup(days, inputs={"day": "2024-03-01"}, cache=tmp_path)
    assert Tasks(dag)("days.day_of") == {"weekday": 4}


@pytest.mark.parametrize("native", [False, True])
def test_a_template_whose_text_does_not_fit_is_told_how_to_be_a_value(tmp_path, native):
    with DAG("joined", schedule=None, params={"sites": [1, 2]}, render_template_as_native_obj=native) as dag:
        mapping = MapWorkflow(costly(), name="costs", map_on={"sites": "number"})
        WorkflowTaskGroup(mapping, inputs={"sites": "{{ params.sites }}"}, cache=tmp_path)
    tasks = Tasks(dag, scratch=str(tmp_path))
    split = dag.task_dict["costs.costs.split"]
    split.render_template_fields({"params": {"sites": [1, 2]}})

    if native:
        assert [chunk["label"] for chunk in tasks("costs.costs.split")] == ["item 0: 1", "item 1: 2"]
    else:
        with pytest.raises(
            AirflowFailException, match=r"(?s)'\[1, 2\]' has no items.*render_template_as_native_obj=True"
        ):
            tasks("costs.costs.split")


def test_any_value_travels_between_groups(tmp_path):
    @as_task
    def make() -> {"blob": bytes}:
        return {"blob": b"x" * 100_000}

    @as_task
    def measure(blob: bytes) -> {"size": int}:
        return {"size": len(blob)}

    with Workflow(name="first") as first:
        make()
    with Workflow(name="second") as second:
        measure()
    with DAG("dag", schedule=None) as dag:
        group = WorkflowTaskGroup(first, cache=tmp_path)
        WorkflowTaskGroup(second, inputs=group.output, cache=tmp_path)
    tasks = Tasks(dag)

    tasks("first.make")
    given = tasks.xcoms["first.make", "blob", -1]
    assert len(json.dumps(given)) < 200
    assert tasks("second.measure", inputs={"blob": given}) == {"size": 100_000}


# The cache


@as_task(cache=True)
def costly(number: int) -> {"result": int}:
    return {"result": number + 1}


@as_workflow
def kept():
    costly()


def test_what_was_done_elsewhere_is_found_and_what_is_done_here_is_found_elsewhere(tmp_path):
    def entries():
        return sorted(path.parent.name for path in tmp_path.rglob("outcome.json"))

    Tasks(workflow_dag(kept(), cache=tmp_path), number=1)("costly")
    there = entries()
    run(kept(), {"number": 1}, cache=str(tmp_path))
    assert len(there) == 1
    assert entries() == there


def test_the_form_can_ask_for_everything_to_be_done_again(tmp_path):
    def changed():
        (path,) = tmp_path.rglob("outcome.json")
        return path.stat().st_mtime_ns

    dag = workflow_dag(kept(), cache=tmp_path)
    Tasks(dag, number=1)("costly")
    before = changed()
    Tasks(dag, number=1)("costly")
    assert changed() == before
    Tasks(dag, number=1, overwrite_cache=True)("costly")
    assert changed() > before


# Stopping


@as_task
def endless(ready: list) -> {"never": int}:
    try:
        ready[0].set()
        while True:  # what arrives just before a sleep begins is seen at its end
            time.sleep(0.01)
    except Exception:
        ready.append("seen by the task")
        raise


@pytest.fixture
def stop(tmp_path):
    """Run a task that does not end, and do something in its main thread once it runs; returns what it was given."""

    def run_and(raise_):
        ready = [threading.Event()]
        with Workflow(name="stopped") as stopped:
            endless(ready=ready)
        tasks = Tasks(workflow_dag(stopped, cache=tmp_path))

        def ring():
            assert ready[0].wait(10)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)

        previous = signal.signal(signal.SIGALRM, lambda *_: raise_(tasks))
        try:
            clock = threading.Thread(target=ring)
            clock.start()
            tasks("endless")
        finally:
            signal.signal(signal.SIGALRM, previous)
            clock.join()

    return run_and


def test_on_kill_interrupts_python_code(stop):
    with pytest.raises(Cancelled):
        stop(lambda tasks: tasks.task.on_kill())


def test_a_request_to_airflow_is_finished_before_on_kill_interrupts(tmp_path):
    asked = []

    class Slow(State):
        def set(self, key, value):
            asked.append("begun")
            tasks.task.on_kill()
            asked.append("ended")

    tasks = Tasks(workflow_dag(halves(), cache=tmp_path))
    tasks.state = Slow()
    half.cut_off = lambda _value: False
    with pytest.raises(Cancelled):
        tasks("halves")
    assert asked == ["begun", "ended"]


def test_an_item_that_takes_too_long_is_stopped_and_the_others_of_its_chunk_are_not(mapped):
    @as_task
    def slow(item: int, shared: list) -> {"sum": int}:
        if item == 1:
            time.sleep(3600)
        return {"sum": item}

    tasks = mapped(3, task=slow, chunk=3, timeout=0.2, on_error="drop")
    tasks("sums.items", map_index=0)

    assert tasks("sums.join") == {"sum": [0, 2]}
    (failure,) = tasks.xcoms["sums.join", "failures", -1]
    assert failure["message"].startswith("map 'sums[1]' passed its time limit of 0.2 s.")


def test_airflows_time_limit_interrupts_python_code(stop):
    def end(_tasks):
        raise AirflowTaskTimeout

    with pytest.raises(AirflowTaskTimeout):
        stop(end)


def test_on_kill_of_a_task_that_has_not_started_does_nothing():
    workflow_dag(kept()).task_dict["costly"].on_kill()
