"""Drawings of workflows: what they show of every construct, that any name is safe in them, and how states look."""

from __future__ import annotations

import itertools
import json
import re
import textwrap
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.adapters.workflow import (
    IfThenElse,
    IterativeWorkflow,
    LoopWorkflow,
    MapWorkflow,
    MergeTask,
    Workflow,
    as_task,
    as_workflow,
    run,
)
from fairlead.adapters.workflow.drawing import mermaid, svg, tree
from fairlead.adapters.workflow.drawing.layers import Arrow, Size, laid_out
from fairlead.adapters.workflow.graph import Edge, Graph, Node

SVG = "{http://www.w3.org/2000/svg}"
STRANGE = 'a "quoted" <b>&amp;</b> | end; #35 `x` [y] {z} (w) %% --> \\ \x1b[31m\x00\n文字'


@as_task
def Numbers(count: int = 3) -> {"numbers": list[int]}:
    return list(range(count))


@as_task
def Double(number: int) -> {"doubled": int}:
    return 2 * number


@as_task(retries=2, timeout=60)
def Check(doubled: int) -> {"checked": int}:
    if doubled == 2:
        raise ValueError("two is not allowed")
    return doubled


@as_task
def Total(checked: list) -> {"total": float}:
    return sum(item for item in checked if isinstance(item, int))


@as_task
def Halve(total: float) -> {"total": float}:
    return total / 2


@as_task
def Tell(total: float) -> {"text": str}:
    return f"it is {total}"


def is_small(total):
    return total < 1


@MapWorkflow.as_workflow(on_error="collect")
def each():
    Double() | Check()


@IterativeWorkflow.as_workflow(max_iterations=20, break_func=is_small)
def refine():
    Halve()


@as_workflow
def study():
    Numbers() | each() | (total := Total()) | refine()
    if_, then, else_ = IfThenElse(is_small)
    total | if_
    then | Tell(name="tell_small") | (merge := MergeTask())
    else_ | Tell(name="tell_large") | merge


def drawn(workflow, **options):
    return str(tree(workflow.graph(), **options))


def lines(text):
    return textwrap.dedent(text).strip("\n")


def of(*edges, kind="task", names=None):
    """Return a graph of nodes by their keys and what they send to."""
    keys = list(dict.fromkeys(itertools.chain.from_iterable(edges)))
    nodes = tuple(Node(key, (names or {}).get(key, key), kind, {}, {}) for key in keys)
    return Graph("some", nodes, tuple(Edge(up, down) for up, down in edges))


# The tree


def test_the_tree_shows_order_fans_branches_maps_and_loops():
    assert drawn(study()) == lines("""
        study  count: int → total: float, text: str
        ● numbers
        ≡ each  for each number in numbers · failures collected
        │   ● double
        │   ● check  2 retries · at most 60 s
        ● total
        ├─╮
        ↻ │ refine  until is_small, at most 20 times
          │   ● halve
          ◇ if_is_small
          ├─╮
          ▷ │ then_is_small
          │ ▷ else_is_small
          ● │ tell_small
          │ ● tell_large
          ├─╯
          ◆ merge_task
    """)


def test_the_tree_shows_types_if_asked_to():
    text = drawn(study(), types=True)
    assert "● numbers  count: int → numbers: list[int]\n" in text
    assert "each  for each number in numbers · failures collected · number: int → checked: list\n" in text


@pytest.mark.parametrize(
    ("edges", "rows"),
    [
        ([("a", "b"), ("b", "c")], "● a\n● b\n● c"),
        ([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")], "● a\n├─╮\n● │ b\n│ ● c\n├─╯\n● d"),
        ([("a", "c"), ("b", "c")], "● a\n│ ● b\n├─╯\n● c"),
        ([("a", "b"), ("c", "d")], "● a\n● b\n\n● c\n● d"),
        ([("a", "b"), ("a", "c"), ("a", "d")], "● a\n├─┬─╮\n● │ │ b\n  ● │ c\n    ● d"),
        ([("a", "b"), ("a", "c"), ("b", "c")], "● a\n├─╮\n● │ b\n╰─┤\n  ● c"),
    ],
)
def test_lanes_lead_from_each_block_to_those_after_it(edges, rows):
    nodes = sorted({key for edge in edges for key in edge})
    graph = of(*edges)
    ordered = Graph("some", tuple(next(node for node in graph.nodes if node.key == key) for key in nodes), graph.edges)
    found = str(tree(ordered)).partition("\n")[2]
    assert found == rows


def test_a_lane_that_crosses_another_is_not_joined_to_it():
    text = str(tree(of(("a", "x"), ("a", "y"), ("a", "z"), ("x", "z"))))
    assert "╰─│─┤" in text


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] < pair[1]), max_size=30))
def test_every_block_of_any_graph_has_its_row_and_every_lane_ends(pairs):
    keys = [str(number) for number in range(10)]
    edges = tuple(Edge(str(up), str(down)) for up, down in dict.fromkeys(pairs))
    rows = str(tree(Graph("any", tuple(Node(key, key, "task", {}, {}) for key in keys), edges))).splitlines()[1:]
    assert [row.split()[-1] for row in rows if "●" in row] == keys
    assert not set(rows[-1]) & set("│├┤┼┬")
    for above, below in itertools.pairwise(rows):
        for column, character in enumerate(below):
            over = above[column] if column < len(above) else " "
            assert (character in "│├┤┼╯╰┴") <= (over in "●│├┤┼╮╭┬"), f"{above}\n{below}"


