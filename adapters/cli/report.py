"""What the command tells people: an outcome, a contract or an error, laid out for the terminal's width.

Numbers are shown to six digits and long data is shortened; ``--json`` and ``--output-dir`` give all of it. Where the
stream is not a terminal, nothing is coloured or wrapped. The module decides nothing.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fairlead.adapters import storage
from fairlead.adapters.cli.terminal import printable
from fairlead.adapters.errors import ContractError, FairleadError, Problem, RunFailed
from fairlead.adapters.presentation import duration, is_table, size

if TYPE_CHECKING:
    from fairlead.adapters.cli.validation import Contract
    from fairlead.adapters.perform import Outcome

_MOST_PROBLEMS = 20
_MOST_ROWS = 36
_MOST_CHARACTERS = 200


def show_outcome(outcome: Outcome, folder: Path | None, strangers: Sequence[str]) -> None:
    """Show what came of a run.

    Args:
        outcome: what `perform` returned.
        folder: where the outputs were written, if they were.
        strangers: files in the folder's datasets that are not part of the outcome.
    """
    console = _console(sys.stdout)
    if outcome.cached:
        how = f"found in the cache in {duration(outcome.seconds)} (computed in {duration(outcome.run_seconds)})"
    else:
        how = f"computed in {duration(outcome.run_seconds)}"
    console.print(Text.assemble((outcome.unit, "bold"), "  ", (how, "green")))
    for name, value in outcome.outputs.items():
        if name != "output_manifest":
            _section(console, name.replace("_", " "), _values(value, console))
    if outcome.files or folder:
        root = str(folder or outcome.files[0].location.removesuffix(outcome.files[0].name).rstrip("/"))
        rows: list[tuple[str | Text, ...]] = [(f"{name}.json",) for name in outcome.outputs] if folder else []
        rows += [(file.name, Text(size(file.size), "dim", justify="right")) for file in outcome.files]
        _section(console, f"files in {root}", _grid(rows))
    _facts(console, {f"dataset '{key}' is also in": place for key, place in _delivered(outcome).items()})
    if strangers:
        names = ", ".join(strangers[:3]) + (f" and {len(strangers) - 3} more" if strangers[3:] else "")
        console.print(Text(f"  There too, and not part of this result: {names}", "yellow"), soft_wrap=True)
    _facts(console, {"fingerprint": outcome.fingerprint, "log": outcome.log, "diagnostics": outcome.diagnostics})


def _delivered(outcome: Outcome) -> dict[str, str]:
    """Return the places of output datasets that are elsewhere than in the cache, by key."""
    if not outcome.files:
        return {}
    datasets = outcome.outputs.get("output_manifest", {}).get("datasets", {})
    kept = {file.location.removesuffix(file.name.partition("/")[2]).rstrip("/") for file in outcome.files}
    return {
        key: storage.plain_url(dataset["path"])  # without the signature, which is not for every log of a terminal
        for key, dataset in datasets.items()
        if dataset["files"] and dataset["path"] not in kept
    }


def show_contract(contract: Contract) -> None:
    """Show a valid contract: its strands, what is in them, and which of them were given and are valid too."""
    console = _console(sys.stdout)
    console.print(Text.assemble((contract.subject, "bold"), "  ", ("valid", "green")), soft_wrap=True)
    console.print()
    rows: list[tuple[Text, ...]] = []
    has_members = any(strand.members for strand in contract.strands.values())  # an empty column takes another's room
    for name, strand in contract.strands.items():
        needed = Text("required" if strand.required else "optional", "dim")
        state = Text("given, valid", "green") if strand.checked else needed
        rows.append((Text(name), state, *([Text(", ".join(strand.members))] if has_members else [])))
    _indented(console, _grid(rows))
    if contract.warnings:
        count = len(contract.warnings)
        console.print()
        console.print(Text(f"{count} warning{'s' if count > 1 else ''}", "bold yellow"))
        _problems(console, contract.warnings)


def show_result(outcome: Mapping[str, Any]) -> None:
    """Show what came of a workflow; ``outcome`` is its JSON data."""
    console = _console(sys.stdout)
    how = f"{'ended early' if outcome['exited'] else 'done'} in {duration(outcome['seconds'])}"
    console.print(Text.assemble((printable(outcome["workflow"]), "bold"), "  ", (how, "green")), soft_wrap=True)
    if outcome["outputs"]:
        _section(console, "outputs", _values(outcome["outputs"], console))
    if failures := outcome["failures"]:
        rows = [_failed_item(failure, outcome["workflow"]) for failure in failures[:_MOST_ROWS]]
        count = len(failures)
        _section(console, f"{count} item{'s' if count > 1 else ''} failed", _grid(rows))
        if failures[_MOST_ROWS:]:
            console.print(f"  and {count - _MOST_ROWS} more")


def _failed_item(failure: Mapping[str, Any], workflow: str) -> tuple[Text, str, str]:
    """Return which item failed, what it was given, and what went wrong."""
    place = Text(printable(f"{failure['path'] or workflow}[{failure['index']}]"), "red")
    given = ", ".join(f"{name}={_short(value)}" for name, value in failure["inputs"].items())
    said = f": {failure['message']}" if failure["message"] else ""
    return place, given, printable(f"{failure['type']}{said}")


def show_drawing(drawing: str | Text) -> None:
    """Show a drawing; in colours, its lines are cut at the terminal's edge."""
    is_text = isinstance(drawing, str)
    _console(sys.stdout).print(drawing, soft_wrap=is_text, no_wrap=True, overflow="ignore" if is_text else "ellipsis")


