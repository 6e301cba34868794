"""Children are asked in one way wherever they are; one that is an app's folder is run as any unit of work."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading

import pytest

from fairlead.adapters.errors import AppExited, Cancelled, InputInvalid
from fairlead.adapters.events import qualified_name
from fairlead.adapters.fingerprint import fingerprint
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import exceptions
from fairlead.adapters.twine.children import (
    Child,
    ChildEmulator,
    children_from_data,
    children_identity,
    merged,
    plain_children,
)
from fairlead.adapters.twine.resources import Manifest

NUMBERS = {
    "input_values_schema": {"type": "object", "properties": {"n": {"type": "number"}}},
    "output_values_schema": {},
    "monitor_message_schema": {"type": "object", "properties": {"status": {"type": "string"}}},
}
DOUBLE = """
    def run(analysis):
        analysis.output_values = 2 * analysis.input_values["n"]
"""
COUNTED = """
    import os, uuid
    def run(analysis):
        open(os.path.join(os.environ["NOTES"], uuid.uuid4().hex), "w").close()
        n = analysis.input_values["n"]
        if n < 0:
            raise ValueError(f"{n} is negative")
        analysis.output_values = 2 * n
"""
SLEEPER = """
    import os, pathlib, time
    def run(analysis):
        pathlib.Path(os.environ["NOTES"], f"{analysis.input_values['n']}").write_text(f"{os.getpid()}\\n")
        time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def child(make_app):
    """Make a child of an app's source."""

    def make(source, twine=NUMBERS, **options):
        return Child("wind", {"name": "local", "app": str(make_app(source, twine))} | options)

    return make


def runs(notes):
    return len(list(notes.iterdir()))


def test_a_local_app_is_asked(child):
    answer, question_uuid = child(DOUBLE).ask({"n": 4}, question_uuid="9")
    assert answer == {"output_values": 8, "output_manifest": None}
    assert question_uuid == "9"


def test_a_text_is_a_value_and_not_json_or_a_path(child):
    echo = child(
        "def run(analysis):\n    analysis.output_values = analysis.input_values", {**NUMBERS, "input_values_schema": {}}
    )
    assert [echo.ask(text)["output_values"] for text in ("1", "a.json")] == ["1", "a.json"]


def test_an_answer_is_found_again_in_the_cache(child, notes):
    asked = child(COUNTED)
    assert asked.ask({"n": 1}) == asked.ask({"n": 1})
    assert runs(notes) == 1
    assert asked.ask({"n": 2})["output_values"] == 4
    assert runs(notes) == 2


def test_the_cache_may_be_another(child, notes, tmp_path):
    child(COUNTED).ask({"n": 1})
    child(COUNTED, cache=str(tmp_path / "other")).ask({"n": 1})
    assert runs(notes) == 2


def test_files_go_to_a_child_and_come_back(child, tmp_path):
    (tmp_path / "met").mkdir()
    (tmp_path / "met" / "a.txt").write_text("wind")
    source = """
        def run(analysis):
            file = analysis.input_manifest.get_dataset("met").files.one()
            with open(file.local_path) as given:
                text = given.read()
            with open(analysis.output_manifest.get_dataset("shout").path + "/b.txt", "w") as made:
                made.write(text.upper())
    """
    asked = child(source, {"input_manifest": {"datasets": {"met": {}}}, "output_manifest": {"datasets": {"shout": {}}}})
    answer = asked.ask(input_manifest=Manifest({"met": str(tmp_path / "met")}))
    assert answer["output_values"] is None
    (made,) = answer["output_manifest"].get_dataset("shout").files
    with made.open() as file:
        assert file.read() == "WIND"
    again = asked.ask(input_manifest=Manifest({"met": answer["output_manifest"].get_dataset("shout")}))
    assert [file.name for file in again["output_manifest"].get_dataset("shout").files] == ["b.txt"]


