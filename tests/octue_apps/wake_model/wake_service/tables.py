"""The turbine's thrust, from a table that lies in the package."""

import csv
import os

with open(os.path.join(os.path.dirname(__file__), "data", "thrust.csv")) as stream:
    TABLE = [(float(row["speed"]), float(row["thrust"])) for row in csv.DictReader(stream)]


def thrust_coefficient(speed):
    return next(thrust for limit, thrust in reversed(TABLE) if speed >= limit)
