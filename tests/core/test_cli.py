"""`fairlead run`, as people and scripts use it: in a process of its own, with a real terminal."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.adapters.cli import exits, main

from .conftest import FAIRLEAD, on_a_terminal

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
TWINE = {
    "input_values_schema": {
        "type": "object",
        "properties": {"n": {"type": "integer", "title": "How many", "examples": [3]}},
        "required": ["n"],
        "additionalProperties": False,
    },
    "output_values_schema": {"type": "object", "properties": {"squares": {"type": "array"}}},
    "monitor_message_schema": {"type": "object"},
}
WITH_FILES = {
    "input_manifest": {"datasets": {"words": {}}},
    "output_manifest": {"datasets": {"capitals": {}}},
}
SQUARES = """
import logging

def run(analysis):
    print("printed by the app")
    logging.getLogger("app").info("logged by the app")
    n = analysis.input_values["n"]
    for i in range(1, n + 1):
        analysis.send_monitor_message({"progress": i / n, "status_text": f"square {i} of {n}"})
    analysis.output_values = {"squares": [{"root": i, "square": i * i} for i in range(n)], "mean": 1 / 3}
"""
CAPITALS = """
from pathlib import Path

def run(analysis):
    folder = Path(analysis.output_manifest.get_dataset("capitals").path)
    for file in analysis.input_manifest.get_dataset("words").files:
        (folder / file.name).write_text(Path(file.local_path).read_text().upper())
"""


@pytest.fixture
def app(make_app):
    """Make an app whose contract is `TWINE`, unless it is told another."""

    def make(source: str, twine: object = TWINE, name: str = "app") -> Path:
        return make_app(source, twine, name=name)

    return make


# The result, and where it goes


def test_the_result_is_on_standard_output_and_the_progress_on_standard_error(fairlead, app):
    done = fairlead("run", app(SQUARES), "--input-values", '{"n": 3}')
    assert done.returncode == 0
    assert "0.333333" in done.stdout
    assert re.search(r"root +square\n.*\n +0 +0\n +1 +1\n +2 +4\n", done.stdout)
    assert re.search(r"fingerprint +[0-9a-f]{64}\n", done.stdout)
    (log,) = re.findall(r"log +(/.+)\n", done.stdout)
    assert "logged by the app" in Path(log).read_text()
    for line in ("stdout: printed by the app", "app: logged by the app", '"status_text": "square 3 of 3"'):
        assert line in done.stderr
        assert line not in done.stdout


def test_the_columns_of_a_table_hold_their_field_whatever_its_place_in_an_object(fairlead, app):
    source = (
        SQUARES
        + """
    analysis.output_values = {"masts": [{"name": "west", "height": 80}, {"height": 90, "name": "east"}]}
