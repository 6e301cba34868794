"""The way through a value, part by part: what packing and identity have in common.

On the way, a value that contains itself or is nested too deeply is noticed, and an error collects the steps to the part
that it is about. What becomes of a part is said by those who go the way.
"""

from __future__ import annotations

import contextlib
import io
import reprlib
import types
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from math import isfinite
from typing import Any

from fairlead.adapters.errors import ContractError, FairleadError, Problem
from fairlead.adapters.fingerprint import LONG
from fairlead.adapters.values.codec import Blob, Codec, Family, Unfit, full_name
from fairlead.adapters.values.registry import codec_of

TAG = "$fairlead"
"""The key by which a JSON object is known to be something else."""
DEPTH = 200
"""How deep a value may be nested."""
SCALARS = frozenset({bool, float, int, str, type(None)})
_JSON_TYPES = SCALARS | {dict, list}

_LARGE = 1 << 2000
"""Integers from here on have more digits than JSON readers must read."""
_HINTS: tuple[tuple[tuple[type, ...], str], ...] = (
    ((io.IOBase,), "Pass the path of the file."),
    ((Iterator,), "Make a list of what it yields."),
    (
        (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type),
        "Pass data, and import the code where it is used.",
    ),
    ((types.ModuleType,), "Import it where it is used."),
    ((BaseException,), "Pass its text: str(error)."),
)
_JSON_BASES = (bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple)


def is_plain(value: Any, depth: int = DEPTH) -> bool:  # noqa: PLR0911 (a table, in the order of what is frequent)
    """Tell whether a value is JSON data that comes back equal and of the same type, whoever writes and reads it."""
    kind = type(value)
    if kind is str:
        return _is_unicode(value)
    if kind is float:
        return isfinite(value)
    if kind is int:
        return -_LARGE < int(value) < _LARGE
    if kind is list:
        return depth > 0 and _are_plain(value, depth - 1)
    if kind is dict:
        if depth <= 0 or TAG in value:
            return False
        for key, item in value.items():
            if type(key) is not str or not _is_unicode(key) or not is_plain(item, depth - 1):
                return False
        return True
    return value is None or kind is bool


