"""A call in a thread of this process: it ends at its next event, and the process stays its own."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING

import pytest

from fairlead.adapters.errors import AppRaised, Cancelled, TimedOut
from fairlead.adapters.isolation import InProcess
from fairlead.adapters.testing import RecordingHost

from .conftest import AnsweringHost

if TYPE_CHECKING:
    from fairlead.adapters.events import Event


def test_in_a_thread_time_is_up_at_the_next_event(call):
    source = """
        import logging, time
        def run(payload, workspace):
            while True:
                logging.error("working")
    """
    with pytest.raises(TimedOut, match="child process"):
        InProcess().run(call(source), RecordingHost(timeout=0.05))


def test_in_a_thread_time_is_up_when_the_call_returns_too_late(call):
    source = """
        import time
        def run(payload, workspace):
            end = time.monotonic() + 0.1
            while time.monotonic() < end: pass
    """
    with pytest.raises(TimedOut):
        InProcess().run(call(source), RecordingHost(timeout=0.05))


def test_what_an_app_makes_of_its_cancellation_is_the_cancellation(call):
    source = """
        def run(payload, workspace):
            try:
                payload["a"]
            except KeyError as error:
                raise RuntimeError("stopped in the midst") from error
    """

    class CancelledMeanwhile(RecordingHost):
        asked = 0

        def cancelled(self) -> bool:
            self.asked += 1
            return self.asked > 1

    with pytest.raises(Cancelled):
        InProcess().run(call(source), CancelledMeanwhile())


def test_in_a_thread_other_peoples_logs_are_not_the_calls(call):
    host = RecordingHost()
    speaking, heard = threading.Event(), threading.Event()

    def speak() -> None:
        speaking.wait(10)
        logging.getLogger("somebody").error("else")
        heard.set()

    def answer(_event: Event) -> None:
        speaking.set()
        assert heard.wait(10)
        logging.getLogger("host").error("mine")

    host = AnsweringHost(answer)
    other = threading.Thread(target=speak)
    other.start()
    InProcess().run(call("import logging\ndef run(payload, workspace): logging.error('own')"), host)
    other.join()
    assert [event["message"] for event in host.events if event["kind"] == "log"] == ["own"]


def test_in_a_thread_the_hosts_logging_stays_as_it_is(call, caplog):
    root = logging.getLogger()
    before = [*root.handlers], root.level
    with contextlib.suppress(AppRaised):
        InProcess().run(call("def run(payload, workspace): 1 / 0"), RecordingHost())
    InProcess().run(
        call("import logging\ndef run(payload, workspace): logging.getLogger('app').error('too')"), RecordingHost()
    )
    assert ([*root.handlers], root.level) == before
    assert "too" in caplog.text  # also where the host's own handlers write


def test_in_a_thread_what_is_left_of_a_call_speaks_for_nobody(call, monkeypatch):
    # What is not the app's own is shared, so an app finds there what a test leaves there.
    meeting = threading.Event()
    monkeypatch.setattr(threading, "meeting", meeting, raising=False)
    monkeypatch.setattr(threading, "left", None, raising=False)
    host = RecordingHost()
    source = """
        import threading
        from fairlead.adapters import events
        def run(payload, workspace):
            def speak():
                threading.meeting.wait(10)
                workspace.emit(events.monitor("late"))
            threading.left = threading.Thread(target=speak)
            threading.left.start()
    """
    InProcess().run(call(source), host)
    meeting.set()
    threading.left.join()  # type: ignore[attr-defined]
    assert host.events == []
