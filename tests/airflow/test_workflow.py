"""How a workflow looks in Airflow before anything runs: its tasks, their order, the trigger form, what is refused."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

pytest.importorskip("airflow")

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, Param, task, task_group
from airflow.serialization.serialized_objects import DagSerialization

from fairlead.adapters.errors import InputInvalid
from fairlead.adapters.workflow import (
    IfThenElse,
    LoopWorkflow,
    MapWorkflow,
    Parameter,
    Workflow,
    as_task,
    as_workflow,
)
from fairlead.adapters.workflow.exceptions import IOCheckerError, WorkflowInvalid
from fairlead.operators import WorkflowTaskGroup, workflow_dag

HERE = Path(__file__).parent


@as_task
def one(number: int) -> {"a": int}:
    """Add nothing."""
    return {"a": number}


@as_task
def many(a: int) -> {"items": list}:
    return {"items": [a]}


@as_task
def each(item: int) -> {"b": int}:
    return {"b": item}


@as_task
def last(b: list) -> {"c": int}:
    return {"c": sum(b)}


@as_workflow
def inner():
    many() | MapWorkflow(each(), name="all of them", map_on={"items": "item"}, simultaneous_tasks=3) | last()


@as_workflow
def outer():
    one() | inner()


@pytest.fixture(scope="module")
def farm():
    return DagBag(HERE / "dags" / "workflows.py").dags["farm"]


def order(dag):
    return {name: task.upstream_task_ids for name, task in dag.task_dict.items()}


def test_there_is_a_task_for_each_block_and_nested_workflows_and_maps_are_groups():
    assert order(workflow_dag(outer(), dag_id="outer")) == {
        "one": set(),
        "inner.many": {"one"},
        "inner.all_of_them.split": {"inner.many"},
        "inner.all_of_them.items": {"inner.all_of_them.split"},
        "inner.all_of_them.join": {"inner.all_of_them.split", "inner.all_of_them.items"},
        "inner.last": {"inner.all_of_them.join"},
    }


def test_a_name_that_airflow_does_not_take_is_shown_as_it_was_written():
    groups = workflow_dag(outer(), dag_id="outer").task_group.get_task_group_dict()

    assert groups["inner.all_of_them"].label == "all of them"


def test_independent_branches_do_not_wait_for_each_other(farm):
    assert farm.task_dict["search"].upstream_task_ids == set()
    assert farm.task_dict["rounding.round_up"].upstream_task_ids == {"total"}


def test_a_merge_runs_if_one_of_its_branches_has_and_others_only_if_all_have(farm):
    rules = {name: task.trigger_rule for name, task in farm.task_dict.items()}

    assert rules.pop("verdict") == "none_failed_min_one_success"
    assert set(rules.values()) == {"all_success"}


def test_what_only_the_task_can_tell_is_left_to_it():
    @as_task
    def left(a: int) -> {"side": int}:
        return {"side": a}

    @as_task
    def right(a: int) -> {"side": int}:
        return {"side": -a}

    @as_task
    def final(side: int) -> {"d": int}:
        return {"d": side}

    with Workflow(name="sided") as sided:
        with Workflow(name="either") as either:
            _, then, otherwise = IfThenElse(lambda a: a > 0)
            then | left()
            otherwise | right()
        one() | either | final()

    assert workflow_dag(sided).task_dict["final"].trigger_rule == "none_failed"


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [("map", {"one", "inner.many", "inner.all_of_them", "inner.last"}), ("whole", {"outer"})],
)
def test_a_task_is_as_large_as_asked_for(granularity, expected):
    assert set(workflow_dag(outer(), granularity=granularity).task_dict) == expected


def test_a_workflow_that_is_a_map_or_a_loop_itself_is_a_dag_too():
    mapping = MapWorkflow(each(), name="mapping", map_on={"items": "item"})
    loop = LoopWorkflow(one(), name="loop", iterations=2)

    assert set(workflow_dag(mapping).task_dict) == {"mapping.split", "mapping.items", "mapping.join"}
    assert set(workflow_dag(loop).task_dict) == {"loop"}


def test_retries_and_limits_of_a_block_are_the_tasks_own():
    @as_workflow
    def limited():
        one(retries=3, retry_delay=2.0, retry_backoff=1.5, max_retry_delay=9, timeout=60)

    task = workflow_dag(limited()).task_dict["one"]
    assert (task.retries, task.retry_delay, task.max_retry_delay) == (3, timedelta(seconds=2), timedelta(seconds=9))
    assert (task.retry_exponential_backoff, task.execution_timeout) == (1.5, timedelta(minutes=1))


def test_what_a_block_does_not_say_is_left_to_the_dag():
    task = workflow_dag(outer(), default_args={"retries": 7}).task_dict["one"]

    assert task.retries == 7


@pytest.mark.parametrize("chunk", [1, 2])
def test_the_limit_of_an_item_is_never_that_of_its_task_which_may_get_several(chunk):
    mapping = MapWorkflow(each(), name="mapping", map_on={"items": "item"}, timeout=5, simultaneous_tasks=2)
    items = workflow_dag(mapping, chunk=chunk).task_dict["mapping.items"]

    assert items.execution_timeout is None
    assert items.max_active_tis_per_dagrun == 2


@pytest.mark.parametrize("granularity", ["map", "whole"])
def test_a_map_that_is_one_task_leaves_retries_and_limits_to_its_items(granularity):
    mapping = MapWorkflow(each(), name="mapping", map_on={"items": "item"}, timeout=5, retries=2)
    (task,) = workflow_dag(mapping, granularity=granularity).task_dict.values()

    assert (task.retries, task.execution_timeout) == (0, None)


def test_results_are_xcoms_whatever_the_dag_says_of_others():
    dag = workflow_dag(outer(), default_args={"do_xcom_push": False})
    items = dag.task_dict["inner.all_of_them.items"].unmap({"chunk": {}})

    assert all(task.do_xcom_push for task in (dag.task_dict["one"], dag.task_dict["inner.all_of_them.join"], items))


def test_what_a_task_says_of_itself_is_shown():
    assert workflow_dag(outer()).task_dict["one"].doc_md == "Add nothing."


# The trigger form


@as_task
def asked(
    count: int,
    speed: float,
    kind: Literal["a", "b"],
    names: list[str] | None = None,
    where: Path = Path("here"),
    factor: Parameter(int) = None,
) -> {"all": str}:
    return {"all": f"{count} {speed} {kind} {names} {where} {factor}"}


@as_workflow
def form():
    asked()


@as_workflow
def scheduled():
    one()
    asked(count=1, speed=1.0, kind="a")


def test_the_form_asks_for_inputs_with_their_types():
    params = workflow_dag(form(), inputs={"speed": 1.5}).params

    assert {name: param.schema for name, param in params.items() if name in {"count", "speed", "kind", "names"}} == {
        "count": {"type": "integer"},
        "speed": {"type": "number"},
        "kind": {"enum": ["a", "b"]},
        "names": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
    }
    assert (params["speed"], params["names"]) == (1.5, None)
    assert "where" in params


def test_the_form_asks_for_parameters_of_tasks_by_their_names():
    params = workflow_dag(form(), parameters={"asked": {"factor": 3}}).params

    assert params["parameters"] == {"asked": {"factor": 3}}
    schema = params.get_param("parameters").schema
    assert schema["properties"]["asked"]["properties"] == {"factor": {"type": "integer"}}
    assert schema["properties"]["asked"]["required"] == []
    asks = workflow_dag(form()).params.get_param("parameters").schema
    assert asks["properties"]["asked"]["required"] == ["factor"]


def test_a_workflow_without_parameters_is_asked_for_none():
    assert set(workflow_dag(outer()).params) == {"number", "overwrite_cache"}


def test_a_schedule_needs_all_values_and_says_which_are_missing():
    with pytest.raises(InputInvalid, match=r"(?s)inputs\.number: is missing.*parameters\.asked\.factor: is missing"):
        workflow_dag(scheduled(), schedule="@daily")
    dag = workflow_dag(
        scheduled(), schedule="@daily", inputs={"number": 1}, parameters={"asked": {"factor": 1}, "other": {}}
    )
    assert dag.params["number"] == 1


# In a DAG


def test_a_group_comes_after_what_it_is_given_and_before_what_it_gives():
    with DAG("dag", schedule=None) as dag:

        @task
        def number():
            return 1

        @task
        def use(c):
            return c

        use(WorkflowTaskGroup(outer(), inputs={"number": number()}).output["c"])

    assert dag.task_dict["outer.one"].upstream_task_ids == {"number"}
    assert dag.task_dict["use"].upstream_task_ids == {"outer.inner.last"}


def test_an_input_that_is_not_given_is_the_dags_parameter():
    with DAG("dag", schedule=None, params={"number": Param(1)}) as dag:
        WorkflowTaskGroup(outer())
    assert "outer.one" in dag.task_dict


def test_one_workflow_may_be_in_a_dag_twice():
    with DAG("dag", schedule=None, params={"number": Param(1)}) as dag:
        WorkflowTaskGroup(outer(), group_id="a") >> WorkflowTaskGroup(outer(), group_id="b")
    assert dag.task_dict["b.one"].upstream_task_ids == {"a.inner.last"}


# What is refused


def test_an_input_that_is_missing_or_unknown_is_named():
    with (
        DAG("dag", schedule=None),
        pytest.raises(InputInvalid, match=r"(?s)inputs\.number: is missing.*'outer' needs it"),
    ):
        WorkflowTaskGroup(outer())
    with pytest.raises(InputInvalid, match=r"inputs\.numbr: is no input of 'outer'.*one of: number"):
        workflow_dag(outer(), inputs={"numbr": 1})


def test_a_group_in_a_mapped_group_is_refused_with_what_to_do_instead():
    with DAG("dag", schedule=None):

        @task_group
        def several(number):
            WorkflowTaskGroup(outer(), inputs={"number": number})

        with pytest.raises(InputInvalid, match=r"in a task group that is mapped .*MapWorkflow"):
            several.expand(number=[1, 2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"granularity": "fine"}, "granularity: 'fine' is unknown .*node, map, whole"),
        ({"chunk": 0}, "chunk: 0 is no number of items"),
        ({"backend": "threads"}, "backend: 'threads' is unknown"),
    ],
)
def test_an_argument_that_is_wrong_is_named(arguments, message):
    with pytest.raises(InputInvalid, match=message):
        workflow_dag(outer(), **arguments)


def test_what_is_no_workflow_is_refused():
    with pytest.raises(WorkflowInvalid, match="Call it"):
        workflow_dag(outer)


def test_what_does_not_fit_together_is_told_when_the_file_is_parsed():
    @as_task
    def text() -> {"b": str}:
        return {"b": "text"}

    with Workflow(name="broken") as broken:
        text() | last()

    with pytest.raises(IOCheckerError, match="task 'last', input 'b': 'b' is of type str"):
        workflow_dag(broken)


# Light


def test_a_dag_is_serialised_alike_at_every_parse():
    texts = [str(DagSerialization.to_dict(workflow_dag(outer(), dag_id="outer"))) for _ in range(2)]

    assert texts[0] == texts[1]
    assert "0x" not in texts[0]


def test_parsing_loads_nothing_that_only_a_run_needs():
    code = """
import json, sys
from airflow.sdk import DAG
before = set(sys.modules)
from fairlead.adapters.workflow import as_task, as_workflow
from fairlead.operators import workflow_dag

@as_task
def one(number: int) -> {"a": int}:
    return {"a": number}

@as_workflow
def outer():
    one()

workflow_dag(outer())
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    import json

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = json.loads(done.stdout.splitlines()[-1])
    heavy = {"numpy", "pandas", "sqlalchemy", "fsspec", "blake3", "typeguard", "docker", "prefect", "pyarrow"}
    assert not {name.partition(".")[0] for name in loaded} & heavy
    assert not [name for name in loaded if name.startswith(("fairlead.adapters.perform", "fairlead.operators.runs"))]
    assert len(loaded) <= 90
