"""What `TwineAppOperator` promises, task by task, without a DAG run."""

import inspect
import json
import logging
import os
from pathlib import Path

import pytest

pytest.importorskip("airflow")

from airflow.sdk import DAG, BaseOperator, ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException

from fairlead.adapters.cache import ResultCache
from fairlead.adapters.diagnostics import Diagnostics
from fairlead.adapters.errors import AppRaised, InputInvalid
from fairlead.adapters.isolation import ChildProcess
from fairlead.adapters.perform import perform
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import TwineApp
from fairlead.operators import TwineAppOperator
from fairlead.operators.host import AirflowHost


@pytest.fixture
def numbers(tmp_path):
    folder = tmp_path / "numbers"
    folder.mkdir()
    (folder / "numbers.txt").write_text("1\n2\n3\n")
    return folder


@pytest.fixture
def double(apps, tmp_path):
    """Make an operator that runs the app `double`."""

    def make(**arguments):
        defaults = {"app": apps / "double", "input_values": {"offset": 1}, "cache": tmp_path / "cache"}
        return TwineAppOperator(task_id="double", **defaults | arguments)

    return make


@pytest.fixture
def in_python(apps, tmp_path):
    """Do the same work outside of Airflow."""

    def run(inputs):
        cache = ResultCache(tmp_path / "cache")
        return perform(TwineApp(apps / "double"), inputs, RecordingHost(), cache=cache, isolation=ChildProcess())

    return run


def test_it_returns_the_outcome_as_plain_json(double, numbers, context, is_json):
    outcome = double(input_manifest={"datasets": {"numbers": str(numbers)}}).execute(context)

    assert is_json(outcome)
    assert not outcome["cached"]
    assert outcome["outputs"]["output_values"]["total"] == 15
    (file,) = outcome["files"]
    assert Path(file["location"]).read_text() == "3\n5\n7"


def test_each_output_is_also_an_xcom_under_its_own_name(double, context):
    outcome = double().execute(context)

    assert context["ti"].pushed == outcome["outputs"]
    assert set(outcome["outputs"]) == {"output_values", "output_manifest"}


def test_an_operator_that_pushes_no_xcom_pushes_none_of_its_outputs(double, context):
    double(do_xcom_push=False).execute(context)

    assert not context["ti"].pushed


def test_work_done_outside_of_airflow_is_a_hit(double, in_python, numbers, context):
    there = in_python({"input_values": {"offset": 1}, "input_manifest": {"datasets": {"numbers": str(numbers)}}})
    here = double(input_manifest={"datasets": {"numbers": numbers}}).execute(context)

    assert here["cached"]
    times = {"cached": True, "seconds": here["seconds"]}
    assert repr(here) == repr(there.to_dict() | times)


def test_refresh_runs_the_app_again(double, context):
    double().execute(context)

    assert double().execute(context)["cached"]
    assert not double(refresh=True).execute(context)["cached"]


def test_the_cache_is_that_of_the_environment_if_none_is_given(double, context, monkeypatch, tmp_path):
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "elsewhere"))

    assert double(cache=None).execute(context)["log"].startswith(str(tmp_path / "elsewhere"))


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_the_app_runs_in_the_isolation_asked_for(double, context, isolation):
    assert double(isolation=isolation).execute(context)["outputs"]["output_values"]["total"] == 1


def test_the_app_runs_in_a_process_of_its_own_unless_asked_otherwise(double, context):
    def pid_of(**arguments):
        return double(**arguments).execute(context)["outputs"]["output_values"]["pid"]

    assert pid_of() != os.getpid()
    assert pid_of(isolation="thread", refresh=True) == os.getpid()


@pytest.mark.parametrize("kind", [str, Path, lambda path: ObjectStoragePath(f"file://{path}")])
def test_paths_of_every_kind_are_taken(double, numbers, tmp_path, context, kind):
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"datasets": {"numbers": "numbers"}}))
    by_file = double(input_manifest=kind(manifest), app=kind(double().app), cache=kind(double().cache)).execute(context)
    by_folder = double(input_manifest={"datasets": {"numbers": kind(numbers)}}).execute(context)
    files = [kind(numbers / "numbers.txt")]
    by_files = double(input_manifest={"datasets": {"numbers": {"files": files}}}).execute(context)

    assert by_file["outputs"]["output_values"]["total"] == 15
    assert (by_folder["cached"], by_files["cached"]) == (True, True)


