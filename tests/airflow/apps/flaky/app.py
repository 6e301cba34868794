"""Fails a number of times before it works; every try is written down in the ledger."""

from pathlib import Path


class SensorOffline(Exception):
    pass


def run(analysis):
    ledger = Path(analysis.input_values["ledger"])
    with ledger.open("a") as stream:
        stream.write("try\n")
    tries = len(ledger.read_text().splitlines())
    print(f"this is try {tries}")
    if tries <= analysis.input_values["failures"]:
        raise SensorOffline("no answer from mast 7")
    analysis.output_values = {"tries": tries}
