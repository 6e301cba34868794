"""The engines for workflows, for what holds on all of them: a test that asks for ``engine`` runs on each in turn.

Slurm and Dask run for real: on the two nodes of ``tests.slurm``, and on a Dask cluster of two workers. Tests with them
are slow. A module that leaves one out parametrizes ``engine`` itself, with `OTHERS` or names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from fairlead.adapters.workflow import Result, Workflow, run

Engine = Callable[..., Result]
OTHERS = ["parallel", *(pytest.param(name, marks=pytest.mark.slow) for name in ("slurm", "dask"))]
"""Those that run items in other processes."""
ALL = ["default", *OTHERS]


@pytest.fixture(scope="module")
def dask_cluster() -> Iterator[str]:
    """A Dask cluster of two workers, and the address of its scheduler."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@pytest.fixture(params=ALL)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Run a workflow in one of the engines: ``engine(workflow, inputs, …)``."""
    options: dict[str, Any] = {}
    if request.param == "parallel":
        options = {"workers": 2}
    elif request.param == "slurm":
        cluster = request.getfixturevalue("slurm")
        options = {"folder": cluster.folder, "poll": 0.3, "max_jobs": 2}
    elif request.param == "dask":
        options = {"address": request.getfixturevalue("dask_cluster")}

    def run_there(workflow: Workflow, inputs: Mapping[str, Any] | None = None, **arguments: Any) -> Result:
        return run(workflow, inputs, backend=request.param, options=options, **arguments)

    run_there.name = request.param  # type: ignore[attr-defined]
    return run_there
