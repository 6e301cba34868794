"""The wind study, checked against computations that share no code with it.

The app is loaded from its directory as any host does and driven by a small double of the analysis, so these tests need
neither fairlead nor a host.
"""

from __future__ import annotations

import ast
import csv
import importlib.util
import json
import logging
import math
import random
import statistics
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jsonschema
import PIL.Image
import pvlib
import pytest
import scipy.optimize
import scipy.stats

APP = Path(__file__).parents[2] / "dags" / "apps" / "wind_resource"
SAND_POINT = Path(pvlib.__file__).parent / "data" / "703165TY.csv"
TWINE = json.loads((APP / "twine.json").read_text(encoding="utf-8"))
VALUES = json.loads((APP / "data" / "input_values.json").read_text(encoding="utf-8"))
CONFIGURATION = json.loads((APP / "data" / "configuration_values.json").read_text(encoding="utf-8"))
SCHEMAS = sorted(name for name in TWINE if name.endswith("_schema"))
CLASSES = [(0, 3), (3, 6), (6, 9), (9, 12), (12, 15), (15, 20), (20, 25), (25, math.inf)]

# Not each for itself, but what they import is.
pytestmark = pytest.mark.slow


# The app and its host


@pytest.fixture(scope="module")
def app():
    """Load the app with its directory importable, and leave no trace of its modules."""
    siblings = {path.stem for path in APP.glob("*.py")}
    sys.path.insert(0, str(APP))
    spec = importlib.util.spec_from_file_location("wind_resource_app_under_test", APP / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(APP))
    yield module
    for name in siblings:
        sys.modules.pop(name, None)


class AnalysisDouble(SimpleNamespace):
    """What the app uses of an analysis."""

    def __init__(self, weather: Path, output: Path, values: dict[str, Any], configuration: dict[str, Any]) -> None:
        weather_dataset = SimpleNamespace(files=SimpleNamespace(one=lambda: SimpleNamespace(local_path=str(weather))))
        wind_rose = SimpleNamespace(path=str(output))
        super().__init__(
            input_values=values,
            configuration_values=configuration,
            input_manifest=SimpleNamespace(get_dataset={"weather": weather_dataset}.__getitem__),
            output_manifest=SimpleNamespace(get_dataset={"wind_rose": wind_rose}.__getitem__),
            output_values={},
            messages=[],
        )

    def send_monitor_message(self, data: dict[str, Any]) -> None:
        jsonschema.validate(data, TWINE["monitor_message_schema"])
        self.messages.append(data)


@pytest.fixture
def study(app, tmp_path, monkeypatch):
    """Run the study on a weather file with some inputs changed; return the analysis, with its `output` directory.

    Drawing takes most of a run's time, so only the tests of the chart ask for it.
    """

    def run(
        weather: Path = SAND_POINT,
        *,
        output: str = "wind_rose",
        method: str = "measured",
        chart: bool = False,
        **values: float,
    ):
        directory = tmp_path / "results" / output
        analysis = AnalysisDouble(weather, directory, {**VALUES, **values}, {"air_density_method": method})
        with monkeypatch.context() as patch:
            if not chart:
                patch.setattr(app, "draw_wind_resource", lambda *_, **__: None)
            app.run(analysis)
        jsonschema.validate(json.loads(json.dumps(analysis.output_values)), TWINE["output_values_schema"])
        analysis.output = directory
        return analysis

    return run


def write_weather(
    path: Path, hours, *, header: str = '999999,"TEST STATION",XX,0.0,50.0,8.0,500', columns=None
) -> Path:
    """Write a TMY3 file of (speed, direction) or (speed, direction, temperature, pressure) hours."""
    names = columns or ["Wspd (m/s)", "Wdir (degrees)", "Dry-bulb (C)", "Pressure (mbar)"]
    lines = [header, ",".join(["Date (MM/DD/YYYY)", *names])]
    lines += [",".join(["01/01/2001", *map(str, (*hour, 10.0, 950)[: len(names)])]) for hour in hours]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# The independent computation


def read_hours(path: Path) -> list[dict[str, float]]:
    with path.open(encoding="utf-8", newline="") as file:
        next(file)
        return [
            {
                "speed": float(row["Wspd (m/s)"]),
                "direction": float(row["Wdir (degrees)"]),
                "temperature": float(row["Dry-bulb (C)"]),
                "pressure": float(row["Pressure (mbar)"]),
            }
            for row in csv.DictReader(file)
        ]


