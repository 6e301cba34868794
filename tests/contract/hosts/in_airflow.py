"""Run jobs as the tasks of one Airflow DAG run, with `dag.test()`: python in_airflow.py JOBS RESULTS."""

import json
import sys
from pathlib import Path

from airflow.sdk import DAG, task

from fairlead.operators import TwineAppOperator


@task
def report(outcomes):
    Path(sys.argv[2]).write_text(json.dumps(list(outcomes)))


with DAG("jobs", schedule=None) as dag:
    tasks = [
        TwineAppOperator(task_id=f"job_{number}", **job)
        for number, job in enumerate(json.loads(Path(sys.argv[1]).read_text()))
    ]
    report([each.output for each in tasks])

if __name__ == "__main__":
    sys.exit(dag.test().state != "success")
