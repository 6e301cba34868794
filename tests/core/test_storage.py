"""Storage: files here and elsewhere behave alike, and appear whole or not at all."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3

from fairlead.adapters import storage
from fairlead.adapters.errors import InputInvalid, StorageFailed

SIZES = sorted({
    0, 1, 1023, 1024, 1025,
    *(edge + shift for edge in (storage._SMALL, storage._CHUNK, 2 * storage._CHUNK) for shift in (-1, 0, 1)),
})  # fmt: skip


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize("size", SIZES)
def test_a_digest_is_that_of_all_bytes_whatever_the_blocks(root, size):
    location = storage.join(root, "file")
    storage.write_bytes(location, content(size))
    assert storage.digest(location) == blake3(content(size)).hexdigest()
    assert storage.size(location) == size


def test_readers_at_the_same_time_do_not_disturb_each_other(root, tmp_path):
    data = content(1_000_000)
    storage.write_bytes(f"{root}/file", data)

    def read(number: int) -> tuple[str, bytes]:
        storage.fetch(f"{root}/file", tmp_path / "copies" / str(number))
        return storage.digest(f"{root}/file"), (tmp_path / "copies" / str(number)).read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert {*pool.map(read, range(64))} == {(blake3(data).hexdigest(), data)}


@pytest.mark.parametrize("name", ["a::b.csv", "2019::10", "C:: notes"])
def test_two_colons_in_a_name_do_not_make_it_an_address(name, tmp_path):
    (tmp_path / name).write_bytes(b"x")
    assert storage.is_local(name)
    assert storage.digest(str(tmp_path / name)) == blake3(b"x").hexdigest()


def test_a_password_in_an_address_is_refused_and_not_shown():
    with pytest.raises(InputInvalid) as caught:
        storage.refuse_secrets("ftp://me:hunter2@host/results", "cache")
    assert str(caught.value).startswith("cache: ftp://…@host holds a password")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "location", ["s3://bucket/a:b@c", "ftp://me@host/x", "/a:b@c/d", "github://org:repository@main/x", "memory://a"]
)
def test_other_addresses_are_not(location):
    storage.refuse_secrets(location, "cache")


def test_a_digest_is_of_all_bytes_also_if_the_system_does_not_tell_how_many():
    version = Path("/proc/version")
    assert version.stat().st_size == 0
    assert storage.digest(str(version)) == blake3(version.read_bytes()).hexdigest()


def test_a_digest_is_of_all_that_a_pipe_gives(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("wb", buffering=0) as stream:
            for _ in range(100):
                stream.write(b"some")

    writer = threading.Thread(target=write)
    writer.start()
    assert storage.digest(str(pipe)) == blake3(b"some" * 100).hexdigest()
    writer.join()


def test_a_forked_process_can_hash_after_its_parent_has(tmp_path):
    # In an interpreter of its own, because the threads of pytest's would be in the way of forking.
    program = f"""
import multiprocessing
from fairlead.adapters import storage
location = {str(tmp_path / "large")!r}
storage.write_bytes(location, bytes(1 << 24))
with multiprocessing.get_context("fork").Pool(2) as pool:
    pass
here = storage.digest(location)
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert set(pool.map(storage.digest, [location] * 4)) == {{here}}
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_what_is_written_is_read(root):
    location = storage.join(root, "some", "folder", "file.json")
    storage.write_bytes(location, b"\x00{}\xff")
    assert storage.read_bytes(location) == b"\x00{}\xff"
    storage.write_bytes(location, b"")
    assert storage.read_bytes(location) == b""


def test_a_walk_names_every_file_below_a_folder_in_order(root):
    names = ["b/2.csv", "a.csv", "b/c/3.csv", "b/1.csv", ".octue", "\u98a8/\u00fc.csv", "B.csv"]
    for name in names:
        storage.write_bytes(storage.join(root, "data", name), b"")
    storage.write_bytes(storage.join(root, "database"), b"")
    assert storage.walk(storage.join(root, "data")) == sorted(names)


def test_a_missing_folder_has_no_files(root):
    assert storage.walk(storage.join(root, "nowhere")) == []


def test_a_walk_sees_a_file_that_came_later(root):
    storage.write_bytes(storage.join(root, "data", "a"), b"")
    storage.walk(storage.join(root, "data"))
    storage.write_bytes(storage.join(root, "data", "b"), b"")
    assert storage.walk(storage.join(root, "data")) == ["a", "b"]


