"""`fairlead graph` and `fairlead workflow run`, as people and scripts use them: in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import textwrap
from pathlib import Path

import pytest

from .conftest import FAIRLEAD, LIMIT, on_a_terminal

STUDY = """
    import logging
    from datetime import date, datetime
    from pathlib import Path
    from fairlead.adapters.workflow import MapWorkflow, Parameter, Task, Workflow, as_task, as_workflow, exit_pipeline
    from fairlead.adapters.workflow import commands, pipeline

    @as_task
    def Numbers(count: int = 4) -> {"numbers": list[int]}:
        print("printed by a task")
        logging.getLogger("study").info("logged by a task")
        return list(range(count))

    @as_task
    def Double(number: int) -> {"doubled": int}:
        if number == 2:
            raise ValueError("two is not allowed")
        return 2 * number

    @as_task
    def Total(doubled: list) -> {"total": int}:
        return sum(item for item in doubled if isinstance(item, int))

    @MapWorkflow.as_workflow(on_error="collect")
    def each():
        Double()

    @as_workflow
    def study():
        Numbers() | each() | Total()

    @as_workflow
    def strict():
        Numbers() | MapWorkflow(Double(), name="each")

    @as_task
    def Scale(factor: Parameter(int)) -> {"scaled": int}:
        return 10 * factor

    @as_workflow
    def scaled():
        Scale()

    @as_task
    def Stop() -> {}:
        exit_pipeline("enough")

    @as_workflow
    def early():
        Stop() | Numbers()

    @as_task
    def Leave() -> {}:
        raise SystemExit(0)

    @as_workflow
    def leaving():
        Leave()

    @as_task
    def Word(numbers: str) -> {}:
        pass

    @as_workflow
    def wrong():
        Numbers() | Word()

    @as_task
    def Tell(place: Path, day: date, moment: datetime) -> {"told": str}:
        return f"{place!r} {day!r} {moment!r}"

    @as_workflow
    def told():
        Tell()

    def with_arguments(count):
        return None

    def nothing():
        return 3

    @as_workflow
    def broken():
        Numbers() | undefined

    class Command(commands.Command):
        name = "commanded"

        def setup_tasks(self):
            Numbers() | each()

    class Counted(commands.Command):
        on_before = staticmethod(lambda args: setattr(args, "count", 2 * args.count))

        def add_arguments(self):
            self.add_argument("--count", type=int, default=3)

        def setup_task(self):
            Numbers(name=f"numbers_{pipeline.context.args.count}")

    class Needy(Counted):
        def add_arguments(self):
            self.add_argument("count", type=int)

    ready = study()
    number = 3
