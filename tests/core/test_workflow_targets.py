"""Targets: how what a task takes and gives is told, and what a value must be."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, Protocol, TypedDict, TypeVar, Union

import numpy as np
import pytest

from fairlead.adapters.workflow import MapWorkflow, Parameter, Task, Workflow, as_task, run
from fairlead.adapters.workflow.checks import fits
from fairlead.adapters.workflow.exceptions import (
    IOCheckerError,
    ResultInvalid,
    TargetException,
    TaskException,
    TaskWithKwargsException,
)

from .conftest import case_of

# Task definition alternatives


class Explicit(Task):
    def setup_targets(self):
        self.add_input("a", int)
        self.add_input("b", int)
        self.add_output("result", int)

    def run(self, a, b):
        return {"result": a + b}


class AutomaticInputs(Task):
    def run(self, a: int, b: int):
        return {"result": a + b}


class OutputsFromAnnotations(Task):
    def setup_targets(self):
        self.add_input("a", int)
        self.add_input("b", int)
        super().setup_targets()  # use automatic output detection

    def run(self, a, b) -> {"result": int}:
        return {"result": a + b}


class OutputsFromReturn(Task):
    def setup_targets(self):
        self.add_input("a", int)
        self.add_input("b", int)
        super().setup_targets()  # use automatic output detection from return statement

    def run(self, a, b):
        return {"result": a + b}


class ImplicitReturn(Task):
    def setup_targets(self):
        self.add_input("a", int)
        self.add_input("b", int)
        self.add_output("result", int)

    def run(self, a, b):
        return a + b


WAYS = [Explicit, AutomaticInputs, OutputsFromAnnotations, OutputsFromReturn, ImplicitReturn]


@pytest.mark.parametrize("way", WAYS)
def test_task_definition_alternatives(way):
    task = way()
    assert task(a=1, b=2) == {"result": 3}
    assert [target.type for target in task.inputs.values()] == [int, int]
    with pytest.raises(TaskException, match="input 'b': 'x' is a str"):
        task(a=1, b="x")


def test_a_parameter_by_the_explicit_syntax():
    class Power(Task):
        def setup_targets(self):
            super().setup_targets()
            self.add_parameter("exponent", int)

        def run(self, x, exponent):
            return {"y": x**exponent}

    with Workflow() as workflow:
        Power(x=2)
    assert run(workflow, parameters={"power": {"exponent": 3}}).outputs == {"y": 8}


def test_targets_belong_to_the_instance():
    one, other = AutomaticInputs(), AutomaticInputs()
    one.add_input("c", int)
    one.add_output("more", int)
    assert (list(other.inputs), list(other.outputs)) == (["a", "b"], ["result"])
    assert list(AutomaticInputs().inputs) == ["a", "b"]


# Outputs from returns


def test_only_the_returns_of_the_function_itself_count():
    @as_task
    def Outer(x):
        def inner():
            return {"leaked": 1}

        return {"y": inner()["leaked"] + x}

    assert list(Outer().outputs) == ["y"]
    assert Outer()(1) == {"y": 2}


def test_ways_to_return_may_give_different_outputs():
    @as_task
    def Either(x):
        if x:
            return {"a": 1, "both": 0}
        return {"b": 2, "both": 0}

    task = Either()
    assert {name: target.is_certain for name, target in task.outputs.items()} == {"a": False, "both": True, "b": False}
    assert (task(1), task(0)) == ({"a": 1, "both": 0}, {"b": 2, "both": 0})


def test_an_output_that_was_not_returned_is_missing_for_who_needs_it():
    @as_task
    def Either(x):
        if x:
            return {"a": 1}
        return {"b": 2}

    @as_task
    def Need(a) -> {"y": int}:
        return a

    with Workflow() as workflow:
        Either() | Need()
    assert run(workflow, {"x": True}).outputs == {"y": 1}
    with pytest.raises(TaskException, match="task 'need', input 'a': is missing"):
        run(workflow, {"x": False})


def test_dict_with_names_is_read_as_well():
    @as_task
    def Made(x):
        return dict(a=x, b=x)  # noqa: C408 (what the test is about)

    assert list(Made().outputs) == ["a", "b"]


def test_no_return_is_no_output():
    @as_task
    def Nothing(x):
        x.append(1)

    assert (Nothing().outputs, Nothing()([])) == ({}, {})


def returns(text: str) -> Any:
    space: dict[str, Any] = {"as_task": as_task}
    exec(f"@as_task\ndef Unclear(x):\n    {text}\n", space)
    return space["Unclear"]


def test_outputs_that_cannot_be_told_are_an_error_before_anything_runs(tmp_path, study):
    for text in ("return x", "return {**x}", "return {x: 1}", "d = {'a': 1}\n    return d", "yield {'a': 1}"):
        head = "from fairlead.adapters.workflow import as_task\n@as_task\n"
        module = study(f"{head}def Unclear(x):\n    {text}\n")
        with Workflow() as workflow:
            module.Unclear(x=1)
        with pytest.raises(
            IOCheckerError, match=r"task 'unclear': its outputs cannot be told, because .* Write e\.g\."
        ):
            run(workflow)


def test_a_function_without_source_needs_an_annotation():
    with pytest.raises(TargetException, match="its source is not at hand"):
        returns("return {'y': x}")()(1)


def test_an_output_has_a_name():
    for name in ("", "@x", 1):
        with pytest.raises(TargetException, match="cannot be the name of an output"):

            @as_task
            def Bad() -> {name: int}:
                pass


# Annotations


@pytest.mark.parametrize("annotation", [int, list, "x", ["a"], {"a"}, int | None])
def test_a_return_annotation_is_a_dict_or_a_typed_dict(annotation):
    def bad():
        pass

    bad.__annotations__["return"] = annotation
    with pytest.raises(TargetException, match="task 'bad'"):
        as_task(bad)


@pytest.mark.parametrize("annotation", [[int], {"a": int}, 5, (int, str), any, callable, lambda: 1, 2.0, {int}])
def test_an_annotation_is_a_type(annotation):
    def bad(x) -> {}:
        pass

    bad.__annotations__["x"] = annotation
    with pytest.raises(TargetException, match=r"task 'bad', input 'x': the annotation .* is no type"):
        as_task(bad)
    bad.__annotations__ = {"return": {"y": annotation}}
    with pytest.raises(TargetException, match="task 'bad'"):
        as_task(bad)


@pytest.mark.parametrize("annotation", ["Unknown", "list[Unknown]", "1 +"])
def test_an_annotation_that_cannot_be_evaluated_is_named(annotation):
    def bad(x) -> {}:
        pass

    bad.__annotations__["x"] = annotation
    with pytest.raises(TargetException, match=r"task 'bad', input 'x': the annotation .* cannot be evaluated"):
        as_task(bad)


def test_annotations_may_be_texts(study):
    text = """
        from __future__ import annotations
        from typing import NotRequired, Optional, TypedDict
        from fairlead.adapters.workflow import Parameter, as_task

        class Result(TypedDict):
            a: int
            b: NotRequired[str]

        class Own:
            pass

        def local():
            class Hidden:
                pass

            @as_task
            def T(x: Hidden | None = None) -> {"y": Optional[Hidden]}:
                return x

            return T

        @as_task
        def Plain(x: int, k: Parameter(int), own: list[Own]) -> {"y": list[int]}:
            return [x * k]

        @as_task
        def Typed(x: "int") -> Result:
            return {"a": x}
        """
    module = study(text)
    assert module.Plain().parameters["k"].type is int
    assert module.Plain().inputs["own"].type == list[module.Own]
    assert module.Plain().outputs["y"].type == list[int]
    assert {name: target.is_certain for name, target in module.Typed().outputs.items()} == {"a": True, "b": False}
    assert module.Typed()(3) == {"a": 3}
    assert module.local()()() == {"y": None}


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Loose(TypedDict, total=False):
    a: int


def test_a_typed_dict_says_the_outputs():
    @as_task
    def Make(x) -> Movie:
        return {"title": x}

    @as_task
    def MakeLoose(x) -> Loose:
        return {}

    assert Make()("a") == {"title": "a"}
    assert MakeLoose()("a") == {}
    with pytest.raises(ResultInvalid, match="task 'make', output 'title': 3 is an int"):
        Make()(3)


def test_arguments_are_positional_and_named():
    with pytest.raises(TaskWithKwargsException, match=r"task 'bad', input 'x': it is keyword-only.*Leave out the '\*'"):

        @as_task
        def bad(*, x) -> {}:
            pass

    with pytest.raises(TargetException, match=r"task 'bad', input 'x': it is positional-only.*Leave out the '/'"):

        @as_task
        def bad(x, /) -> {}:
            pass


def test_more_positional_arguments_are_never_given():
    @as_task
    def More(x, *others) -> {"y": int}:
        return x + len(others)

    assert More()(1) == {"y": 1}


# Values


T = TypeVar("T")
UserId = NewType("UserId", int)


class Named(Protocol):
    name: str


class Colour(enum.Enum):
    RED = 1


@dataclass
class Site:
    height: float


GOOD = [
    (int, True), (float, 1), (complex, 1.5), (float, np.float64(1)), (Any, object()), (None, None), (object, 1),
    (Optional[int], None), (int | str, "a"), (Union[int, None], 3), (list[int], [1, 2]), (list, [1, "a"]),
    (dict[str, list[int]], {"a": [1]}), (tuple[int, ...], (1, 2, 3)), (tuple[int, str], (1, "a")), (set[str], {"a"}),
    (Literal["a", 1], 1), (Sequence[int], [1]), (Callable[[int], int], abs), (Path, Path()), (Site, Site(1.0)),
    (Colour, Colour.RED), (np.ndarray, np.zeros(2)), (Annotated[int, "metres"], 3), (UserId, 3), (T, object()),
    (list[Annotated[int, {"unit": "m"}]], [3]), (Movie, {"title": "a"}), (type[Exception], ValueError),
    (Iterator[int], iter([1])), (Named, Workflow),
]  # fmt: skip
BAD = [
    (int, "1"), (int, 1.0), (int, np.int64(1)), (str, b"a"), (float, "1"), (bool, 1), (None, 0), (Optional[int], "a"),
    (int | str, 1.5), (list[int], [1, 2, "c"]), (dict[str, int], {"a": "b"}), (dict[str, list[int]], {"a": [1, "b"]}),
    (tuple[int, str], (1, 2)), (tuple[int, ...], [1]), (Literal["a"], "b"), (Site, {"height": 1}), (Colour, 1),
    (np.ndarray, [1]), (Annotated[int, ["metres"]], "3"), (Movie, {"year": 1}), (type[Exception], int),
    (set[int], {"a"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), GOOD, ids=case_of)
def test_a_value_of_its_type_passes(kind, value):
    def take(x) -> {"y": Any}:
        return {"y": x}

    take.__annotations__["x"] = kind
    assert as_task(take)()(value)["y"] is value


@pytest.mark.parametrize(("kind", "value"), BAD, ids=case_of)
def test_a_value_of_another_type_is_refused_whole(kind, value):
    def take(x) -> {"y": Any}:
        return {"y": x}

    take.__annotations__["x"] = kind
    with pytest.raises(TaskException, match=r"task 'take', input 'x': .* is an? |task 'take', input 'x': None"):
        as_task(take)()(value)


def test_the_error_says_where_in_the_value_it_is():
    @as_task
    def Take(sites: dict[str, list[int]]) -> {}:
        pass

    with pytest.raises(TaskException, match=r"input 'sites': .*item 1 of value of key 'a'.*\(dict\[str, list"):
        Take()({"a": [1, "b"]})


def test_what_is_returned_is_of_its_type():
    @as_task
    def GenData() -> {"raw_data": int}:
        raw_data = "42"
        return {"raw_data": raw_data}

    with pytest.raises(ResultInvalid, match=r"task 'gen_data', output 'raw_data': '42' is a str \(int\)"):
        GenData()()


# Types before anything runs


@pytest.mark.parametrize(
    ("given", "wanted", "fit"),
    [
        (int, int, True), (int, float, True), (float, int, False), (bool, int, True), (str, int, False),
        (Any, int, True), (int, Any, True), (object, int, True), (int | str, int, True), (int | str, bytes, False),
        (None, int, False), (None, Optional[int], True), (Optional[int], None, True), (list[int], list, True),
        (list[int], list[str], False), (list, list[str], True), (list[int], Sequence[int], True),
        (dict[str, int], dict[str, str], False), (Literal["a"], str, True), (Literal["a"], int, False),
        (str, Literal["a"], True), (int, Literal["a"], False), (Movie, dict, True), (UserId, int, True),
        (Annotated[int, "m"], str, False), (tuple[int, ...], list, False), (Site, Colour, False), (Named, int, True),
        (list[int | str], list[str], True), (T, int, True), (np.ndarray, list, False),
    ],
    ids=case_of,
)  # fmt: skip
def test_types_fit_unless_they_have_no_value_in_common(given, wanted, fit):
    assert fits(given, wanted) is fit


@pytest.mark.parametrize("inside", [False, True], ids=["flat", "in a map"])
def test_types_are_checked_before_anything_runs(inside):
    ran = []

    @as_task
    def Give() -> {"x": list[str]}:
        ran.append(1)
        return ["a"]

    @as_task
    def Take(x: list[int]) -> {}:
        ran.append(2)

    @as_task
    def TakeOne(x: int) -> {}:
        ran.append(2)

    with Workflow() as workflow:
        Give() | (MapWorkflow(TakeOne()) if inside else Take())
    with pytest.raises(IOCheckerError, match=r"input 'x': .*'x' is of type"):
        run(workflow)
    assert ran == []


def test_a_parameter_may_be_of_any_type():
    @as_task
    def Any_(k: Parameter, other: Parameter()) -> {"y": list}:
        return [k, other]

    with Workflow() as workflow:
        Any_(name="any")
    assert run(workflow, parameters={"any": {"k": 1, "other": "b"}}).outputs == {"y": [1, "b"]}
