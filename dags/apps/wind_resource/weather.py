"""Reads the weather record of a study from a TMY3 file.

TMY3 is one header line about the station, one line of column names, then one line per hour; see Wilcox and Marion,
Users Manual for TMY3 Data Sets, NREL/TP-581-43156 (2008). Only what a wind study needs is read; the calendar is not,
because the hours of a typical year come from different years and their order does not matter here.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt
import pandas as pd

Hours = npt.NDArray[np.float64]
"""One number per hour; NaN where the file has none."""

MISSING = "-9900"
"""What TMY3 writes where a value is missing."""

# Column name in the file: (lowest, highest) value that can be true anywhere on Earth.
# A value outside is an error in the file, most often in its units.
COLUMNS: dict[str, tuple[float, float]] = {
    "Wspd (m/s)": (0, 115),
    "Wdir (degrees)": (0, 360),
    "Dry-bulb (C)": (-90, 60),
    "Pressure (mbar)": (450, 1090),
}


@dataclass(frozen=True)
class Weather:
    """An hourly record of one station."""

    station: str
    """Name and state, as the file gives them."""
    latitude: float
    """Degrees, north positive."""
    longitude: float
    """Degrees, east positive."""
    elevation: float
    """Metres above mean sea level."""
    wind_speed: Hours
    """m/s at the anemometer's height; 0 is calm."""
    wind_direction: Hours
    """Degrees clockwise from north that the wind comes from; 360 is north, 0 goes with calm."""
    temperature: Hours
    """Dry-bulb temperature, degrees Celsius."""
    pressure: Hours
    """Station pressure, mbar."""

    def position(self) -> str:
        """Return the station's place for people, e.g. `55.317° N 160.517° W, 7 m above sea level`."""
        north, east = "NS"[self.latitude < 0], "EW"[self.longitude < 0]
        return f"{abs(self.latitude):g}° {north} {abs(self.longitude):g}° {east}, {self.elevation:g} m above sea level"


def read_tmy3(path: Path) -> Weather:
    """Read the weather record from a TMY3 file with any number of hours.

    :param path: the file's local path
    :raise ValueError: if the header or a column is not as TMY3 has it, or if a value cannot be true
    """
    # The station's name is the only text that can hold another encoding's bytes, and no number depends on it.
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        name, state, latitude, longitude, elevation = _read_header(file)
        table = _read_columns(file)
    return Weather(
        station=", ".join(part for part in (name, state) if part),
        latitude=latitude,
        longitude=longitude,
        elevation=elevation,
        wind_speed=table["Wspd (m/s)"].to_numpy(),
        wind_direction=table["Wdir (degrees)"].to_numpy(),
        temperature=table["Dry-bulb (C)"].to_numpy(),
        pressure=table["Pressure (mbar)"].to_numpy(),
    )


def _read_header(file: TextIO) -> tuple[str, str, float, float, float]:
    """Read the first line; return the station's name, state, latitude, longitude and elevation."""
    line = file.readline()
    fields = next(csv.reader([line]), [])
    try:
        _, name, state, _, latitude, longitude, elevation = fields
        return name.strip(), state.strip(), float(latitude), float(longitude), float(elevation)
    except ValueError:
        raise ValueError(
            f"weather: the first line is {line.strip()[:80]!r}, not a TMY3 header (site code, name, state, time zone, "
            f"latitude, longitude, elevation). Give a TMY3 file."
        ) from None


def _read_columns(file: TextIO) -> pd.DataFrame:
    """Read the wanted columns of the remaining lines, with NaN where a value is missing."""
    try:
        table = pd.read_csv(file, usecols=list(COLUMNS), dtype=np.float64, na_values=[MISSING])
    except ValueError as error:
        raise ValueError(
            f"weather: the hourly lines are not as TMY3 has them ({error}). "
            f"Give a TMY3 file with numbers in the columns {', '.join(COLUMNS)}."
        ) from error
    for column, (lowest, highest) in COLUMNS.items():
        wrong = (table[column] < lowest) | (table[column] > highest)
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise ValueError(
                f"weather: {column!r} is {table[column].iloc[row]:g} on line {row + 3}, "
                f"expected {lowest:g} to {highest:g}. "
                f"Check the units and the record, or write {MISSING} for a missing value."
            )
    return table
