"""A twine app as a unit: whatever the documents allow an app to be and do, it is run, checked and kept as they say."""

from __future__ import annotations

import json
import logging
import math
import py_compile
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.adapters import storage
from fairlead.adapters.errors import (
    AppInvalid,
    AppRaised,
    ContractInvalid,
    FairleadError,
    InputInvalid,
    MonitorMessageInvalid,
    OutputInvalid,
    TimedOut,
)
from fairlead.adapters.isolation import ChildProcess
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import Datafile, Dataset, Manifest, TwineApp

VALUES: dict[str, Any] = {"input_values_schema": {}, "output_values_schema": {}}
FILES: dict[str, Any] = {"output_manifest": {"datasets": {"rose": {}}}}
MESSAGES: dict[str, Any] = {
    "monitor_message_schema": {
        "type": "object",
        "required": ["progress"],
        "properties": {"progress": {"type": "number", "maximum": 10}},
    }
}
ECHO = "def run(analysis): analysis.output_values = analysis.input_values"


def problems_of(error: Any) -> dict[str, str]:
    return {problem.where: problem.found for problem in error.value.problems}


def contents(outcome: Any) -> dict[str, str]:
    return {file.name: storage.read_bytes(file.location).decode() for file in outcome.files}


def heard(host: RecordingHost, kind: str) -> list[Any]:
    return [event for event in host.events if event["kind"] == kind]


# What an app may be


@pytest.mark.parametrize(
    "source",
    [
        "def run(analysis): analysis.output_values = 1",
        "run = lambda analysis: setattr(analysis, 'output_values', 1)",
        "import functools\ndef work(n, analysis): analysis.output_values = n\nrun = functools.partial(work, 1)",
        "from base import App",
        "from base import run_it as run",
        "from everything import *",
        "try:\n    import nothing\nexcept ImportError:\n    def run(analysis): analysis.output_values = 1",
        "def run(analysis):\n    analysis.output_values = 1\n    return 'is ignored'",
        "class Application: pass\ndef runs(): pass\ndef run(analysis): analysis.output_values = 1",
        b"\xef\xbb\xbfdef run(analysis): analysis.output_values = 1",
        b"# -*- coding: latin-1 -*-\n# \xe9\ndef run(analysis): analysis.output_values = 1",
        b"def run(analysis):\r\n    analysis.output_values = 1\r\n",
    ],
)  # fmt: skip
def test_an_app_is_a_function_run_or_a_class_app(make_app, run, isolation, source):
    base = """
        class App:
            def __init__(self, analysis):
                self.analysis = analysis
            def run(self):
                self.analysis.output_values = 1
        def run_it(analysis):
            analysis.output_values = 1
    """
    app = make_app(source, files={"base.py": base, "everything.py": "from base import run_it as run"})
    assert run(app, isolation=isolation).outputs == {"output_values": 1}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("", "neither"),
        ("def main(analysis): pass", "neither"),
        ("def outer():\n    def run(analysis): pass", "neither"),
        ("def run(analysis): pass\nclass App: pass", "both"),
        ("from base import App\ndef run(analysis): pass", "both"),
        ("def run(analysis:", "is not Python"),
        ("def run(analysis):\npass", "line 2"),
        (b"\xff\xfe", "is not Python"),
        (b"def run(a):\n    return '\xe9'", "is not Python"),
        (b"run = 1\0", "is not Python"),
    ],
)
def test_an_app_that_cannot_be_one_is_told_before_anything_runs(make_app, run, source, found):
    with pytest.raises(AppInvalid, match=r"app\.py") as caught:
        run(make_app(source, files={"base.py": "raise AssertionError('ran')"}))
    assert found in str(caught.value)
    assert caught.value.problems[0].remedy


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from everything import *", "both"),
        ("from nothing_much import *", "neither"),
        ("run = 3", "neither"),
        ("App = None", "neither"),
    ],
)
def test_an_app_that_turns_out_not_to_be_one_is_told_when_it_is_loaded(make_app, run, isolation, source, found):
    files = {"everything.py": "class App: pass\ndef run(analysis): pass", "nothing_much.py": ""}
    with pytest.raises(AppInvalid, match=found):
        run(make_app(source, files=files), isolation=isolation)


@pytest.mark.parametrize("missing", ["app", "app/app.py", "app/twine.json"])
def test_what_is_missing_of_an_app_is_named(make_app, run, missing):
    folder = make_app(ECHO).parent
    (folder / missing).rename(folder / "elsewhere")
    with pytest.raises(AppInvalid) as caught:
        run(folder / "app")
    assert f"{folder / missing} is not there" in str(caught.value)
    assert caught.value.problems[0].remedy


def test_an_app_is_named_by_its_folder(make_app, tmp_path, monkeypatch):
    make_app(ECHO, name="wind")
    monkeypatch.chdir(tmp_path / "apps")
    app = TwineApp("wind")
    assert (app.name, app.kind, repr(app)) == ("wind", "twine", "TwineApp('wind')")
    assert app.folder == tmp_path / "apps" / "wind"


# Strands


