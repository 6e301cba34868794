"""Values across a task boundary: any Python value as JSON and blobs, the same value again, and its identity.

    packing     a value as JSON data, and what is large in it as blobs of bytes
    identities  what a value is, by content, for a fingerprint
    store       where blobs are kept, so that what travels is small
    codec       what a codec is; the built-in ones are in ``standard``, ``classes``, ``arrays`` and ``frames``
    registry    which codec takes a value
    walk        the way through a value, which packing and identity share

Nothing is pickled, and nothing that is read again runs code: a class is looked up by its name, and used only if it is
of a kind whose objects can be made without calling it. What it does not do: decide which values a task may return.
"""

from fairlead.adapters.values.codec import Blob, Codec, Unfit
from fairlead.adapters.values.identities import identity
from fairlead.adapters.values.packing import Packed, pack, unpack
from fairlead.adapters.values.registry import register
from fairlead.adapters.values.store import ValueStore

__all__ = ["Blob", "Codec", "Packed", "Unfit", "ValueStore", "identity", "pack", "register", "unpack"]
