"""What is written in a drawing: how a node is run in a few words, its types, and how far it has come in a run.

All texts are cut to a line, without characters that do not print. Where they go is each drawing's business.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fairlead.adapters.workflow.graph import Graph, Node

State = Literal["pending", "running", "success", "failed", "skipped", "dead"]
"""How far a block has come in a run; ``dead`` is one whose run has ended without a word."""

_WEIGHT: dict[State, int] = {"skipped": 0, "success": 1, "pending": 2, "running": 3, "dead": 4, "failed": 5}
"""Of several items or iterations, the state that tells most."""
_INDEX = re.compile(r"\[\d+\]")


def plain(text: str, limit: int = 60) -> str:
    """Return a text as a line of at most ``limit`` characters, all of which print."""
    line = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def details(node: Node | Graph) -> list[str]:
    """Say in a few words how a node is run, as far as that is not the default."""
    options = node.options
    found = [*_repetition(node.kind, options)]
    if options.get("on_error") == "collect":
        found.append("failures collected")
    elif options.get("on_error") == "drop":
        found.append("failures left out")
    if options.get("retries"):
        found.append(_counted(options["retries"], "retry", "retries"))
    if options.get("timeout"):
        found.append(f"at most {options['timeout']:g} s")
    if options.get("cache"):
        found.append("cached")
    return [plain(text) for text in found]


def _repetition(kind: str, options: Mapping[str, Any]) -> list[str]:
    """Say what a map goes over, and how often a loop runs."""
    if kind == "map":
        pairs = [inner if name == inner else f"{inner} in {name}" for name, inner in options.get("map_on", {}).items()]
        return [f"for each {', '.join(pairs)}" if pairs else "for each item"]
    if kind == "loop":
        times = options["iterations"]
        return ["without end" if times == "infinite" else _counted(times, "time", "times")]
    if kind == "iterative":
        until = [f"until {options['until'].strip('<>')}"] if "until" in options else []
        limit = [_counted(options["max_iterations"], "time", "times")] if "max_iterations" in options else []
        return [", at most ".join([*until, *limit])]
    return []


def _counted(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def ports(node: Node | Graph) -> str:
    """Write a node's inputs and outputs with their types."""

    def written(targets: Mapping[str, str]) -> str:
        return ", ".join(name if kind == "Any" else f"{name}: {kind}" for name, kind in targets.items())

    return plain(" → ".join(filter(None, (written(node.inputs), written(node.outputs)))), 160)


class States:
    """The states of a run, by the paths of a graph's nodes: those of items and iterations are told together."""

    def __init__(self, states: Mapping[str, State] | None) -> None:
        """Take states by path, as the events of a run have them: with ``[3]`` for an item or iteration."""
        self.given = bool(states)
        self._exact: dict[str, State] = {}
        self._merged: dict[str, State] = {}
        self._parts: dict[str, dict[str, State | None]] = {}
        for path, state in (states or {}).items():
            place = _INDEX.sub("", path)
            if place == path:
                self._exact[path] = state
            elif _WEIGHT[state] >= _WEIGHT[self._merged.get(place, "skipped")]:
                self._merged[place] = state
            for found in _INDEX.finditer(path):
                part = path[: found.end()]
                parts = self._parts.setdefault(_INDEX.sub("", part), {})
                parts[part] = state if part == path else parts.get(part)

    def of(self, path: str) -> State | None:
        """Return the state of a node, if the drawing has states: what nothing is known of is pending."""
        if not self.given:
            return None
        place = path.lstrip("/")
        return self._exact.get(place) or self._merged.get(place) or self._merged.get(f"/{place}") or "pending"

    def count(self, path: str, kind: str) -> str:
        """Say how many items of a map, or iterations of a loop, there were."""
        parts = self._parts.get(path, {})
        if not parts:
            return ""
        if kind != "map":
            return _counted(len(parts), "iteration", "iterations")
        counts = Counter(state for state in parts.values() if state)
        words: dict[State, str] = {"success": "done", "running": "running", "failed": "failed", "skipped": "skipped"}
        return ", ".join(f"{counts[state]} {word}" for state, word in words.items() if counts[state])


@dataclass(frozen=True)
class Link:
    """An arrow of a picture."""

    up: str
    down: str
    label: str


def links(graph: Graph) -> tuple[list[Node], list[Link]]:
    """Return the nodes and arrows of a picture, in which the sides of a branch are no nodes but names of arrows."""
    sides = {node.key: "then" if node.options.get("if") else "else" for node in graph.nodes if node.kind == "side"}
    choices = {node.key for node in graph.nodes if node.kind == "choice"}
    into = {key: [edge for edge in graph.edges if edge.down == key] for key in sides}
    found: dict[Link, None] = {}

    def follow(down: str, up: str, label: str) -> None:
        """Make an arrow, or one from each block before a side."""
        if up not in sides:
            found[Link(up, down, label)] = None
            return
        for edge in into[up]:
            follow(down, edge.up, sides[up] if edge.up in choices else ", ".join(edge.outputs))

    for edge in graph.edges:
        if edge.down not in sides:
            follow(edge.down, edge.up, plain(", ".join(edge.outputs), 30))
    return [node for node in graph.nodes if node.key not in sides], list(found)
