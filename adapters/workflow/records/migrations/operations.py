"""What migrations can say besides Alembic's own operations: who may use a table.

``op.grant_permissions("table")`` lets the role ``user`` of the database read and write a table that the role ``admin``
has made, and draw numbers for its keys; ``op.revoke_permissions("table")`` takes that back. SQLite has no roles, and
there both do nothing.
"""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import text

_SEQUENCES = """DO $$
DECLARE sequence text;
BEGIN
    FOR sequence IN
        SELECT pg_get_serial_sequence('{table}', attname) FROM pg_attribute
        WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped
    LOOP
        IF sequence IS NOT NULL THEN
            EXECUTE format('{action} USAGE, SELECT ON SEQUENCE %s {preposition} {role}', sequence);
        END IF;
    END LOOP;
END $$"""


class _Permissions(MigrateOperation):
    name = ""
    action = ""
    preposition = ""

    def __init__(self, table_name: str, *, schema: str | None = None) -> None:
        self.table_name = table_name
        self.schema = schema

    @classmethod
    def say(cls, operations: Operations, table_name: str, *, schema: str | None = None) -> Any:
        """Do it for a table."""
        return operations.invoke(cls(table_name, schema=schema))

    def carry_out(self, operations: Operations) -> None:
        """Change the rights in PostgreSQL, if there is a role ``user``."""
        context = operations.migration_context
        role = context.opts.get("user_role")
        if context.dialect.name != "postgresql" or not role:
            return
        quote = context.dialect.identifier_preparer.quote
        table = ".".join(quote(part) for part in (self.schema, self.table_name) if part)
        if self.schema and self.action == "GRANT":
            operations.execute(f"GRANT USAGE ON SCHEMA {quote(self.schema)} TO {quote(role)}")
        operations.execute(
            f"{self.action} SELECT, INSERT, UPDATE, DELETE ON TABLE {table} {self.preposition} {quote(role)}"
        )
        program = _SEQUENCES.format(
            table=table.replace("'", "''"),
            action=self.action,
            preposition=self.preposition,
            role=quote(role).replace("%", "%%"),
        )
        operations.execute(text(program.replace(":", r"\:")))


@Operations.register_operation("grant_permissions", "say")
class GrantPermissions(_Permissions):
    """Let the role ``user`` read and write a table."""

    name, action, preposition = "grant_permissions", "GRANT", "TO"

    def reverse(self) -> RevokePermissions:
        """Return what takes it back."""
        return RevokePermissions(self.table_name, schema=self.schema)


@Operations.register_operation("revoke_permissions", "say")
class RevokePermissions(_Permissions):
    """Take from the role ``user`` what it may do with a table."""

    name, action, preposition = "revoke_permissions", "REVOKE", "FROM"


@Operations.implementation_for(GrantPermissions)
@Operations.implementation_for(RevokePermissions)
def _carry_out(operations: Operations, operation: _Permissions) -> None:
    operation.carry_out(operations)


@renderers.dispatch_for(GrantPermissions)
@renderers.dispatch_for(RevokePermissions)
def _render(_context: Any, operation: _Permissions) -> str:
    schema = f", schema={operation.schema!r}" if operation.schema else ""
    return f"op.{operation.name}({operation.table_name!r}{schema})"
