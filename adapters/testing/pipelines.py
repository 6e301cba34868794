"""Test cases for the tasks and commands of a pipeline: a scope of its own for each test, and nothing recorded.

They are for pytest; those with a database are in ``database_pipelines``.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from fairlead.adapters.workflow.commands.command import Command
from fairlead.adapters.workflow.pipeline.configuration import DEFAULTS
from fairlead.adapters.workflow.pipeline.pipeline import Pipeline
from fairlead.adapters.workflow.pipeline.scope import PipelineContextManager, config


class _PipelineTestCase:
    """A test in the scope of a pipeline."""

    @pytest.fixture(autouse=True)
    def with_pipeline_context_manager(self) -> Generator[PipelineContextManager]:
        """Open a scope with an empty configuration: ``context``, ``config`` and ``settings`` are those of the test."""
        with PipelineContextManager() as manager:
            yield manager


class TaskTestCase(_PipelineTestCase):
    """A test of a task, or of a workflow: set ``self.task``, and call `run_task`."""

    task: Any = None
    """What is tested."""
    config: Mapping[str, Any] | None = None
    """Sections of the configuration, e.g. ``{"parameters": {"compute": {"multiplier": 3}}}``."""

    def run_task(self, **inputs: Any) -> dict[str, Any]:
        """Run the task in this process with values for its inputs; return its outputs by name."""
        config.update(self.config or {})
        outputs: dict[str, Any] = self.task(**inputs)
        return outputs


class CommandTestCase(_PipelineTestCase):
    """A test of a command: call `run_command`."""

    PLUGINS: ClassVar[list[str]] = ["outflow.management"]
    """The pipeline's plugins."""
    root_command_class: type[Command] | None = None
    """The command that is run, or that all are below; the root of all without it."""
    root_directory: str | Path | None = None
    """The pipeline's folder; the current one, if it has a ``settings.py`` or a ``manage.py``."""
    error: BaseException | None = None
    """What has ended the last command, if it failed."""

    def run_command(self, arguments: Sequence[str], *, force_dry_run: bool = True) -> tuple[int, list[dict[str, Any]]]:
        """Run a command; return its exit code and its result, see `Pipeline`.

        Args:
            arguments: the command line, without the program.
            force_dry_run: whether nothing is recorded.
        """
        settings: dict[str, Any] = {"PLUGINS": self.PLUGINS}
        if self.root_command_class is not None:
            settings["ROOT_COMMAND_CLASS"] = self.root_command_class
        changed = {name: value for name, value in config.items() if name not in DEFAULTS or value != DEFAULTS[name]}
        with Pipeline(
            root_directory=self.root_directory or _pipeline_here(),
            argv=arguments,
            force_dry_run=force_dry_run,
            settings=settings,
            config=changed,
        ) as pipeline:
            code = pipeline.run()
            self.error = pipeline.error
            return code, pipeline.result


@pytest.fixture
def with_pipeline_context_manager() -> Generator[PipelineContextManager]:
    """Open a scope with an empty configuration, for a test that is a function."""
    with PipelineContextManager() as manager:
        yield manager


def _pipeline_here() -> Path | None:
    here = Path.cwd()
    return here if any((here / name).is_file() for name in ("settings.py", "manage.py")) else None
