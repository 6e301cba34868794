"""Output datasets that go to an output location: a folder of the result's own there, filled once, and found again."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from fairlead.adapters import storage
from fairlead.adapters.cli.output_folder import write_outputs
from fairlead.adapters.errors import InputInvalid, OutputInvalid
from fairlead.adapters.twine import Dataset, TwineApp

FILES = {"input_values_schema": {}, "output_manifest": {"datasets": {"rose": {}}}}
WRITE = """
    def run(analysis):
        rose = analysis.output_manifest.get_dataset("rose")
        with open(rose.path + "/north.csv", "w") as stream:
            stream.write(str(analysis.input_values))
        rose.tags = {"sectors": 12}
"""


def rose(outcome):
    return outcome.outputs["output_manifest"]["datasets"]["rose"]


@pytest.fixture
def app(make_app):
    return make_app(WRITE, FILES)


def test_datasets_are_put_there_whole_with_what_is_known_of_them(app, run, root):
    outcome = run(TwineApp(app, output_location=root), input_values=1)
    assert rose(outcome)["path"].startswith(f"{root}/")
    assert rose(outcome)["path"].endswith("/rose")
    assert [storage.read_bytes(file["path"]) for file in rose(outcome)["files"]] == [b"1"]
    assert Dataset(rose(outcome)["path"]).tags == {"sectors": 12}


def test_the_result_cache_keeps_them_too(app, run, root):
    outcome = run(TwineApp(app, output_location=root), input_values=1)
    assert [storage.read_bytes(file.location) for file in outcome.files] == [b"1"]


def test_each_result_has_a_folder_of_its_own(app, run, root):
    unit = TwineApp(app, output_location=root)
    places = {rose(run(unit, input_values=value))["path"] for value in (1, 2)}
    assert len(places) == 2


def test_a_result_from_the_cache_is_at_the_same_place_also_if_somebody_has_removed_it(app, run, root):
    unit = TwineApp(app, output_location=root)
    first = run(unit, input_values=1)
    storage.remove(rose(first)["path"])
    again = run(unit, input_values=1)
    assert again.cached
    assert rose(again) == rose(first)
    assert storage.read_bytes(rose(again)["files"][0]["path"]) == b"1"


def test_another_location_gets_the_result_from_the_cache(app, run, root, tmp_path):
    run(TwineApp(app, output_location=root), input_values=1)
    again = run(TwineApp(app, output_location=tmp_path / "other"), input_values=1)
    assert again.cached
    assert (tmp_path / "other").is_dir()
    assert rose(again)["path"].startswith(str(tmp_path / "other"))


def test_an_output_location_is_read_from_the_apps_configuration(app, run, tmp_path):
    (app / "octue.yaml").write_text(
        json.dumps({"services": [{"name": "rose", "namespace": "wind", "output_location": str(tmp_path / "there")}]})
    )
    assert rose(run(app, input_values=1))["path"].startswith(str(tmp_path / "there"))


def test_an_app_that_makes_no_datasets_may_have_one(make_app, run, root):
    app = make_app("def run(analysis): analysis.output_values = 1", {"output_values_schema": {}})
    assert run(TwineApp(app, output_location=root)).outputs == {"output_values": 1}


def test_an_empty_location_is_none(app, run):
    outcome = run(TwineApp(app, output_location=""), input_values=1)
    assert rose(outcome)["path"].startswith(str(Path(outcome.files[0].location).parents[1]))


def test_a_location_in_the_apps_source_is_refused(app, run):
    with pytest.raises(InputInvalid, match=r"output_location: .*is in the app's source"):
        run(TwineApp(app, output_location=app / "results"), input_values=1)


def test_a_folder_that_goes_with_the_run_is_no_place_for_datasets(make_app, run):
    source = WRITE + "        analysis.finalise(upload_output_datasets_to='results')\n"
    with pytest.raises(OutputInvalid, match="goes with the run"):
        run(make_app(source, FILES), input_values=1)


def read(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


@pytest.mark.slow
def test_signed_urls_let_anybody_read_and_are_new_each_time(app, run, cloud_store):
    unit = TwineApp(app, output_location=cloud_store.url, use_signed_urls_for_output_datasets=True)
    outcomes = [run(unit, input_values=1) for _ in range(2)]
    assert [outcome.cached for outcome in outcomes] == [False, True]
    for outcome in outcomes:
        listed = json.loads(read(rose(outcome)["path"]))
        assert [read(url) for url in listed["files"]] == [b"1"]
    assert [file.name for file in Dataset(rose(outcomes[1])["path"]).files] == ["north.csv"]


@pytest.mark.slow
def test_a_folder_of_outputs_is_whole_also_if_the_manifest_has_signed_urls(make_app, run, cloud_store, tmp_path):
    source = (
        WRITE
        + """
        import os
        os.mkdir(rose.path + "/rose")
        open(rose.path + "/rose/north.csv", "w").close()
    """
    )
    unit = TwineApp(make_app(source, FILES), output_location=cloud_store.url, use_signed_urls_for_output_datasets=True)
    write_outputs(run(unit, input_values=1), tmp_path / "out")
    dataset = json.loads((tmp_path / "out/output_manifest.json").read_text())["datasets"]["rose"]
    assert dataset["path"] == "rose"
    assert [file["path"] for file in dataset["files"]] == ["north.csv", "rose/north.csv"]
    assert (tmp_path / "out/rose/rose/north.csv").is_file()


@pytest.mark.slow
def test_an_app_may_sign_what_it_uploads(make_app, run, cloud_store):
    source = WRITE + f"        analysis.finalise('{cloud_store.url}/mine', use_signed_urls=True)\n"
    outcome = run(make_app(source, FILES), input_values=1)
    assert [read(url) for url in json.loads(read(rose(outcome)["path"]))["files"]] == [b"1"]


def test_a_location_with_a_password_is_refused(app, run):
    with pytest.raises(InputInvalid, match="password"):
        run(TwineApp(app, output_location="s3://user:secret@bucket/there"), input_values=1)


def test_an_app_may_upload_its_datasets_itself(make_app, run, memory, tmp_path, isolation):
    place = str(tmp_path / "mine") if isolation == "process" else f"{memory}/mine"
    source = WRITE + f"        analysis.finalise(upload_output_datasets_to='{place}')\n"
    outcome = run(make_app(source, FILES), isolation=isolation, input_values=1)
    assert rose(outcome)["path"] == f"{place}/rose"
