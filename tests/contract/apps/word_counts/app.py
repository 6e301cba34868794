"""Counts words: the smallest app that has every strand and needs nothing but Python."""

import csv
import re
from collections import Counter
from pathlib import Path


def run(analysis):
    shortest = analysis.input_values["shortest"]
    words = Counter()
    for file in analysis.input_manifest.get_dataset("texts").files:
        text = Path(file.local_path).read_text(encoding="utf-8")
        if analysis.configuration_values["ignore_case"]:
            text = text.lower()
        words.update(word for word in re.findall(r"\w+", text) if len(word) >= shortest)
    analysis.output_values = {
        "words": sum(words.values()),
        "ratio": len(words) / sum(words.values()),
        # What lesser encodings lose.
        "awkward": [5e-324, 0.1 + 0.2, -0.0, 1e22, 2**70, "é \U0001f600", None, {"z": 1, "a": {}}],
    }
    folder = Path(analysis.output_manifest.get_dataset("counts").path)
    with (folder / "counts.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(sorted(words.items()))
