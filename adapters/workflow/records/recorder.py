"""Records a run in a database while it goes on: ``run(workflow, observer=recorder)``.

Events are only put into a queue where they happen. A thread makes rows of them (``ledger``), writes them twice a second
in one transaction, and leaves a heartbeat. If the database cannot be written for a minute, that is logged and the run
goes on without records. The module reads nothing back; see ``reading``.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.exc import InterfaceError, OperationalError

from fairlead.adapters.errors import FairleadError
from fairlead.adapters.workflow.block import Block as WorkflowBlock
from fairlead.adapters.workflow.exceptions import ExitPipeline
from fairlead.adapters.workflow.failures import Failure, failure_of
from fairlead.adapters.workflow.masking import Mask, secrets_in, shown_configuration
from fairlead.adapters.workflow.records.databases import Database, Databases, missing
from fairlead.adapters.workflow.records.exceptions import MigrationsMissing
from fairlead.adapters.workflow.records.graphs import document_of
from fairlead.adapters.workflow.records.ledger import Changes, Ledger, Row
from fairlead.adapters.workflow.records.liveness import this_process
from fairlead.adapters.workflow.records.tables import REVISION, Block, Configuration, Edge, Run, RuntimeException, now
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from types import TracebackType

    from fairlead.adapters.workflow.run_state import Event

_logger = logging.getLogger(__name__)
_INTERVAL = 0.5
"""Seconds between two writings."""
_MOST_WAITING = 10_000
"""Events that wait to be written, at most; then who tells another one waits."""
_PATIENCE = 60.0
"""Seconds for which a database that cannot be written is tried again."""
_FIRST_BEAT = 1.0
"""Seconds to the first heartbeat; the pauses double up to those that are asked for."""
_BEATS = 6
"""How many heartbeats a run may miss."""
_UPDATED = ("state", "start_time", "end_time", "input_values", "cached")


class Recorder:
    """The observer of one run, which it records; a context manager round that run.

    How it works: entering makes the run's row. Each event is told by calling the recorder. Leaving ends the run: as a
    failure if an exception comes through, else as a success; then all is written, or it is logged why not.
    """

    def __init__(
        self,
        databases: Databases | str,
        workflow: Workflow,
        *,
        command: str | None = None,
        arguments: Sequence[str] = (),
        configuration: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        backend: str = "default",
        heartbeat: float = 10.0,
    ) -> None:
        """Take what is known of the run before it starts.

        Args:
            databases: those of the configuration, of which the main one is written to; or the URL of one.
            workflow: what is run.
            command: what it is called in lists; the workflow's name without it.
            arguments: the command line; secrets in it are masked.
            configuration: what it is configured with; passwords and what is under ``secrets`` are not recorded.
            settings: the pipeline's settings.
            backend: the engine.
            heartbeat: seconds between two signs of life; after six without one, the run is held to be dead, unless its
                process can be seen.
        """
        self.databases = Databases.at(databases) if isinstance(databases, str) else databases
        self._closes = isinstance(databases, str)
        self.workflow = workflow
        self.run_id: int | None = None
        """The key of the run's row, from the start on."""
        self._command = command or workflow.name
        self._arguments, self._backend = list(arguments), backend
        self._configuration, self._settings = configuration or {}, settings or {}
        self._heartbeat = heartbeat
        self._waiting: deque[Event] = deque()
        self._wake, self._room = threading.Event(), threading.Event()
        self._end: tuple[str, float, Failure | None] | None = None
        self._given_up = False
        self._process = os.getpid()

    def __call__(self, event: Event) -> None:
        """Take an event; what it makes of the rows is written soon after."""
        if self._given_up or self._end is not None:
            return
        self._waiting.append(event)
        if len(self._waiting) > _MOST_WAITING:
            self._wait_for_room()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run as what came of it."""
        if error is None or isinstance(error, ExitPipeline):
            self.finish("success")
        else:
            self.finish("failed", failure_of(error, 0, {}))

    def start(self) -> None:
        """Make the run's row, and begin to write.

        Raises:
            MigrationsMissing: the database has not the tables that are needed.
            DatabaseUnavailable: it cannot be reached.
            DatabaseInvalid: its configuration cannot be used.
        """
        database = self.databases[None]
        _check(database)
        self._engine = database.engine
        mask = Mask(self.databases.secrets | secrets_in(self._configuration))
        graph = self.workflow.graph()
        process = this_process()
        shown = shown_configuration(self._configuration, mask), shown_configuration(self._settings, mask)
        with self._engine.begin() as connection:
            run = {
                "uuid": str(uuid.uuid4()),
                "state": "running",
                "start_time": now(),
                "hostname": process.host[:256],
                "configuration_id": _configuration_id(connection, *shown),
                "command_name": mask.text(self._command),
                "arguments": mask.arguments(self._arguments),
                "backend": self._backend,
                "pid": process.pid,
                "process": process.mark,
                "heartbeat": database_time(connection),
                "heartbeat_limit": self._heartbeat * _BEATS,
                "graph": document_of(graph),
            }
            key: int = connection.execute(_RUNS.insert().values(run).returning(_RUNS.c.id)).scalar_one()
        self.run_id = key
        self._ledger = Ledger(
            key,
            self.workflow.name,
            self.workflow.kind,
            graph,
            mask=mask,
            hostname=process.host[:256],
            plugins=_plugins(self.workflow),
        )
        self._thread = threading.Thread(target=self._work, name=f"records of run {self.run_id}", daemon=True)
        self._thread.start()
        atexit.register(self._at_exit)

    def finish(self, state: str = "success", failure: Failure | None = None) -> None:
        """End the run, and return when that is written; does nothing if it has ended."""
        if self._end is None and self.run_id is not None:
            self._end = (state, time.time(), failure)
            self._wake.set()
            self._thread.join(_PATIENCE + _INTERVAL)
            if self._thread.is_alive():
                self._give_up("the database is still locked; who has written and not committed?")
            atexit.unregister(self._at_exit)
            if self._closes:
                self.databases.close()

    def _at_exit(self) -> None:
        if self._process == os.getpid():
            self.finish("failed")

    def _wait_for_room(self) -> None:
        self._room.clear()
        self._wake.set()
        if len(self._waiting) > _MOST_WAITING and not self._room.wait(_PATIENCE) and not self._given_up:
            self._give_up("its events have waited for too long; does this thread hold a lock in the database?")

    # In the thread

    def _work(self) -> None:
        since: float | None = None
        pause = min(_FIRST_BEAT, self._heartbeat)
        beat = time.monotonic() + pause
        changes = Changes()
        while not self._given_up:
            self._wake.wait(_INTERVAL)
            self._wake.clear()
            is_last = self._end is not None
            try:
                self._take(changes)
                if is_last and self._end is not None:
                    self._ledger.end(*self._end)
                    _add(changes, self._ledger.changes())
                is_due = time.monotonic() >= beat
                if changes or is_due or is_last:
                    self._write(changes, beats=is_due or is_last, end=self._end if is_last else None)
                    changes = Changes()
                    if is_due:
                        pause = min(2 * pause, self._heartbeat)
                        beat = time.monotonic() + pause
                since = None
                if is_last:
                    return
            except Exception as error:  # noqa: BLE001 (records must not end the run that they are of)
                since = since or time.monotonic()
                if time.monotonic() - since > _PATIENCE or not _may_pass(error):
                    self._give_up(f"{type(error).__name__}: {error}")

    def _take(self, changes: Changes) -> None:
        for _ in range(len(self._waiting)):
            self._ledger.take(self._waiting.popleft())
        self._room.set()
        _add(changes, self._ledger.changes())

    def _write(self, changes: Changes, *, beats: bool, end: tuple[str, float, Failure | None] | None) -> None:
        """Write all that has changed, in one transaction."""
        try:
            with self._engine.begin() as connection:
                for depth in sorted({row.depth for row in changes.new}):
                    _insert(connection, [row for row in changes.new if row.depth == depth])
                if changes.changed:
                    rows = [
                        {"key": row.id, **{name: row.columns[name] for name in _UPDATED}}
                        for row in changes.changed.values()
                    ]
                    connection.execute(_UPDATE, rows)
                if changes.edges:
                    edges = [{"upstream_block_id": up.id, "downstream_block_id": down.id} for up, down in changes.edges]
                    connection.execute(_EDGES.insert(), edges)
                if changes.exceptions:
                    raised = [{"block_id": row.id, **columns} for row, columns in changes.exceptions]
                    connection.execute(_EXCEPTIONS.insert(), raised)
                if beats or end:
                    ends = {} if end is None else {"state": end[0], "end_time": now()}
                    one = update(_RUNS).where(_RUNS.c.id == self.run_id)
                    connection.execute(one.values(heartbeat=database_time(connection), **ends))
        except BaseException:
            for row in changes.new:
                row.id = None
            raise

    def _give_up(self, why: str) -> None:
        self._given_up = True
        self._waiting.clear()
        self._room.set()
        _logger.error("Run %s is not recorded any more, and goes on: %s", self.run_id, why)


_RUNS, _BLOCKS, _EDGES, _EXCEPTIONS, _CONFIGURATIONS = (
    Run.metadata.tables[model.__tablename__] for model in (Run, Block, Edge, RuntimeException, Configuration)
)
_UPDATE = update(_BLOCKS).where(_BLOCKS.c.id == bindparam("key")).values({name: bindparam(name) for name in _UPDATED})


def database_time(connection: sqlalchemy.Connection) -> Any:
    """Return an expression for the database's own time in UTC, which all machines agree on."""
    if connection.dialect.name == "postgresql":
        return func.timezone("UTC", func.now())
    return func.strftime("%Y-%m-%d %H:%M:%f", "now")  # what SQLite calls the current time ends with the second


