"""A flow that runs a workflow, ready to be deployed: its parameters are the workflow's inputs.

What is wrong with the workflow is told when the flow is made, what is wrong with its inputs before any task runs. What
becomes a task run, and when, is in ``schedule``; what a task run does, in ``node_tasks``.
"""

from __future__ import annotations

import keyword
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from prefect import Flow
from prefect.logging import get_run_logger
from prefect.task_runners import TaskRunner
from pydantic.fields import FieldInfo

from fairlead.adapters.cache import ResultCache
from fairlead.adapters.errors import InputInvalid, Problem
from fairlead.adapters.values import ValueStore
from fairlead.adapters.workflow.chunks import ChunkSize, Granularity, check_cut
from fairlead.adapters.workflow.engines import named
from fairlead.adapters.workflow.forms import fields_of, filled_in, merged_parameters, parameters_schema
from fairlead.adapters.workflow.nodes import flatten, unpacked
from fairlead.adapters.workflow.run_state import Run, current_parameters, placed
from fairlead.adapters.workflow.types import NO_DEFAULT
from fairlead.adapters.workflow.wiring import check, resolved
from fairlead.adapters.workflow.workflow import Workflow
from fairlead.flows.forms import caller, signature
from fairlead.flows.node_tasks import Plan, Shipped
from fairlead.flows.results import SERIALIZER
from fairlead.flows.schedule import Schedule, tasks_of
from fairlead.flows.task_logs import listening


def workflow_flow(
    workflow: Workflow,
    *,
    name: str | None = None,
    granularity: Granularity = "node",
    chunk: ChunkSize = None,
    task_runner: TaskRunner[Any] | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    cache: str | os.PathLike[str] | None = None,
    overwrite_cache: bool = False,
    backend: str = "default",
    backend_options: Mapping[str, Any] | None = None,
    persist_result: bool | None = None,
    **options: Any,
) -> Flow[..., dict[str, Any]]:
    """Make a flow of a workflow, ready to be deployed, with a parameter for each of its inputs.

    The flow returns the outputs by name as packed data: JSON data as they are, of which `workflow_outputs` makes other
    values again. A run that a task has ended early, by `exit_pipeline`, is a success without outputs.

        yields = workflow_flow(study(), chunk=50)

        if __name__ == "__main__":
            yields.serve()

    Besides the inputs, the flow has the parameters ``parameters`` (if tasks have some), ``cache`` and
    ``overwrite_cache``, unless an input has that name.

    Args:
        workflow: what to run.
        name: the flow's name; the workflow's without it.
        granularity: what is a task run: a block, an item or a chunk of items of a map, and an iteration of a loop
            (``node``); a block, maps and loops as one (``map``); or the workflow as one (``whole``). What is inside the
            items of a map and the iterations of a loop is never a task run of its own.
        chunk: how many items of a map a task run takes, instead of what the maps say; ``auto`` cuts maps of more than
            127 items into about 64 to 127 chunks.
        task_runner: Prefect's: threads, processes, Dask.
        parameters: values of the tasks' parameters, by the names of the tasks.
        cache: where results and values between tasks are kept; ``$FAIRLEAD_CACHE`` or the user's cache folder without
            it. All workers must reach it.
        overwrite_cache: run what is cached in any case, and replace what the cache holds.
        backend: the engine for what runs inside one task run, see `fairlead.adapters.workflow.run`.
        backend_options: of that engine.
        persist_result: whether Prefect stores the results of task runs, so that a retry of a flow run does only what is
            missing. Without it, all are stored but those of single items of maps; these, too, if the flow has
            ``retries``.
        options: what else Prefect's `Flow` takes, e.g. ``retries``, ``description`` and ``result_storage``.

    Raises:
        WorkflowInvalid: this is no workflow, or something in it does not fit; all of it is told.
        InputInvalid: an argument is out of range.
    """
    check_cut(workflow, granularity, chunk, backend)
    _check_names(workflow)
    parameters = merged_parameters(parameters)
    flat = flatten(workflow, whole=granularity == "whole")
    root = None if cache is None else os.fspath(cache)
    persist = True if persist_result is None and options.get("retries") else persist_result
    parts = granularity == "node"
    tasks = tasks_of(flat, parts=parts, persist=persist)
    shipped = Shipped((flat, tasks), workflow)  # in the flow, which Prefect sends along with each task run
    properties = _properties(workflow, parameters, root, overwrite_cache=overwrite_cache)

    def run(**values: Any) -> dict[str, Any]:
        flat, tasks = shipped.thing
        values = {name: value for name, value in values.items() if not isinstance(value, FieldInfo)}
        given = {name: value for name, value in values.items() if name in flat.workflow.inputs}
        chosen = {name: value for name, value in values.items() if name not in flat.workflow.inputs}
        plan = Plan(
            flat=flat,
            parameters=merged_parameters(current_parameters(), parameters, chosen.get("parameters")),
            cache=chosen.get("cache", root),
            overwrite_cache=bool(chosen.get("overwrite_cache", overwrite_cache)),
            backend=backend,
            options=dict(backend_options or {}),
        )
        write = get_run_logger().log
        with listening(lambda level, source, message: write(level, "[%s] %s", source, message)):
            inputs = _inputs(plan, given)
            return Schedule(Shipped(plan, flat.workflow), tasks, inputs, parts=parts, chunk=chunk).run() or {}

    run.__name__ = run.__qualname__ = workflow.name
    run.__module__ = caller()
    run.__doc__ = type(workflow).__doc__ if type(workflow).__module__ != Workflow.__module__ else None
    required = [each for each, schema in properties.items() if "default" not in schema]
    run.__signature__ = signature(properties, required)  # type: ignore[attr-defined]
    return WorkflowFlow(
        run,
        name=name or workflow.name,
        task_runner=task_runner,
        validate_parameters=False,  # the workflow checks them
        persist_result=persist_result,
        result_serializer=None if persist_result is False else SERIALIZER,
        **options,
    )


