"""Fresh databases for tests of pipelines: a file of SQLite, or a database of a PostgreSQL server, for each test.

The classes are for pytest, to be put before another test case: they make the database, put it into the configuration of
the test, and remove it. Migrations are the test's to apply, as ``management db upgrade heads``.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import uuid
from collections.abc import Generator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from fairlead.adapters.errors import InputInvalid, Problem

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from fairlead.adapters.workflow.records.databases import Databases

VARIABLE = "FAIRLEAD_TEST_POSTGRESQL"
"""The environment variable that has the URL of a PostgreSQL server where the account may make databases."""
Section = dict[str, str]


@contextlib.contextmanager
def fresh_sqlite(folder: Path) -> Generator[Section]:
    """Describe a file in a folder as a configuration does; it is made when migrations are applied, and removed then."""
    path = folder / "test.db"
    try:
        yield {"dialect": "sqlite", "path": str(path)}
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def fresh_postgresql(server: str | None = None) -> Generator[Section]:
    """Make an empty database on a server, describe it as a configuration does, and drop it with all that is open.

    Args:
        server: the URL of any database there, whose account may make databases; ``$FAIRLEAD_TEST_POSTGRESQL`` without.

    Raises:
        InputInvalid: no server is named.
        DatabaseUnavailable: it cannot be reached.
    """
    from sqlalchemy import text

    from fairlead.adapters.workflow.records.databases import Database, login_from_url

    server = server or os.environ.get(VARIABLE)
    if not server:
        raise InputInvalid(
            Problem(VARIABLE, "is not set", "the URL of a PostgreSQL server", "e.g. postgresql://postgres@localhost")
        )
    login = login_from_url(server if server.count("/") > 2 else f"{server}/postgres")  # noqa: PLR2004 (scheme://host)
    assert login.user
    name = f"test_{uuid.uuid4().hex[:12]}"
    with contextlib.closing(Database(login)) as database:
        outside = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with outside.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        account = f"{login.user.username or ''}:{login.user.password or ''}"
        address = f"{login.user.host or 'localhost'}:{login.user.port or 5432}"
        try:
            yield {"dialect": "postgresql", "address": address, "admin": account, "user": account, "database": name}
        finally:
            with outside.connect() as connection:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


class _FreshDatabase:
    """A test that has a database of its own."""

    section: Section
    """How the configuration describes it."""
    databases: Databases
    """It, opened when it is first used."""

    @property
    def configuration(self) -> MutableMapping[str, Any]:
        """Where it is put under ``databases``; a test case with a configuration of its own has that here."""
        return {}

    def _begin(self, section: Section) -> None:
        from fairlead.adapters.workflow.records.databases import Databases

        self.section = section
        self.databases = Databases({"databases": {"default": section}})
        self.configuration["databases"] = {"default": section}

    @contextlib.contextmanager
    def pipeline_db_session(self) -> Generator[Session]:
        """Open a session of the test's database, and close it."""
        try:
            yield self.databases.session
        finally:
            self.databases.close()


class FreshSqlite(_FreshDatabase):
    """A test that has a file of SQLite of its own."""

    @pytest.fixture(autouse=True)
    def fresh_database(self, tmp_path: Path) -> Generator[None]:
        """Name the file, and remove it."""
        with fresh_sqlite(tmp_path) as section:
            self._begin(section)
            yield
            self.databases.close()


class FreshPostgresql(_FreshDatabase):
    """A test that has a database of its own on a PostgreSQL server."""

    @pytest.fixture(autouse=True)
    def fresh_database(self, pytestconfig: pytest.Config) -> Generator[None]:
        """Make the database, and drop it."""
        with fresh_postgresql(server_of(pytestconfig)) as section:
            self._begin(section)
            yield
            self.databases.close()


def server_of(config: pytest.Config) -> str | None:
    """Return the URL of the server at ``$FAIRLEAD_TEST_POSTGRESQL``, or that a ``pytest.ini`` names.

    There, the names are those of the plugin pytest-postgresql, which need not be installed.
    """
    if named := os.environ.get(VARIABLE):
        return named
    parser = configparser.ConfigParser(interpolation=None)
    if config.inipath is not None and config.inipath.suffix != ".toml":
        parser.read(config.inipath, encoding="utf-8")
    ini = {name: value for part in ("pytest", "tool:pytest") if part in parser for name, value in parser[part].items()}
    values = {name: ini.get(f"postgresql_{name}") for name in ("user", "password", "host", "port")}
    said = {name: quote(value, safe="") for name, value in values.items() if value}
    if not said:
        return None
    account = f"{said.get('user', 'postgres')}{':' + said['password'] if 'password' in said else ''}"
    return f"postgresql://{account}@{said.get('host', 'localhost')}:{said.get('port', '5432')}/postgres"
