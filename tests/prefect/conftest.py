"""A Prefect server for the session, and for each test its own result storage, result cache and small twine apps."""

from __future__ import annotations

import contextlib
import json
import os
import select
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ANY = {"type": "object"}
STRANDS = {"input_values_schema": ANY, "output_values_schema": ANY, "monitor_message_schema": ANY}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the API of a server that nobody else uses."""
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    home = tmp_path_factory.mktemp("prefect")
    with temporary_settings({PREFECT_HOME: home}), prefect_test_harness(server_startup_timeout=120):
        yield PREFECT_API_URL.value()


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Prefect's result storage. The result cache is in ``cache`` beside it."""
    pytest.importorskip("prefect")
    from prefect.settings import (
        PREFECT_LOCAL_STORAGE_PATH,
        PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW,
        temporary_settings,
    )

    request.getfixturevalue("server")
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "cache"))
    # Most tests run a task alone: a flow takes a second to end.
    settings = {PREFECT_LOCAL_STORAGE_PATH: tmp_path / "results", PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW: "ignore"}
    with temporary_settings(settings):
        yield tmp_path / "results"


@pytest.fixture
def shown(server: str) -> Callable[[str], list[Any]]:
    """Tell the artifacts with a key, oldest first."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.sorting import ArtifactSort

    def with_key(key: str) -> list[Any]:
        # Asked for by key: the server gives no more than 200 at a time, in the order of their random ids.
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        with get_client(sync_client=True) as client:
            return client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC)[::-1]

    return with_key


@pytest.fixture
def write_app(tmp_path: Path) -> Callable[..., Path]:
    """Write an app: the body of its ``run``, and what its twine declares besides or instead of `STRANDS`."""

    def write(body: str, name: str = "app", **strands: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "twine.json").write_text(json.dumps(STRANDS | strands))
        (folder / "app.py").write_text(f"def run(analysis):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n")
        return folder

    return write


@pytest.fixture
def doubling(write_app: Callable[..., Path], tmp_path: Path) -> Path:
    """An app that doubles ``n``, and adds a line to the file ``runs`` beside it whenever it runs."""
    return write_app(
        f"""
        with open({str(tmp_path / "runs")!r}, "a") as file:
            file.write("run\\n")
        analysis.output_values = {{"twice": 2 * analysis.input_values["n"]}}
        """,
        name="doubling",
    )


@pytest.fixture
def runs(tmp_path: Path) -> Callable[[], int]:
    """Tell how many lines there are in the file ``runs``."""

    def count() -> int:
        path = tmp_path / "runs"
        return len(path.read_text().splitlines()) if path.exists() else 0

    return count


class Pids:
    """A pipe through which an app tells that it has started, and which processes it consists of."""

    WRITE = """
        import os, subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        with open({path!r}, "w") as pipe:
            pipe.write(f"{{os.getpid()}} {{child.pid}}")
        time.sleep(600)
        """

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.body = self.WRITE.format(path=str(path))
        self._pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def wait(self, limit: float = 60) -> list[int]:
        """Wait until the app has started, and return its process and its child's."""
        assert select.select([self._pipe], [], [], limit)[0], "the app did not start"
        return [int(pid) for pid in os.read(self._pipe, 1000).split()]

    @staticmethod
    def wait_for_end(pids: list[int], limit: float = 30) -> None:
        """Wait until none of some processes runs any more."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                assert select.select([descriptor], [], [], limit)[0], f"{pid} still runs"
                os.close(descriptor)

    @staticmethod
    def living(pids: list[int]) -> list[int]:
        """Return those of some processes that still run; a process that waits to be collected does not."""
        return [pid for pid in pids if _state(pid) not in {None, "Z", "X"}]


def _state(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


@pytest.fixture
def pids(tmp_path: Path) -> Pids:
    """The pipe of an app whose body is ``pids.body``: it starts a child and then sleeps."""
    return Pids(tmp_path / "pids")
