"""A value as JSON data, with what is large in it as blobs of bytes; and the same value again.

Plain JSON data is its own packed form. Anything else is an object with the key ``$fairlead``:

    {"$fairlead": codec, "value": …}                  what a codec says of a value, packed itself
    {"$fairlead": kind, "class": "module:Qualname", "value": …}   an object of a class of that kind
    {"$fairlead": "dict", "value": [[key, item], …]}  a dictionary with other keys than texts, or with that one
    {"$fairlead": "blob", "base64": …}                bytes of a codec, if they are few
    {"$fairlead": "blob", "name": "<digest>.npy"}     bytes that are in a blob of that name
    {"$fairlead": "json", "name": "<digest>.json"}    packed data that is itself in a blob, see ``store``

The name of a blob is the BLAKE3 digest of its bytes and a suffix. What it does not do: keep blobs, or check digests.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.errors import FairleadError, NotPortable
from fairlead.adapters.values import classes
from fairlead.adapters.values.codec import Blob, Codec, Family, Unfit
from fairlead.adapters.values.registry import codec_named
from fairlead.adapters.values.walk import SCALARS, TAG, Walk, is_plain, step, told

FEW = 4096
"""Bytes up to which a codec's bytes travel in the JSON data."""
BLOB_NAME = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{1,16}")

_SUFFIX = re.compile(r"[a-z0-9]{1,16}")
_SETS = {"set": set, "frozenset": frozenset}


@dataclass(frozen=True)
class Packed:
    """A value that is ready to travel."""

    data: Any
    """JSON data."""
    blobs: Mapping[str, bytes | Path]
    """What travels beside: the bytes, or the path of a local file that holds them, by ``<digest>.<suffix>``."""


def pack(value: Any, where: str = "the value") -> Packed:
    """Return a value as JSON data and blobs; plain JSON data is returned as it is, not copied.

    ``where`` is how errors name the value, e.g. ``result``. Raises `NotPortable` for what no codec takes, for what
    contains itself and for classes that another process does not find, naming the path to it.
    """
    if is_plain(value):
        return Packed(value, {})
    packing = _Packing()
    return Packed(packing.document(value, where), packing.blobs)


def unpack(data: Any, read: Callable[[str], bytes]) -> Any:
    """Return the value that was packed, equal and of the same type; ``read`` returns a blob's bytes by its name.

    Raises `NotPortable` if a codec or a class is not known here, or if the data are not what `pack` makes, and whatever
    ``read`` raises. Plain data is returned as it is, not copied.
    """
    if is_plain(data):
        return data
    with told(NotPortable, "the value"):
        return _Unpacking(read).of(data)


def blob_name(data: bytes | Path, suffix: str) -> str:
    """Return the name of a blob."""
    from blake3 import blake3

    digest = blake3(data).hexdigest() if isinstance(data, bytes) else storage.digest_local(data)
    return f"{digest}.{suffix}"


class _Packing(Walk):
    def __init__(self) -> None:
        super().__init__(NotPortable, "cannot travel between tasks")
        self.blobs: dict[str, bytes | Path] = {}

    def scalar(self, value: Any) -> Any:
        return value if is_plain(value) else self.other(value, type(value))

    def is_done(self, value: list[Any]) -> bool:
        return SCALARS.issuperset(map(type, value)) and is_plain(value)

    def blob(self, value: Blob) -> Any:
        if not _SUFFIX.fullmatch(value.suffix):
            found = f"has a blob with the suffix {value.suffix!r}"
            raise Unfit(found, "lower-case letters and digits", "Use e.g. 'bin'.")
        few = (len(value.data) if isinstance(value.data, bytes) else value.data.stat().st_size) <= FEW
        if few:
            data = value.data if isinstance(value.data, bytes) else value.data.read_bytes()
            return {TAG: "blob", "base64": base64.b64encode(data).decode()}
        name = blob_name(value.data, value.suffix)
        self.blobs[name] = value.data
        return {TAG: "blob", "name": name}

    def mapping(self, value: dict[Any, Any]) -> Any:
        if TAG in value or not all(type(key) is str and is_plain(key) for key in value):
            return {TAG: "dict", "value": self.pairs(value)}
        return self.items(value)

    def members(self, value: set[Any] | frozenset[Any]) -> list[Any]:
        documents = [self.at(f", member {member!r:.40}", member) for member in value]
        return sorted(documents, key=lambda document: json.dumps(document, sort_keys=True))

    def parts(self, codec: Codec | Family, value: Any) -> Any:
        return codec.pack(value)

    def class_name(self, kind: type) -> str:
        return classes.portable_name(kind)


class _Unpacking:
    """Makes the value again, from the innermost parts outwards."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read

    def of(self, data: Any) -> Any:
        if type(data) is list:
            return self._list(data)
        if type(data) is not dict:
            return data
        if TAG not in data:
            return self._items(data)
        name = data[TAG]
        try:
            return self._tagged(name, data)
        except (Unfit, FairleadError, RecursionError):
            raise
        except Exception as error:
            found = f"cannot be made again by its codec '{name}': {type(error).__name__}: {error}"
            remedy = "Use the versions of packages with which it was packed."
            raise Unfit(found, "data that was packed", remedy) from error

    def _tagged(self, name: Any, data: dict[str, Any]) -> Any:
        if name == "blob":
            return base64.b64decode(data["base64"]) if "base64" in data else self._blob(data["name"])
        if name == "json":
            return self.of(json.loads(self._blob(data["name"])))
        if name == "dict":
            return {self.of(key): self.of(item) for key, item in data["value"]}
        parts = self.of(data["value"])
        if name in _SETS:
            return _SETS[name](parts)
        codec: Any = codec_named(name)
        return codec.unpack(parts, classes.find(data["class"], codec)) if "class" in data else codec.unpack(parts)

    def _blob(self, name: str) -> bytes:
        if not BLOB_NAME.fullmatch(name):
            raise Unfit(f"{name!r} is no name of a blob", "<digest>.<suffix>")
        return self._read(name)

    def _items(self, data: dict[str, Any]) -> dict[str, Any]:
        key = ""
        try:
            out: dict[str, Any] = {}
            for key, item in data.items():
                out[key] = self.of(item)
        except Unfit as unfit:
            unfit.steps.append(step(key))
            raise
        return out

    def _list(self, data: list[Any]) -> list[Any]:
        if SCALARS.issuperset(map(type, data)):
            return data
        index = 0
        try:
            out: list[Any] = []
            for index, item in enumerate(data):  # noqa: B007 (for the error)
                out.append(self.of(item))
        except Unfit as unfit:
            unfit.steps.append(f"[{index}]")
            raise
        return out
