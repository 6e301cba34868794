"""What apps and their tests use of Octue's SDK beside its resources."""

from __future__ import annotations

import datetime as dt
import json
import logging
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest

from fairlead.adapters.twine.toolkit.exceptions import convert_exception_to_primitives, create_exceptions_mapping
from fairlead.adapters.twine.toolkit.files import (
    RegisteredTemporaryDirectory,
    isfile,
    isfolder,
    registered_temporary_directories,
)
from fairlead.adapters.twine.toolkit.json_coders import OctueJSONDecoder, OctueJSONEncoder
from fairlead.adapters.twine.toolkit.processes import ProcessesContextManager, RepeatingTimer, run_logged_subprocess
from fairlead.adapters.twine.toolkit.values import (
    MultiPatcher,
    convert_to_posix_time,
    dictionary_product,
    gen_uuid,
    get_nested_attribute,
    has_nested_attribute,
    make_minimal_dictionary,
)

from .conftest import LIMIT

logger = logging.getLogger("toolkit")


# Timers


def test_a_repeating_timer_calls_again_and_again_with_its_arguments():
    calls, enough = [], threading.Event()

    def call(*args, **kwargs):
        calls.append((args, kwargs))
        if len(calls) == 3:
            enough.set()

    timer = RepeatingTimer(0.001, call, args=(1,), kwargs={"a": 2})
    timer.start()
    assert enough.wait(LIMIT)
    timer.cancel()
    timer.join(LIMIT)
    assert not timer.is_alive()
    assert {str(call) for call in calls} == {str(((1,), {"a": 2}))}


def test_a_cancelled_timer_ends_at_once_and_calls_no_more():
    timer = RepeatingTimer(3600, pytest.fail)
    timer.start()
    timer.cancel()
    timer.join(LIMIT)
    assert not timer.is_alive()


def test_a_timer_may_be_cancelled_by_what_it_calls():
    calls = []
    timer = RepeatingTimer(0.001, lambda: (calls.append(1), timer.cancel()))
    timer.start()
    timer.join(LIMIT)
    assert calls == [1]


# Subprocesses


def test_each_line_is_logged_as_it_was_printed(caplog):
    caplog.set_level("INFO")
    program = "import sys; print(' a '); sys.stdout.flush(); print('b', file=sys.stderr); print('é\\nlast', end='')"
    process = run_logged_subprocess([sys.executable, "-X", "utf8", "-c", program], logger)
    assert [(record.name, record.levelname, record.message) for record in caplog.records] == [
        ("toolkit", "INFO", text) for text in ("a", "b", "é", "last")
    ]
    assert process.returncode == 0


def test_lines_are_logged_while_the_program_runs(tmp_path):
    told, gate = threading.Event(), tmp_path / "gate"
    fifo = tmp_path / "fifo"
    subprocess.run(["mkfifo", fifo], check=True)
    listener = SimpleNamespace(info=lambda *_args: told.set())
    command = f"echo first; cat {fifo}; touch {gate}"
    thread = threading.Thread(target=run_logged_subprocess, args=(command, listener), kwargs={"shell": True})
    thread.start()
    assert told.wait(LIMIT)
    assert not gate.exists()
    fifo.write_text("go on\n")
    thread.join(LIMIT)
    assert gate.exists()


def test_all_lines_are_logged_when_it_returns():
    lines = []
    listener = SimpleNamespace(warning=lambda _format, line: lines.append(line))
    run_logged_subprocess([sys.executable, "-c", "for n in range(20000): print(n)"], listener, "WARNING")
    assert lines == [str(number) for number in range(20000)]


def test_one_endless_line_is_one_record():
    lines = []
    listener = SimpleNamespace(info=lambda _format, line: lines.append(len(line)))
    run_logged_subprocess([sys.executable, "-c", "print('x' * 5_000_000)"], listener)
    assert lines == [5_000_000]


def test_a_percent_sign_is_no_format(caplog):
    caplog.set_level("INFO")
    run_logged_subprocess(["echo", "100 %s done"], logger)
    assert [record.message for record in caplog.records] == ["100 %s done"]


def test_further_arguments_are_those_of_popen(tmp_path, caplog):
    caplog.set_level("INFO")
    run_logged_subprocess("pwd; echo $WORD", logger, "info", -1, shell=True, cwd=tmp_path, env={"WORD": "told"})
    assert [record.message for record in caplog.records] == [str(tmp_path), "told"]


def test_a_program_that_fails_is_an_error_after_its_last_line(caplog):
    caplog.set_level("INFO")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run_logged_subprocess(["sh", "-c", "echo why; exit 3"], logger)
    assert (caught.value.returncode, caught.value.cmd) == (3, ["sh", "-c", "echo why; exit 3"])
    assert [record.message for record in caplog.records] == ["why"]


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        run_logged_subprocess(["no-such-program"], logger)


def test_an_unknown_level_is_told_before_anything_runs(tmp_path):
    with pytest.raises(AttributeError, match="loud"):
        run_logged_subprocess(["touch", tmp_path / "ran"], logger, "loud")
    assert not (tmp_path / "ran").exists()


