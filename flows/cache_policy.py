"""Prefect's cache key, made from the fingerprint, so that Prefect shows work that was done before as Cached.

How it works: before a task runs, Prefect asks the policy for a key and looks into its result storage. The policy binds
the inputs, fingerprints the work, and looks the fingerprint up in the result cache, digests and all:

- a sound entry is there: the key is the fingerprint and a digest of which entry that is. Prefect's record under this
  key was stored for this very entry, so returning it is safe. If there is none yet (Airflow did the work), the task
  runs, `perform` finds the entry, and Prefect stores what it returns.
- no entry, or a damaged one: the key is the fingerprint and the task run's id, which no record has. The task runs, and
  `remember` leaves a record, saying ``cached``, under the key of the entry that it made.

So a record of Prefect's is only ever as good as the entry that it was made for, wherever either of them is kept.

What it does not do: let one of two equal tasks that run at the same time wait for the other (both run; one entry
results), and delete the records of entries that are gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect.cache_policies import CachePolicy

from fairlead.adapters.cache import ResultCache
from fairlead.adapters.errors import FairleadError
from fairlead.adapters.fingerprint import fingerprint
from fairlead.adapters.perform import identify, look_up

if TYPE_CHECKING:
    from prefect.context import TaskRunContext

    from fairlead.adapters.perform import Outcome
    from fairlead.adapters.unit import Unit


@dataclass(kw_only=True)
class FingerprintPolicy(CachePolicy):
    """The cache policy of a task whose parameters are the inputs of ``unit``. It can be pickled if the unit can."""

    unit: Unit
    cache: str | None = None
    """The root of the result cache; None for the default where the task runs."""

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],  # noqa: ARG002 (Prefect passes it by name)
        **kwargs: Any,  # noqa: ARG002
    ) -> str | None:
        """Return the key, or None where the work cannot even be named: running it will say why."""
        try:
            _, key = identify(self.unit, given(inputs))
            entry = look_up(ResultCache(self.cache), key, _say_nothing)
        except (FairleadError, OSError):
            return None
        return f"{key}-{task_ctx.task_run.id.hex}" if entry is None else _key_of_entry(key, entry.log)

    def remember(self, outcome: Outcome, context: TaskRunContext) -> None:
        """Store a new outcome where `compute_key` will look when it finds the outcome's entry."""
        record = outcome.to_dict() | {"cached": True}
        context.result_store.write(record, key=_key_of_entry(outcome.fingerprint, outcome.log))


def given(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return a task's parameters as the inputs of its unit: those that are not None."""
    return {name: value for name, value in parameters.items() if value is not None}


def _say_nothing(_level: int, _message: str) -> None:
    """Leave the telling to `perform`, which will look again."""


def _key_of_entry(key: str, log: str | None) -> str:
    """Name an entry by the log of the run that made it: no two runs, and no two caches, have the same."""
    return f"{key}-{fingerprint({'log': log})[:32]}"
