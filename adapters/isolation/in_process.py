"""Isolation in this process: no start-up cost, private modules, and no way to stop a call by force.

A cancelled or timed-out call ends the next time that it sends an event (a log record, a monitor message, progress), or
when it returns. Its prints go to this process's standard output, and the working directory is this process's. Work that
must be stoppable belongs into `ChildProcess`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import threading
import time
from collections.abc import Generator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from fairlead.adapters import events
from fairlead.adapters.errors import AppExited, AppRaised, Cancelled, FairleadError, TimedOut
from fairlead.adapters.isolation.private_modules import PrivateModules

if TYPE_CHECKING:
    from types import ModuleType

    from fairlead.adapters.events import Event
    from fairlead.adapters.host import Host
    from fairlead.adapters.isolation.protocol import Call

_running: ContextVar[ThreadWorkspace | None] = ContextVar("fairlead_running", default=None)


class ThreadWorkspace:
    """A call's own modules and its line to the host, within this process."""

    def __init__(self, call: Call, host: Host) -> None:
        """Load nothing yet."""
        self.directory = call.directory
        self._host = host
        self._modules = PrivateModules(call.roots)
        self._lock = threading.Lock()
        self._open = True

    def emit(self, event: Event) -> None:
        """Tell the host; raises `Cancelled` or `TimedOut` where that ends the run. Silent after the run has ended."""
        with self._lock:
            if not self._open:
                return
            check(self._host)
            # What the host itself logs on the way is not the call's.
            token = _running.set(None)
            try:
                self._host.emit(event)
            finally:
                _running.reset(token)

    def close(self) -> None:
        """Let nothing through any more: a thread that the call left behind speaks for nobody."""
        with self._lock:
            self._open = False

    def load(self, module: str) -> ModuleType:
        """Import a module of the call's own."""
        return self._modules.load(module)


def check(host: Host) -> None:
    """Raise `Cancelled` or `TimedOut` if the run must end."""
    if host.cancelled():
        raise Cancelled("The run was cancelled.")
    if host.deadline is not None and time.monotonic() > host.deadline:
        raise TimedOut(
            "The run passed its time limit.",
            remedy="Raise the limit, or run it in a child process, where it is stopped at once.",
        )


class InProcess:
    """Carries calls out in the calling thread."""

    name = "thread"

    def run(self, call: Call, host: Host) -> Any:
        """See `Isolation.run`. The value goes through JSON, as in every isolation."""
        check(host)
        workspace = ThreadWorkspace(call, host)
        module, _, function = call.entry.partition(":")
        payload = json.loads(json.dumps(call.payload))
        token = _running.set(workspace)
        try:
            with _capture_logging():
                value = getattr(importlib.import_module(module), function)(payload, workspace)
        except FairleadError:
            raise
        except SystemExit as error:
            raise AppExited(
                f"The app called sys.exit({error.code!r}) instead of returning.",
                code=error.code if isinstance(error.code, int) else 1,
                remedy="Return from `run` when the work is done, raise an exception when it failed.",
            ) from error
        except Exception as error:
            raise AppRaised(
                f"The app raised {events.qualified_name(type(error))}: {error}",
                exception=events.qualified_name(type(error)),
                traceback=events.format_traceback(error),
            ) from error
        finally:
            _running.reset(token)
            workspace.close()
        check(host)
        return json.loads(json.dumps(value))


class _RunningHandler(logging.Handler):
    """Sends the log records of a running call to its host, and no others."""

    def emit(self, record: logging.LogRecord) -> None:
        workspace = _running.get()
        if workspace is None:
            return
        workspace.emit(events.of_record(record))


_capture_lock = threading.Lock()
_captures = 0
_handler = _RunningHandler()


@contextlib.contextmanager
def _capture_logging() -> Generator[None]:
    """Listen at the root logger while any call runs in this process; its level and other handlers stay as they are."""
    global _captures  # noqa: PLW0603 (the root logger is global, so is the count of its listeners)
    with _capture_lock:
        _captures += 1
        if _captures == 1:
            logging.getLogger().addHandler(_handler)
    try:
        yield
    finally:
        with _capture_lock:
            _captures -= 1
            if _captures == 0:
                logging.getLogger().removeHandler(_handler)
