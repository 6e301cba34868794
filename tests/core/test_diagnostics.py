"""Diagnostics: what a bundle holds, when there is one, what must not be in it, and that saving it hinders nobody."""

from __future__ import annotations

import json
import os
import shlex
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters import diagnostics, events, storage
from fairlead.adapters.diagnostics import Diagnostics, fetch, requested
from fairlead.adapters.errors import (
    AppKilled,
    AppRaised,
    Cancelled,
    FairleadError,
    Hung,
    InputInvalid,
    MonitorMessageInvalid,
    OutputInvalid,
    StorageFailed,
    TimedOut,
)
from fairlead.adapters.isolation import ChildProcess, named
from fairlead.adapters.perform import perform
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import TwineApp
from fairlead.adapters.twine.diagnostics import RecordedApp, load_test_fixture_from_diagnostics

TWINE = {
    "configuration_values_schema": {"optional": True},
    "input_values_schema": {},
    "input_manifest": {"datasets": {"weather": {}}, "optional": True},
    "output_values_schema": {"type": "object", "properties": {"speed": {"type": "number"}}},
    "monitor_message_schema": {"type": "object"},
}
FAILING = """
import logging
import helper

def run(analysis):
    logging.getLogger("app").warning("about to fail")
    raise ValueError(helper.TEXT)
"""
HELPER = {"helper.py": "TEXT = 'no wind'\n", ".env": "TOKEN=hidden", "__pycache__/helper.pyc": "stale"}
FINE = "def run(analysis):\n    analysis.output_values = {'speed': 1}\n"


@pytest.fixture
def failing(make_app) -> Path:
    return make_app(FAILING, TWINE, HELPER)


@pytest.fixture
def do(run) -> Callable[..., Any]:
    """Perform an app with diagnostics; a text is where they go."""

    def perform_app(app, wish, *, isolation: Any = "thread", refresh=True, configuration=None, **rest):
        unit = TwineApp(app, configuration_values=configuration) if isinstance(app, Path) else app
        diagnostics = Diagnostics(wish) if isinstance(wish, str) else wish
        return run(unit, isolation=isolation, refresh=refresh, diagnostics=diagnostics, **rest)

    return perform_app


@pytest.fixture
def crash(do) -> Callable[..., Any]:
    """Perform an app that fails, and return its error and what is in the bundle, by name."""

    def crash_app(app, wish, expected: type[FairleadError] = AppRaised, **rest: Any):
        with pytest.raises(expected) as caught:
            do(app, wish, **{"input_values": 1, **rest})
        return caught.value, contents(caught.value.diagnostics)

    return crash_app


def contents(location: str | None) -> dict[str, bytes]:
    assert location is not None
    return {name: storage.read_bytes(storage.join(location, name)) for name in storage.walk(location)}


def record_of(files: dict[str, bytes]) -> dict[str, Any]:
    return json.loads(files["run.json"])


def bundles(url: str) -> set[str]:
    return {name.partition("/")[0] for name in storage.walk(url)}


# What there is


def test_a_crash_leaves_all_that_is_needed_to_run_it_again(crash, failing, root):
    host = RecordingHost(run_id="dag/run/task", attempt=2, timeout=60)
    error, files = crash(failing, root, isolation="process", host=host, configuration={"a": 1}, input_values=[1, "é"])
    assert set(files) == {
        "configuration_values.json",
        "input_values.json",
        "events.ndjson",
        "run.json",
        "source/app.py",
        "source/helper.py",
        "source/twine.json",
    }
    assert json.loads(files["configuration_values.json"]) == {"a": 1}
    assert json.loads(files["input_values.json"]) == [1, "é"]
    assert files["source/app.py"] == (failing / "app.py").read_bytes()
    said = [events.decode(line) for line in files["events.ndjson"].splitlines()]
    assert any(event["kind"] == "log" and event["message"] == "about to fail" for event in said)
    assert said[-1]["kind"] == "raised"
    record = record_of(files)
    assert record["version"] == 1
    assert record["unit"] == {"kind": "twine", "name": "app"}
    assert record["run"] == {"id": "dag/run/task", "attempt": 2}
    assert record["error"]["type"] == "AppRaised"
    assert record["error"]["exception"] == "ValueError"
    assert record["error"]["message"] == error.message
    assert record["limits"]["timeout"] == pytest.approx(60, abs=1)
    assert record["limits"]["silence_limit"] is None
    assert record["packages"]["blake3"]
    assert record["started"] <= record["ended"]
    assert record["analysis_id"] == storage.join(error.diagnostics).rpartition("/")[2]
    assert record["fingerprint"] in error.log