def test_a_path_with_a_connection_is_refused_because_the_app_cannot_use_it(double, context):
    manifest = {"datasets": {"numbers": ObjectStoragePath("memory://store@bucket/numbers")}}

    with pytest.raises(AirflowFailException, match=r"input_manifest\.datasets\.numbers: .* connection 'store'"):
        double(input_manifest=manifest).execute(context)


def test_making_an_operator_reads_nothing_and_checks_no_input(context):
    operator = TwineAppOperator(task_id="task", app="/nowhere", input_values=object())

    operator.input_values = None
    with pytest.raises(AirflowFailException, match="/nowhere is not there"):
        operator.execute(context)


def test_every_argument_is_kept_as_it_was_given_under_its_own_name(double):
    given = {
        name: object()
        for name, parameter in inspect.signature(TwineAppOperator).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and not hasattr(BaseOperator, name)
    }
    given |= {"isolation": "thread", "on_silence": "stop", "silence_limit": 1.5, "output_limit": 7}
    operator = TwineAppOperator(task_id="task", **given)

    assert {name: getattr(operator, name) for name in given} == given
    assert set(TwineAppOperator.template_fields) <= set(given)


def test_templates_are_rendered_at_any_depth(double, context, tmp_path):
    with DAG("dag", schedule=None):
        operator = double(
            input_values={"offset": 1, "note": "{{ params.site }}"},
            input_manifest={"datasets": {"numbers": {"files": ["{{ params.root }}/numbers.txt"]}}},
            cache="{{ params.root }}/cache",
        )
    (tmp_path / "numbers.txt").write_text("4")
    operator.render_template_fields({"params": {"site": "Sand Point", "root": str(tmp_path)}})
    outcome = operator.execute(context)

    assert (outcome["outputs"]["output_values"]["total"], outcome["outputs"]["output_values"]["note"]) == (
        9,
        "Sand Point",
    )
    assert outcome["log"].startswith(f"{tmp_path}/cache")


def test_the_braces_in_a_json_file_are_the_apps_own(double, context, tmp_path):
    values = tmp_path / "values.json"
    values.write_text('{"offset": 1, "note": "{{ not a template }}"}')
    with DAG("dag", schedule=None, template_searchpath=str(tmp_path)):
        operator = double(input_values=str(values))
    operator.resolve_template_files()
    operator.render_template_fields({})

    assert operator.execute(context)["outputs"]["output_values"]["note"] == "{{ not a template }}"


def test_the_error_of_an_app_shows_its_message_its_last_lines_and_where_the_log_is(apps, tmp_path, context, log):
    values = {"ledger": str(tmp_path / "ledger"), "failures": 1}
    operator = TwineAppOperator(task_id="task", app=apps / "flaky", input_values=values, cache=tmp_path / "cache")
    with pytest.raises(AppRaised) as caught:
        operator.execute(context)

    message = str(caught.value)
    assert "The app raised app.SensorOffline: no answer from mast 7" in message
    assert "this is try 1" in message
    (run_log,) = (tmp_path / "cache").rglob("*.ndjson")
    assert str(run_log) in message
    (traceback,) = [line for level, _, line in log() if level == "error"]
    assert 'raise SensorOffline("no answer from mast 7")' in traceback


@pytest.mark.parametrize("given", ["operator", "environment"])
def test_an_app_that_fails_leaves_diagnostics_where_they_are_asked_for(apps, tmp_path, context, monkeypatch, given):
    values = {"ledger": str(tmp_path / "ledger"), "failures": 1}
    wish = {"url": "{{ params.root }}/left", "when": "crash"} if given == "operator" else None
    if given == "environment":
        monkeypatch.setenv("FAIRLEAD_DIAGNOSTICS", str(tmp_path / "left"))
    with DAG("dag", schedule=None):
        operator = TwineAppOperator(task_id="task", app=apps / "flaky", input_values=values, diagnostics=wish)
    operator.render_template_fields({"params": {"root": str(tmp_path)}})
    with pytest.raises(AppRaised, match="fairlead replay") as caught:
        operator.execute(context)

    (bundle,) = (tmp_path / "left").iterdir()
    assert caught.value.diagnostics == str(bundle)
    assert json.loads((bundle / "run.json").read_text())["run"] == {"id": "dag/run/task/-1", "attempt": 1}


