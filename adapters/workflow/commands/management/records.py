"""What the commands of ``management`` do that deal with databases: records of runs, migrations, SQL and a description.

Each is a function of what its command line says. It prints what it finds, and leaves it to the command how it ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fairlead.adapters.errors import InputInvalid, Problem

if TYPE_CHECKING:
    from fairlead.adapters.workflow.records.databases import Databases


def list_runs(databases: Databases, *, no_limit: bool = False, success_only: bool = False) -> None:
    """Print the newest twenty runs, or all; those that ended well, or all."""
    from fairlead.adapters.workflow.records import reading, report

    runs = reading.list_runs(databases, limit=None if no_limit else 20, state="success" if success_only else None)
    report.show(report.table_of(runs))


def debug(databases: Databases, run_id: str) -> None:
    """Print what the blocks of a run have raised, with tracebacks."""
    from fairlead.adapters.workflow.records import reading, report

    found = reading.read_run(databases, run_id)
    if not found.exceptions:
        click.echo(f"Run {found.summary.id} ({found.summary.state}): no block has raised anything.")
        return
    for part in report.exceptions_of(found.exceptions):
        report.show(part)


def upgrade(
    databases: Databases, revision: str = "heads", *, db_label: str | None = None, plugins: Sequence[str] = ()
) -> None:
    """Apply migrations, of one database or all."""
    from fairlead.adapters.workflow.records import migrations

    migrations.upgrade(databases, revision, label=db_label, plugins=plugins)
    for label in [db_label] if db_label else databases.keys():
        click.echo(f"{label} ({databases[label].login.place}) is up to date with {revision}.")


def downgrade(databases: Databases, revision: str, *, db_label: str | None = None, plugins: Sequence[str] = ()) -> None:
    """Take migrations back, of the main database or another."""
    from fairlead.adapters.workflow.records import migrations

    migrations.downgrade(databases, revision, label=db_label, plugins=plugins)
    label = db_label or databases.main
    click.echo(f"{label} ({databases[label].login.place}) was taken back: {revision}.")


def make_migrations(
    databases: Databases,
    plugin: str,
    message: str = "",
    *,
    db_label: str | None = None,
    plugins: Sequence[str] = (),
) -> list[Path]:
    """Write migrations for a plugin's models; print and return which files these are."""
    from fairlead.adapters.workflow.records import migrations

    written = migrations.make_migrations(databases, plugin, message, label=db_label, plugins=plugins)
    for path in written:
        click.echo(f"Wrote {path}. Look it through before it is applied: management db upgrade heads")
    if not written:
        click.echo(f"The models of {plugin} are what the databases have: nothing was written.")
    return written


def alembic(
    databases: Databases, arguments: Sequence[str], *, db_label: str | None = None, plugins: Sequence[str] = ()
) -> None:
    """Run a command of Alembic's own."""
    from fairlead.adapters.workflow.records import migrations

    migrations.run_alembic(databases, arguments, label=db_label, plugins=plugins)


def execute_sql(
    databases: Databases, *, execute: str | None = None, file: Path | None = None, db_label: str | None = None
) -> None:
    """Run SQL under the role ``admin`` if there is one, all of it or nothing; print the rows that it gives.

    Raises `InputInvalid` if there is neither a text nor a file, both, or no such file.
    """
    if (execute is None) == (file is None):
        found = "neither --execute nor --input is given" if execute is None else "both --execute and --input are given"
        raise InputInvalid(Problem("execute_sql", found, "one of them", "Give e.g. --execute 'SELECT 1'."))
    if file is not None and not file.is_file():
        raise InputInvalid(Problem("execute_sql, --input", f"{file} is no file", "a file with SQL", "Name one."))
    script = str(execute) if file is None else file.read_text(encoding="utf-8")
    database = databases[db_label]
    engine = database.engine if database.login.admin is None else database.admin_engine
    rows: Sequence[Any] | None = None
    names: list[str] = []
    with engine.begin() as connection:
        plain = connection.execution_options(no_parameters=True)
        for statement in ["BEGIN", *_statements(script)] if database.login.is_sqlite else [script]:
            result = plain.exec_driver_sql(statement)
            rows, names = (result.all(), list(result.keys())) if result.returns_rows else (None, [])
    if rows is None:
        click.echo("Done.")
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from fairlead.adapters.workflow.records import report

    table = Table(*names, box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for row in rows:
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    report.show(table)


def gen_doc(plugin: str, folder: Path) -> Path:
    """Write what tables a plugin has, as reStructuredText, into a folder; return the file."""
    from fairlead.adapters.workflow.records import description

    path = folder / f"{plugin}.rst"
    path.write_text(description.of_plugin(plugin), encoding="utf-8")
    click.echo(f"Wrote {path}.")
    return path


def _statements(script: str) -> list[str]:
    """Return the statements of a script; SQLite's driver takes one at a time."""
    found, statement = [], ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            found.append(statement)
            statement = ""
    return [*found, statement] if statement.strip() else found
