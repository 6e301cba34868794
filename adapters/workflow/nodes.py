"""A workflow cut into what an orchestrator schedules: one node for each block, nested plain workflows opened.

`flatten` finds the nodes and where each gets its inputs; `gather`, `run_node` and `run_items` do one node's part with
the results of others, wherever these come from; `outputs_of` is the end. Maps, loops and workflows that are more than
their blocks (kept, tried again, limited, or with a ``run`` of their own) are one node each, whose inside is run where
the node is.

It schedules nothing, and does not know how values travel between nodes: see ``fairlead.adapters.values``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fairlead.adapters.workflow import gathering
from fairlead.adapters.workflow.branches import MergeTask
from fairlead.adapters.workflow.failures import Failure
from fairlead.adapters.workflow.gathering import SkippedOutputs, skipped
from fairlead.adapters.workflow.maps import ItemFailed, MapWorkflow
from fairlead.adapters.workflow.retries import NONE, Retries, is_retryable
from fairlead.adapters.workflow.running import run_block, run_item
from fairlead.adapters.workflow.types import Skipped
from fairlead.adapters.workflow.wiring import FromBlock, FromWorkflow
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fairlead.adapters.values import ValueStore
    from fairlead.adapters.workflow.block import Block
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.run_state import Run
    from fairlead.adapters.workflow.wiring import Step


@dataclass(frozen=True)
class Origin:
    """Where a value comes from: an output of a node, or, without one, an input of the whole workflow."""

    node: str | None
    name: str


Origins = tuple[Origin, ...]
"""Where a value may come from: the first that was not skipped has it."""


@dataclass(frozen=True)
class FlatNode:
    """One block, as an orchestrator schedules it."""

    path: str
    """The keys of the workflows that it is in and its own, with ``/`` between."""
    place: str
    """Where it is in a run: its path, or nothing if it is the workflow itself."""
    block: Block
    ups: tuple[tuple[str, ...], ...]
    """The nodes that it comes after, by what they end together; it is skipped if all of one of these were."""
    sources: Mapping[str, Origins]
    outputs: tuple[str, ...]
    mapped: frozenset[str]
    """Of a map: the inputs inside that get one item at a time."""

    @functools.cached_property
    def needs(self) -> gathering.Needs:
        """What it needs of the results of other nodes."""
        return gathering.Needs(
            ups=self.ups,
            called=tuple(" and ".join(group) for group in self.ups),
            sources=tuple(_plain(self.sources).items()),
            outputs=self.outputs,
            mapped=self.mapped,
            is_merge=isinstance(self.block, MergeTask),
        )

    @property
    def after(self) -> list[str]:
        """The nodes that must have ended before this one, each once."""
        named = [path for group in self.ups for path in group]
        given = [origin.node for origins in self.sources.values() for origin in origins if origin.node is not None]
        return list(dict.fromkeys([*named, *given]))

    @property
    def retries(self) -> Retries:
        """How often a task that runs all of it is tried again: those of a map hold for its items, inside the task."""
        return NONE if self.block.deals_with_parts else self.block.retries

    @property
    def timeout(self) -> float | None:
        """How many seconds each of these tries may take; that of a map holds for its items."""
        return None if self.block.deals_with_parts else self.block.timeout


@dataclass(frozen=True)
class Flat:
    """A workflow as nodes, each after those that it needs."""

    workflow: Workflow
    nodes: tuple[FlatNode, ...]
    outputs: Mapping[str, Origins]
    ends: tuple[str, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Of inputs that were added to workflows which are opened; they are given along with the inputs of the whole."""


def flatten(workflow: Workflow, *, whole: bool = False) -> Flat:
    """Cut a workflow into nodes; into a single one if it is to stay ``whole``."""
    nodes: list[FlatNode] = []
    if is_plain(workflow) and not whole:
        given = {name: (Origin(None, name),) for name in workflow.wiring().inputs}
        defaults = workflow.added_defaults
        ends, outputs = _open(workflow, "", given, (), nodes, defaults)
        return Flat(workflow, tuple(nodes), outputs, ends, defaults)
    sources = {name: (Origin(None, name),) for name in workflow.inputs}
    mapped: frozenset[str] = frozenset()
    if isinstance(workflow, MapWorkflow):
        mapped, targets, _ = workflow.mapped({})
        sources = {inner: (Origin(None, target.name),) for inner, target in targets.items()}
    alone = FlatNode(
        path=workflow.name,
        place="",
        block=workflow,
        ups=(),
        sources=sources,
        outputs=tuple(workflow.outputs),
        mapped=mapped,
    )
    outputs = {name: (Origin(alone.path, name),) for name in alone.outputs}
    return Flat(workflow, (alone,), outputs, (alone.path,))


def is_plain(block: Block) -> bool:
    """Tell whether a block is a workflow that is no more than the blocks in it."""
    return (
        isinstance(block, Workflow)
        and block.kind == Workflow.kind
        and block.hook is None
        and not block.cache
        and block.timeout is None
        and not block.retries.times
    )


