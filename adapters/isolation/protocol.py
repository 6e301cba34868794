"""What every isolation keeps: a call goes in as data, events come out as they happen, and a JSON value at the end.

The function that is called gets its payload and a `Workspace`, which is all that it may know of where it runs; the same
function works in every isolation. The module does not run anything.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fairlead.adapters.events import Event
    from fairlead.adapters.host import Host


@dataclass(frozen=True)
class Call:
    """One function call, as data that can cross into another process or machine."""

    entry: str
    """``package.module:function``, called as ``function(payload, workspace)``; its return value is JSON data."""
    payload: Mapping[str, Any]
    """JSON data."""
    directory: str
    """A folder that is this call's alone, and is there when something needs it: see `make_directory`."""
    roots: tuple[str, ...] = ()
    """Folders of source code that belong to this call; their modules are never shared with another call."""
    cache: str | None = None
    """Where results are kept, for work that this call has done in its turn; None for the default."""

    def make_directory(self) -> str:
        """Return the folder, which is made if it is not there: what writes nothing leaves nothing, whatever ends it."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.directory, 0o700)  # not what it is in: that is the user's to make
        return self.directory


class Workspace(Protocol):
    """Where a call finds itself."""

    @property
    def directory(self) -> str:
        """The folder that is this call's alone."""
        ...

    @property
    def cache(self) -> str | None:
        """Where results of work are kept that this call has done in its turn; None for the default."""
        ...

    def emit(self, event: Event) -> None:
        """Tell the host something, at once. Safe to call from any thread."""
        ...

    def load(self, module: str) -> ModuleType:
        """Import a module from the call's own source folders, or from what is installed."""
        ...


class Isolation(Protocol):
    """A place where a call can be carried out."""

    @property
    def name(self) -> str:
        """How users name it: ``process``, ``thread``."""
        ...

    def run(self, call: Call, host: Host) -> Any:
        """Carry a call out and return its value; nothing that it started runs on afterwards.

        Raises `AppRaised` for an exception of the call, another `RunFailed` if it ended any other way, and a contract
        error as it was raised.
        """
        ...
