"""The units that are held to the contract of the three hosts. A new one is one more entry here."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
APPS = Path(__file__).parent / "apps"


@dataclass(frozen=True)
class Unit:
    """An app and what it is given; datasets are lists of files."""

    app: Path
    input_values: dict[str, Any]
    configuration_values: dict[str, Any] | None = None
    datasets: dict[str, list[Path]] = field(default_factory=dict)


def data_of(package: str, name: str) -> Path:
    """Return a file that a package brings along, without importing it."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data" / name


UNITS = {
    "word_counts": Unit(
        app=APPS / "word_counts",
        input_values={"shortest": 3, "weights": {"b": [1, 2.5, None], "a": {"é": True, "d": "x"}}},
        configuration_values={"ignore_case": True},
        datasets={"texts": [APPS / "texts" / "latin.txt", APPS / "texts" / "german.txt"]},
    ),
    "farm": Unit(
        app=APPS / "farm",
        input_values={"count": 3, "speeds": [6.5, 12, 26]},
        datasets={"losses": [APPS / "losses" / "losses.txt"]},
    ),
    "wind_resource": Unit(
        app=ROOT / "dags" / "apps" / "wind_resource",
        input_values={"measurement_height": 10, "hub_height": 80, "roughness_length": 0.03, "sector_count": 12},
        configuration_values={"air_density_method": "measured"},
        datasets={"weather": [data_of("pvlib", "703165TY.csv")]},
    ),
}
