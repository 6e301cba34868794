"""The wind study as a Prefect flow.

`python dags/wind_resource_flow.py` runs it once on an ephemeral server. To let a Prefect server run it, on request or
on a schedule, call `wind_resource.serve()` instead.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prefect import flow

from fairlead.flows import twine_task

APP = Path(__file__).parent / "apps" / "wind_resource"


# The twine checks the values; Prefect's own check would make 80 into 80.0 first, which has another fingerprint.
@flow(name="wind resource", validate_parameters=False)
def wind_resource(
    weather: str | None = None,
    measurement_height: float = 10,
    hub_height: float = 80,
    roughness_length: float = 0.03,
    sector_count: int = 12,
    air_density_method: str = "measured",
) -> dict[str, Any]:
    """Compute the wind resource at a turbine's hub.

    Args:
        weather: TMY3 file with a year of hourly weather; Sand Point, Alaska, if none is given.
        measurement_height: Height of the anemometer above ground [m].
        hub_height: Height above ground for which results are given [m].
        roughness_length: Aerodynamic roughness length of the terrain [m].
        sector_count: Number of direction sectors.
        air_density_method: Where the air density comes from: standard, measured or altitude.
    """
    study = twine_task(APP, configuration_values={"air_density_method": air_density_method}, retries=2, timeout=600)
    return study(
        input_values={
            "measurement_height": measurement_height,
            "hub_height": hub_height,
            "roughness_length": roughness_length,
            "sector_count": sector_count,
        },
        input_manifest={"datasets": {"weather": {"files": [weather or sand_point()]}}},
    )


def sand_point() -> str:
    """Return the path of a TMY3 file that the pvlib package brings along."""
    pvlib = find_spec("pvlib")
    if pvlib is None or pvlib.origin is None:
        raise ModuleNotFoundError("pvlib brings the weather of this study. Install it, or give 'weather'.")
    return str(Path(pvlib.origin).parent / "data" / "703165TY.csv")


if __name__ == "__main__":
    values = wind_resource()["outputs"]["output_values"]
    print(f"Mean wind speed {values['mean_wind_speed']:.2f} m/s, power density {values['power_density']:.0f} W/m2")
