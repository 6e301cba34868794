"""What a command sets up: the workflow of the tasks that it makes, whoever is to run or draw that.

It runs nothing, and opens no scope: who calls it has put the command's arguments into the context.
"""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.adapters.errors import InputInvalid, Problem
from fairlead.adapters.workflow.block import Block
from fairlead.adapters.workflow.commands.command import Command
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fairlead.adapters.workflow.run_state import Run


class CommandWorkflow(Workflow):
    """What a command runs: its last blocks have nobody to give their outputs to, but each can be asked for its own."""

    has_outputs = False

    def __init__(self, **arguments: Any) -> None:
        """Make it, without blocks yet."""
        super().__init__(**arguments)
        self.results: dict[int, dict[str, Any]] = {}
        """The outputs of blocks, by their ids, when they have run."""

    def execute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:
        """See `Workflow.execute`."""
        wiring = self.wiring()
        results = run.backend.run_steps(wiring, inputs, run, path)
        self.results = {id(wiring.steps[number].block): outputs for number, outputs in results.items()}
        return {}


def set_up(commands: Sequence[Command], args: Namespace) -> tuple[CommandWorkflow, list[Block]]:
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
