"""The result cache: an entry is whole or not there, whoever writes, dies or meddles."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters import storage
from fairlead.adapters.cache import DamagedEntry, Entry, ResultCache
from fairlead.adapters.errors import InputInvalid, StorageFailed
from fairlead.adapters.unit import Produced

KEY = "ab" + "0" * 62
OTHER = "ab" + "1" * 62
UNIT = {"kind": "twine", "name": "wind"}
OUTPUTS: dict[str, Any] = {"output_values": {"k": 2.01, "names": ["Sand Point", "\u963f\u62c9"], "none": None}}
FILES = {"rose/rose.csv": b"N,0.1\n" * 1000, "rose/deep/\u56fe.png": bytes(range(256)), "empty": b""}

Commit = Callable[..., Entry]


@pytest.fixture
def cache(root: str) -> ResultCache:
    return ResultCache(root)


@pytest.fixture
def commit(cache: ResultCache, tmp_path: Path) -> Commit:
    """Commit a result as a run does: the files are in a folder of its own."""

    def commit_result(
        outputs: Mapping[str, Any] = OUTPUTS, files: Mapping[str, bytes] = FILES, key: str = KEY, log: str | None = None
    ) -> Entry:
        folder = tmp_path / "runs" / os.urandom(4).hex()
        produced = {}
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            produced[name] = path
        return cache.commit(key, Produced(outputs, produced), unit=UNIT, seconds=1.5, log=log)

    return commit_result


def outcome(cache: ResultCache) -> str:
    return storage.join(cache.folder(KEY), "outcome.json")


def contents(entry: Entry) -> dict[str, bytes]:
    return {file.name: storage.read_bytes(file.location) for file in entry.files}


def test_what_was_never_done_is_not_found(cache):
    assert cache.lookup(KEY) is None


def test_what_was_done_is_found_with_all_that_was_committed(cache, commit):
    committed = commit()
    found = cache.lookup(KEY)
    assert found == committed
    assert found.outputs == OUTPUTS
    assert found.seconds == 1.5
    assert contents(found) == FILES
    assert all(file.location == storage.join(found.files_root, file.name) for file in found.files)
    assert all(file.size == len(FILES[file.name]) for file in found.files)


def test_a_result_without_files_is_found(cache, commit):
    committed = commit(files={})
    assert cache.lookup(KEY) == committed
    assert committed.files == ()


def test_another_host_with_the_same_root_finds_it(cache, commit):
    committed = commit()
    assert ResultCache(cache.root).lookup(KEY) == committed


def test_one_result_is_not_anothers(cache, commit):
    commit()
    assert cache.lookup(OTHER) is None


@pytest.mark.parametrize(
    "outputs",
    [
        {"output_values": math.inf},
        {"output_values": "half a character: \ud83d"},
        {"output_values": {"": [[], {}, 10**30, 1e-300, -0.0, 1.0]}},
        {"output_values": None},
        {},
    ],
    ids=repr,
)
def test_outputs_come_back_as_they_were(cache, commit, outputs):
    commit(outputs)
    assert cache.lookup(KEY).outputs == outputs
    assert json.dumps(cache.lookup(KEY).outputs) == json.dumps(outputs)


def test_nan_comes_back(cache, commit):
    commit({"output_values": math.nan})
    assert math.isnan(cache.lookup(KEY).outputs["output_values"])


def test_a_file_whose_name_is_no_text_comes_back(tmp_path):
    name = os.fsdecode(b"\xff.dat")
    (tmp_path / name).write_text("data")
    cache = ResultCache(tmp_path / "cache")
    cache.commit(KEY, Produced({}, {name: tmp_path / name}), unit=UNIT, seconds=0, log=None)
    assert contents(cache.lookup(KEY)) == {name: b"data"}


def test_an_entry_lies_where_the_documentation_says(cache, commit):
    with cache.run_log(KEY) as (log, _stream):
        pass
    entry = commit(log=log)
    names = storage.walk(cache.root)
    tree = entry.files_root.rpartition("/")[2]
    files = sorted(f"ab/{KEY}/files/{tree}/{name}" for name in FILES)
    assert sorted(names) == sorted([*files, f"ab/{KEY}/outcome.json", log.removeprefix(cache.root + "/")])
    assert log.startswith(f"{cache.root}/ab/{KEY}/logs/")


def test_an_outcome_is_plain_json_that_names_the_unit(cache, commit):
    commit()
    record = json.loads(storage.read_bytes(outcome(cache)))
    assert record["unit"] == UNIT
    assert record["outputs"] == OUTPUTS
    assert [file["name"] for file in record["files"]] == sorted(FILES)


def test_local_files_are_moved_and_not_copied(tmp_path):
    (tmp_path / "large.bin").write_bytes(b"x")
    inode = (tmp_path / "large.bin").stat().st_ino
    cache = ResultCache(tmp_path / "cache")
    produced = Produced({}, {"large.bin": tmp_path / "large.bin"})
    entry = cache.commit(KEY, produced, unit=UNIT, seconds=0, log=None)
    assert Path(entry.files[0].location).stat().st_ino == inode


def test_a_new_result_replaces_the_old_one(cache, commit):
    commit()
    again = commit({"output_values": 2}, {"rose/rose.csv": b"new"})
    assert cache.lookup(KEY) == again
    assert contents(again) == {"rose/rose.csv": b"new"}


def test_the_same_result_again_leaves_one_copy_of_its_files(cache, commit):
    commit()
    before = storage.walk(cache.root)
    commit()
    assert storage.walk(cache.root) == before


def test_an_entry_that_was_deleted_is_a_miss(cache, commit):
    commit()
    storage.remove(cache.folder(KEY))
    assert cache.lookup(KEY) is None


def test_an_entry_of_a_later_version_is_a_miss(cache, commit):
    commit()
    record = json.loads(storage.read_bytes(outcome(cache)))
    storage.write_bytes(outcome(cache), json.dumps(record | {"version": 2}).encode())
    assert cache.lookup(KEY) is None


# Damage


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def replace(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return replace


@pytest.mark.parametrize(
    "damage",
    [
        lambda _data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-2],
        lambda _data: b"[]",
        lambda _data: b"null",
        lambda _data: b'"text"',
        lambda _data: b"{}",
        lambda _data: b"\xff\x00",
        lambda _data: b"[" * 100_000,
        replaced(b"2.01", b"2.02"),
        replaced(b"Sand", b"Salt"),
        replaced(b'"version": 1', b'"version": "1"'),
        replaced(b"rose/rose.csv", b"rose/../rose.csv"),
        replaced(KEY.encode(), OTHER.encode()),
    ],
)
def test_a_damaged_outcome_is_told_and_never_taken_for_a_result(cache, commit, damage):
    commit()
    storage.write_bytes(outcome(cache), damage(storage.read_bytes(outcome(cache))))
    with pytest.raises(DamagedEntry, match=KEY):
        cache.lookup(KEY)


def test_no_byte_of_an_outcome_can_change_unnoticed(cache, commit):
    committed = commit()
    data = storage.read_bytes(outcome(cache))
    for position in random.Random(1).sample(range(len(data)), 100):
        changed = bytearray(data)
        changed[position] ^= 1
        storage.write_bytes(outcome(cache), bytes(changed))
        try:
            found = cache.lookup(KEY)
        except DamagedEntry:
            continue
        assert found is None or found == committed  # a space less, or a later version


def test_an_outcome_that_was_copied_from_another_entry_is_damaged(cache, commit):
    commit(files={}, key=OTHER)
    storage.write_bytes(outcome(cache), storage.read_bytes(storage.join(cache.folder(OTHER), "outcome.json")))
    with pytest.raises(DamagedEntry):
        cache.lookup(KEY)


@pytest.mark.parametrize("damage", ["changed", "shorter", "missing"])
@pytest.mark.parametrize("name", ["rose/rose.csv", "rose/deep/\u56fe.png"])
def test_a_damaged_file_is_named_and_replaced_by_the_next_result(cache, commit, damage, name):
    location = next(file.location for file in commit().files if file.name == name)
    if damage == "missing":
        storage.remove(location)
    else:
        data = storage.read_bytes(location)
        storage.write_bytes(location, data[:-1] + (b"!" if damage == "changed" else b""))
    with pytest.raises(DamagedEntry, match=name.rpartition("/")[2]):
        cache.lookup(KEY)
    again = commit()
    assert cache.lookup(KEY) == again
    assert contents(again) == FILES


def test_a_damaged_outcome_is_replaced_by_the_next_result(cache, commit):
    commit()
    storage.write_bytes(outcome(cache), b"half")
    again = commit()
    assert cache.lookup(KEY) == again


def test_a_folder_where_a_file_should_be_is_damage_and_replaced(tmp_path):
    cache = ResultCache(tmp_path / "cache")
    for _ in range(2):
        (tmp_path / "a.csv").write_text("1")
        produced = Produced({}, {"a.csv": tmp_path / "a.csv"})
        entry = cache.commit(KEY, produced, unit=UNIT, seconds=0, log=None)
        assert cache.lookup(KEY) == entry
        Path(entry.files[0].location).unlink()
        Path(entry.files[0].location).mkdir()
        with pytest.raises(DamagedEntry, match=r"a\.csv"):
            cache.lookup(KEY)


# Many writers, and writers that die. Each is a process of its own that runs this program.

WRITER = """
import sys
from pathlib import Path
from fairlead.adapters.cache import ResultCache
from fairlead.adapters.unit import Produced
root, key, folder, number, rounds = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
cache = ResultCache(root)
folder.mkdir(parents=True)
print("ready", flush=True)
for round in range(rounds):
    value = 0 if round % 2 else number  # a result that all have, and one that is this writer's
    files = {}
    for name in ("a", "b/c"):
        files[name] = folder / f"{round}-{name[0]}"
        files[name].write_text(f"{value} {name} " * 500)
    cache.commit(key, Produced({"value": value}, files), unit={}, seconds=0, log=None)
    print(round, flush=True)
