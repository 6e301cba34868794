"""Random graphs give what plain Python gives, also after a crash at any point and a resume."""

from __future__ import annotations

import collections
import contextlib
import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.adapters.workflow import run
from fairlead.adapters.workflow.running import Event
from tests.graphs import Crash, Structure, structures, workflow_of


def wanted(structure: Structure, x: int) -> object:
    """Return what plain Python gives, or the text of what it raises."""
    try:
        return {"x": structure.gives(x)}
    except ValueError as error:
        return str(error)


def found(structure: Structure, x: int, cache: Path | None = None, **environment: object) -> object:
    """Return what its workflow gives, or the text of what it raises, or that it crashed."""
    with patch.dict("os.environ", {name: str(value) for name, value in environment.items()}):
        try:
            workflow = workflow_of(structure, cache=cache is not None)
            return run(workflow, {"x": x}, cache=str(cache)).outputs
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