def show_traceback(lines: str) -> None:
    """Show on standard error where user code raised."""
    _console(sys.stderr).print(Text(printable(lines)), end="", soft_wrap=True)


def show_error(error: FairleadError, *, tail: bool) -> None:
    """Show on standard error what went wrong and what to do; ``tail`` asks for the run's last lines too."""
    console = _console(sys.stderr)
    name = type(error).__name__
    if isinstance(error, ContractError):
        summary = (type(error).__doc__ or "").partition("\n")[0]
        console.print(Text.assemble((f"{name}: ", "bold red"), summary), soft_wrap=True)
        _problems(console, error.problems)
    else:
        console.print(Text.assemble((f"{name}: ", "bold red"), printable(error.message)))
        if error.remedy:
            console.print(printable(error.remedy))
    if isinstance(error, RunFailed) and error.tail and tail:
        _lines(console, "Its last lines:", error.tail)
    _facts(console, {"log": error.log, "diagnostics": error.diagnostics})


def show_replay(summary: str, facts: Mapping[str, str]) -> None:
    """Show on standard error which run is run again, and what is different this time."""
    console = _console(sys.stderr)
    console.print(Text(printable(summary), "bold"))
    _indented(console, _grid((Text(name, "dim"), printable(text)) for name, text in facts.items()))
    console.print()


def show_verdict(text: str, *, good: bool) -> None:
    """Show on standard error how a replay compares with what was recorded."""
    _console(sys.stderr).print(Text(printable(text), "bold green" if good else "bold yellow"))


def _problems(console: Console, problems: Iterable[Problem]) -> None:
    told = list(problems)
    for problem in told[:_MOST_PROBLEMS]:
        console.print()
        console.print(Text(printable(problem.where), "bold"), soft_wrap=True)
        facts = (("found", problem.found), ("expected", problem.expected), ("remedy", problem.remedy))
        _indented(console, _grid((Text(key, "dim"), printable(text)) for key, text in facts if text))
    if told[_MOST_PROBLEMS:]:
        console.print()
        console.print(f"and {len(told) - _MOST_PROBLEMS} more", soft_wrap=True)


class _Console(Console):
    """One that leaves it to the command how to end where nobody reads any more."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def _console(stream: TextIO) -> Console:
    width = None if stream.isatty() else 1000
    return _Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def _section(console: Console, heading: str, content: RenderableType) -> None:
    console.print()
    console.print(Text(heading, "bold"), soft_wrap=True)
    _indented(console, content)


def _indented(console: Console, content: RenderableType) -> None:
    """Show a table without the spaces that fill its last column."""
    with console.capture() as capture:
        console.print(Padding(content, (0, 0, 0, 2), expand=False))
    for line in capture.get().splitlines():
        print(line.rstrip(), file=console.file)


def _facts(console: Console, facts: Mapping[str, str | None]) -> None:
    """Show what people copy: never wrapped."""
    known = {name: value for name, value in facts.items() if value}
    if known:
        console.print()
    for name, value in known.items():
        console.print(Text.assemble((f"{name:{max(map(len, known))}}  ", "dim"), value), soft_wrap=True)


def _lines(console: Console, heading: str, lines: Iterable[str]) -> None:
    console.print()
    console.print(heading)
    for line in lines:
        console.print(Text(f"    {printable(line)}"), soft_wrap=True)


def _grid(rows: Iterable[Sequence[str | Text]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") if isinstance(cell, str) else cell for cell in row))
    return table


def _values(values: Any, console: Console) -> RenderableType:
    """Lay out JSON data: names and values first, then each list of records as a table."""
    if not isinstance(values, Mapping):
        return _records(values, console) or Text(_short(values))
    tables = {name: table for name, item in values.items() if (table := _records(item, console))}
    rows = [(str(name), _short(item)) for name, item in values.items() if name not in tables]
    return Group(_grid(rows), *(Group("", Text(name), table) for name, table in tables.items()))


def _records(items: Any, console: Console) -> Table | None:
    """Return a list of flat objects as a table, if it is one and there is room for it."""
    if not is_table(items) or len(items) > _MOST_ROWS:
        return None
    for space in (1, 0):
        table = Table(box=SIMPLE_HEAD, padding=(0, space, 0, 0), pad_edge=False, show_edge=False)
        for name, field in items[0].items():
            justify: Literal["left", "right"] = "left" if isinstance(field, str) else "right"
            table.add_column(Text(str(name).replace("_", " " if space else "\n")), justify=justify)
        for item in items:
            table.add_row(*(_short(item[name]) for name in items[0]))
        if Measurement.get(console, console.options, table).minimum <= console.width - 2:
            return table
    return None


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        text = printable(value)
    elif isinstance(value, list) and all(isinstance(item, int | float) for item in value):
        text = ", ".join(map(_short, value[:_MOST_ROWS])) or "[]"
        if value[_MOST_ROWS:] and len(text) <= _MOST_CHARACTERS:
            return f"{text}, …"
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]} …"
