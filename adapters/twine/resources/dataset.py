"""Dataset: files that belong together, as an app sees them.

The files are those of a folder, here or in a store, of a signed dataset, or those that were given. What is stored about
the dataset and each of them is read with one look at each ``.octue`` file. Which files count is decided in ``listing``,
and how datasets travel in ``transfer``.
"""

import os
import posixpath

from fairlead.adapters.twine.exceptions import CloudLocationNotSpecified, InvalidInputException
from fairlead.adapters.twine.resources import metadata as stored
from fairlead.adapters.twine.resources.datafile import Datafile
from fairlead.adapters.twine.resources.filter_containers import FilterSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, Self

_WEEK = 7 * 24 * 3600


class Dataset(stored.Described):
    """Files that belong together, and what is known about them: ``id``, ``name``, ``tags`` and ``labels``."""

    STORED = ("id", "name", "tags", "labels")
    _METADATA_ATTRIBUTES = STORED

    _stored_records: "Mapping[str, Mapping[str, Any] | None] | None" = None
    """What was stored about the files in a store, by their names in the dataset, when that was last looked at."""

    def __init__(
        self,
        path: "str | os.PathLike[str] | None" = None,
        files: "Iterable[Datafile | str | os.PathLike[str] | Mapping[str, Any]] | None" = None,
        recursive: bool = True,  # noqa: FBT001, FBT002 (Octue's)
        ignore_stored_metadata: bool = False,  # noqa: FBT001, FBT002 (Octue's)
        id: "str | None" = None,  # noqa: A002 (Octue's name)
        name: "str | None" = None,
        tags: "Mapping[str, Any] | None" = None,
        labels: "Iterable[str] | None" = None,
    ) -> None:
        """Describe the files given, or all that are in the folder (which need not exist yet).

        What is stored about a folder wins over the arguments, unless ``ignore_stored_metadata``. Raises
        `InvalidInputException` if an upload to the folder was not finished.

        Args:
            path: the folder, a URL of one, or the address of a signed dataset; without it, the working directory.
            files: paths, URLs, `Datafile`s or their descriptions, in a list or the like.
            recursive: include the files in folders of the folder.
            ignore_stored_metadata: use the arguments only.
            id: a UUID; one is made if there is none.
            name: without it, the folder's.
            tags: named values.
            labels: words, in a list or in a text with spaces between.
        """
        given = None if files is None else _listed(files)
        super().__init__(id=id, name=name, tags=tags or None, labels=labels or None)
        self._place(path, has_folder=path is not None or given is None)
        self._recursive = recursive
        self._ignore_stored_metadata = ignore_stored_metadata
        self._known: dict[str, Datafile] | None = None
        self._given: FilterSet[Datafile] | None = None
        if given or (given is not None and not self._has_folder):
            self._given = FilterSet(_datafile(file, ignore_stored_metadata) for file in given)
        elif not ignore_stored_metadata or self.exists_in_cloud:
            self._take_stored()

    @classmethod
    def from_description(cls, described: "Mapping[str, Any]") -> "Self":
        """Make a dataset of what `to_description` has returned; nothing is looked up."""
        self = cls.__new__(cls)
        super(Dataset, self).__init__(**{field: described.get(field) or None for field in cls.STORED})
        self._place(described.get("path"), has_folder=described.get("path") is not None)
        self._recursive, self._ignore_stored_metadata, self._known = True, False, None
        self._given = FilterSet(Datafile.from_description(file) for file in described["files"])
        return self

    def __enter__(self) -> "Self":
        """Change files and metadata in a ``with`` statement; at its end, `update_metadata` stores all of it at once."""
        return self

    def __exit__(self, error: object, *_: object) -> None:
        """Store the metadata, unless there was an error."""
        if error is None:
            self.update_metadata()

    def __iter__(self) -> "Iterator[Datafile]":
        """Go through the files, sorted by name."""
        return iter(self._sorted())

    def __len__(self) -> int:
        """Return how many files there are."""
        return len(self.files)

    @property
    def name(self) -> str:
        """The name that was given or stored, else the folder's."""
        return super().name or posixpath.basename(_plain(self.path).rstrip("/"))

    @property
    def path(self) -> str:
        """The folder or URL. Assigning another one says that the dataset is there: its files are looked up there.

        Files that were given stay as they are, unless it is that of a signed dataset, which names them anew. The name
        stays.
        """
        return self._path

    @path.setter
    def path(self, path: "str | os.PathLike[str]") -> None:
        from fairlead.adapters.twine.resources import listing

        if path == self._path:
            return
        self._name = self.name
        self._place(path, has_folder=True)
        self._known = None
        if listing.is_signed(self._path):
            self._given = None

    @property
    def files(self) -> "FilterSet[Datafile]":
        """The files; those of a local folder are looked up each time, so that new ones are seen."""
        if self._given is not None:
            return self._given
        if self._known is None or not self.exists_in_cloud:
            self._look()
        assert self._known is not None
        return FilterSet(self._known.values())

    @property
    def is_of_files(self) -> bool:
        """Whether the dataset was made of files that were given, not of all in a folder."""
        return self._given is not None

    @property
    def exists_locally(self) -> bool:
        """Whether the dataset's folder is on this machine."""
        return not self.exists_in_cloud

    @property
    def exists_in_cloud(self) -> bool:
        """Whether the dataset's folder is a URL."""
        return stored.is_remote(self.path)

    @property
    def all_files_are_in_cloud(self) -> bool:
        """Whether every file has a URL."""
        return all(file.exists_in_cloud for file in self.files)

    def add(self, datafile: Datafile, path_in_dataset: "str | None" = None) -> None:
        """Add a file; one from outside the dataset is copied into it, under ``path_in_dataset`` if given.

        Raises `InvalidInputException` for what is no Datafile and for a path that leads out of the dataset,
        FileExistsError if there is a file at that path already.
        """
        if not isinstance(datafile, Datafile):  # pyright: ignore[reportUnnecessaryIsInstance] (apps are untyped)
            msg = f"{datafile!r} is not a Datafile; wrap its path: Datafile(path)"
            raise InvalidInputException(msg)
        from fairlead.adapters.twine.resources import listing
        from fairlead.adapters.twine.resources.cloud import refuse_escape

        if path_in_dataset is not None:
            refuse_escape(path_in_dataset, self.path)
        name = posixpath.normpath(path_in_dataset or datafile.name)
        if name == "." or stored.is_metadata(posixpath.basename(name)) or name.startswith(f"{listing.SIGNED}/"):
            shown = path_in_dataset or datafile.name
            msg = f"'{shown}' cannot be the name of a file in a dataset; give another 'path_in_dataset'"
            raise InvalidInputException(msg)
        put = self._add_remotely if self.exists_in_cloud else self._add
        name = put(datafile, path_in_dataset)
        if self._given is not None:
            self._given.add(datafile)
        elif self._known is None:
            self._known = {name: datafile}
            if self.exists_in_cloud:
                self._look()
        else:
            self._known[name] = datafile

    def get_file_by_label(self, label: str) -> Datafile:
        """Return the only file with a label; raises `UnexpectedNumberOfResultsException` unless there is one."""
        return self.files.one(labels__contains=label)

    def upload(self, cloud_path: "str | os.PathLike[str] | None" = None, update_cloud_metadata: bool = True) -> str:  # noqa: FBT001, FBT002 (Octue's)
        """Copy the files to a store, with the metadata unless told otherwise, and return the URL.

        That is the dataset's path from now on; the files have URLs, and stay on this machine, too. Each takes one
        request, several at a time. Until all have arrived, the place is marked as unfinished. Files that are there
        already as they are here are not sent again. Raises `CloudLocationNotSpecified` without a URL,
        `ReadOnlyResource` for a web address.
        """
        from fairlead.adapters import storage
        from fairlead.adapters.twine.resources import cloud, transfer

        target = os.fspath(cloud_path) if cloud_path else self.path if self.exists_in_cloud else None
        target = cloud.writable(target, self)
        target = str(storage.local_path(target)) if storage.is_local(target) else target.rstrip("/")
        files = self._named()
        records = transfer.upload(files, target, self._record() if update_cloud_metadata else None)
        self._stored_records = records if update_cloud_metadata else None
        for name, file in files:
            file.is_at(storage.join(target, name))
        self.path = target
        if self._given is None:
            self._known = dict(files)
        return self.path

    def download(self, local_directory: "str | os.PathLike[str] | None" = None) -> None:
        """Fetch all files, several at a time: into a folder, with the metadata, or else to temporary places.

        Raises `CloudLocationNotSpecified` if the dataset is on this machine.
        """
        if not self.exists_in_cloud and not self.all_files_are_in_cloud:
            msg = f"You can only download files from a cloud dataset; {self!r} is at {self.path}"
            raise CloudLocationNotSpecified(msg)
        from fairlead.adapters.twine.resources import listing, transfer

        if local_directory is None:
            list(listing.at_once(Datafile.download, self.files))
        else:
            transfer.download(self._named(), os.path.abspath(local_directory), self._record())

    def generate_signed_url(self, expiration: "dt.datetime | dt.timedelta | None" = None) -> str:
        """Return a web address by which anybody may read the dataset until it expires, by default in seven days.

        It is that of a new file below ``.signed_metadata_files/`` in the dataset, which lists such addresses of all
        files and the metadata. Raises `CloudLocationNotSpecified` if the dataset is in no store.
        """
        import datetime as dt
        import json
        import uuid

        from fairlead.adapters import storage
        from fairlead.adapters.twine.encoding import to_json
        from fairlead.adapters.twine.resources import cloud, listing

        if not self.exists_in_cloud:
            msg = f"{self!r} must exist in the cloud for a signed URL to be generated for it; upload it first"
            raise CloudLocationNotSpecified(msg)
        if cloud.is_url(self.path):
            return self.path
        expiration = dt.timedelta(seconds=_WEEK) if expiration is None else expiration
        files = self._named()
        document = {
            **self.to_primitive(include_files=False),
            "files": [file.generate_signed_url(expiration) for _, file in files],
            "datafiles": {name: file.record() for name, file in files},
        }
        place = storage.join(self.path, listing.SIGNED, str(uuid.uuid4()))
        storage.write_bytes(place, json.dumps(to_json(document, self.name)).encode())
        return cloud.signed(place, expiration)

    def update_metadata(self) -> None:
        """Store what is known about the dataset and its files, in its ``.octue`` file."""
        if self.exists_in_cloud:
            self.update_cloud_metadata()
        else:
            self.update_local_metadata()

    def update_cloud_metadata(self) -> None:
        """Store what is known about the dataset in its ``.octue`` file in the store, and what has changed of its files.

        That is with their objects where the store keeps metadata there. Files about which nothing is known are left
        out.
        """
        from fairlead.adapters import storage
        from fairlead.adapters.twine.resources import cloud, transfer

        cloud.writable(self.path if self.exists_in_cloud else None, self)
        before = self._stored_records or {}
        files = self._named() if self._given is not None or self._known is not None else []
        changed = [
            (name, file)
            for name, file in files
            if file.cloud_path == storage.join(self.path, name)
            and file.is_described
            and file.differs_from(before.get(name))
        ]
        self._stored_records = {**before, **transfer.describe(changed, self.path, self._record())}

    def update_local_metadata(self) -> None:
        """Store what is known about the dataset and those of its files that are in its folder, in one ``.octue`` file.

        Files about which nothing is known are left out.
        """
        if self.exists_in_cloud:
            msg = f"{self!r} is in the cloud: use update_cloud_metadata"
            raise InvalidInputException(msg)
        record = self._record()
        prefix = os.path.join(self.path, "")
        folders: dict[str, dict[str, Any]] = {self.path: {}}
        for file in self.files:
            path = file.local_copy
            if path is not None and path.startswith(prefix) and file.is_described:
                folder, name = os.path.split(path)
                folders.setdefault(folder, {})[name] = file.record()
        for folder, found in folders.items():

            def change(records: "dict[str, Any]", folder: str = folder, found: "dict[str, Any]" = found) -> None:
                records["datafiles"].update(found)
                if folder == self.path:
                    records["dataset"] = record

            stored.update(folder, change)

    def to_primitive(self, include_files: bool = True) -> "dict[str, Any]":  # noqa: FBT001, FBT002 (Octue's)
        """Return Octue's JSON form, in which files are their sorted paths and URLs.

        It has no ``path`` if only files were given.
        """
        from fairlead.adapters.twine.encoding import to_json

        data = {
            "id": self.id,
            "name": self.name,
            **({"path": self.path} if self._has_folder else {}),
            "tags": to_json(dict(self.tags), f"{self.name}, tags"),
            "labels": sorted(self.labels),
        }
        if include_files:
            data["files"] = sorted(file.cloud_path or file.local_path for file in self.files)
        return data

    def to_description(self) -> "dict[str, Any]":
        """Return all that makes the dataset again elsewhere, with the description of each file.

        ``path`` is None if only files were given. Links that lead out of the folder are described like files: whoever
        takes the description copies or refuses them. See `from_description`.
        """
        looked = self._given is None and not self.exists_in_cloud
        if looked:
            self._look(links_out=True)
        return {
            "id": self.id,
            "name": self.name,
            "path": self.path if self._has_folder else None,
            "tags": dict(self.tags),
            "labels": sorted(self.labels),
            "files": [file.to_description() for file in self._sorted(looked=looked)],
        }

    def _place(self, path: "str | os.PathLike[str] | None", *, has_folder: bool) -> None:
        """Take the place of the dataset; without a path it is the working directory, and has no folder of its own."""
        if path is not None and not isinstance(path, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
            msg = f"{path!r} is no path of a dataset; give a text or a pathlib.Path"
            raise InvalidInputException(msg)
        self._has_folder = has_folder
        location = os.fspath(path).removeprefix("file://") if path is not None else os.getcwd()
        if "://" in location or "::" in location:
            from fairlead.adapters import storage

            if not storage.is_local(location):
                self._path = location if location.endswith("://") else location.rstrip("/")
                return
        self._path = os.path.abspath(os.path.expanduser(location) if location.startswith("~") else location)

    def _record(self) -> "dict[str, Any]":
        """Return what is stored about the dataset: JSON data."""
        from fairlead.adapters.twine.encoding import to_json

        return {
            "id": self.id,
            "name": self.name,
            "tags": to_json(dict(self.tags), f"{self.name}, tags"),
            "labels": sorted(self.labels),
            "sdk_version": stored.sdk_version(),
        }

    def _take_stored(self) -> None:
        """Take what is stored about the folder, and in a store its files, which one look tells with it."""
        from fairlead.adapters.twine.resources import listing

        if self.exists_in_cloud:
            record = self._look()
        else:
            records = stored.read(self.path)
            listing.refuse_unfinished(records, self.path)
            record = records["dataset"]
        if not self._ignore_stored_metadata:
            self.take(record, f"what is stored about the dataset {_plain(self.path)}")

    def _look(self, *, links_out: bool = False) -> "Mapping[str, Any]":
        """Look which files there are; files that were known stay the same objects."""
        from fairlead.adapters.twine.resources import listing

        ignore = self._ignore_stored_metadata
        record, files = listing.contents(
            self.path, recursive=self._recursive, links_out=links_out, described=not ignore
        )
        known = self._known or {}
        if self.exists_in_cloud:
            self._stored_records = {name: described for name, _, described, _ in files}
        self._known = {
            name: known.get(name) or Datafile.listed(location, None if ignore else described, found)
            for name, location, described, found in files
        }
        return record

    def _sorted(self, *, looked: bool = False) -> "list[Datafile]":
        """Return the files by their names; those of one name by their names in the dataset."""
        return [file for _, file in sorted(self._named(looked=looked), key=lambda one: (one[1].name, one[0]))]

    def _named(self, *, looked: bool = False) -> "list[tuple[str, Datafile]]":
        """Return the files with their names in the dataset, in the order of these names."""
        if self._given is None:
            if not looked:
                self.files  # noqa: B018 (looks)
            assert self._known is not None
            return sorted(self._known.items())
        prefix = _plain(self.path).rstrip("/") + "/"
        named: list[tuple[str, Datafile]] = []
        for file in self._given:
            places = (_plain(place) for place in (file.local_copy, file.cloud_path) if place)
            inside = next((place for place in places if place.startswith(prefix)), None)
            named.append((inside.removeprefix(prefix) if inside and self._has_folder else file.name, file))
        return sorted(named, key=lambda one: one[0])

    def _add(self, datafile: Datafile, path_in_dataset: "str | None") -> str:
        """Put a file into the folder unless it is there; returns its name in the dataset."""
        root = os.path.join(self.path, "")
        if path_in_dataset is None and datafile.local_path.startswith(root):
            return datafile.local_path.removeprefix(root)
        target = os.path.normpath(os.path.join(root, path_in_dataset or datafile.name))
        if target == datafile.local_path:
            return target.removeprefix(root)
        if not os.path.realpath(target).startswith(os.path.join(os.path.realpath(self.path), "")):
            msg = f"{target} leads out of the dataset by a link; give another 'path_in_dataset'"
            raise InvalidInputException(msg)
        if os.path.lexists(target):
            msg = f"{target} is in the dataset already; give another 'path_in_dataset'"
            raise FileExistsError(msg)
        from fairlead.adapters import storage

        storage.put(storage.local_path(datafile.local_path), target)
        datafile.move_to(target)
        return target.removeprefix(root)

    def _add_remotely(self, datafile: Datafile, path_in_dataset: "str | None") -> str:
        """Upload a file into the dataset unless it is there; returns its name in the dataset."""
        from fairlead.adapters import storage

        prefix = self.path + "/"
        if path_in_dataset is None and (datafile.cloud_path or "").startswith(prefix):
            return (datafile.cloud_path or "").removeprefix(prefix)
        name = posixpath.normpath(path_in_dataset or datafile.name)
        target = storage.join(self.path, name)
        if storage.exists(target):
            msg = f"{target} is in the dataset already; give another 'path_in_dataset'"
            raise FileExistsError(msg)
        datafile.upload(target)
        return name

    def _calculate_hash(self) -> "str | None":
        from fairlead.adapters.twine.resources import hashing

        return hashing.hash_of_value(self.files)


def _listed(files: "Any") -> "list[Any]":
    """Return files in a list; raises `InvalidInputException` for what is no collection of them."""
    if isinstance(files, str | bytes | dict) or not hasattr(files, "__iter__"):
        msg = (
            "The `files` parameter of a `Dataset` must be an iterable of `Datafile` instances, strings, or "
            f"dictionaries. Received {files!r} instead."
        )
        raise InvalidInputException(msg)
    return list(files)


def _datafile(file: "Any", ignore_stored_metadata: bool) -> Datafile:  # noqa: FBT001 (as its caller got it)
    if isinstance(file, Datafile):
        return file
    if isinstance(file, str | os.PathLike):
        return Datafile(file, ignore_stored_metadata=ignore_stored_metadata)
    if not hasattr(file, "keys") or not ("path" in file or "cloud_path" in file):
        msg = f"{file!r} is no file of a dataset; give a path, a Datafile, or an object with 'path'"
        raise InvalidInputException(msg)
    fields = ("path", "cloud_path", "id", "timestamp", "tags", "labels")
    given = {field: file[field] for field in fields if field in file}
    return Datafile.deserialise({**given, "ignore_stored_metadata": ignore_stored_metadata})


def _plain(location: str) -> str:
    """Return `storage.plain_url`, which is not loaded where all is on this machine: an app that reads starts sooner."""
    if not stored.is_remote(location):
        return location
    from fairlead.adapters import storage

    return storage.plain_url(location)
