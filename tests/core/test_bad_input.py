"""Bad input: whatever a user gives or an app does, the error has a name and a remedy, and nothing is left but the log.

Every case runs as both engines run apps: in a child process.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.errors import (
    AppExited,
    AppInvalid,
    AppKilled,
    AppRaised,
    ContractInvalid,
    FairleadError,
    InputInvalid,
    OutputFlooded,
    TimedOut,
)
from fairlead.adapters.isolation import ChildProcess
from fairlead.adapters.testing import RecordingHost

TWINE: dict[str, Any] = {
    "input_values_schema": {
        "type": "object",
        "optional": True,
        "properties": {"hub_height": {"type": "number", "title": "metres above ground", "examples": [90]}},
    },
    "output_values_schema": {},
}
MANIFEST: dict[str, Any] = TWINE | {"input_manifest": {"datasets": {"weather": {}}}}
TELL = """
    import os, signal, subprocess, sys, time
    print(os.getpid(), file=open(os.environ["NOTES"] + "/app", "w"))
"""
HOLD = """
    def hold(traps="", **options):
        note = os.environ["NOTES"] + "/grandchild"
        script = f"{traps}echo $$ >{note}; while :; do sleep 1; done"
        subprocess.Popen(["/bin/sh", "-c", script], **options)
        limit = time.monotonic() + 30
        while not (os.path.exists(note) and os.path.getsize(note)):
            assert time.monotonic() < limit, "the shell wrote no note"
            time.sleep(0.001)
