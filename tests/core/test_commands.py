"""Commands: what a command line says is what runs, and what it says wrongly is told."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from fairlead.adapters.errors import InputInvalid, RunFailed
from fairlead.adapters.workflow import MapWorkflow, Parameter, Workflow, as_task, as_workflow, exit_pipeline
from fairlead.adapters.workflow.commands import Command, RootCommand, argument
from fairlead.adapters.workflow.exceptions import WorkflowInvalid
from fairlead.adapters.workflow.library import ExecuteShellScripts, InteractiveTask, PipelineArgs, PopenTask, Sleep
from fairlead.adapters.workflow.pipeline import Pipeline, context


@as_task
def Give(value: int = 1) -> {"value": int}:
    return value


@as_task
def Double(value: int) -> {"doubled": int}:
    return value * 2


@as_task
def Say(doubled: int) -> {}:
    logging.getLogger(__name__).info("said %s", doubled)


@pytest.fixture
def root():
    """A root without any command, so that commands of one test are not there in another."""

    class Root(Command):
        """Commands of a test."""

        invokable = False

    return Root


@pytest.fixture
def go(root, tmp_path):
    """Run a command line; return the pipeline, with its code, result and error."""

    def run(*argv, **settings):
        with Pipeline(
            root_directory=tmp_path,
            argv=argv,
            prog="manage.py",
            settings={"PLUGINS": [], "ROOT_COMMAND_CLASS": root, **settings},
        ) as pipeline:
            pipeline.run()
        return pipeline

    return run


# What runs


def test_a_command_runs_the_workflow_that_it_sets_up(root, go, caplog):
    @root.subcommand(db_untracked=True)
    class ComputeData(Command):
        def setup_tasks(self):
            Give() | Double() | Say()

    assert go("compute_data").code == 0
    assert "said 2" in caplog.text


def test_the_blocks_that_are_returned_make_the_result_in_their_order(root, go):
    @root.subcommand(db_untracked=True)
    class Both(Command):
        def setup_tasks(self):
            first, second = Give(), Double()
            first | second
            return [second, first]

    assert go("both").result == [{"doubled": 2}, {"value": 1}]


def test_a_block_alone_may_be_returned_and_two_may_give_the_same_name(root, go):
    @root.subcommand(db_untracked=True)
    class One(Command):
        def setup_tasks(self):
            return Give() | Double()

    @root.subcommand(db_untracked=True)
    class Two(Command):
        def setup_tasks(self):
            return Give(value=1), Give(value=2)

    assert go("one").result == [{"doubled": 2}]
    assert go("two").result == [{"value": 1}, {"value": 2}]


def test_a_block_without_outputs_has_none_in_the_result(root, go):
    @root.subcommand(db_untracked=True)
    def Hello():
        """Say hello."""

    assert go("hello").result == [{"None": None}]


def test_a_map_can_be_returned(root, go):
    @as_task
    def Many() -> {"values": list}:
        return [1, 2, 3]

    @MapWorkflow.as_workflow
    def each():
        Double()

    @root.subcommand(db_untracked=True)
    class Mapped(Command):
        def setup_tasks(self):
            return Many() | each()

    assert go("mapped").result == [{"doubled": [2, 4, 6]}]


def test_what_is_returned_must_be_a_block_of_the_commands_workflow(root, go, capsys):
    @root.subcommand(db_untracked=True)
    class Text(Command):
        def setup_tasks(self):
            return "done"

    @root.subcommand(db_untracked=True)
    class Inner(Command):
        def setup_tasks(self):
            with Workflow():
                return Give()

    for name in ("text", "inner"):
        assert go(name).code == 1
        assert f"command '{name}', setup_tasks: returned" in capsys.readouterr().err


def test_a_function_becomes_a_command_with_one_task(root, go):
    @root.subcommand(db_untracked=True)
    @argument("--times", type=int, default=2)
    @argument("word")
    def Repeat(word, times=1) -> {"text": str}:
        return word * times

    assert issubclass(Repeat, Command)
    assert go("repeat", "ho").result == [{"text": "hoho"}]
    assert go("repeat", "ho", "--times", "3").result == [{"text": "hohoho"}]


def test_a_function_can_have_its_task(root, go):
    @root.subcommand(db_untracked=True, with_task_context=True)
    @argument("--x", type=int, default=2)
    def Named(self, x) -> {"name": str}:
        return f"{self.name} {x}"

    assert go("named").result == [{"name": "named 2"}]


def test_an_argument_of_a_function_that_is_not_declared_is_told_where_it_is_written(root):
    with pytest.raises(WorkflowInvalid, match="command 'repeat', argument 'word': is not declared"):

        @root.subcommand
        def Repeat(word):
            return word


def test_what_is_no_command_is_refused(root):
    with pytest.raises(WorkflowInvalid, match="neither a class made from Command nor a function"):
        root.subcommand(3)


def test_the_decorator_needs_no_parentheses(root, go):
    @root.subcommand
    class Plain(Command):
        """Do nothing."""

    assert go("plain").code == 0


def test_commands_stand_below_commands(root, go):
    @root.subcommand(invokable=False)
    class Git(Command):
        """Keep versions."""

        def add_arguments(self):
            self.add_argument("--folder", default=".")

    @Git.subcommand(db_untracked=True)
    class Clone(Command):
        def add_arguments(self):
            self.add_argument("--depth", type=int, default=1)

        def setup_tasks(self):
            return PipelineArgs(only=["folder", "depth"])

    assert go("git", "--folder", "x", "clone", "--depth", "3").result == [{"folder": "x", "depth": 3}]


def test_a_command_that_does_nothing_itself_prints_its_help(root, go, capsys):
    @root.subcommand(invokable=False)
    class Git(Command):
        """Keep versions."""

    @Git.subcommand(name="commit")
    class Commit(Command):
        """Keep one more."""

    assert go("git").code == 0
    printed = capsys.readouterr().out
    assert "Keep versions." in printed
    assert "  commit      Keep one more." in printed


def test_what_is_called_before_is_called_for_the_commands_above_as_well(root, go):
    told = []

    @root.subcommand(invokable=False, on_before=lambda args: told.append(("above", args.depth)))
    class Git(Command):
        pass

    @Git.subcommand(db_untracked=True, on_before=lambda: told.append("clone"))
    class Clone(Command):
        def add_arguments(self):
            self.add_argument("--depth", type=int, default=1)

        def setup_tasks(self):
            told.append("tasks")

    go("git", "clone", "--depth", "4")
    assert told == [("above", 4), "clone", "tasks"]


def test_the_misspelt_hook_of_outflows_documents_is_called(root, go):
    @root.subcommand(db_untracked=True)
    class Some(Command):
        def setup_task(self):
            return Give()

    assert go("some").result == [{"value": 1}]


def test_a_command_can_be_the_root(go):
    @RootCommand.subcommand(db_untracked=True)
    def TheOnlyOne() -> {"x": int}:
        return 1

    assert go(ROOT_COMMAND_CLASS=TheOnlyOne).result == [{"x": 1}]


# Arguments


@pytest.mark.parametrize(
    "argv", [["-l", "5"], ["-l5"], ["--length", "5"], ["-l", "5", "-ll", "DEBUG"], ["-ll=DEBUG", "-l=5"]]
)
def test_a_command_may_have_an_option_that_one_of_every_command_begins_with(root, go, argv):
    @root.subcommand(db_untracked=True)
    @argument("-l", "--length", type=int)
    def measure(length) -> {"length": int}:
        return length

    assert go("measure", *argv).result == [{"length": 5}]


def test_the_beginning_of_an_option_is_no_option(root, go, capsys):
    @root.subcommand(db_untracked=True)
    def measure() -> {"length": int}:
        return 1

    assert go("measure", "-l", "DEBUG").code == 2
    assert "unrecognized arguments: -l DEBUG" in capsys.readouterr().err


@pytest.fixture
def shows(root):
    """A command that keeps what the context was."""
    seen = {}

    @root.subcommand(db_untracked=True)
    class Show(Command):
        """Show the context.

        And say more.
        """

        def add_arguments(self):
            self.add_argument("--number", type=int, default=1, help="a number")

        def setup_tasks(self):
            seen.update(vars(context.args), backend_name=context.backend_name, extra=context.extra_args)

    return seen


@pytest.mark.parametrize(
    "argv", [("--backend", "parallel", "show"), ("show", "-b", "parallel")], ids=["before", "after"]
)
def test_options_of_every_command_stand_before_or_after_it(shows, go, argv):
    assert go(*argv, "--number", "5").code == 0
    assert (shows["backend"], shows["backend_name"], shows["number"]) == ("parallel", "parallel", 5)


def test_the_whole_command_line_is_in_the_context(shows, go):
    go("show", "--overwrite-cache", "--dry-run", "-ll", "ERROR", "--traceback", "--no-color")
    told = {
        name: shows[name] for name in ("overwrite_cache", "dry_run", "log_level", "traceback", "no_color", "config")
    }
    assert told == {
        "overwrite_cache": True,
        "dry_run": True,
        "log_level": "ERROR",
        "traceback": True,
        "no_color": True,
        "config": None,
    }


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("nothing",), ["invalid choice: 'nothing'", "'show'", "Try manage.py --help."]),
        (("show", "--colour"), ["manage.py show: unrecognized arguments: --colour", "allow_extra_args=True"]),
        (("show", "--number", "x"), ["argument --number: invalid int value: 'x'"]),
        (("show", "-ll", "LOUD"), ["invalid choice: 'LOUD'", "'DEBUG'"]),
    ],
    ids=["command", "option", "value", "level"],
)
def test_a_wrong_command_line_is_answered_with_the_usage(shows, root, tmp_path, capsys, argv, words):
    with Pipeline(
        root_directory=tmp_path, argv=argv if "LOUD" not in argv else [], prog="manage.py",
        settings={"PLUGINS": [], "ROOT_COMMAND_CLASS": root},
    ) as pipeline:  # fmt: skip
        pipeline.argv = list(argv)
        assert pipeline.run() == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: manage.py")
    assert [word for word in words if word not in said] == []
    assert shows == {}


def test_arguments_that_a_command_does_not_know_can_be_let_in(root, go):
    seen = []

    @root.subcommand(db_untracked=True, allow_extra_args=True)
    class Loose(Command):
        name = "any"

        def setup_tasks(self):
            seen.extend(context.extra_args)

    assert go("any", "a", "--b", "c").code == 0
    assert seen == ["a", "--b", "c"]


def test_an_argument_that_is_an_option_of_every_command_is_refused(root, go, capsys):
    @root.subcommand
    class Mine(Command):
        def add_arguments(self):
            self.add_argument("--config")

    assert go("mine").code == 1
    assert "command 'mine', argument --config: is an option of every command" in capsys.readouterr().err


def test_a_command_may_use_other_options_for_itself(root, go):
    @root.subcommand(db_untracked=True)
    class Mine(Command):
        def add_arguments(self):
            self.add_argument("-b", "--batch", type=int)

        def setup_tasks(self):
            return PipelineArgs(only=["batch", "backend"])

    assert go("mine", "-b", "3").result == [{"batch": 3, "backend": None}]


def test_two_plugins_with_a_command_of_one_name_are_told(root, go, capsys):
    for module in ("one", "other"):
        made = type("Same", (Command,), {"__module__": module})
        root.subcommand(made)
    assert go("same").code == 1
    assert "command 'same': one and other both have one of that name" in capsys.readouterr().err


def test_an_argument_outside_add_arguments_is_told():
    with pytest.raises(WorkflowInvalid, match="argument --x: is added outside add_arguments"):
        Command().add_argument("--x")


def test_help_tells_commands_options_and_arguments(shows, go, capsys):
    assert go("--help").code == 0
    told = capsys.readouterr().out
    assert "Commands of a test." in told
    assert "show" in told
    assert "Show the context." in told
    assert "--overwrite-cache" in told
    assert go("show", "--help").code == 0
    told = capsys.readouterr().out
    assert "And say more." in told
    assert "--number NUMBER" in told
    assert "--overwrite-cache" not in told
    assert "manage.py --help" in told


def test_the_version_is_told(shows, go, capsys):
    assert go("--version").code == 0
    assert capsys.readouterr().out.startswith("fairlead ")


# Engines


@pytest.fixture
def backends(root, tmp_path):
    """A command with an engine of its own, and what the configuration says."""
    seen = []

    @root.subcommand(db_untracked=True, backend="dask")
    class Own(Command):
        def setup_tasks(self):
            seen.append(context.backend_name)

    @root.subcommand(db_untracked=True)
    class Other(Command):
        def setup_tasks(self):
            seen.append(context.backend_name)

    (tmp_path / "config.yml").write_text("backend: slurm\n")
    return seen


def test_the_engine_is_the_command_lines_or_the_commands_or_the_configurations(backends, go, tmp_path):
    go("own", "-b", "parallel")
    go("own")
    go("other")
    (tmp_path / "config.yml").unlink()
    go("other")
    assert backends == ["parallel", "dask", "slurm", "default"]


def test_an_unknown_engine_is_told_with_those_there_are(backends, go, capsys):
    assert go("own", "-b", "abacus").code == 1
    told = capsys.readouterr().err
    assert "--backend: 'abacus' is unknown (dask, default, parallel, slurm)" in told
    assert backends == []


def test_an_engine_that_is_no_more_is_replaced_and_told(backends, go, tmp_path, caplog):
    (tmp_path / "config.yml").write_text("backend: ray\n")
    go("other")
    assert backends == ["parallel"]
    assert "'ray' is no more" in caplog.text


def test_an_engine_of_ones_own_is_a_module_that_the_settings_name(root, go, tmp_path, monkeypatch):
    (tmp_path / "my_engine.py").write_text(
        "from fairlead.adapters.workflow.engines.in_order import InOrder\n"
        "made = []\n\n"
        "def named(name, **options):\n    made.append((name, options))\n    return InOrder()\n"
    )
    (tmp_path / "config.yml").write_text("mine: {size: 3}\n")

    @root.subcommand(db_untracked=True)
    class Run(Command):
        def setup_tasks(self):
            return Give()

    assert go("run", "-b", "mine", BACKENDS={"mine": "my_engine"}).result == [{"value": 1}]
    assert sys.modules["my_engine"].made == [("mine", {"size": 3})]


# How it ends


def test_a_task_that_fails_ends_the_run_and_its_code_is_told(root, go, capsys):
    @as_task
    def Boom() -> {}:
        raise ValueError("boom")

    @root.subcommand(db_untracked=True)
    class Fails(Command):
        def setup_tasks(self):
            return Boom()

    done = go("fails")
    assert (done.code, done.result) == (1, [])
    assert isinstance(done.error, ValueError)
    told = capsys.readouterr().err
    assert 'raise ValueError("boom")' in told
    assert "In task 'boom'." in told
    assert "running.py" not in told


def test_a_traceback_goes_down_to_the_program_if_it_is_asked_for(root, go, capsys):
    @root.subcommand(db_untracked=True)
    class Fails(Command):
        def setup_tasks(self):
            raise ValueError("boom")

    go("fails", "--traceback")
    assert "pipeline.py" in capsys.readouterr().err


def test_exit_pipeline_is_a_success(root, go):
    @as_task
    def Stop() -> {"value": int}:
        exit_pipeline("enough")

    @root.subcommand(db_untracked=True)
    class Stops(Command):
        def setup_tasks(self):
            return Stop() | Double()

    done = go("stops")
    assert (done.code, done.result, done.error) == (0, [], None)


@pytest.mark.parametrize(("given", "code"), [(0, 1), (None, 1), (3, 3)])
def test_a_task_that_exits_is_a_failure_as_its_record_says(root, go, capsys, given, code):
    @as_task
    def Leave() -> {"value": int}:
        sys.exit(given)

    @root.subcommand(db_untracked=True)
    class Leaves(Command):
        def setup_tasks(self):
            return Leave() | Double()

    assert go("leaves").code == code
    assert "task 'leave' called sys.exit" in capsys.readouterr().err


def test_what_a_task_has_not_committed_does_not_keep_its_run_from_being_recorded(root, go, tmp_path, monkeypatch):
    pytest.importorskip("sqlalchemy")
    from fairlead.adapters.workflow.records import Databases, list_runs, recorder, upgrade

    monkeypatch.setattr(recorder, "_PATIENCE", 2.0)

    @as_task
    def Lock() -> {}:
        context.session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = version_num")

    @root.subcommand
    class Locks(Command):
        def setup_tasks(self):
            return Lock()

    with Databases.at(f"sqlite:///{tmp_path}/outflow.db") as databases:
        upgrade(databases)
        assert go("locks").code == 0
        assert [each.state for each in list_runs(databases)] == ["success"]


def test_an_interrupted_run_says_so(root, go, capsys):
    @as_task
    def Wait() -> {}:
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(10)

    @root.subcommand(db_untracked=True)
    class Waits(Command):
        def setup_tasks(self):
            Wait()

    assert go("waits").code == 130
    assert capsys.readouterr().err.endswith("Interrupted.\n")


def test_a_workflow_that_does_not_fit_runs_nothing(root, go, capsys):
    ran = []

    @as_task
    def First() -> {"x": int}:
        ran.append(1)
        return 1

    @root.subcommand(db_untracked=True)
    class Wrong(Command):
        def setup_tasks(self):
            First() | Double()

    assert go("wrong").code == 1
    assert "'value'" in capsys.readouterr().err
    assert ran == []


def test_a_second_run_starts_anew(root, tmp_path):
    @root.subcommand(db_untracked=True)
    class Once(Command):
        def setup_tasks(self):
            return Give()

    settings = {"PLUGINS": [], "ROOT_COMMAND_CLASS": root}
    with Pipeline(root_directory=tmp_path, argv=["once"], settings=settings) as pipeline:
        assert pipeline.run() == 0
        pipeline.argv = ["nothing"]
        assert pipeline.run() == 2
        assert pipeline.result == []
        pipeline.argv = ["once"]
        assert (pipeline.run(), pipeline.result, pipeline.error) == (0, [{"value": 1}], None)


# The library


def inside(root, go, make, *argv):
    @root.subcommand(db_untracked=True)
    class Inside(Command):
        def add_arguments(self):
            self.add_argument("--depth", type=int, default=3)

        def setup_tasks(self):
            return make()

    return go("inside", *argv)


def test_arguments_of_the_command_line_are_outputs_of_a_task(root, go):
    done = inside(root, go, PipelineArgs, "--depth", "4")
    assert done.result[0]["depth"] == 4
    assert done.result[0]["overwrite_cache"] is False
    assert inside(root, go, lambda: PipelineArgs(only=["depth"])).result == [{"depth": 3}]


def test_an_argument_that_is_not_there_is_told(root, go, capsys):
    assert inside(root, go, lambda: PipelineArgs(only=["height"])).code == 1
    assert "there is no argument 'height'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["printf", "%s\n", "a b"], "printf '%s\n' 'a b'"],
    ids=["words", "text"],
)
def test_a_program_is_run_and_what_it_prints_is_printed(capsys, command):
    assert PopenTask()(command=command) == {}
    assert capsys.readouterr().out == "a b\n"


def test_a_program_can_be_given_to_the_shell_with_variables(capsys):
    PopenTask()(command="echo $GREETING | tr a-z A-Z", use_system_shell=True, env={"GREETING": "hello"})
    assert capsys.readouterr().out == "HELLO\n"


def test_a_program_that_fails_or_is_not_there_fails_the_task():
    with pytest.raises(RunFailed, match="Command failed with exit code 3"):
        PopenTask()(command="exit 3", use_system_shell=True)
    with pytest.raises(RunFailed, match=r"cannot be run: .*No such file"):
        PopenTask()(command=["no-such-program"])


def test_scripts_are_run_until_one_fails(capsys):
    with pytest.raises(RunFailed, match="exit code 3"):
        ExecuteShellScripts()(shell_scripts=["echo one", "echo two; exit 3", "echo three"])
    assert capsys.readouterr().out == "one\ntwo\n"


def test_a_program_that_is_interrupted_is_stopped_with_what_it_has_started(tmp_path):
    started = tmp_path / "pid"
    previous = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError()))

    def ring():
        while not started.exists() or not started.read_text():
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGALRM)

    thread = threading.Thread(target=ring)
    thread.start()
    try:
        with pytest.raises(TimeoutError):
            ExecuteShellScripts()(shell_scripts=[f"sleep 60 & echo $! > {started}; wait"])
    finally:
        thread.join()
        signal.signal(signal.SIGALRM, previous)
    state = Path(f"/proc/{int(started.read_text())}/stat")
    for _ in range(500):
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        threading.Event().wait(0.01)
    pytest.fail("the program that was started in the background still runs")


def test_sleep_waits():
    assert Sleep(seconds=0.01)() == {}


def test_what_is_changed_in_an_interactive_task_goes_on(root, go, monkeypatch):
    lines = iter(['kwargs["value"] = 21'])

    def typed(_prompt=""):
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", typed)
    done = inside(root, go, lambda: Give() | InteractiveTask() | Double())
    assert done.result == [{"doubled": 42}]


def test_what_is_taken_out_in_an_interactive_task_is_told(root, go, monkeypatch, capsys):
    lines = iter(['del kwargs["value"]', "exit()"])
    monkeypatch.setattr("builtins.input", lambda _prompt="": next(lines))
    assert inside(root, go, lambda: Give() | InteractiveTask() | Double()).code == 1
    assert "'value' was taken out" in capsys.readouterr().err


def test_parameters_come_from_the_configuration_and_unknown_ones_are_warned_of(root, go, tmp_path, caplog):
    @as_task
    def Multiply(by: Parameter(int)) -> {"product": int}:
        return 2 * by

    (tmp_path / "config.yml").write_text("parameters:\n  multiply: {by: 4, too_much: 1}\n  nobody: {x: 1}\n  say: {}\n")
    assert inside(root, go, Multiply).result == [{"product": 8}]
    told = [record.getMessage() for record in caplog.records if "parameters." in record.getMessage()]
    assert told == [
        "config.parameters.nobody: there is no task of that name.",
        "parameters.multiply.too_much: the task has no such parameter. It has: by.",
    ]


def test_a_cached_workflow_of_a_pipeline_is_kept_where_the_configuration_says(root, go, tmp_path):
    @as_workflow(cache=True)
    def kept():
        Give() | Double()

    (tmp_path / "config.yml").write_text("workflow_cache_dir: kept\n")
    assert inside(root, go, kept).result == [{"doubled": 2}]
    assert [path.name for path in (tmp_path / "kept").rglob("outcome.json")] == ["outcome.json"]


def test_unknown_options_of_an_engine_are_told(root, go, tmp_path, capsys):
    (tmp_path / "config.yml").write_text("parallel: {speed: 3}\n")
    assert inside(root, go, Give, "-b", "parallel").code == 1
    assert "speed" in capsys.readouterr().err


def test_commands_are_refused_outside_a_pipeline():
    with pytest.raises(InputInvalid, match="Pipeline: is not open"):
        _ = Pipeline(argv=[]).scope
