"""A time limit for one try of a block: it is stopped when the limit passes, and `TimedOut` is raised.

In a process's main thread an alarm interrupts the block's Python code. In a process that works for an engine, somebody
watches besides (`watcher`), and kills the process if the block hangs in compiled code. In any other thread, which no
alarm reaches, the block is run apart, in such a process.

The alarm is no Exception, so neither what the block catches nor retries, maps and limits inside it keep it; only the
block whose limit it is makes `TimedOut` of it. In the main thread of the run itself, some code can still hold it back:
what catches BaseException and goes on; callbacks of asyncio, ``__del__`` and the like, out of which Python lets no
exception; and compiled code, until it comes back. A block that must be stoppable at any moment belongs into the engine
``parallel``, or into a twine app.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from fairlead.adapters.errors import TimedOut

if TYPE_CHECKING:
    from fairlead.adapters.workflow.block import Block
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.run_state import Run

watcher: Callable[[float, str], None] | None = None
"""Who is told that a limit begins, with its seconds and of whom it is, and that it has ended, with 0 seconds."""


class Alarm(BaseException):
    """Rings in a block whose limit has passed, on its way to the one that set it."""

    def __init__(self, error: TimedOut) -> None:
        """Take what it becomes there."""
        super().__init__(error.message)
        self.error = error


def meant(error: BaseException) -> BaseException:
    """Return what an exception is outside the block that a limit ends."""
    return error.error if isinstance(error, Alarm) else error


def limited(block: Block, inputs: Mapping[str, Any], run: Run, path: str, compute: Callable[[], Outputs]) -> Outputs:
    """Compute within the block's limit; raises `TimedOut`."""
    assert block.timeout is not None
    if threading.current_thread() is not threading.main_thread():
        from fairlead.adapters.workflow.engines.parallel import computed_apart

        return computed_apart(block, inputs, run, path)
    return _with_alarm(block.timeout, f"{block.kind} '{path or block.name}'", compute)


def timed_out(seconds: float, who: str) -> TimedOut:
    """Return the error that says whose limit has passed."""
    return TimedOut(f"{who} passed its time limit of {seconds:g} s.", remedy="Raise its timeout, or mend what hangs.")


def _with_alarm(seconds: float, who: str, compute: Callable[[], Outputs]) -> Outputs:
    error = timed_out(seconds, who)

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise Alarm(error)

    start = time.monotonic()
    outer = signal.getitimer(signal.ITIMER_REAL)[0]
    if 0 < outer <= seconds:  # what is round it passes its own limit first
        return compute()
    if watcher is not None:
        watcher(seconds, who)
    previous = signal.signal(signal.SIGALRM, ring)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return compute()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)  # until here it may ring
    except Alarm as alarm:
        if alarm.error is not error:
            raise
        raise error.with_traceback(alarm.__traceback__) from None
    finally:
        signal.signal(signal.SIGALRM, previous)
        if outer:
            signal.setitimer(signal.ITIMER_REAL, max(outer - (time.monotonic() - start), 1e-6))
        if watcher is not None:
            watcher(0, who)
