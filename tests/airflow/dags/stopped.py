"""Tasks that only end when somebody stops them; the folder to work in comes from the environment."""

import os
from pathlib import Path

from airflow.sdk import DAG

from fairlead.operators import TwineAppOperator

APP = Path(__file__).parent.parent / "apps" / "stuck"
SCRATCH = os.environ.get("SCRATCH", "")

with DAG("stopped", schedule=None, default_args={"cache": f"{SCRATCH}/cache", "app": APP}):
    for name, polite in (("polite", True), ("stubborn", False)):
        TwineAppOperator(task_id=name, input_values={"pids": f"{SCRATCH}/pids", "polite": polite})
