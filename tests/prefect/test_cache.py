"""Two caches, one truth: what Prefect shows as Cached is always what the result cache holds."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest

pytest.importorskip("prefect")

import cloudpickle
from prefect.cache_policies import RUN_ID
from prefect.settings import PREFECT_TASKS_REFRESH_CACHE, temporary_settings

from fairlead.adapters.cache import ResultCache
from fairlead.adapters.isolation import named
from fairlead.adapters.perform import perform
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import TwineApp
from fairlead.flows import FingerprintPolicy, twine_task


def call(task, inputs):
    """Run a task; return the name of its state, and its result."""
    state = task(inputs, return_state=True)
    return state.name, state.result()


def entry_of(result) -> Path:
    """The folder of a result's entry in the result cache."""
    return Path(ResultCache().folder(result["fingerprint"]))


def do_elsewhere(app, inputs, **options):
    """Do the work in another host that shares the result cache."""
    unit = TwineApp(app)
    work = {"input_values": inputs}
    return perform(unit, work, RecordingHost(), cache=ResultCache(), isolation=named("process"), **options)


def records(storage: Path) -> list[dict]:
    """What Prefect has stored."""
    return (
        [json.loads(json.loads(path.read_text())["result"]) for path in storage.iterdir()] if storage.exists() else []
    )


@pytest.fixture
def drawing(write_app, tmp_path):
    """An app whose result is another each time, with a file that says the same."""
    return write_app(
        f"""
        with open({str(tmp_path / "runs")!r}, "a+") as file:
            file.write("run\\n")
            file.seek(0)
            count = len(file.readlines())
        analysis.output_values = {{"draw": count}}
        with open(analysis.output_manifest.get_dataset("draws").path + "/draw.txt", "w") as file:
            file.write(str(count))
        """,
        name="drawing",
        output_manifest={"datasets": {"draws": {}}},
    )


def test_prefect_shows_a_hit_as_cached_and_so_does_the_result(doubling, runs):
    task = twine_task(doubling)
    name, first = call(task, {"n": 1})
    assert (name, first["cached"]) == ("Completed", False)
    name, second = call(task, {"n": 1})
    assert (name, second["cached"]) == ("Cached", True)
    assert second["outputs"] == first["outputs"]
    assert runs() == 1


def test_a_hit_outlives_the_process_and_is_plain_json(doubling, storage, runs):
    _, first = call(twine_task(doubling), {"n": 1})
    # The record of the run itself, and the one that the next run will find.
    assert sorted(records(storage), key=lambda record: record["cached"]) == [first, first | {"cached": True}]
    name, _ = call(twine_task(doubling), {"n": 1})  # a task and a result store of its own
    assert (name, runs()) == ("Cached", 1)


def test_the_order_of_keys_does_not_matter(doubling, runs):
    call(twine_task(doubling), {"n": 1, "m": {"a": 1, "b": 2}})
    name, _ = call(twine_task(doubling), {"m": {"b": 2, "a": 1}, "n": 1})
    assert (name, runs()) == ("Cached", 1)


def test_an_edited_app_is_run_again(doubling, runs):
    call(twine_task(doubling), {"n": 1})
    source = doubling / "app.py"
    source.write_text(source.read_text().replace("2 *", "3 *"))
    name, result = call(twine_task(doubling), {"n": 1})
    assert (name, result["cached"], runs()) == ("Completed", False, 2)
    assert result["outputs"]["output_values"] == {"twice": 3}


def test_other_inputs_are_other_work(doubling, runs):
    call(twine_task(doubling), {"n": 1})
    assert call(twine_task(doubling), {"n": 1.0})[0] == "Completed"
    assert runs() == 2


def test_a_hit_is_no_hit_when_the_entry_was_removed(drawing, runs):
    task = twine_task(drawing)
    _, first = call(task, {})
    assert call(task, {})[0] == "Cached"
    shutil.rmtree(entry_of(first))
    name, again = call(task, {})
    assert (name, again["cached"], runs()) == ("Completed", False, 2)
    assert again["outputs"]["output_values"] == {"draw": 2}
    name, last = call(task, {})
    assert (name, last["outputs"], runs()) == ("Cached", again["outputs"], 2)


