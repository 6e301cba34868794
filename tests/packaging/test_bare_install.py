import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import output_of

TWINE = {
    "input_values_schema": {
        "type": "object",
        "properties": {"hub_height": {"type": "number"}},
        "required": ["hub_height"],
    },
    "output_values_schema": {"type": "object", "properties": {"twice": {"type": "number"}}, "required": ["twice"]},
}
APP = """
def run(analysis):
    analysis.output_values = {"twice": 2 * analysis.input_values["hub_height"]}
"""


@pytest.fixture
def app(outside):
    folder = outside / "doubling"
    folder.mkdir()
    (folder / "twine.json").write_text(json.dumps(TWINE))
    (folder / "app.py").write_text(APP)
    return folder


def test_the_core_is_imported_whole_without_an_engine(bare_environment, outside):
    program = """
import importlib, pkgutil, sys, fairlead.adapters
for module in pkgutil.walk_packages(fairlead.adapters.__path__, "fairlead.adapters."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # of what needs an extra, and pytest for what is for tests
            assert error.name in {"alembic", "sqlalchemy", "pytest"}, error
print(sorted({"airflow", "prefect", "adapters", "operators", "flows"} & set(sys.modules)))
"""
    assert output_of(bare_environment / "python", "-c", program).strip() == "[]"


def test_airflow_reads_the_provider_information_before_it_can_import_anything(bare_environment, outside):
    program = """
from importlib.metadata import entry_points
(entry,) = [point for point in entry_points(group="apache_airflow_provider") if point.dist.name == "fairlead"]
print(entry.load()()["package-name"])
"""
    assert output_of(bare_environment / "python", "-c", program).strip() == "fairlead"


@pytest.mark.parametrize(
    ("checker", "verdict"),
    [
        (["mypy", "--strict", "--python-executable"], "[arg-type]"),
        (["pyright", "--pythonpath"], "reportArgumentType"),
    ],
)
def test_users_get_the_types(bare_environment, outside, checker, verdict):
    program = outside / "program.py"
    program.write_text("from fairlead.adapters.perform import perform\n\nperform(1, {}, 2, cache=3, isolation=4)\n")
    name, *options = checker
    done = subprocess.run(
        [Path(sys.executable).with_name(name), *options, bare_environment / "python", program],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stdout.count(verdict) == 4, done.stdout + done.stderr
    assert done.stdout.count("error:" if name == "mypy" else "- error") == 4, done.stdout


def test_the_command_shows_its_help(bare_environment, outside):
    text = output_of(bare_environment / "fairlead", "--help")
    assert "run" in text
    assert "validate" in text


def test_the_command_validates_an_app(bare_environment, app):
    output_of(bare_environment / "fairlead", "validate", app)


def test_the_command_runs_an_app(bare_environment, app):
    inputs = app.parent / "input_values.json"
    inputs.write_text('{"hub_height": 90}')
    text = output_of(bare_environment / "fairlead", "run", app, "--input-values", inputs, "--json")
    assert json.loads(text)["outputs"]["output_values"] == {"twice": 180}


def test_the_command_refuses_bad_input(bare_environment, app):
    inputs = app.parent / "input_values.json"
    inputs.write_text('{"hub_height": "high"}')
    done = subprocess.run(
        [bare_environment / "fairlead", "run", app, "--input-values", inputs],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "hub_height" in done.stdout + done.stderr
