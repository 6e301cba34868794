import csv
import logging
import math
import os
from typing import Any

logger = logging.getLogger(__name__)


def run(analysis: Any) -> None:
    """Follow a body that cools by Newton's law, minute by minute."""
    values = analysis.input_values
    minutes = int(values["minutes"])  # JSON Schema counts 60.0 as an integer, range() does not
    excess = values["start"] - values["ambient"]

    path = os.path.join(analysis.output_manifest.get_dataset("curve").path, "curve.csv")
    with open(path, "w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["minute", "temperature"])
        for minute in range(minutes + 1):
            temperature = values["ambient"] + excess * math.exp(-minute / values["time_constant"])
            table.writerow([minute, temperature])
            if minute % 20 == 0:
                analysis.send_monitor_message(
                    {"progress": minute / minutes, "status_text": f"{temperature:.1f} °C after {minute} min"}
                )

    analysis.output_values["temperature"] = temperature
    logger.info("Wrote %d rows.", minutes + 1)
