"""Databases are what the configuration says, opened under the right role, and what goes wrong says what to do."""

from __future__ import annotations

import os
import re
import threading
from unittest import mock

import pytest
from sqlalchemy import Column, Integer, String, UniqueConstraint, event, text
from sqlalchemy.orm.exc import NoResultFound

from fairlead.adapters.errors import ContractInvalid
from fairlead.adapters.workflow import Workflow
from fairlead.adapters.workflow.records import (
    DatabaseInvalid,
    Databases,
    DatabaseUnavailable,
    MigrationsMissing,
    Model,
    Recorder,
    upgrade,
)
from fairlead.adapters.workflow.records.models import metadata_of
from fairlead.adapters.workflow.records.tables import Run


class ComputationResult(Model):
    """The model of the reference's tutorial."""

    id_computation_result = Column(Integer(), primary_key=True)
    input_value = Column(Integer(), nullable=False)
    multiplier = Column(Integer(), nullable=False)
    result = Column(Integer(), nullable=False)
    __table_args__ = (UniqueConstraint("input_value", "multiplier"),)


class Guest(Model):
    """A table in another database."""

    __bind_key__ = "another_db"
    id = Column(Integer, primary_key=True)
    username = Column(String(80), unique=True)


def opened(**sections):
    return Databases({"databases": sections})


def test_a_table_is_called_like_its_class():
    assert ComputationResult.__tablename__ == "computation_result"


def test_a_model_can_say_how_its_table_is_called():
    class Named(Model):
        __tablename__ = "elsewhere"
        id = Column(Integer, primary_key=True)

    assert Named.__table__.name == "elsewhere"


def test_two_models_of_one_table_are_told():
    with pytest.raises(ContractInvalid, match=r"its table 'computation_result' is also that of .*ComputationResult"):
        type("Other", (Model,), {"__tablename__": "computation_result", "id": Column(Integer, primary_key=True)})


def test_a_module_of_models_can_be_loaded_again():
    def load():
        attributes = {"id": Column(Integer, primary_key=True), "__module__": "a.plugin", "__qualname__": "Loaded"}
        return type("Loaded", (Model,), attributes)

    load()
    again = load()
    assert metadata_of(None).tables["loaded"] is again.__table__


def test_the_code_of_the_tutorial_works(databases):
    ComputationResult.__table__.create(databases[None].admin_engine)
    if not databases[None].login.is_sqlite:
        with databases[None].admin_engine.begin() as connection:
            connection.execute(text("GRANT ALL ON computation_result TO pipeuser"))
            connection.execute(text("GRANT USAGE ON computation_result_id_computation_result_seq TO pipeuser"))
    session = databases.session
    with pytest.raises(NoResultFound):
        session.query(ComputationResult).filter_by(input_value=1, multiplier=2).one()
    session.add(ComputationResult(input_value=1, multiplier=2, result=2))
    session.commit()
    assert session.query(ComputationResult).filter_by(input_value=1, multiplier=2).one().result == 2


def test_one_session_serves_all_databases(tmp_path):
    sections = {name: {"dialect": "sqlite", "path": f"{name}.db"} for name in ("default", "another_db")}
    with Databases({"databases": sections}, root=tmp_path) as databases:
        ComputationResult.__table__.create(databases[None].admin_engine)
        Guest.__table__.create(databases["another_db"].admin_engine)
        session = databases.session
        session.add_all([Guest(username="ada"), ComputationResult(input_value=1, multiplier=1, result=1)])
        session.commit()
        assert session.query(Guest.username).all() == [("ada",)]
        assert session.query(ComputationResult.result).all() == [(1,)]
        assert session.execute(Guest.__table__.select()).all() == [(1, "ada")]
    assert {path.name for path in tmp_path.iterdir()} >= {"default.db", "another_db.db"}


def test_each_thread_has_a_session_of_its_own(tmp_path):
    with Databases(root=tmp_path) as databases:
        other: list[object] = []
        thread = threading.Thread(target=lambda: other.append(databases.session))
        thread.start()
        thread.join()
        assert databases.session is databases.session
        assert other[0] is not databases.session


def test_a_forked_process_leaves_the_connections_of_its_parent_alone(databases):
    databases.session.query(Run).all()
    child = os.fork()
    if not child:
        databases.session.query(Run).all()
        databases.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert databases.session.query(Run).all() == []


