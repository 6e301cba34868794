"""Stopping a process with everything that it started, also when this process is the one that dies.

A run's process leads a group of its own, and every process below it carries a mark in its environment. `sweep` kills
what a run that ended well left in the group; `stop` ends the group and, where the system shows other processes'
environments (Linux), also those that left it. A `Guard` is a small
shell that waits on a pipe from this process: if the pipe closes before it was told that all is well, this process is
gone, however it went, and the guard kills the group and removes the run's folder.

What it does not do: on other systems than Linux, or when this process itself was killed, a process that detached itself
into a session of its own lives on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

MARK = "FAIRLEAD_PROCESS_TREE"


def stop(process: subprocess.Popen[bytes], mark: str, grace: float) -> None:
    """End a process, its group and whoever carries its mark: SIGTERM, ``grace`` seconds, then SIGKILL; then return."""
    _signal_group(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace)
    sweep(process)
    for pid in marked(mark):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def sweep(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a process's group, and wait for the process itself."""
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def marked(mark: str) -> list[int]:
    """Return the ids of all living processes that carry a mark; empty where the system does not show environments."""
    needle = f"{MARK}={mark}\0".encode()
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if needle in entry.read_bytes():
                found.append(int(entry.parent.name))
    return found


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


class Guard:
    """Kills a process group when this process dies before `dismiss`."""

    _SCRIPT = """read -r group || exit 0
read -r folder || exit 0
read -r word && exit 0
kill -s KILL -- "-$group"
rm -rf -- "$folder" """

    def __init__(self) -> None:
        """Start the guard; it guards nobody yet."""
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", self._SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, leader: int, folder: str) -> None:
        """Guard the process group of a leader, and the folder that is its alone."""
        self._tell(f"{leader}\n{folder}\n")

    def dismiss(self) -> None:
        """End the guard; it kills nobody any more."""
        self._tell("done\n")
        if self._shell.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._shell.stdin.close()
        self._shell.wait()

    def _tell(self, line: str) -> None:
        if self._shell.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._shell.stdin.write(line.encode())
                self._shell.stdin.flush()
