"""A Prefect task run as the host of a unit: its log, its progress bar, its cancellation.

How a run is stopped: a signal that ends the flow run's process (a cancelled run, a worker that shuts down, Ctrl-C)
raises an exception in the main thread. A task that runs there is interrupted by it, and the isolation stops the child.
A task in a worker thread cannot be interrupted; Prefect only sets an event that means "do not start any more" and waits
for the thread. `PrefectHost.cancelled` reads that event, so that the isolation stops the child there, too.

What it does not do: stop a task because its flow run ended by itself. Prefect lets tasks that have started run to their
end then, and their results are kept for a retry of the flow.

Known limits: a flow that a task in a worker thread calls is not told, nor is a task in a process pool. Both end when
Prefect's grace time is over and the flow run's process is killed: with it, or because the process that started theirs
is gone.
"""

from __future__ import annotations

import functools
import logging
import multiprocessing
from types import TracebackType
from typing import Self

from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from fairlead.adapters.host import LoggingHost
from fairlead.flows.artifacts import ProgressBar

_LONGEST_MESSAGE = 40_000
"""Characters; as JSON, in the worst case, half of what Prefect takes for one log record (1 MB)."""


class PrefectHost(LoggingHost):
    """The task run that is active in this thread; raises Prefect's `MissingContextError` if there is none.

    A context manager: on leaving, the progress bar is brought up to date.
    """

    def __init__(self, name: str, *, timeout: float | None = None) -> None:
        """Start the clock: ``timeout`` is in seconds from now. ``name`` is the unit's."""
        run, self._flow = TaskRunContext.get(), FlowRunContext.get()
        if run is None:
            raise MissingContextError("There is no active task run.")
        super().__init__(run_id=str(run.task_run.id), attempt=run.task_run.run_count, timeout=timeout)
        self._progress = ProgressBar(name)
        # Prefect hands this event to its engine, but not to the task's function.
        runner = self._flow.task_runner if self._flow else None
        self._runner_stops = getattr(runner, "_cancel_events", {}).get(run.task_run.id)

    def __enter__(self) -> Self:
        """Return the host."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the progress bar, at its end if the run came to one."""
        self._progress.close(done=error is None)

    @functools.cached_property
    def _logger(self) -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
        return get_run_logger()

    def cancelled(self) -> bool:
        """Tell whether the flow run was stopped, or the process that started this one is gone."""
        parent = multiprocessing.parent_process()
        return super().cancelled() or self._flow_run_stopped() or (parent is not None and not parent.is_alive())

    def _flow_run_stopped(self) -> bool:
        if self._runner_stops is None or not self._runner_stops.is_set():
            return False
        state = self._flow.flow_run.state if self._flow and self._flow.flow_run else None
        # Prefect sets the event, too, when a flow returns or fails while tasks still run: it has a new state by then.
        ended_by_itself = state is not None and (
            state.is_completed() or state.is_scheduled() or (state.is_failed() and state.name != "TimedOut")
        )
        return not ended_by_itself

    def write(self, level: int, source: str, message: str) -> None:
        """Write to the task run's log; what is too long for Prefect is cut."""
        if len(message) > _LONGEST_MESSAGE:
            rest = len(message) - _LONGEST_MESSAGE
            message = f"{message[:_LONGEST_MESSAGE]} … ({rest} more characters are in the log of the run)"
        self._logger.log(level, "[%s] %s", source, message)

    def show_progress(self, fraction: float, text: str) -> None:
        """Move the progress bar."""
        self._progress.show(fraction, text)
