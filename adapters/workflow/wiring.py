"""How the blocks of a workflow find their inputs: found once, before anything runs, by name and by type.

An input of a block is, in this order: what it is bound to; the output of that name of a block joined to it; what the
workflow itself is given under that name, if the block is a first one or nothing else gives it; its default. What
nothing inside gives becomes an input of the workflow, whose own surroundings must give it. `check` reports everything
that does not fit, at all depths, at once.

It runs nothing, and does not know engines.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.block import Block, around
from fairlead.adapters.workflow.branches import Choice, MergeTask, Side
from fairlead.adapters.workflow.checks import checker, element_of, fits
from fairlead.adapters.workflow.exceptions import IOCheckerError, WorkflowInvalid
from fairlead.adapters.workflow.failures import short
from fairlead.adapters.workflow.gathering import OUTSIDE, TAKEN, Needs, Origin, Outputs, outputs_of
from fairlead.adapters.workflow.maps import MapWorkflow
from fairlead.adapters.workflow.naming import keys_of
from fairlead.adapters.workflow.targets import Target, type_name
from fairlead.adapters.workflow.task import Task
from fairlead.adapters.workflow.types import NO_DEFAULT
from fairlead.adapters.workflow.workflow import Workflow


@dataclass(frozen=True)
class FromBlock:
    """An input that is an output of another step."""

    step: int
    output: str

    @property
    def origin(self) -> Origin:
        """Return it as `Needs` has it."""
        return self.step, self.output


@dataclass(frozen=True)
class FromWorkflow:
    """An input that the workflow itself is given."""

    name: str

    @property
    def origin(self) -> Origin:
        """Return it as `Needs` has it."""
        return OUTSIDE, self.name


@dataclass
class Step:
    """A block at its place in the order."""

    block: Block
    key: str
    """What tells it apart in its workflow."""
    ups: tuple[int, ...]
    """The steps that are joined to it."""
    called: tuple[str, ...]
    """The keys of these."""
    inputs: dict[str, Target]
    outputs: dict[str, Target]
    sources: dict[str, FromBlock | FromWorkflow] = field(default_factory=dict)
    mapped: frozenset[str] = frozenset()
    """Of a map: the inputs inside that get one item at a time."""
    sides: frozenset[tuple[int, bool]] = frozenset()
    """The branches that it is on: the step of the choice, and which side of it."""

    @functools.cached_property
    def needs(self) -> Needs:
        """What it needs of the results of other steps, and of what its workflow is given."""
        return Needs(
            ups=tuple((up,) for up in self.ups),
            called=self.called,
            sources=tuple((name, (source.origin,)) for name, source in self.sources.items()),
            outputs=tuple(self.outputs),
            mapped=self.mapped,
            is_merge=isinstance(self.block, MergeTask),
        )


@dataclass
class Wiring:
    """A workflow, ready to be run."""

    shape: tuple[int, ...]
    steps: list[Step]
    inputs: dict[str, Target]
    outputs: dict[str, Target]
    ends: list[int]
    """The steps whose outputs are those of the workflow."""
    made_by: dict[str, tuple[Origin, ...]]
    """Where each output comes from: the steps that may have it."""
    externals: dict[str, tuple[Block, str]]
    """Inputs that are outputs of a block in a workflow round this one, by the name that they go under."""
    problems: list[Problem]

    def outputs_of(self, results: Mapping[int, Outputs]) -> Outputs:
        """Return what the workflow's last steps have made, with the outputs of all steps."""
        return outputs_of(self.ends, self.made_by, results)


def wire(workflow: Workflow) -> Wiring:
    """Find how the blocks of a workflow get their inputs; raises `WorkflowInvalid` if they are joined in a circle."""
    return _Wirer(workflow).wired()


