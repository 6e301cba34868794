"""A child that is a Prefect deployment, asked over Prefect's REST API: Prefect itself need not be installed here.

How it works: a question is a flow run, with the question's UUID as idempotency key, and tagged so that the flow knows
that somebody waits (``fairlead.flows.answers``). The flow leaves its outcome, or its error, as an artifact of the run,
because results themselves are in a store that only the flow's machine need see. Its log lines come from the API; those
that are monitor messages are turned back into these.

What it does not do: carry more than `ANSWER_LIMIT` bytes; what is large belongs into files of output datasets, in a
result cache that both sides can read.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import os
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fairlead.adapters.errors import OutputInvalid, Problem, RunFailed
from fairlead.adapters.twine.children import failures, messages
from fairlead.adapters.twine.children.backends import check_address
from fairlead.adapters.twine.children.backends.remote import Api, Refused, follow, travelling
from fairlead.adapters.twine.exceptions import InvalidInputException, ServiceNotFound

if TYPE_CHECKING:
    from fairlead.adapters.twine.children.question import Question

QUESTION_TAG = "fairlead-question"
"""On flow runs whose answer somebody waits for."""
ANSWER_TYPE = "fairlead-answer"
"""Of the artifact that is the answer, as JSON text: ``{"outcome": …}``, ``{"error": …}``, or ``{"bytes": …}`` if it is
too large."""
ANSWER_LIMIT = 1 << 20
"""Bytes of an answer as JSON: what Prefect's API takes without complaint, and its database keeps without pain."""
LAST_LINE = "The question is answered."
"""Of the log of a flow run that answers: what the run has said before stands before it."""

_ENDED = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
_LOG_PAGE = 200
_LOG_OVERLAP = dt.timedelta(seconds=10)
_LOG_PATIENCE = 5.0
_MOST_ATTEMPTS = 100
_SOURCE = re.compile(r"\[([^\]]+)\] (.*)", re.DOTALL)


