import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .conftest import ROOT, output_of

ENGINES = ("airflow", "prefect")
VERSIONS = ("3.11", "3.12", "3.13", "3.14")


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
    path.parent.mkdir(parents=True, exist_ok=True)
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
    for name in ("python3", *(f"python{version}" for version in VERSIONS)):
        stub(tmp_path / "stubs" / name, "echo 'command not found' >&2; exit 127")
    done = make(clone, "setup", PATH=f"{tmp_path / 'stubs'}:{os.environ['PATH']}")
    assert done.returncode
    assert "Python 3.11, 3.12, 3.13 or 3.14 is missing" in done.stderr
    assert "apt-get install python3" in done.stderr


def test_all_places_name_the_same_versions_of_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    language = "Programming Language :: Python :: "
    named = [line.removeprefix(language) for line in project["classifiers"] if line.startswith(language)]
    script = (ROOT / "tests" / "environment" / "common.sh").read_text()
    (tried,) = re.findall(r"^    for candidate in (.*); do$", script, re.MULTILINE)
    assert project["requires-python"] == f">={VERSIONS[0]}"
    assert tuple(version for version in named if "." in version) == VERSIONS
    assert tuple(reversed(re.findall(r"python(3\.\d+)", tried))) == VERSIONS
    for page in ("README.md", "docs/tutorials/first-voyage.md", "docs/reference/python-api.md"):
        assert f"Python {VERSIONS[0]} to {VERSIONS[-1]}" in (ROOT / page).read_text()


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


@pytest.mark.parametrize(("engine", "other"), [ENGINES, ENGINES[::-1]])
def test_check_does_with_one_environment_and_fetches_nothing(clone, tmp_path, engine, other):
    """Stand-ins for programs note how they are called; the environment is one that older constraints have made."""
    notes = tmp_path / "notes"
    (version,) = re.findall(r"^UV_VERSION=(.*)$", (ROOT / "tests/environment/common.sh").read_text(), re.MULTILINE)
    note = f'echo "$0 $*" >>{notes}'
    stub(clone / ".venv-tools" / "bin" / "uv", f'[ "$1" = --version ] && echo "uv {version}" || {note}')
    programs = clone / f".venv-{engine}" / "bin"
    stub(programs / "python", f'exec {sys.executable} "$@"')
    for name in ("ruff", "mypy", "pyright"):
        stub(programs / name, note)
    report = '<testsuites><testsuite><testcase classname="core" name="it" /></testsuite></testsuites>'
    stub(
        programs / "pytest",
        f"""{note}
for word; do case $word in --junitxml=*) echo '{report}' >"${{word#*=}}";; esac; done""",
    )
    (programs.parent / "installed").write_text("another key\n")

    done = make(clone, "check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"there is no .venv-{other}, so nothing is checked with it; to make it: make setup" in done.stdout
    assert "to bring it up to date: make setup\n" in done.stdout
    assert done.stdout.splitlines()[-1] == "Total: 6 passed, 0 failed, 0 skipped"
    calls = notes.read_text().splitlines()
    assert [call for call in calls if f".venv-{other}" in call] == []
    of_uv = [call for call in calls if "/uv " in call]
    assert of_uv
    assert [call for call in of_uv if "--offline" not in call and " pip check " not in call] == []
    assert [call for call in calls if "/pytest " in call and "not slow" in call]


def test_check_does_not_fetch_uv(clone):
    (clone / ".venv-prefect").mkdir()
    (clone / ".venv-prefect" / "installed").write_text("a key\n")
    done = make(clone, "check", **OFFLINE)
    assert done.returncode
    assert "make setup" in done.stderr
    assert "registry" not in done.stderr


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


def test_a_machine_that_does_not_reach_npm_goes_without_s3rver_until_it_does(with_tools):
    script = with_tools / "tests" / "environment" / "setup.sh"
    environment = os.environ | {"npm_config_registry": "http://127.0.0.1:9"}
    done = subprocess.run([script, "peers"], env=environment, capture_output=True, text=True, check=True)
    assert "s3rver@3.7.1 could not be fetched" in done.stderr
    assert "will be skipped" in done.stderr
    peers = with_tools / ".venv-peers"
    assert {path.name for path in peers.iterdir()} & {"installed", "s3rver", "s3rver.part"} == {"installed"}

    output_of(script, "peers", cwd=with_tools)
    assert (peers / "s3rver/node_modules/s3rver/bin/s3rver.js").exists()
    assert output_of(script, "peers", cwd=with_tools) == ""


def test_an_environment_that_is_not_known_is_named(with_tools):
    done = subprocess.run(
        [with_tools / "tests" / "environment" / "setup.sh", "perfect"], capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert "There is no constraints-perfect.txt" in done.stderr
    assert "airflow, prefect, peers, peers-newest and peers-outflow" in done.stderr
