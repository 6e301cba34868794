"""Workflows as DAGs, or as task groups in DAGs: a task for each block, with the workflow's own names and order.

    dag = workflow_dag(Study(), schedule="@daily")

    with DAG("report"):
        prepare() >> WorkflowTaskGroup(Study(), inputs={"year": 2024}) >> publish()

What a task does is in ``nodes``; it runs nothing and reads nothing when a DAG file is parsed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow.sdk import DAG, ObjectStoragePath, Param, TaskGroup, TriggerRule, XComArg

from fairlead.adapters.errors import InputInvalid, Problem
from fairlead.adapters.workflow.branches import MergeTask
from fairlead.adapters.workflow.chunks import ChunkSize, Granularity, check_cut, is_cut
from fairlead.adapters.workflow.forms import fields_of, merged_parameters, parameters_schema
from fairlead.adapters.workflow.maps import MapWorkflow
from fairlead.adapters.workflow.nodes import flatten
from fairlead.adapters.workflow.task import Task
from fairlead.adapters.workflow.types import NO_DEFAULT
from fairlead.operators.nodes import MapItemsOperator, MapJoinOperator, MapSplitOperator, NodeOperator, Plan

if TYPE_CHECKING:
    from airflow.sdk.types import Operator

    from fairlead.adapters.workflow.nodes import FlatNode
    from fairlead.adapters.workflow.retries import Retries
    from fairlead.adapters.workflow.workflow import Workflow

Place: TypeAlias = str | os.PathLike[str] | ObjectStoragePath | None
_RESERVED = ("parameters", "overwrite_cache")


def workflow_dag(
    workflow: Workflow,
    schedule: Any = None,
    *,
    dag_id: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    cache: Place = None,
    overwrite_cache: bool = False,
    granularity: Granularity = "node",
    chunk: ChunkSize = None,
    backend: str = "default",
    backend_options: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    **dag_arguments: Any,
) -> DAG:
    """Return a DAG that runs a workflow.

    Its trigger form asks for the workflow's inputs, and for its tasks' parameters if there are any. An input without a
    default has none here either: Airflow asks for it, and does not accept a schedule for the DAG, unless ``inputs`` has
    it.

    Args:
        workflow: what to run; made in the DAG file or in a module that it imports.
        schedule: as for `DAG`.
        dag_id: the workflow's name without it.
        inputs: what the trigger form holds before anybody fills it in, by the names of the inputs.
        parameters: the same for the parameters of tasks, by the names of the tasks.
        cache: where results, and values between tasks, are kept, a path or URL that all workers reach; without it
            ``$FAIRLEAD_CACHE`` of the worker, or else ``fairlead`` in its user's cache folder.
        overwrite_cache: whether the form says that blocks run in any case, and replace what the cache holds.
        granularity: what a task is: a block, or a chunk of a map's items (``node``); a block, and a map is one
            (``map``); or all of it (``whole``).
        chunk: how many items of a map a task takes, instead of what the maps say: ``auto`` is one up to 32 items, and a
            sixteenth of more, but not more than 256.
        backend: the engine for what runs inside one task, see `fairlead.adapters.workflow.run`.
        backend_options: of that engine.
        params: more parameters of the DAG.
        dag_arguments: those of `DAG`, e.g. ``start_date`` and ``default_args``.

    Raises:
        WorkflowInvalid: this is no workflow, or its blocks do not fit together; all of it is told.
        InputInvalid: an argument is unknown, or names no input of the workflow.
    """
    check_cut(workflow, granularity, chunk, backend)
    _check_inputs(workflow, inputs or {})
    chosen = merged_parameters(parameters)
    if schedule is not None:
        _check_complete(workflow, inputs or {}, chosen, params or {})
    form = {
        **_params(workflow, inputs or {}, chosen, overwrite_cache=overwrite_cache),
        **(params or {}),
    }
    name = dag_id or identifier(workflow.name)
    dag = DAG(name, schedule=schedule, params=form, **dag_arguments)  # pyright: ignore[reportArgumentType]
    plan = _plan(workflow, chosen, granularity, chunk, backend, backend_options, overwrite_cache=overwrite_cache)
    with dag:
        _add_tasks(plan, dag.task_group, {}, cache, cut_maps=granularity == "node")
    return dag


class WorkflowTaskGroup(TaskGroup):
    """The tasks of a workflow as a group in a DAG."""

    def __init__(
        self,
        workflow: Workflow,
        *,
        group_id: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
        cache: Place = None,
        overwrite_cache: bool = False,
        granularity: Granularity = "node",
        chunk: ChunkSize = None,
        backend: str = "default",
        backend_options: Mapping[str, Any] | None = None,
        **group_arguments: Any,
    ) -> None:
        """Make the tasks in the DAG whose body this is.

        Args:
            workflow: what to run.
            group_id: the workflow's name without it.
            inputs: values for its inputs, templates, or outputs of other tasks, also of another such group. An input
                that is not given is the DAG's parameter of its name. A template gives text, unless the DAG has
                ``render_template_as_native_obj=True``.
            parameters: values of the tasks' parameters, by the names of the tasks.
            cache: as for `workflow_dag`, as are the others.
            overwrite_cache: whether blocks run in any case, and replace what the cache holds.
            granularity: what a task is.
            chunk: how many items of a map a task takes.
            backend: the engine for what runs inside one task.
            backend_options: of that engine.
            group_arguments: those of `TaskGroup`.

        Raises:
            WorkflowInvalid: this is no workflow, or its blocks do not fit together; all of it is told.
            InputInvalid: an argument is unknown, names no input or is missing; or the group is in a mapped one.
        """
        given = dict(inputs or {})
        check_cut(workflow, granularity, chunk, backend)
        _check_inputs(workflow, given)
        chosen = merged_parameters(parameters)
        super().__init__(group_id=group_id or identifier(workflow.name), **group_arguments)
        _check_complete(workflow, given, chosen, self.dag.params)
        if any(True for _ in self.iter_mapped_task_groups()):
            found = "is in a task group that is mapped"
            remedy = "Write the mapping into the workflow: MapWorkflow(...)."
            raise InputInvalid(Problem(f"workflow '{workflow.name}'", found, "a group that is not", remedy))
        plan = _plan(workflow, chosen, granularity, chunk, backend, backend_options, overwrite_cache=overwrite_cache)
        _add_tasks(plan, self, given, cache, cut_maps=granularity == "node")
        self.plan = plan
        """What its tasks share, for tools that look into it."""

    @property
    def output(self) -> dict[str, XComArg]:
        """The workflow's outputs by name, for other tasks; not those that several branches give."""
        tasks = self.dag.task_dict
        return {
            name: XComArg(tasks[self.plan.tasks[origins[0].node]], name)
            for name, origins in self.plan.flat.outputs.items()
            if len(origins) == 1 and origins[0].node is not None
        }


