"""The root of a pipeline's commands: what plugins put theirs below. It does nothing itself."""

from __future__ import annotations

from fairlead.adapters.workflow.commands.command import Command


class RootCommand(Command):
    """Run a command of this pipeline."""

    invokable = False
