"""The command ``management``, and what tells how a pipeline is configured and lets one try things in it."""

from __future__ import annotations

import sys
from typing import Any

from fairlead.adapters.workflow.commands.command import Command
from fairlead.adapters.workflow.commands.root import RootCommand

BANNER = """\
You are inside the pipeline {root}: context, config and settings are here, and its plugins can be imported.
To leave, press Ctrl-D."""


@RootCommand.subcommand(invokable=False)
class Management(Command):
    """Create pipelines and plugins, look into this one, and keep its databases."""


@Management.subcommand(db_untracked=True)
class DisplayConfig(Command):
    """Print where the configuration file is, and what the configuration says, without secrets."""

    def setup_tasks(self) -> None:
        """Print it; there is no task."""
        import yaml

        from fairlead.adapters.workflow.masking import Mask, secrets_in
        from fairlead.adapters.workflow.pipeline.logging import DEFAULT_LOGGING
        from fairlead.adapters.workflow.pipeline.scope import current

        config = current().config
        said = {name: value for name, value in config.items() if name != "logging" or value != DEFAULT_LOGGING}
        shown = yaml.safe_dump(Mask(secrets_in(config)).data(_plain(said)), sort_keys=False, allow_unicode=True)
        sys.stdout.write(f"# {config.path or 'There is no configuration file.'}\n{shown}")


@Management.subcommand(db_untracked=True)
class Shell(Command):
    """Open a Python shell inside the pipeline."""

    def setup_tasks(self) -> None:
        """Open it; there is no task."""
        from fairlead.adapters.workflow.library import interact
        from fairlead.adapters.workflow.pipeline import scope

        names = {"context": scope.context, "config": scope.config, "settings": scope.settings}
        interact(names, BANNER.format(root=scope.settings.ROOT_DIRECTORY or ""))


def _plain(value: Any) -> Any:
    """Return data as YAML has it: what it cannot say as a text."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
