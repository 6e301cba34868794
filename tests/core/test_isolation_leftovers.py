"""What a call in a child process leaves: nothing, whatever it has started and however it ends."""

from __future__ import annotations

import contextlib
import os
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fairlead.adapters.errors import AppExited, AppKilled, AppRaised, InputInvalid, OutputFlooded, TimedOut
from fairlead.adapters.isolation import ChildProcess, process_tree
from fairlead.adapters.isolation.process_tree import marked
from fairlead.adapters.testing import RecordingHost

from .conftest import QUICK, AnsweringHost

if TYPE_CHECKING:
    from fairlead.adapters.events import Event


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
