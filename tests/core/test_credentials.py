"""Credentials: from the environment, or from a ``.env`` file beside the app, and nowhere else to be seen."""

from __future__ import annotations

import errno
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


def test_the_remedy_for_a_missing_credential_names_the_files_that_were_looked_for(make_app, run):
    app = make_app(TELL, TWINE)
    with pytest.raises(InputInvalid) as caught:
        run(app)
    assert caught.value.problems[0].remedy == (
        f"Set the environment variable GRID_API_KEY where the app runs, or write it into a file '.env' in {app}."
    )


def test_a_file_that_is_no_text_is_named(make_app, run):
    app = make_app(TELL, TWINE)
    (app / ".env").write_bytes(b"GRID_API_KEY=\xff\xfe")
    with pytest.raises(InputInvalid) as caught:
        run(app)
    (problem,) = caught.value.problems
    assert (problem.where, problem.found) == ("credentials", f"cannot read {app}/.env: it is not UTF-8")
    assert problem.remedy


def test_a_file_that_may_not_be_read_is_named(make_app, run, monkeypatch):
    app = make_app(TELL, TWINE)
    (app / ".env").write_text("GRID_API_KEY=abc")

    def refuse(file):
        raise PermissionError(errno.EACCES, "Permission denied", file)

    monkeypatch.setattr("dotenv.dotenv_values", refuse)  # the tests may run as somebody who may read anything
    with pytest.raises(InputInvalid, match=r"credentials: cannot read .*/\.env: Permission denied.* Make it readable"):
        run(app)


def test_a_credential_is_in_no_identity_call_event_or_log(make_app, run, watch):
    app = make_app(TELL, TWINE)
    (app / ".env").write_text("GRID_API_KEY=s3cr3t-value")
    work, _ = identify(TwineApp(app), {})
    host = RecordingHost()
    outcome = run(app, host=host)
    told = json.dumps([work.identity, work.call(app).payload, host.events, watch.log(outcome.log)])
    assert "s3cr3t-value" not in told


def test_the_file_beside_the_app_counts_more_than_that_above_it(make_app, run, isolation, tmp_path):
    service = tmp_path / "service"
    app = make_app(TELL, TWINE)
    app.rename(service)
    (service / "inner").mkdir()
    (service / "app.py").rename(service / "inner" / "app.py")
    (service / "octue.yaml").write_text('{"services": [{"name": "tell", "app_source_path": "inner"}]}')
    (service / ".env").write_text("GRID_API_KEY=outer")
    (service / "inner" / ".env").write_text("GRID_API_KEY=inner")
    assert run(service, isolation=isolation).outputs["output_values"] == "renni"


def test_two_apps_of_one_process_never_get_each_others_credential(make_app, run, cache):
    source = """
        import os
        from fairlead.adapters.errors import InputInvalid
        def run(analysis):
            inner = analysis.input_values
            if inner:
                from fairlead.adapters.cache import ResultCache
                from fairlead.adapters.isolation import InProcess
                from fairlead.adapters.perform import perform
                from fairlead.adapters.testing import RecordingHost
                from fairlead.adapters.twine import TwineApp
                cache = ResultCache(inner + "-cache")
                try:
                    perform(TwineApp(inner), {}, RecordingHost(), cache=cache, isolation=InProcess())
                except InputInvalid as error:
                    analysis.output_values = str(error)
            else:
                analysis.output_values = os.environ["GRID_API_KEY"]
    """
    contract = {**TWINE, "input_values_schema": {"optional": True}}
    one, other = make_app(source, contract, name="one"), make_app(source, contract, name="other")
    (one / ".env").write_text("GRID_API_KEY=of-one")
    (other / ".env").write_text("GRID_API_KEY=of-other")
    outcome = run(one, isolation="thread", input_values=json.dumps(str(other)))
    assert "credentials.GRID_API_KEY" in outcome.outputs["output_values"]


def test_a_changed_credential_is_the_same_work(make_app):
    app = make_app(TELL, TWINE)
    keys = set()
    for value in ("one", "two"):
        (app / ".env").write_text(f"GRID_API_KEY={value}")
        keys.add(identify(TwineApp(app), {})[1])
    assert len(keys) == 1
