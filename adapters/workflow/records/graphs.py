"""A workflow's graph as a JSON document and back, so that a run is drawn as it was, whatever has become of the source.

Fields that a newer version has added are left out. The module draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from fairlead.adapters.workflow.graph import Edge, Graph, Node


def document_of(graph: Graph) -> dict[str, Any]:
    """Return a graph as JSON data."""
    document = asdict(graph)
    for node, made in zip(graph.nodes, document["nodes"], strict=True):
        made["sides"] = sorted([key, side] for key, side in node.sides)
        made["body"] = None if node.body is None else document_of(node.body)
    return document


def graph_from(document: Mapping[str, Any]) -> Graph:
    """Return the graph that a document is of."""
    nodes = []
    for node in document["nodes"]:
        body = graph_from(node["body"]) if node.get("body") else None
        sides = frozenset((key, side) for key, side in node.get("sides", ()))
        nodes.append(_made(Node, node, body=body, sides=sides))
    edges = [_made(Edge, edge, outputs=tuple(edge.get("outputs", ()))) for edge in document["edges"]]
    graph: Graph = _made(Graph, document, nodes=tuple(nodes), edges=tuple(edges))
    return graph


def _made(cls: Any, document: Mapping[str, Any], **changed: Any) -> Any:
    known = {field.name: document[field.name] for field in fields(cls) if field.name in document}
    return cls(**{**known, **changed})