def _open(
    workflow: Workflow,
    path: str,
    given: Mapping[str, Origins],
    outside: tuple[tuple[str, ...], ...],
    nodes: list[FlatNode],
    defaults: dict[str, Any],
) -> tuple[tuple[str, ...], dict[str, Origins]]:
    """Add the nodes of a workflow, and return those that end it, and where its outputs come from.

    The defaults of its added inputs are added to ``defaults``, under names of their own.
    """
    wiring = workflow.wiring()
    ended: list[tuple[tuple[str, ...], dict[str, Origins]]] = []
    for step in wiring.steps:
        place = f"{path}/{step.key}" if path else step.key
        sources = {name: found for name, source in step.sources.items() if (found := _origins(source, ended, given))}
        ups = tuple(ended[number][0] for number in step.ups) or outside
        if isinstance(step.block, Workflow) and is_plain(step.block):
            sources |= _with_defaults(step.block, place, sources, defaults)
            ended.append(_open(step.block, place, sources, ups, nodes, defaults))
            continue
        nodes.append(_node(step, place, ups, sources))
        ended.append(((place,), {name: (Origin(place, name),) for name in step.outputs}))
    ends = tuple(path for number in wiring.ends for path in ended[number][0])
    outputs = {
        name: tuple(origin for number in wiring.ends for origin in ended[number][1].get(name, ()))
        for name in wiring.outputs
    }
    return ends, outputs


def _with_defaults(
    workflow: Workflow, place: str, sources: Mapping[str, Origins], defaults: dict[str, Any]
) -> dict[str, Origins]:
    """Return where the added inputs of a workflow have their values from, if nobody gives them."""
    found: dict[str, Origins] = {}
    for name, value in workflow.added_defaults.items():
        given = sources.get(name, ())
        if all(origin.node is None for origin in given):  # what a block gives, or skips, is no default's business
            own = f"{place}, input '{name}'"
            defaults[own] = value
            found[name] = (*given, Origin(None, own))
    return found


def _node(step: Step, place: str, ups: tuple[tuple[str, ...], ...], sources: Mapping[str, Origins]) -> FlatNode:
    return FlatNode(place, place, step.block, ups, sources, tuple(step.outputs), step.mapped)


def _origins(
    source: FromBlock | FromWorkflow,
    ended: list[tuple[tuple[str, ...], dict[str, Origins]]],
    given: Mapping[str, Origins],
) -> Origins:
    if isinstance(source, FromWorkflow):
        return given.get(source.name, ())
    ends, outputs = ended[source.step]
    return outputs.get(source.output) or (Origin(ends[0], source.output),)


# One node


def gather(node: FlatNode, results: Mapping[str, Outputs], inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a node is given, or None if it is skipped; ``inputs`` are those of the whole workflow."""
    return gathering.gather(node.needs, results, inputs)


def run_node(node: FlatNode, results: Mapping[str, Outputs], inputs: Mapping[str, Any], run: Run) -> Outputs:
    """Run a node with the results of those before it, or skip it (see `branches.is_skipped`)."""
    values = gather(node, results, inputs)
    return skipped(node.outputs) if values is None else run_block(node.block, values, run, node.place)


def run_items(
    node: FlatNode, items: Mapping[int, Mapping[str, Any]], run: Run, *, is_last: bool = True
) -> list[tuple[int, Outputs | Failure]]:
    """Run some items of a map, by their indices, one after the other; raises what an item did if the map fails then.

    If it is not the last try, an exception after which another one can help is raised whatever the map does then.
    """
    mapping = node.block
    assert isinstance(mapping, MapWorkflow)
    results: list[tuple[int, Outputs | Failure]] = []
    for index, item in items.items():
        run.check()
        result = run_item(mapping, index, item, run, node.place)
        if isinstance(result, ItemFailed):
            if mapping.on_error == "fail" or (not is_last and is_retryable(result.error)):
                raise result.error
            run.failed(node.place, result.failure)
            results.append((index, result.failure))
        else:
            results.append((index, result))
    return results


# Outputs on their way to another node

_IS_SKIPPED = "@skipped"
"""The key of the outputs of a skipped block; no output is called so."""


def packed(outputs: Outputs, store: ValueStore, where: str) -> dict[str, Any]:
    """Return outputs as JSON data, each for itself; what is large goes into the store."""
    data = {name: store.put(value, f"'{where}', output '{name}'") for name, value in outputs.items()}
    return {**data, _IS_SKIPPED: True} if isinstance(outputs, SkippedOutputs) else data


def unpacked(data: Mapping[str, Any], store: ValueStore) -> Outputs:
    """Return the outputs that were packed."""
    values = {name: store.get(value) for name, value in data.items() if name != _IS_SKIPPED}
    return SkippedOutputs(values) if _IS_SKIPPED in data else values


def opened(data: Mapping[str, Any]) -> Outputs:
    """Return packed outputs as far as `gather` and `outputs_of` look into them; their values stay packed."""
    sign = _sign()
    values = {name: Skipped() if value == sign else value for name, value in data.items() if name != _IS_SKIPPED}
    return SkippedOutputs(values) if _IS_SKIPPED in data else values


def closed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `opened` has opened as packed data."""
    data = {name: _sign() if isinstance(value, Skipped) else value for name, value in values.items()}
    return {**data, _IS_SKIPPED: True} if isinstance(values, SkippedOutputs) else data


@functools.cache
def _sign() -> Any:
    """Return what a `Skipped` is as data."""
    from fairlead.adapters import values

    return values.pack(Skipped()).data


def outputs_of(flat: Flat, results: Mapping[str, Outputs]) -> Outputs:
    """Return the outputs of the whole workflow; what was skipped is a `Skipped`."""
    return gathering.outputs_of(flat.ends, _plain(flat.outputs), results)


def _plain(sources: Mapping[str, Origins]) -> dict[str, tuple[gathering.Origin, ...]]:
    return {name: tuple((origin.node, origin.name) for origin in origins) for name, origins in sources.items()}
