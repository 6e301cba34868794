"""The commands of ``management`` that deal with databases: arguments here, what they do in ``records`` beside this.

They need the extra ``db``, and say so where it is not installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.adapters.workflow.commands.command import Command
from fairlead.adapters.workflow.commands.management.management import Management
from fairlead.adapters.workflow.pipeline.scope import current

if TYPE_CHECKING:
    import argparse

    from fairlead.adapters.workflow.records.databases import Databases


class _OnDatabases(Command):
    """What they have in common."""

    @property
    def databases(self) -> Databases:
        """The pipeline's databases; raises `ContractInvalid` where the extra is not installed."""
        return current().context.databases

    @property
    def asked(self) -> argparse.Namespace:
        """The command line."""
        return current().context.args

    @property
    def on(self) -> dict[str, Any]:
        """Which database is meant, and whose migrations there are."""
        from fairlead.adapters.workflow.pipeline.plugins import OURS

        plugins = [name for name in current().settings.PLUGINS if name not in OURS]
        return {"db_label": self.asked.db_label, "plugins": plugins}

    def add_label(self) -> None:
        """Add the argument that names a database."""
        self.add_argument("-d", "--db_label", metavar="LABEL", help="the database; by default the main one, or all")


@Management.subcommand(db_untracked=True)
class ListRuns(_OnDatabases):
    """Print the newest runs."""

    def add_arguments(self) -> None:
        """See `Command.add_arguments`."""
        self.add_argument("--success-only", action="store_true", help="only those that ended well")
        self.add_argument("--no-limit", action="store_true", help="all, not the newest twenty")

    def setup_tasks(self) -> None:
        """Print them; there is no task."""
        databases = self.databases
        from fairlead.adapters.workflow.commands.management import records

        records.list_runs(databases, no_limit=self.asked.no_limit, success_only=self.asked.success_only)


@Management.subcommand(db_untracked=True)
class Debug(_OnDatabases):
    """Print what the blocks of a run have raised."""

    def add_arguments(self) -> None:
        """See `Command.add_arguments`."""
        self.add_argument("run_id", metavar="RUN", help="the run, as list_runs numbers it")

    def setup_tasks(self) -> None:
        """Print it; there is no task."""
        databases = self.databases
        from fairlead.adapters.workflow.commands.management import records

        records.debug(databases, self.asked.run_id)


@Management.subcommand(invokable=False)
class Db(Command):
    """Lay out databases by migrations, and look into them."""


@Db.subcommand(db_untracked=True)
class Upgrade(_OnDatabases):
    """Apply migrations."""

    def add_arguments(self) -> None:
        """See `Command.add_arguments`."""
        self.add_label()
        text = "up to which: heads for all, the start of one's name, plugin@head, or +1 for the next"
        self.add_argument("revision", nargs="?", default="heads", metavar="REVISION", help=text)

    def setup_tasks(self) -> None:
        """Apply them; there is no task."""
        databases = self.databases
        from fairlead.adapters.workflow.commands.management import records

        records.upgrade(databases, self.asked.revision, **self.on)


@Db.subcommand(db_untracked=True)
class Downgrade(_OnDatabases):
    """Take migrations back."""

    def add_arguments(self) -> None:
        """See `Command.add_arguments`."""
        self.add_label()
        self.add_argument("revision", metavar="REVISION", help="down to which: the start of its name, or base for none")

    def setup_tasks(self) -> None:
        """Take them back; there is no task."""
        databases = self.databases
        from fairlead.adapters.workflow.commands.management import records

        records.downgrade(databases, self.asked.revision, **self.on)


@Db.subcommand(db_untracked=True)
class MakeMigrations(_OnDatabases):
    """Write migrations that make the databases what a plugin's models say; look them through before applying them."""

    def add_arguments(self) -> None:
        """See `Command.add_arguments`."""
        self.add_label()
        self.add_argument("-p", "--plugin", required=True, help="whose models, e.g. project.data_reduction")
        self.add_argument("-m", "--message", default="", help="what changes, in a few words")

    def setup_tasks(self) -> None:
        """Write them; there is no task."""
        databases = self.databases
        from fairlead.adapters.workflow.commands.management import records

        records.make_migrations(databases, self.asked.plugin, self.asked.message, **self.on)


@Db.subcommand(db_untracked=True, allow_extra_args=True)
class Alembic(_OnDatabases):
    """Run a command of Alembic's own, e.g. history."""

    def add_arguments(self) -> None:
        """See `Command.add_arguments`."""
        self.add_label()
        self.add_argument("command", metavar="COMMAND", help="Alembic's command, followed by its arguments")

    def setup_tasks(self) -> None:
        """Run it; there is no task."""
        databases = self.databases
        from fairlead.adapters.workflow.commands.management import records

        records.alembic(databases, [self.asked.command, *current().context.extra_args], **self.on)


@Db.subcommand(name="execute_sql", db_untracked=True)
class ExecuteSQL(_OnDatabases):
    """Run SQL on a database, all of it or nothing, and print what it gives."""

    def add_arguments(self) -> None:
        """See `Command.add_arguments`."""
        self.add_label()
        self.add_argument("-i", "--input", metavar="FILE", type=Path, help="a file with SQL")
        self.add_argument("-e", "--execute", metavar="SQL", help="the SQL itself")

    def setup_tasks(self) -> None:
        """Run it; there is no task."""
        databases = self.databases
        from fairlead.adapters.workflow.commands.management import records

        asked = self.asked
        records.execute_sql(databases, execute=asked.execute, file=asked.input, db_label=asked.db_label)


@Db.subcommand(db_untracked=True)
class GenDoc(_OnDatabases):
    """Write what tables a plugin has into a file, PLUGIN.rst."""

    def add_arguments(self) -> None:
        """See `Command.add_arguments`."""
        self.add_argument("plugin", metavar="PLUGIN", help="whose models, e.g. project.data_reduction")

    def setup_tasks(self) -> None:
        """Write it; there is no task."""
        assert self.databases
        from fairlead.adapters.workflow.commands.management import records

        records.gen_doc(self.asked.plugin, Path.cwd())
