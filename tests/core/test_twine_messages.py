"""What a twine app says and decides while it runs: monitor messages, periodic ones, and outputs it finalises itself."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fairlead.adapters.errors import (
    AppRaised,
    MonitorMessageInvalid,
    OutputInvalid,
    TimedOut,
)
from fairlead.adapters.isolation import ChildProcess
from fairlead.adapters.testing import RecordingHost

MESSAGES: dict[str, Any] = {
    "monitor_message_schema": {
        "type": "object",
        "required": ["progress"],
        "properties": {"progress": {"type": "number", "maximum": 10}},
    }
}


def heard(host: RecordingHost, kind: str) -> list[Any]:
    return [event for event in host.events if event["kind"] == kind]


# Finalising


def test_an_app_may_check_its_outputs_itself(make_app, run, isolation):
    source = """
        from twined.exceptions import InvalidValuesContents
        def run(analysis):
            analysis.output_values = "x"
            try:
                analysis.finalise()
            except InvalidValuesContents:
                analysis.output_values = 1
            analysis.finalise()
            assert analysis.finalised
    """
    outcome = run(make_app(source, {"output_values_schema": {"type": "number"}}), isolation=isolation)
    assert outcome.outputs["output_values"] == 1


def test_outputs_are_checked_also_when_they_change_after_that(make_app, run, isolation):
    source = """
        def run(analysis):
            analysis.output_values = 1
            analysis.finalise()
            analysis.output_values = "x"
    """
    with pytest.raises(OutputInvalid):
        run(make_app(source, {"output_values_schema": {"type": "number"}}), isolation=isolation)


# Monitor messages


def test_monitor_messages_reach_the_host_with_progress(make_app, run, isolation):
    host = RecordingHost()
    source = """
        def run(analysis):
            for sector in range(1, 4):
                analysis.send_monitor_message({"progress": sector * 2.5, "status_text": f"sector {sector}"})
    """
    run(make_app(source, MESSAGES), isolation=isolation, host=host)
    assert [event["data"]["progress"] for event in heard(host, "monitor")] == [2.5, 5.0, 7.5]
    assert [(event["fraction"], event["text"]) for event in heard(host, "progress")] == [
        (0.25, "sector 1"), (0.5, "sector 2"), (0.75, "sector 3"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "message", "fraction"),
    [
        ({}, {"progress": 0.5}, 0.5),
        ({}, {"progress": 2}, 1.0),
        ({}, {"progress": -1}, 0.0),
        ({"properties": {"progress": {"maximum": 0}}}, {"progress": 0}, 0.0),
        ({"properties": {"progress": True}}, {"progress": 0.5}, 0.5),
        ({}, {"progress": True}, None),
        ({}, {"progress": "half"}, None),
        ({}, [0.5], None),
        ({}, None, None),
    ],
)
def test_progress_is_any_number_of_that_name(make_app, run, schema, message, fraction):
    host = RecordingHost()
    app = make_app(f"def run(analysis): analysis.send_monitor_message({message!r})", {"monitor_message_schema": schema})
    run(app, isolation="thread", host=host)
    assert [event["data"] for event in heard(host, "monitor")] == [message]
    assert [event["fraction"] for event in heard(host, "progress")] == ([] if fraction is None else [fraction])


@pytest.mark.parametrize("message", ["{'progress': 11}", "{}", "{'progress': object()}", "{'progress': {1, 'a'}}"])
def test_a_monitor_message_that_breaks_the_contract_fails_at_the_line_that_sends_it(make_app, run, isolation, message):
    host = RecordingHost()
    source = f"""
        def run(analysis):
            try:
                analysis.send_monitor_message({message})
            except Exception as error:
                print(type(error).__name__)
                raise
    """
    with pytest.raises(MonitorMessageInvalid, match="monitor_message"):
        run(make_app(source, MESSAGES), isolation=isolation, host=host)
    assert heard(host, "monitor") == []


def test_an_app_that_declares_no_monitor_messages_cannot_send_any(make_app, run, isolation):
    with pytest.raises(MonitorMessageInvalid, match="monitor_message_schema"):
        run(make_app("def run(analysis): analysis.send_monitor_message({})", {}), isolation=isolation)


PERIODIC = """
    import itertools, threading
    def run(analysis):
        numbers, sent = itertools.count(), threading.Event()
        def message():
            number = next(numbers)
            if number == 3:
                sent.set()
            {create}
        analysis.set_up_periodic_monitor_message(message, period=0.01)
        assert sent.wait(10)
        {then}
"""


def test_periodic_messages_are_sent_until_the_run_ends_and_no_longer(make_app, run, isolation):
    host = RecordingHost()
    source = PERIODIC.format(create="return {'progress': number}", then="")
    app = make_app(source, {"monitor_message_schema": {}})
    run(app, isolation=isolation, host=host)
    count = len(host.events)
    messages = [event["data"]["progress"] for event in heard(host, "monitor")]
    assert messages == [*range(len(messages))]
    assert len(messages) >= 3
    # With nobody left to send, nothing can come.
    assert not [thread for thread in threading.enumerate() if thread.name == "periodic monitor message"]
    assert len(host.events) == count


@pytest.mark.parametrize(
    ("create", "error"),
    [
        ("number and sent.set(); return {'progress': 11 if number else 1}", MonitorMessageInvalid),
        ("1 / (3 - number); return {'progress': 1}", AppRaised),
    ],
)
def test_a_periodic_message_that_fails_fails_the_run(make_app, run, isolation, create, error):
    source = PERIODIC.format(create=create, then="")
    with pytest.raises(error):
        run(make_app(source, MESSAGES), isolation=isolation)


def test_an_apps_own_failure_counts_more_than_that_of_its_messages(make_app, run, isolation):
    source = PERIODIC.format(create="sent.set(); raise KeyError", then="raise ValueError('no wind')")
    with pytest.raises(AppRaised, match="ValueError: no wind"):
        run(make_app(source, MESSAGES), isolation=isolation)


def test_a_periodic_message_that_hangs_does_not_outlast_the_deadline(make_app, run, late_host):
    source = """
        import threading
        def run(analysis):
            started = threading.Event()
            def message():
                started.set()
                threading.Event().wait()
            analysis.set_up_periodic_monitor_message(message, period=0.01)
            started.wait()
            print("returning")
    """
    with pytest.raises(TimedOut):
        run(make_app(source, MESSAGES), isolation=ChildProcess(grace=0.1), host=late_host)
