"""How a unit runs inside an Airflow task: its lines go to the task's log, and Airflow can stop it at any moment.

How it works: `AirflowHost.run` does the work in a thread and lets the task's main thread wait, because that is where
Airflow raises its timeout and calls ``on_kill`` from a signal handler. Whatever arrives there interrupts only the
waiting: the work itself is cancelled the orderly way, and `AirflowHost.stop` can wait until that is done.

What it does not do: decide what runs, or whether a failure is retried.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

import structlog  # a dependency of Airflow's SDK, whose task log takes any logger's name and level from it

from fairlead.adapters.host import LoggingHost

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from fairlead.adapters.events import Event

T = TypeVar("T")

_STOP_LIMIT = 10.0
"""Seconds that are waited for a cancelled run to end: longer than any isolation's grace."""
_PROGRESS_STEPS = 10
_PROGRESS_INTERVAL = 60.0


class AirflowHost(LoggingHost):
    """One try of one task instance; log records keep their level, and their source as the name of the logger."""

    def __init__(self, task: RuntimeTaskInstanceProtocol) -> None:
        """Take the run's name and the number of the try from the task instance."""
        from fairlead.adapters.twine.children.backends.airflow import QUESTION_PREFIX

        name = (task.dag_id, task.run_id, task.task_id, task.map_index)
        super().__init__(run_id="/".join(map(str, name)), attempt=task.try_number)
        self._is_asked = task.run_id.startswith(QUESTION_PREFIX)
        self._outcome: Future[Any] | None = None
        self._message = ""
        self._step = 0
        self._shown = time.monotonic()

    def run(self, work: Callable[[], T]) -> T:
        """Do work until it ends, or until something is raised in this thread: then the work is stopped first."""
        outcome: Future[T] = Future()

        def do() -> None:
            try:
                outcome.set_result(work())
            except BaseException as error:  # noqa: BLE001 (raised again in the thread that waits)
                outcome.set_exception(error)

        self._outcome = outcome
        thread = threading.Thread(target=contextvars.copy_context().run, args=(do,), name=self.run_id, daemon=True)
        try:
            thread.start()
            error = outcome.exception()
        except BaseException:
            self.stop()
            if outcome.done() and (error := outcome.exception()):
                self.log(logging.ERROR, str(error))
            raise
        if error:
            raise error
        return outcome.result()

    def stop(self) -> None:
        """Cancel the work and wait until it has ended. Safe to call from a signal handler, and when nothing runs."""
        self.cancel()
        if self._outcome:
            with contextlib.suppress(TimeoutError):
                self._outcome.exception(_STOP_LIMIT)

    def emit(self, event: Event) -> None:
        """Write what the run says; a monitor message that tells progress is whole only at debug level.

        If the run is a question, it is always whole: who asked hears it by way of the log (see ``twine.children``).
        """
        if event["kind"] == "monitor" and isinstance(event["data"], dict) and "progress" in event["data"]:
            self._message = json.dumps(event["data"], ensure_ascii=False)
            self.write(logging.INFO if self._is_asked else logging.DEBUG, "monitor", self._message)
        else:
            super().emit(event)

    def write(self, level: int, source: str, message: str) -> None:
        """Write one line to the task's log, which knows five levels and drops lines of any other."""
        known = min(max(level // 10, 1), 5) * 10
        structlog.get_logger(source).log(known, message)

    def show_progress(self, fraction: float, text: str) -> None:
        """Write a line at every tenth of the way, and at least once a minute while progress comes in."""
        step, now = int(fraction * _PROGRESS_STEPS + 1e-9), time.monotonic()
        if step != self._step or now - self._shown > _PROGRESS_INTERVAL:
            self._step, self._shown = step, now
            self.write(logging.INFO, "progress", f"{fraction:4.0%}  {text or self._message}")
