"""Where a workflow's blocks run: in this process, in several, as jobs of a Slurm cluster, or on a Dask cluster.

One protocol, `running.Engine`, with one implementation a module; all keep the same results, failure records and cache.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.adapters.workflow.run_state import Engine

_ENGINES = {"default": "in_order.InOrder", "parallel": "parallel.Parallel", "slurm": "slurm.Slurm", "dask": "dask.Dask"}
NAMES = tuple(_ENGINES)


def named(name: str, **options: Any) -> Engine:
    """Return the engine that users call so; raises `InputInvalid` for any other name, and for unknown options."""
    from fairlead.adapters.errors import InputInvalid, Problem

    if name not in _ENGINES:
        raise InputInvalid(Problem("backend", f"{name!r} is unknown", ", ".join(NAMES), "Choose one of these."))
    module, _, cls = _ENGINES[name].partition(".")
    made = getattr(importlib.import_module(f"{__name__}.{module}"), cls)
    if options:  # else a signature, which takes long to make for what each task run asks for, says nothing
        parameters = inspect.signature(made).parameters.values()
        known = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
        takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
        there = ", ".join(known) or "none"
        if unknown := [] if takes_any else [option for option in options if option not in known]:
            problems = [Problem(f"backend '{name}', option '{each}'", "is unknown", there, "") for each in unknown]
            raise InputInvalid(problems)
    engine: Engine = made(**options)
    return engine
