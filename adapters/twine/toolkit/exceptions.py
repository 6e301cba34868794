"""Exceptions as names and as data, and Octue's exception names that nothing here raises.

Code that catches one of those can be imported, and its ``except`` waits in vain. The names that do occur are in
``fairlead.adapters.twine.exceptions``.
"""

import sys

from fairlead.adapters.twine.exceptions import InvalidInputException, OctueSDKException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class FileLocationError(Exception):
    """A file is where an operation cannot use it."""


class FolderNotFoundException(InvalidInputException):
    """A folder is not there."""


class ManifestNotFoundException(InvalidInputException):
    """A manifest is not there."""


class InvalidManifestException(InvalidInputException):
    """A manifest is not of the documented form."""


class InvalidManifestTypeException(InvalidManifestException):
    """A manifest is of an unknown kind."""


class InvalidOctueFileTypeException(OctueSDKException):
    """A file is of an unknown kind."""


class InvalidFilePointerException(OctueSDKException):
    """Something that is no file was given for one."""


class NotImplementedYetException(OctueSDKException):
    """Something was planned."""


class AttributeConflict(OctueSDKException):
    """Two values for one attribute exclude each other."""


class MissingServiceID(OctueSDKException):
    """A service has no id."""


class InvalidServiceID(OctueSDKException):
    """A service's id is not of the documented form."""


class NotAPullSubscription(OctueSDKException):
    """A subscription of Google Pub/Sub cannot be pulled."""


class PushSubscriptionCannotBePulled(OctueSDKException):
    """A subscription of Google Pub/Sub cannot be pulled; the older name."""


def create_exceptions_mapping(*sources: "Mapping[str, object]") -> "dict[str, type[BaseException]]":
    """Return the exceptions among some names, such as ``vars(module)``; of equal names, the last counts."""
    return {
        name: value
        for source in sources
        for name, value in source.items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }


def convert_exception_to_primitives(exception: BaseException | None = None) -> "dict[str, Any]":
    """Return an exception as JSON data, ``type``, ``message`` and ``traceback``; by default the one being handled."""
    import traceback

    exception = exception or sys.exception()
    if exception is None:
        msg = "No exception is being handled: give one, or call this in an 'except' block."
        raise ValueError(msg)
    lines = traceback.format_list(traceback.extract_tb(exception.__traceback__))
    return {"type": type(exception).__name__, "message": str(exception), "traceback": lines}
