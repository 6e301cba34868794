"""What a run says while it runs: newline-delimited JSON, versioned, one event a line.

An event is a plain dict with ``fairlead`` (the version of this format), ``kind`` and ``time`` (seconds since the
epoch), and the fields of its kind, typed below. A program that cannot import this module writes the same lines with any
JSON encoder; a reader ignores kinds and fields that it does not know, so that old hosts can follow new runs.

Only the standard library is used, and as little of it as can be, because every child process imports this first. The
module does not move events anywhere: see ``isolation`` for that, and ``host`` for who receives them.
"""

from __future__ import annotations

import json
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import LogRecord
    from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

    class LogEvent(TypedDict):
        """A record of Python's logging, level and logger name kept."""

        fairlead: int
        time: float
        kind: Literal["log"]
        level: int
        logger: str
        message: str
        traceback: NotRequired[str]

    class OutputEvent(TypedDict):
        """A line that the run printed, without its line ending."""

        fairlead: int
        time: float
        kind: Literal["output"]
        stream: Literal["stdout", "stderr"]
        line: str

    class MonitorEvent(TypedDict):
        """A monitor message, valid by the contract of the app that sent it."""

        fairlead: int
        time: float
        kind: Literal["monitor"]
        data: Any

    class ProgressEvent(TypedDict):
        """How much is done, from 0 to 1."""

        fairlead: int
        time: float
        kind: Literal["progress"]
        fraction: float
        text: str

    class QuestionEvent(TypedDict):
        """A question that a twine app has put to one of its children, and all that came back."""

        fairlead: int
        time: float
        kind: Literal["question"]
        child: str
        question: dict[str, Any]
        messages: list[dict[str, Any]]

    class HeartbeatEvent(TypedDict):
        """The run is alive and has nothing else to say."""

        fairlead: int
        time: float
        kind: Literal["heartbeat"]

    class ReturnedEvent(TypedDict):
        """The last event of a run that worked: the JSON value that it returned. Consumed by the isolation."""

        fairlead: int
        time: float
        kind: Literal["returned"]
        value: Any

    class RaisedEvent(TypedDict):
        """The last event of a run that raised. Consumed by the isolation."""

        fairlead: int
        time: float
        kind: Literal["raised"]
        exception: str
        message: str
        traceback: str
        problems: NotRequired[list[dict[str, str]]]

    Event: TypeAlias = (
        LogEvent
        | OutputEvent
        | MonitorEvent
        | ProgressEvent
        | QuestionEvent
        | HeartbeatEvent
        | ReturnedEvent
        | RaisedEvent
    )

VERSION = 1
_FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "log": {"level": int, "logger": str, "message": str},
    "output": {"stream": str, "line": str},
    "monitor": {"data": object},
    "progress": {"fraction": (int, float), "text": str},
    "question": {"child": str, "question": dict, "messages": list},
    "returned": {"value": object},
    "raised": {"exception": str, "message": str, "traceback": str},
}


def log_record(level: int, logger: str, message: str, traceback: str | None = None) -> LogEvent:
    """Make the event of a log record; ``level`` is a number of Python's logging."""
    event: LogEvent = {
        "fairlead": VERSION,
        "kind": "log",
        "time": time.time(),
        "level": level,
        "logger": logger,
        "message": message,
    }
    if traceback is not None:
        event["traceback"] = traceback
    return event


def of_record(record: LogRecord) -> LogEvent:
    """Make the event of a record of Python's logging."""
    text = None
    if record.exc_info:
        import traceback

        text = "".join(traceback.format_exception(*record.exc_info))
    return log_record(record.levelno, record.name, record.getMessage(), text)


def output(stream: Literal["stdout", "stderr"], line: str) -> OutputEvent:
    """Make the event of a printed line."""
    return {"fairlead": VERSION, "kind": "output", "time": time.time(), "stream": stream, "line": line}


def monitor(data: Any) -> MonitorEvent:
    """Make the event of a monitor message, any JSON data."""
    return {"fairlead": VERSION, "kind": "monitor", "time": time.time(), "data": data}


def progress(fraction: float, text: str = "") -> ProgressEvent:
    """Make the event of a step forward; a ``fraction`` outside 0 to 1 is moved to the nearer end."""
    return {
        "fairlead": VERSION,
        "kind": "progress",
        "time": time.time(),
        "fraction": min(max(0.0, fraction), 1.0),  # in this order, NaN is 0
        "text": text,
    }


def question(child: str, asked: dict[str, Any], messages: list[dict[str, Any]]) -> QuestionEvent:
    """Make the event of a question: the child's key, what it was ``asked`` by name of argument, and its messages.

    Messages are in the newer of Octue's forms (see ``twine.children``), the last a result or an exception.
    """
    return {
        "fairlead": VERSION,
        "kind": "question",
        "time": time.time(),
        "child": child,
        "question": asked,
        "messages": messages,
    }


def heartbeat() -> HeartbeatEvent:
    """Make the event of a sign of life."""
    return {"fairlead": VERSION, "kind": "heartbeat", "time": time.time()}


def returned(value: Any) -> ReturnedEvent:
    """Make the event that ends a run with its return value, any JSON data."""
    return {"fairlead": VERSION, "kind": "returned", "time": time.time(), "value": value}


def raised(error: BaseException) -> RaisedEvent:
    """Make the event that ends a run with an exception; a contract error of ours takes its problems along."""
    event: RaisedEvent = {
        "fairlead": VERSION,
        "kind": "raised",
        "time": time.time(),
        "exception": qualified_name(type(error)),
        "message": message_of(error),
        "traceback": format_traceback(error),
    }
    problems: Any = getattr(error, "problems", None)
    if type(error).__module__ == "fairlead.adapters.errors" and problems is not None:
        event["problems"] = [vars(problem) for problem in problems]
    return event


def message_of(error: BaseException) -> str:
    """Return an exception's message, also if the exception fails to say it."""
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001 (an app's class may raise anything, and the first error counts)
        return f"(its message cannot be shown: {qualified_name(type(second))})"


def format_traceback(error: BaseException, *, notes: bool = True) -> str:
    """Return the traceback of an app's exception, from the app's first frame on, with its notes or without them."""
    import traceback

    frame = error.__traceback__
    while frame and frame.tb_next and frame.tb_frame.f_globals.get("__name__", "").startswith("fairlead.adapters"):
        frame = frame.tb_next
    shown = traceback.TracebackException(type(error), error, frame)
    if not notes:
        shown.__notes__ = None
    return "".join(shown.format())


def qualified_name(cls: type) -> str:
    """Return the name by which a traceback shows an exception class: with its module unless that is builtin."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def encode(event: Event) -> bytes:
    """Return the event as one line of UTF-8 JSON, line ending included."""
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Event:
    """Read one line; raises ValueError for what is not an event of this format, or lacks a field of its kind."""
    try:
        event = json.loads(line)
    except RecursionError as error:
        msg = "not an event: it is nested too deeply"
        raise ValueError(msg) from error
    kind = event.get("kind") if isinstance(event, dict) else None
    if not isinstance(event, dict) or not isinstance(event.get("fairlead"), int) or not isinstance(kind, str):
        msg = "not an event: an object with 'fairlead' (a version number) and 'kind' was expected"
        raise ValueError(msg)  # noqa: TRY004 (the line is wrong, not its type)
    for field, expected in _FIELDS.get(kind, {}).items():
        if field not in event or not isinstance(event[field], expected):
            msg = f"not an event of kind '{kind}': '{field}' is missing or of another type"
            raise ValueError(msg)
    return event  # type: ignore[return-value]  # kinds are matched by the reader, unknown ones ignored
