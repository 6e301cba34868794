"""Random graphs give what plain Python gives, on every engine, also after a crash at any point and a resume."""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.adapters.workflow import run
from fairlead.adapters.workflow.run_state import Event
from tests.engines import Engine
from tests.graphs import Crash, Structure, structures, workflow_of


def wanted(structure: Structure, x: int) -> object:
    """Return what plain Python gives, or the text of what it raises."""
    try:
        return {"x": structure.gives(x)}
    except ValueError as error:
        return str(error)


def found(
    structure: Structure, x: int, cache: Path | None = None, engine: Engine = run, **environment: object
) -> object:
    """Return what its workflow gives, or the text of what it raises, or that it crashed."""
    with patch.dict("os.environ", {name: str(value) for name, value in environment.items()}):
        try:
            workflow = workflow_of(structure, cache=cache is not None)
            return engine(workflow, {"x": x}, cache=str(cache)).outputs
        except ValueError as error:
            return str(error)
        except Crash:
            return Crash


@pytest.mark.slow
@settings(max_examples=500)
@given(structures(max_leaves=20), st.integers(0, 999))
def test_a_random_graph_gives_what_plain_python_gives(structure, x):
    assert found(structure, x) == wanted(structure, x)


@pytest.mark.slow
@settings(max_examples=100)
@given(structures(max_leaves=10), st.integers(0, 999))
def test_what_is_told_of_a_random_graph_has_a_beginning_and_an_end(structure, x):
    events: list[Event] = []
    with contextlib.suppress(ValueError):
        assert run(workflow_of(structure), {"x": x}, observer=events.append).outputs == wanted(structure, x)
    started = [event.path for event in events if event.state == "running" and event.items is None]
    running = collections.Counter(started)
    ended = collections.Counter(event.path for event in events if event.state in {"success", "failed"})
    skipped = collections.Counter(event.path for event in events if event.state == "skipped")
    assert running <= ended + skipped
    assert ended <= running
    assert set(running.values()) | set(skipped.values()) == {1}


@pytest.mark.slow
@settings(max_examples=50)
@given(structures(), st.integers(0, 999), st.integers(0, 30))
def test_a_random_graph_that_crashed_anywhere_gives_the_same_when_it_is_resumed(structure, x, point):
    with tempfile.TemporaryDirectory() as folder:
        whole, ticks = Path(folder, "whole"), Path(folder, "ticks")
        assert found(structure, x, Path(folder, "1"), FAIRLEAD_TEST_TICKS=whole) == wanted(structure, x)
        tasks = whole.stat().st_size
        crash = 1 + point % tasks
        cache = Path(folder, "2")
        assert found(structure, x, cache, FAIRLEAD_TEST_TICKS=ticks, FAIRLEAD_TEST_CRASH=crash) is Crash
        assert found(structure, x, cache, FAIRLEAD_TEST_TICKS=ticks) == wanted(structure, x)
        if "refused=" not in repr(structure).replace("refused=None", ""):  # what fails is not kept
            assert ticks.stat().st_size == tasks + 1


def on_engine(examples: int):
    """Make a property of one engine, which serves all examples."""
    fixtures = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, suppress_health_check=fixtures)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["parallel", "dask"], indirect=True)
@on_engine(25)
@given(structure=structures(max_leaves=12), x=st.integers(0, 999))
def test_a_random_graph_gives_the_same_in_other_processes(engine, structure, x):
    assert found(structure, x, engine=engine) == wanted(structure, x)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["slurm"], indirect=True)
@on_engine(4)
@given(structure=structures(max_leaves=8).filter(lambda each: "Map(" in repr(each)), x=st.integers(0, 999))
def test_a_random_graph_with_maps_gives_the_same_on_a_slurm_cluster(engine, structure, x):
    assert found(structure, x, engine=engine) == wanted(structure, x)


KILLED = """
import os, sys
from fairlead.adapters.workflow import run
from tests.graphs import *
structure = eval(sys.argv[1])
os.environ["FAIRLEAD_TEST_KILL"] = str(os.getpid())
workflow = workflow_of(structure, cache=True)
run(workflow, {"x": int(sys.argv[2])}, cache=sys.argv[3], backend="parallel", options={"workers": 2})
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["parallel"], indirect=True)
@on_engine(12)
@given(structure=structures(), x=st.integers(0, 999), point=st.integers(0, 30))
def test_a_random_graph_whose_run_in_processes_was_killed_anywhere_is_resumed(engine, structure, x, point):
    with tempfile.TemporaryDirectory() as folder:
        whole, ticks, cache = Path(folder, "whole"), Path(folder, "ticks"), Path(folder, "2")
        assert found(structure, x, Path(folder, "1"), FAIRLEAD_TEST_TICKS=whole) == wanted(structure, x)
        crash = 1 + point % whole.stat().st_size
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, repr(structure), str(x), str(cache)],
            env={**os.environ, "FAIRLEAD_TEST_TICKS": str(ticks), "FAIRLEAD_TEST_CRASH": str(crash)},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert found(structure, x, cache, engine, FAIRLEAD_TEST_TICKS=ticks) == wanted(structure, x)
        if "refused=" not in repr(structure).replace("refused=None", ""):  # what fails is not kept
            done = ticks.stat().st_size
            assert found(structure, x, cache, engine, FAIRLEAD_TEST_TICKS=ticks) == wanted(structure, x)
            assert ticks.stat().st_size == done
