"""`perform`: the seven steps, each in its turn, and what is and is not left by every way to end."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from fairlead.adapters import storage
from fairlead.adapters.cache import ResultCache
from fairlead.adapters.errors import (
    AppRaised,
    Cancelled,
    FairleadError,
    InputInvalid,
    NotFingerprintable,
    OutputInvalid,
    Problem,
    StorageFailed,
    TimedOut,
)
from fairlead.adapters.isolation import Call, named
from fairlead.adapters.perform import Outcome, perform
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.unit import Produced

if TYPE_CHECKING:
    from fairlead.adapters.events import Event

ENTRY = """
import logging, os, time

def double(payload, workspace):
    with open(os.path.join(workspace.directory, "report.txt"), "w") as report:
        report.write(f"{payload['number']} doubled")
    logging.warning("doubling")
    if payload["number"] == 21:
        print("the word is opensesame", "s3://user:pass@bucket")
    print("printed")
    return payload["number"] * 2

def fail(payload, workspace):
    logging.warning("failing")
    raise ValueError("no number")

def hang(payload, workspace):
    while True:
        logging.warning("hanging")
"""


@dataclass
class Doubling:
    """A unit of work and nothing else: it doubles a number, writes a report and notes what is asked of it."""

    function: str = "double"
    steps: list[str] = field(default_factory=list)
    kind: str = "task"
    name: str = "doubling"

    def bind(self, inputs: Mapping[str, Any]) -> Doubling.Work:
        self.steps.append("bind")
        if not isinstance(inputs.get("number"), int):
            raise InputInvalid(Problem("number", f"{inputs.get('number')!r} is not an integer"))
        return self.Work(self, inputs["number"])

    @dataclass
    class Work:
        unit: Doubling
        number: int
        secrets: Mapping[str, str] = field(default_factory=lambda: {"PASSWORD": "opensesame"})

        @property
        def identity(self) -> Mapping[str, Any]:
            self.unit.steps.append("identity")
            return {"number": self.number, "bad": object()} if self.number == 13 else {"number": self.number}

        def call(self, directory: Path) -> Call:
            self.unit.steps.append("call")
            assert not directory.exists()
            return Call(f"doubling_entry:{self.unit.function}", {"number": self.number}, str(directory))

        def collect(self, value: Any, directory: Path) -> Produced:
            self.unit.steps.append("collect")
            if value > 100:
                raise OutputInvalid(Problem("value", f"{value} is more than 100"))
            return Produced({"value": value, "report": "report.txt"}, {"report.txt": directory / "report.txt"})

        def is_unchanged(self) -> bool:
            self.unit.steps.append("is_unchanged")
            return self.number != 14

        def locate(self, outputs: Mapping[str, Any], files: str) -> dict[str, Any]:
            self.unit.steps.append("locate")
            return dict(outputs) | {"report": storage.join(files, outputs["report"])}


@pytest.fixture(autouse=True)
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "entry"
    folder.mkdir()
    (folder / "doubling_entry.py").write_text(ENTRY)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)


@pytest.fixture
def do(cache: ResultCache) -> Callable[..., Outcome]:
    def perform_doubling(
        number: Any = 4,
        *,
        unit: Doubling | None = None,
        host: RecordingHost | None = None,
        isolation: Any = "thread",
        refresh: bool = False,
        where: ResultCache | None = None,
    ) -> Outcome:
        chosen = named(isolation) if isinstance(isolation, str) else isolation
        return perform(
            unit or Doubling(),
            {"number": number},
            host or RecordingHost(),
            cache=where or cache,
            isolation=chosen,
            refresh=refresh,
        )

    return perform_doubling


# The way through


def test_a_unit_that_was_never_run_is_run(do, isolation):
    outcome = do(isolation=isolation)
    assert not outcome.cached
    assert outcome.unit == "doubling"
    assert outcome.outputs["value"] == 8
    assert Path(outcome.outputs["report"]).read_text() == "4 doubled"
    assert [file.location for file in outcome.files] == [outcome.outputs["report"]]


def test_the_steps_are_taken_in_their_order(do):
    unit = Doubling()
    do(unit=unit)
    assert unit.steps == ["bind", "identity", "call", "collect", "is_unchanged", "locate"]


def test_what_was_done_is_found_and_not_done_again(do):
    first, unit = do(), Doubling()
    second = do(unit=unit, isolation="process")
    assert unit.steps == ["bind", "identity", "locate"]
    assert second.cached
    assert (second.outputs, second.files, second.fingerprint) == (first.outputs, first.files, first.fingerprint)
    assert second.log == first.log
    assert second.run_seconds == first.run_seconds


def test_other_inputs_are_other_work(do):
    assert do(4).fingerprint != do(5).fingerprint
    assert do(5).outputs["value"] == 10


def test_refresh_does_it_again_and_replaces_what_is_kept(do, cache):
    first = do()
    again = do(refresh=True)
    assert not again.cached
    assert again.log != first.log
    assert do().log == again.log


def test_the_time_that_it_took_is_told(do):
    first = do(isolation="process")
    assert 0 < first.run_seconds <= first.seconds
    assert do().seconds < first.run_seconds


def test_an_outcome_is_plain_json(do):
    outcome = do()
    data = json.loads(json.dumps(outcome.to_dict()))
    assert data["outputs"] == outcome.outputs
    assert data["files"][0]["location"] == outcome.outputs["report"]
    assert set(data) == {
        "unit",
        "fingerprint",
        "cached",
        "outputs",
        "files",
        "log",
        "run_seconds",
        "seconds",
        "diagnostics",
    }


def test_a_remote_cache_serves_as_a_local_one(do, root):
    cache = ResultCache(root)
    first = do(where=cache)
    assert storage.read_bytes(first.outputs["report"]) == b"4 doubled"
    assert do(where=cache).cached


def test_a_damaged_entry_is_told_and_done_again(do):
    report = Path(do().outputs["report"])
    report.write_text("5 doubled")
    host = RecordingHost()
    again = do(host=host)
    assert not again.cached
    assert Path(again.outputs["report"]).read_text() == "4 doubled"
    assert any(level == logging.WARNING and "report.txt" in message for level, _, message in host.lines)
    assert do().cached


# What the host and the log hear


def test_the_host_hears_what_the_run_says(do, isolation):
    host = RecordingHost()
    do(host=host, isolation=isolation)
    assert (logging.WARNING, "root", "doubling") in host.lines
    assert any("done in" in message for _, source, message in host.lines if source == "fairlead")


def test_the_host_hears_of_a_hit(do):
    do()
    host = RecordingHost()
    do(host=host)
    assert any("found in the cache" in message for _, _, message in host.lines)
    assert host.events == []


def test_the_log_holds_every_event_that_the_host_heard(do, watch, isolation):
    host = RecordingHost()
    outcome = do(host=host, isolation=isolation)
    assert watch.log(outcome.log)[1:] == host.events
    assert host.events


def test_the_log_begins_with_whose_run_it_is(do, watch):
    outcome = do(host=RecordingHost(run_id="dag/run/task", attempt=2))
    first = watch.log(outcome.log)[0]
    assert first["message"] == f"doubling: run dag/run/task, attempt 2, fingerprint {outcome.fingerprint}"


def test_a_result_whose_inputs_changed_while_it_was_made_is_returned_and_never_found(do):
    host = RecordingHost()
    first, second = do(14, host=host), do(14)
    assert first.outputs["value"] == second.outputs["value"] == 28
    assert Path(first.outputs["report"]).read_text() == "14 doubled"
    assert not second.cached
    assert len({first.fingerprint, second.fingerprint}) == 2
    assert any("changed while it ran" in message for level, _, message in host.lines if level == logging.WARNING)


def test_the_log_of_a_failure_ends_with_what_went_wrong_and_where(do, watch, isolation):
    with pytest.raises(AppRaised) as caught:
        do(unit=Doubling("fail"), isolation=isolation)
    assert caught.value.log in str(caught.value)
    _, *before, last = watch.log(caught.value.log)
    assert [event["message"] for event in before] == ["failing"]
    assert last["kind"] == "raised"
    assert "ValueError: no number" in last["message"]
    assert "raise ValueError" in last["traceback"]


def test_the_log_of_a_hit_is_that_of_the_run(do, watch):
    do(isolation="process")
    assert any(event.get("line") == "printed" for event in watch.log(do().log))


def test_a_log_that_cannot_be_written_any_more_costs_the_log_and_not_the_run(do, tmp_path):
    class CacheOnAFullDisk(ResultCache):
        @contextlib.contextmanager
        def run_log(self, fingerprint: str) -> Iterator[tuple[str, IO[bytes]]]:
            with Path("/dev/full").open("wb", buffering=0) as stream:
                yield self.folder(fingerprint), stream

    host = RecordingHost()
    assert do(host=host, where=CacheOnAFullDisk(tmp_path / "full"), isolation="process").outputs["value"] == 8
    assert sum("log cannot be written" in message for _, _, message in host.lines) == 1


# Ways not to get through


def test_bad_input_is_refused_before_anything_runs(do, cache, scratch):
    unit = Doubling()
    with pytest.raises(InputInvalid, match="'four' is not an integer") as caught:
        do("four", unit=unit)
    assert unit.steps == ["bind"]
    assert caught.value.log is None
    assert storage.walk(cache.root) == []
    assert [*scratch.iterdir()] == []


def test_what_has_no_identity_is_refused_before_anything_runs(do, cache):
    unit = Doubling()
    with pytest.raises(NotFingerprintable):
        do(13, unit=unit)
    assert "call" not in unit.steps
    assert storage.walk(cache.root) == []


def test_bad_output_is_not_cached_and_its_log_is_kept(do, cache, watch, isolation):
    with pytest.raises(OutputInvalid, match="120 is more than 100") as caught:
        do(60, isolation=isolation)
    assert watch.entries(cache) == []
    assert watch.log(caught.value.log)[-1]["problems"][0]["where"] == "value"


def test_a_failure_is_not_cached_and_can_be_tried_again(do, cache, watch):
    with pytest.raises(AppRaised):
        do(unit=Doubling("fail"))
    assert watch.entries(cache) == []
    assert not do().cached
    assert len([name for name in storage.walk(cache.root) if name.endswith(".ndjson")]) == 2


@pytest.mark.parametrize("function", ["double", "fail"])
def test_the_scratch_folder_goes_in_every_case(do, scratch, isolation, function):
    for number in (4, 60):
        with contextlib.suppress(FairleadError):
            do(number, unit=Doubling(function), isolation=isolation)
    assert [*scratch.iterdir()] == []


def test_a_run_that_was_cancelled_before_does_not_start(do, cache, scratch):
    host, unit = RecordingHost(), Doubling()
    host.cancel()
    with pytest.raises(Cancelled, match="before it started"):
        do(host=host, unit=unit)
    assert "call" not in unit.steps
    assert storage.walk(cache.root) == []
    assert [*scratch.iterdir()] == []


class CancellingHost(RecordingHost):
    """A host that is cancelled, from another thread, when the run first says something."""

    def emit(self, event: Event) -> None:
        super().emit(event)
        if len(self.events) == 1:
            thread = threading.Thread(target=self.cancel)
            thread.start()
            thread.join()


def test_a_run_that_is_cancelled_ends_with_its_log_kept(do, cache, scratch, watch, isolation):
    with pytest.raises(Cancelled) as caught:
        do(unit=Doubling("hang"), host=CancellingHost(), isolation=isolation)
    assert watch.entries(cache) == []
    assert watch.log(caught.value.log)[1]["message"] == "hanging"
    assert [*scratch.iterdir()] == []


def test_a_run_that_passes_its_deadline_ends_with_its_log_kept(do, cache, scratch, watch, isolation, late_host):
    with pytest.raises(TimedOut) as caught:
        do(unit=Doubling("hang"), host=late_host, isolation=isolation)
    assert watch.log(caught.value.log)[1]["message"] == "hanging"
    assert watch.log(caught.value.log)[-1]["kind"] == "raised"
    assert watch.entries(cache) == []
    assert [*scratch.iterdir()] == []


def test_a_system_that_refuses_is_a_store_that_failed_and_the_log_says_so(do, monkeypatch, watch):
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Doubling.Work, "collect", full)
    with pytest.raises(StorageFailed, match="No space left on device") as caught:
        do()
    assert watch.log(caught.value.log)[-1]["exception"] == "fairlead.adapters.errors.StorageFailed"


def test_a_result_that_cannot_be_kept_has_its_log(do, cache, monkeypatch, watch):
    def refuse(*_arguments: object, **_options: object) -> None:
        raise StorageFailed("no")

    monkeypatch.setattr(cache, "commit", refuse)
    with pytest.raises(StorageFailed) as caught:
        do()
    assert watch.log(caught.value.log)[-1]["kind"] == "raised"


def test_a_folder_for_temporary_files_that_is_not_there_is_a_store_that_failed(do, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(StorageFailed, match="nowhere"):
        do()


def test_what_a_host_raises_passes_through_and_leaves_nothing(do, cache, scratch, watch, isolation):
    class Interrupted(Exception):
        pass

    class InterruptedHost(RecordingHost):
        def emit(self, event: Event) -> None:
            raise Interrupted

    with pytest.raises(Interrupted):
        do(host=InterruptedHost(), isolation=isolation)
    assert watch.entries(cache) == []
    assert [*scratch.iterdir()] == []


def test_an_interrupt_passes_through_and_leaves_nothing(do, cache, scratch, watch, isolation):
    class InterruptedHost(RecordingHost):
        def emit(self, event: Event) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(host=InterruptedHost(), isolation=isolation)
    assert watch.entries(cache) == []
    assert [*scratch.iterdir()] == []


def test_a_cache_that_refuses_is_told_before_anything_runs(do, tmp_path, scratch):
    (tmp_path / "file").write_text("")
    unit = Doubling()
    with pytest.raises(StorageFailed, match="FAIRLEAD_CACHE"):
        do(unit=unit, where=ResultCache(tmp_path / "file"))
    assert "call" not in unit.steps
    assert [*scratch.iterdir()] == []


def test_runs_of_the_same_work_at_the_same_time_all_succeed(do, cache, watch):
    outcomes: list[Outcome] = []
    threads = [threading.Thread(target=lambda: outcomes.append(do(refresh=True))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.outputs["value"] for outcome in outcomes] == [8] * 4
    assert len(watch.entries(cache)) == 1
    assert do().cached


def test_secrets_are_taken_out_of_what_a_run_says(do):
    host = RecordingHost()
    outcome = do(21, host=host, isolation="process")
    log = storage.read_bytes(outcome.log).decode()
    for told in (log, json.dumps(host.events)):
        assert "opensesame" not in told
        assert "user:pass" not in told
        assert "the word is <PASSWORD>" in told


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_the_folder_of_a_run_is_there_when_something_needs_it_and_not_after(do, tmp_path, monkeypatch, isolation):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    assert do(isolation=isolation).outputs["value"] == 8
    assert not [*(tmp_path / "temporary").iterdir()]
