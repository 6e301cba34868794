"""The physics between a weather station and a hub: how the wind grows with height, and how dense the air is.

Neutral stratification over flat, uniform terrain and dry air are assumed throughout; nothing here corrects for
stability, displacement height or humidity.
"""

from __future__ import annotations

import logging
import math

import numpy as np
from weather import Weather

logger = logging.getLogger(__name__)

# ISO 2533:1975, Standard Atmosphere.
STANDARD_DENSITY = 1.225  # kg/m3, at sea level
STANDARD_TEMPERATURE = 288.15  # K, at sea level
STANDARD_PRESSURE = 101_325.0  # Pa, at sea level
LAPSE_RATE = 0.0065  # K/m, in the troposphere
GAS_CONSTANT = 287.05287  # J/(kg K), dry air
GRAVITY = 9.80665  # m/s2

CELSIUS_ZERO = 273.15  # K
PASCAL_PER_MBAR = 100.0


def log_law_ratio(measurement_height: float, hub_height: float, roughness_length: float) -> float:
    """Return wind speed at hub height over wind speed at measurement height, by the logarithmic profile.

    `ln(hub_height / roughness_length) / ln(measurement_height / roughness_length)`: the neutral surface-layer profile,
    see for instance Troen and Petersen, European Wind Atlas (1989). The ratio is the same for every hour, so it scales
    Weibull A and leaves k as it is.

    :param measurement_height: height of the anemometer above ground [m]
    :param hub_height: height to extrapolate to above ground [m]
    :param roughness_length: aerodynamic roughness length [m], above 0
    :raise ValueError: if a height does not exceed the roughness length
    """
    for name, height, example in (("measurement_height", measurement_height, "10"), ("hub_height", hub_height, "80")):
        if not height > roughness_length:
            raise ValueError(
                f"input_values.{name}: {height:g} m is not above the roughness length of {roughness_length:g} m, "
                f"where the logarithmic wind profile starts. Give metres above ground, e.g. {example}, "
                f"or correct input_values.roughness_length (grassland: 0.03)."
            )
    return math.log(hub_height / roughness_length) / math.log(measurement_height / roughness_length)


def air_density(method: str, weather: Weather) -> float:
    """Return the air density [kg/m3] at the weather station's level.

    - `standard`: 1.225 kg/m3.
    - `measured`: the mean over the hours that hold both pressure p and temperature T of `p / (R T)`, with R of dry air
      (humid air is lighter, by less than 1 % below 20 degrees Celsius).
    - `altitude`: the standard atmosphere at the station's elevation z, `p0 / (R T0) (1 - L z / T0) ** (g / (R L) - 1)`,
      with pressure p0 and temperature T0 at sea level and lapse rate L. Elevation is taken for geopotential height,
      which changes the density by less than 0.01 % up to 2,000 m.

    :param method: one of the three names above
    :param weather: the record that pressure, temperature and elevation are taken from
    :raise ValueError: if the method is unknown, or if it is `measured` and no hour holds both pressure and temperature
    """
    if method == "standard":
        return STANDARD_DENSITY
    if method == "measured":
        return _mean_ideal_gas_density(weather)
    if method == "altitude":
        sea_level = STANDARD_PRESSURE / (GAS_CONSTANT * STANDARD_TEMPERATURE)
        relative_temperature = 1 - LAPSE_RATE * weather.elevation / STANDARD_TEMPERATURE
        return sea_level * math.pow(relative_temperature, GRAVITY / (GAS_CONSTANT * LAPSE_RATE) - 1)
    raise ValueError(
        f"configuration_values.air_density_method: {method!r} is not known. Give 'standard', 'measured' or 'altitude'."
    )


def _mean_ideal_gas_density(weather: Weather) -> float:
    """Return the mean of the hourly ideal-gas densities of dry air [kg/m3]."""
    known = ~(np.isnan(weather.pressure) | np.isnan(weather.temperature))
    if not known.any():
        raise ValueError(
            "configuration_values.air_density_method: 'measured' needs pressure and temperature, "
            "and no hour of the weather file holds both. Give 'altitude' or 'standard'."
        )
    pressure = weather.pressure[known] * PASCAL_PER_MBAR
    if pressure.min() == pressure.max():
        logger.warning(
            "The pressure is %g mbar in every hour, so it was filled in and not measured: "
            "the density follows the temperature alone.",
            weather.pressure[known][0],
        )
    temperature = weather.temperature[known] + CELSIUS_ZERO
    return float(np.mean(pressure / (GAS_CONSTANT * temperature)))
