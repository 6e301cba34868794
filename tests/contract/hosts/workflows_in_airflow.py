"""Run workflows as the groups of one Airflow DAG run, with `dag.test()`: python workflows_in_airflow.py JOBS RESULTS.

A job names one of `workflows.WORKFLOWS`, its ``inputs``, ``parameters``, ``cache`` and ``cut``, which are the arguments
that say what a task is. Its result has the ``outputs`` as packed data, the task whose ``error`` ended it, and the
``entries`` of the cache.
"""

import json
import sys
from pathlib import Path

from airflow.sdk import DAG

from fairlead.adapters.values import ValueStore, pack
from fairlead.adapters.workflow.gathering import skipped
from fairlead.adapters.workflow.nodes import outputs_of, unpacked
from fairlead.operators import WorkflowTaskGroup

sys.path.insert(0, str(Path(__file__).parents[1]))

from workflows import WORKFLOWS
from workflows_in_terminal import entries

JOBS = json.loads(Path(sys.argv[1]).read_text())

with DAG("workflows", schedule=None) as dag:
    GROUPS = [
        WorkflowTaskGroup(
            WORKFLOWS[job["workflow"]].make(),
            group_id=f"job_{number}",
            inputs=job["inputs"],
            parameters=job["parameters"],
            cache=job["cache"],
            **job["cut"],
        )
        for number, job in enumerate(JOBS)
    ]


def result_of(group, job, tasks):
    """Return the packed outputs, or the task that failed, and what is in the cache then."""
    plan, store = group.plan, ValueStore(job["cache"])
    states = {name: task.state for name, task in tasks.items() if name[0] in plan.all_tasks}
    failed = [name for (name, _), state in sorted(states.items()) if state == "failed"]
    outputs = None
    if not failed:
        packed = {node.path: xcom(tasks, plan.tasks[node.path]) for node in plan.flat.nodes}
        results = {
            node.path: skipped(node.outputs) if packed[node.path] is None else unpacked(packed[node.path], store)
            for node in plan.flat.nodes
        }
        # A task that has ended the pipeline is a success, and hands on nothing.
        ended = any(states[plan.tasks[path], -1] == "success" and data is None for path, data in packed.items())
        outputs = pack({} if ended else dict(outputs_of(plan.flat, results))).data
    error = failed[0].partition(".")[2] if failed else None
    return {"outputs": outputs, "error": error, "entries": entries(job["cache"])}


def xcom(tasks, name):
    return tasks[name, -1].xcom_pull(name, map_indexes=-1)


if __name__ == "__main__":
    run = dag.test()
    tasks = {(task.task_id, task.map_index): task for task in run.get_task_instances()}
    results = [result_of(group, job, tasks) for group, job in zip(GROUPS, JOBS, strict=True)]
    Path(sys.argv[2]).write_text(json.dumps(results))
