"""The layout of databases: how it is brought up to date, taken back, and how migrations are made from models.

Migrations are Alembic's. Those of a plugin lie in ``models/versions/<database>`` of its package, and are a branch that
is labelled with the plugin's name; those of run records lie here. One upgrade is one transaction, on SQLite too: what
fails leaves nothing, and two at once wait for each other. What a model is, is said in ``models``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic import command
from alembic.config import CommandLine, Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.records.databases import Databases
from fairlead.adapters.workflow.records.exceptions import DatabaseInvalid, MigrationsMissing
from fairlead.adapters.workflow.records.migrations.operations import GrantPermissions
from fairlead.adapters.workflow.records.models import metadata_of, models_in

OURS = "outflow.management"
"""The label of our own migrations, which is Outflow's name for the plugin that has these tables."""
_HERE = Path(__file__).parent
_LOCK = 7_243_001
"""The number of the lock that an upgrade holds in PostgreSQL; any number will do that nobody else uses."""


def upgrade(
    databases: Databases, revision: str = "heads", *, label: str | None = None, plugins: Sequence[str] = ()
) -> None:
    """Bring databases up to date.

    Args:
        databases: those of the configuration.
        revision: a revision or the start of it, ``heads`` for the newest of all plugins, ``plugin@head`` for those of
            one, or ``+1`` for the next.
        label: the database; without it, all of them.
        plugins: packages whose migrations are applied.

    Raises:
        DatabaseInvalid: there is no such database, revision or plugin, or nobody may change the layout.
    """
    spaces = [Space(databases, name, plugins) for name in ([label] if label else databases.keys())]
    known = [space for space in spaces if space.locations and (revision == "heads" or space.has(revision))]
    for space in known or [Space(databases, label or databases.main, plugins)]:
        with space.transaction():
            space.alembic(command.upgrade, revision)


def downgrade(databases: Databases, revision: str, *, label: str | None = None, plugins: Sequence[str] = ()) -> None:
    """Take migrations back, in the main database or another: to a revision, ``plugin@base``, or ``-1`` for one step."""
    space = Space(databases, label or databases.main, plugins)
    with space.transaction():
        space.alembic(command.downgrade, revision)


def make_migrations(
    databases: Databases, plugin: str, message: str = "", *, label: str | None = None, plugins: Sequence[str] = ()
) -> list[Path]:
    """Write migrations that make a plugin's tables what its models say.

    Args:
        databases: those of the configuration; what they hold now is where the migrations start.
        plugin: the package.
        message: what they do.
        label: the database; without it, each that the plugin's models are in, or have been.
        plugins: all packages that have migrations.

    Returns:
        The files that were written, one for each database in which something changes.

    Raises:
        MigrationsMissing: the database is not up to date.
    """
    plugins = [*plugins, *([] if plugin in plugins else [plugin])]
    written: list[Path] = []
    for name in databases.keys() if label is None else [label]:
        space = Space(databases, name, plugins, own=plugin)
        folder = space.folder(plugin)
        if label is None and not folder.is_dir() and not space.owned:
            continue
        is_new = not folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with space.connected():
                first = not space.has(f"{plugin}@head")
                made = space.alembic(
                    command.revision,
                    message=message or None,
                    autogenerate=True,
                    head="base" if first else f"{plugin}@head",
                    branch_label=plugin if first else None,
                    version_path=str(folder),
                    process_revision_directives=_only_changes,
                )
            written += [Path(made.path)] if made else []
        finally:
            if is_new and not any(folder.iterdir()):
                folder.rmdir()
    return written


def run_alembic(
    databases: Databases, arguments: Sequence[str], *, label: str | None = None, plugins: Sequence[str] = ()
) -> None:
    """Run a command of Alembic's own, e.g. ``history``, on one database; it prints what it finds."""
    space = Space(databases, label or databases.main, plugins)
    line = CommandLine(prog="alembic")
    options = line.parser.parse_args(list(arguments))
    if not hasattr(options, "cmd"):
        line.parser.error("name a command, e.g. history")
    call, positional, named = options.cmd
    values = [getattr(options, name) for name in positional]
    with space.transaction():
        space.config(options)
        space.alembic(call, *values, **{name: getattr(options, name, None) for name in named})


