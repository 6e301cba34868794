"""What newcomers try that cannot work, from the command line: one mistake is told in the same words in all commands.

``fairlead workflow run`` and ``fairlead outflow`` are run on the same blocks, in processes of their own.
"""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path

import pytest

from .conftest import FAIRLEAD

pytestmark = pytest.mark.slow

STUDY = """
    import threading
    from fairlead.adapters.workflow import LoopWorkflow, MapWorkflow, Parameter, as_task, as_workflow

    @as_task
    def give() -> {"x": int, "texts": list[str]}:
        print("something ran")
        return {"x": 1, "texts": ["a"]}

    @as_task
    def take(x: int) -> {"y": int}:
        return x

    @as_task
    def read(texts: list[int]) -> {"y": int}:
        return 1

    @as_task
    def times(x: int, k: Parameter(int)) -> {"y": int}:
        return x * k

    @as_task
    def uneven() -> {"p": list, "q": list}:
        return {"p": [1, 2], "q": [1]}

    @as_task
    def pair(a: int, b: int) -> {"y": int}:
        return a + b

    @as_task
    def nothing() -> {"xs": list}:
        return []

    @as_task
    def opened() -> {"xs": list, "lock": object}:
        return {"xs": [1, 2], "lock": threading.Lock()}

    @as_task
    def use(x: int, lock: object) -> {"y": int}:
        return x

    def missing_input():
        give() | pair(a=1)

    def wrong_type():
        give() | read()

    def wrong_type_in_a_map():
        give() | MapWorkflow(take(), map_on={"texts": "x"}, name="each")

    def circle():
        one, two = take(name="one"), take(name="two")
        one | two | one

    def unequal_lengths():
        uneven() | MapWorkflow(pair(), map_on={"p": "a", "q": "b"}, name="each")

    def missing_parameter():
        give() | times()

    def unknown_backend():
        give()

    def unpicklable_value():
        opened() | MapWorkflow(use(), map_on={"xs": "x"}, name="each")

    def nothing_to_map():
        nothing() | MapWorkflow(take(), map_on={"xs": "x"}, name="each")

    def endless_loop():
        with LoopWorkflow(infinite=True, limit=3, name="again"):
            take(x=1)
"""
BACKENDS = {"unknown_backend": "paralel", "unpicklable_value": "parallel"}
SAID = {
    "missing_input": ["task 'pair', input 'b'", "is missing", "Join a block that gives it, bind it"],
    "wrong_type": ["task 'read', input 'texts'", "'texts' is of type list[str]", "list[int]", "Change one of the two"],
    "wrong_type_in_a_map": ["map 'each', input 'x'", "each item of 'texts' is of type str", "int"],
    "circle": ["its blocks are joined in a circle: one | two | one", "IterativeWorkflow"],
    "unequal_lengths": ["map 'each'", "'p' has 2 items, 'q' has 1 items"],
    "missing_parameter": ["parameters.times.k", "is missing", "Write it under parameters: times:"],
    "unknown_backend": ["'paralel' is unknown", "default, parallel, slurm"],
    "unpicklable_value": ["map 'each', input 'lock'", "_thread.lock cannot be sent to another process", "Pass data"],
    "nothing_to_map": ["map 'each'", "is empty: there is nothing to map over", "allow_empty"],
    "endless_loop": ["loop 'again'", "it was run 3 times and nothing has ended it"],
}
"""What is said of each mistake; what is found, what was expected and the remedy stand in lines of their own."""
RUNS_BEFORE = {"unpicklable_value", "nothing_to_map", "unequal_lengths", "endless_loop"}
"""What only running can tell."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A file of workflows, and a pipeline whose commands are the same."""
    folder = tmp_path_factory.mktemp("study")
    source = textwrap.dedent(STUDY)
    (folder / "study.py").write_text(source + "".join(f"{name} = as_workflow({name})\n" for name in SAID))
    plugin = folder / "pipeline" / "plugins" / "mistakes" / "study" / "mistakes"
    plugin.mkdir(parents=True)
    (folder / "pipeline" / "settings.py").write_text("PLUGINS = ['study.mistakes']\n")
    (plugin / "__init__.py").touch()
    imports = "from fairlead.adapters.workflow.commands import Command, RootCommand\n"
    commands = "".join(
        f"\n@RootCommand.subcommand(db_untracked=True, name={name!r})\n"
        f"class Command_{name}(Command):\n    def setup_tasks(self):\n        {name}()\n"
        for name in SAID
    )
    (plugin / "commands.py").write_text(imports + source + commands)
    return folder


COMMANDS = {
    "fairlead workflow run": lambda name: ["workflow", "run", f"study.py:{name}"],
    "fairlead outflow": lambda name: ["outflow", "pipeline", name],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("mistake", SAID)
def test_a_mistake_is_told_in_the_same_words_by_every_command(command, mistake, folder, tmp_path):
    backend = ["--backend", BACKENDS[mistake]] if mistake in BACKENDS else []
    done = subprocess.run(
        [str(FAIRLEAD), *COMMANDS[command](mistake), *backend],
        cwd=folder,
        env={**os.environ, "FAIRLEAD_CACHE": str(tmp_path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode not in {0, 2}, done.stderr
    for words in SAID[mistake]:
        assert words in done.stderr
    assert "fairlead/adapters" not in done.stderr, "a traceback through the library tells a user nothing"
    assert mistake in RUNS_BEFORE or "something ran" not in done.stdout + done.stderr
