"""Where the boxes and arrows of a picture go: boxes in rows, so that all arrows lead down and few of them cross.

The steps are those of Sugiyama, Tagawa and Toda (1981): each box gets a row below all that lead to it; a long arrow
gets a place in each row that it passes, and so does the name of an arrow; the places of each row are put in order, and
then side by side. The module knows sizes only, not what is drawn.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ROW_GAP = 22.0
"""Between rows; there is a row of names between any two rows of boxes, if there are names."""
COLUMN_GAP = 28.0
LABEL_HEIGHT = 14.0
_SWEEPS_FOR_ORDER = 8
_SWEEPS_FOR_POSITIONS = 16
_SWEEPS_FOR_LINES = 40

Point = tuple[float, float]


@dataclass(frozen=True)
class Size:
    """How large a box is."""

    width: float
    height: float


@dataclass(frozen=True)
class Arrow:
    """From which box to which, and how wide its name is."""

    up: str
    down: str
    label: float = 0.0


@dataclass(frozen=True)
class Layout:
    """What came of it."""

    boxes: Mapping[str, Point]
    """The left upper corner of each box."""
    routes: Sequence[Sequence[Point]]
    """For each arrow, the points that it goes through: straight down in a row, and across between rows."""
    labels: Sequence[Point | None]
    """For each arrow, the centre of its name."""
    width: float
    height: float


@dataclass(eq=False)
class _Place:
    """A box, or what a row has of an arrow that passes it."""

    row: int
    size: Size
    ups: list[_Place] = field(default_factory=list)
    downs: list[_Place] = field(default_factory=list)
    x: float = 0.0
    """Of its centre."""
    order: int = 0


def laid_out(sizes: Mapping[str, Size], arrows: Sequence[Arrow]) -> Layout:
    """Find a place for every box and a way for every arrow.

    Args:
        sizes: of the boxes by key, each after those that lead to it.
        arrows: between them.
    """
    rows = _rows(sizes, arrows)
    boxes = {key: _Place(2 * rows[key], size) for key, size in sizes.items()}
    chains = [_chain(boxes[arrow.up], boxes[arrow.down], arrow.label) for arrow in arrows]
    table: list[list[_Place]] = [[] for _ in range(2 * max(rows.values(), default=0) + 1)]
    for place in boxes.values():
        table[place.row].append(place)
    for chain in chains:
        for place in chain[1:-1]:
            table[place.row].append(place)
    _put_in_order(table)
    _put_side_by_side(table)
    left = min((place.x - place.size.width / 2 for row in table for place in row), default=0.0)
    for row in table:
        for place in row:
            place.x -= left
    tops, heights = _heights(table)
    corner = {key: (place.x - place.size.width / 2, tops[place.row]) for key, place in boxes.items()}
    return Layout(
        boxes=corner,
        routes=[_route(chain, tops, heights) for chain in chains],
        labels=[
            (chain[1].x, tops[chain[1].row] + LABEL_HEIGHT / 2) if arrow.label else None
            for chain, arrow in zip(chains, arrows, strict=True)
        ],
        width=max((place.x + place.size.width / 2 for row in table for place in row), default=0.0),
        height=tops[-1] + heights[-1],
    )


def _rows(sizes: Mapping[str, Size], arrows: Sequence[Arrow]) -> dict[str, int]:
    """Return each box's row: below all that lead to it; one that nothing leads to is right above the first after it."""
    ups: dict[str, list[str]] = {key: [] for key in sizes}
    downs: dict[str, list[str]] = {key: [] for key in sizes}
    for arrow in arrows:
        ups[arrow.down].append(arrow.up)
        downs[arrow.up].append(arrow.down)
    rows: dict[str, int] = {}
    for key in sizes:
        rows[key] = max((rows[up] + 1 for up in ups[key]), default=0)
    for key in sizes:
        if downs[key] and not ups[key]:
            rows[key] = min(rows[down] for down in downs[key]) - 1
    return rows


def _chain(up: _Place, down: _Place, label: float) -> list[_Place]:
    """Return an arrow as a chain of places, one in each row; its name has the first one."""
    chain = [up]
    for row in range(up.row + 1, down.row):
        is_label = row == up.row + 1 and label > 0
        chain.append(_Place(row, Size(label if is_label else 2.0, LABEL_HEIGHT if is_label else 0.0)))
    chain.append(down)
    for above, below in itertools.pairwise(chain):
        above.downs.append(below)
        below.ups.append(above)
    return chain


# Order


