"""What a task logs with Python's own logging goes to the log of its task run, with its level and its logger's name.

How it works: while `listening`, a handler at the root logger hands each record to whoever listens in the context that
it was made in, so tasks that run side by side in threads keep theirs apart. The root logger's level is ``INFO`` for so
long; the handlers that were there see what they saw before.

What it does not do: catch what a task prints, which is Prefect's ``log_prints``.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Generator
from contextvars import ContextVar

from fairlead.adapters import events

Write = Callable[[int, str, str], None]
"""Takes a level, the name of a logger and a message."""

_CHATTY = ("httpx", "httpcore", "prefect", "distributed", "websockets")
"""Loggers of what Prefect itself is made of: their ordinary records are no task's."""

_listener: ContextVar[Write | None] = ContextVar("fairlead_log_listener", default=None)


class _Handler(logging.Handler):
    """Hands records to the listener of the context."""

    def emit(self, record: logging.LogRecord) -> None:
        write = _listener.get()
        if write is None or (record.levelno < logging.WARNING and record.name.split(".")[0] in _CHATTY):
            return
        # What the listener itself logs on the way is not the task's.
        token = _listener.set(None)
        try:
            event = events.of_record(record)
            traceback = event.get("traceback")
            write(record.levelno, record.name, event["message"] + (f"\n{traceback}" if traceback else ""))
        except Exception:  # noqa: BLE001 (a broken format string is reported as logging does, and stops nothing)
            self.handleError(record)
        finally:
            _listener.reset(token)


_handler = _Handler()
_lock = threading.Lock()
_listeners = 0
_others: list[logging.Handler] = []
_level = logging.WARNING


@contextlib.contextmanager
def listening(write: Write) -> Generator[None]:
    """Send what is logged here, in this context, to ``write``."""
    _start()
    token = _listener.set(write)
    try:
        yield
    finally:
        _listener.reset(token)
        _stop()


def _start() -> None:
    global _listeners, _level  # noqa: PLW0603 (the root logger is global, so is the count of its listeners)
    root = logging.getLogger()
    with _lock:
        _listeners += 1
        if _listeners > 1:
            return
        _level = root.level
        _others[:] = root.handlers
        for handler in _others:
            handler.addFilter(_was_let_through)
        root.addHandler(_handler)
        root.setLevel(min(_level, logging.INFO))


def _stop() -> None:
    global _listeners  # noqa: PLW0603 (as above)
    root = logging.getLogger()
    with _lock:
        _listeners -= 1
        if _listeners:
            return
        root.removeHandler(_handler)
        root.setLevel(_level)
        for handler in _others:
            handler.removeFilter(_was_let_through)


def _was_let_through(record: logging.LogRecord) -> bool:
    """Tell whether a record would be there if the root logger had the level that it had before."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None and logger.level == logging.NOTSET:
        logger = logger.parent
    return record.levelno >= _level or (logger is not None and logger is not logging.getLogger())
