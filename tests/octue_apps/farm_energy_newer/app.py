"""Energy of a wind farm, for the SDK from 0.67 on: an answer comes with the question's id."""

import logging

from octue.twined.resources import Analysis

logger = logging.getLogger(__name__)


class App:
    def __init__(self, analysis: Analysis):
        self.analysis = analysis
        self.hours = analysis.configuration_values["hours"]

    def run(self):
        rows = self.analysis.input_values["rows"]
        power_curve = self.analysis.children["power_curve"]
        answer, question_uuid = power_curve.ask(input_values={"speeds": rows[0]}, timeout=60)
        logger.info("Question %s was answered.", question_uuid)
        others = power_curve.ask_multiple(
            *[{"input_values": {"speeds": row}, "timeout": 60} for row in rows[1:]],
            raise_errors=False,
            max_retries=1,
        )
        powers = [answer["output_values"]["total"], *(other[0]["output_values"]["total"] for other in others)]
        self.analysis.output_values = {
            "rows": [self._energy(power) for power in powers],
            "energy": self._energy(sum(powers)),
        }

    def _energy(self, power):
        return power * self.hours / 1000
