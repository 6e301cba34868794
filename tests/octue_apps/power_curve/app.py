"""Power of a wind turbine at one wind speed or many: numpy in the outputs, which are filled in place."""

import numpy as np


def run(analysis):
    values = analysis.input_values
    speeds = np.atleast_1d(np.array(values.get("speeds", values.get("speed")), dtype=float))
    rated_power, rated_speed = 2000.0, 12.0
    power = np.clip(rated_power * (speeds / rated_speed) ** 3, 0, rated_power)
    power[speeds > 25] = 0
    analysis.output_values["power"] = power
    analysis.output_values["total"] = np.float64(power.sum())
    analysis.output_values["table"] = np.column_stack([speeds, power])