"""


def writer(cache: ResultCache, folder: Path, number: int, rounds: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, cache.root, KEY, str(folder), str(number), str(rounds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def is_whole(entry: Entry) -> bool:
    value = entry.outputs["value"]
    return contents(entry) == {name: f"{value} {name} ".encode() * 500 for name in ("a", "b/c")}


@pytest.mark.slow
def test_writers_in_many_processes_end_with_one_whole_entry(tmp_path):
    cache = ResultCache(tmp_path / "cache")
    writers = [writer(cache, tmp_path / str(number), number, 100) for number in (1, 2, 3)]
    seen = set()
    while any(process.poll() is None for process in writers):
        entry = cache.lookup(KEY)
        if entry is not None:
            assert is_whole(entry)
            seen.add(entry.outputs["value"])
    for process in writers:
        _, complaints = process.communicate()
        assert process.returncode == 0, complaints.decode()
    assert is_whole(cache.lookup(KEY))
    assert len(seen) > 1  # else they did not meet
    assert not [name for name in storage.walk(cache.root) if "/." in name]


def test_writers_in_many_threads_end_with_one_whole_entry(cache, commit):
    failures: list[BaseException] = []

    def write(value: int) -> None:
        try:
            for round_number in range(20):
                written = 0 if round_number % 2 else value
                files = {name: f"{written} {name} ".encode() * 500 for name in ("a", "b/c")}
                commit({"value": written}, files)
        except BaseException as error:  # noqa: BLE001 (told by the test)
            failures.append(error)

    threads = [threading.Thread(target=write, args=(value,)) for value in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert is_whole(cache.lookup(KEY))


def test_the_equal_files_of_a_faster_writer_stay_where_they_are(cache, commit, monkeypatch):
    rename = Path.rename

    def come_second(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        shutil.copytree(self, target)
        (target / "rose" / "witness").touch()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", come_second)
    entry = commit()
    assert cache.lookup(KEY) == entry
    assert storage.is_local(cache.root) is storage.exists(storage.join(entry.files_root, "rose", "witness"))


def test_a_reader_of_a_result_that_is_made_again_always_finds_it(tmp_path):
    cache = ResultCache(tmp_path / "cache")
    process = writer(cache, tmp_path / "writer", 0, 100)
    assert process.stdout
    process.stdout.readline()
    process.stdout.readline()
    while process.poll() is None:
        assert is_whole(cache.lookup(KEY))
    process.communicate()


KILLER = """
import blake3, os, random, signal, sys
from pathlib import Path
from fairlead.adapters.cache import ResultCache
from fairlead.adapters.unit import Produced
root, folder = sys.argv[1], Path(sys.argv[2])
cache, chance, found, patience = ResultCache(root), random.Random(1), 0, 10_000
for attempt in range(100):
    key = f"{attempt:064x}"
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writing, b"x")
        files = {}
        for number in range(20):
            files[f"a/{number}"] = folder / f"{attempt}-{number}"
            files[f"a/{number}"].write_text(f"{number} " * 1000)
        cache.commit(key, Produced({"value": attempt}, files), unit={}, seconds=0, log=None)
        os._exit(0)
    os.read(reading, 1)
    os.close(reading), os.close(writing)
    for _ in range(chance.randrange(int(patience))):  # no clock is fine enough for the moment of death
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    entry = cache.lookup(key)  # raises if there is half of one
    found += entry is not None
    patience *= 0.8 if entry else 1.25  # so that half of them come to their end, on any machine
    if entry:
        assert entry.outputs == {"value": attempt} and len(entry.files) == 20
    else:  # and it is in nobody's way
        (folder / "again").write_text("again")
        cache.commit(key, Produced({"value": 1}, {"a": folder / "again"}), unit={}, seconds=0, log=None)
        assert cache.lookup(key).outputs == {"value": 1}
