"""The one way in which a block is run in every engine and host, and in which a program runs a workflow.

A block, or an item of a map, or an iteration of a loop, is looked up in the result cache if it asks for that, tried as
often as it says, each try limited in time, and at its end somebody is told (`Event`). What runs where and when is the
engine's: see ``engines``. `run` is how a program runs a workflow.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fairlead.adapters.errors import Cancelled, InputInvalid, Problem
from fairlead.adapters.host import LoggingHost
from fairlead.adapters.workflow.exceptions import ExitPipeline, WorkflowInvalid
from fairlead.adapters.workflow.failures import Failure, failure_of, short
from fairlead.adapters.workflow.gathering import Outputs, gather, is_skipped, skipped
from fairlead.adapters.workflow.glimpses import glimpses
from fairlead.adapters.workflow.limits import Alarm, limited, meant
from fairlead.adapters.workflow.maps import ItemFailed, MapWorkflow
from fairlead.adapters.workflow.retries import NONE, is_retryable
from fairlead.adapters.workflow.run_state import (
    Engine,
    Event,
    Results,
    Run,
    State,
    current,
    current_parameters,
    placed,
)
from fairlead.adapters.workflow.wiring import Step, Wiring, check, resolved
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fairlead.adapters.host import Host
    from fairlead.adapters.workflow.block import Block

_logger = logging.getLogger(__name__)


# One block


def run_block(block: Block, inputs: Mapping[str, Any], run: Run, path: str) -> Outputs:
    """Run a block with its inputs: look it up, try it as often as it says, limit each try, and say how it ended."""
    plain = not block.cache and block.timeout is None and not block.retries.times
    if run.observer is None and (plain or block.deals_with_parts):
        return block.compute(inputs, run, path)
    return _told(block, inputs, run, path, lambda: block.compute(inputs, run, path), parts=block.deals_with_parts)


def run_item(mapping: MapWorkflow, index: int, inputs: Mapping[str, Any], run: Run, path: str) -> Outputs | ItemFailed:
    """Run an item of a map in the same way, by the options of the map; an exception becomes its record."""
    place = f"{path}[{index}]"
    if mapping.added_inputs:
        inputs = {**mapping.added_defaults, **inputs}
    try:
        if run.observer is None and not mapping.cache and mapping.timeout is None and not mapping.retries.times:
            return compute_item(mapping, inputs, run, place)

        def compute() -> Outputs:
            return compute_item(mapping, inputs, run, place)

        return _told(mapping, inputs, run, place, compute)
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001 (whatever ends an item is the map's to judge)
        run.check()  # unless the run itself must end
        return item_failed(mapping, index, inputs, error)


def compute_item(mapping: MapWorkflow, inputs: Mapping[str, Any], run: Run, place: str) -> Outputs:
    """Run the blocks inside a map once, in this thread."""
    wiring = mapping.wiring()
    return wiring.outputs_of(run_in_order(wiring, inputs, run, place))


def item_failed(mapping: MapWorkflow, index: int, inputs: Mapping[str, Any], error: Exception) -> ItemFailed:
    """Return what stands for an item that an exception has ended."""
    note = f"In item {index} of map '{mapping.name}'."
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
    return ItemFailed(error, failure_of(error, index, visible(inputs)))


def _told(
    block: Block, inputs: Mapping[str, Any], run: Run, path: str, compute: Callable[[], Outputs], *, parts: bool = False
) -> Outputs:
    """Run a block, and tell when it starts and how it ends."""
    if run.observer is None:
        return _guarded(block, inputs, run, path, compute)[0]

    def tell(
        state: State, failure: Failure | None = None, *, cached: bool = False, shown: Mapping[str, Any] | None = None
    ) -> None:
        run.tell(Event(path, block.name, block.kind, state, time.time(), failure, cached, inputs=shown))

    tell("running", shown=glimpses({**visible(inputs), **block.bound}))
    try:
        outputs, cached = (compute(), False) if parts else _guarded(block, inputs, run, path, compute)
    except ExitPipeline:
        tell("success")
        raise
    except BaseException as error:
        tell("failed", failure_of(meant(error), 0, visible(inputs)))
        raise
    tell("skipped" if is_skipped(outputs) else "success", cached=cached)
    return outputs


def _guarded(
    block: Block, inputs: Mapping[str, Any], run: Run, path: str, compute: Callable[[], Outputs]
) -> tuple[Outputs, bool]:
    if path in run.whole:
        tried = compute
    elif path in run.tried_outside:

        def tried() -> Outputs:
            return _limited(block, inputs, run, path, compute)

    else:

        def tried() -> Outputs:
            return _tried(block, inputs, run, path, compute)

    if not block.cache or block.caches_parts:
        return tried(), False
    from fairlead.adapters.workflow.units import kept

    return kept(block, inputs, run, path, tried, {})


def _tried(block: Block, inputs: Mapping[str, Any], run: Run, path: str, compute: Callable[[], Outputs]) -> Outputs:
    """Try as often as the block says; what breaks a contract is not tried again."""
    retries = block.retries or NONE
    for number in range(1 + run.tries_over.get(path, 0), retries.times + 1):
        try:
            return _limited(block, inputs, run, path, compute)
        except Exception as error:
            if not is_retryable(error):
                raise
            run.check()
            seconds = retries.wait_before(number)
            _logger.warning(
                "%s: %s: %s; trying again in %.1f s (%d of %d)",
                path, type(error).__name__, error, seconds, number, retries.times,
            )  # fmt: skip
            run.wait(seconds)
            if run.on_try is not None:
                run.on_try(path, number + 1)
    return _limited(block, inputs, run, path, compute)


def _limited(block: Block, inputs: Mapping[str, Any], run: Run, path: str, compute: Callable[[], Outputs]) -> Outputs:
    if block.timeout is None:
        return compute()
    return limited(block, inputs, run, path, compute)


# Blocks in order


def run_in_order(wiring: Wiring, inputs: Mapping[str, Any], run: Run, path: str) -> Results:
    """Run each step after those that it needs, one at a time, in this thread; return the outputs of each."""
    results: dict[int, Outputs] = {}
    for number, step in enumerate(wiring.steps):
        run.check()
        results[number] = run_step(step, results, inputs, run, path)
    return results


def run_step(
    step: Step,
    results: Mapping[int, Outputs],
    inputs: Mapping[str, Any],
    run: Run,
    path: str,
    run_block: Callable[[Block, Mapping[str, Any], Run, str], Outputs] = run_block,
) -> Outputs:
    """Run one step with the results of those before it, or skip it; ``run_block`` says how its block is run."""
    place = f"{path}/{step.key}" if path else step.key
    values = gather(step.needs, results, inputs)
    if values is None:
        if run.observer is not None:
            run.tell(Event(place, step.block.name, step.block.kind, "skipped", time.time()))
        return skipped(step.outputs)
    try:
        return run_block(step.block, values, run, place)
    except (Exception, Alarm) as error:
        note_place(meant(error), step.block, place)
        raise


def visible(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a user knows of inputs: without those that only carry something."""
    return {name: value for name, value in inputs.items() if name[0] != "@"}


