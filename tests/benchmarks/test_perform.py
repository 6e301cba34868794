"""What fairlead adds to an app that does nothing: in this process, in a child process, and on a cache hit."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.cache import ResultCache
from fairlead.adapters.host import LoggingHost
from fairlead.adapters.isolation import ChildProcess, InProcess, Isolation
from fairlead.adapters.perform import Outcome, perform
from fairlead.adapters.twine import TwineApp

RUNS = {"rounds": 200, "warmup_rounds": 5}
PROCESSES = {"rounds": 60, "warmup_rounds": 3}


class Doing:
    """Performs an app again and again, each time with an input that was never there before."""

    def __init__(self, app: Path, cache: Path, isolation: Isolation) -> None:
        self.app, self.cache, self.isolation = TwineApp(app), ResultCache(cache), isolation
        self.numbers = itertools.count()

    def once(self, number: int | None = None) -> Outcome:
        values = {"number": next(self.numbers) if number is None else number}
        return perform(self.app, {"input_values": values}, LoggingHost(), cache=self.cache, isolation=self.isolation)


@pytest.mark.benchmark(group="perform round a no-op app, this process")
def test_perform_in_this_process(benchmark: Any, noop_app: Path, tmp_path: Path) -> None:
    benchmark.extra_info.update(limit=0.001, against="(limit)", goal="under 1")
    outcome = benchmark.pedantic(Doing(noop_app, tmp_path, InProcess()).once, **RUNS)
    assert not outcome.cached


@pytest.mark.benchmark(group="perform round a no-op app, child process")
def test_perform_in_a_child_process(benchmark: Any, noop_app: Path, tmp_path: Path) -> None:
    benchmark.extra_info.update(against='`python -c "import json, logging"`', goal="at most 1.3")
    outcome = benchmark.pedantic(Doing(noop_app, tmp_path, ChildProcess()).once, **PROCESSES)
    assert not outcome.cached


@pytest.mark.benchmark(group="perform round a no-op app, child process")
def test_peer_of_the_child_process(benchmark: Any) -> None:
    command = [sys.executable, "-c", "import json, logging"]
    benchmark.pedantic(lambda: subprocess.run(command, check=True), **PROCESSES)


@pytest.mark.benchmark(group="cache hit, small outcome")
def test_cache_hit(benchmark: Any, noop_app: Path, tmp_path: Path) -> None:
    benchmark.extra_info.update(limit=0.002, against="(limit)", goal="under 1")
    doing = Doing(noop_app, tmp_path, InProcess())
    doing.once(0)
    assert benchmark.pedantic(lambda: doing.once(0), **RUNS).cached
