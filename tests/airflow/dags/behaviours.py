"""The DAGs that the tests run; all of them work below the folder that the parameter ``scratch`` names."""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param, task

from fairlead.operators import TwineAppOperator

APPS = Path(__file__).parent.parent / "apps"
DEFAULTS = {"cache": "{{ params.scratch }}/cache", "retry_delay": timedelta(0)}
PARAMS = {"scratch": Param("", type="string"), "offset": Param(1, type="integer")}

with DAG("chain", schedule=None, params=PARAMS, default_args=DEFAULTS, render_template_as_native_obj=True):

    @task
    def manifest(params):
        return {"datasets": {"numbers": f"{params['scratch']}/numbers"}}

    first = TwineAppOperator(
        task_id="first",
        app=APPS / "double",
        input_values={"offset": "{{ params.offset }}"},
        input_manifest=manifest(),
    )
    second = TwineAppOperator(
        task_id="second",
        app=APPS / "double",
        input_values={"offset": 0},
        input_manifest=first.output["output_manifest"],
    )

    @task
    def report(outcome, total):
        return {"from the outcome": outcome["outputs"]["output_values"]["total"], "total": total["total"]}

    report(first.output, second.output["output_values"])

with DAG("retried", schedule=None, params=PARAMS, default_args=DEFAULTS | {"retries": 2}):
    TwineAppOperator(
        task_id="flaky",
        app=APPS / "flaky",
        input_values={"ledger": "{{ params.scratch }}/ledger", "failures": 2},
    )
    TwineAppOperator(task_id="invalid", app=APPS / "double", input_values={"offset": "{{ params.offset }}"})

with DAG("mapped", schedule=None, params=PARAMS, default_args=DEFAULTS):
    each = TwineAppOperator.partial(task_id="each", app=APPS / "double").expand(
        input_values=[{"offset": 1}, {"offset": 20}]
    )
    TwineAppOperator(
        task_id="all",
        app=APPS / "double",
        input_values={"offset": 0},
        configuration_values={"of each": each.output["output_values"]},
    )

STUCK = {"app": APPS / "stuck", "input_values": {"pids": "{{ params.scratch }}/pids", "polite": True}}

with DAG("late", schedule=None, params=PARAMS, default_args=DEFAULTS):
    TwineAppOperator(task_id="late", execution_timeout=timedelta(seconds=5), **STUCK)