def test_an_app_has_an_attribute_for_every_strand(make_app, run, isolation, tmp_path):
    twine = {
        **VALUES, **FILES, **MESSAGES, "configuration_values_schema": {},
        "configuration_manifest": {"datasets": {"curves": {}}}, "input_manifest": {"datasets": {"weather": {}}},
    }  # fmt: skip
    for name in ("curves", "weather"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.csv").write_text(name)
    app = make_app(
        """
        import uuid
        def run(analysis):
            assert analysis.id == str(uuid.UUID(analysis.id))
            analysis.output_values = {
                "configuration": analysis.configuration_values,
                "input": analysis.input_values,
                "curves": analysis.configuration_manifest.get_dataset("curves").files.one().name,
                "weather": open(analysis.input_manifest.datasets["weather"].files.one().local_path).read(),
                "rose": analysis.output_manifest.get_dataset("rose").name,
                "children": analysis.children,
                "finalised": analysis.finalised,
                "twine": sorted(analysis.twine.raw),
            }
    """,
        twine,
    )
    unit = TwineApp(
        app, configuration_values={"c": 1}, configuration_manifest={"datasets": {"curves": str(tmp_path / "curves")}}
    )
    manifest = {"datasets": {"weather": str(tmp_path / "weather")}}
    assert run(unit, isolation=isolation, input_values={"i": 2}, input_manifest=manifest).outputs["output_values"] == {
        "configuration": {"c": 1}, "input": {"i": 2}, "curves": "data.csv", "weather": "weather", "rose": "rose",
        "children": None, "finalised": False, "twine": sorted(twine),
    }  # fmt: skip


def test_a_strand_that_is_not_declared_is_none(make_app, run, isolation):
    app = make_app(
        """
        def run(analysis):
            for name in ("input_values", "configuration_values", "output_values", "input_manifest",
                         "configuration_manifest", "output_manifest"):
                assert getattr(analysis, name) is None, name
    """,
        {},
    )
    assert run(app, isolation=isolation).outputs == {}


def test_inputs_may_be_files(make_app, run, tmp_path):
    (tmp_path / "values.json").write_text('{"a": [1, 2.5, null]}')
    outcome = run(make_app(ECHO, VALUES), isolation="thread", input_values=tmp_path / "values.json")
    assert outcome.outputs["output_values"] == {"a": [1, 2.5, None]}
    again = run(tmp_path / "apps" / "app", isolation="thread", input_values=str(tmp_path / "values.json"))
    assert again.cached


def test_configuration_may_be_given_with_the_inputs(make_app, run):
    twine = {"configuration_values_schema": {}, "output_values_schema": {}}
    app = make_app("def run(analysis): analysis.output_values = analysis.configuration_values", twine)
    unit = TwineApp(app, configuration_values=1)
    assert run(unit, isolation="thread").outputs["output_values"] == 1
    assert run(unit, isolation="thread", configuration_values=2).outputs["output_values"] == 2


def test_inputs_are_not_changed_by_the_app(make_app, run, isolation):
    app = make_app(
        """
        def run(analysis):
            analysis.input_values["list"].append(2)
            analysis.configuration_values.clear()
            analysis.output_values = len(analysis.input_values["list"])
    """,
        VALUES | {"configuration_values_schema": {}},
    )
    values, configuration = {"list": [1]}, {"a": 1}
    unit = TwineApp(app, configuration_values=configuration)
    for _ in range(2):
        outcome = run(unit, isolation=isolation, input_values=values, refresh=True)
        assert outcome.outputs["output_values"] == 2
    assert (values, configuration) == ({"list": [1]}, {"a": 1})


def test_all_problems_of_all_inputs_are_told_at_once(make_app, run, monkeypatch):
    monkeypatch.delenv("GRID_API_KEY", raising=False)
    twine = {
        "configuration_values_schema": {"type": "object"},
        "input_values_schema": {"properties": {"a": {"type": "number"}, "b": {"type": "number"}}},
        "input_manifest": {"datasets": {"weather": {}}},
        "credentials": [{"name": "GRID_API_KEY"}],
    }
    unit = TwineApp(make_app("def run(analysis): pass", twine), configuration_manifest={"datasets": {}})
    with pytest.raises(InputInvalid) as caught:
        run(unit, input_values={"a": "x", "b": "y"}, input_manifest={"datasets": {}}, inputs_values=1)
    assert set(problems_of(caught)) == {
        "inputs_values", "configuration_values", "configuration_manifest", "input_values.a", "input_values.b",
        "input_manifest.datasets.weather", "credentials.GRID_API_KEY",
    }  # fmt: skip
    assert "Did you mean 'input_values'?" in str(caught.value)


def test_a_missing_credential_is_named_and_its_value_never_told(make_app, run, monkeypatch, watch):
    app = make_app(
        """
        import os
        def run(analysis):
            analysis.output_values = len(os.environ["GRID_API_KEY"])
    """,
        VALUES | {"input_values_schema": {"optional": True}, "credentials": [{"name": "GRID_API_KEY"}]},
    )
    monkeypatch.delenv("GRID_API_KEY", raising=False)
    with pytest.raises(InputInvalid, match="Set the environment variable GRID_API_KEY"):
        run(app)
    monkeypatch.setenv("GRID_API_KEY", "s3cret-value")
    outcome = run(app)
    assert outcome.outputs["output_values"] == 12
    assert "s3cret-value" not in json.dumps([outcome.to_dict(), watch.log(outcome.log)])


def test_an_app_with_children_is_refused_in_this_version(make_app, run):
    with pytest.raises(InputInvalid, match="children"):
        run(make_app("def run(analysis): pass", {"children": [{"key": "elevation"}]}))


def test_a_twine_that_cannot_be_used_is_told(make_app, run):
    with pytest.raises(ContractInvalid, match="objekt"):
        run(make_app(ECHO, {"input_values_schema": {"type": "objekt"}}))


letters = st.characters(exclude_categories=(), exclude_characters="/.~")  # no path leads out of the test's folder
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(letters, max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.sampled_from(["input_values", "input_manifest", "configuration_values"]), json_values)
def test_no_input_makes_binding_raise_anything_but_our_errors(make_app, strand, value):
    twine = {
        "input_values_schema": {
            "type": "object",
            "properties": {"a": {"multipleOf": 0.1}},
            "additionalProperties": False,
        },
        "input_manifest": {"datasets": {"weather": {"optional": True}}},
    }
    unit = TwineApp(make_app("def run(analysis): pass", twine))
    for given_value in (value, json.dumps(value)):
        try:
            unit.bind({strand: given_value})
        except FairleadError as error:
            assert isinstance(error, InputInvalid), error  # noqa: PT017 (valid input is fine too)


@pytest.mark.parametrize(
    "value",
    ["", "{", "[" * 100_000, "1" * 5000, '{"a": 1, "a": 2}', "\ud83d", object(), [{"a": {1, "a"}}], {"a": 10**5000}],
    ids=["empty", "open", "deep", "long number", "key twice", "half character", "object", "mixed set", "huge number"],
)
def test_an_input_that_is_no_json_data_is_told(make_app, value):
    with pytest.raises(InputInvalid, match="input_values"):
        TwineApp(make_app(ECHO, VALUES)).bind({"input_values": value})


def test_an_input_that_is_nested_too_deeply_is_told(make_app):
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(InputInvalid):
        TwineApp(make_app(ECHO, VALUES)).bind({"input_values": value})
    del value[:]


# Identity


def key(app: Path, **inputs: Any) -> str:
    from fairlead.adapters.fingerprint import fingerprint

    return fingerprint(TwineApp(app).bind(inputs).identity)


def test_the_order_of_keys_does_not_change_the_work(make_app):
    app = make_app(ECHO, VALUES)
    same = ['{"a": 1, "b": {"c": 2, "d": 3}}', {"b": {"d": 3, "c": 2}, "a": 1}]
    assert len({key(app, input_values=value) for value in same}) == 1


def test_one_byte_of_the_app_of_a_value_or_of_a_file_is_other_work(make_app, tmp_path):
    (tmp_path / "weather").mkdir()
    (tmp_path / "weather" / "hours.csv").write_text("1,2")
    inputs = {"input_values": {"a": 1}, "input_manifest": {"datasets": {"weather": str(tmp_path / "weather")}}}
    app = make_app(ECHO, VALUES | {"input_manifest": {"datasets": {"weather": {}}}}, {"helper.py": "X = 1"})
    values = ({"a": 1}, {"a": 2}, {"a": 1.0}, {"a": True}, {"a": "1"})
    seen = [key(app, **inputs | {"input_values": value}) for value in values]
    for path in (app / "app.py", app / "helper.py", app / "twine.json", tmp_path / "weather" / "hours.csv"):
        path.write_text(path.read_text() + " ")
        seen.append(key(app, **inputs))
    assert len(set(seen)) == len(seen)


def test_where_an_app_is_and_what_it_is_called_do_not_matter(make_app):
    assert key(make_app(ECHO, VALUES, name="one"), input_values=1) == key(
        make_app(ECHO, VALUES, name="two"), input_values=1
    )


# Output values


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("numpy.arange(3)", [0, 1, 2]),
        ("numpy.float64(0.5)", 0.5),
        ("numpy.int64(5)", 5),
        ("numpy.bool_(True)", True),
        ("{'a': numpy.ones((2, 1), dtype='float32')}", {"a": [[1.0], [1.0]]}),
        ("{'b', 'a'}", {"_type": "set", "items": ["a", "b"]}),
        ("datetime.datetime(2019, 1, 1, 6, 30)", {"_type": "datetime", "value": "2019-01-01T06:30:00"}),
        ("(1, (2, 3))", [1, [2, 3]]),
        ("{1: 'one'}", {"1": "one"}),
        ("collections.UserString('text')", "text"),
        ("collections.OrderedDict(b=1, a=2)", {"b": 1, "a": 2}),
        ("None or False", False),
        ("0", 0),
        ("''", ""),
    ],
)
def test_output_values_become_json_as_octue_writes_them(make_app, run, isolation, expression, value):
    source = f"import collections, datetime, numpy\ndef run(analysis): analysis.output_values = {expression}"
    outcome = run(make_app(source, VALUES), isolation=isolation, input_values={})
    assert outcome.outputs["output_values"] == value
    assert type(outcome.outputs["output_values"]) is type(value)


