"""A workflow as data: what is in it, and what goes from where to where; no engine, and nothing that can be run.

Drawings are made of it (``drawing``), and what orchestrators show of a workflow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from fairlead.adapters.workflow.branches import Choice, Side
from fairlead.adapters.workflow.loops import IterativeWorkflow, LoopWorkflow
from fairlead.adapters.workflow.maps import MapWorkflow
from fairlead.adapters.workflow.targets import type_name
from fairlead.adapters.workflow.wiring import FromBlock, Step
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fairlead.adapters.workflow.block import Block


@dataclass(frozen=True)
class Node:
    """A block at its place."""

    key: str
    """What tells it apart in its graph: its name, with a number where there are several."""
    name: str
    kind: str
    """One of ``task workflow map loop iterative choice side merge identity unit``."""
    inputs: Mapping[str, str]
    """The type of each input, as it is written, by its name."""
    outputs: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    """How it is run, as far as that is not the default; plain data."""
    body: Graph | None = None
    """What is inside a workflow."""
    sides: frozenset[tuple[str, bool]] = frozenset()
    """The branches that it is on: the key of the choice, and which side of it."""


@dataclass(frozen=True)
class Edge:
    """What one node sends to another."""

    up: str
    down: str
    outputs: tuple[str, ...] = ()
    """The names of the outputs that are used; none if the other only comes after it."""


@dataclass(frozen=True)
class Graph:
    """The nodes of a workflow in an order in which they can be run, and the edges between them."""

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    kind: str = "workflow"
    options: Mapping[str, Any] = field(default_factory=dict)
    """How it is run, as far as that is not the default; of a map also over what, and of a loop how often."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {name: _json(value) for name, value in asdict(self).items()}

    def walk(self, path: str = "") -> Iterator[tuple[str, Node]]:
        """Go through all nodes at all depths, each with its path."""
        for node in self.nodes:
            place = f"{path}/{node.key}" if path else node.key
            yield place, node
            if node.body is not None:
                yield from node.body.walk(place)


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _json(item) for name, item in value.items()}
    if isinstance(value, frozenset):
        return [list(item) for item in sorted(value)]
    return [_json(item) for item in value] if isinstance(value, tuple) else value


def graph_of(workflow: Workflow) -> Graph:
    """Return a workflow as data."""
    wiring = workflow.wiring()
    keys = [step.key for step in wiring.steps]
    nodes = tuple(
        Node(
            key=step.key,
            name=step.block.name,
            kind=step.block.kind,
            inputs={name: type_name(target.type) for name, target in step.inputs.items()},
            outputs={name: type_name(target.type) for name, target in step.outputs.items()},
            options=options_of(step.block) | _map_on(step),
            body=graph_of(step.block) if isinstance(step.block, Workflow) else None,
            sides=frozenset((keys[choice], side) for choice, side in step.sides),
        )
        for step in wiring.steps
    )
    edges: dict[tuple[str, str], list[str]] = {}
    for step in wiring.steps:
        for up in step.ups:
            edges[keys[up], step.key] = []
        for source in step.sources.values():
            if isinstance(source, FromBlock):
                used = edges.setdefault((keys[source.step], step.key), [])
                if source.output[0] != "@" and source.output not in used:
                    used.append(source.output)
    return Graph(
        name=workflow.name,
        nodes=nodes,
        edges=tuple(Edge(up, down, tuple(outputs)) for (up, down), outputs in edges.items()),
        inputs={name: type_name(target.type) for name, target in workflow.inputs.items()},
        outputs={name: type_name(target.type) for name, target in workflow.outputs.items()},
        kind=workflow.kind,
        options=options_of(workflow),
    )


def _map_on(step: Step) -> dict[str, Any]:
    """Return over what a map in a workflow goes: the names of sequences, each with the input that gets its items."""
    sources = {inner: step.sources.get(inner) for inner in sorted(step.mapped)}
    names = {
        inner: source.output if isinstance(source, FromBlock) else step.inputs[inner].name
        for inner, source in sources.items()
    }
    return {"map_on": {name: inner for inner, name in names.items()}} if names else {}


def options_of(block: Block) -> dict[str, Any]:
    """Return how a block is run, as far as that is not the default."""
    found: dict[str, Any] = {}
    if block.cache:
        found["cache"] = True
    if block.timeout is not None:
        found["timeout"] = block.timeout
    if block.retries.times:
        found["retries"] = block.retries.times
    return found | _options_of_kind(block)


def _options_of_kind(block: Block) -> dict[str, Any]:
    """Return what only blocks of its kind have."""
    if isinstance(block, MapWorkflow):
        mapped, targets, _ = block.mapped({})
        on = {"map_on": {targets[inner].name: inner for inner in sorted(mapped)}} if mapped else {}
        return on | ({"on_error": block.on_error} if block.on_error != "fail" else {})
    if isinstance(block, LoopWorkflow):
        return {"iterations": "infinite" if block.infinite else block.iterations}
    if isinstance(block, IterativeWorkflow):
        limit = {"max_iterations": block.max_iterations} if block.max_iterations is not None else {}
        return limit | ({"until": _name_of(block.break_func)} if block.break_func is not None else {})
    if isinstance(block, Choice):
        return {"condition": _name_of(block.condition)}
    return {"if": block.taken_if} if isinstance(block, Side) else {}


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