"""
    )
    done = fairlead("run", app(source), "--input-values", '{"n": 1}')
    assert re.search(r"name +height\n.*\n +west +80\n +east +90\n", done.stdout)


def test_without_a_terminal_there_are_only_plain_lines(fairlead, app):
    coloured = SQUARES.replace("printed", r"\x1b[31mprin\x1b[0mted\a")
    done = fairlead("run", app(coloured), "--input-values", '{"n": 3}')
    assert "stdout: printed by the app\n" in done.stderr
    for text in (done.stdout, done.stderr):
        assert not CONTROL.search(text)
        assert all(line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_with_json_standard_output_is_one_object(fairlead, app, isolation):
    done = fairlead("run", app(SQUARES), "--input-values", '{"n": 2}', "--isolation", isolation, "--json")
    outcome = json.loads(done.stdout)
    assert outcome["outputs"] == {
        "output_values": {"squares": [{"root": 0, "square": 0}, {"root": 1, "square": 1}], "mean": 1 / 3}
    }
    assert (outcome["unit"], outcome["cached"], outcome["files"]) == ("app", False, [])
    assert "printed by the app" in done.stderr
    assert "app: logged by the app" in done.stderr


def test_quiet_leaves_warnings(fairlead, app):
    warning = SQUARES.replace('.info("', '.warning("')
    done = fairlead("run", app(warning), "--input-values", '{"n": 2}', "--quiet")
    assert re.fullmatch(r"\S+ app: WARNING logged by the app\n", done.stderr)
    assert "squares" in done.stdout


@pytest.mark.slow
def test_work_done_before_is_found_unless_refresh_is_asked_for(fairlead, app):
    command = ("run", app(SQUARES), "--input-values", '{"n": 2}', "--json")
    first, second, third = (json.loads(fairlead(*command, *more).stdout) for more in ([], [], ["--refresh"]))
    assert [outcome["cached"] for outcome in (first, second, third)] == [False, True, False]
    assert len({outcome["fingerprint"] for outcome in (first, second, third)}) == 1
    assert second["outputs"] == first["outputs"] == third["outputs"]
    assert "found in the cache" in fairlead(*command[:-1]).stdout


def test_cache_says_where_results_are_kept(fairlead, app, tmp_path):
    command = ("run", app(SQUARES), "--input-values", '{"n": 2}', "--json", "--cache", tmp_path / "other")
    assert not json.loads(fairlead(*command).stdout)["cached"]
    assert json.loads(fairlead(*command).stdout)["cached"]
    assert not (tmp_path / "cache").exists()


def test_on_a_terminal_a_bar_follows_the_progress(environment, app, tmp_path):
    folder = app(SQUARES.replace("printed", r"\x1b[41mprinted"))
    text, result = on_a_terminal(environment, tmp_path, "run", folder, "--input-values", '{"n": 3}')
    assert "100%" in text
    assert text.rindex("\x1b[?25h") > text.rindex("100%")  # the cursor is back
    assert "square 3 of 3" in text
    assert "status_text" not in text
    assert "\x1b[41m" not in text
    assert not CONTROL.search(result)


def test_on_a_terminal_a_message_that_says_nothing_new_is_no_line(environment, app, tmp_path):
    source = """
def run(analysis):
    for message in (
        {"progress": 0.25},
        {"progress": 0.5, "status_text": "halfway"},
        {"progress": 0.5, "status_text": "halfway"},
        {"progress": 0.75, "left": 7},
        {"progress": "nearly"},
    ):
        analysis.send_monitor_message(message)
