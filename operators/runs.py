"""What the tasks of a workflow do when they run: results of earlier tasks are fetched, the node is run, its own kept.

Between tasks, values travel as what `ValueStore.put` makes of them. What a node is given, whether it is skipped and how
it is run is said by ``fairlead.adapters.workflow``; here Airflow is told. It is imported when a task runs, never when a
DAG file is parsed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import TaskInstanceState, TriggerRule, conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, DownstreamTasksSkipped

from fairlead.adapters.cache import ResultCache
from fairlead.adapters.errors import Cancelled, ContractInvalid, InputInvalid, StorageFailed
from fairlead.adapters.values import ValueStore
from fairlead.adapters.workflow import nodes
from fairlead.adapters.workflow.branches import Choice, Side
from fairlead.adapters.workflow.chunks import cut, put_together
from fairlead.adapters.workflow.engines import named
from fairlead.adapters.workflow.exceptions import ExitPipeline
from fairlead.adapters.workflow.failures import Failure
from fairlead.adapters.workflow.forms import filled_in, fitted, merged_parameters
from fairlead.adapters.workflow.gathering import TAKEN, is_skipped, skipped
from fairlead.adapters.workflow.memory import StoredMemory
from fairlead.adapters.workflow.retries import is_retryable
from fairlead.adapters.workflow.run_state import Run, placed
from fairlead.adapters.workflow.running import note_place
from fairlead.adapters.workflow.units import UnitBlock
from fairlead.adapters.workflow.workflow import Workflow
from fairlead.operators.tasks import NATIVE_REMEDY, plain, show_datasets, template_places

if TYPE_CHECKING:
    from types import TracebackType

    from airflow.sdk import Context

    from fairlead.adapters.perform import Outcome
    from fairlead.adapters.workflow.block import Block
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.memory import KeyValueStore
    from fairlead.operators.host import AirflowHost
    from fairlead.operators.nodes import NodeOperator

T = TypeVar("T")

PARAMETERS, OVERWRITE = "parameters", "overwrite_cache"
"""The parameters of a DAG that are no inputs of its workflow."""
_ALONE = 32
"""Up to how many items each is a task of its own: Airflow takes 0.3 to 1.4 s for each."""
_TASKS = 16
"""How many tasks more items are: as many as Airflow runs of one DAG at a time, unless it is told otherwise."""
_INLINE = 2 << 10
"""Bytes of the items of one chunk beyond which they go to the store: all chunks of a map are one XCom."""


def auto_size(number: int) -> int:
    """Return how many of so many items a task takes, if nobody says: the more there are, the fewer tasks for each."""
    return 1 if number <= _ALONE else min(256, -(-number // _TASKS))


class NodeRun:
    """One try of a task of a workflow."""

    def __init__(self, operator: NodeOperator, host: AirflowHost, context: Context) -> None:
        """Take the task and what Airflow knows of it."""
        self._operator, self._host, self._context = operator, host, context
        self._plan = operator.plan
        self._node = self._plan.node(operator.node)
        self._root = ResultCache(plain(operator.cache, "cache")).root
        self._values = ValueStore(self._root)
        self._ti: Any = context["ti"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
        self._params: Mapping[str, Any] = context.get("params") or {}

    # Parts

    def block(self) -> dict[str, Any]:
        """Run the node's block, and return its outputs."""

        def work(run: Run) -> Outputs:
            return nodes.run_node(self._node, self._results(), self._inputs(), run)

        # A map has tried its items again already.
        block = self._node.block
        exhausted = block.deals_with_parts and block.retries.times > 0
        outputs = self._do(work, whole={self._node.place}, is_last=exhausted)
        data = self._given_on(outputs)
        if isinstance(block, Choice):
            self._ti.xcom_push("return_value", data)
            raise _skipping(self._sides(taken=not outputs[TAKEN]))
        return data

    def split(self) -> list[dict[str, Any]]:
        """Cut a map's items into chunks, and return what makes them known to the tasks that run them."""
        store = ValueStore(self._root, inline_limit=_INLINE)

        def work(_run: Run) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
            values = nodes.gather(self._node, self._results(), self._inputs())
            if values is None:
                return None
            most = conf.getint("core", "max_map_length", fallback=1024)
            shared, chunks = cut(self._node, values, size=self._plan.chunk, auto=auto_size, most=most)
            path = self._node.path
            return {name: self._values.put(value, f"'{path}', input '{name}'") for name, value in shared.items()}, [
                {
                    "label": chunk.label,
                    "start": chunk.start,
                    "count": len(chunk.items),
                    "items": store.put(list(chunk.items), f"'{path}', {chunk.label}"),
                }
                for chunk in chunks
            ]

        found = self._do(work)
        if found is None:
            raise AirflowSkipException("The workflow skips this map.")
        shared, chunks = found
        self._ti.xcom_push("shared", shared)
        number = sum(chunk["count"] for chunk in chunks)
        self._host.log(logging.INFO, f"{number} items in {len(chunks)} tasks")
        return chunks

    def items(self, chunk: dict[str, Any]) -> list[dict[str, Any]]:
        """Run the items of a chunk, and return what came of each; the label of the chunk tells failures."""
        alone = chunk["count"] == 1
        place = f"{self._node.place}[{chunk['start']}]"
        split = self._plan.mapped_tasks[self._operator.task_id]

        def work(run: Run) -> list[tuple[int, Outputs | Failure]]:
            packed = self._needed(split, "shared")
            shared = {name: self._values.get(data) for name, data in packed.items()}
            own = self._values.get(chunk["items"])
            items = {chunk["start"] + index: {**shared, **item} for index, item in enumerate(own)}
            return nodes.run_items(
                self._node, items, run, is_last=not alone or self._ti.try_number > self._ti.max_tries
            )

        # The tries of an item that is alone in its task are Airflow's; those of others have been made in the task.
        exhausted = not alone and self._node.block.retries.times > 0
        results = self._do(work, items={place} if alone else set(), is_last=exhausted)
        failed = sum(isinstance(result, Failure) for _, result in results)
        if failed:
            chunk["label"] += " (failed)" if alone else f" ({failed} failed)"
        return [
            {"index": index, "failure": result.to_dict()}
            if isinstance(result, Failure)
            else {"index": index, "outputs": nodes.packed(result, self._values, f"{self._node.path}[{index}]")}
            for index, result in results
        ]

    def join(self) -> dict[str, Any]:
        """Put the results of all items together, and return the map's outputs."""
        mapped = next(
            mapped for mapped, split in self._plan.mapped_tasks.items() if split in self._operator.upstream_task_ids
        )

        def work(run: Run) -> Outputs:
            parts = [part for part in self._all_pulled(mapped) if part is not None]
            chunks = self._needed(self._plan.mapped_tasks[mapped])
            results = [
                (each["index"], Failure(**each["failure"]) if "failure" in each else self._unpacked(each["outputs"]))
                for part in parts
                for each in part
            ]
            number = sum(chunk["count"] for chunk in chunks)
            if len(results) != number:
                found = f"Only {len(results)} of the {number} results of '{self._node.path}' are there as XComs."
                raise StorageFailed(found, remedy=f"Clear the task '{mapped}', so that its items run again.")
            return put_together(self._node, results, run)

        return self._given_on(self._do(work))

    # Around a part

    def _do(
        self,
        work: Callable[[Run], T],
        *,
        whole: Collection[str] = (),
        items: Collection[str] = (),
        is_last: bool = False,
    ) -> T:
        """Do a part of a task, and tell Airflow how it ended.

        Args:
            work: the part.
            whole: the paths of blocks whose tries and time limit are the task's.
            items: the paths of items whose tries are the task's, but not their time limits.
            is_last: whether what fails has been tried again already.
        """
        plan, place = self._plan, self._node.place
        engine = named(plan.backend, **plan.options)
        run = Run(
            engine,
            host=self._host,
            cache=self._root,
            overwrite_cache=bool(self._param(OVERWRITE, default=plan.overwrite_cache)),
            memory=self._memory(),
            whole=frozenset(whole),
            tried_outside=frozenset(items),
            on_outcome=self._show,
        )
        try:
            run.parameters = merged_parameters(plan.parameters, self._param(PARAMETERS, default=None))
            with placed(run, place):
                if plan.backend == "default" and not _runs_units(self._node.block):
                    return self._operator.interruptible(work, run)
                return self._host.run(lambda: work(run))
        except ExitPipeline as stop:
            self._host.log(logging.INFO, f"The run ends here, as a success{f': {stop}' if str(stop) else '.'}")
            raise _skipping(self._all_tasks()) from None
        except Exception as error:
            note_place(error, self._node.block, place)
            error.with_traceback(_below_fairlead(error.__traceback__))
            # Airflow has noted already if it was a user who stopped the task; a worker that goes away is worth a retry.
            if isinstance(error, Cancelled) or (is_retryable(error) and not is_last):
                raise
            remedy = (
                NATIVE_REMEDY if isinstance(error, InputInvalid | ContractInvalid) and self._has_rendered_text() else ""
            )
            raise AirflowFailException(f"{_told(error)}{remedy}") from error
        finally:
            engine.close()
            self._tell_failures(run)

    def _show(self, outcome: Outcome) -> None:
        """Show what came of a unit of work, as `TwineAppOperator` does."""
        show_datasets(outcome, self._host)
        if isinstance(self._node.block, UnitBlock):
            self._ti.xcom_push("outcome", outcome.to_dict())

    def _tell_failures(self, run: Run) -> None:
        """Make the failures of items with which the map goes on an XCom: the log has them already."""
        if run.failures:
            found = [{"path": path, **failure.to_dict()} for path, failure in run.failures]
            self._ti.xcom_push("failures", found)

    def _given_on(self, outputs: Outputs) -> dict[str, Any]:
        """Return outputs as what travels; those that end the workflow are also XComs under their own names."""
        if is_skipped(outputs):
            raise AirflowSkipException(f"The workflow skips '{self._node.path}'.")
        path = self._node.path
        packed = nodes.packed(outputs, self._values, path)
        if path in self._plan.flat.ends:
            for name, data in packed.items():
                self._ti.xcom_push(name, data)
        return packed

    # What is given

    def _results(self) -> dict[str, Outputs]:
        """Return the outputs of the nodes before this one; those of tasks that Airflow has skipped are skipped."""
        tasks = {path: self._plan.tasks[path] for path in self._node.after}
        found = {path: self._pulled(task_id) for path, task_id in tasks.items()}
        missing = [tasks[path] for path, data in found.items() if data is None]
        if missing:
            self._check_skipped(missing)
        return {
            path: skipped(self._plan.node(path).outputs) if data is None else self._unpacked(data)
            for path, data in found.items()
        }

    def _check_skipped(self, task_ids: Sequence[str]) -> None:
        """Raise `StorageFailed` for a task without outputs that was not skipped; Airflow is asked of all at once."""
        if self._operator.trigger_rule == TriggerRule.ALL_SUCCESS:
            raise _not_there(task_ids[0])
        with self._operator.uninterrupted():
            states = self._ti.get_task_states(self._ti.dag_id, task_ids=[*task_ids], run_ids=[self._ti.run_id])
        for task_id in task_ids:
            state = states.get(self._ti.run_id, {}).get(task_id)
            if state != TaskInstanceState.SKIPPED:
                raise _not_there(task_id, state)

    def _unpacked(self, data: Mapping[str, Any]) -> Outputs:
        return nodes.unpacked(data, self._values)

    def _pulled(self, task_id: str, key: str = "return_value") -> Any:
        """Return an XCom of a task that is not mapped, or None if there is none."""
        (found,) = self._all_pulled(task_id, key)
        return found

    def _needed(self, task_id: str, key: str = "return_value") -> Any:
        """Return an XCom of a task that has ended well."""
        found = self._pulled(task_id, key)
        if found is None:
            raise _not_there(task_id, key=key)
        return found

    def _all_pulled(self, task_id: str, key: str = "return_value") -> list[Any]:
        """Return the XComs of a task, of all its mapped ones; None for one that is not there."""
        with self._operator.uninterrupted():
            return list(self._ti.xcom_pull([task_id], key=key))  # given a list, Airflow logs no error for none

    def _inputs(self) -> dict[str, Any]:
        """Return the workflow's inputs as far as the node takes them: given to the task, or parameters of the DAG."""
        workflow = self._plan.flat.workflow
        given = {
            name: fitted(workflow.inputs[name], self._values.get(value))
            for name, value in plain(self._operator.inputs, "inputs").items()
        }
        return {**self._plan.flat.defaults, **filled_in(workflow, self._params), **given}

    def _has_rendered_text(self) -> bool:
        """Tell whether a template has given an input of this node as text."""
        given, templates = self._operator.inputs, self._operator.templates
        texts = [name for name, value in given.items() if isinstance(value, str)]
        return any(True for name in texts for _ in template_places(templates[name], name))

    def _param(self, name: str, *, default: Any) -> Any:
        """Return a parameter of the DAG that is no input of the workflow."""
        return default if name in self._plan.flat.workflow.inputs else self._params.get(name, default)

    def _memory(self) -> StoredMemory | None:
        store: Any = self._context.get("task_state_store")
        return None if store is None else StoredMemory(_Uninterrupted(store, self._operator), self._values)

    def _sides(self, *, taken: bool) -> list[str]:
        """Return the tasks of the sides of this choice that are for one of its answers."""
        return [
            self._plan.tasks[node.path]
            for node in self._plan.flat.nodes
            if isinstance(node.block, Side) and node.block.choice is self._node.block and node.block.taken_if == taken
        ]

    def _all_tasks(self) -> list[str | tuple[str, int]]:
        """Return all tasks of the workflow: Airflow skips those that have not started."""
        found: list[str | tuple[str, int]] = list(self._plan.all_tasks)
        for mapped, split in self._plan.mapped_tasks.items():
            chunks = self._pulled(split) or []
            found += [(mapped, index) for index in range(len(chunks))]
        return found


