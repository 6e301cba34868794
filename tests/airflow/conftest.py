"""An Airflow of its own for these tests: a temporary home, a fresh SQLite database, and the DAGs of `dags/`."""

import importlib.util
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

HERE = Path(__file__).parent

if importlib.util.find_spec("airflow"):
    # Airflow reads its settings when it is first imported, and the tests' modules import it at their head.
    for name in [*os.environ]:
        if name.startswith(("AIRFLOW_", "FAIRLEAD_")):
            del os.environ[name]
    HOME = Path(tempfile.mkdtemp(prefix="fairlead-airflow-"))
    os.environ |= {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "FAIRLEAD_CACHE": str(HOME / "cache"),
    }
else:
    HOME = None


def pytest_unconfigure():
    if HOME:
        shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def database():
    """Airflow's tables."""
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def run_dag(database, tmp_path):
    """Run a DAG of a file in `dags/` with ``scratch`` as a parameter; returns the DAG run."""
    from airflow.dag_processing.dagbag import DagBag

    def run(dag_id, *, file="behaviours.py", **parameters):
        dag = DagBag(HERE / "dags" / file).dags[dag_id]
        return dag.test(run_conf={"scratch": str(tmp_path), **parameters})

    return run


@pytest.fixture
def apps():
    return HERE / "apps"


@pytest.fixture
def context():
    """What an operator needs of a task's context, with the XComs that it pushes in ``ti.pushed``."""
    pushed = {}
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="task", map_index=-1, try_number=1)
    ti.pushed, ti.xcom_push = pushed, pushed.__setitem__
    return {"ti": ti}


@pytest.fixture
def log():
    """Return the lines of the task's log so far, as ``(level, source, message)``."""
    import structlog.testing

    def name_the_source(logger, method, event):
        return event | {"source": getattr(logger, "name", None)}

    with structlog.testing.capture_logs(processors=[name_the_source]) as lines:
        yield lambda: [(line["log_level"], line["source"], line["event"]) for line in lines]


@pytest.fixture
def wait_until_gone():
    """Wait until processes have ended, by their ids; fails after some seconds."""

    def wait(*pids, limit=10.0):
        for pid in pids:
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                assert poll.poll(limit * 1000), f"process {pid} lives on: {Path(f'/proc/{pid}/cmdline').read_text()}"
            finally:
                os.close(descriptor)

    return wait


@pytest.fixture
def is_json():
    """Tell whether a value is plain JSON data: it comes back from JSON as it was, types included."""

    def same(value):
        return repr(json.loads(json.dumps(value))) == repr(value)

    return same
