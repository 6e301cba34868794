"""The tables as Outflow 0.9.2 leaves them, under its number, so that a database that it has made is brought up to date.

What came later is in the migrations after this one.
"""

import sqlalchemy as sa
from alembic import op

revision = "6739ea807c29"
down_revision = None
branch_labels = ("outflow.management",)
depends_on = None

_TABLES = ("outflow_configuration", "outflow_run", "outflow_block", "outflow_edge", "outflow_runtime_exception")


def upgrade() -> None:
    """Make the tables."""
    states = sa.Enum("pending", "running", "failed", "success", "skipped", name="stateenum")
    if op.get_context().dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        # Made once, though two tables use it.
        states.create(op.get_bind(), checkfirst=True)
        states = postgresql.ENUM(name="stateenum", create_type=False)

    def executable() -> list[sa.Column[object]]:
        return [
            sa.Column("uuid", sa.String(36), nullable=False, unique=True),
            sa.Column("start_time", sa.DateTime()),
            sa.Column("end_time", sa.DateTime()),
            sa.Column("state", states, nullable=False),
            sa.Column("hostname", sa.String(256)),
            sa.Column("id", sa.Integer(), primary_key=True),
        ]

    op.create_table(
        "outflow_configuration",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
    )
    op.create_table(
        "outflow_run",
        *executable(),
        sa.Column("configuration_id", sa.Integer(), sa.ForeignKey("outflow_configuration.id"), nullable=False),
        sa.Column("command_name", sa.String()),
    )
    op.create_table(
        "outflow_block",
        *executable(),
        sa.Column("type", sa.Enum("task", "workflow", name="blocktypeenum"), nullable=False),
        sa.Column("plugin", sa.String(256)),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("run_id", sa.Integer(), sa.ForeignKey("outflow_run.id"), nullable=False),
        sa.Column("input_targets", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("output_targets", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("input_values", sa.JSON(), server_default="{}"),
        sa.Column("parent_id", sa.Integer(), sa.ForeignKey("outflow_block.id")),
    )
    op.create_table(
        "outflow_edge",
        sa.Column("upstream_block_id", sa.Integer(), sa.ForeignKey("outflow_block.id"), primary_key=True),
        sa.Column("downstream_block_id", sa.Integer(), sa.ForeignKey("outflow_block.id"), primary_key=True),
    )
    op.create_table(
        "outflow_runtime_exception",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("block_id", sa.Integer(), sa.ForeignKey("outflow_block.id")),
        sa.Column("exception_type", sa.String(64), nullable=False),
        sa.Column("exception_msg", sa.Text(), nullable=False),
        sa.Column("traceback", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(), nullable=False),
    )
    for table in _TABLES:
        op.grant_permissions(table)  # type: ignore[attr-defined]


def downgrade() -> None:
    """Remove the tables, with all that is in them."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TYPE stateenum")
        op.execute("DROP TYPE blocktypeenum")
