"""Run jobs as the tasks of one Prefect flow, on an ephemeral server: python in_prefect.py JOBS RESULTS."""

import json
import sys
from pathlib import Path

from prefect import flow

from fairlead.flows import twine_task


@flow
def jobs(given):
    return [
        twine_task(job["app"], configuration_values=job["configuration_values"], cache=job["cache"])(
            input_values=job["input_values"], input_manifest=job["input_manifest"]
        )
        for job in given
    ]


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(jobs(json.loads(Path(sys.argv[1]).read_text()))))
