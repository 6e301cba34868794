"""Codecs of the standard library's types: what JSON has no word for.

Lists, dictionaries and sets are the walk's own. Classes that people write are in ``classes``.
"""

from __future__ import annotations

import collections
import datetime as dt
import os
import pathlib
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.fingerprint import whole_tree
from fairlead.adapters.values.codec import Blob, Codec, Plain, Unfit

_FACTORIES: Mapping[str, type | None] = {
    "": None,
    **{kind.__name__: kind for kind in (bool, bytes, dict, float, frozenset, int, list, set, str, tuple)},
}
"""What a defaultdict may make missing values with: a function would be code."""
_NOT_FINITE = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def _decimal(text: str) -> Any:
    from decimal import Decimal

    return Decimal(text)


def _fraction(parts: list[int]) -> Any:
    from fractions import Fraction

    return Fraction(*parts)


def _uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(text)


def _pack_datetime(value: dt.datetime) -> list[Any]:
    return [value.replace(tzinfo=None, fold=0).isoformat(), value.tzinfo, value.fold]


def _unpack_datetime(parts: list[Any]) -> dt.datetime:
    text, zone, fold = parts
    return dt.datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def _pack_time(value: dt.time) -> list[Any]:
    return [value.replace(tzinfo=None, fold=0).isoformat(), value.tzinfo, value.fold]


def _unpack_time(parts: list[Any]) -> dt.time:
    text, zone, fold = parts
    return dt.time.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def _pack_timezone(value: dt.timezone) -> list[Any]:
    return list(value.__getinitargs__())  # type: ignore[attr-defined]  # the offset, and the name if it was given one


def _pack_zone(value: Any) -> str:
    if value.key is None:
        raise Unfit("is a ZoneInfo without a key", "a time zone by name", "Make it of its name: ZoneInfo('UTC').")
    return str(value.key)


def _unpack_zone(key: str) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(key)


def _pack_default(value: collections.defaultdict[Any, Any]) -> dict[str, Any]:
    factory = value.default_factory
    name = getattr(factory, "__name__", "?") if factory is not None else ""
    if _FACTORIES.get(name, ...) is not factory:
        found = f"is a defaultdict that makes its values with {factory!r}"
        raise Unfit(found, "a built-in type, such as list", "Pass dict(…) of it.")
    return {"factory": name, "$items": dict(value)}


def _pack_namespace(value: SimpleNamespace) -> dict[str, Any]:
    return dict(vars(value))


def _path_identity(value: pathlib.Path) -> Any:
    """Return a path's text, and the content of the file or folder there, if one is: changed, it is other work."""
    text = os.fspath(value)
    try:
        if value.is_file():
            return {"path": text, "file": storage.digest_local(value)}
        if value.is_dir():
            return {"path": text, "folder": whole_tree(value)}
    except (OSError, ValueError) as error:
        raise Unfit(f"{text} cannot be read ({error})", "a file or folder", "Make it readable, or mend it.") from error
    return {"path": text}


CODECS: tuple[Codec, ...] = (
    Plain.of("int", int, hex, lambda text: int(text, 16)),
    Plain.of("float", float, str, _NOT_FINITE.__getitem__),
    Plain.of(
        "str",
        str,
        lambda value: Blob(value.encode("utf-8", "surrogatepass"), "txt"),
        lambda data: data.decode("utf-8", "surrogatepass"),
    ),
    Plain.of("bytes", bytes, Blob, bytes),
    Plain.of("bytearray", bytearray, lambda value: Blob(bytes(value)), bytearray),
    Plain.of("complex", complex, lambda value: [value.real, value.imag], lambda parts: complex(*parts)),
    Plain.of("tuple", tuple, list, tuple),
    Plain.of("range", range, lambda value: [value.start, value.stop, value.step], lambda parts: range(*parts)),
    Plain.of("slice", slice, lambda value: [value.start, value.stop, value.step], lambda parts: slice(*parts)),
    Plain.of("date", dt.date, dt.date.isoformat, dt.date.fromisoformat),
    Plain.of("time", dt.time, _pack_time, _unpack_time),
    Plain.of("datetime", dt.datetime, _pack_datetime, _unpack_datetime),
    Plain.of(
        "timedelta",
        dt.timedelta,
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda parts: dt.timedelta(*parts),
    ),
    Plain.of("timezone", dt.timezone, _pack_timezone, lambda parts: dt.timezone(*parts)),
    Plain.of("zoneinfo", "zoneinfo:ZoneInfo", _pack_zone, _unpack_zone),
    Plain.of("decimal", "decimal:Decimal", str, _decimal),
    Plain.of("fraction", "fractions:Fraction", lambda value: [value.numerator, value.denominator], _fraction),
    Plain.of("uuid", "uuid:UUID", str, _uuid),
    Plain.of("path", (pathlib.PosixPath, pathlib.WindowsPath), os.fspath, pathlib.Path, _path_identity),
    Plain.of("posixpath", pathlib.PurePosixPath, os.fspath, pathlib.PurePosixPath),
    Plain.of("windowspath", pathlib.PureWindowsPath, os.fspath, pathlib.PureWindowsPath),
    Plain.of(
        "ordereddict",
        collections.OrderedDict,
        lambda value: [list(pair) for pair in value.items()],
        collections.OrderedDict,
    ),
    Plain.of("counter", collections.Counter, dict, collections.Counter),
    Plain.of(
        "defaultdict",
        collections.defaultdict,
        _pack_default,
        lambda parts: collections.defaultdict(_FACTORIES[parts["factory"]], parts["$items"]),
    ),
    Plain.of(
        "deque",
        collections.deque,
        lambda value: {"maxlen": value.maxlen, "$items": list(value)},
        lambda parts: collections.deque(parts["$items"], parts["maxlen"]),
    ),
    Plain.of("namespace", SimpleNamespace, _pack_namespace, lambda parts: SimpleNamespace(**parts)),
)