def _only_changes(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Write nothing if nothing changes, and let users have what is made."""
    from alembic.operations import ops

    script = directives[0]
    if script.upgrade_ops.is_empty():
        directives.clear()
        return
    operations = script.upgrade_ops.ops
    for operation in [each for each in operations if isinstance(each, ops.CreateTableOp)]:
        after = operations.index(operation) + 1
        while after < len(operations) and isinstance(operations[after], ops.ModifyTableOps):
            after += 1
        operations.insert(after, GrantPermissions(operation.table_name, schema=operation.schema))


@dataclass
class Space:
    """The migrations of one database: where they lie, and how Alembic is called for them."""

    databases: Databases
    label: str
    plugins: Sequence[str]
    own: str | None = None
    """The plugin whose tables are compared; all without it."""
    connection: sqlalchemy.Connection | None = None
    _config: Config | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Find the database and the plugins; raises `DatabaseInvalid`."""
        self.database = self.databases[self.label]
        self.is_main = self.label == self.databases.main
        self.plugins = [plugin for plugin in self.plugins if plugin != OURS]
        for plugin in self.plugins:
            load_models(plugin)

    def folder(self, plugin: str) -> Path:
        """Return where a plugin's migrations of this database lie; there may be none."""
        return package_folder(plugin) / "models" / "versions" / self.label

    @property
    def locations(self) -> list[str]:
        """Return the folders that have migrations of this database."""
        ours = [str(_HERE / "versions" / "default")] if self.is_main else []
        return ours + [str(folder) for folder in map(self.folder, self.plugins) if folder.is_dir()]

    @property
    def _binds(self) -> list[str | None]:
        return [self.label, *([None] if self.is_main else [])]

    @property
    def metadata(self) -> sqlalchemy.MetaData:
        """Return the tables that models have in this database."""
        found = sqlalchemy.MetaData()
        for bind in self._binds:
            for table in metadata_of(bind).sorted_tables:
                table.to_metadata(found)
        return found

    @property
    def owned(self) -> set[str]:
        """Return the names of this database's tables that the plugin's models have."""
        return {str(model.__tablename__) for bind in self._binds for model in models_in(bind, self.own) if self.own}

    def includes(self, name: str | None, kind: str, parents: Any) -> bool:
        """Tell whether something of the database is compared with models: what is or was the plugin's."""
        if kind == "schema":
            return True
        table = name if kind == "table" else parents.get("table_name")
        return self.own is None or table in self.owned or self._was_made(str(table))

    def _was_made(self, table: str) -> bool:
        """Tell whether a migration of the plugin names a table that is no other plugin's now."""
        assert self.own
        mention = re.compile(f"[\"']{re.escape(table)}[\"']")
        scripts = self.folder(self.own).glob("*.py")
        is_other = any(str(model.__tablename__) == table for bind in self._binds for model in models_in(bind))
        return not is_other and any(mention.search(script.read_text(encoding="utf-8")) for script in scripts)

    def compares(self, item: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:  # noqa: FBT001 (Alembic's signature)
        """Tell whether a model's table, or what is in it, is compared."""
        table = item if kind == "table" else getattr(item, "table", None)
        return (
            table is None or self.includes(table.name, "table", {})
            if kind != "table"
            else self.includes(name, kind, {})
        )

    def config(self, options: argparse.Namespace | None = None) -> Config:
        """Return what Alembic is configured with."""
        if self._config is None:
            self._config = config = Config(stdout=sys.stdout, cmd_opts=options or argparse.Namespace(quiet=True))
            separated = os.pathsep.join(self.locations)
            for name, value in {
                "script_location": str(_HERE),
                "version_locations": separated,
                "path_separator": "os",
                "version_path_separator": "os",
            }.items():
                config.set_main_option(name, value.replace("%", "%%"))
            config.attributes["space"] = self
        return self._config

    def has(self, revision: str) -> bool:
        """Tell whether there is such a revision, or such a branch."""
        if revision.startswith(("+", "-")):
            return self.is_main
        try:
            return bool(ScriptDirectory.from_config(self.config()).get_revisions(revision))
        except CommandError:
            return False

    def alembic(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Call a command of Alembic's; its errors become ours."""
        try:
            return call(self.config(), *arguments, **options)
        except CommandError as error:
            text = str(error).strip().rstrip(".")
            where = f"databases.{self.label}, migrations"
            if "not up to date" in text:
                remedy = "Apply the migrations that exist first: management db upgrade heads."
                raise MigrationsMissing(Problem(where, "the database is not up to date", "", remedy)) from error
            known = ", ".join(self.locations) or "no folder"
            remedy = "Look the revisions up: management db alembic history."
            raise DatabaseInvalid(Problem(where, text, f"a revision of {known}", remedy)) from error

    @contextlib.contextmanager
    def connected(self) -> Generator[None]:
        """Connect as admin."""
        with self.database.admin_engine.connect() as self.connection:
            yield
        self.connection = None

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """Connect as admin, let nobody else change the layout, and keep all of what is done in here or nothing."""
        with self.connected():
            connection = self.connection
            assert connection is not None
            if connection.dialect.name == "sqlite":
                driver: Any = connection.connection.driver_connection
                connection.detach()
                driver.isolation_level = None  # or Python's driver would commit before each change of the layout
                with connection.begin():
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                    yield
                return
            with connection.begin():
                connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(_LOCK)))
                yield
                self._show_versions(connection)

    def _show_versions(self, connection: sqlalchemy.Connection) -> None:
        """Let the role ``user`` see which migrations have been applied."""
        user = self.database.login.user
        if user is not None and sqlalchemy.inspect(connection).has_table("alembic_version"):
            name = connection.dialect.identifier_preparer.quote(str(user.username))
            connection.execute(sqlalchemy.text(f"GRANT SELECT ON alembic_version TO {name}"))


def package_folder(plugin: str) -> Path:
    """Return the folder of a plugin's package; raises `DatabaseInvalid` if there is none."""
    try:
        spec = importlib.util.find_spec(plugin)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseInvalid(
            Problem(
                f"plugin '{plugin}'",
                "there is no package of this name",
                "a package that Python finds",
                "List it under PLUGINS in settings.py, and see that its folder is on the path.",
            )
        )
    return Path(next(iter(spec.submodule_search_locations)))


def load_models(plugin: str) -> None:
    """Import all that is below ``models`` of a plugin, so that its tables are known."""
    folder = package_folder(plugin) / "models"
    if not folder.is_dir():
        if folder.with_suffix(".py").is_file():
            importlib.import_module(f"{plugin}.models")
        return
    importlib.import_module(f"{plugin}.models")
    for module in pkgutil.walk_packages([str(folder)], f"{plugin}.models."):
        if ".versions" not in module.name:
            importlib.import_module(module.name)
