"""``fairlead runs``: what has been recorded of workflows, as a list, and of one run with its drawing and exceptions.

Here are the arguments; what is read is in ``workflow.records.reading``, and how it looks in ``report`` there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairlead.adapters.cli import exits

if TYPE_CHECKING:
    from fairlead.adapters.workflow.records.databases import Databases

VARIABLE = "FAIRLEAD_RUNS"
_STATES = ("running", "success", "failed", "dead")
_database = click.option(
    "--database",
    metavar="URL",
    help="Where runs are recorded, e.g. sqlite:///outflow.db.  [default: that of the pipeline in this folder or "
    f"of $OUTFLOW_CONFIG_PATH, or ${VARIABLE}, or sqlite:///outflow.db]",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True, short_help="List the recorded runs of workflows, or show one.")
@_database
@click.option("-n", "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many at most.")
@click.option("--all", "is_all", is_flag=True, help="All of them.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@_json
@click.pass_context
def runs(
    context: click.Context, database: str | None, *, limit: int, is_all: bool, state: str | None, as_json: bool
) -> None:
    """List the runs of workflows that have been recorded, the newest first.

    A run whose process has ended without a word is dead, and so is one on another machine that has given no sign of
    life for a minute.
    """
    if context.invoked_subcommand:
        context.obj = database
        return
    with exits.exiting(as_json=as_json):
        from fairlead.adapters.workflow.records import reading, report

        with _opened(database) as databases:
            found = reading.list_runs(databases, limit=None if is_all else limit, state=state)  # type: ignore[arg-type]
        with exits.result():
            if as_json:
                click.echo(json.dumps([run.to_dict() for run in found], ensure_ascii=False))
            else:
                report.show(report.table_of(found))


@runs.command(short_help="Show one run.")
@click.argument("which", metavar="ID")
@_database
@_json
@click.pass_context
def show(context: click.Context, which: str, database: str | None, *, as_json: bool) -> None:
    """Show the run ID: its workflow with the state of each block, and what was raised.

    ID is its number, the start of its uuid, or last for the newest.
    """
    with exits.exiting(as_json=as_json):
        from fairlead.adapters.workflow.records import reading, report

        with _opened(database or context.obj) as databases:
            found = reading.read_run(databases, which)
        with exits.result():
            if as_json:
                click.echo(json.dumps(found.to_dict(), ensure_ascii=False))
            else:
                report.show(report.sheet_of(found))


@runs.command(short_help="Make the tables of run records, or bring them up to date.")
@_database
@click.pass_context
def upgrade(context: click.Context, database: str | None) -> None:
    """Make the tables of run records in a database, or bring them up to date.

    A pipeline with models of its own does so for all tables: management db upgrade heads.
    """
    with exits.exiting(as_json=False):
        from fairlead.adapters.workflow.records import migrations

        with _opened(database or context.obj) as databases:
            migrations.upgrade(databases, f"{migrations.OURS}@head", label=databases.main)
            click.echo(f"{databases[None].login.place} is up to date.")


def _opened(url: str | None) -> Databases:
    """Return the database that is named or, if none is, the one of the pipeline here, or that of the environment."""
    try:
        from fairlead.adapters.workflow.records.databases import Databases
    except ModuleNotFoundError as error:
        raise click.UsageError(f"{error.name} is not installed: pip install 'fairlead[db]'") from None
    if url is None and (found := _of_pipeline(Path.cwd())):
        return found
    return Databases.at(url or os.environ.get(VARIABLE) or "sqlite:///outflow.db")


def _of_pipeline(folder: Path) -> Databases | None:
    """Return the database of the pipeline in a folder, as its own commands open it, if a configuration is found."""
    from fairlead.adapters.workflow.pipeline import plugins
    from fairlead.adapters.workflow.pipeline.configuration import Config
    from fairlead.adapters.workflow.pipeline.scope import databases_of
    from fairlead.adapters.workflow.pipeline.settings_modules import Settings

    config = Config.load(None, folder)
    if config.path is None:
        return None
    plugins.add_to_path(plugins.folders(folder))  # its settings may import what is there
    return databases_of(config, Settings.load(None, folder, {}))
