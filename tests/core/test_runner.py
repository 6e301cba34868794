"""Octue's `Runner`, as programs and the tests of apps use it."""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import json
import logging
import os
import re
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest

from fairlead.adapters.errors import AppInvalid
from fairlead.adapters.twine import Manifest
from fairlead.adapters.twine.children import ChildEmulator
from fairlead.adapters.twine.configuration import load_service_and_app_configuration
from fairlead.adapters.twine.run_record import RunRecord
from fairlead.adapters.twine.runner import Runner
from fairlead.adapters.twine.twined import Twine, exceptions

from .conftest import LIMIT

NUMBERS = {
    "input_values_schema": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}},
    "output_values_schema": {"type": "object", "required": ["m"]},
}
ANYTHING = {"input_values_schema": {"optional": True}, "output_values_schema": {}}


def double(analysis):
    analysis.output_values["m"] = 2 * analysis.input_values["n"]


class Doubler:
    def __init__(self, analysis):
        self.analysis = analysis

    def run(self):
        double(self.analysis)


@pytest.fixture
def folder(tmp_path):
    def make(name="study", *, twine=ANYTHING, **modules):
        path = tmp_path / name
        path.mkdir()
        (path / "twine.json").write_text(json.dumps(twine))
        for module, source in modules.items():
            (path / f"{module}.py").write_text(source)
        return path

    return make


@pytest.mark.parametrize("app", [double, Doubler, SimpleNamespace(run=double)])
def test_an_app_is_a_function_a_class_or_what_has_a_run(app):
    assert Runner(app, NUMBERS).run(input_values={"n": 4}).output_values == {"m": 8}


def test_an_app_is_a_folder_with_its_twine(folder, monkeypatch):
    path = folder(twine=NUMBERS, app="from helper import double\ndef run(analysis): double(analysis)",
                  helper="def double(a): a.output_values['m'] = 2 * a.input_values['n']")  # fmt: skip
    assert Runner(str(path), twine=str(path / "twine.json")).run(input_values={"n": 4}).output_values == {"m": 8}
    monkeypatch.chdir(path)
    assert Runner(".").run(input_values={"n": 5}).output_values == {"m": 10}
    assert not {"app", "helper"} & {*sys.modules}


@pytest.mark.parametrize("form", ["data", "text", "path", "file"])
def test_values_are_given_in_any_documented_form(form, tmp_path):
    path = tmp_path / "values.json"
    path.write_text('{"n": 4}')
    source = {"data": {"n": 4}, "text": '{"n": 4}', "path": str(path), "file": io.StringIO('{"n": 4}')}[form]
    assert Runner(double, json.dumps(NUMBERS)).run(input_values=source).output_values == {"m": 8}


def test_the_twine_may_be_loaded_already():
    assert Runner(double, Twine(NUMBERS)).run(input_values={"n": 1}).output_values == {"m": 2}


@pytest.mark.parametrize(
    ("inputs", "expected", "message"),
    [
        ({"input_values": {"n": "four"}}, exceptions.InvalidValuesContents, r"input_values\.n"),
        ({}, exceptions.TwineValueException, "input_values"),
        ({"input_values": {"n": 1}, "input_manifest": {"datasets": {}}}, exceptions.StrandNotFound, "input_manifest"),
        ({"input_values": "{"}, exceptions.InvalidValuesJson, "input_values"),
    ],
)
def test_what_breaks_the_contract_is_told_under_twineds_name(inputs, expected, message):
    with pytest.raises(expected, match=message):
        Runner(double, NUMBERS).run(**inputs)


def test_outputs_are_checked_when_the_app_has_returned():
    with pytest.raises(exceptions.InvalidValuesContents, match=r"output_values\.m: is missing"):
        Runner(lambda analysis: None, NUMBERS).run(input_values={"n": 1})


def test_outputs_that_the_app_has_finalised_are_not_checked_again():
    def run(analysis):
        double(analysis)
        analysis.finalise()
        analysis.output_values = {}

    assert Runner(run, NUMBERS).run(input_values={"n": 1}).finalised


