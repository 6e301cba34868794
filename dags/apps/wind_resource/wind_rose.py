"""The wind rose: how often the wind comes from each direction sector, and how fast it is then.

Sectors are numbered clockwise from 1, which is centred on north; each holds its first direction and not its last. Calm
hours have no direction and belong to no sector. Nothing here draws; `charts.py` does.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from wind_statistics import Speeds, Weibull, fit_weibull

SPEED_CLASSES: tuple[tuple[int, int | None], ...] = (
    (0, 3),
    (3, 6),
    (6, 9),
    (9, 12),
    (12, 15),
    (15, 20),
    (20, 25),
    (25, None),
)
"""Lower and upper bound of each speed class [m/s], the lower one inclusive.

Common turbines start at 3 m/s, reach full power between 9 and 15 m/s and stop at 25 m/s.
"""

REPORTED_STEP = 10
"""Degrees that weather stations report wind directions to."""


@dataclass(frozen=True)
class Sector:
    """The wind from one direction sector."""

    number: int
    """From 1 on, clockwise; 1 is centred on north."""
    centre: float
    """Degrees clockwise from north."""
    start: float
    """First direction in the sector, degrees."""
    end: float
    """First direction of the next sector, degrees."""
    class_hours: tuple[int, ...]
    """Hours in each of `SPEED_CLASSES`."""
    hours_used: int
    """Hours of the whole study, all sectors and calm: what frequencies are shares of."""
    mean_speed: float | None
    """m/s; None without hours."""
    weibull: Weibull | None
    """None if the hours are too few to fit."""

    @property
    def hours(self) -> int:
        """Hours in the sector."""
        return sum(self.class_hours)

    @property
    def frequency(self) -> float:
        """Share of the study's hours [1]."""
        return self.hours / self.hours_used

    @property
    def class_frequencies(self) -> tuple[float, ...]:
        """Share of the study's hours in each speed class [1]."""
        return tuple(hours / self.hours_used for hours in self.class_hours)

    def summary(self) -> str:
        """Return one line for people."""
        speed = "no wind" if self.mean_speed is None else f"mean {self.mean_speed:.1f} m/s"
        return f"from {self.centre:g}°, {100 * self.frequency:.1f} % of the hours, {speed}"

    def as_output(self) -> dict[str, int | float | None]:
        """Return the sector as an entry of the twine's output values."""
        return {
            "sector": self.number,
            "direction": self.centre,
            "direction_from": self.start,
            "direction_to": self.end,
            "hours": self.hours,
            "frequency": self.frequency,
            "mean_wind_speed": self.mean_speed,
            "weibull_a": self.weibull.a if self.weibull else None,
            "weibull_k": self.weibull.k if self.weibull else None,
        }


def sector_numbers(direction: npt.NDArray[np.float64], sector_count: int) -> npt.NDArray[np.int64]:
    """Return the sector number of each direction.

    :param direction: degrees clockwise from north; 0 and 360 are both north
    :param sector_count: number of sectors in the circle
    """
    # Multiplying before dividing keeps whole degrees exact, so a direction on a boundary is always in the upper sector.
    nearest = np.floor(direction * sector_count / 360 + 0.5).astype(np.int64)
    return nearest % sector_count + 1


def sector_of(number: int, sector_count: int, speed: Speeds, *, hours_used: int) -> Sector:
    """Return the sector's statistics.

    :param number: the sector's number
    :param sector_count: number of sectors in the circle
    :param speed: speeds of the hours in this sector, none of them calm [m/s]
    :param hours_used: hours of the whole study
    """
    lower_bounds = [lower for lower, _ in SPEED_CLASSES]
    class_index = np.searchsorted(lower_bounds, speed, side="right") - 1
    i = number - 1
    return Sector(
        number=number,
        centre=360 * i / sector_count,
        start=(360 * i - 180) % (360 * sector_count) / sector_count,
        end=(360 * i + 180) / sector_count,
        class_hours=tuple(np.bincount(class_index, minlength=len(SPEED_CLASSES)).tolist()),
        hours_used=hours_used,
        mean_speed=float(np.mean(speed)) if speed.size else None,
        weibull=fit_weibull(speed),
    )


def favours_some_sectors(direction: npt.NDArray[np.float64], sector_count: int) -> bool:
    """Return whether directions are reported so coarsely that some sectors get more of them than others.

    True if all directions are multiples of 10 degrees and a sector does not span an odd number of such steps: with 8
    sectors, north takes five reported directions (340 to 20) and north-east four (30 to 60).
    """
    coarse = bool(np.all(direction % REPORTED_STEP == 0))
    steps, rest = divmod(360 // REPORTED_STEP, sector_count)
    return coarse and (rest != 0 or steps % 2 == 0)


def write_csv(path: Path, sectors: list[Sector]) -> None:
    """Write the wind rose table: a header, then one row per sector.

    Columns: number, centre and bounds [degrees], hours, frequency [1], mean speed [m/s], Weibull A [m/s] and k [1], and
    then hours and frequency [1] of each speed class. Frequencies are shares of all hours used; what they lack to 1 is
    calm. Numbers have all their digits; an empty field is a value that does not exist.
    """
    labels = [class_label(*bounds).replace(" ", "_") for bounds in SPEED_CLASSES]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            [
                "sector",
                "direction_deg",
                "direction_from_deg",
                "direction_to_deg",
                "hours",
                "frequency",
                "mean_wind_speed_m_s",
                "weibull_a_m_s",
                "weibull_k",
            ]
            + [f"hours_{label}_m_s" for label in labels]
            + [f"frequency_{label}_m_s" for label in labels]
        )
        for sector in sectors:
            writer.writerow([*sector.as_output().values(), *sector.class_hours, *sector.class_frequencies])


def class_label(lower: int, upper: int | None) -> str:
    """Return a speed class's name, e.g. `3 to 6` or `25 and above`; the unit is m/s."""
    return f"{lower} and above" if upper is None else f"{lower} to {upper}"