def test_a_manifests_relative_paths_are_relative_to_its_file(child, tmp_path):
    (tmp_path / "study" / "met").mkdir(parents=True)
    (tmp_path / "study" / "met" / "a.txt").write_text("wind")
    (tmp_path / "study" / "manifest.json").write_text('{"datasets": {"met": {"path": "met", "files": ["a.txt"]}}}')
    source = """
        def run(analysis):
            analysis.output_values = [file.name for file in analysis.input_manifest.get_dataset("met")]
    """
    asked = child(source, {"input_manifest": {"datasets": {"met": {}}}, "output_values_schema": {}})
    assert asked.ask(input_manifest=str(tmp_path / "study" / "manifest.json"))["output_values"] == ["a.txt"]


def test_monitor_messages_and_logs_arrive_while_the_child_runs(child, caplog, notes):
    # The app goes on only when the asker has heard it.
    source = """
        import logging, os, time
        def run(analysis):
            logging.getLogger("app.wind").warning("blows")
            print("printed")
            analysis.send_monitor_message({"status": "on"})
            while not os.path.exists(os.path.join(os.environ["NOTES"], "heard")):
                time.sleep(0.01)
            analysis.output_values = 1
    """
    heard = []

    def handle(message):
        heard.append(message)
        (notes / "heard").touch()

    with caplog.at_level(logging.INFO):
        asked = child(source)
        assert asked.ask({}, handle_monitor_message=handle, timeout=60)["output_values"] == 1
    assert heard == [{"status": "on"}]
    lines = [(line.name, line.levelname, line.getMessage()) for line in caplog.records]
    assert ("app.wind", "WARNING", "[wind] blows") in lines
    assert ("stdout", "INFO", "[wind] printed") in lines
    kinds = [event["event"]["kind"] for event in asked.received_events]
    assert kinds[-1] == "result"
    assert "monitor_message" in kinds


def test_what_a_child_raises_is_raised_here_with_its_traceback(child, notes):
    with pytest.raises(ValueError, match=r"^-1 is negative\n\nThe following traceback was captured") as caught:
        child(COUNTED).ask({"n": -1})
    assert type(caught.value) is ValueError
    assert "in run" in str(caught.value)
    assert caught.value.__notes__[0].startswith("The log of the child's run: ")


def test_an_exception_without_a_message_is_raised_here_without_one(child):
    with pytest.raises(MemoryError, match=r"^\n*The following traceback was captured"):
        child("def run(analysis):\n    raise MemoryError").ask({"n": 1})


def test_a_class_that_only_the_child_knows_is_known_by_its_name(child):
    with pytest.raises(Exception, match=r"^calm") as caught:
        child("class OutOfWind(Exception): pass\ndef run(analysis):\n    raise OutOfWind('calm')").ask({"n": 1})
    assert qualified_name(type(caught.value)) == "app.OutOfWind"


def test_octues_exceptions_are_caught_by_octues_classes(child):
    source = """
        from fairlead.adapters.twine.exceptions import InvalidLabelException
        def run(analysis):
            raise InvalidLabelException("a b")
    """
    with pytest.raises(exceptions.InvalidLabelException, match=r"^a b"):
        child(source).ask({"n": 1})


def test_input_that_breaks_the_childs_twine_names_the_child_and_the_strand(child, notes):
    with pytest.raises(InputInvalid, match=r"^child 'wind', input_values.n: 'high' is not a number") as caught:
        child(COUNTED).ask({"n": "high"}, max_retries=3)
    assert caught.value.problems[0].expected == "twine.json: input_values_schema"
    assert runs(notes) == 0


def test_input_that_is_no_json_is_told_before_anything_runs(child, notes):
    with pytest.raises(InputInvalid, match=r"input_values.n: a value of type object is not JSON data"):
        child(COUNTED).ask({"n": object()})
    assert runs(notes) == 0


def test_a_child_that_dies_is_told_as_how_it_died(child):
    with pytest.raises(AppExited, match=r"^Child 'wind': The app ended its process with exit status 3"):
        child("import os\ndef run(analysis):\n    os._exit(3)").ask({"n": 1})


