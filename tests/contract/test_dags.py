"""The files in ``dags/`` as they stand: Airflow lists them cheaply, and the demo runs them all and tells the truth."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.adapters.isolation import process_tree

from .units import ROOT

ENVIRONMENTS = (".venv-airflow", ".venv-prefect")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The demo as somebody has it who has just cloned the project and set it up; with a home that is empty."""
    folder = tmp_path_factory.mktemp("clone") / "clone"
    shutil.copytree(ROOT / "dags", folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ENVIRONMENTS:
        assert (ROOT / name).exists(), f"{name} is not there; make setup makes it"
        (folder / name).symlink_to(ROOT / name)
    (folder / "home").mkdir()
    return folder


@pytest.fixture
def environment(clone):
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PREFECT", "FAIRLEAD"))
    }
    return kept | {"HOME": str(clone / "home")}


@pytest.fixture
def demo(monkeypatch):
    spec = importlib.util.spec_from_file_location("demo", ROOT / "dags" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "demo", module)
    spec.loader.exec_module(module)
    return module


def started_below(folder):
    """Return the processes whose environment names a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(folder) in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes())
        except OSError:
            continue
    return found


def test_airflow_finds_both_dags_and_loads_nothing_that_parsing_does_not_need(environment, tmp_path):
    program = f"""
import sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
folder = Path({str(ROOT / "dags")!r})
bag = BundleDagBag(folder, bundle_path=folder, bundle_name="dags")
heavy = {{"numpy", "pandas", "prefect", "pvlib", "windpowerlib"}}
print(bag.import_errors, sorted(bag.dags), sorted(heavy & {{*sys.modules}}))
"""
    settings = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    python = ROOT / ".venv-airflow" / "bin" / "python"
    done = subprocess.run(
        [python, "-c", program], env=environment | settings, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "{} ['wind_farm', 'wind_resource'] []"


@pytest.mark.parametrize(
    ("fresh", "expected"),
    [("", ("computed", "cache hit", "cache hit")), ("1", ("computed", "computed", "computed"))],
    ids=["shared", "fresh"],
)
def test_the_demo_runs_both_studies_in_three_hosts_and_leaves_nothing_running(
    clone, environment, tmp_path, fresh, expected
):
    shutil.rmtree(clone / "build", ignore_errors=True)
    done = subprocess.run(
        [sys.executable, clone / "dags" / "demo.py"],
        env=environment | {"FAIRLEAD_DEMO_FRESH": fresh},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    host = r"^ *(Terminal|Prefect|Airflow) +"
    rows = re.findall(host + r"([\d. ]+) (\w{12}) +(computed|cache hit) ", done.stdout, re.MULTILINE)
    hosts, figures, fingerprints, results = zip(*rows, strict=True)
    assert hosts == ("Terminal", "Prefect", "Airflow")
    assert results == expected
    assert len(set(figures)) == len(set(fingerprints)) == 1
    rows = re.findall(host + r"(\S+ +[\d.]+% +[\d.]+% +\d+) +(\d+|none) +[\d.]+$", done.stdout, re.MULTILINE)
    hosts, figures, made = zip(*rows, strict=True)
    assert hosts == ("Terminal", "Prefect", "Airflow")
    assert len(set(figures)) == 1
    assert [number != "none" for number in made] == [result == "computed" for result in expected]
    assert "Results and fingerprints are identical." in done.stdout
    chart = clone / "build" / "demo" / "wind_rose.png"
    assert done.stdout.endswith(f"{chart}\n")
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert started_below(clone) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_demo_that_is_stopped_stops_what_it_has_started(clone, environment, number):
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, clone / "dags" / "demo.py"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        signal.signal(signal.SIGINT, previous)
        for line in process.stdout:
            if line.startswith("2 of 3"):
                break
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert started_below(clone) == []


def test_what_the_demo_starts_carries_the_marks_of_what_started_the_demo(demo, monkeypatch, tmp_path):
    monkeypatch.setenv(process_tree.MARK, "outer")
    command = [sys.executable, "-c", f"import os; print(os.environ[{process_tree.MARK!r}])"]
    with (tmp_path / "marks").open("w") as stdout:
        assert demo.run(command, demo.environment("terminal"), stdout=stdout) == 0
    outer, inner = (tmp_path / "marks").read_text().split()
    assert outer == "outer"
    assert inner


# What the demo says of three outcomes


def studies(demo, *cached, **changes):
    outcome = {"outputs": {"output_values": {"k": 1.8}}, "files": [{"name": "a", "digest": "d"}], "fingerprint": "f"}
    outcomes = [outcome | {"cached": hit} for hit in cached]
    farm = changes.pop("farm", {"turbine": "T"})
    outcomes[-1] |= changes
    farms = [{"turbine": "T"}, {"turbine": "T"}, farm]
    hosts = ["Terminal", "Prefect", "Airflow"]
    return [
        demo.Study(host, each, report, 0 if hit else 3, 1.0)
        for host, each, report, hit in zip(hosts, outcomes, farms, cached, strict=True)
    ]


@pytest.mark.parametrize(
    ("cached", "fresh", "account"),
    [
        ((False, True, True), False, "The terminal computed"),
        ((True, True, True), False, "All three found in the cache"),
        ((False, False, False), True, "Each host computed"),
    ],
)
def test_the_demo_says_who_computed(demo, monkeypatch, cached, fresh, account):
    monkeypatch.setattr(demo, "FRESH", fresh)
    assert demo.disagreements(studies(demo, *cached)) == []
    assert account in demo.account_of(studies(demo, *cached))


@pytest.mark.parametrize(
    ("cached", "fresh", "changes", "problem"),
    [
        ((False, True, True), False, {"fingerprint": "g"}, "The fingerprints differ."),
        ((False, True, True), False, {"outputs": {"output_values": {"k": 1.9}}}, "The results differ."),
        ((False, True, True), False, {"files": [{"name": "a", "digest": "e"}]}, "The results differ."),
        ((False, True, True), False, {"farm": {"turbine": "U"}}, "The results differ."),
        ((False, True, False), False, {}, "Airflow should have found the results in the cache."),
        ((False, False, True), True, {}, "Airflow should have computed."),
    ],
)
def test_the_demo_reports_what_does_not_hold(demo, monkeypatch, cached, fresh, changes, problem):
    monkeypatch.setattr(demo, "FRESH", fresh)
    assert demo.disagreements(studies(demo, *cached, **changes)) == [problem]
