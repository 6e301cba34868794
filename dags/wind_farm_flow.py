"""The wind farm study of `wind_farm.py` as a Prefect flow.

`python dags/wind_farm_flow.py` runs it once on an ephemeral server. To let a Prefect server run it, on request or on a
schedule, call `wind_farm.serve()` instead.
"""

from wind_farm import wind_farm as study

from fairlead.flows import workflow_flow

wind_farm = workflow_flow(study())

if __name__ == "__main__":
    print(wind_farm()["report"]["decision"])