def test_diagnostics_that_are_not_understood_fail_the_task(double, context):
    with DAG("dag", schedule=None):
        operator = double(diagnostics={"url": "/tmp", "when": "{{ params.when }}"})
    operator.render_template_fields({"params": {"when": "sometimes"}})
    with pytest.raises(AirflowFailException, match="'sometimes' is not known"):
        operator.execute(context)


def test_a_wish_for_diagnostics_is_taken_as_it_is(double):
    wish = Diagnostics("/left/{{ params.root }}")
    with DAG("dag", schedule=None):
        operator = double(diagnostics=wish)
    operator.render_template_fields({"params": {"root": "here"}})
    assert operator.diagnostics is wish


@pytest.mark.parametrize(
    ("option", "value", "where"),
    [
        ("isolation", "docker", "isolation"),
        ("on_silence", "{{ params.on_silence }}", "on_silence"),
        ("silence_limit", 0, "silence_limit"),
        ("output_limit", -3, "output_limit"),
        ("diagnostics", {"foo": 1}, "diagnostics"),
        ("diagnostics", '{"url": "/tmp", "when": "sometimes"}', "diagnostics.when"),
        ("diagnostics", 5, "diagnostics"),
        ("app", None, "app"),
        ("app", ["apps/wind"], "app"),
    ],
)
def test_an_option_that_no_run_can_have_is_told_when_the_file_is_parsed(double, option, value, where):
    with pytest.raises(InputInvalid) as caught:
        double(**{option: value})
    assert [problem.where for problem in caught.value.problems] == [where]


def test_templates_and_outputs_of_other_tasks_are_left_to_the_run(double):
    with DAG("dag", schedule=None):
        other = double()
        for task_id, wish in enumerate(
            ["{{ x }}", "{% raw %}", '{"url": "{{ x }}"}', {"url": ["{{ x }}"], "foo": 1}, other.output]
        ):
            TwineAppOperator(task_id=f"t{task_id}", app="{{ x }}", diagnostics=wish)
        TwineAppOperator(task_id="after", app=other.output["app"], diagnostics=Path("left"))


def test_a_failure_that_would_repeat_itself_fails_the_task_with_the_whole_message(double, context):
    with pytest.raises(AirflowFailException) as caught:
        double(input_values={"offset": 0.5, "note": 1}).execute(context)

    assert isinstance(caught.value.__cause__, InputInvalid)
    assert str(caught.value) == str(caught.value.__cause__)
    assert "input_values.offset: 0.5 is not an integer" in str(caught.value)
    assert "input_values.note: 1 is not a string" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "helps"),
    [
        ({"offset": "{{ params.offset }}"}, True),
        ({"offset": "{% if params.offset %}high{% endif %}"}, True),
        ({"offset": 1, "note": ["{{ params.offset }}"]}, True),
        ("{{ params }}", True),
        ({"offset": "3"}, False),
        ({"offset": 0.5, "note": "{{ params.offset }}"}, False),
    ],
)
def test_an_invalid_value_that_a_template_has_made_comes_with_the_remedy(double, context, values, helps):
    with DAG("dag", schedule=None):
        operator = double(input_values=values)
    operator.render_template_fields({"params": {"offset": 3}})
    with pytest.raises(AirflowFailException) as caught:
        operator.execute(context)

    assert ("render_template_as_native_obj=True" in str(caught.value)) == helps


