"""ChildEmulator: stands for a child in tests and replays, with messages that were written down or recorded.

Messages of both of Octue's dialects are taken, also mixed. What it does not do: look at what it is asked.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from fairlead.adapters.twine.children import messages as dialects
from fairlead.adapters.twine.children.child import Child


class ChildEmulator(Child):
    """A child that sends the given messages to whoever asks, and ends with the first result or exception in them.

        child = ChildEmulator(messages=[{"type": "result", "output_values": [1, 2], "output_manifest": None}])
        child.ask([0])["output_values"]

    Log records go to the local loggers and monitor messages to ``handle_monitor_message``, as those of a real child;
    heartbeats and acknowledgements are passed over. Without a result, ``output_values`` and ``output_manifest`` are
    None. A log record needs no more than ``msg``.
    """

    def __init__(
        self,
        id: str | None = None,  # noqa: A002 (Octue's name)
        backend: Mapping[str, Any] | None = None,  # noqa: ARG002 (Octue's signature; nothing is reached)
        internal_service_name: str | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        events: Sequence[Mapping[str, Any]] | None = None,
        *,
        key: str | None = None,
        internal_sruid: str | None = None,
    ) -> None:
        """Take messages.

        Args:
            id: a UUID without one.
            backend: taken for the sake of the interface, not used.
            internal_service_name: how the asker is named in messages; ``<id>-parent`` without one.
            messages: what the child says, in order.
            events: the same by its newer name; then there must be at least one.
            key: see `Child`.
            internal_sruid: see `Child`.

        Raises:
            TypeError: a message is no dictionary.
            ValueError: a message has no known type, or ``events`` is empty.
        """
        said = emulated_messages({"messages": messages, "events": events})
        identifier = id or str(uuid.uuid4())
        super().__init__(
            identifier,
            {"name": "emulator", "messages": [_plain(message) for message in said]},
            internal_service_name,
            key=key,
            internal_sruid=internal_sruid,
        )
        self.messages = self.events = list(said)

    def ask(  # type: ignore[override]  # Octue's emulator takes its arguments in another order than its child
        self,
        input_values: Any = None,
        input_manifest: Any = None,
        subscribe_to_logs: bool = True,  # noqa: FBT001, FBT002 (Octue's signature)
        allow_local_files: bool = False,  # noqa: FBT001, FBT002
        handle_monitor_message: Callable[[Any], object] | None = None,
        record_messages_to: str | os.PathLike[str] | None = None,
        question_uuid: str | None = None,
        timeout: float | None = 86400,
        **others: Any,
    ) -> Any:
        """See `Child.ask`, whose other arguments are taken by name."""
        return super().ask(
            input_values,
            input_manifest,
            subscribe_to_logs,
            allow_local_files,
            handle_monitor_message,
            record_messages_to,
            question_uuid=question_uuid,
            timeout=timeout,
            **others,
        )

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Make an emulator of a JSON file.

        The file holds an object with any of ``id``, ``backend``, ``internal_service_name``, ``messages`` and
        ``events``; or a list of messages, as ``record_messages_to`` and diagnostics write it.
        """
        data = read_file(path)
        known = ("id", "backend", "internal_service_name", "internal_sruid", "messages", "events")
        return cls(**{name: data[name] for name in known if name in data})


def read_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a file of an emulator holds, by name."""
    import json

    from fairlead.adapters import storage
    from fairlead.adapters.twine.exceptions import FileNotFoundException, InvalidInputException

    location = os.fspath(path)
    try:
        data = json.loads(storage.read_bytes(location))
    except FileNotFoundError as error:
        msg = f"The file of the child emulator, {location}, is not there. Check the path."
        raise FileNotFoundException(msg) from error
    except ValueError as error:
        msg = f"The file of the child emulator, {location}, is not JSON: {error}. Correct it there."
        raise InvalidInputException(msg) from error
    if isinstance(data, list):
        return {"messages": data}
    if isinstance(data, dict):
        return data
    msg = f"The file of the child emulator, {location}, holds neither an object nor a list of messages."
    raise InvalidInputException(msg)


def emulated_messages(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what an emulator says, from its ``messages`` and ``events``, checked for their form."""
    if data.get("events") is not None and not data["events"]:
        msg = f"A non-zero number of events must be provided to the child emulator - received {data['events']}."
        raise ValueError(msg)
    said = [*(data.get("messages") or ()), *(data.get("events") or ())]
    dialects.check_form(said)
    return said


def _plain(message: Mapping[str, Any]) -> Any:
    from fairlead.adapters.errors import InputInvalid
    from fairlead.adapters.twine.encoding import to_json

    # A manifest is taken with all that it knows, as an answer's must be.
    known = {name: part.to_description() if hasattr(part, "to_description") else part for name, part in message.items()}
    return to_json(known, "messages", error=InputInvalid)
