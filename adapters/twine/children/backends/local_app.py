"""A child that is an app's folder on this machine, run by the asking process like any unit of work.

The answer is looked up and kept in the result cache by its fingerprint. The app runs in a process of its own, which
ends with whoever asks (``isolation.process_tree``). A cached answer says nothing: only a run sends logs and monitor
messages.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fairlead.adapters.cache import ResultCache
from fairlead.adapters.errors import FairleadError
from fairlead.adapters.host import LoggingHost
from fairlead.adapters.isolation import ChildProcess
from fairlead.adapters.perform import perform
from fairlead.adapters.twine.children import failures, messages
from fairlead.adapters.twine.unit import TwineApp

if TYPE_CHECKING:
    from fairlead.adapters.events import Event
    from fairlead.adapters.twine.children.question import Question


class LocalApp:
    """An app's folder, with the configuration that the backend's data gives it."""

    sees_local_files = True

    def __init__(self, app: str, *, cache: str | None, options: Mapping[str, Any]) -> None:
        """Name the app; nothing is read.

        Args:
            app: the folder.
            cache: the root of the result cache; None for the default.
            options: what else `TwineApp` is made of.
        """
        self.app, self.cache, self.options = app, cache, options

    def ask(self, question: Question) -> dict[str, Any]:
        """See `Backend.ask`."""
        options = {**self.options} if question.children is None else {**self.options, "children": question.children}
        strands = {"input_values": question.input_values, "input_manifest": question.input_manifest}
        inputs = {name: value for name, value in strands.items() if value is not None}
        if isinstance(inputs.get("input_values"), str):
            inputs["input_values"] = json.dumps(inputs["input_values"])  # a text is data here, not a path or JSON
        try:
            outcome = perform(
                TwineApp(self.app, **options),
                inputs,
                _Listener(question),
                cache=ResultCache(self.cache),
                isolation=ChildProcess(),
            )
        except FairleadError as error:
            raise failures.raised_here(error, question.child, question.timeout) from None
        return {name: outcome.outputs.get(name) for name in ("output_values", "output_manifest")}

    def send(self, question: Question) -> None:
        """Ask in a thread, whose run lives no longer than this process; the answer is in the cache then."""

        def ask() -> None:
            try:
                self.ask(question)
            except Exception:
                logging.getLogger("fairlead.children").exception("Child '%s' failed.", question.child)

        threading.Thread(target=ask, name=f"child {question.child}", daemon=True).start()


class _Listener(LoggingHost):
    """The host of a child's run: what the run says is heard by the question."""

    def __init__(self, question: Question) -> None:
        super().__init__(run_id=question.uuid)
        self.deadline = question.deadline
        self._question = question

    def cancelled(self) -> bool:
        return self._question.stop.is_set()

    def emit(self, event: Event) -> None:
        if event["kind"] == "monitor":
            self._question.hear(messages.monitor_message(event["data"]))
        elif event["kind"] in {"log", "output"}:
            super().emit(event)

    def write(self, level: int, source: str, message: str) -> None:
        self._question.hear(messages.log_record(level, source, message))


def make(data: Mapping[str, Any]) -> LocalApp:
    """Return the backend of its data."""
    options = {name: value for name, value in data.items() if name not in {"app", "cache"}}
    return LocalApp(data["app"], cache=data.get("cache"), options=options)