print(found)
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_at_any_moment_leaves_no_half_entry(tmp_path):
    (tmp_path / "files").mkdir()
    command = [sys.executable, "-c", KILLER, str(tmp_path / "cache"), str(tmp_path / "files")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout) < 100  # some were done before they were killed, some not


# Logs


def test_a_log_holds_what_was_written(cache, watch):
    with cache.run_log(KEY) as (location, stream):
        stream.write(b'{"kind": "heartbeat"}\n')
    assert watch.log(location) == [{"kind": "heartbeat"}]


def test_every_run_has_a_log_of_its_own(cache):
    with cache.run_log(KEY) as (one, _), cache.run_log(KEY) as (other, _):
        assert one != other
    assert len(storage.walk(cache.root)) == 2


def test_a_log_is_kept_when_the_run_fails(cache, watch):
    with pytest.raises(ZeroDivisionError), cache.run_log(KEY) as (location, stream):  # noqa: PT012
        stream.write(b'{"kind": "heartbeat"}\n')
        raise ZeroDivisionError
    assert watch.log(location) == [{"kind": "heartbeat"}]
    assert cache.lookup(KEY) is None


def test_a_local_log_can_be_read_while_the_run_speaks(tmp_path):
    with ResultCache(tmp_path).run_log(KEY) as (location, stream):
        stream.write(b"first\n")
        assert storage.read_bytes(location) == b"first\n"


