"""How a map's items become tasks of an orchestrator: how many each has, what it is called, and what comes of them."""

from pathlib import Path

import pytest

from fairlead.adapters.errors import InputInvalid
from fairlead.adapters.workflow import MapWorkflow, Workflow, as_task, as_workflow
from fairlead.adapters.workflow.chunks import Chunk, check_cut, cut, is_cut, put_together
from fairlead.adapters.workflow.engines import named
from fairlead.adapters.workflow.exceptions import WorkflowInvalid
from fairlead.adapters.workflow.failures import Failure
from fairlead.adapters.workflow.nodes import flatten, gather
from fairlead.adapters.workflow.run_state import Run


@as_task
def add(item: int, offset: int = 0) -> {"sum": int}:
    return {"sum": item + offset}


@pytest.fixture
def node():
    def make(**options):
        return flatten(MapWorkflow(add(), name="sums", map_on={"items": "item"}, **options)).nodes[0]

    return make


def chunks(node, number, *, size=None, most=None, offset=1):
    values = gather(node, {}, {"items": range(number), "offset": offset})
    shared, made = cut(node, values, size=size, auto=lambda count: count // 4, most=most)
    assert [item["item"] for chunk in made for item in chunk.items] == list(range(number))
    assert [chunk.start for chunk in made] == [chunk.items[0]["item"] for chunk in made]
    return shared, [len(chunk.items) for chunk in made]


@pytest.mark.parametrize(
    ("of_the_map", "size", "most", "expected"),
    [
        ("auto", None, None, [5, 5, 5, 5]),
        (8, None, None, [8, 8, 4]),
        (8, 10, None, [10, 10]),
        (8, "auto", None, [5, 5, 5, 5]),
        (1, None, 3, [7, 7, 6]),
        (20, None, 3, [20]),
    ],
)
def test_a_chunk_is_as_large_as_asked_for_and_larger_where_there_would_be_too_many(
    node, of_the_map, size, most, expected
):
    assert chunks(node(chunk=of_the_map), 20, size=size, most=most)[1] == expected


def test_fewer_items_than_the_engine_wants_in_a_task_are_one_each(node):
    assert chunks(node(), 3)[1] == [1, 1, 1]


def test_what_all_items_are_given_is_told_once(node):
    assert chunks(node(), 8, offset=5)[0] == {"offset": 5}


def test_no_items_are_one_chunk_without_any(node):
    empty = node(allow_empty=True)
    _, (chunk,) = cut(empty, gather(empty, {}, {"items": []}), size=None, auto=lambda _: 1)
    assert (chunk.items, chunk.label) == ((), "no items")


@pytest.mark.parametrize(
    ("items", "label"),
    [
        (({"a": 1}, {"a": 2}, {"a": 3}), "items 7-9"),
        (({"site": "site_b.csv"},), "item 7: site_b.csv"),
        (({"site": Path("data/site_b.csv")},), "item 7: data/site_b.csv"),
        (({"x": 1.5, "y": [1, 2]},), "item 7: 1.5, [1, 2]"),
        (({"text": "x" * 100},), "item 7: … " + "x" * 58),
    ],
)
def test_a_label_says_which_items_they_are(items, label):
    assert Chunk(7, items).label == label


def test_results_are_put_together_in_the_order_of_the_items_and_failures_are_the_runs(node):
    collecting = node(on_error="collect")
    failure = Failure(1, {}, "ValueError", "no", "")
    run = Run(named("default"))

    outputs = put_together(collecting, [(2, {"sum": 2}), (1, failure), (0, {"sum": 0})], run)
    assert outputs == {"sum": [0, failure, 2]}
    assert run.failures == [("", failure)]  # of the map that is run itself


def test_a_map_that_does_more_than_run_its_items_stays_whole():
    class Own(MapWorkflow):
        def run(self, **inputs):
            return super().run(**inputs)

    assert is_cut(flatten(MapWorkflow(add())).nodes[0])
    assert not is_cut(flatten(Own(add())).nodes[0])
    with Workflow() as plain:
        add()
    assert not is_cut(flatten(plain).nodes[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"granularity": "nodes"}, "granularity: 'nodes' is unknown"),
        ({"backend": "threads"}, "backend: 'threads' is unknown"),
        ({"chunk": 0}, "chunk: 0 is no number of items"),
        ({"chunk": True}, "chunk: True is no number of items"),
        ({"chunk": [5]}, "chunk: .5. is no number of items"),
    ],
)
def test_a_workflow_is_not_cut_as_it_cannot_be(arguments, message):
    workflow = MapWorkflow(add(), name="sums", map_on={"items": "item"})
    check_cut(workflow, "node", "auto", "default")
    with pytest.raises(InputInvalid, match=message):
        check_cut(workflow, **{"granularity": "node", "chunk": None, "backend": "default", **arguments})


@pytest.mark.parametrize(
    ("what", "message"), [(as_workflow(add), "Call it"), (add(), r"Workflow\(MyTask\(\)\)"), (5, "5 is none")]
)
def test_what_is_no_workflow_is_not_cut(what, message):
    with pytest.raises(WorkflowInvalid, match=message):
        check_cut(what, "node", None, "default")
