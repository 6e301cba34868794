"""`fairlead replay`: a run that failed somewhere is run again here, with all that it had, and stops in a debugger."""

from __future__ import annotations

import functools
import json
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.cli import main
from fairlead.adapters.cli.replay import compared
from fairlead.adapters.diagnostics import Diagnostics
from fairlead.adapters.errors import FairleadError
from fairlead.adapters.isolation import ChildProcess
from fairlead.adapters.testing import RecordingHost

from .conftest import FAIRLEAD, Command

LIMIT = 30.0
TWINE: dict[str, Any] = {
    "input_values_schema": {"type": "object"},
    "input_manifest": {"datasets": {"weather": {}}, "optional": True},
    "output_values_schema": {"type": "object", "properties": {"speed": {"type": "number"}}},
}
RAISE = """
import helper

def run(analysis):
    print("analysis", analysis.id)
    hours = helper.count(analysis)
    if hours < 60:
        raise ValueError(f"{hours} hours are too few")
    analysis.output_values = {"speed": hours}
"""
COUNT = """
def count(analysis):
    if analysis.input_manifest is None:
        return analysis.input_values["hours"]
    files = list(analysis.input_manifest.get_dataset("weather").files)
    return sum(len(open(file.local_path).read()) for file in files)
"""
MENDED = COUNT.replace('["hours"]', '["hours"] * 100')
KILL = "import os, signal\n\ndef run(analysis):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
HANG = "import time\n\ndef run(analysis):\n    print('hanging', flush=True)\n    time.sleep(600)\n"
WRONG = "def run(analysis):\n    analysis.output_values = {'speed': 'high'}\n"


@pytest.fixture
def app(make_app) -> Path:
    return make_app(RAISE, TWINE, {"helper.py": COUNT})


@pytest.fixture
def bundle(run, tmp_path) -> Callable[..., str]:
    """Perform an app that fails, in a real child process, and return where its diagnostics are."""

    def make(folder: Path, *, url: str | None = None, limits: Mapping[str, Any] | None = None, **rest: Any) -> str:
        host = RecordingHost(run_id="dag/run/task", attempt=2, timeout=rest.pop("timeout", None))
        wish = Diagnostics(url or str(tmp_path / "bundles"), copy_datasets=rest.pop("copy_datasets", False))
        isolation = ChildProcess(grace=0.5, **(limits or {}))
        with pytest.raises(FairleadError) as caught:
            run(folder, host=host, isolation=isolation, diagnostics=wish, **{"input_values": {"hours": 3}} | rest)
        assert caught.value.diagnostics
        return caught.value.diagnostics

    return make


@pytest.fixture
def environment(tmp_path, scratch) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FAIRLEAD")}
    return kept | {"FAIRLEAD_CACHE": str(tmp_path / "shared cache"), "TMPDIR": str(scratch), "TERM": "dumb"}


@pytest.fixture
def replay(fairlead: Command) -> Command:
    """Run the command to its end."""
    return functools.partial(fairlead, "replay")


# The same again


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "limits", "code"),
    [
        (RAISE, {}, 4),
        (KILL, {}, 4),
        (WRONG, {}, 3),
        (HANG, {"timeout": 1.5}, 5),
        (HANG, {"limits": {"silence_limit": 1.0, "on_silence": "stop"}}, 5),
    ],
    ids=["raises", "killed", "wrong output", "timed out", "hung"],
)
def test_a_failure_is_the_same_again_and_ends_with_the_code_of_a_run(make_app, bundle, replay, source, limits, code):
    url = bundle(make_app(source, TWINE, {"helper.py": COUNT}), **limits)
    done = replay(url)
    assert done.returncode == code
    assert "Running app again: run dag/run/task, attempt 2, of " in done.stderr
    assert "It fails in the same way as the recorded run." in done.stderr
    assert not done.stdout


@pytest.mark.slow
def test_it_is_the_very_analysis_with_its_id_source_and_inputs(app, bundle, replay):
    url = bundle(app)
    shutil.rmtree(app)
    done = replay(url)
    assert f"analysis {url.rpartition('/')[2]}" in done.stderr
    assert "ValueError: 3 hours are too few" in done.stderr
    assert re.search(r"source +as then\n", done.stderr)
    assert re.search(r"packages +as then\n", done.stderr)