@pytest.mark.slow
def test_a_question_whose_time_is_up_leaves_nothing_running(child, notes, watch):
    with pytest.raises(TimeoutError, match=r"^Child 'wind' did not answer within 1.5 s") as caught:
        child(SLEEPER).ask({"n": 1}, timeout=1.5)
    assert type(caught.value) is TimeoutError
    assert not watch.runs(watch.pid(notes / "1"))


def test_a_failed_question_is_asked_again_as_often_as_wished(child, notes):
    with pytest.raises(ValueError, match="negative"):
        child(COUNTED).ask({"n": -1}, max_retries=2)
    assert runs(notes) == 3


def test_a_question_that_works_at_last_is_answered(child, notes):
    source = COUNTED.replace("if n < 0:", 'if len(os.listdir(os.environ["NOTES"])) < 3:')
    assert child(source).ask({"n": 1}, max_retries=5)["output_values"] == 2
    assert runs(notes) == 3


def test_classes_can_be_kept_from_being_asked_again(child, notes):
    with pytest.raises(ValueError, match="negative"):
        child(COUNTED).ask({"n": -1}, max_retries=2, prevent_retries_when=[ArithmeticError, ValueError])
    assert runs(notes) == 1


def test_an_error_can_take_the_answers_place(child, caplog):
    error, question_uuid = child(COUNTED).ask({"n": "a"}, raise_errors=False, question_uuid="7")
    assert isinstance(error, InputInvalid)
    assert question_uuid == error[1] == "7"
    assert "Question 7 to child 'wind' failed." in caplog.text


def test_one_failed_question_does_not_lose_the_others(child, notes, tmp_path):
    questions = [{"input_values": {"n": n}, "record_messages_to": str(tmp_path / f"{n}.json")} for n in (1, -1, 3)]
    asked = child(COUNTED)
    with pytest.raises(ValueError, match="-1 is negative") as caught:
        asked.ask_multiple(*questions)
    first, failed, last = caught.value.answers
    assert (first["output_values"], last["output_values"]) == (2, 6)
    assert failed is caught.value
    assert caught.value.__notes__[-1] == "1 of 3 questions failed; the exception's 'answers' has what came of each."
    ends = [json.loads((tmp_path / f"{n}.json").read_text())[-1]["type"] for n in (1, -1, 3)]
    assert ends == ["result", "exception", "result"]
    assert runs(notes) == 3
    asked.ask_multiple(*questions, raise_errors=False)
    assert runs(notes) == 4  # what was answered is in the cache


def test_without_raising_exceptions_stand_in_their_places(child, notes):
    answers = child(COUNTED).ask_multiple(
        {"input_values": {"n": -1}},
        {"input_values": {"n": 2}},
        {"input_values": {"n": "a"}},
        raise_errors=False,
        max_retries=1,
        log_errors=False,
    )
    assert [type(answer).__name__ for answer in answers] == ["ValueError", "Answer", "InputInvalid"]
    assert isinstance(answers[0], ValueError)
    assert answers[1]["output_values"] == 4
    assert all(isinstance(question_uuid, str) for _, question_uuid in answers)
    assert runs(notes) == 3  # the first twice


@pytest.mark.parametrize(("processors", "workers", "bound"), [(2, None, 6), (64, None, 32), (2, 1, 1), (2, 3, 3)])
def test_as_many_questions_are_asked_at_a_time_as_is_said_or_processors_and_four_but_32_at_most(
    monkeypatch, processors, workers, bound
):
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    together, threads = threading.Barrier(bound), set()

    def handle(_):
        threads.add(threading.get_ident())
        together.wait(30)

    child = ChildEmulator(messages=[{"type": "monitor_message", "data": "1"}])
    child.ask_multiple(*[{"handle_monitor_message": handle}] * (2 * bound), max_workers=workers)
    assert len(threads) == bound


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "count"), [(2, 2), (None, 3)])
def test_apps_that_are_asked_run_at_the_same_time(child, notes, workers, count):
    # None returns before all are there, so one after the other they would not answer in time.
    source = """
        import os, time
        def run(analysis):
            notes, n = os.environ["NOTES"], analysis.input_values["n"]
            open(os.path.join(notes, str(n)), "w").close()
            while len(os.listdir(notes)) < analysis.input_values["count"]:
                time.sleep(0.01)
            analysis.output_values = n
    """
    questions = [{"input_values": {"n": n, "count": count}, "timeout": 60} for n in range(count)]
    answers = child(source).ask_multiple(*questions, max_workers=workers)
    assert [answer["output_values"] for answer in answers] == [*range(count)]


