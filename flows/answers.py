"""How a flow run answers a question from elsewhere: its outcome, or its error, becomes an artifact of the run.

Who asks (``fairlead.adapters.twine.children``) reaches Prefect's API alone, and not the store in which results are.
Runs that nobody has asked a question through leave no such artifact.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator, Mapping
from typing import Any

from prefect.artifacts import Artifact
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from fairlead.adapters import events
from fairlead.adapters.errors import AppRaised, FairleadError, raised_by_app
from fairlead.adapters.twine.children.backends.prefect import ANSWER_LIMIT, ANSWER_TYPE, LAST_LINE, QUESTION_TAG
from fairlead.flows.artifacts import warned


@contextlib.contextmanager
def answering() -> Generator[Callable[[Mapping[str, Any]], dict[str, Any]]]:
    """Let this part of a flow answer the question that the flow run was started with, if it was.

    Yields a function that takes the outcome of a twine task, answers with it and returns it. An exception is an
    answer, too, and passes on.

        @flow
        def wind(input_values: dict):
            with answering() as answer:
                return answer(twine_task("apps/wind")(input_values))
    """
    try:
        yield _answer
    except Exception as error:
        told = error if isinstance(error, FairleadError) else _as_raised(error)
        _publish({"error": told.to_dict()})
        raise


def _answer(outcome: Mapping[str, Any]) -> dict[str, Any]:
    _publish({"outcome": dict(outcome)})
    return dict(outcome)


def _as_raised(error: Exception) -> AppRaised:
    name = events.qualified_name(type(error))
    message = raised_by_app(name, events.message_of(error))
    return AppRaised(message, exception=name, traceback=events.format_traceback(error))


def _publish(data: dict[str, Any]) -> None:
    if QUESTION_TAG not in (flow_run.tags or ()):
        return
    size = len(json.dumps(data).encode())
    with warned("The question could not be answered"):
        Artifact(type=ANSWER_TYPE, data=data if size <= ANSWER_LIMIT else {"bytes": size}).create()
    get_run_logger().info("[fairlead] %s", LAST_LINE)
