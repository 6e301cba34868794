"""Random workflows, and what they must give: one structure, built of blocks and interpreted by plain Python.

Every structure takes a whole number ``x`` and gives one. `structures` makes them, nested in each other; `workflow_of`
builds the workflow of one; its ``gives`` says what comes out, or raises what its tasks raise. Each task that runs
leaves a byte in the file that the environment variable FAIRLEAD_TEST_TICKS names, and the one that makes it as long as
FAIRLEAD_TEST_CRASH says is cut off there: by an exception, or by a signal that kills the process FAIRLEAD_TEST_KILL.
Nothing here knows engines.
"""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from fairlead.adapters.workflow import (
    Failure,
    IfThenElse,
    IterativeWorkflow,
    LoopWorkflow,
    MapWorkflow,
    MergeTask,
    Skipped,
    Workflow,
    as_task,
)
from fairlead.adapters.workflow.maps import OnError

M = 9973
"""Numbers stay below it."""
FAILED = 7
"""What a failed item counts, and, with its index, a skipped one."""


class Crash(BaseException):
    """What a test's crash raises: nobody may catch it."""


def tick() -> None:
    """Say that a task runs, and crash if it is the one that must."""
    path = os.environ.get("FAIRLEAD_TEST_TICKS")
    if path:
        with open(path, "ab") as file:  # noqa: PTH123 (quick, and appended at once)
            file.write(b".")
            if str(file.tell()) == os.environ.get("FAIRLEAD_TEST_CRASH"):
                if killed := os.environ.get("FAIRLEAD_TEST_KILL"):
                    os.kill(int(killed), signal.SIGKILL)
                    signal.pause()  # until this process, which works for that one, ends too
                raise Crash


# Tasks


@as_task
def Affine(x: int, factor: int, offset: int) -> {"x": int}:
    tick()
    return (x * factor + offset) % M


@as_task
def Refuse(x: int, divisor: int) -> {"x": int}:
    tick()
    refuse(x, divisor)
    return x


@as_task
def Hide(x: int, divisor: int) -> {"x": int}:
    tick()
    return Skipped() if x % divisor == 0 else x


@as_task
def Spread(x: int, number: int) -> {"xs": list[int]}:
    tick()
    return [(x + 3 * i) % M for i in range(number)]


@as_task
def Gather(x: list) -> {"x": int}:
    tick()
    return gathered(x)


@as_task
def First(x: int) -> {"first": int}:
    tick()
    return x


@as_task
def Second(x: int) -> {"second": int}:
    tick()
    return x


@as_task
def Join(first: int, second: int) -> {"x": int}:
    tick()
    return (first + 2 * second) % M


@as_task
def Offset(x: int) -> {"offset": int}:
    tick()
    return x % 11


@as_task
def Shift(x: int, offset: int) -> {"x": int}:
    tick()
    return (x + offset) % M


def refuse(x: int, divisor: int) -> None:
    if x % divisor == 0:
        raise ValueError(f"{x} is a multiple of {divisor}")


def gathered(values: list[Any]) -> int:
    """Return one number for the outputs of a map's items; their order counts."""
    total = 0
    for place, value in enumerate(values, 1):
        if isinstance(value, Failure):
            total += place * (FAILED + value.index)
        else:
            total += place * (FAILED if isinstance(value, Skipped) else value)
    return total % M


# Structures


class Structure(ABC):
    """Something that makes a number of a number."""

    @abstractmethod
    def gives(self, x: int) -> int:
        """Return what comes out, by plain Python; raises what a task raises."""

    @abstractmethod
    def put(self, up: Any, options: dict[str, Any]) -> Any:
        """Make the blocks, after one that gives ``x`` or first in a workflow; return the last of them."""


@dataclass(frozen=True)
class Step(Structure):
    """One task."""

    factor: int
    offset: int

    def gives(self, x: int) -> int:
        return (x * self.factor + self.offset) % M

    def put(self, up: Any, options: dict[str, Any]) -> Any:
        return _after(up, Affine(factor=self.factor, offset=self.offset, **options))


@dataclass(frozen=True)
class Chain(Structure):
    """One after the other."""

    parts: tuple[Structure, ...]

    def gives(self, x: int) -> int:
        for part in self.parts:
            x = part.gives(x)
        return x

    def put(self, up: Any, options: dict[str, Any]) -> Any:
        for part in self.parts:
            up = part.put(up, options)
        return up


@dataclass(frozen=True)
class Fork(Structure):
    """Two of the same number, and their results joined."""

    first: Structure
    second: Structure

    def gives(self, x: int) -> int:
        return (self.first.gives(x) + 2 * self.second.gives(x)) % M

    def put(self, up: Any, options: dict[str, Any]) -> Any:
        first = self.first.put(up, options) | First(**options)
        second = self.second.put(up, options) | Second(**options)
        return [first, second] | Join(**options)


