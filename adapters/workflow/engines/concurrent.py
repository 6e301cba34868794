"""The order in which engines that can do several things run a workflow's blocks: each as soon as it has what it needs.

A block that is alone runs here, in the thread of the run, with live values. Where several can run, each gets a thread
that waits for it: a map, a loop or a workflow inside is seen to from there, and a task is handed to the engine
(`Concurrent.run_apart`). When one ends the run, nothing more is started, the others are stopped, and what it raised is
raised here.

What it does not do: start processes, or know where a task is run.
"""

from __future__ import annotations

import contextvars
import heapq
import queue
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fairlead.adapters.workflow.branches import Choice, IdentityTask, MergeTask, Side
from fairlead.adapters.workflow.engines.work import SharedHost
from fairlead.adapters.workflow.running import run_block, run_step
from fairlead.adapters.workflow.wiring import FromBlock
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fairlead.adapters.workflow.block import Block
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.run_state import Results, Run
    from fairlead.adapters.workflow.wiring import Step, Wiring

TICK = 0.1
"""Seconds between two looks at whether the run must end."""
GRACE = 2.0
"""Seconds after its time limit at which a process that has not stopped by itself is killed."""
_QUICK = (Choice, Side, MergeTask, IdentityTask)
_THREADS = 64
_beside: ContextVar[bool] = ContextVar("fairlead_beside", default=False)
"""Whether something else of the run may be going on beside this thread."""


class Concurrent:
    """Runs blocks that do not need each other at the same time."""

    slots = 1
    """How many tasks may run at once."""

    def run_apart(self, block: Block, inputs: Mapping[str, Any], run: Run, path: str) -> Outputs:
        """Run a task that something else runs beside, and wait for it."""
        return run_block(block, inputs, run, path)

    def prepare(self) -> None:
        """Get ready, before there are threads."""

    def is_for_apart(self, block: Block) -> bool:  # noqa: ARG002 (for those that have such)
        """Tell whether a block is run apart even if it is alone."""
        return False

    def run_steps(self, wiring: Wiring, inputs: Mapping[str, Any], run: Run, path: str) -> Results:
        """See `Engine.run_steps`."""
        return _Steps(self, wiring, inputs, run, path).done()


class _Steps:
    """The steps of one workflow, on their way."""

    def __init__(self, engine: Concurrent, wiring: Wiring, inputs: Mapping[str, Any], run: Run, path: str) -> None:
        self._engine, self._wiring, self._inputs, self._run, self._path = engine, wiring, inputs, run, path
        self._results: dict[int, Outputs] = {}
        self._needed_by: dict[int, list[int]] = {}
        self._waits_for: dict[int, int] = {}
        self._ready: list[int] = []
        self._running: dict[int, threading.Thread] = {}
        self._ended: queue.SimpleQueue[tuple[int, Outputs | None, BaseException | None]] = queue.SimpleQueue()
        self._is_stopped = threading.Event()
        self._shared: Run | None = None
        for number, step in enumerate(wiring.steps):
            needs = {*step.ups, *(source.step for source in step.sources.values() if isinstance(source, FromBlock))}
            self._waits_for[number] = len(needs)
            for up in needs:
                self._needed_by.setdefault(up, []).append(number)
            if not needs:
                self._ready.append(number)

    def done(self) -> Results:
        """Run them all, and return the outputs of the last ones."""
        try:
            while self._ready or self._running:
                self._run.check()
                self._start()
                if self._running:
                    self._collect()
        finally:
            self._is_stopped.set()
            for thread in self._running.values():
                if thread.is_alive():  # one whose start was interrupted may not be, and then does nothing
                    thread.join()
        return self._results

    def _start(self) -> None:
        """Start what can be: what is alone, or takes no time, is done here."""
        for number in [each for each in self._ready if isinstance(self._wiring.steps[each].block, _QUICK)]:
            self._ready.remove(number)
            self._finish(number, self._step(number, self._run))
            return
        if len(self._ready) == 1 and not self._running and not _beside.get():
            (number,) = self._ready
            block = self._wiring.steps[number].block
            if isinstance(block, Workflow) or not self._engine.is_for_apart(block):
                self._ready.clear()
                self._finish(number, self._step(number, self._run))
                return
        heapq.heapify(self._ready)
        waiting = []
        while self._ready and len(self._running) < _THREADS:
            number = heapq.heappop(self._ready)
            tasks = sum(not isinstance(self._wiring.steps[each].block, Workflow) for each in self._running)
            if tasks >= self._engine.slots and not isinstance(self._wiring.steps[number].block, Workflow):
                waiting.append(number)
            else:
                self._start_beside(number)
        self._ready += waiting

    def _start_beside(self, number: int) -> None:
        if self._shared is None:
            self._engine.prepare()
            host = SharedHost(self._run.host, threading.Lock(), self._is_stopped.is_set)
            self._shared = replace(self._run, host=host)
        thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._in_thread, number, self._shared),
            name=f"fairlead-{self._wiring.steps[number].key}",
            daemon=True,
        )
        self._running[number] = thread
        thread.start()

    def _in_thread(self, number: int, run: Run) -> None:
        if self._is_stopped.is_set():
            return
        _beside.set(True)
        try:
            outputs = self._step(number, run)
        except BaseException as error:  # noqa: BLE001 (it is raised in the thread of the workflow)
            self._ended.put((number, None, error))
        else:
            self._ended.put((number, outputs, None))

    def _step(self, number: int, run: Run) -> Outputs:
        step: Step = self._wiring.steps[number]
        is_plain = isinstance(step.block, (*_QUICK, Workflow))
        is_apart = not is_plain and (_beside.get() or self._engine.is_for_apart(step.block))
        how = self._engine.run_apart if is_apart else run_block
        return run_step(step, self._results, self._inputs, run, self._path, how)

    def _collect(self) -> None:
        """Wait a moment for one that has ended; raises what it did."""
        try:
            number, outputs, error = self._ended.get(timeout=TICK)
        except queue.Empty:
            return
        self._running.pop(number).join()
        if error is not None:
            raise error
        assert outputs is not None
        self._finish(number, outputs)

    def _finish(self, number: int, outputs: Outputs) -> None:
        self._results[number] = outputs
        for down in self._needed_by.get(number, ()):
            self._waits_for[down] -= 1
            if not self._waits_for[down]:
                self._ready.append(down)
