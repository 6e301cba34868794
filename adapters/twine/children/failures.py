"""What an asker is told when a child fails: the child's own exception, by its class, with its traceback.

Backends give a `FairleadError` as `perform` raised it, here (`raised_here`) or at the other end of an API (`rebuilt`).
The module does not decide whether a question is asked again: see ``child``.
"""

import builtins
import contextlib
import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from fairlead.adapters.errors import FairleadError

_NAMED_IN = ("fairlead.adapters.twine.exceptions", "fairlead.adapters.twine.twined.exceptions")
_CAPTURED = "_captured_from_child"


def of_name(name: str, message: str, traceback: "Sequence[str]" = ()) -> Exception:
    """Make the exception of a class's name: a builtin, one of Octue's or twined's, or a new class of that name.

    Its text is the message and, if there is one, the traceback that was captured.
    """
    text = message
    if traceback:
        captured_lines = "".join(traceback)
        text += f"\n\nThe following traceback was captured from the remote service:\n\n{captured_lines}"
    module, _, bare = name.rpartition(".")
    error = _instance(bare, text, module or "builtins")
    setattr(error, _CAPTURED, (message, list(traceback)))
    return error


def captured(error: BaseException) -> "tuple[str, list[str]] | None":
    """Return the message and traceback of which `of_name` has made an exception, None for any other exception."""
    found: tuple[str, list[str]] | None = getattr(error, _CAPTURED, None)
    return found


def _instance(name: str, text: str, module: str) -> Exception:
    known = _known(name)
    for cls in known.__mro__ if known else ():
        if issubclass(cls, Exception):
            with contextlib.suppress(Exception):  # some want more than a text, e.g. UnicodeDecodeError
                return cls(text) if cls is known else _new(name, cls, text, module)
    return _new(name, Exception, text, module)


def _new(name: str, base: type[Exception], text: str, module: str) -> Exception:
    made: Exception = type(name, (base,), {"__module__": module})(text)
    return made


def _known(name: str) -> "type[Exception] | None":
    cls = getattr(builtins, name, None)
    for module in _NAMED_IN:
        if not isinstance(cls, type):
            with contextlib.suppress(ModuleNotFoundError):
                cls = getattr(importlib.import_module(module), name, None)
    # KeyboardInterrupt and the like would end the asker, not tell it something.
    return cls if isinstance(cls, type) and issubclass(cls, Exception) else None


def rebuilt(data: "Mapping[str, Any]") -> "FairleadError":
    """Make an error of what `FairleadError.to_dict` has made of it."""
    from fairlead.adapters import errors

    cls = getattr(errors, str(data.get("type")), None)
    error: FairleadError
    if not (isinstance(cls, type) and issubclass(cls, errors.FairleadError)):
        error = errors.RunFailed(f"{data.get('type')}: {data.get('message')}", remedy=data.get("remedy", ""))
    elif issubclass(cls, errors.ContractError):
        error = cls([errors.Problem(**problem) for problem in data["problems"]])
    else:
        details = {name: data[name] for name in ("exception", "traceback", "code", "signal", "tail") if name in data}
        error = cls(data["message"], remedy=data.get("remedy", ""), **details)
    error.log = data.get("log")
    return error


def raised_here(error: "FairleadError", child: str, timeout: float | None) -> Exception:
    """Return what an asker gets for an error of a child's run: it names the child, and what to catch is as in Octue."""
    from fairlead.adapters import errors

    result: Exception
    if isinstance(error, errors.AppRaised):
        message = error.message.removeprefix(errors.raised_by_app(error.exception, "")).removeprefix(": ")
        result = of_name(error.exception, message, error.traceback.splitlines(keepends=True))
    elif isinstance(error, errors.TimedOut):
        result = late(child, timeout)
    elif isinstance(error, errors.ContractError):
        problems = [
            errors.Problem(f"child '{child}', {problem.where}", problem.found, problem.expected, problem.remedy)
            for problem in error.problems
        ]
        result = type(error)(problems)
    else:
        error.message = f"Child '{child}': {error.message}"
        return error
    if error.log:
        result.add_note(f"The log of the child's run: {error.log}")
    return result


def late(child: str, timeout: float | None) -> TimeoutError:
    """Return the error for a question whose time is up."""
    limit = "within its own time limit" if timeout is None else f"within {timeout:g} s"
    return TimeoutError(
        f"Child '{child}' did not answer {limit}; what the question had started was stopped. "
        "Give 'timeout' more seconds, or find out from the child's log what it was doing."
    )