class _Uninterrupted:
    """A task's state store, whose requests nothing interrupts."""

    def __init__(self, store: KeyValueStore, operator: NodeOperator) -> None:
        self._store, self._operator = store, operator

    def get(self, key: str, default: Any = None) -> Any:
        """See `KeyValueStore.get`."""
        with self._operator.uninterrupted():
            return self._store.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """See `KeyValueStore.set`."""
        with self._operator.uninterrupted():
            self._store.set(key, value)

    def delete(self, key: str) -> None:
        """See `KeyValueStore.delete`."""
        with self._operator.uninterrupted():
            self._store.delete(key)


def _not_there(task_id: str, state: str | None = "success", *, key: str = "return_value") -> StorageFailed:
    """Return the error for a task whose outputs are gone, with the task's state."""
    ended = "is a success" if state == "success" else f"is in the state '{state or 'none'}'"
    message = f"The task '{task_id}' {ended}, but its XCom '{key}' is not there."
    remedy = f"Clear the task '{task_id}', so that it runs again: marking it as a success makes no outputs."
    return StorageFailed(message, remedy=remedy)


def _skipping(tasks: Sequence[str | tuple[str, int]]) -> DownstreamTasksSkipped:
    """Return what ends a task well, and lets Airflow skip others that have not started."""
    return DownstreamTasksSkipped(tasks=list(tasks))  # type: ignore[no-untyped-call]


def _runs_units(block: Block) -> bool:
    """Tell whether there is a unit of work in a block: that runs elsewhere, and is stopped the orderly way."""
    if isinstance(block, Workflow):
        return any(map(_runs_units, block.blocks))
    return isinstance(block, UnitBlock)


def _below_fairlead(trace: TracebackType | None) -> TracebackType | None:
    """Return what a reader of the task's log has to do with: the part of a traceback from the user's own code on."""
    while trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("fairlead."):
        trace = trace.tb_next
    return trace


def _told(error: Exception) -> str:
    """Return what an error says, with where it happened."""
    return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
