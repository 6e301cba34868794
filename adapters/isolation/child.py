"""The child's side of `ChildProcess`: read a call, carry it out, send events and the end of the run to the parent.

Started as ``python -P -c "from fairlead.adapters.isolation.child import main; main()" CHANNEL`` with the call as JSON
on standard input. It imports next to nothing, because its imports are paid for by every run. What it does not do: watch
over itself; stopping is the parent's.
"""

import importlib
import json
import logging
import os
import sys
import threading

from fairlead.adapters import events
from fairlead.adapters.isolation.app_source import add_roots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from fairlead.adapters.events import Event


class ChildWorkspace:
    """A whole process for one call: its modules, its working directory and its standard output are private already."""

    def __init__(self, directory: str, cache: "str | None", channel: int) -> None:
        """Write events to the file descriptor ``channel``."""
        self.directory = directory
        self.cache = cache
        self._channel = channel
        self._lock = threading.Lock()

    def emit(self, event: "Event") -> None:
        """Send one line, whole."""
        line = memoryview(events.encode(event))
        with self._lock:
            while line:
                line = line[os.write(self._channel, line) :]

    def load(self, module: str) -> "ModuleType":
        """Import as usual."""
        return importlib.import_module(module)


class EventHandler(logging.Handler):
    """Sends every log record as an event."""

    def __init__(self, workspace: ChildWorkspace) -> None:
        """Send to the parent through a workspace."""
        super().__init__()
        self._workspace = workspace

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; a broken format string is reported as logging does, and stops nothing."""
        try:
            self._workspace.emit(events.of_record(record))
        except Exception:  # noqa: BLE001 (a logging handler never raises into the program that logs)
            self.handleError(record)


def main() -> None:
    """Carry out the call on standard input, then leave as any program does."""
    channel = int(sys.argv[1])
    os.set_inheritable(channel, False)  # noqa: FBT003 (takes no keyword)
    call = json.loads(sys.stdin.buffer.read())
    process = os.getpid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv[:] = ["fairlead"]
    add_roots(call["roots"])
    workspace = ChildWorkspace(call["directory"], call["cache"], channel)
    logging.basicConfig(level=logging.INFO, handlers=[EventHandler(workspace)])
    module, _, function = call["entry"].partition(":")
    try:
        value = getattr(importlib.import_module(module), function)(call["payload"], workspace)
        end: Event = events.returned(value)
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        end = events.raised(error)
    if os.getpid() == process:  # a forked copy of the app that comes back as well does not speak for the run
        workspace.emit(end)
    sys.exit(end["kind"] == "raised")
