"""Blocks and units of work: any unit stands in a workflow as a block, and a block that is kept is run as a unit.

Both go the one way of all work, ``perform``: fingerprinted, looked up, run, checked and kept. What makes a block's
identity is in ``identity``; how values become data is in ``values``.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from fairlead.adapters.errors import Problem, StorageFailed
from fairlead.adapters.fingerprint import fingerprint
from fairlead.adapters.isolation.protocol import Call
from fairlead.adapters.unit import Description, Ports, Produced, Unit
from fairlead.adapters.workflow.block import Block, close_workflow, current_workflow, open_workflow
from fairlead.adapters.workflow.exceptions import WorkflowInvalid
from fairlead.adapters.workflow.gathering import SkippedOutputs
from fairlead.adapters.workflow.naming import without_forbidden
from fairlead.adapters.workflow.targets import Target
from fairlead.adapters.workflow.types import NO_DEFAULT

if TYPE_CHECKING:
    from fairlead.adapters.host import Host
    from fairlead.adapters.perform import Outcome
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.run_state import Run
    from fairlead.adapters.workflow.workflow import Workflow


def as_block(thing: Any, *, workflow: Workflow | None = None, name: str | None = None) -> Block:
    """Return the block that something is, or that a unit of work is in the workflow that is being written.

    Raises `WorkflowInvalid` for what is neither.
    """
    if isinstance(thing, Block):
        return thing
    workflow = workflow or current_workflow()
    if not all(hasattr(thing, attribute) for attribute in ("kind", "name", "bind", "ports")):
        hint = "Call it: a task is a class." if isinstance(thing, type) and issubclass(thing, Block) else ""
        raise WorkflowInvalid(Problem(f"{thing!r}", "is no block", "a task, a workflow or a unit of work", hint))
    for block in workflow.blocks if workflow else ():
        if isinstance(block, UnitBlock) and block.unit is thing:
            return block
    if workflow is None:
        return UnitBlock(thing, name=name)
    open_workflow(workflow)
    try:
        return UnitBlock(thing, name=name)
    finally:
        close_workflow(workflow)


class PortedUnit(Unit, Protocol):
    """A unit that can say, before it is given any inputs, what it takes and what it depends on."""

    def ports(self) -> Ports:
        """Say what it takes and gives."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """Return what all its results depend on besides its inputs, as a document for `fingerprint`."""
        ...


class UnitBlock(Block):
    """A unit of work, such as a twine app, as a block: its ports are the targets, and it is always kept."""

    kind: ClassVar[str] = "unit"

    def __init__(self, unit: PortedUnit, *, name: str | None = None, **options: Any) -> None:
        """Take the unit; its contract is read here, and nothing runs."""
        super().__init__(name=name or without_forbidden(unit.name), **options)
        self.unit = unit
        ports = unit.ports()
        for port, is_required in ports.inputs.items():
            self.inputs[port] = Target(port, default=NO_DEFAULT if is_required else None)
        for port in ports.outputs:
            self.outputs[port] = Target(port)

    def identity(self) -> Mapping[str, Any]:
        """Return what the unit's results depend on besides its inputs."""
        return self.unit.identity()

    def compute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:  # noqa: ARG002 (a block's signature)
        """See `Block.compute`: by `perform`, in a child process."""
        from fairlead.adapters.isolation import named
        from fairlead.adapters.perform import perform

        given = {name: value for name, value in inputs.items() if value is not None}
        outcome = perform(
            self.unit,
            given,
            run.host,
            cache=run.results(self),
            isolation=named("process"),
            refresh=run.overwrite_cache,
        )
        if run.on_outcome is not None:
            run.on_outcome(outcome)
        return {name: outcome.outputs.get(name) for name in self.outputs}


def kept(
    block: Block,
    inputs: Mapping[str, Any],
    run: Run,
    path: str,
    compute: Callable[[], Outputs],
    extra: Mapping[str, Any],
) -> tuple[Outputs, bool]:
    """Run a block unless its outputs are in the result cache; return them, and whether they were.

    Outputs that items have failed for, whatever their maps made of that, are not kept.
    """
    from fairlead.adapters.perform import perform

    unit = _Kept(block, run, path, extra)
    here = _Here(compute)
    cache = run.results(block)
    with here.own_errors():
        try:
            outcome = perform(unit, inputs, run.host, cache=cache, isolation=here, refresh=run.overwrite_cache)
        except _NotKept as reason:
            run.host.log(logging.WARNING, str(reason))
            return reason.outputs, False
    return (unit.unpacked(outcome), True) if unit.made is None else (unit.made, False)