def test_a_session_can_be_replaced_in_a_users_test():
    with mock.patch.object(Databases, "session", new_callable=mock.PropertyMock) as session:
        session.return_value.query.return_value = "answer"
        assert Databases({"databases": mock.MagicMock()}).session.query(ComputationResult) == "answer"


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({}, r"databases\.main\.dialect: is missing \(sqlite or postgresql\)"),
        ({"dialect": "oracle"}, r"databases\.main\.dialect: 'oracle' is unknown"),
        ({"dialect": "sqlite"}, r"databases\.main\.path: is missing .*Write e\.g\. path: outflow\.db"),
        ({"dialect": "sqlite", "path": "a", "paht": "b"}, r"databases\.main\.paht: is unknown \(for sqlite: path\)"),
        ({"dialect": "sqlite", "path": ":memory:"}, "in memory, where only one thread sees it"),
        ({"dialect": "postgresql", "user": "me:secret"}, r"databases\.main\.address: is missing"),
        (
            {"dialect": "postgresql", "address": "h:p", "database": "d", "user": "u:secret"},
            "'p' is no number of a port",
        ),
        ({"dialect": ["sqlite"]}, r"databases\.main\.dialect: \['sqlite'\] is unknown"),
        ({"dialect": "postgresql", "address": "h", "database": "d"}, r"databases\.main\.user: is missing"),
    ],
)
def test_a_wrong_configuration_is_told_by_its_place_and_without_passwords(section, told):
    with pytest.raises(DatabaseInvalid, match=told) as caught:
        opened(main=section)["main"]
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("section", [3, "me:secret", ["default"]])
def test_databases_without_labels_are_told(section):
    with pytest.raises(DatabaseInvalid, match=r"databases: is a \w+ \(databases by label\)") as caught:
        Databases({"databases": section})["default"]
    assert "secret" not in str(caught.value)


def test_a_database_on_a_full_disk_is_told(tmp_path):
    with Databases.at(f"sqlite:///{tmp_path / 'runs.db'}") as databases:
        upgrade(databases)
        engine = databases[None].engine
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count = 1"))
        engine.dispose()
        recorder = Recorder(databases, Workflow(name="study"), arguments=["x" * 100_000])
        with pytest.raises(DatabaseUnavailable, match=r"runs\.db\) cannot be used: database or disk is full"):
            recorder.start()


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "runs.db").write_text("no database" * 1000)
    told = pytest.raises(DatabaseUnavailable, match="file is not a database")
    with Databases.at(f"sqlite:///{tmp_path / 'runs.db'}") as databases, told:
        databases.session.query(Run).all()


@pytest.mark.parametrize("url", ["nonsense", "mysql://me:secret@host/db", "sqlite://", "postgresql://me:secret@host"])
def test_a_url_that_is_none_of_ours_is_refused_without_quoting_it(url):
    with pytest.raises(DatabaseInvalid, match="sqlite:///PATH or postgresql://") as caught:
        Databases.at(url)
    assert "secret" not in str(caught.value)


def test_an_unknown_database_is_told_with_those_that_there_are():
    with pytest.raises(DatabaseInvalid, match=r"databases\.other: is missing \(one of default\)"):
        opened(default={"dialect": "sqlite", "path": "x.db"})["other"]


def test_a_table_that_is_not_there_says_which_command_makes_it(databases):
    class Unmade(Model):
        id = Column(Integer, primary_key=True)

    with pytest.raises(MigrationsMissing, match=r"unmade.*management db upgrade heads"):
        databases.session.query(Unmade).all()


def test_looking_for_a_database_does_not_make_one(tmp_path):
    with Databases(root=tmp_path) as databases, pytest.raises(MigrationsMissing, match="there is no such file"):
        databases.session.execute(text("SELECT 1"))
    assert not (tmp_path / "outflow.db").exists()


def test_a_server_that_does_not_answer_is_told_without_the_password():
    section = {"dialect": "postgresql", "address": "127.0.0.1:1", "user": "me:secret", "database": "d"}
    with pytest.raises(DatabaseUnavailable, match=re.escape("127.0.0.1:1/d")) as caught:
        opened(default=section).session.execute(text("SELECT 1"))
    assert caught.value.retryable
    assert "secret" not in str(caught.value)


def test_a_user_may_fill_tables_and_not_change_them(pg_database):
    with opened(default=pg_database.section) as databases:
        upgrade(databases)
        databases.session.query(Run).all()
        with pytest.raises(DatabaseInvalid, match="must be owner of table"):
            databases.session.execute(text("DROP TABLE outflow_edge"))
        databases.session.rollback()
        databases.admin_session.execute(text("DROP TABLE outflow_edge"))


def test_migrations_need_an_admin(pg_database):
    section = {key: value for key, value in pg_database.section.items() if key != "admin"}
    with (
        opened(default=section) as databases,
        pytest.raises(DatabaseInvalid, match=r"databases\.default\.admin: is missing"),
    ):
        upgrade(databases)