def to_hub(speed: float, values: dict[str, float]) -> float:
    z0 = values["roughness_length"]
    return speed * (math.log(values["hub_height"] / z0) / math.log(values["measurement_height"] / z0))


def hub_hours(**values: float) -> list[tuple[float, float]]:
    return [(to_hub(hour["speed"], {**VALUES, **values}), hour["direction"]) for hour in read_hours(SAND_POINT)]


def sector_by_distance(direction: float, sectors: int) -> int:
    """Return the sector whose centre is nearest; of two equally near, the clockwise one."""
    width = 360 / sectors

    def distance(number: int) -> tuple[float, bool]:
        offset = (direction - (number - 1) * width + 180) % 360 - 180
        return (round(abs(offset), 9), offset > 0)

    return min(range(1, sectors + 1), key=distance)


def scipy_weibull(speeds: list[float]) -> tuple[float, float]:
    """Return A and k from scipy's own fit, with its optimiser run to the end."""

    def optimizer(function, start, args=(), disp=0):
        return scipy.optimize.fmin(function, start, args=args, disp=disp, xtol=1e-10, ftol=1e-12, maxiter=10_000)

    shape, location, scale = scipy.stats.weibull_min.fit(speeds, floc=0, optimizer=optimizer)
    assert location == 0
    return scale, shape


# The twine


@pytest.mark.parametrize("strand", SCHEMAS)
def test_each_schema_of_the_twine_is_valid(strand):
    assert TWINE[strand]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(TWINE[strand])


def test_the_example_files_are_valid():
    jsonschema.validate(VALUES, TWINE["input_values_schema"])
    jsonschema.validate(CONFIGURATION, TWINE["configuration_values_schema"])


@pytest.mark.parametrize("strand", ["input_values_schema", "configuration_values_schema"])
def test_each_input_is_described_required_and_has_a_valid_example(strand):
    schema = TWINE[strand]
    assert schema["required"] == list(schema["properties"])
    assert schema["additionalProperties"] is False
    for value in schema["properties"].values():
        assert value["title"]
        assert value["description"]
        for example in value["examples"]:
            jsonschema.validate(example, value)


@pytest.mark.parametrize(
    "change",
    [
        {"hub_height": "high"},
        {"hub_height": 0},
        {"hub_height": 1000},
        {"measurement_height": -10},
        {"roughness_length": 0},
        {"sector_count": 12.5},
        {"sector_count": 3},
        {"sector_count": 37},
        {"rotor_diameter": 120},
    ],
    ids=str,
)
def test_inputs_that_make_no_sense_are_refused_by_the_twine(change):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**VALUES, **change}, TWINE["input_values_schema"])


def test_the_app_imports_neither_fairlead_nor_octue():
    imported = set()
    for path in APP.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    assert "numpy" in imported
    assert imported.isdisjoint({"fairlead", "octue", "twined"})


# The real year


def test_the_app_reads_what_pvlib_reads(app):
    weather = app.read_tmy3(SAND_POINT)
    table, station = pvlib.iotools.read_tmy3(SAND_POINT, map_variables=True)
    assert weather.station == "SAND POINT, AK"
    assert weather.elevation == station["altitude"]
    assert (weather.latitude, weather.longitude) == (station["latitude"], station["longitude"])
    assert weather.wind_speed.tolist() == table["wind_speed"].tolist()
    assert weather.wind_direction.tolist() == table["wind_direction"].tolist()
    assert weather.temperature.tolist() == table["temp_air"].tolist()
    assert weather.pressure.tolist() == table["pressure"].tolist()


def test_the_app_reads_every_number_to_its_last_digit(app):
    weather = app.read_tmy3(SAND_POINT)
    hours = read_hours(SAND_POINT)
    assert weather.wind_speed.tolist() == [hour["speed"] for hour in hours]
    assert weather.temperature.tolist() == [hour["temperature"] for hour in hours]


def test_weibull_a_and_k_are_those_of_scipy(study):
    outputs = study().output_values
    a, k = scipy_weibull([speed for speed, _ in hub_hours() if speed > 0])
    assert outputs["weibull_a"] == pytest.approx(a, rel=1e-7)
    assert outputs["weibull_k"] == pytest.approx(k, rel=1e-7)


