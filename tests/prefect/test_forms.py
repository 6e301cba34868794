"""Flows whose parameters are an app's values: what Prefect's pages ask for, and what reaches the app."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("prefect")

from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError

from fairlead.adapters.errors import AppInvalid, ContractInvalid, InputInvalid
from fairlead.adapters.schemas import prefect_parameters
from fairlead.flows import twine_flow
from tests.wind import HUB_HEIGHT

SCHEMA = {
    "type": "object",
    "required": ["hub_height", "class_"],
    "properties": {
        "hub_height": HUB_HEIGHT,
        "class_": {"enum": ["I", "II"], "title": "IEC class"},
        "sectors": {"type": "integer", "default": 12, "examples": [8, 16]},
        "copy": {"type": "boolean", "description": "A name that pydantic's models have, too"},
        "note": {"type": ["string", "null"]},
        "position": {"$ref": "#/$defs/position"},
    },
    "additionalProperties": False,
    "$defs": {"position": {"type": "object", "title": "Position", "required": ["x"]}},
}
ECHO = "analysis.output_values = analysis.input_values"


@pytest.fixture
def echo(write_app):
    """An app that returns its input values."""
    return write_app(ECHO, name="echo", input_values_schema=SCHEMA)


def test_the_parameters_are_those_of_the_schema(echo):
    flow = twine_flow(echo)
    told, expected = flow.parameters.model_dump(), prefect_parameters(SCHEMA)
    assert flow.name == "echo"
    assert told["required"] == expected["required"] == ["hub_height", "class_"]
    assert [*told["properties"]] == [*SCHEMA["properties"]]
    for name, part in expected["properties"].items():
        assert {key: value for key, value in told["properties"][name].items() if value is not None} == part, name


def test_what_is_filled_in_reaches_the_app_and_what_is_left_out_does_not(echo):
    outcome = twine_flow(echo)(hub_height=90, class_="II", position={"x": 1})
    assert outcome["outputs"]["output_values"] == {
        "hub_height": 90,
        "class_": "II",
        "sectors": 12,
        "position": {"x": 1},
    }


def test_what_breaks_the_contract_is_refused(echo):
    with pytest.raises(InputInvalid, match=r"input_values\.hub_height"):
        twine_flow(echo)(hub_height=5, class_="II")
    with pytest.raises(TypeError, match="color"):
        twine_flow(echo)(hub_height=90, class_="II", color="red")


def test_a_value_that_is_not_given_is_told_as_missing(echo):
    with pytest.raises(InputInvalid) as caught:
        twine_flow(echo)(class_="II")
    (problem,) = caught.value.problems
    assert (problem.where, problem.found) == ("input_values.hub_height", "is missing")
    assert problem.remedy == "Give Hub height, from 10 to 200."


@pytest.fixture
def client():
    return get_client(sync_client=True)


@pytest.fixture
def deployment(echo, tmp_path, monkeypatch, client):
    """A file with a flow, deployed on the server; the deployment as the server has it."""
    (tmp_path / "study.py").write_text(
        f"from fairlead.flows import twine_flow\n\n"
        f"echo = twine_flow({str(echo)!r}, cache={str(tmp_path / 'cache')!r})\n"
        'if __name__ == "__main__":\n    print(echo.to_deployment("forms").apply())\n'
    )
    monkeypatch.chdir(tmp_path)
    from prefect.settings import get_current_settings

    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    monkeypatch.setenv("PREFECT_API_URL", settings["PREFECT_API_URL"])
    done = subprocess.run([sys.executable, "study.py"], check=True, capture_output=True, text=True)
    return client.read_deployment(done.stdout.strip().splitlines()[-1])


def test_the_server_has_the_form(deployment):
    properties = deployment.parameter_openapi_schema["properties"]
    for name in ("hub_height", "sectors", "note"):
        assert properties[name] == properties[name] | SCHEMA["properties"][name]
    assert properties["class_"]["enum"] == ["I", "II"]
    assert properties["position"]["title"] == "Position"
    assert deployment.parameter_openapi_schema["required"] == ["hub_height", "class_"]


WRONG = [{"hub_height": 5}, {"hub_height": "90"}, {"class_": "IV"}, {"sectors": 1.5}, {"position": {}}]


def test_the_server_refuses_what_breaks_the_schema(deployment, client):
    right = {"hub_height": 90, "class_": "I"}
    for parameters in ({"hub_height": 90}, *(right | wrong for wrong in WRONG)):
        with pytest.raises(PrefectHTTPStatusError, match="409"):
            client.create_flow_run_from_deployment(deployment.id, parameters=parameters)


def test_a_run_of_the_deployment_finds_the_flow_and_gives_it_what_was_filled_in(deployment, client, tmp_path):
    created = client.create_flow_run_from_deployment(deployment.id, parameters={"hub_height": 90, "class_": "I"})
    subprocess.run(
        [sys.executable, "-m", "prefect", "flow-run", "execute", str(created.id)], check=True, capture_output=True
    )
    assert client.read_flow_run(created.id).state.is_completed()
    (entry,) = (tmp_path / "cache").rglob("outcome.json")
    values = json.loads(entry.read_text())["outputs"]["output_values"]
    assert values == {"hub_height": 90, "class_": "I", "sectors": 12}


def test_the_input_manifest_is_a_parameter_where_there_is_one(write_app, tmp_path):
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").write_text("a")
    app = write_app(
        "analysis.output_values = {'files': len(analysis.input_manifest.get_dataset('words').files)}",
        name="words_count",
        input_values_schema={"optional": True, "type": "object"},
        input_manifest={"datasets": {"words": {}}},
    )
    flow = twine_flow(app)
    assert flow.parameters.required == ["input_manifest"]
    outcome = flow(input_manifest={"datasets": {"words": str(tmp_path / "words")}})
    assert outcome["outputs"]["output_values"] == {"files": 1}


def test_names_that_python_does_not_have_are_told(write_app, tmp_path):
    schema = {"type": "object", "properties": {"hub-height": {}, "class": {}, "fine": {}}}
    with pytest.raises(ContractInvalid) as caught:
        twine_flow(write_app(ECHO, name="2 words", input_values_schema=schema))
    assert [problem.found.partition(" ")[0] for problem in caught.value.problems] == ["'2", "'hub-height'", "'class'"]
    reserved = {"type": "object", "properties": {"input_manifest": {}}}
    with pytest.raises(ContractInvalid, match="reserved for the input datasets"):
        twine_flow(write_app(ECHO, name="words", input_values_schema=reserved))
    with pytest.raises(AppInvalid):
        twine_flow(tmp_path / "nowhere")
