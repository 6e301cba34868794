"""The tables of run records: configurations, runs, blocks, edges and exceptions, with Outflow's names and columns.

What Outflow does not have comes after its columns: how a run was called and where it runs, so that a dead one can be
told from a living one, and where a block stands in its workflow. All times are UTC. Who writes them is ``recorder``.
"""

from __future__ import annotations

import enum
import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Boolean, DateTime, Enum, Float, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fairlead.adapters.workflow.records.models import Model

REVISION = "f1a71ead0001"
"""The migration after which the tables are as they are here."""


class StateEnum(enum.Enum):
    """How far a run or a block has come."""

    pending = 1
    running = 2
    failed = 3
    success = 4
    skipped = 5


class BlockTypeEnum(enum.Enum):
    """Whether there is anything inside a block."""

    task = 1
    workflow = 2


def now() -> datetime:
    """Return the time, in UTC, as the tables have it."""
    return datetime.now(UTC).replace(tzinfo=None)


class Executable:
    """What runs and blocks have in common."""

    uuid: Mapped[str] = mapped_column(String(36), nullable=False, unique=True, default=lambda: str(uuid.uuid4()))
    start_time: Mapped[datetime | None] = mapped_column(DateTime)
    end_time: Mapped[datetime | None] = mapped_column(DateTime)
    state: Mapped[StateEnum] = mapped_column(
        Enum(StateEnum, name="stateenum"), nullable=False, default=StateEnum.pending
    )
    hostname: Mapped[str | None] = mapped_column(String(256))


class Configuration(Model):
    """A configuration that runs were made with, without passwords, and with secrets masked."""

    __tablename__ = "outflow_configuration"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    config: Mapped[Any] = mapped_column(JSON, nullable=False)
    settings: Mapped[Any] = mapped_column(JSON, nullable=False)
    hash: Mapped[str] = mapped_column(String(64), nullable=False, unique=True)
    runs: Mapped[list[Run]] = relationship(back_populates="configuration")


class Run(Executable, Model):
    """One run of a command or a workflow."""

    __tablename__ = "outflow_run"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    configuration_id: Mapped[int] = mapped_column(ForeignKey("outflow_configuration.id"), nullable=False)
    command_name: Mapped[str | None] = mapped_column(String)
    arguments: Mapped[Any] = mapped_column(JSON, nullable=True)
    """The command line, as a list, with secrets masked."""
    backend: Mapped[str | None] = mapped_column(String(64))
    pid: Mapped[int | None] = mapped_column(Integer)
    process: Mapped[str | None] = mapped_column(String(128))
    """What tells the process from others of the same number; see ``liveness``."""
    heartbeat: Mapped[datetime | None] = mapped_column(DateTime)
    heartbeat_limit: Mapped[float | None] = mapped_column(Float)
    """After how many seconds without a heartbeat the run is dead."""
    graph: Mapped[Any] = mapped_column(JSON, nullable=True)
    configuration: Mapped[Configuration] = relationship(back_populates="runs")
    blocks: Mapped[list[Block]] = relationship(back_populates="run")


class Edge(Model):
    """One block gets its inputs from another."""

    __tablename__ = "outflow_edge"
    upstream_block_id: Mapped[int] = mapped_column(ForeignKey("outflow_block.id"), primary_key=True)
    downstream_block_id: Mapped[int] = mapped_column(ForeignKey("outflow_block.id"), primary_key=True)


class Block(Executable, Model):
    """One block in one run: a task, a workflow, a map, one of its items."""

    __tablename__ = "outflow_block"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    type: Mapped[BlockTypeEnum] = mapped_column(Enum(BlockTypeEnum, name="blocktypeenum"), nullable=False)
    plugin: Mapped[str | None] = mapped_column(String(256))
    name: Mapped[str] = mapped_column(String(256), nullable=False)
    run_id: Mapped[int] = mapped_column(ForeignKey("outflow_run.id"), nullable=False, index=True)
    input_targets: Mapped[Any] = mapped_column(JSON, nullable=False, default=dict)
    output_targets: Mapped[Any] = mapped_column(JSON, nullable=False, default=dict)
    input_values: Mapped[Any] = mapped_column(JSON, nullable=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("outflow_block.id"))
    path: Mapped[str | None] = mapped_column(Text)
    """Where it is in the workflow, e.g. ``fit[3]/smooth``; empty for the workflow itself."""
    kind: Mapped[str | None] = mapped_column(String(32))
    cached: Mapped[bool | None] = mapped_column(Boolean)
    """Whether its outputs were found in the result cache."""
    run: Mapped[Run] = relationship(back_populates="blocks")
    parent: Mapped[Block | None] = relationship(back_populates="children", remote_side="Block.id")
    children: Mapped[list[Block]] = relationship(back_populates="parent")
    exceptions: Mapped[list[RuntimeException]] = relationship(back_populates="block")
    upstream_blocks: Mapped[list[Block]] = relationship(
        secondary="outflow_edge",
        primaryjoin=lambda: Block.id == Edge.downstream_block_id,
        secondaryjoin=lambda: Block.id == Edge.upstream_block_id,
        back_populates="downstream_blocks",
    )
    downstream_blocks: Mapped[list[Block]] = relationship(
        secondary="outflow_edge",
        primaryjoin=lambda: Block.id == Edge.upstream_block_id,
        secondaryjoin=lambda: Block.id == Edge.downstream_block_id,
        back_populates="upstream_blocks",
    )


class RuntimeException(Model):
    """What a block raised; of one that was tried again, there may be several."""

    __tablename__ = "outflow_runtime_exception"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    block_id: Mapped[int | None] = mapped_column(ForeignKey("outflow_block.id"), index=True)
    exception_type: Mapped[str] = mapped_column(String(256), nullable=False)
    exception_msg: Mapped[str] = mapped_column(Text, nullable=False)
    traceback: Mapped[str] = mapped_column(Text, nullable=False)
    time: Mapped[datetime] = mapped_column(DateTime, nullable=False)
    block: Mapped[Block | None] = relationship(back_populates="exceptions")
