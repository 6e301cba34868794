"""The databases of a pipeline: where they are, under which roles they are opened, and one session for all of them.

A database is described as in ``config.yml``, or named by a URL. Sessions use the role ``user``; migrations use
``admin``. Nothing is opened before it is used. What is in the tables is not this module's.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import URL, Engine, event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.sql.visitors import iterate

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.records.exceptions import DatabaseInvalid, DatabaseUnavailable, MigrationsMissing

DIALECTS = {"sqlite": {"path"}, "postgresql": {"address", "admin", "user", "database"}}
"""The databases that are supported, with the keys that describe them."""
LOCK_TIMEOUT = 30.0
"""Seconds for which SQLite waits until another connection has written."""
_UNDEFINED = {"42P01", "42703"}
_FORBIDDEN = "42501"
_DISK_FULL = "53100"
_BROKEN = ("database or disk is full", "disk I/O error", "file is not a database", "disk image is malformed")


@dataclass(frozen=True)
class Login:
    """Where one database is, and as whom it is opened."""

    label: str
    """What the configuration calls it."""
    user: URL | None
    admin: URL | None

    @property
    def place(self) -> str:
        """Say where it is, without who opens it."""
        url = self.user or self.admin
        assert url
        return str(url.database) if self.is_sqlite else f"{url.host}:{url.port or 5432}/{url.database}"

    @property
    def is_sqlite(self) -> bool:
        """Tell whether it is a file."""
        return (self.user or self.admin or URL.create("none")).get_backend_name() == "sqlite"

    @property
    def secrets(self) -> set[str]:
        """Return the passwords."""
        return {str(url.password) for url in (self.user, self.admin) if url is not None and url.password}


def login_of(label: str, section: Mapping[str, Any], root: Path | None = None) -> Login:
    """Read how a database is described in a configuration; paths are relative to ``root``.

    Raises `DatabaseInvalid` with all that is wrong; no message has a password.
    """
    where = f"databases.{label}"
    dialect = section.get("dialect") if hasattr(section, "get") else None
    if dialect not in [*DIALECTS]:
        found = f"{dialect!r} is unknown" if dialect else "is missing"
        raise DatabaseInvalid(Problem(f"{where}.dialect", found, " or ".join(DIALECTS), "Write e.g. dialect: sqlite."))
    known = DIALECTS[dialect]
    needed = {"path"} if dialect == "sqlite" else {"address", "database"}
    problems = [
        Problem(f"{where}.{key}", "is unknown", f"for {dialect}: {', '.join(sorted(known))}", "Remove it.")
        for key in section
        if key not in known | {"dialect"}
    ]
    problems += [
        Problem(f"{where}.{key}", "is missing", "a text", _EXAMPLES[key])
        for key in sorted(needed)
        if not isinstance(section.get(key), str) or not section.get(key)
    ]
    if dialect == "postgresql" and not (section.get("user") or section.get("admin")):
        problems.append(Problem(f"{where}.user", "is missing", "user:password", _EXAMPLES["user"]))
    if problems:
        raise DatabaseInvalid(problems)
    if dialect == "sqlite":
        url = _sqlite(section["path"], root)
        return Login(label, url, url)
    host, port = _address(f"{where}.address", section["address"])

    def role(name: str) -> URL | None:
        account = section.get(name)
        if not account:
            return None
        user, _, password = str(account).partition(":")
        return URL.create("postgresql+psycopg2", user, password or None, host, port, section["database"])

    return Login(label, role("user"), role("admin"))


_EXAMPLES = {
    "path": "Write e.g. path: outflow.db.",
    "address": "Write e.g. address: localhost:5432.",
    "database": "Write e.g. database: outflow.",
    "user": "Write e.g. user: pipeuser:password.",
}


def login_from_url(url: str, label: str = "default") -> Login:
    """Read a database's URL, e.g. ``sqlite:///outflow.db`` or ``postgresql://user:password@host/database``."""
    try:
        found = sqlalchemy.make_url(url)
    except ArgumentError:
        found = None
    if found is None or found.get_backend_name() not in DIALECTS or not found.database:
        # Not quoted: it may hold a password.
        raise DatabaseInvalid(
            Problem(
                "database",
                "it is not the URL of a database that is supported",
                "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE",
                "Three slashes are followed by a relative path, four by an absolute one.",
            )
        )
    if found.get_backend_name() == "sqlite":
        found = _sqlite(found.database, None)
    elif found.drivername == "postgresql":
        found = found.set(drivername="postgresql+psycopg2")
    return Login(label, found, found)


def _sqlite(path: str, root: Path | None) -> URL:
    if ":memory:" in path:
        raise DatabaseInvalid(
            Problem("database", "it is in memory, where only one thread sees it", "a file", "Name one.")
        )
    return URL.create("sqlite", database=os.path.join(root or "", path))  # noqa: PTH118 (the path as it was written)