def test_output_values_may_be_filled_in_place(make_app, run, isolation):
    source = """
        def run(analysis):
            analysis.output_values["a"] = 1
            analysis.output_values.setdefault("b", []).append(2)
    """
    assert run(make_app(source), isolation=isolation).outputs["output_values"] == {"a": 1, "b": [2]}


def test_outputs_that_were_not_touched_are_an_empty_object(make_app, run):
    assert run(make_app("def run(analysis): pass"), isolation="thread").outputs == {"output_values": {}}


@pytest.mark.parametrize(
    ("expression", "where"),
    [
        ("{'a': [1, {'b': object()}]}", "output_values.a[1].b"),
        ("{'a': b'bytes'}", "output_values.a"),
        ("{'a': datetime.date(2019, 1, 1)}", "output_values.a"),
        ("{(1, 2): 3}", "output_values"),
        ("{'a': {1, 'b'}}", "output_values.a"),
        ("{'speed': [1.0, float('nan')]}", "output_values.speed[1]"),
        ("{'speed': numpy.array([1.0, float('inf')])}", "output_values.speed[1]"),
        ("numpy.array([1 + 2j])", "output_values"),
        ("loop", "output_values"),
        ("deep", "output_values"),
    ],
)
def test_an_output_that_has_no_json_form_is_named_by_its_path(make_app, run, isolation, expression, where):
    source = f"""
        import datetime, numpy
        loop = {{}}
        loop["loop"] = [loop]
        deep = []
        for _ in range(100_000):
            deep = [deep]
        def run(analysis): analysis.output_values = {expression}
    """
    with pytest.raises(OutputInvalid) as caught:
        run(make_app(source), isolation=isolation)
    assert next(iter(problems_of(caught))).startswith(where)
    assert caught.value.problems[0].remedy