def _check(database: Database) -> None:
    """Raise `MigrationsMissing` unless the tables are as they are written to; Alembic, which is slow, is not asked."""
    versions = sqlalchemy.table("alembic_version", sqlalchemy.column("version_num"))
    with database.engine.connect() as connection:
        if REVISION not in connection.scalars(select(versions.c.version_num)).all():
            raise MigrationsMissing(
                missing(database.login, f"the tables of run records are not of revision {REVISION}")
            )


def _insert(connection: sqlalchemy.Connection, rows: list[Row]) -> None:
    values = [{**row.columns, "parent_id": row.parent.id if row.parent else None} for row in rows]
    made = connection.execute(_BLOCKS.insert().returning(_BLOCKS.c.id, sort_by_parameter_order=True), values)
    for row, key in zip(rows, made.scalars(), strict=True):
        row.id = key


def _add(changes: Changes, more: Changes) -> None:
    """Put more changes to those that could not be written yet."""
    changes.new += more.new
    changes.changed.update(more.changed)
    changes.edges += more.edges
    changes.exceptions += more.exceptions


def _may_pass(error: Exception) -> bool:
    """Tell whether it may help to write again: somebody holds a lock, or the server starts anew."""
    if isinstance(error, FairleadError):
        return error.retryable
    return isinstance(error, OperationalError | InterfaceError)


def _configuration_id(connection: sqlalchemy.Connection, config: dict[str, Any], settings: dict[str, Any]) -> int:
    """Return the key of a configuration, which is kept once."""
    text = json.dumps([config, settings], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    table = _CONFIGURATIONS
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    values = {"config": config, "settings": settings, "hash": digest}
    connection.execute(insert(table).values(values).on_conflict_do_nothing(index_elements=["hash"]))
    key: int = connection.execute(select(table.c.id).where(table.c.hash == digest)).scalar_one()
    return key


def _plugins(workflow: Workflow) -> dict[str, str]:
    """Return the plugins of all blocks that come from one, by the names of the blocks."""
    found: dict[str, str] = {}
    blocks: list[WorkflowBlock] = [workflow]
    while blocks:
        block = blocks.pop()
        plugin = getattr(block, "plugin_name", None)
        if isinstance(plugin, str):
            found[block.name] = plugin[:256]
        blocks += block.blocks if isinstance(block, Workflow) else []
    return found
