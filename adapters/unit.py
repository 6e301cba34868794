"""The one idea: whatever can be scheduled is a unit of work, with a name, a contract, an identity and a way to run.

A `Unit` is what a user schedules. Bound to inputs that keep its contract, it becomes `Work`: all that a run needs, as
data. Adapters make units; `perform` runs them and is the only one that does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fairlead.adapters.isolation.protocol import Call


@dataclass(frozen=True)
class Produced:
    """What a run has made: JSON data by name of the output, and files by name (a relative POSIX path)."""

    outputs: Mapping[str, Any]
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Description:
    """What a run was given, as ``diagnostics`` keeps it for whoever runs it again."""

    name: str
    """What the run is found by; a name that a folder can have."""
    documents: Mapping[str, Any]
    """JSON data by the name of its file."""
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Input files that are copied: location and digest by name, which ``documents`` use in their place."""
    source: Path | None = None
    """The folder of the source code."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Values that must not be kept, by what is put in their places."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else is needed to run it again, JSON data."""


class Work(Protocol):
    """A unit bound to inputs that keep its contract."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """All that the result depends on, as a document for `fingerprint`."""
        ...

    @property
    def secrets(self) -> Mapping[str, str]:
        """Values by name that nobody may read in what the run says; empty if there are none."""
        ...

    def call(self, directory: Path) -> Call:
        """Return the call that does the work, in a folder that is its alone and is made when something needs it."""
        ...

    def describe(self, call: Call, *, copied: bool) -> Description:
        """Say what a call was given; ``copied`` asks for input files to be copied and not only named."""
        ...

    def collect(self, value: Any, directory: Path) -> Produced:
        """Check what the call returned and left in its folder; raises `OutputInvalid`."""
        ...

    def is_unchanged(self) -> bool:
        """Tell whether what the identity was made of is still as it was; asked when the work is done."""
        ...

    def locate(self, outputs: Mapping[str, Any], files: str) -> dict[str, Any]:
        """Return the outputs with the names of produced files made into locations below the folder ``files``."""
        ...


@dataclass(frozen=True)
class Ports:
    """What a unit takes and gives, by name."""

    inputs: Mapping[str, bool]
    """Whether each must be given."""
    outputs: tuple[str, ...]


class Unit(Protocol):
    """Something that can be scheduled."""

    @property
    def kind(self) -> str:
        """What adapter it is of: ``twine``, ``task``, ``solver``."""
        ...

    @property
    def name(self) -> str:
        """How users name it."""
        ...

    def bind(self, inputs: Mapping[str, Any]) -> Work:
        """Check the inputs against the contract; raises `InputInvalid` with every problem found."""
        ...

    def describe(self, inputs: Mapping[str, Any]) -> Description:
        """Say as far as can be what was to be run, when `bind` has refused it."""
        ...