def test_arrays_stay_arrays():
    def run(analysis):
        analysis.output_values["m"] = np.arange(3)

    assert isinstance(Runner(run, NUMBERS).run(input_values={"n": 1}).output_values["m"], np.ndarray)


def test_what_the_app_raises_is_raised_as_it_is():
    def run(analysis):
        raise LookupError("no such site")

    with pytest.raises(LookupError, match="no such site"):
        Runner(run, ANYTHING).run()


def test_an_app_with_two_entry_points_is_refused(folder):
    path = folder(app="def run(analysis): pass\nclass App: pass")
    with pytest.raises(AppInvalid, match="both"):
        Runner(str(path), str(path / "twine.json")).run()


def test_a_folder_without_an_app_is_named(tmp_path):
    with pytest.raises(AppInvalid, match=r"app\.py"):
        Runner(str(tmp_path), ANYTHING).run()


def test_the_callers_inputs_and_the_next_runs_configuration_are_not_changed(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    inputs, manifest = {"list": [1]}, Manifest({"data": str(tmp_path)})

    def run(analysis):
        analysis.input_values["list"].append(2)
        analysis.configuration_values["seen"] = True
        analysis.input_manifest.datasets.clear()
        analysis.output_values = dict(analysis.configuration_values)

    twine = {**ANYTHING, "configuration_values_schema": {}, "input_manifest": {"datasets": {"data": {}}}}
    runner = Runner(run, twine, configuration_values={"seen": False})
    runner.run(input_values=inputs, input_manifest=manifest)
    runner.run(input_values=inputs, input_manifest=manifest)
    assert (inputs, runner.configuration_values, [*manifest.datasets]) == ({"list": [1]}, {"seen": False}, ["data"])


def test_the_process_is_as_it_was(tmp_path):
    before = str(Path.cwd()), dict(os.environ), [*sys.path], [*logging.getLogger().handlers], logging.getLogger().level

    def run(analysis):
        os.chdir(tmp_path)
        os.environ["LEFT"] = "behind"
        sys.path.insert(0, "/nowhere")
        logging.getLogger().handlers.clear()
        logging.getLogger().setLevel(logging.ERROR)

    Runner(run, ANYTHING).run(analysis_log_level=logging.DEBUG)
    after = str(Path.cwd()), dict(os.environ), [*sys.path], [*logging.getLogger().handlers], logging.getLogger().level
    assert after == before


def test_two_apps_in_two_threads_get_their_own_modules(folder):
    barrier = threading.Barrier(2, timeout=LIMIT)
    source = (
        "from helper import NUMBER\n"
        "def run(analysis):\n"
        "    analysis.send_monitor_message('met')\n"
        "    import late\n"
        "    analysis.output_values = [NUMBER, late.NUMBER]\n"
    )
    twine = {**ANYTHING, "monitor_message_schema": {}}
    paths = [
        folder(str(number), twine=twine, app=source, helper=f"NUMBER = {number}", late=f"NUMBER = {number}")
        for number in (1, 2)
    ]

    def run(path: Path):
        runner = Runner(str(path), str(path / "twine.json"))
        return runner.run(handle_monitor_message=lambda _: barrier.wait()).output_values

    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(run, paths)] == [[1, 1], [2, 2]]


def test_the_handler_gets_the_apps_records_from_its_own_logger(folder):
    path = folder(app="import logging\nlogger = logging.getLogger(__name__)\ndef run(analysis): logger.info('hello')")
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    Runner(str(path), str(path / "twine.json")).run(analysis_log_handler=handler)
    assert ("app", "hello") in [(record.name, record.getMessage()) for record in records]


