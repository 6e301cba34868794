"""What a value is, by its content: a document for `fingerprint`, the same for the same value on any machine.

It is what a codec says of the value, tagged with the codec's name, so that two values of different types never have one
identity. What the fingerprint can tell apart by itself stays as it is: JSON data, numbers that are not finite, bytes,
and dictionaries with such keys. The order of a dictionary's keys and of a set's members does not matter. A path counts
with the file or folder that is there. What it does not do: hash; that is the fingerprint's.
"""

from __future__ import annotations

from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.errors import NotFingerprintable
from fairlead.adapters.fingerprint import encoded
from fairlead.adapters.values.codec import Blob, Codec, Family, full_name
from fairlead.adapters.values.walk import SCALARS, TAG, Walk, is_plain

_NATIVE = SCALARS | {bytes}


def identity(value: Any, where: str = "the value") -> Any:
    """Return a document that says what a value is, by content; plain JSON data is returned as it is.

    ``where`` is how errors name the value. Raises `NotFingerprintable` for what no codec takes and for what contains
    itself, naming the path to it.
    """
    return value if is_plain(value) else _Identity().document(value, where)


class _Identity(Walk):
    def __init__(self) -> None:
        super().__init__(NotFingerprintable, "has no identity that holds on another machine")

    def of(self, value: Any) -> Any:
        return value if type(value) is bytes else super().of(value)

    def scalar(self, value: Any) -> Any:
        return value

    def is_done(self, value: list[Any]) -> bool:
        return _NATIVE.issuperset(map(type, value))

    def blob(self, value: Blob) -> Any:
        return value.data if isinstance(value.data, bytes) else {"file": storage.digest_local(value.data)}

    def mapping(self, value: dict[Any, Any]) -> Any:
        if all(type(key) is str for key in value):
            document: Any = self.items(value)
        elif _NATIVE.issuperset(map(type, value)):
            document = dict(self.pairs(value))
        else:
            return {TAG: "dict", "value": sorted(self.pairs(value), key=encoded)}
        return {TAG: "dict", "value": document} if TAG in value else document

    def members(self, value: set[Any] | frozenset[Any]) -> Any:
        if _NATIVE.issuperset(map(type, value)):
            return set(value)
        return sorted((self.at(f", member {member!r:.40}", member) for member in value), key=encoded)

    def parts(self, codec: Codec | Family, value: Any) -> Any:
        own = getattr(codec, "identity", None)
        return own(value) if own is not None else codec.pack(value)

    def class_name(self, kind: type) -> str:
        return full_name(kind)
