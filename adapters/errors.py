"""Every error that fairlead raises, in one tree, so that a caller can catch as widely or as narrowly as needed.

    FairleadError
    ├── ContractError              something written down was not kept; the same call fails again, so never retried
    │   ├── ContractInvalid        the contract itself cannot be used (a twine.json that is not JSON)
    │   ├── AppInvalid             the app cannot be loaded the documented way (no app.py, neither `run` nor `App`)
    │   ├── InputInvalid           an input breaks the contract; nothing has run
    │   ├── OutputInvalid          an output breaks the contract; nothing was cached
    │   ├── MonitorMessageInvalid  a monitor message breaks the contract; raised inside the app that sent it
    │   ├── NotFingerprintable     a value has no identity that holds on another machine
    │   └── NotPortable            a value cannot travel between tasks
    ├── RunFailed                  the work started and did not end well; retried as often as the user's `retries` say
    │   ├── AppRaised              the app raised an exception
    │   ├── AppExited              the app ended its process before it returned
    │   ├── AppKilled              the app's process was ended by a signal
    │   ├── WorkerDied             a process that was at a block of a workflow has died
    │   ├── TimedOut               the deadline passed; everything the run had started was stopped
    │   ├── Hung                   the run sent nothing for longer than its silence limit, and was stopped
    │   ├── OutputFlooded          the app printed and logged more than its output limit, and was stopped (not retried)
    │   └── Cancelled              somebody asked the run to stop (not retried)
    └── StorageFailed              a store could not be read or written; always retried

`retryable` is the one flag from which both engines derive their retry decision. Every error can be pickled. Errors
carry no secrets; they quote inputs, which must not hold any. This module does not decide how often to retry.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Problem:
    """One broken rule: where (as the user wrote it), what was found, what was expected and what to do."""

    where: str
    """The place, e.g. ``input_values.turbines[2].hub_height``."""
    found: str
    """What is wrong with what is there, e.g. ``'high' is not a number``."""
    expected: str = ""
    """The rule and where it is written, e.g. ``twine.json: input_values_schema``."""
    remedy: str = ""
    """What to do about it, as a sentence, e.g. ``Give metres, e.g. 90.``"""

    def __str__(self) -> str:
        rule = f" ({self.expected})" if self.expected else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{self.where}: {self.found}{rule}.{remedy}"


class FairleadError(Exception):
    """The root: a message that says what, where and what to do next."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.log: str | None = None
        """Where the log of the run is, if it had started."""
        self.diagnostics: str | None = None
        """Where all that is needed to run it again was saved, if it was."""

    def __str__(self) -> str:
        parts = [self.message]
        if self.remedy:
            parts.append(self.remedy)
        text = " ".join(parts)
        if self.log:
            text += f"\nThe log of the run: {self.log}"
        return f"{text}\nTo run it again: {replay_command(self.diagnostics)}" if self.diagnostics else text

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON data: ``type``, ``message``, ``remedy``, ``retryable`` and its details.

        Among them are ``log`` and ``diagnostics``, each a location or None.
        """
        return {
            "type": type(self).__name__,
            "message": self.message,
            "remedy": self.remedy,
            "retryable": self.retryable,
            "log": self.log,
            "diagnostics": self.diagnostics,
        }


def replay_command(diagnostics: str) -> str:
    """Return the command that runs again what was saved at a location, as a shell takes it."""
    return f"fairlead replay {shlex.quote(diagnostics)}"


def _restore(cls: type[FairleadError], args: tuple[Any, ...], state: dict[str, Any]) -> FairleadError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ContractError(FairleadError):
    """One or more rules were broken; ``problems`` lists all that were found, not only the first."""

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        lines = [str(problem) for problem in self.problems]
        several = [f"{len(lines)} problems:", *(f"- {line}" for line in lines)]
        super().__init__(lines[0] if len(lines) == 1 else "\n".join(several))

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON data, with a list of ``problems``."""
        return super().to_dict() | {"problems": [asdict(problem) for problem in self.problems]}


