"""Run workflows in this process: python workflows_in_terminal.py JOBS RESULTS.

A job names one of `workflows.WORKFLOWS`, its ``inputs``, ``parameters``, ``cache`` and ``backend``. Its result has the
``outputs`` as packed data, the ``error``, and the ``entries`` of the cache.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


from workflows import WORKFLOWS

from fairlead.adapters import values
from fairlead.adapters.workflow import run


def result_of(job):
    """Return the packed outputs, or the exception, and what is in the cache then."""
    outputs, error = None, None
    try:
        made = WORKFLOWS[job["workflow"]].make()
        result = run(made, job["inputs"], parameters=job["parameters"], cache=job["cache"], backend=job["backend"])
        outputs = values.pack(dict(result.outputs)).data
    except Exception as raised:  # noqa: BLE001 (whatever it is, it is compared)
        error = f"{type(raised).__name__}: {raised}"
    return {"outputs": outputs, "error": error, "entries": entries(job["cache"])}


def entries(cache):
    return sorted(path.parent.name for path in Path(cache).glob("*/*/outcome.json"))


if __name__ == "__main__":
    jobs = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps([result_of(job) for job in jobs]))
