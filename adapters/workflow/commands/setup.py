"""What a command sets up: the workflow of the tasks that it makes, whoever is to run or draw that.

It runs nothing, and opens no scope: who calls it has put the command's arguments into the context.
"""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any

from fairlead.adapters.errors import InputInvalid, Problem
from fairlead.adapters.workflow.block import Block
from fairlead.adapters.workflow.commands.command import Command
from fairlead.adapters.workflow.workflow import Workflow


class CommandWorkflow(Workflow):
    """What a command runs: its last blocks have nobody to give their outputs to."""

    has_outputs = False


def set_up(commands: Sequence[Command], args: Namespace) -> tuple[Workflow, list[Block]]:
    """Let a command set up its tasks; return the workflow that they are in, and the blocks that it returned.

    Args:
        commands: the command, after all that it is below; what these want to be called before is.
        args: the command line, parsed.

    Raises:
        InputInvalid: it returned something other than blocks that were made in it.
    """
    for each in commands:
        if each.on_before is not None:
            _call_before(each.on_before, args)
    command = commands[-1]
    setup: Callable[[], Any] = getattr(command, "setup_task", command.setup_tasks)  # both are in the documents
    with CommandWorkflow(name=command.name) as workflow:
        returned = setup()
    blocks = [] if returned is None else list(returned) if isinstance(returned, list | tuple) else [returned]
    for each in blocks:
        if not isinstance(each, Block) or each.workflow is not workflow:
            where = f"command '{command.name}', setup_tasks"
            found = f"returned {each!r}, which is no block that was made in it"
            raise InputInvalid(Problem(where, found, "a block, a list of blocks, or nothing", ""))
    return workflow, blocks


def _call_before(action: Callable[..., Any], args: Namespace) -> None:
    action(args) if inspect.signature(action).parameters else action()
