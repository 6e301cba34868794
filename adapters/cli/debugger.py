"""Stopping where an app fails: an isolation in this process that opens Python's debugger at the app's own line.

How it works: the call is wrapped in one that opens the debugger while the app's modules, its files and its frames are
still there. It stops in the innermost frame that is the app's own, however deep in a library the exception was raised;
``down`` leads there. A ``breakpoint()`` in the app works too, because the app has the terminal.

What it does not do: stop where no exception is raised. A crash that ends a process ends this one, too.
"""

from __future__ import annotations

import bdb
import contextlib
import dataclasses
import importlib
import os
import pdb  # noqa: T100 (that is what this module is for)
import traceback
from collections.abc import Mapping, Sequence
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from fairlead.adapters.errors import RunFailed
from fairlead.adapters.isolation.in_process import InProcess
from fairlead.adapters.isolation.process_tree import Guard

if TYPE_CHECKING:
    from fairlead.adapters.host import Host
    from fairlead.adapters.isolation.protocol import Call, Workspace


class Debugged:
    """Carries a call out in this thread, and opens the debugger if it raises."""

    name = "thread"

    def run(self, call: Call, host: Host) -> Any:
        """See `Isolation.run`. The working directory is the call's, as in a child process."""
        wrapped = dataclasses.replace(
            call,
            entry=f"{__name__}:carry_out",
            payload={"entry": call.entry, "payload": call.payload, "roots": call.roots},
        )
        guard = Guard(call.directory)  # the app may end this very process
        try:
            with contextlib.chdir(call.make_directory()):
                return InProcess().run(wrapped, host)
        finally:
            guard.dismiss()


def carry_out(payload: Mapping[str, Any], workspace: Workspace) -> Any:
    """Carry out the call in the payload; if it raises, open the debugger first."""
    module, _, function = payload["entry"].partition(":")
    try:
        return getattr(importlib.import_module(module), function)(payload["payload"], workspace)
    except (RunFailed, bdb.BdbQuit):
        raise  # it was stopped, by a signal or in the debugger
    except (Exception, SystemExit) as error:
        print("".join(traceback.format_exception_only(error)).rstrip())  # noqa: T201 (this is a terminal)
        debugger = _AppDebugger(payload["roots"])
        debugger.reset()
        debugger.interaction(None, error.__traceback__)
        raise


class _AppDebugger(pdb.Pdb):
    """Begins in the app's own code."""

    def __init__(self, roots: Sequence[str]) -> None:
        super().__init__()
        self._roots = tuple(os.path.realpath(root) + os.sep for root in roots)

    def get_stack(self, f: FrameType | None, t: TracebackType | None) -> tuple[list[tuple[FrameType, int]], int]:
        stack, index = super().get_stack(f, t)
        own = [number for number, (frame, _) in enumerate(stack) if self._is_own(frame.f_code.co_filename)]
        return stack, own[-1] if own else index

    def _is_own(self, file: str) -> bool:
        path = os.path.realpath(file)
        return any(path.startswith(root) and "site-packages" not in path.removeprefix(root) for root in self._roots)
