"""Children that are reached over HTTP: what a server is asked, how patiently, and what is left of it."""

from __future__ import annotations

import base64
import http.server
import json
import logging
import re
import subprocess
import sys
import threading
from pathlib import Path

import jinja2
import pytest

from fairlead.adapters.errors import Cancelled, InputInvalid
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import TwineApp
from fairlead.adapters.twine.children import Child
from fairlead.adapters.twine.children.backends import remote
from fairlead.adapters.twine.exceptions import InvalidInputException, QuestionNotDelivered

DEPLOYMENT = "5a0b0e0c-0000-4000-8000-000000000001"


class Server:
    """A small server with the part of Prefect's API that is asked, whose answers a test can change.

    ``answers`` holds by method and the end of a path what is answered instead: a list of (status, data), one after
    another; the usual answer follows the last.
    """

    def __init__(self):
        self.requests = []
        self.answers = {}
        self.state = {"type": "COMPLETED", "name": "Completed", "message": None}
        self.answer = {"outcome": {"outputs": {"output_values": 2}}}
        self.lines = []
        self.when_stopped = lambda: None
        self.started = {}
        self._usual = {
            "/deployments/name/": lambda _: (200, {"id": DEPLOYMENT, "paused": False}),
            "/create_flow_run": self._created,
            "/set_state": self._stopped,
            "/artifacts/filter": lambda _: (200, [{"data": json.dumps(self.answer)}] if self.answer else []),
            "/flow_runs/filter": self._found,
            "/logs/filter": lambda data: (200, self.lines[data["offset"] : data["offset"] + data["limit"]]),
            "/flow_runs/": lambda _: (200, {"state": self.state}),
        }
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self._do(None)

            def do_POST(self):
                self._do(json.loads(self.rfile.read(int(self.headers["content-length"]))))

            def _do(self, data):
                outer.requests.append((self.command, self.path, data, dict(self.headers)))
                status, answer = outer.reply(self.command, self.path, data)
                if status is None:  # hang up
                    self.close_connection = True
                    self.connection.close()
                    return
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments):
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/api"

    def reply(self, method, path, data):
        for (asked, end), answers in self.answers.items():
            if method == asked and path.endswith(end) and answers:
                return answers.pop(0)
        return next(answer(data) for end, answer in self._usual.items() if end in path)

    def _created(self, data):
        key = data["idempotency_key"]
        is_new = key not in self.started
        run = self.started.setdefault(key, f"run-{len(self.started)}")
        return (201, {"id": run, "state": {"type": "SCHEDULED"}}) if is_new else (200, {"id": run, "state": self.state})

    def _stopped(self, _):
        self.state = {"type": "CANCELLED", "name": "Cancelled", "message": None}
        self.when_stopped()
        return 201, {"status": "ACCEPT"}

    def _found(self, data):
        keys = data["flow_runs"]["idempotency_key"]["any_"]
        return 200, [{"id": run} for key, run in self.started.items() if key in keys]

    def paths(self, method):
        return [path for asked, path, *_ in self.requests if asked == method]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def child(server, monkeypatch):
    for name in ("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("fairlead.adapters.twine.children.backends.prefect._LOG_PATIENCE", 0.0)
    monkeypatch.setattr(remote, "_SHORTEST_PAUSE", 0.02)
    return Child("wind", {"name": "prefect", "deployment": "a flow/b", "api_url": server.url})


def line(number, message, level=20):
    return {
        "id": str(number),
        "level": level,
        "name": "prefect.task_runs",
        "message": message,
        "timestamp": f"2026-01-01T00:00:{number % 60:02d}+00:00",
    }


def test_a_question_is_one_run_with_its_inputs_and_its_key(child, server):
    answer = child.ask({"n": 1}, {"datasets": {"a": "s3://b/a"}}, question_uuid="77")
    assert answer["output_values"] == 2
    assert server.paths("GET")[0] == "/api/deployments/name/a%20flow/b"
    (created,) = [data for _, path, data, _ in server.requests if path.endswith("create_flow_run")]
    assert created == {
        "parameters": {"input_values": {"n": 1}, "input_manifest": {"datasets": {"a": "s3://b/a"}}},
        "tags": ["fairlead-question"],
        "idempotency_key": "77",
    }


@pytest.mark.parametrize("value", [1, "a.json", True, [1]])
def test_values_that_are_no_objects_arrive_as_what_they_are(child, server, value):
    child.ask(value)
    (created,) = [data for _, path, data, _ in server.requests if path.endswith("create_flow_run")]
    sent = created["parameters"]["input_values"]
    assert (sent if isinstance(sent, list) else json.loads(sent)) == value


@pytest.mark.parametrize("properties", [None, {}, {"app": {}, "input_values": {}, "input_manifest": {}}])
def test_a_deployment_that_takes_strands_gets_strands(child, server, properties):
    server.answers[("GET", "/b")] = [(200, {"id": DEPLOYMENT, "parameter_openapi_schema": {"properties": properties}})]
    child.ask({"n": 1})
    (created,) = [data for _, path, data, _ in server.requests if path.endswith("create_flow_run")]
    assert created["parameters"] == {"input_values": {"n": 1}}


def test_a_deployment_that_takes_values_gets_each_by_its_name(child, server):
    schema = {"properties": {"n": {}, "note": {}, "input_manifest": {}}}
    server.answers[("GET", "/b")] = [(200, {"id": DEPLOYMENT, "parameter_openapi_schema": schema})] * 2
    child.ask({"n": 1, "note": "calm"}, {"datasets": {"a": "s3://b/a"}})
    (created,) = [data for _, path, data, _ in server.requests if path.endswith("create_flow_run")]
    assert created["parameters"] == {"n": 1, "note": "calm", "input_manifest": {"datasets": {"a": "s3://b/a"}}}
    with pytest.raises(
        InvalidInputException, match="takes n, note, input_manifest as parameters, and input values that"
    ):
        child.ask(5)


TEXTS = ["calm", "5", "true", "a.json", "[1]", '"quoted"', " <b>'&' ", "ü\n😀"]


@pytest.mark.parametrize("value", [*TEXTS, 5, True, 0.1, None, {"n": "5"}, ["5"]])
def test_a_dag_gets_values_as_they_are_and_its_template_hands_them_on(server, monkeypatch, make_app, value):
    monkeypatch.setenv("AIRFLOW_API_TOKEN", "sesame")
    run = "/dags/cup/dagRuns"
    server._usual = {
        "/taskInstances/": lambda _: (404, {}),
        "/taskInstances": lambda _: (200, {"task_instances": []}),
        f"{run}/": lambda _: (200, {"state": "success"}),
        run: lambda _: (200, {}),
        "/dags/cup": lambda _: (200, {"is_paused": False}),
    }
    child = Child("cup", {"name": "airflow", "dag_id": "cup", "url": server.url.removesuffix("/api")})
    child.ask(value, asynchronous=True)
    (conf,) = [data["conf"] for method, path, data, _ in server.requests if method == "POST" and path.endswith(run)]
    assert conf == {"input_values": value, "input_manifest": None}
    guide = (Path(__file__).parents[2] / "docs" / "how-to" / "ask-children.md").read_text()
    (template,) = re.findall(r'input_values="({{.*}})"', guide)
    rendered = jinja2.Environment().from_string(template).render(dag_run={"conf": conf})
    work = TwineApp(make_app("def run(analysis): pass")).bind({"input_values": rendered})
    assert work.strands["input_values"] == value


def test_numbers_that_are_no_json_are_not_sent(child, server):
    with pytest.raises(InputInvalid, match=r"input_values.n: nan is not JSON"):
        child.ask({"n": float("nan")})
    assert "create_flow_run" not in " ".join(server.paths("POST"))


@pytest.mark.parametrize(
    ("name", "value", "header"),
    [
        ("PREFECT_API_KEY", "open sesame", "Bearer open sesame"),
        ("PREFECT_API_AUTH_STRING", "me:sesame", f"Basic {base64.b64encode(b'me:sesame').decode()}"),
    ],
)
def test_credentials_come_from_the_environment_and_are_shown_nowhere(
    child, server, monkeypatch, caplog, name, value, header
):
    monkeypatch.setenv(name, value)
    server.answers[("POST", "/create_flow_run")] = [(403, {"detail": "not yours"})]
    with caplog.at_level(logging.DEBUG), pytest.raises(QuestionNotDelivered) as caught:
        child.ask(1)
    assert {headers["authorization"] for *_, headers in server.requests} == {header}
    assert "sesame" not in f"{caught.value!r} {caplog.text} {child!r} {child.received_events}"


@pytest.mark.parametrize("failure", [(None, None), (503, {"detail": "busy"}), (429, {})])
def test_a_server_that_is_away_for_a_moment_is_asked_again(child, server, caplog, failure):
    server.answers = {
        ("GET", "/deployments/name/a%20flow/b"): [failure],
        ("POST", "/create_flow_run"): [failure],
        ("GET", "/flow_runs/run-0"): [failure, failure],
    }
    assert child.ask(1)["output_values"] == 2
    assert caplog.text.count("Prefect's API at") == 3  # told once each time


def test_a_server_that_was_never_there_is_told(child, monkeypatch):
    monkeypatch.setattr(remote, "FIRST_CONTACT", 0.5)
    lost = Child("wind", {**child.backend, "api_url": "http://127.0.0.1:9/api"})
    with pytest.raises(QuestionNotDelivered, match=r"Prefect's API at http://127.0.0.1:9/api did not answer for 0.5 s"):
        lost.ask(1)


def test_a_refusal_is_told_with_status_and_words_and_nothing_is_asked_again(child, server):
    server.answers[("POST", "/create_flow_run")] = [(409, {"detail": "Error creating flow run: 'n' is missing"})]
    with pytest.raises(QuestionNotDelivered, match=r"refused POST .* with status 409: .*'n' is missing"):
        child.ask(1)
    assert len(server.paths("POST")) == 1


def test_a_time_limit_holds_also_while_a_server_is_silent(child, server):
    server.answers[("GET", "/flow_runs/run-0")] = [(503, {})] * 1000
    server.when_stopped = server.answers.clear
    with pytest.raises(TimeoutError, match=r"^Child 'wind' did not answer within 0.7 s"):
        child.ask(1, timeout=0.7)
    assert server.paths("POST")[-1].endswith("/flow_runs/run-0/set_state")
    assert len(server.answers) == 0


def test_a_run_is_stopped_when_its_time_is_up(child, server):
    server.state = {"type": "RUNNING", "name": "Running", "message": None}
    with pytest.raises(TimeoutError):
        child.ask(1, timeout=0.5)
    path, data = next(request[1:3] for request in server.requests if request[1].endswith("/set_state"))
    assert (path, data["state"]["type"]) == ("/api/flow_runs/run-0/set_state", "CANCELLING")
    assert server.requests[-1][1] == "/api/flow_runs/run-0"  # it was seen to have ended


def test_a_run_whose_id_never_came_back_is_found_and_stopped(child, server):
    def reply(method, path, data, usual=server.reply):
        answer = usual(method, path, data)
        return (None, None) if path.endswith("/create_flow_run") else answer

    server.reply = reply
    with pytest.raises(TimeoutError):
        child.ask(1, timeout=0.5)
    assert server.paths("POST")[-1] == "/api/flow_runs/run-0/set_state"


def test_a_run_is_stopped_when_a_message_cannot_be_handled(child, server):
    server.state = {"type": "RUNNING", "name": "Running", "message": None}
    server.lines = [line(1, '[monitor] {"status": 1}')]

    def handle(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        child.ask(1, handle_monitor_message=handle)
    assert server.state["type"] == "CANCELLED"


ASKER = """
import sys
from fairlead.adapters.twine.children import Child
child = Child("wind", {"name": "prefect", "deployment": "a/b", "api_url": sys.argv[1]})
child.ask_multiple({"input_values": 1}, {"input_values": 2})
"""


def test_runs_are_stopped_when_their_asker_is_told_to_end(server, watch):
    server.state = {"type": "RUNNING", "name": "Running", "message": None}
    asker = subprocess.Popen([sys.executable, "-c", ASKER, server.url], stderr=subprocess.DEVNULL)
    try:
        watch.until(lambda: {"/api/flow_runs/run-0", "/api/flow_runs/run-1"} <= set(server.paths("GET")))
        asker.terminate()
        assert asker.wait(10) == 143
        stopped = {path for path in server.paths("POST") if path.endswith("/set_state")}
        assert stopped == {f"/api/flow_runs/run-{n}/set_state" for n in (0, 1)}
    finally:
        asker.kill()
        asker.wait()


def test_runs_are_stopped_with_the_run_of_the_app_that_asked(server, make_app, run, watch):
    server.state = {"type": "RUNNING", "name": "Running", "message": None}
    source = f"""
        from fairlead.adapters.twine.children import Child
        def run(analysis):
            Child("wind", {{"name": "prefect", "deployment": "a/b", "api_url": {server.url!r}}}).ask(1)
    """
    host = RecordingHost()

    def cancel_when_it_runs():
        watch.until(lambda: "/api/flow_runs/run-0" in server.paths("GET"))
        host.cancel()

    canceller = threading.Thread(target=cancel_when_it_runs)
    canceller.start()
    with pytest.raises(Cancelled):
        run(make_app(source, {}), host=host)
    canceller.join()
    assert "/api/flow_runs/run-0/set_state" in server.paths("POST")


def test_a_question_that_is_going_on_is_joined(child, server):
    child.ask(1, question_uuid="7")
    child.ask(1, question_uuid="7")
    assert server.started == {"7": "run-0"}


def test_a_question_that_had_failed_is_asked_anew(child, server):
    server.state, server.answer = {"type": "CRASHED", "name": "Crashed", "message": "the machine is gone"}, None
    for _ in range(2):
        with pytest.raises(
            Exception, match=r"^Child 'wind': The flow run run-. of 'a flow/b' is Crashed: the machine is"
        ):
            child.ask(1, question_uuid="7")
    assert server.started == {"7": "run-0", "7-again-1": "run-1"}


def test_lines_are_heard_once_and_monitor_messages_are_what_they_were(child, server, caplog):
    server.lines = [line(n, f"[app.wind] line {n}", 30) for n in range(450)]
    server.lines += [line(450, '[monitor] {"status": "on"}'), line(451, "[monitor] {cut …"), line(452, "Finished")]
    server.answers[("GET", "/flow_runs/run-0")] = [(200, {"state": {"type": "RUNNING"}})] * 2
    heard = []
    with caplog.at_level(logging.INFO):
        child.ask(1, handle_monitor_message=heard.append)
    lines = [(one.name, one.getMessage()) for one in caplog.records]
    assert lines[:450] == [("app.wind", f"[wind] line {n}") for n in range(450)]
    assert lines[450:] == [("monitor", "[wind] {cut …"), ("prefect.task_runs", "[wind] Finished")]
    assert heard == [{"status": "on"}]


def test_a_paused_deployment_is_told_at_once(child, server):
    server.answers[("GET", "/b")] = [(200, {"id": DEPLOYMENT, "paused": True})]
    with pytest.raises(QuestionNotDelivered, match="the deployment 'a flow/b' is paused"):
        child.ask(1)


def test_who_does_not_wait_starts_a_run_and_leaves_it(child, server):
    assert child.ask(1, asynchronous=True, question_uuid="7") == (None, "7")
    assert server.started == {"7": "run-0"}
    assert server.paths("POST") == [f"/api/deployments/{DEPLOYMENT}/create_flow_run"]


def test_children_of_a_child_elsewhere_cannot_be_given(child, server):
    with pytest.raises(InvalidInputException, match="'children' can be given to local apps only"):
        child.ask(1, children=[{"key": "a", "id": "b", "backend": {"name": "GCPPubSubBackend"}}])