ASKER = """
import sys
from fairlead.adapters.twine.children import Child
child = Child("wind", {"name": "local", "app": sys.argv[1]})
child.ask_multiple({"input_values": {"n": 1}}, {"input_values": {"n": 2}})
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_questions_end_with_their_asker(make_app, notes, watch, number):
    asker = subprocess.Popen([sys.executable, "-c", ASKER, str(make_app(SLEEPER, NUMBERS))], stderr=subprocess.DEVNULL)
    try:
        started = [watch.pid(notes / "1"), watch.pid(notes / "2")]
        asker.send_signal(number)
        assert asker.wait(20) != 0
        assert watch.ends(*started)
    finally:
        asker.kill()
        asker.wait()


@pytest.mark.slow
def test_questions_end_with_the_run_of_the_app_that_asked(make_app, notes, watch, run):
    asked = make_app(SLEEPER, NUMBERS, name="asked")
    source = f"""
        from fairlead.adapters.twine.children import Child
        def run(analysis):
            child = Child("wind", {{"name": "local", "app": {str(asked)!r}}})
            child.ask_multiple({{"input_values": {{"n": 1}}}}, {{"input_values": {{"n": 2}}}})
    """
    host = RecordingHost()

    def cancel_when_both_run():
        started.extend([watch.pid(notes / "1"), watch.pid(notes / "2")])
        host.cancel()

    started = []
    canceller = threading.Thread(target=cancel_when_both_run)
    canceller.start()
    with pytest.raises(Cancelled):
        run(make_app(source, {}), host=host)
    canceller.join()
    assert not any(watch.runs(pid) for pid in started)


def test_a_record_that_cannot_be_written_does_not_hide_what_the_child_raised(child, notes, tmp_path, caplog):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="-1 is negative"):
        child(COUNTED).ask({"n": -1}, record_messages_to=str(tmp_path / "file" / "record.json"))
    assert "What child 'wind' said cannot be kept." in caplog.text


def test_what_was_asked_and_answered_is_told(child, notes):
    told = []
    asked = child(COUNTED)
    asked.key = "site"
    asked.on_answered = told.append
    asked.ask({"n": -1}, raise_errors=False, max_retries=1, question_uuid="5", log_errors=False)
    assert [event["child"] for event in told] == ["site", "site"]
    assert json.loads(json.dumps(told)) == told
    question, messages = told[1]["question"], told[1]["messages"]
    assert (question["input_values"], question["question_uuid"], question["id"]) == ({"n": -1}, "5", "wind")
    assert messages[-1]["event"]["exception_type"] == "ValueError"
    assert messages[-1]["event"]["exception_message"] == "-1 is negative"
    assert "in run" in "".join(messages[-1]["event"]["exception_traceback"])
    assert [event["messages"][-1]["attributes"]["retry_count"] for event in told] == [0, 1]
    again = ChildEmulator(events=messages)
    with pytest.raises(ValueError, match="negative"):
        again.ask()


def test_who_does_not_wait_gets_no_answer_but_the_uuid(child, notes, watch, tmp_path):
    asked = child(COUNTED)
    assert asked.ask({"n": 1}, asynchronous=True, question_uuid="3") == (None, "3")
    watch.until(lambda: list((tmp_path / "cache").glob("*/*/outcome.json")))
    assert asked.ask({"n": 1})["output_values"] == 2
    assert runs(notes) == 1


@pytest.mark.parametrize(
    ("backend", "cls", "told"),
    [
        ({"name": "pigeon"}, exceptions.BackendNotFound, "there is no backend named 'pigeon'. Give .*local"),
        ({}, exceptions.BackendNotFound, "there is no backend named None"),
        ({"name": ["secret"]}, exceptions.BackendNotFound, "its backend's 'name' is no text. Give"),
        ({"name": "local"}, exceptions.InvalidInputException, "in its backend 'local', 'app' is missing"),
        ({"name": "prefect", "deployment": 1}, exceptions.InvalidInputException, "'deployment' must be a text"),
        (
            {"name": "airflow", "dag_id": "a", "password": "secret"},
            exceptions.InvalidInputException,
            "'password' is not taken. It takes 'dag_id', 'task_id', 'url'; credentials are read from the environment",
        ),
        (
            {"name": "airflow", "dag_id": "a", "url": "https://me:secret@host"},
            exceptions.InvalidInputException,
            "the address has a user or a password in it",
        ),
        ({"name": "emulator"}, exceptions.InvalidInputException, "one of 'file', 'events' and 'messages' is missing"),
    ],
)
def test_a_backend_that_cannot_be_used_is_told_when_the_child_is_made(backend, cls, told):
    with pytest.raises(cls, match=told) as caught:
        Child("wind", backend)
    assert "secret" not in str(caught.value)


def test_octues_backend_is_known_but_cannot_be_asked():
    child = Child("octue/wind:1.0.0", {"name": "GCPPubSubBackend", "project_name": "a"})
    with pytest.raises(
        exceptions.BackendNotFound, match=r"'octue/wind:1.0.0' is configured with GCPPubSubBackend.*Point"
    ):
        child.ask(1, max_retries=3)
    with pytest.raises(exceptions.BackendNotFound, match="by children= or --children where the app is run"):
        child.ask(1)


def test_an_app_that_is_not_there_names_the_child(tmp_path):
    with pytest.raises(Exception, match=r"^child 'wind', .*none is not there"):
        Child("wind", {"name": "local", "app": str(tmp_path / "none")}).ask(1)


@pytest.mark.parametrize("path", ["met", "file:///data/met", "/data/met"])
@pytest.mark.parametrize("backend", [{"name": "prefect", "deployment": "a/b"}, {"name": "airflow", "dag_id": "a"}])
def test_local_files_are_not_sent_where_they_cannot_be_seen(backend, path):
    child = Child("wind", backend)
    manifest = {"datasets": {"a": "gs://bucket/met", "b": {"path": path, "files": ["x.csv"]}}}
    with pytest.raises(exceptions.InvalidInputException, match=r"'wind': 'input_manifest' has what is on this machine"):
        child.ask(input_manifest=manifest)


def test_one_question_that_failed_is_not_counted(child, notes):
    with pytest.raises(ValueError, match="negative") as caught:
        child(COUNTED).ask_multiple({"input_values": {"n": -1}})
    assert "questions failed" not in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"timeout": "5"}, r"'wind': 'timeout' is '5'. Give a number of seconds, or None"),
        ({"timeout": True}, "'timeout' is True"),
        ({"prevent_retries_when": ["ValueError"]}, r"'prevent_retries_when' is \['ValueError'\]. Give classes"),
    ],
)
def test_arguments_that_cannot_be_used_are_told_before_anything_is_asked(child, notes, arguments, told):
    with pytest.raises(exceptions.InvalidInputException, match=told):
        child(COUNTED).ask({"n": 1}, **arguments)
    with pytest.raises(exceptions.InvalidInputException, match=told):
        child(COUNTED).ask_multiple({"input_values": {"n": 1}, **arguments})
    assert runs(notes) == 0


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ({"input_value": 1}, "question 2 has 'input_value', which is no argument of ask. Did you mean 'input_values'"),
        (1, "question 2 is a int. Give arguments of ask by name"),
    ],
)
def test_a_misspelt_question_is_told_before_any_is_asked(child, notes, question, told):
    with pytest.raises(exceptions.InvalidInputException, match=told):
        child(COUNTED).ask_multiple({"input_values": {"n": 1}}, question, raise_errors=False)
    assert runs(notes) == 0


def test_one_class_can_be_kept_from_being_asked_again(child, notes):
    with pytest.raises(ValueError, match="negative"):
        child(COUNTED).ask({"n": -1}, max_retries=2, prevent_retries_when=ValueError)
    assert runs(notes) == 1


def test_pushed_answers_are_refused(child):
    with pytest.raises(exceptions.InvalidInputException, match="'push_endpoint' cannot be used"):
        child(DOUBLE).ask({"n": 1}, push_endpoint="https://example.com")


def test_children_are_made_of_octues_list_or_by_key(make_app, tmp_path):
    make_app(DOUBLE, NUMBERS)
    local = {"name": "local", "app": "apps/app"}
    one = children_from_data([{"key": "wind", "id": "octue/wind:1.0.0", "backend": local}], tmp_path)
    two = children_from_data({"wind": {"id": "octue/wind:1.0.0", "backend": local}}, tmp_path, cache="/c")
    three = children_from_data({"wind": "apps/app"}, tmp_path)
    for children in (one, two, three):
        assert children["wind"].backend["app"] == str(tmp_path / "apps" / "app")
        assert children["wind"].key == "wind"
    assert (one["wind"].id, three["wind"].id) == ("octue/wind:1.0.0", "wind")
    assert two["wind"].backend["cache"] == "/c"
    assert three["wind"].ask({"n": 2})["output_values"] == 4


def test_children_are_read_from_a_file_and_relative_to_it(tmp_path):
    (tmp_path / "children.json").write_text('{"wind": "apps/wind"}')
    assert children_from_data(tmp_path / "children.json")["wind"].backend["app"] == str(tmp_path / "apps" / "wind")


@pytest.mark.parametrize("name", ["children.json", "study/children.json"])
def test_children_of_a_file_are_absolute_also_if_its_name_is_not(tmp_path, monkeypatch, name):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    loads = {"backend": {"name": "emulator", "file": "loads.json"}}
    file.write_text(json.dumps({"wind": "../apps/wind", "loads": loads}))
    (file.parent / "loads.json").write_text("[]")
    monkeypatch.chdir(tmp_path)
    wind, loads = plain_children(name)
    monkeypatch.chdir("/")
    assert wind["backend"]["app"] == str(file.parent / ".." / "apps" / "wind")
    assert loads["backend"]["file"] == str(file.parent / "loads.json")


def test_a_child_can_be_given_as_it_is():
    emulator = ChildEmulator(messages=[{"type": "result", "output_values": 1, "output_manifest": None}])
    assert children_from_data({"wind": emulator})["wind"].ask()["output_values"] == 1
    assert children_from_data([emulator])[emulator.id].ask()["output_values"] == 1


def test_every_problem_with_children_is_told_at_once():
    wrong = [
        {"key": "a"},
        {"key": "b", "backend": {"name": "pigeon"}},
        {"key": "c", "backend": {"name": "local"}},
        {"key": "d", "backend": {"name": "GCPPubSubBackend"}},
        {"key": "d", "backend": {"name": "GCPPubSubBackend"}},
        7,
    ]
    with pytest.raises(InputInvalid) as caught:
        children_from_data(wrong)
    places = [problem.where for problem in caught.value.problems]
    assert places == ["children[0]", "children[1].backend", "children[2].backend", "children[4]", "children[5]"]
    with pytest.raises(InputInvalid, match="'a' is neither a list nor an object"):
        children_from_data('"a"')


@pytest.mark.parametrize(
    ("wrong", "place", "told"),
    [
        ([{"backend": {"name": "local", "password": "sesame"}}], "children[0]", "has no 'key'"),
        ({"a": {"id": "b", "backend": "sesame"}}, "children.a", "has a 'backend' that is no object"),
        ({"a": {"id": "sesame"}}, "children.a", "has no 'backend'"),
        (
            {"a": {"backend": {"name": "local", "app": "/a", "children": [{"backend": {"password": "sesame"}}]}}},
            "children.a.backend.children[0]",
            "has no 'key'",
        ),
    ],
)
def test_what_a_child_lacks_is_told_without_its_backend(wrong, place, told):
    with pytest.raises(InputInvalid) as caught:
        plain_children(wrong)
    (problem,) = caught.value.problems
    assert (problem.where, problem.found) == (place, told)
    assert "sesame" not in str(caught.value)


def test_given_children_stand_before_those_of_the_configuration():
    pub_sub = {"name": "GCPPubSubBackend"}
    configured = [{"key": "a", "id": "1", "backend": pub_sub}, {"key": "b", "id": "2", "backend": pub_sub}]
    assert merged(None, None) is None
    assert merged(configured, None) == configured
    assert [child["id"] for child in merged(configured, {"b": {"id": "3", "backend": pub_sub}})] == ["1", "3"]
    assert [child["id"] for child in merged(configured, [{"key": "c", "id": "4", "backend": pub_sub}])] == ["4"]


def test_a_result_depends_on_what_its_children_are(make_app):
    asking = {**NUMBERS, "children": [{"key": "b"}]}
    app = str(make_app(DOUBLE, asking))

    def identity(*said, **options):
        backend = {"name": "local", "app": app, "children": {"b": ChildEmulator(messages=said)}, **options}
        return fingerprint(children_identity({"wind": {"id": "a", "backend": backend}}))

    before = identity()
    assert identity(cache="elsewhere") == before
    with_another_child = identity({"type": "result", "output_values": 1, "output_manifest": None})
    make_app(DOUBLE, {**asking, "output_manifest": {"datasets": {}}})
    with_another_twine = identity()
    make_app(DOUBLE + "    # another", asking)
    assert len({before, with_another_child, with_another_twine, identity()}) == 4


def test_a_childs_configuration_counts(make_app):
    app = str(make_app(DOUBLE, {**NUMBERS, "configuration_values_schema": {"type": "object"}}))

    def identity(**options):
        return children_identity({"a": {"id": "a", "backend": {"name": "local", "app": app, **options}}})

    assert identity(configuration_values={"a": 1}) != identity(configuration_values={"a": 2})
    assert identity(configuration_values={"a": 1}) == identity(configuration_values='{"a": 1}')
    with pytest.raises(InputInvalid):
        identity(configuration_values=[1])


def test_a_remote_child_counts_with_the_address_in_its_backend_and_no_other(monkeypatch):
    def identity(**options):
        return children_identity({"a": {"id": "a", "backend": {"name": "prefect", "deployment": "a/b", **options}}})

    before = identity()
    monkeypatch.setenv("PREFECT_API_URL", "http://one/api")
    assert identity() == before
    others = [identity(deployment="a/c"), identity(api_url="http://one/api"), identity(api_url="http://two/api")]
    assert len({fingerprint(one) for one in (before, *others)}) == 4
    assert children_identity(None) == {}


def test_an_emulator_counts_with_what_it_says_and_not_when_it_was_said(tmp_path):
    def identity(*events):
        return children_identity({"a": {"backend": {"name": "emulator", "events": list(events)}}})

    result = {"kind": "result", "output_values": 1}
    one = identity({"event": result, "attributes": {"datetime": "2026-01-01"}})
    assert one == identity({"event": result, "attributes": {"datetime": "2026-02-02"}})
    assert one != identity({"event": {**result, "output_values": 2}})
    (tmp_path / "a.json").write_text(json.dumps([{"event": result}]))
    assert one == children_identity({"a": {"backend": {"name": "emulator", "file": "a.json"}}}, tmp_path)


def test_importing_children_is_cheap():
    program = (
        "import sys; before = set(sys.modules); import fairlead.adapters.twine.children.child;"
        "print(sorted(name.partition('.')[0] for name in set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd="/")
    assert not {"dataclasses", "typing", "pathlib", "httpx", "jsonschema", "concurrent", "asyncio"} & set(
        json.loads(done.stdout.replace("'", '"'))
    )
