"""What is kept of workflows is found again when the work is the same, and never when it is not."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import io
import json
import os
import tempfile
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pytest

from fairlead.adapters.errors import NotFingerprintable, NotPortable
from fairlead.adapters.workflow import (
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
    run,
)
from fairlead.adapters.workflow.identity import _FIELDS
from fairlead.adapters.workflow.run_state import Event

from .conftest import case_of


def noted(word: object) -> None:
    """Note that a task runs; `os` is no user's module, so that this is no part of an identity that changes."""
    with Path(os.environ["NOTES"], "note").open("a") as file:
        file.write(f"{word}\n")


@as_task
def Work(x: Any, factor: int = 2) -> {"y": Any}:
    noted("work")
    return {"y": x}


@as_task
def Tenfold(x: int) -> {"y": int}:
    noted(x)
    return x * 10


@as_task
def Add(x: int) -> {"x": int}:
    noted(x)
    return x + 1


# What counts


def test_a_cached_task_runs_once(cached):
    assert cached(lambda: Work(cache=True), {"x": 1}) == ({"y": 1}, ["work"])
    assert cached(lambda: Work(cache=True), {"x": 1}) == ({"y": 1}, [])


@pytest.mark.parametrize("size", [3, 100_000])
def test_a_cached_task_has_no_temporary_folder_that_could_be_left(tmp_path, monkeypatch, size):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    there: list[str] = []

    @as_task(cache=True)
    def Look() -> {"y": Any}:
        there.extend(path.name for path in Path(tempfile.gettempdir()).iterdir())
        return np.arange(size)

    for _ in range(2):
        outputs = run(Workflow(Look()), cache=str(tmp_path / "cache")).outputs
        assert len(outputs["y"]) == size
    assert there == []
    assert not [*(tmp_path / "temporary").iterdir()]


def test_what_does_not_ask_for_it_is_not_kept(cached):
    cached(Work, {"x": 1})
    assert cached(Work, {"x": 1})[1] == ["work"]


def test_overwriting_runs_in_any_case_and_replaces_what_was_kept(cached, tmp_path):
    cached(lambda: Work(cache=True), {"x": 1})
    assert cached(lambda: Work(cache=True), {"x": 1}, overwrite_cache=True)[1] == ["work"]
    assert cached(lambda: Work(cache=True), {"x": 1})[1] == []


def test_a_block_may_say_where_its_results_are_kept(cached, tmp_path):
    cached(lambda: Work(cache=True, cache_dir=str(tmp_path / "own")), {"x": 1})
    assert list(tmp_path.glob("own/*/*/outcome.json"))
    assert not (tmp_path / "cache").exists()


def test_a_damaged_result_is_none(cached, tmp_path):
    cached(lambda: Work(cache=True), {"x": 1})
    (entry,) = tmp_path.glob("cache/*/*/outcome.json")
    entry.write_text(entry.read_text().replace('"y": 1', '"y": 2'))
    assert cached(lambda: Work(cache=True), {"x": 1}) == ({"y": 1}, ["work"])


def test_options_of_how_it_runs_do_not_count(cached):
    cached(lambda: Work(cache=True), {"x": 1})
    assert cached(lambda: Work(cache=True, retries=2, timeout=60), {"x": 1})[1] == []


def test_a_task_is_found_again_from_another_workflow(cached):
    cached(lambda: Work(cache=True), {"x": 1})

    def elsewhere() -> None:
        with Workflow(name="inner"):
            Work(cache=True, name="same")

    assert cached(elsewhere, {"x": 1})[1] == []


def test_a_hit_is_told_as_one(cached):
    events: list[Event] = []
    for _ in range(2):
        cached(lambda: Work(cache=True), {"x": 1}, observer=events.append)
    ended = [event for event in events if event.name == "work" and event.state == "success"]
    assert [event.cached for event in ended] == [False, True]


# Collisions of inputs (Outflow's keys of all of these are equal)


