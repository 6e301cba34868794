"""A worker process of the engine ``parallel``: reads bodies and chunks of items from its connection, and answers.

Each item is answered by itself, as soon as it has ended, so that if this process dies, only the item that it was at is
lost. It ends when the connection does, which is also when the process that made it is gone.
"""

from __future__ import annotations

import contextvars
import os
import pickle
import select
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from fairlead.adapters.workflow import limits
from fairlead.adapters.workflow.engines.crossing import read_chunk, written_error
from fairlead.adapters.workflow.engines.work import Note, Opened, forward

START = """import json, sys
sys.path[:] = json.loads(sys.argv[2])
from fairlead.adapters.workflow.engines.worker import main
main(int(sys.argv[1]))"""
"""The program of a worker in a fresh interpreter: its arguments are its connection, and where modules are found."""


def main(handle: int) -> None:
    """Work until nobody is there any more, and end this process."""
    code = 1
    try:
        _leave_the_run()
        contextvars.Context().run(_Worker(Connection(handle)).work)
        code = 0
    except (EOFError, OSError):
        code = 0  # the run has ended, or what it ran in
    finally:
        os._exit(code)


def _leave_the_run() -> None:
    """Forget what a process that was forked has of the one that it comes from, and that is not its business."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "numpy.random" in sys.modules:  # Python's own generator sees to this by itself
        sys.modules["numpy.random"].seed()


class _Worker:
    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLIN)
        self._lock = threading.Lock()
        self._notes: list[Note] = []
        self._is_eager = True
        self._bodies: dict[int, bytes] = {}
        self._opened: dict[int, Opened] = {}
        self._last = sys.maxsize
        """The last item of the chunk that is still wanted."""

    def work(self) -> None:
        limits.watcher = self._watch
        self._send("ready")
        forward(self._tell)
        while True:
            kind, *what = pickle.loads(self._connection.recv_bytes())  # noqa: S301 (our own process)
            if kind == "body":
                self._bodies[what[0]] = what[1]
            elif kind == "forget":
                self._bodies.pop(what[0], None)
                self._opened.pop(what[0], None)
            elif kind == "chunk":
                self._do(*what)

    def _do(self, key: int, indices: list[int], parts: list[bytes], is_eager: bool) -> None:  # noqa: FBT001 (a message's fields)
        self._is_eager, self._last = is_eager, sys.maxsize
        try:
            opened = self._opened.get(key)
            if opened is None:
                opened = self._opened[key] = Opened(self._bodies[key], self._tell)
            items = read_chunk(indices, parts, lambda index, why: self._send("refused", index, why))
            if items is None:
                self._send("unread")
        except BaseException as error:  # noqa: BLE001 (it is raised where the run is)
            error.add_note("In a worker process, before its first item.")
            self._send("broken", written_error(error))
            return
        for index, inputs in items or ():
            while self._poll.poll(0):
                kind, last = pickle.loads(self._connection.recv_bytes())  # noqa: S301 (our own process)
                self._last = last if kind == "until" else self._last
            if index > self._last:
                continue
            answer = opened.answer(index, inputs)
            sys.stdout.flush()
            sys.stderr.flush()
            self._send("done", index, answer)
        self._send("idle")

    def _tell(self, note: Note) -> None:
        """Keep what is said for the next answer; what people wait to see goes at once."""
        with self._lock:
            self._notes.append(note)
        if self._is_eager or note[0] != "event":
            self._send("notes")

    def _watch(self, seconds: float, who: str) -> None:
        self._send("limit", seconds, who)

    def _send(self, kind: str, *what: Any) -> None:
        with self._lock:
            notes, self._notes = self._notes, []
            self._connection.send_bytes(pickle.dumps((kind, notes, *what)))
