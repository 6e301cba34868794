"""An Airflow DAG answers questions from anywhere, by way of a real API server, scheduler and DAG processor."""

import logging
import uuid

import pytest

pytest.importorskip("airflow")

from fairlead.adapters.errors import InputInvalid, RunFailed
from fairlead.adapters.twine.children import Child
from fairlead.adapters.twine.exceptions import InvalidInputException, QuestionNotDelivered, ServiceNotFound
from tests.airflow.server import Server
from tests.wind import write_wind_app

pytestmark = pytest.mark.slow

DAGS = """
from airflow.sdk import DAG, task
from fairlead.operators import TwineAppOperator

CONF = {{"input_values": "{{{{ dag_run.conf['input_values'] | tojson }}}}"}}

with DAG("wind", schedule=None):
    TwineAppOperator(task_id="wind", app={app!r}, **CONF)

with DAG("paused", schedule=None, is_paused_upon_creation=True):
    TwineAppOperator(task_id="wind", app={app!r}, **CONF)

with DAG("two", schedule=None):

    @task
    def first():
        return 1

    @task
    def second(one, **context):
        return {{"output_values": context["dag_run"].conf["input_values"]["n"] + one}}

    second(first())

with DAG("broken", schedule=None):

    @task
    def breaks():
        raise ValueError("not one of fairlead's errors")

    breaks()
"""


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    server = Server(home, {"children.py": DAGS.format(app=write_wind_app(home))}, 4)
    yield server
    server.close()


@pytest.fixture
def child(airflow, monkeypatch):
    """Make a child of a DAG; who asks signs in with name and password."""
    monkeypatch.setenv("AIRFLOW_API_USERNAME", "asker")
    monkeypatch.setenv("AIRFLOW_API_PASSWORD", "open sesame")
    monkeypatch.setenv("AIRFLOW_API_URL", airflow.url)
    monkeypatch.delenv("AIRFLOW_API_TOKEN", raising=False)
    return lambda dag_id, **options: Child(dag_id, {"name": "airflow", "dag_id": dag_id, **options})


def test_a_dag_is_asked_and_its_words_are_heard(child, airflow, caplog):
    heard, question = [], str(uuid.uuid4())
    with caplog.at_level(logging.INFO):
        answer = child("wind").ask({"n": 4}, handle_monitor_message=heard.append, question_uuid=question, timeout=120)
    assert answer == {"output_values": {"twice": 8, "long": ""}, "output_manifest": None}
    assert heard == [{"status": "on"}, {"progress": 0.5}]
    lines = [(line.name, line.levelname, line.getMessage()) for line in caplog.records]
    assert ("app.wind", "WARNING", "[wind] it blows") in lines
    again = child("wind").ask({"n": 4}, question_uuid=question, timeout=120)
    assert again == answer
    assert [run for run in airflow.runs("wind") if question in run] == [f"question-{question}"]


def test_what_an_app_raises_there_is_raised_here(child):
    with pytest.raises(Exception, match=r"^-1 is negative\n\nThe following traceback was captured") as caught:
        child("wind").ask({"n": -1}, timeout=120)
    assert type(caught.value).__name__ == "OutOfWind"


def test_input_that_breaks_the_twine_there_names_child_and_strand(child):
    with pytest.raises(InputInvalid, match=r"^child 'wind', input_values.n: 'high' is not a number"):
        child("wind").ask({"n": "high"}, timeout=120, max_retries=3)


def test_a_text_arrives_as_a_text(child):
    with pytest.raises(InputInvalid, match=r"^child 'wind', input_values: '5' is not an object"):
        child("wind").ask("5", timeout=120)


def test_a_question_whose_time_is_up_is_stopped_there(child, airflow, tmp_path, wait_until_gone):
    question = str(uuid.uuid4())
    with pytest.raises(TimeoutError, match=r"^Child 'wind' did not answer within 20 s"):
        child("wind").ask({"pid": str(tmp_path / "pid")}, question_uuid=question, timeout=20)
    assert airflow.runs("wind")[f"question-{question}"] == "failed"
    wait_until_gone(int((tmp_path / "pid").read_text()), limit=30)


def test_a_dag_of_several_tasks_says_which_one_answers(child):
    assert child("two", task_id="second").ask({"n": 4}, timeout=120)["output_values"] == 5
    with pytest.raises(
        QuestionNotDelivered, match=r"which task of the DAG 'two' answers is not clear; it ran first, s"
    ):
        child("two").ask({"n": 4}, timeout=120)


def test_a_task_that_returns_no_outputs_is_told(child):
    with pytest.raises(QuestionNotDelivered, match=r"the task 'first' of the DAG 'two' has returned no outputs"):
        child("two", task_id="first").ask({"n": 4}, timeout=120)


def test_a_task_that_is_not_ours_fails_with_its_place(child):
    with pytest.raises(
        RunFailed, match=r"^Child 'broken': The run 'question-.*' of the DAG 'broken' has failed in the"
    ):
        child("broken").ask({"n": 4}, timeout=120)


def test_a_paused_dag_is_told_at_once(child):
    with pytest.raises(QuestionNotDelivered, match=r"the DAG 'paused' is paused, and would not run. Unpause it"):
        child("paused").ask({"n": 4}, timeout=30)


def test_a_dag_that_is_not_there_is_told(child):
    with pytest.raises(ServiceNotFound, match="has no DAG 'calm'"):
        child("calm").ask({"n": 4}, timeout=30, max_retries=3)


def test_a_wrong_password_is_told_without_it(child, monkeypatch):
    monkeypatch.setenv("AIRFLOW_API_PASSWORD", "sesame, open")
    with pytest.raises(QuestionNotDelivered, match=r"refused POST http.*/auth/token with status 401") as caught:
        child("wind").ask({"n": 4}, timeout=30)
    assert "sesame" not in str(caught.value)


def test_credentials_must_be_in_the_environment(child, monkeypatch):
    monkeypatch.delenv("AIRFLOW_API_PASSWORD")
    with pytest.raises(InvalidInputException, match="Set AIRFLOW_API_TOKEN, or AIRFLOW_API_USERNAME"):
        child("wind").ask({"n": 4}, timeout=30)
