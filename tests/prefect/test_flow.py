"""The ready-made flow, and what importing the collection costs."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest.importorskip("prefect")

import cloudpickle
from prefect.client.orchestration import get_client
from prefect.deployments.runner import EntrypointType
from prefect.exceptions import ParameterTypeError

from fairlead.adapters.errors import AppRaised
from fairlead.adapters.isolation import NAMES, OUTPUT_LIMIT
from fairlead.flows import run_twine_app, twine_task


def test_the_flow_returns_the_outcome(doubling, tmp_path):
    values = tmp_path / "values.json"
    values.write_text('{"n": 21}')
    state = run_twine_app(doubling, str(values), cache=tmp_path / "cache", return_state=True)
    assert state.result()["outputs"]["output_values"] == {"twice": 42}
    assert state.result() == json.loads(json.dumps(state.result()))
    run = get_client(sync_client=True).read_flow_run(state.state_details.flow_run_id)
    assert run.name.startswith("doubling ")
    # The same work, from a task of one's own.
    assert twine_task(doubling)({"n": 21})["cached"] is True


def test_the_flow_retries_as_told_and_fails_with_the_apps_error(write_app, runs, tmp_path):
    app = write_app(f"open({str(tmp_path / 'runs')!r}, 'a').write('run\\n')\nraise ValueError('no wind')")
    with pytest.raises(AppRaised, match="no wind"):
        run_twine_app(str(app), {}, retries=2, retry_delay_seconds=0.01)
    assert runs() == 3


@pytest.mark.parametrize("wish", [Path("/left"), "/left", {"url": "/left", "copy_datasets": True}])
def test_diagnostics_are_asked_for_by_a_place_or_an_object(wish):
    given = run_twine_app.validate_parameters({"app": "a", "diagnostics": wish})["diagnostics"]
    assert given == (str(wish) if isinstance(wish, Path) else wish)


def test_parameters_are_coerced():
    given = {"app": "a", "input_values": {"n": 1}, "retries": "2", "timeout": "1.5", "refresh": "true"}
    coerced = run_twine_app.validate_parameters(given)
    assert (coerced["retries"], coerced["timeout"], coerced["refresh"]) == (2, 1.5, True)
    assert coerced["input_values"] == {"n": 1}


@pytest.mark.parametrize("wrong", [{"retries": -1}, {"timeout": 0}, {"isolation": "vm"}, {"input_values": 3}])
def test_parameters_are_checked_before_anything_runs(wrong):
    with pytest.raises(ParameterTypeError):
        run_twine_app.validate_parameters({"app": "a"} | wrong)


def test_the_form_of_the_parameters_explains_them():
    schema = run_twine_app.parameters.model_dump()
    assert schema["required"] == ["app"]
    assert all(field["description"] for field in schema["properties"].values())
    assert schema["properties"]["app"]["type"] == "string"
    assert schema["properties"]["isolation"]["enum"] == list(NAMES)
    assert schema["properties"]["output_limit"]["default"] == OUTPUT_LIMIT


def test_the_flow_can_be_served():
    # A served flow is sent to its process by value, without what only its annotations name.
    copy = cloudpickle.loads(cloudpickle.dumps(run_twine_app))
    assert copy.validate_parameters({"app": "a", "retries": "2"})["retries"] == 2


def test_the_flow_can_be_deployed():
    deployment = run_twine_app.to_deployment(
        "doubling", parameters={"app": "apps/doubling"}, entrypoint_type=EntrypointType.MODULE_PATH
    )
    assert deployment.entrypoint == "fairlead.flows.twine.run_twine_app"
    assert deployment.flow_name == "run-twine-app"


def test_prefect_finds_the_collection():
    (entry,) = [point for point in entry_points(group="prefect.collections") if point.dist.name == "fairlead"]
    assert entry.load().twine_task is twine_task


def test_importing_the_collection_loads_nothing_and_never_the_other_engine():
    program = """
import sys
import fairlead.flows
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"prefect", "airflow", "jsonschema", "fsspec"}, loaded
for name in fairlead.flows.__all__:
    getattr(fairlead.flows, name)
assert not {"airflow", "adapters", "operators", "flows"} & set(sys.modules)
assert not [name for name in sys.modules if name.startswith("fairlead.operators")]
"""
    subprocess.run([sys.executable, "-c", program], check=True)