def test_the_error_and_the_log_tell_where_it_is(crash, failing, tmp_path):
    host = RecordingHost()
    error, _ = crash(failing, str(tmp_path / "bundles"), host=host)
    assert f"fairlead replay {error.diagnostics}" in str(error)
    assert error.to_dict()["diagnostics"] == error.diagnostics
    assert any(f"fairlead replay {error.diagnostics}" in message for _, _, message in host.lines)


def test_the_command_that_runs_it_again_is_as_a_shell_takes_it(crash, failing, tmp_path):
    host = RecordingHost()
    error, _ = crash(failing, str(tmp_path / "what's left"), host=host)
    command = shlex.join(["fairlead", "replay", error.diagnostics])
    assert str(error).splitlines()[-1] == f"To run it again: {command}"
    assert [line for *_, line in host.lines if line.endswith(f"To run it again: {command}")]


def test_the_record_of_the_run_is_written_last(crash, failing, tmp_path, monkeypatch):
    written = []
    for function in ("put", "write_bytes"):
        real = getattr(storage, function)
        monkeypatch.setattr(
            diagnostics.storage, function, lambda *args, real=real: (real(*args), written.append(str(args)))
        )
    crash(failing, str(tmp_path / "bundles"))
    assert "run.json" in written[-1]


def test_every_try_gets_a_bundle_of_its_own_also_under_one_name(crash, failing, tmp_path):
    url = str(tmp_path / "bundles")
    error, _ = crash(failing, url)
    bundle = fetch(error.diagnostics, tmp_path / "copy")
    with pytest.raises(AppRaised):
        perform(
            RecordedApp(bundle, tell=print),
            {},
            RecordingHost(),
            cache=diagnostics_cache(tmp_path),
            isolation=named("thread"),
            diagnostics=Diagnostics(url),
        )
    name = error.diagnostics.rpartition("/")[2]
    assert bundles(url) == {name, f"{name}-2"}
    assert record_of(contents(f"{url}/{name}-2"))["analysis_id"] == name


def diagnostics_cache(tmp_path):
    from fairlead.adapters.cache import ResultCache

    return ResultCache(tmp_path / "another cache")


# When there is one


KILL = "import os, signal\n\ndef run(analysis):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
HANG = "import time\n\ndef run(analysis):\n    print('hanging', flush=True)\n    time.sleep(600)\n"
EXIT = "import sys\n\ndef run(analysis):\n    sys.exit(3)\n"
WRONG = "def run(analysis):\n    analysis.output_values = {'speed': 'high'}\n"
MESSAGE = "def run(analysis):\n    analysis.send_monitor_message('no object')\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "expected", "limit"),
    [
        (KILL, AppKilled, {}),
        (EXIT, FairleadError, {}),
        (WRONG, OutputInvalid, {}),
        (MESSAGE, MonitorMessageInvalid, {}),
        (HANG, TimedOut, {"host": True}),
        (HANG, Hung, {"silence_limit": 1.0, "on_silence": "stop"}),
    ],
)
def test_there_is_one_however_a_run_fails(crash, make_app, tmp_path, late_host, source, expected, limit):
    host = late_host if limit.pop("host", False) else None
    isolation = ChildProcess(grace=0.5, **limit)
    error, files = crash(
        make_app(source, TWINE), str(tmp_path / "bundles"), expected, isolation=isolation, host=host, input_values=7
    )
    assert record_of(files)["error"]["type"] == type(error).__name__
    assert json.loads(files["input_values.json"]) == 7


def test_a_run_that_ends_well_leaves_none(do, make_app, tmp_path):
    outcome = do(make_app(FINE, TWINE), str(tmp_path / "bundles"), input_values=1)
    assert outcome.diagnostics is None
    assert not (tmp_path / "bundles").exists()


