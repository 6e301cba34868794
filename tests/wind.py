"""What tests of all hosts say of wind: the app that is asked in each, and the height that each one's forms ask for.

This module tests nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HUB_HEIGHT: dict[str, Any] = {
    "type": "number",
    "title": "Hub height",
    "description": "Above ground",
    "unit": "m",
    "minimum": 10,
    "maximum": 200,
}
"""A value with all that a form can tell of it."""

_TWINE: dict[str, Any] = {
    "input_values_schema": {"type": "object", "properties": {"n": {"type": "number"}}},
    "output_values_schema": {},
    "monitor_message_schema": {"type": "object", "properties": {"status": {"type": "string"}}},
}
_APP = """
import logging, os, time

class OutOfWind(Exception):
    pass

def run(analysis):
    values = analysis.input_values
    if "count" in values:
        with open(values["count"], "a") as file:
            file.write("x")
    if "pid" in values:
        with open(values["pid"], "w") as file:
            file.write(f"{os.getpid()}\\n")
        time.sleep(600)
    if values["n"] < 0:
        raise OutOfWind(f"{values['n']} is negative")
    logging.getLogger("app.wind").warning("it blows")
    analysis.send_monitor_message({"status": "on"})
    analysis.send_monitor_message({"progress": 0.5})
    analysis.output_values = {"twice": 2 * values["n"], "long": "x" * values.get("long", 0)}
"""


def write_wind_app(folder: Path) -> str:
    """Write an app that doubles ``n`` and says so, and return where it is.

    A negative ``n`` raises, ``count`` names a file that gets an ``x`` for every run, ``pid`` one that gets the id of
    the process, which then sleeps, and ``long`` is how long a text it returns.
    """
    app = folder / "wind"
    app.mkdir()
    (app / "app.py").write_text(_APP)
    (app / "twine.json").write_text(json.dumps(_TWINE))
    return str(app)
