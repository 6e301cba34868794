"""Pipelines: a folder with plugins is opened, is what context, config and settings tell, and leaves nothing behind."""

from __future__ import annotations

import logging
import os
import pickle
import re
import select
import shlex
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cloudpickle
import pytest

from fairlead.adapters.errors import ContractInvalid, InputInvalid
from fairlead.adapters.workflow import Parameter, as_task
from fairlead.adapters.workflow.commands import Command
from fairlead.adapters.workflow.pipeline import Pipeline, PipelineContextManager, config, context, settings
from fairlead.adapters.workflow.pipeline.scope import WorkerSetup, current
from fairlead.adapters.workflow.records import Databases, read_run

from .conftest import FAIRLEAD


@pytest.fixture
def make_pipeline(tmp_path):
    """Write a pipeline with one plugin, of a name that no other test has; return its folder."""

    def make(name, *, word="hello", namespace="ns", more=""):
        root = tmp_path / name
        package = root / "plugins" / name / namespace / name
        package.mkdir(parents=True)
        (root / "settings.py").write_text(f"PLUGINS = ['outflow.management', '{namespace}.{name}']\n")
        (root / "config.yml").write_text(f"word: {word}\n")
        (package / "__init__.py").touch()
        (package / "commands.py").write_text(
            textwrap.dedent(f"""
            from fairlead.adapters.workflow import as_task
            from fairlead.adapters.workflow.commands import Command, RootCommand
            from fairlead.adapters.workflow.pipeline import config, settings
            from fairlead.adapters.workflow.pipeline.logging import logger

            AT_IMPORT = config.word

            @as_task
            def Tell{name.title()}() -> {{"word": str}}:
                logger.info("told %s", config.word)
                return config.word

            @RootCommand.subcommand(db_untracked=True)
            class {name.title()}(Command):
                def setup_tasks(self):
                    return Tell{name.title()}()
            """)
            + more
        )
        return root

    return make


def run(root, *argv, **options):
    with Pipeline(root_directory=root, argv=argv, **options) as pipeline:
        return pipeline.run(), pipeline.result


# A pipeline's folder


def test_plugins_are_found_imported_after_the_configuration_and_their_commands_run(make_pipeline):
    assert run(make_pipeline("alpha"), "alpha") == (0, [{"word": "hello"}])
    assert sys.modules["ns.alpha.commands"].AT_IMPORT == "hello"


def test_what_a_plugin_logs_has_its_modules_name(make_pipeline, capsys):
    run(make_pipeline("logs"), "logs")
    assert " - ns.logs.commands - commands.py:" in capsys.readouterr().err


def test_tasks_know_their_plugin(make_pipeline):
    run(make_pipeline("knows"), "knows")
    assert sys.modules["ns.knows.commands"].TellKnows.plugin_name == "ns.knows"


def test_a_plugin_that_is_not_there_is_told(tmp_path):
    (tmp_path / "settings.py").write_text("PLUGINS = ['nothing.here']\n")
    with pytest.raises(InputInvalid, match=r"settings\.py: PLUGINS, 'nothing\.here': is no package"):
        Pipeline(root_directory=tmp_path, argv=[]).__enter__()


