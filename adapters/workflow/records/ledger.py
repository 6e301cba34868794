"""What events of a run make of the rows of its blocks: data in, data out, without a database.

When the first block of a workflow, an item or an iteration starts, all blocks beside it get a row, as pending, with
their edges. Each event changes a row. When what is round them ends, what has not started is skipped, and what has not
ended has failed. So no row stays pending or running in a run that has ended, and what is kept in memory is what runs.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.adapters.workflow.failures import Failure
    from fairlead.adapters.workflow.graph import Graph, Node
    from fairlead.adapters.workflow.masking import Mask
    from fairlead.adapters.workflow.run_state import Event

_PART = re.compile(r"(.*)\[\d+\]", re.DOTALL)
_LOOPS = {"loop", "iterative"}
_CONTAINERS = {"workflow", "map", "item", *_LOOPS}
_LONGEST_NAME = 256
ENDED = {"success", "failed", "skipped"}


@dataclass(slots=True, eq=False)
class Row:
    """The row of a block, as it is or will be."""

    parent: Row | None
    path: str
    columns: dict[str, Any]
    body: Graph | None = None
    id: int | None = None
    """Its key, if the database has given it one."""
    places: dict[str, list[Row]] = field(default_factory=dict)
    """The rows of what is inside, by where that is: the path, or that of an iteration."""
    raised: tuple[str, str] | None = None
    """Of what kind, and with what message, the last exception was that came from inside."""

    @property
    def state(self) -> str:
        """How far it has come."""
        state: str = self.columns["state"]
        return state

    @property
    def depth(self) -> int:
        """How many rows are round it."""
        return 0 if self.parent is None else self.parent.depth + 1


@dataclass
class Changes:
    """What is to be written."""

    new: list[Row] = field(default_factory=list)
    changed: dict[int, Row] = field(default_factory=dict)
    """Rows that have been written before, by their keys."""
    edges: list[tuple[Row, Row]] = field(default_factory=list)
    exceptions: list[tuple[Row, dict[str, Any]]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether there is anything."""
        return bool(self.new or self.changed or self.edges or self.exceptions)