def test_a_run_that_ends_well_leaves_one_if_that_is_always_wanted(do, make_app, tmp_path):
    always = Diagnostics(str(tmp_path / "bundles"), when="always")
    outcome = do(make_app(FINE, TWINE), always, input_values=1)
    assert record_of(contents(outcome.diagnostics))["error"] is None
    assert outcome.to_dict()["diagnostics"] == outcome.diagnostics
    again = do(make_app(FINE, TWINE), always, input_values=1, refresh=False)
    assert again.cached
    assert again.diagnostics is None
    assert len(bundles(always.url)) == 1


def test_refused_inputs_leave_none(do, make_app, tmp_path):
    with pytest.raises(InputInvalid) as caught:
        do(make_app(FINE, TWINE), str(tmp_path / "bundles"))
    assert caught.value.diagnostics is None
    assert not (tmp_path / "bundles").exists()


def test_refused_inputs_leave_what_was_given_if_that_is_always_wanted(do, make_app, tmp_path):
    twine = TWINE | {"input_values_schema": {"type": "number"}}
    (tmp_path / "values.json").write_text('"high"')
    always = Diagnostics(str(tmp_path / "bundles"), when="always")
    with pytest.raises(InputInvalid) as caught:
        do(make_app(FINE, twine), always, input_values=tmp_path / "values.json", input_manifest="{")
    files = contents(caught.value.diagnostics)
    assert json.loads(files["input_values.json"]) == "high"
    assert "input_manifest.json" not in files
    assert {problem["where"] for problem in record_of(files)["error"]["problems"]} == {"input_values", "input_manifest"}
    assert "source/app.py" in files


# What is in it


def test_it_holds_what_was_given_and_not_what_the_app_made_of_it(crash, make_app, tmp_path):
    source = """
def run(analysis):
    analysis.input_values["list"].append("mutated")
    analysis.configuration_values["list"] = None
    raise ValueError
"""
    given = {"list": []}
    _, files = crash(make_app(source, TWINE), str(tmp_path / "b"), configuration=given, input_values=given)
    assert json.loads(files["input_values.json"]) == {"list": []}
    assert json.loads(files["configuration_values.json"]) == {"list": []}


@pytest.fixture
def weather(tmp_path) -> Path:
    folder = tmp_path / "weather"
    (folder / "north").mkdir(parents=True)
    (folder / "2019.csv").write_text("1")
    (folder / "north" / "2020.csv").write_text("2")
    return folder


def test_datasets_are_named_with_their_files_and_digests(crash, failing, tmp_path, weather):
    _, files = crash(failing, str(tmp_path / "b"), input_manifest={"datasets": {"weather": str(weather)}})
    assert not [name for name in files if "datasets" in name]
    (dataset,) = json.loads(files["input_manifest.json"])["datasets"].values()
    assert dataset["path"] == str(weather)
    assert {(file["path"], file["digest"]) for file in dataset["files"]} == {
        (str(path), storage.digest_local(path)) for path in weather.rglob("*.csv")
    }
    assert record_of(files)["copied"] is False


@pytest.mark.parametrize("where", ["folder", "memory"])
def test_datasets_are_copied_if_that_is_wanted(crash, failing, root, where, weather):
    source = str(weather)
    if where == "memory":
        source = f"memory://{os.urandom(8).hex()}"
        for path in weather.rglob("*.csv"):
            storage.put(path, storage.join(source, path.relative_to(weather).as_posix()))
    wish = Diagnostics(root, copy_datasets=True)
    _, files = crash(failing, wish, input_manifest={"datasets": {"weather": source}})
    assert files["input_manifest_datasets/weather/2019.csv"] == b"1"
    assert files["input_manifest_datasets/weather/north/2020.csv"] == b"2"
    (dataset,) = json.loads(files["input_manifest.json"])["datasets"].values()
    assert dataset["path"] == "input_manifest_datasets/weather"
    assert {file["path"] for file in dataset["files"]} == {"2019.csv", "north/2020.csv"}


def test_a_dataset_that_the_app_has_changed_is_copied_with_a_warning(crash, make_app, tmp_path, weather):
    source = """
def run(analysis):
    for file in analysis.input_manifest.get_dataset("weather").files:
        with open(file.local_path, "a") as stream:
            stream.write("changed")
    raise ValueError
"""
    host = RecordingHost()
    wish = Diagnostics(str(tmp_path / "b"), copy_datasets=True)
    crash(make_app(source, TWINE), wish, host=host, input_manifest={"datasets": {"weather": str(weather)}})
    warned = [message for level, _, message in host.lines if level == 30]
    assert len(warned) == 2
    assert all("has changed since the run began" in message for message in warned)


