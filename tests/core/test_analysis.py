"""The analysis as apps and their tests use it, outside any run."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import threading
import uuid

import pytest

from fairlead.adapters.errors import MonitorMessageInvalid, OutputInvalid
from fairlead.adapters.twine import Analysis, Dataset, Manifest
from fairlead.adapters.twine.analysis import contract_error
from fairlead.adapters.twine.exceptions import InvalidInputException, InvalidMonitorMessage
from fairlead.adapters.twine.monitor_messages import send_estimated_seconds_remaining, send_status_text
from fairlead.adapters.twine.twined import exceptions

from .conftest import LIMIT

MONITORED = {"monitor_message_schema": {"properties": {"x": {"type": "number"}}, "required": ["x"]}}
VALUES = {"output_values_schema": {"type": "object", "required": ["y"], "properties": {"y": {"type": "array"}}}}
FILES = {"output_manifest": {"datasets": {"results": {}}}}


def test_every_documented_attribute_is_there():
    analysis = Analysis(
        twine=VALUES, input_values={"a": 1}, configuration_values='{"b": 2}', tags={"t": 1}, labels="l m"
    )
    assert (analysis.input_values, analysis.configuration_values) == ({"a": 1}, {"b": 2})
    assert analysis.configuration_manifest is analysis.input_manifest is analysis.output_manifest is None
    assert (analysis.output_values, analysis.children, analysis.output_location) == ({}, None, None)
    assert (analysis.finalised, analysis.name, analysis.tags, analysis.labels) == (False, None, {"t": 1}, {"l", "m"})
    assert analysis.twine.declares("output_values")
    uuid.UUID(analysis.id)


def test_values_are_read_from_files_too(tmp_path):
    (tmp_path / "input.json").write_text("[1, 2]")
    (tmp_path / "twine.json").write_text(json.dumps(VALUES))
    analysis = Analysis(tmp_path / "twine.json", input_values=str(tmp_path / "input.json"))
    assert (analysis.input_values, analysis.output_values) == ([1, 2], {})


def test_output_values_are_none_where_the_twine_promises_none():
    assert Analysis({}).output_values is None


def test_an_id_must_be_a_uuid_and_cannot_be_changed():
    with pytest.raises(InvalidInputException, match="'abc'"):
        Analysis({}, id="abc")
    with pytest.raises(AttributeError):
        Analysis({}).id = str(uuid.uuid4())


def test_hashes_are_those_of_the_strands_and_none_where_there_is_none():
    analysis = Analysis({}, input_values={"b": 2, "a": 1})
    assert analysis.input_values_hash == Analysis({}, input_values={"a": 1, "b": 2}).input_values_hash == "TTDyTw=="
    assert analysis.configuration_values_hash is analysis.input_manifest_hash is None
    assert analysis.configuration_manifest_hash is None


def test_a_strand_that_octue_cannot_hash_does_not_end_the_run():
    assert Analysis({}, input_values=[{"a": 1}, {"b": 2}]).input_values_hash


def test_the_hash_of_a_manifest_is_the_manifests(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    manifest = Manifest({"data": str(tmp_path)})
    assert Analysis({}, input_manifest=manifest).input_manifest_hash == manifest.hash_value


def test_it_is_made_again_from_its_json_form(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    twine = {**VALUES, "input_values_schema": {}, "input_manifest": {"datasets": {"data": {}}}}
    analysis = Analysis(
        twine, input_values='"text.json"', input_manifest=Manifest({"data": str(tmp_path)}), labels="l", tags={"t": 1}
    )
    for again in (
        Analysis.deserialise(analysis.to_primitive()),
        Analysis.deserialise(analysis.serialise(), from_string=True),
    ):
        assert (again.id, again.labels, again.tags) == (analysis.id, {"l"}, {"t": 1})
        assert (again.input_values, again.output_values) == ("text.json", {})
        assert [file.name for file in again.input_manifest.get_dataset("data").files] == ["a.txt"]
        assert again.twine.requires("output_values")


def test_it_has_a_json_form():
    analysis = Analysis(VALUES, input_values={"a": 1}, tags={"t": 1})
    data = json.loads(analysis.serialise())
    assert (data["id"], data["input_values"], data["tags"]) == (analysis.id, {"a": 1}, {"t": 1})


def test_a_monitor_message_reaches_the_handler_at_once():
    received: list[object] = []
    Analysis(MONITORED, received.append).send_monitor_message({"x": 1.5})
    assert received == [{"x": 1.5}]


def test_a_wrong_monitor_message_is_told_where_it_is_sent_and_not_handled():
    received: list[object] = []
    with pytest.raises(InvalidMonitorMessage, match=r"monitor_message\.x: 'far' is not a number") as caught:
        Analysis(MONITORED, received.append).send_monitor_message({"x": "far"})
    assert isinstance(contract_error(caught.value), MonitorMessageInvalid)
    assert received == []


def test_a_monitor_message_that_the_twine_does_not_know_is_told():
    with pytest.raises(InvalidMonitorMessage, match="does not declare any"):
        Analysis({}).send_monitor_message({})


def test_a_monitor_message_that_nobody_handles_is_a_warning(caplog):
    Analysis(MONITORED).send_monitor_message({"x": 1})
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_essential_messages_name_the_service_and_the_time(caplog):
    caplog.set_level(logging.INFO)
    received: list[dict[str, str]] = []
    analysis = Analysis({"monitor_message_schema": {"type": "object"}}, received.append)
    send_status_text(analysis, "half done", "wind/yield")
    send_estimated_seconds_remaining(analysis, 12.5, "wind/yield")
    times = [dt.datetime.fromisoformat(message.pop("date_time")) for message in received]
    assert received == [
        {"service": "wind/yield", "status_text": "half done"},
        {"service": "wind/yield", "estimated_seconds_remaining": 12.5},
    ]
    assert all(abs(time - dt.datetime.now(tz=dt.UTC).replace(tzinfo=None)).total_seconds() < 600 for time in times)
    assert "half done" in caplog.messages


def test_periodic_messages_come_until_they_are_stopped_and_not_after():
    received: list[object] = []
    twice = threading.Event()

    def handle(message: object) -> None:
        received.append(message)
        if len(received) == 2:
            twice.set()

    analysis = Analysis(MONITORED, handle)
    analysis.set_up_periodic_monitor_message(lambda: {"x": len(received)}, period=0.01)
    assert twice.wait(LIMIT)
    assert analysis.stop_periodic_messages() is None
    count = len(received)
    (thread,) = analysis._periodic_monitor_message_sender_threads
    assert not thread.is_alive()
    assert received[:2] == [{"x": 0}, {"x": 1}]
    assert len(received) == count


@pytest.mark.parametrize("period", [0, -1, "10", None, float("nan")])
def test_a_period_that_is_none_is_told_at_once(period):
    with pytest.raises(ValueError, match="period"):
        Analysis(MONITORED).set_up_periodic_monitor_message(dict, period=period)


def test_a_wrong_periodic_message_is_kept_for_the_end_of_the_run():
    analysis = Analysis(MONITORED, lambda _: None)
    analysis.set_up_periodic_monitor_message(lambda: {"x": "far"}, period=0.001)
    analysis._periodic_monitor_message_sender_threads[0].join(LIMIT)
    assert isinstance(analysis.stop_periodic_messages(), InvalidMonitorMessage)


def test_finalising_checks_the_outputs_and_leaves_them_as_they_are():
    analysis = Analysis(VALUES)
    analysis.output_values["y"] = (1, 2)
    analysis.finalise()
    assert analysis.finalised
    assert analysis.output_values == {"y": (1, 2)}


@pytest.mark.parametrize(
    ("twine", "values", "expected", "message"),
    [
        (VALUES, {}, exceptions.InvalidValuesContents, r"output_values\.y: is missing"),
        (VALUES, {"y": object()}, exceptions.InvalidValuesContents, r"output_values\.y"),
        (VALUES, None, exceptions.TwineValueException, "output_values: is missing"),
        ({}, {"y": 1}, exceptions.StrandNotFound, "output_values: is given"),
    ],
)
def test_what_is_wrong_with_the_outputs_is_told_under_twineds_name(twine, values, expected, message):
    analysis = Analysis(twine)
    analysis.output_values = values
    with pytest.raises(expected, match=message) as caught:
        analysis.finalise()
    assert isinstance(contract_error(caught.value), OutputInvalid)
    assert not analysis.finalised


def test_an_output_dataset_that_was_promised_must_be_there(tmp_path):
    analysis = Analysis(FILES, output_manifest=Manifest({"other": str(tmp_path)}))
    with pytest.raises(exceptions.InvalidManifestContents, match="results"):
        analysis.finalise()


@pytest.mark.parametrize("empty", [{}, [], 0, False, ""])
def test_an_empty_output_is_an_output(empty):
    analysis = Analysis({"output_values_schema": {}})
    analysis.output_values = empty
    analysis.finalise()
    assert analysis.finalised


@pytest.fixture
def with_results(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "curve.csv").write_text("1,2")

    def make(**arguments):
        manifest = Manifest({"results": Dataset(str(tmp_path / "results"), tags={"run": 1})})
        return Analysis(FILES, output_manifest=manifest, **arguments)

    return make


def test_output_datasets_are_uploaded_into_a_folder_of_the_analysis(with_results, memory):
    analysis = with_results(output_location=memory)
    analysis.finalise()
    there = analysis.output_manifest.get_dataset("results").path
    assert re.fullmatch(rf"{memory}/{analysis.id}-[0-9a-f]+/results", there)
    assert [file.name for file in Dataset(there).files] == ["curve.csv"]
    assert Dataset(there).tags == {"run": 1}


def test_two_runs_of_one_id_do_not_share_a_folder(with_results, memory):
    places = set()
    for _ in range(2):
        analysis = with_results(output_location=memory, id="6f1b7f5e-7d3c-5f0e-9f60-0d8b3c2b7a11")
        analysis.finalise()
        places.add(analysis.output_manifest.get_dataset("results").path)
    assert len(places) == 2


def test_a_location_that_is_given_to_finalise_counts_instead(with_results, memory):
    analysis = with_results(output_location=memory)
    analysis.finalise(upload_output_datasets_to=f"{memory}/elsewhere")
    assert analysis.output_manifest.get_dataset("results").path == f"{memory}/elsewhere/results"


def test_without_a_location_nothing_is_uploaded(with_results, tmp_path):
    analysis = with_results()
    analysis.finalise()
    assert analysis.output_manifest.get_dataset("results").path == str(tmp_path / "results")


def test_what_breaks_the_contract_is_not_uploaded(with_results, memory):
    analysis = with_results(output_location=memory)
    analysis.output_values = {"not": "declared"}
    with pytest.raises(exceptions.StrandNotFound):
        analysis.finalise()
    assert not Dataset(f"{memory}/{analysis.id}/results").files