@pytest.mark.slow
def test_nothing_of_it_is_found_by_others_and_nothing_stays(app, bundle, replay, tmp_path, scratch):
    url = bundle(app)
    assert replay(url).returncode == 4
    assert replay(url, "--app", make_mended(app)).returncode == 0
    assert not (tmp_path / "shared cache").exists()
    assert not [*scratch.iterdir()]


def make_mended(app: Path) -> Path:
    (app / "helper.py").write_text(MENDED)
    return app


def test_a_bundle_in_a_store_is_replayed_as_one_in_a_folder(app, bundle, root, capsys, monkeypatch):
    with pytest.raises(SystemExit) as ended:
        main(["replay", bundle(app, url=root)])
    assert ended.value.code == 4
    assert "It fails in the same way as the recorded run." in capsys.readouterr().err


def test_a_run_in_a_thread_is_replayed_in_one(app, run, tmp_path, replay):
    wish = Diagnostics(str(tmp_path / "b"))
    with pytest.raises(FairleadError) as caught:
        run(app, input_values={"hours": 3}, isolation="thread", diagnostics=wish)
    assert "It fails in the same way" in replay(caught.value.diagnostics).stderr


# What is different


def test_a_mended_app_shows_that_the_failure_is_gone(app, bundle, replay, tmp_path):
    url = bundle(app)
    done = replay(url, "--app", make_mended(app), "--output-dir", tmp_path / "out")
    assert done.returncode == 0
    assert re.search(rf"source +{app}, which differs in helper\.py\n", done.stderr)
    assert "The failure is gone: the recorded run ended with AppRaised." in done.stderr
    assert json.loads((tmp_path / "out" / "output_values.json").read_text()) == {"speed": 300}
    assert "300" in done.stdout
    assert "fairlead-replay" not in done.stdout  # a place that is gone is not told


def test_source_that_changed_while_it_ran_is_told(make_app, bundle, replay):
    source = "import pathlib\n\ndef run(analysis):\n    open(__file__, 'a').write('# more')\n    raise ValueError\n"
    done = replay(bundle(make_app(source, TWINE)))
    assert "as it was at the end of the run; it changed while it ran" in done.stderr


def test_inputs_that_were_refused_are_refused_again(app, run, tmp_path, replay):
    always = Diagnostics(str(tmp_path / "left"), when="always")
    with pytest.raises(FairleadError) as caught:
        run(app, input_values={}, input_manifest={"datasets": {"weather": "nowhere"}}, diagnostics=always)
    done = replay(caught.value.diagnostics)
    assert done.returncode == 3
    assert "It fails in the same way" in done.stderr


def test_another_failure_is_told_from_the_recorded_one(app, bundle, replay):
    url = bundle(app)
    (app / "helper.py").write_text("def count(analysis):\n    return analysis.input_values['height']\n")
    done = replay(url, "--app", app)
    assert done.returncode == 4
    assert "It fails in another way: the recorded run ended with AppRaised" in done.stderr
    assert "KeyError: 'height'" in done.stderr


