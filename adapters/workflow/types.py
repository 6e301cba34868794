"""What annotations and results of tasks can say that Python's own types cannot: a parameter, and a result not made.

The module holds no behaviour: who reads parameters is ``task``, who leaves out what is skipped is ``wiring``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


class Parameter:
    """The annotation of an input that comes from the configuration: ``multiplier: Parameter(int)``."""

    def __init__(self, type: Any = Any) -> None:  # noqa: A002 (the name that users write)
        """Take the type that the parameter's value must have."""
        self.type = type

    def __repr__(self) -> str:
        """Show it as it is written."""
        return f"Parameter({getattr(self.type, '__name__', self.type)})"

    def __eq__(self, other: object) -> bool:
        """Two are equal if their types are."""
        return isinstance(other, Parameter) and self.type == other.type

    def __hash__(self) -> int:
        """Return the hash of the type."""
        return hash((Parameter, self.type))

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Never called; `typing.get_type_hints` and unions ask only whether it could be."""
        msg = f"{self!r} is an annotation"
        raise TypeError(msg)


@dataclass(frozen=True)
class Skipped:
    """What stands for the output of a block that did not run, because a branch was not taken."""

    def __bool__(self) -> bool:
        """Nothing is there."""
        return False


class _NoDefault:
    """The type of `NO_DEFAULT`."""

    def __repr__(self) -> str:
        return "no default"

    def __reduce__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT: Final = _NoDefault()
"""What stands for the default of a target that has none."""