class Ledger:
    """The rows of one run's blocks."""

    def __init__(
        self, run_id: int, name: str, kind: str, graph: Graph, *, mask: Mask, hostname: str, plugins: dict[str, str]
    ) -> None:
        """Begin with the workflow itself.

        Args:
            run_id: the key of the run's row.
            name: what the workflow is called.
            kind: what it is.
            graph: what is in it.
            mask: hides secrets in what blocks were given and have raised.
            hostname: of the machine.
            plugins: the plugins that blocks come from, by the names of the blocks.
        """
        self._common = {"run_id": run_id, "hostname": hostname}
        self._mask = mask
        self._plugins = plugins
        self._rows: dict[str, Row] = {}
        self._changes = Changes()
        targets = (graph.inputs, graph.outputs)
        self.root = self._add(None, "", name, kind, "pending", targets, graph)
        if kind != "map" and kind not in _LOOPS:
            self._open(self.root, "")

    def take(self, event: Event) -> None:
        """Change the rows by what happened."""
        row = self._rows.get(event.path)
        if row is None:
            row = self._found(event)
        columns = row.columns
        time = _time(event.time)
        if event.state == "running":
            if row.state != "running":  # a map says so again when it knows its items
                columns.update(start_time=time, end_time=None, state="running", cached=None)
                row.raised = None
            if event.inputs is not None:
                columns["input_values"] = self._mask.data(event.inputs)
        else:
            columns.update(state=event.state, end_time=time, cached=event.cached)
            if columns["start_time"] is None and event.state != "skipped":
                columns["start_time"] = time
            if event.failure is not None:
                self._raised(row, event.failure, time)
            self._close(row, time)
            if row.parent is not None and _PART.fullmatch(row.path):  # an item; more may come than are kept
                self._rows.pop(row.path, None)
        self._touch(row)

    def end(self, state: str, time: float, failure: Failure | None = None) -> None:
        """End the workflow itself, if it has not ended, and with it all that is inside."""
        if self.root.state in ENDED:
            return
        self.root.columns.update(state=state, end_time=_time(time))
        if failure is not None:
            self._raised(self.root, failure, _time(time))
        self._close(self.root, _time(time))
        self._touch(self.root)

    def changes(self) -> Changes:
        """Return what is to be written since they were last returned."""
        changes, self._changes = self._changes, Changes()
        return changes

    def _found(self, event: Event) -> Row:
        """Return the row of an event whose path has none: of an item, of a block in a new place, or of one unknown."""
        part = _PART.fullmatch(event.path)
        if part and part[1] in self._rows:
            parent = self._rows[part[1]]
            return self._add(parent, event.path, event.name, "item", "pending", ({}, {}), parent.body)
        place = event.path.rpartition("/")[0]
        owner = self._owner(place)
        if place not in owner.places:
            if owner.columns["kind"] in _LOOPS:
                for earlier in list(owner.places):
                    self._close_place(owner, earlier, _time(event.time))
            self._open(owner, place)
        found = self._rows.get(event.path)
        return found or self._add(owner, event.path, event.name, event.kind, "pending", ({}, {}), None)

    def _owner(self, place: str) -> Row:
        """Return the row of the innermost block that a place is in."""
        while place and place not in self._rows:
            part = _PART.fullmatch(place)
            place = part[1] if part else place.rpartition("/")[0]
        return self._rows.get(place, self.root)

    def _open(self, owner: Row, place: str) -> None:
        """Add rows for all that is in a place."""
        rows: dict[str, Row] = {}
        owner.places[place] = []
        if owner.body is not None:
            for node in owner.body.nodes:
                rows[node.key] = self._add_node(owner, f"{place}/{node.key}" if place else node.key, node)
            self._changes.edges += [(rows[edge.up], rows[edge.down]) for edge in owner.body.edges]
        owner.places[place] = list(rows.values())

    def _add_node(self, owner: Row, path: str, node: Node) -> Row:
        return self._add(owner, path, node.name, node.kind, "pending", (node.inputs, node.outputs), node.body)

    def _add(
        self,
        parent: Row | None,
        path: str,
        name: str,
        kind: str,
        state: str,
        targets: tuple[Any, Any],
        body: Graph | None,
    ) -> Row:
        inputs, outputs = ({target: {"type": kind} for target, kind in each.items()} for each in targets)
        columns = {
            **self._common,
            "uuid": str(uuid.uuid4()),
            "type": "workflow" if kind in _CONTAINERS else "task",
            "kind": kind[:32],
            "name": self._mask.text(name)[:_LONGEST_NAME],
            "plugin": self._plugins.get(name),
            "path": self._mask.text(path),
            "state": state,
            "start_time": None,
            "end_time": None,
            "input_targets": inputs,
            "output_targets": outputs,
            "input_values": None,
            "cached": None,
        }
        row = self._rows[path] = Row(parent, path, columns, body)
        self._changes.new.append(row)
        return row

    def _raised(self, row: Row, failure: Failure, time: datetime) -> None:
        """Keep an exception, once: where it was raised, not at each block that it passed on its way out."""
        what = (failure.type, failure.message)
        if row.raised != what:
            self._changes.exceptions.append(
                (
                    row,
                    {
                        "exception_type": self._mask.text(failure.type)[:_LONGEST_NAME],
                        "exception_msg": self._mask.text(failure.message),
                        "traceback": self._mask.text(failure.traceback),
                        "time": time,
                    },
                )
            )
        row.raised = None
        if row.parent is not None:
            row.parent.raised = what

    def _close(self, row: Row, time: datetime) -> None:
        for place in list(row.places):
            self._close_place(row, place, time)

    def _close_place(self, owner: Row, place: str, time: datetime) -> None:
        for row in owner.places.pop(place):
            self._close(row, time)
            self._rows.pop(row.path, None)
            if row.state not in ENDED:
                was_running = row.state == "running"
                row.columns.update(state="failed" if was_running else "skipped", end_time=time if was_running else None)
                self._touch(row)

    def _touch(self, row: Row) -> None:
        if row.id is not None:
            self._changes.changed[row.id] = row


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
