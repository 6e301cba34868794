"""An app that asks children, as a unit: its questions are answered, recorded, cached, and part of its identity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.errors import AppRaised, ContractError, InputInvalid, TimedOut
from fairlead.adapters.isolation import ChildProcess
from fairlead.adapters.perform import identify
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import TwineApp

PARENT: dict[str, Any] = {
    "input_values_schema": {"optional": True},
    "output_values_schema": {},
    "children": [{"key": "loads", "purpose": "loads on a tower"}],
}
CHILD = {"input_values_schema": {"type": "object", "required": ["n"]}, "output_values_schema": {}}
ASK = """
    def run(analysis):
        answer = analysis.children["loads"].ask(input_values={"n": 4})
        analysis.output_values = [answer["output_values"], answer[0]["output_values"]]
"""
ANSWER = """
    import logging, os
    def run(analysis):
        open(os.environ["NOTES"] + "/asked", "a").write("x")
        logging.getLogger("loads").info("counting")
        analysis.output_values = 2 * analysis.input_values["n"]
"""
UNREACHABLE = {"name": "GCPPubSubBackend", "project_name": "wind"}


@pytest.fixture
def apps(make_app, notes):
    return make_app(ASK, PARENT, name="parent"), make_app(ANSWER, CHILD, name="child")


def questions(notes: Path) -> int:
    return len((notes / "asked").read_text()) if (notes / "asked").exists() else 0


def test_a_folder_answers_in_both_conventions(apps, run, notes, isolation):
    parent, child = apps
    outcome = run(TwineApp(parent, children={"loads": str(child)}), isolation=isolation)
    assert (outcome.outputs["output_values"], questions(notes)) == ([8, 8], 1)


def test_an_answer_is_found_in_the_same_cache(apps, run, notes):
    parent, child = apps
    unit = TwineApp(parent, children={"loads": str(child)})
    run(unit)
    run(unit, refresh=True)
    assert questions(notes) == 1
    assert run(child, input_values={"n": 4}).cached


def test_the_host_is_told_what_was_asked_and_answered(apps, run, isolation):
    parent, child = apps
    host = RecordingHost()
    run(TwineApp(parent, children={"loads": str(child)}), isolation=isolation, host=host)
    (question,) = [event for event in host.events if event["kind"] == "question"]
    assert (question["child"], question["question"]["input_values"]) == ("loads", {"n": 4})
    assert question["messages"][-1]["event"]["kind"] == "result"


def test_what_a_child_is_is_part_of_what_the_parent_is(apps, make_app):
    parent, child = apps
    other = make_app(ANSWER + "        # another byte\n", CHILD, name="other")
    keys = {identify(TwineApp(parent, children={"loads": str(app)}), {})[1] for app in (child, other)}
    assert len(keys) == 2


def test_where_a_child_is_does_not_matter(apps, make_app, tmp_path):
    parent, child = apps
    moved = child.rename(tmp_path / "moved")
    again = make_app(ANSWER, CHILD, name="child")
    keys = {identify(TwineApp(parent, children={"loads": str(app)}), {})[1] for app in (moved, again)}
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("children", "message"),
    [
        (None, "loads"),
        ({"loads": "nowhere/at/all"}, "nowhere/at/all"),
        ({"loads": {"id": "x", "backend": {"name": "smoke signals"}}}, "smoke signals"),
        ({"loads": "{child}", "lads": "{child}"}, "lads"),
        ([{"key": "loads"}], r"children\[0\]"),
    ],
)
def test_wrong_children_are_told_before_anything_runs(apps, run, notes, children, message):
    parent, child = apps
    given = json.loads(json.dumps(children).replace("{child}", str(child)))
    with pytest.raises(ContractError, match=message):
        run(TwineApp(parent, children=given))
    assert questions(notes) == 0


def test_a_child_that_cannot_be_reached_from_here_is_told_when_it_is_asked(apps, run):
    parent, _ = apps
    unit = TwineApp(parent, children=[{"key": "loads", "id": "wind/loads", "backend": UNREACHABLE}])
    with pytest.raises(AppRaised, match="GCPPubSubBackend"):
        run(unit)


def test_a_child_of_the_configuration_may_be_asked_elsewhere(apps, run):
    parent, child = apps
    (parent / "octue.yaml").write_text(
        json.dumps(
            {
                "services": [
                    {
                        "name": "parent",
                        "namespace": "wind",
                        "children": [{"key": "loads", "id": "wind/loads", "backend": UNREACHABLE}],
                    }
                ]
            }
        )
    )
    assert run(TwineApp(parent, children={"loads": str(child)})).outputs["output_values"] == [8, 8]


def test_what_a_child_raises_can_be_caught_by_its_name(make_app, run, notes):
    child = make_app("def run(analysis): raise LookupError('no such tower')", CHILD, name="child")
    source = """
        def run(analysis):
            try:
                analysis.children["loads"].ask(input_values={"n": 1})
            except LookupError as error:
                analysis.output_values = str(error).splitlines()[0]
    """
    parent = make_app(source, PARENT, name="parent")
    assert "no such tower" in run(TwineApp(parent, children={"loads": str(child)})).outputs["output_values"]


def test_what_a_child_logs_is_in_the_log_of_the_parent(apps, run):
    parent, child = apps
    host = RecordingHost()
    run(TwineApp(parent, children={"loads": str(child)}), host=host)
    assert any("counting" in event["message"] for event in host.events if event["kind"] == "log")


@pytest.mark.parametrize("name", ["children.json", "study/children.json"])
def test_paths_in_a_file_of_children_are_relative_to_it_also_if_its_name_is_relative(
    apps, run, tmp_path, monkeypatch, name
):
    parent, child = apps
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    child.rename(file.parent / "child")
    file.write_text('{"loads": "child"}')
    monkeypatch.chdir(tmp_path)
    assert run(TwineApp(parent, children=name)).outputs["output_values"] == [8, 8]


def test_the_file_of_an_emulator_is_found_from_a_file_of_children(apps, run, tmp_path, monkeypatch):
    parent, _ = apps
    (tmp_path / "said.json").write_text('[{"type": "result", "output_values": 3, "output_manifest": null}]')
    loads = {"key": "loads", "id": "wind/loads", "backend": {"name": "emulator", "file": "said.json"}}
    (tmp_path / "children.json").write_text(json.dumps([loads]))
    monkeypatch.chdir(tmp_path)
    assert run(TwineApp(parent, children="children.json")).outputs["output_values"] == [3, 3]


@pytest.mark.parametrize("way", [["a"], ["a", "b"]])
def test_an_app_that_asks_itself_is_told_by_the_folders_on_the_way(make_app, run, way):
    for name, asked in zip(way, [*way[1:], way[0]], strict=True):
        backend = {"name": "local", "app": f"../{asked}"}
        service = {"name": name, "namespace": "wind", "children": [{"key": "loads", "id": "x", "backend": backend}]}
        app = make_app(ASK, PARENT, name=name)
        (app / "octue.yaml").write_text(json.dumps({"services": [service]}))
    with pytest.raises(InputInvalid, match="asks itself without end: ") as caught:
        run(app)
    (problem,) = caught.value.problems
    folders = problem.found.partition(": ")[2].split(" asks ")
    assert folders[0] == folders[-1]
    assert {Path(folder) for folder in folders} == {app.parent / name for name in way}


def test_an_app_may_ask_itself_if_that_ends(make_app, run):
    source = """
        def run(analysis):
            answer = analysis.children["loads"].ask(input_values={"n": 4})
            analysis.output_values = [answer["output_values"]]
    """
    app = make_app(source, PARENT)
    said = {"name": "emulator", "messages": [{"type": "result", "output_values": 1, "output_manifest": None}]}
    inner = {"name": "local", "app": str(app), "children": {"loads": {"backend": said}}}
    assert run(TwineApp(app, children={"loads": {"backend": inner}})).outputs["output_values"] == [[1]]


SILENT = """
    import os, time
    def run(analysis):
        open(os.environ["NOTES"] + "/pid", "w").write(f"{os.getpid()}\\n")
        time.sleep(analysis.input_values["n"])
        analysis.output_values = 1
"""


@pytest.mark.slow
def test_an_app_that_waits_for_an_answer_does_not_hang(apps, make_app, run, notes):
    parent, _ = apps
    child = make_app(SILENT, CHILD, name="silent")
    isolation = ChildProcess(silence_limit=2, on_silence="stop")
    assert run(TwineApp(parent, children={"loads": str(child)}), isolation=isolation).outputs["output_values"] == [1, 1]


@pytest.mark.slow
def test_a_child_does_not_outlive_the_time_limit_of_an_asker_in_a_thread(make_app, run, notes, watch):
    child = make_app(SILENT, CHILD, name="silent")
    source = ASK.replace('{"n": 4}', '{"n": 6000}, max_retries=3')
    host = RecordingHost(timeout=3)
    with pytest.raises(TimedOut):
        run(
            TwineApp(make_app(source, PARENT, name="parent"), children={"loads": str(child)}),
            isolation="thread",
            host=host,
        )
    assert not watch.runs(watch.pid(notes / "pid"))
