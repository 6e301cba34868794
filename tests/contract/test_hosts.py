"""What every host keeps for every unit: one result, byte for byte, one fingerprint, one cache.

Each host is started once, with all units in all variants: computed in a cache of the host's own; found in a cache that
all share, where the terminal computes; and changed in one place. `units` lists the units, ``hosts/`` holds a driver for
each host.
"""

import copy
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .drivers import HOSTS, run_driver
from .units import UNITS

EDITS = ("app", "file", "value")


# The jobs


def job_of(unit, cache):
    manifest = {"datasets": {key: {"files": [str(file) for file in files]} for key, files in unit.datasets.items()}}
    return {
        "app": str(unit.app),
        "input_values": unit.input_values,
        "input_manifest": manifest if unit.datasets else None,
        "configuration_values": unit.configuration_values,
        "cache": str(cache),
    }


def variants_of(unit, own, shared, scratch):
    """Return the jobs that a host is given for a unit, by name."""
    job = job_of(unit, shared)
    jobs = {"own cache": job | {"cache": str(own)}, "shared cache": job, "keys reordered": reordered(job)}
    jobs["app edited"] = job | {
        "app": str(shutil.copytree(unit.app, scratch / "app" / unit.app.name, dirs_exist_ok=True))
    }
    edit_byte(scratch / "app" / unit.app.name / "app.py", 3)  # in the docstring
    jobs["value edited"] = job | {"input_values": with_next_number(unit.input_values)}
    if unit.datasets:
        jobs["file edited"] = copy.deepcopy(job)
        files = next(iter(jobs["file edited"]["input_manifest"]["datasets"].values()))["files"]
        files[0] = shutil.copy(files[0], scratch)
        edit_byte(Path(files[0]), -1)
    return jobs


def edit_byte(path, start):
    """Make the first letter or digit from a place on, or the last one, into the next."""
    data = bytearray(path.read_bytes())
    places = range(start, len(data)) if start >= 0 else range(len(data) - 1, 0, -1)
    place = next(place for place in places if chr(data[place]) in "abcdefghijklmnopqrsxyABCDEFGHIJKLMNOPQRSXY012345678")
    data[place] += 1
    path.write_bytes(data)


def with_next_number(values):
    """Return values with the first number among them increased by one."""
    name = next(name for name, value in values.items() if isinstance(value, int | float))
    return values | {name: values[name] + 1}


def reordered(value):
    """Return data with the keys of every object the other way round."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


# The hosts


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("contract")


@pytest.fixture(scope="module")
def run_in(scratch):
    """Give jobs to a host's driver; return the outcomes by the same keys."""

    def run(host, jobs):
        found = run_driver(host, "in", list(jobs.values()), scratch / host)
        return dict(zip(jobs, found, strict=True))

    return run


@pytest.fixture(scope="module")
def outcomes(run_in, scratch):
    """Every outcome by host, unit and variant; the terminal comes first, then the engines side by side."""
    jobs = {
        host: {
            (name, variant): job
            for name, unit in UNITS.items()
            for variant, job in variants_of(
                unit, scratch / host / "cache", scratch / "shared", scratch / host / name
            ).items()
        }
        for host in HOSTS
    }
    found = {"terminal": run_in("terminal", jobs["terminal"])}
    engines = [host for host in HOSTS if host != "terminal"]
    with ThreadPoolExecutor() as pool:
        found |= zip(engines, pool.map(lambda host: run_in(host, jobs[host]), engines), strict=True)
    again = {(host, name): jobs[host][name, "own cache"] for host in HOSTS for name in UNITS}
    found["again"] = run_in("terminal", again)
    return found


@pytest.fixture(params=HOSTS)
def host(request):
    return request.param


@pytest.fixture(params=UNITS)
def unit(request):
    return request.param


def result(outcome):
    """Return what has to be the same everywhere: the output values as text, and each file's name, size and digest."""
    files = [(file["name"], file["size"], file["digest"]) for file in outcome["files"]]
    return json.dumps(outcome["outputs"].get("output_values")), files


# The contract


def test_computed_on_its_own_the_result_is_the_same(outcomes, host, unit):
    outcome, expected = outcomes[host][unit, "own cache"], outcomes["terminal"][unit, "own cache"]
    assert not outcome["cached"]
    assert outcome["fingerprint"] == expected["fingerprint"]
    assert result(outcome) == result(expected)


def test_every_file_is_what_its_digest_says(outcomes, host, unit):
    from fairlead.adapters import storage

    files = outcomes[host][unit, "own cache"]["files"]
    assert files
    assert [storage.digest(file["location"]) for file in files] == [file["digest"] for file in files]


def test_in_a_shared_cache_the_first_computes_and_the_others_find(outcomes, host, unit):
    outcome = outcomes[host][unit, "shared cache"]
    assert outcome["cached"] == (host != "terminal")
    assert outcome["fingerprint"] == outcomes[host][unit, "own cache"]["fingerprint"]
    assert result(outcome) == result(outcomes[host][unit, "own cache"])


def test_what_a_host_has_computed_the_terminal_finds(outcomes, host, unit):
    outcome = outcomes["again"][host, unit]
    assert outcome["cached"]
    assert outcome["outputs"] == outcomes[host][unit, "own cache"]["outputs"]


@pytest.mark.parametrize("edited", EDITS)
def test_an_edit_of_one_byte_changes_the_fingerprint_in_every_host_alike(outcomes, host, unit, edited):
    fingerprint = outcomes[host][unit, f"{edited} edited"]["fingerprint"]
    assert fingerprint != outcomes[host][unit, "shared cache"]["fingerprint"]
    assert fingerprint == outcomes["terminal"][unit, f"{edited} edited"]["fingerprint"]


def test_the_order_of_keys_does_not_matter(outcomes, host, unit):
    outcome = outcomes[host][unit, "keys reordered"]
    assert outcome["cached"]
    assert outcome["fingerprint"] == outcomes[host][unit, "shared cache"]["fingerprint"]
