"""A call in a child process: where it works, how what it says arrives, how it can end, and what stops it."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from fairlead.adapters.errors import AppExited, AppKilled, AppRaised, Cancelled, Hung, OutputFlooded, TimedOut
from fairlead.adapters.isolation import ChildProcess
from fairlead.adapters.testing import RecordingHost

from .conftest import QUICK, AnsweringHost

if TYPE_CHECKING:
    from fairlead.adapters.events import Event


def printed(host: RecordingHost, stream: str = "stdout") -> list[str]:
    return [event["line"] for event in host.events if event["kind"] == "output" and event["stream"] == stream]


# Where it works, and what it says


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


# How it can end


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


# What stops it


STUBBORN = """
    import os, signal
    def run(payload, workspace):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(os.getpid(), file=open(os.environ["NOTES"] + "/pid", "w"))
        print("ready")
        while True: signal.pause()
"""


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
    with pytest.raises(TimedOut):
        QUICK.run(call(STUBBORN), late_host)
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


def test_a_second_interrupt_while_a_child_is_being_stopped_leaves_nothing(call, notes, watch):
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    def interrupt_twice(_event: Event) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.1)  # the second comes while the first is being obeyed
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            ChildProcess(grace=30).run(call(STUBBORN), AnsweringHost(interrupt_twice))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert watch.ends(watch.pid(notes / "pid"), limit=2)


def test_a_call_that_its_child_does_not_read_is_stopped_all_the_same(call, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 100\n")
    python.chmod(0o755)
    with pytest.raises(TimedOut):
        ChildProcess(python=str(python), grace=0.1).run(
            call("", {"large": "x" * 1_000_000}), RecordingHost(timeout=0.3)
        )


def test_a_child_that_prints_without_end_is_stopped(call):
    with pytest.raises(OutputFlooded, match="1 MiB") as caught:
        ChildProcess(output_limit=1 << 20, grace=0.3).run(
            call("def run(payload, workspace):\n    while True: print('x' * 1000)"), RecordingHost(timeout=20)
        )
    assert not caught.value.retryable
    assert caught.value.tail


def test_an_app_that_logs_without_end_is_a_flood_too(call):
    source = """
    import logging
    def run(payload, workspace):
        while True:
            logging.getLogger(__name__).info("again")
    """
    with pytest.raises(OutputFlooded, match="printed and logged more than"):
        ChildProcess(output_limit=1 << 16, grace=0.1).run(call(source), RecordingHost())


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
