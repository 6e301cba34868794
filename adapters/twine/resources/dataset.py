"""Dataset: files that belong together, as an app sees them."""

import os
import posixpath
import uuid
from collections.abc import Iterable, Iterator, Mapping

from fairlead.adapters.twine.resources.datafile import Datafile
from fairlead.adapters.twine.resources.filter_containers import FilterSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


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


def _datafile(file: "Datafile | str | os.PathLike[str] | Mapping[str, Any]") -> Datafile:
    if isinstance(file, Datafile):
        return file
    if isinstance(file, str | os.PathLike):
        return Datafile(file)
    fields = ("id", "timestamp", "tags", "labels")
    return Datafile(file["path"], **{field: file[field] for field in fields if field in file})