class PrefectDeployment:
    """A deployment, by ``flow/deployment``, on the server at ``api_url`` or ``$PREFECT_API_URL``."""

    sees_local_files = False

    def __init__(self, deployment: str, api_url: str | None = None) -> None:
        """Name the deployment; nothing is contacted."""
        self.deployment, self.api_url = deployment, api_url

    def ask(self, question: Question) -> dict[str, Any]:
        """See `Backend.ask`."""
        with self._api(question) as api:
            return follow(_FlowRun(api, question, self.deployment), api, question)

    def send(self, question: Question) -> None:
        """See `Backend.send`."""
        with self._api(question) as api:
            _FlowRun(api, question, self.deployment).submit()

    def _api(self, question: Question) -> Api:
        address = self.api_url or os.environ.get("PREFECT_API_URL")
        if not address:
            msg = (
                f"Child '{question.child}': there is no address of Prefect's API. Set PREFECT_API_URL, or give the "
                "child's backend an 'api_url', e.g. http://127.0.0.1:4200/api."
            )
            raise InvalidInputException(msg)
        check_address(address, f"child '{question.child}', {'api_url' if self.api_url else 'PREFECT_API_URL'}")
        headers = {}
        if key := os.environ.get("PREFECT_API_KEY"):
            headers["authorization"] = f"Bearer {key}"
        elif secret := os.environ.get("PREFECT_API_AUTH_STRING"):
            headers["authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
        return Api(address, question, server="Prefect's API", headers=headers)


class _FlowRun:
    """See `RemoteRun`."""

    def __init__(self, api: Api, question: Question, deployment: str) -> None:
        self._api, self._question, self._deployment = api, question, deployment
        self._keys: list[str] = []
        self._id: str | None = None
        self._state: dict[str, Any] = {}
        self._heard: set[str] = set()
        self._last_time: dt.datetime | None = None
        self._is_told = False

    def submit(self) -> None:
        flow, _, name = self._deployment.partition("/")
        try:
            found = self._api.get(f"/deployments/name/{quote(flow, safe='')}/{quote(name, safe='')}")
        except Refused as error:
            if error.status != 404:  # noqa: PLR2004 (not found)
                raise
            msg = (
                f"Child '{self._question.child}': Prefect at {self._api.address} has no deployment "
                f"'{self._deployment}'. Give 'flow/deployment', as 'prefect deployment ls' shows it."
            )
            raise ServiceNotFound(msg) from error
        if found.get("paused"):
            msg = (
                f"Child '{self._question.child}': the deployment '{self._deployment}' is paused. Resume it in Prefect."
            )
            raise Refused(msg)
        request = {"parameters": self._parameters(found), "tags": [QUESTION_TAG]}
        for attempt in range(_MOST_ATTEMPTS):
            self._keys.append(self._question.key if attempt == 0 else f"{self._question.key}-again-{attempt}")
            status, run = self._api.send(
                "POST", f"/deployments/{found['id']}/create_flow_run", {**request, "idempotency_key": self._keys[-1]}
            )
            self._id, self._state = run["id"], run["state"]
            # A run of this key that has failed before it was asked for is no answer: it is asked again.
            if status == 201 or self._state["type"] not in _ENDED - {"COMPLETED"}:  # noqa: PLR2004 (created)
                return

    def _parameters(self, deployment: Mapping[str, Any]) -> dict[str, Any]:
        """Return the question as the parameters that a deployment has: its strands, or each value by its name."""
        given = travelling(self._question)
        known = (deployment.get("parameter_openapi_schema") or {}).get("properties") or {}
        if not known or "input_values" in known:  # where a text is JSON text, or the path of a file
            return {
                name: value if isinstance(value, dict | list) else json.dumps(value) for name, value in given.items()
            }
        values = given.pop("input_values", {})
        if not isinstance(values, dict):
            msg = (
                f"Child '{self._question.child}': the deployment '{self._deployment}' takes {', '.join(known)} as "
                "parameters, and input values that are no object have no names. Give one, or deploy run_twine_app."
            )
            raise InvalidInputException(msg)
        return values | given

    def has_ended(self) -> bool:
        self._state = self._api.get(f"/flow_runs/{self._id}")["state"] or {"type": "PENDING"}
        self._hear()
        return self._state["type"] in _ENDED

    def outputs(self) -> dict[str, Any]:
        question = self._question
        flow_run = {"any_": [self._id]}
        _, found = self._api.send(
            "POST",
            "/artifacts/filter",
            {
                "artifacts": {"flow_run_id": flow_run, "type": {"any_": [ANSWER_TYPE]}},
                "sort": "CREATED_DESC",
                "limit": 1,
            },
        )
        answer: dict[str, Any] = json.loads(found[0]["data"]) if found else {}
        self._hear_the_rest(answers=bool(answer))
        if self._state["type"] == "COMPLETED":
            if "outcome" in answer:
                return {name: answer["outcome"]["outputs"].get(name) for name in ("output_values", "output_manifest")}
            if "bytes" in answer:
                problem = Problem(
                    "the answer",
                    f"has {answer['bytes']} bytes",
                    f"Prefect's API carries {ANSWER_LIMIT}",
                    "Put what is large into files of an output dataset.",
                )
                raise failures.raised_here(OutputInvalid(problem), question.child, question.timeout)
            msg = (
                f"Child '{question.child}': the flow run {self._id} of '{self._deployment}' has ended without an "
                "answer. Deploy fairlead.flows.run_twine_app, or let the flow answer (fairlead.flows.answering)."
            )
            raise Refused(msg)
        if "error" in answer:
            raise failures.raised_here(failures.rebuilt(answer["error"]), question.child, question.timeout)
        error = RunFailed(
            f"The flow run {self._id} of '{self._deployment}' is {self._state.get('name')}: "
            f"{self._state.get('message') or 'Prefect says no more'}",
            remedy="Look at the run in Prefect's UI.",
        )
        raise failures.raised_here(error, question.child, question.timeout)

    def cancel(self) -> None:
        if self._id is None and self._keys:  # the request may have arrived although nothing came back
            criteria = {"flow_runs": {"idempotency_key": {"any_": self._keys}}}
            _, runs = self._api.send("POST", "/flow_runs/filter", criteria)
            self._id = runs[0]["id"] if runs else None
        if self._id is not None:
            request = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": False}
            self._api.send("POST", f"/flow_runs/{self._id}/set_state", request)

    def is_stopped(self) -> bool:
        return self._id is None or self._api.get(f"/flow_runs/{self._id}")["state"]["type"] in _ENDED

    def _hear_the_rest(self, *, answers: bool) -> None:
        """Hear what is still on its way: Prefect sends log lines in batches, some seconds after they were written."""
        end = time.monotonic() + (_LOG_PATIENCE if answers else 0.0)
        with contextlib.suppress(TimeoutError):  # the answer is there: what is late is only log
            self._hear()
            while not self._is_told and time.monotonic() < end:
                self._api.pause(0.2)
                self._hear()

    def _hear(self) -> None:
        criteria: dict[str, Any] = {"flow_run_id": {"any_": [self._id]}}
        if self._last_time is not None:  # lines of several processes arrive in no strict order
            criteria["timestamp"] = {"after_": (self._last_time - _LOG_OVERLAP).isoformat()}
        offset = 0
        while True:
            request = {"logs": criteria, "sort": "TIMESTAMP_ASC", "limit": _LOG_PAGE, "offset": offset}
            try:
                _, lines = self._api.send("POST", "/logs/filter", request, patient=False)
            except Refused:  # a log that cannot be read costs no answer
                return
            for line in lines:
                if line["id"] not in self._heard:
                    self._heard.add(line["id"])
                    self._last_time = dt.datetime.fromisoformat(line["timestamp"])
                    self._pass_on(line)
            if len(lines) < _LOG_PAGE:
                return
            offset += _LOG_PAGE

    def _pass_on(self, line: Mapping[str, Any]) -> None:
        match = _SOURCE.fullmatch(line["message"])
        source, text = match.groups() if match else (line["name"], line["message"])
        if text == LAST_LINE:
            self._is_told = True
            return
        if source == "monitor":
            try:
                self._question.hear(messages.monitor_message(json.loads(text)))
            except json.JSONDecodeError:  # too long for Prefect, and cut
                pass
            else:
                return
        self._question.hear(messages.log_record(line["level"], source, text))


def make(data: Mapping[str, Any]) -> PrefectDeployment:
    """Return the backend of its data."""
    return PrefectDeployment(data["deployment"], data.get("api_url"))
