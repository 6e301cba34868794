"""The workflows that are held to the contract of the three hosts, one or more for each construct.

A new one is one more entry of `WORKFLOWS`. Drivers in ``hosts/`` run them; ``test_workflows`` says what is the same.
"""
# ruff: noqa: F821
# Outputs of tasks are annotated by name.

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fairlead.adapters.workflow import (
    IdentityTask,
    IfThenElse,
    IterativeWorkflow,
    LoopWorkflow,
    MapWorkflow,
    MergeTask,
    Parameter,
    Skipped,
    Task,
    Workflow,
    as_task,
    as_workflow,
    exit_pipeline,
)


@as_task
def generate(count: int = 4) -> {"raw": list[int]}:
    return {"raw": list(range(count))}


@as_task
def transform(raw: list, multiplier: Parameter(int)) -> {"data": list}:
    return {"data": [multiplier * each for each in raw]}


@as_task
def add(data: list, more: int = 1) -> {"total": int}:
    return {"total": sum(data) + more}


@as_task
def double(n: int) -> {"twice": int}:
    return {"twice": 2 * n}


@as_task
def divide(n: int, by: float = 1.0) -> {"part": float}:
    return {"part": by / n}


@as_task
def gather(part: list) -> {"number": int, "parts": list}:
    return {"number": len(part), "parts": part}


@as_task
def halve(x: float) -> {"x": float}:
    return {"x": x / 2}


@as_task
def label(total: int, word: str = "") -> {"label": str}:
    return {"label": f"{word} {total}".strip()}


@as_task
async def wait(total: int) -> {"awaited": int}:
    return {"awaited": total}


@as_task
def skip(total: int) -> {"label": str}:
    return Skipped()


@as_task
def stop(total: int) -> {"label": str}:
    exit_pipeline("that is enough")
    return {"label": "never"}


@as_task
def tuples() -> {"pair": tuple, "texts": set}:
    return {"pair": (1, 2.5), "texts": {"b", "a"}}


@as_task
def use(pair: tuple, texts: set) -> {"kinds": list, "back": tuple}:
    return {"kinds": [type(pair).__name__, sorted(texts)], "back": pair}


class Subtract(Task):
    """A task that says its targets itself."""

    def setup_targets(self):
        self.add_input("total", int)
        self.add_output("rest", int)

    def run(self, total):
        return {"rest": total - 1}


def is_large(total):
    return total > 10


@as_workflow
def linear():
    generate() | transform() | add(more=3)


@as_workflow
def cached_tasks():
    generate(cache=True) | transform(cache=True) | add(more=3, cache=True)


@as_workflow
def subclasses():
    generate() | transform() | add() | Subtract()


@as_workflow
def awaited():
    generate() | transform() | add() | wait()


@as_workflow
def fans():
    one = label(word="one", name="one")
    generate() | transform() | add() | [one, Subtract()]
    one | IdentityTask()


@as_workflow
def inner():
    transform() | add()


@as_workflow
def nested():
    generate() | inner() | label()


@as_workflow(cache=True)
def kept_inner():
    transform() | add()


@as_workflow
def nested_and_kept():
    generate() | kept_inner() | label()


class Hooked(Workflow):
    """A workflow that does something after its blocks."""

    def run(self, **inputs):
        outputs = super().run(**inputs)
        return {"total": outputs["total"] + 1000}


@as_workflow
def hooked():
    with Hooked(name="more") as more:
        transform() | add()
    generate() | more | label()


@as_workflow
def not_json():
    tuples() | use()


@as_workflow
def mapped():
    with MapWorkflow(name="process", cache=True) as process:
        double()
    generate() | process


@as_workflow
def mapped_in_step():
    with MapWorkflow(name="process", map_on={"raw": "n", "data": "by"}) as process:
        divide()
    raw = generate(count=3, name="raw")
    raw | transform() | process
    raw | process


@as_workflow
def mapped_and_not_flattened():
    with MapWorkflow(name="process", output_name="results") as process:
        double()
    generate() | process