def test_the_log_level_holds_for_the_run_only():
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append

    def run(analysis):
        logging.getLogger("any").debug("debug")
        logging.getLogger("any").warning("warning")

    Runner(run, ANYTHING).run(analysis_log_handler=handler, analysis_log_level="WARNING")
    Runner(run, ANYTHING).run(analysis_log_handler=handler, analysis_log_level=logging.DEBUG)
    assert [record.getMessage() for record in records if record.name == "any"] == ["warning", "debug", "warning"]


def test_monitor_messages_reach_the_handler():
    received: list[object] = []
    twine = {**ANYTHING, "monitor_message_schema": {}}
    Runner(lambda analysis: analysis.send_monitor_message([1]), twine).run(handle_monitor_message=received.append)
    assert received == [[1]]


def test_a_wrong_periodic_message_fails_the_run():
    def run(analysis):
        analysis.set_up_periodic_monitor_message(lambda: "no number", period=0.001)
        analysis._periodic_monitor_message_sender_threads[0].join(LIMIT)

    with pytest.raises(Exception, match="'no number' is not a number"):
        Runner(run, {**ANYTHING, "monitor_message_schema": {"type": "number"}}).run()


def test_an_id_is_kept_and_one_that_is_no_uuid_is_made_into_one():
    identifier = str(uuid.uuid4())
    runner = Runner(lambda analysis: None, ANYTHING)
    assert runner.run(analysis_id=identifier).id == identifier
    first, second = (runner.run(analysis_id="scheduled__2026-01-01") for _ in range(2))
    assert first.id == second.id
    assert first.tags["run_id"] == "scheduled__2026-01-01"


def test_a_credential_that_is_missing_is_named(monkeypatch):
    monkeypatch.delenv("GRID_API_KEY", raising=False)
    with pytest.raises(exceptions.CredentialNotFound, match="GRID_API_KEY"):
        Runner(lambda analysis: None, {**ANYTHING, "credentials": [{"name": "GRID_API_KEY"}]}).run()


def test_children_are_made_of_the_class_that_a_test_may_replace():
    def run(analysis):
        analysis.output_values = analysis.children["loads"].ask(input_values={"n": 1})["output_values"]

    data = [{"key": "loads", "id": "wind/loads", "backend": {"name": "GCPPubSubBackend", "project_name": "p"}}]
    answer = {"type": "result", "output_values": [4], "output_manifest": None}
    emulator = ChildEmulator(id="wind/loads", messages=[answer])
    runner = Runner(run, {**ANYTHING, "children": [{"key": "loads"}]}, children=data)
    with patch("fairlead.adapters.twine.runner.Child", side_effect=[emulator]):
        assert runner.run().output_values == [4]


def test_output_datasets_are_beside_the_caller_and_go_to_the_output_location(tmp_path, monkeypatch, memory):
    monkeypatch.chdir(tmp_path)

    def run(analysis):
        with analysis.output_manifest.get_dataset("results") as dataset:
            from fairlead.adapters.twine import Datafile

            with Datafile(f"{dataset.path}/curve.csv", mode="w") as (datafile, stream):
                stream.write("1,2")
            dataset.add(datafile)

    twine = {"output_manifest": {"datasets": {"results": {}}}}
    analysis = Runner(run, twine, output_location=memory).run()
    assert (tmp_path / "results" / "curve.csv").read_text() == "1,2"
    there = analysis.output_manifest.get_dataset("results").path
    assert re.fullmatch(rf"{memory}/{analysis.id}-[0-9a-f]+/results", there)


def test_a_module_with_a_class_is_an_app():
    module = ModuleType("study")
    module.App = Doubler
    assert Runner(module, NUMBERS).run(input_values={"n": 4}).output_values == {"m": 8}


def test_the_twine_may_be_elsewhere_than_the_app(folder, tmp_path):
    path = folder(app="def run(analysis): analysis.output_values = 1")
    (path / "twine.json").unlink()
    assert Runner(str(path), {"output_values_schema": {}}).run().output_values == 1


