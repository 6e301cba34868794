"""Doubles each number of a file, adds an offset, and sums them up."""

import logging
import os
from pathlib import Path

logger = logging.getLogger("double.arithmetic")


def run(analysis):
    numbers = [0]
    if analysis.input_manifest:
        path = analysis.input_manifest.get_dataset("numbers").files.one().path
        numbers = [int(line) for line in Path(path).read_text().split()]
    logger.info("There are %d numbers.", len(numbers))
    logger.warning("They are doubled.")
    logger.log(25, "A level between two.")
    print("printed")
    analysis.send_monitor_message({"unit": "apples"})
    for i in range(1000):
        analysis.send_monitor_message({"progress": (i + 1) / 1000, "status_text": f"part {i + 1}"})
    doubled = [2 * number + analysis.input_values["offset"] for number in numbers]
    analysis.output_values = {
        "total": sum(doubled),
        "note": analysis.input_values.get("note"),
        "configuration": analysis.configuration_values,
        "pid": os.getpid(),
    }
    if analysis.input_values.get("gap"):
        analysis.output_values["series"] = [{"speed": 7.5}, {"speed": float("nan")}]
    folder = Path(analysis.output_manifest.get_dataset("numbers").path)
    (folder / "numbers.txt").write_text("\n".join(map(str, doubled)))
