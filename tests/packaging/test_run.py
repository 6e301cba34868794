import importlib.util
import sys

import pytest

from .conftest import ROOT

ENVIRONMENT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """`tests/run.py`, with another folder for tests and reports."""
    spec = importlib.util.spec_from_file_location("suite_under_test", ROOT / "tests" / "run.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "REPORTS", tmp_path)
    return module


@pytest.fixture
def run_tests(suite, tmp_path):
    def run(text: str):
        folder = tmp_path / "tests"
        folder.mkdir()
        (folder / "test_it.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={suite.report_of('core')}", str(folder)]
        return suite.run(suite.Part("core", "core tests", command, folder), ENVIRONMENT)

    return run


def test_tests_are_counted_and_skips_and_failures_named(suite, run_tests):
    result = run_tests("""
import pytest
def test_good(): pass
def test_bad(): assert False
@pytest.mark.skip(reason="no moon")
def test_by_moonlight(): pass
""")
    assert (result.passed, result.failed, result.skipped) == (1, 1, 1)
    summary = suite.summarise([result])
    assert "test_bad" in summary
    assert "test_by_moonlight: no moon" in summary
    assert summary.splitlines()[-1] == "Total: 1 passed, 1 failed, 1 skipped"


def test_an_interpreter_that_dies_is_a_failure(run_tests):
    result = run_tests("import os\ndef test_good(): pass\ndef test_deadly(): os._exit(0)\n")
    assert result.failed == 1


def test_a_plug_in_that_fails_after_the_last_test_is_a_failure(run_tests):
    result = run_tests("import atexit, os\natexit.register(os._exit, 5)\ndef test_good(): pass\n")
    assert (result.passed, result.failed) == (1, 1)


def test_a_test_whose_set_up_fails_is_a_failure(run_tests):
    result = run_tests("import pytest\n@pytest.fixture\ndef broken(): 1 / 0\ndef test_it(broken): pass\n")
    assert (result.passed, result.failed) == (0, 1)


def test_a_file_that_cannot_be_imported_is_a_failure(run_tests):
    assert run_tests("import nothing_of_this_name\n").failed == 1


def test_a_folder_without_tests_is_a_failure(run_tests):
    assert run_tests("").failed == 1


def test_a_folder_that_is_missing_is_a_failure(suite, tmp_path):
    assert suite.run(suite.Part("core", "core tests", [], tmp_path / "absent"), ENVIRONMENT).failed == 1


def test_a_command_is_one_test(suite):
    good = suite.run(suite.Part("lint", "ruff", [sys.executable, "-c", ""]), {})
    bad = suite.run(suite.Part("lint", "ruff", [sys.executable, "-c", "raise SystemExit(2)"]), {})
    assert (good.passed, good.failed, bad.passed, bad.failed) == (1, 0, 0, 1)
