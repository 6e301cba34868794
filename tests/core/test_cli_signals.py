"""Signals to the command: each ends it with a code of its own, and with all that it has started."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fairlead.adapters.cli import exits

from .conftest import FAIRLEAD

HOLDING = """
import subprocess, time

def run(analysis):
    held = subprocess.Popen(["sleep", "1000"])
    print("holding", held.pid, flush=True)
    while True:
        time.sleep(0.05)
        analysis.send_monitor_message({})
"""
STUBBORN = HOLDING.replace("import", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nimport")


def ended(pid: int) -> bool:
    """Wait until a process has ended; False if it has not within 10 s."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 10)[0])
    finally:
        os.close(descriptor)


@pytest.fixture
def started(environment, make_app, tmp_path):
    """Start a run of an app that holds a process; returns the command's process and the id of what it holds."""
    processes = []
    # A process that is started where Ctrl-C is ignored ignores it, too.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)

    def start(source: str, *options: str) -> tuple[subprocess.Popen[str], int]:
        command = [FAIRLEAD, "run", make_app(source, {"monitor_message_schema": {}}), *options]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, **pipes)
        processes.append(process)
        for line in process.stderr:
            if holding := re.search(r"holding (\d+)$", line):
                return process, int(holding[1])
        raise AssertionError(f"it ended with {process.wait()} before it held anything")

    yield start
    signal.signal(signal.SIGINT, previous)
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, exits.INTERRUPTED), (signal.SIGTERM, exits.TERMINATED)],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_stops_the_run_with_all_that_it_started(started, number, code):
    process, held = started(HOLDING, "--json")
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == code
    assert ended(held)
    error = json.loads(output)["error"]
    assert (error["type"], error["message"].split(",")[0]) == ("Cancelled", f"Stopped by {number.name}")
    assert "holding" in Path(error["log"]).read_text()
    assert "Traceback" not in errors


@pytest.mark.slow
def test_a_second_signal_ends_the_command_at_once_and_still_leaves_nothing(started):
    process, held = started(STUBBORN)
    group = os.getpgid(held)
    process.send_signal(signal.SIGINT)
    limit = time.monotonic() + 10
    while signal.SIGINT in caught(process.pid):  # until the first has arrived
        assert time.monotonic() < limit
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=2)
    assert process.returncode == -signal.SIGINT
    assert ended(held)
    assert ended(group)


def test_two_signals_at_once_leave_no_folder(started, tmp_path):
    process, _ = started(STUBBORN.replace("time.sleep", "open('mine', 'w').write('x'); time.sleep"))
    folder = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    (child,) = [
        pid for pid in folder.read_text().split() if b"isolation.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    scratch = Path(f"/proc/{child}/cwd").resolve()
    assert scratch.name.startswith("fairlead-")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    limit = time.monotonic() + 10
    while scratch.exists():
        assert time.monotonic() < limit


def caught(pid: int) -> set[int]:
    """Return the signals that a process handles."""
    (mask,) = re.findall(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return {number for number in range(1, 64) if int(mask, 16) >> (number - 1) & 1}


def test_a_signal_stops_a_run_in_this_process(started):
    holding = HOLDING.replace('subprocess.Popen(["sleep", "1000"])', "type('', (), {'pid': __import__('os').getpid()})")
    process, _ = started(holding, "--isolation", "thread")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == exits.INTERRUPTED
    assert "Cancelled: Stopped by SIGINT" in errors
    assert "Traceback" not in errors
    assert "AppRaised" not in errors
