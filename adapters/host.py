"""Who runs a unit: the small protocol by which `perform` talks to an orchestrator, and the host for this machine.

A host says which attempt of which run this is, when it must end and whether it was cancelled, and it receives what the
run says. `LoggingHost` here serves this machine; the terminal's in ``cli``, Airflow's in ``operators`` and Prefect's in
``flows`` stand on it, and one in ``testing`` records for tests. No host decides what is run, cached or retried: that is
`perform`'s.
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fairlead.adapters.events import Event


class Host(Protocol):
    """What `perform` needs to know of, and tell to, whoever runs a unit. Called from one thread at a time."""

    @property
    def run_id(self) -> str:
        """The orchestrator's name for this run; the same for every attempt."""
        ...

    @property
    def attempt(self) -> int:
        """Which try this is, from 1."""
        ...

    @property
    def deadline(self) -> float | None:
        """When the run must have ended, on the clock of `time.monotonic`; None for no limit."""
        ...

    def cancelled(self) -> bool:
        """Tell whether somebody asked the run to stop. Asked about ten times a second."""
        ...

    def log(self, level: int, message: str) -> None:
        """Receive a line of fairlead itself; ``level`` as in Python's logging."""
        ...

    def emit(self, event: Event) -> None:
        """Receive what the run says, as it happens. An exception from here stops the run."""
        ...


class LoggingHost:
    """This process, on this machine: events become lines of the logger ``fairlead.run``.

    A subclass overrides `write` to send lines elsewhere, and `show_progress` to draw.
    """

    def __init__(self, *, run_id: str = "local", attempt: int = 1, timeout: float | None = None) -> None:
        """Start the clock: ``timeout`` is in seconds from now."""
        self.run_id = run_id
        self.attempt = attempt
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self._cancelled = False

    def cancel(self) -> None:
        """Ask the run to stop. Safe to call from any thread and from a signal handler."""
        self._cancelled = True  # no lock: a signal may come while one is held

    def cancelled(self) -> bool:
        """Tell whether `cancel` was called."""
        return self._cancelled

    def log(self, level: int, message: str) -> None:
        """Write a line of fairlead itself."""
        self.write(level, "fairlead", message)

    def emit(self, event: Event) -> None:
        """Write log records, printed lines and monitor messages; pass progress on to `show_progress`."""
        if event["kind"] == "log":
            traceback = event.get("traceback")
            self.write(event["level"], event["logger"], event["message"] + (f"\n{traceback}" if traceback else ""))
        elif event["kind"] == "output":
            self.write(logging.INFO, event["stream"], event["line"])
        elif event["kind"] == "monitor":
            self.write(logging.INFO, "monitor", json.dumps(event["data"], ensure_ascii=False))
        elif event["kind"] == "progress":
            self.show_progress(event["fraction"], event["text"])

    def write(self, level: int, source: str, message: str) -> None:
        """Write one line; ``source`` is the logger's name, ``stdout``, ``stderr``, ``monitor`` or ``fairlead``."""
        logging.getLogger("fairlead.run").log(level, "[%s] %s", source, message)

    def show_progress(self, fraction: float, text: str) -> None:
        """Show how much is done, from 0 to 1. Nothing is shown here: monitor messages are in the log already."""