def test_a_program_is_stopped_when_its_lines_cannot_be_logged(tmp_path, watch):
    def refuse(*_args):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_logged_subprocess(
            f"echo $$ > {tmp_path}/pid; echo line; exec sleep 60", SimpleNamespace(info=refuse), shell=True
        )
    assert watch.ends(int((tmp_path / "pid").read_text()))


def test_a_program_left_behind_does_not_hold_its_asker(tmp_path, watch, caplog):
    caplog.set_level("INFO")
    run_logged_subprocess(f"sleep 60 & echo $! > {tmp_path}/pid; echo done", logger, shell=True)
    assert watch.runs(watch.pid(tmp_path / "pid"))
    assert [record.message for record in caplog.records] == ["done"]


def test_processes_are_killed_when_their_block_is_left(watch):
    with ProcessesContextManager([subprocess.Popen(["sleep", "60"])]) as (process,):
        assert watch.runs(process.pid)
    assert not watch.runs(process.pid)


# Folders


def test_a_temporary_folder_is_registered_and_is_one():
    with RegisteredTemporaryDirectory(prefix="study-") as path:
        assert registered_temporary_directories[-1].name == path
        assert Path(path).name.startswith("study-")
    assert not Path(path).exists()


# JSON


def test_values_come_back_from_json_as_they_went():
    values = {"s": {1, 2}, "t": dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), "l": [{"x": {"a"}}]}
    text = json.dumps(values, cls=OctueJSONEncoder)
    assert json.loads(text)["s"] == {"_type": "set", "items": [1, 2]}
    assert json.loads(text, cls=OctueJSONDecoder) == values


def test_arrays_and_resources_have_a_json_form():
    resource = SimpleNamespace(to_primitive=lambda: {"id": "r"})
    assert json.loads(json.dumps([np.arange(2), np.int64(3), resource], cls=OctueJSONEncoder)) == [
        [0, 1],
        3,
        {"id": "r"},
    ]


def test_a_value_without_a_json_form_is_a_type_error():
    with pytest.raises(TypeError, match="object"):
        json.dumps(object(), cls=OctueJSONEncoder)


def test_a_hook_of_ones_own_is_kept():
    assert json.loads("{}", cls=OctueJSONDecoder, object_hook=lambda _: "mine") == "mine"


# Values


def test_dotted_names_lead_through_attributes_and_keys():
    instance = SimpleNamespace(a={"b": SimpleNamespace(c=5)})
    assert get_nested_attribute(instance, "a.b.c") == 5
    assert has_nested_attribute(instance, "a.b")
    assert not has_nested_attribute(instance, "a.x")
    with pytest.raises(AttributeError, match="does not have an attribute or key named 'd'"):
        get_nested_attribute(instance, "a.b.d")


def test_combinations_have_the_names_of_what_they_combine():
    assert [*dictionary_product(a=[1, 2], b="x", c=None)] == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]
    assert [*dictionary_product(keep_none_values=True, a=[1], c=None)] == [{"a": 1, "c": None}]


def test_small_values_are_what_they_say():
    assert make_minimal_dictionary(a=0, b=None) == {"a": 0}
    assert uuid.UUID(gen_uuid()).version == 4
    assert convert_to_posix_time(dt.datetime(1970, 1, 2)) == 86400  # noqa: DTZ001 (that is what is asked)


# Exceptions and patches


def test_exceptions_are_found_among_names():
    assert create_exceptions_mapping({"A": 1, "E": ValueError, "f": int}, {"E": KeyError}) == {"E": KeyError}


def test_the_exception_being_handled_becomes_data():
    try:
        int("told")
    except ValueError:
        data = convert_exception_to_primitives()
    assert (data["type"], data["message"]) == ("ValueError", "invalid literal for int() with base 10: 'told'")
    assert "test_octue_toolkit.py" in data["traceback"][-1]


def test_without_an_exception_there_is_nothing_to_convert():
    with pytest.raises(ValueError, match="No exception is being handled"):
        convert_exception_to_primitives()


def test_patches_start_and_stop_together():
    target = SimpleNamespace(a=1, b=2)
    with MultiPatcher([patch.object(target, "a", 10), patch.object(target, "b")]) as (ten, mock):
        assert (target.a, target.b) == (ten, mock)
    assert (target.a, target.b) == (1, 2)


def test_a_patch_that_cannot_start_stops_those_before_it():
    target = SimpleNamespace(a=1)
    with pytest.raises(AttributeError), MultiPatcher([patch.object(target, "a", 10), patch.object(target, "no")]):
        pass
    assert target.a == 1


def test_a_path_is_made_of_its_parts(tmp_path):
    (tmp_path / "a.txt").write_text("")
    assert isfile(str(tmp_path), "a.txt")
    assert not isfile(str(tmp_path))
    assert isfolder(str(tmp_path))
    assert not isfolder(str(tmp_path), "b")
    assert isfolder(str(tmp_path), "b", "c", make_if_absent=True)
