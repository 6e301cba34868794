"""Where the blobs of packed values are kept, on any location: what a task hands on is then always small JSON data.

    <root>/values/<first two digits>/<digest>.<suffix>

A blob's name is the digest of its bytes, so equal values are kept once, whoever stores them, and every blob that is
read is checked. Only JSON and bytes that codecs made are kept, never a pickle. What it does not do: remove blobs. Any
of them may be deleted; whoever needs it then is told which value is gone.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.errors import StorageFailed
from fairlead.adapters.values.packing import blob_name, pack, unpack
from fairlead.adapters.values.walk import TAG


class ValueStore:
    """The values below one root, which may be that of a result cache."""

    def __init__(self, root: str | os.PathLike[str], *, inline_limit: int = 32 << 10) -> None:
        """Use a location; JSON data of up to ``inline_limit`` bytes is handed on, and what is longer is stored.

        Raises `InputInvalid` for an address with a password in it.
        """
        chosen = os.fspath(root)
        storage.refuse_secrets(chosen, "value store")
        self.root = str(storage.local_path(chosen)) if storage.is_local(chosen) else storage.join(chosen)
        self.inline_limit = inline_limit

    def __repr__(self) -> str:
        """Show the root."""
        return f"ValueStore({self.root!r})"

    def put(self, value: Any, where: str = "the value") -> Any:
        """Store what is large in a value, and return JSON data of bounded size of which `get` makes it again.

        ``where`` is how errors name the value. Raises `NotPortable` for what cannot travel (nothing was stored) and
        `StorageFailed`.
        """
        packed = pack(value, where)
        for name, content in packed.blobs.items():
            self._keep(name, content)
        text = json.dumps(packed.data, ensure_ascii=False, separators=(",", ":"))
        if len(text) <= self.inline_limit and (text.isascii() or len(text.encode()) <= self.inline_limit):
            return packed.data
        content = text.encode()
        name = blob_name(content, "json")
        self._keep(name, content)
        return {TAG: "json", "name": name}

    def get(self, data: Any) -> Any:
        """Return the value that `put` has stored; every blob is checked.

        Raises `StorageFailed` that names a blob which is missing or damaged, and `NotPortable` as `unpack` does.
        """
        return unpack(data, self._read)

    def location(self, name: str) -> str:
        """Return where a blob is."""
        return storage.join(self.root, "values", name[:2], name)

    def _keep(self, name: str, content: bytes | Path) -> None:
        """Write a blob unless it is there, whole."""
        location = self.location(name)
        try:
            if storage.digest(location) == name.partition(".")[0]:
                return
        except (FileNotFoundError, IsADirectoryError):
            pass
        except OSError as error:
            raise self._unusable(error) from error
        try:
            if isinstance(content, Path):
                storage.put(content, location)
            else:
                storage.write_bytes(location, content)
        except OSError as error:
            raise self._unusable(error) from error

    def _read(self, name: str) -> bytes:
        from blake3 import blake3

        location = self.location(name)
        try:
            content = storage.read_bytes(location)
        except FileNotFoundError as error:
            remedy = "Run the task again that made it, or name the place where it stored it."
            raise StorageFailed(f"{location} is missing: a value of an earlier task.", remedy=remedy) from error
        except OSError as error:
            raise self._unusable(error) from error
        if blake3(content).hexdigest() != name.partition(".")[0]:
            found = f"{location} has changed since it was written: a value of an earlier task."
            raise StorageFailed(found, remedy="Delete it, and run the task again that made it.")
        return content

    def _unusable(self, error: OSError) -> StorageFailed:
        return StorageFailed(
            f"The value store {self.root} cannot be used: {error}.",
            remedy="Check permissions and free space there, or choose another place.",
        )