def identifier(name: str, taken: Sequence[str] = ()) -> str:
    """Return a name as Airflow takes it for an id: letters, digits, dashes and underscores, none of those taken."""
    made = re.sub(r"[^A-Za-z0-9_-]", "_", name) or "_"
    while made in taken:
        made += "_"
    return made


# Arguments


def _check_inputs(workflow: Workflow, inputs: Mapping[str, Any]) -> None:
    there = ", ".join(workflow.inputs) or "none"
    problems = [
        Problem(f"inputs.{name}", f"is no input of '{workflow.name}'", f"one of: {there}", "Leave it out.")
        for name in inputs
        if name not in workflow.inputs
    ]
    if problems:
        raise InputInvalid(problems)


def _check_complete(
    workflow: Workflow,
    inputs: Mapping[str, Any],
    parameters: Mapping[str, Mapping[str, Any]],
    params: Mapping[str, Any],
) -> None:
    """Raise `InputInvalid` with all that a workflow needs and nobody is asked for."""
    missing = [
        Problem(
            f"inputs.{name}",
            f"is missing: '{workflow.name}' needs it",
            "a value",
            f"Give it, or give the DAG a parameter '{name}'.",
        )
        for name, target in workflow.inputs.items()
        if target.is_required and name not in inputs and name not in params
    ]
    sections = parameters_schema(workflow, parameters) if "parameters" not in params else None
    missing += [
        Problem(
            f"parameters.{task}.{name}",
            f"is missing: '{workflow.name}' needs it",
            "a value",
            "Give it, or give the DAG a parameter 'parameters'.",
        )
        for task, section in (sections or {"properties": {}})["properties"].items()
        for name in section["required"]
    ]
    if missing:
        raise InputInvalid(missing)


def _params(
    workflow: Workflow,
    inputs: Mapping[str, Any],
    parameters: Mapping[str, Mapping[str, Any]],
    *,
    overwrite_cache: bool,
) -> dict[str, Param]:
    """Return the parameters of a DAG that asks for what a workflow needs."""
    form: dict[str, Param] = {}
    for field in fields_of(workflow):
        default = inputs.get(field.name, field.default)
        schema: dict[str, Any] = {"schema": dict(field.schema)}
        form[field.name] = Param(**schema) if default is NO_DEFAULT else Param(default, **schema)
    sections = parameters_schema(workflow, parameters)
    if sections is not None and "parameters" not in form:
        form["parameters"] = Param(dict(parameters), description="The parameters of its tasks.", schema=sections)
    if "overwrite_cache" not in form:
        words = "Run in any case, and replace what the cache holds."
        form["overwrite_cache"] = Param(overwrite_cache, description=words, type="boolean")
    return form


