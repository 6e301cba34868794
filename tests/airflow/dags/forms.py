"""A DAG whose trigger form is made from an app's contract."""

from pathlib import Path

from airflow.sdk import DAG, Param

from fairlead.operators import TwineAppOperator, filled_in, params

DOUBLE = Path(__file__).parent.parent / "apps" / "double"

with DAG("form", schedule=None, params={"scratch": Param("", type="string"), **params(DOUBLE)}):
    TwineAppOperator(
        task_id="double",
        app=DOUBLE,
        input_values=filled_in(DOUBLE),
        cache="{{ params.scratch }}/cache",
    )
