"""How a flow run answers a question from elsewhere: its outcome, or its error, becomes an artifact of the run.

Who asks (``fairlead.adapters.twine.children``) reaches Prefect's API alone, and not the store in which results are.
Runs that nobody has asked a question through leave no such artifact.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Mapping
from typing import Any

from prefect.artifacts import Artifact
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from fairlead.adapters.errors import FairleadError
from fairlead.adapters.twine.children.backends.prefect import ANSWER_LIMIT, ANSWER_TYPE, LAST_LINE, QUESTION_TAG
from fairlead.flows.artifacts import warned


@contextlib.contextmanager
def errors_answered() -> Generator[None]:
    """Answer with the error that ends this part of a flow, if one does."""
    try:
        yield
    except FairleadError as error:
        _publish({"error": error.to_dict()})
        raise


def answer(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Answer with an outcome (`Outcome.to_dict`), and return it."""
    _publish({"outcome": dict(outcome)})
    return dict(outcome)


def _publish(data: dict[str, Any]) -> None:
    if QUESTION_TAG not in (flow_run.tags or ()):
        return
    size = len(json.dumps(data).encode())
    with warned("The question could not be answered"):
        Artifact(type=ANSWER_TYPE, data=data if size <= ANSWER_LIMIT else {"bytes": size}).create()
    get_run_logger().info("[fairlead] %s", LAST_LINE)