def test_a_file_that_the_app_has_removed_costs_no_more_than_itself(crash, make_app, tmp_path, weather):
    source = """
import os

def run(analysis):
    os.remove(next(iter(analysis.input_manifest.get_dataset("weather"))).local_path)
    raise ValueError
"""
    host = RecordingHost()
    wish = Diagnostics(str(tmp_path / "b"), copy_datasets=True)
    app = make_app(source, TWINE)
    _, files = crash(app, wish, host=host, input_manifest={"datasets": {"weather": str(weather)}})
    assert len([name for name in files if name.startswith("input_manifest_datasets/weather/")]) == 1
    assert len([message for _, _, message in host.lines if "could not be copied into the diagnostics" in message]) == 1


def test_a_dataset_whose_key_is_no_name_of_a_folder_is_not_copied(crash, failing, tmp_path, weather):
    wish = Diagnostics(str(tmp_path / "b"), copy_datasets=True)
    datasets = {"weather": str(weather), "..": str(weather), "a/b": str(weather)}
    _, files = crash(failing, wish, input_manifest={"datasets": datasets})
    assert {name.split("/")[1] for name in files if name.startswith("input_manifest_datasets/")} == {"weather"}
    assert json.loads(files["input_manifest.json"])["datasets"][".."]["path"] == str(weather)


def test_datasets_of_a_cancelled_run_are_not_copied_because_somebody_waits(crash, make_app, tmp_path, weather):
    class Stopping(RecordingHost):
        def emit(self, event):
            self.cancel()
            super().emit(event)

    source = "import logging\n\ndef run(analysis):\n    while True:\n        logging.warning('here')\n"
    _, files = crash(
        make_app(source, TWINE),
        Diagnostics(str(tmp_path / "b"), copy_datasets=True),
        Cancelled,
        host=Stopping(),
        input_manifest={"datasets": {"weather": str(weather)}},
    )
    assert not [name for name in files if "datasets" in name]


class Asking:
    """An isolation in which a run asks two children and then fails."""

    name = "thread"

    def run(self, call, host):
        for number, child in enumerate(["elevation", "wake", "elevation"]):
            asked = {"input_values": number, "question_uuid": f"{number}"}
            result = {"kind": "result", "output_values": number * 10}
            host.emit(events.question(child, asked, [{"event": result, "attributes": {}}]))
        raise AppRaised("It failed.", exception="ValueError", traceback="")


def test_what_it_asked_its_children_is_kept_in_the_order_of_the_answers(crash, failing, root):
    _, files = crash(failing, root, isolation=Asking())
    questions = json.loads(files["questions.json"])
    assert [(question["key"], question["id"], question["input_values"]) for question in questions] == [
        ("elevation", "elevation", 0),
        ("wake", "wake", 1),
        ("elevation", "elevation", 2),
    ]
    assert questions[1]["events"] == [{"event": {"kind": "result", "output_values": 10}, "attributes": {}}]


# What is not in it


def test_no_value_of_a_credential_and_nothing_of_the_environment_is_in_it(crash, make_app, tmp_path, monkeypatch):
    monkeypatch.setenv("API_TOKEN", 's3cret"value')
    monkeypatch.setenv("UNRELATED", "another-s3cret")
    source = """
import os, logging

def run(analysis):
    print(os.environ["API_TOKEN"])
    logging.warning("token: %s", os.environ["API_TOKEN"])
    raise ValueError(f"refused: {os.environ['API_TOKEN']}")
"""
    twine = TWINE | {"credentials": [{"name": "API_TOKEN"}]}
    _, files = crash(make_app(source, twine), str(tmp_path / "b"), isolation="process")
    text = b"\n".join(files.values()).decode()
    assert "s3cret" not in text
    assert record_of(files)["error"]["message"] == "The app raised ValueError: refused: <API_TOKEN>"
    assert "token: <API_TOKEN>" in text


