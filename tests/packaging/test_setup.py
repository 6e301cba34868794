import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, output_of

ENGINES = ("airflow", "prefect")


def make(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess:
    """Run make as a user would: without what the `make` and the Python that run this test have set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHON"))}
    return subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=folder,
        env=kept | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def stub(path: Path, script: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def clone(copy_source, tmp_path):
    """A copy in which nothing is set up."""
    return copy_source(tmp_path / "clone")


@pytest.fixture
def with_tools(clone):
    """A copy that has uv already."""
    (clone / ".venv-tools").symlink_to(ROOT / ".venv-tools")
    return clone


def test_a_machine_without_a_suitable_python_is_told_what_to_install(clone, tmp_path):
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        stub(tmp_path / "stubs" / name, "echo 'command not found' >&2; exit 127")
    done = make(clone, "setup", PATH=f"{tmp_path / 'stubs'}:{os.environ['PATH']}")
    assert done.returncode
    assert "Python 3.11 or newer is missing" in done.stderr
    assert "apt-get install python3" in done.stderr


def test_a_name_on_the_path_that_does_not_run_is_passed_over(with_tools, tmp_path):
    stub(tmp_path / "stubs" / "python3", "echo 'command not found' >&2; exit 127")
    stub(tmp_path / "stubs" / "python3.13", "exit 127")
    stub(tmp_path / "stubs" / "python3.12", f'exec {sys.executable} "$@"')
    program = ". tests/environment/common.sh; find_python; echo $python"
    environment = os.environ | {"PATH": f"{tmp_path / 'stubs'}:{os.environ['PATH']}", "PYTHON": ""}
    chosen = output_of("sh", "-c", program, "tests/environment/setup.sh", cwd=with_tools, env=environment).strip()
    assert chosen == str(tmp_path / "stubs" / "python3.12")


def test_a_python_that_was_asked_for_and_does_not_run_is_named(clone):
    done = make(clone, "setup", "PYTHON=/nowhere/python3")
    assert done.returncode
    assert "PYTHON=/nowhere/python3" in done.stderr


def test_a_machine_without_the_venv_module_is_told_what_to_install(clone, tmp_path):
    script = f'case "$*" in *ensurepip*) exit 1;; *) exec {sys.executable} "$@";; esac'
    python = stub(tmp_path / "stubs" / "python3", script)
    done = make(clone, "setup", f"PYTHON={python}")
    assert done.returncode
    assert "apt-get install python3-venv" in done.stderr


OFFLINE = {
    "PIP_INDEX_URL": "http://127.0.0.1:9",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_FIND_LINKS": "",
    "PIP_RETRIES": "0",
    "UV_HTTP_RETRIES": "0",
}


def test_a_machine_that_cannot_fetch_uv_is_told_of_the_network(clone):
    done = make(clone, "setup", **OFFLINE)
    assert done.returncode
    assert "the Python package registry cannot be reached" in done.stderr


def test_a_setup_that_was_cut_off_is_not_taken_for_done(with_tools, tmp_path):
    done = make(with_tools, "setup", **OFFLINE, UV_CACHE_DIR=str(tmp_path / "cache"))
    assert done.returncode
    assert "the Python package registry cannot be reached" in done.stderr
    assert not (with_tools / ".venv-airflow" / "installed").exists()
    assert not (with_tools / "build" / "linked-airflow").exists()


def test_check_asks_for_the_setup(clone):
    done = make(clone, "check")
    assert done.returncode
    assert "make setup" in done.stderr


@pytest.mark.timeout(900)
def test_set_up_once_nothing_is_done_until_the_source_changes(with_tools):
    assert make(with_tools, "setup").returncode == 0
    again = make(with_tools, "setup")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")

    for root in ("adapters", "operators", "flows"):
        (with_tools / root / "novelty").mkdir()
        (with_tools / root / "novelty" / "__init__.py").write_text("")
        (with_tools / root / "novelty" / "deeper.py").write_text("")
    assert make(with_tools, "setup").returncode == 0
    for engine in ENGINES:
        python = with_tools / f".venv-{engine}" / "bin" / "python"
        output_of(python, "-c", "import fairlead.adapters.novelty.deeper", cwd="/")

    shutil.rmtree(with_tools / "build")
    assert make(with_tools, "setup").returncode == 0
    for engine in ENGINES:
        output_of(with_tools / f".venv-{engine}" / "bin" / "python", "-c", "import fairlead.adapters", cwd="/")
