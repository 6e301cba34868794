"""What children say, in both of Octue's dialects: ``type`` messages (0.38) and events with attributes (from 0.51).

In between there is one form, the *contents* of an event: ``{"kind": "result", "output_values": …}``. `contents` reads
either dialect, `as_event` and `as_message` write one each. The kinds, with what they hold:

    delivery_acknowledgement
    heartbeat
    log_record        log_record: the fields of a record of Python's logging
    monitor_message   data: JSON data (in the older dialect JSON text)
    exception         exception_type, exception_message, exception_traceback (a list of texts, may be absent)
    result            output_values, output_manifest (in newer events either may be absent)

The module does not deliver anything: see ``child``.
"""

import datetime as dt
import json
import uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

KINDS = ("delivery_acknowledgement", "heartbeat", "monitor_message", "log_record", "exception", "result")
_QUESTION = "question"
"""Newer records begin with the question itself."""


def check_form(messages: "Iterable[Any]") -> None:
    """See that each message is one of either dialect, without looking at what it holds.

    Raises TypeError for one that is no dictionary, ValueError for one of no known type.
    """
    for message in messages:
        if not isinstance(message, dict):
            msg = f"Each message must be a dictionary. Found {message!r}."
            raise TypeError(msg)
        inner = message.get("event", message)
        if not isinstance(inner, dict):
            msg = f"Each event must be a dictionary. Found {inner!r}."
            raise TypeError(msg)
        kind = inner.get("kind", message.get("type"))
        if kind not in {*KINDS, _QUESTION}:
            known = ", ".join(KINDS)
            msg = (
                f"Each message must have a 'type', or an 'event' with a 'kind', that is one of {known}. Found {kind!r}."
            )
            raise ValueError(msg)


def contents(message: "Mapping[str, Any]") -> "dict[str, Any]":
    """Return the contents of a message of either dialect; raises ValueError if they are not what its kind holds."""
    is_event = "event" in message
    found = dict(message["event"] if is_event else message)
    kind = found["kind"] = found.pop("type", None) or found["kind"]
    if kind == "log_record" and not isinstance(found.get("log_record"), dict):
        msg = "Log record messages must include a 'log_record' key."
        raise ValueError(msg)
    if kind == "monitor_message":
        if "data" not in found:
            msg = "Monitor messages must include a 'data' key."
            raise ValueError(msg)
        if not is_event and "type" in message and isinstance(found["data"], str):
            found["data"] = _from_json(found["data"])
    if kind == "exception" and not {"exception_type", "exception_message"} <= found.keys():
        msg = (
            "The exception must be given as a dictionary containing the keys 'exception_type' and 'exception_message'."
        )
        raise ValueError(msg)
    if kind == "result":
        if not is_event and "type" in message and not {"output_values", "output_manifest"} <= found.keys():
            msg = "Result messages must be dictionaries containing the keys 'output_values' and 'output_manifest'."
            raise ValueError(msg)
        found = {"output_values": None, "output_manifest": None} | found
        if isinstance(found["output_manifest"], str):
            found["output_manifest"] = json.loads(found["output_manifest"])
    return found


def _from_json(text: str) -> "Any":
    try:
        return json.loads(text)
    except ValueError as error:
        msg = f"The data of a monitor message of the older form must be JSON text. Found {text!r}."
        raise ValueError(msg) from error


def as_event(found: "Mapping[str, Any]", attributes: "Mapping[str, Any]") -> "dict[str, Any]":
    """Return contents as a message of the newer dialect, with its own UUID and time."""
    own = {"uuid": str(uuid.uuid4()), "datetime": dt.datetime.now(dt.UTC).isoformat()}
    return {"event": dict(found), "attributes": {**attributes, **own}}


def as_message(found: "Mapping[str, Any]") -> "dict[str, Any]":
    """Return contents as a message of the older dialect."""
    message = {"type": found["kind"], **{name: value for name, value in found.items() if name != "kind"}}
    if found["kind"] == "monitor_message":
        message["data"] = json.dumps(found["data"])
    return message


def attributes_of(child: str, asker: str, question: "Mapping[str, Any]", retry_count: int) -> "dict[str, Any]":
    """Return the attributes that all messages in response to a question share."""
    identifier = question["question_uuid"]
    return {
        "sender": child,
        "recipient": asker,
        "sender_type": "CHILD",
        "sender_sdk_version": "0.69.1",  # whose form of messages this is
        "question_uuid": identifier,
        "parent_question_uuid": question["parent_question_uuid"],
        "originator_question_uuid": question["originator_question_uuid"] or identifier,
        "parent": asker,
        "originator": question["originator"] or asker,
        "retry_count": retry_count,
    }


def log_record(level: int, name: str, text: str) -> "dict[str, Any]":
    """Make the contents of a log record."""
    import logging

    record = {"name": name, "levelno": level, "levelname": logging.getLevelName(level), "msg": text}
    return {"kind": "log_record", "log_record": record}


def monitor_message(data: "Any") -> "dict[str, Any]":
    """Make the contents of a monitor message."""
    return {"kind": "monitor_message", "data": data}


def exception(error: BaseException) -> "dict[str, Any]":
    """Make the contents that tell of an exception: its own words, and the traceback from where it was raised."""
    from fairlead.adapters.events import message_of
    from fairlead.adapters.twine.children.failures import captured

    text, lines = captured(error) or (message_of(error), [])
    return {
        "kind": "exception",
        "exception_type": type(error).__name__,
        "exception_message": text,
        "exception_traceback": lines,
    }
