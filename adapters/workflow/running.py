"""One run of a workflow: what all its blocks share, and the one way in which a block is run in every engine and host.

A block, or an item of a map, or an iteration of a loop, is looked up in the result cache if it asks for that, tried as
often as it says, each try limited in time, and at its end somebody is told (`Event`). What runs where and when is the
engine's: see ``engines``. `run` is how a program runs a workflow.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from fairlead.adapters.errors import Cancelled, InputInvalid, Problem, TimedOut
from fairlead.adapters.host import LoggingHost
from fairlead.adapters.workflow.exceptions import ExitPipeline, WorkflowInvalid
from fairlead.adapters.workflow.failures import Failure, failure_of, short
from fairlead.adapters.workflow.gathering import Outputs, gather, is_skipped, skipped
from fairlead.adapters.workflow.glimpses import glimpses
from fairlead.adapters.workflow.limits import Alarm, limited, meant
from fairlead.adapters.workflow.maps import ItemFailed, MapWorkflow
from fairlead.adapters.workflow.retries import NONE, is_retryable
from fairlead.adapters.workflow.wiring import Step, Wiring, check, resolved
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fairlead.adapters.cache import ResultCache
    from fairlead.adapters.host import Host
    from fairlead.adapters.perform import Outcome
    from fairlead.adapters.workflow.block import Block

_logger = logging.getLogger(__name__)

Results = dict[int, Outputs]
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


_current: ContextVar[tuple[Run, str] | None] = ContextVar("fairlead_run", default=None)
configured_parameters: ContextVar[Mapping[str, Mapping[str, Any]] | None] = ContextVar(
    "fairlead_configured_parameters", default=None
)
"""The parameters of a pipeline's configuration, for tasks that are called outside a run."""


def current_parameters() -> Mapping[str, Any]:
    """Return the parameters in force here."""
    current = _current.get()
    return (configured_parameters.get() or {}) if current is None else current[0].parameters


def current_place() -> tuple[Run, str]:
    """Return the run that this is in, and where in it."""
    current = _current.get()
    if current is None:
        msg = "There is no run here: call the workflow itself, or fairlead.adapters.workflow.run(workflow)."
        raise RuntimeError(msg)
    return current


@contextlib.contextmanager
def placed(run: Run, path: str) -> Generator[None]:
    """Let what is called here find the run and its place."""
    token = _current.set((run, path))
    try:
        yield
    finally:
        _current.reset(token)


# One block


def run_block(block: Block, inputs: Mapping[str, Any], run: Run, path: str) -> Outputs:
    """Run a block with its inputs: look it up, try it as often as it says, limit each try, and say how it ended."""
    plain = not block.cache and block.timeout is None and not block.retries.times
    if run.observer is None and (plain or block.deals_with_parts):
        return block.compute(inputs, run, path)
    return _told(block, inputs, run, path, lambda: block.compute(inputs, run, path), parts=block.deals_with_parts)


