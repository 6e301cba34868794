"""What Airflow learns about the provider, and what that costs whoever parses DAG files."""

import ast
import json
import subprocess
import sys
from importlib import import_module, metadata
from importlib.resources import files

import pytest

pytest.importorskip("airflow")

import airflow
import jsonschema
from airflow.providers_manager import ProvidersManager

from fairlead.operators.provider_info import get_provider_info

HEAVY = {"blake3", "docker", "fsspec", "httpx", "jsonschema", "prefect"}


def modules_loaded_by(statement, *, after):
    """Run a statement in a fresh interpreter; returns the names of the modules that it loads."""
    count = "import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    code = f"import sys\n{after}\nbefore = set(sys.modules)\n{statement}\n{count}"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_airflow_finds_the_provider_under_the_distributions_name():
    provider = ProvidersManager().providers["fairlead"]

    assert provider.version == metadata.version("fairlead")
    assert provider.data.items() >= get_provider_info().items()


def test_the_providers_metadata_keeps_airflows_schema():
    for name in ("provider_info.schema.json", "provider.yaml.schema.json"):
        schema = json.loads((files(airflow) / name).read_text())
        validator = jsonschema.validators.validator_for(schema)(schema)
        problems = [error.message for error in validator.iter_errors(get_provider_info())]
        assert [problem for problem in problems if "required property" not in problem] == []


def test_structlog_comes_with_airflows_sdk():
    assert any(one.startswith("structlog") for one in metadata.requires("apache-airflow-task-sdk"))


def test_the_listed_modules_are_there():
    listed = [name for entry in get_provider_info()["operators"] for name in entry["python-modules"]]

    assert [import_module(name).__name__ for name in listed] == [
        "fairlead.operators.twine",
        "fairlead.operators.workflow",
    ]


@pytest.mark.parametrize("statement", ["import fairlead.operators", "from fairlead.operators import TwineAppOperator"])
@pytest.mark.parametrize("after", ["import airflow.sdk", "from airflow.sdk import BaseOperator, DAG"])
def test_a_dag_file_loads_few_modules_and_none_that_are_heavy(statement, after):
    loaded = modules_loaded_by(statement, after=after)

    assert len(loaded) <= 60
    assert not {name.partition(".")[0] for name in loaded} & HEAVY


def test_the_machinery_that_runs_apps_is_left_to_the_tasks_process():
    loaded = modules_loaded_by("from fairlead.operators import TwineAppOperator", after="")

    ours = {name for name in loaded if name.startswith("fairlead.adapters.")}
    assert ours == {"fairlead.adapters.host", "fairlead.adapters.isolation", "fairlead.adapters.lazy"}
    assert not {name.partition(".")[0] for name in loaded} & {"prefect", "docker", "blake3"}


def test_describing_a_task_loads_nothing_more():
    loaded = modules_loaded_by(
        "TwineAppOperator(task_id='wind', app='apps/wind', silence_limit=60)",
        after="from fairlead.operators import TwineAppOperator",
    )

    assert [name for name in loaded if name.startswith("fairlead.")] == []


def test_no_line_of_the_provider_imports_the_other_engine():
    names = set()
    for source in files("fairlead.operators").iterdir():
        if source.name.endswith(".py"):
            for node in ast.walk(ast.parse(source.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    names.add(node.module)

    assert "airflow.sdk" in names
    assert not [name for name in names if name.startswith(("prefect", "fairlead.flows"))]


def test_the_providers_metadata_is_read_without_airflow():
    loaded = modules_loaded_by("import fairlead.operators.provider_info", after="")

    assert [name for name in loaded if name.startswith("fairlead.operators.")] == ["fairlead.operators.provider_info"]
    assert "airflow" not in loaded


def test_an_unknown_name_cannot_be_imported():
    with pytest.raises(ImportError, match="cannot import name 'TwineOperator'"):
        from fairlead.operators import TwineOperator  # noqa: F401
