"""Run one task of `dags/stopped.py` under Airflow's own supervisor, as a worker does; the API server is a stand-in.

Every request of the supervisor is printed as a line of JSON. Heartbeats are answered with "the task should not be
running any more", as after somebody has marked it in the UI, once the file ``$SCRATCH/marked`` exists.
"""

import json
import os
import sys
import uuid
from pathlib import Path

import httpx
from airflow.sdk.api.client import Client
from airflow.sdk.api.datamodels._generated import BundleInfo, TaskInstance
from airflow.sdk.execution_time.supervisor import supervise_task

RUN = {
    "dag_id": "stopped",
    "run_id": "a run",
    "run_type": "manual",
    "state": "running",
    "run_after": "2026-01-01T00:00:00Z",
    "start_date": "2026-01-01T00:00:00Z",
    "consumed_asset_events": [],
    **dict.fromkeys(["logical_date", "data_interval_start", "data_interval_end", "end_date", "partition_key"]),
}


def answer(request: httpx.Request) -> httpx.Response:
    print(json.dumps({"path": request.url.path, "body": json.loads(request.content or "null")}), flush=True)
    if request.url.path.endswith("/run"):
        return httpx.Response(200, json={"dag_run": RUN, "max_tries": 3, "should_retry": True})
    if request.url.path.endswith("/heartbeat") and Path(os.environ["SCRATCH"], "marked").exists():
        return httpx.Response(409, json={"detail": {"reason": "not_running", "current_state": "failed"}})
    return httpx.Response(200, json={})


if __name__ == "__main__":
    task = TaskInstance(
        id=uuid.uuid4(),
        dag_version_id=uuid.uuid4(),
        dag_id="stopped",
        task_id=sys.argv[1],
        run_id="a run",
        try_number=1,
    )
    supervise_task(
        ti=task,
        bundle_info=BundleInfo(name="dags-folder"),
        dag_rel_path="stopped.py",
        token="",
        client=Client(base_url=None, token="", dry_run=True, transport=httpx.MockTransport(answer)),
        log_path=str(Path(os.environ["SCRATCH"], "task.log")),
    )
