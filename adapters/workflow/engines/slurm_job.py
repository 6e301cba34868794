"""What a job of the engine ``slurm`` does on its node: one chunk of a map's items, each answered in a file as it ends.

Files are read by the process of the run, which may be on another machine: what is written is whole messages, each after
its length. A job whose run needs no more of its items skips them.

What it does not do: ask Slurm anything.
"""

from __future__ import annotations

import contextvars
import faulthandler
import os
import pickle
import signal
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from fairlead.adapters.workflow import limits
from fairlead.adapters.workflow.engines.crossing import loads, read_chunk, written_error
from fairlead.adapters.workflow.engines.work import Note, Opened, forward

BODY = "body"
UNTIL = "until"
"""The file that says which item is the last that is still wanted."""
_LENGTH = struct.Struct("!Q")


def inputs_of(folder: Path, number: int) -> Path:
    """Return the file of what a chunk's items are given."""
    return folder / f"chunk-{number}.inputs"


def answers_of(folder: Path, number: int) -> Path:
    """Return the file of what a chunk's job says."""
    return folder / f"chunk-{number}.answers"


def work(folder: str, number: int, grace: float) -> None:
    """Do a chunk."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # submitit's own handlers let a job go on that is to be stopped
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    with answers_of(Path(folder), number).open("ab", buffering=0) as file:
        contextvars.Context().run(_Job(Path(folder), number, grace, file).work)
    os._exit(0)  # all is said, and what submitit would write is asked for by nobody


class _Job:
    def __init__(self, folder: Path, number: int, grace: float, file: BinaryIO) -> None:
        self._folder, self._number, self._grace, self._file = folder, number, grace, file
        self._lock = threading.Lock()
        self._ends: list[float] = []

    def work(self) -> None:
        limits.watcher = self._watch
        forward(self._tell)
        try:
            opened = Opened((self._folder / BODY).read_bytes(), self._tell)
            indices, parts = loads(inputs_of(self._folder, self._number).read_bytes())
            items = read_chunk(indices, parts, lambda index, why: self._send("refused", index, why))
            if items is None:
                self._send("unread")
        except BaseException as error:  # noqa: BLE001 (it is raised where the run is)
            error.add_note("In a Slurm job, before its first item.")
            self._send("broken", written_error(error))
            return
        for index, inputs in items or ():
            if index > self._last():
                continue
            self._send("at", index)
            answer = opened.answer(index, inputs)
            sys.stdout.flush()
            sys.stderr.flush()
            self._send("done", index, answer)
        self._send("end")

    def _last(self) -> int:
        try:
            return int((self._folder / UNTIL).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return sys.maxsize

    def _tell(self, note: Note) -> None:
        self._send("note", note)

    def _watch(self, seconds: float, who: str) -> None:
        """Tell of a limit, and let this process end if it hangs in compiled code beyond it."""
        self._send("limit", seconds, who)
        if seconds:
            self._ends.append(time.monotonic() + seconds + self._grace)
        else:
            self._ends.pop()
        if self._ends:
            left = max(0.01, min(self._ends) - time.monotonic())
            faulthandler.dump_traceback_later(left, exit=True, file=2)
        else:
            faulthandler.cancel_dump_traceback_later()

    def _send(self, kind: str, *what: Any) -> None:
        message = pickle.dumps((kind, *what))
        with self._lock:
            self._file.write(_LENGTH.pack(len(message)) + message)


class Answers:
    """The file of a chunk's job, read as it grows."""

    def __init__(self, path: Path) -> None:
        """Begin at the start; the file need not be there yet."""
        self._path = path
        self._offset = 0

    def fresh(self) -> Iterator[tuple[Any, ...]]:
        """Go through the messages that have come since."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        start = 0
        while start + _LENGTH.size <= len(data):
            (length,) = _LENGTH.unpack_from(data, start)
            end = start + _LENGTH.size + length
            if end > len(data):
                break
            self._offset += end - start
            yield pickle.loads(data[start + _LENGTH.size : end])  # noqa: S301 (our own job, in a folder that is ours)
            start = end
