"""What comes back from a child, readable in both of Octue's conventions.

Until 0.53 a question was answered with a dict, from 0.54 on with that dict and the question's UUID. An `Answer` is
both, and so is an exception that takes an answer's place (`failed`). The module does not ask anything.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Answer(dict):  # type: ignore[type-arg]  # subscripting would need typing when the module is loaded
    """``output_values`` and ``output_manifest``, by name; also ``answer, question_uuid = child.ask(...)``.

    It equals the plain dict and is written as JSON like it. ``answer[0]`` is the answer itself, ``answer[1]`` the UUID.
    Only going through it differs from a dict: that gives the two parts, so use ``keys()`` for the names.
    """

    def __init__(self, output_values: "Any", output_manifest: "Any", question_uuid: str) -> None:
        super().__init__(output_values=output_values, output_manifest=output_manifest)
        self.question_uuid = question_uuid

    def __getitem__(self, key: "str | int") -> "Any":
        if isinstance(key, int):
            return (self, self.question_uuid)[key]
        return super().__getitem__(key)

    def __iter__(self) -> "Iterator[Any]":
        return iter((self, self.question_uuid))

    def __reduce__(self) -> "tuple[Any, ...]":
        return Answer, (self["output_values"], self["output_manifest"], self.question_uuid)


class _AlsoPair:
    """What an exception gets to be taken apart like an answer."""

    question_uuid: str

    def __iter__(self) -> "Iterator[Any]":
        return iter((self, self.question_uuid))

    def __getitem__(self, index: int) -> "Any":
        return (self, self.question_uuid)[index]


def failed(error: Exception, question_uuid: str) -> Exception:
    """Return an exception like ``error``, of a class below its class, that can be taken apart like an answer."""
    cls = type(error)
    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "question_uuid": question_uuid}
    both = type(cls.__name__, (_AlsoPair, cls), names)
    copy: Exception = both.__new__(both, *error.args)
    copy.args = error.args
    copy.__dict__.update(error.__dict__)
    return copy.with_traceback(error.__traceback__)
