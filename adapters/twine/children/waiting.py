"""Signs of life from a run that waits for answers, so that nobody takes it for one that hangs.

While any question is open, a thread tells the host now and then. If the host ends the run at that, the questions are
given up, also where the run itself cannot be stopped (isolation in a thread). The module does not limit how long an
answer may take: a question's ``timeout`` does.
"""

import contextlib
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PAUSE = 1.0
"""Seconds between two signs of life."""


class SignsOfLife:
    """What gives them while any question is open. Safe to use from any thread."""

    def __init__(self, give: "Callable[[], object]") -> None:
        """Start nothing; ``give`` is called for each sign, and what it raises ends all open questions."""
        self._give = give
        self._lock = threading.Lock()
        self._open: list[threading.Event] = []
        self._over = threading.Event()

    @contextlib.contextmanager
    def during(self, stop: threading.Event) -> "Generator[None]":
        """Give signs of life until the block ends; ``stop`` is what ends the question in it."""
        with self._lock:
            self._open.append(stop)
            if len(self._open) == 1:
                self._over = threading.Event()
                threading.Thread(target=self._run, args=(self._over,), name="signs of life", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._open.remove(stop)
                if not self._open:
                    self._over.set()

    def _run(self, over: threading.Event) -> None:
        while not over.wait(PAUSE):
            try:
                self._give()
            except BaseException:  # noqa: BLE001 (whatever ends the run, its host raises it again)
                with self._lock:
                    for stop in self._open:
                        stop.set()
                return