class _NotKept(Exception):
    """Ends the keeping of outputs that are good for this run only."""

    def __init__(self, message: str, outputs: Outputs) -> None:
        super().__init__(message)
        self.outputs = outputs


class _Kept:
    """A block with its inputs, as a unit of work and as the work that it is."""

    kind = "block"

    def __init__(self, block: Block, run: Run, path: str, extra: Mapping[str, Any]) -> None:
        self.name, self.path = path or block.name, path
        self.block, self.run, self.extra = block, run, extra
        self.secrets: Mapping[str, str] = {}
        self.made: Outputs | None = None
        self.identity: Mapping[str, Any] = {}
        self._inputs: Mapping[str, Any] = {}
        self._key = ""

    def bind(self, inputs: Mapping[str, Any]) -> _Kept:
        """Take the inputs, which the block itself checks."""
        self._inputs = inputs
        self.identity = self._identity_now()
        self._key = fingerprint(self.identity)
        return self

    def _identity_now(self) -> dict[str, Any]:
        from fairlead.adapters.workflow.identity import identity_of

        return identity_of(self.block, self._inputs, self.run, self.extra)

    def call(self, directory: Path) -> Call:
        """Return a call that only names the block: what is to be done is at hand, in this process."""
        return Call(entry=self.name, payload={}, directory=str(directory))

    def collect(self, value: Outputs, directory: Path) -> Produced:
        """Make data and files of the outputs.

        Raises:
            NotPortable: no codec takes a value.
            _NotKept: items have failed inside.
        """
        from fairlead.adapters import values

        packed = values.pack(dict(value), f"'{self.name}'")
        if failed := self._failed():
            items = "an item" if failed == 1 else f"{failed} items"
            message = f"{self.name}: the result is not kept, because {items} inside failed; the next run tries again"
            raise _NotKept(message, value)
        files: dict[str, Path] = {}
        if packed.blobs:
            directory.mkdir(mode=0o700, exist_ok=True)
        for name, blob in packed.blobs.items():
            if isinstance(blob, bytes):
                files[name] = directory / name
                files[name].write_bytes(blob)
            else:
                files[name] = Path(shutil.copy(blob, directory / name))
        self.made = value
        return Produced({"outputs": packed.data, "skipped": isinstance(value, SkippedOutputs)}, files)

    def _failed(self) -> int:
        """Return how many items of maps inside have failed in this run, here or in processes that work for it."""
        inside = (f"{self.path}/", f"{self.path}[") if self.path else ""
        return sum(place == self.path or place.startswith(inside) for place, _ in list(self.run.failures))

    def unpacked(self, outcome: Outcome) -> Outputs:
        """Return the outputs that a result in the cache stands for."""
        from fairlead.adapters import storage, values

        where = {file.name: file.location for file in outcome.files}
        found: Outputs = values.unpack(outcome.outputs["outputs"], lambda name: storage.read_bytes(where[name]))
        return SkippedOutputs(found) if outcome.outputs["skipped"] else found

    def is_unchanged(self) -> bool:
        """Tell whether the inputs are as they were: a task may change a list, or somebody else the file of a path."""
        return fingerprint(self._identity_now()) == self._key

    def locate(self, outputs: Mapping[str, Any], files: str) -> dict[str, Any]:  # noqa: ARG002 (a work's signature)
        """Return the outputs, whose files are read where they are unpacked."""
        return dict(outputs)

    def describe(self, *_: Any, **__: Any) -> Description:
        """Say what was run; diagnostics are never asked for of a block."""
        return Description(self.block.name, {})


class _Here:
    """Does a block's work in the calling thread."""

    name = "here"

    def __init__(self, compute: Callable[[], Outputs]) -> None:
        self._compute = compute
        self._error: OSError | None = None

    def run(self, call: Call, host: Host) -> Any:  # noqa: ARG002 (an isolation's signature)
        """See `Isolation.run`."""
        try:
            return self._compute()
        except OSError as error:
            self._error = error
            raise

    @contextlib.contextmanager
    def own_errors(self) -> Generator[None]:
        """Raise what the block itself raised, which `perform` takes for the system's refusal to keep it."""
        try:
            yield
        except StorageFailed:
            if self._error is None:
                raise
        if self._error is not None:
            raise self._error
