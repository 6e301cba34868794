"""The nodes of a workflow as Prefect tasks: what a task run does with the order that it is given, wherever it runs.

An order names a node, a chunk of a map's items or an iteration of a loop, and holds what it is given as packed data
(see ``fairlead.adapters.values``). It crosses to the threads, processes or cluster of any task runner; the workflow in
it is pickled once for a flow run, and read once by each process. What a task returns is packed data, too.

It repeats nothing of how a block is run (``adapters.workflow.nodes``), and does not say when: that is ``schedule``'s.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE, CacheKeyFnPolicy
from prefect.context import TaskRunContext
from prefect.states import Completed

from fairlead.adapters.cache import ResultCache
from fairlead.adapters.events import message_of
from fairlead.adapters.fingerprint import fingerprint
from fairlead.adapters.values import ValueStore
from fairlead.adapters.workflow.branches import Choice
from fairlead.adapters.workflow.engines import crossing, named
from fairlead.adapters.workflow.exceptions import ExitPipeline
from fairlead.adapters.workflow.failures import Failure
from fairlead.adapters.workflow.nodes import closed, packed, run_items, unpacked
from fairlead.adapters.workflow.retries import is_retryable
from fairlead.adapters.workflow.run_state import Run, placed
from fairlead.adapters.workflow.running import note_place, run_block
from fairlead.adapters.workflow.units import UnitBlock
from fairlead.adapters.workflow.workflow import Workflow
from fairlead.flows.artifacts import publish, publish_failures
from fairlead.flows.host import PrefectHost
from fairlead.flows.results import SERIALIZER
from fairlead.flows.task_logs import listening

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State, TaskRun

    from fairlead.adapters.perform import Outcome
    from fairlead.adapters.workflow.nodes import Flat, FlatNode
    from fairlead.adapters.workflow.retries import Retries
    from fairlead.adapters.workflow.run_state import Event

T = TypeVar("T")

EXITED = "@exited"
"""The key of what a task returns that has ended the run early; no output is called so."""
FAILURE = "@failure"
"""The key of what stands for an item that failed and does not fail its map."""
_MOST_DELAYS = 50
"""So many delays Prefect takes; it repeats the last one."""

Packed = dict[str, Any]


class Shipped(Generic[T]):
    """Something that crosses to other processes: it is pickled once, and each process reads it once."""

    def __init__(self, thing: T, root: Workflow | None = None, data: bytes | None = None) -> None:
        """Take it, and the workflow that is in it, or what it was read from."""
        self.thing = thing
        self._root, self._data = root, data

    def __reduce__(self) -> tuple[Callable[[bytes], Shipped[Any]], tuple[bytes]]:
        """Cross as bytes; raises `NotPortable` that names what of the workflow cannot."""
        if self._data is None:
            assert self._root is not None
            self._data = crossing.written_block(self.thing, self._root, {})
        return _arrived, (self._data,)


@functools.lru_cache(maxsize=8)
def _arrived(data: bytes) -> Shipped[Any]:
    return Shipped(crossing.loads(data), data=data)


@dataclass(frozen=True)
class Plan:
    """What all task runs of a flow run share."""

    flat: Flat
    parameters: Mapping[str, Mapping[str, Any]]
    cache: str | None
    overwrite_cache: bool
    backend: str
    options: Mapping[str, Any]

    @functools.cached_property
    def nodes(self) -> Mapping[str, FlatNode]:
        """The nodes by their paths."""
        return {node.path: node for node in self.flat.nodes}

    @functools.cached_property
    def store(self) -> ValueStore:
        """Where values are on their way between tasks."""
        return ValueStore(ResultCache(self.cache).root)


class Order:
    """What a task run is to do; not looked into by Prefect, which would go through all data in a dataclass."""

    def __init__(
        self,
        plan: Shipped[Plan],
        path: str,
        values: Mapping[str, Any],
        *,
        items: Sequence[tuple[int, Packed]] | None = None,
        iteration: tuple[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Order a node's run.

        Args:
            plan: what all share.
            path: the node's.
            values: packed inputs; of items those that are alike for all.
            items: of a chunk: the index of each, and what it is given of its own.
            iteration: of one iteration of a loop: its place, and what else tells it from others.
        """
        self.plan, self.path, self.values = plan, path, values
        self.items, self.iteration = items, iteration


def node_task(node: FlatNode, *, retries: Retries, persist: bool) -> Task[..., Any]:
    """Make a task of a node, whose runs have the names that they are given.

    Args:
        node: what its runs do, or do a part of.
        retries: Prefect's, instead of the block's own; without any, the block's own hold inside of a run.
        persist: whether results are stored, so that a retry of the flow run goes on where it was: what was completed
            in this flow run is not done again.
    """
    times = retries.times

    def run(label: str, order: Order) -> Any:  # noqa: ARG001 (Prefect makes the run's name of it)
        """Do what is ordered."""
        return do(order, times)

    run.__name__ = run.__qualname__ = node.path  # Prefect makes the task's key of it
    return Task(
        run,
        name=node.path,
        description=type(node.block).__doc__,
        task_run_name="{label}",
        cache_policy=CacheKeyFnPolicy(cache_key_fn=once_in_a_flow_run) if persist else NO_CACHE,
        persist_result=persist,
        result_serializer=SERIALIZER if persist else None,
        retries=times,
        retry_delay_seconds=retries.delays(_MOST_DELAYS) or None,
        retry_jitter_factor=retries.jitter or None,
        retry_condition_fn=can_be_tried_again,
        log_prints=True,
    )