"""

Fails = Callable[..., FairleadError]


@pytest.fixture
def fails(run, cache, scratch, notes, watch) -> Fails:
    """Run an app that must fail, and see that nothing of it is left."""

    def run_and_look(error: type[FairleadError], app: Path, **options: Any) -> FairleadError:
        with pytest.raises(error) as caught:
            run(app, isolation=ChildProcess(grace=0.2), **options)
        assert type(caught.value) is error
        assert [*scratch.iterdir()] == []
        assert watch.entries(cache) == []
        for name in ("app", "grandchild"):
            if (notes / name).exists():
                assert watch.ends(watch.pid(notes / name), limit=2)
        return caught.value

    return run_and_look


@pytest.fixture
def refused(fails, notes) -> Iterator[Fails]:
    """Run an app that must be refused before any of its code has run, with all the remedies in the message."""

    def run_and_look(error: type[FairleadError], app: Path, **options: Any) -> FairleadError:
        failure = fails(error, app, **options)
        assert failure.log is None
        assert not failure.retryable
        assert all(problem.remedy and problem.remedy in str(failure) for problem in failure.problems)  # type: ignore[attr-defined]
        return failure

    yield run_and_look
    assert not (notes / "app").exists()


def log_text(watch, error: FairleadError) -> str:
    assert error.log
    assert error.log in str(error)
    return "\n".join(str(event) for event in watch.log(error.log))


# Refused


def test_a_wrong_type_in_input_values(make_app, refused):
    app = make_app(TELL + "    def run(analysis): pass", TWINE)
    error = refused(InputInvalid, app, input_values={"hub_height": "high"})
    assert str(error) == (
        "input_values.hub_height: 'high' is not a number (twine.json: input_values_schema)."
        " Give metres above ground, e.g. 90."
    )


def test_a_dataset_whose_key_is_missing(make_app, refused):
    app = make_app(TELL + "    def run(analysis): pass", MANIFEST)
    error = refused(InputInvalid, app, input_manifest={"datasets": {"wether": str(app)}})
    assert str(error) == (
        "input_manifest.datasets.weather: is missing (twine.json: input_manifest)."
        " Add the dataset 'weather' to the manifest."
    )


def test_a_dataset_whose_folder_is_missing(make_app, refused, tmp_path):
    app = make_app(TELL + "    def run(analysis): pass", MANIFEST)
    error = refused(InputInvalid, app, input_manifest={"datasets": {"weather": str(tmp_path / "nowhere")}})
    assert f"input_manifest.datasets.weather: {tmp_path}/nowhere is not there" in str(error)
    assert "Check the path." in str(error)


def test_a_manifest_that_is_not_given(make_app, refused):
    app = make_app(TELL + "    def run(analysis): pass", MANIFEST)
    assert "input_manifest: is missing" in str(refused(InputInvalid, app))


def test_a_twine_that_is_not_json(make_app, refused):
    app = make_app(TELL + "    def run(analysis): pass", '{"input_values_schema": {},}')
    error = refused(ContractInvalid, app)
    assert str(app / "twine.json") in str(error)
    assert "is not JSON" in str(error)
    assert "line 1, column" in str(error)


def test_an_app_with_neither_run_nor_app(make_app, refused):
    app = make_app(TELL + "    def main(analysis): pass", TWINE)
    error = refused(AppInvalid, app)
    assert f"{app}/app.py: has neither a function 'run' nor a class 'App'" in str(error)
    assert "Define 'def run(analysis):'" in str(error)


def test_an_app_with_both_run_and_app(make_app, refused):
    app = make_app(TELL + "    def run(analysis): pass\n    class App: pass", TWINE)
    error = refused(AppInvalid, app)
    assert f"{app}/app.py: has both a function 'run' and a class 'App'" in str(error)
    assert "rename the other" in str(error)


# Failed


def test_an_app_that_raises(make_app, fails, watch):
    app = make_app(
        TELL
        + """
    def read():
        raise ValueError("weather.csv has no header")
    def run(analysis):
        print("reading")
        read()
    """,
        TWINE,
    )
    error = fails(AppRaised, app)
    assert str(error).startswith("The app raised ValueError: weather.csv has no header")
    assert error.retryable
    assert error.tail == ("reading",)
    assert 'in read\n    raise ValueError("weather.csv has no header")' in error.traceback
    assert "reading" in log_text(watch, error)
    assert "in read" in log_text(watch, error)


def test_an_app_that_calls_os_exit(make_app, fails, watch):
    app = make_app(TELL + "    def run(analysis):\n        print('leaving')\n        os._exit(3)", TWINE)
    error = fails(AppExited, app)
    assert error.code == 3
    assert "exit status 3" in str(error)
    assert "Return from `run`" in str(error)
    assert "    leaving" in str(error)
    assert "leaving" in log_text(watch, error)
    assert error.retryable


@pytest.mark.parametrize(
    ("number", "remedy"), [(signal.SIGKILL, "memory"), (signal.SIGSEGV, "compiled extension"), (signal.SIGTERM, "who")]
)
def test_an_app_that_is_killed_by_a_signal(make_app, fails, watch, number, remedy):
    source = f"""
    def run(analysis):
        print("working")
        os.kill(os.getpid(), {int(number)})
        time.sleep(100)
    """
    app = make_app(TELL + source, TWINE)
    error = fails(AppKilled, app)
    assert error.signal == number
    assert number.name in str(error)
    assert remedy in str(error)
    assert "    working" in str(error)
    assert "working" in log_text(watch, error)
    assert error.retryable


@pytest.mark.slow
def test_an_app_that_fills_its_output_with_50_mb(make_app, fails, watch):
    source = """
    def run(analysis):
        for _ in range(50):
            print("x" * 999_999)
        time.sleep(100)
    """
    app = make_app(TELL + source, TWINE)
    error = fails(OutputFlooded, app)
    assert "more than 32 MiB" in str(error)
    assert "raise the output limit" in str(error)
    assert log_text(watch, error).count("x") > 30_000_000
    assert not error.retryable


@pytest.mark.slow
def test_50_mb_are_no_flood_if_the_limit_is_higher(make_app, run):
    app = make_app(
        "def run(analysis):\n    for _ in range(50):\n        print('x' * 999_999)\n    analysis.output_values = 1",
        TWINE,
    )
    host = RecordingHost()
    assert run(app, isolation=ChildProcess(output_limit=64 << 20), host=host).outputs["output_values"] == 1
    assert sum(len(event["line"]) for event in host.events if event["kind"] == "output") == 50 * 999_999


@pytest.mark.parametrize(
    "grandchild",
    [
        "hold()",
        "hold('trap \"\" TERM; ')",
        "hold(start_new_session=True)",
        "hold('trap \"\" TERM HUP INT; exec >/dev/null 2>&1; ', start_new_session=True)",
    ],
    ids=["plain", "ignores SIGTERM", "setsid", "setsid, ignores signals, silent"],
)
@pytest.mark.parametrize(
    "itself", ["", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"], ids=["", "app ignores SIGTERM"]
)
def test_an_app_that_hangs_while_it_holds_a_grandchild(make_app, fails, watch, notes, late_host, grandchild, itself):
    app = make_app(
        TELL
        + HOLD
        + f"""
    def run(analysis):
        {itself}
        {grandchild}
        print("holding")
        time.sleep(100)
    """,
        TWINE,
    )
    error = fails(TimedOut, app, host=late_host)
    assert (notes / "grandchild").exists()
    assert "time limit" in str(error)
    assert "Raise the limit" in str(error)
    assert "    holding" in str(error)
    assert "holding" in log_text(watch, error)
    assert error.retryable