def test_outputs_that_break_the_contract_are_all_told(make_app, run, isolation, cache, watch):
    schema = {"properties": {"k": {"type": "number"}, "a": {"type": "number"}}, "required": ["power"]}
    app = make_app("def run(analysis): analysis.output_values.update(k='x', a='y')", {"output_values_schema": schema})
    with pytest.raises(OutputInvalid) as caught:
        run(app, isolation=isolation)
    assert set(problems_of(caught)) == {"output_values.k", "output_values.a", "output_values.power"}
    assert watch.entries(cache) == []


@pytest.mark.parametrize("strand", ["output_values", "output_manifest"])
def test_an_output_that_is_declared_must_be_given(make_app, run, isolation, strand):
    app = make_app(
        f"def run(analysis): analysis.{strand} = None", VALUES | FILES | {"input_values_schema": {"optional": True}}
    )
    with pytest.raises(OutputInvalid) as caught:
        run(app, isolation=isolation)
    assert problems_of(caught) == {strand: "is missing"}


def test_an_output_that_is_optional_may_be_left_out(make_app, run):
    twine = {
        "output_values_schema": {"optional": True},
        "output_manifest": {"optional": True, "datasets": {"rose": {}}},
    }
    app = make_app("def run(analysis): analysis.output_values = analysis.output_manifest = None", twine)
    assert run(app, isolation="thread").outputs == {}


def test_an_output_that_is_not_declared_must_not_be_given(make_app, run, isolation):
    with pytest.raises(OutputInvalid, match="output_values_schema"):
        run(make_app("def run(analysis): analysis.output_values = 1", {}), isolation=isolation)


# Output files


WRITE = """
    def run(analysis):
        rose = analysis.output_manifest.get_dataset("rose")
        import os
        os.makedirs(rose.path + "/by sector")
        with open(rose.path + "/rose.csv", "w") as file:
            file.write("N,1")
        with open(rose.path + "/by sector/\u5317.csv", "w") as file:
            file.write("1")
"""


def test_files_in_an_output_dataset_are_kept_under_their_names(make_app, run, isolation):
    outcome = run(make_app(WRITE, FILES), isolation=isolation)
    assert contents(outcome) == {"rose/rose.csv": "N,1", "rose/by sector/\u5317.csv": "1"}
    dataset = outcome.outputs["output_manifest"]["datasets"]["rose"]
    assert Path(dataset["path"]).is_dir()
    for file in dataset["files"]:
        assert Path(file["path"]).is_relative_to(dataset["path"])
        assert Path(file["path"]).exists()
        uuid.UUID(file["id"])
    assert outcome.files[0].digest == blake3(b"1").hexdigest()


def test_files_are_the_same_wherever_the_app_ran_and_whenever_they_are_found(make_app, run, cache):
    app = make_app(WRITE, FILES)
    outcomes = [run(app, isolation="process"), run(app, isolation="thread"), run(app, isolation="thread", refresh=True)]
    assert [outcome.cached for outcome in outcomes] == [False, True, False]
    assert len({outcome.files for outcome in outcomes}) == 1


def test_an_outcome_of_one_app_is_the_input_of_another(make_app, run):
    first = run(make_app(WRITE, FILES, name="first"), isolation="thread")
    second = make_app(
        """
        def run(analysis):
            analysis.output_values = [file.name for file in analysis.input_manifest.get_dataset("rose")]
    """,
        {"input_manifest": {"datasets": {"rose": {}}}, "output_values_schema": {}},
        name="second",
    )
    outcome = run(second, input_manifest=first.outputs["output_manifest"])
    assert outcome.outputs["output_values"] == ["rose.csv", "\u5317.csv"]


def test_tags_labels_and_times_of_output_files_are_kept(make_app, run, isolation):
    app = make_app(
        """
        def run(analysis):
            rose = analysis.output_manifest.get_dataset("rose")
            rose.tags, rose.labels = {"sectors": 12}, {"b", "a"}
            with open(rose.path + "/rose.csv", "w") as file:
                file.write("N,1")
            rose.files.one().tags["unit"] = "m/s"
            rose.files.one().timestamp = 0
    """,
        FILES,
    )
    dataset = run(app, isolation=isolation).outputs["output_manifest"]["datasets"]["rose"]
    assert (dataset["tags"], dataset["labels"]) == ({"sectors": 12}, ["a", "b"])
    assert (dataset["files"][0]["tags"], dataset["files"][0]["timestamp"]) == ({"unit": "m/s"}, 0)