def test_mean_calm_frequency_and_hours_are_those_of_the_file(study):
    outputs = study().output_values
    speeds = [speed for speed, _ in hub_hours()]
    assert outputs["hours_used"] == len(speeds) == 8760
    assert outputs["calm_frequency"] == speeds.count(0) / 8760
    assert outputs["mean_wind_speed"] == pytest.approx(math.fsum(speeds) / 8760, rel=1e-13)


def test_power_density_is_half_the_density_times_the_mean_cube(study):
    outputs = study(method="standard").output_values
    assert outputs["air_density"] == 1.225
    mean_cube = math.fsum(speed**3 for speed, _ in hub_hours()) / 8760
    assert outputs["power_density"] == pytest.approx(0.5 * 1.225 * mean_cube, rel=1e-12)


def test_measured_density_is_the_mean_of_the_ideal_gas(study):
    hours = read_hours(SAND_POINT)
    expected = statistics.fmean(
        100 * hour["pressure"] / (8.31446 / 0.0289644) / (273.15 + hour["temperature"]) for hour in hours
    )
    outputs = study(method="measured").output_values
    # From the molar gas constant and the molar mass of air, which are a little newer than the standard atmosphere's.
    assert outputs["air_density"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("elevation", "density"), [(0, 1.2250), (500, 1.1673), (1000, 1.1116), (2000, 1.0065)])
def test_density_by_altitude_is_the_table_of_the_standard_atmosphere(study, tmp_path, elevation, density):
    weather = write_weather(
        tmp_path / "weather.csv",
        [(speed, 180) for speed in range(1, 101)],
        header=f"999999,TEST,XX,0.0,50.0,8.0,{elevation}",
    )
    assert study(weather, method="altitude").output_values["air_density"] == pytest.approx(density, abs=6e-5)


def test_the_density_changes_the_power_density_and_nothing_else(study):
    standard = study(method="standard").output_values
    for method in ("measured", "altitude"):
        other = study(method=method).output_values
        assert other["power_density"] / standard["power_density"] == pytest.approx(other["air_density"] / 1.225)
        same = {"power_density": 0, "air_density": 0}
        assert {**other, **same} == {**standard, **same}


@pytest.mark.parametrize("sectors", [4, 7, 12, 16, 36])
def test_sectors_are_those_of_a_direct_histogram(study, sectors):
    outputs = study(sector_count=sectors).output_values
    expected: dict[int, list[float]] = {number: [] for number in range(1, sectors + 1)}
    for speed, direction in hub_hours():
        if speed > 0:
            expected[sector_by_distance(direction, sectors)].append(speed)

    assert [sector["sector"] for sector in outputs["sectors"]] == list(expected)
    for sector in outputs["sectors"]:
        speeds = expected[sector["sector"]]
        assert sector["hours"] == len(speeds)
        assert sector["frequency"] == len(speeds) / 8760
        assert sector["mean_wind_speed"] == pytest.approx(statistics.fmean(speeds), rel=1e-13)
        assert sector["direction"] == pytest.approx((sector["sector"] - 1) * 360 / sectors)
        assert (sector["direction_to"] - sector["direction_from"]) % 360 == pytest.approx(360 / sectors)
        assert (sector["weibull_k"] is None) == (len(speeds) < 60)
    total = math.fsum(sector["frequency"] for sector in outputs["sectors"])
    assert total + outputs["calm_frequency"] == pytest.approx(1, abs=1e-12)


def test_weibull_of_each_sector_is_that_of_scipy(study):
    sectors = study().output_values["sectors"]
    for sector in sectors:
        speeds = [s for s, d in hub_hours() if s > 0 and sector_by_distance(d, 12) == sector["sector"]]
        a, k = scipy_weibull(speeds)
        assert sector["weibull_a"] == pytest.approx(a, rel=1e-7)
        assert sector["weibull_k"] == pytest.approx(k, rel=1e-7)


def test_the_hub_at_the_anemometer_has_the_wind_of_the_file(study):
    speeds = [hour["speed"] for hour in read_hours(SAND_POINT)]
    outputs = study(hub_height=10).output_values
    assert outputs["mean_wind_speed"] == pytest.approx(statistics.fmean(speeds), rel=1e-13)


def test_height_scales_a_and_leaves_k(study):
    low, high = study(hub_height=10).output_values, study(hub_height=80).output_values
    ratio = math.log(80 / 0.03) / math.log(10 / 0.03)
    assert high["weibull_a"] / low["weibull_a"] == pytest.approx(ratio, rel=1e-10)
    assert high["weibull_k"] == pytest.approx(low["weibull_k"], rel=1e-10)


