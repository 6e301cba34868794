"""Helpers for tests of pipelines: test cases have a scope of their own, and fixtures do as test cases do."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from fairlead.adapters.testing import CommandTestCase, TaskTestCase
from fairlead.adapters.testing.pipelines import with_pipeline_context_manager  # noqa: F401 (a fixture)
from fairlead.adapters.workflow import MapWorkflow, Parameter, as_task
from fairlead.adapters.workflow.commands import Command, RootCommand, argument
from fairlead.adapters.workflow.exceptions import TaskException
from fairlead.adapters.workflow.pipeline import config, context


@as_task
def Compute(value: int, multiplier: Parameter(int)) -> {"result": int}:
    return value * multiplier


@as_task
def Double(value: int) -> {"doubled": int}:
    return value * 2


@RootCommand.subcommand(db_untracked=True, name="of_a_test")
@argument("--times", type=int, default=1)
def OfATest(times) -> {"found": list}:
    return [times, config.get("custom"), context.dry_run, context.backend_name]


@RootCommand.subcommand(db_untracked=True)
class FailsInATest(Command):
    def setup_tasks(self):
        raise ValueError("boom")


class TestTasks(TaskTestCase):
    def test_a_task_gets_inputs_and_parameters(self):
        self.task = Compute()
        self.config = {"parameters": {"compute": {"multiplier": 3}}}
        assert self.run_task(value=4) == {"result": 12}

    def test_one_tests_configuration_is_not_anothers(self):
        self.task = Compute()
        assert "parameters" not in config
        with pytest.raises(TaskException, match=r"parameters\.compute\.multiplier: is missing"):
            self.run_task(value=4)

    def test_a_map_is_run_with_a_sequence_of_any_name(self):
        self.task = MapWorkflow(Double(), output_name="all_of_them")
        assert self.run_task(many_values=[1, 2]) == {"all_of_them": [[{"doubled": 2}], [{"doubled": 4}]]}

    def test_the_context_can_be_set(self):
        context.args.depth = 3
        context.force_dry_run = False
        assert context.args.depth == 3


class TestCommands(CommandTestCase):
    def test_a_command_returns_its_code_and_result(self):
        assert self.run_command(["of_a_test", "--times", "3"]) == (0, [{"found": [3, None, True, "default"]}])

    def test_a_command_can_be_the_root(self):
        self.root_command_class = OfATest
        assert self.run_command([]) == (0, [{"found": [1, None, True, "default"]}])

    def test_the_configuration_of_the_test_goes_before_that_of_the_pipeline(self, tmp_path):
        (tmp_path / "settings.py").touch()
        (tmp_path / "config.yml").write_text("custom: 1\nbackend: abacus\n")
        self.root_directory = tmp_path
        config.update({"custom": 2})
        assert self.run_command(["of_a_test"])[0] == 1
        config.update({"backend": "default"})
        assert self.run_command(["of_a_test"])[1] == [{"found": [1, 2, True, "default"]}]

    def test_a_failure_is_a_code_and_its_exception_is_kept(self, capsys):
        assert self.run_command(["fails_in_a_test"]) == (1, [])
        assert isinstance(self.error, ValueError)
        assert "boom" in capsys.readouterr().err

    def test_whether_databases_are_used_can_be_said(self):
        assert self.run_command(["of_a_test"], force_dry_run=False)[1] == [{"found": [1, None, False, "default"]}]


def test_a_test_that_is_a_function_has_a_scope_by_a_fixture(with_pipeline_context_manager):  # noqa: F811
    config["custom"] = 1
    assert config.custom == 1


TESTS = """
from outflow.core.pipeline import config
from outflow.core.test import TaskTestCase
from ns.helped.tasks import Give


class TestGive(TaskTestCase):
    def test_give(self):
        self.task = Give()
        assert self.run_task() == {"value": 1}


def test_command(run_pipeline):
    assert run_pipeline("give") == (0, [{"value": 1}])


def test_scope(with_pipeline_context_manager):
    config["x"] = 1
    assert config.x == 1
"""


def test_the_pytest_plugin_finds_a_pipelines_plugins_and_serves_outflow(tmp_path):
    package = tmp_path / "plugins" / "helped" / "ns" / "helped"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "tasks.py").write_text(
        "from outflow.core.tasks import as_task\n\n@as_task\ndef Give() -> {'value': int}:\n    return 1\n"
    )
    (package / "commands.py").write_text(
        textwrap.dedent("""
        from outflow.core.commands import Command, RootCommand
        from .tasks import Give as Giving

        @RootCommand.subcommand(db_untracked=True)
        class Give(Command):
            def setup_tasks(self):
                return Giving()
        """)
    )
    (tmp_path / "settings.py").write_text("PLUGINS = ['ns.helped']\n")
    (tmp_path / "test_it.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "fairlead.adapters.testing.fixtures"],
        check=False, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert "3 passed" in done.stdout, done.stdout
