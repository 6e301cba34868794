"""Units as Airflow tasks: the one place where a task calls `perform`, and what Airflow is told of the outcome.

What it does not do: decide what is run, cached or retried. `perform` does the work, and every error says itself whether
trying again can help. It is imported when a task runs, never when a DAG file is parsed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException

from fairlead.adapters.cache import ResultCache
from fairlead.adapters.diagnostics import requested
from fairlead.adapters.errors import Cancelled, FairleadError, InputInvalid, Problem
from fairlead.adapters.perform import perform
from fairlead.adapters.twine.children.backends.airflow import ERROR_KEY

if TYPE_CHECKING:
    from fairlead.adapters.isolation import Isolation
    from fairlead.adapters.perform import Outcome
    from fairlead.adapters.unit import Unit
    from fairlead.operators.host import AirflowHost

NATIVE_REMEDY = """
A template gives text. If that value comes from one, see that render_template_as_native_obj=True is set on the operator
or the DAG, or give the upstream task's output itself instead of a template."""


def run_unit(
    unit: Callable[..., Unit],
    arguments: Mapping[str, object],
    inputs: Mapping[str, object],
    host: AirflowHost,
    *,
    cache: object,
    isolation: Callable[[], Isolation],
    refresh: bool,
    diagnostics: Any,
    templates: Mapping[str, object],
    push: Callable[[str, Any], None] | None,
) -> dict[str, Any]:
    """Do a piece of work in the active task, and return its outcome as JSON data.

    Args:
        unit: makes the unit of the ``arguments``.
        arguments: what the unit is made of, by name; like the inputs and the cache, as Airflow has rendered them.
        inputs: the unit's inputs by name.
        host: the host of the active task.
        cache: where results are looked up and kept; None for the default.
        isolation: makes the isolation.
        refresh: run in any case, and replace what the cache holds.
        diagnostics: where runs that crash leave what is needed to run them again, as Airflow has rendered it.
        templates: arguments and inputs as they were before Airflow rendered them.
        push: called with each output and its name, to make XComs of them.

    Raises:
        AirflowFailException: the failure would only repeat itself; the error itself is its cause.
        FairleadError: any other failure of the work or of the store.
    """
    try:
        made = unit(**plain_values(arguments))
        given, root, place = plain_values(inputs), plain(cache, "cache"), isolation()
        wish = requested(plain(diagnostics, "diagnostics"))
        outcome = host.run(
            lambda: perform(
                made, given, host, cache=ResultCache(root), isolation=place, refresh=refresh, diagnostics=wish
            )
        )
    except FairleadError as error:
        error.with_traceback(None)  # where in fairlead it was raised tells a reader of the task's log nothing
        if push:
            try:
                push(ERROR_KEY, error.to_dict())  # for who asks the DAG a question, see ``twine.children``
            except Exception as reason:  # noqa: BLE001 (the error itself decides whether the task is tried again)
                host.log(logging.WARNING, f"The error could not be left as an XCom: {reason}")
        # Airflow has noted already if it was a user who stopped the task; a worker that goes away is worth a retry.
        if error.retryable or isinstance(error, Cancelled):
            raise
        templated = isinstance(error, InputInvalid) and _concern_a_template(error.problems, templates)
        raise AirflowFailException(f"{error}{NATIVE_REMEDY if templated else ''}") from error
    show_datasets(outcome, host)
    if push:
        for name, output in outcome.outputs.items():
            push(name, output)
    return outcome.to_dict()


def show_datasets(outcome: Outcome, host: AirflowHost) -> None:
    """Write a line for each dataset that a unit has made."""
    manifest = outcome.outputs.get("output_manifest") or {"datasets": {}}
    for name, dataset in manifest["datasets"].items():
        count = len(dataset["files"])
        host.log(logging.INFO, f"{name}: {count} {'file' if count == 1 else 'files'} in {dataset['path']}")


def _concern_a_template(problems: Sequence[Problem], templates: Mapping[str, object]) -> bool:
    """Tell whether a template stands where one of the problems is, or in what the problem is about."""
    places = [place for name, value in templates.items() for place in template_places(value, name)]
    return any(place.startswith(problem.where) for problem in problems for place in places)


def template_places(value: object, where: str) -> Iterator[str]:
    """Yield where in a value there are texts with Jinja's braces, named as problems name it."""
    if isinstance(value, str):
        if "{{" in value or "{%" in value:
            yield where
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from template_places(item, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from template_places(item, f"{where}[{index}]")


def plain_values(values: Mapping[str, object]) -> dict[str, Any]:
    """Return arguments, by name, as `plain` has them."""
    return {name: plain(value, name) for name, value in values.items()}


def plain(value: Any, where: str) -> Any:
    """Return a value with the paths in it as texts, and what Airflow makes of several upstream results as lists."""
    if isinstance(value, ObjectStoragePath):
        if value.conn_id:
            found = f"{value} names the connection '{value.conn_id}', which an app's process cannot use"
            remedy = "Leave the connection out, and give the worker's environment what the store asks for."
            raise InputInvalid(Problem(where, found, "a path or URL without a connection", remedy))
        return str(value) if value.protocol not in {"", "file"} else value.path
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {key: plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    return value
