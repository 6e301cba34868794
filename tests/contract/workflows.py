"""The workflows that are held to the contract of the three hosts, one or more for each construct.

A new one is one more entry of `WORKFLOWS`. Drivers in ``hosts/`` run them; ``test_workflows`` says what is the same.
"""
# ruff: noqa: F821
# Outputs of tasks are annotated by name.

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from fairlead.adapters.twine import TwineApp
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


CURVE = Path(__file__).parent / "apps" / "farm" / "curve"


@as_task
def blow(speed: float) -> {"input_values": dict}:
    return {"input_values": {"speed": speed}}


@as_task
def read_power(output_values: dict) -> {"power": float}:
    return {"power": output_values["power"]}


@as_workflow
def app():
    blow() | TwineApp(CURVE) | read_power()


@as_workflow
def apps_in_a_map():
    with MapWorkflow(name="each"):
        blow() | TwineApp(CURVE) | read_power()


def fail_once(folder, name):
    """Fail, unless that has happened already."""
    sign = Path(folder, name)
    if not sign.exists():
        sign.parent.mkdir(parents=True, exist_ok=True)
        sign.touch()
        raise OSError(f"{name} is not ready")


@as_task(retries=1)
def unsteady(folder: str, count: int = 3) -> {"n": list[int]}:
    fail_once(folder, "task")
    return {"n": list(range(count))}


@as_task
def unsteady_item(n: int, folder: str) -> {"twice": int}:
    if n == 1:
        fail_once(folder, "item")
    return {"twice": 2 * n}


@as_workflow
def tried_again():
    unsteady()


@as_workflow
def items_tried_again():
    with MapWorkflow(name="process", map_on={"n": "n"}, retries=1):
        unsteady_item()


@as_workflow
def tried_in_vain():
    with MapWorkflow(name="process", on_error="collect", retries=1) as process:
        divide()
    generate() | process | gather()


@as_task(timeout=0.3)
def hang(n: int) -> {"n": int}:
    if n == 1:
        threading.Event().wait()
    return {"n": n}


@as_workflow
def limit_passed():
    hang()


@as_workflow
def limit_of_an_item_passed():
    with MapWorkflow(name="process", on_error="drop"):
        hang()


@as_task
def round_(x: int, folder: str) -> {"x": int}:
    rounds = Path(folder)
    rounds.mkdir(parents=True, exist_ok=True)
    done = len(list(rounds.glob("round-*")))
    if x == 2:
        fail_once(folder, "fault")
    (rounds / f"round-{done}").touch()
    return {"x": x + 1}


@as_task
def count_rounds(x: int, folder: str) -> {"x": int, "rounds": int}:
    return {"x": x, "rounds": len(list(Path(folder).glob("round-*")))}


@as_workflow
def loop_that_resumes():
    with IterativeWorkflow(name="refine", max_iterations=4, cache=True, retries=1) as refine:
        round_()
    refine | count_rounds()


@as_task
def offset(n: int, by: float = 1.5, word: str = "m") -> {"part": str}:
    return {"part": f"{n + by} {word}"}


@as_workflow
def defaults():
    with MapWorkflow(name="process", cache=True):
        offset()


@as_workflow(cache=True)
def defaults_round_all():
    generate() | add_up()


@as_task
def add_up(raw: list, more: int = 1) -> {"total": int}:
    return {"total": sum(raw) + more}


@as_workflow
def external():
    raw = generate()
    with Workflow(name="inside"):
        generate(count=2, name="shorter") | add_first(name="first")
        raw | take_last()


@as_task
def add_first(raw: list) -> {"first": int}:
    return {"first": raw[0] + 100}


@as_task
def take_last(raw: list) -> {"last": int}:
    return {"last": raw[-1]}


@as_workflow
def sequences_of_any_kind():
    with MapWorkflow(name="process", map_on={"raw": "n"}) as process:
        double()
    listed() | process


@as_task
def listed(count: int = 3) -> {"raw": tuple}:
    return {"raw": tuple(range(count))}


@as_task
def save(n: int) -> {}:
    pass


@as_workflow
def without_outputs():
    with MapWorkflow(name="process", no_outputs=True) as process:
        save()
    generate() | process


def started_by_hand():
    workflow = Workflow(name="started_by_hand")
    workflow.start()
    generate() | transform()
    workflow.stop()
    return workflow


