"""Datafile, Dataset and Manifest: the files that go into and come out of an app, as the app sees them.

Made in the app's process from a bound manifest (see ``manifests``) or by the app itself. A file of a remote store is
fetched when its `Datafile.local_path` is first asked for. Only the standard library is imported at the start.
"""

import os
import posixpath
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping
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


class FilterSet(set[Datafile]):
    """The files of a dataset."""

    def one(self) -> Datafile:
        """Return the only file; raises ValueError if there are none or several."""
        if len(self) != 1:
            names = ", ".join(sorted(file.name for file in self)) or "none"
            msg = f"one file was expected in the dataset, found {len(self)}: {names}"
            raise ValueError(msg)
        return next(iter(self))


class Dataset:
    """Files that belong together, and what is known about them: ``id``, ``name``, ``tags`` and ``labels``."""

    def __init__(
        self,
        path: "str | os.PathLike[str] | None" = None,
        files: "Iterable[Datafile | str | Mapping[str, Any]] | None" = None,
        *,
        id: "str | None" = None,  # noqa: A002 (Octue's name)
        name: "str | None" = None,
        tags: "Mapping[str, Any] | None" = None,
        labels: "Iterable[str] | None" = None,
    ) -> None:
        """Describe the files given, or all that are in the folder (which need not exist yet)."""
        self._has_folder = path is not None or files is None
        location = os.fspath(path) if path is not None else os.getcwd()
        self.path = location if "://" in location else os.path.abspath(location)
        self.id = str(uuid.UUID(id)) if id else str(uuid.uuid4())
        self.name = name or posixpath.basename(self.path.rstrip("/"))
        self.tags = dict(tags or {})
        self.labels = set(labels.split() if isinstance(labels, str) else labels or ())
        self._given = None if files is None else [_datafile(file) for file in files]
        self._listed: dict[str, Datafile] = {}

    def __repr__(self) -> str:
        """Show the name."""
        return f"<Dataset('{self.name}')>"

    def __iter__(self) -> "Iterator[Datafile]":
        """Go through the files, sorted by name."""
        return iter(sorted(self.files, key=lambda file: file.name))

    @property
    def files(self) -> "FilterSet":
        """The files; those of a local folder are looked up each time, so that new ones are seen."""
        if self._given is not None:
            return FilterSet(self._given)
        from fairlead.adapters import storage

        names = [name for name in storage.walk(self.path) if posixpath.basename(name) != ".octue"]
        for name in names:
            self._listed.setdefault(name, Datafile(storage.join(self.path, name)))
        return FilterSet(self._listed[name] for name in names)

    def add(self, datafile: Datafile, path_in_dataset: "str | None" = None) -> None:
        """Add a file; one from outside the dataset's folder is copied into it, under ``path_in_dataset`` if given."""
        if not isinstance(datafile, Datafile):  # pyright: ignore[reportUnnecessaryIsInstance] (apps are untyped)
            msg = f"{datafile!r} is not a Datafile; wrap its path: Datafile(path)"
            raise TypeError(msg)
        root = os.path.join(self.path, "")
        if path_in_dataset or not datafile.local_path.startswith(root):
            import shutil

            target = os.path.normpath(os.path.join(root, path_in_dataset or datafile.name))
            if not target.startswith(root):
                msg = f"'{path_in_dataset}' leads out of the dataset; give a path inside it"
                raise ValueError(msg)
            if os.path.exists(target):
                msg = f"{target} is in the dataset already; give another 'path_in_dataset'"
                raise FileExistsError(msg)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(datafile.local_path, target)
            datafile.move_to(target)
        if self._given is not None:
            self._given.append(datafile)
        else:
            self._listed[os.path.relpath(datafile.local_path, root)] = datafile

    def to_primitive(self) -> "dict[str, Any]":
        """Return the description as JSON data, with that of its files; ``path`` is None if only files were given."""
        return {
            "id": self.id,
            "name": self.name,
            "path": self.path if self._has_folder else None,
            "tags": self.tags,
            "labels": sorted(self.labels),
            "files": [file.to_primitive() for file in self],
        }


class Manifest:
    """Datasets by key."""

    def __init__(
        self,
        datasets: "Mapping[str, Dataset | Mapping[str, Any] | str] | None" = None,
        *,
        id: "str | None" = None,  # noqa: A002 (Octue's name)
        name: "str | None" = None,
    ) -> None:
        """Hold datasets; descriptions and folders are made into them."""
        self.id = str(uuid.UUID(id)) if id else str(uuid.uuid4())
        self.name = name
        self.datasets = {key: _dataset(dataset) for key, dataset in (datasets or {}).items()}

    def __repr__(self) -> str:
        """Show the keys."""
        return f"<Manifest({', '.join(self.datasets)})>"

    def get_dataset(self, key: str) -> Dataset:
        """Return a dataset; raises KeyError that names the keys there are."""
        if key not in self.datasets:
            msg = f"the manifest has no dataset '{key}'; it has {', '.join(sorted(self.datasets)) or 'none'}"
            raise KeyError(msg)
        return self.datasets[key]

    def to_primitive(self) -> "dict[str, Any]":
        """Return the description as JSON data."""
        datasets = {key: dataset.to_primitive() for key, dataset in self.datasets.items()}
        return {"id": self.id, "name": self.name, "datasets": datasets}


def _datafile(file: "Datafile | str | os.PathLike[str] | Mapping[str, Any]") -> Datafile:
    if isinstance(file, Datafile):
        return file
    if isinstance(file, str | os.PathLike):
        return Datafile(file)
    fields = ("id", "timestamp", "tags", "labels")
    return Datafile(file["path"], **{field: file[field] for field in fields if field in file})


def _dataset(dataset: "Dataset | Mapping[str, Any] | str | os.PathLike[str]") -> Dataset:
    if isinstance(dataset, Dataset):
        return dataset
    if isinstance(dataset, str | os.PathLike):
        return Dataset(dataset)
    fields = ("path", "files", "id", "name", "tags", "labels")
    return Dataset(**{field: dataset[field] for field in fields if field in dataset})
