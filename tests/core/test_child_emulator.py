"""An emulator behaves as a child would that says the messages that it was given."""

from __future__ import annotations

import json
import logging

import pytest

from fairlead.adapters.errors import OutputInvalid
from fairlead.adapters.twine import exceptions
from fairlead.adapters.twine.children import ChildEmulator
from fairlead.adapters.twine.resources import Manifest

RESULT = {"type": "result", "output_values": [1, 2], "output_manifest": None}
MANIFEST = {
    "id": "04a969e9-04b4-4f35-bd30-36de6e7daea2",
    "datasets": {"met": {"path": "gs://bucket/met", "files": [{"path": "gs://bucket/met/a.csv", "tags": {"a": 1}}]}},
}


def said(kind, **fields):
    return {"event": {"kind": kind, **fields}, "attributes": {"sender": "octue/child:1.0.0"}}


def test_what_was_written_down_is_answered():
    answer = ChildEmulator(messages=[RESULT]).ask([0])
    assert answer == {"output_values": [1, 2], "output_manifest": None}


def test_an_answer_is_read_in_both_conventions():
    answer = ChildEmulator(events=[said("result", output_values=[1])]).ask(question_uuid="a-b-c")
    assert answer["output_values"] == answer[0]["output_values"] == answer.get("output_values") == [1]
    first, question_uuid = answer
    assert first == answer
    assert question_uuid == answer[1] == "a-b-c"
    assert json.loads(json.dumps(answer, indent=2)) == json.loads(json.dumps(answer))
    assert (
        json.loads(json.dumps(answer)) == dict(answer) == {**answer} == {"output_values": [1], "output_manifest": None}
    )


@pytest.mark.parametrize("manifest", [MANIFEST, json.dumps(MANIFEST), Manifest.from_description(MANIFEST)])
def test_an_output_manifest_comes_as_a_manifest(manifest):
    child = ChildEmulator(messages=[{"type": "result", "output_values": None, "output_manifest": manifest}])
    answer = child.ask()["output_manifest"]
    assert isinstance(answer, Manifest)
    assert answer.id == MANIFEST["id"]
    assert answer.get_dataset("met").path == "gs://bucket/met"


def test_the_first_result_ends_it():
    heard = []
    late = {"type": "monitor_message", "data": "1"}
    child = ChildEmulator(messages=[RESULT, late, {**RESULT, "output_values": [3]}])
    assert child.ask(handle_monitor_message=heard.append)["output_values"] == [1, 2]
    assert heard == []


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ({}, "is no object with 'datasets' by key"),
        ([], "is no object with 'datasets' by key"),
        ({"datasets": ["a"]}, "is no object with 'datasets' by key"),
        ({"datasets": {"met": "gs://b/met"}, "color": 1}, "cannot be read: TypeError"),
        ({"datasets": {"met": 5}}, "cannot be read"),
    ],
)
def test_a_malformed_manifest_in_an_answer_names_the_child(manifest, told):
    child = ChildEmulator("loads", messages=[{**RESULT, "output_manifest": manifest}])
    with pytest.raises(OutputInvalid) as caught:
        child.ask(max_retries=1)
    (problem,) = caught.value.problems
    assert problem.where == "child 'loads', output_manifest"
    assert told in problem.found


def test_the_older_form_of_datasets_is_understood():
    child = ChildEmulator(messages=[{**RESULT, "output_manifest": {"datasets": []}}])
    assert child.ask()["output_manifest"].datasets == {}


def test_arguments_stand_in_the_order_of_octues_emulator(tmp_path):
    answer = ChildEmulator(messages=[RESULT]).ask(
        *([0], None, True, False, None, str(tmp_path / "said.json"), "a-b-c", 60), max_retries=1
    )
    assert answer[1] == "a-b-c"
    assert json.loads((tmp_path / "said.json").read_text())[-1]["type"] == "result"


@pytest.mark.parametrize("messages", [None, [], [{"type": "heartbeat"}]])
def test_without_a_result_the_answer_is_empty(messages):
    assert ChildEmulator(messages=messages).ask(1) == {"output_values": None, "output_manifest": None}


def test_an_empty_list_of_events_is_refused():
    with pytest.raises(ValueError, match=r"^A non-zero number of events must be provided .* - received \[\]\.$"):
        ChildEmulator(events=[])


def test_a_message_that_is_none_is_refused_when_the_emulator_is_made():
    with pytest.raises(TypeError, match="Each message must be a dictionary"):
        ChildEmulator(messages=["result"])
    with pytest.raises(ValueError, match="Found 'answer'"):
        ChildEmulator(messages=[{"type": "answer"}])


@pytest.mark.parametrize(
    "message",
    [{"type": "monitor_message", "data": '{"status": "on"}'}, said("monitor_message", data={"status": "on"})],
)
def test_monitor_messages_are_handled(message):
    heard = []
    ChildEmulator(messages=[message, RESULT]).ask(handle_monitor_message=heard.append)
    assert heard == [{"status": "on"}]


def test_what_the_handler_raises_ends_the_question():
    def handle(_):
        raise ZeroDivisionError("in the handler")

    child = ChildEmulator(messages=[{"type": "monitor_message", "data": "1"}, RESULT])
    with pytest.raises(ZeroDivisionError, match=r"^in the handler$"):
        child.ask(handle_monitor_message=handle)


