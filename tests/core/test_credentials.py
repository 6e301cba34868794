"""Credentials: from the environment, or from a ``.env`` file beside the app, and nowhere else to be seen."""

from __future__ import annotations

import json
import os

import pytest

from fairlead.adapters.errors import InputInvalid
from fairlead.adapters.perform import identify
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import TwineApp

TWINE = {"credentials": [{"name": "GRID_API_KEY", "purpose": "the grid"}], "output_values_schema": {}}
TELL = "import os\ndef run(analysis): analysis.output_values = os.environ['GRID_API_KEY'][::-1]"


@pytest.fixture(autouse=True)
def without(monkeypatch):
    monkeypatch.delenv("GRID_API_KEY", raising=False)


def test_a_file_beside_the_app_has_what_the_environment_has_not(make_app, run, isolation):
    app = make_app(TELL, TWINE)
    (app / ".env").write_text("# the grid's\nexport GRID_API_KEY='abc'\n")
    assert run(app, isolation=isolation).outputs["output_values"] == "cba"
    assert "GRID_API_KEY" not in os.environ


def test_the_environment_counts_more_than_the_file(make_app, run, isolation, monkeypatch):
    app = make_app(TELL, TWINE)
    (app / ".env").write_text("GRID_API_KEY=file")
    monkeypatch.setenv("GRID_API_KEY", "xyz")
    assert run(app, isolation=isolation).outputs["output_values"] == "zyx"


def test_a_name_without_a_value_is_no_credential(make_app, run):
    app = make_app(TELL, TWINE)
    (app / ".env").write_text("GRID_API_KEY=\nGRID_API_KEY_OLD\n")
    with pytest.raises(InputInvalid, match="GRID_API_KEY"):
        run(app)


def test_a_credential_is_in_no_identity_call_event_or_log(make_app, run, watch):
    app = make_app(TELL, TWINE)
    (app / ".env").write_text("GRID_API_KEY=s3cr3t-value")
    work, _ = identify(TwineApp(app), {})
    host = RecordingHost()
    outcome = run(app, host=host)
    told = json.dumps([work.identity, work.call(app).payload, host.events, watch.log(outcome.log)])
    assert "s3cr3t-value" not in told


def test_a_changed_credential_is_the_same_work(make_app):
    app = make_app(TELL, TWINE)
    keys = set()
    for value in ("one", "two"):
        (app / ".env").write_text(f"GRID_API_KEY={value}")
        keys.add(identify(TwineApp(app), {})[1])
    assert len(keys) == 1