def _address(where: str, address: str) -> tuple[str, int | None]:
    host, colon, port = address.rpartition(":")
    if not colon:
        return address, None
    if not port.isdigit():
        raise DatabaseInvalid(
            Problem(where, f"{port!r} is no number of a port", "host:port", "Write e.g. localhost:5432.")
        )
    return host, int(port)


class Database:
    """One database: an engine for each role, made when it is asked for."""

    def __init__(self, login: Login) -> None:
        """Take where it is; nothing is opened."""
        self.login = login
        self._engines: dict[str, Engine] = {}
        self._process = os.getpid()

    @property
    def engine(self) -> Engine:
        """How users of the pipeline open it; raises `DatabaseInvalid` if no role for them is known."""
        return self._engine("user", self.login.user)

    @property
    def admin_engine(self) -> Engine:
        """How migrations open it; raises `DatabaseInvalid` if the configuration has no ``admin``."""
        return self._engine("admin", self.login.admin)

    def _engine(self, role: str, url: URL | None) -> Engine:
        if url is None:
            raise DatabaseInvalid(
                Problem(
                    f"databases.{self.login.label}.{role}",
                    "is missing",
                    f"who opens the database as {role}",
                    f"Write {role}: name:password, or ask who looks after the database.",
                )
            )
        if self._process != os.getpid():  # connections of the process that this one was forked from are not ours
            for engine in self._engines.values():
                engine.dispose(close=False)
            self._process = os.getpid()
        if role not in self._engines:
            self._engines[role] = _opened(self.login, url, creates=role == "admin")
        return self._engines[role]

    def close(self) -> None:
        """Close all connections."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()


def _opened(login: Login, url: URL, *, creates: bool) -> Engine:
    try:
        if login.is_sqlite:
            # Only migrations make a file: who looks into one that is not there shall not leave an empty one.
            path = f"file:{quote(os.path.abspath(str(url.database)))}?mode={'rwc' if creates else 'rw'}"  # noqa: PTH100 (a text)

            def connect() -> sqlite3.Connection:
                return sqlite3.connect(path, uri=True, timeout=LOCK_TIMEOUT, check_same_thread=False)

            engine = sqlalchemy.create_engine(url, creator=connect)
        else:
            engine = sqlalchemy.create_engine(
                url,
                pool_pre_ping=True,
                connect_args={"connect_timeout": 10},
                executemany_mode="values_plus_batch",
                executemany_batch_page_size=500,
            )
    except ImportError as error:
        package = "psycopg2-binary" if "psycopg2" in str(error) else str(error.name)
        raise DatabaseInvalid(
            Problem(
                f"databases.{login.label}",
                f"the package {package} is not installed",
                "",
                "pip install 'fairlead[postgresql]'",
            )
        ) from error

    def explain(context: sqlalchemy.engine.ExceptionContext) -> None:
        _explain(login, context)

    event.listen(engine, "handle_error", explain)
    return engine


def _explain(login: Login, context: sqlalchemy.engine.ExceptionContext) -> None:
    """Say what to do about errors of which that is known; raises in their place."""
    error = context.original_exception
    text = " ".join(str(error).split())
    code = getattr(error, "pgcode", None)
    if login.is_sqlite and "unable to open database file" in text and not Path(login.place).exists():
        raise MigrationsMissing(missing(login, "there is no such file")) from error
    is_connecting = context.connection is None or context.is_pre_ping
    if is_connecting or "unable to open database file" in text or "attempt to write a readonly" in text:
        raise DatabaseUnavailable(
            f"databases.{login.label} ({login.place}) cannot be opened: {text}.",
            remedy="Check the path, or the address, the account and that the server runs.",
        ) from error
    if code == _DISK_FULL or any(each in text for each in _BROKEN):
        raise DatabaseUnavailable(
            f"databases.{login.label} ({login.place}) cannot be used: {text}.",
            remedy="Check the free space of its disk and that it is whole.",
        ) from error
    if code in _UNDEFINED or "no such table" in text or "no such column" in text or "has no column named" in text:
        raise MigrationsMissing(missing(login, text)) from error
    if code == _FORBIDDEN:
        raise DatabaseInvalid(
            Problem(
                f"databases.{login.label}",
                text,
                "a table whose rights the migration gives to the role 'user'",
                "Write op.grant_permissions('the table') in the migration, after it is made.",
            )
        ) from error


def missing(login: Login, found: str) -> Problem:
    """Say that a database is not laid out as it should be, and how that is mended."""
    return Problem(
        f"databases.{login.label} ({login.place})",
        found,
        "the tables of all migrations",
        "Run in the pipeline: python manage.py management db upgrade heads; elsewhere: fairlead runs upgrade.",
    )


class Databases:
    """All databases of a configuration, by their labels.

    ``session`` works on all of them: each model is looked for in the database that its ``__bind_key__`` names.
    """

    def __init__(
        self, configuration: Mapping[str, Any] | None = None, *, main: str = "default", root: Path | None = None
    ) -> None:
        """Take a configuration, whose section ``databases`` is read when it is first needed.

        Args:
            configuration: has, under ``databases``, each database by its label; without it, there is ``outflow.db``.
            main: the label of the one in which runs are recorded, and models without a ``__bind_key__`` are.
            root: what paths are relative to; the working directory without it.
        """
        self.main = main
        self._configuration = configuration or {}
        self._root = root
        self._databases: dict[str, Database] | None = None
        self._lock = threading.Lock()
        self._sessions: dict[bool, scoped_session[Session]] = {}
        self._made: weakref.WeakSet[Session] = weakref.WeakSet()
        self._process = os.getpid()

    @classmethod
    def at(cls, url: str) -> Databases:
        """Return the one database at a URL; raises `DatabaseInvalid` for what is none."""
        databases = cls()
        databases._databases = {databases.main: Database(login_from_url(url))}
        return databases

    def __getitem__(self, label: str | None) -> Database:
        """Return a database by its label, None for the main one; raises `DatabaseInvalid` if there is none."""
        found = self._read()
        name = label or self.main
        if name not in found:
            raise DatabaseInvalid(
                Problem(
                    f"databases.{name}",
                    "is missing",
                    f"one of {', '.join(found)}" if found else "a database",
                    "Describe it in the configuration file, under databases:.",
                )
            )
        return found[name]

    def keys(self) -> list[str]:
        """Return the labels."""
        return list(self._read())

    def values(self) -> list[Database]:
        """Return the databases."""
        return list(self._read().values())

    @property
    def secrets(self) -> set[str]:
        """Return all passwords, for those who hide them."""
        return {secret for database in self.values() for secret in database.login.secrets}

    @property
    def session(self) -> Session:
        """This thread's session for all databases, under the role ``user``."""
        return self._session(as_admin=False)

    @property
    def admin_session(self) -> Session:
        """This thread's session for all databases, under the role ``admin``."""
        return self._session(as_admin=True)

    def close_sessions(self) -> None:
        """Roll back and close all sessions, of all threads; one that is asked for afterwards is new."""
        for session in list(self._made):
            session.close()
        self._sessions.clear()

    def close(self) -> None:
        """Roll back and close all sessions, and close all connections."""
        self.close_sessions()
        for database in (self._databases or {}).values():
            database.close()

    def __enter__(self) -> Self:
        """Return them."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self.close()

    def _read(self) -> dict[str, Database]:
        with self._lock:
            if self._databases is None:
                sections = self._configuration.get("databases") or {
                    self.main: {"dialect": "sqlite", "path": "outflow.db"}
                }
                if not isinstance(sections, Mapping):
                    remedy = "Write e.g. databases: {default: {dialect: sqlite, path: outflow.db}}."
                    raise DatabaseInvalid(
                        Problem("databases", f"is a {type(sections).__name__}", "databases by label", remedy)
                    )
                self._databases = {
                    str(label): Database(login_of(str(label), section, self._root))
                    for label, section in sections.items()
                }
            return self._databases

    def _session(self, *, as_admin: bool) -> Session:
        if self._process != os.getpid():
            self._sessions, self._process = {}, os.getpid()
        if as_admin not in self._sessions:
            self._sessions[as_admin] = scoped_session(
                sessionmaker(class_=_Session, databases=self, as_admin=as_admin, autoflush=True)
            )
        session = self._sessions[as_admin]()
        self._made.add(session)
        return session


class _Session(Session):
    """One that finds the database of each model."""

    def __init__(self, *, databases: Databases, as_admin: bool, **options: Any) -> None:
        super().__init__(**options)
        self._databases, self._as_admin = databases, as_admin

    def get_bind(self, mapper: Any = None, *, clause: Any = None, bind: Any = None, **_: Any) -> Any:
        """See `Session.get_bind`: by the model's metadata, or that of the first table that is asked for."""
        if bind is not None:
            return bind
        table = None if mapper is None else sqlalchemy.inspect(mapper).persist_selectable
        if table is None and clause is not None:
            elements: Iterator[Any] = iterate(clause)
            table = next((each for each in elements if hasattr(each, "metadata")), None)
        label = None if table is None else table.metadata.info.get("bind_key")
        database = self._databases[label]
        return database.admin_engine if self._as_admin else database.engine
