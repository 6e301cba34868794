"""A child that answers as it did in a run that was recorded: each question gets the answer that it got then.

A question is known by what is asked; of equal ones, each gets the next answer. A question that was not asked in this
form goes to another child, if there is one. Otherwise it gets the answer to the next one that is left, with a warning:
what differs may only be the place of a file or the time of day. When no answer is left, that is an error. What this
module does not do: keep the files of an answer's datasets, which are where they were then.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.adapters.twine.children.question import Question

logger = logging.getLogger("fairlead.children")
_lock = threading.Lock()


class Recorded:
    """Questions and their answers, of which each is given once."""

    sees_local_files = True

    def __init__(self, left: list[dict[str, Any]], otherwise: Mapping[str, Any] | None = None) -> None:
        """Take the answers that are left: each with ``events`` and what was asked, in the order of the answers.

        An answer that is given is removed from the list, which is the child's own. ``otherwise`` is the data of the
        backend that is asked what was not asked then.
        """
        self._left = left
        self._otherwise = otherwise

    def ask(self, question: Question) -> dict[str, Any]:
        """See `Backend.ask`; raises `QuestionNotDelivered` when no answer is left."""
        from fairlead.adapters.twine.children.backends import make as made
        from fairlead.adapters.twine.children.backends.emulated import Emulated

        record = self._same(question)
        if record is None and self._otherwise is not None:
            return made(self._otherwise, question.child).ask(question)
        return Emulated((record or self._next(question))["events"]).ask(question)

    def send(self, question: Question) -> None:
        """See `Backend.send`: nobody listens, so nothing is said."""

    def _same(self, question: Question) -> dict[str, Any] | None:
        with _lock:
            for known in (("input_values", "input_manifest"), ("input_values",)):
                for index, record in enumerate(self._left):
                    if all(record.get(name) == getattr(question, name) for name in known):
                        return self._left.pop(index)
        return None

    def _next(self, question: Question) -> dict[str, Any]:
        with _lock:
            if self._left:
                logger.warning(
                    "Child '%s' is asked what it was not asked in the recorded run, and gives its next answer.",
                    question.child,
                )
                return self._left.pop(0)
        from fairlead.adapters.twine.exceptions import QuestionNotDelivered

        msg = (
            f"Child '{question.child}' has no recorded answer left: it is asked more often than in the recorded run. "
            'Say who answers: fairlead replay --children \'{"<its key>": "<folder of its app>"}\'.'
        )
        raise QuestionNotDelivered(msg)


def make(data: Mapping[str, Any]) -> Recorded:
    """Return the backend of its data: ``questions``, as diagnostics keep them, and the backend ``otherwise``."""
    return Recorded(data["questions"], data.get("otherwise"))
