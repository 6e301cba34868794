"""Services as they are written for Octue's SDK run unmodified: as units, by the Runner, and under their own tests.

They are in ``tests/octue_apps``, with what they are run with and what must come of it. Nothing in them knows whether it
runs on ours or on the real SDK.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from fairlead.adapters import compat, storage
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import TwineApp
from tests.stores import PEERS, needs

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / "tests" / "octue_apps"
NAMES = sorted(path.name for path in SERVICES.iterdir() if (path / "run.json").exists())
OLDER = sorted({*NAMES} - {"farm_energy_newer"})
"""Services in the dialect of 0.38.1."""
REAL = sorted({*OLDER} - {"blade_loads"})
"""Services that find all they import in 0.38.1, which has no temporary folders that are registered."""

KEY = """
import json, sys
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
text = key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
account = {"type": "service_account", "private_key": text, "client_email": "nobody@example.invalid"}
print(json.dumps(account | {"token_uri": "http://127.0.0.1:9/", "project_id": "nowhere"}))
"""
"""Writes an account of Google's that exists nowhere: the real SDK makes clients also for children that are emulated."""


@pytest.fixture
def service(tmp_path: Path):
    """Copy a service to where it may write."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(SERVICES / name, tmp_path / name, dirs_exist_ok=True))

    return copy


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def run_python(folder: Path, *arguments: str, python: str | Path = sys.executable, **environment: str):
    return subprocess.run(
        [python, *arguments], capture_output=True, text=True, cwd=folder, env={**os.environ, **environment}, check=False
    )


def drive(folder: Path, *arguments: str, **options: str) -> dict[str, Any]:
    """Run the driver with a service, and return what it prints."""
    done = run_python(folder, *arguments, str(SERVICES / "drive.py"), **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def unit(folder: Path, service) -> tuple[TwineApp, dict[str, Any]]:
    """Return a service as a unit, its child a service, too; and its inputs."""
    given = read(folder, "run.json")
    children = {child["key"]: str(service(child["key"])) for child in given.get("children", [])}
    inputs = {"input_values": given.get("input_values")}
    if "input_manifest" in given:
        inputs["input_manifest"] = folder / given["input_manifest"]
    app = TwineApp(folder, configuration_values=given.get("configuration_values"), children=children or None)
    return app, {strand: source for strand, source in inputs.items() if source is not None}


@pytest.mark.parametrize("name", NAMES)
def test_a_service_runs_as_a_unit(name, isolation, service, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # which is the app's working directory, too, in a thread
    folder = service(name)
    app, inputs = unit(folder, service)
    host = RecordingHost()
    outcome = run(app, isolation=isolation, host=host, **inputs)
    expected = read(folder, "expected.json")
    assert outcome.outputs["output_values"] == expected["output_values"]
    written = {file.name: storage.read_bytes(file.location).decode() for file in outcome.files}
    assert written == expected.get("output_files", {})
    if "monitor_messages" in expected:
        assert [event["data"] for event in host.events if event["kind"] == "monitor"] == expected["monitor_messages"]


@pytest.mark.parametrize("name", NAMES)
def test_a_service_leaves_nothing_in_its_repository(name, service, run):
    folder = service(name)
    app, inputs = unit(folder, service)
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    run(app, **inputs)
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before


def test_what_a_test_patches_in_octue_is_what_the_runner_uses(service):
    folder = service("farm_energy")
    given = read(folder, "run.json")
    compat.install()
    runner = importlib.import_module("octue").Runner(
        app_src=str(folder),
        twine=str(folder / "twine.json"),
        configuration_values=given["configuration_values"],
        children=given["children"],
    )
    with patch("octue.resources.child.Child.ask", return_value={"output_values": {"power": [100, 200]}}) as ask:
        analysis = runner.run(input_values={"rows": [[5], [6]]})
    assert analysis.output_values == {"rows": [1.0, 2.0], "energy": 3.0}
    ask.assert_called_once_with(input_values={"speeds": [5, 6]}, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("name", OLDER)
def test_a_service_runs_in_a_program_written_for_the_sdk(name, service):
    folder = service(name)
    found, expected = drive(folder, "-m", "fairlead.adapters.compat"), read(folder, "expected.json")
    assert {key: found[key] for key in expected} == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_service_passes_its_own_tests(name, service):
    folder = service(name)
    done = run_python(folder, "-m", "fairlead.adapters.compat", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How a program is run on the real SDK; this environment lends it numpy."""
    python = needs(PEERS / "bin" / "python", "octue")
    folder = tmp_path_factory.mktemp("real")
    packages = folder / "packages"
    packages.mkdir()
    for name in ("numpy", "numpy.libs"):
        (packages / name).symlink_to(Path(np.__file__).parents[1] / name)
    key = run_python(folder, "-c", KEY, python=python)
    (folder / "key.json").write_text(key.stdout)
    return {
        "python": python,
        "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "key.json"),
        "PYTHONPATH": str(packages),
        "PYTHONWARNINGS": "ignore",
        "WAKE_LICENCE": "for-tests-only",  # otherwise it is looked for at Google first
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_a_service_gives_the_same_on_the_real_sdk(name, service, real):
    theirs = drive(service(name), **real)
    shutil.rmtree(service(name))
    ours = drive(service(name), "-m", "fairlead.adapters.compat")
    assert ours == theirs
