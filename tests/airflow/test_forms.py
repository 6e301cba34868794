"""Trigger forms from contracts: Airflow's own parameters, checked, serialised and filled in as Airflow does it."""

import json
from pathlib import Path

import pytest

pytest.importorskip("airflow")

import jinja2
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, Param
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from fairlead.adapters.errors import AppInvalid, ContractInvalid
from fairlead.adapters.schemas import compiled
from fairlead.adapters.twine import Twine, TwineApp
from fairlead.operators import filled_in, params
from tests.wind import HUB_HEIGHT

SCHEMA = {
    "type": "object",
    "required": ["hub_height", "class"],
    "properties": {
        "hub_height": HUB_HEIGHT,
        "class": {"enum": ["I", "II"], "title": "IEC class", "default": "II"},
        "sectors": {"type": "integer", "default": 12},
        "date": {"type": "string", "format": "date"},
        "note": {"type": ["string", "null"]},
        "position": {"$ref": "#/$defs/position"},
    },
    "$defs": {"position": {"type": "object", "title": "Position", "required": ["x"]}},
}
HERE = Path(__file__).resolve().parent
WIND = HERE.parents[1] / "dags" / "apps" / "wind_resource"


@pytest.fixture
def echo(tmp_path):
    """An app that returns its input values."""
    folder = tmp_path / "echo"
    folder.mkdir()
    (folder / "twine.json").write_text(json.dumps({"input_values_schema": SCHEMA, "output_values_schema": {}}))
    (folder / "app.py").write_text("def run(analysis):\n    analysis.output_values = analysis.input_values\n")
    return folder


def test_each_value_is_a_param_with_what_the_twine_says_of_it():
    made = params(SCHEMA)
    assert all(isinstance(param, Param) for param in made.values())
    assert [*made] == [*SCHEMA["properties"]]
    assert made["hub_height"].description == "Above ground"
    assert made["hub_height"].schema == {
        "type": "number",
        "title": "Hub height",
        "unit": "m",
        "minimum": 10,
        "maximum": 200,
    }
    assert made["sectors"].resolve() == 12


def test_what_is_required_must_be_filled_in():
    height = params(SCHEMA)["hub_height"]
    with pytest.raises(ParamValidationError, match="no default value"):
        height.resolve()
    assert height.resolve(90) == 90


@pytest.mark.parametrize(
    ("name", "value"), [("hub_height", 5), ("hub_height", "90"), ("class", "IV"), ("sectors", 1.5), ("position", {})]
)
def test_what_breaks_the_schema_is_refused(name, value):
    with pytest.raises(ParamValidationError):
        params(SCHEMA)[name].resolve(value)


def test_what_may_be_absent_may_be_left_empty():
    made = params(SCHEMA)
    assert [made[name].resolve() for name in ("date", "note", "position")] == [None, None, None]


def test_the_schema_of_a_param_is_a_valid_one():
    for name, param in params(SCHEMA).items():
        assert compiled(param.schema).invalid(name) == []


def test_a_dag_asks_for_them_and_refuses_a_schedule_while_one_is_required():
    with DAG("wind", schedule=None, params=params(SCHEMA)) as dag:
        assert dag.params.get_param("hub_height").schema["unit"] == "m"
    with pytest.raises(ValueError, match="required params"):
        DAG("wind", schedule="@daily", params=params(SCHEMA))


def test_they_reach_the_web_server():
    dag = DAG("wind", schedule=None, params=params(SCHEMA))
    sent = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    form = DagSerialization.from_dict(sent).params
    assert [*form] == [*SCHEMA["properties"]]
    height = form.get_param("hub_height")
    assert (height.schema, height.description) == (params(SCHEMA)["hub_height"].schema, "Above ground")
    assert form.get_param("sectors").value == 12


@pytest.mark.parametrize("source", ["folder", "app", "twine", "schema"])
def test_they_are_made_of_whatever_holds_the_schema(source, echo):
    sources = {"folder": echo, "app": TwineApp(echo), "twine": Twine.of_app(echo), "schema": SCHEMA}
    assert params(sources[source])["hub_height"].schema["unit"] == "m"


def test_the_configuration_can_be_asked_for_too():
    assert params(WIND, "configuration_values")["air_density_method"].schema["enum"]


def test_what_has_no_form_is_told(echo, tmp_path):
    with pytest.raises(ContractInvalid, match="configuration_values: is not declared"):
        params(echo, "configuration_values")
    with pytest.raises(ContractInvalid, match="is of array"):
        params({"type": "array"})
    with pytest.raises(ContractInvalid, match="objekt"):
        params({"type": "objekt"})
    with pytest.raises(AppInvalid):
        params(tmp_path / "nowhere")


def given(form):
    """Return what a template makes of parameters."""
    made = ParamsDict(params(SCHEMA))
    made.update(form)
    return json.loads(
        jinja2.Environment(autoescape=False).from_string(filled_in(SCHEMA)).render(params=made.validate())
    )


def test_what_was_filled_in_reaches_the_app_and_what_was_left_empty_does_not():
    assert given({"hub_height": 90}) == {"hub_height": 90, "class": "II", "sectors": 12}
    form = {"hub_height": 90.5, "date": "2026-01-01", "note": "it's <so>", "position": {"x": [1, True, None]}}
    assert given(form) == {"class": "II", "sectors": 12, **form}


def test_a_run_that_is_triggered_with_a_form_gives_its_values_to_the_app(database, tmp_path):
    dag = DagBag(HERE / "dags" / "forms.py").dags["form"]
    run = dag.test(run_conf={"scratch": str(tmp_path), "offset": 3, "note": "it's {{ high }}"})
    values = run.get_task_instance("double").xcom_pull("double", key="output_values")
    assert (values["total"], values["note"]) == (3, "it's {{ high }}")