def test_a_template_of_a_mapped_task_comes_with_the_remedy_too(apps, tmp_path, context):
    with DAG("dag", schedule=None):
        arguments = {"task_id": "task", "app": apps / "double", "input_values": {"offset": "{{ params.offset }}"}}
        mapped = TwineAppOperator.partial(**arguments).expand(cache=[str(tmp_path)])
    operator = mapped.unmap({"cache": str(tmp_path)}).prepare_for_execution()
    operator.render_template_fields({"params": {"offset": 3}})
    with pytest.raises(AirflowFailException, match="render_template_as_native_obj=True"):
        operator.execute(context)


def test_a_number_that_no_xcom_can_hold_fails_the_task_and_is_named(double, context):
    with pytest.raises(AirflowFailException, match=r"output_values\.series\[1\]\.speed: nan is not JSON"):
        double(input_values={"offset": 1, "gap": True}).execute(context)


def test_the_host_is_named_after_the_task_instance_and_its_try(context):
    context["ti"].map_index, context["ti"].try_number = 4, 2
    host = AirflowHost(context["ti"])

    assert (host.run_id, host.attempt, host.deadline) == ("dag/run/task/4", 2, None)


def test_what_an_app_says_is_logged_with_its_level_and_its_source(double, context, log):
    double().execute(context)

    assert [line for line in log() if line[1] == "double.arithmetic"] == [
        ("info", "double.arithmetic", "There are 1 numbers."),
        ("warning", "double.arithmetic", "They are doubled."),
        ("info", "double.arithmetic", "A level between two."),
    ]
    assert ("info", "stdout", "printed") in log()
    assert ("info", "monitor", '{"unit": "apples"}') in log()


def test_the_log_ends_with_where_the_files_are(double, context, log):
    outcome = double().execute(context)

    place = outcome["outputs"]["output_manifest"]["datasets"]["numbers"]["path"]
    assert log()[-1] == ("info", "fairlead", f"numbers: 1 file in {place}")


def test_progress_is_one_line_per_ten_percent(double, context, log):
    double().execute(context)

    shown = [message for _, source, message in log() if source == "progress"]
    assert shown == [f"{tenth * 10:3}%  part {tenth * 100}" for tenth in range(1, 11)]
    assert len([message for *_, message in log() if "part" in message]) == len(shown)


def test_slow_progress_is_shown_once_a_minute(context, log, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("fairlead.operators.host.time.monotonic", lambda: clock[0])
    host = AirflowHost(context["ti"])
    for second in range(0, 300, 20):
        clock[0] = second
        host.show_progress(second / 1e6, f"after {second} s")

    assert [message.split("  ")[-1] for *_, message in log()] == ["after 80 s", "after 160 s", "after 240 s"]


@pytest.mark.parametrize(("level", "shown"), [(logging.INFO, "info"), (25, "info"), (35, "warning"), (99, "critical")])
def test_a_level_that_airflow_does_not_know_becomes_the_next_lower_one(context, log, level, shown):
    AirflowHost(context["ti"]).write(level, "app", "message")

    assert log() == [(shown, "app", "message")]


FARM = Path(__file__).parents[1] / "contract" / "apps" / "farm"


def test_datasets_go_to_the_output_location_and_children_are_asked_where_the_operator_says(context, tmp_path):
    (tmp_path / "losses.txt").write_text("0.5")
    (tmp_path / "curve").mkdir()
    (tmp_path / "curve" / "twine.json").write_text('{"input_values_schema": {}, "output_values_schema": {}}')
    (tmp_path / "curve" / "app.py").write_text("def run(analysis): analysis.output_values = {'power': 10}")
    farm = TwineAppOperator(
        task_id="farm",
        app=FARM,
        input_values={"count": 1, "speeds": [3, 4]},
        input_manifest={"datasets": {"losses": {"files": [str(tmp_path / "losses.txt")]}}},
        children={"curve": tmp_path / "curve"},
        output_location=tmp_path / "there",
        cache=tmp_path / "cache",
    )
    outputs = farm.execute(context)["outputs"]
    assert outputs["output_values"] == {"energy": 20.0}
    powers = Path(outputs["output_manifest"]["datasets"]["powers"]["path"])
    assert powers.is_relative_to(tmp_path / "there")
    assert (powers / "powers.csv").read_text() == "10\n10\n"
    assert {"children", "output_location"} <= set(TwineAppOperator.template_fields)
