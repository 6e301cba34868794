"""How blocks, values and exceptions get from one process to another and back: by cloudpickle, whole or with a reason.

What lies in a module that another process could not import (the program itself, a notebook, a DAG file) travels with
its code. Of a workflow, only what a block needs goes along, never what is round it. An exception arrives as what it
was: its class, arguments, attributes, notes and causes, and its traceback as text.

Only what this run's own processes have written is ever read here.
"""

from __future__ import annotations

import contextlib
import functools
import io
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

import cloudpickle

from fairlead.adapters import events
from fairlead.adapters.errors import AppRaised, NotPortable, Problem, raised_by_app
from fairlead.adapters.workflow.block import Block, around
from fairlead.adapters.workflow.branches import Choice
from fairlead.adapters.workflow.loops import IterativeWorkflow
from fairlead.adapters.workflow.task import Task
from fairlead.adapters.workflow.workflow import Workflow

_CAUSES = 8
_REMEDY = "Pass data instead, e.g. a path or an address, and open it where it is used; or use the backend default."

loads: Callable[[bytes], Any] = pickle.loads
"""Read what `dumps` has written, in a process of the same run."""


def dumps(value: Any, root: Block | None = None) -> bytes:
    """Write a value; of blocks, those that are ``root`` or in it."""
    buffer = io.BytesIO()
    _Pickler(buffer, root).dump(value)
    return buffer.getvalue()


def dumps_here(value: Any) -> bytes:
    """Write a value for the process that this one works for, which knows all classes that it has sent."""
    try:
        return pickle.dumps(value)
    except Exception:  # noqa: BLE001 (also what a value's own code raises: then this one does as well)
        return dumps(value)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: io.BytesIO, root: Block | None) -> None:
        super().__init__(file)
        self._root = root

    def reducer_override(self, obj: Any) -> Any:
        if self._root is not None and isinstance(obj, Block) and obj is not self._root:
            if all(each is not self._root for each in around(obj)):
                return type(None), ()
        elif isinstance(obj, type | FunctionType):
            module = sys.modules.get(obj.__module__ or "")
            if module is not None and not _is_importable(module.__name__):
                cloudpickle.register_pickle_by_value(module)
        return super().reducer_override(obj)


@functools.lru_cache(maxsize=4096)
def _is_importable(name: str) -> bool:
    """Tell whether another process of this Python finds the module that this one has under a name."""
    if name == "__main__":  # cloudpickle sees to it
        return True
    path: Sequence[str] | None = None
    spec = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        spec = _spec(".".join(parts[:end]), path)
        if spec is None:
            return False
        path = getattr(sys.modules.get(".".join(parts[:end])), "__path__", None)
    file = getattr(sys.modules[name], "__file__", None)
    if file is None or spec is None or not spec.has_location:  # none is that of a frozen module, such as abc
        return True
    return Path(file).resolve() == Path(spec.origin or "").resolve()


def _spec(name: str, path: Sequence[str] | None) -> Any:
    for finder in sys.meta_path:
        with contextlib.suppress(Exception):  # another package's finder may not know how to look again
            if spec := finder.find_spec(name, path):
                return spec
    return None


# What cannot be written


def problem_of(where: str, value: Any, why: str) -> Problem:
    """Say that a value cannot be sent to another process."""
    found = f"a value of type {events.qualified_name(type(value))} cannot be sent to another process: {why}"
    return Problem(where, found, "a value that can be pickled", _REMEDY)


def reason(value: Any, root: Block | None = None) -> str:
    """Say why a value cannot be written, or nothing if it can."""
    try:
        dumps(value, root)
    except Exception as error:  # noqa: BLE001 (a value's own code may raise anything)
        return events.message_of(error) or type(error).__name__
    return ""


def written_inputs(who: str, inputs: Sequence[tuple[int, Mapping[str, Any]]], side: str = "input") -> bytes:
    """Write what items are given; raises `NotPortable` that names the items, inputs and types that cannot be."""
    try:
        return dumps(inputs)
    except Exception as error:
        problems = [
            problem_of(f"{who.format(index=index)}, {side} '{name}'", value, why)
            for index, values in inputs
            for name, value in values.items()
            if (why := reason(value))
        ]
        if not problems:
            raise
        raise NotPortable(problems) from error


def written_chunk(
    who: str,
    inputs: Sequence[tuple[int, Mapping[str, Any]]],
    refuse: Callable[[int, NotPortable], None],
    *,
    one_by_one: bool = False,
) -> tuple[list[int], list[bytes]]:
    """Write what items are given, whole if that can be, and return which they are; what cannot be written is refused.

    ``one_by_one`` is for a chunk that could not be read whole.
    """
    if not one_by_one:
        with contextlib.suppress(NotPortable):
            return [index for index, _ in inputs], [written_inputs(who, inputs)]
    written: dict[int, bytes] = {}
    for item in inputs:
        try:
            written[item[0]] = written_inputs(who, [item])
        except NotPortable as error:
            refuse(item[0], error)
    return [*written], [*written.values()]


