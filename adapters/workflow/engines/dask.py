"""The engine ``dask``: independent tasks and the items of maps on a Dask cluster that runs already.

A map's body is one future, from which every worker of the cluster gets it once; its items are futures by the chunk.
Each is run in a process beside the worker (see ``dask_job``), so an item that dies takes nothing else with it. If it is
the worker that dies, Dask has the chunk done elsewhere; if that happens again and again, its items are submitted one by
one. Loops and units of work are seen to by the process of the run.

What it does not do: start or stop a cluster, or tell what happens in a chunk before it has ended.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import uuid
import warnings
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.adapters.errors import InputInvalid, NotPortable, Problem, RunFailed, WorkerDied
from fairlead.adapters.workflow.engines import dask_job
from fairlead.adapters.workflow.engines.concurrent import GRACE, TICK, Concurrent
from fairlead.adapters.workflow.engines.crossing import read_error, written_inputs
from fairlead.adapters.workflow.engines.tries import Tries, retries_of
from fairlead.adapters.workflow.engines.work import (
    Kind,
    first_failure,
    heed,
    lost_block,
    lost_item,
    read_answer,
    written_body,
)
from fairlead.adapters.workflow.maps import ItemFailed
from fairlead.adapters.workflow.running import run_block
from fairlead.adapters.workflow.units import UnitBlock

if TYPE_CHECKING:
    from fairlead.adapters.workflow.block import Block
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.maps import MapWorkflow
    from fairlead.adapters.workflow.run_state import Run


class Dask(Concurrent):
    """Runs tasks and items on a Dask cluster."""

    name = "dask"

    def __init__(self, *, address: str | None = None, timeout: float = 30.0, grace: float = GRACE) -> None:
        """Connect to nothing yet.

        Args:
            address: the cluster's scheduler, e.g. ``tcp://10.0.0.1:8786``.
            timeout: seconds that the scheduler may take to answer.
            grace: seconds after its time limit at which a process that hangs in compiled code is killed.

        Raises:
            InputInvalid: no address is given.
        """
        if not address:
            remedy = (
                "Give it as an option of the backend, e.g. options={'address': 'tcp://10.0.0.1:8786'}, or in the "
                "configuration under dask: address:. `dask scheduler` prints it."
            )
            raise InputInvalid(Problem("backend 'dask', address", "is not given", "the address of a scheduler", remedy))
        self.address, self.grace, self._timeout = address, grace, timeout
        self.token = f"fairlead-{uuid.uuid4().hex[:12]}"
        self._client: Any = None
        self._lock = threading.Lock()

    def client(self) -> Any:
        """Return the connection to the cluster; raises `RunFailed` if there is none."""
        from distributed import Client

        with self._lock:
            if self._client is None:
                try:
                    self._client = Client(self.address, timeout=self._timeout, set_as_default=False)  # type: ignore[no-untyped-call]
                except (OSError, ValueError) as error:
                    remedy = "See whether it runs, and whether this machine reaches it."
                    raise RunFailed(
                        f"The Dask scheduler {self.address} does not answer: {error}.", remedy=remedy
                    ) from error
            return self._client

    @property
    def slots(self) -> int:  # type: ignore[override]
        """How many tasks the cluster runs at once."""
        return max(1, sum(int(number) for number in self.client().nthreads().values()))

    def run_apart(self, block: Block, inputs: Mapping[str, Any], run: Run, path: str) -> Outputs:
        """See `Concurrent.run_apart`; a unit of work has a process of its own anyway."""
        if isinstance(block, UnitBlock):
            return run_block(block, inputs, run, path)
        chunks = _Chunks(self, "block", block, [inputs], run, path, [[0]])
        with contextlib.closing(chunks.answers()) as found:
            for _, answer in found:
                if isinstance(answer, Exception):
                    raise lost_block(block, inputs, answer, run, path)
                assert not isinstance(answer, ItemFailed)
                return answer
        msg = "a chunk has an answer for each item"
        raise AssertionError(msg)

    def run_items(
        self, mapping: MapWorkflow, items: Sequence[Mapping[str, Any]], run: Run, path: str
    ) -> Generator[tuple[int, Outputs | ItemFailed]]:
        """See `Engine.run_items`."""
        if not items:
            return
        parts = [[*part] for part in mapping.chunks(len(items), self.slots)]
        chunks = _Chunks(self, "item", mapping, items, run, path, parts, limit=mapping.simultaneous_tasks)
        yield from first_failure(mapping, len(items), _items(chunks, mapping, items, run, path), chunks.leave_out)

    def close(self) -> None:
        """See `Engine.close`; what the cluster still holds of this run, it lets go of."""
        if self._client is not None:
            with contextlib.suppress(Exception):  # the cluster may be gone, and its processes with it
                self._client.run(dask_job.close, self.token, on_error="ignore")
            self._client.close()


def _items(
    chunks: _Chunks, mapping: MapWorkflow, items: Sequence[Mapping[str, Any]], run: Run, path: str
) -> Generator[tuple[int, Outputs | ItemFailed]]:
    with contextlib.closing(chunks.answers()) as found:
        for index, answer in found:
            if isinstance(answer, Exception):
                yield index, lost_item(mapping, index, items[index], answer, run, path)
            else:
                yield index, answer


class _Chunks:
    """Items on their way through the cluster."""

    def __init__(
        self,
        engine: Dask,
        kind: Kind,
        block: Block,
        items: Sequence[Mapping[str, Any]],
        run: Run,
        path: str,
        parts: Sequence[list[int]],
        *,
        limit: int | None = None,
    ) -> None:
        body, self._rest = written_body(kind, block, run, path, items)
        self._client, self._block, self._run, self._path, self._limit = engine.client(), block, run, path, limit
        self._who = f"map '{block.name}', item {{index}}" if kind == "item" else f"{block.kind} '{path}'"
        self._waiting = deque(parts)
        self._futures: dict[Any, list[int]] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._tries = Tries(retries_of(block, run, path))
        self._refused: list[tuple[int, NotPortable]] = []
        """Items that could not be written."""
        self._key = f"{engine.token}-{uuid.uuid4().hex[:8]}"
        held = dask_job.Held(engine.token, body, self._who, engine.grace)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sending large graph")  # it is sent once
            self._body = self._client.submit(held, key=f"{self._key}-body", pure=False)

    def answers(self) -> Generator[tuple[int, Outputs | ItemFailed | Exception]]:
        """Submit the items; yield what comes of each, or the exception for one whose worker died."""
        try:
            self._spread()
            self._submit()
            while self._futures or self._waiting or self._tries or self._refused:
                self._run.check()
                with contextlib.suppress(queue.Empty):
                    future = self._ended.get(timeout=0 if self._refused else self._tries.wait(TICK))
                    indices = self._futures.pop(future, None)
                    if indices is not None:  # else it was left out
                        yield from self._answered(future, indices)
                yield from self._not_sent()
                for index in self._tries.due():
                    self._rest[index] = self._tries.given(index, self._rest[index])
                    self._waiting.appendleft([index])
                self._submit()
        finally:
            self._cancel([*self._futures])

    def _spread(self) -> None:
        """Bring the body to all workers: Dask has work done only where what it needs is already."""
        there = threading.Event()

        def say(_: Any) -> None:
            there.set()

        self._body.add_done_callback(say)
        while not there.wait(TICK):
            self._run.check()
        if self._body.status == "finished":
            self._client.replicate([self._body])

    def leave_out(self, after: int) -> None:
        """Start no item any more that comes after one."""
        self._tries.leave_out(after)
        self._waiting = deque(part for part in self._waiting if part[0] <= after)
        late = [future for future, part in self._futures.items() if part[0] > after]
        for future in late:
            del self._futures[future]
        self._cancel(late)

    def _cancel(self, futures: Sequence[Any]) -> None:
        if futures:
            with contextlib.suppress(Exception):  # the cluster may be gone, which is what ended the run
                self._client.cancel(futures, force=True)

    def _submit(self) -> None:
        while self._waiting and (self._limit is None or len(self._futures) < self._limit):
            given = [(index, self._rest[index]) for index in self._waiting.popleft()]
            written = {index: data for index, values in given if (data := self._written(index, values)) is not None}
            if not written:
                continue
            indices, inputs = [*written], [*written.values()]
            key = f"{self._key}-{indices[0]}-{uuid.uuid4().hex[:6]}"
            future = self._client.submit(dask_job.work, self._body, indices, inputs, key=key, pure=False)
            self._futures[future] = indices
            future.add_done_callback(self._ended.put)

    def _written(self, index: int, inputs: Mapping[str, Any]) -> bytes | None:
        try:
            return written_inputs(self._who, [(index, inputs)])
        except NotPortable as error:
            self._refused.append((index, error))
            return None

    def _not_sent(self) -> Iterator[tuple[int, Exception]]:
        """Fail the items that could not be written."""
        refused, self._refused = self._refused, []
        yield from refused

    def _answered(self, future: Any, indices: list[int]) -> Iterator[tuple[int, Outputs | ItemFailed | Exception]]:
        from distributed.scheduler import KilledWorker

        error = future.exception() if future.status == "error" else None
        if isinstance(error, KilledWorker):
            yield from self._lost(indices, error)
        elif error is not None:
            raise error
        elif future.status != "finished":
            raise RunFailed(
                f"The Dask cluster let go of a part of {self._block.kind} '{self._path}' ({future.status})."
            )
        else:
            for kind, *what in future.result():
                if kind == "notes":
                    heed(what[0], self._run)
                    self._tries.heed(what[0])
                elif kind == "broken":
                    raise read_error(what[0])
                elif kind == "died":
                    yield from self._died(*what)
                else:
                    yield what[0], read_answer(what[1], self._who.format(index=what[0]))

    def _lost(self, indices: list[int], error: Any) -> Iterator[tuple[int, Exception]]:
        """Have the items of a chunk done one by one whose workers died; one that was alone has failed."""
        if len(indices) > 1:
            self._waiting.extendleft([index] for index in reversed(indices))
            return
        (index,) = indices
        died = WorkerDied(
            f"{self._who.format(index=index)}: {error.allowed_failures + 1} workers of the Dask cluster that were at "
            f"it have died, the last one {error.last_worker.address}.",
            remedy="See that worker's log.",
        )
        yield from self._died(index, died)

    def _died(self, index: int, error: Exception) -> Iterator[tuple[int, Exception]]:
        """Have an item done once more, if the block asks for that, or yield that it has failed."""
        if not self._tries.again(index, error):
            yield index, error
