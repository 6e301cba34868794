"""The stores that tests talk to do what tests rely on: see tests/stores.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import fsspec
import pytest

from tests.stores import ROOT, Server, Store

pytestmark = pytest.mark.slow


@pytest.fixture(params=["s3_store", "s3_moto", "gcs_store"])
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(request.param)


def opened(store: Store):
    return fsspec.filesystem(store.url.partition(":")[0])


def test_what_is_written_is_read_again(store):
    fs = opened(store)
    content = os.urandom(12 << 20)
    fs.pipe_file(f"{store.url}/folder/large.bin", content)
    fs.pipe_file(f"{store.url}/folder/small.txt", b"small")
    assert fs.cat_file(f"{store.url}/folder/large.bin") == content
    assert fs.cat_file(f"{store.url}/folder/large.bin", start=5, end=9) == content[5:9]
    assert sorted(fs.find(store.url)) == [f"{store.bucket}/folder/{name}" for name in ("large.bin", "small.txt")]
    fs.rm(f"{store.url}/folder", recursive=True)
    assert fs.find(store.url) == []


def test_a_bucket_is_empty_at_first(store):
    assert opened(store).find(store.url) == []


def test_a_stream_is_written_in_parts(store):
    content = os.urandom(12 << 20)
    fs = opened(store)
    with fs.open(f"{store.url}/parts.bin", "wb", block_size=5 << 20) as stream:
        stream.write(content)
    assert fs.cat_file(f"{store.url}/parts.bin") == content


def test_metadata_is_kept_with_a_file(store):
    fs = opened(store)
    of_gcs = store.url.startswith("gs")
    fs.pipe_file(f"{store.url}/file", b"content", **{"metadata" if of_gcs else "Metadata": {"id": "7"}})
    assert (fs.info(f"{store.url}/file")["metadata"] if of_gcs else fs.metadata(f"{store.url}/file")) == {"id": "7"}


def test_a_signed_address_is_all_that_a_plain_client_needs(store):
    fs = opened(store)
    fs.pipe_file(f"{store.url}/a file.txt", b"content")
    with urllib.request.urlopen(fs.sign(f"{store.url}/a file.txt", expiration=60)) as response:
        assert response.read() == b"content"


def test_a_signed_address_tells_size_and_metadata_without_the_content(gcs_store):
    fs = opened(gcs_store)
    fs.pipe_file(f"{gcs_store.url}/file", b"content", metadata={"id": "7"})
    request = urllib.request.Request(fs.sign(f"{gcs_store.url}/file"), method="HEAD")
    with urllib.request.urlopen(request) as response:
        assert (response.headers["Content-Length"], response.headers["x-goog-meta-id"]) == ("7", "7")
        assert response.read() == b""


def test_a_signature_that_is_wrong_or_old_is_refused(s3_store):
    fs = opened(s3_store)
    fs.pipe_file(f"{s3_store.url}/file", b"content")
    address = fs.sign(f"{s3_store.url}/file", expiration=60)
    changed = address.replace("/file?", "/other?")
    signed_with_another = address[:-1] + ("0" if address[-1] != "0" else "1")
    for wrong in (changed, signed_with_another):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(wrong)
        assert refused.value.code == 403


def test_an_address_that_has_expired_is_refused(s3_store):
    fs = opened(s3_store)
    fs.pipe_file(f"{s3_store.url}/file", b"content")
    address = fs.sign(f"{s3_store.url}/file", expiration=-1)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(address)
    assert refused.value.code == 403


def test_moto_creates_a_file_once(s3_moto):
    fs = opened(s3_moto)
    fs.pipe_file(f"{s3_moto.url}/file", b"first", mode="create")
    with pytest.raises(FileExistsError):
        fs.pipe_file(f"{s3_moto.url}/file", b"second", mode="create")
    assert fs.cat_file(f"{s3_moto.url}/file") == b"first"


def test_requests_are_counted(store):
    fs = opened(store)
    store.requests.clear()
    fs.pipe_file(f"{store.url}/file", b"content")
    (request,) = store.requests
    assert request[0] == ("POST" if store.url.startswith("gs") else "PUT")
    assert store.bucket in request[1]


def test_a_request_can_be_answered_for_the_server(store):
    fs = opened(store)
    store.answer(lambda method, path: 403 if method in {"PUT", "POST"} else None)
    with pytest.raises(OSError, match=r"(?i)403|forbidden"):
        fs.pipe_file(f"{store.url}/file", b"content")
    store.answer(None)
    assert fs.find(store.url) == []


def test_a_child_process_comes_to_the_same_store(store):
    opened(store).pipe_file(f"{store.url}/file", b"content")
    program = f"import fsspec; print(fsspec.open({store.url + '/file'!r}).open().read())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "b'content'\n"


def test_a_store_ends_when_the_tests_are_killed(watch, tmp_path):
    program = """
import os, pathlib, signal, sys
from tests.stores import PEERS, Server

command = [str(PEERS / "bin" / "moto_server"), "-H", "127.0.0.1", "-p", "0"]
print(Server(command, pathlib.Path(sys.argv[1])).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run(
        [sys.executable, "-c", program, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert watch.ends(int(killed.stdout))


def test_a_store_that_does_not_start_is_told_with_what_it_said(tmp_path):
    with pytest.raises(AssertionError, match="no such option"):
        Server([sys.executable, "-c", "raise SystemExit('no such option')"], tmp_path, port=1)


def test_a_store_that_is_not_installed_is_named_when_its_tests_are_skipped(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__, "-k", "wrong_or_old"],
        cwd=ROOT,
        env=os.environ | {"FAIRLEAD_PEERS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "s3rver is not there: make setup puts it into .venv-peers" in done.stdout
    assert "1 skipped" in done.stdout