def test_a_log_that_cannot_be_uploaded_does_not_hide_why_the_run_failed():
    with pytest.raises(ZeroDivisionError), ResultCache("http://127.0.0.1:9/cache").run_log(KEY):
        raise ZeroDivisionError


def test_a_log_that_cannot_be_uploaded_is_told_when_the_run_went_well():
    with pytest.raises(StorageFailed), ResultCache("http://127.0.0.1:9/cache").run_log(KEY):
        pass


def test_new_results_keep_the_logs_of_the_old(cache, commit):
    with cache.run_log(KEY) as (log, _):
        pass
    commit(log=log)
    commit({"output_values": 2}, log=None)
    assert storage.exists(log)


def test_a_hit_says_where_its_log_is(cache, commit):
    with cache.run_log(KEY) as (log, _):
        pass
    commit(log=log)
    assert cache.lookup(KEY).log == log


# Where it is


def test_the_place_is_asked_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FAIRLEAD_CACHE", "memory://shared/cache/")
    assert ResultCache().root == "memory://shared/cache"
    monkeypatch.delenv("FAIRLEAD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert ResultCache().root == str(tmp_path / "xdg" / "fairlead")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert ResultCache().root == str(tmp_path / "home" / ".cache" / "fairlead")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("memory://", "memory://"), ("s3://bucket/", "s3://bucket"), ("/data/cache/", "/data/cache"), ("file:///c", "/c")],
)
def test_a_place_is_named_in_one_way(given, kept):
    assert ResultCache(given).root == kept


def test_a_relative_place_stays_where_it_was_when_the_process_moves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cache = ResultCache("cache")
    monkeypatch.chdir("/")
    assert cache.root == str(tmp_path / "cache")


@pytest.mark.parametrize(
    "action",
    [
        lambda cache: cache.lookup(KEY),
        lambda cache: cache.commit(KEY, Produced({}), unit=UNIT, seconds=0, log=None),
        lambda cache: cache.run_log(KEY).__enter__(),
    ],
    ids=["lookup", "commit", "run_log"],
)
def test_a_place_that_refuses_is_named_with_the_remedy(tmp_path, action):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageFailed, match=r"file.*FAIRLEAD_CACHE") as caught:
        action(ResultCache(tmp_path / "file"))
    assert caught.value.retryable


def test_lookups_at_the_same_time_all_find_the_whole_entry(cache, commit):
    committed = commit(files={"large.bin": os.urandom(3_000_000), "small.txt": b"x"})
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(cache.lookup, [KEY] * 32)]
    assert all(entry is not None and entry.files == committed.files for entry in found)


def test_an_empty_root_is_no_root(monkeypatch, tmp_path):
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "default"))
    assert ResultCache("").root == ResultCache().root == str(tmp_path / "default")


def test_a_root_with_a_password_is_refused():
    with pytest.raises(InputInvalid, match="cache: ftp://…@host holds a password"):
        ResultCache("ftp://me:hunter2@host/results")
