"""What fairlead records besides: how a run was called, whether it lives, and where a block stands in its workflow.

Rows of before have none of it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "f1a71ead0001"
down_revision = "6739ea807c29"
branch_labels = None
depends_on = None

_COLUMNS: dict[str, dict[str, Any]] = {
    "outflow_run": {
        "arguments": sa.JSON(),
        "backend": sa.String(64),
        "pid": sa.Integer(),
        "process": sa.String(128),
        "heartbeat": sa.DateTime(),
        "heartbeat_limit": sa.Float(),
        "graph": sa.JSON(),
    },
    "outflow_block": {
        "path": sa.Text(),
        "kind": sa.String(32),
        "cached": sa.Boolean(),
    },
}
_INDEXES = (
    ("outflow_block", "run_id"),
    ("outflow_runtime_exception", "block_id"),
)


def upgrade() -> None:
    """Add columns and indexes."""
    for table, columns in _COLUMNS.items():
        for name, kind in columns.items():
            op.add_column(table, sa.Column(name, kind))
    for table, name in _INDEXES:
        op.create_index(f"ix_{table}_{name}", table, [name])
    if op.get_context().dialect.name == "postgresql":  # SQLite takes texts of any length
        op.alter_column("outflow_runtime_exception", "exception_type", type_=sa.String(256))


def downgrade() -> None:
    """Remove them."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("UPDATE outflow_runtime_exception SET exception_type = substr(exception_type, 1, 64)")
        op.alter_column("outflow_runtime_exception", "exception_type", type_=sa.String(64))
    for table, name in _INDEXES:
        op.drop_index(f"ix_{table}_{name}", table)
    for table, columns in _COLUMNS.items():
        for name in columns:
            op.drop_column(table, name)