def _plan(
    workflow: Workflow,
    parameters: Mapping[str, Mapping[str, Any]],
    granularity: Granularity,
    chunk: ChunkSize,
    backend: str,
    options: Mapping[str, Any] | None,
    *,
    overwrite_cache: bool,
) -> Plan:
    flat = flatten(workflow, whole=granularity == "whole")
    return Plan(flat, parameters, overwrite_cache, chunk, backend, dict(options or {}))


# Tasks


def _add_tasks(plan: Plan, root: TaskGroup, inputs: Mapping[str, Any], cache: Place, *, cut_maps: bool) -> None:
    """Make the tasks of a workflow in a group, with its nested workflows as groups."""
    groups = {"": root}
    first: dict[str, Operator] = {}
    last: dict[str, Operator] = {}
    for node in plan.flat.nodes:
        above, _, name = node.path.rpartition("/")
        group = _group(groups, above)
        takes = {origin.name for origins in node.sources.values() for origin in origins if origin.node is None}
        given = {input_: value for input_, value in inputs.items() if input_ in takes}
        arguments: dict[str, Any] = {"plan": plan, "node": node.path, "cache": cache}
        if cut_maps and is_cut(node):
            first[node.path], last[node.path] = _map_tasks(node, group, name, given, arguments)
        else:
            first[node.path] = last[node.path] = NodeOperator(
                **_named(name, group),
                **arguments,
                **_limits(node.retries, node.timeout),
                inputs=given,
                trigger_rule=_trigger_rule(node),
                doc_md=type(node.block).__doc__ if isinstance(node.block, Task) else None,
            )
            plan.all_tasks.append(first[node.path].task_id)
        plan.tasks[node.path] = last[node.path].task_id
    for node in plan.flat.nodes:
        for up in node.after:
            last[up].set_downstream(first[node.path])


def _map_tasks(
    node: FlatNode, group: TaskGroup, name: str, inputs: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[Operator, Operator]:
    """Make the tasks of a map: one cuts its items into chunks, one runs each chunk, one puts the results together."""
    block = node.block
    assert isinstance(block, MapWorkflow)
    plan: Plan = arguments["plan"]
    inside = _new_group(group, name, tooltip="A map: what is in it is run once for each item.")
    split = MapSplitOperator(**_named("split", inside), **arguments, inputs=inputs, trigger_rule=_trigger_rule(node))
    items = MapItemsOperator.partial(
        **_named("items", inside),
        **arguments,
        **_limits(block.retries),
        map_index_template="{{ task.chunk.label }}",
        max_active_tis_per_dagrun=block.simultaneous_tasks,
    ).expand(chunk=split.output)
    join = MapJoinOperator(**_named("join", inside), **arguments)
    split.set_downstream([items, join])
    items.set_downstream(join)
    plan.mapped_tasks[items.task_id] = split.task_id
    plan.all_tasks += [split.task_id, items.task_id, join.task_id]
    return split, join


def _group(groups: dict[str, TaskGroup], path: str) -> TaskGroup:
    if path not in groups:
        above, _, name = path.rpartition("/")
        groups[path] = _new_group(_group(groups, above), name)
    return groups[path]


def _new_group(parent: TaskGroup, name: str, tooltip: str = "") -> TaskGroup:
    made = identifier(name, _taken(parent))
    return TaskGroup(made, parent_group=parent, dag=parent.dag, group_display_name=name, tooltip=tooltip)


def _named(name: str, group: TaskGroup) -> dict[str, Any]:
    """Return the arguments that give a task its name and place."""
    made = identifier(name, _taken(group))
    shown = {} if made == name else {"task_display_name": name}
    return {"task_id": made, "task_group": group, "dag": group.dag, **shown}


def _taken(group: TaskGroup) -> list[str]:
    """Return the ids that are in use in a group, without its own."""
    return [str(key).rpartition(".")[2] for key in group.children]


def _limits(retries: Retries, timeout: float | None = None) -> dict[str, Any]:
    """Return retries and a time limit as Airflow's; what a block does not say is left to the DAG."""
    limits: dict[str, Any] = {}
    if retries.times:
        limits["retries"] = retries.times
        limits["retry_delay"] = timedelta(seconds=retries.delay)
        limits["max_retry_delay"] = timedelta(seconds=retries.max_delay)
        if retries.backoff > 1:
            limits["retry_exponential_backoff"] = retries.backoff
    if timeout is not None:
        limits["execution_timeout"] = timedelta(seconds=timeout)
    return limits


def _trigger_rule(node: FlatNode) -> TriggerRule:
    """Return when a node's task starts: so that Airflow itself skips what the workflow would, where it can tell."""
    if isinstance(node.block, MergeTask):
        return TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    is_plain = all(len(ends) == 1 for ends in node.ups) and all(
        len(origins) == 1 or all(origin.node is None for origin in origins) for origins in node.sources.values()
    )
    return TriggerRule.ALL_SUCCESS if is_plain else TriggerRule.NONE_FAILED  # then the task itself tells
