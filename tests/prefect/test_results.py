"""Errors and results cross process boundaries whole."""

from __future__ import annotations

import json
import pickle

import cloudpickle
import pytest

pytest.importorskip("prefect")

from prefect.results import ResultRecord
from prefect.task_runners import ProcessPoolTaskRunner

from fairlead.adapters import errors
from fairlead.flows import twine_task
from fairlead.flows.results import SERIALIZER

PROBLEMS = [errors.Problem("input_values.n", "is missing", "twine.json", "Give it."), errors.Problem("a", "b")]
ERRORS = [
    *(
        cls(PROBLEMS)
        for cls in (
            errors.ContractInvalid,
            errors.AppInvalid,
            errors.InputInvalid,
            errors.OutputInvalid,
            errors.MonitorMessageInvalid,
            errors.NotFingerprintable,
        )
    ),
    errors.AppRaised("raised", exception="ValueError", traceback="Traceback …", remedy="Look.", tail=["one", "two"]),
    errors.AppExited("exited", code=3),
    errors.AppKilled("killed", signal=9, tail=["last"]),
    *(cls("stopped", remedy="Wait.") for cls in (errors.TimedOut, errors.Hung, errors.OutputFlooded, errors.Cancelled)),
    errors.StorageFailed("refused", remedy="Ask."),
]
WAYS = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "cloudpickle": lambda error: cloudpickle.loads(cloudpickle.dumps(error)),
    "Prefect's storage": lambda error: SERIALIZER.loads(SERIALIZER.dumps(error)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_arrives_as_it_was(error, way):
    error.log = "/cache/log.ndjson"
    copy = WAYS[way](error)
    assert type(copy) is type(error)
    assert (str(copy), vars(copy), copy.args) == (str(error), vars(error), error.args)
    assert copy.to_dict() == error.to_dict()


def test_an_error_of_somebody_else_is_stored_as_prefect_does():
    copy = SERIALIZER.loads(SERIALIZER.dumps(OSError("full")))
    assert (type(copy), str(copy)) == (OSError, "full")


def test_what_an_app_returns_is_only_data():
    outcome = {"outputs": {"output_values": {"__class__": "subprocess.Popen", "data": ["true"], "nan": None}}}
    assert SERIALIZER.loads(SERIALIZER.dumps(outcome)) == outcome


def test_a_failed_task_is_stored_with_its_error(doubling, storage):
    state = twine_task(doubling)({"n": object()}, return_state=True)
    (stored,) = storage.iterdir()
    assert json.loads(json.loads(stored.read_text())["result"])["__fairlead_error__"] == "InputInvalid"
    copy = ResultRecord.deserialize(stored.read_bytes()).result
    assert copy.problems == state.result(raise_on_failure=False).problems


def test_tasks_run_in_a_pool_of_processes(doubling):
    task = twine_task(doubling)
    with ProcessPoolTaskRunner(max_workers=1) as runner:
        good = runner.submit(task, {"input_values": {"n": 2}})
        bad = runner.submit(task, {"input_values": ["n"]})
        assert good.result()["outputs"]["output_values"] == {"twice": 4}
        with pytest.raises(errors.InputInvalid) as raised:
            bad.result()
    assert raised.value.problems[0].where == "input_values"
