"""What has been recorded, as data to be shown: the list of runs, and one run with its blocks and exceptions.

A run that says that it runs and does not is dead, and so are the blocks in which it was. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy
from sqlalchemy import ColumnElement, DateTime, distinct, func, select, type_coerce

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.records.databases import Databases
from fairlead.adapters.workflow.records.exceptions import DatabaseInvalid
from fairlead.adapters.workflow.records.graphs import graph_from
from fairlead.adapters.workflow.records.liveness import Process, is_dead
from fairlead.adapters.workflow.records.recorder import database_time
from fairlead.adapters.workflow.records.tables import Block, Configuration, Run, RuntimeException, StateEnum

if TYPE_CHECKING:
    from fairlead.adapters.workflow.graph import Graph

State = Literal["pending", "running", "success", "failed", "skipped", "dead"]


@dataclass(frozen=True)
class Summary:
    """One run as a line of a list. Times are UTC."""

    id: int
    uuid: str
    command: str
    arguments: tuple[str, ...]
    state: State
    start: datetime | None
    end: datetime | None
    """When it ended or, of a dead run, when it was last known to live: its last heartbeat, or what happened last."""
    host: str
    backend: str
    failed: int
    """How many blocks have raised and not been tried again with success."""

    @property
    def seconds(self) -> float | None:
        """How long it took, or has taken so far."""
        if self.start is None or (self.end is None and self.state != "running"):
            return None
        end = self.end or datetime.now(UTC).replace(tzinfo=None)
        return max(0.0, (end - self.start).total_seconds())

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        times = {name: value and f"{value.isoformat()}Z" for name, value in (("start", self.start), ("end", self.end))}
        return {**asdict(self), **times, "arguments": list(self.arguments), "seconds": self.seconds}


@dataclass(frozen=True)
class Raised:
    """An exception of a block."""

    path: str
    name: str
    type: str
    message: str
    traceback: str
    time: datetime


@dataclass(frozen=True)
class Details:
    """One run with all that is known of it."""

    summary: Summary
    graph: Graph | None
    """What was run; None for a run that Outflow has recorded."""
    states: Mapping[str, State]
    """How far each block has come, by its path."""
    counts: Mapping[str, int]
    """How many tasks, with nothing inside, are in each state."""
    cached: int
    """How many blocks were found in the result cache."""
    exceptions: Sequence[Raised]
    """In the order in which they were raised."""
    configuration: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        raised = [{**asdict(each), "time": f"{each.time.isoformat()}Z"} for each in self.exceptions]
        return {
            **self.summary.to_dict(),
            "blocks": dict(self.states),
            "counts": dict(self.counts),
            "cached": self.cached,
            "exceptions": raised,
            "configuration": dict(self.configuration),
        }


def list_runs(databases: Databases, *, limit: int | None = 20, state: State | None = None) -> list[Summary]:
    """Return the newest runs, the newest first.

    Args:
        databases: the main one is read.
        limit: how many at most; None for all.
        state: only runs that are in it.

    Raises `MigrationsMissing` or `DatabaseUnavailable`.
    """
    stored = "running" if state == "dead" else state
    where = [] if stored is None else [Run.state == StateEnum[stored]]
    with databases[None].engine.connect() as connection:
        found = _summaries(connection, where, limit=None if stored == "running" else limit)
    return [run for run in found if state is None or run.state == state][:limit]


def read_run(databases: Databases, which: str | int) -> Details:
    """Return one run by its number, by the start of its uuid, or the newest as ``last``.

    Raises `DatabaseInvalid` if there is none, or several.
    """
    with databases[None].engine.connect() as connection:
        where: list[ColumnElement[bool]] = []
        if str(which).isdecimal() and len(str(which)) < 8:  # noqa: PLR2004 (a uuid's first part has eight digits)
            where = [Run.id == int(which)]
        elif which != "last":
            where = [Run.uuid.startswith(str(which).lower(), autoescape=True)]
        found = _summaries(connection, where, limit=1 if which == "last" else 2)
        if len(found) != 1:
            raise DatabaseInvalid(
                Problem(
                    f"run {which}" if which != "last" else "the last run",
                    "there are several whose uuid starts so" if found else "there is none",
                    f"a run of databases.{databases.main} ({databases[None].login.place})",
                    "List them: fairlead runs.",
                )
            )
        return _details(connection, found[0])


def _summaries(
    connection: sqlalchemy.Connection, where: Sequence[ColumnElement[bool]], *, limit: int | None
) -> list[Summary]:
    newest = select(Run.__table__).where(*where).order_by(Run.id.desc()).limit(limit)
    rows = connection.execute(newest).all()
    if not rows:
        return []
    counted = (
        select(Block.run_id, func.count(distinct(Block.id)))
        .join(RuntimeException, RuntimeException.block_id == Block.id)
        .where(Block.state == StateEnum.failed, Block.run_id.between(rows[-1].id, rows[0].id))
        .group_by(Block.run_id)
    )
    failed: dict[int, int] = {row[0]: row[1] for row in connection.execute(counted)}
    time = connection.scalar(select(type_coerce(database_time(connection), DateTime)))
    assert time is not None
    found = [_summary(row, time, failed.get(row.id, 0)) for row in rows]
    dead = [run.id for run in found if run.state == "dead"]
    last = _last_events(connection, dead) if dead else {}
    return [replace(run, end=max(filter(None, (run.end, *last[run.id])))) if run.id in last else run for run in found]


def _last_events(connection: sqlalchemy.Connection, runs: Sequence[int]) -> dict[int, tuple[datetime | None, ...]]:
    """Return when, in each of some runs, a block started last and one ended last."""
    query = select(Block.run_id, func.max(Block.start_time), func.max(Block.end_time)).group_by(Block.run_id)
    rows = connection.execute(query.where(Block.run_id.between(min(runs), max(runs))))
    wanted = set(runs)
    return {key: tuple(times) for key, *times in rows if key in wanted and any(times)}


def _summary(row: Any, time: datetime, failed: int) -> Summary:
    state: State = row.state.name
    end = row.end_time
    if state in {"running", "pending"}:
        process = Process(row.hostname or "", row.pid, row.process) if row.pid and row.process else None
        age = None if row.heartbeat is None else (time - row.heartbeat).total_seconds()
        if is_dead(process, age, row.heartbeat_limit):
            state, end = "dead", row.heartbeat
    return Summary(
        id=row.id,
        uuid=row.uuid,
        command=row.command_name or "",
        arguments=tuple(row.arguments or ()),
        state=state,
        start=row.start_time,
        end=end,
        host=row.hostname or "",
        backend=row.backend or "",
        failed=failed,
    )


def _details(connection: sqlalchemy.Connection, summary: Summary) -> Details:
    run = connection.execute(
        select(Run.graph, Configuration.config).join(Configuration).where(Run.id == summary.id)
    ).one()
    blocks = connection.execute(
        select(Block.id, Block.path, Block.name, Block.state, Block.type, Block.cached)
        .where(Block.run_id == summary.id)
        .order_by(Block.id)
    ).all()
    exceptions = connection.execute(
        select(RuntimeException.__table__, Block.path, Block.name)
        .join(Block, RuntimeException.block_id == Block.id)
        .where(Block.run_id == summary.id)
        .order_by(RuntimeException.id)
    ).all()
    is_over = summary.state == "dead"
    states: dict[str, State] = {}
    counts: dict[str, int] = {}
    for block in blocks:
        state: State = "dead" if is_over and block.state is StateEnum.running else block.state.name
        states[f"{block.name} ({block.id})" if block.path is None else block.path] = state
        if block.type.name == "task":
            counts[state] = counts.get(state, 0) + 1
    return Details(
        summary=summary,
        graph=graph_from(run.graph) if run.graph else None,
        states=states,
        counts=counts,
        cached=sum(bool(block.cached) for block in blocks),
        exceptions=[
            Raised(each.path or "", each.name, each.exception_type, each.exception_msg, each.traceback, each.time)
            for each in exceptions
        ],
        configuration=run.config or {},
    )