def test_other_versions_of_python_and_packages_are_told(app, bundle, replay):
    url = bundle(app)
    record = Path(url, "run.json")
    data = json.loads(record.read_text())
    data["python"] = "3.10.1"
    data["packages"] |= {"blake3": "0.0.1", "gone-since": "4.2"}
    record.write_text(json.dumps(data))
    done = replay(url)
    assert "; it was 3.10.1" in done.stderr
    assert re.search(r"packages +blake3 \S+ \(it was 0\.0\.1\), gone-since absent \(it was 4\.2\)\n", done.stderr)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (None, None, "It ends well, as the recorded run did."),
        (None, {"type": "TimedOut"}, "It fails; the recorded run ended well."),
        (
            {"type": "TimedOut", "message": "late"},
            None,
            "The failure is gone: the recorded run ended with TimedOut.",
        ),
        ({"type": "AppKilled", "signal": 9}, {"type": "AppKilled", "signal": 9}, "It fails in the same way"),
        ({"type": "AppKilled", "signal": 9}, {"type": "AppKilled", "signal": 11}, "It fails in another way"),
        ({"type": "AppExited", "code": 1}, {"type": "AppExited", "code": 2}, "It fails in another way"),
        (
            {"type": "AppRaised", "exception": "KeyError", "message": "a"},
            {"type": "AppRaised", "exception": "KeyError", "message": "b"},
            "It fails in the same way, but in other words: the recorded run ended with AppRaised: a",
        ),
        ({"type": "AppRaised", "exception": "KeyError"}, {"type": "AppRaised", "exception": "OSError"}, "another way"),
        (
            {"type": "OutputInvalid", "problems": [{"where": "output_values.a"}]},
            {"type": "OutputInvalid", "problems": [{"where": "output_values.b"}]},
            "It fails in another way",
        ),
        (
            {"type": "InputInvalid", "message": "\n".join(["498 problems:", *(["- a: is missing."] * 498)])},
            {"type": "StorageFailed"},
            "- a: is missing.\nand 479 more lines",
        ),
    ],
)
def test_two_ends_are_compared_by_their_nature_and_their_words(before, now, told):
    assert told in compared(before, now)


# Datasets


@pytest.fixture
def weather(tmp_path) -> Path:
    folder = tmp_path / "weather"
    folder.mkdir()
    (folder / "2019.csv").write_text("12345")
    return folder


def test_copied_datasets_are_read_when_the_originals_are_gone(app, bundle, replay, weather):
    url = bundle(app, copy_datasets=True, input_manifest={"datasets": {"weather": str(weather)}})
    shutil.rmtree(weather)
    done = replay(url)
    assert "ValueError: 5 hours are too few" in done.stderr
    assert "It fails in the same way as the recorded run." in done.stderr


def test_datasets_that_are_only_named_and_gone_are_told(app, bundle, replay, weather):
    url = bundle(app, input_manifest={"datasets": {"weather": str(weather)}})
    shutil.rmtree(weather)
    done = replay(url)
    assert done.returncode == 3
    assert "input_manifest.datasets.weather, file '2019.csv'" in done.stderr
    assert "The diagnostics only refer to it; bring it there, or let datasets be copied" in done.stderr


def test_datasets_that_have_changed_since_are_told(app, bundle, replay, weather):
    url = bundle(app, input_manifest={"datasets": {"weather": str(weather)}})
    (weather / "2019.csv").write_text("123456")
    done = replay(url)
    assert "input_manifest, dataset 'weather': 2019.csv changed since the recorded run" in done.stderr
    assert "but in other words" in done.stderr


@pytest.mark.slow
def test_a_signed_address_that_cannot_be_read_without_its_signature_is_told(app, bundle, replay, tmp_path, weather):
    import http.server
    import threading

    class Signed(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(weather))

        def send_head(self) -> Any:
            if "signature=valid" not in self.path:
                self.send_error(403)
                return None
            return super().send_head()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Signed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/2019.csv?signature=valid"
        url = bundle(app, input_manifest={"datasets": {"weather": {"files": [address]}}})
        copied = bundle(app, copy_datasets=True, input_manifest={"datasets": {"weather": {"files": [address]}}})
        done, again = replay(url), replay(copied)
        server.shutdown()
    assert done.returncode in {3, 6}
    assert "without the signature" in done.stderr
    assert again.returncode == 4
    assert "It fails in the same way as the recorded run." in again.stderr


# What cannot be replayed


@pytest.mark.parametrize("form", ["half-written", "empty", "no source"])
def test_a_bundle_that_cannot_be_replayed_is_told_with_what_to_do(app, bundle, replay, form):
    url = bundle(app)
    if form == "half-written":
        Path(url, "run.json").unlink()
    elif form == "empty":
        shutil.rmtree(url)
    else:
        shutil.rmtree(Path(url, "source"))
        record = json.loads(Path(url, "run.json").read_text())
        kept = [name for name in record["files"] if not name.startswith("source/")]
        Path(url, "run.json").write_text(json.dumps(record | {"files": kept}))
    done = replay(url)
    assert done.returncode == 3
    told = {
        "half-written": "run.json is missing, which is written last",
        "empty": "nothing is there",
        "no source": "the app's source is not in it",
    }
    assert told[form] in done.stderr
    assert url in done.stderr