def note_place(error: BaseException, block: Block, place: str) -> None:
    """Say where an exception came from, once; of the workflow that was run itself there is nothing to say."""
    if place and not getattr(error, "__fairlead_place__", None):
        with contextlib.suppress(AttributeError):  # of an exception that takes no attributes
            error.__fairlead_place__ = place  # type: ignore[attr-defined]
        error.add_note(f"In {block.kind} '{place}'.")


# A whole workflow


@dataclass(frozen=True)
class Result:
    """What came of a workflow."""

    outputs: Outputs
    failures: tuple[tuple[str, Failure], ...]
    """Items that failed and did not end it, with the paths of their maps, in the order of these and of the items."""
    exited: bool
    """Whether a task has ended it before its end, by `exit_pipeline`; then there are no outputs."""
    seconds: float


def run(
    workflow: Workflow,
    inputs: Mapping[str, Any] | None = None,
    *,
    backend: str | Engine = "default",
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    cache: str | None = None,
    overwrite_cache: bool = False,
    host: Host | None = None,
    observer: Callable[[Event], None] | None = None,
    worker_setup: Callable[[], None] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Result:
    """Run a workflow on this machine, or from it on a cluster, when all of it fits.

    Args:
        workflow: what to run.
        inputs: values for its inputs, by name.
        backend: the engine: ``default`` (this process), ``parallel``, ``slurm`` or ``dask``, or one that is made.
        parameters: values of the tasks' parameters, by the names of the tasks.
        cache: where results are kept of blocks that ask for it and do not say where; see `ResultCache`.
        overwrite_cache: run in any case, and replace what the cache holds.
        host: who runs it; this process's log without it.
        observer: who is told what happens, as it happens.
        worker_setup: what each process that works for this run calls first; it must be possible to pickle it.
        options: of the engine, by name; see ``engines``.

    Raises:
        IOCheckerError: something does not fit, in names or types; all of it is told. Nothing has run.
        Exception: what a task raised, as it raised it, with a note of where that was.
    """
    from fairlead.adapters.workflow.arguments import refuse_unusable
    from fairlead.adapters.workflow.engines import named

    start = time.perf_counter()
    _refuse_unusable(workflow, inputs)
    refuse_unusable(parameters, backend, options)
    workflow.forget_digests()
    given = resolved(workflow, inputs or {})
    engine = named(backend, **(options or {})) if isinstance(backend, str) else backend
    made = Run(
        engine,
        host=host or LoggingHost(),
        parameters=current_parameters() if parameters is None else parameters,
        cache=cache,
        overwrite_cache=overwrite_cache,
        observer=observer,
        worker_setup=worker_setup,
    )
    exited = False
    outputs: Outputs = {}
    with placed(made, ""):
        check(workflow, given)
        try:
            outputs = run_block(workflow, given, made, "")
        except ExitPipeline as stop:
            exited = True
            _logger.info("The run ended early%s", f": {stop}" if str(stop) else ".")
        finally:
            if isinstance(backend, str):
                engine.close()
    failures = sorted(made.failures, key=lambda failed: (_by_number(failed[0]), failed[1].index))
    return Result(outputs, tuple(failures), exited, time.perf_counter() - start)


def _by_number(path: str) -> list[tuple[int, str]]:
    """Return what paths are sorted by, so that item 10 comes after item 9 in whatever order they were run."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]


def _refuse_unusable(workflow: Any, inputs: Any) -> None:
    if not isinstance(workflow, Workflow):
        remedy = "Call what makes it, or put the task into one: Workflow(MyTask())."
        raise WorkflowInvalid(Problem("run", f"{short(workflow)} is no workflow", "a workflow", remedy))
    if not isinstance(inputs, Mapping | None):
        where = f"{workflow.kind} '{workflow.name}', inputs"
        remedy = f"Write a dict, e.g. {{'{next(iter(workflow.inputs), 'x')}': 1}}."
        raise InputInvalid(Problem(where, f"{short(inputs)} is no mapping", "values by name", remedy))


def call(workflow: Workflow, inputs: Mapping[str, Any]) -> Outputs:
    """Run a workflow as a part of the run that this is in, or else on its own."""
    place = current.get()
    if place is None:
        return run(workflow, inputs).outputs
    given = resolved(workflow, inputs)
    check(workflow, given)
    return run_block(workflow, given, *place)