def _put_in_order(table: list[list[_Place]]) -> None:
    """Put each row in the order of what its places are joined to, up and down, and keep the best order there was."""
    _number(table)
    best, fewest = [list(row) for row in table], _crossings(table)
    for sweep in range(_SWEEPS_FOR_ORDER):
        if not fewest:
            break
        goes_down = sweep % 2 == 0
        for row in table if goes_down else table[::-1]:
            row.sort(key=lambda place: _middle(place, place.ups if goes_down else place.downs))
            _number([row])
        if (crossings := _crossings(table)) < fewest:
            best, fewest = [list(row) for row in table], crossings
    table[:] = best
    _number(table)


def _number(table: Sequence[Sequence[_Place]]) -> None:
    for row in table:
        for order, place in enumerate(row):
            place.order = order


def _middle(place: _Place, others: Sequence[_Place]) -> float:
    return sum(other.order for other in others) / len(others) if others else float(place.order)


def _crossings(table: Sequence[Sequence[_Place]]) -> int:
    """Count how often arrows cross."""
    count = 0
    for row in table:
        seen: list[int] = []
        for place in row:
            ends = sorted(down.order for down in place.downs)
            count += sum(len(seen) - bisect.bisect_right(seen, end) for end in ends)
            for end in ends:
                bisect.insort(seen, end)
    return count


# Positions


def _put_side_by_side(table: Sequence[Sequence[_Place]]) -> None:
    """Give each place its position: close to those that it is joined to, and then in line with those alone with it."""
    for row in table:
        x = 0.0
        for place in row:
            place.x = x + place.size.width / 2
            x += place.size.width + COLUMN_GAP
    for sweep in range(_SWEEPS_FOR_POSITIONS):
        goes_down = sweep % 2 == 0
        is_late = sweep >= _SWEEPS_FOR_POSITIONS / 2
        for row in table if goes_down else table[::-1]:
            _spread(row, [_wish([*p.ups, *p.downs] if is_late else p.ups if goes_down else p.downs, p.x) for p in row])
    lines = _lines(table)
    for _ in range(_SWEEPS_FOR_LINES):
        means: dict[int, float] = {}
        for line in lines:
            means |= dict.fromkeys(map(id, line), sum(place.x for place in line) / len(line))
        for row in table:
            _spread(row, [(means[id(place)], 1.0) for place in row])


def _lines(table: Sequence[Sequence[_Place]]) -> list[list[_Place]]:
    """Return the places in lines: each with the one below it, if neither is joined to any other there."""
    lines: list[list[_Place]] = []
    of: dict[int, list[_Place]] = {}
    for row in table:
        for place in row:
            if len(place.ups) == 1 and len(place.ups[0].downs) == 1:
                line = of[id(place.ups[0])]
            else:
                lines.append(line := [])
            line.append(place)
            of[id(place)] = line
    return lines


def _wish(others: Sequence[_Place], x: float) -> tuple[float, float]:
    """Return where a place would be, in the middle of others, and how much it wants that; ``x`` is where it is."""
    return (sum(other.x for other in others) / len(others), float(len(others))) if others else (x, 0.01)


def _spread(row: Sequence[_Place], wishes: Sequence[tuple[float, float]]) -> None:
    """Put places at the positions closest to the wishes that keep order and gaps.

    Less the room that those before it take, positions may not fall from one place to the next: neighbours that would
    are put together at their mean, as in isotonic regression.
    """
    offsets = [0.0]
    for left, right in itertools.pairwise(row):
        offsets.append(offsets[-1] + (left.size.width + right.size.width) / 2 + COLUMN_GAP)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for (wish, weight), offset in zip(wishes, offsets, strict=True):
        block = (wish - offset, weight, 1)
        while blocks and blocks[-1][0] >= block[0]:
            mean, total, count = blocks.pop()
            weights = total + block[1]
            block = ((mean * total + block[0] * block[1]) / weights, weights, count + block[2])
        blocks.append(block)
    means = [mean for mean, _, count in blocks for _ in range(count)]
    for place, mean, offset in zip(row, means, offsets, strict=True):
        place.x = mean + offset


def _heights(table: Sequence[Sequence[_Place]]) -> tuple[list[float], list[float]]:
    tops: list[float] = []
    heights = [max((place.size.height for place in row), default=0.0) for row in table]
    y = 0.0
    for number, height in enumerate(heights):
        tops.append(y)
        y += height + (ROW_GAP if height or number % 2 == 0 else ROW_GAP / 2)
    return tops, heights


def _route(chain: Sequence[_Place], tops: Sequence[float], heights: Sequence[float]) -> list[Point]:
    up, down = chain[0], chain[-1]
    points = [(up.x, tops[up.row] + up.size.height), (up.x, tops[up.row] + heights[up.row])]
    for place in chain[1:-1]:
        if heights[place.row]:
            points += [(place.x, tops[place.row]), (place.x, tops[place.row] + heights[place.row])]
    return [*points, (down.x, tops[down.row])]