def test_what_an_octue_service_has_left_runs_with_the_app_that_is_named(make_app, replay, tmp_path):
    folder = tmp_path / "left"
    folder.mkdir()
    (folder / "input_values.json").write_text('{"hours": 70}')
    app = make_app(RAISE, TWINE, {"helper.py": COUNT})
    assert "To run what is there all the same, say with --app" in replay(folder).stderr
    done = replay(folder, "--app", app)
    assert done.returncode == 0
    assert "70" in done.stdout
    assert "does not say of which run it is" in done.stderr


def test_a_credential_that_is_missing_here_is_named(make_app, bundle, replay, monkeypatch):
    monkeypatch.setenv("WEATHER_TOKEN", "s3cret-value")
    app = make_app(RAISE, TWINE | {"credentials": [{"name": "WEATHER_TOKEN"}]}, {"helper.py": COUNT})
    url = bundle(app)
    monkeypatch.delenv("WEATHER_TOKEN")
    done = replay(url)
    assert done.returncode == 3
    assert "WEATHER_TOKEN" in done.stderr
    assert "s3cret" not in done.stderr


def test_a_message_with_a_credential_is_compared_without_it(make_app, bundle, replay, environment, monkeypatch):
    source = "import os\n\ndef run(analysis):\n    raise ValueError(os.environ['WEATHER_TOKEN'] + ' was refused')\n"
    monkeypatch.setenv("WEATHER_TOKEN", "s3cret-value")
    url = bundle(make_app(source, TWINE | {"credentials": [{"name": "WEATHER_TOKEN"}]}))
    environment["WEATHER_TOKEN"] = "another-value"
    assert "It fails in the same way as the recorded run." in replay(url).stderr


def test_an_empty_address_is_refused(replay):
    done = replay("")
    assert done.returncode == 2
    assert "it is empty. Name the diagnostics of a run" in done.stderr


def test_a_unit_of_another_kind_is_refused(app, bundle, replay):
    url = bundle(app)
    record = json.loads(Path(url, "run.json").read_text())
    Path(url, "run.json").write_text(json.dumps(record | {"unit": {"kind": "solver", "name": "x"}}))
    done = replay(url)
    assert done.returncode == 3
    assert "is of a unit of kind 'solver'" in done.stderr


# The command that saves


@pytest.mark.slow
def test_the_command_saves_what_replay_runs(app, fairlead, tmp_path):
    done = fairlead("run", app, "--input-values", '{"hours": 3}', "--diagnostics", "left", "--json")
    url = json.loads(done.stdout)["error"]["diagnostics"]
    assert url.startswith(str(tmp_path / "left"))
    assert "It fails in the same way" in fairlead("replay", url).stderr
    done = fairlead("run", app, "--input-values", '{"hours": 60}', "--diagnostics", "left", "--diagnostics-always")
    assert done.returncode == 0
    (url,) = re.findall(r"diagnostics +(/.+)\n", done.stdout)
    assert "It ends well, as the recorded run did." in fairlead("replay", url).stderr
    for option in ("--diagnostics-always", "--copy-datasets"):
        done = fairlead("run", app, option)
        assert done.returncode == 2
        assert f"{option} needs --diagnostics" in done.stderr


# The debugger


