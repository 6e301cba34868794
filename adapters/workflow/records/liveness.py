"""Whether a run that says that it runs does: by the process, if that would be on this machine, else by its heartbeat.

A process is known by its number and by when it started, counted from the start of the machine, because numbers are used
again. It is looked for only where it would be seen: on the same machine, in the same container. The module asks nobody
else, and changes nothing.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_STARTED = 19
"""Which field of a process's ``stat``, after its name, says when it started."""


@dataclass(frozen=True)
class Process:
    """A process of some machine."""

    host: str
    pid: int
    mark: str
    """Machine, container and start of the process."""

    @property
    def lives(self) -> bool | None:
        """Whether it runs; None if it cannot be seen from here."""
        place, _, started = self.mark.rpartition("/")
        if not place or place != _place():
            return None
        return _started(self.pid) == started


def this_process() -> Process:
    """Return the one that this is."""
    return Process(socket.gethostname(), os.getpid(), f"{_place()}/{_started(os.getpid())}")


def is_dead(process: Process | None, age: float | None, limit: float | None) -> bool:
    """Tell whether a run that has not ended is dead.

    Args:
        process: who runs it, if that was recorded.
        age: seconds since its last heartbeat, if there was one.
        limit: how many there may be.
    """
    if process is not None and (lives := process.lives) is not None:
        return not lives
    return age is None or limit is None or age > limit


@cache
def _place() -> str:
    """Return what tells this machine, since it started, and this container from others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 (a link to no file)
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return when a process started, in the kernel's ticks; nothing if there is none, or only what is left of it."""
    try:
        state, *fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except (OSError, ValueError):
        return ""
    return "" if state in "ZX" else fields[_STARTED - 1]
