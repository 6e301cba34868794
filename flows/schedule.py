"""One flow run of a workflow: which of its nodes become task runs, and when.

How it works: a node is submitted as soon as all before it have ended, so independent branches run at once in any task
runner. A map becomes a task run for each chunk of its items, a loop one for each iteration, in order; what is skipped
becomes none. Values stay packed on their way: only the sequences that maps go through, and what loops send back, are
unpacked in the flow's process. When a task run fails, nothing more is started, what runs is let end, and its exception
is raised.

What it does not do: run a block (``node_tasks``), or decide what a node is given (``adapters.workflow.nodes``).
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prefect.logging import get_run_logger

from fairlead.adapters.errors import NotPortable
from fairlead.adapters.host import LoggingHost
from fairlead.adapters.workflow.branches import Side
from fairlead.adapters.workflow.chunks import Chunk, cut, is_cut
from fairlead.adapters.workflow.engines import named
from fairlead.adapters.workflow.exceptions import ExitPipeline
from fairlead.adapters.workflow.failures import Failure
from fairlead.adapters.workflow.gathering import is_skipped, skipped
from fairlead.adapters.workflow.loops import IterativeWorkflow, LoopWorkflow
from fairlead.adapters.workflow.maps import MapWorkflow
from fairlead.adapters.workflow.nodes import closed, gather, opened, outputs_of, packed, unpacked
from fairlead.adapters.workflow.retries import NONE
from fairlead.adapters.workflow.run_state import Run, placed
from fairlead.adapters.workflow.running import run_block
from fairlead.flows.artifacts import ProgressBar, publish_failures
from fairlead.flows.node_tasks import EXITED, FAILURE, Order, Packed, Plan, Shipped, node_task

if TYPE_CHECKING:
    from prefect import Task
    from prefect.futures import PrefectFuture

    from fairlead.adapters.workflow.chunks import ChunkSize
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.nodes import Flat, FlatNode
    from fairlead.adapters.workflow.workflow import Workflow

_CHUNKS = 64
"""About so many task runs a large map has that is cut as fairlead likes it."""
_PATIENCE = 1.0
"""Seconds after which a map shows how far it is."""


@dataclass(frozen=True)
class NodeTasks:
    """The tasks of a node."""

    alone: Task[..., Any]
    """For the node, an iteration of it, or a single item."""
    several: Task[..., Any] | None
    """For several items of a map in one task run."""


def tasks_of(flat: Flat, *, parts: bool, persist: bool | None) -> dict[str, NodeTasks]:
    """Make the tasks of all nodes, by the nodes' paths.

    Args:
        flat: the nodes.
        parts: whether items of maps and iterations of loops are task runs of their own.
        persist: whether results are stored; by default those of all but single items of maps.
    """
    tasks: dict[str, NodeTasks] = {}
    for node in flat.nodes:
        is_map = parts and is_cut(node)
        retries = node.block.retries if is_map else node.retries
        alone = node_task(node, retries=retries, persist=not is_map if persist is None else persist)
        several = node_task(node, retries=NONE, persist=persist is not False) if is_map else None
        tasks[node.path] = NodeTasks(alone, several)
    return tasks


def is_unrolled(node: FlatNode) -> bool:
    """Tell whether a node is a loop whose iterations can be tasks of their own: one without a limit as a whole."""
    block = node.block
    return isinstance(block, LoopWorkflow | IterativeWorkflow) and block.hook is None and block.timeout is None


@dataclass
class _Map:
    """How far a map is."""

    node: FlatNode
    values: Packed
    """What all items are given alike."""
    waiting: Iterator[Chunk]
    number: int
    after: list[PrefectFuture[Any]]
    bar: ProgressBar
    start: float = field(default_factory=time.monotonic)
    results: dict[int, Packed | Failure] = field(default_factory=dict)
    futures: list[PrefectFuture[Any]] = field(default_factory=list)


@dataclass
class _Unrolled(Run):
    """A run of a loop in the flow's process, whose iterations are done elsewhere."""

    iterate: Callable[[Mapping[str, Any], str, Mapping[str, Any]], Outputs] | None = None
    """Does one, given its inputs, its place, and what else tells it from others."""

    def part(
        self,
        workflow: Workflow,  # noqa: ARG002 (an iteration's is known where it is done)
        inputs: Mapping[str, Any],
        path: str,
        extra: Mapping[str, Any],
    ) -> Outputs:
        """See `Run.part`."""
        self.check()
        assert self.iterate is not None
        return self.iterate(inputs, path, extra)