def test_files_that_do_not_have_the_tags_that_are_asked_for_are_told(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    template = {"type": "object", "required": ["height"], "properties": {"height": {"type": "number"}}}
    twine = {"input_manifest": {"datasets": {"met": {"file_tags_template": template}}}}
    data = {"datasets": {"met": str(tmp_path)}}
    for manifest in (data, Manifest(**data)):
        with pytest.raises(exceptions.InvalidManifestContents, match=r"a\.txt.*height"):
            Runner(lambda analysis: None, twine).run(input_manifest=manifest)


def test_a_dataset_that_is_not_there_is_told_as_in_every_host(tmp_path):
    twine = {"input_manifest": {"datasets": {"met": {}}}}
    with pytest.raises(exceptions.InvalidManifestContents, match="nowhere"):
        Runner(lambda analysis: None, twine).run(input_manifest={"datasets": {"met": str(tmp_path / "nowhere")}})


def test_a_manifests_paths_are_relative_to_its_file(tmp_path):
    (tmp_path / "study" / "met").mkdir(parents=True)
    (tmp_path / "study" / "met" / "a.txt").write_text("a")
    (tmp_path / "study" / "manifest.json").write_text('{"datasets": {"met": "met"}}')
    names: list[str] = []

    def run(analysis):
        names.extend(file.name for file in analysis.input_manifest.get_dataset("met"))

    twine = {"input_manifest": {"datasets": {"met": {}}}}
    Runner(run, twine).run(input_manifest=str(tmp_path / "study" / "manifest.json"))
    assert names == ["a.txt"]


@pytest.mark.parametrize("positional", [(), ("my-project", "wind/study:1.0.0")])
def test_a_runner_is_made_of_a_services_configuration(folder, tmp_path, positional):
    path = folder(app="def run(analysis): analysis.output_values = analysis.configuration_values",
                  twine={"configuration_values_schema": {}, "output_values_schema": {}})  # fmt: skip
    entry = {
        "name": "study", "namespace": "wind", "configuration_values": {"n": 1}, "output_location": str(tmp_path / "o"),
        "use_signed_urls_for_output_datasets": True, "diagnostics_cloud_path": str(tmp_path / "d"),
    }  # fmt: skip
    (path / "octue.yaml").write_text(json.dumps({"services": [entry]}))
    service, app = load_service_and_app_configuration(path / "octue.yaml")
    runner = Runner.from_configuration(service, *(positional or (app,)))
    assert runner.run().output_values == {"n": 1}
    assert (runner.output_location, runner.use_signed_urls_for_output_datasets) == (str(tmp_path / "o"), True)
    assert runner.diagnostics_cloud_path == str(tmp_path / "d")
    assert runner.service_id == (positional[1] if positional else "wind/study")


def test_many_runs_at_once_neither_mix_nor_lose_modules(folder):
    source = (
        "import state\n"
        "def run(analysis):\n"
        "    import state as later\n"
        "    analysis.output_values = [state.N, later is state]\n"
    )
    paths = [folder(str(number), app=source, state=f"N = {number}") for number in range(3)]

    def run(number):
        path = paths[number % 3]
        return Runner(str(path), str(path / "twine.json")).run().output_values == [number % 3, True]

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(run, range(60)))
    assert not {"app", "state"} & {*sys.modules}


def test_what_others_import_meanwhile_disturbs_no_run(folder, monkeypatch):
    numbers = itertools.count()

    def others(_phase, _info):
        """Import something at a time when another thread may be in the middle of anything."""
        monkeypatch.setitem(sys.modules, f"of_another_thread_{next(numbers)}", ModuleType("of_another_thread"))

    path = folder(app="def run(analysis): pass")
    before = gc.get_threshold()
    gc.callbacks.append(others)
    gc.set_threshold(1)
    try:
        Runner(str(path), str(path / "twine.json")).run()
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(others)
    assert next(numbers)


def test_a_handler_of_a_run_that_has_ended_hears_no_other(folder):
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())

    def outer(analysis):
        Runner(lambda _: logging.getLogger("any").warning("inner"), ANYTHING).run(analysis_log_handler=handler)
        logging.getLogger("any").warning("outer")

    Runner(outer, ANYTHING).run()
    assert "inner" in records
    assert "outer" not in records


