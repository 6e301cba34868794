"""What belongs to a whole process and not to an app that runs in it: put back as it was when the app is done.

An app in a thread can change the working directory, the environment, ``sys.path`` and the logging of the process that
it shares. `preserved` takes note of them before and puts them back afterwards. While several run at once, the first
takes note and the last puts back, so that none pulls the floor from under another.

What it does not do: keep apps that run at the same time from seeing each other's changes, or undo what an app has
done to modules, to signals or to anything else. A child process keeps all of it apart.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass, field


def _here() -> str | None:
    """Return the working directory, None if it is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


@dataclass(frozen=True)
class _State:
    """A process as it is when this is made."""

    directory: str | None = field(default_factory=_here)
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    path: list[str] = field(default_factory=lambda: [*sys.path])
    arguments: list[str] = field(default_factory=lambda: [*sys.argv])
    disabled: int = field(default_factory=lambda: logging.root.manager.disable)
    loggers: dict[logging.Logger, tuple[int, list[logging.Handler], bool, bool]] = field(
        default_factory=lambda: {logger: _facts(logger) for logger in _loggers()}
    )

    levels: dict[logging.Handler, int] = field(
        default_factory=lambda: {handler: handler.level for logger in _loggers() for handler in logger.handlers}
    )

    def put_back(self) -> None:
        """Change back what has been changed."""
        with contextlib.suppress(OSError):  # the folder may be gone, which was nobody's to prevent
            if self.directory is not None and _here() != self.directory:
                os.chdir(self.directory)
        for name in [*os.environ]:
            if name not in self.environment:
                del os.environ[name]
        for name, value in self.environment.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        sys.path[:] = self.path
        sys.argv[:] = self.arguments
        logging.disable(self.disabled)
        for logger, facts in self.loggers.items():
            if _facts(logger) != facts:
                level, handlers, logger.propagate, logger.disabled = facts
                logger.setLevel(level)
                logger.handlers[:] = handlers
        for handler, level in self.levels.items():
            if handler.level != level:
                handler.setLevel(level)


def _loggers() -> list[logging.Logger]:
    known = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    return [logging.root, *known]


def _facts(logger: logging.Logger) -> tuple[int, list[logging.Handler], bool, bool]:
    return logger.level, [*logger.handlers], logger.propagate, logger.disabled


_lock = threading.Lock()
_runs = 0
_state: _State | None = None


@contextlib.contextmanager
def preserved() -> Generator[None]:
    """Put the working directory, environment, ``sys.path``, ``sys.argv`` and logging back when the block ends."""
    global _runs, _state  # noqa: PLW0603 (a process has one state of this)
    with _lock:
        if _runs == 0:
            _state = _State()
        _runs += 1
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            if _runs == 0 and _state is not None:
                _state.put_back()
                _state = None
