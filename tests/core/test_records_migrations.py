"""Migrations are made from models, applied and taken back, wholly or not at all, one plugin beside the other."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
import threading
import uuid
from pathlib import Path

import pytest
import sqlalchemy
from alembic.script import ScriptDirectory

from fairlead.adapters.workflow import Workflow
from fairlead.adapters.workflow.records import (
    DatabaseInvalid,
    Databases,
    MigrationsMissing,
    Recorder,
    downgrade,
    list_runs,
    make_migrations,
    read_run,
    upgrade,
)
from fairlead.adapters.workflow.records import migrations as migrations_module
from fairlead.adapters.workflow.records.migrations.versions.default import run_records
from fairlead.adapters.workflow.records.models import metadata_of
from fairlead.adapters.workflow.records.tables import REVISION, Block, Configuration, Edge, Run, RuntimeException
from tests.stores import PEERS

MODEL = """
    from sqlalchemy import Column, INTEGER, UniqueConstraint
    from fairlead.adapters.workflow.records import Model

    class {name}(Model):
        id_result = Column(INTEGER(), primary_key=True)
        value = Column(INTEGER(), nullable=False)
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A plugin with a model, in a namespace of its own; write another model by calling it."""
    namespace = f"ns_{uuid.uuid4().hex[:8]}"
    folder = tmp_path / "plugins" / namespace / "reduction"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "models" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "plugins"))

    class Plugin:
        name = f"{namespace}.reduction"
        models = folder / "models"
        table = f"{namespace}_result"

        def write(self, source: str = MODEL, **names: str) -> None:
            class_name = "".join(part.title() for part in self.table.split("_"))
            text = textwrap.dedent(source).replace("{name}", class_name)
            (self.models / "result.py").write_text(text + f"    __tablename__ = '{self.table}'\n")
            importlib.invalidate_caches()
            for module in [each for each in sys.modules if each.startswith(f"{self.name}.models")]:
                del sys.modules[module]

    made = Plugin()
    made.write()
    return made


def tables(databases: Databases, label: str | None = None) -> set[str]:
    return set(sqlalchemy.inspect(databases[label].admin_engine).get_table_names())


def test_a_migration_is_made_of_a_model_and_applied(databases, plugin):
    (path,) = make_migrations(databases, plugin.name, "Add table 'result'")
    assert path.parent == plugin.models / "versions" / "default"
    assert path.name.endswith("_add_table_result.py")
    source = path.read_text()
    assert f"branch_labels = ('{plugin.name}',)" in source
    assert f"op.grant_permissions('{plugin.table}')" in source
    assert "outflow_" not in source
    assert plugin.table not in tables(databases)
    upgrade(databases, plugins=[plugin.name])
    assert plugin.table in tables(databases)
    databases.session.execute(sqlalchemy.text(f"INSERT INTO {plugin.table} (value) VALUES (1)"))
    databases.session.commit()


def test_a_model_that_is_changed_gets_a_second_migration(databases, plugin):
    make_migrations(databases, plugin.name, "first")
    upgrade(databases, plugins=[plugin.name])
    plugin.write(MODEL + "        more = Column(INTEGER())\n")
    (path,) = make_migrations(databases, plugin.name, "second")
    assert "branch_labels = None" in path.read_text()
    upgrade(databases, plugins=[plugin.name])
    columns = sqlalchemy.inspect(databases[None].admin_engine).get_columns(plugin.table)
    assert [column["name"] for column in columns] == ["id_result", "value", "more"]


def test_models_that_are_as_they_were_get_none(databases, plugin):
    make_migrations(databases, plugin.name, "first")
    upgrade(databases, plugins=[plugin.name])
    assert make_migrations(databases, plugin.name, "nothing") == []


def test_a_database_that_is_not_up_to_date_gets_no_further_migration(databases, plugin):
    make_migrations(databases, plugin.name, "first")
    with pytest.raises(MigrationsMissing, match="management db upgrade heads"):
        make_migrations(databases, plugin.name, "second")
    assert len([*(plugin.models / "versions" / "default").glob("*.py")]) == 1


def test_one_plugin_is_taken_back_and_the_others_stay(databases, plugin):
    make_migrations(databases, plugin.name)
    upgrade(databases, plugins=[plugin.name])
    downgrade(databases, f"{plugin.name}@base", plugins=[plugin.name])
    assert plugin.table not in tables(databases)
    assert "outflow_run" in tables(databases)


def test_all_is_taken_back(databases):
    downgrade(databases, "base")
    assert tables(databases) == {"alembic_version"}
    upgrade(databases)
    assert "outflow_run" in tables(databases)


def test_a_model_goes_into_the_database_that_it_names(tmp_path, plugin):
    plugin.write(MODEL + "        __bind_key__ = 'another_db'\n")
    sections = {name: {"dialect": "sqlite", "path": f"{name}.db"} for name in ("default", "another_db")}
    with Databases({"databases": sections}, root=tmp_path) as databases:
        upgrade(databases)
        (path,) = make_migrations(databases, plugin.name)
        assert path.parent.name == "another_db"
        upgrade(databases, plugins=[plugin.name])
        assert plugin.table in tables(databases, "another_db")
        assert plugin.table not in tables(databases)
        assert "outflow_run" not in tables(databases, "another_db")


def test_a_table_whose_model_is_gone_is_removed_and_no_others_are(databases, plugin):
    with databases[None].admin_engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE of_somebody_else (id INTEGER)"))
    make_migrations(databases, plugin.name)
    upgrade(databases, plugins=[plugin.name])
    metadata_of(None).remove(metadata_of(None).tables[plugin.table])
    (plugin.models / "result.py").unlink()
    (path,) = make_migrations(databases, plugin.name, "remove")
    source = path.read_text().partition("def downgrade")[0]
    assert f"op.drop_table('{plugin.table}')" in source
    assert "of_somebody_else" not in source


def test_a_migration_that_fails_leaves_nothing(databases, plugin):
    (path,) = make_migrations(databases, plugin.name)
    path.write_text(path.read_text().replace("def downgrade", "    raise RuntimeError('half')\n\ndef downgrade"))
    with pytest.raises(RuntimeError, match="half"):
        upgrade(databases, plugins=[plugin.name])
    assert plugin.table not in tables(databases)


def test_upgrades_at_the_same_time_wait_for_each_other(pg_database, tmp_path):
    for section in (pg_database.section, {"dialect": "sqlite", "path": str(tmp_path / "both.db")}):
        failed: list[Exception] = []

        def one(section=section, failed=failed) -> None:
            try:
                with Databases({"databases": {"default": section}}) as databases:
                    upgrade(databases)
            except Exception as error:  # noqa: BLE001 (the test tells it)
                failed.append(error)

        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []


def test_an_unknown_revision_or_plugin_is_told(databases, plugin):
    for label in (None, "default"):
        with pytest.raises(DatabaseInvalid, match="'nonsense'"):
            upgrade(databases, "nonsense", label=label)
    with pytest.raises(DatabaseInvalid, match=r"plugin 'no\.such': there is no package"):
        make_migrations(databases, "no.such")


def test_the_tables_are_what_the_models_say(databases):
    """Else recording would write what is not there."""
    assert ScriptDirectory(
        migrations_module.__path__[0], version_locations=[run_records.__file__.rpartition("/")[0]]
    ).get_heads() == [REVISION]
    inspector = sqlalchemy.inspect(databases[None].admin_engine)
    for model in (Configuration, Run, Block, Edge, RuntimeException):
        found = {column["name"]: column["nullable"] for column in inspector.get_columns(model.__tablename__)}
        assert found == {column.name: column.nullable for column in model.__table__.columns}
        assert {index["name"] for index in inspector.get_indexes(model.__tablename__)} >= {
            index.name for index in model.__table__.indexes
        }


def test_the_history_of_migrations_can_be_looked_up(databases, capsys):
    migrations_module.run_alembic(databases, ["history"])
    assert "-> f1a71ead0001 (outflow.management) (head)" in capsys.readouterr().out


@pytest.mark.slow
def test_a_database_that_outflow_has_made_is_brought_up_to_date_with_its_runs(tmp_path):
    python = PEERS.with_name(f"{PEERS.name}-outflow") / "bin" / "python"
    if not python.exists():
        pytest.skip("outflow is not there: make setup puts it into .venv-peers-outflow")
    folder = tmp_path / "pipeline"
    outflow = [python, "-m", "outflow", "management", "create", "pipeline", str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run(outflow, check=True, capture_output=True, cwd=tmp_path, env=environment)
    for arguments in (["db", "upgrade", "heads"], ["list_runs"]):
        subprocess.run(
            [python, "manage.py", "management", *arguments],
            check=True,
            capture_output=True,
            cwd=folder,
            env=environment,
        )
    with sqlite_of(folder / "outflow.db") as connection:
        connection.execute(sqlalchemy.text("INSERT INTO outflow_configuration VALUES (1, '{}', '{}', 'h')"))
        connection.execute(
            sqlalchemy.text(
                "INSERT INTO outflow_run VALUES ('u', '2026-01-01 10:00:00', NULL, 'running', 'h', 1, 1, 'go')"
            )
        )
    with Databases(root=folder) as databases:
        with pytest.raises(MigrationsMissing, match="f1a71ead0001"):
            Recorder(databases, Workflow(name="any")).start()
        upgrade(databases)
        (found,) = list_runs(databases)
        assert (found.command, found.state) == ("go", "dead")
        assert read_run(databases, 1).graph is None


def sqlite_of(path: Path):
    return sqlalchemy.create_engine(f"sqlite:///{path}").begin()