@dataclass
class Site:
    height: float


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Point(NamedTuple):
    x: int
    y: int


DIFFERENT = [
    ({1, 2}, {1, 3}),
    (b"a", b"b"),
    (np.array([1, 2]), np.array([1, 3])),
    (np.array([1, 2]), np.array([1.0, 2.0])),
    (np.array([[1, 2]]), np.array([1, 2])),
    (dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2)),  # noqa: DTZ001
    (dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),  # noqa: DTZ001
    (decimal.Decimal("1.0"), decimal.Decimal("1.1")),
    (1 + 2j, 1 + 3j),
    ((1, 2), [1, 2]),
    (1, 1.0),
    (1, True),
    (1, "1"),
    (None, "None"),
    (0.0, -0.0),
    ({"a": 1}, {"a": 2}),
    ({1: "a"}, {"1": "a"}),
    ([1, [2]], [[1], 2]),
    ("ab", ["a", "b"]),
    (Site(1.0), Site(2.0)),
    (Colour.RED, Colour.BLUE),
    (Point(1, 2), (1, 2)),
    (set(), frozenset()),
    (b"a", bytearray(b"a")),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=[f"{one!r} {other!r}" for one, other in DIFFERENT])
def test_inputs_that_differ_are_never_taken_for_each_other(cached, one, other):
    assert cached(lambda: Work(cache=True), {"x": one})[1] == ["work"]
    assert cached(lambda: Work(cache=True), {"x": other})[1] == ["work"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({3, 1, 2}, {2, 3, 1}),
        (float("nan"), float("nan")),
        (np.arange(6)[::2], np.array([0, 2, 4])),
        (Site(1.0), Site(1.0)),
    ],
    ids=case_of,
)
def test_inputs_that_are_equal_are_found_again(cached, one, other):
    cached(lambda: Work(cache=True), {"x": one})
    assert cached(lambda: Work(cache=True), {"x": other})[1] == []


@pytest.mark.parametrize(
    "value", [lambda: 1, io.StringIO(), (i for i in range(3)), object(), threading.Lock()], ids=case_of
)
def test_an_input_without_an_identity_is_an_error_that_names_it_and_nothing_runs(cached, note, value):
    with pytest.raises(NotFingerprintable, match=r"'work', input 'x'") as caught:
        cached(lambda: Work(cache=True), {"x": value})
    assert "cache a workflow round both" in str(caught.value)
    assert note.taken() == []


def test_the_error_names_the_place_in_the_input(cached):
    with pytest.raises(NotFingerprintable, match=r"'work', input 'x'\.deep\[1\]"):
        cached(lambda: Work(cache=True), {"x": {"deep": [1, object()]}})


class Connection:
    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = threading.Lock()


@as_task
def Connect(number: int) -> {"connection": Any}:
    noted("connect")
    return Connection(number)


@as_task
def Ask(connection: Any) -> {"answer": int}:
    noted("ask")
    return connection.number


def test_the_block_that_makes_it_stands_in_for_it_in_a_cached_workflow_round_both(cached):
    def both(number: int) -> Callable[[], None]:
        def make() -> None:
            with Workflow(cache=True, name="asked"):
                Connect(number=number) | Ask()

        return make

    assert cached(both(1)) == ({"answer": 1}, ["connect", "ask"])
    assert cached(both(1)) == ({"answer": 1}, [])
    assert cached(both(2)) == ({"answer": 2}, ["connect", "ask"])


# Bound arguments and parameters


def test_bound_arguments_count(cached):
    cached(lambda: Work(cache=True, factor=1), {"x": 1})
    assert cached(lambda: Work(cache=True, factor=2), {"x": 1})[1] == ["work"]


def test_an_argument_that_is_bound_anew_counts(tmp_path, note):
    with Workflow() as workflow:
        work = Work(cache=True, x=1)
    for bound in (1, 2, 3):
        work.bind(x=bound)
        assert run(workflow, cache=str(tmp_path)).outputs == {"y": bound}


