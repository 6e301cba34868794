"""Energy of a wind farm: a class, and a child service that knows the power of its turbines."""

import logging

from octue.resources import Analysis

logger = logging.getLogger(__name__)


class App:
    def __init__(self, analysis: Analysis):
        self.analysis = analysis
        self.hours = analysis.configuration_values["hours"]

    def run(self):
        rows = self.analysis.input_values["rows"]
        speeds = [speed for row in rows for speed in row]
        answer = self.analysis.children["power_curve"].ask(input_values={"speeds": speeds}, timeout=60)
        powers = iter(answer["output_values"]["power"])
        energies = [sum(next(powers) for _ in row) * self.hours / 1000 for row in rows]
        logger.info("The farm delivers %.1f MWh.", sum(energies))
        self.analysis.output_values = {"rows": energies, "energy": sum(energies)}
