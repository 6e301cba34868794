"""Draws the chart of the study: the wind rose, and the speeds with their Weibull fit.

Figures are made through matplotlib's object interface with the Agg canvas: no display, no state that another thread
could share, and the same bytes from the same data and the same matplotlib. Nothing is computed here that a result
depends on; figures in the chart are rounded for reading only.
"""

from __future__ import annotations

# ruff: noqa: E402 (matplotlib tells of every font cache that it makes, already while it is imported)
import logging

logging.getLogger("matplotlib").setLevel(logging.WARNING)

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.projections.polar import PolarAxes
from matplotlib.ticker import MaxNLocator
from wind_rose import SPEED_CLASSES, Sector, class_label
from wind_statistics import Speeds, Weibull

INK = "#1b2a3a"
SOFT = "#66758a"
GRID = "#d5dbe3"
BAR = "#a9c4de"
CURVE = "#c2410c"

OCTANT = 45  # degrees

COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")

LEFT = 0.035  # of the figure's width

TWO_KNOTS = 2 * 1852 / 3600  # m/s


def draw_wind_resource(
    path: Path,
    *,
    title: str,
    subtitle: str,
    results: Mapping[str, Any],
    sectors: Sequence[Sector],
    speed: Speeds,
    weibull: Weibull,
    ratio: float,
) -> None:
    """Write the chart as a PNG of 1,950 by 1,200 pixels.

    :param path: the file to write
    :param title: first line, in large letters
    :param subtitle: second line: where the data come from
    :param results: the study's output values
    :param sectors: the wind rose
    :param speed: hub-height speeds of the hours that are not calm [m/s]
    :param weibull: the distribution fitted to them
    :param ratio: hub-height speed over measured speed [1]
    """
    figure = Figure(figsize=(13, 8), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    # The longest station names need smaller letters to stay on the page. A dollar sign in one is no formula.
    title_size = min(19.0, 1300 / len(title))
    figure.text(LEFT, 0.945, title, fontsize=title_size, fontweight="bold", color=INK, parse_math=False)
    figure.text(LEFT, 0.912, subtitle, fontsize=11, color=SOFT, parse_math=False)
    _write_figures(figure, results)

    figure.text(0.245, 0.735, "Where the wind comes from", fontsize=13, color=INK, ha="center")
    rose = figure.add_axes((0.045, 0.15, 0.40, 0.535), projection="polar")
    assert isinstance(rose, PolarAxes)
    _draw_rose(rose, sectors)

    figure.text(0.76, 0.735, "How fast it blows", fontsize=13, color=INK, ha="center")
    histogram = figure.add_axes((0.55, 0.17, 0.42, 0.535))
    _draw_histogram(histogram, results, speed, weibull, ratio)

    # Without this matplotlib writes its version into the file.
    figure.savefig(path, format="png", metadata={"Software": None})


def _write_figures(figure: Figure, results: Mapping[str, Any]) -> None:
    """Write the main results in one row below the title."""
    cells = (
        ("Mean wind speed", f"{results['mean_wind_speed']:.2f}", "m/s"),
        ("Power density", f"{results['power_density']:,.0f}", "W/m²"),
        ("Weibull A", f"{results['weibull_a']:.2f}", "m/s"),
        ("Weibull k", f"{results['weibull_k']:.2f}", ""),
        ("Air density", f"{results['air_density']:.3f}", "kg/m³"),
        ("Calm hours", f"{100 * results['calm_frequency']:.1f}", "%"),
    )
    for index, (name, value, unit) in enumerate(cells):
        x = LEFT + (0.97 - LEFT) * index / len(cells)
        figure.text(x, 0.855, name, fontsize=10.5, color=SOFT)
        figure.text(x, 0.815, f"{value} {unit}".rstrip(), fontsize=16, fontweight="bold", color=INK)
    for y in (0.888, 0.795):
        figure.add_artist(Line2D((LEFT, 0.97), (y, y), color=GRID, linewidth=1.0))


def _draw_rose(axes: PolarAxes, sectors: Sequence[Sector]) -> None:
    """Draw stacked bars: one stack per sector, one colour per speed class, length as share of all hours."""
    axes.set_theta_zero_location("N")
    axes.set_theta_direction("clockwise")

    angles = [math.radians(sector.centre) for sector in sectors]
    width = 2 * math.pi / len(sectors) * 0.92
    colours = colormaps["YlGnBu"](np.linspace(0.12, 1.0, len(SPEED_CLASSES)))
    base = np.zeros(len(sectors))
    for index, (bounds, colour) in enumerate(zip(SPEED_CLASSES, colours, strict=True)):
        share = np.array([100 * sector.class_frequencies[index] for sector in sectors])
        axes.bar(
            angles,
            share,
            width=width,
            bottom=base,
            color=colour,
            edgecolor=INK,
            linewidth=0.35,
            label=class_label(*bounds),
            zorder=3,
        )
        base += share

    axes.set_xticks([math.radians(OCTANT * i) for i in range(len(COMPASS))], COMPASS, fontsize=11, color=INK)
    rings = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(0, base.max())
    axes.set_ylim(0, rings[-1])
    axes.set_yticks(rings[1:], [])
    # As texts and not as tick labels, which would lie below the bars.
    label_angle = math.radians(_quietest_direction(sectors))
    for ring in rings[1:]:
        label = axes.text(
            label_angle, ring, f"{ring:g} %", fontsize=8.5, color=SOFT, ha="center", va="center", zorder=5
        )
        label.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    axes.grid(color=GRID, linewidth=0.8)
    axes.spines["polar"].set_color(GRID)

    axes.legend(
        title="Wind speed at hub height [m/s]; rings: share of all hours",
        loc="upper center",
        bbox_to_anchor=(0.5, -0.085),
        ncols=4,
        fontsize=9,
        title_fontsize=9.5,
        frameon=False,
        labelcolor=INK,
        columnspacing=1.6,
        handlelength=1.4,
    ).get_title().set_color(SOFT)


def _quietest_direction(sectors: Sequence[Sector]) -> float:
    """Return the direction midway between two compass points [degrees] that has the shortest bars about it."""

    def busy(direction: float) -> float:
        return max(
            sector.frequency for sector in sectors if abs((sector.centre - direction + 180) % 360 - 180) <= OCTANT
        )

    return min((OCTANT * (i + 0.5) for i in range(len(COMPASS))), key=busy)


def _draw_histogram(axes: Axes, results: Mapping[str, Any], speed: Speeds, weibull: Weibull, ratio: float) -> None:
    """Draw the histogram of the speeds and the fitted density over it."""
    # Stations read whole knots, written in m/s. Bins of two knots, with edges half-way between knots, hold equally many
    # possible readings; bins of 1 m/s would hold now one and now two, and show teeth that the wind does not have.
    width = TWO_KNOTS * ratio
    edges = width * (0.25 + np.arange(math.ceil(float(speed.max()) / width) + 1))
    edges[0] = 0.0
    counts, _ = np.histogram(speed, edges)
    shares = 100 * counts / results["hours_used"] / np.diff(edges)
    axes.bar(
        edges[:-1],
        shares,
        width=np.diff(edges),
        align="edge",
        color=BAR,
        edgecolor="white",
        linewidth=0.8,
        label="hours with wind",
        zorder=2,
    )

    windy = 1 - results["calm_frequency"]
    grid = np.linspace(edges[-1] / 1000, edges[-1], 600)
    curve = 100 * windy * weibull.density(grid)
    axes.plot(grid, curve, color=CURVE, linewidth=2.4, label="Weibull, maximum likelihood", zorder=4)
    axes.axvline(
        results["mean_wind_speed"], color=INK, linewidth=1.2, linestyle=(0, (4, 3)), label="mean wind speed", zorder=3
    )

    axes.set_xlabel("Wind speed at hub height [m/s]", fontsize=11, color=INK)
    axes.set_ylabel("Share of all hours [% per m/s]", fontsize=11, color=INK)
    axes.set_xlim(0, edges[-1])
    # With k below 1 the density has no bound at zero, so the curve counts from the first bin's middle on.
    axes.set_ylim(0, 1.08 * max(shares.max(), curve[grid > edges[1] / 2].max()))
    axes.tick_params(colors=SOFT, labelsize=10)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(SOFT)
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.135),
        ncols=3,
        fontsize=9.5,
        frameon=False,
        labelcolor=INK,
        columnspacing=1.2,
    )