# Made-up weather whose answer is known


@pytest.mark.parametrize(("a", "k"), [(4.0, 0.8), (8.0, 2.0), (9.5, 3.5), (7.0, 12.0)])
def test_the_parameters_of_a_weibull_sample_are_recovered(study, tmp_path, a, k):
    # Values at equally likely levels: a sample without the scatter of a random one.
    hours = 8760
    levels = [(i + 0.5) / hours for i in range(hours)]
    speeds = [a * (-math.log(1 - level)) ** (1 / k) for level in levels]
    weather = write_weather(tmp_path / "weather.csv", [(speed, 10 * (i % 36)) for i, speed in enumerate(speeds)])
    outputs = study(weather, hub_height=10).output_values
    assert outputs["weibull_a"] == pytest.approx(a, rel=1e-3)
    assert outputs["weibull_k"] == pytest.approx(k, rel=3e-3)
    assert outputs["calm_frequency"] == 0


def test_calm_hours_count_for_the_mean_and_not_for_the_fit(study, tmp_path):
    draw = random.Random(2026)
    windy = [(draw.weibullvariate(8, 2), draw.uniform(1, 359)) for _ in range(900)]
    without = study(write_weather(tmp_path / "windy.csv", windy)).output_values
    outputs = study(write_weather(tmp_path / "calm.csv", [*windy, *[(0.0, 0)] * 100])).output_values
    assert outputs["calm_frequency"] == 0.1
    assert outputs["hours_used"] == 1000
    assert (outputs["weibull_a"], outputs["weibull_k"]) == (without["weibull_a"], without["weibull_k"])
    assert outputs["mean_wind_speed"] == pytest.approx(0.9 * without["mean_wind_speed"])
    assert outputs["power_density"] == pytest.approx(0.9 * without["power_density"])
    assert math.fsum(sector["frequency"] for sector in outputs["sectors"]) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("direction", "sectors", "sector"),
    [
        (0, 12, 1),
        (360, 12, 1),
        (345, 12, 1),
        (344.9, 12, 12),
        (14.9, 12, 1),
        (15, 12, 2),
        (180, 12, 7),
        (315, 4, 1),
        (45, 4, 2),
        (355, 36, 1),
        (5, 36, 2),
        (359.99, 36, 1),
    ],
)
def test_a_direction_is_in_the_sector_that_starts_at_or_before_it(study, tmp_path, direction, sectors, sector):
    weather = write_weather(tmp_path / "weather.csv", [(1 + i / 10, direction) for i in range(100)])
    hours = [entry["hours"] for entry in study(weather, sector_count=sectors).output_values["sectors"]]
    assert hours.index(100) == sector - 1
    assert sum(hours) == 100


def test_a_sector_with_too_few_hours_has_no_fit_and_one_without_wind_no_mean(study, tmp_path):
    north = [(1 + i / 10, 360) for i in range(60)]
    east = [(1 + i / 10, 90) for i in range(59)]
    alike = [(5.0, 180)] * 80
    weather = write_weather(tmp_path / "weather.csv", [*north, *east, *alike])
    first, second, third, fourth = study(weather, sector_count=4).output_values["sectors"]
    assert first["weibull_k"] > 0
    assert (second["weibull_a"], second["weibull_k"]) == (None, None)
    assert second["mean_wind_speed"] > 0
    assert (third["weibull_a"], third["weibull_k"]) == (None, None)
    assert (fourth["hours"], fourth["mean_wind_speed"], fourth["weibull_a"]) == (0, None, None)


def test_hours_with_missing_values_are_left_out_and_reported(study, tmp_path, caplog):
    good = [(1 + i / 10, 200, 10.0 + i / 10, 950 + i) for i in range(100)]
    missing = [(-9900, 200, -9900, 950), (5, -9900, 1, -9900), ("-9900.0", 200, "", 950), (5, "", 1, "")]
    expected = study(write_weather(tmp_path / "good.csv", good)).output_values
    # Where only pressure or temperature is missing the wind still counts.
    no_density = [(5.0, 200, -9900, 950), (5.0, 200, 10, -9900)]
    outputs = study(write_weather(tmp_path / "gaps.csv", [*good, *missing, *no_density])).output_values
    assert outputs["hours_used"] == 102
    assert outputs["air_density"] == expected["air_density"]
    assert "4 hours lack a wind speed or direction" in caplog.text


