"""Isolation in this process: no start-up cost, private modules, and no way to stop a call by force.

A cancelled or timed-out call ends the next time that it sends an event (a log record, a monitor message, progress), or
when it returns. Its prints go to this process's standard output, and the working directory is this process's, as are
the environment, ``sys.path`` and logging: changes of these are undone afterwards (see ``process_state``). Work that
must be stoppable belongs into `ChildProcess`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import threading
import time
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from fairlead.adapters import events
from fairlead.adapters.errors import (
    AppExited,
    AppRaised,
    Cancelled,
    ContractError,
    StorageFailed,
    TimedOut,
    raised_by_app,
)
from fairlead.adapters.isolation.private_modules import PrivateModules
from fairlead.adapters.isolation.process_state import preserved

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
        self._call = call
        self.cache = call.cache
        self._host = host
        self._modules = PrivateModules(call.roots)
        self._lock = threading.Lock()
        self._open = True
        self.stopped_by: BaseException | None = None
        """What the host, or its deadline, raised to end the run; the app may have caught it, or raised its own."""

    @property
    def directory(self) -> str:
        """The folder that is this call's alone."""
        try:
            return self._call.make_directory()
        except OSError as error:  # no fault of the app's
            raise StorageFailed(
                f"The system refused: {error}.",
                remedy="Check free space and permissions of that place, then try again.",
            ) from error

    def emit(self, event: Event) -> None:
        """Tell the host; raises `Cancelled` or `TimedOut` where that ends the run. Silent after the run has ended."""
        with self._lock:
            if not self._open:
                return
            # What the host itself logs on the way is not the call's.
            token = _running.set(None)
            try:
                check(self._host)
                self._host.emit(event)
            except BaseException as reason:
                self.stopped_by = reason
                raise
            finally:
                _running.reset(token)

    def close(self) -> None:
        """Let nothing through any more: a thread that the call left behind speaks for nobody."""
        with self._lock:
            self._open = False
        self._modules.close()

    def load(self, module: str) -> ModuleType:
        """Import a module of the call's own."""
        return self._modules.load(module)

    def plain(self, text: str) -> str:
        """Return a text with the names of modules as the app has them."""
        return self._modules.plain(text)


def check(host: Host) -> None:
    """Raise `Cancelled` or `TimedOut` if the run must end."""
    if host.cancelled():
        raise Cancelled("The run was cancelled.")
    if host.deadline is not None and time.monotonic() > host.deadline:
        raise TimedOut(
            "The run passed its time limit.",
            remedy="Raise the limit, or run it in a child process, where it is stopped at once.",
        )


def app_raised(error: Exception, plain: Callable[[str], str] = str) -> AppRaised:
    """Return the error for an exception of an app's; ``plain`` gives names of modules as the app has them."""
    name = plain(events.qualified_name(type(error)))
    return AppRaised(
        plain(raised_by_app(name, events.message_of(error))),
        exception=name,
        traceback=plain(events.format_traceback(error)),
    )


def is_in_call() -> bool:
    """Tell whether what runs here and now is a call's, so that its host hears of what it logs."""
    return _running.get() is not None


class InProcess:
    """Carries calls out in the calling thread."""

    name = "thread"

    def run(self, call: Call, host: Host) -> Any:
        """See `Isolation.run`. The value goes through JSON, as in every isolation."""
        check(host)
        module, _, function = call.entry.partition(":")
        payload = json.loads(json.dumps(call.payload))
        workspace = ThreadWorkspace(call, host)
        token = _running.set(workspace)
        try:
            with preserved(), _capture_logging():
                value = getattr(importlib.import_module(module), function)(payload, workspace)
        except Exception as error:
            if workspace.stopped_by is not None:
                raise workspace.stopped_by from None
            if isinstance(error, ContractError | StorageFailed):
                raise
            if host.cancelled():  # by a signal, whose handler raised in the midst of the app
                raise error if isinstance(error, Cancelled) else Cancelled("The run was cancelled.") from None
            raise app_raised(error, workspace.plain) from error
        except SystemExit as error:
            raise AppExited(
                f"The app called sys.exit({error.code!r}) instead of returning.",
                code=error.code if isinstance(error.code, int) else int(error.code is not None),
                remedy="Return from `run` when the work is done, raise an exception when it failed.",
            ) from error
        finally:
            _running.reset(token)
            workspace.close()
        if workspace.stopped_by is not None:
            raise workspace.stopped_by
        check(host)
        return json.loads(json.dumps(value))


class _RunningHandler(logging.Handler):
    """Sends the log records of a running call to its host, and no others.

    It takes no lock: while a host is busy with a record it may wait for another thread, and that thread may log.
    """

    def handle(self, record: logging.LogRecord) -> bool:
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        workspace = _running.get()
        if workspace is None:
            return
        try:
            event = events.of_record(record)
        except Exception:  # noqa: BLE001 (a broken format string is reported as logging does, and stops nothing)
            self.handleError(record)
            return
        event["logger"] = workspace.plain(event["logger"])
        if "traceback" in event:
            event["traceback"] = workspace.plain(event["traceback"])
        workspace.emit(event)


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