def test_what_a_plugin_cannot_import_is_not_hidden(make_pipeline):
    root = make_pipeline("broken", more="\nimport no_such_module\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        run(root, "broken")


def test_a_pipeline_that_cannot_be_opened_leaves_nothing(tmp_path):
    before = (list(sys.path), list(logging.getLogger().handlers))
    (tmp_path / "settings.py").write_text("PLUGINS = ['nothing.here']\n")
    with pytest.raises(InputInvalid):
        Pipeline(root_directory=tmp_path, argv=[]).__enter__()
    assert (sys.path, logging.getLogger().handlers) == before
    with pytest.raises(ContractInvalid):
        current()


def test_a_pipeline_leaves_the_path_logging_and_scope_as_they_were(make_pipeline):
    before = (list(sys.path), list(logging.getLogger().handlers), logging.getLogger().level)
    run(make_pipeline("leaves"), "leaves")
    assert (sys.path, logging.getLogger().handlers, logging.getLogger().level) == before
    with pytest.raises(ContractInvalid, match="used outside a pipeline"):
        _ = context.args


def test_one_pipeline_runs_twice_in_a_process(make_pipeline):
    root = make_pipeline("twice")
    assert run(root, "twice") == (0, [{"word": "hello"}])
    (root / "config.yml").write_text("word: again\n")
    assert run(root, "twice") == (0, [{"word": "again"}])


def test_a_pipeline_does_not_offer_what_anothers_plugins_have(make_pipeline, capsys):
    one, other = make_pipeline("first"), make_pipeline("second")
    assert run(one, "first")[0] == 0
    assert run(other, "second")[0] == 0
    assert run(other, "first")[0] == 2
    _, _, choices = capsys.readouterr().err.partition("invalid choice: 'first'")
    assert "'second'" in choices
    assert "'first'" not in choices


def test_two_plugins_of_one_name_from_two_folders_are_told(make_pipeline, tmp_path):
    root = make_pipeline("same")
    assert run(root, "same")[0] == 0
    copy = root.rename(tmp_path / "moved")
    (tmp_path / "same").symlink_to("nowhere")
    with pytest.raises(InputInvalid, match=r"'ns\.same': is .*moved.*has been imported in this process"):
        run(copy, "same")


def test_two_pipelines_run_at_once_in_two_threads(make_pipeline, capsys):
    roots = {name: make_pipeline(name, word=name) for name in ("left", "right")}
    barrier = threading.Barrier(2)

    def both(name):
        with Pipeline(root_directory=roots[name], argv=[name]) as pipeline:
            barrier.wait(10)
            code = pipeline.run()
            barrier.wait(10)
            return code, pipeline.result, settings.PLUGINS[-1], config.word

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(both, roots))
    assert found == [
        (0, [{"word": "left"}], "ns.left", "left"),
        (0, [{"word": "right"}], "ns.right", "right"),
    ]
    lines = capsys.readouterr().err.splitlines()
    assert sorted(line.rpartition(" - ")[2] for line in lines if "told" in line) == ["told left", "told right"]


def test_modules_beside_the_settings_can_be_imported(tmp_path):
    (tmp_path / "beside_the_settings.py").write_text("VALUE = 3\n")
    with Pipeline(root_directory=tmp_path, argv=[]):
        import beside_the_settings

        assert beside_the_settings.VALUE == 3


def test_folders_can_be_added_on_the_command_line(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "far_away_module.py").write_text("VALUE = 4\n")
    with Pipeline(root_directory=tmp_path, argv=["--python_path", str(tmp_path / "far")]):
        import far_away_module

        assert far_away_module.VALUE == 4


def test_the_parent_directory_of_a_file_is_told():
    assert Pipeline.get_parent_directory_posix_path(__file__) == Path(__file__).resolve().parent.as_posix()


# The scope


def test_context_config_and_settings_are_those_of_the_innermost_scope():
    with PipelineContextManager():
        config["x"] = 1
        context.mine = "a"
        with PipelineContextManager():
            assert "x" not in config
            assert not hasattr(context, "mine")
        assert (config.x, context.mine, settings.MAIN_DATABASE) == (1, "a", "default")


def test_what_is_asked_outside_a_pipeline_is_told():
    for ask in (lambda: context.args, lambda: config["x"], lambda: settings.PLUGINS, lambda: setattr(context, "x", 1)):
        with pytest.raises(ContractInvalid, match=r"used outside a pipeline.*PipelineContextManager"):
            ask()


def test_a_thread_that_a_task_starts_finds_the_only_pipeline_there_is():
    found = []
    with PipelineContextManager():
        config["x"] = 7
        thread = threading.Thread(target=lambda: found.append(config.x))
        thread.start()
        thread.join()
    assert found == [7]


def test_the_scope_is_a_mapping_where_the_configuration_is_one():
    with PipelineContextManager():
        config["resources"] = {"cpus_per_task": 5}
        assert dict(**config.resources) == {"cpus_per_task": 5}
        assert {**config}["resources"] == {"cpus_per_task": 5}
        assert "resources" in config
        assert len(config) == 3
        assert sorted(config) == ["databases", "logging", "resources"]
        del config["resources"]
        assert "resources" not in config
        assert "PLUGINS" in repr(settings)


def test_proxies_can_be_shown_and_pickled_anywhere():
    assert repr(config) == "<config of the pipeline that runs>"
    assert pickle.loads(pickle.dumps(config)) is config
    assert cloudpickle.loads(cloudpickle.dumps(context)) is context


@as_task
def Multiply(by: Parameter(int)) -> {"product": int}:
    return by * 2


def test_a_task_that_is_called_in_a_scope_finds_its_parameters():
    with PipelineContextManager():
        config["parameters"] = {"multiply": {"by": 3}}
        assert Multiply()() == {"product": 6}


