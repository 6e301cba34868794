"""What every host keeps for every construct of workflows: the same results, failure records, exceptions and cache.

Each host is started once, with all workflows: the orchestrators in chunks of one item and of two, as one task each, and
some with a task for each map; the terminal for each of two engines. `workflows` lists them, ``hosts/`` holds a driver
for each host.
"""

import functools
from typing import Any

import pytest

from fairlead.adapters.workflow.chunks import is_cut
from fairlead.adapters.workflow.nodes import flatten

from .drivers import HOSTS, run_driver
from .workflows import FOLDER, WORKFLOWS, Case

CUTS: dict[str, dict[str, Any]] = {
    "one by one": {"chunk": 1},
    "in chunks": {"chunk": 2},
    "by maps": {"chunk": None, "granularity": "map"},
    "whole": {"chunk": None, "granularity": "whole"},
}
"""How an orchestrator cuts a workflow into tasks."""
BY_MAPS = (
    "mapped",
    "maps_in_maps",
    "collected",
    "failed",
    "branches_in_a_map",
    "maps_in_loops",
    "loops_in_a_map",
    "map_alone",
    "apps_in_a_map",
    "items_tried_again",
    "limit_of_an_item_passed",
)
"""What is also run with a task for each map: what maps do else in tasks of their own, they do there by themselves."""
DRIVERS = {host: host for host in HOSTS} | {"parallel": "terminal"}
"""The driver of each host; the engine parallel is held to the same as a host."""
IN_PROCESS = ("terminal", "parallel")
"""Those that cut nothing."""


def is_other(cut: str, name: str, case: Case) -> bool:
    """Tell whether a workflow is run as it is cut, since that may make a difference: chunks are of items of maps."""
    if cut == "by maps":
        return name in BY_MAPS
    return cut == "whole" or any(map(is_cut, flatten(case.make()).nodes))


RUNS = {
    host: [
        (cut, name)
        for cut in CUTS
        for name, case in WORKFLOWS.items()
        if cut == "one by one" or (host not in IN_PROCESS and is_other(cut, name, case))
    ]
    for host in DRIVERS
}
"""What each host runs, and cut in which way."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return what has come of each workflow in a host, by the way in which it was cut, and its name."""
    scratch = tmp_path_factory.mktemp("contract")

    @functools.cache
    def of(host):
        jobs = [
            {
                "workflow": name,
                "inputs": {
                    key: str(scratch / "folders" / host / cut / name) if value == FOLDER else value
                    for key, value in WORKFLOWS[name].inputs.items()
                },
                "parameters": WORKFLOWS[name].parameters,
                "cut": CUTS[cut],
                "backend": "parallel" if host == "parallel" else "default",
                "cache": str(scratch / "caches" / host / cut / name),
            }
            for cut, name in RUNS[host]
        ]
        return dict(zip(RUNS[host], run_driver(DRIVERS[host], "workflows_in", jobs, scratch / host), strict=True))

    return of


@pytest.mark.parametrize("name", WORKFLOWS)
def test_the_terminal_does_what_the_case_says(results, name):
    result = results("terminal")["one by one", name]
    assert (result["error"] is not None) == WORKFLOWS[name].fails, result["error"]
    assert (result["outputs"] is None) == WORKFLOWS[name].fails
    assert WORKFLOWS[name].fails or len(result["entries"]) == WORKFLOWS[name].entries


@pytest.mark.parametrize(
    ("host", "cut", "name"), [(host, *run) for host, runs in RUNS.items() if host != "terminal" for run in runs]
)
def test_every_host_gives_the_same(results, host, cut, name):
    result, expected = results(host)[cut, name], results("terminal")["one by one", name]
    assert result["outputs"] == expected["outputs"]
    assert (result["error"] is None) == (expected["error"] is None)
    assert host == "airflow" or result["error"] == expected["error"]  # whose driver names the task that failed
    # Where a run fails, it is open which items have been done.
    if not WORKFLOWS[name].fails:
        assert len(result["entries"]) == len(expected["entries"])
        # A folder of its own makes it other work.
        assert FOLDER in WORKFLOWS[name].inputs.values() or result["entries"] == expected["entries"]


@pytest.mark.parametrize("name", ["defaults", "defaults_round_all"])
@pytest.mark.parametrize("host", DRIVERS)
def test_a_default_is_the_same_work_whether_it_is_left_out_or_given(results, host, name):
    expected = results("terminal")["one by one", name]["entries"]
    cuts = {cut for cut, run in RUNS[host] if run == name}
    assert all(results(host)[cut, each]["entries"] == expected for cut in cuts for each in (name, f"{name}_given"))


def test_another_value_than_the_default_is_other_work(results):
    entries = {name: set(results("terminal")["one by one", name]["entries"]) for name in ("defaults", "other_values")}
    assert not entries["defaults"] & entries["other_values"]


@pytest.mark.parametrize("host", DRIVERS)
def test_a_loop_resumes_where_it_was(results, host):
    for cut in {cut for cut, run in RUNS[host] if run == "loop_that_resumes"}:
        assert results(host)[cut, "loop_that_resumes"]["outputs"] == {"x": 4, "rounds": 4}