@as_workflow
def maps_in_maps():
    with MapWorkflow(name="outer"), MapWorkflow(name="inner"):
        double()


@as_workflow
def collected():
    with MapWorkflow(name="process", on_error="collect") as process:
        divide()
    generate() | process | gather()


@as_workflow
def dropped():
    with MapWorkflow(name="process", on_error="drop", chunk=2) as process:
        divide()
    generate() | process | gather()


@as_workflow
def failed():
    with MapWorkflow(name="process", cache=True) as process:
        divide()
    generate() | process | gather()


@as_workflow
def branches_in_a_map():
    with MapWorkflow(name="process"):
        _, then, else_ = IfThenElse(is_large)
        merge = MergeTask()
        then | label(word="large", name="large") | merge
        else_ | label(word="small", name="small") | merge


@as_workflow
def looped():
    with LoopWorkflow(name="again", iterations=3, cache=True):
        generate() | transform() | add()


@as_workflow
def iterated():
    with IterativeWorkflow(name="refine", max_iterations=9, break_func=lambda x: x < 1, cache=True):
        halve()


@as_workflow
def maps_in_loops():
    with IterativeWorkflow(name="refine", max_iterations=3), MapWorkflow(name="all", map_on={"x": "x"}):
        halve()


def added_inputs():
    """Every kind of workflow has defaults that no task in it has."""
    with Workflow(name="added_inputs") as whole:
        with Workflow(name="opened") as opened:
            double()
        opened.add_input("n", int, 21)
        with LoopWorkflow(name="again", iterations=2) as loop:
            label()
        loop.add_input("total", int, 7)
        with MapWorkflow(name="each", map_on={"numbers": "n"}) as each:
            divide()
        each.add_input("by", float, 4.0)
        halve()
    whole.add_input("x", float, 8.0)
    return whole


@as_workflow
def branched():
    if_, then, else_ = IfThenElse(is_large)
    generate() | transform() | add() | if_
    merge = MergeTask()
    then | label(word="large", name="large") | merge
    else_ | label(word="small", name="small") | merge


@as_workflow
def skipping():
    generate() | transform() | add() | skip() | IdentityTask()


@as_workflow
def ended():
    generate() | transform() | add() | stop() | IdentityTask()


# The contract

MULTIPLIER = {"transform": {"multiplier": 3}}


@dataclass(frozen=True)
class Case:
    """What makes a workflow, and what it is given."""

    make: Callable[[], Any]
    inputs: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=lambda: MULTIPLIER)
    fails: bool = False
    """Whether it raises; then the exception is compared."""
    entries: int = 0
    """How many results it leaves in the cache."""


WORKFLOWS = {
    "linear": Case(linear),
    "cached_tasks": Case(cached_tasks, entries=3),
    "subclasses": Case(subclasses),
    "awaited": Case(awaited),
    "fans": Case(fans),
    "nested": Case(nested),
    "nested_and_kept": Case(nested_and_kept, entries=1),
    "hooked": Case(hooked),
    "not_json": Case(not_json),
    "mapped": Case(mapped, {"count": 5}, entries=5),
    "mapped_in_step": Case(mapped_in_step, fails=True),
    "mapped_and_not_flattened": Case(mapped_and_not_flattened),
    "maps_in_maps": Case(maps_in_maps, {"n": [[1, 2], [3]]}),
    "collected": Case(collected),
    "dropped": Case(dropped),
    "failed": Case(failed, fails=True),
    "branches_in_a_map": Case(branches_in_a_map, {"total": [5, 50]}),
    "looped": Case(looped, entries=3),
    "iterated": Case(iterated, {"x": 10.0}, entries=4),
    "maps_in_loops": Case(maps_in_loops, {"x": [8.0, 16.0]}),
    "added_inputs": Case(added_inputs, {"numbers": [1, 2]}),
    "branched": Case(branched, {"count": 2}),
    "skipping": Case(skipping),
    "ended": Case(ended),
}
"""Each with a cache of its own."""