# Programs


MANAGE = """
from fairlead.adapters.workflow.commands import Command, RootCommand
from fairlead.adapters.workflow.pipeline import Pipeline
@RootCommand.subcommand(db_untracked=True)
def Fails():
    raise ValueError("boom")
@RootCommand.subcommand(db_untracked=True)
def Works():
    print("worked")
with Pipeline(root_directory=Pipeline.get_parent_directory_posix_path(__file__)) as pipeline:
    {}
print("after")
"""


@pytest.mark.parametrize("body", ["exit(pipeline.run())", "pipeline.run()"], ids=["exit", "no exit"])
def test_the_exit_code_of_a_program_is_that_of_the_run_also_if_it_forgets_to_exit(tmp_path, body):
    (tmp_path / "manage.py").write_text(MANAGE.format(body))
    for command, code in (("fails", 1), ("works", 0), ("nothing", 2)):
        done = subprocess.run(
            [sys.executable, tmp_path / "manage.py", command], check=False, capture_output=True, text=True
        )
        assert done.returncode == code
        assert ("after" in done.stdout) is (command == "works" and "exit" not in body)
    assert "invalid choice: 'nothing'" in done.stderr


def test_a_program_that_cannot_be_opened_says_so_in_a_line(tmp_path):
    (tmp_path / "manage.py").write_text(MANAGE.format("pipeline.run()"))
    done = subprocess.run(
        [sys.executable, tmp_path / "manage.py", "works", "--config", "gone.yml"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "InputInvalid: --config gone.yml: is no file (a configuration file). Check the path.\n"


@pytest.mark.parametrize(
    ("redirection", "code"),
    [("2>/dev/full", 0), ("2>&-", 0), (">/dev/full", 1), (">/dev/full 2>/dev/full", 1)],
)
def test_a_program_has_failed_if_its_output_and_not_if_its_progress_cannot_be_written(tmp_path, redirection, code):
    (tmp_path / "manage.py").write_text(MANAGE.format("exit(pipeline.run())"))
    command = shlex.join([sys.executable, str(tmp_path / "manage.py"), "works"])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {command} {redirection}"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == code
    told = "StorageFailed: Standard output cannot be written: No space left on device.\n"
    assert done.stderr == (told if redirection == ">/dev/full" else "")
    assert done.stdout == ("" if code else "worked\n")


def test_a_program_whose_output_nobody_reads_ends_quietly(tmp_path):
    (tmp_path / "manage.py").write_text(MANAGE.format("pipeline.run()"))
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, tmp_path / "manage.py", "works"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


# Worker processes


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("backend: [parallel]", r"config\.backend: \['parallel'\] is unknown"),
        ("parameters: 3", r"config\.parameters: 3 is no mapping"),
        ("parameters: {multiply: 3}", r"config\.parameters\.multiply: 3 is no mapping"),
        ("workflow_cache_dir: 3", r"config\.workflow_cache_dir: is 3 \(a path or URL\)"),
        ("databases: 3", r"databases: is a int "),
    ],
)
def test_a_configuration_of_another_kind_is_told_where_it_is_used(tmp_path, capsys, config, told):
    (tmp_path / "config.yml").write_text(f"{config}\n")
    with Pipeline(root_directory=tmp_path, argv=["kinds"]) as pipeline:

        @settings.ROOT_COMMAND_CLASS.subcommand(name="kinds", db_untracked="databases" not in config)
        class Kinds(Command):
            def setup_tasks(self):
                return Multiply()

        assert pipeline.run() == 1
    errors = capsys.readouterr().err
    assert re.search(told, errors)
    assert "Traceback" not in errors


TERMINATED = """
import os, threading
from pathlib import Path
from fairlead.adapters.workflow import MapWorkflow, as_task
from fairlead.adapters.workflow.commands import Command, RootCommand
from fairlead.adapters.workflow.pipeline import Pipeline

@as_task
def Numbers() -> {{"number": list}}:
    return [1, 2]

@as_task
def Wait(number: int):
    print("waiting", os.getpid(), flush=True)
    threading.Event().wait(60)

@RootCommand.subcommand()
class Waits(Command):
    def setup_tasks(self):
        with MapWorkflow() as waits:
            Wait()
        return Numbers() | waits

if __name__ == "__main__":
    with Pipeline(root_directory=Path(__file__).parent) as pipeline:
        {}
"""


