"""What a twine app makes: values and files are checked, made into plain JSON and kept, or told what is wrong."""

from __future__ import annotations

import py_compile
import uuid
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from fairlead.adapters import storage
from fairlead.adapters.errors import (
    AppInvalid,
    AppRaised,
    OutputInvalid,
)
from fairlead.adapters.twine import Datafile, Dataset, Manifest, TwineApp

VALUES: dict[str, Any] = {"input_values_schema": {}, "output_values_schema": {}}
FILES: dict[str, Any] = {"output_manifest": {"datasets": {"rose": {}}}}


def problems_of(error: Any) -> dict[str, str]:
    return {problem.where: problem.found for problem in error.value.problems}


def contents(outcome: Any) -> dict[str, str]:
    return {file.name: storage.read_bytes(file.location).decode() for file in outcome.files}


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


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("analysis.output_manifest = {'datasets': {'rose': 'path'}}", "output_manifest"),
        ("analysis.output_manifest.datasets['rose'] = 'path'", r"output_manifest\.datasets\.rose"),
    ],
)
def test_what_is_no_manifest_and_no_dataset_is_told(make_app, run, isolation, statement, place):
    with pytest.raises(OutputInvalid, match=f"{place}: is a "):
        run(make_app(f"def run(analysis): {statement}", FILES), isolation=isolation)


@pytest.mark.parametrize(
    "source",
    [
        """
        from subprocess import run
        class App:
            def __init__(self, analysis): self.analysis = analysis
            def run(self): self.analysis.output_values = 1
        """,
        """
        TYPE_CHECKING = False
        if TYPE_CHECKING:
            from other import App
        def run(analysis): analysis.output_values = 1
        """,
    ],
)
def test_what_is_imported_for_a_use_of_its_own_is_no_second_app(make_app, run, isolation, source):
    contract = {"output_values_schema": {}}
    assert run(make_app(source, contract), isolation=isolation).outputs["output_values"] == 1