"""
    text, _ = on_a_terminal(environment, tmp_path, "run", app(source, {"monitor_message_schema": {}}))
    plain = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", text)
    lines = [line.rstrip() for line in re.findall(r"monitor: (.*)", plain)]
    assert lines == ["halfway", '{"progress": 0.75, "left": 7}', '{"progress": "nearly"}']


# Standard output that takes nothing


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["report", "json"])
@pytest.mark.parametrize("n", ['{"n": 1}', '{"n": "x"}'], ids=["done", "refused"])
def test_a_full_standard_output_is_told_in_one_line(environment, app, tmp_path, options, n):
    command = [FAIRLEAD, "run", app(SQUARES), "--input-values", n, "--quiet", *options]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    if n == '{"n": 1}':
        assert done.returncode == exits.STORAGE
        told = "StorageFailed: Standard output cannot be written: No space left on device."
        assert done.stderr.splitlines() == [told]
    else:
        assert done.returncode == exits.CONTRACT
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["report", "json"])
def test_where_nobody_reads_the_result_any_more_it_ends_quietly(environment, app, options):
    reader, writer = os.pipe()
    os.close(reader)
    command = [FAIRLEAD, "run", app(SQUARES), "--input-values", '{"n": 1}', "--quiet", *options]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (exits.UNREAD, "")


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_a_run_goes_on_where_standard_error_takes_nothing(environment, app, redirection):
    command = shlex.join([str(FAIRLEAD), "run", str(app(SQUARES)), "--input-values", '{"n": 3}', "--json"])
    environment.pop("PYTHONUNBUFFERED", None)
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {command} {redirection}"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["outputs"]["output_values"] is not None


def test_a_closed_standard_output_is_told(environment, app):
    command = shlex.join([str(FAIRLEAD), "run", str(app(SQUARES)), "--input-values", '{"n": 3}', "--quiet"])
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {command} >&-"], stderr=subprocess.PIPE, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr.splitlines()) == (
        exits.STORAGE,
        ["StorageFailed: Standard output is closed: the result cannot be written."],
    )


def test_a_closed_standard_output_does_not_keep_an_app_from_running(app, tmp_path):
    program = "import sys; from fairlead.adapters.cli import main; main(sys.argv[1:])"
    folder = app("def run(analysis): open(" + repr(str(tmp_path / "ran")) + ", 'w')")
    command = f"exec {sys.executable} -c '{program}' run {folder} --input-values '{{\"n\": 1}}' --quiet >&-"
    subprocess.run(["/bin/sh", "-c", command], check=False, timeout=60)
    assert (tmp_path / "ran").exists()


# Inputs


@pytest.mark.parametrize("form", ["file", "text", "standard input"])
def test_json_comes_from_a_file_a_text_or_standard_input(fairlead, app, tmp_path, form):
    (tmp_path / "values").write_text('{"n": 1}')
    source, stdin = {"file": ("values", ""), "text": (' {"n": 1}', ""), "standard input": ("-", '{"n": 1}')}[form]
    done = fairlead("run", app(SQUARES), "--input-values", source, "--json", stdin=stdin)
    assert len(json.loads(done.stdout)["outputs"]["output_values"]["squares"]) == 1


def test_an_empty_input_is_told_to_be_empty(fairlead, app):
    done = fairlead("run", app(SQUARES), "--input-values", "")
    assert done.returncode == exits.CONTRACT
    assert "input_values\n  found   is not JSON: it is empty\n" in done.stderr


def test_a_file_in_another_encoding_is_told_with_what_to_do(fairlead, app, tmp_path):
    (tmp_path / "values.json").write_bytes('{"n": "ü"}'.encode("latin-1"))
    done = fairlead("run", app(SQUARES), "--input-values", "values.json")
    assert done.returncode == exits.CONTRACT
    assert "is not UTF-8: the byte 0xfc at position 7" in done.stderr
    assert "Save it as UTF-8." in done.stderr


def test_a_file_as_windows_writes_it_is_read(fairlead, app, tmp_path):
    (tmp_path / "values.json").write_text('{"n": 1}', encoding="utf-8-sig")
    assert fairlead("run", app(SQUARES), "--input-values", "values.json").returncode == 0


def test_configuration_reaches_the_app(fairlead, app):
    echo = "def run(analysis):\n    analysis.output_values = {'got': analysis.configuration_values}\n"
    twine = {"configuration_values_schema": {"type": "object"}, "output_values_schema": {"type": "object"}}
    done = fairlead("run", app(echo, twine), "--configuration-values", '{"a": 1}', "--json")
    assert json.loads(done.stdout)["outputs"]["output_values"] == {"got": {"a": 1}}


# The folder of outputs


@pytest.fixture
def words(tmp_path):
    folder = tmp_path / "study" / "words"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        (folder / f"{name}.txt").write_text(name)
    (folder.parent / "manifest.json").write_text('{"datasets": {"words": "words"}}')
    return folder


def test_an_output_folder_holds_the_values_the_manifest_and_the_files(fairlead, app, tmp_path, words):
    twine = {**WITH_FILES, "output_values_schema": {"type": "object"}}
    source = CAPITALS + "    analysis.output_values = {'third': 1 / 3}\n"
    done = fairlead("run", app(source, twine), "--input-manifest", "study/manifest.json", "--output-dir", "results")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "results"
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {"output_values.json", "output_manifest.json", "capitals/one.txt", "capitals/two.txt"}
    assert all(name in done.stdout for name in names)
    assert json.loads((folder / "output_values.json").read_text()) == {"third": 1 / 3}
    assert (folder / "capitals" / "two.txt").read_text() == "TWO"


def test_the_names_of_files_are_whole_where_there_is_no_dataset(fairlead, app):
    done = fairlead("run", app(SQUARES), "--input-values", '{"n": 1}', "--output-dir", "out")
    assert "files in out\n  output_values.json\n" in done.stdout


def test_a_long_list_ends_with_a_sign_that_it_goes_on(fairlead, app):
    folder = app("def run(analysis): analysis.output_values = list(range(200))", {"output_values_schema": {}})
    assert "34, 35, …\n" in fairlead("run", folder).stdout


def test_the_result_names_the_output_location(fairlead, app, tmp_path, words):
    options = ("--input-manifest", words.parent / "manifest.json", "--output-location", tmp_path / "delivered")
    done = fairlead("run", app(CAPITALS, WITH_FILES), *options)
    (place,) = re.findall(r"dataset 'capitals' is also in +(/.+)\n", done.stdout)
    assert place.startswith(f"{tmp_path}/delivered/")
    assert Path(place).is_dir()
    assert "is also in" not in fairlead("run", app(CAPITALS, WITH_FILES, name="b"), *options[:2]).stdout


def test_the_output_manifest_is_an_input_manifest_wherever_the_folder_goes(fairlead, app, tmp_path, words):
    fairlead("run", app(CAPITALS, WITH_FILES), "--input-manifest", "study/manifest.json", "--output-dir", "results")
    (tmp_path / "results").rename(tmp_path / "moved")
    second = json.loads(json.dumps(WITH_FILES).replace("capitals", "again").replace("words", "capitals"))
    source = CAPITALS.replace("capitals", "again").replace("words", "capitals").replace("upper", "title")
    manifest = tmp_path / "moved" / "output_manifest.json"
    done = fairlead("run", app(source, second, "next"), "--input-manifest", manifest, "--output-dir", "last")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "last" / "again" / "one.txt").read_text() == "One"


def test_an_output_folder_keeps_what_is_the_same_replaces_what_differs_and_leaves_the_rest(
    fairlead, app, tmp_path, words
):
    command = ("run", app(CAPITALS, WITH_FILES), "--input-manifest", "study/manifest.json", "--output-dir", "results")
    fairlead(*command)
    folder = tmp_path / "results"
    same, different, stranger = (folder / "capitals" / f"{name}.txt" for name in ("one", "two", "three"))
    os.utime(same, (1, 1))
    different.write_text("edited")
    stranger.write_text("mine")
    done = fairlead(*command)
    assert same.stat().st_mtime == 1
    assert different.read_text() == "TWO"
    assert stranger.read_text() == "mine"
    assert "not part of this result: capitals/three.txt" in done.stdout


def test_a_run_that_fails_makes_no_output_folder(fairlead, app, tmp_path):
    done = fairlead("run", app("def run(analysis): 1 / 0"), "--input-values", '{"n": 1}', "--output-dir", "results")
    assert done.returncode == exits.FAILED
    assert not (tmp_path / "results").exists()


def test_an_output_folder_that_cannot_be_written_is_reported(fairlead, app, tmp_path):
    (tmp_path / "file").touch()
    done = fairlead("run", app(SQUARES), "--input-values", '{"n": 1}', "--output-dir", "file/results")
    assert done.returncode == exits.STORAGE
    assert done.stderr.endswith("file/results: Not a directory\n")
    assert fairlead("run", app(SQUARES, name="other"), "--output-dir", "file").returncode == exits.USAGE


def test_results_are_not_written_into_the_apps_folder_where_they_would_be_source(fairlead, app):
    folder = app("def run(analysis): print('ran')")
    done = fairlead("run", folder, "--input-values", '{"n": 1}', "--output-dir", folder / "results")
    assert done.returncode == 3
    assert "counts as the app's source" in done.stderr
    assert "ran" not in done.stderr
    assert not (folder / "results").exists()


# How it ends

TALKS = """
import time

