"""One question to a child: what is asked, how long it may take, and everything that comes back on the way.

A `Question` goes to a backend, which says through `Question.hear` what the child says. The module does not know how a
backend reaches a child.
"""

import json
import logging
import threading
import time
import uuid

from fairlead.adapters.twine.children import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


class Question:
    """A question as its backend sees it; ``input_values`` and ``input_manifest`` are JSON data.

    ``key`` names this attempt, the same each time it is tried: a backend that is asked under a key that it knows joins
    what is going on already.
    """

    def __init__(
        self,
        child: str,
        asked: "Mapping[str, Any]",
        *,
        retry_count: int,
        asker: str,
        handle_monitor_message: "Callable[[Any], object] | None",
        stop: threading.Event,
    ) -> None:
        self.child = child
        self.asked = asked
        self.input_values = asked["input_values"]
        self.input_manifest = asked["input_manifest"]
        self.children = asked["children"]
        self.timeout: float | None = asked["timeout"]
        self.deadline = None if self.timeout is None else time.monotonic() + self.timeout
        self.uuid: str = asked["question_uuid"]
        self.key = self.uuid if retry_count == 0 else f"{self.uuid}-{retry_count}"
        self.stop = stop
        self.events: list[dict[str, Any]] = []
        self._attributes = messages.attributes_of(child, asker, asked, retry_count)
        self._handle_monitor_message = handle_monitor_message
        self._lock = threading.Lock()

    def hear(self, found: "Mapping[str, Any]", attributes: "Mapping[str, Any] | None" = None) -> None:
        """Receive the contents of a message: note it, and pass on log records and monitor messages.

        What ``handle_monitor_message`` raises is raised here, and ends the question.
        """
        self.note(found, attributes)
        if found["kind"] == "log_record" and self.asked["subscribe_to_logs"]:
            self._log(found["log_record"])
        elif found["kind"] == "monitor_message" and self._handle_monitor_message is not None:
            self._handle_monitor_message(found["data"])

    def note(self, found: "Mapping[str, Any]", attributes: "Mapping[str, Any] | None" = None) -> None:
        """Keep a message, without passing it on."""
        event = messages.as_event(found, self._attributes)
        event["attributes"].update(attributes or {})
        with self._lock:
            self.events.append(event)

    def _log(self, fields: "Mapping[str, Any]") -> None:
        """Hand a record to the logger of its name, in this process, marked with the child's name."""
        known: dict[str, Any] = {"name": "fairlead.child", "levelno": logging.INFO, "args": None} | {
            name: value for name, value in fields.items() if value is not None
        }
        known.setdefault("levelname", logging.getLevelName(int(known["levelno"])))
        record = logging.makeLogRecord(known)
        if isinstance(record.args, list):
            record.args = tuple(record.args)
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit the text: both are shown
            text = f"{record.msg} {record.args}"
        # A traceback is text by now, and objects have gone on the way.
        record.msg, record.args, record.exc_info = f"[{self.child}] {text}", None, None
        logger = logging.getLogger(record.name)
        if logger.isEnabledFor(record.levelno):
            logger.handle(record)


def write_record(path: str, events: "list[dict[str, Any]]") -> None:
    """Write messages to a JSON file at a path or URL, in the older dialect; the file appears whole or not at all."""
    from fairlead.adapters import storage

    old = [messages.as_message(event["event"]) for event in events]
    storage.write_bytes(path, json.dumps(old, indent=2).encode())


def new_uuid() -> str:
    """Return the UUID of a question that was given none."""
    return str(uuid.uuid4())
