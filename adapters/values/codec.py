"""What a codec is: it says in simpler values what a value is, and makes the value of them again.

Simpler values are JSON data, a `Blob`, or anything that another codec takes, so a codec says only what is its own.
A codec may have ``identity(value)`` besides, which returns what of a value counts in a fingerprint; without it, that is
what ``pack`` returns. The module holds no codec.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class Codec(Protocol):
    """Takes values of certain types, and of no subclasses of them."""

    @property
    def name(self) -> str:
        """What is written beside packed values, e.g. ``acme.turbine``; it must never change its meaning."""
        ...

    @property
    def types(self) -> Sequence[type | str]:
        """The types, or their names as ``module:Qualname``, so that nothing is imported for them."""
        ...

    def pack(self, value: Any, /) -> Any:
        """Return simpler values that say all of a value; raises `Unfit` for one that cannot travel."""
        ...

    def unpack(self, parts: Any, /) -> Any:
        """Return the value, of what `pack` has returned; a `Blob` has become its bytes."""
        ...


class Family(Protocol):
    """Takes values of all classes of a kind; the class travels by its name, and must be found again by import."""

    @property
    def name(self) -> str:
        """What is written beside packed values."""
        ...

    def takes(self, kind: type, /) -> bool:
        """Tell whether a class is of the kind."""
        ...

    def pack(self, value: Any, /) -> Any:
        """Return simpler values that say all of a value but its class."""
        ...

    def unpack(self, parts: Any, kind: type, /) -> Any:
        """Return the value, of what `pack` has returned and its class, without calling that."""
        ...


@dataclass(frozen=True)
class Blob:
    """Bytes, or the content of a local file, that travel beside the JSON data unless they are few.

    ``suffix`` tells people what is in the blob, e.g. ``npy``: lower-case letters and digits.
    """

    data: bytes | Path
    suffix: str = "bin"


class Unfit(Exception):  # it becomes a NotPortable or a NotFingerprintable
    """A value cannot be packed, or has no identity; raised by codecs, and told with the path to the value.

    ``found`` and ``expected`` are parts of a sentence, ``remedy`` is a whole one, as in `Problem`.
    """

    def __init__(self, found: str, expected: str = "", remedy: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.expected = expected
        self.remedy = remedy
        self.steps: list[str] = []
        """The way to the value, the last step first."""


@dataclass(frozen=True)
class Plain:
    """A codec that is two functions, and a third where identity is something else than content."""

    name: str
    types: tuple[type | str, ...]
    pack: Callable[[Any], Any]
    unpack: Callable[[Any], Any]
    identity: Callable[[Any], Any]

    @classmethod
    def of(
        cls,
        name: str,
        types: tuple[type | str, ...] | type | str,
        pack: Callable[[Any], Any],
        unpack: Callable[[Any], Any],
        identity: Callable[[Any], Any] | None = None,
    ) -> Plain:
        """Make a codec of one type or several."""
        return cls(name, types if isinstance(types, tuple) else (types,), pack, unpack, identity or pack)


def full_name(kind: type) -> str:
    """Return a class's name as ``module:Qualname``."""
    return f"{kind.__module__}:{kind.__qualname__}"