def test_a_walk_takes_links_for_what_they_lead_to_but_not_back(tmp_path):
    (tmp_path / "data" / "inner").mkdir(parents=True)
    (tmp_path / "real.csv").write_text("1")
    (tmp_path / "data" / "linked.csv").symlink_to(tmp_path / "real.csv")
    (tmp_path / "data" / "loop").symlink_to(tmp_path / "data")
    assert storage.walk(str(tmp_path / "data")) == ["linked.csv"]


def test_a_walk_does_not_pass_over_a_link_to_nothing(tmp_path):
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    with pytest.raises(OSError, match="link to nothing"):
        storage.walk(str(tmp_path))


def test_a_file_is_put_and_fetched(root, tmp_path):
    source = tmp_path / "source.bin"
    source.write_bytes(content(100_000))
    storage.put(source, storage.join(root, "new", "folder", "copy.bin"))
    storage.fetch(storage.join(root, "new", "folder", "copy.bin"), tmp_path / "other" / "back.bin")
    assert (tmp_path / "other" / "back.bin").read_bytes() == content(100_000)
    assert source.exists()


def test_putting_replaces_what_is_there(root, tmp_path):
    for text in ("first, and longer", "second"):
        (tmp_path / "source").write_text(text)
        storage.put(tmp_path / "source", storage.join(root, "file"))
    assert storage.read_bytes(storage.join(root, "file")) == b"second"


@pytest.mark.parametrize("action", [storage.read_bytes, storage.digest, storage.size])
def test_a_missing_file_is_a_file_not_found(root, action):
    with pytest.raises(FileNotFoundError):
        action(storage.join(root, "nothing"))


def test_putting_a_missing_file_leaves_nothing(root, tmp_path):
    with pytest.raises(FileNotFoundError):
        storage.put(tmp_path / "nothing", storage.join(root, "file"))
    assert storage.walk(root) == []


def test_fetching_a_missing_file_leaves_nothing(root, tmp_path):
    with pytest.raises(FileNotFoundError):
        storage.fetch(storage.join(root, "nothing"), tmp_path / "target" / "file")
    assert storage.walk(str(tmp_path / "target")) == []


def test_a_put_that_fails_keeps_what_was_there(tmp_path):
    location = str(tmp_path / "kept")
    storage.write_bytes(location, b"old")
    with pytest.raises(OSError):  # noqa: PT011 (what the system says of copying a folder as a file)
        storage.put(tmp_path, location)
    assert storage.walk(str(tmp_path)) == ["kept"]
    assert storage.read_bytes(location) == b"old"


def test_a_reader_sees_the_old_content_or_the_new_and_never_a_part(tmp_path):
    location = str(tmp_path / "file")
    whole = {bytes([number]) * 200_000 for number in range(2)}
    storage.write_bytes(location, min(whole))
    done = threading.Event()

    def write() -> None:
        for _ in range(100):
            for data in whole:
                storage.write_bytes(location, data)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert storage.read_bytes(location) in whole
    writer.join()


@pytest.fixture
def broken_server() -> Iterator[str]:
    """A web server that promises 1 MB and hangs up in the middle of it; it has no other file."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            if self.path != "/weather.csv":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            if self.path == "/weather.csv":
                self.wfile.write(bytes(500_000))

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/weather.csv"
    server.shutdown()
    server.server_close()


def test_a_fetch_that_breaks_off_leaves_no_part_of_the_file(broken_server, tmp_path):
    with pytest.raises(StorageFailed, match=r"weather\.csv") as caught:
        storage.fetch(broken_server, tmp_path / "target" / "weather.csv")
    assert caught.value.retryable
    assert storage.walk(str(tmp_path / "target")) == []


def test_a_stream_that_breaks_off_has_no_digest(broken_server):
    with pytest.raises(StorageFailed, match=r"weather\.csv"):
        storage.digest(broken_server)


def test_a_file_that_a_web_server_does_not_have_is_a_file_not_found(broken_server):
    with pytest.raises(FileNotFoundError):
        storage.digest(broken_server.replace("weather", "other"))


def test_a_store_that_does_not_answer_is_named_with_the_remedy():
    with pytest.raises(StorageFailed, match=r"http://127\.0\.0\.1:9/data\.csv.*network") as caught:
        storage.digest("http://127.0.0.1:9/data.csv")
    assert caught.value.retryable


def test_a_scheme_that_nothing_knows_is_named():
    with pytest.raises(StorageFailed, match=r"windbag://host/data: 'windbag' is no storage .* Check the address"):
        storage.read_bytes("windbag://host/data")


@pytest.mark.parametrize(
    ("location", "package", "remedy"),
    [("s3://bucket/x", "s3fs", "fairlead[s3]"), ("gs://bucket/x", "gcsfs", "fairlead[gcs]")],
)
def test_a_store_whose_package_is_missing_is_named_with_the_extra(location, package, remedy):
    # In an interpreter of its own, because fsspec remembers the packages that it has found.
    program = f"""
