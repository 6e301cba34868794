"""The pipeline of Outflow's tutorial, as its documents have it, is run as its users run it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stores import PEERS, needs

pytestmark = pytest.mark.slow

TUTORIAL = Path(__file__).resolve().parents[1] / "outflow_pipelines" / "tuto_pipeline"
OUTFLOW = PEERS.with_name(f"{PEERS.name}-outflow")
FAIRLEAD = [sys.executable, "-c", "from fairlead.adapters.cli import main; main()"]
WAYS = {
    "manage.py": ([sys.executable, "-m", "fairlead.adapters.compat", "manage.py"], "."),
    "fairlead outflow": ([*FAIRLEAD, "outflow", "tuto_pipeline"], ".."),
}


@pytest.fixture
def here(tmp_path):
    """The tutorial's folder, and a cache of its own."""
    return shutil.copytree(TUTORIAL, tmp_path / "tuto_pipeline")


@pytest.fixture(params=WAYS)
def go(request, here, tmp_path):
    """Run a command of the tutorial in each way that there is."""
    program, folder = WAYS[request.param]

    def run(*arguments):
        return subprocess.run(
            [*program, *arguments], check=False, capture_output=True, text=True, cwd=here / folder,
            env={**os.environ, "FAIRLEAD_CACHE": str(tmp_path / "cache")},
        )  # fmt: skip

    return run


def said(done):
    """Return what was logged, without times and places."""
    return [line.rpartition(" - INFO - ")[2] for line in done.stderr.splitlines() if " - INFO - " in line]


PART_2 = [
    "Transforming data raw_data=42",
    "Running computation for transformed_data=84",
    "Result of the computation: 252",
]


def test_part_1_a_plugin_says_hello(go):
    done = go("data_reduction")
    assert (done.returncode, said(done)) == (0, ["Hello from data_reduction"])


def test_part_2_tasks_are_run_in_order_with_their_parameters(go):
    done = go("part2")
    assert (done.returncode, said(done)) == (0, PART_2)


def test_part_2_a_wrong_type_is_told_with_task_and_target(go):
    done = go("part2_wrong_type")
    assert done.returncode == 1
    assert "task 'wrong_type', output 'raw_data': '42' is a str (int)" in done.stderr


def test_part_3_a_cached_workflow_is_run_once(go):
    assert [line for line in said(go("part3")) if line in PART_2] == PART_2
    assert [line for line in said(go("part3")) if line in PART_2] == PART_2[2:]
    assert [line for line in said(go("part3", "--overwrite-cache")) if line in PART_2] == PART_2


@pytest.mark.parametrize("backend", ["default", "parallel"])
def test_part_4_a_workflow_is_mapped_in_each_engine(go, backend):
    done = go("part4", "--backend", backend)
    assert done.returncode == 0, done.stderr
    assert said(done)[-1] == "Result of the computation: [252, 258, 264, 270]"
    assert sorted(said(done)[:-1])[:4] == [f"Running computation for transformed_data={2 * x}" for x in range(42, 46)]


def test_commands_in_the_pipelines_folder_are_there(go):
    assert said(go("my_command", "--debug")) == ["Debug environment", "Second got 1"]
    assert said(go("my_command")) == ["Second got 1"]
    assert said(go("git", "clone", "--depth", "3")) == ["Cloning to depth 3"]
    assert said(go("hello", "--times", "1")) == ["Hello "]


@pytest.mark.parametrize(("command", "code"), [("stops", 0), ("fails", 1), ("nothing", 2), ("git", 0)])
def test_exit_codes_tell_how_it_ended(go, command, code):
    assert go(command).returncode == code


def test_a_folder_without_manage_py_runs_as_well(here, tmp_path):
    (here / "manage.py").unlink()
    done = subprocess.run(
        [*FAIRLEAD, "outflow", str(here), "part2"], check=False, capture_output=True, text=True, cwd="/"
    )
    assert said(done) == PART_2