def test_output_files_must_have_the_tags_that_the_twine_asks_for(make_app, run):
    twine = {"output_manifest": {"datasets": {"rose": {"file_tags_template": {"required": ["unit"]}}}}}
    with pytest.raises(OutputInvalid) as caught:
        run(make_app(WRITE, twine), isolation="thread")
    place = "output_manifest.datasets.rose, tags of"
    assert set(problems_of(caught)) == {f"{place} rose.csv.unit", f"{place} \u5317.csv.unit"}


@pytest.fixture
def own(tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's, which apps find as ``os.environ["OWN"]``."""
    folder = tmp_path / "own"
    (folder / "inner").mkdir(parents=True)
    (folder / "rose.csv").write_text("N,1")
    (folder / "inner" / "map.png").write_text("png")
    monkeypatch.setenv("OWN", str(folder))
    return folder


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        ("manifest.datasets['rose'] = Dataset(own)", {"rose/rose.csv", "rose/inner/map.png"}),
        ("manifest.datasets['rose'] = Dataset(files=[own + '/inner/map.png'])", {"rose/map.png"}),
        ("manifest.datasets['rose'] = Dataset(own, files=[Datafile(own + '/rose.csv')])", {"rose/rose.csv"}),
        ("manifest.datasets['rose'].add(Datafile(own + '/rose.csv'))", {"rose/rose.csv"}),
        ("os.symlink(own + '/rose.csv', rose + '/linked.csv')", {"rose/linked.csv"}),
        ("os.link(own + '/rose.csv', rose + '/hard.csv')", {"rose/hard.csv"}),
        ("os.rmdir(rose); os.symlink(own, rose)", {"rose/rose.csv", "rose/inner/map.png"}),
        ("manifest.datasets['rose'].path = own", {"rose/rose.csv", "rose/inner/map.png"}),
        ("analysis.output_manifest = Manifest({'rose': own})", {"rose/rose.csv", "rose/inner/map.png"}),
    ],
)  # fmt: skip
def test_files_from_elsewhere_are_copied_and_stay_where_they_are(make_app, run, isolation, own, statement, kept):
    source = f"""
        import os
        from fairlead.adapters.twine import Datafile, Dataset, Manifest
        def run(analysis):
            own, manifest = os.environ["OWN"], analysis.output_manifest
            rose = manifest.datasets["rose"].path
            {statement}
    """
    outcome = run(make_app(source, FILES), isolation=isolation)
    assert {file.name for file in outcome.files} == kept
    assert (own / "rose.csv").read_text() == "N,1"
    assert (own / "inner" / "map.png").read_text() == "png"
    for file in outcome.files:  # and what is kept is not the user's to change
        assert not Path(file.location).is_symlink()
        assert not any(Path(file.location).samefile(path) for path in own.rglob("*"))


def test_an_input_dataset_that_is_passed_on_is_copied(make_app, run, own):
    twine = FILES | {"input_manifest": {"datasets": {"rose": {}}}}
    app = make_app("def run(analysis): analysis.output_manifest = analysis.input_manifest", twine)
    outcome = run(app, input_manifest={"datasets": {"rose": str(own)}})
    assert contents(outcome) == {"rose/rose.csv": "N,1", "rose/inner/map.png": "png"}
    assert (own / "rose.csv").exists()


@pytest.mark.parametrize(
    ("second", "kept"),
    [
        ("manifest.datasets['copy'] = manifest.datasets['rose']",
         {"rose/a.csv", "rose/in/b.csv", "copy/a.csv", "copy/in/b.csv"}),
        ("manifest.datasets['copy'] = Dataset(rose + '/in')", {"rose/a.csv", "rose/in/b.csv", "copy/b.csv"}),
        ("os.symlink('a.csv', rose + '/link.csv')", {"rose/a.csv", "rose/in/b.csv", "rose/link.csv"}),
        ("manifest.datasets['copy'] = Dataset(files=[rose + '/in/b.csv'])",
         {"rose/a.csv", "rose/in/b.csv", "copy/b.csv"}),
    ],
)  # fmt: skip
def test_datasets_may_share_files(make_app, run, isolation, second, kept):
    source = f"""
        import os
        from fairlead.adapters.twine import Dataset
        def run(analysis):
            manifest = analysis.output_manifest
            rose = manifest.datasets["rose"].path
            os.mkdir(rose + "/in")
            for name in ("a.csv", "in/b.csv"):
                open(rose + "/" + name, "w").close()
            {second}
    """
    outcome = run(make_app(source, FILES), isolation=isolation)
    assert {file.name for file in outcome.files} == kept
    assert not any(Path(file.location).is_symlink() for file in outcome.files)


@pytest.mark.parametrize("name", ["..hidden", "..sub/file", ".dir/x", "a..b", "... x", "-rf", "new\nline"])
def test_odd_names_of_output_files_are_kept(make_app, run, isolation, name):
    source = f"""
        import os
        def run(analysis):
            path = os.path.join(analysis.output_manifest.datasets["rose"].path, {name!r})
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, "w").close()
    """
    assert [file.name for file in run(make_app(source, FILES), isolation=isolation).files] == [f"rose/{name}"]


@pytest.mark.parametrize("key_of_dataset", ["../rose", "/tmp/rose", "a/b", "..", "."])
def test_a_dataset_cannot_lead_out_of_the_cache(make_app, run, isolation, key_of_dataset, own):
    source = f"""
        import os
        from fairlead.adapters.twine import Dataset
        def run(analysis):
            analysis.output_manifest.datasets[{key_of_dataset!r}] = Dataset(os.environ["OWN"])
    """
    with pytest.raises(OutputInvalid, match="cannot be the name of a dataset"):
        run(make_app(source, FILES), isolation=isolation)


