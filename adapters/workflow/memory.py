"""What a host that survives a retry remembers of loops: how far each has come, and with what outputs.

It holds for the same work only: a loop whose inputs, parameters or code have changed since starts anew.
`StoredMemory` keeps it in any key-value store of JSON, such as a task's state in Airflow; what does not fit there goes
to a value store. What is remembered of a loop is forgotten when it has ended well, so that a later run of it starts
anew.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from fairlead.adapters.errors import NotFingerprintable
from fairlead.adapters.fingerprint import fingerprint

if TYPE_CHECKING:
    from fairlead.adapters.values import ValueStore
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.run_state import Run
    from fairlead.adapters.workflow.workflow import Workflow

_logger = logging.getLogger(__name__)

PREFIX = "fairlead_loop:"
"""What keys of loops begin with; never changed, because runs hold them."""


class KeyValueStore(Protocol):
    """JSON values by key, that survive a retry."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value."""
        ...

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        ...

    def delete(self, key: str) -> None:
        """Forget a value."""
        ...


def work_of(loop: Workflow, inputs: Mapping[str, Any], run: Run, path: str) -> str | None:
    """Return the digest of all that the outputs of a loop depend on; None, and a line in the log, if it has none."""
    from fairlead.adapters.workflow.identity import digest_of, identity_of

    try:
        return fingerprint(identity_of(loop, inputs, run, {"loop": digest_of(loop)}))
    except NotFingerprintable as error:
        _logger.warning(
            "%s: a retry will start anew, because it cannot be told whether it is the same: %s", path, error
        )
        return None


class StoredMemory:
    """Remembers loops in a key-value store."""

    def __init__(self, state: KeyValueStore, values: ValueStore) -> None:
        """Take the store, and where values go that are too large for it."""
        self._state, self._values = state, values

    @contextlib.contextmanager
    def checkpoint(self, path: str, work: str) -> Generator[_StoredCheckpoint]:
        """See `Memory.checkpoint`."""
        key = PREFIX + path
        yield _StoredCheckpoint(self._state, self._values, key, work)
        self._state.delete(key)


class _StoredCheckpoint:
    def __init__(self, state: KeyValueStore, values: ValueStore, key: str, work: str) -> None:
        self._state, self._values, self._key, self._work = state, values, key, work

    def load(self) -> tuple[int, Outputs] | None:
        """See `Checkpoint.load`."""
        kept = self._state.get(self._key)
        if kept is None:
            return None
        if kept.get("work") != self._work:
            path = self._key.removeprefix(PREFIX)
            _logger.info("%s: starts anew, because its inputs or its code are not those of the try before", path)
            return None
        return kept["done"], self._values.get(kept["outputs"])

    def save(self, done: int, outputs: Outputs) -> None:
        """See `Checkpoint.save`."""
        packed = self._values.put(dict(outputs), self._key)
        self._state.set(self._key, {"done": done, "outputs": packed, "work": self._work})
