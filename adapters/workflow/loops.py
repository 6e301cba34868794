"""Loops: a workflow that is run again and again, with the same inputs or with its own outputs sent back into it.

Each iteration can be kept (``cache=True``) and found again; where the host has a memory that survives a retry, a loop
that is still the same work goes on at the iteration where it was cut off. Options other than ``cache`` hold for the
loop as a whole.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.branches import asked, chosen
from fairlead.adapters.workflow.checks import fits, fits_value
from fairlead.adapters.workflow.exceptions import ResultInvalid, WorkflowInvalid
from fairlead.adapters.workflow.targets import type_name
from fairlead.adapters.workflow.types import Skipped
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fairlead.adapters.workflow.run_state import Run
    from fairlead.adapters.workflow.targets import Target
    from fairlead.adapters.workflow.wiring import Wiring

_logger = logging.getLogger(__name__)


class LoopWorkflow(Workflow):
    """A workflow that is run several times with the same inputs; its outputs are those of the last time."""

    kind: ClassVar[str] = "loop"
    caches_parts: ClassVar[bool] = True

    def __init__(
        self,
        *blocks: Any,
        iterations: int | None = None,
        infinite: bool = False,
        limit: int | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        """Make a loop.

        Args:
            blocks: what is run; or written like the body of any workflow.
            iterations: how often.
            infinite: instead: until a block raises, calls `exit_pipeline`, or the run is stopped.
            limit: after how many iterations a loop without end is an error.
            name: what it is called.
            options: see `Block.with_options`; ``cache`` holds for each iteration.

        Raises:
            WorkflowInvalid: neither or both of ``iterations`` and ``infinite`` are given, or a number is below 1.
        """
        self.iterations, self.infinite, self.limit = iterations, infinite, limit
        super().__init__(*blocks, name=name, **options)
        where = f"loop '{self.name}'"
        if (iterations is None) != infinite:
            found = "both 'iterations' and 'infinite' are given" if infinite else "it does not say how often"
            _refuse(self, where, found, "a number of iterations, or infinite=True")
        for argument, number in (("iterations", iterations), ("limit", limit)):
            _refuse_number(self, f"{where}, {argument}", number)

    def execute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:
        """See `Workflow.execute`."""
        with run.checkpoint(self, inputs, path) as checkpoint:
            start, outputs = checkpoint.load() or (0, {})
            given = {**self.added_defaults, **inputs}
            for number in itertools.count(start) if self.infinite else range(start, self.iterations or 0):
                if number == self.limit:
                    raise ResultInvalid(
                        Problem(
                            f"loop '{self.name}'",
                            f"it was run {number} times and nothing has ended it",
                            "a block that raises or calls exit_pipeline() before that",
                            "Mend what should end it, or raise the limit.",
                        )
                    )
                outputs = run.part(self, given, f"{path}[{number}]", {"iteration": number})
                checkpoint.save(number + 1, outputs)
            return outputs


class IterativeWorkflow(Workflow):
    """A workflow whose outputs are its inputs of the next time, until they are good enough."""

    kind: ClassVar[str] = "iterative"
    caches_parts: ClassVar[bool] = True

    def __init__(
        self,
        *blocks: Any,
        max_iterations: int | None = None,
        break_func: Callable[..., Any] | None = None,
        initial_value: Any = None,
        on_limit: Literal["return", "fail"] = "return",
        name: str | None = None,
        **options: Any,
    ) -> None:
        """Make an iteration.

        Outputs go to all blocks inside that have an input of that name which nothing inside gives, and win over what
        came from outside.

        Args:
            blocks: what is run; or written like the body of any workflow.
            max_iterations: how often at most.
            break_func: a function of some or all outputs, by name; after an iteration for which it is true, that is it.
            initial_value: what the first iteration is given for outputs of the one before: a dict by name, or the value
                if there is a single output. Without it, they come from outside, or are None where that is allowed.
            on_limit: whether the last outputs are the result though ``break_func`` was never true, or that is an error.
            name: what it is called.
            options: see `Block.with_options`; ``cache`` holds for each iteration.

        Raises:
            WorkflowInvalid: there is neither a number nor a function that ends it, or the number is below 1.
        """
        self.max_iterations, self.break_func, self.initial_value = max_iterations, break_func, initial_value
        self.on_limit = on_limit
        super().__init__(*blocks, name=name, **options)
        where = f"iteration '{self.name}'"
        if max_iterations is None and break_func is None:
            _refuse(self, where, "nothing ends it", "max_iterations, or a break_func")
        _refuse_number(self, f"{where}, max_iterations", max_iterations)
        if break_func is not None and not callable(break_func):
            _refuse(self, f"{where}, break_func", f"{break_func!r} is no function", "a function of its outputs")
        if on_limit not in {"return", "fail"}:
            _refuse(self, f"{where}, on_limit", f"{on_limit!r} is unknown", "'return' or 'fail'")

    def sent_back(self, outputs: Mapping[str, Target]) -> frozenset[str]:
        """See `Workflow.sent_back`: all outputs."""
        return frozenset(outputs)

    def outer_inputs(self, wiring: Wiring) -> dict[str, Target]:
        """See `Workflow.outer_inputs`: what is sent back has an initial value, or none where that is allowed."""
        initial = self._initial(wiring)
        return {
            name: replace(target, default=initial[name])
            if name in initial
            else replace(target, default=None)
            if name in wiring.outputs
            and target.is_required
            and fits_value(None, target.type)
            and target.type is not Any
            else target
            for name, target in wiring.inputs.items()
        }

    def _initial(self, wiring: Wiring) -> dict[str, Any]:
        value = self.initial_value
        if value is None:
            return {}
        if isinstance(value, Mapping) and set(value) <= set(wiring.outputs):
            return dict(value)
        if len(wiring.outputs) == 1:
            return {next(iter(wiring.outputs)): value}
        there = ", ".join(map(repr, wiring.outputs)) or "none"
        where = f"iteration '{self.name}', initial_value"
        raise WorkflowInvalid(Problem(where, f"{value!r} is not for its outputs", f"a dict of some of {there}", ""))

    def execute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:
        """See `Workflow.execute`."""
        defaults = {name: target.default for name, target in self.inputs.items() if not target.is_required}
        first = {**defaults, **inputs}
        with run.checkpoint(self, inputs, path) as checkpoint:
            start, outputs = checkpoint.load() or (0, {})
            numbers = itertools.count(start) if self.max_iterations is None else range(start, self.max_iterations)
            is_done = bool(start and self._is_enough(outputs))
            for number in () if is_done else numbers:
                sent = {name: value for name, value in outputs.items() if name in self.inputs}
                given = {**first, **{name: value for name, value in sent.items() if not isinstance(value, Skipped)}}
                outputs = run.part(self, given, f"{path}[{number}]", {})
                checkpoint.save(number + 1, outputs)
                if is_done := self._is_enough(outputs):
                    break
            if not is_done and self.break_func is not None:
                self._warn_or_fail()
            return outputs

    def problems(self) -> list[Problem]:
        """See `Workflow.problems`."""
        required = () if self.break_func is None else asked(self.break_func)[1]
        unknown = [name for name in required if name not in self.outputs]
        there = ", ".join(map(repr, self.outputs)) or "nothing"
        where = f"iteration '{self.name}'"
        problems = [
            Problem(
                f"{where}, break_func",
                f"it asks for {name!r}, which is no output",
                f"arguments among {there}",
                "Rename it.",
            )
            for name in unknown
        ]
        for name, target in self.inputs.items():
            sent = self.outputs.get(name)
            if sent is not None and not fits(sent.type, target.type):
                found = f"it is sent back as {type_name(sent.type)}"
                remedy = "Change one of the two annotations."
                problems.append(Problem(f"{where}, input '{name}'", found, type_name(target.type), remedy))
        return [*super().problems(), *problems]

    def _is_enough(self, outputs: Mapping[str, Any]) -> bool:
        if self.break_func is None:
            return False
        given = chosen(self.break_func, outputs)
        missing = [name for name in asked(self.break_func)[1] if name not in given]
        if missing:
            where = f"iteration '{self.name}', break_func"
            found = f"it asks for {missing[0]!r}, which the last iteration did not give"
            raise ResultInvalid(Problem(where, found, "outputs that are always given", "Give that argument a default."))
        return bool(self.break_func(**given))

    def _warn_or_fail(self) -> None:
        name = getattr(self.break_func, "__name__", "break_func")
        found = f"'{name}' was true for none of its {self.max_iterations} iterations"
        if self.on_limit == "return":
            _logger.warning("iteration '%s': %s; its last outputs are used.", self.name, found)
            return
        raise ResultInvalid(
            Problem(f"iteration '{self.name}'", found, "an iteration that ends it", "Allow more, or mend what it does.")
        )


def _refuse_number(workflow: Workflow, where: str, number: Any) -> None:
    if number is not None and not (type(number) is int and number > 0):
        _refuse(workflow, where, f"{number!r} is no whole number above 0", "a number of times")


def _refuse(workflow: Workflow, where: str, found: str, expected: str) -> None:
    workflow.leave()
    raise WorkflowInvalid(Problem(where, found, expected, "Give one."))
