"""The nodes of a workflow as Airflow tasks: one operator for a block, and three for a map that is cut into chunks.

Only what a DAG file needs is imported at the start; the machinery that runs blocks is loaded in the task's process. The
operators hold the workflow itself, which Airflow has made again there by reading the DAG file. Which of them there are,
and what comes after what, is said by ``workflow``.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from airflow.sdk import BaseOperator

from fairlead.operators.host import AirflowHost

if TYPE_CHECKING:
    from airflow.sdk import Context

    from fairlead.adapters.workflow.chunks import ChunkSize
    from fairlead.adapters.workflow.nodes import Flat, FlatNode
    from fairlead.adapters.workflow.run_state import Run

T = TypeVar("T")

_COLORS = {
    "map": "#e2d7f4",
    "loop": "#f4e6d7",
    "iterative": "#f4e6d7",
    "choice": "#f4f1d7",
    "side": "#f4f1d7",
    "merge": "#f4f1d7",
}


@dataclass(eq=False)
class Plan:
    """What all tasks of one workflow in a DAG share."""

    flat: Flat
    parameters: Mapping[str, Mapping[str, Any]]
    overwrite_cache: bool
    chunk: ChunkSize
    backend: str
    options: Mapping[str, Any]
    tasks: dict[str, str] = field(default_factory=dict)
    """The ids of the tasks that hold the outputs of the nodes, by the nodes' paths."""
    all_tasks: list[str] = field(default_factory=list)
    mapped_tasks: dict[str, str] = field(default_factory=dict)
    """The ids of the tasks that are mapped, each with the id of that which makes its chunks."""

    def __repr__(self) -> str:
        """Show the workflow: what Airflow writes into the record of a DAG must be the same whenever it is parsed."""
        return f"<plan of {self.flat.workflow.name}>"

    def __deepcopy__(self, _memo: object) -> Plan:
        """Return this plan: copies of a DAG run the same blocks."""
        return self

    def node(self, path: str) -> FlatNode:
        """Return a node."""
        return next(node for node in self.flat.nodes if node.path == path)


class NodeOperator(BaseOperator):
    """Runs one block of a workflow, or takes its part in a map.

    What the block returns is the task's XCom, by the names of the outputs: small JSON data as it is, anything else as
    a reference to the value store, which is in the result cache. A failure that would only repeat itself fails the task
    at once; for any other Airflow's ``retries`` hold, which are the block's own. What the workflow skips is skipped.

    How it works: Python code runs in the main thread of the task's process, where ``execution_timeout``, marking the
    task in the UI and stopping the worker interrupt it. A block that runs a unit of work, such as a twine app, runs in
    a thread beside it, as `TwineAppOperator` does, and is stopped with everything that it started.

    What it does not do: run outside of a DAG that `workflow_dag` or `WorkflowTaskGroup` has made.
    """

    template_fields: Collection[str] = ("inputs", "cache")
    template_fields_renderers: ClassVar[dict[str, str]] = {"inputs": "json"}
    _host: AirflowHost | None = None
    _is_interruptible = False

    def __init__(self, *, plan: Plan, node: str, inputs: Any = None, cache: Any = None, **kwargs: Any) -> None:
        """Describe the task.

        Args:
            plan: what all tasks of the workflow share.
            node: the path of the node.
            inputs: values for the inputs of the workflow that the node is given; templates, and outputs of other tasks.
            cache: where results and values are kept, a path or URL, or a template of one.
            kwargs: those of every operator.
        """
        # What a DAG's defaults say of XComs cannot hold here: they are the results.
        kwargs["do_xcom_push"] = True
        super().__init__(**kwargs)
        self.plan, self.node = plan, node
        self.inputs = inputs or {}
        self.templates = self.inputs
        """The inputs as they were before Airflow rendered them."""
        self.cache = cache
        kind = plan.node(node).block.kind
        self.ui_color = _COLORS.get(kind, "#d7eef4")
        if not hasattr(type(self), "custom_operator_name"):
            self.custom_operator_name = kind

    def execute(self, context: Context) -> Any:
        """Do the task's part, and return JSON data.

        Raises:
            AirflowFailException: the failure would only repeat itself; the error itself is its cause.
            AirflowSkipException: the workflow skips the node.
            DownstreamTasksSkipped: the block has ended the run, which is then a success.
            Exception: what the block raised, as it raised it.
        """
        from fairlead.operators.runs import NodeRun

        self._host = AirflowHost(context["ti"])  # pyright: ignore[reportTypedDictNotRequiredAccess]
        try:
            return self.do(NodeRun(self, self._host, context))
        finally:
            self._host = None

    def do(self, run: Any) -> Any:
        """Do the task's part in a run of its node (``runs.NodeRun``)."""
        return run.block()

    def interruptible(self, work: Callable[[Run], T], run: Run) -> T:
        """Do work in this thread, which `on_kill` interrupts."""
        self._is_interruptible = True
        try:
            return work(run)
        finally:
            self._is_interruptible = False

    @contextlib.contextmanager
    def uninterrupted(self) -> Generator[None]:
        """Let the body, which talks with Airflow, come to its end before `on_kill` interrupts."""
        before, self._is_interruptible = self._is_interruptible, False
        try:
            yield
        finally:
            self._is_interruptible = before
        if self._host and self._host.cancelled():
            self._interrupt()

    def on_kill(self) -> None:
        """Stop the work and everything that it started; returns when that is done, or interrupts the main thread."""
        if self._host:
            self._host.stop()
            self._interrupt()

    def _interrupt(self) -> None:
        if self._is_interruptible and threading.current_thread() is threading.main_thread():
            from fairlead.adapters.errors import Cancelled

            self._is_interruptible = False
            raise Cancelled("The task was stopped.")


class MapSplitOperator(NodeOperator):
    """Cuts the items of a map into chunks, and returns what they are; large items go to the value store."""

    custom_operator_name = "map: split"

    def do(self, run: Any) -> Any:
        """See `NodeOperator.do`."""
        return run.split()


class MapItemsOperator(NodeOperator):
    """Runs the items of a chunk of a map, one after the other."""

    custom_operator_name = "map: items"

    def __init__(self, *, chunk: Any, **kwargs: Any) -> None:
        """Describe the task; ``chunk`` is what `MapSplitOperator` returns of one."""
        super().__init__(**kwargs)
        self.chunk = chunk

    def do(self, run: Any) -> Any:
        """See `NodeOperator.do`."""
        return run.items(self.chunk)


class MapJoinOperator(NodeOperator):
    """Puts the results of a map's items together, in their order."""

    custom_operator_name = "map: join"

    def do(self, run: Any) -> Any:
        """See `NodeOperator.do`."""
        return run.join()
