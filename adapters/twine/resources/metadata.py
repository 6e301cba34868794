"""What is known about files and datasets, stored beside them: the ``.octue`` file of a folder, here or in a store.

    {
        "dataset": {"id": "…", "name": "…", "tags": {}, "labels": []},
        "datafiles": {"a.csv": {"id": "…", "timestamp": null, "tags": {}, "labels": {"_type": "set", "items": []}}}
    }

It is Octue's format. A file is known by its name in the folder, or by its path in it. While a dataset is on its way to
a folder, ``unfinished`` stands in the file instead of ``datafiles``: see ``transfer``. Which files there are is not
decided by what is written here: see ``listing``.
"""

import functools
import json
import logging
import os
import threading

from fairlead.adapters.twine.exceptions import InvalidInputException, OctueSDKException
from fairlead.adapters.twine.resources.mixins import (
    Filterable,
    Hashable,
    Identifiable,
    Labelable,
    Metadata,
    Serialisable,
    Taggable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from typing import Any, ClassVar

    Records = dict[str, Any]

FILE = ".octue"
NOTHING: "Mapping[str, Mapping[str, Any]]" = {"dataset": {}, "datafiles": {}}
"""What a folder's file says if there is none."""
UNFINISHED = "unfinished"
AS_OF = "as_of"
"""Since when a file in S3 says what it says of files, if not since it was written; in seconds since the epoch."""
NAMESPACE = "octue__"
_TEMPORARY = f".{FILE}."
"""How the names begin under which the file is written before it appears: see `storage.write_bytes`."""

_logger = logging.getLogger(__name__)
_changing = threading.Lock()
_recent: "tuple[str, tuple[int, int, int], Records] | None" = None


def is_remote(location: str) -> bool:
    """Tell whether a location, of which paths are absolute, is a URL."""
    return not location.startswith("/")


def is_metadata(name: str) -> bool:
    """Tell whether a file is no data, by its name without folders."""
    return name == FILE or name.startswith(_TEMPORARY)


def read(folder: str) -> "Records":
    """Return what a folder's file says: ``dataset`` and ``datafiles``, both empty if there is none.

    A file that is not of the format is told in a warning, and taken for none. Raises `InvalidInputException` for a
    folder of its name.
    """
    location = os.path.join(folder, FILE)
    try:
        if is_remote(folder):
            from fairlead.adapters import storage

            text = storage.read_bytes(location)
        else:
            with open(location, "rb") as stream:
                text = stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return {part: {} for part in NOTHING}
    except IsADirectoryError as error:
        msg = f"{location} is a folder, but its name is that of the file with metadata; rename or remove it"
        raise InvalidInputException(msg) from error
    return parsed(text, location)


def parsed(text: bytes, location: str) -> "Records":
    """Return what the text of a folder's file says; see `read`."""
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as error:
        _logger.warning("%s is not JSON (%s): the metadata in it are ignored. Mend or remove it.", location, error)
        records = {}
    if not isinstance(records, dict):
        _logger.warning("%s is no object: the metadata in it are ignored. Mend or remove it.", location)
        records = {}
    for part in ("dataset", "datafiles"):
        if not isinstance(records.setdefault(part, {}), dict):
            _logger.warning("%s: '%s' is no object, and is ignored. Mend or remove it.", location, part)
            records[part] = {}
    return records


def of_file(path: str) -> "Mapping[str, Any] | None":
    """Return what is stored about one file on this machine; a folder's file is read again only when it has changed."""
    global _recent  # noqa: PLW0603 (a process remembers the last folder)
    folder, name = os.path.split(path)
    try:
        facts = os.stat(os.path.join(folder, FILE))
    except OSError:
        return None
    state = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
    recent = _recent
    if recent is None or recent[:2] != (folder, state):
        _recent = recent = (folder, state, read(folder)["datafiles"])
    return record_in(recent[2], name)


def record_in(datafiles: "Mapping[str, Any]", name: str) -> "Mapping[str, Any] | None":
    """Return what is said of a file, or None."""
    record = datafiles.get(name)
    return record if isinstance(record, dict) else None


def update(folder: str, change: "Callable[[Records], None]") -> None:
    """Change what a folder's file says, making the folder if needed.

    Locally, writers wait for each other, in threads and processes, and readers see the old file or the new. A store
    has no locks: there, only the threads of one process wait for each other.
    """
    from fairlead.adapters import storage

    remote = is_remote(folder)
    with _changing if remote else _alone_in(folder):
        written = _written(folder) if remote else None
        records = read(folder)
        if written is not None and records["datafiles"]:
            records.setdefault(AS_OF, written)  # writing the file anew makes what it says of files no newer
        change(records)
        storage.write_bytes(storage.join(folder, FILE), text_of(records).encode())


def _written(folder: str) -> "float | None":
    """Return when a folder's file was written, of a store in which that tells what is newer."""
    from fairlead.adapters.twine.resources import cloud

    found = cloud.look_up(f"{folder}/{FILE}") if cloud.is_dated(folder) else None
    return found.modified if found else None


def update_file(location: str, record: "Mapping[str, Any]") -> None:
    """Store a file's record in the file of its folder."""
    folder, _, name = location.rpartition("/")

    def change(records: "Records") -> None:
        records["datafiles"][name] = dict(record)

    update(folder or "/", change)


def text_of(records: "Records") -> str:
    """Return the text of a folder's file: one line for each file, so that thousands are written at once."""
    parts: list[str] = []
    for key, value in records.items():
        if key == "datafiles" and value:
            lines = ",\n".join(f"        {json.dumps(name)}: {json.dumps(record)}" for name, record in value.items())
            parts.append(f'    "datafiles": {{\n{lines}\n    }}')
        else:
            parts.append(f"    {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _alone_in(folder: str) -> "Any":
    import contextlib
    import fcntl

    @contextlib.contextmanager
    def locked() -> "Generator[None]":
        os.makedirs(folder, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # its own lock leaves no file behind
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    return locked()


class Described(Labelable, Taggable, Serialisable, Identifiable, Hashable, Filterable, Metadata):
    """What files and datasets have in common: fields that are stored beside them, and win over what was given."""

    STORED: "ClassVar[tuple[str, ...]]" = ()
    """The fields that are stored."""

    def take(self, record: "Mapping[str, Any]", where: str) -> None:
        """Take what is stored; raises `InvalidInputException` that names what cannot be used, and where it is."""
        from fairlead.adapters.twine.encoding import from_json

        for field in self.STORED:
            if field not in record:
                continue
            value: Any = record[field]
            if _is_empty(value) and not vars(self).get(f"_{field}"):
                continue  # nothing is stored, and nothing is there that it replaces
            try:
                if field == "id":
                    self._set_id(value)
                elif field == "name":
                    self._name = _text(value)
                else:
                    setattr(self, field, from_json(value) if isinstance(value, dict | list) else value)
            except (OctueSDKException, TypeError, ValueError) as error:
                msg = f"{where}, '{field}': {error} Mend it there, or pass ignore_stored_metadata=True."
                raise InvalidInputException(msg) from error


def _text(value: object) -> "str | None":
    if value is not None and not isinstance(value, str):
        msg = f"{value!r} is not a text."
        raise TypeError(msg)
    return value


def _is_empty(value: "Any") -> bool:
    return value is None or (isinstance(value, dict | list | str) and not value)


@functools.cache
def sdk_version() -> str:
    """Return the version that is stored with what this library writes."""
    from importlib.metadata import version

    return version("fairlead")


def to_object(record: "Mapping[str, Any]") -> "dict[str, str]":
    """Return a file's record as the metadata of its object in a store."""
    return {NAMESPACE + field: json.dumps(value) for field, value in record.items()}


def from_object(metadata: "Mapping[str, str]") -> "Records":
    """Return a file's record from the metadata of its object; what is not ours is left out."""
    record: Records = {}
    for name, text in metadata.items():
        if not name.lower().startswith(NAMESPACE):
            continue
        try:
            record[name[len(NAMESPACE) :].lower()] = json.loads(text)
        except ValueError:
            record[name[len(NAMESPACE) :].lower()] = text
    return record
