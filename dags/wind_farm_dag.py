"""The wind farm study of `wind_farm.py` as an Airflow DAG.

Where this folder is Airflow's DAGs folder, Airflow runs it on request and asks for the workflow's inputs;
`python dags/wind_farm_dag.py` runs it once in this process then.
"""

from wind_farm import wind_farm

from fairlead.operators import workflow_dag

dag = workflow_dag(wind_farm(), schedule=None)

if __name__ == "__main__":
    dag.test()