import sys
sys.modules[{package!r}] = None
from fairlead.adapters import storage
storage.read_bytes({location!r})
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert f"StorageFailed: {location}" in done.stderr
    assert package in done.stderr
    assert remedy in done.stderr


def test_a_store_that_no_extra_brings_is_named_by_its_package():
    with pytest.raises(StorageFailed, match="adlfs"):
        storage.read_bytes("abfs://container/x")


@pytest.mark.parametrize(
    ("location", "local"),
    [
        ("data/a.csv", True), ("/data", True), ("~/data", True), ("file:///data", True), ("a:b", True), ("s3:/b", True),
        ("s3://bucket/a", False), ("memory://a", False), ("https://host/a", False), ("zip::file:///a.zip", False),
        ("github://org:repo@main/a", False),
    ],
)  # fmt: skip
def test_what_is_on_this_machine_is_told_by_the_scheme(location, local):
    assert storage.is_local(location) is local


@pytest.mark.parametrize(
    ("folder", "joined"),
    [
        ("/data", "/data/a/b"), ("/data/", "/data/a/b"), ("/", "/a/b"), ("data", "data/a/b"),
        ("s3://bucket", "s3://bucket/a/b"), ("s3://bucket/", "s3://bucket/a/b"), ("memory://", "memory://a/b"),
        ("file:///", "file:///a/b"),
    ],
)  # fmt: skip
def test_something_below_a_folder_is_where_one_expects(folder, joined):
    assert storage.join(folder, "a", "b") == joined


def test_a_local_path_is_absolute_and_keeps_its_links(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert storage.local_path("link/../x") == tmp_path / "x"
    assert storage.local_path("link/a") == tmp_path / "link" / "a"
    assert storage.local_path("~/a") == tmp_path / "a"
    assert storage.local_path(f"file://{tmp_path}/a") == tmp_path / "a"


def test_there_is_what_there_is(root):
    storage.write_bytes(storage.join(root, "folder", "file"), b"")
    assert storage.exists(storage.join(root, "folder", "file"))
    assert storage.exists(storage.join(root, "folder"))
    assert storage.is_folder(storage.join(root, "folder"))
    assert not storage.is_folder(storage.join(root, "folder", "file"))
    assert not storage.exists(storage.join(root, "other"))
    assert not storage.is_folder(storage.join(root, "other"))


@pytest.mark.parametrize("name", ["folder", "folder/file", "nothing"])
def test_removing_leaves_nothing_of_it_and_all_else(root, name):
    storage.write_bytes(storage.join(root, "folder", "file"), b"")
    storage.write_bytes(storage.join(root, "folders"), b"")
    storage.remove(storage.join(root, name))
    assert storage.walk(root) == (["folder/file"] if name == "nothing" else []) + ["folders"]


def test_removing_a_link_to_a_folder_leaves_the_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    storage.remove(str(tmp_path / "link"))
    assert storage.walk(str(tmp_path)) == ["real/file"]


def test_work_on_local_files_does_not_import_fsspec(tmp_path):
    program = f"""
import sys
from pathlib import Path
from fairlead.adapters import storage
file = {str(tmp_path / "a" / "b")!r}
storage.write_bytes(file, b"x"), storage.digest(file), storage.walk({str(tmp_path)!r}), storage.exists(file)
storage.put(Path(file), file + "2"), storage.fetch("file://" + file, Path(file + "3")), storage.remove(file)
sys.exit("fsspec" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
