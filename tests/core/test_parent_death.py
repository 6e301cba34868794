"""The host's own end: whatever becomes of the process that runs an app, nothing of the app lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlead.adapters.isolation import ChildProcess
from fairlead.adapters.perform import perform
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import TwineApp

pytestmark = pytest.mark.slow

HANGING_APP = """
    import os, pathlib, signal, subprocess, sys
    notes = pathlib.Path(os.environ["NOTES"])

    def tell(name, value):
        (notes / (name + ".new")).write_text(f"{value}\\n")
        (notes / (name + ".new")).rename(notes / name)

    def run(analysis):
        script = "trap '' TERM HUP INT; echo $$ >$NOTES/{name}; while :; do sleep 1; done"
        subprocess.Popen(["/bin/sh", "-c", script.format(name="grandchild")])
        subprocess.Popen(["/bin/sh", "-c", script.format(name="escaped")], start_new_session=True)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        tell("folder", os.getcwd())
        tell("app", os.getpid())
        while True:
            signal.pause()
"""
HOST = """
import sys
from fairlead.adapters.cache import ResultCache
from fairlead.adapters.host import LoggingHost
from fairlead.adapters.isolation import ChildProcess
from fairlead.adapters.perform import perform
from fairlead.adapters.twine import TwineApp
perform(TwineApp(sys.argv[1]), {}, LoggingHost(), cache=ResultCache(sys.argv[2]), isolation=ChildProcess(grace=0.2))
"""


@pytest.fixture
def host(make_app: Callable[..., Path], tmp_path: Path, notes: Path, scratch: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that runs an app which never ends and which ignores every request to."""
    app = make_app(HANGING_APP)
    process = subprocess.Popen(
        [sys.executable, "-c", HOST, str(app), str(tmp_path / "cache")],
        env=os.environ | {"TMPDIR": str(scratch)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def running(host, watch, notes, scratch) -> Iterator[None]:
    """Wait until the app and all that it starts are there; afterwards, nothing of it may be."""
    pids = [watch.pid(notes / name) for name in ("app", "grandchild", "escaped")]
    folder = Path(watch.line(notes / "folder"))
    assert folder.is_relative_to(scratch)
    yield
    assert watch.ends(*pids)
    assert watch.until(lambda: not [*scratch.iterdir()])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV])
def test_nothing_lives_on_when_the_host_is_killed(running, host, number):
    os.kill(host.pid, number)
    host.wait(10)
    assert host.returncode == -number


def test_nothing_lives_on_when_the_hosts_whole_group_is_killed(running, host):
    os.killpg(host.pid, signal.SIGKILL)
    host.wait(10)


def test_an_interrupt_stops_the_run_and_is_passed_on(running, host):
    os.kill(host.pid, signal.SIGINT)
    _, complaints = host.communicate(timeout=10)
    assert "KeyboardInterrupt" in complaints


def test_an_interrupt_of_the_whole_group_stops_the_run_and_is_passed_on(running, host):
    os.killpg(host.pid, signal.SIGINT)
    _, complaints = host.communicate(timeout=10)
    assert "KeyboardInterrupt" in complaints


def test_the_log_is_kept_and_nothing_is_cached_when_the_host_is_killed(running, host, tmp_path):
    os.kill(host.pid, signal.SIGKILL)
    host.wait(10)
    assert [path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [".ndjson"]


def test_a_host_that_dies_as_the_app_starts_leaves_nothing(make_app, notes, scratch, tmp_path, watch):
    app = make_app("""
        import os
        def run(analysis):
            os.mkdir(os.environ["NOTES"] + "/has run")
    """)
    dying = """
import os, signal, subprocess
class Dying(subprocess.Popen):
    def __init__(self, command, **options):
        super().__init__(command, **options)
        if "-P" in command:
            print(self.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
subprocess.Popen = Dying
"""
    host = subprocess.run(
        [sys.executable, "-c", dying + HOST, str(app), str(tmp_path / "cache")],
        env=os.environ | {"TMPDIR": str(scratch)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert host.returncode == -signal.SIGKILL
    assert watch.ends(int(host.stdout))
    assert not (notes / "has run").exists()
    assert watch.until(lambda: not [*scratch.iterdir()])


def test_the_guard_itself_ends_with_every_run(make_app, run, watch):
    before = children()
    run(make_app("def run(analysis): pass"))
    assert watch.until(lambda: children() == before)


def test_a_run_that_goes_on_is_not_disturbed_by_the_end_of_another_host(make_app, host, running, cache, notes, watch):
    app = make_app(
        """
        import os, time
        def run(analysis):
            open(os.environ["NOTES"] + "/other", "w").write("here\\n")
            while not os.path.exists(os.environ["NOTES"] + "/go on"):
                time.sleep(0.01)
            analysis.output_values = 1
    """,
        name="other",
    )
    outcomes = []
    isolation = ChildProcess(grace=0.2)
    other = threading.Thread(
        target=lambda: outcomes.append(
            perform(TwineApp(app), {}, RecordingHost(), cache=cache, isolation=isolation).outputs
        )
    )
    other.start()
    watch.line(notes / "other")
    os.kill(host.pid, signal.SIGKILL)
    assert watch.ends(watch.pid(notes / "app"), watch.pid(notes / "escaped"))
    (notes / "go on").touch()
    other.join()
    assert outcomes == [{"output_values": 1}]


def children() -> list[str]:
    found = []
    for task in Path("/proc/self/task").iterdir():
        found += (task / "children").read_text().split()
    return sorted(found)
