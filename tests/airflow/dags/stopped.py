"""Tasks that only end when somebody stops them; the folder to work in comes from the environment."""

# ruff: noqa: F821 (return annotations name outputs)

import json
import os
import time
from pathlib import Path

from airflow.sdk import DAG

from fairlead.adapters.twine import TwineApp
from fairlead.adapters.workflow import as_block, as_task, as_workflow
from fairlead.operators import TwineAppOperator, WorkflowTaskGroup

APP = Path(__file__).parent.parent / "apps" / "stuck"
SCRATCH = os.environ.get("SCRATCH", "")


@as_task
def nap(pids: str) -> {"never": int}:
    try:
        Path(pids).write_text(json.dumps({"task": os.getpid()}))
        time.sleep(3600)
    finally:
        print("the nap was interrupted")


@as_workflow
def napping():
    nap()


@as_workflow
def study():
    as_block(TwineApp(APP))


with DAG("stopped", schedule=None, default_args={"cache": f"{SCRATCH}/cache", "app": APP}):
    for name, polite in (("polite", True), ("stubborn", False)):
        TwineAppOperator(task_id=name, input_values={"pids": f"{SCRATCH}/pids", "polite": polite})
    WorkflowTaskGroup(napping(), inputs={"pids": f"{SCRATCH}/pids"})
    WorkflowTaskGroup(study(), inputs={"input_values": {"pids": f"{SCRATCH}/pids", "polite": False}})
