"""Bundles in real object stores: written by a run, read by a command in another process."""

from __future__ import annotations

import json
import subprocess

import pytest

from fairlead.adapters import storage
from fairlead.adapters.diagnostics import Diagnostics
from fairlead.adapters.errors import AppRaised
from fairlead.adapters.testing import RecordingHost

from .conftest import FAIRLEAD

TWINE = {"input_manifest": {"datasets": {"weather": {}}}}
SOURCE = """
def run(analysis):
    files = sorted(analysis.input_manifest.get_dataset("weather"), key=lambda file: file.name)
    raise ValueError([open(file.local_path).read() for file in files])
"""


@pytest.mark.slow
def test_a_run_is_replayed_from_an_object_store_also_when_its_data_are_gone(make_app, run, cloud_store, tmp_path):
    data, left = f"{cloud_store.url}/weather", f"{cloud_store.url}/left"
    storage.write_bytes(f"{data}/2019.csv", b"one")
    storage.write_bytes(f"{data}/north/2020.csv", b"two")
    with pytest.raises(AppRaised, match=r"\['one', 'two'\]") as caught:
        run(
            make_app(SOURCE, TWINE),
            input_manifest={"datasets": {"weather": data}},
            diagnostics=Diagnostics(left, copy_datasets=True),
        )
    url = caught.value.diagnostics
    assert url is not None
    assert url.startswith(f"{left}/")
    assert json.loads(storage.read_bytes(f"{url}/run.json"))["copied"]
    storage.remove(data)
    command = [FAIRLEAD, "replay", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 4, done.stderr
    assert "It fails in the same way as the recorded run." in done.stderr


@pytest.mark.slow
def test_a_store_that_refuses_costs_the_bundle_and_not_the_error(make_app, run, cloud_store):
    cloud_store.answer(lambda method, _path: None if method in {"GET", "HEAD"} else 403)
    host = RecordingHost()
    with pytest.raises(AppRaised, match="one") as caught:
        run(
            make_app("def run(analysis):\n    raise ValueError('one')\n"),
            host=host,
            isolation="thread",
            diagnostics=Diagnostics(f"{cloud_store.url}/left"),
        )
    assert caught.value.diagnostics is None
    assert [message for level, _, message in host.lines if level == 30 and "could not be saved below" in message]
    cloud_store.answer(None)
    assert storage.walk(f"{cloud_store.url}/left") == []
