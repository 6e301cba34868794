"""Apps that are written where a test can see them, and what is needed to run them and to see what is left of them."""

from __future__ import annotations

import http.server
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from fairlead.adapters import storage
from fairlead.adapters.cache import ResultCache
from fairlead.adapters.diagnostics import Diagnostics
from fairlead.adapters.isolation import Call, ChildProcess, named
from fairlead.adapters.perform import Outcome, perform
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import TwineApp
from fairlead.adapters.unit import Unit
from fairlead.adapters.workflow import Workflow
from fairlead.adapters.workflow import run as run_workflow

if TYPE_CHECKING:
    from fairlead.adapters.events import Event

# A machine that is busy with other tests is no reason to fail.
settings.register_profile("core", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("core")

LIMIT = 10.0
"""Seconds after which something that a test waits for is held not to happen."""
ANYTHING: dict[str, Any] = {"input_values_schema": {"optional": True}, "output_values_schema": {}}
"""A contract that allows any values."""
FAIRLEAD = Path(sys.executable).parent / "fairlead"
"""The command."""
QUICK = ChildProcess(grace=0.3)
"""A child process that is soon killed, if it does not end when it is asked to."""


class Note:
    """What tasks have noted in a file, one word each."""

    def __init__(self, path: Path) -> None:
        """Take the file, which need not be there."""
        self.path = path

    def taken(self) -> list[str]:
        """Return the words that were noted since it was last asked."""
        words = self.path.read_text().split() if self.path.exists() else []
        self.path.write_text("")
        return words


Command = Callable[..., subprocess.CompletedProcess[str]]
MakeApp = Callable[..., Path]
MakeCall = Callable[..., Call]
Run = Callable[..., Outcome]
Cached = Callable[..., tuple[dict[str, Any], list[str]]]
Study = Callable[..., ModuleType]


def case_of(value: object) -> str:
    """Name a case by its value; the same in every process, as an address in memory is not."""
    return re.sub(r" at 0x\w+", "", repr(value))


@pytest.fixture(autouse=True, scope="session")
def signals() -> None:
    """Let no test inherit that signals are ignored, as they are in what a shell starts in the background."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which runs make theirs, so that a test sees what they leave."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.delenv("FAIRLEAD_CACHE", raising=False)
    return folder


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that apps find as ``os.environ["NOTES"]``, for what they tell the test past fairlead."""
    folder = tmp_path / "notes"
    folder.mkdir()
    monkeypatch.setenv("NOTES", str(folder))
    return folder


@pytest.fixture
def make_app(tmp_path: Path) -> MakeApp:
    """Write an app: its ``app.py``, its twine (JSON text or data), and other files by name."""

    def make(
        source: str,
        twine: Mapping[str, Any] | str = ANYTHING,
        files: Mapping[str, str | bytes] | None = None,
        name: str = "app",
    ) -> Path:
        folder = tmp_path / "apps" / name
        text = twine if isinstance(twine, str) else json.dumps(twine)
        for path, content in {"app.py": source, "twine.json": text, **(files or {})}.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        return folder

    return make


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


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Put a folder on a web server of its own, and return its address."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(folder: Path) -> str:
        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(folder))

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def cache(tmp_path: Path) -> ResultCache:
    return ResultCache(tmp_path / "cache")


