"""What holds in every isolation: a call is heard while it runs, and every end of it has a name."""

from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from fairlead.adapters.errors import AppExited, AppRaised, Cancelled, InputInvalid, StorageFailed, TimedOut
from fairlead.adapters.isolation import ChildProcess, InProcess, named
from fairlead.adapters.testing import RecordingHost

from .conftest import QUICK, AnsweringHost

if TYPE_CHECKING:
    from fairlead.adapters.events import Event


@pytest.fixture(params=[QUICK, InProcess()], ids=["process", "thread"])
def either(request: pytest.FixtureRequest) -> ChildProcess | InProcess:
    """Each isolation in turn, for what holds in all of them."""
    return request.param


def logged(host: RecordingHost) -> list[tuple[int, str, str]]:
    return [(event["level"], event["logger"], event["message"]) for event in host.events if event["kind"] == "log"]


@pytest.mark.parametrize(
    "value",
    [None, True, 0, 10**30, 1.5, "\u98a8\ud83d", [], [1, [2]], {"a": {"b": None}}, "x" * 2_000_000],
    ids=lambda v: repr(v)[:20],
)
def test_a_call_gets_its_payload_and_returns_its_value(either, call, value):
    assert either.run(call("def run(payload, workspace): return payload", {"value": value}), RecordingHost()) == {
        "value": value
    }


def test_the_callers_data_are_not_the_calls(either, call):
    payload = {"list": [1]}
    either.run(call("def run(payload, workspace): payload['list'].append(2)", payload), RecordingHost())
    assert payload == {"list": [1]}


def test_events_reach_the_host_in_the_order_in_which_they_are_sent(either, call):
    host = RecordingHost()
    source = """
        from fairlead.adapters import events
        def run(payload, workspace):
            for number in range(500):
                workspace.emit(events.monitor(number))
    """
    either.run(call(source), host)
    assert [event["data"] for event in host.events] == [*range(500)]


def test_events_of_many_threads_arrive_whole(either, call):
    host = RecordingHost()
    source = """
        from concurrent.futures import ThreadPoolExecutor
        from fairlead.adapters import events
        def run(payload, workspace):
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda n: workspace.emit(events.monitor([n] * 10_000)), range(100)))
    """
    either.run(call(source), host)
    assert sorted(event["data"] for event in host.events) == [[number] * 10_000 for number in range(100)]


def test_log_records_keep_level_logger_and_traceback(either, call, caplog):
    caplog.set_level(logging.INFO)  # a child listens from INFO on; in a thread, the process decides
    host = RecordingHost()
    source = """
        import logging
        def run(payload, workspace):
            logging.getLogger("wind.rose").warning("%d sectors", 12)
            logging.info("plain")
            try:
                1 / 0
            except ZeroDivisionError:
                logging.getLogger("wind").exception("no ratio")
    """
    either.run(call(source), host)
    assert logged(host) == [
        (logging.WARNING, "wind.rose", "12 sectors"),
        (logging.INFO, "root", "plain"),
        (logging.ERROR, "wind", "no ratio"),
    ]
    assert "ZeroDivisionError" in host.events[2]["traceback"]