class Terminal:
    """A command in a terminal of its own, to which a test types."""

    def __init__(self, command: list[object], environment: Mapping[str, str], folder: Path) -> None:
        self._master, slave = os.openpty()
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=folder
        )
        os.close(slave)
        self.shown = ""

    def until(self, text: str) -> str:
        """Return what is shown up to a text, once that is there."""
        deadline = time.monotonic() + LIMIT
        while text not in self.shown:
            rest = deadline - time.monotonic()
            assert rest > 0, f"{text!r} was not shown within {LIMIT} s:\n{self.shown}"
            if select.select([self._master], [], [], rest)[0]:
                self.shown += os.read(self._master, 1 << 16).decode()
        before, _, self.shown = self.shown.partition(text)
        return before

    def answers(self, line: str) -> str:
        """Type a line at the debugger's prompt, and return what it answers."""
        os.write(self._master, f"{line}\n".encode())
        echo, _, answer = self.until("(Pdb) ").partition("\r\n")
        assert echo == line
        return answer.strip()

    def end(self, line: str) -> int:
        """Type a last line, and return how the command ends."""
        os.write(self._master, f"{line}\n".encode())
        code = self.process.wait(LIMIT)
        while select.select([self._master], [], [], 0)[0]:
            try:
                self.shown += os.read(self._master, 1 << 16).decode()
            except OSError:
                break
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(environment, tmp_path):
    opened: list[Terminal] = []

    def open_one(*arguments: object) -> Terminal:
        folder = tmp_path / "here"
        folder.mkdir(exist_ok=True)
        opened.append(Terminal([FAIRLEAD, "replay", *arguments], environment | {"TERM": "xterm"}, folder))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.mark.slow
def test_the_debugger_stops_at_the_failing_line_and_shows_what_is_there(app, bundle, terminal, tmp_path):
    url = bundle(app)
    debugger = terminal(url, "--pdb")
    told = debugger.until("(Pdb) ")
    assert "ValueError: 3 hours are too few" in told
    assert '-> raise ValueError(f"{hours} hours are too few")' in told
    assert debugger.answers("p hours") == "3"
    assert debugger.answers("p analysis.id") == repr(url.rpartition("/")[2])
    assert debugger.answers("p analysis.input_values") == "{'hours': 3}"
    assert debugger.answers("import helper; print(helper.count(analysis))") == "3"
    assert debugger.end("q") == 4
    assert "It fails in the same way as the recorded run." in debugger.shown
    assert not [*(tmp_path / "here").iterdir()]


@pytest.mark.slow
def test_the_debugger_stops_in_the_apps_own_frame_also_when_a_library_raised(make_app, bundle, terminal):
    source = """
import json

def run(analysis):
    text = "no JSON"
    json.loads(text)
"""
    debugger = terminal(bundle(make_app(source, TWINE)), "--pdb")
    assert "-> json.loads(text)" in debugger.until("(Pdb) ")
    assert debugger.answers("p text") == "'no JSON'"
    assert "json/" in debugger.answers("down")
    assert debugger.end("q") == 4


@pytest.mark.slow
def test_a_breakpoint_in_the_app_stops_there(app, bundle, terminal):
    url = bundle(app)
    (app / "app.py").write_text((app / "app.py").read_text().replace("    if hours", "    breakpoint()\n    if hours"))
    debugger = terminal(url, "--pdb", "--app", app)
    assert "-> if hours < 60:" in debugger.until("(Pdb) ")
    debugger.answers("hours = 60")
    assert debugger.end("c") == 0
    assert "The failure is gone" in debugger.shown


def test_nothing_stays_of_a_debugged_app_that_ends_the_process(make_app, bundle, replay, scratch, watch):
    done = replay(bundle(make_app(KILL, TWINE)), "--pdb")
    assert done.returncode == -9
    assert "what runs in this one may end it now" in done.stderr
    assert watch.until(lambda: not [*scratch.iterdir()], LIMIT)


def test_where_nothing_is_raised_there_is_nothing_to_stop_at(make_app, bundle, replay):
    done = replay(bundle(make_app(WRONG, TWINE)), "--pdb", stdin="")
    assert done.returncode == 3
    assert "(Pdb)" not in done.stderr + done.stdout
    assert "output_values.speed" in done.stderr


def test_the_app_writes_into_a_folder_of_its_own_in_the_debugger_too(make_app, bundle, replay, tmp_path):
    source = "def run(analysis):\n    open('here.txt', 'w').close()\n    raise ValueError\n"
    done = replay(bundle(make_app(source, TWINE)), "--pdb", stdin="q\n")
    assert done.returncode == 4
    assert not (tmp_path / "here.txt").exists()