@pytest.fixture
def memory() -> Iterator[str]:
    """An empty place for files in a store that only fsspec reaches."""
    location = f"memory://{uuid.uuid4().hex}"
    yield location
    storage.remove(location)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset on this machine: two files, one in a folder."""
    folder = tmp_path / "ds"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.csv").write_text("a")
    (folder / "inner" / "b.csv").write_text("bb")
    return folder


@pytest.fixture(params=["folder", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path, memory: str) -> str:
    """An empty place for files: on this machine, and in a store that only fsspec reaches."""
    return memory if request.param == "memory" else str(tmp_path / "root")


@pytest.fixture
def run(cache: ResultCache) -> Run:
    """Perform an app: ``run(folder, isolation="thread", input_values=…)``."""

    def run_app(
        app: Path | Unit,
        *,
        isolation: Any = "process",
        host: RecordingHost | None = None,
        refresh: bool = False,
        diagnostics: Diagnostics | None = None,
        **inputs: Any,
    ) -> Outcome:
        return perform(
            TwineApp(app) if isinstance(app, str | os.PathLike) else app,
            inputs,
            host or RecordingHost(),
            cache=cache,
            isolation=named(isolation) if isinstance(isolation, str) else isolation,
            refresh=refresh,
            diagnostics=diagnostics,
        )

    return run_app


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The variables of the command's process, in which it finds a cache of its own and no other settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FAIRLEAD", "FORCE_COLOR"))}
    return kept | {"FAIRLEAD_CACHE": str(tmp_path / "cache"), "TERM": "xterm-256color", "COLUMNS": "100"}


@pytest.fixture
def fairlead(environment: dict[str, str], tmp_path: Path) -> Command:
    """Run the command to its end."""

    def call(*arguments: object, stdin: str = "", cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        command = [str(word) for word in (FAIRLEAD, *arguments)]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, env=environment, cwd=cwd, timeout=60
        )

    return call


def on_a_terminal(environment, folder: Path, *arguments: object) -> tuple[str, str]:
    """Run the command with a terminal for its standard error; returns what that shows, and standard output."""
    master, slave = os.openpty()
    command = [str(word) for word in (FAIRLEAD, *arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=slave, env=environment, cwd=folder) as process:
        os.close(slave)
        shown = b""
        with suppress(OSError):  # a terminal whose last writer has gone
            while part := os.read(master, 1 << 16):
                shown += part
        assert process.stdout
        result = process.stdout.read().decode()
    os.close(master)
    return shown.decode(), result


class AnsweringHost(RecordingHost):
    """A host that does something when it hears something."""

    def __init__(self, answer: Callable[[Event], object], **options: Any) -> None:
        super().__init__(**options)
        self._answer = answer

    def emit(self, event: Event) -> None:
        super().emit(event)
        self._answer(event)


class LateHost(RecordingHost):
    """A host whose time is up when the run first says something, so that it has come as far as that."""

    def emit(self, event: Event) -> None:
        super().emit(event)
        self.deadline = time.monotonic()


@pytest.fixture
def late_host() -> LateHost:
    return LateHost()


@pytest.fixture(params=["process", "thread"])
def isolation(request: pytest.FixtureRequest) -> str:
    """Each isolation in turn, for what holds in all of them."""
    return str(request.param)


class Watch:
    """Waits for what a run does, and looks at what it has left."""

    def __init__(self) -> None:
        self._pids: set[int] = set()

    def until(self, happens: Callable[[], Any], limit: float = LIMIT) -> Any:
        """Return the first true value of a function, asked again and again until the limit."""
        deadline = time.monotonic() + limit
        pause = threading.Event()
        while not (value := happens()):
            assert time.monotonic() < deadline, f"did not happen within {limit:g} s: {happens}"
            pause.wait(0.005)
        return value

    def line(self, path: Path) -> str:
        """Wait until a file has a line, and return it."""
        return str(self.until(lambda: path.exists() and path.read_text().endswith("\n") and path.read_text().strip()))

    def pid(self, path: Path) -> int:
        """Wait for the process id that an app writes into a file; the process is killed when the test is over."""
        pid = int(self.line(path))
        self._pids.add(pid)
        return pid

    def runs(self, pid: int) -> bool:
        """Tell whether a process lives; one that has ended and is not yet waited for does not."""
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state not in {"Z", "X"}

    def ends(self, *pids: int, limit: float = LIMIT) -> bool:
        """Wait until none of the processes lives."""
        return bool(self.until(lambda: not any(self.runs(pid) for pid in pids), limit))

    def log(self, location: str) -> list[dict[str, Any]]:
        """Return the events in a run's log."""
        return [json.loads(line) for line in storage.read_bytes(location).splitlines()]

    def entries(self, cache: ResultCache) -> list[str]:
        """Return the names of all cached outcomes."""
        return [name for name in storage.walk(cache.root) if name.endswith("outcome.json")]

    def close(self) -> None:
        """Kill what should have ended and did not."""
        for pid in self._pids:
            if self.runs(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    yield watch
    watch.close()


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Write a user's module and import it, anew each time: ``study("CONSTANT = 1", name="helpers")``."""
    folder = tmp_path / "studies"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    # An edit in the same second that keeps the length is not seen by who compares times and sizes.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(text: str, *, name: str = "study") -> ModuleType:
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
        for each in [path.stem for path in folder.glob("*.py")]:
            monkeypatch.delitem(sys.modules, each, raising=False)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return write


@pytest.fixture
def note(notes: Path) -> Note:
    """Let tasks note what they do, past any cache, and see what was noted."""
    return Note(notes / "note")


@pytest.fixture
def cached(tmp_path: Path, note: Note) -> Cached:
    """Run blocks, made anew, with a cache; return the outputs and what tasks have noted."""

    def go(make: Callable[[], Any], inputs: Mapping[str, Any] | None = None, **options: Any) -> Any:
        with Workflow(name="study") as workflow:
            make()
        outputs = run_workflow(workflow, inputs, cache=str(tmp_path / "cache"), **options).outputs
        return outputs, note.taken()

    return go
