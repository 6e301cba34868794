"""A child that is an Airflow DAG, asked over Airflow's REST API (v2): Airflow itself need not be installed here.

How it works: a question is a DAG run whose id is made of the question's UUID, with ``input_values`` and
``input_manifest`` as its ``conf``. The answer is what the task returned (its XCom), as `TwineAppOperator` returns it; a
failed one has left its error beside that. Log lines and monitor messages come from the task's log.

What it does not do: choose between several tasks; a DAG with more than one needs a ``task_id``.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fairlead.adapters.errors import RunFailed
from fairlead.adapters.twine.children import failures, messages
from fairlead.adapters.twine.children.backends import check_address
from fairlead.adapters.twine.children.backends.remote import Api, Refused, follow, travelling
from fairlead.adapters.twine.exceptions import InvalidInputException, ServiceNotFound

if TYPE_CHECKING:
    from fairlead.adapters.twine.children.question import Question

ERROR_KEY = "error"
"""The XCom in which `TwineAppOperator` leaves what went wrong, as `FairleadError.to_dict` writes it."""
QUESTION_PREFIX = "question-"
"""How the ids of DAG runs begin that are questions."""
_DEFAULT_ADDRESS = "http://localhost:8080"
_LOG_SHARE = 10
_MOST_ATTEMPTS = 100
_PAGE = 100
_ENDED = {"success", "failed"}
_NOT_STARTED = {None, "scheduled", "queued", "skipped", "upstream_failed", "removed"}


class AirflowDag:
    """A DAG, on the server at ``url`` or ``$AIRFLOW_API_URL``, and the task of it whose return value is the answer."""

    sees_local_files = False

    def __init__(self, dag_id: str, task_id: str | None = None, url: str | None = None) -> None:
        """Name the DAG; nothing is contacted."""
        self.dag_id, self.task_id, self.url = dag_id, task_id, url

    def ask(self, question: Question) -> dict[str, Any]:
        """See `Backend.ask`."""
        with self._api(question) as api:
            return follow(_DagRun(api, question, self.dag_id, self.task_id), api, question)

    def send(self, question: Question) -> None:
        """See `Backend.send`."""
        with self._api(question) as api:
            _DagRun(api, question, self.dag_id, self.task_id).submit()

    def _api(self, question: Question) -> Api:
        address = self.url or os.environ.get("AIRFLOW_API_URL") or _DEFAULT_ADDRESS
        check_address(address, f"child '{question.child}', {'url' if self.url else 'AIRFLOW_API_URL'}")
        return Api(address, question, server="Airflow's API", headers={})


class _DagRun:
    """See `RemoteRun`."""

    def __init__(self, api: Api, question: Question, dag_id: str, task_id: str | None) -> None:
        self._api, self._question, self._dag_id, self._task_id = api, question, dag_id, task_id
        self._dag = f"/api/v2/dags/{quote(dag_id, safe='')}"
        self._run_id: str | None = None
        self._state = "queued"
        self._heard: set[tuple[Any, ...]] = set()
        self._next_look = 0.0

    def submit(self) -> None:
        self._sign_in()
        try:
            dag = self._get(self._dag)
        except Refused as error:
            if error.status != 404:  # noqa: PLR2004 (not found)
                raise
            msg = (
                f"Child '{self._question.child}': Airflow at {self._api.address} has no DAG '{self._dag_id}'. "
                "Give the id that 'airflow dags list' shows."
            )
            raise ServiceNotFound(msg) from error
        if dag.get("is_paused"):
            msg = f"Child '{self._question.child}': the DAG '{self._dag_id}' is paused, and would not run. Unpause it."
            raise Refused(msg)
        request = {"logical_date": None, "conf": {"input_values": None, "input_manifest": None} | self._conf()}
        for attempt in range(_MOST_ATTEMPTS):
            key = self._question.key if attempt == 0 else f"{self._question.key}-again-{attempt}"
            self._run_id = f"{QUESTION_PREFIX}{key}"
            try:
                self._send("POST", f"{self._dag}/dagRuns", {**request, "dag_run_id": self._run_id})
            except Refused as error:
                if error.status != 409:  # noqa: PLR2004 (it is there already)
                    raise
                # A run of this question that has failed before it was asked for is no answer: it is asked again.
                if self._get(self._run)["state"] != "failed":
                    return
            else:
                return

    def has_ended(self) -> bool:
        self._state = self._get(self._run)["state"]
        over = self._state in _ENDED
        if over or time.monotonic() >= self._next_look:
            start = time.monotonic()
            for task in self._tasks():
                self._hear(task)
            end = time.monotonic()
            # The API gives the whole log each time: looking at it shall not be all that is done.
            self._next_look = end + _LOG_SHARE * (end - start)
        return over

    def outputs(self) -> dict[str, Any]:
        question = self._question
        if self._state == "success":
            task_id = self._answering_task()
            value = self._xcom(task_id, "return_value")
            found = value.get("outputs", value) if isinstance(value, dict) else None
            names = ("output_values", "output_manifest")
            if isinstance(found, dict) and ("outputs" in value or any(name in found for name in names)):
                return {name: found.get(name) for name in names}
            msg = (
                f"Child '{question.child}': the task '{task_id}' of the DAG '{self._dag_id}' has returned no outputs. "
                "Let it be a TwineAppOperator, or return an object with 'output_values' and 'output_manifest'."
            )
            raise Refused(msg)
        failed = [task["task_id"] for task in self._tasks(every=True) if task["state"] == "failed"]
        for task_id in failed:
            error = self._xcom(task_id, ERROR_KEY)
            if isinstance(error, dict) and "type" in error:
                raise failures.raised_here(failures.rebuilt(error), question.child, question.timeout)
        where = f" in the task{'s' if len(failed) > 1 else ''} {', '.join(failed)}" if failed else ""
        failure = RunFailed(
            f"The run '{self._run_id}' of the DAG '{self._dag_id}' has failed{where}",
            remedy=f"Look at its log: {self._api.address}/dags/{quote(self._dag_id)}/runs/{quote(str(self._run_id))}.",
        )
        raise failures.raised_here(failure, question.child, question.timeout)

    def cancel(self) -> None:
        if self._run_id is None or self._state in _ENDED:
            return
        try:
            self._send("PATCH", self._run, {"state": "failed"})
        except Refused as error:
            if error.status != 404:  # noqa: PLR2004 (it never arrived)
                raise
            self._run_id = None

    def is_stopped(self) -> bool:
        return self._run_id is None or self._get(self._run)["state"] in _ENDED

    @property
    def _run(self) -> str:
        return f"{self._dag}/dagRuns/{quote(str(self._run_id), safe='')}"

    def _conf(self) -> dict[str, Any]:
        return travelling(self._question)

    def _sign_in(self) -> None:
        """Get a token, from the environment or for the user in it."""
        token = os.environ.get("AIRFLOW_API_TOKEN")
        if not token:
            user, password = os.environ.get("AIRFLOW_API_USERNAME"), os.environ.get("AIRFLOW_API_PASSWORD")
            if not (user and password):
                msg = (
                    f"Child '{self._question.child}': there are no credentials for Airflow's API. Set "
                    "AIRFLOW_API_TOKEN, or AIRFLOW_API_USERNAME and AIRFLOW_API_PASSWORD, in the environment."
                )
                raise InvalidInputException(msg)
            try:
                _, answer = self._api.send("POST", "/auth/token", {"username": user, "password": password})
                token = answer["access_token"]
            except (KeyError, TypeError, Refused) as error:
                # What the server says may repeat what it was sent.
                status = error.status if isinstance(error, Refused) else 0
                address = f"{self._api.address}/auth/token"
                found = f"refused POST {address} with status {status}" if status else f"gave no token at {address}"
                msg = f"Child '{self._question.child}': Airflow's API {found}. Check the address, user and password."
                raise Refused(msg, status) from None
        self._api.headers["authorization"] = f"Bearer {token}"

    def _get(self, path: str, **parameters: Any) -> Any:
        try:
            return self._api.get(path, **parameters)
        except Refused as error:
            self._sign_in_again(error)
            return self._api.get(path, **parameters)

    def _send(self, method: str, path: str, data: object) -> Any:
        try:
            return self._api.send(method, path, data)[1]
        except Refused as error:
            self._sign_in_again(error)
            return self._api.send(method, path, data)[1]

    def _sign_in_again(self, error: Refused) -> None:
        """Get another token if the last is not accepted any more: they hold for a day, and runs may take longer."""
        if error.status != 401 or os.environ.get("AIRFLOW_API_TOKEN"):  # noqa: PLR2004 (unauthorized)
            raise error
        self._sign_in()

    def _tasks(self, *, every: bool = False) -> list[dict[str, Any]]:
        """Return the run's task instances: those that may answer, or all of them."""
        found: list[dict[str, Any]] = []
        while True:
            page = self._get(f"{self._run}/taskInstances", limit=_PAGE, offset=len(found))
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page.get("total_entries", 0):
                break
        return [task for task in found if every or self._task_id in {None, task["task_id"]}]

    def _answering_task(self) -> str:
        tasks = self._tasks()
        if len(tasks) != 1 or tasks[0]["map_index"] >= 0:
            found = ", ".join(sorted({task["task_id"] for task in self._tasks(every=True)}))
            msg = (
                f"Child '{self._question.child}': which task of the DAG '{self._dag_id}' answers is not clear; it ran "
                f"{found}. Give the child's backend the 'task_id' of one that is not mapped."
            )
            raise Refused(msg)
        return str(tasks[0]["task_id"])

    def _xcom(self, task_id: str, key: str) -> Any:
        try:
            return self._get(f"{self._run}/taskInstances/{quote(task_id, safe='')}/xcomEntries/{key}")["value"]
        except Refused as error:
            if error.status != 404:  # noqa: PLR2004 (not found)
                raise
            return None

    def _hear(self, task: Mapping[str, Any]) -> None:
        """Let the question hear what is new in the log of a task that has started."""
        number = task.get("try_number") or 0
        if task["state"] in _NOT_STARTED or not number:
            return
        path = f"{self._run}/taskInstances/{quote(task['task_id'], safe='')}/logs/{number}"
        try:
            content = self._get(path, patient=False, full_content="true", map_index=task["map_index"])["content"]
        except Refused:  # a log that cannot be read yet, or any more, costs no answer
            return
        lines = [line for line in content if isinstance(line, dict) and line.get("timestamp")]
        for line in lines:
            # The API puts lines of several sources together anew each time: only a line itself tells whether it is new.
            mark = (task["task_id"], task["map_index"], line["timestamp"], line.get("logger"), line["event"])
            if mark not in self._heard:
                self._heard.add(mark)
                self._pass_on(line)

    def _pass_on(self, line: Mapping[str, Any]) -> None:
        source, text = str(line.get("logger") or "airflow.task"), str(line["event"])
        if source == "monitor":
            try:
                self._question.hear(messages.monitor_message(json.loads(text)))
            except json.JSONDecodeError:
                pass
            else:
                return
        level = logging.getLevelNamesMapping().get(str(line.get("level", "info")).upper(), logging.INFO)
        self._question.hear(messages.log_record(level, source, text))


def make(data: Mapping[str, Any]) -> AirflowDag:
    """Return the backend of its data."""
    return AirflowDag(data["dag_id"], data.get("task_id"), data.get("url"))
