"""What a block is given when those before it have ended, and whether it is skipped: one rule for every engine and host.

`Needs` says where a block's inputs come from, as data: other blocks are named by whatever their results are kept under,
which is a number inside a workflow and a path in an orchestrator. A block is skipped if something before it was skipped
as a whole, or if what it takes was; a merge takes what did run.

The module runs nothing, and does not find out where inputs come from: that is ``wiring`` and ``nodes``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.adapters.workflow.types import Skipped

Outputs = dict[str, Any]
TAKEN = "@taken"
"""The output of a choice that says whether its condition held."""
BRANCHES = "@branches"
"""The input of a merge: the outputs of each branch that ran, by its key."""
Origin = tuple[Hashable, str]
"""Where a value comes from: the block, or None for what the workflow itself is given, and the name there."""
OUTSIDE = None
MAPPED = "@mapped"
"""The input of a map that says which of its other inputs are sequences."""
_NOTHING = object()


class SkippedOutputs(dict[str, Any]):
    """The outputs of a block that was skipped: each is a `Skipped`."""


def skipped(names: Iterable[str]) -> SkippedOutputs:
    """Return the outputs of a skipped block."""
    return SkippedOutputs(dict.fromkeys(names, Skipped()))


def is_skipped(outputs: Mapping[str, Any]) -> bool:
    """Tell whether outputs are those of a block that was skipped."""
    return isinstance(outputs, SkippedOutputs) or (
        bool(outputs) and all(isinstance(value, Skipped) for value in outputs.values())
    )


@dataclass(frozen=True)
class Needs:
    """What a block needs."""

    ups: tuple[tuple[Hashable, ...], ...]
    """The blocks that it comes after, by what they end together: it is skipped if all of one of these were."""
    called: tuple[str, ...]
    """What each of these is called in messages."""
    sources: tuple[tuple[str, tuple[Origin, ...]], ...]
    """Each input by its name, and where its value may come from: the first that was not skipped has it."""
    outputs: tuple[str, ...]
    mapped: frozenset[str]
    """Of a map: the inputs inside that get one item at a time."""
    is_merge: bool


def gather(needs: Needs, results: Mapping[Any, Mapping[str, Any]], inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a block is given, or None if it is skipped; ``inputs`` are those of the workflow."""
    if needs.is_merge:
        return _branches(needs, results)
    for group in needs.ups:
        if all(is_skipped(results[up]) for up in group):
            return None
    values: dict[str, Any] = {}
    for name, origins in needs.sources:
        value = _first(origins, results, inputs)
        if type(value) is Skipped:
            return None
        if value is not _NOTHING:  # not every way of returning gives it; the block says that it is missing
            values[name] = value
    if needs.mapped:
        values[MAPPED] = needs.mapped
    return values


def _first(origins: tuple[Origin, ...], results: Mapping[Any, Mapping[str, Any]], inputs: Mapping[str, Any]) -> Any:
    """Return the first value that is there and was not skipped, or what else there is."""
    found: Any = _NOTHING
    for place, name in origins:
        value = (inputs if place is OUTSIDE else results[place]).get(name, _NOTHING)
        if value is not _NOTHING and type(value) is not Skipped:
            return value
        found = value if found is _NOTHING else found
    return found


def _branches(needs: Needs, results: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return what a merge is given: the outputs of the branches that ran."""
    branches: dict[str, Outputs] = {}
    for group, name in zip(needs.ups, needs.called, strict=True):
        ran = [results[up] for up in group if not is_skipped(results[up])]
        if ran:
            branches[name] = {**skipped(needs.outputs), **{key: value for each in ran for key, value in each.items()}}
    return {BRANCHES: branches} if branches else None


def outputs_of(
    ends: Sequence[Hashable], sources: Mapping[str, tuple[Origin, ...]], results: Mapping[Any, Mapping[str, Any]]
) -> Outputs:
    """Return what a workflow's last blocks have made; a name that several have is that of the one which ran."""
    if ends and all(is_skipped(results[end]) for end in ends):
        return skipped(sources)
    found = {name: _first(origins, results, {}) for name, origins in sources.items()}
    return {name: value for name, value in found.items() if value is not _NOTHING}
