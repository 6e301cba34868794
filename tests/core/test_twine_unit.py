"""A twine app as a unit: whatever the documents allow an app to be and do, it is run, checked and kept as they say."""

from __future__ import annotations

import errno
import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.adapters.errors import (
    AppInvalid,
    ContractInvalid,
    FairleadError,
    InputInvalid,
)
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import TwineApp

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


APP = "class App:\n    def __init__(self, analysis): pass\n    def run(self): pass\n"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def run(): pass", "'run' cannot be called with the analysis alone (line 1)"),
        ("x = 1\ndef run(analysis, more): pass", "(line 2)"),
        ("def run(*, analysis): pass", "'run' cannot be called with the analysis alone"),
        ("async def run(): pass", "'run' cannot be called with the analysis alone"),
        (APP.replace("self, analysis", "self"), "'__init__' of the class 'App' cannot be called with the analysis"),
        (APP.replace("run(self)", "run(self, analysis)"), "'run' of the class 'App' cannot be called with nothing"),
        (APP.replace("run", "go"), "the class 'App' has no 'run'"),
        ("class App:\n    def run(self): pass", "the class 'App' has no '__init__'"),
    ],
)
def test_an_entry_point_that_cannot_be_called_is_told_before_anything_runs(make_app, source, found):
    with pytest.raises(AppInvalid, match=r"app\.py") as caught:
        TwineApp(make_app(source)).load()
    assert found in str(caught.value)
    assert caught.value.problems[0].remedy


@pytest.mark.parametrize(
    "source",
    [
        "def run(*analyses): pass",
        "def run(analysis, /, more=1, *, other=2, **rest): pass",
        "def run(): pass\nrun = lambda analysis: None",
        "def run(): pass\nfrom base import run",
        "try:\n    import nothing\nexcept ImportError:\n    def run(): pass\nelse:\n    def run(analysis): pass",
        "from base import given\n@given\ndef run(): pass",
        "def run(): pass\ndef swap():\n    global run\n    run = print\nswap()",
        "class Base: pass\nclass App(Base): pass",
        APP.replace("run", "go") + "App.run = App.go",
        APP.replace("run", "go") + "for name in ['run']: setattr(App, name, App.go)",
        "from dataclasses import dataclass\n@dataclass\nclass App:\n    analysis: object\n    def run(self): pass",
        "def make(self, analysis): pass\nclass App:\n    __init__ = make\n    run = lambda self: None",
        "class App:\n    def __init__(self, analysis): pass\n    @staticmethod\n    def run(): pass",
    ],
)
def test_an_entry_point_that_may_be_callable_is_left_to_the_run(make_app, source):
    TwineApp(make_app(source)).load()


def test_source_that_may_not_be_read_is_told_without_advice_to_remove_it(make_app, monkeypatch):
    def refuse(root):
        raise PermissionError(errno.EACCES, "Permission denied", str(root / "tables.csv"))

    app = make_app(ECHO)
    monkeypatch.setattr("fairlead.adapters.twine.unit.source_tree", refuse)  # root may read anything
    with pytest.raises(AppInvalid, match=r"tables\.csv: Permission denied") as caught:
        TwineApp(app).bind({})
    assert caught.value.problems[0].remedy == "Make it readable."


def test_what_is_no_path_is_no_app():
    with pytest.raises(InputInvalid, match="app: None is not a path"):
        TwineApp(None)


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


def test_children_that_the_app_asks_must_be_given(make_app, run):
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


@pytest.mark.parametrize(
    "value", ['{"diameter": NaN}', '{"diameter": 1e400}', {"diameter": math.nan}, {"diameter": -math.inf}]
)
def test_numbers_that_are_not_finite_are_refused_in_values_and_manifests(make_app, tmp_path, value):
    app = TwineApp(make_app(ECHO, VALUES | {"input_manifest": {"datasets": {}}}))
    with pytest.raises(InputInvalid, match=r"input_values\.diameter: (nan|-?inf) is not JSON") as caught:
        app.bind({"input_values": value, "input_manifest": {"datasets": {}}})
    assert caught.value.problems[0].remedy
    tags = json.loads(value) if isinstance(value, str) else value
    manifest = {"datasets": {"w": {"path": str(tmp_path), "tags": tags}}}
    with pytest.raises(InputInvalid, match=r"input_manifest\.datasets\.w\.tags\.diameter: (nan|-?inf) is not JSON"):
        app.bind({"input_values": 1, "input_manifest": manifest})


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
