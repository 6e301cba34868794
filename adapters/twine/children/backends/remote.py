"""A child that is run elsewhere and reached over HTTP: what is the same for every such API.

`Api` sends requests, patiently: a server that is silent or says that it is overloaded is asked again. `follow` asks a
`RemoteRun` to its end, and leaves no run behind that nobody waits for. The module knows no API: see ``prefect`` and
``airflow``.
"""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from fairlead.adapters.errors import Cancelled, InputInvalid
from fairlead.adapters.twine.children.failures import late
from fairlead.adapters.twine.encoding import to_json
from fairlead.adapters.twine.exceptions import InvalidInputException, QuestionNotDelivered

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from fairlead.adapters.twine.children.question import Question

logger = logging.getLogger("fairlead.children")

FIRST_CONTACT = 120.0
"""Seconds that a server may be silent before the question is known to have arrived."""
_REQUEST_LIMIT = 30.0
_CONNECT_LIMIT = 5.0
_SHORTEST_PAUSE, _LONGEST_PAUSE, _PAUSE_GROWTH = 0.2, 3.0, 1.3
_LONGEST_WORDS = 1000
_BUSY = {429, 500, 502, 503, 504}
_TIME_TO_STOP = 30.0
_TIME_TO_STOP_WHEN_INTERRUPTED = 2.0  # less than an isolation's grace


_is_ours = contextvars.ContextVar("is_ours", default=False)


def _is_somebody_elses(_record: logging.LogRecord) -> bool:
    """Pass over the line that httpx logs for every request of ours: one question makes hundreds of them."""
    return not _is_ours.get()


