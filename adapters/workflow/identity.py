"""What makes two blocks the same work: their code, what they are bound to, and how they are joined.

Of an item of a map and an iteration of a loop it is what is inside: how failures are dealt with, how results are put
together and how often a loop runs are no part of it, so that a change of these keeps what was done.

Inputs count by their content. One that has no identity, such as an open connection, raises `NotFingerprintable`: the
identity of the block that made it may stand in for it only if the user says so, by caching a workflow round both. What
code is, is in ``code``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fairlead.adapters import values
from fairlead.adapters.errors import NotFingerprintable
from fairlead.adapters.fingerprint import fingerprint
from fairlead.adapters.workflow.block import Block
from fairlead.adapters.workflow.branches import Choice, Side
from fairlead.adapters.workflow.code import code_of
from fairlead.adapters.workflow.loops import IterativeWorkflow, LoopWorkflow
from fairlead.adapters.workflow.maps import MapWorkflow
from fairlead.adapters.workflow.task import Task
from fairlead.adapters.workflow.types import NO_DEFAULT
from fairlead.adapters.workflow.units import UnitBlock
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fairlead.adapters.workflow.run_state import Run

VERSION = 1
_FIELDS: Mapping[type[Block], frozenset[str]] = {
    Block: frozenset(
        {
            *("name", "inputs", "outputs", "parameters", "bound", "workflow", "digests"),
            *("cache", "cache_dir", "timeout", "retries"),
        }
    ),
    Task: frozenset({"_calls", "_signature"}),
    Workflow: frozenset({"blocks", "edges", "added_inputs", "added_outputs", "_wiring"}),
    MapWorkflow: frozenset(
        {
            *("map_on", "flatten_output", "output_name", "no_outputs", "allow_empty", "on_error"),
            *("chunk", "simultaneous_tasks", "directives"),
        }
    ),
    LoopWorkflow: frozenset({"iterations", "infinite", "limit"}),
    IterativeWorkflow: frozenset({"max_iterations", "break_func", "initial_value", "on_limit"}),
}
"""The attributes that each of our classes gives its instances; what else a user's class gives them counts."""


def identity_of(block: Block, inputs: Mapping[str, Any], run: Run, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that the result of a block depends on that is run with inputs, as a document for `fingerprint`.

    Of a map or loop it is that of one item or iteration. Raises `NotFingerprintable` for an input or a bound value that
    has no identity on another machine.
    """
    # A host may give what another leaves to the block.
    defaults = {name: target.default for name, target in block.inputs.items() if target.default is not NO_DEFAULT}
    given = {**defaults, **inputs}
    document = {
        "kind": "block",
        "version": VERSION,
        "block": digest_of(block, of_parts=block.caches_parts or block.deals_with_parts),
        "inputs": {name: _input(value, f"'{block.name}', input '{name}'") for name, value in given.items()},
        "parameters": _parameters(block, run),
    }
    return document | ({"extra": dict(extra)} if extra else {})


def _input(value: Any, where: str) -> Any:
    try:
        return values.identity(value, where)
    except NotFingerprintable as error:
        remedy = "Or let the block that makes it stand in for it: cache a workflow round both."
        raise NotFingerprintable(
            [replace(each, remedy=f"{each.remedy} {remedy}".lstrip()) for each in error.problems]
        ) from error


def digest_of(block: Block, *, of_parts: bool = False) -> str:
    """Return the digest of all that the results of a block depend on besides its inputs and parameters.

    It is found once a run, and travels with the block. ``of_parts`` asks for that of an item or iteration.
    """
    if of_parts not in block.digests:
        document = _inside(block) if isinstance(block, Workflow) and of_parts else _described(block)
        block.digests[of_parts] = fingerprint(document)
    return block.digests[of_parts]


def _described(block: Block) -> dict[str, Any]:
    where = f"'{block.name}'"
    document: dict[str, Any] = {
        "kind": block.kind,
        "outputs": sorted(block.outputs),
        "bound": _values(block.bound, f"{where}, bound input"),
        "defaults": _values(
            {name: target.default for name, target in block.inputs.items() if target.default is not NO_DEFAULT},
            f"{where}, the default of input",
        ),
    }
    if isinstance(block, UnitBlock):
        document["unit"] = block.identity()
    elif isinstance(block, Task):
        document |= _of_class(block)
    elif isinstance(block, Choice):
        document["condition"] = code_of(block.condition)
    elif isinstance(block, Side):
        document["taken_if"] = block.taken_if
    elif isinstance(block, Workflow):
        document |= _inside(block) | _round(block)
    return document


def _values(named: Mapping[str, Any], where: str) -> dict[str, Any]:
    return {name: values.identity(value, f"{where} '{name}'") for name, value in named.items()}


def _of_class(block: Block) -> dict[str, Any]:
    """Return what a user's class and its instance add; the name as well, if the user's code is given the instance."""
    ours = frozenset().union(*(_FIELDS.get(base, ()) for base in type(block).__mro__))
    if isinstance(block, Workflow) or (isinstance(block, Task) and block.takes_self):
        ours -= {"name"}
    state = {name: value for name, value in vars(block).items() if name not in ours}
    return {"code": code_of(type(block)), "state": _values(state, f"'{block.name}', attribute")}


def _inside(workflow: Workflow) -> dict[str, Any]:
    """Return what one run of the blocks inside depends on."""
    wiring = workflow.wiring()
    return {
        "steps": [
            {
                "block": digest_of(step.block),
                "name": step.key,
                "ups": list(step.ups),
                "sources": {name: list(vars(source).values()) for name, source in step.sources.items()},
                "mapped": sorted(step.mapped),
            }
            for step in wiring.steps
        ],
        "ends": wiring.ends,
    }


def _round(workflow: Workflow) -> dict[str, Any]:
    """Return what a workflow does besides running the blocks inside once."""
    document = _of_class(workflow) if workflow.hook is not None else {}
    if isinstance(workflow, MapWorkflow):
        document["put together"] = [
            workflow.on_error,
            workflow.flatten_output,
            workflow.output_name,
            workflow.no_outputs,
            workflow.allow_empty,
        ]
        document["map_on"] = workflow.map_on
    elif isinstance(workflow, LoopWorkflow):
        document["iterations"] = [workflow.iterations, workflow.infinite, workflow.limit]
    elif isinstance(workflow, IterativeWorkflow):
        document["iterations"] = [workflow.max_iterations, workflow.on_limit]
        document["break"] = code_of(workflow.break_func) if workflow.break_func else None
        document["initial"] = values.identity(workflow.initial_value, f"'{workflow.name}', initial_value")
    return document


def _parameters(block: Block, run: Run) -> dict[str, Any]:
    """Return the values of the parameters of all tasks in a block, by the names of task and parameter."""
    found: dict[str, Any] = {}
    for task in _tasks(block):
        section = run.parameters.get(task.name) or {}
        for name in task.parameters:
            if name in section:
                where = f"parameters.{task.name}.{name}"
                found.setdefault(task.name, {})[name] = values.identity(section[name], where)
    return found


def _tasks(block: Block) -> Iterator[Task]:
    if isinstance(block, Workflow):
        for each in block.blocks:
            yield from _tasks(each)
    elif isinstance(block, Task) and block.parameters:
        yield block
