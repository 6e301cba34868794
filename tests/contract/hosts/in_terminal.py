"""Run jobs with the `fairlead` command: python in_terminal.py JOBS RESULTS."""

import json
import subprocess
import sys
from pathlib import Path

STRANDS = ("input_values", "input_manifest", "configuration_values")


def outcome_of(job):
    command = [Path(sys.executable).parent / "fairlead", "run", job["app"], "--cache", job["cache"], "--json"]
    for strand in STRANDS:
        if job[strand] is not None:
            command += [f"--{strand.replace('_', '-')}", json.dumps(job[strand])]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


if __name__ == "__main__":
    jobs = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps([outcome_of(job) for job in jobs]))