# What the host sees meanwhile


def test_a_monitor_message_follows_each_sector(study):
    messages = study(sector_count=4).messages
    assert [message["sector"] for message in messages] == [1, 2, 3, 4]
    assert [message["progress"] for message in messages] == [0.25, 0.5, 0.75, 1.0]
    assert messages[0]["status_text"].startswith("Sector 1 of 4: from 0°, ")


def test_ordinary_log_records_tell_the_story(study, caplog):
    with caplog.at_level(logging.INFO):
        study()
    assert "Read 8760 hours of weather at SAND POINT, AK." in caplog.messages
    assert "Wrote wind_rose.csv and wind_rose.png." in caplog.messages


def test_doubtful_weather_is_named(study, caplog):
    study(method="measured")
    assert "The pressure is 1012 mbar in every hour" in caplog.text
    assert "5 hours have wind but direction 0" in caplog.text


@pytest.mark.parametrize(
    ("sectors", "warned"), [(4, False), (8, True), (12, False), (16, True), (18, True), (36, False)]
)
def test_sector_counts_that_share_reported_directions_unevenly_are_named(study, caplog, sectors, warned):
    study(sector_count=sectors)
    assert ("share those unevenly" in caplog.text) == warned


# The files


# At 10 m the speeds are the file's own, and many of them lie exactly on a bound between two classes.
@pytest.mark.parametrize(("sectors", "hub_height"), [(4, 80), (12, 80), (36, 80), (12, 10)])
def test_the_table_is_a_direct_count(study, sectors, hub_height):
    analysis = study(sector_count=sectors, hub_height=hub_height)
    with (analysis.output / "wind_rose.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    counts = {(number, index): 0 for number in range(1, sectors + 1) for index in range(len(CLASSES))}
    for speed, direction in hub_hours(hub_height=hub_height):
        if speed > 0:
            index = next(i for i, (lower, upper) in enumerate(CLASSES) if lower <= speed < upper)
            counts[sector_by_distance(direction, sectors), index] += 1

    names = ["0_to_3", "3_to_6", "6_to_9", "9_to_12", "12_to_15", "15_to_20", "20_to_25", "25_and_above"]
    assert len(rows) == sectors
    for row, sector in zip(rows, analysis.output_values["sectors"], strict=True):
        number = int(row["sector"])
        for index, name in enumerate(names):
            assert int(row[f"hours_{name}_m_s"]) == counts[number, index]
            assert float(row[f"frequency_{name}_m_s"]) == counts[number, index] / 8760
        # Text to number and back loses nothing, so the table holds exactly the output values.
        assert int(row["hours"]) == sector["hours"]
        assert float(row["frequency"]) == sector["frequency"]
        assert float(row["direction_from_deg"]) == sector["direction_from"]
        assert float(row["direction_to_deg"]) == sector["direction_to"]
        assert float(row["mean_wind_speed_m_s"]) == sector["mean_wind_speed"]
        assert row["weibull_k"] == ("" if sector["weibull_k"] is None else repr(sector["weibull_k"]))


@pytest.mark.parametrize("sectors", [4, 12, 36])
def test_the_chart_is_an_image_with_something_on_it(study, sectors):
    path = study(sector_count=sectors, chart=True).output / "wind_rose.png"
    with PIL.Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        assert image.size == (1950, 1200)
        assert image.info.keys() <= {"dpi"}
        left, right = image.convert("RGB").crop((0, 300, 900, 1200)), image.convert("RGB").crop((1000, 300, 1950, 1200))
    for half in (left, right):
        colours = half.getcolors(maxcolors=2**24)
        assert len(colours) > 100
        assert max(count for count, _ in colours) < 0.95 * half.width * half.height


def test_wind_that_is_most_often_weak_can_be_drawn(study, tmp_path):
    weather = write_weather(tmp_path / "weak.csv", [(0.01 * 1.05**i, 180) for i in range(90)])
    analysis = study(weather, hub_height=10, chart=True)
    assert analysis.output_values["weibull_k"] < 1
    assert (analysis.output / "wind_rose.png").stat().st_size > 10_000


def test_two_runs_give_the_same_bytes(study):
    first, second = study(output="first", chart=True), study(output="second", chart=True)
    assert json.dumps(first.output_values) == json.dumps(second.output_values)
    for name in ("wind_rose.csv", "wind_rose.png"):
        assert (first.output / name).read_bytes() == (second.output / name).read_bytes()


def test_nothing_but_table_and_chart_is_written(study):
    assert sorted(path.name for path in study(chart=True).output.iterdir()) == ["wind_rose.csv", "wind_rose.png"]


# What cannot be studied


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"hub_height": 0.02},
            r"input_values\.hub_height: 0\.02 m is not above the roughness length of 0\.03 m.* e\.g\. 80",
        ),
        ({"hub_height": 0.03}, r"input_values\.hub_height: 0\.03 m is not above"),
        (
            {"measurement_height": 2, "roughness_length": 2},
            r"input_values\.measurement_height: 2 m is not above the roughness length of 2 m.* e\.g\. 10",
        ),
    ],
    ids=["hub below", "hub at", "anemometer at"],
)
def test_heights_within_the_roughness_are_refused(study, values, message):
    with pytest.raises(ValueError, match=message):
        study(**values)