def _are_plain(values: list[Any], depth: int) -> bool:
    if len(values) >= LONG:
        kinds = set(map(type, values))
        if kinds == {float}:
            return all(map(isfinite, values))
        if kinds == {str}:
            return all(map(str.isascii, values)) or all(map(_is_unicode, values))
        if kinds == {int}:
            return int(max(map(abs, values))) < _LARGE
        if not kinds <= _JSON_TYPES:
            return False
    return all(is_plain(value, depth) for value in values)


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Walk(ABC):
    """Makes a document of a value: plain data as they are, anything else tagged with the name of its codec."""

    def __init__(self, error: type[ContractError], refusal: str) -> None:
        self._error = error
        self._refusal = refusal
        self._above: set[int] = set()

    def document(self, value: Any, where: str) -> Any:
        """Return the document of a whole value; an error says where in it."""
        with told(self._error, where):
            return self.of(value)

    def of(self, value: Any) -> Any:
        """Return the document of a part; raises `Unfit`."""
        kind = type(value)
        if kind in SCALARS:
            return self.scalar(value)
        if kind is Blob:
            return self.blob(value)
        marker = id(value)
        if marker in self._above:
            raise Unfit("contains itself", "data that ends", "Pass what is needed of it, without the way back.")
        if len(self._above) >= DEPTH:
            raise Unfit(f"is nested more than {DEPTH} levels deep", remedy="Pass flatter data, or write it to a file.")
        self._above.add(marker)
        try:
            if kind is list:
                return self._list(value)
            if kind is dict:
                return self.mapping(value)
            if kind is set or kind is frozenset:
                return {TAG: kind.__name__, "value": self.members(value)}
            return self.other(value, kind)
        finally:
            self._above.discard(marker)

    @abstractmethod
    def scalar(self, value: Any) -> Any:
        """Return the document of a text, a number, a truth value or None."""

    @abstractmethod
    def blob(self, value: Blob) -> Any:
        """Return the document of a codec's bytes."""

    @abstractmethod
    def mapping(self, value: dict[Any, Any]) -> Any:
        """Return the document of a dictionary."""

    @abstractmethod
    def members(self, value: set[Any] | frozenset[Any]) -> Any:
        """Return the documents of a set's members, in an order that depends on them alone."""

    @abstractmethod
    def parts(self, codec: Codec | Family, value: Any) -> Any:
        """Return what a codec says of a value."""

    @abstractmethod
    def class_name(self, kind: type) -> str:
        """Return the name of a class."""

    def other(self, value: Any, kind: type) -> Any:
        """Return the document of what a codec takes."""
        codec = codec_of(kind)
        if codec is None:
            raise self._unknown(value, kind)
        document = {TAG: codec.name}
        if hasattr(codec, "takes"):
            document["class"] = self.class_name(kind)
        try:
            parts = self.parts(codec, value)
        except (Unfit, FairleadError):
            raise
        except Exception as error:
            found = f"cannot be packed by its codec '{codec.name}': {type(error).__name__}: {error}"
            raise Unfit(found, remedy="Mend the value, or the codec.") from error
        document["value"] = self.of(parts)
        return document

    def items(self, pairs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the documents of a mapping's values by their keys, which are texts."""
        key = ""
        try:
            out: dict[str, Any] = {}
            for key, item in pairs.items():
                out[key] = self.of(item)
        except Unfit as unfit:
            unfit.steps.append(step(key))
            raise
        return out

    def pairs(self, value: dict[Any, Any]) -> list[list[Any]]:
        """Return the documents of a dictionary's keys and values, whatever the keys are."""
        return [
            [self.at(f", key {reprlib.repr(key)}", key), self.at(f"[{reprlib.repr(key)}]", item)]
            for key, item in value.items()
        ]

    def at(self, place: str, value: Any) -> Any:
        """Return the document of a part at a place."""
        try:
            return self.of(value)
        except Unfit as unfit:
            unfit.steps.append(place)
            raise

    def _list(self, value: list[Any]) -> list[Any]:
        if self.is_done(value):
            return value
        index = 0
        try:
            out: list[Any] = []
            for index, item in enumerate(value):  # noqa: B007 (for the error)
                out.append(self.of(item))
        except Unfit as unfit:
            unfit.steps.append(f"[{index}]")
            raise
        return out

    @abstractmethod
    def is_done(self, value: list[Any]) -> bool:
        """Tell whether a list is its own document; quickly, and of nothing in nested lists."""

    def _unknown(self, value: Any, kind: type) -> Unfit:
        name = full_name(kind)
        found = f"a value of type {name.removeprefix('builtins:').replace(':', '.')} {self._refusal}"
        base = next((base for base in kind.__mro__[1:] if base in _JSON_BASES), None)
        if base is not None:
            found += f"; as a {base.__name__}, it would come back as another type"
        hint = next((hint for kinds, hint in _HINTS if isinstance(value, kinds)), "")
        if not hint:
            hint = "Pass the data that it stands for"
            own = kind.__module__ not in {"builtins", "__main__"} and "<locals>" not in name
            hint += f", or register a codec: fairlead.adapters.values.register, types = ('{name}',)." if own else "."
        return Unfit(found, "JSON data, or a type that a codec takes", hint)


def step(key: str) -> str:
    """Return a key as a step of a path; what begins with ``$`` is a codec's own affair, and is not shown."""
    return "" if key.startswith("$") else f".{key}"


@contextlib.contextmanager
def told(error: type[ContractError], where: str) -> Generator[None]:
    """Turn an `Unfit` into an error that says where."""
    try:
        yield
    except Unfit as unfit:
        place = where + "".join(reversed(unfit.steps))
        raise error(Problem(place, unfit.found, unfit.expected, unfit.remedy)) from unfit.__cause__
    except RecursionError as deep:
        raise error(Problem(where, "is nested too deeply", remedy="Pass flatter data.")) from deep
