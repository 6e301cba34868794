"""Where a call is carried out: in this process, or in a child process that can be stopped with all it started.

One protocol, `Isolation`, with one implementation a module. Names are loaded when they are first used, because every
child process imports this package on its way to ``child``.
"""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from fairlead.adapters.isolation.child_process import ChildProcess as ChildProcess
    from fairlead.adapters.isolation.in_process import InProcess as InProcess
    from fairlead.adapters.isolation.protocol import Call as Call
    from fairlead.adapters.isolation.protocol import Isolation as Isolation
    from fairlead.adapters.isolation.protocol import Workspace as Workspace

__getattr__ = attributes(
    __name__,
    {
        "Call": "protocol",
        "ChildProcess": "child_process",
        "InProcess": "in_process",
        "Isolation": "protocol",
        "Workspace": "protocol",
    },
)
NAMES = ("process", "thread")
OUTPUT_LIMIT = 32 << 20
"""Bytes that an app may print and log, unless its user says otherwise."""
__all__ = ["Call", "ChildProcess", "InProcess", "Isolation", "Workspace", "named"]


def named(
    name: str,
    *,
    silence_limit: float | None = None,
    on_silence: "Literal['report', 'stop']" = "report",
    output_limit: int | None = OUTPUT_LIMIT,
) -> "Isolation":
    """Return the isolation that users call ``process`` or ``thread``; the limits are those of `ChildProcess`.

    Raises `InputInvalid` for any other name.
    """
    if name == "process":
        from fairlead.adapters.isolation.child_process import ChildProcess

        return ChildProcess(silence_limit=silence_limit, on_silence=on_silence, output_limit=output_limit)
    if name == "thread":
        from fairlead.adapters.isolation.in_process import InProcess

        return InProcess()
    from fairlead.adapters.errors import InputInvalid, Problem

    raise InputInvalid(Problem("isolation", f"{name!r} is not known", "", f"Choose one of {', '.join(NAMES)}."))