# Mermaid


def test_the_flowchart_has_subgraphs_conditions_and_the_names_of_what_is_sent():
    assert (
        mermaid(study().graph())
        == lines("""
        ---
        title: "study"
        ---
        flowchart TD
            n1["numbers"]
            subgraph n2["each: for each number in numbers, failures collected"]
                direction TB
                n2_1["double"]
                n2_2["check<br/>2 retries, at most 60 s"]
                n2_1 -->|"doubled"| n2_2
            end
            n3["total"]
            subgraph n4["refine: until is_small, at most 20 times"]
                direction TB
                n4_1["halve"]
            end
            n5{{"if_is_small"}}
            n6["tell_small"]
            n7["tell_large"]
            n8(["merge_task"])
            n1 -->|"numbers"| n2
            n2 -->|"checked"| n3
            n3 -->|"total"| n4
            n3 -->|"total"| n5
            n5 -->|"then"| n6
            n5 -->|"else"| n7
            n6 --> n8
            n7 --> n8
    """)
        + "\n"
    )


def test_no_name_is_syntax_in_a_flowchart():
    graph = of((STRANGE, "end"))
    text = mermaid(Graph(STRANGE, graph.nodes, (Edge(STRANGE, "end", (STRANGE,)),)))
    title, first, _, arrow = text.splitlines()[1], *text.splitlines()[4:7]
    assert json.loads(title.removeprefix("title: ")).startswith('a "quoted"')
    assert not set(title) & set("<>&")
    assert re.fullmatch(r' {4}n1\["[\w .,:;()+=/→…\'#-]*"\]', first)
    assert re.fullmatch(r' {4}n1 -->\|"[\w .,:;()+=/→…\'#-]*"\| n2', arrow)
    told = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), first)
    assert 'a "quoted" <b>&amp;</b> | end; #35 `x`' in told


def test_a_workflow_without_blocks_is_a_node():
    with Workflow(name="outer") as outer:
        Workflow(name="nothing")
    assert 'n1["nothing"]' in mermaid(outer.graph())
    assert "nothing" in svg(outer.graph())


# SVG


def texts(picture):
    return [element.text for element in ET.fromstring(picture).iter(f"{SVG}text")]


def test_the_picture_names_every_block_and_what_goes_between_them():
    found = texts(svg(study().graph()))
    for name in ("numbers", "each", "double", "check", "refine", "halve", "if_is_small", "tell_small", "merge_task"):
        assert name in found
    assert {"then", "else", "doubled", "for each number in numbers · failures collected"} <= set(found)
    assert "then_is_small" not in found


def test_the_picture_needs_nothing_from_outside():
    picture = svg(study().graph())
    assert not re.search(r"(?:href|src|url\(|@import|<script|font-face)", picture)
    assert re.findall(r"https?://[^\"]+", picture) == ["http://www.w3.org/2000/svg"]


def test_any_name_is_safe_in_a_picture():
    graph = of((STRANGE, "b"))
    picture = svg(Graph(STRANGE, graph.nodes, (Edge(STRANGE, "b", (STRANGE,)),)))
    assert any(text.startswith('a "quoted" <b>&amp;</b> | end; #35') for text in texts(picture))
    assert "<b>" not in picture


def test_a_block_tells_its_types_where_it_is_pointed_at():
    titles = [element.text for element in ET.fromstring(svg(study().graph())).iter(f"{SVG}title")]
    assert "double: number: int → doubled: int" in titles


def test_the_picture_is_as_large_as_what_is_in_it():
    small, large = (ET.fromstring(svg(graph)) for graph in (of(("a", "b")), study().graph()))
    assert float(small.get("width")) < float(large.get("width")) < 1000
    assert float(small.get("height")) < float(large.get("height")) < 1500
    assert large.get("viewBox") == f"0 0 {large.get('width')} {large.get('height')}"


sizes = st.builds(Size, st.floats(20, 200), st.floats(20, 100))


