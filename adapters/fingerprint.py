"""What makes two pieces of work the same: one BLAKE3 digest over a canonical encoding of everything that matters.

`fingerprint` takes a document: a tree of mappings, lists and scalars that names all that a result depends on. The
encoding tags each value with its type and length, so that no two different documents encode alike:

- the order of a mapping's keys does not matter, that of a list does; tuples are lists; sets are sorted;
- ``1``, ``1.0``, ``True`` and ``"1"`` differ; NaN equals NaN; ``-0.0`` differs from ``0.0``;
- what has no meaning on another machine (an open file, a function) raises `NotFingerprintable` with the path to it.

`source_tree` is the identity of an app's code. Of values that are not such data, `values.identity` makes a document.
The module does not know what belongs in a document: each kind of unit says that itself.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
import struct
import sys
from array import array
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.errors import NotFingerprintable, Problem

IGNORED_FOLDERS = frozenset({"__pycache__", "node_modules", "venv"})
"""Folders that are not part of an app's source, besides every hidden one (``.git``, ``.venv``, ``.pytest_cache``)."""
IGNORED_SUFFIXES = (".pyc", ".pyo", ".egg-info")

_COUNT = struct.Struct(">Q")
LONG = 16
"""Members from which on it pays to look whether all members of a list are of one type."""

_LARGE = 1 << 16
"""Bytes from which on a text or bytes are hashed where they are."""


def fingerprint(document: Mapping[str, Any]) -> str:
    """Return the fingerprint of a document, 64 hexadecimal digits.

    Raises `NotFingerprintable` for a value that cannot be encoded, naming the path to it.
    """
    out = _Hashing()
    _encode_all(document, out)
    return out.digest()


def encoded(document: Any) -> bytearray:
    """Return the canonical encoding of a document, or of a part of one, which is what `fingerprint` hashes.

    Raises as `fingerprint` does.
    """
    out = bytearray()
    _encode_all(document, out)
    return out


def source_tree(folder: str | os.PathLike[str]) -> str:
    """Return the digest of an app's source: every file's POSIX path in the folder, NUL, and the digest of its bytes.

    Hidden files and folders, `IGNORED_FOLDERS`, `IGNORED_SUFFIXES` and virtual environments (folders that hold a
    ``pyvenv.cfg``) do not count, nor do modes and times. A link counts as what it leads to, except where it leads back
    to a folder that it is in. Raises FileNotFoundError if there is no such folder.
    """
    return _tree(source_files(folder))


def whole_tree(folder: str | os.PathLike[str]) -> str:
    """Return the digest of all files below a local folder, as `source_tree` does of an app's; nothing is left out.

    Raises OSError for what is neither file nor folder, such as a link to nothing.
    """
    return _tree(sorted(storage.local_files(os.fspath(folder))))


def _tree(files: list[tuple[str, str]]) -> str:
    from blake3 import blake3

    hasher = blake3()
    for name, path in files:
        hasher.update(f"{name}\0{storage.digest_local(path)}\n".encode("utf-8", "surrogateescape"))
    return hasher.hexdigest()


def source_files(folder: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """Return the files that `source_tree` counts, sorted: each one's name, and its path."""
    if not Path(folder).is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(folder))
    return sorted(storage.local_files(os.fspath(folder), _is_no_source))


