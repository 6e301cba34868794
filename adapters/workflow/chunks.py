"""How a map's items become tasks of an orchestrator: some at a time, each task with a label that a person can read.

`check_cut` says whether a workflow can be cut as asked, `cut` makes the chunks, `put_together` the map's outputs of
what has come of them. How large a chunk is best depends on what a task costs, which the orchestrator's side knows;
nothing is run here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from fairlead.adapters.errors import InputInvalid, Problem
from fairlead.adapters.workflow.block import Block
from fairlead.adapters.workflow.engines import NAMES
from fairlead.adapters.workflow.exceptions import WorkflowInvalid
from fairlead.adapters.workflow.failures import Failure, short
from fairlead.adapters.workflow.gathering import MAPPED
from fairlead.adapters.workflow.maps import MapWorkflow
from fairlead.adapters.workflow.wiring import check_inside
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.nodes import FlatNode
    from fairlead.adapters.workflow.run_state import Run

ChunkSize: TypeAlias = int | Literal["auto"] | None
"""How many items a task takes; None for what the map says."""
Granularity: TypeAlias = Literal["node", "map", "whole"]
"""What a task is: a block, or a chunk of a map's items; a block, and a map is one; or the whole workflow."""
_LABEL = 60


@dataclass(frozen=True)
class Chunk:
    """Some items of a map, one after the other."""

    start: int
    """The index of the first."""
    items: tuple[Mapping[str, Any], ...]
    """What each is given of its own."""

    @property
    def label(self) -> str:
        """Say which items they are, in a line; a single one with what it is given."""
        number = len(self.items)
        if number == 1:
            return f"item {self.start}: {', '.join(map(_label, self.items[0].values()))}"
        return f"items {self.start}-{self.start + number - 1}" if number else "no items"


def check_cut(workflow: Workflow, granularity: str, chunk: ChunkSize, backend: str) -> None:
    """Raise what is wrong with how a workflow is to become tasks.

    Raises:
        WorkflowInvalid: this is no workflow, or something in it does not fit, whatever it is given; all of it is told.
        InputInvalid: an argument is unknown or out of range.
    """
    if not isinstance(workflow, Workflow):  # pyright: ignore[reportUnnecessaryIsInstance] (users pass factories)
        if isinstance(workflow, Block):
            remedy = "Put it into one: Workflow(MyTask())."
        else:
            remedy = "Call it: what @as_workflow makes returns the workflow." if callable(workflow) else ""
        raise WorkflowInvalid(Problem("workflow", f"{workflow!r} is none", "a workflow", remedy))
    problems = [
        Problem(place, f"{value!r} is unknown", ", ".join(known), "Choose one of these.")
        for place, value, known in (
            ("granularity", granularity, get_args(Granularity)),
            ("backend", backend, NAMES),
        )
        if value not in known
    ]
    if not (chunk is None or chunk == "auto" or (type(chunk) is int and chunk > 0)):
        problems.append(Problem("chunk", f"{chunk!r} is no number of items", "a whole number above 0, or 'auto'", ""))
    if problems:
        raise InputInvalid(problems)
    check_inside(workflow)


def cut(
    node: FlatNode,
    values: Mapping[str, Any],
    *,
    size: ChunkSize,
    auto: Callable[[int], int],
    most: int | None = None,
) -> tuple[dict[str, Any], list[Chunk]]:
    """Cut a map's items into chunks.

    Args:
        node: the map.
        values: what it is given, as `nodes.gather` has found it.
        size: how many items a chunk has; None for what the map says.
        auto: says that of so many items, for ``auto``.
        most: how many chunks there may be; where there would be more, they are larger.

    Returns:
        What all items are given alike; and the chunks, a single empty one if there are no items.
    """
    mapping = node.block
    assert isinstance(mapping, MapWorkflow)
    items = mapping.items(values)
    shared = {name: value for name, value in values.items() if name not in node.mapped and name != MAPPED}
    own = [{name: value for name, value in item.items() if name in node.mapped} for item in items]
    wanted = mapping.chunk if size is None else size
    width = wanted if isinstance(wanted, int) else max(1, auto(len(own)))
    if most is not None:
        width = max(width, -(-len(own) // most))
    return shared, [Chunk(start, tuple(own[start : start + width])) for start in range(0, max(len(own), 1), width)]


def put_together(node: FlatNode, results: Iterable[tuple[int, Outputs | Failure]], run: Run) -> Outputs:
    """Return a map's outputs of those of its items, which come in any order; failures become the run's."""
    mapping = node.block
    assert isinstance(mapping, MapWorkflow)
    found = [result for _, result in sorted(results, key=lambda pair: pair[0])]
    run.failures += [(node.place, result) for result in found if isinstance(result, Failure)]
    return mapping.put_together(found)


def is_cut(node: FlatNode) -> bool:
    """Tell whether a node is a map whose items can be tasks of their own: one that does nothing but run them."""
    return isinstance(node.block, MapWorkflow) and node.block.hook is None


def _label(value: object) -> str:
    """Return how a value shows itself in a label: a text and a path as they are, the end of long ones."""
    if not isinstance(value, str | os.PathLike):
        return short(value, _LABEL)
    text = " ".join(str(value).split())
    return text if len(text) <= _LABEL else f"… {text[-_LABEL + 2 :]}"
