"""Maps: a workflow that is run once for each item of a sequence, in any order, with results in the order of the items.

`MapWorkflow` says what an item is given, what becomes of one that fails, and how the results are put together. Where
the items run is the engine's business (``engines``); what is kept of each, tried again and limited in time is
``running``'s, by the options of the map, which hold for its items.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.block import OPTIONS
from fairlead.adapters.workflow.exceptions import TaskException, WorkflowInvalid
from fairlead.adapters.workflow.failures import Failure, short
from fairlead.adapters.workflow.gathering import MAPPED
from fairlead.adapters.workflow.sbatch import DIRECTIVES
from fairlead.adapters.workflow.targets import Target
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fairlead.adapters.workflow.run_state import Run
    from fairlead.adapters.workflow.wiring import Wiring

OnError = Literal["fail", "collect", "drop"]
ON_ERROR: tuple[OnError, ...] = ("fail", "collect", "drop")


@dataclass(frozen=True)
class ItemFailed:
    """What an engine gives back for an item that failed."""

    error: BaseException
    failure: Failure


class MapWorkflow(Workflow):
    """A workflow that is run once for each item of a sequence."""

    kind: ClassVar[str] = "map"
    deals_with_parts: ClassVar[bool] = True

    def __init__(
        self,
        *blocks: Any,
        name: str | None = None,
        map_on: Mapping[str, str] | None = None,
        output_name: str | None = None,
        flatten_output: bool | None = None,
        no_outputs: bool = False,
        on_error: OnError | None = None,
        raise_exceptions: bool | None = None,
        allow_empty: bool = False,
        chunk: int | Literal["auto"] = "auto",
        simultaneous_tasks: int | None = None,
        **arguments: Any,
    ) -> None:
        """Make a map.

        Args:
            blocks: what is run for each item; or written like the body of any workflow.
            name: what it is called.
            map_on: the names of sequences, each with the input inside that gets one item; several are taken in step and
                must be of one length. Without it, the only input that nothing else gives is mapped.
            output_name: what the output is called if it is not flattened, which it is not if this is given.
            flatten_output: whether each output inside becomes a list, in the order of the items; else the output is one
                list that has, for each item, a list of the outputs of each last block.
            no_outputs: whether there are none.
            on_error: what happens when an item fails: the map does (``fail``, the default: what runs is let end, and
                no item after it is started), its place is taken by a `Failure` (``collect``), or it is left out
                (``drop``).
            raise_exceptions: Outflow's older way: True is ``fail``, False ``collect``.
            allow_empty: whether a sequence without items is right; by default it is an error.
            chunk: how many items an engine takes at a time.
            simultaneous_tasks: how many items may run at the same time; as many as the engine can without it.
            arguments: options for its items (see `Block.with_options`), and what sbatch takes, for the engine
                ``slurm``, e.g. ``cpus_per_task=4``.

        Raises:
            WorkflowInvalid: an argument is unknown, or its value is.
        """
        directives = {option: value for option, value in arguments.items() if option not in OPTIONS}
        if not isinstance(map_on, Mapping | None):  # pyright: ignore[reportUnnecessaryIsInstance] (users pass texts)
            found, remedy = f"{short(map_on)} is no mapping", "Write map_on={'name of the sequence': 'input inside'}."
            raise WorkflowInvalid(Problem(f"map '{name or 'map_workflow'}', map_on", found, "names by name", remedy))
        self.map_on = dict(map_on) if map_on is not None else None
        self.flatten_output = output_name is None if flatten_output is None else flatten_output
        self.output_name = output_name or "map_output"
        self.no_outputs = no_outputs
        self.allow_empty = allow_empty
        self.on_error: OnError = on_error or ("collect" if raise_exceptions is False else "fail")
        self.chunk = chunk
        self.simultaneous_tasks = simultaneous_tasks
        self.directives = directives
        options = {option: value for option, value in arguments.items() if option in OPTIONS}
        super().__init__(*blocks, name=name, **options)
        self._refuse_unknown()

    def _refuse_unknown(self) -> None:
        found: list[tuple[str, str, str]] = [
            (f"argument '{each}'", "is unknown", "an argument of MapWorkflow, or an option of sbatch in snake case")
            for each in sorted(set(self.directives) - DIRECTIVES)
        ]
        if self.on_error not in ON_ERROR:
            found.append(("on_error", f"{self.on_error!r} is unknown", ", ".join(ON_ERROR)))
        for name, number in (("chunk", self.chunk), ("simultaneous_tasks", self.simultaneous_tasks)):
            if number is not None and number != "auto" and not (isinstance(number, int) and number > 0):
                found.append((name, f"{number!r} is no whole number above 0", "a number of items"))
        if found:
            self.leave()
            where = f"map '{self.name}'"
            raise WorkflowInvalid([Problem(f"{where}, {place}", wrong, right, "") for place, wrong, right in found])

    # Targets

    def mapped(self, available: Mapping[str, Target]) -> tuple[frozenset[str], dict[str, Target], Problem | None]:
        """Say how the inputs inside are found among outputs that are joined to the map, of which there may be none.

        Returns:
            The inputs inside that get one item at a time; each input inside, by its name, as a target with the name
            that it is looked for under; and what is wrong.
        """
        inside = self.wiring().inputs
        sequences, problem = self._sequences(inside, available)
        names = {inner: name for name, inner in sequences.items()}
        free = self.map_on is None and not problem
        targets = {
            inner: replace(target, name=names.get(inner, inner), any_name=target.any_name or (free and inner in names))
            for inner, target in inside.items()
        }
        return frozenset(names), targets, problem

    def _sequences(
        self, inside: Mapping[str, Target], available: Mapping[str, Target]
    ) -> tuple[dict[str, str], Problem | None]:
        if self.map_on is not None:
            problem = self._wrong_map_on(self.map_on, inside)
            return ({}, problem) if problem else (self.map_on, None)
        where = f"map '{self.name}'"
        inside = {name: target for name, target in inside.items() if name not in self.added_inputs and name[0] != "@"}
        if not inside:
            remedy = "Give a task inside an argument."
            return {}, Problem(where, "nothing inside takes an input", "an input that gets one item at a time", remedy)
        pair = _only_way(inside, available)
        if pair is not None:
            return dict([pair]), None
        ups = f"; joined to it: {', '.join(available)}" if available else ""
        return {}, Problem(
            f"{where}, map_on",
            f"there are several ways to map: inputs inside: {', '.join(inside)}{ups}",
            "one input that nothing else gives",
            "Say which: map_on={'name of the sequence': 'input inside'}.",
        )

    def _wrong_map_on(self, map_on: Mapping[str, str], inside: Mapping[str, Target]) -> Problem | None:
        inner = list(map_on.values())
        wrong = [f"{name!r} is no input inside" for name in inner if name not in inside]
        wrong += [f"{name!r} gets items of {inner.count(name)} sequences" for name in inner if inner.count(name) > 1]
        if not map_on:
            wrong = ["it is empty"]
        expected = f"inputs inside: {', '.join(inside) or 'none'}"
        remedy = "Write map_on={'name of the sequence': 'input inside'}."
        return Problem(f"map '{self.name}', map_on", wrong[0], expected, remedy) if wrong else None

    def outer_inputs(self, wiring: Wiring) -> dict[str, Target]:
        """See `Workflow.outer_inputs`: sequences under their names outside."""
        mapped, targets, _ = self.mapped({})
        if not mapped and self.map_on is None:
            return dict(wiring.inputs)
        return {
            target.name: replace(target, type=Any) if inner in mapped else target for inner, target in targets.items()
        }

    def outer_outputs(self, wiring: Wiring) -> dict[str, Target]:
        """See `Workflow.outer_outputs`: lists of what an item gives."""
        if self.no_outputs or not wiring.outputs:
            return {}
        if not self.flatten_output:
            return {self.output_name: Target(self.output_name, list)}
        return {
            name: Target(name, list if target.type is Any or self.on_error == "collect" else list[target.type])  # type: ignore[name-defined]
            for name, target in wiring.outputs.items()
        }

    # Items

    def items(self, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what each item is given.

        Raises `TaskException` for what cannot be gone through, for sequences of different lengths, and for one without
        items unless the map allows that.
        """
        values = dict(inputs)
        names: Iterable[str] | None = values.pop(MAPPED, None)
        if names is None:
            names, targets, problem = self.mapped({name: Target(name) for name in values})
            if problem:
                raise TaskException(problem)
            values = {inner: values[target.name] for inner, target in targets.items() if target.name in values}
        called = {inner: name for name, inner in (self.map_on or {}).items()}
        defaults = {name: self.added_defaults.get(called.get(name, name)) for name in names}
        sequences = {
            name: _sequence(values.pop(name, default), f"map '{self.name}', input '{called.get(name, name)}'")
            for name, default in sorted(defaults.items())
        }
        self._check_lengths({called.get(name, name): len(sequence) for name, sequence in sequences.items()})
        return [{**values, **dict(zip(sequences, item, strict=True))} for item in zip(*sequences.values(), strict=True)]

    def _check_lengths(self, lengths: Mapping[str, int]) -> None:
        where = f"map '{self.name}'"
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"'{name}' has {length} items" for name, length in lengths.items())
            raise TaskException(Problem(where, found, "sequences of one length", "They are taken in step."))
        if not self.allow_empty and not next(iter(lengths.values())):
            names = ", ".join(f"'{name}'" for name in lengths)
            found = "is empty: there is nothing to map over"
            remedy = "If that can be right, say so: allow_empty=True."
            raise TaskException(Problem(f"{where}, input {names}", found, "at least one item", remedy))

    def execute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:
        """See `Workflow.execute`."""
        items = self.items(inputs)
        run.expect(self, path, len(items))
        with contextlib.closing(run.backend.run_items(self, items, run, path)) as results:
            return self.collected(results, len(items), run, path)

    def collected(
        self, results: Iterable[tuple[int, dict[str, Any] | ItemFailed]], number: int, run: Run, path: str
    ) -> dict[str, Any]:
        """Put the results of items, which come in any order, together; raises what the first failed item raised."""
        found: list[dict[str, Any] | Failure | None] = [None] * number
        for index, result in results:
            if isinstance(result, ItemFailed):
                if self.on_error == "fail":
                    raise result.error
                run.failed(path, result.failure)
                found[index] = result.failure
            else:
                found[index] = result
        return self.put_together(found)

    def put_together(self, results: Sequence[dict[str, Any] | Failure | None]) -> dict[str, Any]:
        """Make the map's outputs of those of its items, in order; a failure stands in its place, or is left out."""
        if self.on_error == "drop":
            results = [result for result in results if not isinstance(result, Failure)]
        wiring = self.wiring()
        if not self.outputs:
            return {}
        if not self.flatten_output:
            ends = [wiring.steps[end].outputs for end in wiring.ends]
            return {
                self.output_name: [
                    result
                    if isinstance(result, Failure) or result is None
                    else [{name: result[name] for name in end if name in result} for end in ends]
                    for result in results
                ]
            }
        return {
            name: [result if isinstance(result, Failure) or result is None else result.get(name) for result in results]
            for name in wiring.outputs
        }

    def chunks(self, number: int, workers: int, *, per_worker: int = 8) -> list[range]:
        """Cut the items into chunks as the map asks, or so that each worker gets several."""
        size = self.chunk if isinstance(self.chunk, int) else max(1, min(256, number // (workers * per_worker)))
        return [range(start, min(start + size, number)) for start in range(0, number, size)]


def _only_way(inside: Mapping[str, Target], available: Mapping[str, Target]) -> tuple[str, str] | None:
    """Return which sequence gives its items to which input inside, if that can only be one."""
    open_ = [name for name, target in inside.items() if target.is_required and name not in available]
    unused = [name for name in available if name not in inside]
    if len(open_) == 1 and (len(unused) == 1 or not available):
        return (unused or open_)[0], open_[0]
    if unused or len(available) > 1:
        return None
    if len(inside) == 1:
        (only,) = inside
        return only, only
    if available and not open_:
        (only,) = available
        return only, only
    return None


def _sequence(value: Any, where: str) -> Sequence[Any]:
    """Return what a map goes through; raises `TaskException` for what has no items in an order."""
    if isinstance(value, list | tuple):
        return value
    items: Iterable[Any] | None = None
    if not isinstance(value, str | bytes | Mapping):
        with contextlib.suppress(TypeError):
            items = iter(value)
    if items is None:
        found = f"{short(value)} has no items to map over"
        raise TaskException(Problem(where, found, "a sequence", "Give e.g. a list."))
    if isinstance(value, set | frozenset):
        found = f"{short(value)} has items in no order, which may be another one in the next run"
        raise TaskException(Problem(where, found, "a sequence", "Give them an order: sorted(…)."))
    return list(items)
