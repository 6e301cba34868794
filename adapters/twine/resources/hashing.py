"""Octue's hashes of files and values: CRC32C, as eight characters of base64, for programs that compare them.

They are for compatibility only. They have 32 bits, do not see the order of a list or the names of a dataset's files,
and so never decide which result is the right one: identity is the fingerprint, see ``fairlead.adapters.fingerprint``.
"""

import binascii
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

HASH_OF_NOTHING = "AAAAAA=="
"""The hash of an empty file; Octue gives it to a missing file, too."""

_BLOCK = 1 << 20


def hash_of_bytes(data: bytes) -> str:
    """Return the hash of bytes."""
    import google_crc32c

    return encoded(google_crc32c.value(data))


def hash_of_file(path: "str | os.PathLike[str]") -> str:
    """Return the hash of a file's content; a file that is not there has that of an empty one."""
    import google_crc32c

    checksum = 0
    try:
        with open(path, "rb", buffering=0) as stream:
            while block := stream.read(_BLOCK):
                checksum = google_crc32c.extend(checksum, block)
    except FileNotFoundError:
        return HASH_OF_NOTHING
    return encoded(checksum)


def encoded(checksum: int) -> str:
    """Return a CRC32C as it is written: its four bytes, the highest first, in base64."""
    return binascii.b2a_base64(checksum.to_bytes(4, "big"), newline=False).decode("ascii")


def hash_of_value(value: "Any") -> "str | None":
    """Return the hash of a value that is a strand or metadata; see `hash_of_values`."""
    return hash_of_values([value])


def hash_of_values(values: "Iterable[Any]") -> "str | None":
    """Return the hash of values one after the other, or None if one of them has no text that holds.

    Texts, numbers, dates and None count as what ``str`` makes of them, dictionaries as their sorted items, and other
    iterables as their sorted members, each member that has a ``hash_value`` as that. What cannot be sorted, and is an
    error in Octue's SDK, counts as canonical JSON.
    """
    texts = [_text(value) for value in values]
    if None in texts:
        return None
    return hash_of_bytes("".join(text for text in texts if text is not None).encode("utf-8", "surrogatepass"))


def _text(value: "Any") -> "str | None":
    import datetime as dt

    if value is None or type(value) in {str, int, float, dt.datetime}:
        return str(value)
    try:
        if isinstance(value, dict):
            return str(sorted(zip(value, _hashes(value.values()), strict=True)))
        return str(sorted(_hashes(value)))
    except (TypeError, ValueError):
        return _canonical(value)


def _hashes(members: "Iterable[Any]") -> "list[Any]":
    """Return the members' own hashes if they have any; raises ValueError if only some do."""
    members = list(members)
    hashed = [member.hash_value for member in members if hasattr(member, "hash_value")]
    if hashed and len(hashed) != len(members):
        msg = "some members have a hash of their own, others have not"
        raise ValueError(msg)
    return hashed or members


def _canonical(value: "Any") -> "str | None":
    import json

    from fairlead.adapters.errors import OutputInvalid
    from fairlead.adapters.twine.encoding import to_json

    try:
        return json.dumps(to_json(_with_hashes(value), "value"), sort_keys=True, separators=(",", ":"))
    except OutputInvalid:
        return None


def _with_hashes(value: "Any") -> "Any":
    """Return a value with those members that have a hash of their own replaced by it."""
    if hasattr(value, "hash_value"):
        return value.hash_value
    if isinstance(value, dict):
        members: Mapping[Any, Any] = value
        return {key: _with_hashes(member) for key, member in members.items()}
    if isinstance(value, list | tuple):
        return [_with_hashes(member) for member in value]
    return value
