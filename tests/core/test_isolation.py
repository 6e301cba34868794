"""Isolation: a call is heard while it runs, every end of it has a name, and nothing of it is left."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.adapters.errors import (
    AppExited,
    AppKilled,
    AppRaised,
    Cancelled,
    Hung,
    InputInvalid,
    OutputFlooded,
    StorageFailed,
    TimedOut,
)
from fairlead.adapters.isolation import Call, ChildProcess, InProcess, named, process_tree
from fairlead.adapters.isolation.process_tree import marked
from fairlead.adapters.testing import RecordingHost

if TYPE_CHECKING:
    from fairlead.adapters.events import Event

MakeCall = Callable[..., Call]
QUICK = ChildProcess(grace=0.3)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeCall:
    """Make a call of ``run(payload, workspace)`` in an app that is nothing else, with other modules by name."""
    entry = tmp_path / "entry"
    entry.mkdir()
    (entry / "test_entry.py").write_text(
        "def run(payload, workspace):\n    return workspace.load('app').run(payload, workspace)\n"
    )
    monkeypatch.syspath_prepend(str(entry))
    monkeypatch.setenv("PYTHONPATH", str(entry), prepend=os.pathsep)

    def make(source: str, payload: Mapping[str, Any] | None = None, **modules: str) -> Call:
        number = len([*tmp_path.glob("source-*")])
        folder, directory = tmp_path / f"source-{number}", tmp_path / f"directory-{number}"
        folder.mkdir()
        directory.mkdir()
        for name, text in {"app": source, **modules}.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(text))
        return Call("test_entry:run", payload or {}, str(directory), (str(folder),))

    return make


@pytest.fixture(params=[ChildProcess(grace=0.3), InProcess()], ids=["process", "thread"])
def either(request: pytest.FixtureRequest) -> ChildProcess | InProcess:
    """Each isolation in turn, for what holds in all of them."""
    return request.param


class AnsweringHost(RecordingHost):
    """A host that does something when it hears something."""

    def __init__(self, answer: Callable[[Event], object], **options: Any) -> None:
        super().__init__(**options)
        self._answer = answer

    def emit(self, event: Event) -> None:
        super().emit(event)
        self._answer(event)


def printed(host: RecordingHost, stream: str = "stdout") -> list[str]:
    return [event["line"] for event in host.events if event["kind"] == "output" and event["stream"] == stream]


def logged(host: RecordingHost) -> list[tuple[int, str, str]]:
    return [(event["level"], event["logger"], event["message"]) for event in host.events if event["kind"] == "log"]


# What holds everywhere


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


# In this process


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
    assert [message for _, _, message in logged(host)] == ["own"]


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


# In a child process


def test_the_child_works_in_the_calls_folder_with_the_hosts_environment(call, monkeypatch):
    monkeypatch.setenv("GRID_API_KEY", "from the host")
    source = """
        import os, sys, tempfile
        def run(payload, workspace):
            return [os.getcwd(), workspace.directory, os.environ["GRID_API_KEY"], sys.stdin.read(), sys.argv,
                    tempfile.mkdtemp(), os.getpgid(0) == os.getpid(), os.readlink("/proc/self/fd/0")]
    """
    made = call(source)
    folder, directory, key, typed, arguments, temporary, leads, stdin = QUICK.run(made, RecordingHost())
    assert folder == directory == made.directory
    assert key == "from the host"
    assert (typed, stdin) == ("", "/dev/null")
    assert arguments == ["fairlead"]
    assert temporary.startswith(made.directory)
    assert leads


@pytest.mark.parametrize(
    "say",
    [
        "print('now')",
        "print('now', file=sys.stderr)",
        "logging.info('now')",
        "os.write(1, b'now\\n')",
        "subprocess.run(['echo', 'now'])",
        "workspace.emit(events.monitor('now'))",
        "workspace.emit(events.progress(0.5, 'now'))",
    ],
)
def test_what_the_child_says_arrives_while_it_runs(call, notes, say):
    source = f"""
        import logging, os, subprocess, sys, time
        from fairlead.adapters import events
        def run(payload, workspace):
            {say}
            end = time.monotonic() + 10
            while not os.path.exists(os.environ["NOTES"] + "/heard"):
                assert time.monotonic() < end, "was not heard"
    """
    QUICK.run(call(source), AnsweringHost(lambda event: "now" in str(event) and (notes / "heard").touch()))
    assert (notes / "heard").exists()


def test_lines_of_each_stream_arrive_in_order(call):
    source = """
        import sys
        def run(payload, workspace):
            for number in range(3000):
                print(number)
                print(number, file=sys.stderr)
    """
    host = RecordingHost()
    QUICK.run(call(source), host)
    assert printed(host) == printed(host, "stderr") == [str(number) for number in range(3000)]


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (b"", []),
        (b"one", ["one"]),
        (b"one\n\ntwo\n", ["one", "", "two"]),
        (b"10%\r50%\r100%\n", ["100%"]),
        (b"10%\r50%\r100%\rdone\r\n", ["done"]),
        (b"windows\r\n", ["windows"]),
        (b"bad \xff\xfe bytes\n", ["bad \ufffd\ufffd bytes"]),
        ("\u98a8\U0001f32c\n".encode(), ["\u98a8\U0001f32c"]),
        (b"nul \0 here\n", ["nul \0 here"]),
        (b"a\x0bb\x0cc\xe2\x80\xa8d\n", ["a\x0bb\x0cc\u2028d"]),
    ],
)
def test_every_kind_of_line_is_passed_on(call, written, lines):
    host = RecordingHost()
    QUICK.run(call(f"import os\ndef run(payload, workspace): os.write(1, {written!r})"), host)
    assert printed(host) == lines


@pytest.mark.parametrize("letter", ["x", "\u98a8"])
def test_a_line_of_a_megabyte_is_passed_on_in_pieces(call, letter):
    host = RecordingHost()
    count = 1_000_000 // len(letter.encode())
    QUICK.run(call(f"def run(payload, workspace): print({letter!r} * {count}); print('end')"), host)
    *pieces, end = printed(host)
    assert "".join(pieces) == letter * count
    assert end == "end"
    assert max(len(piece) for piece in pieces) < 100_000


def test_what_is_not_an_event_on_the_events_channel_is_shown(call):
    host = RecordingHost()
    source = """
        import os
        def run(payload, workspace):
            for line in (b'{"fairlead": 1, "kind": "log"}', b"plain", b"\\xff", b'{"fairlead": 1, "kind": []}'):
                os.write(workspace._channel, line + b"\\n")
            os.write(workspace._channel, b'{"fairlead": 9, "kind": "hologram"}\\n')
            return 1
    """
    assert QUICK.run(call(source), host) == 1
    assert len(printed(host, "stderr")) == 4
    assert [event["kind"] for event in host.events if event["kind"] != "output"] == ["hologram"]


# How a child can end


@pytest.mark.parametrize("code", [0, 3, 255])
def test_a_child_that_leaves_has_exited_with_its_last_lines(call, code):
    source = f"""
        import os
        def run(payload, workspace):
            for number in range(100):
                print("step", number)
            os._exit({code})
    """
    with pytest.raises(AppExited) as caught:
        QUICK.run(call(source), RecordingHost())
    assert caught.value.code == code
    assert caught.value.tail == tuple(f"step {number}" for number in range(80, 100))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGRTMIN])
def test_a_child_that_is_killed_is_told_by_the_signal(call, number):
    source = f"""
        import os
        def run(payload, workspace):
            print("started")
            os.kill(os.getpid(), {int(number)})
            while True: pass
    """
    with pytest.raises(AppKilled, match=number.name) as caught:
        QUICK.run(call(source), RecordingHost(timeout=10))
    assert caught.value.signal == number
    assert caught.value.tail[0] == "started"
    assert caught.value.remedy


def test_a_crash_of_compiled_code_shows_its_stack_in_the_last_lines(call):
    source = "import ctypes\ndef read_weather(): ctypes.string_at(0)\ndef run(payload, workspace): read_weather()"
    with pytest.raises(AppKilled) as caught:
        QUICK.run(call(source), RecordingHost())
    assert caught.value.signal == signal.SIGSEGV
    assert any("read_weather" in line for line in caught.value.tail)


def test_an_exception_without_a_message_is_told_by_its_name(either, call):
    with pytest.raises(AppRaised) as caught:
        either.run(call("def run(payload, workspace): raise MemoryError"), RecordingHost())
    assert caught.value.message == "The app raised MemoryError"


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


def test_a_long_last_line_is_shortened(call):
    with pytest.raises(AppRaised) as caught:
        QUICK.run(call("def run(payload, workspace): print('x' * 100_000); 1 / 0"), RecordingHost())
    assert all(len(line) < 500 for line in caught.value.tail)


def test_an_interrupt_raised_by_the_app_is_its_exception(call):
    with pytest.raises(AppRaised, match="KeyboardInterrupt"):
        QUICK.run(call("def run(payload, workspace): raise KeyboardInterrupt"), RecordingHost())


def test_a_crash_after_the_return_costs_nothing(call):
    source = "import atexit, os\ndef run(payload, workspace):\n    atexit.register(os.abort)\n    return 1"
    assert QUICK.run(call(source), RecordingHost()) == 1


def test_a_child_that_cannot_import_fairlead_says_so(call, tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E "$@"\n')
    python.chmod(0o755)
    with pytest.raises(AppExited) as caught:
        ChildProcess(python=str(python)).run(call("def run(payload, workspace): pass"), RecordingHost())
    assert "fairlead" in caught.value.tail[-1]


# Limits


def test_a_child_that_is_late_may_tidy_up_before_it_is_killed(call, notes, late_host):
    source = """
        import os, signal, sys
        def tidy(*_):
            open(os.environ["NOTES"] + "/tidied", "w").close()
            sys.exit(1)
        def run(payload, workspace):
            signal.signal(signal.SIGTERM, tidy)
            print("ready")
            while True: signal.pause()
    """
    with pytest.raises(TimedOut, match="limit"):
        ChildProcess(grace=10).run(call(source), late_host)
    assert (notes / "tidied").exists()


def test_a_child_that_ignores_being_asked_is_killed(call, notes, watch, late_host):
    source = """
        import os, signal
        def run(payload, workspace):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print(os.getpid(), file=open(os.environ["NOTES"] + "/pid", "w"))
            print("ready")
            while True: signal.pause()
    """
    with pytest.raises(TimedOut):
        QUICK.run(call(source), late_host)
    assert not watch.runs(watch.pid(notes / "pid"))


def test_a_child_is_stopped_when_the_run_is_cancelled(call, notes, watch):
    source = """
        import os, time
        def run(payload, workspace):
            print(os.getpid(), file=open(os.environ["NOTES"] + "/pid", "w"))
            print("ready")
            time.sleep(100)
    """
    host = AnsweringHost(lambda event: threading.Thread(target=host.cancel).start())
    with pytest.raises(Cancelled):
        QUICK.run(call(source), host)
    assert not watch.runs(watch.pid(notes / "pid"))


def test_a_child_that_prints_without_end_is_stopped(call):
    with pytest.raises(OutputFlooded, match="1 MiB") as caught:
        ChildProcess(output_limit=1 << 20, grace=0.3).run(
            call("def run(payload, workspace):\n    while True: print('x' * 1000)"), RecordingHost(timeout=20)
        )
    assert not caught.value.retryable
    assert caught.value.tail


def test_a_child_may_print_as_much_as_it_likes_if_the_limit_is_none(call):
    source = "def run(payload, workspace):\n    for _ in range(40): print('x' * (1 << 20))\n    return 1"
    assert ChildProcess(output_limit=None).run(call(source), RecordingHost()) == 1


def test_a_silent_child_is_reported(call):
    host = RecordingHost()
    source = "import time\ndef run(payload, workspace):\n    time.sleep(0.6)\n    return 1"
    assert ChildProcess(silence_limit=0.2).run(call(source), host) == 1
    assert any("may hang" in message for level, _, message in host.lines if level == logging.WARNING)


def test_a_silent_child_is_stopped_if_so_asked(call):
    isolation = ChildProcess(silence_limit=0.5, on_silence="stop", grace=0.3)
    with pytest.raises(Hung, match=r"0\.5 s"):
        isolation.run(call("import time\ndef run(payload, workspace): time.sleep(100)"), RecordingHost())


@pytest.mark.slow
def test_a_child_that_gives_signs_of_life_is_not_silent(call):
    source = """
        import time
        from fairlead.adapters import events
        def run(payload, workspace):
            for _ in range(10):
                time.sleep(0.2)
                workspace.emit(events.heartbeat())
            return 1
    """
    assert ChildProcess(silence_limit=1.5, on_silence="stop").run(call(source), RecordingHost()) == 1


# What a child leaves


def test_threads_that_an_app_leaves_behind_are_stopped_and_told(call):
    host = RecordingHost()
    source = """
        import threading, time
        def run(payload, workspace):
            threading.Thread(target=time.sleep, args=(100,)).start()
            return 1
    """
    assert QUICK.run(call(source), host) == 1
    assert any("left threads" in message for _, _, message in host.lines)


LEAVE = """
    import os, subprocess, sys, time
    def start(script, **options):
        note = os.environ["NOTES"] + "/pid"
        process = subprocess.Popen(["/bin/sh", "-c", f"{script}echo $$ >{note}; while :; do sleep 1; done"], **options)
        while not (os.path.exists(note) and os.path.getsize(note)):
            assert process.poll() is None
            time.sleep(0.001)