def test_a_signed_address_keeps_its_plain_part_only(crash, failing, tmp_path, weather, serve):
    address = f"{serve(weather)}/2019.csv"
    given = {"datasets": {"weather": {"files": [f"{address}?X-Goog-Signature=abc123&Expires=5"]}}}
    _, files = crash(
        failing, str(tmp_path / "b"), input_manifest=given, input_values=[f"see {address}?sig=abc123 there"]
    )
    assert b"abc123" not in b"".join(files.values())
    (dataset,) = json.loads(files["input_manifest.json"])["datasets"].values()
    assert dataset["files"][0]["path"] == address
    assert json.loads(files["input_values.json"]) == [f"see {address} there"]
    assert record_of(files)["without_signature"] == ["input_manifest.datasets.weather"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://a.b/c?AWSAccessKeyId=x&Signature=y z", "https://a.b/c z"),
        ("'https://a.b/c?X-Amz-Credential=x'", "'https://a.b/c'"),
        ("https://a.b/c?page=2", "https://a.b/c?page=2"),
        ("ftp://user:pass@host/file", "ftp://host/file"),
        ("postgresql+psycopg://u:p@db:5432/x", "postgresql+psycopg://db:5432/x"),
        ("mail to a@b.c: 10:30", "mail to a@b.c: 10:30"),
        ("s3://bucket/key@v1", "s3://bucket/key@v1"),
    ],
)
def test_addresses_lose_passwords_and_signatures_and_nothing_else(text, kept):
    assert diagnostics.Scrubber({}).text(text) == kept


# When it cannot be saved


@pytest.mark.parametrize("url", ["{file}/below", "nosuch://place", "memory://"])
def test_the_apps_error_counts_where_nothing_can_be_saved(do, failing, tmp_path, url, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    if url == "memory://":
        monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.pipe_file", refuse)
    host = RecordingHost()
    with pytest.raises(AppRaised, match="no wind") as caught:
        do(failing, url.format(file=tmp_path / "file"), host=host, input_values=1)
    assert caught.value.diagnostics is None
    (warning,) = [message for level, _, message in host.lines if level == 30 and "diagnostics" in message]
    assert "could not be saved below" in warning


def refuse(*_args, **_kwargs):
    raise PermissionError(13, "Permission denied")


def test_nothing_stays_of_a_bundle_that_could_not_be_finished(do, failing, tmp_path, monkeypatch):
    real = storage.write_bytes

    def full(location, data):
        if location.endswith("events.ndjson"):
            raise OSError(28, "No space left on device")
        real(location, data)

    monkeypatch.setattr(storage, "write_bytes", full)
    with pytest.raises(AppRaised):
        do(failing, str(tmp_path / "bundles"), input_values=1)
    assert not [*(tmp_path / "bundles").rglob("*")]


def test_an_outcome_stays_an_outcome_where_nothing_can_be_saved(do, make_app):
    outcome = do(make_app(FINE, TWINE), Diagnostics("nosuch://place", when="always"), input_values=1)
    assert outcome.outputs["output_values"] == {"speed": 1}
    assert outcome.diagnostics is None


# How it is asked for


@pytest.mark.parametrize(
    "wish",
    [
        "/place",
        Path("/place"),
        "file:///place",
        Diagnostics("/place"),
        {"url": "/place"},
        ' {"url": "/place", "when": "crash", "copy_datasets": false}',
    ],
)
def test_a_wish_has_many_forms(wish):
    assert requested(wish) == Diagnostics("/place", when="crash", copy_datasets=False)


def test_without_a_wish_the_environment_counts(monkeypatch):
    assert requested(None) is None
    monkeypatch.setenv("FAIRLEAD_DIAGNOSTICS", "")
    assert requested(None) is None
    monkeypatch.setenv("FAIRLEAD_DIAGNOSTICS", '{"url": "s3://bucket/x", "when": "always"}')
    assert requested(None) == Diagnostics("s3://bucket/x", when="always")
    assert requested("/here") == Diagnostics("/here")


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"url": "/x", "when": "sometimes"}, "'sometimes' is not known"),
        ({"url": "/x", "copy": True}, "'copy' is not known"),
        ({"when": "always"}, "there is no 'url'"),
        ({"url": 3}, "3 is no location"),
        ({"url": "/x", "copy_datasets": "yes"}, "'yes' is neither true nor false"),
        ('{"url": ', "is not JSON"),
        (["/x"], "neither a location nor an object"),
        ("s3://key:secret@bucket", "holds a password"),
    ],
)
def test_a_wish_that_cannot_be_understood_is_told(wish, told):
    with pytest.raises(InputInvalid, match=told):
        requested(wish)