def test_a_broken_log_call_stops_nothing(either, call, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own raise
    source = """
        import logging
        def run(payload, workspace):
            logging.warning("%d sectors", "twelve")
            return 1
    """
    assert either.run(call(source), RecordingHost()) == 1


def test_an_exception_is_told_by_name_message_and_traceback_from_the_apps_first_line_on(either, call):
    source = """
        def run(payload, workspace):
            try:
                {}["hub_height"]
            except KeyError as error:
                raise ValueError("no height") from error
    """
    with pytest.raises(AppRaised, match="The app raised ValueError: no height") as caught:
        either.run(call(source), RecordingHost())
    assert caught.value.exception == "ValueError"
    assert "KeyError: 'hub_height'" in caught.value.traceback
    assert "raise ValueError" in caught.value.traceback
    assert "fairlead/adapters" not in caught.value.traceback.split("ValueError: no height")[0].split("direct cause")[-1]
    assert caught.value.retryable


@pytest.mark.parametrize(
    "definition",
    [
        "problems = ['a']",
        "problems = 3",
        "def __str__(self): raise RuntimeError",
        "def __reduce__(self): raise RuntimeError",
        "def __init__(self, a=None, *, b=1): pass",
    ],
)
def test_an_exception_of_any_shape_is_the_apps_exception(either, call, definition):
    source = f"class OutputInvalid(Exception):\n    {definition}\ndef run(payload, workspace): raise OutputInvalid"
    with pytest.raises(AppRaised) as caught:
        either.run(call(source), RecordingHost())
    assert caught.value.exception == "app.OutputInvalid"


def test_an_exception_without_a_message_is_told_by_its_name(either, call):
    with pytest.raises(AppRaised) as caught:
        either.run(call("def run(payload, workspace): raise MemoryError"), RecordingHost())
    assert caught.value.message == "The app raised MemoryError"


def test_a_contract_error_is_raised_as_it_was(either, call):
    source = """
        from fairlead.adapters.errors import InputInvalid, Problem
        def run(payload, workspace):
            raise InputInvalid([Problem("a", "b", "c", "d"), Problem("e", "f")])
    """
    with pytest.raises(InputInvalid) as caught:
        either.run(call(source), RecordingHost())
    assert [vars(problem) for problem in caught.value.problems] == [
        {"where": "a", "found": "b", "expected": "c", "remedy": "d"},
        {"where": "e", "found": "f", "expected": "", "remedy": ""},
    ]


def test_a_store_that_fails_is_not_the_apps_failure(either, call):
    source = """
        from fairlead.adapters import storage
        def run(payload, workspace):
            storage.read_bytes("windbag://host/file")
    """
    with pytest.raises(StorageFailed, match="windbag"):
        either.run(call(source), RecordingHost())


@pytest.mark.parametrize(("argument", "code"), [("", 0), ("None", 0), ("0", 0), ("3", 3), ("'bad wind'", 1)])
def test_an_app_that_calls_sys_exit_has_exited(either, call, argument, code):
    with pytest.raises(AppExited) as caught:
        either.run(call(f"import sys\ndef run(payload, workspace): sys.exit({argument})"), RecordingHost())
    assert caught.value.code == code
    assert "Return" in caught.value.remedy


def test_a_run_that_is_late_already_is_late(either, call):
    with pytest.raises(TimedOut):
        either.run(call("def run(payload, workspace): 1 / 0"), RecordingHost(timeout=-1))


@pytest.mark.parametrize("handler", ["raise", "pass", "raise RuntimeError('wrapped')"])
def test_a_cancelled_run_is_cancelled_whatever_the_app_makes_of_it(either, call, handler):
    source = f"""
        import logging
        def run(payload, workspace):
            try:
                for _ in range(100_000):
                    logging.error("working")
            except Exception:
                {handler}
    """
    host = AnsweringHost(lambda event: host.cancel())
    with pytest.raises(Cancelled) as caught:
        either.run(call(source), host)
    assert not caught.value.retryable


def test_what_the_host_raises_ends_the_run_and_is_not_the_apps_failure(either, call):
    class Interrupted(Exception):
        pass

    def interrupt(event: Event) -> None:
        raise Interrupted

    source = """
        import logging
        def run(payload, workspace):
            for _ in range(100_000):
                logging.error("working")
    """
    with pytest.raises(Interrupted):
        either.run(call(source), AnsweringHost(interrupt))


def test_calls_at_the_same_time_speak_to_their_own_hosts(either, call):
    source = """
        import logging
        from fairlead.adapters import events
        def run(payload, workspace):
            for number in range(50):
                logging.error("%s", payload["name"])
                workspace.emit(events.monitor(payload["name"]))
            return payload["name"]
    """
    calls = [call(source, {"name": name}) for name in "abc"]
    hosts = [RecordingHost() for _ in calls]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(either.run, calls, hosts)) == ["a", "b", "c"]
    for name, host in zip("abc", hosts, strict=True):
        assert {event.get("message", event.get("data")) for event in host.events} == {name}
        assert len(host.events) == 100


def test_isolations_are_chosen_by_name():
    assert named("process").name == "process"
    assert named("thread").name == "thread"
    with pytest.raises(InputInvalid, match=r"'container'.*process, thread"):
        named("container")


WRONG_LIMITS = [0, -1, math.nan, True, "60"]


@pytest.mark.parametrize("name", ["process", "thread"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"on_silence": "ignore"},
        *({"silence_limit": limit} for limit in WRONG_LIMITS),
        *({"output_limit": limit} for limit in WRONG_LIMITS),
    ],
)
def test_limits_that_are_none_are_told_by_name(name, wrong):
    with pytest.raises(InputInvalid) as caught:
        named(name, **wrong)
    assert [problem.where for problem in caught.value.problems] == [*wrong]
    with pytest.raises(InputInvalid):
        ChildProcess(**wrong)
