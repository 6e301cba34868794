"""What users test their own units with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.adapters.host import LoggingHost
from fairlead.adapters.lazy import attributes

if TYPE_CHECKING:
    from fairlead.adapters.events import Event
    from fairlead.adapters.testing.database_pipelines import DatabaseCommandTestCase as DatabaseCommandTestCase
    from fairlead.adapters.testing.database_pipelines import PostgresCommandTestCase as PostgresCommandTestCase
    from fairlead.adapters.testing.pipelines import CommandTestCase as CommandTestCase
    from fairlead.adapters.testing.pipelines import TaskTestCase as TaskTestCase

_LAZY = {
    "CommandTestCase": "pipelines",
    "DatabaseCommandTestCase": "database_pipelines",
    "PostgresCommandTestCase": "database_pipelines",
    "TaskTestCase": "pipelines",
}
__getattr__ = attributes(__name__, _LAZY)
__all__ = ["CommandTestCase", "DatabaseCommandTestCase", "PostgresCommandTestCase", "RecordingHost", "TaskTestCase"]


class RecordingHost(LoggingHost):
    """A host that keeps what it is told: ``events`` as they came, ``lines`` as ``(level, source, message)``."""

    def __init__(self, *, run_id: str = "test", attempt: int = 1, timeout: float | None = None) -> None:
        """Start with nothing; see `LoggingHost`."""
        super().__init__(run_id=run_id, attempt=attempt, timeout=timeout)
        self.events: list[Event] = []
        self.lines: list[tuple[int, str, str]] = []

    def emit(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)
        super().emit(event)

    def write(self, level: int, source: str, message: str) -> None:
        """Keep a line."""
        self.lines.append((level, source, message))