@dataclass(frozen=True)
class Branch(Structure):
    """One of two, by the number, and merged."""

    divisor: int
    then: Structure
    otherwise: Structure

    def gives(self, x: int) -> int:
        return (self.otherwise if x % self.divisor else self.then).gives(x)

    def put(self, up: Any, options: dict[str, Any]) -> Any:
        divisor = self.divisor
        choice, then, otherwise = IfThenElse(lambda x: x % divisor == 0, name="multiple")
        _after(up, choice)
        return [self.then.put(then, options), self.otherwise.put(otherwise, options)] | MergeTask()


@dataclass(frozen=True)
class Map(Structure):
    """For each of several numbers; some may be refused before, or left out after."""

    number: int
    body: Structure
    on_error: OnError
    refused: int | None
    hidden: int | None
    chunk: int

    def gives(self, x: int) -> int:
        results = []
        for index in range(self.number):
            item = (x + 3 * index) % M
            try:
                results.append(self._item(item))
            except ValueError as error:
                if self.on_error == "fail":
                    raise
                if self.on_error == "collect":
                    results.append(Failure(index, {"x": item}, "ValueError", str(error), ""))
        return gathered(results)

    def _item(self, x: int) -> Any:
        if self.refused:
            refuse(x, self.refused)
        result = self.body.gives(x)
        return Skipped() if self.hidden and result % self.hidden == 0 else result

    def put(self, up: Any, options: dict[str, Any]) -> Any:
        spread = _after(up, Spread(number=self.number, **options))
        with MapWorkflow(on_error=self.on_error, chunk=self.chunk, **options) as mapping:
            last = self.body.put(Refuse(divisor=self.refused, **options) if self.refused else None, options)
            if self.hidden:
                last | Hide(divisor=self.hidden, **options)
        return spread | mapping | Gather(**options)


@dataclass(frozen=True)
class Loop(Structure):
    """Several times with the same number."""

    iterations: int
    body: Structure

    def gives(self, x: int) -> int:
        return self.body.gives(x)

    def put(self, up: Any, options: dict[str, Any]) -> Any:
        with LoopWorkflow(iterations=self.iterations, **options) as loop:
            self.body.put(None, options)
        return _after(up, loop)


@dataclass(frozen=True)
class Iterate(Structure):
    """Again and again with what came out, until that is a multiple of something."""

    at_most: int
    divisor: int
    body: Structure

    def gives(self, x: int) -> int:
        for _ in range(self.at_most):
            x = self.body.gives(x)
            if x % self.divisor == 0:
                break
        return x

    def put(self, up: Any, options: dict[str, Any]) -> Any:
        divisor = self.divisor
        enough = lambda x: x % divisor == 0  # noqa: E731 (as users write it)
        with IterativeWorkflow(max_iterations=self.at_most, break_func=enough, **options) as iteration:
            self.body.put(None, options)
        return _after(up, iteration)


@dataclass(frozen=True)
class Nest(Structure):
    """In a workflow of its own; with an offset from a task outside, or without."""

    body: Structure
    is_offset: bool

    def gives(self, x: int) -> int:
        return (self.body.gives(x) + (x % 11 if self.is_offset else 0)) % M

    def put(self, up: Any, options: dict[str, Any]) -> Any:
        offset = _after(up, Offset(**options)) if self.is_offset else None
        with Workflow(name="nested", **options) as nested:
            last = self.body.put(None, options)
            if offset is not None:
                [last, offset] | Shift(**options)
        return _after(up, nested)


def _after(up: Any, block: Any) -> Any:
    return block if up is None else up | block


def structures(*, max_leaves: int = 6) -> st.SearchStrategy[Structure]:
    """Make structures of so many tasks, not counting those that hold others together."""
    few = st.integers(1, 3)
    divisors = st.integers(2, 4)
    maybe = st.none() | divisors
    policies: st.SearchStrategy[OnError] = st.sampled_from(["collect", "fail", "collect", "drop"])

    def nested(inner: st.SearchStrategy[Structure]) -> st.SearchStrategy[Structure]:
        return st.one_of(
            st.builds(Chain, st.lists(inner, min_size=2, max_size=3).map(tuple)),
            st.builds(Fork, inner, inner),
            st.builds(Branch, divisors, inner, inner),
            st.builds(Map, few, inner, policies, maybe, maybe, few),
            st.builds(Loop, few, inner),
            st.builds(Iterate, few, divisors, inner),
            st.builds(Nest, inner, st.booleans()),
        )

    return st.recursive(st.builds(Step, st.integers(1, 9), st.integers(0, 99)), nested, max_leaves=max_leaves)


def workflow_of(structure: Structure, *, cache: bool = False) -> Workflow:
    """Build the workflow of a structure; with ``cache``, each block, item and iteration is kept."""
    with Workflow(name="random") as workflow:
        structure.put(None, {"cache": cache})
    return workflow
