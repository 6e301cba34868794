"""Datafile: one file that goes into or comes out of an app, as the app sees it.

It is here or in a store, and has an id, a timestamp, tags and labels, which are stored beside it: in the ``.octue``
file of its folder, or with its object in a store. A file of a store is fetched when its `Datafile.local_path` is first
asked for, and sent back when it was written. Only the standard library is imported at the start. Which files belong
together is a dataset's affair.
"""

import json
import os
import posixpath
import threading

from fairlead.adapters.twine.exceptions import CloudLocationNotSpecified, InvalidInputException
from fairlead.adapters.twine.resources import metadata as stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt
    import tempfile
    from collections.abc import Iterable, Mapping
    from typing import IO, Any, Self

    from fairlead.adapters.twine.resources.cloud import StoredObject
    from fairlead.adapters.twine.resources.opening import OpenDatafile

_WEEK = 7 * 24 * 3600
_FETCHED = threading.Lock()


class Datafile(stored.Described):
    """One file, with what is known about it: ``id``, ``timestamp``, ``tags`` and ``labels``.

    Files are sorted by their names, and equal to nothing but themselves.
    """

    STORED = ("id", "timestamp", "tags", "labels")
    _METADATA_ATTRIBUTES = STORED

    _cloud_path: "str | None" = None
    _local_path: "str | None" = None
    _timestamp: "dt.datetime | float | None" = None
    _fetched: "tempfile.TemporaryDirectory[str] | None" = None
    _object: "StoredObject | None" = None
    _opened: "OpenDatafile | None" = None
    _open_options: "tuple[str, bool, dict[str, Any]]" = ("r", True, {})

    def __init__(
        self,
        path: "str | os.PathLike[str]",
        local_path: "str | os.PathLike[str] | None" = None,
        cloud_path: "str | None" = None,
        timestamp: "dt.datetime | float | None" = None,
        mode: str = "r",
        update_metadata: bool = True,  # noqa: FBT001, FBT002 (Octue's)
        ignore_stored_metadata: bool = False,  # noqa: FBT001, FBT002 (Octue's)
        id: "str | None" = None,  # noqa: A002 (Octue's name)
        tags: "Mapping[str, Any] | None" = None,
        labels: "Iterable[str] | None" = None,
        **kwargs: "Any",
    ) -> None:
        """Describe the file at a path or URL; it need not exist yet.

        What is stored about the file wins over the arguments, unless ``ignore_stored_metadata``. For a file in a store,
        that is one request.

        Args:
            path: where the file is.
            local_path: for a file in a store: a copy of it on this machine; it is fetched there if it differs.
            cloud_path: for a file on this machine: where in a store it is to be, too; it is uploaded there.
            timestamp: a time that belongs to the data: a datetime, or seconds since the epoch.
            mode: how ``with datafile as (datafile, f)`` opens the file.
            update_metadata: whether that stores the metadata when it has written.
            ignore_stored_metadata: use the arguments only.
            id: a UUID; one is made if there is none.
            tags: named values.
            labels: words, in a list or in a text with spaces between.
            kwargs: more options for opening the file.
        """
        # `name` is in what Octue serialises; a file's name is where it is.
        kwargs.pop("name", None)
        super().__init__(
            id=id,
            tags=tags or None,
            labels=labels or None,
            immutable_hash_value=kwargs.pop("immutable_hash_value", None),
        )
        location = _location(path)
        if timestamp is not None:
            self.timestamp = timestamp
        if (mode, update_metadata, kwargs) != Datafile._open_options:
            self._open_options = (mode, update_metadata, kwargs)
        if stored.is_remote(location):
            self._cloud_path = location
            if not ignore_stored_metadata:
                self._take_from_cloud()
            if local_path is not None:
                self._keep_at(os.path.abspath(local_path))
            return
        self._local_path = location
        if not ignore_stored_metadata and (record := stored.of_file(location)) is not None:
            self.take(record, f"{posixpath.dirname(location)}/{stored.FILE}, '{self.name}'")
        if cloud_path is not None:
            self.upload(cloud_path)

    @classmethod
    def listed(cls, location: str, record: "Mapping[str, Any] | None", found: "StoredObject | None" = None) -> "Self":
        """Make the file at an absolute path or URL, with what is stored about it; nothing is looked up."""
        self = cls.__new__(cls)
        if stored.is_remote(location):
            self._cloud_path = location
            self._object = found
        else:
            self._local_path = location
        if record is not None:
            self.take(record, f"what is stored about {location}")
        return self

    @classmethod
    def from_description(cls, described: "Mapping[str, Any]") -> "Self":
        """Make a file of what `to_description` has returned; nothing is looked up."""
        return cls.listed(_location(described["path"]), described)

    @classmethod
    def deserialise(cls, serialised_object: "str | Mapping[str, Any]", from_string: bool = False) -> "Self":  # noqa: FBT001, FBT002 (Octue's)
        """Make a file of what `to_primitive` returns, or with ``from_string`` of what `serialise` does."""
        from fairlead.adapters.twine.encoding import from_json

        given: Any = json.loads(serialised_object) if from_string else serialised_object  # type: ignore[arg-type]  # text
        fields = {name: from_json(value) for name, value in given.items() if name != "_cloud_metadata"}
        cloud_path = fields.pop("cloud_path", None)
        self = cls(**{**fields, "path": fields.get("path") or cloud_path})
        self._cloud_path = cloud_path or self._cloud_path
        return self

    def __repr__(self) -> str:
        """Show the name."""
        return f"<Datafile('{self.name}')>"

    def __lt__(self, other: object) -> bool:
        """Compare by name; raises TypeError for anything but a Datafile."""
        return self.name < self._comparable(other).name

    def __gt__(self, other: object) -> bool:
        """Compare by name; raises TypeError for anything but a Datafile."""
        return self.name > self._comparable(other).name

    def __getstate__(self) -> "dict[str, Any]":
        """Return what a copy has; it fetches the file for itself."""
        state = dict(self.__dict__)
        state.pop("_opened", None)
        if state.pop("_fetched", None) is not None:
            state.pop("_local_path", None)
        return state

    def __enter__(self) -> "tuple[Self, IO[Any]]":
        """Open the file in the mode of the constructor: ``with Datafile(path, mode="w") as (datafile, f)``."""
        mode, update_metadata, options = self._open_options
        self._opened = self.open(mode, update_metadata=update_metadata, **options)
        return self, self._opened.__enter__()

    def __exit__(self, *error: object) -> None:
        """Close the file, and store it and its metadata if it was written."""
        if (opened := self._opened) is not None:
            self._opened = None
            opened.__exit__(*error)

    @property
    def name(self) -> str:
        """The file's own name, without folders."""
        location = self._cloud_path or self._local_path or ""
        if location.startswith(("http://", "https://")):  # a signature is no part of a name
            from urllib.parse import unquote

            from fairlead.adapters import storage

            location = unquote(storage.plain_url(location))
        return location.rpartition("/")[2]

    @property
    def extension(self) -> str:
        """The last suffix, without its dot."""
        return posixpath.splitext(self.name)[1].removeprefix(".")

    @property
    def timestamp(self) -> "dt.datetime | None":
        """The time that belongs to the data; seconds that were given are a time of this machine's zone, without zone.

        Assigning takes a datetime, seconds since the epoch or None; raises TypeError for anything else.
        """
        if self._timestamp is None or not isinstance(self._timestamp, int | float):
            return self._timestamp
        import datetime as dt

        return dt.datetime.fromtimestamp(self._timestamp)  # noqa: DTZ006 (as Octue)

    @timestamp.setter
    def timestamp(self, value: "dt.datetime | float | None") -> None:
        import datetime as dt

        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                dt.datetime.fromtimestamp(value)  # noqa: DTZ006 (as Octue)
            except (ValueError, OverflowError, OSError) as error:
                msg = f"timestamp {value!r} is not in seconds since the epoch: {error}."
                raise InvalidInputException(msg) from error
        elif value is not None and not isinstance(value, dt.datetime):
            msg = f"timestamp should be a datetime.datetime instance, an int, a float, or None; received {value!r}"
            raise TypeError(msg)
        self._timestamp = value

    @property
    def posix_timestamp(self) -> "float | None":
        """The timestamp in seconds since the epoch; one without zone is of this machine's zone."""
        timestamp = self.timestamp
        return None if timestamp is None else timestamp.timestamp()

    @property
    def local_path(self) -> str:
        """The file's path on this machine; a remote file is fetched the first time, and kept as long as this object.

        Assigning a path copies the file there, from the store if it is in one; raises FileExistsError if something is
        there already. Assigning None forgets the copy of a file in a store.
        """
        return self._local_path or self.download()

    @local_path.setter
    def local_path(self, path: "str | os.PathLike[str] | None") -> None:
        if path is None:
            if self._cloud_path is None:
                msg = f"The local path of {self!r} cannot be reset because it only exists locally; give another path"
                raise CloudLocationNotSpecified(msg)
            self._local_path = self._fetched = None
            return
        target = os.path.abspath(path)
        if os.path.lexists(target):
            msg = (
                f"Only a path not corresponding to an existing file can be used; {target} exists, and would be "
                "overwritten. Give another path, or remove what is there."
            )
            raise FileExistsError(msg)
        from fairlead.adapters import storage

        storage.fetch(self._cloud_path or self.local_path, storage.local_path(target))
        self._local_path, self._fetched = target, None

    @property
    def local_copy(self) -> "str | None":
        """The file's path on this machine, or None; nothing is fetched for it."""
        return self._local_path

    @property
    def path(self) -> str:
        """The same as `local_path`."""
        return self.local_path

    @property
    def cloud_path(self) -> "str | None":
        """The file's URL, or None. Assigning a URL uploads the file there; assigning None forgets it."""
        return self._cloud_path

    @cloud_path.setter
    def cloud_path(self, path: "str | None") -> None:
        if path is not None:
            self.upload(path)
            return
        if self._local_path is None:
            msg = f"The cloud path of {self!r} cannot be reset because it only exists in the cloud; download it first"
            raise CloudLocationNotSpecified(msg)
        self._cloud_path = self._object = None

    @property
    def cloud_hash_value(self) -> "str | None":
        """The hash that the store has of the file's content, if it tells one: Google Storage does."""
        known = self._known_object()
        return known.crc32c if known else None

    @property
    def exists_locally(self) -> bool:
        """Whether the file is on this machine."""
        return self._local_path is not None and os.path.exists(self._local_path)

    @property
    def exists_in_cloud(self) -> bool:
        """Whether the file has a URL; whether it is there is not looked up."""
        return self._cloud_path is not None

    @property
    def size_bytes(self) -> "int | None":
        """The file's size; None if it is neither on this machine nor in a store that tells."""
        if self._local_path is not None and os.path.exists(self._local_path):
            return os.path.getsize(self._local_path)
        if self._cloud_path is None:
            return None
        from fairlead.adapters import storage

        known = self._known_object()
        try:
            return known.size if known else storage.size(self._cloud_path)
        except FileNotFoundError:
            return None

    def open(self, mode: str = "r", *, update_metadata: bool = True, **options: "Any") -> "OpenDatafile":
        """Open the file as the built-in ``open`` does, as a context manager; writing makes its folders.

        ``hdf5`` files are opened by the package h5py. When a file has been written without an error, it is uploaded if
        it has a URL, and its metadata are stored if ``update_metadata``. Raises `ReadOnlyResource` for writing to
        a web address.
        """
        from fairlead.adapters.twine.resources.opening import OpenDatafile

        return OpenDatafile(self, mode, options, update_metadata=update_metadata)

    def upload(self, cloud_path: "str | None" = None, update_cloud_metadata: bool = True) -> str:  # noqa: FBT001, FBT002 (Octue's)
        """Copy the file to a store, to ``cloud_path`` or else to where it was before, and return the URL.

        The metadata go with it in the same request where the store keeps them with objects, else into the ``.octue``
        file beside it. Raises `CloudLocationNotSpecified` if there is no URL, `ReadOnlyResource` for a web address.
        """
        from fairlead.adapters import storage
        from fairlead.adapters.twine.resources import cloud

        target = self.writable(cloud_path)
        if storage.is_local(target):
            target = str(storage.local_path(target))
        cloud.refuse_cut_name(target)
        cloud.send(self.local_path, target, self.record() if update_cloud_metadata else None, beside=True)
        self.is_at(target)
        return target

    def download(self, local_path: "str | os.PathLike[str] | None" = None) -> str:
        """Fetch the file from its store, to a path or else to a temporary one that goes with this object.

        Returns the path. What is there already is not fetched again. Raises `CloudLocationNotSpecified` if the file has
        no URL, FileNotFoundError if it is not there.
        """
        if self._cloud_path is None:
            msg = f"Cannot download {self!r}, which has no cloud path; upload it first"
            raise CloudLocationNotSpecified(msg)
        kept = None
        if local_path is None:
            if self._local_path is not None:
                return self._local_path
            kept = _temporary_folder()
            target = os.path.join(kept.name, self.name)
        else:
            target = os.path.abspath(local_path)
            if target == self._local_path and os.path.exists(target):
                return target
        from fairlead.adapters import storage

        storage.fetch(self._cloud_path, storage.local_path(target))
        with _FETCHED:  # of several threads that have fetched it, the first one's copy stays
            if kept is not None and self._local_path is not None:
                return self._local_path
            self._local_path, self._fetched = target, kept
        return target

    def metadata(  # type: ignore[override]  # the namespace is Octue's for files only
        self,
        include_id: bool = True,  # noqa: FBT001, FBT002 (Octue's)
        include_sdk_version: bool = True,  # noqa: FBT001, FBT002 (Octue's)
        use_octue_namespace: bool = True,  # noqa: FBT001, FBT002 (Octue's)
    ) -> "dict[str, Any]":
        """Return the metadata by name; ``octue__`` is put before each name unless told otherwise."""
        found = super().metadata(include_id=include_id, include_sdk_version=False)
        if include_sdk_version:
            found["sdk_version"] = stored.sdk_version()
        return {stored.NAMESPACE + name: value for name, value in found.items()} if use_octue_namespace else found

    @property
    def metadata_hash_value(self) -> "str | None":
        """The hash of the metadata; neither the id nor the version counts."""
        return self.hash_non_class_object(
            self.metadata(include_id=False, include_sdk_version=False, use_octue_namespace=False)
        )

    def update_metadata(self) -> None:
        """Store the metadata: with the object if the file is in a store, else in its folder's ``.octue`` file."""
        if self._cloud_path is not None:
            self.update_cloud_metadata()
        else:
            self.update_local_metadata()

    def update_cloud_metadata(self) -> None:
        """Store the metadata with the object, or beside it in stores that keep none."""
        from fairlead.adapters.twine.resources import cloud

        cloud.set_record(self.writable(), self.record())

    def update_local_metadata(self) -> None:
        """Store the metadata in the ``.octue`` file of the folder where the file is on this machine."""
        if self._local_path is None or self._fetched is not None:
            msg = f"{self!r} is in the cloud only: use update_cloud_metadata, or download it to a path first"
            raise InvalidInputException(msg)
        stored.update_file(self._local_path, self.record())

    def generate_signed_url(self, expiration: "dt.datetime | dt.timedelta | None" = None) -> str:
        """Return a web address by which anybody may read the file until it expires, by default in seven days.

        Raises `CloudLocationNotSpecified` if the file is in no store, `InvalidInputException` if its store has no such
        addresses.
        """
        import datetime as dt

        from fairlead.adapters.twine.resources import cloud

        if self._cloud_path is None:
            msg = f"{self!r} must exist in the cloud for a signed URL to be generated for it; upload it first"
            raise CloudLocationNotSpecified(msg)
        if cloud.is_url(self._cloud_path):
            return self._cloud_path
        return cloud.signed(self._cloud_path, dt.timedelta(seconds=_WEEK) if expiration is None else expiration)

    def begin(self) -> str:
        """Return the path where the file is written anew; what is in its store is not fetched for it."""
        self._local_path = self._local_path or self._temporary()
        return self._local_path

    def is_at(self, location: str) -> None:
        """Say that the file has been copied to a URL, or to a path, which is its own from now on."""
        if stored.is_remote(location):
            self._cloud_path, self._object = location, None
        elif location != self._local_path:
            self._local_path, self._fetched = location, None

    def move_to(self, path: str) -> None:
        """Say that the file is now at a local path."""
        self._local_path, self._cloud_path, self._fetched = path, None, None

    def record(self) -> "dict[str, Any]":
        """Return the metadata as they are stored: JSON data."""
        from fairlead.adapters.twine.encoding import to_json

        fields = {
            "id": self.id,
            "timestamp": self._timestamp,
            "tags": dict(self.tags),
            "labels": set(self.labels),
            "sdk_version": stored.sdk_version(),
        }
        data: dict[str, Any] = to_json(fields, self.name, error=None)
        return data

    @property
    def is_described(self) -> bool:
        """Whether anything is known about the file beside where it is."""
        return bool(self._timestamp is not None or getattr(self, "_id", None) or self.tags or self.labels)

    @property
    def place(self) -> str:
        """Where the file is, in a store or here; it puts files in order that are equal otherwise."""
        return self._cloud_path or self._local_path or ""

    def differs_from(self, record: "Mapping[str, Any] | None") -> bool:
        """Tell whether more, or something else, is known about the file than a record says that was stored about it."""
        stored_one = Datafile.listed(self.place, record)
        fields = ("_id", "_timestamp", "tags", "labels")
        return any(getattr(self, field, None) != getattr(stored_one, field, None) for field in fields)

    def to_primitive(self) -> "dict[str, Any]":
        """Return Octue's JSON form: ``id``, ``name``, ``path``, ``cloud_path``, ``timestamp``, ``tags``, ``labels``."""
        from fairlead.adapters.twine.encoding import to_json

        return {
            "_cloud_metadata": {},
            "cloud_path": self._cloud_path,
            "id": self.id,
            "labels": sorted(self.labels),
            "name": self.name,
            "path": self._local_path or self._cloud_path,
            "tags": to_json(dict(self.tags), f"{self.name}, tags"),
            "timestamp": to_json(self.timestamp, f"{self.name}, timestamp"),
        }

    def to_description(self) -> "dict[str, Any]":
        """Return all that makes the file again elsewhere, see `from_description`.

        It has ``id``, ``name``, ``path``, ``tags``, ``labels`` and the ``timestamp`` as it was given.
        """
        return {
            "id": self.id,
            "name": self.name,
            "path": self._cloud_path or self._local_path,
            "timestamp": self._timestamp,
            "tags": dict(self.tags),
            "labels": sorted(self.labels),
        }

    def _calculate_hash(self) -> "str | None":
        from fairlead.adapters.twine.resources import hashing

        if self._local_path is None and self._cloud_path is not None:
            return self.cloud_hash_value or hashing.hash_of_file(self.local_path)
        return hashing.hash_of_file(self._local_path or "")

    def _comparable(self, other: object) -> "Datafile":
        if not isinstance(other, Datafile):
            msg = f"An object of type {type(self)} cannot be compared with {type(other)}."
            raise TypeError(msg)
        return other

    def _known_object(self) -> "StoredObject | None":
        from fairlead.adapters.twine.resources import cloud

        if self._object is None and self._cloud_path is not None and cloud.has_metadata(self._cloud_path):
            self._object = cloud.look_up(self._cloud_path)
        return self._object

    def _take_from_cloud(self) -> None:
        """Take what is stored with the object, or beside it; of a web address, nothing is known."""
        from fairlead.adapters.twine.resources import cloud

        location = self._cloud_path or ""
        if cloud.is_url(location):
            return
        known = self._known_object()
        record: Mapping[str, Any] | None = known.record() if known else None
        if not cloud.has_metadata(location) or (known and known.is_elsewhere):
            record = stored.record_in(stored.read(posixpath.dirname(location))["datafiles"], self.name)
        if record:
            self.take(record, f"what is stored about {location}")

    def _keep_at(self, path: str) -> None:
        from fairlead.adapters.twine.resources import cloud

        if os.path.isfile(path) and cloud.has_content(self._known_object(), path):
            self._local_path = path
        else:
            self.download(path)

    def _temporary(self) -> str:
        self._fetched = _temporary_folder()
        return os.path.join(self._fetched.name, self.name)

    def writable(self, cloud_path: "str | None" = None) -> str:
        """Return the URL at which the file is to be stored, as `upload` does."""
        from fairlead.adapters.twine.resources import cloud

        return cloud.writable(cloud_path or self._cloud_path, self)


def _temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    import tempfile

    return tempfile.TemporaryDirectory(prefix="datafile-")


def _location(path: "str | os.PathLike[str]") -> str:
    """Return a URL as it is, and a path absolute; raises `InvalidInputException` for what is neither."""
    if not isinstance(path, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance] (apps are untyped)
        msg = f"{path!r} is no path of a file; give a text or a pathlib.Path"
        raise InvalidInputException(msg)
    location = os.fspath(path).removeprefix("file://")
    if "://" not in location and "::" not in location:
        return os.path.abspath(os.path.expanduser(location) if location.startswith("~") else location)
    from fairlead.adapters import storage

    return location if not storage.is_local(location) else os.path.abspath(location)
