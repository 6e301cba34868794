"""What a worker of a Dask cluster does for the engine ``dask``: a chunk of items, in processes beside it.

So an item that ends its process takes nothing else with it, one that hangs can be killed, and what the worker does for
others is not disturbed. The processes of a run are kept for its next chunks, until the run is over or nothing has come
for a while; they die with the worker.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import Any

from fairlead.adapters.workflow.engines.concurrent import TICK
from fairlead.adapters.workflow.engines.pool import Pool, Work

_IDLE = 30.0
"""Seconds after which processes are ended for which nothing comes."""


@dataclass(frozen=True)
class Held:
    """A body, as a future that all chunks of a map need: Dask makes it again if a worker dies that had it."""

    token: str
    """What tells the run from others."""
    body: bytes
    who: str
    grace: float

    def __call__(self) -> Held:
        """Return it."""
        return self


def work(held: Held, indices: list[int], inputs: list[bytes]) -> list[tuple[Any, ...]]:
    """Do a chunk; return what the pool put into its inbox, with the indices that items have in their map.

    Raises what the pool could not do.
    """
    pool = _taken(held)
    chunk = Work(held.body, held.who, inputs, chunk=len(indices), limit=1, names=indices)
    said: list[tuple[Any, ...]] = []
    left = len(indices)
    pool.submit(chunk)
    try:
        while left and _is_wanted():
            try:
                kind, *what = chunk.inbox.get(timeout=TICK)
            except queue.Empty:
                continue
            if kind == "error":
                raise what[0]
            if kind == "broken":
                return [("broken", *what)]
            if kind in {"done", "died"}:
                left -= 1
            if kind != "quiet":
                said.append((kind, *what))
    finally:
        if left:
            pool.kill(chunk)
        pool.forget(chunk)
        _given_back(held.token)
    return said


def close(token: str) -> None:
    """End the processes of a run on this worker."""
    with _lock:
        kept = _kept.pop(token, None)
        if kept is not None and kept.timer is not None:
            kept.timer.cancel()
    if kept is not None:
        kept.pool.close()


@dataclass
class _Kept:
    pool: Pool
    users: int = 0
    timer: threading.Timer | None = None


_kept: dict[str, _Kept] = {}
_lock = threading.Lock()


def _taken(held: Held) -> Pool:
    from distributed import get_worker

    with _lock:
        kept = _kept.get(held.token)
        if kept is None:
            kept = _kept[held.token] = _Kept(Pool(get_worker().state.nthreads, held.grace))
        kept.users += 1
        if kept.timer is not None:
            kept.timer.cancel()
        return kept.pool


def _given_back(token: str) -> None:
    with _lock:
        kept = _kept.get(token)
        if kept is None:
            return
        kept.users -= 1
        if not kept.users:
            kept.timer = threading.Timer(_IDLE, close, [token])
            kept.timer.daemon = True
            kept.timer.start()


def _is_wanted() -> bool:
    """Tell whether anybody still waits for the chunk that this thread is at."""
    from distributed import get_worker

    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    return task is not None and task.state == "executing"