@as_task
def Scale(x: int, factor: Parameter(int)) -> {"x": int}:
    noted("scale")
    return x * factor


@as_task
def Shift(x: int, factor: Parameter(int)) -> {"x": int}:
    noted("shift")
    return x + factor


def both() -> None:
    with Workflow(cache=True):
        Scale() | Shift()


def test_parameters_count(cached):
    assert cached(both, {"x": 1}, parameters={"scale": {"factor": 2}, "shift": {"factor": 3}})[0] == {"x": 5}
    assert cached(both, {"x": 1}, parameters={"scale": {"factor": 4}, "shift": {"factor": 3}})[0] == {"x": 7}


def test_parameters_of_one_name_are_kept_apart(cached):
    assert cached(both, {"x": 1}, parameters={"scale": {"factor": 2}, "shift": {"factor": 3}})[0] == {"x": 5}
    assert cached(both, {"x": 1}, parameters={"scale": {"factor": 3}, "shift": {"factor": 2}})[0] == {"x": 5}
    assert cached(both, {"x": 1}, parameters={"scale": {"factor": 3}, "shift": {"factor": 2}})[1] == []


def test_a_default_that_was_added_counts(cached):
    def make(default: int) -> Callable[[], None]:
        def body() -> None:
            class Power(Task):
                def setup_targets(self) -> None:
                    self.add_input("x", int)
                    self.add_input("power", int, default)
                    self.add_output("y", int)

                def run(self, x, power):
                    return x**power

            Power(cache=True)

        return body

    assert cached(make(2), {"x": 3})[0] == {"y": 9}
    assert cached(make(3), {"x": 3})[0] == {"y": 27}


# What is inside


def test_an_object_of_a_task_counts(cached):
    class Power(Task):
        def __init__(self, power, **options):
            self.power = power
            super().__init__(**options)

        def run(self, x) -> {"y": int}:
            return x**self.power

    assert cached(lambda: Power(2, cache=True), {"x": 3})[0] == {"y": 9}
    assert cached(lambda: Power(3, cache=True), {"x": 3})[0] == {"y": 27}


def test_the_condition_of_a_branch_counts(cached):
    def branch(least: int) -> Callable[[], None]:
        def make() -> None:
            with Workflow(cache=True):
                _, then, otherwise = IfThenElse(lambda x: x >= least)
                [then | Tenfold(), otherwise | as_task(lambda x: {"y": 0})()] | MergeTask()

        return make

    assert cached(branch(1), {"x": 1})[0] == {"y": 10}
    assert cached(branch(2), {"x": 1})[0] == {"y": 0}


def test_how_blocks_are_joined_counts(cached):
    def chain(*tasks: Any) -> Callable[[], None]:
        def make() -> None:
            with Workflow(cache=True):
                first, second = (task() for task in tasks)
                first | second

        return make

    double = as_task(lambda x: {"x": x * 2})
    assert cached(chain(Add, double), {"x": 1})[0] == {"x": 4}
    assert cached(chain(double, Add), {"x": 1})[0] == {"x": 3}


@pytest.mark.parametrize("attribute", ["times", "limit"], ids=["of its own", "called like one of a loop"])
def test_a_hook_of_a_workflow_and_its_attributes_count(cached, attribute):
    class Times(Workflow):
        def __init__(self, times: int, **options: Any) -> None:
            setattr(self, attribute, times)
            super().__init__(**options)

        def run(self, **inputs):
            return {name: value * getattr(self, attribute) for name, value in super().run(**inputs).items()}

    def times(number: int) -> Callable[[], None]:
        def make() -> None:
            with Times(number, cache=True):
                Tenfold()

        return make

    assert cached(times(1), {"x": 1})[0] == {"y": 10}
    assert cached(times(2), {"x": 1})[0] == {"y": 20}


