"""A Prefect deployment answers questions from anywhere, by way of a real server and a process that serves it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import uuid

import pytest

pytest.importorskip("prefect")

import prefect
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import StateType

from fairlead.adapters.errors import InputInvalid
from fairlead.adapters.twine.children import Child
from fairlead.adapters.twine.children.backends.prefect import ANSWER_LIMIT, ANSWER_TYPE, QUESTION_TAG
from fairlead.adapters.twine.exceptions import InvalidInputException, QuestionNotDelivered, ServiceNotFound
from fairlead.flows import run_twine_app
from tests.wind import write_wind_app

SERVE = """
from prefect import flow, serve
from fairlead.flows import answering, run_twine_app, twine_flow

values = twine_flow({app!r}, name="values")

@flow
def silent(input_values: dict = {{}}):
    return input_values

@flow
def own(input_values: dict = {{}}):
    with answering() as answer:
        raise ArithmeticError("of the flow's own")

if __name__ == "__main__":
    serve(
        run_twine_app.to_deployment("wind", parameters={{"app": {app!r}}}),
        silent.to_deployment("silent"),
        own.to_deployment("own"),
        values.to_deployment("values"),
    )
"""


@pytest.fixture(scope="module")
def served(server, tmp_path_factory):
    """Serve deployments in a process of its own until the tests here are over."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "serve.py").write_text(SERVE.format(app=write_wind_app(folder)))
    environment = os.environ | {
        "PREFECT_API_URL": server,
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.5",
        "FAIRLEAD_CACHE": str(folder / "cache"),
    }
    process = subprocess.Popen(
        [sys.executable, str(folder / "serve.py")],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    ready = threading.Event()

    def read():
        for line in process.stdout:
            if "being served" in line:
                ready.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert ready.wait(120), "the deployments are not served"
        yield server
    finally:
        process.terminate()
        process.wait(60)
        reader.join(60)


@pytest.fixture
def wind(served):
    return Child("wind", {"name": "prefect", "deployment": "run-twine-app/wind", "api_url": served})


def flow_runs(question_uuid):
    client = get_client(sync_client=True)
    return [run for run in client.read_flow_runs(limit=200) if (run.idempotency_key or "").startswith(question_uuid)]


@pytest.mark.slow
def test_a_deployment_is_asked_and_its_words_are_heard(wind, caplog):
    heard = []
    question = str(uuid.uuid4())
    with caplog.at_level(logging.INFO):
        answer = wind.ask({"n": 4}, handle_monitor_message=heard.append, question_uuid=question, timeout=120)
    assert answer == {"output_values": {"twice": 8, "long": ""}, "output_manifest": None}
    assert heard == [{"status": "on"}, {"progress": 0.5}]
    lines = [(line.name, line.levelname, line.getMessage()) for line in caplog.records]
    assert ("app.wind", "WARNING", "[wind] it blows") in lines
    again = wind.ask({"n": 4}, question_uuid=question, timeout=120)
    assert again == answer
    assert len(flow_runs(question)) == 1


@pytest.mark.slow
def test_equal_questions_of_two_uuids_are_two_runs_of_one_result(wind, tmp_path):
    questions = [str(uuid.uuid4()) for _ in range(2)]
    values = {"n": 4, "count": str(tmp_path / "count")}
    first, second = (wind.ask(values, question_uuid=question, timeout=120) for question in questions)
    assert first["output_values"] == second["output_values"] == {"twice": 8, "long": ""}
    assert [len(flow_runs(question)) for question in questions] == [1, 1]
    assert (tmp_path / "count").read_text() == "x"


@pytest.mark.slow
def test_a_flow_of_an_apps_values_is_asked_and_answers(served):
    child = Child("values", {"name": "prefect", "deployment": "values/values", "api_url": served})
    assert child.ask({"n": 4}, timeout=120)["output_values"] == {"twice": 8, "long": ""}
    with pytest.raises(Exception, match=r"^-1 is negative\n\nThe following traceback was captured"):
        child.ask({"n": -1}, timeout=120)


@pytest.mark.slow
def test_what_an_app_raises_there_is_raised_here(wind):
    question = str(uuid.uuid4())
    with pytest.raises(Exception, match=r"^-1 is negative\n\nThe following traceback was captured") as caught:
        wind.ask({"n": -1}, question_uuid=question, timeout=120, max_retries=1)
    assert type(caught.value).__name__ == "OutOfWind"
    assert {run.idempotency_key for run in flow_runs(question)} == {question, f"{question}-1"}


@pytest.mark.slow
def test_input_that_breaks_the_twine_there_names_child_and_strand(wind):
    with pytest.raises(InputInvalid, match=r"^child 'wind', input_values.n: 'high' is not a number"):
        wind.ask({"n": "high"}, timeout=120, max_retries=3)


@pytest.mark.slow
def test_a_run_that_failed_before_is_asked_again_and_one_that_goes_on_is_joined(wind, tmp_path):
    question = str(uuid.uuid4())
    for _ in range(2):
        with pytest.raises(InputInvalid):
            wind.ask({"n": "high"}, question_uuid=question, timeout=120)
    assert len(flow_runs(question)) == 2


@pytest.mark.slow
def test_a_question_whose_time_is_up_is_stopped_there(wind, tmp_path, pids):
    question = str(uuid.uuid4())
    with pytest.raises(TimeoutError, match=r"^Child 'wind' did not answer within 12 s"):
        wind.ask({"pid": str(tmp_path / "pid")}, question_uuid=question, timeout=12)
    pid = int((tmp_path / "pid").read_text())
    assert [run.state.type for run in flow_runs(question)] == [StateType.CANCELLED]
    pids.wait_for_end([pid])


ASK = """
import sys
from fairlead.adapters.twine.children import Child
backend = {"name": "prefect", "deployment": "run-twine-app/wind", "api_url": sys.argv[1]}
Child("wind", backend).ask_multiple({"input_values": {"pid": sys.argv[2]}, "question_uuid": sys.argv[3]})
"""


@pytest.mark.slow
def test_a_question_is_stopped_there_when_its_asker_is_told_to_end(served, tmp_path, pids):
    question = str(uuid.uuid4())
    command = [sys.executable, "-c", ASK, served, str(tmp_path / "pids"), question]
    asker = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        started = pids.wait()
        asker.terminate()
        assert asker.wait(20) == 143
        pids.wait_for_end(started)
        assert flow_runs(question)[0].state.type in {StateType.CANCELLING, StateType.CANCELLED}
    finally:
        asker.kill()
        asker.wait()


@pytest.mark.slow
def test_an_answer_that_is_too_large_is_told(wind):
    with pytest.raises(Exception, match=rf"the answer: has \d+ bytes \(Prefect's API carries {ANSWER_LIMIT}\)"):
        wind.ask({"n": 1, "long": ANSWER_LIMIT}, timeout=120)


@pytest.mark.slow
def test_a_flow_that_does_not_answer_is_told(served):
    child = Child("silent", {"name": "prefect", "deployment": "silent/silent", "api_url": served})
    with pytest.raises(QuestionNotDelivered, match=r"has ended without an answer. Deploy fairlead.flows.run_twine_app"):
        child.ask({"n": 1}, timeout=120)


@pytest.mark.slow
def test_a_flow_of_ones_own_answers_with_what_it_raises(served):
    child = Child("own", {"name": "prefect", "deployment": "own/own", "api_url": served})
    with pytest.raises(ArithmeticError, match=r"^of the flow's own\n\nThe following traceback was captured"):
        child.ask({"n": 1}, timeout=120)


def test_a_deployment_that_is_not_there_is_told(server):
    child = Child("wind", {"name": "prefect", "deployment": "a/b", "api_url": server})
    with pytest.raises(ServiceNotFound, match=r"has no deployment 'a/b'. Give 'flow/deployment'"):
        child.ask({"n": 1}, timeout=30, max_retries=3)


def test_where_prefect_is_must_be_said(monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(InvalidInputException, match="Set PREFECT_API_URL"):
        Child("wind", {"name": "prefect", "deployment": "a/b"}).ask({"n": 1})


@pytest.mark.slow
@pytest.mark.parametrize("asked", [True, False])
def test_only_a_run_that_was_asked_leaves_an_answer(doubling, asked):
    with prefect.tags(*[QUESTION_TAG] if asked else []):
        state = run_twine_app(str(doubling), {"n": 1}, return_state=True)
    run = ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id])
    found = get_client(sync_client=True).read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=run))
    answers = [json.loads(artifact.data) for artifact in found if artifact.type == ANSWER_TYPE]
    assert [answer["outcome"]["outputs"] for answer in answers] == [{"output_values": {"twice": 2}}] * asked