def _is_no_source(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name.endswith(IGNORED_SUFFIXES):
        return True
    if not entry.is_dir():
        return not entry.is_file()
    return entry.name in IGNORED_FOLDERS or Path(entry.path, "pyvenv.cfg").exists()


class _Hashing(bytearray):
    """An encoding that is hashed on the way, so that what is large is never copied."""

    def __init__(self) -> None:
        from blake3 import blake3

        super().__init__()
        self._hasher = blake3()

    def take(self, body: bytes) -> None:
        """Hash what is here, and then a body that follows it."""
        self._hasher.update(self)
        self.clear()
        self._hasher.update(body)

    def digest(self) -> str:
        return str(self._hasher.update(self).hexdigest())


def _encode_all(document: Any, out: bytearray) -> None:
    try:
        _encode(document, out, "")
    except RecursionError as error:
        found = "is nested too deeply, or contains itself"
        raise NotFingerprintable(Problem("the document", found, remedy="Pass flatter data.")) from error


def _encode(value: Any, out: bytearray, path: str) -> None:
    encoder = _ENCODERS.get(type(value)) or next((encoder for base, encoder in _BASES if isinstance(value, base)), None)
    if encoder is None:
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        raise NotFingerprintable(
            Problem(
                where=path.lstrip(".") or "the value",
                found=f"a {name} has no identity that holds on another machine",
                expected="JSON data, bytes, dates, sets and mappings of these",
                remedy="Pass the data that it stands for.",
            )
        )
    encoder(value, out, path)


def _sized(tag: bytes, body: bytes, out: bytearray) -> None:
    out += tag
    out += _COUNT.pack(len(body))
    if len(body) >= _LARGE and isinstance(out, _Hashing):
        out.take(body)
    else:
        out += body


def _encode_float(value: float, out: bytearray, _path: str) -> None:
    out += b"f" + struct.pack(">d", float("nan") if value != value else value)  # noqa: PLR0124 (only NaN differs from itself)


def _encode_list(value: Any, out: bytearray, path: str) -> None:
    out += b"l" + _COUNT.pack(len(value))
    if len(value) >= LONG:
        kinds = set(map(type, value))
        encode_all = _LISTS.get(kinds.pop()) if len(kinds) == 1 else None
        if encode_all is not None:
            out += encode_all(value)
            return
    for index, item in enumerate(value):
        _encode(item, out, f"{path}[{index}]")


def _encode_floats(values: list[float]) -> bytearray:
    """Encode floats as one by one, but all first bytes at once, all second ones, and so on."""
    numbers = array("d", [float("nan") if value != value else value for value in values])  # noqa: PLR0124 (NaN)
    if sys.byteorder == "little":
        numbers.byteswap()
    plain = numbers.tobytes()
    out = bytearray(b"f" * (9 * len(values)))
    for place in range(8):
        out[place + 1 :: 9] = plain[place::8]
    return out


def _encode_bodies(tag: bytes, bodies: list[bytes]) -> bytes:
    heads = {length: tag + _COUNT.pack(length) for length in set(map(len, bodies))}
    return b"".join([heads[len(body)] + body for body in bodies])


def _encode_mapping(value: Mapping[Any, Any], out: bytearray, path: str) -> None:
    items: list[tuple[bytes, Any, Any]] = []
    for key, item in value.items():
        name = bytearray()
        _encode(key, name, f"{path}, key {key!r}")
        items.append((bytes(name), key, item))
    items.sort(key=lambda item: item[0])
    out += b"m" + _COUNT.pack(len(items))
    for encoded, key, item in items:
        out += encoded
        _encode(item, out, f"{path}.{key}")


def _encode_set(value: AbstractSet[Any], out: bytearray, path: str) -> None:
    items: list[bytes] = []
    for item in value:
        encoded = bytearray()
        _encode(item, encoded, f"{path}, member {item!r}")
        items.append(bytes(encoded))
    _sized(b"S", b"".join(sorted(items)), out)


_ENCODERS: dict[type, Callable[[Any, bytearray, str], None]] = {
    type(None): lambda _value, out, _path: out.extend(b"n"),
    bool: lambda value, out, _path: out.extend(b"t" if value else b"u"),
    int: lambda value, out, _path: _sized(b"i", b"%x" % value, out),
    float: _encode_float,
    str: lambda value, out, _path: _sized(b"s", value.encode("utf-8", "surrogatepass"), out),
    bytes: lambda value, out, _path: _sized(b"b", value, out),
    dt.datetime: lambda value, out, _path: _sized(b"d", value.isoformat().encode(), out),
    dt.date: lambda value, out, _path: _sized(b"D", value.isoformat().encode(), out),
    list: _encode_list,
    tuple: _encode_list,
    dict: _encode_mapping,
    set: _encode_set,
    frozenset: _encode_set,
}
_LISTS: dict[type, Callable[[Any], bytes | bytearray]] = {
    float: _encode_floats,
    int: lambda values: _encode_bodies(b"i", [b"%x" % value for value in values]),
    str: lambda values: _encode_bodies(b"s", [value.encode("utf-8", "surrogatepass") for value in values]),
}
"""How long lists of members of one type are encoded: to the same bytes, in a fraction of the time."""
_BASES: list[tuple[type, Callable[[Any, bytearray, str], None]]] = [(Mapping, _encode_mapping)]
