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
ON_SILENCE = ("report", "stop")
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

    Raises `InputInvalid` for any other name, and for limits that are none.
    """
    check_options(isolation=name, on_silence=on_silence, silence_limit=silence_limit, output_limit=output_limit)
    if name == "process":
        from fairlead.adapters.isolation.child_process import ChildProcess

        return ChildProcess(silence_limit=silence_limit, on_silence=on_silence, output_limit=output_limit)
    from fairlead.adapters.isolation.in_process import InProcess

    return InProcess()


def check_options(*, isolation: object = "process", on_silence: object = "report", **limits: object) -> None:
    """Raise `InputInvalid` with every option that no run can be given; loads nothing where all are right.

    A limit, by its name, is None or a number above 0.
    """
    wrong: list[tuple[str, str, str]] = []
    for name, value, known in (("isolation", isolation, NAMES), ("on_silence", on_silence, ON_SILENCE)):
        if value not in known:
            wrong.append((name, f"{value!r} is not known", f"Choose one of {', '.join(known)}."))
    for name, limit in limits.items():
        # Written so that NaN, which is not above 0, is none either.
        if not (limit is None or (isinstance(limit, int | float) and not isinstance(limit, bool) and limit > 0)):
            wrong.append((name, f"{limit!r} is not a number above 0", "Give one, or None for no limit."))
    if wrong:
        from fairlead.adapters.errors import InputInvalid, Problem

        raise InputInvalid([Problem(name, found, "", remedy) for name, found, remedy in wrong])
