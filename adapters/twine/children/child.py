"""Child: a service that an app asks questions, with Octue's interface, wherever the service runs.

How it works: a question goes to the child's backend, which says what the child says as it comes, and returns what it
answers or raises. All that is the same for every backend is here: records, logs, monitor messages, retries, many
questions at once. Only the standard library is imported at the start; a backend is loaded when it is asked.

What it does not do: decide whether an answer is found in a cache. A local app's is, as that of any unit (``perform``).
"""

import contextlib
import contextvars
import copy
import logging
import os
import signal
import threading

from fairlead.adapters.twine.children import messages
from fairlead.adapters.twine.children.answer import Answer, failed
from fairlead.adapters.twine.children.backends import check, make
from fairlead.adapters.twine.children.question import Question, new_uuid, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from contextlib import AbstractContextManager
    from typing import Any

    from fairlead.adapters.twine.children.backends.protocol import Backend

logger = logging.getLogger("fairlead.children")

_MOST_WORKERS = 32
_stop: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("stop", default=None)
"""What ends the questions that are asked together, if they are."""


class Child:
    """A service that can be asked questions.

    ``on_answered`` may be set to a function that is called after each attempt at a question, with the JSON data
    ``child`` (the key), ``question`` (what was asked, by name of argument) and ``messages`` (all that came back, in
    the newer of Octue's dialects, the last a result or an exception). ``while_waiting`` may be set to a function that
    takes the event which ends a question, and returns a context manager within which its answer is waited for.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 (Octue's name)
        backend: "Mapping[str, Any]",
        internal_service_name: str | None = None,
        *,
        key: str | None = None,
        internal_sruid: str | None = None,
        service_registries: "Iterable[Mapping[str, Any]] | None" = None,
    ) -> None:
        """Name a child; nothing is asked or contacted.

        Args:
            id: how the child is named in logs and errors.
            backend: where it is: ``name`` and what that kind of backend needs, see the reference of children.
            internal_service_name: how the asker is named in messages.
            key: its key in the twine; the ``id`` without one.
            internal_sruid: the newer name of ``internal_service_name``.
            service_registries: taken and kept, not used: no registry is asked where a child is.

        Raises:
            BackendNotFound: there is no backend of that name.
            InvalidInputException: the backend lacks something, or is given what it does not take.
        """
        check(backend, id)
        self.id = id
        self.key = key or id
        self.backend: dict[str, Any] = copy.deepcopy(dict(backend))
        self.internal_service_name = internal_service_name or internal_sruid or f"{id}-parent"
        self.service_registries = service_registries
        self.received_events: list[dict[str, Any]] | None = None
        """The messages that came back from the last question, newer dialect; None before the first."""
        self.on_answered: Callable[[dict[str, Any]], object] | None = None
        self.while_waiting: Callable[[threading.Event], AbstractContextManager[object]] | None = None

    def __repr__(self) -> str:
        """Show the id; a backend's data may be long."""
        return f"<{type(self).__name__}({self.id!r})>"

    def to_data(self) -> "dict[str, Any]":
        """Return the child as JSON data, of which `children_from_data` makes it again."""
        return {"key": self.key, "id": self.id, "backend": self.backend}

    def ask(
        self,
        input_values: "Any" = None,
        input_manifest: "Any" = None,
        subscribe_to_logs: bool = True,  # noqa: FBT001, FBT002 (Octue's signature)
        allow_local_files: bool = False,  # noqa: FBT001, FBT002
        handle_monitor_message: "Callable[[Any], object] | None" = None,
        record_messages_to: "str | os.PathLike[str] | None" = None,
        allow_save_diagnostics_data_on_crash: bool = True,  # noqa: FBT001, FBT002
        question_uuid: str | None = None,
        timeout: float | None = 86400,
        *,
        children: "Any" = None,
        record_events: bool = True,
        save_diagnostics: str | None = None,
        parent_question_uuid: str | None = None,
        originator_question_uuid: str | None = None,
        originator: str | None = None,
        push_endpoint: str | None = None,
        asynchronous: bool = False,
        retry_count: int = 0,
        cpus: int | None = None,
        memory: str | None = None,
        ephemeral_storage: str | None = None,
        raise_errors: bool = True,
        max_retries: int = 0,
        prevent_retries_when: "type[BaseException] | Iterable[type[BaseException]] | None" = None,
        log_errors: bool = True,
        maximum_heartbeat_interval: float | None = None,
    ) -> "Any":
        """Ask a question and wait for its answer.

        Args:
            input_values: JSON data that keeps the child's twine.
            input_manifest: a `Manifest`, its data, its JSON text or the path of its file.
            subscribe_to_logs: pass the child's log records to the loggers of this process, marked with its id.
            allow_local_files: let a child that may be on another machine be sent paths of this one.
            handle_monitor_message: called with each monitor message as it comes. What it raises ends the question.
            record_messages_to: path or URL of a JSON file for all messages that came back, in the older dialect.
            allow_save_diagnostics_data_on_crash: kept in the record of the question, as ``save_diagnostics``.
            question_uuid: names the question; asked again under the same one, a remote child joins the run that is
                going on instead of starting another.
            timeout: seconds until the question is given up and stopped; None for no limit. Each retry has as many.
            children: children for the child to use instead of those it is configured with (local apps only), in any
                form that `plain_children` takes.
            record_events: keep the messages in ``received_events``.
            save_diagnostics: kept in the record of the question.
            parent_question_uuid: kept in the messages' attributes.
            originator_question_uuid: likewise.
            originator: likewise.
            push_endpoint: refused; there is no push.
            asynchronous: do not wait; returns ``(None, question_uuid)``.
            retry_count: how often this question was asked before.
            cpus: taken, not used: what a child may use is set where it runs.
            memory: likewise.
            ephemeral_storage: likewise.
            raise_errors: raise what the child raises; otherwise it is returned in the answer's place.
            max_retries: how often to ask again after a failure that asking again may mend.
            prevent_retries_when: a class of exceptions, or several, after which it is not asked again.
            log_errors: log an exception that is returned instead of raised.
            maximum_heartbeat_interval: taken, not used: backends watch their runs themselves.

        Returns:
            An `Answer`, both a dict with ``output_values`` and ``output_manifest`` and a pair of that and the UUID.

        Raises:
            TimeoutError: the time is up; what the question had started was stopped.
            InputInvalid: the inputs break the child's twine.
            InvalidInputException: an argument cannot be used, or the manifest has local files that were not allowed.
            ServiceNotFound: the backend does not know the child.
            QuestionNotDelivered: the backend could not be reached, or refused the question.
            Exception: what the child raised, of the class of that name.
        """
        del cpus, memory, ephemeral_storage, maximum_heartbeat_interval
        if push_endpoint is not None:
            raise _invalid(self.id, "'push_endpoint'", "cannot be used: nothing pushes answers", "Wait for the answer.")
        identifier = str(question_uuid or new_uuid())
        prevented = self._classes(prevent_retries_when)
        if isinstance(timeout, bool | str):
            raise _invalid(self.id, "'timeout'", f"is {timeout!r}", "Give a number of seconds, or None for no limit.")
        stop = _stop.get() or threading.Event()
        policy = "SAVE_DIAGNOSTICS_ON_CRASH" if allow_save_diagnostics_data_on_crash else "SAVE_DIAGNOSTICS_OFF"
        retry = 0
        while True:
            try:
                backend = make(self.backend, self.id)
                asked = {
                    "id": self.id,
                    "input_values": _plain_values(input_values),
                    "input_manifest": self._plain_manifest(input_manifest, backend, allowed=allow_local_files),
                    "children": _plain_children(children),
                    "subscribe_to_logs": subscribe_to_logs,
                    "allow_local_files": allow_local_files,
                    "save_diagnostics": save_diagnostics or policy,
                    "question_uuid": identifier,
                    "parent_question_uuid": parent_question_uuid,
                    "originator_question_uuid": originator_question_uuid,
                    "originator": originator,
                    "timeout": timeout,
                }
                question = Question(
                    self.id,
                    asked,
                    retry_count=retry_count + retry,
                    asker=self.internal_service_name,
                    handle_monitor_message=handle_monitor_message,
                    stop=stop,
                )
                if asynchronous:
                    backend.send(question)
                    return None, identifier
                return self._follow(question, backend, record_messages_to, keep=record_events)
            except Exception as error:
                may_mend = not (stop.is_set() or isinstance(error, prevented)) and _may_mend(error)
                if retry < max_retries and may_mend:
                    retry += 1
                    logger.warning(
                        "Child '%s' is asked again, %d of %d times, after %s: %s",
                        self.id,
                        retry,
                        max_retries,
                        type(error).__name__,
                        str(error).partition("\n")[0],
                    )
                    continue
                if raise_errors:
                    raise
                if log_errors:
                    logger.error("Question %s to child '%s' failed.", identifier, self.id, exc_info=error)  # noqa: TRY400 (it is logged on demand)
                return failed(error, identifier)

    def ask_multiple(
        self,
        *questions: "Mapping[str, Any]",
        raise_errors: bool = True,
        max_retries: int = 0,
        prevent_retries_when: "type[BaseException] | Iterable[type[BaseException]] | None" = None,
        max_workers: int | None = None,
        log_errors: bool = True,
    ) -> "list[Any]":
        """Ask several questions at the same time, and return the answers in the order of asking.

        No question is lost for another's failure: all are asked to their end in any case.

        Args:
            questions: arguments of `ask` by name; they win over those here.
            raise_errors: raise the first exception in the order of asking. Its attribute ``answers`` has all answers,
                with exceptions in the places of those that failed. If False, that list is returned.
            max_retries: see `ask`; for each question.
            prevent_retries_when: see `ask`.
            max_workers: how many are asked at a time; without a number, 4 more than there are processors, at most 32.
            log_errors: see `ask`.

        Raises:
            InvalidInputException: an argument is none of `ask`'s; then nothing is asked.
            Exception: see ``raise_errors``.
        """
        from concurrent.futures import ThreadPoolExecutor

        for number, question in enumerate(questions, 1):
            self._check_arguments(number, question)
        policy = {
            "max_retries": max_retries,
            "prevent_retries_when": self._classes(prevent_retries_when),
            "log_errors": log_errors,
            "raise_errors": raise_errors,
        }
        stop = _stop.get() or threading.Event()
        token = _stop.set(stop)
        workers = max(1, min(max_workers or _MOST_WORKERS, len(questions), max_workers or (os.cpu_count() or 1) + 4))
        try:
            with _ended_by_signals(), ThreadPoolExecutor(workers, thread_name_prefix=f"child {self.id}") as pool:
                asked = [
                    pool.submit(contextvars.copy_context().run, self._ask_given, {**policy, **question})
                    for question in questions
                ]
                try:
                    errors = [future.exception() for future in asked]
                except BaseException:
                    stop.set()
                    pool.shutdown(cancel_futures=True)
                    raise
        finally:
            _stop.reset(token)
        answers = [future.result() if error is None else error for error, future in zip(errors, asked, strict=True)]
        first = next((error for error in errors if error is not None), None)
        if first is not None:
            if len(answers) > 1:
                count = sum(error is not None for error in errors)
                first.add_note(
                    f"{count} of {len(answers)} questions failed; the exception's 'answers' has what came of each."
                )
            first.answers = answers  # type: ignore[attr-defined]
            raise first
        return answers

    def _check_arguments(self, number: int, question: "Any") -> None:
        """Raise `InvalidInputException` unless a question of several is arguments of `ask` by name."""
        code = Child.ask.__code__
        known = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
        if not hasattr(question, "keys"):
            remedy = 'Give arguments of ask by name: {"input_values": ...}.'
            raise _invalid(self.id, f"question {number}", f"is a {type(question).__name__}", remedy)
        for name in question.keys() - {*known}:
            from fairlead.adapters.schemas import did_you_mean

            found = f"has '{name}', which is no argument of ask"
            raise _invalid(self.id, f"question {number}", found, did_you_mean(str(name), known))

    def _classes(self, given: "Any") -> "tuple[type[BaseException], ...]":
        """Return the classes in ``prevent_retries_when``."""
        if given is None:
            return ()
        classes = tuple(given) if hasattr(given, "__iter__") else (given,)
        if not all(isinstance(cls, type) and issubclass(cls, BaseException) for cls in classes):
            remedy = "Give classes of exceptions: [ValueError]."
            raise _invalid(self.id, "'prevent_retries_when'", f"is {given!r}", remedy)
        return classes

    def _ask_given(self, arguments: "Mapping[str, Any]") -> "Any":
        return self.ask(**arguments)

    def _follow(
        self, question: Question, backend: "Backend", record: "str | os.PathLike[str] | None", *, keep: bool
    ) -> Answer:
        """Ask once and keep what came back, however it ends."""
        try:
            waiting = self.while_waiting(question.stop) if self.while_waiting else contextlib.nullcontext()
            with _ended_by_signals(), waiting:
                outputs = backend.ask(question)
            answer = _answer(outputs, question)
        except BaseException as error:
            question.note(messages.exception(error))
            try:
                self._keep(question, record, keep=keep)
            except Exception:  # what the child raised counts
                logger.exception("What child '%s' said cannot be kept.", self.id)
            raise
        question.note({"kind": "result", **outputs})
        self._keep(question, record, keep=keep)
        return answer

    def _keep(self, question: Question, record: "str | os.PathLike[str] | None", *, keep: bool) -> None:
        """Leave what was asked and said wherever somebody wants it."""
        if keep:
            self.received_events = question.events
        if record is not None:
            write_record(os.fspath(record), question.events)
        if self.on_answered is not None:
            self.on_answered({"child": self.key, "question": question.asked, "messages": question.events})

    def _plain_manifest(self, manifest: "Any", backend: "Backend", *, allowed: bool) -> "Any":
        """Return a manifest as JSON data with absolute paths, if the child can be expected to see what is there."""
        if manifest is None:
            return None
        from fairlead.adapters.twine.children.manifest import absolute_manifest

        data, local = absolute_manifest(manifest)
        if local and not (allowed or backend.sees_local_files):
            more = f" and {len(local) - 1} more" if len(local) > 1 else ""
            found = f"has what is on this machine alone: {local[0]}{more}"
            remedy = "Put the datasets into a store that both can read, or say allow_local_files=True if it sees them."
            raise _invalid(self.id, "'input_manifest'", found, remedy)
        return data