def workflow_outputs(result: Mapping[str, Any], cache: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Return the outputs of a flow that `workflow_flow` has made, of what the flow has returned.

    JSON data is what it is; anything else is read from where the flow has its ``cache``. Raises `StorageFailed` if it
    is not there any more.
    """
    root = None if cache is None else os.fspath(cache)
    return unpacked(result, ValueStore(ResultCache(root).root))


class WorkflowFlow(Flow[..., dict[str, Any]]):
    """A flow that goes by the name of the variable that holds it, under which Prefect looks for it in its file."""

    @property
    def fn(self) -> Callable[..., dict[str, Any]]:
        """The function that Prefect calls."""
        module = sys.modules.get(self._fn.__module__)
        for name, value in list(vars(module).items()) if module else ():
            if value is self:
                self._fn.__name__ = self._fn.__qualname__ = name
        return self._fn

    @fn.setter
    def fn(self, fn: Callable[..., dict[str, Any]]) -> None:
        self._fn = fn


# Parameters


def _properties(
    workflow: Workflow, parameters: Mapping[str, Mapping[str, Any]], cache: str | None, *, overwrite_cache: bool
) -> dict[str, dict[str, Any]]:
    """Return the JSON Schemas of the flow's parameters, each with its default if it has one."""
    properties: dict[str, dict[str, Any]] = {}
    for field in fields_of(workflow):
        default = {} if field.default is NO_DEFAULT else {"default": field.default}
        properties[field.name] = {**field.schema, **default}
    more: dict[str, dict[str, Any]] = {}
    if (schema := parameters_schema(workflow)) is not None:
        # Those that are not given here may be in a pipeline's configuration.
        more["parameters"] = {
            **_without_required(schema),
            "default": dict(parameters),
            "description": "Parameters of its tasks.",
        }
    words = "Where results are kept, a folder or a URL; the worker's default if empty."
    more["cache"] = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": cache, "description": words}
    words = "Run what is cached in any case, and replace what the cache holds."
    more["overwrite_cache"] = {"type": "boolean", "default": overwrite_cache, "description": words}
    properties |= {name: schema for name, schema in more.items() if name not in workflow.inputs}
    return {name: {**schema, "position": place} for place, (name, schema) in enumerate(properties.items())}


def _without_required(schema: Mapping[str, Any]) -> dict[str, Any]:
    inside = {
        name: _without_required(part) if "properties" in part else part for name, part in schema["properties"].items()
    }
    return {**{key: value for key, value in schema.items() if key != "required"}, "properties": inside}


def _inputs(plan: Plan, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the workflow is given, packed; raises `IOCheckerError` with all that does not fit."""
    workflow = plan.flat.workflow
    values = resolved(workflow, filled_in(workflow, given))
    with placed(Run(named("default"), parameters=plan.parameters), ""):
        check(workflow, values)
    return {
        name: plan.store.put(value, f"{workflow.kind} '{workflow.name}', input '{name}'")
        for name, value in {**plan.flat.defaults, **values}.items()
    }


# Arguments


def _check_names(workflow: Workflow) -> None:
    problems = [
        Problem(f"input '{name}'", "cannot be a flow's parameter", "a name as Python has them", "Rename it.")
        for name in workflow.inputs
        if not name.isidentifier() or keyword.iskeyword(name)
    ]
    if problems:
        raise InputInvalid(problems)
