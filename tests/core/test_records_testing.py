"""Users' tests get a fresh database each, and leave none."""

from __future__ import annotations

import pytest
import sqlalchemy

from fairlead.adapters.errors import InputInvalid
from fairlead.adapters.testing.databases import FreshPostgresql, FreshSqlite, fresh_postgresql, server_of
from fairlead.adapters.workflow.records import Databases, upgrade
from fairlead.adapters.workflow.records.tables import Run

CONFIGURATION: dict[str, object] = {}


@pytest.fixture(scope="module")
def server(postgres):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRLEAD_TEST_POSTGRESQL", f"postgresql://postgres@127.0.0.1:{postgres.port}")
        yield


class _Cases:
    @property
    def configuration(self):
        return CONFIGURATION

    @pytest.mark.parametrize("number", [1, 2])
    def test_each_test_has_a_database_of_its_own(self, number):
        upgrade(self.databases)
        with self.pipeline_db_session() as session:
            assert session.query(Run).count() == 0
            session.execute(sqlalchemy.text("CREATE TABLE left_over (x INTEGER)"))
            session.commit()

    def test_the_configuration_names_it(self):
        with Databases(CONFIGURATION) as databases:
            assert databases[None].login.place == self.databases[None].login.place


class TestSqlite(_Cases, FreshSqlite):
    """See `FreshSqlite`."""


@pytest.mark.usefixtures("server")
class TestPostgresql(_Cases, FreshPostgresql):
    """See `FreshPostgresql`."""


def test_nothing_is_left_of_a_fresh_database(postgres):
    with fresh_postgresql(postgres.url("postgres")) as section:
        name = section["database"]
    with Databases.at(postgres.url("postgres")) as databases:
        names = databases.session.scalars(sqlalchemy.text("SELECT datname FROM pg_database")).all()
    assert name not in names


def test_a_server_must_be_named(monkeypatch):
    monkeypatch.delenv("FAIRLEAD_TEST_POSTGRESQL", raising=False)
    with pytest.raises(InputInvalid, match="FAIRLEAD_TEST_POSTGRESQL: is not set"), fresh_postgresql():
        pass


def test_the_server_is_the_variables_or_the_one_that_an_ini_file_names(tmp_path, monkeypatch, pytestconfig):
    ini = tmp_path / "pytest.ini"
    ini.write_text("[pytest]\npostgresql_host = db.example\npostgresql_password = a/b\n")
    monkeypatch.setattr(type(pytestconfig), "inipath", ini)
    monkeypatch.delenv("FAIRLEAD_TEST_POSTGRESQL", raising=False)
    assert server_of(pytestconfig) == "postgresql://postgres:a%2Fb@db.example:5432/postgres"
    monkeypatch.setenv("FAIRLEAD_TEST_POSTGRESQL", "postgresql://me@elsewhere")
    assert server_of(pytestconfig) == "postgresql://me@elsewhere"