@pytest.mark.parametrize("part", ["outcome.json", "files/*/draws/draw.txt"])
@pytest.mark.parametrize("how", ["changed", "deleted"])
def test_a_hit_is_no_hit_when_the_entry_is_damaged(drawing, runs, part, how):
    task = twine_task(drawing)
    _, first = call(task, {})
    (damaged,) = entry_of(first).glob(part)
    damaged.write_text(damaged.read_text().replace("1", "7")) if how == "changed" else damaged.unlink()
    name, again = call(task, {})
    assert (name, again["cached"], runs()) == ("Completed", False, 2)
    assert again["outputs"]["output_values"] == {"draw": 2}
    assert Path(again["files"][0]["location"]).read_text() == "2"
    assert call(task, {})[0] == "Cached"


def test_a_result_that_another_host_replaced_is_not_returned(drawing, runs):
    task = twine_task(drawing)
    call(task, {})
    assert call(task, {})[0] == "Cached"
    do_elsewhere(drawing, {}, refresh=True)
    _, result = call(task, {})
    assert (result["cached"], result["outputs"]["output_values"], runs()) == (True, {"draw": 2}, 2)


def test_work_that_another_host_did_is_found(doubling, runs):
    done = do_elsewhere(doubling, {"n": 1})
    name, result = call(twine_task(doubling), {"n": 1})
    assert (name, result["cached"], runs()) == ("Completed", True, 1)
    assert (result["fingerprint"], result["outputs"], result["log"]) == (done.fingerprint, done.outputs, done.log)
    assert call(twine_task(doubling), {"n": 1})[0] == "Cached"


def test_another_host_finds_the_work_that_a_task_did(doubling, runs):
    _, result = call(twine_task(doubling), {"n": 1})
    found = do_elsewhere(doubling, {"n": 1})
    assert (found.cached, found.fingerprint, runs()) == (True, result["fingerprint"], 1)


def test_two_caches_do_not_mix_in_one_result_storage(drawing, tmp_path, runs):
    _, first = call(twine_task(drawing, cache=tmp_path / "first"), {})
    _, second = call(twine_task(drawing, cache=tmp_path / "second"), {})
    assert runs() == 2
    for root, result in (("first", first), ("second", second)):
        name, found = call(twine_task(drawing, cache=tmp_path / root), {})
        assert (name, found["files"]) == ("Cached", result["files"])
        assert found["files"][0]["location"].startswith(str(tmp_path / root))


@pytest.mark.parametrize(
    "refreshing",
    [
        lambda app: call(twine_task(app, refresh=True), {}),
        lambda app: call(twine_task(app).with_options(refresh_cache=True), {}),
        lambda app: call_refreshing(twine_task(app)),
    ],
    ids=["refresh", "refresh_cache", "the setting"],
)
def test_refreshing_replaces_what_both_caches_hold(drawing, runs, refreshing):
    call(twine_task(drawing), {})
    name, fresh = refreshing(drawing)
    assert (name, fresh["cached"], runs()) == ("Completed", False, 2)
    name, result = call(twine_task(drawing), {})
    assert (name, result["outputs"], runs()) == ("Cached", fresh["outputs"], 2)
    assert do_elsewhere(drawing, {}).outputs == fresh["outputs"]


def call_refreshing(task):
    with temporary_settings({PREFECT_TASKS_REFRESH_CACHE: True}):
        return call(task, {})


def test_without_persistence_only_the_result_cache_is_used(doubling, storage, runs, caplog):
    task = twine_task(doubling, persist_result=False)
    call(task, {"n": 1})
    name, result = call(task, {"n": 1})
    assert (name, result["cached"], runs()) == ("Completed", True, 1)
    assert records(storage) == []
    assert "Ignoring `cache_policy`" not in caplog.text


def test_the_policy_can_be_combined_with_prefects(doubling, runs):
    task = twine_task(doubling)
    task = task.with_options(cache_policy=task.cache_policy + RUN_ID)
    assert call(task, {"n": 1})[1]["cached"] is False
    assert call(task, {"n": 1})[1]["cached"] is True
    assert runs() == 1


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
def test_the_policy_can_be_pickled(doubling, pickler):
    _, result = call(twine_task(doubling), {"n": 1})
    policy = FingerprintPolicy(unit=TwineApp(doubling))
    copy = pickler.loads(pickler.dumps(policy))
    run = SimpleNamespace(task_run=SimpleNamespace(id=uuid4()))
    keys = {each.compute_key(run, {"input_values": {"n": 1}, "input_manifest": None}, {}) for each in (policy, copy)}
    assert len(keys) == 1
    assert keys.pop().startswith(result["fingerprint"] + "-")


def test_a_cached_task_is_cached_after_pickling(doubling, runs):
    task = twine_task(doubling)
    call(task, {"n": 1})
    assert call(cloudpickle.loads(cloudpickle.dumps(task)), {"n": 1})[0] == "Cached"
    assert runs() == 1