def run(analysis):
    while True:
        time.sleep(0.05)
        analysis.send_monitor_message({})
"""
DIES = "import os, signal\ndef run(analysis): os.kill(os.getpid(), signal.SIGKILL)"
ENDINGS = {
    "input invalid": ("def run(analysis): pass", ["--input-values", '{"n": "x"}'], exits.CONTRACT, "InputInvalid"),
    "output invalid": (
        "def run(analysis): analysis.output_values = {'squares': 1}",
        [],
        exits.CONTRACT,
        "OutputInvalid",
    ),
    "app invalid": ("x = 1", [], exits.CONTRACT, "AppInvalid"),
    "raised": ("def run(analysis): raise ValueError('no wind')", [], exits.FAILED, "AppRaised"),
    "exited": ("import os\ndef run(analysis): os._exit(3)", [], exits.FAILED, "AppExited"),
    "killed": (DIES, [], exits.FAILED, "AppKilled"),
    "flooded": ("def run(analysis): print('x' * 10**6)", ["--output-limit", "0.1"], exits.FAILED, "OutputFlooded"),
    "timed out": (TALKS, ["--timeout", "0.5"], exits.TIMED_OUT, "TimedOut"),
    "hung": (
        "import time\ndef run(analysis): time.sleep(1000)",
        ["--silence-limit", "0.3", "--stop-silent"],
        exits.TIMED_OUT,
        "Hung",
    ),
    "no such store": ("def run(analysis): pass", ["--cache", "nosuch://bucket"], exits.STORAGE, "StorageFailed"),
    "no such folder": ("def run(analysis): pass", ["--cache", "/dev/null/cache"], exits.STORAGE, "StorageFailed"),
}


@pytest.mark.parametrize(("source", "options", "code", "error"), ENDINGS.values(), ids=ENDINGS)
def test_every_failure_has_an_exit_code_a_message_and_a_json_object(fairlead, app, source, options, code, error):
    done = fairlead("run", app(source), "--input-values", '{"n": 1}', "--json", *options)
    assert done.returncode == code
    assert json.loads(done.stdout)["error"]["type"] == error
    assert re.search(rf"^{error}: .+", done.stderr, re.MULTILINE)
    assert "/fairlead/adapters/" not in done.stderr
    assert not CONTROL.search(done.stderr)


def test_a_broken_contract_is_told_with_place_finding_rule_and_remedy(fairlead, app):
    done = fairlead("run", app(SQUARES), "--input-values", '{"n": "x", "m": 1}')
    assert done.returncode == exits.CONTRACT
    assert done.stderr == (
        "InputInvalid: An input breaks the contract. Nothing has run.\n"
        "\n"
        "input_values.m\n"
        "  found     is not known\n"
        "  expected  twine.json: input_values_schema\n"
        "  remedy    Known here: n.\n"
        "\n"
        "input_values.n\n"
        "  found     'x' is not an integer\n"
        "  expected  twine.json: input_values_schema\n"
        "  remedy    Give How many, e.g. 3.\n"
    )
    assert done.stdout == ""


def test_of_very_many_problems_the_terminal_shows_the_first(fairlead, app):
    schema = {"items": {"type": "integer"}}
    command = ["run", app("def run(analysis): pass", {"input_values_schema": schema}), "--input-values"]
    done = fairlead(*command, json.dumps(["x"] * 498), "--json")
    assert done.stderr.count("  found ") == 20
    assert done.stderr.endswith("\n\nand 478 more\n")
    assert len(json.loads(done.stdout)["error"]["problems"]) == 498


def test_an_app_that_raised_is_told_with_its_own_traceback_and_the_log(fairlead, app):
    folder = app("def run(analysis):\n    helper()\n\ndef helper():\n    raise ValueError('no wind')\n")
    done = fairlead("run", folder, "--input-values", '{"n": 1}')
    assert "AppRaised: The app raised ValueError: no wind\n" in done.stderr
    assert f'Traceback (most recent call last):\n  File "{folder}/app.py", line 2, in run\n' in done.stderr
    (log,) = re.findall(r"^log +(/.+)$", done.stderr, re.MULTILINE)
    assert "no wind" in Path(log).read_text()


def test_the_last_lines_are_told_where_they_were_not_shown(fairlead, app):
    folder = app("import os\ndef run(analysis):\n    print('last words', flush=True)\n    os._exit(3)")
    loud, quiet = (fairlead("run", folder, "--input-values", '{"n": 1}', *more).stderr for more in ([], ["--quiet"]))
    assert "Its last lines:\n    last words\n" in quiet
    assert loud.count("last words") == quiet.count("last words") == 1


def test_a_defect_of_fairlead_is_told_with_its_traceback(app, monkeypatch, capsys, tmp_path):
    def broken(*_args, **_kwargs):
        raise RuntimeError("a bug")

    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("fairlead.adapters.perform.perform", broken)
    with pytest.raises(SystemExit) as ending:
        main(["run", str(app(SQUARES)), "--json"])
    captured = capsys.readouterr()
    assert ending.value.code == exits.UNEXPECTED
    assert "Traceback" in captured.err
    assert json.loads(captured.out)["error"]["message"] == "RuntimeError: a bug"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("app", "--no-such-option"),
        ("app", "--timeout", "-1"),
        ("app", "--stop-silent"),
        ("app", "--isolation", "thread", "--silence-limit", "1"),
    ],
    ids=" ".join,
)
def test_a_command_line_that_is_wrong_ends_with_the_code_of_that(fairlead, arguments):
    done = fairlead("run", *arguments)
    assert done.returncode == exits.USAGE
    assert done.stderr.startswith("Usage: fairlead run")


@pytest.mark.parametrize("option", ["--timeout", "--silence-limit", "--output-limit"])
def test_a_limit_is_a_number(fairlead, app, option):
    done = fairlead("run", app("def run(analysis): pass"), option, "nan")
    assert done.returncode == 2
    assert "'nan' is not a number above 0." in done.stderr


def test_help_lists_every_exit_code(fairlead):
    done = fairlead("--help")
    assert done.returncode == 0
    for code, meaning in exits.MEANINGS.items():
        assert f" {code}  {meaning}\n" in done.stdout


def test_help_loads_next_to_nothing():
    program = """
