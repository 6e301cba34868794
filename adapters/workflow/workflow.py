"""Workflows: blocks that are run in order, one after what it needs, and that are a block themselves.

A workflow is written as a function under ``@as_workflow``, in a ``with`` block, or between `Workflow.start` and
`Workflow.stop`: every block that is made there belongs to it, joined or not. What goes wrong in a body leaves no
workflow open. How blocks find their inputs is in ``wiring``, how they are run in ``running``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, overload

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.block import Block, close_workflow, is_open, open_workflow
from fairlead.adapters.workflow.exceptions import ResultInvalid, WorkflowInvalid
from fairlead.adapters.workflow.failures import short
from fairlead.adapters.workflow.naming import to_snake_case
from fairlead.adapters.workflow.targets import Target
from fairlead.adapters.workflow.types import NO_DEFAULT

if TYPE_CHECKING:
    from types import TracebackType

    from fairlead.adapters.workflow.graph import Graph
    from fairlead.adapters.workflow.run_state import Run
    from fairlead.adapters.workflow.wiring import Wiring

W = TypeVar("W", bound="Workflow")


class Workflow(Block):
    """Blocks that are run in order."""

    kind: ClassVar[str] = "workflow"
    has_outputs: ClassVar[bool] = True
    """Whether what the last blocks give is the workflow's; else they may give the same names."""

    def __init__(self, *blocks: Any, name: str | None = None, **options: Any) -> None:
        """Make a workflow.

        Args:
            blocks: what it holds from the start, each with all that it is joined to; more is added between `start` and
                `stop`, or in a ``with`` block.
            name: what it is called.
            options: see `Block.with_options`. As in Outflow, ``output_name`` is let pass: only maps make use of it.
        """
        options.pop("output_name", None)
        self.blocks: list[Block] = []
        self.edges: list[tuple[Block, Block]] = []
        """Who sends to whom; the first of a pair may be in a workflow round this one."""
        self.added_inputs: dict[str, Target] = {}
        self.added_outputs: dict[str, Target] = {}
        self._wiring: Wiring | None = None
        super().__init__(name=name, **options)
        for block in blocks:
            self._adopt(block)
        if blocks:
            self.setup_targets()

    def add(self, block: Block) -> None:
        """Put a block into this workflow."""
        block.workflow = self
        self.blocks.append(block)
        self._wiring = None

    def _adopt(self, other: Any) -> None:
        """Move a block that was made just outside into this workflow, with all that it is joined to there."""
        from fairlead.adapters.workflow.units import as_block

        block = as_block(other, workflow=self)
        home = block.workflow
        if home is self:
            return
        if home is not None and not is_open(home):
            found = f"it is in {home.kind} '{home.name}', which is written already"
            raise WorkflowInvalid(Problem(f"'{block.name}'", found, "a block of no other workflow", "Make another."))
        moved = {id(block): block}
        if home is not None:
            grown = True
            while grown:
                pairs = [pair for pair in home.edges if (id(pair[0]) in moved) != (id(pair[1]) in moved)]
                fresh = {id(each): each for pair in pairs for each in pair if each.workflow is home}
                grown = not fresh.keys() <= moved.keys()
                moved |= fresh
            self.edges += [pair for pair in home.edges if id(pair[1]) in moved]
            home.edges = [pair for pair in home.edges if id(pair[1]) not in moved]
            order = [each for each in home.blocks if id(each) in moved]
            home.blocks = [each for each in home.blocks if id(each) not in moved]
        else:
            order = [block]
        for each in order:
            self.add(each)

    # Writing a workflow

    def start(self) -> None:
        """Let blocks that are made from now on belong to this workflow."""
        if is_open(self):
            remedy = "Stop it first, or write another workflow."
            raise WorkflowInvalid(Problem(f"{self.kind} '{self.name}'", "it was started already", "one start", remedy))
        open_workflow(self)

    def stop(self) -> None:
        """End that; the workflow now has its targets."""
        if not is_open(self):
            where = f"{self.kind} '{self.name}'"
            raise WorkflowInvalid(Problem(where, "it was not started", "start() before stop()", "Start it first."))
        self.__exit__(None, None, None)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, whatever happened in the body; what goes wrong leaves nothing of it in the workflow round it."""
        close_workflow(self)
        is_whole = False
        try:
            if kind is None:
                self.setup_targets()
                is_whole = True
        finally:
            if not is_whole:
                self.leave()

    def setup_targets(self) -> None:
        """Take inputs and outputs from the blocks inside: what nothing inside gives, and what the last ones give."""
        wiring = self.wiring()
        self.inputs = {**self.outer_inputs(wiring), **self.added_inputs}
        self.outputs = {**self.outer_outputs(wiring), **self.added_outputs}

    def outer_inputs(self, wiring: Wiring) -> dict[str, Target]:
        """Return the inputs that this workflow shows to what is round it."""
        return {name: target for name, target in wiring.inputs.items() if name[0] != "@"}

    def outer_outputs(self, wiring: Wiring) -> dict[str, Target]:
        """Return the outputs that this workflow shows to what is round it."""
        return dict(wiring.outputs)

    def sent_back(self, outputs: Mapping[str, Target]) -> frozenset[str]:  # noqa: ARG002 (for those that do)
        """Return the outputs that are inputs of the next iteration."""
        return frozenset()

    def add_input(self, name: str, type: Any = Any, default: Any = NO_DEFAULT) -> None:  # noqa: A002 (Outflow's name)
        """Give this workflow one more input; it goes to the blocks inside that have one of that name."""
        self.added_inputs[name] = Target(name, type, default)
        self._wiring = None
        self.setup_targets()

    def add_output(self, name: str, type: Any = Any) -> None:  # noqa: A002 (Outflow's name)
        """Give this workflow one more output, which its own ``run`` must return."""
        self.added_outputs[name] = Target(name, type)
        self.setup_targets()

    def rewire(self) -> None:
        """See `Block.rewire`; a workflow whose body is written has its targets anew, too."""
        if self._wiring is not None:
            self._wiring = None
            if not is_open(self):
                self.setup_targets()

    def forget_digests(self) -> None:
        """See `Block.forget_digests`: of all blocks inside."""
        super().forget_digests()
        for block in self.blocks:
            block.forget_digests()

    def wiring(self) -> Wiring:
        """Return how the blocks inside find their inputs; raises `WorkflowInvalid` if they are joined in a circle."""
        from fairlead.adapters.workflow.wiring import wire

        shape = (len(self.blocks), len(self.edges))
        if self._wiring is None or self._wiring.shape != shape:
            self._wiring = wire(self)
        return self._wiring

    def graph(self) -> Graph:
        """Return what is in this workflow as data."""
        from fairlead.adapters.workflow.graph import graph_of

        return graph_of(self)

    def check(self, inputs: Mapping[str, Any] | None = None) -> None:
        """Raise `WorkflowInvalid` with all that does not fit, by name and type, if it is run with these inputs."""
        from fairlead.adapters.workflow.wiring import check

        check(self, inputs or {})

    # Running

    def run(self, **inputs: Any) -> Any:
        """Do the work: run the blocks inside, and return the outputs of the last ones by name.

        Override it to do something else, before or instead; ``super().run(**inputs)`` is this. It is called in a run.
        """
        from fairlead.adapters.workflow.run_state import current_place

        return self.execute(inputs, *current_place())

    def _run(self, **inputs: Any) -> Any:
        """Outflow's documents have the hook under this name."""
        return Workflow.run(self, **inputs)

    def compute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:
        """See `Block.compute`."""
        hook = self.hook
        if hook is None:
            return self.execute(inputs, run, path)
        from fairlead.adapters.workflow.run_state import placed

        with placed(run, path):
            result = hook(**{**self.added_defaults, **inputs})
        return self._checked(result)

    def execute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:
        """Run the blocks inside once, in the engine of the run."""
        wiring = self.wiring()
        return wiring.outputs_of(run.backend.run_steps(wiring, {**self.added_defaults, **inputs}, run, path))

    @property
    def added_defaults(self) -> dict[str, Any]:
        """The defaults of inputs that were added to this workflow, which no block inside has of itself."""
        return {name: target.default for name, target in self.added_inputs.items() if not target.is_required}

    @property
    def hook(self) -> Callable[..., Any] | None:
        """What a subclass does instead of just running the blocks, if it does."""
        cls = type(self)
        if cls._run is not Workflow._run:
            return self._run
        own = getattr(cls, "run", None)
        return self.run if own is not None and own is not _first_of_ours(cls).run else None

    def problems(self) -> list[Problem]:
        """Say what cannot be right of this workflow itself."""
        if self.blocks or self.hook is not None:
            return []
        where = f"{self.kind} '{self.name}'"
        return [Problem(where, "there is no block in it", "a task or more", "Make them in its body: MyTask().")]

    def _checked(self, result: Any) -> dict[str, Any]:
        if result is None and not self.outputs:
            return {}
        if not isinstance(result, dict) or not self.outputs.keys() <= result.keys():
            names = ", ".join(map(repr, self.outputs)) or "no outputs"
            where = f"workflow '{self.name}'"
            problem = Problem(where, f"its run returned {short(result)}", f"a dict with {names}", "Return one.")
            raise ResultInvalid(problem)
        return result

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        """Run it here and now, with values for its inputs; return its outputs by name. See `running.run`."""
        from fairlead.adapters.workflow.running import call

        return call(self, inputs)

    # Decorators

    @classmethod
    @overload
    def as_workflow(cls: type[W], body: Callable[..., Any], /) -> Callable[..., W]: ...

    @classmethod
    @overload
    def as_workflow(
        cls: type[W], body: None = None, /, *, name: str | None = None, **arguments: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., W]]: ...

    @classmethod
    def as_workflow(
        cls, body: Callable[..., Any] | None = None, /, *, name: str | None = None, **arguments: Any
    ) -> Any:
        """Make of a function what makes a workflow of this class whenever it is called.

        Args:
            body: makes and joins the blocks; what it is called with is its own business, e.g. tasks from outside.
            name: what the workflow is called; the function's name without it.
            arguments: those of the class.
        """

        def decorate(body: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(body)
            def make(*args: Any, **kwargs: Any) -> Workflow:
                with cls(name=name or to_snake_case(body.__name__), **arguments) as workflow:
                    body(*args, **kwargs)
                return workflow

            return make

        return decorate if body is None else decorate(body)


def _first_of_ours(cls: type[Any]) -> Any:
    """Return the class of this package that a user's class is made from."""
    return next(each for each in cls.__mro__ if each.__module__.startswith(__package__ or ""))


as_workflow = Workflow.as_workflow
