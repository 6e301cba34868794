"""A time limit for one try of a block: it is stopped when the limit passes, and `TimedOut` is raised.

In a process's main thread an alarm interrupts the block's Python code. What blocks in compiled code ends only when it
comes back; a block that must be stoppable at any moment belongs into the engine ``parallel``, or into a twine app.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from fairlead.adapters.errors import TimedOut

if TYPE_CHECKING:
    from fairlead.adapters.workflow.block import Block
    from fairlead.adapters.workflow.running import Outputs, Run


def limited(block: Block, inputs: Mapping[str, Any], run: Run, path: str, compute: Callable[[], Outputs]) -> Outputs:
    """Compute within the block's limit; raises `TimedOut`."""
    assert block.timeout is not None
    if threading.current_thread() is not threading.main_thread():
        from fairlead.adapters.workflow.engines.parallel import computed_apart

        return computed_apart(block, inputs, run, path)
    return _with_alarm(block.timeout, f"{block.kind} '{path or block.name}'", compute)


def _with_alarm(seconds: float, who: str, compute: Callable[[], Outputs]) -> Outputs:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimedOut(
            f"{who} passed its time limit of {seconds:g} s.", remedy="Raise its timeout, or mend what hangs."
        )

    previous = signal.signal(signal.SIGALRM, ring)
    outer, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return compute()
    finally:
        signal.setitimer(signal.ITIMER_REAL, outer)
        signal.signal(signal.SIGALRM, previous)
