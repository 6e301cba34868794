"""``fairlead runs``: what has been recorded, for people and programs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta

import pytest

from fairlead.adapters.cli import exits
from fairlead.adapters.workflow import MapWorkflow, Workflow, as_task, run
from fairlead.adapters.workflow.commands.management import records as commands
from fairlead.adapters.workflow.records import Databases, Recorder, list_runs, upgrade

COMMAND = [sys.executable, "-c", "from fairlead.adapters.cli import main; main()", "runs"]


@as_task
def Measure(angle: float) -> {"load": float}:
    if angle > 100:
        msg = f"no load at {angle} degrees"
        raise ValueError(msg)
    return {"load": 2 * angle}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with two runs in ``outflow.db``: one of which an item failed, and one that failed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAIRLEAD_RUNS", raising=False)
    with Databases.at("sqlite:///outflow.db") as databases:
        upgrade(databases)
        for on_error in ("collect", "fail"):
            with Workflow(name="loads") as workflow, MapWorkflow(name="measured", on_error=on_error):
                Measure()
            recorder = Recorder(databases, workflow, command=f"measure {on_error}")
            with contextlib.suppress(ValueError), recorder:
                run(workflow, {"angle": [1.0, 200.0]}, observer=recorder)
    return tmp_path


def fairlead(*arguments, **environment):
    return subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "120", **environment},
    )


def test_runs_are_listed_with_the_newest_first(home):
    lines = fairlead().stdout.splitlines()
    assert re.split(r"  +", lines[0].strip()) == [
        "run", "command", "state", "started", "duration", "host", "failed blocks",
    ]  # fmt: skip
    assert re.match(r" *2 +measure fail +failed +\d{4}-.* 1$", lines[2])
    assert re.match(r" *1 +measure collect +success +\d{4}-.* 1$", lines[3])


def test_programs_get_json(home):
    found = json.loads(fairlead("--json", "--state", "failed").stdout)
    assert [(each["id"], each["state"], each["failed"]) for each in found] == [(2, "failed", 1)]
    assert abs(datetime.fromisoformat(found[0]["start"]) - datetime.now(UTC)) < timedelta(minutes=5)
    one = json.loads(fairlead("show", "1", "--json").stdout)
    assert one["blocks"]["measured[1]/measure"] == "failed"
    assert one["exceptions"][0]["message"] == "no load at 200.0 degrees"


def test_a_database_is_named_or_found(home, monkeypatch):
    url = f"sqlite:///{home / 'outflow.db'}"
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert fairlead("--database", url).stdout.count("measure") == 2
    assert fairlead("show", "--database", url, "last", "--json").returncode == 0
    assert fairlead(FAIRLEAD_RUNS=url).stdout.count("measure") == 2


def test_a_database_that_is_not_there_is_told_and_not_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = fairlead()
    assert done.returncode == exits.CONTRACT
    assert "there is no such file" in done.stderr
    assert [*tmp_path.glob("*.db")] == []


def test_the_tables_are_made_where_they_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fairlead("upgrade").stdout == "outflow.db is up to date.\n"
    assert fairlead().stdout == "No runs have been recorded here.\n"


def test_an_unknown_run_is_told(home):
    done = fairlead("show", "77")
    assert done.returncode == exits.CONTRACT
    assert "run 77" in done.stderr
    assert "fairlead runs" in done.stderr


def test_the_newest_run_and_one_by_its_uuid_are_found(home):
    with Databases.at("sqlite:///outflow.db") as databases:
        newest = list_runs(databases)[0]
    assert json.loads(fairlead("show", "last", "--json").stdout)["id"] == newest.id
    assert json.loads(fairlead("show", newest.uuid[:8], "--json").stdout)["id"] == newest.id


def test_a_run_is_drawn_with_its_states_and_what_was_raised(home):
    pytest.importorskip("fairlead.adapters.workflow.drawing")
    done = fairlead("show", "2")
    assert done.returncode == 0, done.stderr
    head, _, rest = done.stdout.partition("\n")
    assert head == "run 2  measure fail  failed"
    assert "1 success, 1 failed" in rest
    assert re.search(r"✘ measured .*\n +✘ measure", rest)
    assert "ValueError: no load at 200.0 degrees" in rest
    assert "raise ValueError(msg)" in rest


def test_the_database_of_a_pipeline_is_that_of_its_configuration(home, monkeypatch):
    pytest.importorskip("fairlead.adapters.workflow.pipeline.configuration")
    pipeline = home / "pipeline"
    pipeline.mkdir()
    (home / "outflow.db").rename(pipeline / "mine.db")
    (pipeline / "config.yml").write_text("databases:\n  default:\n    dialect: sqlite\n    path: mine.db\n")
    monkeypatch.chdir(pipeline)
    assert fairlead().stdout.count("measure") == 2


def test_the_database_of_a_pipeline_is_the_one_that_its_settings_and_variables_say(home, monkeypatch):
    pipeline, elsewhere = home / "pipeline", home / "elsewhere"
    pipeline.mkdir()
    elsewhere.mkdir()
    (home / "outflow.db").rename(pipeline / "mine.db")
    (pipeline / "names.py").write_text("RECORDS = 'records'\n")
    (pipeline / "settings.py").write_text("from names import RECORDS\nMAIN_DATABASE = RECORDS\n")
    (elsewhere / "production.yml").write_text(
        "databases:\n  default: {dialect: sqlite, path: other.db}\n  records: {dialect: sqlite, path: mine.db}\n"
    )
    monkeypatch.chdir(pipeline)
    done = fairlead(OUTFLOW_CONFIG_PATH=str(elsewhere / "production.yml"))
    assert done.stdout.count("measure") == 2, done.stderr


# What the commands of a pipeline do with these arguments


@pytest.fixture
def databases(home):
    with Databases.at("sqlite:///outflow.db") as databases:
        yield databases


def test_list_runs_shows_those_that_ended_well_if_asked_to(databases, capsys):
    commands.list_runs(databases, success_only=True)
    printed = capsys.readouterr().out
    assert "measure collect" in printed
    assert "measure fail" not in printed


def test_debug_shows_what_was_raised(databases, capsys):
    commands.debug(databases, "1")
    printed = capsys.readouterr().out
    assert "measured[1]/measure  ValueError: no load at 200.0 degrees" in printed
    assert "Traceback (most recent call last):" in printed


def test_execute_sql_prints_rows(databases, capsys):
    commands.execute_sql(databases, execute="SELECT id, command_name FROM outflow_run WHERE command_name LIKE '%fail%'")
    assert capsys.readouterr().out.splitlines()[-1].split() == ["2", "measure", "fail"]


def test_execute_sql_runs_a_file_wholly_or_not_at_all(databases, home, capsys):
    script = home / "script.sql"
    script.write_text("CREATE TABLE a (x INTEGER);\nINSERT INTO a VALUES (1);\nSELECT x FROM a;\n")
    commands.execute_sql(databases, file=script)
    assert capsys.readouterr().out.splitlines()[-1] == "1"
    script.write_text("CREATE TABLE b (x INTEGER);\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(Exception, match="nowhere"):
        commands.execute_sql(databases, file=script)
    with sqlite3.connect("outflow.db") as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
    assert "a" in names
    assert "b" not in names


def test_upgrade_says_what_it_did(databases, capsys):
    commands.upgrade(databases)
    assert capsys.readouterr().out == "default (outflow.db) is up to date with heads.\n"


def test_gen_doc_describes_the_tables_of_a_plugin(tmp_path, monkeypatch, capsys):
    package = tmp_path / "described_plugin"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(
        textwrap.dedent("""
            from sqlalchemy import Column, Integer, String
            from fairlead.adapters.workflow.records import Model

            class Site(Model):
                '''Where turbines stand.'''

                id = Column(Integer, primary_key=True)
                name = Column(String(80), unique=True, nullable=False, doc="What people call it.")
        """)
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    path = commands.gen_doc("described_plugin", tmp_path)
    text = path.read_text()
    assert "site\n----\n\nWhere turbines stand.\n" in text
    assert "   * - name\n     - VARCHAR(80)\n     - required, unique\n     - What people call it.\n" in text


@pytest.mark.slow
def test_a_list_that_nobody_reads_ends_quietly(home):
    with subprocess.Popen([*COMMAND, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.wait(10) in {exits.DONE, exits.UNREAD, -signal.SIGPIPE}
        assert process.stderr.read() == b""