def _plain_values(values: "Any") -> "Any":
    if values is None:
        return None
    from fairlead.adapters.errors import InputInvalid
    from fairlead.adapters.twine.encoding import to_json

    return to_json(values, "input_values", error=InputInvalid)


def _plain_children(children: "Any") -> "list[dict[str, Any]] | None":
    if children is None:
        return None
    from fairlead.adapters.twine.children.strand import plain_children

    return plain_children(children)


def _answer(outputs: "Mapping[str, Any]", question: Question) -> Answer:
    manifest = outputs.get("output_manifest")
    if manifest is not None:
        from fairlead.adapters.twine.exceptions import InvalidInputException
        from fairlead.adapters.twine.resources import Manifest
        from fairlead.adapters.twine.sources import datasets_by_key

        described = datasets_by_key(manifest)
        datasets = described.get("datasets") if isinstance(described, dict) else None
        if not isinstance(datasets, dict):
            raise _no_manifest(question.child, "is no object with 'datasets' by key")
        try:
            known = all(_is_described(dataset) for dataset in datasets.values())
            manifest = Manifest.from_description(described) if known else Manifest(**described)
        except (AttributeError, InvalidInputException, KeyError, TypeError) as error:
            raise _no_manifest(question.child, f"cannot be read: {type(error).__name__}: {error}") from error
    return Answer(outputs.get("output_values"), manifest, question.uuid)