@pytest.mark.parametrize(
    "location", ["own + '/nothing.csv'", "own", "'memory://nowhere/nothing.csv'", "own + '/rose.csv/x'"]
)
def test_an_output_file_that_is_not_there_is_named(make_app, run, own, location):
    source = f"""
        import os
        from fairlead.adapters.twine import Dataset
        def run(analysis):
            own = os.environ["OWN"]
            analysis.output_manifest.datasets["rose"] = Dataset(files=[{location}])
    """
    with pytest.raises(OutputInvalid, match="is not there"):
        run(make_app(source, FILES), isolation="thread")


def test_two_output_files_of_one_name_are_told(make_app, run, own):
    source = """
        import os
        from fairlead.adapters.twine import Dataset
        def run(analysis):
            own = os.environ["OWN"]
            os.link(own + "/rose.csv", own + "/inner/rose.csv")
            analysis.output_manifest.datasets["rose"] = Dataset(files=[own + "/rose.csv", own + "/inner/rose.csv"])
    """
    with pytest.raises(OutputInvalid, match=r"two files are named 'rose\.csv'"):
        run(make_app(source, FILES), isolation="thread")


def test_a_dataset_that_the_twine_asks_for_must_stay_in_the_manifest(make_app, run, isolation):
    with pytest.raises(OutputInvalid) as caught:
        run(make_app("def run(analysis): analysis.output_manifest.datasets.clear()", FILES), isolation=isolation)
    assert problems_of(caught) == {"output_manifest.datasets.rose": "is missing"}


def test_an_output_dataset_without_files_is_kept_empty(make_app, run):
    outcome = run(make_app("def run(analysis): pass", FILES), isolation="thread")
    assert outcome.outputs["output_manifest"]["datasets"]["rose"]["files"] == []
    assert outcome.files == ()


@pytest.mark.parametrize("files", [{}, {"a": "1"}], ids=["all empty", "one empty"])
def test_an_output_dataset_without_files_can_be_the_next_apps_input(make_app, run, files):
    twine = {"output_manifest": {"datasets": {"empty": {}, "other": {}}}}
    source = f"""
    import os
    def run(analysis):
        for name, text in {files!r}.items():
            with open(os.path.join(analysis.output_manifest.get_dataset("other").path, name), "w") as file:
                file.write(text)
    """
    upstream = run(make_app(source, twine, name="upstream"), isolation="thread")
    count = (
        "def run(analysis): analysis.output_values = [len(d.files) for d in analysis.input_manifest.datasets.values()]"
    )
    twine = {"input_manifest": {"datasets": {"empty": {}, "other": {}}}, "output_values_schema": {}}
    downstream = make_app(count, twine, name="downstream")
    outcome = run(downstream, isolation="thread", input_manifest=upstream.outputs["output_manifest"])
    assert outcome.outputs["output_values"] == [0, len(files)]


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_bytecode_without_source_is_not_run_because_nobody_hashes_it(make_app, run, isolation, tmp_path):
    (tmp_path / "helper.py").write_text("V = 1")
    bytecode = tmp_path / "helper.pyc"
    py_compile.compile(str(tmp_path / "helper.py"), cfile=str(bytecode))
    app = make_app("import helper\ndef run(analysis): pass", files={"helper.pyc": bytecode.read_bytes()})
    with pytest.raises(AppRaised, match="No module named 'helper'"):
        run(app, isolation=isolation)


