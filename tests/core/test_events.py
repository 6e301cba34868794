"""Events: one line each, the same on both sides, and nothing that arrives can harm the reader."""

from __future__ import annotations

import contextlib
import json
import logging
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.adapters import events
from fairlead.adapters.errors import InputInvalid, Problem
from fairlead.adapters.testing import RecordingHost


def caught(error: BaseException) -> BaseException:
    with pytest.raises(type(error)) as raised:
        raise error
    return raised.value


EVERY_KIND = [
    events.log_record(logging.WARNING, "app.wind", "gusts of 30 m/s"),
    events.log_record(logging.ERROR, "app", "failed", "Traceback (most recent call last): …"),
    events.output("stdout", "sector 1"),
    events.output("stderr", ""),
    events.monitor({"sector": 1, "found": [None, True, 1.5, "äöü ☃ 𝄞"]}),
    events.progress(0.25, "a quarter"),
    events.heartbeat(),
    events.returned({"output_values": {"k": 2.0}}),
    events.raised(caught(ValueError("no wind"))),
    events.raised(caught(InputInvalid(Problem("input_values", "is missing")))),
]


@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda event: event["kind"])
def test_every_kind_is_read_as_it_was_written(event):
    assert events.decode(events.encode(event)) == event


@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda event: event["kind"])
def test_every_event_says_its_version_kind_and_time(event):
    assert event["fairlead"] == 1
    assert isinstance(event["kind"], str)
    assert isinstance(event["time"], float)


@given(st.text())
def test_an_event_is_one_line_whatever_it_says(text):
    line = events.encode(events.output("stdout", text))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert events.decode(line)["line"] == text


def test_half_a_character_is_passed_on_as_it_is():
    line = events.encode(events.output("stdout", "\ud83d"))
    assert events.decode(line)["line"] == "\ud83d"


def test_a_program_without_fairlead_writes_events_with_any_encoder():
    line = b'{ "kind": "log", "level": 20, "message": "from C",\t"logger": "solver", "time": 1, "fairlead": 1 }\r'
    assert events.decode(line)["message"] == "from C"


def test_kinds_that_a_reader_does_not_know_are_read_and_ignored():
    event = events.decode(b'{"fairlead": 2, "kind": "hologram", "time": 0, "depth": 3}')
    host = RecordingHost()
    host.emit(event)
    assert host.lines == []


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"plain text",
        b"[]",
        b"1",
        b"null",
        b"{}",
        b'{"fairlead": 1}',
        b'{"kind": "log"}',
        b'{"fairlead": "1", "kind": "heartbeat"}',
        b'{"fairlead": 1, "kind": ["log"]}',
        b'{"fairlead": 1, "kind": null}',
        b'{"fairlead": 1, "kind": "heartbeat"',
        b'{"fairlead": 1, "kind": "heartbeat"} {}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=lambda line: repr(line[:40]),
)
def test_a_line_that_is_no_event_raises_value_error(line):
    with pytest.raises(ValueError):  # noqa: PT011 (json's own, or ours)
        events.decode(line)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("log", {"level": 20, "logger": "app"}),
        ("log", {"level": "INFO", "logger": "app", "message": "high"}),
        ("log", {"level": 20, "logger": None, "message": "high"}),
        ("output", {"stream": "stdout"}),
        ("monitor", {}),
        ("progress", {"fraction": "half", "text": ""}),
        ("progress", {"fraction": 0.5}),
        ("returned", {}),
        ("raised", {"exception": "ValueError"}),
    ],
)
def test_an_event_that_lacks_a_field_of_its_kind_raises_value_error(kind, fields):
    with pytest.raises(ValueError, match=kind):
        events.decode(json.dumps({"fairlead": 1, "kind": kind, "time": 0, **fields}).encode())


@given(st.binary() | st.builds(lambda data: json.dumps(data).encode(), st.dictionaries(st.text(), st.integers())))
def test_no_line_makes_the_reader_raise_anything_else(line):
    with contextlib.suppress(ValueError):
        events.decode(line)


@pytest.mark.parametrize(
    ("given", "kept"),
    [(0, 0.0), (0.5, 0.5), (1, 1.0), (-3, 0.0), (1.01, 1.0), (math.inf, 1.0), (-math.inf, 0.0), (math.nan, 0.0)],
)
def test_progress_stays_between_nothing_and_all(given, kept):
    assert events.progress(given)["fraction"] == kept


def test_the_event_of_a_contract_error_takes_its_problems_along():
    error = caught(InputInvalid([Problem("a", "b", "c", "d"), Problem("e", "f")]))
    assert events.raised(error)["problems"] == [
        {"where": "a", "found": "b", "expected": "c", "remedy": "d"},
        {"where": "e", "found": "f", "expected": "", "remedy": ""},
    ]


def test_problems_of_an_apps_own_exception_are_its_own_matter():
    class Rejected(Exception):
        problems = ("too small", 3)

    assert "problems" not in events.raised(caught(Rejected()))


def test_an_exception_that_cannot_say_its_message_is_still_an_event():
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    event = events.raised(caught(Mute()))
    assert event["exception"].endswith("Mute")
    assert "RuntimeError" in event["message"]


def test_the_event_of_an_exception_has_its_traceback_with_causes():
    try:
        try:
            1 / 0  # noqa: B018 (it is meant to raise)
        except ZeroDivisionError as error:
            raise ValueError("no ratio") from error
    except ValueError as error:
        event = events.raised(error)
    assert event["exception"] == "ValueError"
    assert event["message"] == "no ratio"
    assert "ZeroDivisionError" in event["traceback"]
    assert __file__ in event["traceback"]


def test_a_log_record_keeps_level_logger_arguments_and_traceback():
    error = caught(KeyError("hub_height"))
    information = (type(error), error, error.__traceback__)
    record = logging.LogRecord("app.wind", logging.ERROR, __file__, 1, "no %s in %s", ("height", "values"), information)
    event = events.of_record(record)
    assert (event["level"], event["logger"], event["message"]) == (logging.ERROR, "app.wind", "no height in values")
    assert "KeyError: 'hub_height'" in event["traceback"]
