"""What an app changes in the process that it shares is put back when it is done."""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path

import pytest

from fairlead.adapters.isolation.process_state import preserved

from .conftest import LIMIT


def test_the_working_directory_is_put_back(tmp_path):
    before = str(Path.cwd())
    with preserved():
        os.chdir(tmp_path)
    assert str(Path.cwd()) == before


def test_variables_are_put_back_removed_and_set_again(monkeypatch):
    monkeypatch.setenv("KEPT", "as it was")
    monkeypatch.setenv("REMOVED", "as it was")
    with preserved():
        os.environ["KEPT"] = "changed"
        os.environ["ADDED"] = "new"
        del os.environ["REMOVED"]
    assert (os.environ["KEPT"], os.environ["REMOVED"], "ADDED" in os.environ) == ("as it was", "as it was", False)


def test_the_path_and_the_arguments_are_put_back():
    before = [*sys.path], [*sys.argv]
    with preserved():
        sys.path.insert(0, "/nowhere")
        sys.argv[:] = ["other"]
    assert ([*sys.path], [*sys.argv]) == before


def test_handlers_and_levels_of_all_loggers_are_put_back():
    named = logging.getLogger("test_process_state.named")
    named.setLevel(logging.ERROR)
    root = logging.getLogger()
    before = [*root.handlers], root.level
    with preserved():
        root.handlers.clear()
        root.setLevel(logging.CRITICAL)
        root.addHandler(logging.NullHandler())
        named.setLevel(logging.DEBUG)
        named.disabled = True
        logging.disable(logging.CRITICAL)
    assert ([*root.handlers], root.level) == before
    assert (named.level, named.disabled, named.isEnabledFor(logging.ERROR)) == (logging.ERROR, False, True)


def test_the_level_of_a_handler_is_put_back():
    handler = logging.NullHandler()
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with preserved():
            handler.setLevel(logging.CRITICAL)
        assert handler.level == logging.NOTSET
    finally:
        root.removeHandler(handler)


def test_a_working_directory_that_was_gone_before_is_no_failure(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    here.rmdir()
    with preserved():
        pass


def test_all_is_put_back_also_if_the_block_raises(tmp_path):
    before = str(Path.cwd())

    def fail() -> None:
        with preserved():
            os.chdir(tmp_path)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert str(Path.cwd()) == before


def test_a_folder_that_is_gone_does_not_hide_the_result(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with preserved():
        os.chdir(tmp_path)
        here.rmdir()
    assert str(Path.cwd()) == str(tmp_path)


def test_while_several_run_the_last_puts_back_and_none_before_it(tmp_path):
    before = str(Path.cwd())
    inside, release = threading.Event(), threading.Event()

    def other() -> None:
        with preserved():
            os.chdir(tmp_path)
            inside.set()
            release.wait(LIMIT)

    thread = threading.Thread(target=other)
    with preserved():
        thread.start()
        assert inside.wait(LIMIT)
    assert str(Path.cwd()) == str(tmp_path)
    release.set()
    thread.join(LIMIT)
    assert str(Path.cwd()) == before
