"""The engine ``parallel``: independent blocks and the items of maps at once, in processes of this machine.

A map's body is sent to each process once, its items in chunks that grow as long as they are quick. A map inside an item
runs in order in that item's process; a map inside a branch or a workflow shares all processes with the others. A task
that nothing else runs beside, and that has no time limit, runs in the process of the run, with live values.

What it does not do: share memory between processes, or limit theirs.
"""

from __future__ import annotations

import contextlib
import os
import queue
import time
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fairlead.adapters.errors import Cancelled, InputInvalid, Problem, TimedOut
from fairlead.adapters.workflow.engines.concurrent import GRACE, TICK, Concurrent
from fairlead.adapters.workflow.engines.crossing import read_error
from fairlead.adapters.workflow.engines.pool import Pool, Work
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
from fairlead.adapters.workflow.exceptions import ExitPipeline
from fairlead.adapters.workflow.limits import Alarm
from fairlead.adapters.workflow.maps import ItemFailed
from fairlead.adapters.workflow.retries import NONE
from fairlead.adapters.workflow.units import UnitBlock

if TYPE_CHECKING:
    from fairlead.adapters.workflow.block import Block
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.maps import MapWorkflow
    from fairlead.adapters.workflow.run_state import Run


class Parallel(Concurrent):
    """Runs blocks and items in processes of this machine."""

    name = "parallel"

    def __init__(self, *, workers: int | None = None, grace: float = GRACE) -> None:
        """Start nothing yet.

        Args:
            workers: how many processes there may be; as many as this process may use processors without it.
            grace: seconds after its time limit at which a process that hangs in compiled code is killed.

        Raises:
            InputInvalid: an option is out of range.
        """
        if workers is not None and not (isinstance(workers, int) and workers > 0):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputInvalid(
                Problem("workers", f"{workers!r} is no whole number above 0", "a number", "Give e.g. 4.")
            )
        self.slots = workers or len(os.sched_getaffinity(0))
        self._pool = Pool(self.slots, grace)

    def prepare(self) -> None:
        """See `Concurrent.prepare`: a process that has no threads yet is quickly forked."""
        self._pool.start()

    def is_for_apart(self, block: Block) -> bool:
        """See `Concurrent.is_for_apart`: what has a time limit can be stopped at any moment."""
        return block.timeout is not None and not isinstance(block, UnitBlock)

    def run_apart(self, block: Block, inputs: Mapping[str, Any], run: Run, path: str) -> Outputs:
        """See `Concurrent.run_apart`; a unit of work has a process of its own anyway."""
        if isinstance(block, UnitBlock):
            return super().run_apart(block, inputs, run, path)
        return alone(self._pool, "block", block, inputs, run, path)

    def run_items(
        self, mapping: MapWorkflow, items: Sequence[Mapping[str, Any]], run: Run, path: str
    ) -> Generator[tuple[int, Outputs | ItemFailed]]:
        """See `Engine.run_items`."""
        if not items:
            return
        body, rest = written_body("item", mapping, run, path, items)
        chunk: int | Literal["auto"] = mapping.chunk if isinstance(mapping.chunk, int) else "auto"
        who = f"map '{mapping.name}', item {{index}}"
        work = Work(body, who, rest, chunk=chunk, limit=mapping.simultaneous_tasks)
        found = self._items(work, mapping, items, run, path)
        yield from first_failure(mapping, len(items), found, lambda index: self._pool.leave_out(work, index))

    def _items(
        self, work: Work, mapping: MapWorkflow, items: Sequence[Mapping[str, Any]], run: Run, path: str
    ) -> Generator[tuple[int, Outputs | ItemFailed]]:
        tries = Tries(retries_of(mapping, run, path))
        with contextlib.closing(answers(self._pool, work, run, tries)) as found:
            for index, answer in found:
                yield (
                    index,
                    lost_item(mapping, index, items[index], answer, run, path)
                    if isinstance(answer, Exception)
                    else answer,
                )

    def close(self) -> None:
        """See `Engine.close`."""
        self._pool.close()


def answers(  # noqa: C901 (a case a message)
    pool: Pool, work: Work, run: Run, tries: Tries
) -> Generator[tuple[int, Outputs | ItemFailed | Exception]]:
    """Have a work done; yield what came of each item, or the exception for one whose process died once too often.

    When it is closed, what runs is let end. When the run must end, it is stopped.
    """
    given: dict[int, Any] = dict(work.inputs)
    left = len(given)
    inbox = _Inbox(work, run)
    pool.submit(work)
    is_over = False
    try:
        while left:
            for index in tries.due():
                pool.again(work, index, tries.given(index, given[index]))
            kind, *what = inbox.next(tries.wait(TICK))
            if kind == "notes":
                heed(what[0], run)
                tries.heed(what[0])
            elif kind == "done":
                left -= 1
                yield what[0], read_answer(what[1], work.who.format(index=what[0]))
            elif kind == "died":
                index, error = what
                if not tries.again(index, error):
                    left -= 1
                    yield index, error
            elif kind == "error":
                raise what[0]
            elif kind == "broken":
                raise read_error(what[0])
        is_over = True
    except GeneratorExit:
        _let_end(pool, work, run)
        is_over = True
        raise
    finally:
        if not is_over:
            pool.kill(work)
        pool.forget(work)


class _Inbox:
    """The inbox of a work, read while the run goes on."""

    def __init__(self, work: Work, run: Run) -> None:
        self._inbox, self._run, self._checked = work.inbox, run, 0.0

    def next(self, seconds: float = TICK) -> tuple[Any, ...]:
        """Return what comes next, or ``("nothing",)`` if that is not in so many seconds; raises what ends the run."""
        if time.monotonic() - self._checked > TICK:
            self._run.check()
            self._checked = time.monotonic()
        try:
            return self._inbox.get(timeout=seconds)
        except queue.Empty:
            return ("nothing",)


def _let_end(pool: Pool, work: Work, run: Run) -> None:
    """Wait for the items that run, whose answers nobody needs any more."""
    pool.leave_out(work)
    try:
        inbox = _Inbox(work, run)
        while (message := inbox.next())[0] != "quiet":
            if message[0] == "notes":
                heed(message[1], run)
    except (Cancelled, TimedOut, ExitPipeline, KeyboardInterrupt):
        pool.kill(work)
    except Alarm:
        pool.kill(work)
        raise


def alone(pool: Pool, kind: Kind, block: Block, inputs: Mapping[str, Any], run: Run, path: str) -> Outputs:
    """Run one block in a process of a pool; returns its outputs or raises what it did."""
    body, rest = written_body(kind, block, run, path, [inputs])
    work = Work(body, f"{block.kind} '{path or block.name}'", rest)
    tries = Tries(NONE if kind == "try" else retries_of(block, run, path))
    for _, answer in answers(pool, work, run, tries):
        if isinstance(answer, Exception):
            raise answer if kind == "try" else lost_block(block, inputs, answer, run, path)
        assert not isinstance(answer, ItemFailed)
        return answer
    msg = "a work has an answer for each item"
    raise AssertionError(msg)


def computed_apart(block: Block, inputs: Mapping[str, Any], run: Run, path: str) -> Outputs:
    """Compute a block once, within its time limit, in a process of its own, which is killed when that has passed."""
    pool = Pool(1, GRACE)
    try:
        return alone(pool, "try", block, inputs, run, path)
    finally:
        pool.close()