@pytest.mark.parametrize("name", ["limit", "chunk", "iterations", "directives", "map_on", "blocks", "break_func"])
def test_an_attribute_that_is_called_like_one_of_another_kind_of_block_counts(cached, name):
    class Power(Task):
        def __init__(self, power, **options):
            setattr(self, name, power)
            super().__init__(**options)

        def run(self, x) -> {"y": int}:
            return x ** getattr(self, name)

    assert cached(lambda: Power(2, cache=True), {"x": 3})[0] == {"y": 9}
    assert cached(lambda: Power(3, cache=True), {"x": 3})[0] == {"y": 27}


@as_task
def Pass(x: int) -> {"x": int}:
    return x


@pytest.mark.parametrize(
    "make",
    [
        Workflow,
        MapWorkflow,
        lambda: LoopWorkflow(iterations=1),
        lambda: IterativeWorkflow(max_iterations=1),
        Pass,
    ],
)
def test_all_that_our_classes_give_their_instances_is_known(make):
    block = make()
    ours = {name for kind in type(block).__mro__ for name in _FIELDS.get(kind, ())}
    assert vars(block).keys() == ours


def test_the_name_counts_for_who_can_see_it(cached):
    @as_task(with_self=True)
    def Named(self) -> {"y": str}:
        return self.name

    class Hooked(Workflow):
        def run(self, **inputs):
            return {**super().run(**inputs), "y": self.name}

    def hooked(name: str) -> Callable[[], None]:
        def make() -> None:
            with Hooked(name=name, cache=True):
                Tenfold()

        return make

    for name in "ab":
        assert cached(lambda name=name: Named(name=name, cache=True), {})[0] == {"y": name}
        assert cached(hooked(name), {"x": 1})[0] == {"y": name}


# Maps, loops, branches


def test_a_map_runs_what_is_missing_and_keeps_the_order(cached):
    def mapped() -> None:
        MapWorkflow(Tenfold(), cache=True)

    cached(mapped, {"x": [1, 2]})
    assert cached(mapped, {"x": [9, 1, 8, 2]}) == ({"y": [90, 10, 80, 20]}, ["9", "8"])


@as_task
def Flaky(x: int) -> {"y": int}:
    noted(x)
    if Path(os.environ["NOTES"], f"bad-{x}").exists():
        raise ValueError(x)
    return x


def test_a_failed_item_is_not_kept_and_runs_again(cached, notes):
    (notes / "bad-2").touch()

    def mapped() -> None:
        MapWorkflow(Flaky(), cache=True, on_error="collect")

    outputs, _ = cached(mapped, {"x": [1, 2, 3]})
    assert [outputs["y"][0], outputs["y"][2]] == [1, 3]
    (notes / "bad-2").unlink()
    assert cached(mapped, {"x": [1, 2, 3]}) == ({"y": [1, 2, 3]}, ["2"])


@pytest.mark.parametrize("on_error", ["collect", "drop"])
@pytest.mark.parametrize("backend", ["default", "parallel"])
def test_a_workflow_in_which_an_item_failed_is_not_kept(cached, notes, caplog, on_error, backend):
    def body() -> None:
        with Workflow(name="study", cache=True), Workflow(name="inner", cache=True):
            MapWorkflow(Flaky(), name="each", on_error=on_error)
        with Workflow(name="sound", cache=True):
            MapWorkflow(Tenfold(), name="each", output_name="tens")

    (notes / "bad-2").touch()
    outputs, _ = cached(body, {"x": [1, 2, 3]}, backend=backend)
    assert outputs["y"] != [1, 2, 3]
    assert "study/inner: the result is not kept, because an item inside failed" in caplog.text
    (notes / "bad-2").unlink()
    outputs, ran = cached(body, {"x": [1, 2, 3]}, backend=backend)
    assert (outputs["y"], sorted(ran)) == ([1, 2, 3], ["1", "2", "3"])
    assert cached(body, {"x": [1, 2, 3]}, backend=backend)[1] == []