def _no_manifest(child: str, found: str) -> Exception:
    from fairlead.adapters.errors import OutputInvalid, Problem

    remedy = 'Let the child answer {"datasets": {"name": {"path": "..."}}}.'
    return OutputInvalid(Problem(f"child '{child}', output_manifest", found, "a manifest", remedy))


def _is_described(dataset: "Any") -> bool:
    """Tell whether a dataset's files are described, so that nobody has to look into its store."""
    files = dataset.get("files") if isinstance(dataset, dict) else None
    return isinstance(files, list) and all(isinstance(file, dict) and file.get("path") for file in files)


def _may_mend(error: Exception) -> bool:
    """Tell whether the same question may have another end: not if something written down was not kept."""
    from fairlead.adapters.twine import exceptions

    final = exceptions.InvalidInputException | exceptions.BackendNotFound | exceptions.ServiceNotFound
    return (
        bool(getattr(error, "retryable", True))
        and not isinstance(error, final)
        and not type(error).__module__.endswith("twined.exceptions")
    )


def _invalid(child: str, what: str, found: str, remedy: str) -> Exception:
    from fairlead.adapters.twine.exceptions import InvalidInputException

    return InvalidInputException(f"Child '{child}': {what} {found}. {remedy}")


@contextlib.contextmanager
def _ended_by_signals() -> "Generator[None]":
    """Let SIGTERM raise SystemExit while a question is asked, so that what runs elsewhere is stopped, too.

    Where somebody else listens for it, or in another thread than the main one, nothing changes.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
