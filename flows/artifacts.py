"""What Prefect's UI shows of a unit's run: a progress bar while it runs, a report and a table of its values afterwards.

Their keys are made from the unit's name, so that the UI lines up the runs of one unit: ``wind-resource``,
``wind-resource-values`` and ``wind-resource-progress``. Whatever goes wrong here is a warning in the run's log, never
an error: what is only shown must not fail work that is done.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import queue
import re
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from prefect import artifacts
from prefect.logging import get_run_logger

from fairlead.adapters.presentation import duration
from fairlead.flows.report import report, scalars

if TYPE_CHECKING:
    from fairlead.adapters.workflow.failures import Failure

_PERIOD = 1.0
_PATIENCE = 10.0
_MOST_ROWS = 1_000

_News = tuple[float, str]


@contextlib.contextmanager
def warned(what: str) -> Generator[None]:
    """Turn whatever goes wrong into a warning in the run's log."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (see the module's docstring)
        get_run_logger().warning("[fairlead] %s (%s: %s).", what, type(error).__name__, error)


def key_of(name: str, suffix: str = "") -> str:
    """Return the artifact key of a unit: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{name.lower()}-{suffix}").strip("-") or "unit"


def publish(outcome: Mapping[str, Any]) -> None:
    """Write a report of an outcome (`Outcome.to_dict`), and a table of its values if it has any."""
    unit = outcome["unit"]
    end = "found in the result cache" if outcome["cached"] else f"computed in {duration(outcome['run_seconds'])}"
    with warned("The report could not be written"):
        artifacts.create_markdown_artifact(report(outcome), key=key_of(unit), description=f"{unit}: {end}.")
    rows = [{"name": name, "value": value} for name, value in scalars(outcome)]
    if rows:
        shown = rows[:_MOST_ROWS]
        extent = f"the first {_MOST_ROWS} of {len(rows)}" if len(rows) > _MOST_ROWS else f"{len(rows)}"
        with warned("The table of values could not be written"):
            artifacts.create_table_artifact(
                shown,
                key=key_of(unit, "values"),
                description=f"{unit}: {extent} output values, exact.",
            )


def publish_failures(name: str, failures: Sequence[tuple[str, Failure]]) -> None:
    """Write a table of the items that failed and did not end a run, each with the path of its map, if there are any."""
    if not failures:
        return
    rows = [
        {
            "map": path,
            "item": failure.index,
            "inputs": json.dumps(failure.inputs, ensure_ascii=False, default=str),
            "exception": failure.type,
            "message": failure.message,
        }
        for path, failure in failures[:_MOST_ROWS]
    ]
    extent = f"the first {_MOST_ROWS} of {len(failures)}" if len(failures) > _MOST_ROWS else f"{len(failures)}"
    with warned("The table of failures could not be written"):
        artifacts.create_table_artifact(
            rows, key=key_of(name, "failures"), description=f"{name}: {extent} items failed; the run went on."
        )


class ProgressBar:
    """A progress artifact that follows a run from a thread of its own: a slow server never holds up the run.

    It is made when there is something to show, written at most once a second, and brought up to date at the end.
    """

    def __init__(self, name: str) -> None:
        """Show nothing yet; ``name`` is the unit's."""
        self._name = name
        self._news: queue.SimpleQueue[_News | None] = queue.SimpleQueue()
        self._last: _News = (0.0, "")
        self._thread: threading.Thread | None = None

    def show(self, fraction: float, text: str) -> None:
        """Show how much is done, from 0 to 1. Returns at once."""
        if self._thread is None:
            # The copy tells Prefect in the other thread, too, which task run this is.
            work = contextvars.copy_context().run
            thread = threading.Thread(target=work, args=(self._follow,), name="progress bar", daemon=True)
            thread.start()
            self._thread = thread  # not before: an interrupt meanwhile would have `close` join what never began
        self._last = (fraction, text)
        self._news.put(self._last)

    def close(self, *, done: bool) -> None:
        """Show the last that is known, as the whole if all is ``done``, and end."""
        if self._thread is not None:
            if done:
                self._news.put((1.0, self._last[1]))
            self._news.put(None)
            self._thread.join(_PATIENCE)

    def _follow(self) -> None:
        artifact: UUID | None = None
        failing = False
        for fraction, text in _newest(self._news):
            percent, description = round(100 * fraction, 1), text or self._name
            # A server that is away for a while is told of once.
            with contextlib.suppress(Exception) if failing else warned("The progress bar could not be moved"):
                failing = True
                if artifact is None:
                    key = key_of(self._name, "progress")
                    artifact = cast("UUID", artifacts.create_progress_artifact(percent, key, description))
                else:
                    artifacts.update_progress_artifact(artifact, percent, description)
                failing = False


def _newest(news: queue.SimpleQueue[_News | None]) -> Iterator[_News]:
    """Yield the newest item at most once a period, and the last one for certain; None in the queue is the end."""
    item = news.get()
    while item is not None:
        yield item
        next_time = time.monotonic() + _PERIOD
        item = news.get()
        while item is not None:
            try:
                newer = news.get(timeout=max(next_time - time.monotonic(), 0.0))
            except queue.Empty:
                break
            if newer is None:
                yield item
                return
            item = newer
