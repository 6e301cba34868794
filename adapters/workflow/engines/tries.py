"""Which items are tried again whose process died, and when: tries in the process count as much as those that ended it.

A worker tells when it tries an item again by itself (`heed`). When its process dies, the item waits for its next try
without holding up any other (`again`), until it is `due`; the next process is told how many tries are over (`given`).

What it does not do: start anything.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fairlead.adapters.workflow.retries import NONE, Retries, is_retryable

if TYPE_CHECKING:
    from fairlead.adapters.workflow.block import Block
    from fairlead.adapters.workflow.engines.work import Note
    from fairlead.adapters.workflow.run_state import Run

OVER = "@tries over"
"""The input by which a worker is told how many tries of an item are over; the item itself does not get it."""
_logger = logging.getLogger(__name__)


def retries_of(block: Block, run: Run, path: str) -> Retries:
    """Return how often this run itself tries a block again."""
    return NONE if path in run.whole or path in run.tried_outside else block.retries


class Tries:
    """The tries of a map's items, or of a block, over all processes that were at it."""

    def __init__(self, retries: Retries) -> None:
        """Take how often each item may be tried again."""
        self._retries = retries
        self._at: dict[int, int] = {}
        """Which try items are at, from 1, where that is not the first."""
        self._due: list[tuple[float, int]] = []

    def __bool__(self) -> bool:
        """Tell whether an item waits for its next try."""
        return bool(self._due)

    def heed(self, notes: Iterable[Note]) -> None:
        """Take in what a worker has said of tries."""
        for kind, *what in notes:
            if kind == "try":
                index, self._at[index] = what

    def again(self, index: int, error: Exception) -> bool:
        """Let an item wait whose process has died; tell whether there is a next try for it."""
        at = self._at.get(index, 1)
        if at > self._retries.times or not is_retryable(error):
            return False
        seconds = self._retries.wait_before(at)
        _logger.warning("%s; trying again in %.1f s (%d of %d)", error, seconds, at, self._retries.times)
        self._at[index] = at + 1
        heapq.heappush(self._due, (time.monotonic() + seconds, index))
        return True

    def given(self, index: int, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a process is given that is to try an item again."""
        return {**inputs, OVER: self._at[index] - 1}

    def due(self) -> list[int]:
        """Return the items whose waits are over, which is told once."""
        found = []
        while self._due and self._due[0][0] <= time.monotonic():
            found.append(heapq.heappop(self._due)[1])
        return found

    def wait(self, most: float) -> float:
        """Return the seconds until an item is due, at most so many."""
        return max(0.0, min(most, self._due[0][0] - time.monotonic())) if self._due else most

    def leave_out(self, after: int) -> None:
        """Let no item wait any more that comes after one."""
        self._due = sorted(each for each in self._due if each[1] <= after)