def read_chunk(
    indices: Sequence[int], parts: Sequence[bytes], refuse: Callable[[int, str], None]
) -> list[tuple[int, dict[str, Any]]] | None:
    """Read what `written_chunk` has returned; items that cannot be read are refused, with the reason.

    None is returned for several items that were written whole and cannot be read: which of them it is, is not known.
    """
    items: list[tuple[int, dict[str, Any]]] = []
    for index, part in zip(indices, parts, strict=len(indices) == len(parts)):
        try:
            items += loads(part)
        except Exception as error:  # noqa: BLE001 (a value's own code may raise anything)
            if len(parts) < len(indices):
                return None
            refuse(index, told(error))
    return items


def not_readable(where: str, what: str, why: str) -> NotPortable:
    """Return the error for what was written and could not be read in the process that it was for."""
    return NotPortable(
        Problem(where, f"{what} cannot be read in another process: {why}", "values that can be unpickled", _REMEDY)
    )


def told(error: BaseException) -> str:
    """Return an exception in one line."""
    return f"{type(error).__name__}: {events.message_of(error)}".removesuffix(": ")


def written_block(value: Any, root: Block, common: Mapping[str, Any]) -> bytes:
    """Write a block with what all its items are given; raises `NotPortable` that names what cannot be."""
    try:
        return dumps(value, root)
    except Exception as error:
        problems = [
            *(
                problem_of(f"{root.kind} '{root.name}', input '{name}'", each, why)
                for name, each in common.items()
                if (why := reason(each))
            ),
            *(problem for block in _blocks(root) for problem in _problems(block)),
        ]
        if not problems:
            problems = [problem_of(f"{root.kind} '{root.name}'", root, events.message_of(error))]
        raise NotPortable(problems) from error


def _blocks(root: Block) -> Iterator[Block]:
    yield root
    if isinstance(root, Workflow):
        for block in root.blocks:
            yield from _blocks(block)


def _problems(block: Block) -> Iterator[Problem]:
    where = f"{block.kind} '{block.name}'"
    for name, value in block.bound.items():
        if why := reason(value):
            yield problem_of(f"{where}, bound input '{name}'", value, why)
    code: dict[str, Any] = {"class": type(block)}
    if isinstance(block, Task):
        code = {"function": block.function}
    elif isinstance(block, Choice):
        code = {"condition": block.condition}
    elif isinstance(block, IterativeWorkflow) and block.break_func:
        code = {"break_func": block.break_func}
    for name, value in code.items():
        if why := reason(value):
            found = f"it uses something that cannot be sent to another process: {why}"
            yield Problem(f"{where}, {name}", found, "values that can be pickled", _REMEDY)


# Exceptions


class RemoteTraceback(Exception):
    """The cause of an exception that was raised in another process: its traceback there, as text."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def written_error(error: BaseException) -> bytes:
    """Write an exception of any class; what of it cannot be sent is left out."""
    text = "".join(traceback.format_exception(error))
    parts = [(_written(each), *_facts(each)) for each in _with_causes(error)]
    return dumps((text, parts))


def read_error(data: bytes) -> BaseException:
    """Return an exception as it was written, with the traceback that it had there as its last cause."""
    text, parts = loads(data)
    errors = [_read(*part) for part in parts]
    chain: BaseException = RemoteTraceback(text)
    for error in reversed(errors):
        error.__cause__ = chain
        chain = error
    return chain


def _with_causes(error: BaseException) -> list[BaseException]:
    found = [error]
    while len(found) < _CAUSES:
        following = found[-1].__cause__
        if following is None or following in found or isinstance(following, RemoteTraceback):
            break
        found.append(following)
    return found


def _written(error: BaseException) -> bytes:
    """Write one exception so that it can be read, which is tried here; nothing if it cannot."""
    with contextlib.suppress(Exception):
        data = dumps(_Reduced(error.__reduce_ex__(4)))
        if _is_like(loads(data), error):
            return data
    with contextlib.suppress(Exception):  # its __init__ takes other arguments than it keeps, or an attribute is live
        args = tuple(events.message_of(error) if reason(each) else each for each in error.args)
        state = {name: value for name, value in vars(error).items() if not reason(value)}
        data = dumps(_Reduced((restored, (type(error), args, state))))
        if _is_like(loads(data), error):
            return data
    return b""


def _facts(error: BaseException) -> tuple[str, str, str]:
    """Return what is left of an exception that cannot be written, or not read: its class, message and traceback."""
    return events.qualified_name(type(error)), events.message_of(error), events.format_traceback(error)


def _read(data: bytes, name: str, message: str, trace: str) -> BaseException:
    with contextlib.suppress(Exception):  # its class may not be found here
        error: BaseException = loads(data)
        return error
    return AppRaised(raised_by_app(name, message), exception=name, traceback=trace)


def _is_like(again: object, error: BaseException) -> bool:
    return type(again) is type(error) and str(again) == str(error)


class _Reduced:
    """Becomes, when it is read, what is made as told here; other packages' ways to write exceptions are not asked."""

    def __init__(self, made: Any) -> None:
        self._made = made

    def __reduce__(self) -> Any:
        return self._made


def restored(cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    """Make an exception again of what it was."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error
