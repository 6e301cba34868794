"""Outflow's names: code that imports outflow runs on ours, and what we have not says what to use instead."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.adapters import compat
from fairlead.adapters.workflow.outflow_names import ABSENT, MODULES
from tests.stores import PEERS, needs

ROOT = Path(__file__).resolve().parents[2]
OUTFLOW = PEERS.with_name(f"{PEERS.name}-outflow")


@pytest.fixture(autouse=True)
def served():
    """Have the package served in this process, too."""
    compat.install("outflow")


PROGRAM = "outflow.__main__"  # is run, by `python -m outflow`, and not imported


@pytest.mark.parametrize(
    "name", [name for name, entry in MODULES.items() if isinstance(entry, str) and name != PROGRAM]
)
def test_a_served_module_is_our_very_module(name):
    assert importlib.import_module(name) is importlib.import_module(MODULES[name])


@pytest.mark.parametrize("name", [name for name, entry in MODULES.items() if not isinstance(entry, str)])
def test_every_name_of_a_served_package_is_there(name):
    package = importlib.import_module(name)
    assert {*MODULES[name]} == {*package.__all__}
    for each, module in MODULES[name].items():
        assert getattr(package, each) is getattr(importlib.import_module(module), each)


NAMES_OF = """
import importlib, inspect, json, pkgutil
import outflow

names = {}
for module in pkgutil.walk_packages(outflow.__path__, "outflow."):
    if ".alembic" in module.name or "templates" in module.name or module.name.endswith(("__main__", "remote_runner")):
        continue
    try:
        loaded = importlib.import_module(module.name)
    except ModuleNotFoundError:  # of pytest, which is not there
        continue
    found = names[module.name] = []
    for name in dir(loaded):
        try:
            thing = getattr(loaded, name)
            home = getattr(thing, "__module__", None)
            is_own = (home or "").startswith("outflow") and not inspect.ismodule(thing)
        except Exception:  # of what is looked up in a pipeline
            is_own = home = ""
        if name[0] != "_" and (is_own and (home == module.name or module.ispkg)):
            found.append(name)
print(json.dumps(names))
"""


def test_every_name_of_the_real_package_is_served_or_told():
    python = needs(OUTFLOW / "bin" / "python", "outflow")
    done = subprocess.run([python, "-c", NAMES_OF], capture_output=True, text=True, check=True, cwd="/")
    real = json.loads(done.stdout)
    assert "as_task" in real["outflow.core.tasks"]
    missing = [
        f"{module}.{name}" for module, names in real.items() for name in names if not _served_or_told(module, name)
    ]
    assert missing == []


def _served_or_told(module, name):
    parts = f"{module}.{name}".split(".")
    if any(".".join(parts[:length]) in ABSENT for length in range(2, len(parts) + 1)):
        return True
    return module in MODULES and hasattr(importlib.import_module(module), name)


DOCUMENTED = """
from outflow import Command
from outflow.core.block import Block
from outflow.core.commands import Command, RootCommand, argument
from outflow.core.exceptions import exit_pipeline
from outflow.core.logging import logger
from outflow.core.pipeline import Pipeline, context, config, settings
from outflow.core.pipeline.context_manager import PipelineContextManager
from outflow.core.target import Target
from outflow.core.tasks import Task, as_task
from outflow.core.types import Parameter, Skipped
from outflow.core.workflow import Workflow, as_workflow
from outflow.library.tasks import IfElse, IfThenElse, InteractiveTask, IPythonTask, LoopWorkflow, MapWorkflow, MergeTask
from outflow.library.workflows import IterativeWorkflow, LoopWorkflow, MapWorkflow
from outflow.slurm.map_workflow import SlurmMapWorkflow
print(logger.name, MapWorkflow is SlurmMapWorkflow)
"""


def run(*arguments, cwd="/"):
    return subprocess.run(
        [sys.executable, "-m", "fairlead.adapters.compat", *arguments],
        check=False, capture_output=True, text=True, cwd=cwd,
    )  # fmt: skip


def test_what_the_documents_import_is_there_and_light():
    told = "import sys; print(sorted({'numpy', 'pandas', 'sqlalchemy', 'rich', 'yaml', 'pytest'} & set(sys.modules)))"
    done = run("-c", DOCUMENTED + told)
    assert done.stdout == "__main__ True\n[]\n", done.stderr


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("from outflow.core.product import Product", "has no outflow.core.product"),
        ("from outflow.core.types import IterateOn", r"map_on=\{'sequence': 'input inside'\}"),
        ("import outflow.core.backends.parallel", "BACKENDS"),
        ("from outflow.core.tasks import Taskk", "In outflow.core.tasks there are: Task, as_task"),
    ],
)
def test_what_is_not_served_says_what_to_use(program, words):
    done = run("-c", program)
    assert done.returncode == 1
    assert re.search(words, done.stderr), done.stderr


def test_outflow_is_a_program_as_well(tmp_path):
    done = run("-m", "outflow", "management", "create", "pipeline", "made", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made" / "manage.py").is_file()
    done = run("-m", "outflow", "--version")
    assert done.stdout.startswith("fairlead ")


def test_every_served_module_is_told():
    page = (ROOT / "docs" / "how-to" / "run-an-outflow-pipeline.md").read_text(encoding="utf-8")
    assert [name for name in MODULES if f"`{name}`" not in page] == []
