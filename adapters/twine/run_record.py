"""What a run by Octue's `Runner` leaves for whoever looks into it: the same bundle as a host's run.

A `RunRecord` listens while the run takes place: to the logging of the process, to monitor messages and to questions. If
the run ends as it was feared, or in any case if that was asked for, it writes a bundle (see ``adapters.diagnostics``),
which ``fairlead replay`` runs again. The strands in it are those that went in, whatever the app has made of its copies.
It does not decide when a runner keeps a record: see ``runner``.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fairlead.adapters import events
from fairlead.adapters.diagnostics import Diagnostics, Ending, save
from fairlead.adapters.fingerprint import source_tree
from fairlead.adapters.host import LoggingHost
from fairlead.adapters.isolation.in_process import InProcess, app_raised
from fairlead.adapters.twine.analysis import contract_error
from fairlead.adapters.twine.contract import Twine
from fairlead.adapters.twine.diagnostics import credentials, describe_analysis
from fairlead.adapters.twine.unit import TwineApp, bind_strand

if TYPE_CHECKING:
    from fairlead.adapters.events import Event
    from fairlead.adapters.twine.configuration import AppLocation
    from fairlead.adapters.unit import Description

logger = logging.getLogger(__name__)


class RunRecord(logging.Handler):
    """One run, as it is heard."""

    def __init__(
        self,
        url: str,
        when: Literal["crash", "always"],
        *,
        twine: Twine,
        sources: Mapping[str, Any],
        app: str,
        located: AppLocation | None,
    ) -> None:
        """Begin to write down.

        Args:
            url: the folder below which the bundle is written.
            when: whether also a run that ends well leaves one.
            twine: the contract.
            sources: the strands by name, as they were given.
            app: how the app is called.
            located: where it is, if it is a folder.
        """
        super().__init__()
        self._wish = Diagnostics(url, when)
        self._twine, self._app, self._located = twine, app, located
        self._strands = {strand: bind_strand(twine, strand, source)[0] for strand, source in sources.items()}
        self._start = time.monotonic()
        descriptor, self._path = tempfile.mkstemp(prefix="fairlead-", suffix=".ndjson")
        self._stream = os.fdopen(descriptor, "wb")
        self._writing = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log record down; what is wrong with it, or with the disk, is reported as logging does."""
        try:
            self.hear(events.of_record(record))
        except Exception:  # noqa: BLE001 (a logging handler never raises into the program that logs)
            self.handleError(record)

    def hear(self, event: Event) -> None:
        """Write an event down."""
        with self._writing:
            if not self._stream.closed:
                self._stream.write(events.encode(event))

    def monitor(self, handle: Callable[[Any], None] | None) -> Callable[[Any], None]:
        """Return what writes a monitor message down and passes it on."""

        def handle_monitor_message(data: Any) -> None:
            self.hear(events.monitor(data))
            if handle is not None:
                handle(data)

        return handle_monitor_message

    def end(self, analysis_id: str, error: Exception | None, sent_messages: list[Any] | None) -> None:
        """Write the bundle, if this end asks for one; what goes wrong with that is a warning in the log.

        ``sent_messages`` become the bundle's ``messages.json``.
        """
        if error is not None:
            self.hear(events.raised(error))
        self._stream.close()
        if error is None and self._wish.when == "crash":
            return

        def describe(copied: bool) -> Description:  # noqa: FBT001 (`save` calls it so)
            described = describe_analysis(
                analysis_id,
                self._strands,
                app=self._app,
                located=self._located,
                source=source_tree(self._located.root) if self._located else None,
                secrets=credentials(self._twine.raw, []),
                copied=copied,
            )
            if not sent_messages:
                return described
            return replace(described, documents={**described.documents, "messages.json": sent_messages})

        ending = Ending(
            unit=TwineApp(self._app),
            host=LoggingHost(run_id=analysis_id),
            isolation=InProcess(),
            fingerprint=None,
            start=self._start,
            events=Path(self._path),
            error=None if error is None else contract_error(error) or app_raised(error),
        )
        save(self._wish, ending, describe, logger.log)

    def close(self) -> None:
        """Remove what was written down."""
        super().close()
        self._stream.close()
        Path(self._path).unlink(missing_ok=True)
