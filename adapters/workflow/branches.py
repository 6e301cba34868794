"""Branches: a condition that is asked once, its two sides, of which one is skipped, and what joins them again.

What is skipped is decided anew in every run, item and iteration: nothing is kept in the blocks. A block after a skipped
one is skipped as well, except `MergeTask`, which takes what did run. A side that nothing is joined to gives nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.block import Block, connect
from fairlead.adapters.workflow.exceptions import ResultInvalid, WorkflowInvalid
from fairlead.adapters.workflow.gathering import BRANCHES, TAKEN, SkippedOutputs, skipped

if TYPE_CHECKING:
    from fairlead.adapters.workflow.run_state import Run


class Choice(Block):
    """The "if": asks its condition with what it is given, and passes that on."""

    kind: ClassVar[str] = "choice"
    passes_on: ClassVar[bool] = True

    def __init__(self, condition: Callable[..., Any], *, name: str) -> None:
        """Take the condition: a function of some or all (``**kwargs``) of the inputs."""
        super().__init__(name=name)
        self.condition = condition
        _, self.asks_for = asked(condition)

    def compute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:  # noqa: ARG002 (a block's signature)
        """See `Block.compute`."""
        return {**inputs, TAKEN: bool(self.condition(**chosen(self.condition, inputs)))}


def asked(function: Callable[..., Any]) -> tuple[frozenset[str] | None, tuple[str, ...]]:
    """Return the names that a condition can be given, None for any, and those that it must be given."""
    parameters = inspect.signature(function).parameters.values()
    names = [each for each in parameters if each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}]
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
    required = tuple(each.name for each in names if each.default is each.empty)
    return None if takes_any else frozenset(each.name for each in names), required


def chosen(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of some values that a condition asks for."""
    names, _ = asked(function)
    return {name: value for name, value in values.items() if names is None or name in names}


class Side(Block):
    """The "then" or the "else": passes on what the choice was given, or is skipped."""

    kind: ClassVar[str] = "side"
    passes_on: ClassVar[bool] = True

    def __init__(self, choice: Choice, *, taken_if: bool, name: str) -> None:
        """Take the choice, and which answer this side is for."""
        super().__init__(name=name)
        self.choice = choice
        self.taken_if = taken_if

    def compute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:  # noqa: ARG002 (a block's signature)
        """See `Block.compute`."""
        values = dict(inputs)
        return values if values.pop(TAKEN) == self.taken_if else skipped(values)


def IfThenElse(  # noqa: N802 (Outflow's name)
    condition: Callable[..., Any], name: str | None = None
) -> tuple[Choice, Side, Side]:
    """Split a workflow in two: return the blocks "if", to send inputs to, "then" and "else", to go on from.

    Args:
        condition: a function of some or all (``**kwargs``) of what "if" is given; asked once.
        name: what the blocks are named after; the condition's name without it.
    """
    if not callable(condition):
        raise WorkflowInvalid(
            Problem("IfThenElse", f"{condition!r} is no function", "a condition", "Write a function.")
        )
    given = getattr(condition, "__name__", "condition")
    name = name or ("condition" if given == "<lambda>" else given)
    choice = Choice(condition, name=f"if_{name}")
    sides = Side(choice, taken_if=True, name=f"then_{name}"), Side(choice, taken_if=False, name=f"else_{name}")
    for side in sides:
        if choice.workflow is not None:
            connect(choice, side)
    return choice, *sides


class MergeTask(Block):
    """Joins branches: its outputs are those of the one that ran."""

    kind: ClassVar[str] = "merge"
    passes_on: ClassVar[bool] = True
    runs_if_skipped: ClassVar[bool] = True

    def compute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:  # noqa: ARG002 (a block's signature)
        """See `Block.compute`; raises `ResultInvalid` if more than one branch ran."""
        branches: dict[str, dict[str, Any]] = inputs[BRANCHES]
        if len(branches) > 1:
            names = " and ".join(f"'{key}'" for key in branches)
            raise ResultInvalid(
                Problem(
                    f"merge '{self.name}'",
                    f"{names} have both run",
                    "one branch that did",
                    "Let all but one return Skipped(), or join them without MergeTask under different names.",
                )
            )
        return next(iter(branches.values()), SkippedOutputs())


class IdentityTask(Block):
    """Passes on what it is given."""

    kind: ClassVar[str] = "identity"
    passes_on: ClassVar[bool] = True

    def compute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:  # noqa: ARG002 (a block's signature)
        """See `Block.compute`."""
        return dict(inputs)
