"""What a run is given besides its workflow and inputs, checked before anything runs: parameters, engine and options.

It says what is of another kind than is asked for. What engines make of their options is their own business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.adapters.errors import InputInvalid, Problem
from fairlead.adapters.workflow.failures import short


def refuse_unusable(parameters: Any, backend: Any, options: Any) -> None:
    """Raise `InputInvalid` with all that is wrong."""
    problems = parameter_problems("parameters", parameters)
    if not isinstance(backend, str) and not callable(getattr(backend, "run_steps", None)):
        remedy = "Write e.g. backend='parallel'."
        problems.append(Problem("backend", f"{short(backend)} is no engine", "the name of one", remedy))
    if not isinstance(options, Mapping | None):
        remedy = "Write e.g. {'workers': 4}."
        problems.append(Problem("options", f"{short(options)} is no mapping", "options of the engine by name", remedy))
    else:
        names = [name for name in options or () if not isinstance(name, str)]
        problems += [Problem(f"options, {short(name)}", "is no name of an option", "a text", "") for name in names]
    if problems:
        raise InputInvalid(problems)


def parameter_problems(where: str, parameters: Any) -> list[Problem]:
    """Return what is wrong with values of parameters, unless they are none, or values by names below those of tasks."""
    remedy = "Write {'task': {'parameter': value}}."
    if not isinstance(parameters, Mapping | None):
        return [Problem(where, f"{short(parameters)} is no mapping", "names of tasks with values", remedy)]
    return [
        Problem(f"{where}.{task}", f"{short(section)} is no mapping", "values by name", remedy)
        for task, section in (parameters or {}).items()
        if not isinstance(section, Mapping | None)
    ]
