"""What tasks and workflows have in common: targets of their own, a place in a workflow, and operators that join them.

``a | b`` and ``a >> b`` send the outputs of a to b and are b; ``b << a`` does the same and is a. Either side may be a
list or tuple of blocks (fan-out, fan-in), and any unit of work, such as a twine app, that is no block yet.

A block belongs to the workflow in whose body it was made. It does not know how it is run: see ``running``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

from fairlead.adapters.errors import InputInvalid, Problem
from fairlead.adapters.workflow.exceptions import WorkflowInvalid
from fairlead.adapters.workflow.naming import forbidden_in, to_snake_case, without_forbidden
from fairlead.adapters.workflow.retries import NONE, Retries
from fairlead.adapters.workflow.targets import Target
from fairlead.adapters.workflow.types import NO_DEFAULT

if TYPE_CHECKING:
    from fairlead.adapters.workflow.run_state import Run
    from fairlead.adapters.workflow.workflow import Workflow

_open: ContextVar[tuple[Workflow, ...]] = ContextVar("fairlead_open_workflows", default=())
"""The workflows whose bodies are being written, the innermost last."""

LONGEST_TIMEOUT = 2**31 - 1
"""Seconds, about 68 years: more than that, the clocks of some systems do not take."""
_RETRY_OPTIONS = {
    "retries": "times",
    "retry_delay": "delay",
    "retry_backoff": "backoff",
    "max_retry_delay": "max_delay",
    "retry_jitter": "jitter",
}
OPTIONS = frozenset({"cache", "cache_dir", "timeout", *_RETRY_OPTIONS})
"""The options that every block takes."""


class Block:
    """A node of a workflow."""

    kind: ClassVar[str] = "block"
    name: str
    """What it is called; by default the class's name in snake case."""
    passes_on: ClassVar[bool] = False
    """Whether its outputs are its inputs, whatever they are called."""
    runs_if_skipped: ClassVar[bool] = False
    """Whether it runs though an upstream block was skipped."""

    caches_parts: ClassVar[bool] = False
    """Whether results are kept of its parts, and not of all of it."""
    deals_with_parts: ClassVar[bool] = False
    """Whether its options hold for its parts, which it sees to itself."""

    def __init__(self, *, name: str | None = None, **options: Any) -> None:
        """Make a block and put it into the workflow whose body this is.

        Args:
            name: what it is called; without ``/``, ``[``, ``]`` and control characters, which paths are read by.
            options: those of `with_options`.

        Raises:
            WorkflowInvalid: the name has one of these.
            InputInvalid: an option is unknown or out of range.
        """
        self.name = name or getattr(type(self), "name", None) or to_snake_case(type(self).__name__)
        refuse_name(self.name, f"{self.kind} {self.name!r}, name")
        self.inputs: dict[str, Target] = {}
        self.outputs: dict[str, Target] = {}
        self.parameters: dict[str, Target] = {}
        self.bound: dict[str, Any] = {}
        """Inputs whose values were given when it was made."""
        self.workflow: Workflow | None = None
        self.cache = False
        self.cache_dir: str | None = None
        self.timeout: float | None = None
        self.retries = NONE
        self.digests: dict[bool, str] = {}
        """What ``identity`` has found in this run: of all of it (False), and of one of its parts (True)."""
        self.with_options(**options)
        if workflows := _open.get():
            workflows[-1].add(self)

    def __repr__(self) -> str:
        """Show the name."""
        return f"<{self.kind} {self.name}>"

    def with_options(self, **options: Any) -> Block:
        """Set how it is run, and return it.

        Args:
            options: ``cache`` (look results up and keep them), ``cache_dir`` (where, a path or URL), ``timeout``
                (seconds that one try may take), ``retries`` (how often to try again) with ``retry_delay`` (seconds),
                ``retry_backoff`` (factor), ``max_retry_delay`` (seconds) and ``retry_jitter`` (part); see `Retries`.

        Raises:
            InputInvalid: an option is unknown or out of range.
        """
        refuse_unknown(options, self.name)
        self.cache = bool(options.get("cache", self.cache))
        self.cache_dir = options.get("cache_dir", self.cache_dir)
        timeout = options.get("timeout", self.timeout)
        if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout <= LONGEST_TIMEOUT):
            found = f"{timeout!r} is no number above 0 and at most {LONGEST_TIMEOUT}"
            remedy = "Give e.g. 60, or None for no limit."
            raise InputInvalid(Problem(f"'{self.name}', timeout", found, "seconds", remedy))
        self.timeout = timeout
        changed = {field: options[option] for option, field in _RETRY_OPTIONS.items() if option in options}
        if changed:
            self.retries = Retries(**{**vars(self.retries), **changed})
        return self

    def add_input(self, name: str, type: Any = Any, default: Any = NO_DEFAULT) -> None:  # noqa: A002 (Outflow's name)
        """Give this block one more input."""
        self.inputs[name] = Target(name, type, default)
        self.rewire()

    def add_output(self, name: str, type: Any = Any) -> None:  # noqa: A002 (Outflow's name)
        """Give this block one more output."""
        self.outputs[name] = Target(name, type)
        self.rewire()

    def rewire(self) -> None:
        """Let the workflows round this block find anew who gives what to whom."""
        for workflow in around(self):
            workflow.rewire()

    def leave(self) -> None:
        """Take this block out of the workflow that it was made in."""
        if self.workflow is not None and self in self.workflow.blocks:
            self.workflow.blocks.remove(self)
            self.workflow.edges = [pair for pair in self.workflow.edges if self not in pair]
            self.workflow = None

    def forget_digests(self) -> None:
        """Let ``identity`` look again, because code and bound values may have changed since the last run."""
        self.digests.clear()

    def compute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:
        """Do the work once, with checked inputs, and return the outputs by name."""
        # Abstract; ABC would say so with a metaclass, which could not be joined with one of a user's.
        raise NotImplementedError(f"{type(self).__name__} says nothing of how it is run")

    # Joining

    def __or__(self, other: Any) -> Any:
        """Send the outputs of this block to another, or to each of several; return what is on the right."""
        return join(self, other)

    __rshift__ = __or__

    def __ror__(self, other: Any) -> Any:
        """Take the outputs of what is on the left, one or several; return this block."""
        return join(other, self)

    __rrshift__ = __ror__

    def __lshift__(self, other: Any) -> Any:
        """Take the outputs of what is on the right, one or several; return that, so that ``c << b << a`` is a chain."""
        return draw(self, other)

    def __rlshift__(self, other: Any) -> Any:
        """Send the outputs of this block to each of those on the left; return this block."""
        return draw(other, self)