class ContractInvalid(ContractError):
    """The contract itself cannot be used."""


class AppInvalid(ContractError):
    """The app cannot be loaded the documented way."""


class InputInvalid(ContractError):
    """An input breaks the contract. Nothing has run."""


class OutputInvalid(ContractError):
    """An output breaks the contract. Nothing was cached."""


class MonitorMessageInvalid(ContractError):
    """A monitor message breaks the contract; raised inside the app, at the line that sent it."""


class NotFingerprintable(ContractError):
    """A value has no identity that holds on another machine; ``problems[0].where`` is the path to it."""


class NotPortable(ContractError):
    """A value cannot travel between tasks, or be made again from what did; ``problems[0].where`` is the path to it."""


class RunFailed(FairleadError):
    """The work started and did not end well; ``tail`` holds the last lines that it printed or logged."""

    retryable: ClassVar[bool] = True

    def __init__(self, message: str, *, remedy: str = "", tail: Sequence[str] = ()) -> None:
        super().__init__(message, remedy=remedy)
        self.tail = tuple(tail)

    def __str__(self) -> str:
        text = super().__str__()
        return "\n".join([text, "Its last lines:", *(f"    {line}" for line in self.tail)]) if self.tail else text

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON data, with the ``tail`` of what the run printed or logged."""
        return super().to_dict() | {"tail": list(self.tail)}


class AppRaised(RunFailed):
    """The app raised an exception, whose name is ``exception`` and whose formatted ``traceback`` is kept."""

    def __init__(
        self, message: str, *, exception: str, traceback: str, remedy: str = "", tail: Sequence[str] = ()
    ) -> None:
        super().__init__(message, remedy=remedy, tail=tail)
        self.exception = exception
        self.traceback = traceback

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON data, with the ``exception``'s qualified name and its ``traceback``."""
        return super().to_dict() | {"exception": self.exception, "traceback": self.traceback}


def raised_by_app(exception: str, message: str) -> str:
    """Say that an app raised an exception of a name, with its message if it has one."""
    return f"The app raised {exception}" + (f": {message}" if message else "")


class AppExited(RunFailed):
    """The app ended its process before it returned, with the exit status ``code``."""

    def __init__(self, message: str, *, code: int, remedy: str = "", tail: Sequence[str] = ()) -> None:
        super().__init__(message, remedy=remedy, tail=tail)
        self.code = code

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON data, with the exit status ``code``."""
        return super().to_dict() | {"code": self.code}


class AppKilled(RunFailed):
    """The app's process was ended by the signal number ``signal``."""

    def __init__(self, message: str, *, signal: int, remedy: str = "", tail: Sequence[str] = ()) -> None:
        super().__init__(message, remedy=remedy, tail=tail)
        self.signal = signal

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON data, with the number of the ``signal``."""
        return super().to_dict() | {"signal": self.signal}


class WorkerDied(RunFailed):
    """The process that was at a block has died: with the exit status ``code``, by the ``signal``, or neither is known.

    Blocks that ran beside it, and the items after it, are not affected.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        signal: int | None = None,
        remedy: str = "",
        tail: Sequence[str] = (),
    ) -> None:
        super().__init__(message, remedy=remedy, tail=tail)
        self.code = code
        self.signal = signal

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON data, with ``code`` and ``signal``."""
        return super().to_dict() | {"code": self.code, "signal": self.signal}


class TimedOut(RunFailed):
    """The deadline passed; everything that the run had started was stopped."""


class Hung(RunFailed):
    """The run sent nothing for longer than its silence limit, and was stopped."""


class OutputFlooded(RunFailed):
    """The app printed and logged more than its output limit, and was stopped."""

    retryable: ClassVar[bool] = False


class Cancelled(RunFailed):
    """Somebody asked the run to stop; everything that it had started was stopped."""

    retryable: ClassVar[bool] = False


class StorageFailed(FairleadError):
    """A store could not be read or written."""

    retryable: ClassVar[bool] = True
