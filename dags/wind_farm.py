"""A wind farm study as a workflow: which turbine suits the site, and where to put nine of them.

A map computes the yield of each turbine type of windpowerlib in a year of hourly weather; an iteration moves the
turbines of the best type until their wakes cost no more than they must; a branch decides on what came of it. The same
workflow runs in a terminal (`fairlead workflow run dags/wind_farm.py:wind_farm`), as a Prefect flow and as an Airflow
DAG: see `wind_farm_flow.py` and `wind_farm_dag.py`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.adapters.workflow import IfThenElse, IterativeWorkflow, MapWorkflow, MergeTask, as_task, as_workflow

if TYPE_CHECKING:
    import numpy as np

SIDE = 2_500.0
"""Side of the square site [m]."""
WAKE_DECAY = 0.075
"""How fast a wake widens over land, by its length (Katic, Hojstrup and Jensen, 1986)."""
THRUST_COEFFICIENT = 0.8
TRIALS = 80
"""Moves that are tried in one iteration of the search."""
CONVERGED = 1e-4
"""Share of the yield by which an iteration must be better for the search to go on."""


@as_task
def DescribeSite(
    hub_height: float = 100.0, turbine_count: int = 9, wake_limit: float = 0.03
) -> {"hub_height": float, "turbine_count": int, "wake_limit": float}:
    """Say what is to be built: hub height [m], number of turbines, and what part of the yield wakes may cost."""
    return {"hub_height": hub_height, "turbine_count": turbine_count, "wake_limit": wake_limit}


@as_task(cache=True)
def ReadWeather(station: str = "703165TY") -> {"weather": Any}:
    """Read a year of hourly weather that the pvlib package brings along; the default is Sand Point, Alaska.

    The result is a data frame as windpowerlib takes it: wind speed at 10 m [m/s], temperature at 2 m [K], pressure
    [Pa], roughness length [m], and the wind's direction [degrees].
    """
    import pandas as pd
    from pvlib.iotools import read_tmy3

    pvlib = find_spec("pvlib")
    assert pvlib is not None
    assert pvlib.origin is not None
    hours, _ = read_tmy3(Path(pvlib.origin).parent / "data" / f"{station}.csv", map_variables=True, coerce_year=1990)
    columns = {
        ("wind_speed", 10): hours["wind_speed"].to_numpy(float),
        ("wind_direction", 10): hours["wind_direction"].to_numpy(float),
        ("temperature", 2): hours["temp_air"].to_numpy(float) + 273.15,
        ("pressure", 0): hours["pressure"].to_numpy(float) * 100.0,
        ("roughness_length", 0): 0.03,
    }
    weather = pd.DataFrame(columns)
    weather.columns = pd.MultiIndex.from_tuples(list(columns), names=["variable_name", "height"])
    return weather


@as_task
def ListTurbines() -> {"turbine_types": list[str]}:
    """List the turbine types whose power curves windpowerlib knows."""
    from windpowerlib import get_turbine_types

    known = get_turbine_types(turbine_library="local", print_out=False)
    return sorted(known[known["has_power_curve"]]["turbine_type"])


@as_task
def ComputeYield(turbine_type: str, weather: Any, hub_height: float) -> {"turbine": dict[str, Any]}:
    """Compute a year's yield of one turbine, without wakes."""
    from windpowerlib import ModelChain, WindTurbine

    turbine = WindTurbine(turbine_type=turbine_type, hub_height=hub_height)
    power = ModelChain(turbine).run_model(weather).power_output
    return {
        "turbine": {
            "type": turbine_type,
            "rotor_diameter": float(turbine.rotor_diameter),
            "nominal_power": float(turbine.nominal_power),
            "capacity_factor": round(float(power.mean() / turbine.nominal_power), 6),
        }
    }


@MapWorkflow.as_workflow(cache=True, map_on={"turbine_types": "turbine_type"})
def compute_yields():
    """Compute the yields of all turbine types."""
    ComputeYield()


@as_task
def ChooseTurbine(turbine: list[dict[str, Any]]) -> {"chosen": dict[str, Any]}:
    """Choose the type with the highest capacity factor."""
    return {"chosen": max(turbine, key=lambda each: each["capacity_factor"])}


@as_task
def CountWinds(weather: Any) -> {"winds": list[list[float]]}:
    """Count the winds: direction [degrees], mean speed [m/s] and share of the year of each of 36 sectors."""
    import numpy as np

    speed = weather["wind_speed", 10].to_numpy()
    direction = weather["wind_direction", 10].to_numpy()
    sector = np.where(speed > 0, np.round(direction / 10).astype(int) % 36, -1)
    return [
        [10.0 * i, round(float(speed[sector == i].mean()), 6), round(float((sector == i).mean()), 6)]
        for i in range(36)
        if (sector == i).any()
    ]


