"""A wind study: from one year of hourly weather to the wind resource at a turbine's hub.

The twine (`twine.json`) says what goes in and out. This module only leads the data through the study: the physics is
in `atmosphere.py`, the statistics are in `wind_statistics.py` and `wind_rose.py`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from atmosphere import air_density, log_law_ratio
from charts import draw_wind_resource
from weather import read_tmy3
from wind_rose import Sector, favours_some_sectors, sector_numbers, sector_of, write_csv
from wind_statistics import MINIMUM_HOURS, fit_weibull, mean_power_density

logger = logging.getLogger(__name__)


def run(analysis: Any) -> None:
    """Compute the wind resource at hub height; store it on the analysis and write the wind rose to the output dataset.

    :param analysis: the analysis that the service runs: its values and manifests are as `twine.json` describes them
    :raise ValueError: if a height does not exceed the roughness length, or if the weather file cannot be used
    :return None:
    """
    measurement_height = analysis.input_values["measurement_height"]
    hub_height = analysis.input_values["hub_height"]
    roughness_length = analysis.input_values["roughness_length"]
    # JSON Schema counts 12.0 as an integer, Python's range() does not.
    sector_count = int(analysis.input_values["sector_count"])
    density_method = analysis.configuration_values["air_density_method"]

    ratio = log_law_ratio(measurement_height, hub_height, roughness_length)
    weather = read_tmy3(Path(analysis.input_manifest.get_dataset("weather").files.one().local_path))
    logger.info("Read %d hours of weather at %s.", weather.wind_speed.size, weather.station)

    usable = ~(np.isnan(weather.wind_speed) | np.isnan(weather.wind_direction))
    if not usable.all():
        logger.warning("%d hours lack a wind speed or direction and are left out.", np.count_nonzero(~usable))
    speed = weather.wind_speed[usable] * ratio
    direction = weather.wind_direction[usable]
    windy = speed > 0
    logger.info("Wind at %g m is %.4g times the wind at %g m (log law).", hub_height, ratio, measurement_height)

    weibull = fit_weibull(speed[windy])
    if weibull is None:
        raise ValueError(
            f"weather: {np.count_nonzero(windy)} hours with wind are too few, or too alike, for a Weibull fit; "
            f"it needs at least {MINIMUM_HOURS} hours and two different speeds. Give a file with a longer record."
        )
    density = air_density(density_method, weather)
    power_density = mean_power_density(speed, density)
    logger.info("Air density %.4g kg/m3 (%s), power density %.4g W/m2.", density, density_method, power_density)

    if favours_some_sectors(direction[windy], sector_count):
        logger.warning(
            "Directions are reported to 10 degrees, and %d sectors share those unevenly: "
            "their frequencies differ for that reason alone. Use 4, 12 or 36.",
            sector_count,
        )
    undefined = np.count_nonzero(direction[windy] == 0)
    if undefined:
        logger.warning(
            "%d hours have wind but direction 0, which TMY3 keeps for calm; they are counted as north.", undefined
        )

    number = sector_numbers(direction[windy], sector_count)
    sectors: list[Sector] = []
    for i in range(1, sector_count + 1):
        sector = sector_of(i, sector_count, speed[windy][number == i], hours_used=speed.size)
        sectors.append(sector)
        analysis.send_monitor_message(
            {
                "sector": i,
                "sectors": sector_count,
                "progress": i / sector_count,
                "status_text": f"Sector {i} of {sector_count}: {sector.summary()}",
            }
        )

    calm_frequency = np.count_nonzero(~windy) / speed.size
    analysis.output_values = {
        "hours_used": int(speed.size),
        "calm_frequency": calm_frequency,
        "mean_wind_speed": float(np.mean(speed)),
        "air_density": density,
        "power_density": power_density,
        "weibull_a": weibull.a,
        "weibull_k": weibull.k,
        "sectors": [sector.as_output() for sector in sectors],
    }

    directory = Path(analysis.output_manifest.get_dataset("wind_rose").path)
    directory.mkdir(parents=True, exist_ok=True)
    write_csv(directory / "wind_rose.csv", sectors)
    draw_wind_resource(
        directory / "wind_rose.png",
        title=f"Wind resource at {hub_height:g} m: {weather.station}",
        subtitle=(
            f"TMY3, {speed.size:,} hours  ·  {weather.position()}  ·  measured at {measurement_height:g} m, "
            f"log law with roughness length {roughness_length:g} m"
        ),
        results=analysis.output_values,
        sectors=sectors,
        speed=speed[windy],
        weibull=weibull,
        ratio=ratio,
    )
    logger.info("Wrote wind_rose.csv and wind_rose.png.")