import sys
from fairlead.adapters.cli import main
try:
    main(["--help"])
except SystemExit:
    print(sorted({"blake3", "fsspec", "jsonschema", "rich"} & {*sys.modules}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")


def test_version_is_that_of_the_distribution(fairlead):
    from importlib.metadata import version

    assert fairlead("--version").stdout == f"fairlead {version('fairlead')}\n"


# Apps that an octue.yaml configures


def test_in_the_folder_of_an_octue_yaml_only_the_inputs_are_asked_for(fairlead, tmp_path):
    service = tmp_path / "service"
    (service / "wind").mkdir(parents=True)
    (service / "wind" / "__init__.py").write_text("")
    (service / "wind" / "losses.py").write_text("def left(energy): return 0.9 * energy")
    (service / "wind" / "app.py").write_text(
        "from wind.losses import left\n"
        "def run(analysis):\n"
        "    energy = analysis.configuration_values['hours'] * analysis.input_values['power']\n"
        "    analysis.output_values['energy'] = left(energy)\n"
    )
    twine = {"configuration_values_schema": {}, "input_values_schema": {}, "output_values_schema": {}}
    (service / "twine.json").write_text(json.dumps(twine))
    configured = {"name": "wind", "app_source_path": "wind", "configuration_values": {"hours": 10}}
    (service / "octue.yaml").write_text(json.dumps({"services": [configured]}))
    done = fairlead("run", "--input-values", '{"power": 5}', "--json", cwd=service)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outputs"] == {"output_values": {"energy": 45.0}}
    assert fairlead("validate", cwd=service).returncode == 0


def test_in_a_folder_that_an_octue_yaml_above_names_no_app_need_be_named(fairlead, app):
    folder = app("def run(analysis): analysis.output_values = 1", {"output_values_schema": {}})
    (folder / "source").mkdir()
    (folder / "app.py").rename(folder / "source" / "app.py")
    service = {"name": "farm", "app_source_path": "source", "twine_path": "twine.json"}
    (folder / "octue.yaml").write_text(json.dumps({"services": [service]}))
    for command in ("validate", "run"):
        done = fairlead(command, cwd=folder / "source")
        assert done.returncode == 0, done.stderr
    (folder / "elsewhere").mkdir()
    assert "Missing argument" in fairlead("validate", cwd=folder / "elsewhere").stderr


@pytest.mark.parametrize("command", ["validate", "run"])
def test_a_warning_of_the_configuration_is_a_line_like_all_others(fairlead, make_app, command):
    app = make_app("def run(analysis): pass", {})
    (app / "octue.yaml").write_text(json.dumps({"services": [{"name": "farm", "organization": "wind"}]}))
    told = r"^\d\d:\d\d:\d\d fairlead: WARNING The following .*: 'organization'\. Did you mean 'organisation'\?$"
    done = fairlead(command, app)
    assert len(re.findall(told, done.stderr, re.MULTILINE)) == 1
    assert done.stderr.count("keyword arguments") == 1