WIND = [(1 + i / 10, 180) for i in range(100)]


@pytest.mark.parametrize(
    ("weather", "message"),
    [
        ({"hours": [(0.0, 0)] * 100}, "weather: 0 hours with wind are too few.* at least 60 hours"),
        ({"hours": WIND[:59]}, "weather: 59 hours with wind are too few"),
        ({"hours": [(5.0, 90)] * 100}, "weather: 100 hours with wind are too few, or too alike"),
        ({"hours": []}, "weather: 0 hours with wind"),
        ({"hours": [*WIND, (-1.0, 90)]}, r"weather: 'Wspd \(m/s\)' is -1 on line 103, expected 0 to 115"),
        ({"hours": [*WIND, (5.0, 361)]}, r"weather: 'Wdir \(degrees\)' is 361 on line 103, expected 0 to 360"),
        ({"hours": [(5.0, 90, 10, 101_325)]}, r"weather: 'Pressure \(mbar\)' is 101325 on line 3.*Check the units"),
        ({"hours": [*WIND, ("strong", 90)]}, "weather: the hourly lines are not as TMY3 has them .*strong"),
        ({"hours": WIND, "header": "a,b"}, "weather: the first line is 'a,b', not a TMY3 header"),
        ({"hours": WIND, "header": "1,X,Y,0,north,8,5"}, "not a TMY3 header .* Give a TMY3 file"),
        (
            {"hours": WIND, "columns": ["Wspd (m/s)", "Wdir (degrees)", "Dry-bulb (C)", "Pressure (hPa)"]},
            r"weather: the hourly lines .*Pressure \(mbar\)",
        ),
    ],
    ids=[
        "calm",
        "short",
        "constant",
        "empty",
        "negative speed",
        "direction",
        "pascal",
        "text",
        "header",
        "latitude",
        "column",
    ],
)
def test_weather_that_cannot_be_used_is_named_with_the_remedy(study, tmp_path, weather, message):
    path = write_weather(tmp_path / "weather.csv", **weather)
    with pytest.raises(ValueError, match=message):
        study(path)


def test_an_empty_file_is_named(study, tmp_path):
    path = tmp_path / "weather.csv"
    path.touch()
    with pytest.raises(ValueError, match="weather: the first line is '', not a TMY3 header"):
        study(path)


def test_measured_density_without_measurements_is_refused(study, tmp_path):
    weather = write_weather(tmp_path / "weather.csv", [(*hour, -9900, 950) for hour in WIND])
    with pytest.raises(ValueError, match=r"'measured' needs pressure and temperature.*Give 'altitude' or 'standard'"):
        study(weather, method="measured")
    assert study(weather, method="altitude").output_values["air_density"] == pytest.approx(1.1673, abs=6e-5)


def test_an_unknown_density_method_is_refused(study):
    with pytest.raises(ValueError, match=r"configuration_values\.air_density_method: 'guess' is not known"):
        study(method="guess")


def test_a_failed_study_writes_nothing(app, tmp_path):
    analysis = AnalysisDouble(SAND_POINT, tmp_path / "wind_rose", {**VALUES, "hub_height": 0.01}, CONFIGURATION)
    with pytest.raises(ValueError, match="hub_height"):
        app.run(analysis)
    assert not (tmp_path / "wind_rose").exists()


def test_the_module_under_test_is_the_app(app):
    assert isinstance(app, ModuleType)
    assert callable(app.run)
    assert not hasattr(app, "App")
