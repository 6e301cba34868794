"""A program of its own: forces on a blade and the moment at its root."""

import json
import sys

with open(sys.argv[1]) as stream:
    case = json.load(stream)
print(f"{len(case['forces'])} elements", flush=True)
print("converged", file=sys.stderr)
moment = sum(force * radius for force, radius in zip(case["forces"], case["radii"], strict=True))
with open(sys.argv[2], "w") as stream:
    json.dump({"root_moment": moment}, stream)
