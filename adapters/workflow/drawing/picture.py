"""A workflow as an SVG picture: one file without fonts, scripts or anything else from outside, in light and in dark.

Maps, loops and nested workflows are boxes with what is inside. Pointing at a block shows its inputs and outputs with
their types. Where things go is ``layers``' business.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fairlead.adapters.workflow.drawing.captions import State, States, details, links, plain, ports
from fairlead.adapters.workflow.drawing.layers import Arrow, Layout, Point, Size, laid_out
from fairlead.adapters.workflow.graph import Graph, Node

_MARGIN = 20.0
_PADDING = 14.0
_NAME, _SMALL, _TITLE = 13.0, 11.0, 16.0
_LINE = 1.35
"""Lines are as many times as high as their letters."""
_STACK = 4.0
"""By how much the boxes behind a map's stand out."""
_HEAD = 8.0
"""How long the head of an arrow is."""
_ICON = 18.0
"""The room of an icon before a name."""

_STYLE = """
.fl { --paper: #fff; --ink: #1d2939; --soft: #667085; --wire: #98a2b3; --plain: #f9fafb; --nested: #f2f4f7;
  --accent: #1570ef; --plate: var(--paper);
  font-family: ui-sans-serif, system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif }
.fl .block { --box: var(--plain); --nest: var(--nested); --line: var(--wire) }
.fl .running { --box: #d1e9ff; --nest: #eff8ff; --line: #1570ef }
.fl .success { --box: #d1fadf; --nest: #ecfdf3; --line: #039855 }
.fl .failed { --box: #fee4e2; --nest: #fef3f2; --line: #d92d20 }
.fl .dead { --box: #ebe9fe; --nest: #f4f3ff; --line: #6938ef }
@media (prefers-color-scheme: dark) {
  .fl { --paper: #0f1623; --ink: #e4e7ec; --soft: #98a2b3; --wire: #667085; --plain: #1d2939; --nested: #162031;
    --accent: #53b1fd }
  .fl .running { --box: #123a67; --nest: #10253f; --line: #53b1fd }
  .fl .success { --box: #0c4a34; --nest: #0f2c25; --line: #32d583 }
  .fl .failed { --box: #6b1f1a; --nest: #371a1e; --line: #f97066 }
  .fl .dead { --box: #3c2a80; --nest: #221d45; --line: #9b8afb }
}
.fl .inside { --plate: var(--nest) }
.fl .paper { fill: var(--paper) }
.fl .plate { fill: var(--plate) }
.fl .box { fill: var(--box); stroke: var(--line); stroke-width: 1.25 }
.fl .nest { fill: var(--nest); stroke: var(--line); stroke-width: 1.25 }
.fl .pending > rect, .fl .skipped > rect, .fl .pending > polygon, .fl .skipped > polygon { stroke-dasharray: 4 3 }
.fl .pending > .name, .fl .skipped > .name { fill: var(--soft) }
.fl .name { fill: var(--ink); font-size: 13px }
.fl .strong { font-weight: 600 }
.fl .title { fill: var(--ink); font-size: 16px; font-weight: 600 }
.fl .small { fill: var(--soft); font-size: 11px }
.fl .middle { text-anchor: middle }
.fl .icon { fill: none; stroke: var(--accent); stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round }
.fl .arrow { fill: none; stroke: var(--wire); stroke-width: 1.25 }
.fl .head { fill: var(--wire) }
.fl .badge { fill: var(--line) }
.fl .mark { fill: none; stroke: var(--paper); stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round }
"""
_ICONS = {
    "map": "M1 4.5 7 1.5 13 4.5 7 7.5Z M1 8 7 11 13 8 M1 11 7 14 13 11",
    "loop": "M12 7.5A5 5 0 1 1 9.8 3.3 M10.2 .6V3.6H7.2",
    "unit": "M7 1 12.5 4V10.5L7 13.5 1.5 10.5V4Z M1.5 4 7 7 12.5 4 M7 7V13.5",
    "workflow": "M1 1.5H6V5.5H1Z M8 9H13V13H8Z M3.5 5.5V11H8",
}
_ICONS["iterative"] = _ICONS["loop"]
_MARKS: dict[State, str] = {
    "running": "M-1.8 -3 3 0 -1.8 3Z",
    "success": "M-3 0 -1 2.4 3.2 -2.4",
    "failed": "M-2.4 -2.4 2.4 2.4 M-2.4 2.4 2.4 -2.4",
    "skipped": "M-2.8 0H2.8",
    "dead": "M0 -3.2V3.2 M-2.2 -1H2.2",
}