"""
TREE = """\
study  count: int → total: int
● numbers
≡ each  for each number in numbers · failures collected
│   ● double
● total
"""


@pytest.fixture
def study(tmp_path):
    """The folder of a file of workflows, which is where the command is run."""
    (tmp_path / "study.py").write_text(textwrap.dedent(STUDY))
    return tmp_path


# Which workflow is meant


@pytest.mark.parametrize("subject", ["study.py:study", "study:study", "study.py", "study", "./study.py:ready"])
def test_a_workflow_is_named_by_its_file_or_module(fairlead, study, subject):
    done = fairlead("graph", subject)
    assert (done.returncode, done.stdout, done.stderr) == (0, TREE, "")


def test_the_class_of_a_command_names_what_it_sets_up(fairlead, study):
    done = fairlead("graph", "study:Command")
    assert done.stdout.splitlines()[:2] == ["commanded  count: int", "● numbers"]


def test_a_command_sets_up_what_its_pipeline_would_with_the_defaults_of_its_arguments(fairlead, study):
    assert fairlead("graph", "study:Counted").stdout.splitlines() == ["counted  count: int", "● numbers_6"]


@pytest.mark.parametrize(
    ("subject", "found", "remedy"),
    [
        ("nowhere.py:study", "there is no file 'nowhere.py'", "Relative paths start at"),
        ("nowhere:study", "there is no module 'nowhere'", "Modules are looked for in the current folder, too."),
        ("study:nope", "study has no 'nope'", "Workflows there: each, study, strict"),
        ("study:Double", "is a task", "Put it into a function under @as_workflow, and name that."),
        ("study:number", "is of type int", "Name a workflow."),
        (
            "study:with_arguments",
            "it needs arguments: missing a required argument: 'count'",
            "Write one that calls it.",
        ),
        (
            "study:Needy",
            "it needs arguments: the following arguments are required: count",
            "Run it in its pipeline, or name a function under @as_workflow that makes the same.",
        ),
        ("study:nothing", "it returns int", "Write @as_workflow above it."),
        ("study:broken", "it cannot be made: NameError: name 'undefined' is not defined (study.py, line 84)", "Mend"),
        ("several.py", "holds 2 workflows", "Write one of: several.py:one, several.py:two."),
        ("empty.py", "holds no workflow", "Write one under @as_workflow."),
        ("bad.py", "it cannot be imported: ModuleNotFoundError: No module named 'there_is_none' (bad.py, line 1)", ""),
        ("syntax.py", "it cannot be imported: SyntaxError", "Mend that first."),
        (":study", "names no module", "Write e.g. study.py:study."),
        (".", "is a folder", "Write e.g. study.py:study."),
        (".study", "'.study' is no name of a module", "Write e.g. study.py:study."),
        ("./folder", "'folder' is a folder", "Name a file in it, e.g. folder/study.py."),
    ],
)
def test_what_is_no_workflow_is_told_with_what_to_write(fairlead, study, subject, found, remedy):
    (study / "several.py").write_text("from study import Workflow\none, two = Workflow(), Workflow()\n")
    (study / "folder").mkdir()
    (study / "empty.py").write_text("from study import each\n")
    (study / "bad.py").write_text("import there_is_none\n")
    (study / "syntax.py").write_text("def f(:\n")
    done = fairlead("graph", subject)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith("WorkflowNotFound: What is named is not there")
    assert f"found     {found}" in done.stderr or f"found   {found}" in done.stderr
    assert remedy in done.stderr


def test_a_file_that_is_called_like_a_module_of_python_does_not_take_its_place(fairlead, study):
    (study / "json.py").write_text((study / "study.py").read_text())
    done = fairlead("workflow", "run", "json.py:study", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["outputs"] == {"total": 8}


# Drawings


def test_a_drawing_is_written_in_the_form_that_the_files_name_tells(fairlead, study):
    for name, start in {
        "a.svg": "<svg ",
        "a.mmd": "---\ntitle:",
        "a.json": '{\n  "name": "study"',
        "a.txt": "study  ",
    }.items():
        done = fairlead("graph", "study", "--output", name)
        assert (done.returncode, done.stdout) == (0, "")
        assert (study / name).read_text().startswith(start)
    assert fairlead("graph", "study", "--format", "svg").stdout == (study / "a.svg").read_text()


def test_a_drawing_that_cannot_be_written_is_told(fairlead, study):
    done = fairlead("graph", "study", "--output", "no/such/folder.svg")
    assert done.returncode == 6
    assert "no/such/folder.svg: No such file or directory" in done.stderr


def test_a_check_tells_all_that_does_not_fit(fairlead, study):
    assert fairlead("graph", "study:study", "--check").returncode == 0
    done = fairlead("graph", "study:wrong", "--check")
    assert done.returncode == 3
    assert "task 'word', input 'numbers'\n  found     'numbers' is of type list[int]\n  expected  str\n" in done.stderr
    assert fairlead("graph", "study:wrong").returncode == 0


def test_a_check_looks_at_parameters(fairlead, study):
    (study / "config.toml").write_text("[parameters.scale]\nfactor = 3\n")
    done = fairlead("graph", "study:scaled", "--check")
    assert done.returncode == 3
    assert "parameters.scale.factor\n  found     is missing" in done.stderr
    assert fairlead("graph", "study:scaled", "--check", "--parameters", "config.toml").returncode == 0


# Runs


def test_outputs_are_on_standard_output_and_the_progress_on_standard_error(fairlead, study):
    done = fairlead("workflow", "run", "study", "--input", "count=3")
    assert done.returncode == 0
    assert re.fullmatch(
        r"study  done in [\d.]+ m?s\n\noutputs\n  total  2\n\n1 item failed\n"
        r"  each\[2\]  number=2  ValueError: two is not allowed\n",
        done.stdout,
    )
    assert "printed by a task\n" in done.stderr
    assert re.search(r"^[\d:]{8} study: logged by a task$", done.stderr, re.MULTILINE)
    assert re.search(r"^[\d:]{8} numbers: done, [\d.]+ m?s$", done.stderr, re.MULTILINE)
    assert re.search(r"^[\d:]{8} each: done, 3 items, 1 failed, [\d.]+ m?s$", done.stderr, re.MULTILINE)
    assert re.search(r"^[\d:]{8} fairlead: WARNING each: item 2 ", done.stderr, re.MULTILINE)


def test_a_map_or_loop_may_be_run_itself(fairlead, study):
    done = fairlead("workflow", "run", "study:each", "--input", "number=[1, 2]")
    assert re.search(r"^[\d:]{8} each: done, 2 items, 1 failed, [\d.]+ m?s$", done.stderr, re.MULTILINE)
    assert "  each[1]  number=2  ValueError: two is not allowed\n" in done.stdout


def test_a_quiet_run_shows_warnings_only(fairlead, study):
    done = fairlead("workflow", "run", "study", "--quiet")
    lines = [line for line in done.stderr.splitlines() if line != "printed by a task"]
    assert len(lines) == 1
    assert "WARNING each: item 2" in lines[0]


def test_json_holds_outputs_and_failures(fairlead, study):
    outcome = json.loads(fairlead("workflow", "run", "study", "--json").stdout)
    assert outcome["workflow"] == "study"
    assert outcome["outputs"] == {"total": 8}
    assert not outcome["exited"]
    (failure,) = outcome["failures"]
    assert (failure["path"], failure["index"], failure["inputs"]) == ("each", 2, {"number": 2})
    assert failure["type"] == "ValueError"
    assert "two is not allowed" in failure["traceback"]


def test_what_a_task_raises_is_shown_from_its_own_code_on(fairlead, study):
    done = fairlead("workflow", "run", "study:strict")
    assert done.returncode == 4
    assert done.stdout == ""
    assert re.search(r"^[\d:]{8} each: ERROR failed, 3/4 items, 1 failed", done.stderr, re.MULTILINE)
    assert 'study.py", line 17, in Double\n' in done.stderr
    assert "fairlead/adapters" not in done.stderr
    assert done.stderr.endswith("AppRaised: each[2]/double raised ValueError: two is not allowed\n")
    error = json.loads(fairlead("workflow", "run", "study:strict", "--json").stdout)["error"]
    assert (error["type"], error["exception"]) == ("AppRaised", "ValueError")


def test_inputs_may_come_from_a_file_and_single_ones_win(fairlead, study):
    (study / "inputs.json").write_text('{"count": 9}')
    given = ("workflow", "run", "study", "--json", "--inputs")
    assert json.loads(fairlead(*given, "inputs.json").stdout)["outputs"] == {"total": 68}
    assert json.loads(fairlead(*given, "-", stdin='{"count": 2}').stdout)["outputs"] == {"total": 2}
    assert json.loads(fairlead(*given, "inputs.json", "--input", "count=2").stdout)["outputs"] == {"total": 2}


def test_inputs_become_what_their_types_say(fairlead, study):
    given = '{"place": "a/b.nc", "day": "2026-11-20", "moment": "2026-11-20T14:39:06"}'
    done = fairlead("workflow", "run", "study:told", "--json", "--inputs", given)
    assert json.loads(done.stdout)["outputs"] == {
        "told": "PosixPath('a/b.nc') datetime.date(2026, 11, 20) datetime.datetime(2026, 11, 20, 14, 39, 6)"
    }
    done = fairlead("workflow", "run", "study:told", "--inputs", given.replace("2026-11-20", "today", 1))
    assert "input 'day'\n  found     'today' is a str\n  expected  date" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--input", "count"), "--input count: it is not NAME=JSON. Write e.g. --input count=3."),
        (("--input", "count=many"), "'many' is not JSON. For a text, write 'count=\"many\"'."),
        (("--inputs", "[1]"), '--inputs: it is no object. Write e.g. {"count": 3}.'),
        (("--inputs", "{"), "--inputs: is not JSON: "),
        (("--inputs", '{"count": 1, "count": 2}'), "--inputs: the key 'count' stands twice in one object."),
        (("--inputs", '{"count": NaN}'), "--inputs: NaN is not JSON (a finite number)."),
        (("--input", "count=Infinity"), "--input count: Infinity is not JSON (a finite number)."),
        (("--input", 'count={"a": 1, "a": 2}'), "--input count: the key 'a' stands twice in one object."),
        (("--input", "count=1", "--input", "count=2"), "--input count is given twice. Keep one of them."),
        (("--parameters", "flat.yml"), "it does not hold an object for each task."),
    ],
)
def test_a_command_line_that_is_wrong_is_told_in_a_line(fairlead, study, arguments, said):
    (study / "flat.yml").write_text("factor: 3\n")
    done = fairlead("workflow", "run", "study", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--input", 'count="x"'), "workflow 'study', input 'count'\n  found     'x' is a str\n  expected  int"),
        (("--input", "cuont=3"), "workflow 'study', 'cuont'\n  found     is no input of it\n  expected  one of: count"),
        (("--parameters", "study.py"), "study.py\n  found     its name ends with '.py'"),
        (("--parameters", "list.yml"), "list.yml\n  found     is a list\n  expected  names with values"),
        (("--backend", "nope"), "backend\n  found     'nope' is unknown"),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_runs(fairlead, study, arguments, said):
    (study / "list.yml").write_text("[1, 2]\n")
    done = fairlead("workflow", "run", "study", *arguments)
    assert done.returncode == 3
    assert said in done.stderr
    assert "printed by a task" not in done.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.json", '{"scale": {"factor": 3}}'),
        ("p.yml", "parameters:\n  scale:\n    factor: 3\n"),
        ("p.toml", "[scale]\nfactor = 3\n"),
        ("p.yaml", "parameters: !include scale.json\n"),
    ],
)
def test_parameters_come_from_a_file_of_their_own_or_a_configuration(fairlead, study, name, text):
    (study / "scale.json").write_text('{"scale": {"factor": 3}}')
    (study / name).write_text(text)
    done = fairlead("workflow", "run", "study:scaled", "--parameters", name, "--json")
    assert json.loads(done.stdout)["outputs"] == {"scaled": 30}


def test_a_run_that_a_task_ends_early_is_done(fairlead, study):
    done = fairlead("workflow", "run", "study:early")
    assert done.returncode == 0
    assert done.stdout.startswith("early  ended early in ")


def test_a_task_that_exits_is_a_failure(fairlead, study):
    done = fairlead("workflow", "run", "study:leaving")
    assert done.returncode == 4
    assert "AppExited: task 'leave' called sys.exit(0).\n" in done.stderr
    assert "To end a run early, call exit_pipeline().\n" in done.stderr


def test_results_without_a_place_in_json_are_told_as_text(fairlead, study):
    (study / "odd.py").write_text(
        "from fairlead.adapters.workflow import as_task, as_workflow\n"
        "@as_task\ndef Odd():\n    return {'a': {1}, 'b': float('nan'), 'c': (1, 2), 'd': {3: 4}}\n"
        "@as_workflow\ndef odd():\n    Odd()\n"
    )
    outputs = json.loads(fairlead("workflow", "run", "odd.py", "--json").stdout)["outputs"]
    assert outputs == {"a": "{1}", "b": "nan", "c": [1, 2], "d": {"3": 4}}


WAITING = """
    import time
    from fairlead.adapters.workflow import as_task, as_workflow

    @as_task
    def Wait() -> {}:
        print("started", flush=True)
        while True:
            time.sleep(0.01)

    @as_workflow
    def waiting():
        Wait()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_at_once(environment, study, number, code):
    (study / "waiting.py").write_text(textwrap.dedent(WAITING))
    command = [FAIRLEAD, "workflow", "run", "waiting.py"]
    with subprocess.Popen(command, cwd=study, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert process.stderr.readline() == "started\n"
        process.send_signal(number)
        assert process.wait(LIMIT) == code
        assert f"Stopped by {number.name}" in process.stderr.read()


def test_a_time_limit_ends_a_run_between_its_tasks(fairlead, study):
    (study / "long.py").write_text(
        "import time\nfrom fairlead.adapters.workflow import LoopWorkflow, as_task\n"
        "@as_task\ndef Wait() -> {}:\n    time.sleep(0.01)\n"
        "with LoopWorkflow(infinite=True, name='long') as long:\n    Wait()\n"
    )
    done = fairlead("workflow", "run", "long.py", "--timeout", "0.2")
    assert done.returncode == 5
    assert "The run passed its time limit." in done.stderr


# On a terminal


def test_on_a_terminal_blocks_that_end_are_ticked_and_maps_show_how_far_they_are(environment, study):
    source = (
        (study / "study.py").read_text().replace("return 2 * number", "import time; time.sleep(0.15); return number")
    )
    (study / "study.py").write_text(source)
    shown, _ = on_a_terminal({**environment, "COLUMNS": "100", "TERM": "xterm"}, study, "workflow", "run", "study")
    plain = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", shown)
    assert re.search(r"✔ numbers  [\d.]+ m?s\r\n", plain)
    assert re.search(r"✔ each  4 items, 1 failed, [\d.]+ m?s\r\n", plain)
    assert re.search(r"each ━*.* [123]/4 items", plain)
    assert shown.rindex("\x1b[?25h") > shown.rindex("4 items, 1 failed")  # the cursor is back


def test_a_row_that_is_too_long_for_the_terminal_is_cut(environment, study):
    environment = {**environment, "COLUMNS": "30", "TERM": "xterm"}
    _, piped = on_a_terminal(environment, study, "graph", "study")
    assert piped == TREE
    master, slave = os.openpty()
    subprocess.run([FAIRLEAD, "graph", "study"], stdout=slave, env=environment, cwd=study, check=True)
    os.close(slave)
    shown = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", os.read(master, 1 << 16).decode())
    os.close(master)
    assert "≡ each  for each number in nu…\r\n│   ● double\r\n" in shown


def test_names_cannot_write_to_the_terminal(fairlead, study):
    (study / "evil.py").write_text(
        "from fairlead.adapters.workflow import Workflow, as_task\n"
        "@as_task\ndef Nothing() -> {}:\n    pass\n"
        "with Workflow(name='evil') as evil:\n    Nothing().name = '\\x1b[31mred\\x07'\n    Nothing().name = 'a[b]'\n"
    )
    for command in (("graph", "evil.py"), ("workflow", "run", "evil.py")):
        done = fairlead(*command)
        assert done.returncode == 0
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", done.stdout + done.stderr)
        assert "a[b]" in done.stdout + done.stderr


def test_a_task_that_prints_goes_on_where_standard_error_takes_nothing(study, environment):
    environment.pop("PYTHONUNBUFFERED", None)
    command = [FAIRLEAD, "workflow", "run", "study.py:study", "--json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=full, text=True, env=environment, cwd=study, check=False
        )
    assert done.returncode == 0
    assert json.loads(done.stdout)["outputs"] == {"total": 8}
