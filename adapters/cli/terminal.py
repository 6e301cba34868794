"""The host of a run that somebody watches: lines and a progress bar on standard error.

On a terminal, lines are coloured and a bar below them follows the run's progress; a monitor message shows as its
``status_text`` where it has one, and not at all where it says only what the bar and the lines show already. Elsewhere
each line is plain text, monitor messages are whole, and there is no bar. Control characters that an app prints never
reach the terminal. Standard output is left to the result.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Self

from fairlead.adapters import streams
from fairlead.adapters.host import LoggingHost

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from fairlead.adapters.events import Event

# Escape sequences whole, then every other control character but newline and tab.
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_STYLES = {logging.CRITICAL: "bold red", logging.ERROR: "red", logging.WARNING: "yellow", logging.INFO: ""}


def printable(text: str) -> str:
    """Return a text without escape sequences and control characters."""
    return _CONTROL.sub("", text)


def is_live(stream: object) -> bool:
    """Tell whether a stream is a terminal that can redraw what it shows."""
    return bool(getattr(stream, "isatty", bool)()) and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def output_to_stderr() -> Generator[None]:
    """Keep standard output for the result: what an app prints in this very process goes to standard error."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] (it was closed by whoever started this)
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    stdout = sys.stdout
    is_the_programs = stdout is sys.__stdout__
    if is_the_programs:
        sys.stdout = streams.lossy(stdout)  # an app does not fail because nobody can read what it prints
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout = stdout
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


class _OwnRecords(logging.Handler):
    """Passes on what fairlead's loggers say outside of calls; what they say within one, the host is told as an event.

    Each text is passed on once: an app's configuration may be read several times for one command.
    """

    def __init__(self, log: Callable[[int, str], None]) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        from fairlead.adapters.isolation.in_process import is_in_call

        text = record.getMessage()
        if not is_in_call() and text not in self._told:
            self._told.add(text)
            self._log(record.levelno, text)


@contextlib.contextmanager
def own_records(log: Callable[[int, str], None]) -> Generator[None]:
    """Pass warnings and errors of fairlead's own loggers on to a host's ``log``, so that they look like its lines."""
    handler = _OwnRecords(log)
    logger = logging.getLogger("fairlead")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Records(logging.Handler):
    """Passes on what the user's code logs; of fairlead's own records, which its host knows of, only warnings."""

    def __init__(self, write: Callable[[int, str, str], None]) -> None:
        super().__init__(logging.INFO)
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        is_ours = f"{record.name}.".startswith("fairlead.")
        if record.levelno >= logging.WARNING or not is_ours:
            self._write(record.levelno, "fairlead" if is_ours else record.name, self.format(record))


@contextlib.contextmanager
def log_records(write: Callable[[int, str, str], None]) -> Generator[None]:
    """Pass what is logged in this process, from information on, to a host's ``write``.

    It is left alone where whoever logs has seen to it already.
    """
    root = logging.getLogger()
    if root.handlers:
        yield
        return
    handler, level = _Records(write), root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


class TerminalHost(LoggingHost):
    """Shows a run on standard error. A context manager: the bar is there while it is entered."""

    def __init__(self, unit: str, *, timeout: float | None = None, quiet: bool = False) -> None:
        """Show nothing yet.

        Args:
            unit: what the bar is named.
            timeout: seconds that the run may take.
            quiet: show warnings and errors only.
        """
        super().__init__(timeout=timeout)
        self._unit = unit
        self._quiet = quiet
        self._bar: Progress | None = None
        self._console: Console | None = None
        """Where lines go while something below them is drawn again and again."""
        self._status = ""

    def __enter__(self) -> Self:
        """Start the bar, on a terminal."""
        if is_live(sys.stderr) and not self._quiet:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                Progress,
                SpinnerColumn,
                TaskProgressColumn,
                TextColumn,
                TimeElapsedColumn,
            )

            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._console = self._bar.console
            self._bar.add_task(self._unit, total=None)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        if self._bar:
            self._bar.stop()

    def emit(self, event: Event) -> None:
        """Show an event; on a terminal, a monitor message by what is new in it."""
        if self._bar and event["kind"] == "monitor" and isinstance(event["data"], dict):
            if news := self._news(event["data"]):
                self.write(logging.INFO, "monitor", news)
        else:
            super().emit(event)

    def _news(self, message: Mapping[str, Any]) -> str:
        """Return what of a monitor message neither the bar nor the last ``status_text`` shows already."""
        if status := str(message.get("status_text") or ""):
            news = "" if status == self._status else status
            self._status = status
            return news
        is_number = isinstance(message.get("progress", 0), int | float)
        return "" if is_number and message.keys() <= {"progress", "status_text"} else json.dumps(message)

    def write(self, level: int, source: str, message: str) -> None:
        """Show one line (a traceback is several), with its time, and its level if that is above information."""
        if self._quiet and level < logging.WARNING:
            return
        now = time.strftime("%H:%M:%S")
        severity = f"{logging.getLevelName(level)} " if level >= logging.WARNING else ""
        source, text = printable(source), printable(message)
        if self._console is None:
            print(f"{now} {source}: {severity}{text}", file=sys.stderr, flush=True)  # noqa: T201 (this is a terminal)
            return
        from rich.text import Text

        style = next((style for least, style in _STYLES.items() if level >= least), "dim")
        line = Text.assemble((f"{now} ", "dim"), (f"{source}: ", "cyan"), (severity + text, style))
        self._console.print(line)

    def show_progress(self, fraction: float, text: str) -> None:  # noqa: ARG002 (the text is in the line above)
        """Move the bar."""
        if self._bar:
            self._bar.update(self._bar.task_ids[0], total=1.0, completed=fraction)