# Reading it


def test_a_bundle_is_a_fixture_for_the_apps_tests(crash, failing, root, weather):
    error, _ = crash(
        failing,
        Diagnostics(root, copy_datasets=True),
        configuration={"a": 1},
        input_values=2,
        input_manifest={"datasets": {"weather": {"path": str(weather), "tags": {"mast": 1}}}},
    )
    configuration, no_manifest, values, manifest, children = load_test_fixture_from_diagnostics(error.diagnostics)
    assert (configuration, no_manifest, values, children) == ({"a": 1}, None, 2, ())
    dataset = manifest.get_dataset("weather")
    assert dataset.tags == {"mast": 1}
    assert sorted(Path(file.local_path).read_text() for file in dataset.files) == ["1", "2"]
    assert str(weather) not in dataset.path


def test_a_bundle_that_an_octue_service_has_left_is_a_fixture_too(tmp_path):
    far = f"memory://{os.urandom(8).hex()}/x"
    storage.write_bytes(f"{far}/b.csv", b"2")
    bundle = tmp_path / "d5d4c8a0-5c5e-4f0a-9d7f-0f6d9e0c3f3e"
    copy = bundle / "input_manifest_datasets" / "weather"
    copy.mkdir(parents=True)
    (copy / "a.csv").write_text("1")
    (bundle / "input_values.json").write_text("[1]")
    dataset = {"path": "gs://bucket/weather", "files": ["gs://bucket/weather/a.csv"], "name": "weather", "tags": {}}
    manifest = {"id": "d5d4c8a0-5c5e-4f0a-9d7f-0f6d9e0c3f3e", "datasets": {"weather": dataset, "far": far}}
    (bundle / "input_manifest.json").write_text(json.dumps(manifest))
    _, _, values, found, _ = load_test_fixture_from_diagnostics(bundle)
    assert values == [1]
    assert found.id == manifest["id"]
    (file,) = found.get_dataset("weather").files
    assert Path(file.local_path).read_text() == "1"
    assert [file.name for file in found.get_dataset("far").files] == ["b.csv"]


def test_a_fixture_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputInvalid, match="is not there"):
        load_test_fixture_from_diagnostics(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "run.json").unlink(), "half-written"),
        (lambda folder: (folder / "input_values.json").unlink(), "input_values.json of it is missing"),
        (lambda folder: (folder / "run.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "run.json").write_text("[]"), "cannot be read"),
        (lambda folder: edit(folder / "run.json", version=2), "format 2"),
    ],
)
def test_a_bundle_that_is_not_whole_is_refused(crash, failing, tmp_path, change, told):
    error, _ = crash(failing, str(tmp_path / "b"))
    change(Path(error.diagnostics))
    with pytest.raises(InputInvalid, match=told):
        fetch(error.diagnostics, tmp_path / "copy")


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_folder_of_bundles_is_told_from_a_bundle(crash, failing, tmp_path):
    error, _ = crash(failing, str(tmp_path / "b"))
    with pytest.raises(InputInvalid, match=f"1 run.*{error.diagnostics}"):
        fetch(str(tmp_path / "b"), tmp_path / "copy")


def test_a_place_with_nothing_in_it_is_told(root, tmp_path):
    with pytest.raises(InputInvalid, match="nothing is there"):
        fetch(root, tmp_path / "copy")


def test_a_place_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(StorageFailed, match="nosuch"):
        fetch("nosuch://place", tmp_path / "copy")


def test_bundles_of_runs_at_the_same_time_do_not_meet(crash, make_app, tmp_path):
    app = make_app(FAILING, TWINE, HELPER)
    errors: list[str] = []
    threads = [
        threading.Thread(
            target=lambda number=number: errors.append(
                crash(app, str(tmp_path / "b"), input_values=number)[0].diagnostics
            )
        )
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(json.loads(contents(place)["input_values.json"]) for place in errors) == [0, 1, 2, 3]
