"""Datafile: one file that goes into or comes out of an app, as the app sees it.

Made in the app's process from a bound manifest (see ``manifests``) or by the app itself. A file of a remote store is
fetched when its `Datafile.local_path` is first asked for. Only the standard library is imported at the start.
"""

import os
import posixpath
import uuid
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any


class Datafile:
    """One file, with what is known about it: ``id``, ``timestamp``, ``tags`` and ``labels``."""

    def __init__(
        self,
        path: "str | os.PathLike[str]",
        *,
        timestamp: "Any" = None,
        id: "str | None" = None,  # noqa: A002 (Octue's name)
        tags: "Mapping[str, Any] | None" = None,
        labels: "Iterable[str] | None" = None,
    ) -> None:
        """Describe the file at a path or URL; it need not exist yet."""
        location = os.fspath(path)
        remote = "://" in location and not location.startswith("file://")
        self.cloud_path = location if remote else None
        self._local_path = None if remote else os.path.abspath(location.removeprefix("file://"))
        self.timestamp = timestamp
        self.id = str(uuid.UUID(id)) if id else str(uuid.uuid4())
        self.tags = dict(tags or {})
        self.labels = set(labels.split() if isinstance(labels, str) else labels or ())

    def __repr__(self) -> str:
        """Show the name."""
        return f"<Datafile('{self.name}')>"

    @property
    def name(self) -> str:
        """The file's own name, without folders."""
        location = self.cloud_path or self._local_path or ""
        if location.startswith(("http://", "https://")):  # a signature is no part of a name
            location = location.partition("?")[0].partition("#")[0]
        return posixpath.basename(location)

    @property
    def extension(self) -> str:
        """The last suffix, without its dot."""
        return posixpath.splitext(self.name)[1].removeprefix(".")

    @property
    def local_path(self) -> str:
        """The file's path on this machine; a remote file is fetched the first time, and kept as long as this object."""
        if self._local_path is None:
            import pathlib
            import tempfile

            from fairlead.adapters import storage

            assert self.cloud_path
            self._fetched = tempfile.TemporaryDirectory(prefix="datafile-")
            target = pathlib.Path(self._fetched.name, self.name)
            storage.fetch(self.cloud_path, target)
            self._local_path = str(target)
        return self._local_path

    @property
    def path(self) -> str:
        """The same as `local_path`."""
        return self.local_path

    @property
    def exists_locally(self) -> bool:
        """Whether the file is on this machine."""
        return self._local_path is not None and os.path.exists(self._local_path)

    @property
    def exists_in_cloud(self) -> bool:
        """Whether the file is in a remote store."""
        return self.cloud_path is not None

    @property
    def size_bytes(self) -> "int | None":
        """The file's size, or None if it is not on this machine."""
        return os.path.getsize(self._local_path) if self._local_path and self.exists_locally else None

    @contextmanager
    def open(self, mode: str = "r", **options: "Any") -> "Generator[IO[Any]]":
        """Open the file as the built-in ``open`` does, as a context manager; writing makes its folders."""
        if any(letter in mode for letter in "wax"):
            os.makedirs(os.path.dirname(self.local_path), exist_ok=True)
        with open(self.local_path, mode, **options) as stream:
            yield stream

    def move_to(self, path: str) -> None:
        """Say that the file is now at a local path."""
        self._local_path, self.cloud_path = path, None

    def to_primitive(self) -> "dict[str, Any]":
        """Return the description as JSON data."""
        return {
            "id": self.id,
            "name": self.name,
            "path": self.cloud_path or self._local_path,
            "timestamp": self.timestamp,
            "tags": self.tags,
            "labels": sorted(self.labels),
        }
