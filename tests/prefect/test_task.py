"""A task of a twine app: what it returns, when it is retried, and how it is stopped."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

pytest.importorskip("prefect")

from prefect import unmapped
from prefect.states import Failed
from prefect.task_runners import ThreadPoolTaskRunner

from fairlead.adapters import errors
from fairlead.adapters.cache import ResultCache
from fairlead.adapters.isolation import named
from fairlead.adapters.perform import perform
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import TwineApp
from fairlead.flows import twine_task
from fairlead.flows.tasks import is_retryable


def subclasses(cls):
    return [cls, *(deeper for direct in cls.__subclasses__() for deeper in subclasses(direct))]


def test_a_task_returns_the_outcome_of_perform_as_plain_json(write_app, tmp_path):
    weather = tmp_path / "weather"
    weather.mkdir()
    (weather / "hours.csv").write_text("1\n2\n")
    app = write_app(
        """
        hours = analysis.input_manifest.get_dataset("weather").files.one().local_path
        with open(analysis.output_manifest.get_dataset("sums").path + "/sum.txt", "w") as file:
            file.write(str(sum(map(int, open(hours)))))
        analysis.output_values = {"scale": analysis.configuration_values["scale"] * analysis.input_values["n"]}
        """,
        configuration_values_schema={"type": "object"},
        input_manifest={"datasets": {"weather": {}}},
        output_manifest={"datasets": {"sums": {}}},
    )
    manifest = {"datasets": {"weather": str(weather)}}
    outcome = perform(
        TwineApp(app, configuration_values={"scale": 0.5}),
        {"input_values": {"n": 3}, "input_manifest": manifest},
        RecordingHost(),
        cache=ResultCache(tmp_path / "another cache"),
        isolation=named("process"),
    ).to_dict()

    result = twine_task(app, configuration_values={"scale": 0.5})({"n": 3}, manifest)

    assert json.loads(json.dumps(result)) == result
    assert result.keys() == outcome.keys()
    for same in ("unit", "fingerprint", "cached"):
        assert result[same] == outcome[same]
    assert result["outputs"]["output_values"] == {"scale": 1.5} == outcome["outputs"]["output_values"]
    (file,) = result["files"]
    assert (file["name"], file["digest"]) == ("sums/sum.txt", outcome["files"][0]["digest"])
    assert Path(file["location"]).read_text() == "3"


def test_a_retryable_error_is_retried(write_app, runs, tmp_path):
    app = write_app(
        f"""
        with open({str(tmp_path / "runs")!r}, "a+") as file:
            file.write("run\\n")
            file.seek(0)
            count = len(file.readlines())
        if count < 3:
            raise OSError("the licence server is busy")
        analysis.output_values = {{"count": count}}
        """
    )
    result = twine_task(app, retries=5)({})
    assert result["outputs"]["output_values"] == {"count": 3}
    assert runs() == 3


def test_retries_come_to_an_end(write_app, runs, tmp_path):
    app = write_app(f"open({str(tmp_path / 'runs')!r}, 'a').write('run\\n')\nraise ValueError('no')")
    with pytest.raises(errors.AppRaised, match="ValueError: no"):
        twine_task(app, retries=1)({})
    assert runs() == 2


def test_invalid_input_fails_the_task_with_every_problem_and_is_not_retried(doubling, runs, caplog):
    task = twine_task(doubling, retries=5)
    with pytest.raises(errors.InputInvalid) as raised:
        task({"n": object()}, {"datasets": {}})
    assert [problem.where for problem in raised.value.problems] == ["input_values.n", "input_manifest"]
    assert runs() == 0
    assert "cache key" not in caplog.text
    assert not [record for record in caplog.records if "Retr" in record.getMessage()]


def test_invalid_output_is_not_retried(write_app, runs, tmp_path):
    app = write_app(
        f"open({str(tmp_path / 'runs')!r}, 'a').write('run\\n')\nanalysis.output_values = {{'n': 'one'}}",
        output_values_schema={"type": "object", "properties": {"n": {"type": "number"}}},
    )
    with pytest.raises(errors.OutputInvalid):
        twine_task(app, retries=5)({})
    assert runs() == 1


@pytest.mark.parametrize("cls", subclasses(errors.FairleadError))
def test_prefect_retries_what_the_error_says(cls):
    error = cls.__new__(cls)
    assert is_retryable(None, None, Failed(data=error)) is cls.retryable


def test_what_does_not_say_that_it_can_be_retried_is_not():
    assert is_retryable(None, None, Failed(data=OSError("full"))) is False


def test_an_unknown_isolation_is_told_when_the_task_is_made(doubling):
    with pytest.raises(errors.InputInvalid, match="'vm' is not known"):
        twine_task(doubling, isolation="vm")


@pytest.mark.parametrize(
    "wrong", [{"timeout": -4}, {"output_limit": -3}, {"on_silence": "foo"}, {"silence_limit": -1}, {"app": None}]
)
def test_an_option_that_no_run_can_have_is_told_when_the_task_is_made(doubling, wrong):
    with pytest.raises(errors.InputInvalid) as caught:
        twine_task(**{"app": doubling, "isolation": "thread"} | wrong)
    assert [problem.where for problem in caught.value.problems] == [*wrong]


@pytest.mark.parametrize("given", ["task", "environment"])
def test_an_app_that_fails_leaves_diagnostics_where_they_are_asked_for(write_app, tmp_path, monkeypatch, given):
    place = str(tmp_path / "left")
    if given == "environment":
        monkeypatch.setenv("FAIRLEAD_DIAGNOSTICS", place)
    task = twine_task(write_app("raise ValueError('no')"), diagnostics=place if given == "task" else None, retries=1)
    with pytest.raises(errors.AppRaised, match="fairlead replay") as raised:
        task({"n": 1})
    bundles = [json.loads(path.read_text()) for path in Path(place).glob("*/run.json")]
    assert sorted(bundle["run"]["attempt"] for bundle in bundles) == [1, 2]
    assert raised.value.diagnostics.startswith(place)


def test_diagnostics_that_are_not_understood_are_told_when_the_task_is_made(doubling):
    with pytest.raises(errors.InputInvalid, match="'sometimes' is not known"):
        twine_task(doubling, diagnostics={"url": "/tmp", "when": "sometimes"})


def test_a_timeout_stops_the_app_and_its_child_in_a_worker_thread(write_app, pids):
    task = twine_task(write_app(pids.body), timeout=1.5)
    with ThreadPoolTaskRunner() as runner:
        state = runner.submit(task, {"input_values": {}})
        started = pids.wait()
        state.wait(60)
    assert len(started) == 2
    assert pids.living(started) == []
    with pytest.raises(errors.TimedOut):
        state.result()


def test_an_app_that_hangs_is_reported_or_stopped(write_app, caplog):
    app = write_app("import time; time.sleep(1); analysis.output_values = {}")
    assert twine_task(app, silence_limit=0.3)({})["outputs"] == {"output_values": {}}
    assert "[fairlead] The run has sent nothing for 0.3 s; it may hang." in caplog.messages
    with pytest.raises(errors.Hung):
        twine_task(app, silence_limit=0.3, on_silence="stop", refresh=True)({})


def test_an_app_that_prints_too_much_is_stopped_and_not_retried(write_app, runs, tmp_path):
    app = write_app(f"open({str(tmp_path / 'runs')!r}, 'a').write('run\\n')\nwhile True: print('x' * 100)")
    with pytest.raises(errors.OutputFlooded):
        twine_task(app, output_limit=10_000, retries=3)({})
    assert runs() == 1


def test_an_app_runs_in_a_process_of_its_own_unless_asked_otherwise(write_app):
    app = write_app("import os; analysis.output_values = {'pid': os.getpid()}")

    def pid_of(**arguments):
        return twine_task(app, **arguments)({})["outputs"]["output_values"]["pid"]

    assert pid_of() != os.getpid()
    assert pid_of(isolation="thread", refresh=True) == os.getpid()


def test_mapped_tasks_run_apps_apart_from_each_other(write_app):
    app = write_app(
        """
        import os, shared
        shared.seen.append(analysis.input_values["n"])
        analysis.output_values = {"seen": shared.seen, "pid": os.getpid(), "folder": os.getcwd()}
        """
    )
    (app / "shared.py").write_text("seen = []\n")
    task = twine_task(app)
    with ThreadPoolTaskRunner(max_workers=2) as runner:
        futures = runner.map(task, {"input_values": [{"n": n} for n in range(5)], "input_manifest": unmapped(None)})
        values = [future.result()["outputs"]["output_values"] for future in futures]
    assert [value["seen"] for value in values] == [[n] for n in range(5)]
    assert len({value["pid"] for value in values}) == len({value["folder"] for value in values}) == 5


def test_a_task_is_a_plain_function_without_prefect(doubling, caplog):
    with caplog.at_level(logging.INFO):
        result = twine_task(doubling).fn({"n": 4})
    assert result["outputs"] == {"output_values": {"twice": 8}}
    assert [record.name for record in caplog.records if "done in" in record.getMessage()] == ["fairlead.run"]


def test_the_task_is_named_for_the_app(doubling):
    assert twine_task(doubling).name == "doubling"
    assert twine_task(doubling).task_key.startswith("doubling-")
    assert twine_task(doubling, name="twice", tags=["small"]).name == "twice"
    assert twine_task(doubling, tags=["small"]).tags == {"small"}


FARM = Path(__file__).parents[1] / "contract" / "apps" / "farm"


def test_datasets_go_to_the_output_location_and_children_are_asked_where_the_task_says(write_app, tmp_path):
    (tmp_path / "losses.txt").write_text("0.5")
    curve = write_app("analysis.output_values = {'power': 10}")
    farm = twine_task(FARM, children={"curve": str(curve)}, output_location=tmp_path / "there")
    losses = {"datasets": {"losses": {"files": [str(tmp_path / "losses.txt")]}}}
    outputs = farm({"count": 1, "speeds": [3, 4]}, losses)["outputs"]
    assert outputs["output_values"] == {"energy": 20.0}
    powers = Path(outputs["output_manifest"]["datasets"]["powers"]["path"])
    assert powers.is_relative_to(tmp_path / "there")
    assert (powers / "powers.csv").read_text() == "10\n10\n"
