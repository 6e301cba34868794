"""What tests ask the real Outflow: how long it takes from the first task of a workflow to its last.

Runs in ``.venv-peers-outflow``, in a folder of its own; reads questions as lines of JSON and answers each with one.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

stamps: list[float] = []
"""When the first and the last task ran."""
asked: dict[str, Any] = {}


def seconds(command: str, *, backend: str = "default", **arguments: Any) -> float:
    """Run a command of the pipeline below, and return what it took."""
    asked.clear()
    asked.update(arguments)
    stamps.clear()
    run(command, "--backend", backend)
    return stamps[-1] - stamps[0]


def tables() -> None:
    """Make the tables that commands are tracked in, in a file of SQLite, as Outflow's configuration has it."""
    run("management", "db", "upgrade", "head")


def tracked() -> int:
    """Return how many tasks are in the tables, as having succeeded."""
    with contextlib.closing(sqlite3.connect("outflow.db")) as database:
        found: int = database.execute(
            "SELECT count(*) FROM outflow_block WHERE type = 'task' AND state = 'success'"
        ).fetchone()[0]
    return found


def run(*command: str) -> None:
    """Run a command line of the pipeline below."""
    from outflow.core.pipeline import Pipeline

    Path("settings.py").write_text("PLUGINS = ['outflow.management']\n")
    with Pipeline(root_directory=".", settings_module="settings", argv=list(command)) as pipeline:
        pipeline.run()


def write_commands() -> None:
    """Define the commands: tasks in a row, and a map."""
    from outflow.core.commands import Command, RootCommand
    from outflow.core.tasks import as_task
    from outflow.library.workflows import MapWorkflow

    # Outflow evaluates no annotations that are texts.
    def start():
        stamps.append(time.perf_counter())
        return {"x": 1}

    def numbers():
        stamps.append(time.perf_counter())
        return {"xs": list(range(asked["number"]))}

    def nothing(x):
        return {"x": x}

    def end(x):
        stamps.append(time.perf_counter())

    Start, Numbers, Nothing, End = map(as_task, (start, numbers, nothing, end))  # noqa: N806 (classes)

    class Row(Command):
        def setup_tasks(self):
            up = Start()
            for _ in range(asked["number"]):
                up = up | Nothing()
            up | End()

    class TrackedRow(Command):
        setup_tasks = Row.setup_tasks

    class Each(Command):
        def setup_tasks(self):
            first = Numbers()
            with MapWorkflow() as each:
                Nothing()
            first | each | End()

    for command in (Row, Each):
        RootCommand.subcommand(db_untracked=True)(command)
    RootCommand.subcommand()(TrackedRow)


def main() -> None:
    warnings.simplefilter("ignore")
    answers = sys.stdout
    sys.path.insert(0, "")
    with contextlib.redirect_stdout(sys.stderr):
        write_commands()
        for line in sys.stdin:
            question = json.loads(line)
            question.pop("environment")
            try:
                answer = {"result": globals()[question.pop("do")](**question)}
            except Exception:  # noqa: BLE001 (told to the test)
                answer = {"error": traceback.format_exc()}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
