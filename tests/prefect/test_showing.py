"""What a run says reaches Prefect: its log, a progress bar, a report and a table of its values."""

from __future__ import annotations

import base64
import json
import logging
import queue
import re
import threading

import pytest

pytest.importorskip("prefect")

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.logging.handlers import APILogWorker

from fairlead.adapters.errors import AppRaised
from fairlead.flows import artifacts, twine_task

TALKING = """
    import logging
    logging.getLogger("site.mast").warning("no data at night")
    logging.getLogger("site.mast").debug("not asked for")
    print("printed")
    analysis.send_monitor_message({"progress": 0.25, "status_text": "a quarter"})
    analysis.output_values = {}
    """
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def lines(caplog):
    """What the task run's logger was told by the app and by fairlead."""
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == "prefect.task_runs" and record.getMessage().startswith("[")
    ]


def test_the_log_keeps_levels_and_names(write_app, caplog):
    twine_task(write_app(TALKING))({})
    said = lines(caplog)
    assert said[:-1] == [
        ("WARNING", "[site.mast] no data at night"),
        ("INFO", "[stdout] printed"),
        ("INFO", '[monitor] {"progress": 0.25, "status_text": "a quarter"}'),
    ]
    assert said[-1][0] == "INFO"
    assert said[-1][1].startswith("[fairlead] app: done in ")


def test_the_log_is_on_the_server(write_app):
    task = twine_task(write_app(TALKING))
    ids = []

    @flow
    def study():
        ids.append(task({}, return_state=True).state_details)

    study()
    APILogWorker.drain_all()
    logs = get_client(sync_client=True)._client.post(
        "/logs/filter",
        json={"logs": LogFilter(flow_run_id=LogFilterFlowRunId(any_=[ids[0].flow_run_id])).model_dump(mode="json")},
    )
    kept = {(log["level"], log["message"], log["task_run_id"]) for log in logs.json()}
    assert (logging.WARNING, "[site.mast] no data at night", str(ids[0].task_run_id)) in kept


def test_a_message_that_is_too_long_is_cut(write_app, caplog):
    twine_task(write_app("import logging; logging.error('é' * 3_000_000); analysis.output_values = {}"))({})
    (message,) = [message for level, message in lines(caplog) if level == "ERROR"]
    assert message.startswith("[root] ééé")
    assert message.endswith("é … (2960000 more characters are in the log of the run)")
    assert len(json.dumps(message)) < 1_000_000


def test_the_traceback_of_the_app_is_in_the_log(write_app, caplog):
    app = write_app("raise ValueError('no wind')")
    with pytest.raises(AppRaised):
        twine_task(app)({})
    ((level, message),) = lines(caplog)
    assert level == "ERROR"
    assert message.startswith("[fairlead] The app's traceback:\nTraceback (most recent call last):\n")
    assert message.rstrip().endswith("ValueError: no wind")
    assert "fairlead/adapters" not in message


def test_progress_becomes_a_bar_that_ends_where_the_run_does(write_app, shown):
    app = write_app(
        """
        for done in range(10):
            analysis.send_monitor_message({"progress": done / 10, "status_text": f"Sector {done} of 10"})
        analysis.output_values = {}
        """,
        name="Wind study (2)",
    )
    state = twine_task(app)({}, return_state=True)
    (bar,) = shown("wind-study-2-progress")
    assert (bar.type, bar.data, bar.description) == ("progress", 100, "Sector 9 of 10")
    assert bar.task_run_id == state.state_details.task_run_id


def test_the_bar_of_a_failed_run_stays_where_it_was(write_app, shown):
    app = write_app("analysis.send_monitor_message({'progress': 0.3}); raise ValueError", name="failing")
    twine_task(app)({}, return_state=True)
    (bar,) = shown("failing-progress")
    assert (bar.data, bar.description) == (30, "failing")


def test_the_bar_is_not_written_more_than_once_a_second():
    news = queue.SimpleQueue()
    for step in range(1_001):
        news.put((step / 1_000, ""))
    news.put(None)
    assert list(artifacts._newest(news)) == [(0.0, ""), (1.0, "")]