@pytest.mark.parametrize("backend", ["default", "parallel"])
def test_a_kept_item_in_which_an_item_failed_is_not_kept_and_the_others_are(cached, notes, backend):
    def body() -> None:
        with MapWorkflow(name="outer", cache=True, map_on={"rows": "x"}, output_name="all"):
            MapWorkflow(Flaky(), name="inner", on_error="drop")

    (notes / "bad-2").touch()
    cached(body, {"rows": [[1, 2], [3]]}, backend=backend)
    (notes / "bad-2").unlink()
    outputs, ran = cached(body, {"rows": [[1, 2], [3]]}, backend=backend)
    assert (outputs, sorted(ran)) == ({"all": [[{"y": [1, 2]}], [{"y": [3]}]]}, ["1", "2"])


@pytest.mark.parametrize("other", [{"on_error": "drop"}, {"output_name": "all"}, {"chunk": 2}, {"no_outputs": True}])
def test_what_a_map_makes_of_its_items_does_not_undo_them(cached, other):
    cached(lambda: MapWorkflow(Tenfold(), cache=True), {"x": [1, 2]})
    assert cached(lambda: MapWorkflow(Tenfold(), cache=True, **other), {"x": [1, 2]})[1] == []


def test_what_a_map_makes_of_its_items_counts_for_a_workflow_round_it(cached):
    def round_it(**options: Any) -> Callable[[], None]:
        def make() -> None:
            with Workflow(cache=True):
                MapWorkflow(Tenfold(), **options)

        return make

    assert cached(round_it(), {"x": [1]})[0] == {"y": [10]}
    assert cached(round_it(output_name="all"), {"x": [1]})[0] == {"all": [[{"y": 10}]]}


def test_a_loop_keeps_each_iteration(cached):
    def loop(iterations: int) -> Callable[[], None]:
        def make() -> None:
            with LoopWorkflow(iterations=iterations, cache=True):
                Add()

        return make

    assert cached(loop(3), {"x": 5})[1] == ["5", "5", "5"]
    assert cached(loop(5), {"x": 5}) == ({"x": 6}, ["5", "5"])


def test_an_iteration_keeps_each_iteration(cached):
    def iteration(most: int) -> Callable[[], None]:
        def make() -> None:
            with IterativeWorkflow(max_iterations=most, cache=True):
                Add()

        return make

    assert cached(iteration(2), {"x": 0}) == ({"x": 2}, ["0", "1"])
    assert cached(iteration(4), {"x": 0}) == ({"x": 4}, ["2", "3"])


def test_what_ends_an_iteration_counts_for_a_workflow_round_it(cached):
    def round_it(enough: int) -> Callable[[], None]:
        def make() -> None:
            with Workflow(cache=True), IterativeWorkflow(max_iterations=9, break_func=lambda x: x >= enough):
                Add()

        return make

    assert cached(round_it(2), {"x": 0})[0] == {"x": 2}
    assert cached(round_it(3), {"x": 0})[0] == {"x": 3}


def test_what_was_skipped_is_kept_as_skipped(cached):
    @as_task
    def Nothing(x: int) -> {"y": int}:
        noted("nothing")
        return Skipped()

    for expected in (["nothing"], []):
        assert cached(lambda: Nothing(cache=True), {"x": 1}) == ({"y": Skipped()}, expected)


# Values


VALUES = [
    None, True, 10**30, float("inf"), "ü", b"\0\xff", (1, (2,)), [1, [2]], {1: "a", (2, 3): b"b"}, {1, 2},
    frozenset({"a"}), 1 + 2j, decimal.Decimal("1.10"), fractions.Fraction(1, 3), dt.date(2024, 2, 29),
    dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC), dt.timedelta(seconds=1.5), uuid.UUID(int=7), PurePosixPath("a/b"),
    range(3), Site(80.0), Colour.BLUE, Point(1, 2), {"$fairlead": 1}, bytearray(b"x"),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=case_of)
