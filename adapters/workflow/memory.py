"""What a host that survives a retry remembers of loops: how far each has come, and with what outputs.

`StoredMemory` keeps it in any key-value store of JSON, such as a task's state in Airflow; what does not fit there goes
to a value store. What is remembered of a loop is forgotten when it has ended well, so that a later run of it starts
anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fairlead.adapters.values import ValueStore
    from fairlead.adapters.workflow.gathering import Outputs

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


class StoredMemory:
    """Remembers loops in a key-value store."""

    def __init__(self, state: KeyValueStore, values: ValueStore) -> None:
        """Take the store, and where values go that are too large for it."""
        self._state, self._values = state, values

    @contextlib.contextmanager
    def checkpoint(self, path: str) -> Generator[_StoredCheckpoint]:
        """See `Memory.checkpoint`."""
        key = PREFIX + path
        yield _StoredCheckpoint(self._state, self._values, key)
        self._state.delete(key)


class _StoredCheckpoint:
    def __init__(self, state: KeyValueStore, values: ValueStore, key: str) -> None:
        self._state, self._values, self._key = state, values, key

    def load(self) -> tuple[int, Outputs] | None:
        """See `Checkpoint.load`."""
        kept = self._state.get(self._key)
        return None if kept is None else (kept["done"], self._values.get(kept["outputs"]))

    def save(self, done: int, outputs: Outputs) -> None:
        """See `Checkpoint.save`."""
        self._state.set(self._key, {"done": done, "outputs": self._values.put(dict(outputs), self._key)})
