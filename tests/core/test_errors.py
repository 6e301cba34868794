"""Errors: the tree is as drawn, and every error survives the ways by which engines pass it on."""

from __future__ import annotations

import copy
import json
import pickle
import re

import pytest

from fairlead.adapters import errors
from fairlead.adapters.errors import (
    AppExited,
    AppKilled,
    AppRaised,
    ContractError,
    FairleadError,
    InputInvalid,
    Problem,
    RunFailed,
    StorageFailed,
    TimedOut,
)

HUB_HEIGHT = Problem(
    where="input_values.turbines[2].hub_height",
    found="'high' is not a number",
    expected="twine.json: input_values_schema",
    remedy="Give metres, e.g. 90.",
)


def all_errors(cls: type[FairleadError] = FairleadError) -> list[type[FairleadError]]:
    found = [cls]
    for subclass in cls.__subclasses__():
        found += all_errors(subclass)
    return [error for error in found if error.__module__ == errors.__name__]


def sample(cls: type[FairleadError]) -> FairleadError:
    if issubclass(cls, ContractError):
        return cls([HUB_HEIGHT, Problem("input_manifest", "is missing")])
    if issubclass(cls, AppRaised):
        return cls("It raised.", exception="app.Bad", traceback="Traceback…", remedy="Mend it.", tail=["last"])
    if issubclass(cls, AppExited):
        return cls("It left.", code=3, remedy="Return.", tail=["one", "two"])
    if issubclass(cls, AppKilled):
        return cls("It was killed.", signal=9, remedy="Look at memory.", tail=["one"])
    if issubclass(cls, RunFailed):
        return cls("It failed.", remedy="Raise the limit.", tail=["one", "two"])
    return cls("It failed.", remedy="Try again.")


def test_the_tree_in_the_docstring_is_the_tree_of_classes():
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        name = re.match(r"^ {4}([│├└─ ]*)(\w+)(?:  |$)", line)
        if name is None or not hasattr(errors, name[2]):
            continue
        depth = len(name[1]) // 4
        del above[depth:]
        drawn[name[2]] = above[-1] if above else "Exception"
        above.append(name[2])
    assert drawn == {cls.__name__: cls.__base__.__name__ for cls in all_errors() if cls.__base__}


def test_contract_errors_are_never_retried_and_storage_always():
    retried = {cls.__name__ for cls in all_errors() if cls.retryable}
    assert retried == {
        "RunFailed", "AppRaised", "AppExited", "AppKilled", "WorkerDied", "TimedOut", "Hung", "StorageFailed",
    }  # fmt: skip


@pytest.mark.parametrize("cls", all_errors())
@pytest.mark.parametrize("passed_on", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_every_error_can_be_pickled_and_copied_with_all_that_it_says(cls, passed_on):
    error = sample(cls)
    error.log = "memory://cache/logs/run.ndjson"
    again = passed_on(error)
    assert type(again) is cls
    assert vars(again) == vars(error)
    assert str(again) == str(error)
    assert again.to_dict() == error.to_dict()


@pytest.mark.parametrize("cls", all_errors())
def test_every_error_is_json_data_with_all_its_details(cls):
    error = sample(cls)
    error.log = "/cache/logs/run.ndjson"
    data = json.loads(json.dumps(error.to_dict()))
    assert data["type"] == cls.__name__
    assert data["retryable"] is cls.retryable
    for name, value in vars(error).items():
        expected = [vars(problem) for problem in value] if name == "problems" else value
        assert data[name] == (list(expected) if isinstance(expected, tuple) else expected)


def test_an_errors_notes_are_passed_on():
    error = sample(TimedOut)
    error.add_note("while the grid was down")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["while the grid was down"]


def test_a_problem_says_what_where_and_what_to_do():
    assert str(HUB_HEIGHT) == (
        "input_values.turbines[2].hub_height: 'high' is not a number (twine.json: input_values_schema)."
        " Give metres, e.g. 90."
    )


def test_a_problem_without_rule_or_remedy_leaves_no_trace_of_them():
    assert str(Problem("input_values", "is missing")) == "input_values: is missing."


def test_one_problem_is_the_whole_message():
    assert str(InputInvalid(HUB_HEIGHT)) == str(HUB_HEIGHT)


def test_several_problems_are_counted_and_all_told():
    other = Problem("input_manifest", "is missing")
    assert str(InputInvalid([HUB_HEIGHT, other])) == f"2 problems:\n- {HUB_HEIGHT}\n- {other}"


def test_a_message_ends_with_the_remedy_the_log_and_the_last_lines():
    error = TimedOut("The run passed its limit.", remedy="Raise it.", tail=["step 1", "step 2"])
    error.log = "/cache/run.ndjson"
    assert str(error).splitlines() == [
        "The run passed its limit. Raise it.",
        "The log of the run: /cache/run.ndjson",
        "Its last lines:",
        "    step 1",
        "    step 2",
    ]


def test_one_except_clause_catches_all_errors():
    with pytest.raises(FairleadError):
        raise StorageFailed("s3://bucket: no answer.")
