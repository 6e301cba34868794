"""How the command ends: one table of exit codes, and the one place where errors and signals become one of them.

Errors are laid out by ``report``. A run is stopped by whoever runs it: here a signal becomes an error in its midst.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import traceback
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import click

from fairlead.adapters import streams
from fairlead.adapters.errors import Cancelled, ContractError, FairleadError, Hung, RunFailed, StorageFailed, TimedOut

if TYPE_CHECKING:
    from types import FrameType

DONE, UNEXPECTED, USAGE, CONTRACT, FAILED, TIMED_OUT, STORAGE = range(7)
INTERRUPTED, UNREAD, TERMINATED = 130, 141, 143

MEANINGS = {
    DONE: "done",
    UNEXPECTED: "an unexpected error, a defect of fairlead",
    USAGE: "the command line is wrong",
    CONTRACT: "a contract is broken: the twine, the app or workflow, its inputs or its outputs",
    FAILED: "the app or a task failed: it raised, exited, was killed or said too much",
    TIMED_OUT: "the run timed out or hung, and was stopped",
    STORAGE: "files, the result cache or a store could not be read or written",
    INTERRUPTED: "interrupted (Ctrl-C), and everything that it had started was stopped",
    UNREAD: "nobody reads standard output any more (SIGPIPE)",
    TERMINATED: "terminated (SIGTERM), likewise",
}
# The first class that an error is of decides.
_CODES: tuple[tuple[type[FairleadError], int], ...] = (
    (ContractError, CONTRACT),
    (TimedOut, TIMED_OUT),
    (Hung, TIMED_OUT),
    (RunFailed, FAILED),
    (StorageFailed, STORAGE),
)


def code_of(error: FairleadError) -> int:
    """Return the exit code that tells of an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), UNEXPECTED)


@contextlib.contextmanager
def result() -> Generator[None]:
    """Write a result to standard output, to its last byte.

    Ends the command quietly where nobody reads it any more; raises `StorageFailed` where it cannot be written.
    """
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] (it was closed by whoever started this)
        raise StorageFailed("Standard output is closed: the result cannot be written.")
    try:
        yield
        streams.flush_output()
    except OSError as error:
        streams.drop_output()
        if isinstance(error, BrokenPipeError):
            sys.exit(UNREAD)
        raise StorageFailed(f"Standard output cannot be written: {error.strerror or error}.") from error


@contextlib.contextmanager
def exiting(*, as_json: bool, tail: bool = True) -> Generator[list[Callable[[], None]]]:
    """Turn errors and signals into messages and exit codes.

    Yields a list for what is to be called when a signal comes. With ``as_json``, an error is also an object on standard
    output; with ``tail``, the last lines of a run that failed are shown with its error.
    """
    on_signal: list[Callable[[], None]] = []
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        # A second signal ends this process at once; the guard of a run then ends what it had started.
        for other in handled:
            signal.signal(other, signal.SIG_DFL)
        stopped.append(128 + number)
        for action in on_signal:
            action()
        raise Cancelled(f"Stopped by {signal.Signals(number).name}, with everything that was started.")

    # A shell lets its background jobs ignore Ctrl-C; that stays so.
    handled = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    previous = {number: signal.signal(number, stop) for number in handled}
    try:
        yield on_signal
    except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001 (the outermost frame: whatever it is ends here)
        code = stopped[0] if stopped else UNEXPECTED
        if isinstance(error, OSError):
            error = StorageFailed(f"{error.filename or 'A file'}: {error.strerror or error}")
        if isinstance(error, FairleadError):
            from fairlead.adapters.cli.report import show_error

            code = code if stopped else code_of(error)
            show_error(error, tail=tail)
            described = error.to_dict()
        else:
            traceback.print_exc()
            described = FairleadError(f"{type(error).__name__}: {error}").to_dict()
        if as_json:
            # What cannot be written there was told on standard error, and the code is the error's in any case.
            with contextlib.suppress(StorageFailed, SystemExit), result():
                click.echo(json.dumps({"error": described}, ensure_ascii=False))
        sys.exit(code)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
