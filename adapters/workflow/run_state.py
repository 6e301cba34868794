"""What all blocks of one run share: its engine, host and parameters, who is told what happens, and where in it we are.

An `Engine` says what runs where and when, a `Memory` outlives a host's retries, an `Event` is what happened to a block.
How a block is run is not here: see ``running``.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from fairlead.adapters.errors import Cancelled, TimedOut
from fairlead.adapters.host import LoggingHost

if TYPE_CHECKING:
    from fairlead.adapters.cache import ResultCache
    from fairlead.adapters.host import Host
    from fairlead.adapters.perform import Outcome
    from fairlead.adapters.workflow.block import Block
    from fairlead.adapters.workflow.failures import Failure
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.maps import ItemFailed, MapWorkflow
    from fairlead.adapters.workflow.wiring import Wiring
    from fairlead.adapters.workflow.workflow import Workflow

_logger = logging.getLogger(__name__)

Results: TypeAlias = "dict[int, Outputs]"
"""The outputs of each step of a workflow, by its number."""
State = Literal["running", "success", "failed", "skipped"]


@dataclass(frozen=True)
class Event:
    """Something that happened to a block."""

    path: str
    """Where it is: the keys of the blocks that it is in, and its own, with ``/`` between; ``[3]`` for an item."""
    name: str
    kind: str
    state: State
    time: float
    """Seconds since the epoch."""
    failure: Failure | None = None
    cached: bool = False
    items: int | None = field(default=None, kw_only=True)
    """Of a map, once it is known, how many items it has."""
    inputs: Mapping[str, Any] | None = field(default=None, kw_only=True)
    """What a block that starts was given: JSON data that show it; see ``glimpses``."""


class Engine(Protocol):
    """Where the blocks of a workflow run, and when."""

    name: str

    def run_steps(self, wiring: Wiring, inputs: Mapping[str, Any], run: Run, path: str) -> Results:
        """Run each step after those that it needs, and return the outputs of all."""
        ...

    def run_items(
        self, mapping: MapWorkflow, items: Sequence[Mapping[str, Any]], run: Run, path: str
    ) -> Generator[tuple[int, Outputs | ItemFailed]]:
        """Run a map's items, and yield what came of each with its index, in any order.

        When it is closed, nothing more is started, and what runs is let end or stopped.
        """
        ...

    def close(self) -> None:
        """Stop whatever was started."""
        ...


class Checkpoint(Protocol):
    """How far a loop has come, where the host remembers it."""

    def load(self) -> tuple[int, Outputs] | None:
        """Return how many iterations are done, and the outputs of the last one."""
        ...

    def save(self, done: int, outputs: Outputs) -> None:
        """Remember it."""
        ...


class Memory(Protocol):
    """A host's memory that survives a retry."""

    def checkpoint(self, path: str, work: str) -> contextlib.AbstractContextManager[Checkpoint]:
        """Open the memory of one loop, for the same work; it is forgotten when the loop has ended well."""
        ...


class _Forgetful:
    """The checkpoint of a host that remembers nothing."""

    def load(self) -> None:
        return None

    def save(self, done: int, outputs: Outputs) -> None:
        """Forget it."""