def svg(graph: Graph, states: Mapping[str, State] | None = None) -> str:
    """Draw a workflow as an SVG picture, as large as what is in it.

    Args:
        graph: what to draw.
        states: how far each block has come, by its path; see `tree`.
    """
    drawn = _Picture(States(states)).body(graph, "")
    name = plain(graph.name)
    words = " · ".join(details(graph))
    about = _wrapped(ports(graph), max(drawn.size.width, 320.0))
    width = max(
        drawn.size.width, _wide(name, _TITLE) + _wide(words, _SMALL) + 10, *(_wide(line, _SMALL) for line in about)
    )
    top = _MARGIN + _TITLE * _LINE + _SMALL * 1.5 * len(about) + _PADDING
    height = top + drawn.size.height + _MARGIN
    across, down = f"{width + 2 * _MARGIN:.0f}", f"{height:.0f}"
    head = f'xmlns="http://www.w3.org/2000/svg" width="{across}" height="{down}" viewBox="0 0 {across} {down}"'
    lines = [
        f'<svg {head} class="fl" role="img">',
        f"<title>{_escaped(name)}</title>",
        f"<style>{_STYLE}</style>",
        '<rect class="paper" width="100%" height="100%" rx="10"/>',
        _text(name, _MARGIN, _MARGIN + _TITLE, "title"),
    ]
    if words:
        lines.append(_text(words, _MARGIN + _wide(name, _TITLE) + 10, _MARGIN + _TITLE, "small"))
    for number, line in enumerate(about, 1):
        lines.append(_text(line, _MARGIN, _MARGIN + _TITLE + number * _SMALL * 1.5 + 2, "small"))
    lines += [_moved(drawn.parts, _MARGIN + (width - drawn.size.width) / 2, top), "</svg>"]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Drawn:
    """A part of the picture, at the origin."""

    size: Size
    parts: Sequence[str]


class _Picture:
    def __init__(self, states: States) -> None:
        self.states = states

    def body(self, graph: Graph, path: str) -> _Drawn:
        """Draw what is in a workflow."""
        nodes, arrows = links(graph)
        drawn = {node.key: self._node(node, f"{path}/{node.key}" if path else node.key) for node in nodes}
        layout = laid_out(
            {key: each.size for key, each in drawn.items()},
            [Arrow(arrow.up, arrow.down, _wide(arrow.label, _SMALL) if arrow.label else 0.0) for arrow in arrows],
        )
        parts = _arrows(layout)
        for arrow, place in zip(arrows, layout.labels, strict=True):
            if place:
                x, y = place
                wide = _wide(arrow.label, _SMALL) + 6
                parts.append(_rectangle("plate", x - wide / 2, y - 8, wide, 16, 4))
                parts.append(_text(arrow.label, x, y + 4, "small middle"))
        parts += [_moved(drawn[key].parts, x, y) for key, (x, y) in layout.boxes.items()]
        return _Drawn(Size(layout.width, layout.height), parts)

    def _node(self, node: Node, path: str) -> _Drawn:
        state = self.states.of(path)
        words = details(node)
        if state and (count := self.states.count(path, node.kind)):
            words.append(count)
        told = " · ".join([*filter(None, (ports(node),)), *([state] if state else [])])
        drawn = self._nest(node, node.body, path, words) if node.body and node.body.nodes else _box(node, words)
        parts = [
            f"<title>{_escaped(f'{plain(node.name)}: {told}' if told else plain(node.name))}</title>",
            *drawn.parts,
        ]
        if state in _MARKS:
            x, y = drawn.size.width - 3, 3.0
            parts.append(_moved(['<circle class="badge" r="8"/>', f'<path class="mark" d="{_MARKS[state]}"/>'], x, y))
        return _Drawn(drawn.size, [f'<g class="block {state or ""}">', *parts, "</g>"])

    def _nest(self, node: Node, graph: Graph, path: str, words: Sequence[str]) -> _Drawn:
        """Draw a workflow in the workflow: a box with what is in it."""
        inside = self.body(graph, path)
        caption = " · ".join(words)
        name = plain(node.key)
        icon = _ICON if node.kind in _ICONS else 0.0
        head = _NAME * _LINE + (_SMALL * 1.5 if caption else 0)
        width = max(inside.size.width, icon + _wide(name, _NAME, strong=True), _wide(caption, _SMALL)) + 2 * _PADDING
        height = _PADDING * 2.6 + head + inside.size.height
        behind = 2 * _STACK if node.kind == "map" else 0.0
        shifts = (2 * _STACK, _STACK, 0.0) if behind else (0.0,)
        parts = [_rectangle("nest", shift, behind - shift, width, height) for shift in shifts]
        x, y = _PADDING, behind + _PADDING
        if icon:
            parts.append(_moved([f'<path class="icon" d="{_ICONS[node.kind]}"/>'], x, y - 1))
        parts.append(_text(name, x + icon, y + _NAME * 0.85, "name strong"))
        if caption:
            parts.append(_text(caption, x, y + _NAME * 0.85 + _SMALL * 1.6, "small"))
        left = (width - inside.size.width) / 2
        parts.append(_moved(inside.parts, left, behind + _PADDING * 1.6 + head, "inside"))
        return _Drawn(Size(width + behind, height + behind), parts)