def test_a_value_comes_back_from_the_cache_as_it_was(cached, value):
    for expected in (["work"], []):
        outputs, words = cached(lambda: Work(cache=True), {"x": value})
        assert (outputs["y"], type(outputs["y"]), words) == (value, type(value), expected)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.array(["a", "bc"]),
        np.array([], dtype=np.int8),
        np.zeros(200_000),
        np.array([1, 2], dtype="datetime64[s]"),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_an_array_comes_back_from_the_cache_as_it_was(cached, array):
    for expected in (["work"], []):
        outputs, words = cached(lambda: Work(cache=True), {"x": array})
        np.testing.assert_array_equal(outputs["y"], array)
        assert (outputs["y"].dtype, words) == (array.dtype, expected)


def test_a_frame_comes_back_from_the_cache_as_it_was(cached):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", None]})
    for expected in (["work"], []):
        outputs, words = cached(lambda: Work(cache=True), {"x": frame})
        pandas.testing.assert_frame_equal(outputs["y"], frame)
        assert words == expected


def test_an_output_that_cannot_be_kept_is_an_error_that_names_it(cached, tmp_path):
    @as_task
    def Make(x: int) -> {"y": Any}:
        return {"y": [1, object()]}

    with pytest.raises(NotPortable, match=r"'make'.*\by\b.*\[1\]"):
        cached(lambda: Make(cache=True), {"x": 1})
    assert not list(tmp_path.glob("cache/*/*/outcome.json"))


def test_nothing_that_is_kept_is_a_pickle(cached, tmp_path):
    cached(lambda: Work(cache=True), {"x": {"a": np.arange(100_000), "b": Site(1.0)}})
    for path in tmp_path.glob("cache/*/*/outcome.json"):
        json.loads(path.read_text())
    assert not [path for path in tmp_path.rglob("cache/*/*/files/*/*") if path.read_bytes()[:1] == b"\x80"]


def test_two_workflows_in_one_function_are_kept_apart(cached):
    @as_workflow(cache=True)
    def one(factor):
        as_task(lambda x: {"y": x * factor})()

    assert cached(lambda: one(2), {"x": 1})[0] == {"y": 2}
    assert cached(lambda: one(3), {"x": 1})[0] == {"y": 3}


@pytest.mark.parametrize("retries", [0, 1])
def test_an_exception_of_the_system_in_a_kept_task_comes_out_as_it_was(cached, retries):
    @as_task
    def Read(x: int) -> {"y": int}:
        raise FileNotFoundError(2, "gone", "file.nc") from ValueError("first")

    with pytest.raises(FileNotFoundError, match=r"file\.nc") as caught:
        cached(lambda: Read(cache=True, retries=retries), {"x": 1})
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.__notes__ == ["In task 'read'."]


def test_a_task_that_changes_its_input_is_not_found_again_under_what_it_was(cached):
    @as_task
    def Grow(xs: list) -> {"grown": list}:
        noted("Grow")
        xs.append(len(xs))
        return list(xs)

    outputs, _ = cached(lambda: Grow(cache=True), {"xs": [0]})
    again, words = cached(lambda: Grow(cache=True), {"xs": [0]})
    assert outputs == again == {"grown": [0, 1]}
    assert words == ["Grow"]


def test_a_file_that_changes_while_it_is_read_is_not_found_again_under_what_it_was(cached, tmp_path):
    file = tmp_path / "input"

    @as_task
    def Read(path: Path, edits: bool) -> {"text": str}:
        noted("Read")
        if edits:
            path.write_text("new")
        return path.read_text()

    file.write_text("old")
    assert cached(lambda: Read(cache=True), {"path": file, "edits": True})[0] == {"text": "new"}
    file.write_text("old")
    assert cached(lambda: Read(cache=True), {"path": file, "edits": True})[1] == ["Read"]