@as_workflow
def loops_in_a_map():
    with (
        MapWorkflow(name="all", map_on={"x": "x"}),
        IterativeWorkflow(name="refine", max_iterations=5, break_func=lambda x: x < 1),
    ):
        halve()


@as_task
def leave_at(x: float, least: float = 0.5) -> {"x": float}:
    if x < least:
        exit_pipeline("small enough")
    return {"x": x}


@as_workflow
def left_by_a_task():
    with IterativeWorkflow(name="refine", max_iterations=99):
        halve() | leave_at()


@as_workflow
def begun_with_a_value():
    with IterativeWorkflow(name="refine", max_iterations=2, initial_value=8.0):
        halve()


@as_workflow
def merged_twice():
    _, then, else_ = IfThenElse(is_large)
    first = [then | Subtract(), else_ | keep()] | MergeTask(name="first")
    choice, then, else_ = IfThenElse(lambda rest: rest > 100, name="is_huge")
    first | choice
    [then | shout(), else_ | whisper()] | MergeTask(name="second")


@as_task
def keep(total: int) -> {"rest": int}:
    return {"rest": total}


@as_task
def shout(rest: int) -> {"said": str}:
    return {"said": f"{rest}!"}


@as_task
def whisper(rest: int) -> {"said": str}:
    return {"said": f"{rest}."}


def map_alone():
    with MapWorkflow(name="map_alone", on_error="collect", cache=True) as mapping:
        divide()
    return mapping


@as_workflow
def collected_inside():
    with MapWorkflow(name="outer"), MapWorkflow(name="inner", on_error="collect"):
        divide()


class Pair(TypedDict):
    low: int
    high: int


@as_task
def ends_of(raw: list) -> Pair:
    return {"low": raw[0], "high": raw[-1]}


@as_task
def span(low: int, high: int) -> {"span": int}:
    return high - low


@as_workflow
def typed_dicts():
    generate() | ends_of() | span()


# The contract

MULTIPLIER = {"transform": {"multiplier": 3}}
FOLDER = "@folder"


@dataclass(frozen=True)
class Case:
    """What makes a workflow, and what it is given."""

    make: Callable[[], Any]
    inputs: dict[str, Any] = field(default_factory=dict)
    """`FOLDER` is replaced by a folder that each run has for itself."""
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
    "external": Case(external),
    "sequences_of_any_kind": Case(sequences_of_any_kind),
    "without_outputs": Case(without_outputs),
    "started_by_hand": Case(started_by_hand),
    "loops_in_a_map": Case(loops_in_a_map, {"x": [8.0, 1.0]}),
    "left_by_a_task": Case(left_by_a_task, {"x": 8.0}),
    "begun_with_a_value": Case(begun_with_a_value),
    "merged_twice": Case(merged_twice, {"total": 12}),
    "map_alone": Case(map_alone, {"n": [1, 0, 4]}, entries=2),
    "collected_inside": Case(collected_inside, {"n": [[1, 0], [2]]}),
    "typed_dicts": Case(typed_dicts),
    "app": Case(app, {"speed": 7.5}, entries=1),
    "apps_in_a_map": Case(apps_in_a_map, {"speed": [5.0, 7.5, 5.0]}, entries=2),
    "tried_again": Case(tried_again, {"folder": FOLDER}),
    "items_tried_again": Case(items_tried_again, {"folder": FOLDER, "n": [0, 1, 2]}),
    "tried_in_vain": Case(tried_in_vain),
    "limit_passed": Case(limit_passed, {"n": 1}, fails=True),
    "limit_of_an_item_passed": Case(limit_of_an_item_passed, {"n": [0, 1, 2]}),
    "loop_that_resumes": Case(loop_that_resumes, {"x": 0, "folder": FOLDER}, entries=4),
    "defaults": Case(defaults, {"n": [1, 2]}, entries=2),
    "defaults_given": Case(defaults, {"n": [1, 2], "by": 1.5, "word": "m"}, entries=2),
    "other_values": Case(defaults, {"n": [1, 2], "by": 2.5, "word": "m"}, entries=2),
    "defaults_round_all": Case(defaults_round_all, entries=1),
    "defaults_round_all_given": Case(defaults_round_all, {"count": 4}, entries=1),
}
"""Each with a cache of its own."""