@dataclass
class Run:
    """What all blocks of one run share."""

    backend: Engine
    host: Host = field(default_factory=LoggingHost)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Values of tasks' parameters, by the names of the tasks."""
    cache: str | None = None
    """Where results are kept, for blocks that do not say."""
    overwrite_cache: bool = False
    observer: Callable[[Event], None] | None = None
    """Who is told what happens; called from one thread at a time."""
    worker_setup: Callable[[], None] | None = None
    """What a process that works for this run calls first; it can be pickled."""
    memory: Memory | None = None
    whole: frozenset[str] = frozenset()
    """Paths of blocks whose retries and limits are somebody else's: of an orchestrator that runs them."""
    tried_outside: frozenset[str] = frozenset()
    """Paths of blocks whose retries are somebody else's, but not their limits."""
    on_outcome: Callable[[Outcome], None] | None = None
    """Who is shown what came of units of work."""
    tries_over: dict[str, int] = field(default_factory=dict)
    """How many tries of blocks are over, by their paths, where processes that died were at them."""
    on_try: Callable[[str, int], None] | None = None
    """Who is told that a block is tried again: its path, and which try that is."""
    failures: list[tuple[str, Failure]] = field(default_factory=list)
    """Items that failed and were collected or left out, with the paths of their maps."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Raise `Cancelled` or `TimedOut` if the run must end."""
        if self.host.cancelled():
            raise Cancelled("The run was cancelled.")
        deadline = self.host.deadline
        if deadline is not None and time.monotonic() > deadline:
            raise TimedOut("The run passed its time limit.", remedy="Raise the limit.")

    def tell(self, event: Event) -> None:
        """Tell the observer what happened, here or in a process that works for this run."""
        if self.observer is not None:
            with self._lock:
                self.observer(event)

    def expect(self, mapping: MapWorkflow, path: str, items: int) -> None:
        """Tell how many items a map has, which is running."""
        if self.observer is not None:
            self.tell(Event(path, mapping.name, mapping.kind, "running", time.time(), items=items))

    def failed(self, path: str, failure: Failure) -> None:
        """Keep the failure of an item with which the map goes on."""
        self.keep([(path, failure)])
        _logger.warning("%s%s", f"{path}: " if path else "", failure)

    def keep(self, failures: Sequence[tuple[str, Failure]]) -> None:
        """Add failures that were told of already."""
        with self._lock:
            self.failures.extend(failures)

    def results(self, block: Block) -> ResultCache:
        """Return the cache in which a block's results are kept."""
        from fairlead.adapters.cache import ResultCache

        return ResultCache(block.cache_dir or self.cache)

    def wait(self, seconds: float) -> None:
        """Wait before another try; raises `Cancelled` or `TimedOut` if the run must end."""
        end = time.monotonic() + seconds
        pause = threading.Event()
        while (left := end - time.monotonic()) > 0:
            self.check()
            pause.wait(min(left, 0.1))

    def checkpoint(
        self, loop: Workflow, inputs: Mapping[str, Any], path: str
    ) -> contextlib.AbstractContextManager[Checkpoint]:
        """Open what the host remembers of a loop that is given these inputs."""
        if self.memory is not None:
            from fairlead.adapters.workflow.memory import work_of

            work = work_of(loop, inputs, self, path)
            if work is not None:
                return self.memory.checkpoint(path, work)
        return contextlib.nullcontext(_Forgetful())

    def part(self, workflow: Workflow, inputs: Mapping[str, Any], path: str, extra: Mapping[str, Any]) -> Outputs:
        """Run the blocks of a loop once; ``extra`` is what, besides the inputs, tells this iteration from others."""
        self.check()

        def compute() -> Outputs:
            wiring = workflow.wiring()
            return wiring.outputs_of(self.backend.run_steps(wiring, inputs, self, path))

        if not workflow.cache:
            return compute()
        from fairlead.adapters.workflow.units import kept

        return kept(workflow, inputs, self, path, compute, extra)[0]


current: ContextVar[tuple[Run, str] | None] = ContextVar("fairlead_run", default=None)
"""The run that this is in, and where in it."""
configured_parameters: ContextVar[Mapping[str, Mapping[str, Any]] | None] = ContextVar(
    "fairlead_configured_parameters", default=None
)
"""The parameters of a pipeline's configuration, for tasks that are called outside a run."""


def current_parameters() -> Mapping[str, Any]:
    """Return the parameters in force here."""
    place = current.get()
    return (configured_parameters.get() or {}) if place is None else place[0].parameters


def current_place() -> tuple[Run, str]:
    """Return the run that this is in, and where in it."""
    place = current.get()
    if place is None:
        msg = "There is no run here: call the workflow itself, or fairlead.adapters.workflow.run(workflow)."
        raise RuntimeError(msg)
    return place


@contextlib.contextmanager
def placed(run: Run, path: str) -> Generator[None]:
    """Let what is called here find the run and its place."""
    token = current.set((run, path))
    try:
        yield
    finally:
        current.reset(token)