def test_log_records_go_to_the_local_loggers_with_the_childs_name(caplog):
    record = {"msg": "%s of %d", "args": ["one", 2], "levelno": logging.WARNING, "name": "app.wind"}
    messages = [{"type": "log_record", "log_record": record}, said("log_record", log_record={"msg": "bare"}), RESULT]
    with caplog.at_level(logging.INFO):
        ChildEmulator(id="octue/wind:2.1.0", messages=messages).ask()
    heard = [(line.name, line.levelname, line.getMessage()) for line in caplog.records]
    assert heard == [
        ("app.wind", "WARNING", "[octue/wind:2.1.0] one of 2"),
        ("fairlead.child", "INFO", "[octue/wind:2.1.0] bare"),
    ]


def test_logs_are_not_passed_on_to_who_does_not_subscribe(caplog):
    with caplog.at_level(logging.DEBUG):
        ChildEmulator(messages=[said("log_record", log_record={"msg": "a"}), RESULT]).ask(subscribe_to_logs=False)
    assert caplog.records == []


@pytest.mark.parametrize("kind", ["heartbeat", "delivery_acknowledgement", "question"])
def test_signs_of_life_are_passed_over(kind):
    child = ChildEmulator(events=[said(kind), said("result", output_values=1)])
    assert child.ask()["output_values"] == 1
    assert [event["event"]["kind"] for event in child.received_events] == ["result"]


@pytest.mark.parametrize(
    ("name", "cls"), [("TypeError", TypeError), ("FileNotFoundException", exceptions.FileNotFoundException)]
)
def test_an_exception_is_raised_as_the_class_of_its_name(name, cls):
    message = {"type": "exception", "exception_type": name, "exception_message": "This simulates an error."}
    with pytest.raises(cls, match=r"^This simulates an error\.$") as caught:
        ChildEmulator(messages=[message]).ask()
    assert type(caught.value) is cls


@pytest.mark.parametrize(
    ("name", "base"), [("OutOfWind", Exception), ("UnicodeDecodeError", ValueError), ("SystemExit", Exception)]
)
def test_an_exception_whose_class_cannot_be_used_is_a_new_one_of_its_name(name, base):
    message = said("exception", exception_type=name, exception_message="no", exception_traceback=["line 1\n"])
    with pytest.raises(base) as caught:
        ChildEmulator(events=[message]).ask()
    assert type(caught.value).__name__ == name
    assert str(caught.value) == "no\n\nThe following traceback was captured from the remote service:\n\nline 1\n"


def test_a_wrong_message_is_told_when_it_is_said():
    child = ChildEmulator(messages=[{"type": "log_record"}])
    with pytest.raises(ValueError, match="must include a 'log_record' key"):
        child.ask()


def test_messages_with_the_attributes_that_they_came_with_are_kept():
    child = ChildEmulator(events=[said("monitor_message", data=1), said("result", output_values=1)])
    assert child.received_events is None
    child.ask(question_uuid="11")
    first, last = child.received_events
    assert first["event"] == {"kind": "monitor_message", "data": 1}
    assert first["attributes"]["sender"] == "octue/child:1.0.0"
    assert {event["attributes"]["question_uuid"] for event in (first, last)} == {"11"}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"id": "octue/child:1.0.0", "backend": {"name": "GCPPubSubBackend"}, "internal_service_name": "me"},
        {"messages": [RESULT]},
        {"events": [said("result", output_values=[1, 2])]},
        [RESULT],
        [said("result", output_values=[1, 2])],
    ],
)
def test_an_emulator_is_made_of_a_file_of_either_form(tmp_path, data):
    path = tmp_path / "child.json"
    path.write_text(json.dumps(data))
    child = ChildEmulator.from_file(path)
    says_something = "messages" in data or "events" in data or isinstance(data, list)
    assert child.ask()["output_values"] == ([1, 2] if says_something else None)
    if "id" in data:
        assert (child.id, child.internal_service_name) == ("octue/child:1.0.0", "me")


@pytest.mark.parametrize(
    ("content", "error", "told"),
    [
        (None, FileNotFoundError, "child.json, is not there. Check the path."),
        ("{", ValueError, "child.json, is not JSON"),
        ("1", ValueError, "neither an object nor a list of messages"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path, content, error, told):
    path = tmp_path / "child.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(error, match=told):
        ChildEmulator.from_file(path)


def test_what_was_recorded_of_one_child_emulates_it(tmp_path):
    first = ChildEmulator(
        events=[said("monitor_message", data={"a": 1}), said("log_record", log_record={"msg": "b"}), RESULT]
    )
    path = tmp_path / "records" / "child.json"
    first.ask(record_messages_to=str(path))
    assert [message["type"] for message in json.loads(path.read_text())] == ["monitor_message", "log_record", "result"]
    heard = []
    assert ChildEmulator.from_file(path).ask(handle_monitor_message=heard.append)["output_values"] == [1, 2]
    assert heard == [{"a": 1}]
    assert ChildEmulator(events=first.received_events).ask() == first.ask()


def test_many_questions_get_as_many_answers():
    answers = ChildEmulator(messages=[RESULT]).ask_multiple({"input_values": 1}, {"input_values": 2})
    assert [answer["output_values"] for answer in answers] == [[1, 2], [1, 2]]
