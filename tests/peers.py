"""The packages that fairlead is compared with, for tests: `octue`, `newest_octue` and `outflow` ask the real ones.

They run in ``.venv-peers``, ``.venv-peers-newest`` and ``.venv-peers-outflow``, in one process each for the whole
session, because importing them takes longer than most questions. What can be asked stands in tests/octue_peer.py and
tests/outflow_peer.py. This module tests nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stores import NEWEST, PEERS, needs

OUTFLOW = PEERS.with_name(f"{PEERS.name}-outflow")
"""The environment of Outflow."""


class Peer:
    """The real packages of an environment: ``octue("read_dataset", path=…)``."""

    def __init__(self, environment: Path, folder: Path, name: str = "octue") -> None:
        python = needs(environment / "bin" / "python", name)
        self._name = name
        self._errors = folder / "errors"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [python, "-P", Path(__file__).with_name(f"{name}_peer.py")],
                cwd=folder,
                env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def __call__(self, do: str, *, environment: Mapping[str, str] | None = None, **arguments: Any) -> Any:
        """Ask for something, in JSON, and return the answer."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        line = ""
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps({"do": do, "environment": environment or {}, **arguments}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        assert line, f"{self._name} has ended:\n{self._errors.read_text()}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def close(self) -> None:
        """Let it end, which it does when nothing more can be asked."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


@pytest.fixture(scope="session")
def octue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Octue 0.38.1 and twined 0.5.1, which Octue's reference describes."""
    with contextlib.closing(Peer(PEERS, tmp_path_factory.mktemp("octue"))) as octue:
        yield octue


@pytest.fixture(scope="session")
def newest_octue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Octue 0.69.1."""
    with contextlib.closing(Peer(NEWEST, tmp_path_factory.mktemp("newest-octue"))) as octue:
        yield octue


@pytest.fixture(scope="session")
def outflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Outflow 0.9.2."""
    with contextlib.closing(Peer(OUTFLOW, tmp_path_factory.mktemp("outflow"), "outflow")) as outflow:
        yield outflow
