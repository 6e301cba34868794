"""Records laid out for people: the table of runs, and one run with its drawing and what was raised.

It makes what rich prints, and prints it on standard output; what is read for it, and when, is somebody else's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fairlead.adapters.presentation import duration
from fairlead.adapters.workflow.records.reading import Details, Raised, State, Summary

_STYLES: dict[State, str] = {
    "pending": "dim",
    "running": "bold cyan",
    "success": "green",
    "failed": "bold red",
    "skipped": "dim",
    "dead": "bold magenta",
}
_UNBROKEN = 1000
_ORDER: tuple[State, ...] = ("success", "running", "failed", "dead", "pending", "skipped")


def show(content: RenderableType) -> None:
    """Print it: as wide as the terminal, or elsewhere in lines that are not broken."""
    console = Console(width=None if sys.stdout.isatty() else _UNBROKEN, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(content)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def table_of(runs: Iterable[Summary]) -> RenderableType:
    """Return a table of runs; times are local."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("run", justify="right")
    table.add_column("command", overflow="ellipsis", no_wrap=True)
    for name in ("state", "started"):
        table.add_column(name, no_wrap=True)
    table.add_column("duration", justify="right", no_wrap=True)
    table.add_column("host", overflow="ellipsis", no_wrap=True)
    table.add_column("failed blocks", justify="right", no_wrap=True)
    for run in runs:
        table.add_row(
            str(run.id),
            Text(_one_line(run.command)),
            Text(run.state, _STYLES[run.state]),
            _local(run),
            "" if run.seconds is None else duration(run.seconds),
            Text(_one_line(run.host), "dim"),
            Text(str(run.failed), "bold red") if run.failed else Text("0", "dim"),
        )
    return table if table.row_count else Text("No runs have been recorded here.", "dim")


def sheet_of(details: Details) -> RenderableType:
    """Return all of one run: facts, the workflow with its states, and exceptions with their tracebacks."""
    run = details.summary
    head = Text.assemble((f"run {run.id}", "bold"), "  ", _one_line(run.command), "  ", (run.state, _STYLES[run.state]))
    took = "" if run.seconds is None else f"  ({duration(run.seconds)})"
    states = [f"{details.counts[state]} {state}" for state in _ORDER if state in details.counts]
    facts = {
        "started": f"{_local(run)}{took}",
        "host": run.host,
        "backend": run.backend,
        "arguments": " ".join(run.arguments),
        "tasks": ", ".join(states),
        "cached": str(details.cached) if details.cached else "",
        "uuid": run.uuid,
    }
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        if value:
            grid.add_row(Text(name, "dim"), Text(_one_line(value), overflow="fold"))
    parts: list[RenderableType] = [head, Padding(grid, (0, 0, 0, 2), expand=False)]
    if details.graph is not None:
        from fairlead.adapters.workflow.drawing import tree

        parts += ["", tree(details.graph, details.states)]
    else:
        parts += [
            "",
            *(Text(f"  {state:8} {_one_line(name)}", _STYLES[state]) for name, state in details.states.items()),
        ]
    return Group(*parts, *exceptions_of(details.exceptions))


def exceptions_of(raised: Iterable[Raised]) -> list[RenderableType]:
    """Return exceptions with their tracebacks."""
    parts: list[RenderableType] = []
    for each in raised:
        summary = f"{each.type}: {each.message}".strip().rstrip(":")
        parts += [
            "",
            Text.assemble(
                (_one_line(each.path or each.name), "bold"), "  ", (_one_line(summary), "red"), overflow="fold"
            ),
            *(Text(f"    {line}", "dim", overflow="fold") for line in _lines(each.traceback)),
        ]
    return parts


def _lines(text: str) -> list[str]:
    return ["".join(character if character.isprintable() else "·" for character in line) for line in text.splitlines()]


def _one_line(text: str) -> str:
    return " ".join(" ".join(_lines(text)).split())


def _local(run: Summary) -> str:
    return "" if run.start is None else f"{run.start.replace(tzinfo=UTC).astimezone():%Y-%m-%d %H:%M:%S}"