class Schedule:
    """One flow run."""

    def __init__(
        self,
        plan: Shipped[Plan],
        tasks: Mapping[str, NodeTasks],
        inputs: Mapping[str, Any],
        *,
        parts: bool,
        chunk: ChunkSize,
    ) -> None:
        """Take what is to be run, and packed inputs."""
        self._plan, self._tasks, self._inputs = plan, tasks, inputs
        self._parts = parts
        self._chunk: ChunkSize = chunk
        self._flat, self._store = plan.thing.flat, plan.thing.store
        self._nodes = plan.thing.nodes
        self._logger = get_run_logger()
        self._host = LoggingHost()
        self._results: dict[str, Outputs] = {}
        self._ended: dict[str, list[PrefectFuture[Any]]] = {}
        """The task runs of what has ended, which are shown as what comes before the next."""
        self._waits = {node.path: set(node.after) for node in self._flat.nodes}
        self._flying: set[PrefectFuture[Any]] = set()
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        """What is to be done in the flow's thread, as things happen in others."""
        self._loops: list[threading.Thread] = []
        self._maps: list[_Map] = []

    def run(self) -> Packed | None:
        """Run all nodes, and return the workflow's outputs, packed; None if a task has ended the run early.

        Raises what a task raised.
        """
        try:
            self._start([path for path, waits in self._waits.items() if not waits])
            while len(self._results) < len(self._flat.nodes):
                self._news.get()()
        except ExitPipeline as stop:
            self._logger.info("The run ended early%s", f": {stop}" if str(stop) else ".")
            self._stop()
            return None
        except Exception:
            self._stop()
            raise
        except BaseException:  # the flow run is stopped, and Prefect stops its task runs
            self._cancel()
            raise
        finally:
            for state in self._maps:
                state.bar.close(done=len(state.results) == state.number)
        return closed(outputs_of(self._flat, self._results))

    def _start(self, paths: list[str]) -> None:
        for path in paths:
            self._begin(self._nodes[path])

    def _begin(self, node: FlatNode) -> None:
        values = gather(node, self._results, self._inputs)
        if values is None or (isinstance(node.block, Side) and self._is_not_taken(node, values)):
            self._logger.info("%s: skipped, its branch was not taken", node.path)
            self._end(node, skipped(node.outputs), [])
        elif self._parts and is_cut(node):
            self._begin_map(node, values)
        elif self._parts and is_unrolled(node):
            # Prefect finds the flow run in the other thread, too.
            work = contextvars.copy_context().run
            loop = threading.Thread(target=work, args=(self._loop, node, values), name=node.path, daemon=True)
            self._loops.append(loop)
            loop.start()
        else:
            task = self._tasks[node.path].alone
            order = Order(self._plan, node.path, values)
            self._submit(task, node.path, order, self._before(node), lambda future: self._end_task(node, future))

    def _is_not_taken(self, node: FlatNode, values: Mapping[str, Any]) -> bool:
        return is_skipped(run_block(node.block, values, self._run(), node.place))

    def _before(self, node: FlatNode) -> list[PrefectFuture[Any]]:
        return [future for path in node.after for future in self._ended[path]]

    def _run(self, kind: type[Run] = Run) -> Run:
        """Return a run for what is done in the flow's process."""
        plan = self._plan.thing
        return kind(named("default"), host=self._host, parameters=plan.parameters)

    # Task runs

    def _submit(
        self,
        task: Task[..., Any],
        label: str,
        order: Order,
        after: list[PrefectFuture[Any]],
        then: Callable[[PrefectFuture[Any]], None],
    ) -> PrefectFuture[Any]:
        """Start a task run; what comes ``then`` is done in the flow's thread."""
        try:
            future = task.submit(label, order, wait_for=after)
        except Exception as error:
            if (reason := _reason(error)) is not None:
                raise reason from None
            raise
        self._flying.add(future)

        def tell(future: PrefectFuture[Any]) -> None:
            self._flying.discard(future)
            self._news.put(lambda: then(future))

        future.add_done_callback(tell)
        return future

    def _end_task(self, node: FlatNode, future: PrefectFuture[Any]) -> None:
        self._end(node, opened(_result(future)), [future])

    def _end(self, node: FlatNode, outputs: Outputs, futures: list[PrefectFuture[Any]]) -> None:
        self._results[node.path], self._ended[node.path] = outputs, futures
        ready: list[str] = []
        for path, waits in self._waits.items():
            if node.path in waits:
                waits.discard(node.path)
                if not waits:
                    ready.append(path)
        self._start(ready)

    def _stop(self) -> None:
        """Start nothing more, and wait until what runs has ended."""
        self._cancel()
        while self._flying:
            self._news.get()
        for loop in self._loops:
            loop.join()

    def _cancel(self) -> None:
        self._host.cancel()
        for future in list(self._flying):
            wrapped = getattr(future, "wrapped_future", None)
            if wrapped is not None:
                wrapped.cancel()

    # Maps

    def _begin_map(self, node: FlatNode, values: Mapping[str, Any]) -> None:
        mapping = node.block
        assert isinstance(mapping, MapWorkflow)
        sequences = unpacked({name: value for name, value in values.items() if name in node.mapped}, self._store)
        shared, chunks = cut(
            node, {**values, **sequences}, size=self._chunk, auto=lambda number: max(1, number // _CHUNKS)
        )
        number = sum(len(chunk.items) for chunk in chunks)
        state = _Map(node, shared, iter(chunks), number, self._before(node), ProgressBar(node.path))
        self._maps.append(state)
        if not number:
            self._end_map(state)
            return
        for _ in range(min(len(chunks), mapping.simultaneous_tasks or len(chunks))):
            self._next_chunk(state)

    def _next_chunk(self, state: _Map) -> None:
        """Submit the next chunk of a map, if there is one."""
        chunk = next(state.waiting, None)
        if chunk is None:
            return
        path = state.node.path
        items = [
            (index, packed(dict(own), self._store, f"{path}[{index}]"))
            for index, own in enumerate(chunk.items, chunk.start)
        ]
        tasks = self._tasks[path]
        task = tasks.alone if len(items) == 1 or tasks.several is None else tasks.several
        order = Order(self._plan, path, state.values, items=items)
        self._submit(task, _label(path, chunk), order, state.after, lambda future: self._take_items(state, future))

    def _take_items(self, state: _Map, future: PrefectFuture[Any]) -> None:
        for index, result in _result(future):
            state.results[index] = Failure(**result[FAILURE]) if FAILURE in result else result
        state.futures.append(future)
        done = len(state.results)
        if done == state.number:
            self._end_map(state)
            return
        if time.monotonic() - state.start > _PATIENCE:
            state.bar.show(done / state.number, f"{state.node.path}: {done} of {state.number} items")
        self._next_chunk(state)

    def _end_map(self, state: _Map) -> None:
        mapping = state.node.block
        assert isinstance(mapping, MapWorkflow)
        results = [result for _, result in sorted(state.results.items(), key=lambda pair: pair[0])]
        failures = [result for result in results if isinstance(result, Failure)]
        publish_failures(state.node.path, [(state.node.path, failure) for failure in failures])
        outputs = mapping.put_together(results)
        self._end(
            state.node,
            {
                name: [self._store.put(each) if isinstance(each, Failure) else each for each in found]
                for name, found in outputs.items()
            },
            state.futures,
        )

    # Loops

    def _loop(self, node: FlatNode, values: Mapping[str, Any]) -> None:
        """Run a loop in a thread of its own: what is decided between its iterations, and each of them as a task run."""
        after = self._before(node)

        def iterate(inputs: Mapping[str, Any], place: str, extra: Mapping[str, Any]) -> Outputs:
            nonlocal after
            order = Order(self._plan, node.path, packed(dict(inputs), self._store, place), iteration=(place, extra))
            label = f"{node.path} {place.removeprefix(node.place)}"
            future = self._submit(self._tasks[node.path].alone, label, order, after, lambda _future: None)
            outputs = unpacked(_result(future), self._store)
            after = [future]
            return outputs

        run = self._run(_Unrolled)
        assert isinstance(run, _Unrolled)
        run.iterate = iterate
        run.tried_outside = frozenset({node.place})
        try:
            with placed(run, node.place):
                outputs = run_block(node.block, unpacked(values, self._store), run, node.place)
            data = packed(outputs, self._store, node.path)
        except BaseException as error:  # noqa: BLE001 (it is raised in the flow's thread)
            failed = error
            self._news.put(lambda: _raise(failed))
        else:
            self._news.put(lambda: self._end(node, opened(data), after))


def _reason(error: Exception) -> NotPortable | None:
    """Return what says that something could not be sent, which Dask hides behind errors of its own."""
    each: BaseException | None = error
    while each is not None:
        if isinstance(each, NotPortable):
            return each
        each = each.__cause__ or each.__context__
    return None


def _raise(error: BaseException) -> None:
    raise error


def _result(future: PrefectFuture[Any]) -> Any:
    """Return what a task run has returned; raises what it has raised, and `ExitPipeline` if it has ended the run."""
    data = future.result()
    if isinstance(data, dict) and EXITED in data:
        raise ExitPipeline(data[EXITED])
    return data


def _label(path: str, chunk: Chunk) -> str:
    """Return the name of a task run of items: ``process [50-99]``, or of a single one ``process [3] site_b.csv``."""
    if len(chunk.items) > 1:
        return f"{path} [{chunk.start}-{chunk.start + len(chunk.items) - 1}]"
    return f"{path} [{chunk.start}] {chunk.label.partition(': ')[2]}"