class Refused(QuestionNotDelivered):
    """The question cannot be answered there as it is; ``status`` is that of HTTP, if a server has said so."""

    retryable = False

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Requests to one server on behalf of one question. A context manager."""

    def __init__(self, address: str, question: Question, *, server: str, headers: Mapping[str, str]) -> None:
        """Send nothing yet.

        Args:
            address: what all paths are below.
            question: whose deadline holds, and whose end ends waiting.
            server: how users name the server, e.g. ``Prefect's API``.
            headers: sent with every request; they may hold credentials, and are never shown.
        """
        import httpx

        logging.getLogger("httpx").addFilter(_is_somebody_elses)  # once is enough, and adding it again does nothing
        self.address = address.rstrip("/")
        self.headers = dict(headers)
        self._client = httpx.Client(timeout=httpx.Timeout(_REQUEST_LIMIT, connect=_CONNECT_LIMIT))
        self._child, self._timeout, self._server = question.child, question.timeout, server
        self._deadline = question.deadline
        self._stop = question.stop
        self._is_known = False

    def __enter__(self) -> Self:
        """Return the API."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._client.close()

    def arrived(self) -> None:
        """From now on wait for a silent server as long as the question may take: the run goes on without it."""
        self._is_known = True

    def hurry(self, seconds: float) -> None:
        """Allow only so many seconds from now on for everything, and let nothing else interrupt it."""
        self._deadline, self._stop, self._is_known = time.monotonic() + seconds, threading.Event(), True

    def get(self, path: str, *, patient: bool = True, **parameters: Any) -> Any:
        """Return the JSON data at a path; raises `Refused`, also for a silent server if not ``patient``."""
        return self._data(self._ask("GET", path, parameters=parameters, patient=patient))

    def send(self, method: str, path: str, data: object, *, patient: bool = True) -> tuple[int, Any]:
        """Send JSON data, and return the status and the JSON data that came back; raises `Refused` as `get` does."""
        response = self._ask(method, path, data=data, patient=patient)
        return response.status_code, self._data(response) if response.content else None

    def _data(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            msg = (
                f"Child '{self._child}': what answers at {response.url} is not {self._server}: it does not say JSON, "
                f"but {_words(response)[:80]!r}. Check the address; that of Prefect's API ends in /api."
            )
            raise Refused(msg) from error

    def pause(self, seconds: float) -> None:
        """Wait a while; raises when nobody waits for the answer any more, or the time is up."""
        self._check()
        left = seconds if self._deadline is None else min(seconds, max(0.0, self._deadline - time.monotonic()))
        self._stop.wait(left)
        self._check()

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled(f"The question to child '{self._child}' was given up, and its run was stopped.")
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise late(self._child, self._timeout)

    @property
    def has_arrived(self) -> bool:
        """Tell whether the question is known to have arrived."""
        return self._is_known

    def _ask(
        self,
        method: str,
        path: str,
        *,
        data: object = None,
        parameters: Mapping[str, Any] | None = None,
        patient: bool,
    ) -> httpx.Response:
        import httpx

        silent_since: float | None = None
        pause = _SHORTEST_PAUSE
        while True:
            self._check()
            ours = _is_ours.set(True)
            try:
                response = self._client.request(
                    method,
                    f"{self.address}{path}",
                    params=parameters or None,
                    headers={**self.headers, "content-type": "application/json"},
                    content=None if data is None else json.dumps(data).encode(),
                    timeout=self._request_limit(),
                )
                if response.status_code not in _BUSY:
                    break
                reason = f"status {response.status_code}: {_words(response)}"
            except httpx.TransportError as error:
                reason = f"{type(error).__name__}: {error}"
            finally:
                _is_ours.reset(ours)
            if not patient:
                raise Refused(f"Child '{self._child}': {self._server} did not answer {method} {path} ({reason}).")
            now = time.monotonic()
            if silent_since is None:
                silent_since = now
                logger.warning(
                    "Child '%s': %s at %s does not answer (%s); it is asked again.",
                    self._child,
                    self._server,
                    self.address,
                    reason,
                )
            if not self._is_known and now - silent_since > FIRST_CONTACT:
                msg = (
                    f"Child '{self._child}': {self._server} at {self.address} did not answer for {FIRST_CONTACT:g} s "
                    f"({reason}). Check the address and whether the server runs."
                )
                raise QuestionNotDelivered(msg)
            self.pause(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
        if not response.is_success:
            msg = (
                f"Child '{self._child}': {self._server} refused {method} {self.address}{path} with status "
                f"{response.status_code}: {_words(response)}"
            )
            raise Refused(msg, response.status_code)
        return response

    def _request_limit(self) -> httpx.Timeout:
        import httpx

        left = _REQUEST_LIMIT
        if self._deadline is not None:
            left = max(0.05, min(left, self._deadline - time.monotonic()))
        return httpx.Timeout(left, connect=min(_CONNECT_LIMIT, left))


def _words(response: httpx.Response) -> str:
    text = response.text.strip()
    return text if len(text) <= _LONGEST_WORDS else f"{text[:_LONGEST_WORDS]} …"


class RemoteRun(Protocol):
    """One question as a run of an engine."""

    def submit(self) -> None:
        """Start a run, or join the one that this question has started already."""
        ...

    def has_ended(self) -> bool:
        """Look at the run and let the question hear what it has said since; returns whether it has ended."""
        ...

    def outputs(self) -> dict[str, Any]:
        """Return what an ended run has made; raises what went wrong."""
        ...

    def cancel(self) -> None:
        """Ask the engine to stop the run, if there is one."""
        ...

    def is_stopped(self) -> bool:
        """Tell whether a run that was cancelled has come to its end."""
        ...


def follow(run: RemoteRun, api: Api, question: Question) -> dict[str, Any]:
    """Ask, wait and return the outputs; whatever interrupts that, the run is stopped."""
    over = False
    try:
        run.submit()
        api.arrived()
        pause = _SHORTEST_PAUSE
        while not run.has_ended():
            api.pause(pause)
            pause = min(_LONGEST_PAUSE, pause * _PAUSE_GROWTH)
        over = True
        return run.outputs()
    except BaseException as error:
        if not over and (api.has_arrived or not isinstance(error, QuestionNotDelivered)):
            _stop(run, api, question, in_haste=not isinstance(error, Exception) or question.stop.is_set())
        raise


def _stop(run: RemoteRun, api: Api, question: Question, *, in_haste: bool) -> None:
    """Stop a run, and see that it has ended if there is time for that."""
    api.hurry(_TIME_TO_STOP_WHEN_INTERRUPTED if in_haste else _TIME_TO_STOP)
    try:
        run.cancel()
        while not in_haste and not run.is_stopped():
            api.pause(_SHORTEST_PAUSE)
    except (TimeoutError, QuestionNotDelivered) as error:
        logger.warning(
            "Child '%s': the run of question %s was to be stopped, and has not yet said that it was: %s",
            question.child,
            question.uuid,
            error,
        )


def travelling(question: Question) -> dict[str, Any]:
    """Return the strands of a question as an engine's parameters: those that are given, in strict JSON.

    Each is what it is: whoever hands on a value that may be a text gives it as JSON text to `TwineApp`.
    """
    if question.children is not None:
        msg = f"Child '{question.child}': 'children' can be given to local apps only. Configure them where it runs."
        raise InvalidInputException(msg)
    given = {"input_values": question.input_values, "input_manifest": question.input_manifest}
    return {
        name: to_json(value, name, finite=True, error=InputInvalid)
        for name, value in given.items()
        if value is not None
    }
