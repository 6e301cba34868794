"""A real PostgreSQL for tests: `postgres` is its server, one for the session, and `pg_database` an empty database.

`databases` is each kind of database in turn, with the tables of run records.

The server is the Debian package postgresql, run from its own programs in a folder of the test run, as the account
``postgres`` if the tests run as root, which it refuses. Where it is not installed, the test is skipped and says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.stores import free_port

if TYPE_CHECKING:
    from fairlead.adapters.workflow.records import Databases

LIMIT = 60.0
"""Seconds after which a server that does not say that it is ready is held not to start."""
_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
_PRCTL = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1
_ADMIN, _USER = "pipeadmin", "pipeuser"


@dataclass(frozen=True)
class Postgres:
    """A server that lets everybody in from this machine."""

    port: int

    def url(self, database: str, role: str = "postgres") -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def do(self, statement: str, database: str = "postgres") -> None:
        import psycopg2

        connection = psycopg2.connect(self.url(database))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()


@dataclass(frozen=True)
class PostgresDatabase:
    """An empty database that `admin` owns and `user` may only open."""

    server: Postgres
    name: str
    admin: str = f"{_ADMIN}:admin-password"
    user: str = f"{_USER}:user-password"

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    @property
    def section(self) -> dict[str, str]:
        """How a configuration describes it."""
        address = f"127.0.0.1:{self.server.port}"
        return {
            "dialect": "postgresql",
            "address": address,
            "admin": self.admin,
            "user": self.user,
            "database": self.name,
        }


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if not _PROGRAMS:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    account: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="fairlead-pg-", dir="/tmp"))  # a socket's path must be short
    if os.geteuid() == 0:
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no account postgres")
        account = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    port = free_port()
    try:
        subprocess.run(
            [
                _PROGRAMS[-1] / "initdb",
                "-D",
                folder / "data",
                "-A",
                "trust",
                "-U",
                "postgres",
                "--no-sync",
                "-E",
                "UTF8",
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **account,
        )
        settings = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=127.0.0.1")
        options = [part for setting in (*settings, f"unix_socket_directories={folder}") for part in ("-c", setting)]
        with serving([_PROGRAMS[-1] / "postgres", "-D", folder / "data", "-p", str(port), *options], account):
            made = Postgres(port)
            made.do(f"CREATE USER {_ADMIN} PASSWORD 'admin-password' NOSUPERUSER CREATEDB NOCREATEROLE INHERIT")
            made.do(f"CREATE USER {_USER} PASSWORD 'user-password' NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT")
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def serving(command: list[Any], account: dict[str, Any]) -> Iterator[None]:
    """Run a server until the end; the kernel ends it when the tests are killed."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        preexec_fn=_end_with_parent,  # noqa: PLW1509 (one call into the kernel)
        **account,
    )
    ready, said = threading.Event(), []

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if "ready to accept connections" in line:
                ready.set()

    threading.Thread(target=read, daemon=True).start()
    try:
        assert ready.wait(LIMIT), f"PostgreSQL did not start within {LIMIT:g} s:\n{''.join(said)}"
        yield
    finally:
        process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
        process.wait(LIMIT)


def _end_with_parent() -> None:
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGQUIT)


@pytest.fixture
def pg_database(postgres: Postgres) -> Iterator[PostgresDatabase]:
    """A database for one test."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    postgres.do(f"CREATE DATABASE {name} WITH OWNER {_ADMIN}")
    yield PostgresDatabase(postgres, name)
    postgres.do(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    """A database of each kind, for what holds in all of them."""
    section = {"dialect": "sqlite", "path": str(tmp_path / "runs.db")}
    if request.param == "postgresql":
        section = request.getfixturevalue("pg_database").section
    from fairlead.adapters.workflow.records import Databases, upgrade

    with Databases({"databases": {"default": section}}) as databases:
        upgrade(databases)
        yield databases
