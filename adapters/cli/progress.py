"""The host of a workflow that somebody watches: a line for each block that ends, and below them what is running.

What runs is shown on a terminal only: a map with a bar and the numbers of its items, a loop with its iteration.
Elsewhere a long map says now and then how far it is. What happens inside items and iterations is counted, not told. It
looks at events alone, so that it is the same in every engine.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from fairlead.adapters.cli.terminal import TerminalHost, is_live, printable
from fairlead.adapters.presentation import duration

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from fairlead.adapters.workflow.run_state import Event

_QUIET_KINDS = frozenset({"choice", "side", "merge", "identity"})
"""Blocks that do no work of the user's: nothing is told of them unless they fail."""
_PART = re.compile(r"\[(\d+)\]")
"""An item or iteration in a path."""
_MOST_ROWS = 12
_PAUSE = 10.0
"""Seconds between two lines of a map's where there is no bar."""
_BAR = 28


@dataclass
class _Row:
    """A block that is running."""

    name: str
    kind: str
    start: float
    told: float = field(default_factory=time.monotonic)
    items: int | None = None
    done: int = 0
    failed: int = 0
    cached: int = 0
    iteration: int = 0

    def count(self, *, ended: bool = False) -> str:
        """Say how far it is, or how far it came."""
        if self.kind in {"loop", "iterative"} and self.iteration:
            several = f"{self.iteration} iteration{'s' if self.iteration > 1 else ''}"
            return several if ended else f"iteration {self.iteration}"
        if self.kind != "map" or self.items is None:
            return ""
        over = self.done + self.failed
        number = f"{over}/{self.items}" if over < self.items else str(self.items)
        words = [f"{number} item{'s' if self.items != 1 else ''}"]
        words += [f"{self.failed} failed"] if self.failed else []
        words += [f"{self.cached} from the cache"] if self.cached else []
        return ", ".join(words)


class WorkflowHost(TerminalHost):
    """Shows a workflow's run on standard error. A context manager: what runs is there while it is entered."""

    def __init__(self, name: str, *, timeout: float | None = None, quiet: bool = False) -> None:
        """Show nothing yet; see `TerminalHost`."""
        super().__init__(name, timeout=timeout, quiet=quiet)
        self._rows: dict[str, _Row] = {}
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Start to show what runs, on a terminal."""
        if is_live(sys.stderr) and not self._quiet:
            from rich.console import Console
            from rich.live import Live
            from rich.spinner import Spinner

            self._spinner = Spinner("dots", style="cyan")
            self._console = Console(stderr=True, highlight=False)
            self._live = Live(
                console=self._console, get_renderable=self._running, transient=True, refresh_per_second=10
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        if self._live:
            self._live.stop()

    def log(self, level: int, message: str) -> None:
        """Show warnings and errors: how a piece of work went is told by the line of its block."""
        if level >= logging.WARNING:
            super().log(level, message)

    def observe(self, event: Event) -> None:
        """Take an event of the run."""
        path = event.path
        if part := _PART.search(path):
            if row := self._rows.get(path[: part.start()]):
                self._inside(row, int(part[1]), event, is_item=part.end() == len(path))
        elif event.state == "running":
            row = self._rows.setdefault(path, _Row(path or event.name, event.kind, event.time))
            row.items = event.items
        else:
            row = self._rows.pop(path, None) or _Row(path, event.kind, event.time)
            if (path or event.kind != "workflow") and (event.kind not in _QUIET_KINDS or event.state == "failed"):
                self._ended(row, event)

    def _inside(self, row: _Row, number: int, event: Event, *, is_item: bool) -> None:
        """Count what happens in an item of a map, or an iteration of a loop."""
        if row.kind != "map":
            row.iteration = max(row.iteration, number + 1)
            return
        if not is_item or event.state == "running":
            return
        row.failed += event.state == "failed"
        row.done += event.state != "failed"
        row.cached += event.cached
        if self._live is None and time.monotonic() - row.told > _PAUSE:
            row.told = time.monotonic()
            self.write(logging.INFO, row.name, row.count())

    def _ended(self, row: _Row, event: Event) -> None:
        """Tell how a block ended."""
        words = [*filter(None, (row.count(ended=True), "from the cache" if event.cached else ""))]
        level = logging.ERROR if event.state == "failed" else logging.INFO
        if event.state == "skipped":
            words = ["skipped"]
        else:
            words.append(duration(round(event.time - row.start, 3)))
        if self._console is None:
            verb = {"success": "done", "failed": "failed", "skipped": ""}[event.state]
            self.write(level, row.name, ", ".join(filter(None, (verb, *words))))
            return
        from rich.text import Text

        sign, style = {"success": ("✔", "green"), "failed": ("✘", "bold red"), "skipped": ("○", "dim")}[event.state]
        name_style = "dim" if event.state == "skipped" else ""
        line = Text.assemble((f"{sign} ", style), (printable(row.name), name_style), (f"  {', '.join(words)}", "dim"))
        self._console.print(line, soft_wrap=True)

    def _running(self) -> RenderableType:
        """Return what is running, for the terminal."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        rows = [row for path, row in self._rows.copy().items() if path or row.kind != "workflow"]
        table = Table.grid(padding=(0, 1))
        now = time.time()
        for row in rows[-_MOST_ROWS:]:
            counted = row.items is not None
            bar = ProgressBar(total=row.items or 1, completed=row.done + row.failed, width=_BAR) if counted else ""
            seconds = Text(duration(max(0.0, round(now - row.start, 1))), "dim")
            table.add_row(self._spinner, Text(printable(row.name)), bar, Text(row.count(), "cyan"), seconds)
        more = len(rows) - _MOST_ROWS
        return Group(table, Text(f"  and {more} more", "dim")) if more > 0 else table
