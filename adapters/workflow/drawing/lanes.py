"""A workflow in a terminal: a row for each block in the order in which they run, and lanes that show what goes where.

The lanes read as those of ``git log --graph``, from the top down: a lane leads to the block at whose row it ends. What
is inside a workflow, map or loop is indented below it. It knows nothing of terminals: whoever prints it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fairlead.adapters.workflow.drawing.captions import State, States, details, plain, ports
from fairlead.adapters.workflow.graph import Graph, Node

if TYPE_CHECKING:
    from rich.text import Text

_SIGNS = {
    "map": "≡",
    "loop": "↻",
    "iterative": "↻",
    "workflow": "□",
    "choice": "◇",
    "side": "▷",
    "merge": "◆",
    "unit": "■",
}
_CONTAINERS = {"map", "loop", "iterative", "workflow"}
_STATES: dict[State, tuple[str, str]] = {
    "pending": ("·", "dim"),
    "running": ("▶", "bold cyan"),
    "success": ("✔", "green"),
    "failed": ("✘", "bold red"),
    "skipped": ("○", "dim"),
    "dead": ("✝", "bold magenta"),
}
# By whether there is something above, below, on the left and on the right.
_JOINTS = {
    (True, True, False, True): "├",
    (True, True, True, False): "┤",
    (True, True, True, True): "┼",
    (True, False, True, False): "╯",
    (True, False, False, True): "╰",
    (True, False, True, True): "┴",
    (False, True, True, False): "╮",
    (False, True, False, True): "╭",
    (False, True, True, True): "┬",
}


def tree(graph: Graph, states: Mapping[str, State] | None = None, *, types: bool = False) -> Text:
    """Draw a workflow in lines of text.

    Args:
        graph: what to draw.
        states: how far each block has come, by its path; items (``process[3]``) are counted at their map.
        types: whether inputs and outputs are shown with their types at each block.

    Returns:
        Text in colours for a rich console, which cuts rows that are too long for it; ``str`` of it is the plain text.
    """
    from rich.text import Text

    drawn = _Tree(States(states), types=types)
    head = Text.assemble((plain(graph.name), "bold"))
    words = [*details(graph), *filter(None, (ports(graph),))]
    if words:
        head.append(f"  {' · '.join(words)}", "dim")
    rows = [head, *drawn.rows(graph, "")]
    for row in rows:
        row.rstrip()
    return Text("\n", no_wrap=True, overflow="ellipsis").join(rows)


class _Tree:
    def __init__(self, states: States, *, types: bool) -> None:
        self.states = states
        self.types = types

    def rows(self, graph: Graph, path: str) -> list[Text]:
        """Return the rows of a graph."""
        from rich.text import Text

        downs: dict[str, list[str]] = {node.key: [] for node in graph.nodes}
        for edge in graph.edges:
            downs[edge.up].append(edge.down)
        lanes: list[str | None] = []
        ended: set[int] = set()
        rows: list[Text] = []
        for node in graph.nodes:
            if node.key in lanes:
                column = lanes.index(node.key)
            else:
                column = lanes.index(None) if None in lanes else len(lanes)
                if column in ended:  # or it would look as if it came after what ended there
                    rows.append(Text(_bars(lanes), "dim"))
                _put(lanes, column, node.key)
            rows.append(self._row(node, lanes, column, path))
            before = list(lanes)
            lanes[column] = None
            targets = [_lane_of(down, lanes, column) for down in downs[node.key]]
            after = list(lanes)
            if node.body is not None:
                shown = [lane if number != column or targets else None for number, lane in enumerate(before)]
                inner = f"{path}/{node.key}" if path else node.key
                prefix = f"{_bars(shown)}  "
                rows += [Text.assemble((prefix, "dim"), row) for row in self.rows(node.body, inner)]
            if any(target != column for target in targets):
                rows.append(Text(_joints(before, after, column, targets), "dim"))
            ended = {column} if not targets else set()
            while lanes and lanes[-1] is None:
                lanes.pop()
        return rows

    def _row(self, node: Node, lanes: Sequence[str | None], column: int, path: str) -> Text:
        from rich.text import Text

        place = f"{path}/{node.key}" if path else node.key
        state = self.states.of(place)
        sign, style = _STATES[state] if state else (_SIGNS.get(node.kind, "●"), "cyan")
        row = Text()
        for number, lane in enumerate(lanes):
            row.append(*((f"{sign} ", style) if number == column else ("│ " if lane else "  ", "dim")))
        quiet = state in {"pending", "skipped"}
        row.append(plain(node.key), "dim" if quiet else "bold" if node.kind in _CONTAINERS else "")
        words = [*details(node), *([ports(node)] if self.types and ports(node) else [])]
        if words:
            row.append(f"  {' · '.join(words)}", "dim")
        if state:
            count = self.states.count(place, node.kind)
            row.append(f"  {count or state}", style)
        return row


def _put(lanes: list[str | None], column: int, key: str) -> None:
    lanes.extend([None] * (column + 1 - len(lanes)))
    lanes[column] = key


def _lane_of(down: str, lanes: list[str | None], column: int) -> int:
    """Return the lane that leads to a block: the one there is, or the next free one from a column on."""
    if down in lanes:
        return lanes.index(down)
    free = next((number for number in range(column, len(lanes)) if lanes[number] is None), len(lanes))
    _put(lanes, free, down)
    return free


def _bars(lanes: Sequence[str | None]) -> str:
    return "".join("│ " if lane else "  " for lane in lanes)


def _joints(before: Sequence[str | None], after: Sequence[str | None], column: int, targets: Sequence[int]) -> str:
    """Draw the row in which a block's lane becomes those of the blocks after it."""
    ends = {column, *targets}
    first, last = min(ends), max(ends)
    row = ""
    for number in range(max(len(before), len(after))):
        above = number < len(before) and before[number] is not None
        below = number < len(after) and after[number] is not None
        if number in ends:
            row += _JOINTS[above, below, number > first, number < last]
        elif above and below:
            row += "│"
        else:
            row += "─" if first < number < last else " "
        row += "─" if first <= number < last else " "
    return row.rstrip()