def refuse_name(name: str, where: str) -> None:
    """Raise `WorkflowInvalid` for a name that would not be found again in a path such as ``study/each[3]/double``."""
    if found := forbidden_in(name):
        expected = "a name without '/', '[', ']' and control characters"
        remedy = f"Call it e.g. {without_forbidden(name)!r}."
        raise WorkflowInvalid(Problem(where, f"it has {found!r}", expected, remedy))


def refuse_unknown(options: Mapping[str, Any], name: str) -> None:
    """Raise `InputInvalid` for options that no block takes."""
    unknown = sorted(set(options) - OPTIONS)
    if unknown:
        known = ", ".join(sorted(OPTIONS))
        remedy = "Leave it out, or correct its name."
        raise InputInvalid([Problem(f"'{name}', option '{each}'", "is unknown", known, remedy) for each in unknown])


class Fan(tuple["Block", ...]):
    """Several blocks that are joined as one: the right side of ``a | [b, c]``."""

    __slots__ = ()

    def __or__(self, other: Any) -> Any:
        """Send the outputs of each to another block."""
        return join(self, other)

    __rshift__ = __or__

    def __lshift__(self, other: Any) -> Any:
        """Take the outputs of what is on the right; return that."""
        return draw(self, other)


def join(left: Any, right: Any) -> Any:
    """Make an edge from each block on the left to each on the right; return the right side."""
    ups, downs = _blocks(left), _blocks(right)
    for side, blocks in ((left, ups), (right, downs)):
        if not blocks:
            found = "there is no block in it"
            raise WorkflowInvalid(Problem(f"{side!r}", found, "one block or more", "Join only what is there."))
    for up in ups:
        for down in downs:
            connect(up, down)
    return Fan(downs) if isinstance(right, list | tuple) else downs[0]


def draw(left: Any, right: Any) -> Any:
    """Make an edge to each block on the left from each on the right; return the right side."""
    join(right, left)
    return Fan(_blocks(right)) if isinstance(right, list | tuple) else _blocks(right)[0]


def _blocks(side: Any) -> list[Block]:
    from fairlead.adapters.workflow.units import as_block

    if isinstance(side, list | tuple):
        return [block for each in side for block in _blocks(each)]
    return [as_block(side)]


def connect(up: Block, down: Block) -> None:
    """Make an edge from one block to another, in the workflow that the latter is in.

    Raises `WorkflowInvalid` if one of them is in no workflow, or if the first is in none that is round the second.
    """
    lost = [block for block in (up, down) if block.workflow is None]
    if lost:
        names = " and ".join(f"'{block.name}'" for block in lost)
        raise WorkflowInvalid(
            Problem(
                f"{up.name} | {down.name}",
                f"{names} {'were' if len(lost) > 1 else 'was'} made outside any workflow",
                "blocks that are made in the body of a workflow",
                "Write this in a function under @as_workflow, in `with Workflow():`, or in a command's setup_tasks.",
            )
        )
    for workflow in around(down):
        if up.workflow is workflow:
            assert down.workflow
            down.workflow.edges.append((up, down))
            return
    raise WorkflowInvalid(
        Problem(
            f"{up.name} | {down.name}",
            f"'{up.name}' is inside '{up.workflow.name if up.workflow else ''}', which '{down.name}' is not",
            "blocks of one workflow, or one of a workflow round it",
            f"Join the workflow instead: {up.workflow.name if up.workflow else ''} | {down.name}.",
        )
    )


def around(block: Block) -> Iterable[Workflow]:
    """Go through the workflows that a block is in, from the innermost out."""
    workflow = block.workflow
    while workflow is not None:
        yield workflow
        workflow = workflow.workflow


def open_workflow(workflow: Workflow) -> None:
    """Let blocks that are made from now on belong to a workflow."""
    _open.set((*_open.get(), workflow))


def close_workflow(workflow: Workflow) -> None:
    """End that, also for workflows that were opened in it and not closed."""
    workflows = _open.get()
    if workflow in workflows:
        _open.set(workflows[: len(workflows) - 1 - workflows[::-1].index(workflow)])


def is_open(workflow: Workflow) -> bool:
    """Tell whether this is in the body of a workflow."""
    return workflow in _open.get()


def current_workflow() -> Workflow | None:
    """Return the workflow whose body this is."""
    workflows = _open.get()
    return workflows[-1] if workflows else None