@pytest.mark.slow
@pytest.mark.parametrize("program", ["manage.py", "fairlead outflow"])
def test_a_program_that_is_terminated_stops_all_that_it_started_and_records_that(tmp_path, program):
    (tmp_path / "manage.py").write_text(TERMINATED.format("pipeline.run()"))
    assert run(tmp_path, "management", "db", "upgrade", "heads")[0] == 0
    start = [sys.executable, tmp_path / "manage.py"] if program == "manage.py" else [FAIRLEAD, "outflow", tmp_path]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*start, "waits", "--backend", "parallel"], **pipes) as process:
        workers = [os.pidfd_open(int(process.stdout.readline().split()[1])) for _ in range(2)]
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "Cancelled: Stopped by SIGTERM" in errors
    assert "Traceback" not in errors
    for worker in workers:
        assert select.select([worker], [], [], 10)[0], "a worker still runs"
        os.close(worker)
    with Databases.at(f"sqlite:///{tmp_path / 'outflow.db'}") as databases:
        found = read_run(databases, "last")
    assert found.summary.state == "failed"
    assert [raised.type.rpartition(".")[2] for raised in found.exceptions] == ["Cancelled"]


@pytest.mark.slow
def test_a_task_that_swallows_what_stops_it_does_not_keep_its_program(tmp_path):
    source = TERMINATED.replace("    threading", "    try:\n        threading").replace(
        ".wait(60)", ".wait(60)\n    except Exception:\n        pass"
    )
    (tmp_path / "manage.py").write_text(source.format("pipeline.run()"))
    start = [sys.executable, tmp_path / "manage.py", "waits", "--dry-run"]
    with subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        process.stdout.readline()
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 143


ASK = """
import pickle, sys
pickle.loads(open(sys.argv[1], "rb").read())()
from fairlead.adapters.workflow.pipeline import config, context, settings
import in_the_pipelines_folder
import logging
from threading import Thread
print(config.word, context.args.number, context.mine, context.backend_name, settings.MINE, settings.PLUGINS)
thread = Thread(target=lambda: print(config.word))
thread.start()
thread.join()
print(logging.getLogger().level, hasattr(context, "lock"), in_the_pipelines_folder.VALUE)
"""


def test_a_worker_process_gets_the_scope(tmp_path):
    class Root(Command):
        pass

    (tmp_path / "in_the_pipelines_folder.py").write_text("VALUE = 5\n")
    (tmp_path / "settings.py").write_text("PLUGINS = []\nMINE = 9\nimport threading\nLOCK = threading.Lock()\n")
    (tmp_path / "config.yml").write_text("word: hello\n")
    with Pipeline(root_directory=tmp_path, argv=["-ll", "WARNING"], settings={"ROOT_COMMAND_CLASS": Root}) as pipeline:
        context.args.number = 3
        context.mine = "kept"
        context.lock = threading.Lock()
        (tmp_path / "setup").write_bytes(pickle.dumps(WorkerSetup(pipeline.scope)))
    done = subprocess.run(
        [sys.executable, "-c", ASK, tmp_path / "setup"], check=False, capture_output=True, text=True, cwd="/"
    )
    assert done.stderr == ""
    assert done.stdout == "hello 3 kept default 9 []\nhello\n30 False 5\n"