"""
LEFT = {
    "a process": "start('')",
    "one that ignores SIGTERM": "start('trap \"\" TERM; ')",
    "one in a group of its own": "start('', process_group=0)",
    "one in a session of its own": "start('', start_new_session=True)",
    "one in a session of its own that ignores SIGTERM": "start('trap \"\" TERM HUP; ', start_new_session=True)",
    "one with streams of its own": "start('exec >/dev/null 2>&1 </dev/null; ', start_new_session=True)",
}
ENDS = {
    "returns": "return 1",
    "raises": "raise ValueError('no wind')",
    "exits": "os._exit(3)",
    "is killed": "os.kill(os.getpid(), 9)",
    "is late": "print('ready'); time.sleep(100)",
    "floods": "while True: print('x' * 10_000)",
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("left", LEFT)
def test_no_process_of_a_run_lives_on(call, notes, watch, late_host, left, end):
    source = f"{LEAVE}\n    def run(payload, workspace):\n        {LEFT[left]}\n        {ENDS[end]}\n"
    host = late_host if end == "is late" else RecordingHost()
    isolation = ChildProcess(grace=0.1, output_limit=1 << 16)
    with contextlib.suppress(AppRaised, AppExited, AppKilled, TimedOut, OutputFlooded):
        isolation.run(call(source), host)
    assert watch.ends(watch.pid(notes / "pid"), limit=2)


def test_no_process_lives_on_when_the_host_raises_just_as_the_run_ends(call, notes, watch):
    class Interrupted(Exception):
        pass

    def wait_for_the_end(event: Event) -> None:
        if event["kind"] == "output":
            assert watch.ends(int(event["line"]))
            raise Interrupted

    source = f"{LEAVE}\n    def run(payload, workspace):\n        {LEFT['a process']}\n        print(os.getpid())\n"
    with pytest.raises(Interrupted):
        QUICK.run(call(source), AnsweringHost(wait_for_the_end))
    assert watch.ends(watch.pid(notes / "pid"), limit=2)


def test_a_process_that_hands_over_to_another_while_it_is_looked_for_does_not_escape(call, notes, watch, monkeypatch):
    source = """
        import os, subprocess, time
        def run(payload, workspace):
            notes = os.environ["NOTES"]
            second = f"echo $$ >{notes}/second; while :; do sleep 1; done"
            first = f"echo $$ >{notes}/first; while [ ! -e {notes}/go ]; do :; done; setsid sh -c '{second}' & exit"
            subprocess.Popen(["/bin/sh", "-c", first], start_new_session=True)
            while not os.path.exists(notes + "/first"):
                time.sleep(0.001)
            return 1
    """

    def let_it_hand_over(mark: str, *, above: int = 0) -> list[int]:
        monkeypatch.setattr(process_tree, "marked", marked)
        found = marked(mark, above=above)
        (notes / "go").touch()
        assert watch.ends(watch.pid(notes / "first"))
        assert watch.runs(watch.pid(notes / "second"))
        return found

    monkeypatch.setattr(process_tree, "marked", let_it_hand_over)
    assert QUICK.run(call(source), RecordingHost()) == 1
    assert watch.ends(watch.pid(notes / "second"), limit=2)


@pytest.mark.slow
def test_who_escapes_without_a_mark_does_not_hold_the_run_up(call, notes, watch):
    source = """
        import os, subprocess
        def run(payload, workspace):
            note = os.environ["NOTES"] + "/pid"
            script, bare = f"echo $$ >{note}; exec yes", {"PATH": "/bin:/usr/bin"}
            subprocess.Popen(["/bin/sh", "-c", script], env=bare, start_new_session=True)
            while not (os.path.exists(note) and os.path.getsize(note)): pass
            return 1
    """
    assert ChildProcess(output_limit=None).run(call(source), RecordingHost(timeout=20)) == 1
    assert watch.ends(watch.pid(notes / "pid"))  # nobody reads what it writes any more


def test_a_run_below_a_run_ends_with_it(call, notes, watch, late_host):
    inner = f"""{LEAVE}
    def run(payload, workspace):
        {LEFT["one in a session of its own"]}
        print(os.getpid(), file=open(os.environ["NOTES"] + "/inner", "w"))
        print("ready")
        time.sleep(100)
    """
    outer = """
        import os, pathlib, signal, tempfile, threading
        from fairlead.adapters.isolation import Call, ChildProcess
        from fairlead.adapters.testing import RecordingHost
        def run(payload, workspace):
            def stop_the_guard_and_tell(event):
                for pid in pathlib.Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split():
                    if pathlib.Path(f"/proc/{pid}/comm").read_text() == "sh\\n":
                        os.kill(int(pid), signal.SIGSTOP)  # nobody is left but who ends the outer run
                        print(pid, file=open(os.environ["NOTES"] + "/guard", "w"))
                workspace.emit(event)
            host = RecordingHost()
            host.emit = stop_the_guard_and_tell
            ChildProcess().run(Call("inner:run", {}, tempfile.mkdtemp(), (payload["folder"],)), host)
    """
    source = call(inner, inner=textwrap.dedent(inner)).roots[0]
    with pytest.raises(TimedOut):
        QUICK.run(call(outer, {"folder": source}), late_host)
    assert watch.ends(*(watch.pid(notes / name) for name in ("inner", "pid", "guard")), limit=2)


def test_a_second_interrupt_while_a_child_is_being_stopped_leaves_nothing(call, notes, watch):
    source = """
        import os, signal
        def run(payload, workspace):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print(os.getpid(), file=open(os.environ["NOTES"] + "/pid", "w"))
            print("ready")
            while True: signal.pause()
    """

    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    def interrupt_twice(_event: Event) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.1)  # the second comes while the first is being obeyed
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            ChildProcess(grace=30).run(call(source), AnsweringHost(interrupt_twice))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert watch.ends(watch.pid(notes / "pid"), limit=2)


def test_a_forked_copy_of_the_app_that_comes_back_as_well_does_not_speak_for_the_run(call):
    source = """
    import os
    def run(payload, workspace):
        forked = os.fork()
        if forked:
            os.waitpid(forked, 0)
        return "app" if forked else "copy"
    """
    assert QUICK.run(call(source), RecordingHost()) == "app"


def test_a_call_that_its_child_does_not_read_is_stopped_all_the_same(call, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 100\n")
    python.chmod(0o755)
    with pytest.raises(TimedOut):
        ChildProcess(python=str(python), grace=0.1).run(
            call("", {"large": "x" * 1_000_000}), RecordingHost(timeout=0.3)
        )


def test_an_app_that_logs_without_end_is_a_flood_too(call):
    source = """
    import logging
    def run(payload, workspace):
        while True:
            logging.getLogger(__name__).info("again")
    """
    with pytest.raises(OutputFlooded, match="printed and logged more than"):
        ChildProcess(output_limit=1 << 16, grace=0.1).run(call(source), RecordingHost())


def test_a_run_leaves_no_descriptor_and_no_process_of_its_own(call):
    def held() -> tuple[int, str]:
        children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()
        return len([*Path("/proc/self/fd").iterdir()]), children

    QUICK.run(call("def run(payload, workspace): pass"), RecordingHost())
    before = held()
    QUICK.run(call("def run(payload, workspace): print('x')"), RecordingHost())
    for source in ("def run(payload, workspace): 1 / 0", "import os\ndef run(payload, workspace): os.abort()"):
        with pytest.raises((AppRaised, AppKilled)):
            QUICK.run(call(source), RecordingHost())
    with pytest.raises(InputInvalid, match="/nowhere/python cannot be run: No such file"):
        ChildProcess(python="/nowhere/python").run(call(""), RecordingHost())
    assert held() == before


def test_what_the_host_has_open_is_not_the_apps(call, tmp_path):
    source = "import os\ndef run(payload, workspace): return os.popen('ls -l /proc/self/fd').read()"
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)  # noqa: FBT003 (takes no keyword)
        assert "secret" not in QUICK.run(call(source), RecordingHost())


def test_the_line_to_the_host_is_not_passed_on_to_programs_that_the_app_starts(call):
    source = """
        import os, subprocess
        def run(payload, workspace):
            channel = os.readlink(f"/proc/self/fd/{workspace._channel}")
            listed = subprocess.run(["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True).stdout
            return [channel, listed.decode()]
    """
    channel, listed = QUICK.run(call(source), RecordingHost())
    assert channel.startswith("pipe:")
    assert channel not in listed
