"""Replays of apps that an octue.yaml configures: their source is all that they import, and nothing is delivered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters import storage
from fairlead.adapters.cli import main
from fairlead.adapters.diagnostics import Diagnostics
from fairlead.adapters.errors import AppRaised

TWINE: dict[str, Any] = {
    "configuration_values_schema": {"type": "object"},
    "input_values_schema": {"type": "object"},
    "output_manifest": {"datasets": {"curve": {}}},
    "credentials": [{"name": "LICENCE_KEY"}],
}
SOURCE = """
import os

import shared.limits

def run(analysis):
    print("licence", os.environ["LICENCE_KEY"], "of", analysis.configuration_values["site"])
    with open(os.path.join(analysis.output_manifest.get_dataset("curve").path, "curve.csv"), "w") as stream:
        stream.write("1")
    if analysis.input_values["n"] > shared.limits.MOST:
        raise ValueError("too many")
"""


@pytest.fixture
def service(tmp_path, monkeypatch) -> Path:
    """A repository with an octue.yaml, a package that the app imports, and a ``.env`` file."""
    monkeypatch.delenv("LICENCE_KEY", raising=False)
    root = tmp_path / "repository"
    for name, text in {
        "octue.yaml": f"""
services:
  - namespace: wind
    name: curves
    app_source_path: source
    twine_path: twine.json
    configuration_values: {{"site": "west"}}
    output_location: {tmp_path / "delivered"}
""",
        "twine.json": json.dumps(TWINE),
        ".env": "LICENCE_KEY=s3cret-licence\n",
        "source/app.py": SOURCE,
        "shared/__init__.py": "",
        "shared/limits.py": "MOST = 3\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def bundle(service, run, tmp_path) -> str:
    with pytest.raises(AppRaised, match="too many") as caught:
        run(service, input_values={"n": 5}, diagnostics=Diagnostics(str(tmp_path / "left")))
    assert caught.value.diagnostics
    return caught.value.diagnostics


def replay(capsys, *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["replay", *map(str, arguments)])
    return int(str(ended.value.code or 0)), capsys.readouterr().err


def test_a_service_is_replayed_with_all_that_it_imports(bundle, capsys, monkeypatch):
    names = storage.walk(bundle)
    assert {"source/octue.yaml", "source/source/app.py", "source/shared/limits.py"} <= set(names)
    monkeypatch.setenv("LICENCE_KEY", "another-licence")
    code, told = replay(capsys, bundle)
    assert code == 4
    assert "It fails in the same way as the recorded run." in told
    assert "of west" in told
    assert "source    as then" in told


def test_a_contract_that_is_not_where_the_source_is_goes_along(service, request, capsys, monkeypatch):
    (service / "twine.json").rename(service.parent / "contract.json")
    configuration = service / "octue.yaml"
    configuration.write_text(
        configuration.read_text().replace("twine_path: twine.json", "twine_path: ../contract.json")
    )
    bundle = request.getfixturevalue("bundle")
    (service.parent / "contract.json").unlink()
    monkeypatch.setenv("LICENCE_KEY", "another-licence")
    code, told = replay(capsys, bundle)
    assert code == 4
    assert "It fails in the same way as the recorded run." in told


def test_what_only_a_file_beside_the_app_holds_is_not_in_it(bundle, capsys):
    kept = b"".join(storage.read_bytes(f"{bundle}/{name}") for name in storage.walk(bundle))
    assert b"s3cret" not in kept
    assert b"licence <LICENCE_KEY>" in kept
    code, told = replay(capsys, bundle)
    assert code == 3
    assert "credentials.LICENCE_KEY" in told
    assert "a file '.env' in the working directory may have it, too" in told
    assert "It could not be replayed: nothing has run" in told
    assert "another way" not in told


@pytest.mark.parametrize("place", ["the working directory", "beside the app"])
def test_credentials_are_also_read_from_a_file(service, bundle, capsys, tmp_path, monkeypatch, place):
    options = ["--app", service] if place == "beside the app" else []
    if not options:
        (tmp_path / "here").mkdir()
        (service / ".env").rename(tmp_path / "here" / ".env")
        monkeypatch.chdir(tmp_path / "here")
    code, told = replay(capsys, bundle, *options)
    assert code == 4
    assert "licence <LICENCE_KEY> of west" in told
    assert "It fails in the same way as the recorded run." in told


def test_of_two_files_the_value_that_the_app_gets_is_not_in_it(service, run, tmp_path):
    (service / "source" / ".env").write_text("LICENCE_KEY=nearer-licence\n")
    with pytest.raises(AppRaised) as caught:
        run(service, input_values={"n": 5}, diagnostics=Diagnostics(str(tmp_path / "left")))
    assert b"licence <LICENCE_KEY>" in storage.read_bytes(f"{caught.value.diagnostics}/events.ndjson")


def test_outputs_of_a_replay_are_delivered_nowhere(service, bundle, capsys, tmp_path):
    (service / "shared" / "limits.py").write_text("MOST = 10\n")
    code, told = replay(capsys, bundle, "--app", service, "--output-dir", tmp_path / "out")
    assert code == 0
    assert "which differs in shared/limits.py" in told
    assert (tmp_path / "out" / "curve" / "curve.csv").read_text() == "1"
    assert not (tmp_path / "delivered").exists()