@as_task
def PlaceTurbines(turbine_count: int) -> {"positions": list[list[float]]}:
    """Put the turbines on a grid over the site, as a start: x and y of each [m]."""
    import math

    columns = math.ceil(math.sqrt(turbine_count))
    step = SIDE / max(columns - 1, 1)
    return [[step * (i % columns), step * (i // columns)] for i in range(turbine_count)]


@as_task
def MoveTurbines(
    positions: list[list[float]], winds: list[list[float]], chosen: dict[str, Any], round_: int = 0
) -> {"positions": list[list[float]], "wake_loss": float, "gain": float, "round_": int}:
    """Move one turbine after the other at random, and keep each move that costs less in wakes."""
    import numpy as np

    random = np.random.default_rng(round_)
    places = np.array(positions)
    diameter = chosen["rotor_diameter"]
    before = loss = wake_loss(places, winds, diameter)
    for _ in range(TRIALS):
        moved = places.copy()
        which = random.integers(len(places))
        moved[which] = np.clip(moved[which] + random.normal(0, SIDE / 10, 2), 0, SIDE)
        distance = np.hypot(*(np.delete(moved, which, axis=0) - moved[which]).T)
        if len(distance) and distance.min() < 3 * diameter:
            continue
        if (cost := wake_loss(moved, winds, diameter)) < loss:
            places, loss = moved, cost
    return {
        "positions": np.round(places, 1).tolist(),
        "wake_loss": round(loss, 6),
        "gain": round(before - loss, 6),
        "round_": round_ + 1,
    }


def is_converged(gain: float) -> bool:
    """Tell whether the last iteration was hardly better than the one before."""
    return gain < CONVERGED


@IterativeWorkflow.as_workflow(max_iterations=40, break_func=is_converged, cache=True)
def search_layout():
    """Move turbines until it no longer helps."""
    MoveTurbines()


def is_acceptable(wake_loss: float, wake_limit: float) -> bool:
    """Tell whether the wakes cost no more than they may."""
    return wake_loss <= wake_limit


@as_task
def AcceptLayout(wake_loss: float, wake_limit: float) -> {"decision": str}:
    """Build it so."""
    return f"build: wakes cost {wake_loss:.1%}, {wake_limit:.0%} are allowed"


@as_task
def AskForMoreSpace(wake_loss: float, wake_limit: float) -> {"decision": str}:
    """Do not build it so."""
    return f"find a larger site: wakes cost {wake_loss:.1%}, {wake_limit:.0%} are allowed"


@as_task
def Report(
    chosen: dict[str, Any], wake_loss: float, round_: int, positions: list[list[float]], decision: str
) -> {"report": dict[str, Any]}:
    """Put the results together."""
    return {
        "report": {
            "turbine": chosen["type"],
            "capacity_factor": chosen["capacity_factor"],
            "net_capacity_factor": round(chosen["capacity_factor"] * (1 - wake_loss), 6),
            "wake_loss": wake_loss,
            "iterations": round_,
            "positions": positions,
            "decision": decision,
        }
    }


@as_workflow
def wind_farm():
    """Find a turbine and a layout for the site."""
    site, weather, chosen, winds = DescribeSite(), ReadWeather(), ChooseTurbine(), CountWinds()
    yields = compute_yields()
    [ListTurbines(), weather, site] | yields | chosen
    weather | winds
    search = search_layout()
    [site | PlaceTurbines(), winds, chosen] | search
    if_, then, else_ = IfThenElse(is_acceptable)
    merged = MergeTask()
    [search, site] | if_
    then | AcceptLayout() | merged
    else_ | AskForMoreSpace() | merged
    [chosen, search, merged] | Report()


def wake_loss(positions: np.ndarray, winds: list[list[float]], diameter: float) -> float:
    """Return what part of the yield wakes cost, by Jensen's model, weighted with the cube of the wind speed.

    Args:
        positions: x (east) and y (north) of each turbine [m], shape (n, 2).
        winds: direction [degrees], speed [m/s] and share of the year of each sector.
        diameter: of the rotors [m].
    """
    import numpy as np

    lost = total = 0.0
    for direction, speed, share in winds:
        towards = np.radians(direction + 180)
        ahead = np.array([np.sin(towards), np.cos(towards)])
        between = positions[:, None, :] - positions[None, :, :]
        along = between @ ahead
        across = np.abs(between @ np.array([ahead[1], -ahead[0]]))
        width = diameter / 2 + WAKE_DECAY * along
        deficit = (1 - np.sqrt(1 - THRUST_COEFFICIENT)) / (1 + 2 * WAKE_DECAY * along / diameter) ** 2
        slower = np.where((along > 1) & (across < width), deficit, 0.0)
        remaining = 1 - np.sqrt((slower**2).sum(axis=1))
        weight = share * speed**3
        total += weight
        lost += weight * (1 - float((remaining**3).mean()))
    return lost / total


if __name__ == "__main__":
    from fairlead.adapters.workflow import run

    print(run(wind_farm()).outputs["report"])
