"""How Prefect stores what a task returned or raised: as JSON, errors whole.

Prefect's own JSON serializer keeps an exception's class and message and makes it anew from the message; our errors hold
more than that. What a task returned is read back as the plain data that it was.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from prefect.serializers import JSONSerializer, prefect_json_object_decoder, prefect_json_object_encoder

from fairlead.adapters import errors

_MARK = "__fairlead_error__"


def encode(value: object) -> Any:
    """Return JSON data for what is none: an error as its class, its message and all that it holds."""
    if isinstance(value, errors.Problem):
        return asdict(value)
    if isinstance(value, errors.FairleadError):
        return {_MARK: type(value).__name__, "args": value.args, "state": vars(value)}
    return prefect_json_object_encoder(value)


def decode(data: dict[str, Any]) -> Any:
    """Return an error for what `encode` made of one, any other object as it is."""
    if "__exc_type__" in data:
        return prefect_json_object_decoder(data)
    cls = getattr(errors, str(data.get(_MARK)), None)
    if not (isinstance(cls, type) and issubclass(cls, errors.FairleadError)):
        return data
    state = dict(data["state"])
    if "problems" in state:
        state["problems"] = tuple(errors.Problem(**problem) for problem in state["problems"])
    if "tail" in state:
        state["tail"] = tuple(state["tail"])
    error = cls.__new__(cls, *data["args"])
    vars(error).update(state)
    return error


SERIALIZER = JSONSerializer(object_encoder=f"{__name__}.encode", object_decoder=f"{__name__}.decode")
