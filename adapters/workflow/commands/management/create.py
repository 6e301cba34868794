"""Makes the folder of a new pipeline, or of a plugin, from templates, so that it works at once.

A folder is made whole or not at all, and nothing that exists is written over.
"""

from __future__ import annotations

import argparse
import keyword
import logging
import shutil
import string
import sys
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from fairlead.adapters.errors import InputInvalid, Problem
from fairlead.adapters.workflow.commands.command import Command
from fairlead.adapters.workflow.commands.management.management import Management
from fairlead.adapters.workflow.naming import to_camel_case

_logger = logging.getLogger(__name__)

PIPELINE = {
    "config.yml": "pipeline/config.yml.txt",
    "conftest.py": "pipeline/conftest.py.txt",
    "manage.py": "pipeline/manage.py.txt",
    "plugins/README.md": "pipeline/plugins.md.txt",
    "requirements.txt": "pipeline/requirements.txt",
    "settings.py": "pipeline/settings.py.txt",
}
"""The files of a pipeline, and their templates."""
PLUGIN = {
    "README.md": "plugin/README.md.txt",
    "pyproject.toml": "plugin/pyproject.toml.txt",
    "{package}/__init__.py": "plugin/init.py.txt",
    "{package}/commands.py": "plugin/commands.py.txt",
    "{package}/models/__init__.py": "plugin/models_init.py.txt",
    "{package}/models/model.py": "plugin/model.py.txt",
    "{package}/tasks.py": "plugin/tasks.py.txt",
    "{package}/tests/test_{name}.py": "plugin/test.py.txt",
}
"""Those of a plugin, below its folder. Its namespace has no file, so that several plugins share one."""


@Management.subcommand(invokable=False)
class Create(Command):
    """Create a pipeline or a plugin."""


class _Creates(Command):
    """What both have in common."""

    @property
    def asked(self) -> argparse.Namespace:
        """The command line."""
        from fairlead.adapters.workflow.pipeline.scope import context

        return context.args


@Create.subcommand(name="pipeline", db_untracked=True)
class CreatePipeline(_Creates):
    """Create the folder of a pipeline: manage.py, settings.py, config.yml and a place for plugins."""

    def add_arguments(self) -> None:
        """See `Command.add_arguments`."""
        self.add_argument("name", metavar="NAME", help="what the pipeline is called")
        self.add_argument("--pipeline_dir", metavar="FOLDER", help="where it is made; NAME without it")

    def setup_tasks(self) -> None:
        """Make it; there is no task."""
        name = self.asked.name
        folder = Path(self.asked.pipeline_dir or name)
        make(folder, PIPELINE, {"name": Path(name).name})
        (folder / "manage.py").chmod(0o755)
        _logger.info("Pipeline '%s' was created in %s.", name, folder)


@Create.subcommand(name="plugin", db_untracked=True)
class CreatePlugin(_Creates):
    """Create a plugin with a task, a command and a test, which work at once."""

    def add_arguments(self) -> None:
        """See `Command.add_arguments`."""
        self.add_argument("name", metavar="NAME", help="its package, e.g. my_project.data_reduction")
        self.add_argument("--namespace", help="the package round it, if NAME does not say it")
        self.add_argument("--plugin_dir", metavar="FOLDER", help="where it is made; plugins/NAME without it")

    def setup_tasks(self) -> None:
        """Make it; there is no task."""
        from fairlead.adapters.workflow.pipeline.scope import settings

        full = ".".join(filter(None, [self.asked.namespace, self.asked.name]))
        parts = full.split(".")
        wrong = [
            f"{part!r} is no name in Python" for part in parts if not part.isidentifier() or keyword.iskeyword(part)
        ]
        wrong += [f"{part!r} is a module of Python's own" for part in parts[:1] if part in sys.stdlib_module_names]
        if wrong:
            raise InputInvalid(Problem(f"plugin '{full}'", wrong[0], "e.g. project.data_reduction", "Choose another."))
        name = full.rpartition(".")[2]
        folder = Path(self.asked.plugin_dir or Path(settings.ROOT_DIRECTORY or "", "plugins", name))
        package = full.replace(".", "/")
        names = {"full": full, "name": name, "class_name": to_camel_case(name), "package": package}
        make(folder, PLUGIN, names)
        _logger.info("Plugin '%s' was created in %s. Add '%s' to PLUGINS in settings.py.", name, folder, full)


def make(folder: Path, templates: Mapping[str, str], names: Mapping[str, str]) -> None:
    """Make a folder of files from templates.

    Args:
        folder: which is not there yet, or is empty.
        templates: the templates by the files' paths, in which ``{name}`` stands for a name's value.
        names: the values of names; in a template, ``$name`` stands for one.

    Raises:
        InputInvalid: there is something in the folder already, or it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        problem = Problem(str(folder), "is there already", "a folder that is not, or is empty", "Name another folder.")
        raise InputInvalid(problem)
    source = files(__package__ or "") / "templates"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            for path, template in templates.items():
                target = made / path.format(**names)
                target.parent.mkdir(parents=True, exist_ok=True)
                text = string.Template(source.joinpath(template).read_text(encoding="utf-8"))
                target.write_text(text.substitute(names), encoding="utf-8")
            made.chmod(0o755)
            made.replace(folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as error:
        raise InputInvalid(Problem(str(folder), f"cannot be made: {error.strerror or error}", "", "")) from error