def test_a_slow_server_does_not_hold_up_the_run(write_app, monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr(artifacts.artifacts, "create_progress_artifact", lambda *_: answered.wait(60))
    monkeypatch.setattr(artifacts, "_PATIENCE", 0.0)
    app = write_app("analysis.send_monitor_message({'progress': 0.5}); analysis.output_values = {}")
    assert twine_task(app)({})["outputs"] == {"output_values": {}}
    assert not answered.is_set()
    answered.set()


def test_a_server_that_is_away_is_told_of_once(write_app, monkeypatch, caplog):
    def refuse(*_args):
        raise ConnectionError("no server")

    monkeypatch.setattr(artifacts.artifacts, "create_progress_artifact", refuse)
    monkeypatch.setattr(artifacts, "_PERIOD", 0.0)
    body = "for n in range(9): analysis.send_monitor_message({'progress': n / 9})\nanalysis.output_values = {}"
    twine_task(write_app(body))({})
    warnings = [message for level, message in lines(caplog) if level == "WARNING"]
    assert warnings == ["[fairlead] The progress bar could not be moved (ConnectionError: no server)."]


def test_a_report_and_a_table_of_the_values_are_written(write_app, tmp_path, shown):
    app = write_app(
        f"""
        analysis.output_values = {{
            "speed": 7.123456789, "site": "A|B <c>", "calm": False, "none": None,
            "sectors": [{{"name": "N", "share": 0.25}}, {{"share": 0.75, "name": "E"}}],
            "matrix": [[1, 2], [3, 4]],
        }}
        folder = analysis.output_manifest.get_dataset("rose").path
        open(folder + "/rose.csv", "w").write("a,b\\n")
        open(folder + "/rose.png", "wb").write({PIXEL!r})
        """,
        name="wind_resource",
        output_manifest={"datasets": {"rose": {}}},
    )
    task = twine_task(app)
    state = task({}, return_state=True)
    result = state.result()

    (report,) = shown("wind-resource")
    assert report.type == "markdown"
    assert report.task_run_id == state.state_details.task_run_id
    assert report.description.startswith("wind_resource: computed in ")
    for part in (
        "**Computed** in ",
        f"```\n{result['fingerprint']}\n```",
        f"```\n{result['log']}\n```",
        "| `speed` | 7.12346 |",
        "| `site` | A\\|B &lt;c> |",
        "| `calm` | false |",
        "| `none` | null |",
        "### sectors\n\n| name | share |\n| --- | --- |\n| N | 0.25 |\n| E | 0.75 |",
        "### matrix\n\n```json\n[\n  [\n    1,",
        f"| rose/rose.csv | 4 B | `{result['files'][0]['digest'][:12]}` |",
        f"```\n{result['files'][0]['location'].removesuffix('rose/rose.csv')}\n```",
        f"![rose/rose.png](data:image/png;base64,{base64.b64encode(PIXEL).decode()})",
    ):
        assert part in report.data

    (table,) = shown("wind-resource-values")
    assert {row["name"]: row["value"] for row in json.loads(table.data)} == {
        "speed": 7.123456789,
        "site": "A|B <c>",
        "calm": False,
        "none": None,
        "sectors[0].name": "N",
        "sectors[0].share": 0.25,
        "sectors[1].name": "E",
        "sectors[1].share": 0.75,
        "matrix[0][0]": 1,
        "matrix[0][1]": 2,
        "matrix[1][0]": 3,
        "matrix[1][1]": 4,
    }


@pytest.mark.parametrize("persist", [None, False], ids=["by Prefect", "by perform"])
def test_what_was_found_is_shown_too(doubling, caplog, persist, shown):
    task = twine_task(doubling, persist_result=persist)
    _, fingerprint = task({"n": 1}), task({"n": 1})["fingerprint"]
    assert lines(caplog)[-1] == ("INFO", f"[fairlead] doubling: found in the cache, fingerprint {fingerprint[:12]}")
    first, second = shown("doubling")[-2:]
    assert first.description.startswith("doubling: computed in ")
    assert second.description == "doubling: found in the result cache."
    assert "**Found in the result cache**; nothing ran." in second.data
    assert shown("doubling-values")[-2].data == shown("doubling-values")[-1].data


def test_a_table_that_is_too_long_says_so(monkeypatch, write_app, shown):
    monkeypatch.setattr(artifacts, "_MOST_ROWS", 3)
    twine_task(write_app("analysis.output_values = {'n': list(range(10))}", name="long"))({})
    (table,) = shown("long-values")
    assert len(json.loads(table.data)) == 3
    assert table.description == "long: the first 3 of 10 output values, exact."


def test_an_artifact_that_cannot_be_written_is_a_warning(doubling, monkeypatch, caplog):
    def refuse(*_args, **_options):
        raise ConnectionError("no server")

    for name in ("create_markdown_artifact", "create_table_artifact"):
        monkeypatch.setattr(artifacts.artifacts, name, refuse)
    assert twine_task(doubling)({"n": 1})["outputs"]["output_values"] == {"twice": 2}
    assert [message for level, message in lines(caplog) if level == "WARNING"] == [
        "[fairlead] The report could not be written (ConnectionError: no server).",
        "[fairlead] The table of values could not be written (ConnectionError: no server).",
    ]


@pytest.mark.parametrize(
    ("name", "key"),
    [("wind_resource", "wind-resource"), ("Ünïcode App!", "n-code-app"), ("風", "unit"), ("a--b", "a-b")],
)
def test_keys_are_what_prefect_allows(name, key):
    assert artifacts.key_of(name) == key
    assert re.fullmatch("[a-z0-9-]+", artifacts.key_of(name, "values"))
