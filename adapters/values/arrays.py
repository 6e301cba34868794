"""Codecs of numpy's arrays and numbers: an array is an ``.npy`` blob, which any tool reads, and never a pickle.

Arrays of objects travel member by member. What it does not do: take subclasses of arrays, such as masked ones.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from fairlead.adapters.values.codec import Blob, Codec, Plain, Unfit

if TYPE_CHECKING:
    import numpy as np

_EXACT = {"b": 1, "i": 8, "u": 8, "f": 8}
"""Up to how many bytes a number of a kind is exactly one of Python's."""


def npy(value: np.ndarray[Any, Any]) -> Blob:
    """Return an array as the content of an ``.npy`` file; raises `Unfit` for types that such a file does not keep."""
    import numpy as np

    _refuse_other(value.dtype)
    stream = io.BytesIO()
    np.lib.format.write_array(stream, value, allow_pickle=False)
    return Blob(stream.getvalue(), "npy")


def from_npy(data: bytes) -> Any:
    """Return the array that is in an ``.npy`` file."""
    import numpy as np

    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def _refuse_other(dtype: np.dtype[Any]) -> None:
    import numpy as np

    if dtype.hasobject or np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype)) != dtype:
        found = f"is an array of {dtype!r}, which an .npy file does not keep"
        raise Unfit(found, "an array of numbers, texts or times", "Convert it: value.astype(…), or value.tolist().")


def _pack(value: np.ndarray[Any, Any]) -> Any:
    if value.dtype.kind == "O":
        return {"shape": list(value.shape), "$items": value.reshape(-1).tolist()}
    return npy(value)


def _unpack(parts: Any) -> Any:
    return from_npy(parts) if isinstance(parts, bytes) else of_objects(parts["$items"]).reshape(parts["shape"])


def of_objects(items: list[Any]) -> np.ndarray[Any, Any]:
    """Return a flat array that has the items of a list as they are, also those that are lists themselves."""
    import numpy as np

    array = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        array[index] = item
    return array


def _identity(value: np.ndarray[Any, Any]) -> Any:
    if value.dtype.kind == "O":
        return _pack(value)
    if value.dtype.names is not None:  # what lies between the fields is no content
        fields = {name: value[name] for name in value.dtype.names}
        return {"shape": list(value.shape), "names": list(fields), "$fields": fields}
    _refuse_other(value.dtype)
    document = {"dtype": value.dtype.str, "shape": list(value.shape)}
    if value.dtype.char in "gG":  # so does what fills up a long number
        return document | {"$items": [str(item) for item in value.reshape(-1)]}
    return document | {"blake3": _digest(value)}


def _digest(value: np.ndarray[Any, Any]) -> str:
    """Return the digest of an array's members in order; every NaN is the same."""
    import numpy as np
    from blake3 import blake3

    value = np.ascontiguousarray(value).reshape(-1)
    if value.dtype.kind in "fc":
        parts = value if value.dtype.kind == "f" else value.view(value.real.dtype)
        missing = np.isnan(parts)
        if missing.any():
            value = np.where(missing, parts.dtype.type(np.nan), parts).astype(parts.dtype, copy=False)
    return str(blake3(value.view(np.uint8).data if value.nbytes else b"").hexdigest())


def _pack_scalar(value: np.generic) -> Any:
    import numpy as np

    if value.dtype.itemsize <= _EXACT.get(value.dtype.kind, 0):
        return [type(value).__name__, value.item()]
    return npy(np.asarray(value))


def _scalar_identity(value: np.generic) -> Any:
    import numpy as np

    return _identity(np.asarray(value))


def _scalars(kind: type) -> set[type]:
    """Return all types of single values, which are known by the module that they say they are of."""
    return {kind}.union(*map(_scalars, kind.__subclasses__())) if kind.__module__ == "numpy" else set()


def codecs() -> tuple[Codec, ...]:
    """Return the codecs; raises ImportError without numpy."""
    import numpy as np

    scalars = _scalars(np.generic)
    by_name: dict[str, Any] = {kind.__name__: kind for kind in scalars}

    def unpack_scalar(parts: Any) -> Any:
        return from_npy(parts)[()] if isinstance(parts, bytes) else by_name[parts[0]](parts[1])

    return (
        Plain.of("numpy.array", np.ndarray, _pack, _unpack, _identity),
        Plain.of("numpy.scalar", tuple(scalars), _pack_scalar, unpack_scalar, _scalar_identity),
    )
