"""Messages of both of Octue's dialects are understood alike, and can be written in either."""

from __future__ import annotations

import pytest

from fairlead.adapters.twine.children import messages

PAIRS = [
    ({"type": "delivery_acknowledgement"}, {"kind": "delivery_acknowledgement"}),
    ({"type": "heartbeat"}, {"kind": "heartbeat"}),
    ({"type": "log_record", "log_record": {"msg": "a"}}, {"kind": "log_record", "log_record": {"msg": "a"}}),
    ({"type": "monitor_message", "data": '{"a": [1]}'}, {"kind": "monitor_message", "data": {"a": [1]}}),
    (
        {"type": "exception", "exception_type": "ValueError", "exception_message": "no"},
        {"kind": "exception", "exception_type": "ValueError", "exception_message": "no"},
    ),
    (
        {"type": "result", "output_values": [1], "output_manifest": None},
        {"kind": "result", "output_values": [1], "output_manifest": None},
    ),
]


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_both_dialects_say_the_same(old, new):
    assert messages.contents(old) == messages.contents({"event": new, "attributes": {}}) == new


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_message_goes_from_one_dialect_to_the_other_and_back(old, new):
    event = messages.as_event(messages.contents(old), {"sender": "child"})
    assert event["event"] == new
    assert event["attributes"].keys() == {"sender", "uuid", "datetime"}
    assert messages.as_message(messages.contents(event)) == old


def test_a_text_as_data_of_a_monitor_message_is_json_in_the_older_dialect_only():
    assert messages.contents({"type": "monitor_message", "data": '"1"'})["data"] == "1"
    assert messages.contents({"event": {"kind": "monitor_message", "data": "1"}})["data"] == "1"


def test_an_output_manifest_may_be_json_text():
    found = messages.contents({"type": "result", "output_values": None, "output_manifest": '{"datasets": {}}'})
    assert found["output_manifest"] == {"datasets": {}}


def test_outputs_may_be_absent_in_newer_results():
    found = messages.contents({"event": {"kind": "result", "output_values": 0}})
    assert found == {"kind": "result", "output_values": 0, "output_manifest": None}


@pytest.mark.parametrize("wrong", ["result", 1, None, ["type", "result"]])
def test_a_message_that_is_no_dictionary_is_told(wrong):
    with pytest.raises(TypeError, match=r"^Each message must be a dictionary\."):
        messages.check_form([{"type": "heartbeat"}, wrong])


@pytest.mark.parametrize("wrong", [{}, {"type": "answer"}, {"event": {}}, {"event": {"kind": "answer"}}])
def test_a_message_of_no_known_type_is_told_with_those_there_are(wrong):
    with pytest.raises(ValueError, match=r"log_record, exception, result. Found"):
        messages.check_form([wrong])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"type": "log_record"}, r"^Log record messages must include a 'log_record' key\.$"),
        ({"event": {"kind": "log_record", "log_record": "a"}}, r"^Log record messages must include"),
        ({"type": "monitor_message"}, r"^Monitor messages must include a 'data' key\.$"),
        ({"type": "monitor_message", "data": "{"}, r"^The data of a monitor message of the older form must be JSON"),
        (
            {"type": "exception", "exception": "no"},
            r"^The exception must be given as a dictionary containing the keys 'exception_type' and 'exception_m",
        ),
        (
            {"type": "result", "output_values": 1},
            r"^Result messages must be dictionaries containing the keys 'output_values' and 'output_manifest'\.$",
        ),
    ],
)
def test_what_a_message_lacks_is_told_in_octues_words(wrong, told):
    messages.check_form([wrong])
    with pytest.raises(ValueError, match=told):
        messages.contents(wrong)