def run_item(mapping: MapWorkflow, index: int, inputs: Mapping[str, Any], run: Run, path: str) -> Outputs | ItemFailed:
    """Run an item of a map in the same way, by the options of the map; an exception becomes its record."""
    place = f"{path}[{index}]"
    if mapping.added_inputs:
        inputs = {**mapping.added_defaults, **inputs}
    try:
        if run.observer is None and not mapping.cache and mapping.timeout is None and not mapping.retries.times:
            return compute_item(mapping, inputs, run, place)

        def compute() -> Outputs:
            return compute_item(mapping, inputs, run, place)

        return _told(mapping, inputs, run, place, compute)
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001 (whatever ends an item is the map's to judge)
        run.check()  # unless the run itself must end
        return item_failed(mapping, index, inputs, error)


def compute_item(mapping: MapWorkflow, inputs: Mapping[str, Any], run: Run, place: str) -> Outputs:
    """Run the blocks inside a map once, in this thread."""
    wiring = mapping.wiring()
    return wiring.outputs_of(run_in_order(wiring, inputs, run, place))


def item_failed(mapping: MapWorkflow, index: int, inputs: Mapping[str, Any], error: Exception) -> ItemFailed:
    """Return what stands for an item that an exception has ended."""
    note = f"In item {index} of map '{mapping.name}'."
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
    return ItemFailed(error, failure_of(error, index, visible(inputs)))


def _told(
    block: Block, inputs: Mapping[str, Any], run: Run, path: str, compute: Callable[[], Outputs], *, parts: bool = False
) -> Outputs:
    """Run a block, and tell when it starts and how it ends."""
    if run.observer is None:
        return _guarded(block, inputs, run, path, compute)[0]

    def tell(
        state: State, failure: Failure | None = None, *, cached: bool = False, shown: Mapping[str, Any] | None = None
    ) -> None:
        run.tell(Event(path, block.name, block.kind, state, time.time(), failure, cached, inputs=shown))

    tell("running", shown=glimpses({**visible(inputs), **block.bound}))
    try:
        outputs, cached = (compute(), False) if parts else _guarded(block, inputs, run, path, compute)
    except ExitPipeline:
        tell("success")
        raise
    except BaseException as error:
        tell("failed", failure_of(meant(error), 0, visible(inputs)))
        raise
    tell("skipped" if is_skipped(outputs) else "success", cached=cached)
    return outputs


def _guarded(
    block: Block, inputs: Mapping[str, Any], run: Run, path: str, compute: Callable[[], Outputs]
) -> tuple[Outputs, bool]:
    if path in run.whole:
        tried = compute
    elif path in run.tried_outside:

        def tried() -> Outputs:
            return _limited(block, inputs, run, path, compute)

    else:

        def tried() -> Outputs:
            return _tried(block, inputs, run, path, compute)

    if not block.cache or block.caches_parts:
        return tried(), False
    from fairlead.adapters.workflow.units import kept

    return kept(block, inputs, run, path, tried, {})


def _tried(block: Block, inputs: Mapping[str, Any], run: Run, path: str, compute: Callable[[], Outputs]) -> Outputs:
    """Try as often as the block says; what breaks a contract is not tried again."""
    retries = block.retries or NONE
    for number in range(1 + run.tries_over.get(path, 0), retries.times + 1):
        try:
            return _limited(block, inputs, run, path, compute)
        except Exception as error:
            if not is_retryable(error):
                raise
            run.check()
            seconds = retries.wait_before(number)
            _logger.warning(
                "%s: %s: %s; trying again in %.1f s (%d of %d)",
                path, type(error).__name__, error, seconds, number, retries.times,
            )  # fmt: skip
            run.wait(seconds)
            if run.on_try is not None:
                run.on_try(path, number + 1)
    return _limited(block, inputs, run, path, compute)


def _limited(block: Block, inputs: Mapping[str, Any], run: Run, path: str, compute: Callable[[], Outputs]) -> Outputs:
    if block.timeout is None:
        return compute()
    return limited(block, inputs, run, path, compute)


# Blocks in order


def run_in_order(wiring: Wiring, inputs: Mapping[str, Any], run: Run, path: str) -> Results:
    """Run each step after those that it needs, one at a time, in this thread; return the outputs of each."""
    results: dict[int, Outputs] = {}
    for number, step in enumerate(wiring.steps):
        run.check()
        results[number] = run_step(step, results, inputs, run, path)
    return results


def run_step(
    step: Step,
    results: Mapping[int, Outputs],
    inputs: Mapping[str, Any],
    run: Run,
    path: str,
    run_block: Callable[[Block, Mapping[str, Any], Run, str], Outputs] = run_block,
) -> Outputs:
    """Run one step with the results of those before it, or skip it; ``run_block`` says how its block is run."""
    place = f"{path}/{step.key}" if path else step.key
    values = gather(step.needs, results, inputs)
    if values is None:
        if run.observer is not None:
            run.tell(Event(place, step.block.name, step.block.kind, "skipped", time.time()))
        return skipped(step.outputs)
    try:
        return run_block(step.block, values, run, place)
    except (Exception, Alarm) as error:
        note_place(meant(error), step.block, place)
        raise


def visible(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a user knows of inputs: without those that only carry something."""
    return {name: value for name, value in inputs.items() if name[0] != "@"}


def note_place(error: BaseException, block: Block, place: str) -> None:
    """Say where an exception came from, once; of the workflow that was run itself there is nothing to say."""
    if place and not getattr(error, "__fairlead_place__", None):
        with contextlib.suppress(AttributeError):  # of an exception that takes no attributes
            error.__fairlead_place__ = place  # type: ignore[attr-defined]
        error.add_note(f"In {block.kind} '{place}'.")


# A whole workflow


@dataclass(frozen=True)
class Result:
    """What came of a workflow."""

    outputs: Outputs
    failures: tuple[tuple[str, Failure], ...]
    """Items that failed and did not end it, with the paths of their maps, in the order of these and of the items."""
    exited: bool
    """Whether a task has ended it before its end, by `exit_pipeline`; then there are no outputs."""
    seconds: float


def run(
    workflow: Workflow,
    inputs: Mapping[str, Any] | None = None,
    *,
    backend: str | Engine = "default",
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    cache: str | None = None,
    overwrite_cache: bool = False,
    host: Host | None = None,
    observer: Callable[[Event], None] | None = None,
    worker_setup: Callable[[], None] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Result:
    """Run a workflow on this machine, or from it on a cluster, when all of it fits.

    Args:
        workflow: what to run.
        inputs: values for its inputs, by name.
        backend: the engine: ``default`` (this process), ``parallel``, ``slurm`` or ``dask``, or one that is made.
        parameters: values of the tasks' parameters, by the names of the tasks.
        cache: where results are kept of blocks that ask for it and do not say where; see `ResultCache`.
        overwrite_cache: run in any case, and replace what the cache holds.
        host: who runs it; this process's log without it.
        observer: who is told what happens, as it happens.
        worker_setup: what each process that works for this run calls first; it must be possible to pickle it.
        options: of the engine, by name; see ``engines``.

    Raises:
        IOCheckerError: something does not fit, in names or types; all of it is told. Nothing has run.
        Exception: what a task raised, as it raised it, with a note of where that was.
    """
    from fairlead.adapters.workflow.arguments import refuse_unusable
    from fairlead.adapters.workflow.engines import named

    start = time.perf_counter()
    _refuse_unusable(workflow, inputs)
    refuse_unusable(parameters, backend, options)
    workflow.forget_digests()
    given = resolved(workflow, inputs or {})
    engine = named(backend, **(options or {})) if isinstance(backend, str) else backend
    made = Run(
        engine,
        host=host or LoggingHost(),
        parameters=current_parameters() if parameters is None else parameters,
        cache=cache,
        overwrite_cache=overwrite_cache,
        observer=observer,
        worker_setup=worker_setup,
    )
    exited = False
    outputs: Outputs = {}
    with placed(made, ""):
        check(workflow, given)
        try:
            outputs = run_block(workflow, given, made, "")
        except ExitPipeline as stop:
            exited = True
            _logger.info("The run ended early%s", f": {stop}" if str(stop) else ".")
        finally:
            if isinstance(backend, str):
                engine.close()
    failures = sorted(made.failures, key=lambda failed: (_by_number(failed[0]), failed[1].index))
    return Result(outputs, tuple(failures), exited, time.perf_counter() - start)


def _by_number(path: str) -> list[tuple[int, str]]:
    """Return what paths are sorted by, so that item 10 comes after item 9 in whatever order they were run."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]


def _refuse_unusable(workflow: Any, inputs: Any) -> None:
    if not isinstance(workflow, Workflow):
        remedy = "Call what makes it, or put the task into one: Workflow(MyTask())."
        raise WorkflowInvalid(Problem("run", f"{short(workflow)} is no workflow", "a workflow", remedy))
    if not isinstance(inputs, Mapping | None):
        where = f"{workflow.kind} '{workflow.name}', inputs"
        remedy = f"Write a dict, e.g. {{'{next(iter(workflow.inputs), 'x')}': 1}}."
        raise InputInvalid(Problem(where, f"{short(inputs)} is no mapping", "values by name", remedy))


def call(workflow: Workflow, inputs: Mapping[str, Any]) -> Outputs:
    """Run a workflow as a part of the run that this is in, or else on its own."""
    current = _current.get()
    if current is None:
        return run(workflow, inputs).outputs
    given = resolved(workflow, inputs)
    check(workflow, given)
    return run_block(workflow, given, *current)