class _Wirer:
    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.blocks = workflow.blocks
        self.place = {id(block): number for number, block in enumerate(self.blocks)}
        self.key = dict(zip((id(block) for block in self.blocks), keys_of(b.name for b in self.blocks), strict=True))
        self.problems: list[Problem] = []
        self.externals: dict[str, tuple[Block, str]] = {}
        self.ups: dict[int, list[Block]] = {id(block): [] for block in self.blocks}
        self.downs: dict[int, list[Block]] = {id(block): [] for block in self.blocks}
        self.outside: dict[int, list[Block]] = {}
        """Blocks of workflows round this one that are joined to a block."""
        self.hidden: dict[int, dict[str, tuple[Block, str]]] = {}
        """What the blocks inside a block need from round it."""
        for up, down in workflow.edges:
            if id(up) not in self.place:
                self.outside.setdefault(id(down), []).append(up)
            elif up not in self.ups[id(down)]:
                self.ups[id(down)].append(up)
                self.downs[id(up)].append(down)
        self.after: dict[int, list[Block]] = {key: list(ups) for key, ups in self.ups.items()}
        for block in self.blocks:
            if isinstance(block, Workflow):
                self.hidden[id(block)] = block.wiring().externals
                for origin, _ in self.hidden[id(block)].values():
                    if id(origin) in self.place and origin not in self.after[id(block)]:
                        self.after[id(block)].append(origin)

    def wired(self) -> Wiring:
        order = self._ordered()
        number = {id(block): index for index, block in enumerate(order)}
        steps: list[Step] = []
        for block in order:
            steps.append(self._step(block, [steps[number[id(up)]] for up in self.ups[id(block)]], number))
        feeds = {id(origin) for hidden in self.hidden.values() for origin, _ in hidden.values()}
        ends = [
            index
            for index, block in enumerate(order)
            if not self.downs[id(block)] and id(block) not in feeds and not isinstance(block, Side)
        ]
        ends = ends if self.workflow.has_outputs else []
        outputs = self._outputs(steps, ends)
        inputs = self._inputs(steps, outputs)
        return Wiring(
            shape=(len(self.blocks), len(self.workflow.edges)),
            steps=steps,
            inputs=inputs,
            outputs=outputs,
            ends=ends,
            made_by={name: tuple((end, name) for end in ends if name in steps[end].outputs) for name in outputs},
            externals=self.externals,
            problems=self.problems,
        )

    def _ordered(self) -> list[Block]:
        """Return the blocks so that each comes after what it needs, and else as they were made."""
        waiting = {key: len(ups) for key, ups in self.after.items()}
        needed_by: dict[int, list[int]] = {}
        for key, ups in self.after.items():
            for up in ups:
                needed_by.setdefault(id(up), []).append(key)
        ready = [self.place[key] for key, count in waiting.items() if not count]
        heapq.heapify(ready)
        order: list[Block] = []
        while ready:
            block = self.blocks[heapq.heappop(ready)]
            order.append(block)
            for key in needed_by.get(id(block), ()):
                waiting[key] -= 1
                if not waiting[key]:
                    heapq.heappush(ready, self.place[key])
        if len(order) < len(self.blocks):
            circle = self._circle({key for key, count in waiting.items() if count})
            raise WorkflowInvalid(
                Problem(
                    f"workflow '{self.workflow.name}'",
                    f"its blocks are joined in a circle: {' | '.join(circle)}",
                    "an order in which they can be run",
                    "Take one of these edges out; for repetition there is IterativeWorkflow.",
                )
            )
        return order

    def _circle(self, left: set[int]) -> list[str]:
        block = self.blocks[min(self.place[key] for key in left)]
        path: list[Block] = []
        while block not in path:
            path.append(block)
            block = next(up for up in self.after[id(block)] if id(up) in left)
        circle = path[path.index(block) :][::-1]
        start = circle.index(min(circle, key=lambda each: self.place[id(each)]))
        names = [self.key[id(each)] for each in (*circle[start:], *circle[:start])]
        return [*names, names[0]]

    def _step(self, block: Block, ups: Sequence[Step], number: Mapping[int, int]) -> Step:
        available = self._available(block, ups, number)
        step = Step(
            block,
            self.key[id(block)],
            tuple(number[id(up.block)] for up in ups),
            tuple(up.key for up in ups),
            inputs={**block.inputs},
            outputs={**block.outputs},
            sides=self._sides(block, ups, number),
        )
        if block.passes_on:
            known = {name: replace(target, name=name) for name, (_, target) in available.items()}
            if not ups:
                wanted = self._wanted(block, set())
                known = {name: target for name, target in wanted.items() if not target.any_name} or wanted
            step.inputs = {name: replace(target, default=NO_DEFAULT) for name, target in known.items()}
            step.outputs = {**known, **block.outputs}
            self._check_passed(step)
        if isinstance(block, MapWorkflow):
            step.mapped, step.inputs, problem = block.mapped({name: target for name, (_, target) in available.items()})
            if problem:
                self.problems.append(problem)
        if not isinstance(block, MergeTask):
            self._connect(step, available, self._outside(block))
        for name, (origin, output) in self.hidden.get(id(block), {}).items():
            if id(origin) in self.place:
                step.sources[name] = FromBlock(number[id(origin)], output)
            else:
                step.sources[name] = FromWorkflow(self._from_outside(origin, output))
        return step

    def _available(self, block: Block, ups: Sequence[Step], number: Mapping[int, int]) -> dict[str, tuple[int, Target]]:
        """Return what the blocks joined to a block give it, each with the place of the one that does."""
        found: dict[str, tuple[int, Target]] = {}
        for up in ups:
            for name, target in up.outputs.items():
                if name in found and not isinstance(block, MergeTask):
                    self._twice(block, name, self.ups[id(block)])
                found.setdefault(name, (number[id(up.block)], target))
        return found

    def _check_passed(self, step: Step) -> None:
        block = step.block
        where = f"{block.kind} '{step.key}'"
        if isinstance(block, MergeTask) and not step.ups:
            remedy = "Join the branches: [one, other] | merge."
            self.problems.append(Problem(where, "nothing is joined to it", "two branches or more", remedy))
        for name in block.asks_for if isinstance(block, Choice) else ():
            if name not in step.inputs:
                found = f"its condition asks for {name!r}, which it is not given"
                there = ", ".join(map(repr, step.inputs)) or "nothing"
                remedy = "Join a block that gives it, or rename the condition's argument."
                self.problems.append(Problem(where, found, f"arguments among {there}", remedy))

    def _outside(self, block: Block) -> dict[str, tuple[str, Target]]:
        """Return what blocks round this workflow give to a block: the name that it goes under, and the target."""
        found: dict[str, tuple[str, Target]] = {}
        for up in self.outside.get(id(block), ()):
            if up.passes_on:
                self.problems.append(
                    Problem(
                        f"{up.name} | {block.name}",
                        f"'{up.name}' only passes on what it is given, outside '{self.workflow.name}'",
                        "a task or workflow outside",
                        f"Join the workflow instead: {up.name} | {self.workflow.name}.",
                    )
                )
            for output, target in up.outputs.items():
                if output in found:
                    self._twice(block, output, self.outside[id(block)])
                found[output] = (self._from_outside(up, output), target)
        return found

    def _from_outside(self, origin: Block, output: str) -> str:
        """Return the name under which an output of a block round this workflow comes in; no user's input is called so.

        It says how far out the block is, and which of that name: so it is the same wherever this workflow stands.
        """
        assert origin.workflow
        distance = list(around(self.workflow)).index(origin.workflow)
        alike = [block for block in origin.workflow.blocks if block.name == origin.name]
        name = f"@{distance}/{origin.name}-{alike.index(origin)}.{output}"
        self.externals[name] = (origin, output)
        return name

    def _connect(
        self, step: Step, available: Mapping[str, tuple[int, Target]], outside: Mapping[str, tuple[str, Target]]
    ) -> None:
        block = step.block
        is_first = not step.ups
        names = {target.name for target in step.inputs.values()}
        unused = [name for name in available if name not in names]
        for name, target in step.inputs.items():
            if name in block.bound or name[0] == "@":
                continue
            if target.name in available:
                index, given = available[target.name]
                step.sources[name] = FromBlock(index, target.name)
            elif target.name in outside:
                under, given = outside[target.name]
                step.sources[name] = FromWorkflow(under)
            elif target.any_name and len(unused) == 1:
                index, given = available[unused[0]]
                step.sources[name] = FromBlock(index, unused[0])
            else:
                if is_first or target.is_required:
                    step.sources[name] = FromWorkflow(target.name)
                continue
            self._check_types(step, name, target, given)
        if isinstance(block, Side):
            step.sources[TAKEN] = FromBlock(step.ups[0], TAKEN)

    def _check_types(self, step: Step, name: str, wanted: Target, given: Target) -> None:
        kind, expected = given.type, wanted.type
        what = ""
        if name in step.mapped:
            kind = element_of(given.type)
            what = "each item of "
            if kind is None:
                self.problems.append(
                    Problem(
                        f"map '{step.key}', input '{wanted.name}'",
                        f"{type_name(given.type)} has no items",
                        "a sequence to map over",
                        "Say on what to map: map_on={'name of the sequence': 'input of a task inside'}.",
                    )
                )
                return
        if not fits(kind, expected):
            self.problems.append(
                Problem(
                    f"{step.block.kind} '{step.key}', input '{name}'",
                    f"{what}'{given.name}' is of type {type_name(kind)}",
                    type_name(expected),
                    "Change one of the two annotations, or put a task between that converts it.",
                )
            )

    def _twice(self, block: Block, name: str, ups: Sequence[Block]) -> None:
        ups = [up for up in ups if name in up.outputs or up.passes_on]
        names = " and ".join(f"'{self.key.get(id(up)) or _place(up)}'" for up in ups)
        problem = Problem(
            f"{block.kind} '{self.key[id(block)]}', input '{name}'",
            f"it comes from {names}",
            "one block that gives it",
            "Rename one of the outputs, or merge branches with MergeTask.",
        )
        if problem not in self.problems:
            self.problems.append(problem)

    def _wanted(self, block: Block, seen: set[int]) -> dict[str, Target]:
        """Return what the blocks after one that only passes things on want from it."""
        wanted: dict[str, Target] = {}
        seen.add(id(block))
        for down in self.downs[id(block)]:
            if down.passes_on:
                found = self._wanted(down, seen) if id(down) not in seen else {}
            else:
                others = {name for up in self.ups[id(down)] if up is not block for name in up.outputs}
                found = {
                    name: target
                    for name, target in down.inputs.items()
                    if name not in down.bound and name not in others
                }
            for name, target in found.items():
                wanted.setdefault(name, target)
        if isinstance(block, Choice):
            for name in block.asks_for:
                wanted.setdefault(name, Target(name))
        return wanted

    def _sides(self, block: Block, ups: Sequence[Step], number: Mapping[int, int]) -> frozenset[tuple[int, bool]]:
        sides: set[tuple[int, bool]] = set().union(*(up.sides for up in ups)) if ups else set()
        if isinstance(block, MergeTask):
            both = {choice for choice, _ in sides if (choice, True) in sides and (choice, False) in sides}
            sides = {side for side in sides if side[0] not in both}
        if isinstance(block, Side):
            sides.add((number[id(block.choice)], block.taken_if))
        return frozenset(sides)

    def _outputs(self, steps: Sequence[Step], ends: Sequence[int]) -> dict[str, Target]:
        found: dict[str, tuple[int, Target]] = {}
        for end in ends:
            for name, target in steps[end].outputs.items():
                if name not in found:
                    found[name] = (end, target)
                    continue
                other = found[name][0]
                if not _exclude_each_other(steps[end], steps[other]):
                    self.problems.append(
                        Problem(
                            f"workflow '{self.workflow.name}', output '{name}'",
                            f"both '{steps[other].key}' and '{steps[end].key}' end with it",
                            "one last block that gives it",
                            "Rename one of the outputs, or merge branches with MergeTask.",
                        )
                    )
        return {name: target for name, (_, target) in found.items()}

    def _inputs(self, steps: Sequence[Step], outputs: Mapping[str, Target]) -> dict[str, Target]:
        """Return what the workflow itself must be given; inputs with defaults also take what is sent back into it."""
        sent_back = self.workflow.sent_back(outputs)
        found: dict[str, Target] = {}
        for step in steps:
            for name, target in step.inputs.items():
                if (
                    name not in step.sources
                    and name not in step.block.bound
                    and (target.name in sent_back or target.name in self.workflow.added_inputs)
                ):
                    step.sources[name] = FromWorkflow(target.name)
                if step.sources.get(name) == FromWorkflow(target.name):
                    found[target.name] = _both(found.get(target.name), self._lifted(step, name, target))
        return found | self.workflow.added_inputs

    def _lifted(self, step: Step, name: str, target: Target) -> Target:
        """Return an input of a block as an input of the workflow; what a map takes one by one is a sequence."""
        if name in step.mapped:
            return replace(target, type=Any)
        return target


