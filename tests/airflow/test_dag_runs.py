"""What holds when Airflow runs a DAG: XComs between tasks, templates, retries, mapping and the cache."""

import json

import pytest

pytest.importorskip("airflow")


@pytest.fixture
def numbers(tmp_path):
    (tmp_path / "numbers").mkdir()
    (tmp_path / "numbers" / "numbers.txt").write_text("1\n2\n3\n")


def states(run):
    return {(ti.task_id, ti.map_index): (ti.state, ti.try_number) for ti in run.get_task_instances()}


def xcom(run, task_id, key="return_value", map_index=-1):
    return run.get_task_instance(task_id, map_index=map_index).xcom_pull(task_id, key=key, map_indexes=map_index)


def test_tasks_hand_on_manifests_and_outputs_and_a_second_run_is_found_in_the_cache(run_dag, numbers, is_json):
    runs = [run_dag("chain", offset=1), run_dag("chain", offset=1)]

    for run in runs:
        assert {state for state, _ in states(run).values()} == {"success"}
        assert xcom(run, "report") == {"from the outcome": 15, "total": 30}
    (first, again) = (xcom(run, "first") for run in runs)
    assert (first["cached"], again["cached"]) == (False, True)
    assert first["fingerprint"] == again["fingerprint"]
    assert is_json(first)


def test_what_the_task_returns_comes_out_of_the_database_as_it_went_in(run_dag, numbers, tmp_path):
    run = run_dag("chain")
    outcome = xcom(run, "first")

    (kept, _) = sorted((tmp_path / "cache").rglob("outcome.json"), key=lambda path: path.stat().st_mtime)
    outputs = json.loads(kept.read_text())["outputs"]
    assert repr(outcome["outputs"]["output_values"]) == repr(outputs["output_values"])
    assert xcom(run, "first", "output_values") == outcome["outputs"]["output_values"]


def test_an_app_that_fails_is_retried_and_an_input_that_is_wrong_is_not(run_dag, tmp_path):
    run = run_dag("retried")

    assert states(run) == {("flaky", -1): ("success", 3), ("invalid", -1): ("failed", 1)}
    assert (tmp_path / "ledger").read_text() == "try\n" * 3
    assert xcom(run, "flaky")["outputs"]["output_values"] == {"tries": 3}


def test_a_mapped_operator_runs_once_for_each_input_and_another_takes_all_its_outputs(run_dag):
    run = run_dag("mapped")

    totals = [xcom(run, "each", map_index=index)["outputs"]["output_values"]["total"] for index in (0, 1)]
    assert totals == [1, 20]
    configuration = xcom(run, "all")["outputs"]["output_values"]["configuration"]
    assert [values["total"] for values in configuration["of each"]] == totals


def test_a_task_that_takes_too_long_ends_with_everything_that_it_started(run_dag, tmp_path, wait_until_gone, log):
    run = run_dag("late")

    assert states(run) == {("late", -1): ("failed", 1)}
    pids = json.loads((tmp_path / "pids").read_text())
    wait_until_gone(pids["app"], pids["grandchild"], limit=0)
    (message,) = [message for level, source, message in log() if (level, source) == ("error", "fairlead")]
    assert str(tmp_path / "cache") in message
