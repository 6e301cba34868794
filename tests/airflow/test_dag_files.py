"""How DAG files with our operators look to Airflow before anything runs."""

from pathlib import Path

import pytest

pytest.importorskip("airflow")

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.file import list_py_file_paths

from fairlead.operators import TwineAppOperator

HERE = Path(__file__).parent
DAGS = HERE.parent.parent / "dags"


@pytest.mark.parametrize("folder", [DAGS, HERE / "dags"], ids=["dags", "tests"])
def test_every_dag_file_is_imported_without_an_error(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))  # as Airflow does with the folder of a bundle
    bag = DagBag(folder)

    assert bag.import_errors == {}
    assert bag.dags


@pytest.mark.parametrize("syntax", ["glob", "regexp"])
def test_airflow_does_not_look_at_what_is_no_dag_file(monkeypatch, syntax):
    monkeypatch.setenv("AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX", syntax)
    # Without its safe mode, Airflow imports every file that is not ignored.
    found = {Path(file) for file in list_py_file_paths(DAGS, safe_mode=False)}

    assert found == {DAGS / "wind_farm_dag.py", DAGS / "wind_resource_dag.py"}
    assert set(DAGS.glob("*.py")) > found


def test_a_dag_is_serialised_alike_at_every_parse():
    texts = [
        {name: str(DagSerialization.to_dict(dag)) for name, dag in DagBag(HERE / "dags").dags.items()} for _ in range(2)
    ]

    assert texts[0] == texts[1]
    assert texts[0].keys() == {
        *("chain", "retried", "mapped", "late", "stopped", "form"),
        *("farm", "trials", "early", "joined"),
    }


def test_a_serialised_task_keeps_its_arguments():
    with DAG("dag", schedule=None) as dag:
        TwineAppOperator(task_id="task", app=Path("/apps/app"), input_values={"b": [1, "{{ params.x }}"], "a": None})
    task = DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_dict["task"]

    assert task.app == "/apps/app"
    assert task.input_values == {"a": None, "b": [1, "{{ params.x }}"]}
    assert task.task_type == "TwineAppOperator"
