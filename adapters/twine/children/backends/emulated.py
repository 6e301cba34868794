"""A child that is not there: it says what was written down for it, and answers with the first result in that.

What is asked makes no difference. The messages may be of either dialect (``messages``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.adapters.twine.children import failures, messages

if TYPE_CHECKING:
    from fairlead.adapters.twine.children.question import Question


class Emulated:
    """Messages that stand for a child."""

    sees_local_files = True

    def __init__(self, said: Sequence[Mapping[str, Any]]) -> None:
        """Take messages whose form was checked."""
        self.said = said

    def ask(self, question: Question) -> dict[str, Any]:
        """See `Backend.ask`; without a result the answer is empty."""
        for message in self.said:
            if question.stop.is_set():
                break
            found = messages.contents(message)
            if found["kind"] == "result":
                return {name: found[name] for name in ("output_values", "output_manifest")}
            if found["kind"] == "exception":
                raise failures.of_name(
                    found["exception_type"], found["exception_message"], found.get("exception_traceback") or ()
                )
            if found["kind"] in {"log_record", "monitor_message"}:
                question.hear(found, message.get("attributes"))
        return {"output_values": None, "output_manifest": None}

    def send(self, question: Question) -> None:
        """See `Backend.send`: nobody listens, so nothing is said."""


def make(data: Mapping[str, Any]) -> Emulated:
    """Return the backend of its data: ``events`` or ``messages``, or the ``file`` that holds them."""
    from fairlead.adapters.twine.children.emulator import emulated_messages, read_file

    return Emulated(emulated_messages(read_file(data["file"]) if "file" in data else data))
