"""What every host keeps for every construct of workflows: the same results, failure records, exceptions and cache.

Each host is started once, with all workflows, in chunks of one item and of two. `workflows` lists them, ``hosts/``
holds a driver for each host.
"""

from pathlib import Path

import pytest

from .drivers import HOSTS, run_driver
from .workflows import WORKFLOWS

CHUNKS = {"one by one": 1, "in chunks": 2}
DRIVERS = [
    host
    for host in HOSTS
    if HOSTS[host].exists() and (Path(__file__).parent / "hosts" / f"workflows_in_{host}.py").exists()
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What has come of each workflow, by host, chunks and workflow."""
    scratch = tmp_path_factory.mktemp("contract")
    found = {}
    for host in DRIVERS:
        keys = [(chunks, name) for chunks in CHUNKS for name in WORKFLOWS]
        jobs = [
            {
                "workflow": name,
                "inputs": WORKFLOWS[name].inputs,
                "parameters": WORKFLOWS[name].parameters,
                "chunk": CHUNKS[chunks],
                "cache": str(scratch / "caches" / host / f"{CHUNKS[chunks]}" / name),
            }
            for chunks, name in keys
        ]
        found[host] = dict(zip(keys, run_driver(host, "workflows_in", jobs, scratch / host), strict=True))
    return found


@pytest.mark.parametrize("name", WORKFLOWS)
def test_the_terminal_does_what_the_case_says(results, name):
    result = results["terminal"]["one by one", name]
    assert (result["error"] is not None) == WORKFLOWS[name].fails, result["error"]
    assert (result["outputs"] is None) == WORKFLOWS[name].fails
    assert WORKFLOWS[name].fails or len(result["entries"]) == WORKFLOWS[name].entries


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("name", WORKFLOWS)
@pytest.mark.parametrize("host", [host for host in DRIVERS if host != "terminal"])
def test_every_host_gives_the_same(results, host, name, chunks):
    result, expected = results[host][chunks, name], results["terminal"]["one by one", name]
    assert result["outputs"] == expected["outputs"]
    assert (result["error"] is None) == (expected["error"] is None)
    assert host == "airflow" or result["error"] == expected["error"]  # whose driver names the task that failed
    # Where a run fails, it is open which items have been done.
    assert WORKFLOWS[name].fails or result["entries"] == expected["entries"]