def test_a_worker_that_was_forked_enters_the_scope_and_opens_databases_of_its_own(tmp_path):
    with Pipeline(root_directory=tmp_path, argv=[], settings={"PLUGINS": []}) as pipeline:
        setup = WorkerSetup(pipeline.scope)
        config["word"] = "hello"
        reader, writer = os.pipe()
        if not (child := os.fork()):
            try:
                setup()
                os.write(writer, config.word.encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            assert answer.read() == b"hello"


@pytest.mark.slow
def test_tasks_in_worker_processes_have_the_context(tmp_path):
    package = tmp_path / "plugins" / "worked" / "ns" / "worked"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "commands.py").write_text(
        textwrap.dedent("""
        import os
        from outflow.core.commands import Command, RootCommand
        from outflow.core.pipeline import config, context
        from outflow.core.tasks import as_task
        from outflow.library.workflows import MapWorkflow

        @as_task
        def Items() -> {"items": list}:
            return [1, 2, 3]

        @as_task
        def Each(item) -> {"found": tuple}:
            return item, config.word, context.args.factor, os.getpid()

        @MapWorkflow.as_workflow
        def each():
            Each()

        @RootCommand.subcommand(db_untracked=True)
        class Worked(Command):
            def add_arguments(self):
                self.add_argument("--factor", type=int)

            def setup_tasks(self):
                return Items() | each()
        """)
    )
    (tmp_path / "settings.py").write_text("PLUGINS = ['ns.worked']\n")
    (tmp_path / "config.yml").write_text("word: hello\nbackend: parallel\nparallel: {workers: 2}\n")
    (tmp_path / "manage.py").write_text(
        "import os\nfrom fairlead.adapters.workflow.pipeline import Pipeline\n"
        "with Pipeline(root_directory=Pipeline.get_parent_directory_posix_path(__file__)) as pipeline:\n"
        "    pipeline.run()\n    print([found[:3] for found in pipeline.result[0]['found']])\n"
        "    print(os.getpid() in {found[3] for found in pipeline.result[0]['found']})\n"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "manage.py", "worked", "--factor", "4"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "[(1, 'hello', 4), (2, 'hello', 4), (3, 'hello', 4)]\nFalse\n", done.stderr


# Management


def test_a_pipeline_and_a_plugin_that_were_created_work_at_once(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(None, "management", "create", "pipeline", "fresh") == (0, [])
    root = tmp_path / "fresh"
    assert {path.name for path in root.iterdir()} == {
        "config.yml", "conftest.py", "manage.py", "plugins", "requirements.txt", "settings.py"
    }  # fmt: skip
    assert run(root, "management", "create", "plugin", "brand.spanking")[0] == 0
    text = (root / "settings.py").read_text().replace("# your plugins", "'brand.spanking',")
    (root / "settings.py").write_text(text)
    capsys.readouterr()
    for command, line in (("compute_data", "Result of the computation: 42"), ("spanking", "Hello from spanking")):
        done = subprocess.run(
            [sys.executable, root / "manage.py", command], check=False, capture_output=True, text=True, cwd="/"
        )
        assert done.returncode == 0, done.stderr
        assert line in done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        check=False, capture_output=True, text=True, cwd=root,
    )  # fmt: skip
    assert "2 passed" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("argv", "folder"),
    [(("--namespace", "around", "mine"), "plugins/mine/around/mine"), (("a.b", "--plugin_dir", "there"), "there/a/b")],
)
def test_a_plugin_is_made_where_it_is_said(tmp_path, monkeypatch, argv, folder):
    monkeypatch.chdir(tmp_path)
    assert run(tmp_path, "management", "create", "plugin", *argv)[0] == 0
    assert (tmp_path / folder / "commands.py").is_file()
    assert not (tmp_path / folder).parent.joinpath("__init__.py").exists()


def test_nothing_is_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").touch()
    assert run(None, "management", "create", "pipeline", "there")[0] == 1
    assert "there: is there already" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine"]
    assert list(tmp_path.glob(".there-*")) == []


def test_a_plugin_whose_name_python_cannot_import_is_refused(tmp_path, capsys):
    assert run(tmp_path, "management", "create", "plugin", "my-project.data")[0] == 1
    assert "plugin 'my-project.data': 'my-project' is no name in Python" in capsys.readouterr().err
    assert list(tmp_path.rglob("my-project*")) == []


def test_a_plugin_that_would_be_hidden_by_python_itself_is_refused(tmp_path, capsys):
    assert run(tmp_path, "management", "create", "plugin", "site.yields")[0] == 1
    assert "plugin 'site.yields': 'site' is a module of Python's own" in capsys.readouterr().err
    (tmp_path / "settings.py").write_text("PLUGINS = ['site.yields']\n")
    with pytest.raises(InputInvalid, match=r"PLUGINS, 'site\.yields': is no package"):
        run(tmp_path)


def test_the_configuration_is_displayed_without_secrets(tmp_path, capsys):
    (tmp_path / "config.yml").write_text("secrets: {key: hush}\nwhen: 2026-11-20\n")
    assert run(tmp_path, "management", "display_config")[0] == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"# {tmp_path}/config.yml\n")
    assert "hush" not in shown
    assert "when: '2026-11-20'" in shown
    assert "formatters" not in shown


def test_the_shell_has_the_pipeline(tmp_path, monkeypatch, capsys):
    (tmp_path / "config.yml").write_text("word: hello\n")
    lines = iter(["print(config.word, settings.MAIN_DATABASE, context.backend_name)"])

    def typed(_prompt=""):
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", typed)
    assert run(tmp_path, "management", "shell")[0] == 0
    assert capsys.readouterr().out == "hello default default\n"
