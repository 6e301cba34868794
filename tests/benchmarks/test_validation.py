"""Checking input values against a contract, beside the real twined package."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fairlead.adapters.twine import Twine
from tests.peers import Peer

LARGE = {
    "type": "object",
    "properties": {"speeds": {"type": "array", "items": {"type": "number", "minimum": 0}}},
    "required": ["speeds"],
}
SMALL = {
    "type": "object",
    "properties": {
        "hub_height": {"type": "number", "minimum": 10, "maximum": 300},
        "method": {"type": "string", "enum": ["log", "power"]},
        "sectors": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
        "site": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "latitude": {"type": "number"}, "longitude": {"type": "number"}},
            "required": ["latitude", "longitude"],
        },
    },
    "required": ["hub_height", "site"],
    "additionalProperties": False,
}
RECORDS = {
    "type": "object",
    "$defs": {"number": {"type": "number"}},
    "properties": {
        "records": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["speed", "direction"],
                "properties": {"speed": {"$ref": "#/$defs/number"}, "direction": {"type": ["number", "null"]}},
            },
        }
    },
}
SITE = {"name": "Sand Point", "latitude": 55.3, "longitude": -160.5}


def check(schema: dict[str, Any], value: Any, times: int) -> None:
    twine = Twine(json.dumps({"input_values_schema": schema}))
    for _ in range(times):
        assert not twine.value_problems("input_values", value)


@pytest.mark.benchmark(group="validation, 200,000 numbers")
def test_a_large_input(benchmark: Any, octue: Peer) -> None:
    value = {"speeds": [i / 7 for i in range(200_000)]}
    limit = sorted(octue("time_validation", schema=LARGE, value=value, times=1) for _ in range(5))[2]
    benchmark.extra_info.update(limit=limit, against="`twined`", goal="at most 1")
    benchmark.pedantic(check, (LARGE, value, 1), rounds=10, warmup_rounds=1)


@pytest.mark.benchmark(group="validation, 100,000 objects of two numbers")
def test_a_large_input_of_objects(benchmark: Any, octue: Peer) -> None:
    value = {"records": [{"speed": i / 7, "direction": None if i % 9 == 0 else i % 360} for i in range(100_000)]}
    limit = sorted(octue("time_validation", schema=RECORDS, value=value, times=1) for _ in range(3))[1]
    benchmark.extra_info.update(limit=limit, against="`twined`", goal="at most 1")
    benchmark.pedantic(check, (RECORDS, value, 1), rounds=10, warmup_rounds=1)


@pytest.mark.benchmark(group="validation, 1,000 small inputs")
def test_small_inputs(benchmark: Any, octue: Peer) -> None:
    value = {"hub_height": 90, "method": "log", "sectors": [0, 30, 60], "site": SITE}
    limit = sorted(octue("time_validation", schema=SMALL, value=value, times=1000) for _ in range(5))[2]
    benchmark.extra_info.update(limit=limit, against="`twined`", goal="at least 10", more_is_better=True)
    benchmark.pedantic(check, (SMALL, value, 1000), rounds=10, warmup_rounds=1)