@given(
    st.lists(sizes, min_size=1, max_size=10),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.floats(0, 120)), max_size=25),
)
def test_boxes_never_overlap_and_arrows_lead_down(boxes, drawn_arrows):
    known = {str(number): size for number, size in enumerate(boxes)}
    arrows = [Arrow(str(up), str(down), label) for up, down, label in drawn_arrows if up < down < len(boxes)]
    layout = laid_out(known, arrows)
    for (one, (x, y)), (other, (u, v)) in itertools.combinations(layout.boxes.items(), 2):
        is_beside = x + known[one].width <= u + 0.01 or u + known[other].width <= x + 0.01
        is_below = y + known[one].height <= v + 0.01 or v + known[other].height <= y + 0.01
        assert is_beside or is_below
    for arrow, route in zip(arrows, layout.routes, strict=True):
        heights = [y for _, y in route]
        assert heights == sorted(heights)
        left, top = layout.boxes[arrow.down]
        assert route[-1] == pytest.approx((left + known[arrow.down].width / 2, top))
    for (x, y), size in zip(layout.boxes.values(), boxes, strict=True):
        assert x >= -0.01
        assert x + size.width <= layout.width + 0.01
        assert y >= 0
        assert y + size.height <= layout.height + 0.01


def test_blocks_in_line_are_one_below_the_other():
    size = Size(60, 30)
    arrows = [Arrow("a", "b"), Arrow("a", "x"), Arrow("b", "c", 40), Arrow("c", "d")]
    boxes = laid_out(dict.fromkeys("abxcd", size), arrows).boxes
    assert [boxes[key][0] for key in "cd"] == pytest.approx([boxes["b"][0]] * 2, abs=0.1)


# States


@pytest.fixture
def states():
    """What the events of a run of `study` say, in which an item fails."""
    found = {}
    run(study(), observer=lambda event: found.__setitem__(event.path, event.state))
    return found


def test_the_tree_tells_the_states_of_a_run_and_counts_items_and_iterations(states):
    text = drawn(study(), states=states)
    assert "✔ numbers  success\n" in text
    assert "✔ each  for each number in numbers · failures collected  2 done, 1 failed\n" in text
    assert "✘ check  2 retries · at most 60 s  failed\n" in text
    assert re.search(r"✔ │ refine .*  3 iterations\n", text)
    assert "○ tell_small  skipped" in text.replace("│ ", "")


def test_what_nothing_is_known_of_is_pending_and_a_lost_run_is_dead():
    text = drawn(study(), states={"numbers": "success", "each": "dead", "each[0]": "success", "each[1]": "dead"})
    assert "✝ each" in text
    assert "· total  pending" in text


def test_the_flowchart_has_classes_for_states(states):
    text = mermaid(study().graph(), states)
    assert re.search(r"^ {4}class n1,n2,n2_1,.* success$", text, re.MULTILINE)
    assert re.search(r"^ {4}class n2_2 failed$", text, re.MULTILINE)
    assert "classDef failed" in text
    assert "classDef dead" not in text
    assert "2 done, 1 failed" in text


def test_the_picture_marks_states_by_more_than_colour(states):
    root = ET.fromstring(svg(study().graph(), states))
    marked = {}
    for group in root.iter(f"{SVG}g"):
        name = group.find(f"{SVG}title")
        if name is not None:
            marks = [path.get("d") for path in group.findall(f"{SVG}g/{SVG}path[@class='mark']")]
            marked[name.text.partition(":")[0]] = (group.get("class").split()[-1], *marks)
    assert marked["numbers"][0] == "success"
    assert marked["check"][0] == "failed"
    assert marked["tell_small"][0] == "skipped"
    assert len({marked[name][1] for name in ("numbers", "check", "tell_small")}) == 3


# The graph that is drawn


def test_a_graph_says_over_what_maps_go_and_how_loops_end():
    options = {path: node.options for path, node in study().graph().walk()}
    assert options["each"] == {"map_on": {"numbers": "number"}, "on_error": "collect"}
    assert options["refine"] == {"max_iterations": 20, "until": "is_small"}
    assert options["if_is_small"] == {"condition": "is_small"}


def test_a_map_or_loop_that_is_drawn_itself_says_so():
    assert drawn(each()).splitlines()[0] == "each  for each number · failures collected · number → checked: list"
    with LoopWorkflow(iterations=3, name="three") as three:
        Halve()
    assert drawn(three).splitlines()[0] == "three  3 times · total: float → total: float"


def test_a_graph_is_json_data():
    data = json.loads(json.dumps(study().graph().to_dict()))
    (map_,) = [node for node in data["nodes"] if node["kind"] == "map"]
    assert [node["key"] for node in map_["body"]["nodes"]] == ["double", "check"]
    assert {"up": "numbers", "down": "each", "outputs": ["numbers"]} in data["edges"]
    (small,) = [node for node in data["nodes"] if node["key"] == "tell_small"]
    assert small["sides"] == [["if_is_small", True]]