# Diagnostics


def test_a_broken_log_call_is_no_failure_of_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    twine = Twine(ANYTHING)
    record = RunRecord(str(tmp_path), "always", twine=twine, sources={}, app="app", located=None)
    record.handle(logging.LogRecord("any", logging.WARNING, __file__, 1, "%d", ("no number",), None))
    record.close()


def crash(analysis):
    logging.getLogger("any").warning("about to fail")
    analysis.input_values["n"] = "changed"
    raise LookupError("no such site")


@pytest.fixture
def bundles(tmp_path):
    def read():
        folders = sorted((tmp_path / "bundles").iterdir()) if (tmp_path / "bundles").exists() else []
        return [{path.name: path.read_text() for path in folder.iterdir() if path.is_file()} for folder in folders]

    return read


def test_a_crash_leaves_what_went_in_and_what_was_said(bundles, tmp_path):
    runner = Runner(crash, NUMBERS, crash_diagnostics_cloud_path=str(tmp_path / "bundles"))
    with pytest.raises(LookupError):
        runner.run(input_values={"n": 4}, sent_messages=[{"type": "heartbeat"}])
    (bundle,) = bundles()
    assert json.loads(bundle["input_values.json"]) == {"n": 4}
    assert json.loads(bundle["messages.json"]) == [{"type": "heartbeat"}]
    assert "about to fail" in bundle["events.ndjson"]
    assert "no such site" in bundle["run.json"]


def test_outputs_that_break_the_contract_leave_diagnostics_too(bundles, tmp_path):
    runner = Runner(lambda analysis: None, NUMBERS, diagnostics_cloud_path=str(tmp_path / "bundles"))
    with pytest.raises(exceptions.InvalidValuesContents):
        runner.run(input_values={"n": 4})
    assert len(bundles()) == 1


@pytest.mark.parametrize(
    ("app", "arguments", "count"),
    [
        (crash, {"save_diagnostics": "SAVE_DIAGNOSTICS_OFF"}, 0),
        (crash, {"allow_save_diagnostics_data_on_crash": False}, 0),
        (double, {}, 0),
        (double, {"save_diagnostics": "SAVE_DIAGNOSTICS_ON"}, 1),
    ],
)
def test_diagnostics_are_left_when_they_are_asked_for(bundles, tmp_path, app, arguments, count):
    runner = Runner(app, NUMBERS, diagnostics_cloud_path=str(tmp_path / "bundles"))
    with contextlib.suppress(LookupError):
        runner.run(input_values={"n": 4}, **arguments)
    assert len(bundles()) == count


def test_another_way_to_save_diagnostics_is_told():
    with pytest.raises(ValueError, match="SAVE_DIAGNOSTICS_ON_CRASH"):
        Runner(double, NUMBERS).run(input_values={"n": 4}, save_diagnostics="yes")


def test_a_place_that_takes_no_diagnostics_does_not_hide_what_the_app_raised(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    runner = Runner(crash, NUMBERS, diagnostics_cloud_path=str(tmp_path / "file" / "below"))
    with pytest.raises(LookupError, match="no such site"):
        runner.run(input_values={"n": 4})
    assert "diagnostics could not be saved" in caplog.text


def test_an_app_in_a_folder_is_replayed_from_its_bundle(folder, tmp_path):
    path = folder(app="def run(analysis): raise LookupError(analysis.input_values)")
    runner = Runner(str(path), str(path / "twine.json"), diagnostics_cloud_path=str(tmp_path / "bundles"))
    with pytest.raises(LookupError):
        runner.run(input_values={"n": 4})
    (bundle,) = (tmp_path / "bundles").iterdir()
    (path / "app.py").unlink()
    command = [Path(sys.executable).with_name("fairlead"), "replay", bundle]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "LookupError: {'n': 4}" in done.stderr
    assert "same" in done.stderr