def _place(block: Block) -> str:
    """Return the path to a block from the outermost workflow on, e.g. ``middle/give``."""
    keys: list[str] = []
    for workflow in around(block):
        keys.append(keys_of(each.name for each in workflow.blocks)[workflow.blocks.index(block)])
        block = workflow
    return "/".join(reversed(keys))


def _both(first: Target | None, second: Target) -> Target:
    """Return one input for two blocks that take it."""
    if first is None:
        return second
    kind = second.type if first.type is Any else first.type
    default = NO_DEFAULT if first.is_required or second.is_required else first.default
    return replace(first, type=kind, default=default, any_name=first.any_name or second.any_name)


def _exclude_each_other(one: Step, other: Step) -> bool:
    return any((choice, not side) in other.sides for choice, side in one.sides)


def check(workflow: Workflow, inputs: Mapping[str, Any]) -> None:
    """Raise `IOCheckerError` with all that does not fit, at all depths, if a workflow is given these inputs."""
    problems = [*problems_in(workflow), *_problems_of_inputs(workflow, inputs)]
    if problems:
        raise IOCheckerError(problems)
    from fairlead.adapters.workflow.parameters import warn_of_unknown

    warn_of_unknown(tasks_in(workflow))


def tasks_in(workflow: Workflow) -> Iterator[Task]:
    """Go through the tasks of a workflow, at all depths, one of each name."""
    seen: set[str] = set()
    for block in workflow.blocks:
        for task in tasks_in(block) if isinstance(block, Workflow) else [block]:
            if isinstance(task, Task) and task.name not in seen:
                seen.add(task.name)
                yield task