@pytest.mark.parametrize("what", ["source", "input"])
def test_a_source_or_an_input_that_changes_during_the_run_leaves_nothing_to_be_found(make_app, run, tmp_path, what):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "n.txt").write_text("1")
    place = {"source": tmp_path / "apps" / "app" / "late.py", "input": tmp_path / "data" / "n.txt"}[what]
    twine = {"input_manifest": {"datasets": {"d": {}}}, "output_values_schema": {}}
    source = f"""
    import os
    def run(analysis):
        if os.environ.get("EDIT"):
            open({str(place)!r}, "w").write("N = 2")
        analysis.output_values = 1
    """
    app = make_app(source, twine, files={"late.py": "N = 1"})
    inputs = {"input_manifest": {"datasets": {"d": str(tmp_path / "data")}}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDIT", "1")
        edited = run(app, **inputs)
    (app / "late.py").write_text("N = 1")
    (tmp_path / "data" / "n.txt").write_text("1")
    again = run(app, **inputs)
    assert not again.cached
    assert again.fingerprint != edited.fingerprint
    assert run(app, **inputs).cached


def test_a_text_that_is_not_unicode_is_refused_before_it_is_kept(make_app, run, isolation, cache, watch):
    app = make_app("def run(analysis): analysis.output_values = {'a': ['half a character: \\ud83d']}")
    with pytest.raises(OutputInvalid, match=r"output_values\.a\[0\]: .*surrogates not allowed"):
        run(app, isolation=isolation)
    assert watch.entries(cache) == []


@pytest.mark.parametrize("source", ["async def run(analysis): pass", "def run(analysis):\n    yield 1"])
def test_an_entry_point_that_does_nothing_when_it_is_called_is_told(make_app, run, isolation, source):
    with pytest.raises(AppInvalid, match="none of whose lines has run"):
        run(make_app(source), isolation=isolation)


@pytest.mark.parametrize("make", ["os.symlink('/nowhere', place)", "os.symlink('x', place)", "os.mkfifo(place)"])
def test_what_is_no_file_in_an_output_dataset_is_told(make_app, run, isolation, make):
    source = f"""
    import os
    def run(analysis):
        place = os.path.join(analysis.output_manifest.get_dataset("rose").path, "x")
        {make}
    """
    with pytest.raises(OutputInvalid, match=r"output_manifest: cannot read .*/rose/x"):
        run(make_app(source, FILES), isolation=isolation)


def test_a_link_loop_in_the_apps_folder_is_told(make_app, run):
    app = make_app("def run(analysis): pass", {})
    (app / "loop").symlink_to("loop")
    with pytest.raises(AppInvalid, match=r"cannot read .*/loop"):
        run(app)


def test_an_open_file_is_read_anew_each_time(make_app, run, tmp_path):
    (tmp_path / "values.json").write_text("7")
    app = make_app("def run(analysis): analysis.output_values = analysis.configuration_values",
                   {"configuration_values_schema": {}, "output_values_schema": {}})  # fmt: skip
    with (tmp_path / "values.json").open() as stream:
        unit = TwineApp(app, configuration_values=stream)
        assert [run(unit, isolation="thread").outputs["output_values"] for _ in range(2)] == [7, 7]


def test_a_number_that_is_none_is_refused_in_an_output_manifest_too(make_app, run):
    source = """
    def run(analysis):
        analysis.output_manifest.get_dataset("rose").tags["height"] = float("nan")
    """
    with pytest.raises(OutputInvalid, match=r"output_manifest\.datasets\.rose\.tags\.height: nan is not JSON"):
        run(make_app(source, FILES), isolation="thread")


def test_a_time_limit_of_the_apps_own_is_the_apps_failure(make_app, run, isolation):
    source = """
    from fairlead.adapters.errors import TimedOut
    def run(analysis):
        raise TimedOut("mine")
    """
    with pytest.raises(AppRaised, match="mine"):
        run(make_app(source), isolation=isolation)


def test_a_file_on_a_server_is_fetched_by_the_app_and_nothing_of_it_is_left(
    make_app, run, isolation, own, scratch, serve
):
    twine = {"input_manifest": {"datasets": {"w": {}}}, "output_values_schema": {}}
    source = """
        def run(analysis):
            with analysis.input_manifest.get_dataset("w").files.one().open() as file:
                analysis.output_values = file.read()
    """
    manifest = {"datasets": {"w": {"files": [f"{serve(own)}/rose.csv"]}}}
    assert run(make_app(source, twine), isolation=isolation, input_manifest=manifest).outputs["output_values"] == "N,1"
    assert [*scratch.iterdir()] == []


def test_inputs_may_be_objects(make_app, run, own):
    twine = {"input_manifest": {"datasets": {"w": {}}}, "output_values_schema": {}}
    app = make_app(
        "def run(analysis): analysis.output_values = [file.name for file in analysis.input_manifest.datasets['w']]",
        twine,
    )
    manifest = Manifest({"w": Dataset(own, files=[Datafile(own / "rose.csv", tags={"a": 1})])})
    assert run(app, input_manifest=manifest).outputs["output_values"] == ["rose.csv"]


# Finalising


def test_an_app_may_check_its_outputs_itself(make_app, run, isolation):
    source = """
        from twined.exceptions import InvalidValuesContents
        def run(analysis):
            analysis.output_values = "x"
            try:
                analysis.finalise()
            except InvalidValuesContents:
                analysis.output_values = 1
            analysis.finalise()
            assert analysis.finalised
    """
    outcome = run(make_app(source, {"output_values_schema": {"type": "number"}}), isolation=isolation)
    assert outcome.outputs["output_values"] == 1


def test_outputs_are_checked_also_when_they_change_after_that(make_app, run, isolation):
    source = """
        def run(analysis):
            analysis.output_values = 1
            analysis.finalise()
            analysis.output_values = "x"
    """
    with pytest.raises(OutputInvalid):
        run(make_app(source, {"output_values_schema": {"type": "number"}}), isolation=isolation)


# Monitor messages


def test_monitor_messages_reach_the_host_with_progress(make_app, run, isolation):
    host = RecordingHost()
    source = """
        def run(analysis):
            for sector in range(1, 4):
                analysis.send_monitor_message({"progress": sector * 2.5, "status_text": f"sector {sector}"})
    """
    run(make_app(source, MESSAGES), isolation=isolation, host=host)
    assert [event["data"]["progress"] for event in heard(host, "monitor")] == [2.5, 5.0, 7.5]
    assert [(event["fraction"], event["text"]) for event in heard(host, "progress")] == [
        (0.25, "sector 1"), (0.5, "sector 2"), (0.75, "sector 3"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "message", "fraction"),
    [
        ({}, {"progress": 0.5}, 0.5),
        ({}, {"progress": 2}, 1.0),
        ({}, {"progress": -1}, 0.0),
        ({"properties": {"progress": {"maximum": 0}}}, {"progress": 0}, 0.0),
        ({"properties": {"progress": True}}, {"progress": 0.5}, 0.5),
        ({}, {"progress": True}, None),
        ({}, {"progress": "half"}, None),
        ({}, [0.5], None),
        ({}, None, None),
    ],
)
def test_progress_is_any_number_of_that_name(make_app, run, schema, message, fraction):
    host = RecordingHost()
    app = make_app(f"def run(analysis): analysis.send_monitor_message({message!r})", {"monitor_message_schema": schema})
    run(app, isolation="thread", host=host)
    assert [event["data"] for event in heard(host, "monitor")] == [message]
    assert [event["fraction"] for event in heard(host, "progress")] == ([] if fraction is None else [fraction])


@pytest.mark.parametrize("message", ["{'progress': 11}", "{}", "{'progress': object()}", "{'progress': {1, 'a'}}"])
def test_a_monitor_message_that_breaks_the_contract_fails_at_the_line_that_sends_it(make_app, run, isolation, message):
    host = RecordingHost()
    source = f"""
        def run(analysis):
            try:
                analysis.send_monitor_message({message})
            except Exception as error:
                print(type(error).__name__)
                raise
    """
    with pytest.raises(MonitorMessageInvalid, match="monitor_message"):
        run(make_app(source, MESSAGES), isolation=isolation, host=host)
    assert heard(host, "monitor") == []


def test_an_app_that_declares_no_monitor_messages_cannot_send_any(make_app, run, isolation):
    with pytest.raises(MonitorMessageInvalid, match="monitor_message_schema"):
        run(make_app("def run(analysis): analysis.send_monitor_message({})", {}), isolation=isolation)


PERIODIC = """
    import itertools, threading
    def run(analysis):
        numbers, sent = itertools.count(), threading.Event()
        def message():
            number = next(numbers)
            if number == 3:
                sent.set()
            {create}
        analysis.set_up_periodic_monitor_message(message, period=0.01)
        assert sent.wait(10)
        {then}
"""


def test_periodic_messages_are_sent_until_the_run_ends_and_no_longer(make_app, run, isolation):
    host = RecordingHost()
    source = PERIODIC.format(create="return {'progress': number}", then="")
    app = make_app(source, {"monitor_message_schema": {}})
    run(app, isolation=isolation, host=host)
    count = len(host.events)
    messages = [event["data"]["progress"] for event in heard(host, "monitor")]
    assert messages == [*range(len(messages))]
    assert len(messages) >= 3
    # With nobody left to send, nothing can come.
    assert not [thread for thread in threading.enumerate() if thread.name == "periodic monitor message"]
    assert len(host.events) == count


@pytest.mark.parametrize(
    ("create", "error"),
    [
        ("number and sent.set(); return {'progress': 11 if number else 1}", MonitorMessageInvalid),
        ("1 / (3 - number); return {'progress': 1}", AppRaised),
    ],
)
def test_a_periodic_message_that_fails_fails_the_run(make_app, run, isolation, create, error):
    source = PERIODIC.format(create=create, then="")
    with pytest.raises(error):
        run(make_app(source, MESSAGES), isolation=isolation)


def test_an_apps_own_failure_counts_more_than_that_of_its_messages(make_app, run, isolation):
    source = PERIODIC.format(create="sent.set(); raise KeyError", then="raise ValueError('no wind')")
    with pytest.raises(AppRaised, match="ValueError: no wind"):
        run(make_app(source, MESSAGES), isolation=isolation)


def test_a_periodic_message_that_hangs_does_not_outlast_the_deadline(make_app, run, late_host):
    source = """
        import threading
        def run(analysis):
            started = threading.Event()
            def message():
                started.set()
                threading.Event().wait()
            analysis.set_up_periodic_monitor_message(message, period=0.01)
            started.wait()
            print("returning")
    """
    with pytest.raises(TimedOut):
        run(make_app(source, MESSAGES), isolation=ChildProcess(grace=0.1), host=late_host)


# Everywhere the same


def test_an_app_has_one_outcome_wherever_it_runs(make_app, run, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "weather").mkdir()
    (tmp_path / "weather" / "hours.csv").write_text("3\n4\n5\n")
    app = make_app(
        """
        from __future__ import annotations
        import json, logging
        from dataclasses import dataclass
        from statistics import fmean
        @dataclass(frozen=True)
        class Result:
            mean: float
        def run(analysis):
            with analysis.input_manifest.get_dataset("weather").files.one().open() as file:
                hours = [float(line) * analysis.input_values["factor"] for line in file]
            logging.getLogger(__name__).info("%d hours", len(hours))
            analysis.send_monitor_message({"progress": 5})
            result = Result(fmean(hours))
            analysis.output_values = {"mean": result.mean, "all": set(hours)}
            with open(analysis.output_manifest.datasets["rose"].path + "/rose.json", "w") as file:
                json.dump(hours, file)
    """,
        VALUES | FILES | MESSAGES | {"input_manifest": {"datasets": {"weather": {}}}},
    )
    inputs = {"input_values": {"factor": 1.5}, "input_manifest": {"datasets": {"weather": str(tmp_path / "weather")}}}
    hosts = {name: RecordingHost() for name in ("process", "thread")}
    one, other = (run(app, isolation=name, host=host, refresh=True, **inputs) for name, host in hosts.items())
    assert one.fingerprint == other.fingerprint
    assert json.dumps(one.outputs["output_values"]) == json.dumps(other.outputs["output_values"])
    assert one.files == other.files
    told = [
        [{name: value for name, value in event.items() if name != "time"} for event in host.events]
        for host in hosts.values()
    ]
    assert told[0] == told[1]
    assert math.isclose(one.outputs["output_values"]["mean"], 6.0)
