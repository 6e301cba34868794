"""Wind speeds behind a rotor; a package that imports itself from the root of its repository."""

import os

from wake_service.model import speed_behind

# Read when the module is imported, as many apps do.
LICENCE = os.environ["WAKE_LICENCE"]


def run(analysis):
    from wake_service import tables

    thrust = tables.thrust_coefficient(analysis.input_values["speed"])
    analysis.output_values = {
        "speeds": [
            round(speed_behind(analysis.input_values["speed"], thrust, distance, **analysis.configuration_values), 6)
            for distance in analysis.input_values["distances"]
        ]
    }
    assert LICENCE
