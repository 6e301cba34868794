"""How a test gives jobs to a host: a driver in ``hosts/``, run in the environment that the host has."""

import json
import os
import subprocess
import sys
from pathlib import Path

from .units import ROOT

HOSTS = {
    "terminal": Path(sys.executable),
    "prefect": ROOT / ".venv-prefect" / "bin" / "python",
    "airflow": ROOT / ".venv-airflow" / "bin" / "python",
}


def run_driver(host, kind, jobs, home):
    """Give jobs to the driver ``<kind>_<host>.py``, with a folder of its own as home; return its results in order."""
    assert HOSTS[host].exists(), f"{HOSTS[host].relative_to(ROOT)} is not there; make setup makes it"
    home.mkdir(exist_ok=True)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PREFECT", "FAIRLEAD"))
    }
    settings = {
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1,localhost",
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parent / "hosts"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    jobs_file, results_file = home / f"{kind}_jobs.json", home / f"{kind}_results.json"
    jobs_file.write_text(json.dumps(jobs))
    driver = Path(__file__).parent / "hosts" / f"{kind}_{host}.py"
    commands = [[HOSTS[host], driver, jobs_file, results_file]]
    if host == "airflow":
        commands.insert(0, [HOSTS[host].parent / "airflow", "db", "migrate"])
    with (home / "log").open("a") as log:
        for command in commands:
            done = subprocess.run(command, env=kept | settings, stdout=log, stderr=subprocess.STDOUT, check=False)
            assert done.returncode == 0, (home / "log").read_text()
    return json.loads(results_file.read_text())
