"""Units as Prefect tasks: the one place where a task run calls `perform`, and what Prefect is told of the outcome.

What it does not do: decide what is run, cached or retried. `perform` does the work, and every error says itself whether
trying again can help.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prefect.context import TaskRunContext
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_TASKS_REFRESH_CACHE

from fairlead.adapters.cache import ResultCache
from fairlead.adapters.diagnostics import requested
from fairlead.adapters.errors import FairleadError
from fairlead.adapters.host import LoggingHost
from fairlead.adapters.perform import perform
from fairlead.flows.artifacts import publish, warned
from fairlead.flows.cache_policy import FingerprintPolicy
from fairlead.flows.host import PrefectHost

if TYPE_CHECKING:
    from prefect import Task
    from prefect.client.schemas.objects import State, TaskRun

    from fairlead.adapters.diagnostics import Wish
    from fairlead.adapters.isolation import Isolation
    from fairlead.adapters.unit import Unit


def run_unit(
    unit: Unit,
    inputs: Mapping[str, Any],
    *,
    cache: str | None,
    isolation: Isolation,
    timeout: float | None,
    refresh: bool,
    diagnostics: Wish,
) -> dict[str, Any]:
    """Do a piece of work in the active task run, and return its outcome as JSON data.

    ``diagnostics`` says where a run that crashes leaves what is needed to run it again. Without a task run
    (``task.fn(...)``) the work is done on this machine, and Prefect is told nothing.
    """
    run = TaskRunContext.get()
    if run is not None:
        # The same switch that makes Prefect pass over its records.
        asked = run.task.refresh_cache
        refresh = PREFECT_TASKS_REFRESH_CACHE.value() if asked is None else asked
    with (
        contextlib.nullcontext(LoggingHost(timeout=timeout)) if run is None else PrefectHost(unit.name, timeout=timeout)
    ) as host:
        try:
            outcome = perform(
                unit,
                inputs,
                host,
                cache=ResultCache(cache),
                isolation=isolation,
                refresh=refresh,
                diagnostics=requested(diagnostics),
            )
        except FairleadError as error:
            # Prefect logs the way that an error took: the part below here says nothing to a user.
            raise error.with_traceback(None)  # noqa: B904 (the error itself)
    if run is not None and not outcome.cached and isinstance(policy := run.task.cache_policy, FingerprintPolicy):
        with warned("The record for Prefect's cache could not be stored"):
            policy.remember(outcome, run)
    return outcome.to_dict()


def show_outcome(task: Task[..., Any], run: TaskRun, state: State[Any]) -> None:  # noqa: ARG001 (Prefect's signature)
    """Show the outcome of a completed task run, be it new or Prefect's record of an old one."""
    outcome: Any = state.result(raise_on_failure=False)
    if state.name == "Cached":  # then `perform` was not asked, and has logged nothing
        unit, fingerprint = outcome["unit"], outcome["fingerprint"][:12]
        get_run_logger().info("[fairlead] %s: found in the cache, fingerprint %s", unit, fingerprint)
    publish(outcome)


def is_retryable(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 (Prefect's signature)
    """Tell Prefect whether to try again: as the error says, and not at all for one that says nothing."""
    return bool(getattr(state.data, "retryable", False))
