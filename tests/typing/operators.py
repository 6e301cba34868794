"""Calls the Airflow provider as users do; checked by mypy and pyright, never run."""

from datetime import timedelta
from pathlib import Path
from typing import assert_type

from airflow.sdk import DAG, Param, XComArg

from fairlead.adapters.workflow import Workflow
from fairlead.operators import TwineAppOperator, WorkflowTaskGroup, filled_in, params, workflow_dag

with DAG("study", schedule=None):
    wind = TwineAppOperator(
        task_id="wind",
        app=Path("apps/wind"),
        input_values={"height": "{{ params.height }}"},
        input_manifest="manifest.json",
        silence_limit=60,
        on_silence="stop",
        output_limit=None,
        diagnostics="s3://bucket/left/{{ dag.dag_id }}",
        retries=2,
        execution_timeout=timedelta(minutes=10),
    )
    loads = TwineAppOperator(task_id="loads", app="apps/loads", input_manifest=XComArg(wind, key="output_manifest"))
    TwineAppOperator.partial(task_id="sites", app="apps/wind").expand(input_values=[{"height": 90}, {"height": 120}])

assert_type(params("apps/wind"), dict[str, Param])
TwineAppOperator(task_id="form", app="apps/wind", input_values=filled_in(Path("apps/wind")))

assert_type(workflow_dag(Workflow(name="study"), "@daily", inputs={"count": 1}, granularity="map", tags=["study"]), DAG)
with DAG("joined", schedule=None):
    group = WorkflowTaskGroup(Workflow(name="study"), inputs={"count": wind.output}, chunk="auto", tooltip="a study")
    assert_type(group.output, dict[str, XComArg])
    group.set_upstream(loads)