def check_inside(workflow: Workflow) -> None:
    """Raise `IOCheckerError` with all that does not fit whatever a workflow and its tasks' parameters are given."""
    problems = problems_in(workflow, "", with_parameters=False)
    if problems:
        raise IOCheckerError(problems)


def resolved(workflow: Workflow, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a workflow is given by the names of its inputs; one that takes any name gets the only one left."""
    targets = workflow.inputs
    left = [name for name in inputs if name not in targets]
    free = [target.name for target in targets.values() if target.any_name and target.name not in inputs]
    if len(left) == 1 and len(free) == 1:
        return {free[0] if name == left[0] else name: value for name, value in inputs.items()}
    return dict(inputs)


def _problems_of_inputs(workflow: Workflow, inputs: Mapping[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    where = f"{workflow.kind} '{workflow.name}'"
    wiring = workflow.wiring()
    for name, target in workflow.inputs.items():
        if name not in inputs:
            if target.is_required:
                users = _users(wiring, name) or [where]
                expected = f"a value of type {type_name(target.type)}"
                remedy = "Join a block that gives it, bind it, or give it to the workflow."
                problems += [Problem(f"{user}, input '{name}'", "is missing", expected, remedy) for user in users]
            continue
        check_value = checker(target.type)
        if check_value is not None and (wrong := check_value(inputs[name])):
            found = f"{short(inputs[name])} {wrong}"
            problems.append(Problem(f"{where}, input '{name}'", found, type_name(target.type), "Give such a value."))
    for name in inputs:
        if name not in workflow.inputs:
            there = ", ".join(workflow.inputs) or "none"
            problems.append(Problem(f"{where}, '{name}'", "is no input of it", f"one of: {there}", "Leave it out."))
    return problems


def _users(wiring: Wiring, name: str) -> list[str]:
    """Return the tasks that an input of a workflow is for, however deep."""
    users: list[str] = []
    for step in wiring.steps:
        for inside, source in step.sources.items():
            if source == FromWorkflow(name):
                below = _users(step.block.wiring(), inside) if isinstance(step.block, Workflow) else []
                if inside != name:  # a map has it under another name
                    below = []
                users += below or [f"{step.block.kind} '{step.key}'"]
    return users


def problems_in(workflow: Workflow, path: str = "", *, with_parameters: bool = True) -> list[Problem]:
    """Return what does not fit in a workflow, at all depths, whatever it is given."""
    from fairlead.adapters.workflow.parameters import parameter_values

    try:
        wiring = workflow.wiring()
    except WorkflowInvalid as error:
        return list(error.problems)
    problems = [_placed(problem, path) for problem in (*wiring.problems, *workflow.problems())]
    for step in wiring.steps:
        if isinstance(step.block, Task):
            found = step.block.problems()
            targets = [(target, checker(target.type)) for target in step.block.parameters.values()]
            if targets and with_parameters:
                parameter_values(step.block, targets, found)
            problems += [_placed(problem, path) for problem in found]
        elif isinstance(step.block, Workflow):
            place = f"{path}/{step.key}" if path else step.key
            problems += problems_in(step.block, place, with_parameters=with_parameters)
    return problems


def _placed(problem: Problem, path: str) -> Problem:
    return replace(problem, where=f"{path}: {problem.where}") if path else problem
