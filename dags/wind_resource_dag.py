"""The wind study as an Airflow DAG.

Where this folder is Airflow's DAGs folder, or in it, Airflow runs it on request and asks for the parameters;
`python dags/wind_resource_dag.py` runs it once in this process then.
"""

from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, task

from fairlead.operators import TwineAppOperator

APP = Path(__file__).parent / "apps" / "wind_resource"


@task
def find_weather() -> dict[str, Any]:
    """Return an input manifest with a TMY3 file that the pvlib package brings along: a year at Sand Point, Alaska."""
    pvlib = find_spec("pvlib")
    if pvlib is None or pvlib.origin is None:
        raise ModuleNotFoundError("pvlib brings the weather of this study. Install it where this task runs.")
    return {"datasets": {"weather": {"files": [str(Path(pvlib.origin).parent / "data" / "703165TY.csv")]}}}


@task
def report(study: dict[str, Any]) -> None:
    """Print what came of the study, as any task after it could use it."""
    values = study["outputs"]["output_values"]
    print(f"Mean wind speed {values['mean_wind_speed']:.2f} m/s, power density {values['power_density']:.0f} W/m2")


with DAG(
    "wind_resource",
    schedule=None,
    # So that "{{ params.hub_height }}" is a number and not a text.
    render_template_as_native_obj=True,
    params={
        "measurement_height": Param(10, type="number", title="Measurement height [m]"),
        "hub_height": Param(80, type="number", title="Hub height [m]"),
        "roughness_length": Param(0.03, type="number", title="Roughness length of the terrain [m]"),
        "sector_count": Param(12, type="integer", title="Number of direction sectors"),
        "air_density_method": Param("measured", enum=["standard", "measured", "altitude"], title="Air density"),
    },
) as dag:
    wind_resource = TwineAppOperator(
        task_id="wind_resource",
        app=APP,
        input_values={
            "measurement_height": "{{ params.measurement_height }}",
            "hub_height": "{{ params.hub_height }}",
            "roughness_length": "{{ params.roughness_length }}",
            "sector_count": "{{ params.sector_count }}",
        },
        input_manifest=find_weather(),
        configuration_values={"air_density_method": "{{ params.air_density_method }}"},
        retries=2,
        execution_timeout=timedelta(minutes=10),
    )
    report(wind_resource.output)

if __name__ == "__main__":
    dag.test()