def _box(node: Node, words: Sequence[str]) -> _Drawn:
    """Draw a block that has nothing inside."""
    name = plain(node.key)
    caption = " · ".join(words)
    icon = _ICON if node.kind in _ICONS else 0.0
    is_slanted = node.kind == "choice"
    side = _PADDING + (10 if is_slanted else 0)
    width = max(icon + _wide(name, _NAME), _wide(caption, _SMALL), 36.0) + 2 * side
    height = 2 * 9.0 + _NAME * _LINE + (_SMALL * 1.5 if caption else 0)
    middle = 9.0 + _NAME * 1.05
    if is_slanted:
        corners = ((12, 0), (width - 12, 0), (width, height / 2), (width - 12, height), (12, height), (0, height / 2))
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        parts = [f'<polygon class="box" points="{points}"/>']
    else:
        radius = height / 2 if node.kind in {"merge", "identity"} else 7.0
        parts = [_rectangle("box", 0, 0, width, height, radius)]
    if icon:
        parts.append(
            _moved([f'<path class="icon" d="{_ICONS[node.kind]}"/>'], (width - _wide(name, _NAME) - icon) / 2, 10)
        )
    parts.append(_text(name, (width + icon) / 2, middle, "name middle"))
    if caption:
        parts.append(_text(caption, width / 2, middle + _SMALL * 1.5, "small middle"))
    return _Drawn(Size(width, height), parts)


def _arrows(layout: Layout) -> list[str]:
    parts: list[str] = []
    for route in layout.routes:
        *way, (x, y) = route
        parts.append(f'<path class="arrow" d="{_curve([*way, (x, y - _HEAD)])}V{y - _HEAD / 2:.1f}"/>')
        parts.append(f'<path class="head" d="M{x:.1f} {y:.1f}l-4 -{_HEAD:g}h8Z"/>')
    return parts


def _curve(points: Sequence[Point]) -> str:
    """Return a line through points that goes straight down where it can, and over in a curve where it cannot."""
    (x, y), *rest = points
    path = f"M{x:.1f} {y:.1f}"
    for right, down in rest:
        middle = (y + down) / 2
        if abs(right - x) < 0.5:  # noqa: PLR2004 (too little to be seen)
            path += f"L{right:.1f} {down:.1f}"
        else:
            path += f"C{x:.1f} {middle:.1f} {right:.1f} {middle:.1f} {right:.1f} {down:.1f}"
        x, y = right, down
    return path


def _rectangle(style: str, x: float, y: float, width: float, height: float, radius: float = 8.0) -> str:
    return (
        f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius:.1f}"/>'
    )


def _moved(parts: Sequence[str], x: float, y: float, style: str = "") -> str:
    group = f'class="{style}" ' if style else ""
    return "\n".join([f'<g {group}transform="translate({x:.1f} {y:.1f})">', *parts, "</g>"])


def _text(text: str, x: float, y: float, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{_escaped(text)}</text>'


def _escaped(text: str) -> str:
    return html.escape(text)


def _wrapped(text: str, width: float) -> list[str]:
    """Cut a text into lines at its spaces."""
    lines: list[str] = []
    for word in text.split():
        if lines and _wide(f"{lines[-1]} {word}", _SMALL) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _wide(text: str, size: float, *, strong: bool = False) -> float:
    """Estimate how wide a text is, for no font is known: a little more than in most."""
    total = 0.0
    for character in text:
        if unicodedata.east_asian_width(character) in {"W", "F"}:
            total += 1.0
        elif character in "ijl.,:;|!'I[](){}ft ":
            total += 0.36
        elif character in "mwMW@%—…→":
            total += 0.95
        else:
            total += 0.7 if character.isupper() else 0.59
    return total * size * (1.06 if strong else 1.0)
