"""A workflow as a Mermaid flowchart, which GitHub, documentation sites and notebooks draw where they find it.

Maps, loops and nested workflows are subgraphs. Blocks are numbered, so that no name can be mistaken for syntax.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from fairlead.adapters.workflow.drawing.captions import State, States, details, links, plain
from fairlead.adapters.workflow.graph import Graph, Node

_SHAPES = {
    "choice": '{{"%s"}}',
    "merge": '(["%s"])',
    "identity": '(["%s"])',
    "unit": '[["%s"]]',
}
_CLASSES: dict[State, str] = {
    "pending": "fill:#f2f4f7,stroke:#98a2b3,color:#475467,stroke-dasharray:4 3",
    "running": "fill:#d1e9ff,stroke:#1570ef,color:#102a56",
    "success": "fill:#d1fadf,stroke:#039855,color:#054f31",
    "failed": "fill:#fee4e2,stroke:#d92d20,color:#7a271a",
    "skipped": "fill:#f2f4f7,stroke:#98a2b3,color:#667085",
    "dead": "fill:#ebe9fe,stroke:#6938ef,color:#3e1c96",
}
_SPECIAL = re.compile(r"[^\w .,:;()+=/→…'-]")


def mermaid(graph: Graph, states: Mapping[str, State] | None = None) -> str:
    """Draw a workflow as a Mermaid flowchart.

    Args:
        graph: what to draw.
        states: how far each block has come, by its path; see `tree`.
    """
    chart = _Chart(States(states))
    body = [*chart.lines(graph, "", "n", 1)]
    classes = [f"    classDef {state} {_CLASSES[state]}" for state in _CLASSES if state in chart.members]
    members = [f"    class {','.join(ids)} {state}" for state, ids in chart.members.items()]
    title = json.dumps(re.sub("[<>&]", " ", plain(graph.name)), ensure_ascii=False)  # where nothing can be escaped
    return "\n".join(["---", f"title: {title}", "---", "flowchart TD", *body, *classes, *members]) + "\n"


class _Chart:
    def __init__(self, states: States) -> None:
        self.states = states
        self.members: dict[State, list[str]] = {}

    def lines(self, graph: Graph, path: str, prefix: str, depth: int) -> Iterator[str]:
        """Go through the lines for a graph: its nodes, each with what is inside, and then its arrows."""
        indent = "    " * depth
        nodes, arrows = links(graph)
        ids = {node.key: f"{prefix}{number}" for number, node in enumerate(nodes, 1)}
        for node in nodes:
            place = f"{path}/{node.key}" if path else node.key
            name, words = self._told(node, place, ids[node.key])
            if node.body is None or not node.body.nodes:
                text = "<br/>".join(filter(None, (name, words)))
                yield f"{indent}{ids[node.key]}" + _SHAPES.get(node.kind, '["%s"]') % text
                continue
            text = ": ".join(filter(None, (name, words)))  # there is room for one line
            yield f'{indent}subgraph {ids[node.key]}["{text}"]'
            yield f"{indent}    direction TB"
            yield from self.lines(node.body, place, f"{ids[node.key]}_", depth + 1)
            yield f"{indent}end"
        for arrow in arrows:
            label = f'|"{_escaped(arrow.label)}"|' if arrow.label else ""
            yield f"{indent}{ids[arrow.up]} -->{label} {ids[arrow.down]}"

    def _told(self, node: Node, place: str, number: str) -> tuple[str, str]:
        """Return a node's name and what is told of it, and take its state."""
        words = details(node)
        if state := self.states.of(place):
            self.members.setdefault(state, []).append(number)
            words += filter(None, (self.states.count(place, node.kind),))
        return _escaped(plain(node.key)), _escaped(", ".join(words))


def _escaped(text: str) -> str:
    """Return a text in which every character that means something to Mermaid or HTML is written as its number."""
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", text)