def test_part_5_results_are_kept_in_the_database_and_runs_are_recorded(go):
    pytest.importorskip("sqlalchemy")
    done = go("compute_one_data", "--multiplier", "3")
    assert done.returncode == 1
    assert "management db upgrade heads" in done.stderr
    assert go("management", "db", "upgrade", "heads").returncode == 0
    first, second = (said(go("compute_one_data", "--multiplier", "3")) for _ in range(2))
    assert first == ["Result not found in database, computing result and inserting", "Result of the computation: 120"]
    assert second == ["Result found in database", "Result of the computation: 120"]
    done = go("compute_more_data", "--multiplier", "3", "--backend", "parallel")
    expected = "[[{'computation_result': 120}], [{'computation_result': 150}], [{'computation_result': 180}], "
    assert said(done)[-1] == f"Result of the mapped computation: {expected}[{{'computation_result': 210}}]]", (
        done.stderr
    )
    listed = go("management", "list_runs").stdout
    assert listed.count("success") == 3
    assert "compute_more_data" in listed
    assert go("fails").returncode == 1


@pytest.fixture
def on_slurm(here, tmp_path, request):
    """Let the tutorial's pipeline run on a real cluster of Slurm, with a folder that its nodes share."""
    request.getfixturevalue("slurm")
    with (here / "settings.py").open("a") as settings:
        settings.write(f"TEMP_DIR = {str(tmp_path / 'shared')!r}\n")
    return "slurm"


@pytest.fixture
def on_dask(here):
    """Let it run on a real cluster of Dask, whose address is in its configuration."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, processes=True, dashboard_address=None) as cluster:
        with (here / "config.yml").open("a") as configuration:
            configuration.write(f"dask: {{address: '{cluster.scheduler_address}'}}\n")
        yield "dask"


@pytest.mark.parametrize("cluster", ["on_slurm", "on_dask"])
def test_parts_4_and_5_run_on_a_cluster_recorded_and_with_the_context(here, request, cluster):
    pytest.importorskip("sqlalchemy")
    backend = request.getfixturevalue(cluster)
    program, _ = WAYS["manage.py"]
    told = []
    for arguments in ("management db upgrade heads", f"part4 -b {backend}", f"compute_more_data -b {backend}"):
        done = subprocess.run([*program, *arguments.split()], check=False, capture_output=True, text=True, cwd=here)
        assert done.returncode == 0, done.stderr
        told += said(done)[-1:]
    assert told[1] == "Result of the computation: [252, 258, 264, 270]"
    assert [int(number) for number in re.findall(r"\d+", told[2])] == [80, 100, 120, 140]


def pytest_of(here, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "fairlead.adapters.testing.fixtures",
         "plugins/data_reduction/tuto/data_reduction/tests", *arguments],
        check=False, capture_output=True, text=True, cwd=here, env={**os.environ, **environment},
    )  # fmt: skip


def test_part_7_the_tests_of_tasks_run_as_they_are_written(here):
    pytest.importorskip("sqlalchemy")
    done = pytest_of(here, "-k", "Gen or Compute or NoCmd")
    assert "7 passed" in done.stdout, done.stdout


def test_part_7_the_tests_of_commands_run_as_they_are_written(here, request):
    pytest.importorskip("sqlalchemy")
    server = request.getfixturevalue("postgres")
    done = pytest_of(here, FAIRLEAD_TEST_POSTGRESQL=server.url("postgres"))
    assert "10 passed" in done.stdout, done.stdout


COMPARED = ["data_reduction", "part2", "my_command", "my_command --debug", "git clone --depth 3", "hello", "git"]


@pytest.mark.parametrize("command", COMPARED)
def test_the_real_outflow_says_the_same(here, command):
    """Of what it can do: no part 3 to 5, whose results it shapes otherwise than its documents say.

    What is logged outside plugins, it does not show.
    """
    python = needs(OUTFLOW / "bin" / "python", "outflow")
    real = subprocess.run(
        [python, "manage.py", *command.split()], check=False, capture_output=True, text=True, cwd=here,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {"COLUMNS": "200"},
    )  # fmt: skip
    ours = subprocess.run(
        [*WAYS["manage.py"][0], *command.split()], check=False, capture_output=True, text=True, cwd=here
    )
    assert real.returncode == ours.returncode == 0, real.stderr
    lines = re.findall(r"INFO +\[(\S+)\] (.*?) *$", real.stdout, re.MULTILINE)
    found = re.findall(r" - (tuto\S+) - \S+ - INFO - (.*?) *$", ours.stderr, re.MULTILINE)
    assert found == lines