def once_in_a_flow_run(context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    """Return the key under which a retry of the flow run finds what is done."""
    run = context.task_run.flow_run_id
    order: Order = parameters["order"]
    part = order.iteration[0] if order.iteration else [index for index, _ in order.items or ()]
    return None if run is None else f"{run}-{fingerprint({'path': order.path, 'part': part})[:32]}"


def can_be_tried_again(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 (Prefect's signature)
    """Tell Prefect whether to try again, as every engine decides it."""
    error = state.data
    return isinstance(error, Exception) and is_retryable(error.error if isinstance(error, Crossing) else error)


# In a task run


def do(order: Order, retries: int) -> Any:
    """Do what is ordered in the active task run; returns packed data, or a state with it that says more."""
    plan = order.plan.thing
    node = plan.nodes[order.path]
    context = TaskRunContext.get()
    assert context is not None
    is_last = context.task_run.run_count > retries
    is_unit = isinstance(node.block, UnitBlock)
    places = _places(order, node)
    found: list[bool] = []

    def observe(event: Event) -> None:
        if event.state in {"success", "skipped"} and event.path in places:
            found.append(event.cached)

    with PrefectHost(node.path, timeout=node.block.timeout if is_unit else None) as host, listening(host.write):
        run = Run(
            backend=named(plan.backend, **plan.options),
            host=host,
            parameters=plan.parameters,
            cache=plan.cache,
            overwrite_cache=plan.overwrite_cache,
            observer=observe if node.block.cache else None,
            # A unit is limited by its host, which stops the process that it runs in.
            whole=places if is_unit else frozenset(),
            tried_outside=places if retries else frozenset(),
            on_outcome=_publish,
        )
        try:
            with placed(run, node.place), _crossing():
                result = _result(order, node, run, is_last=is_last)
        except ExitPipeline as stop:
            words = str(stop)
            return Completed(name="Exited", message=words or "The run ends here.", data={EXITED: words})
        finally:
            run.backend.close()
            inside = [(path, failure) for path, failure in run.failures if path != node.place or order.items is None]
            publish_failures(node.path, inside)
    if failures := [failure for path, failure in run.failures if path == node.place and order.items is not None]:
        return Completed(name="With failures", message="; ".join(map(str, failures))[:1000], data=result)
    if found and all(found):
        return Completed(name="Cached", message="Found in the result cache.", data=result)
    return result


def _result(order: Order, node: FlatNode, run: Run, *, is_last: bool) -> Any:
    store = order.plan.thing.store
    if order.items is not None:
        shared = unpacked(order.values, store)
        items = {index: {**shared, **unpacked(own, store)} for index, own in order.items}
        return [
            [index, {FAILURE: result.to_dict()} if isinstance(result, Failure) else packed(result, store, node.path)]
            for index, result in run_items(node, items, run, is_last=is_last)
        ]
    if order.iteration is not None:
        assert isinstance(node.block, Workflow)
        place, extra = order.iteration
        return packed(run.part(node.block, unpacked(order.values, store), place, extra), store, place)
    if node.block.passes_on and not isinstance(node.block, Choice):
        return closed(run_block(node.block, order.values, run, node.place))
    try:
        outputs = run_block(node.block, unpacked(order.values, store), run, node.place)
    except Exception as error:
        note_place(error, node.block, node.place)
        raise
    return packed(outputs, store, node.path)


def _places(order: Order, node: FlatNode) -> frozenset[str]:
    """Return the paths of what is ordered, as a run has them."""
    if order.items is not None:
        return frozenset(f"{node.place}[{index}]" for index, _ in order.items)
    return frozenset({node.place})


def _publish(outcome: Outcome) -> None:
    publish(outcome.to_dict())


# Exceptions on their way to another process


class Crossing(Exception):
    """An exception that cannot be pickled as it is: what arrives on the other side is that exception again."""

    def __init__(self, error: Exception) -> None:
        """Take the exception."""
        super().__init__(f"{type(error).__qualname__}: {message_of(error)}")
        self.error = error

    def __reduce__(self) -> tuple[Callable[[bytes], BaseException], tuple[bytes]]:
        """Cross as exceptions do in the engines."""
        return crossing.read_error, (crossing.written_error(self.error),)


@contextlib.contextmanager
def _crossing() -> Generator[None]:
    """Let any exception reach the flow's process: one whose constructor would not take what pickle gives it, too."""
    try:
        yield
    except Exception as error:
        if _is_at_home() or _survives(error):
            raise
        raise Crossing(error) from error


def _is_at_home() -> bool:
    """Tell whether this is the flow's own process."""
    return multiprocessing.parent_process() is None and "distributed.worker" not in sys.modules


def _survives(error: Exception) -> bool:
    import cloudpickle

    try:
        return type(cloudpickle.loads(cloudpickle.dumps(error))) is type(error)
    except Exception:  # noqa: BLE001 (whatever goes wrong is the answer)
        return False
