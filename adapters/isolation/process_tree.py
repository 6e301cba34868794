"""Stopping a process with everything that it started, also when this process is the one that dies.

A run's process leads a group of its own, and every process below it carries a mark in its environment. `stop` and
`sweep` end the group and, where the system shows other processes' environments (Linux), those that left it too. A
`Guard` is a small shell that waits on a pipe from this process: if the pipe closes before it was told that all is well,
this process is gone, however it went, and the guard does the same and removes the run's folder.

A run below a run carries both marks, so the outer one's end is also the inner one's.

What it does not do: a process that left the group and has cleared or overwritten its environment lives on, and on other
systems than Linux so does every one that left the group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

MARK = "FAIRLEAD_PROCESS_TREE"
_ROUNDS = 100
_BRIEF = 2.0


def environment(mark: str) -> dict[str, str]:
    """Return this process's environment with a mark added, for the process that leads a run."""
    return os.environ | {MARK: f"{os.environ.get(MARK, '')} {mark}".strip()}


def stop(process: subprocess.Popen[bytes], mark: str, grace: float) -> None:
    """End a process, its group and whoever carries its mark: SIGTERM, ``grace`` seconds, then SIGKILL; then return."""
    try:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    finally:  # also if the wait is interrupted
        sweep(process, mark)


def sweep(process: subprocess.Popen[bytes], mark: str, age: float = _BRIEF) -> None:
    """Kill what is left of a process's group and of those that carry its mark, and wait for the process itself.

    While its ``age`` in seconds is small, only processes that came after it are looked at, which costs next to nothing.
    """
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()
    empty = 0
    for _ in range(_ROUNDS):
        found = marked(mark, above=process.pid if age < _BRIEF else 0)
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        empty = 0 if found else empty + 1
        if empty > 1:  # whoever was just being forked by one that has ended would be found by now
            return


def marked(mark: str, *, above: int = 0) -> list[int]:
    """Return the ids of all living processes that carry a mark; empty where the system does not show environments.

    Ids up to ``above`` are left out, unless the system has begun again from the lowest since it gave that one.
    """
    needle = mark.encode()
    found: list[int] = []
    with contextlib.suppress(OSError):
        if above and int(Path("/proc/loadavg").read_text(encoding="ascii").split()[-1]) < above:
            above = 0
        for name in os.listdir("/proc"):
            if name.isdecimal() and int(name) > above:
                with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as environ:
                    if needle in environ.read():
                        found.append(int(name))
    return found


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


class Guard:
    """Removes a run's folder, and kills its processes as soon as there are any, when this process dies first."""

    _SCRIPT = """IFS= read -r folder || exit 0
if read -r group mark; then
    [ "$group" = done ] && exit 0
    read -r word && exit 0
    [ ${#mark} = 32 ] || exit 1
    kill -s KILL -- "-$group"
    for round in 1 2 3; do
        for file in $(grep -ls -e "$mark" /proc/[0-9]*/environ); do
            pid=${file#/proc/}
            kill -s KILL "${pid%/environ}"
        done
    done
fi
rm -rf -- "$folder" """

    def __init__(self, folder: str) -> None:
        """Start the guard of a folder that is a run's alone."""
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", self._SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._tell(folder)

    def watch(self, leader: int, mark: str) -> None:
        """Guard the process group of a leader as well, and those that carry its mark."""
        self._tell(f"{leader} {mark}")

    def dismiss(self) -> None:
        """End the guard; it removes nothing and kills nobody any more."""
        self._tell("done")
        if self._shell.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._shell.stdin.close()
        self._shell.wait()

    def _tell(self, line: str) -> None:
        if self._shell.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._shell.stdin.write(f"{line}\n".encode())
                self._shell.stdin.flush()
