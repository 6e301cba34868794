"""Where tasks find their parameters: below their names, in what the run was given or the pipeline's configuration says.

It does not read configuration files; who starts a run does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.failures import short
from fairlead.adapters.workflow.run_state import current_parameters
from fairlead.adapters.workflow.targets import type_name

if TYPE_CHECKING:
    from fairlead.adapters.workflow.targets import Target
    from fairlead.adapters.workflow.task import Task


_logger = logging.getLogger(__name__)


def warn_of_unknown(tasks: Iterable[Task]) -> None:
    """Warn of values in the parameters in force that are called like no parameter of their task."""
    given = current_parameters()
    for task in tasks:
        section = given.get(task.name)
        for name in section if isinstance(section, Mapping) else ():
            if name not in task.parameters:
                there = ", ".join(task.parameters) or "none"
                _logger.warning("parameters.%s.%s: the task has no such parameter. It has: %s.", task.name, name, there)


def parameter_values(
    task: Task, parameters: Sequence[tuple[Target, Callable[[Any], str] | None]], problems: list[Problem]
) -> dict[str, Any]:
    """Return the values of a task's parameters; what is missing or of another type is added to ``problems``."""
    section = current_parameters().get(task.name) or {}
    if not isinstance(section, Mapping):
        names = ", ".join(target.name for target, _ in parameters)
        found = f"{short(section)} is no mapping"
        problems.append(Problem(f"parameters.{task.name}", found, f"values by name: {names}", "Write them below it."))
        return {}
    values: dict[str, Any] = {}
    for target, check in parameters:
        where = f"parameters.{task.name}.{target.name}"
        if target.name not in section:
            if not target.is_required:
                values[target.name] = target.default
                continue
            remedy = f"Write it under parameters: {task.name}: in the configuration file, or give it to the run."
            problems.append(Problem(where, "is missing", type_name(target.type), remedy))
            continue
        value = values[target.name] = section[target.name]
        if check is not None and (wrong := check(value)):
            problems.append(Problem(where, f"{short(value)} {wrong}", type_name(target.type), "Correct it there."))
    return values
