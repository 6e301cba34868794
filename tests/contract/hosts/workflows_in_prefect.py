"""Run workflows as Prefect flows, on an ephemeral server: python workflows_in_prefect.py JOBS RESULTS.

A job names one of `workflows.WORKFLOWS`, its ``inputs``, ``parameters``, ``cache`` and ``cut``, which are the arguments
that say what a task is. Its result has the ``outputs`` as packed data, the ``error``, and the
``entries`` of the cache.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from prefect import get_client
from workflows import WORKFLOWS
from workflows_in_terminal import entries

from fairlead.adapters import values
from fairlead.flows import workflow_flow, workflow_outputs


def result_of(job):
    """Return the packed outputs, or the exception, and what is in the cache then."""
    outputs, error = None, None
    try:
        flow = workflow_flow(
            WORKFLOWS[job["workflow"]].make(), parameters=job["parameters"], cache=job["cache"], **job["cut"]
        )
        outputs = values.pack(dict(workflow_outputs(flow(**job["inputs"]), job["cache"]))).data
    except Exception as raised:  # noqa: BLE001 (whatever it is, it is compared)
        error = f"{type(raised).__name__}: {raised}"
    return {"outputs": outputs, "error": error, "entries": entries(job["cache"])}


if __name__ == "__main__":
    jobs = json.loads(Path(sys.argv[1]).read_text())
    with get_client(sync_client=True) as client:
        client.hello()  # starts the server: of threads that begin at once, each would start one
    with ThreadPoolExecutor(4) as pool:  # a flow takes a second to end
        Path(sys.argv[2]).write_text(json.dumps(list(pool.map(result_of, jobs))))
