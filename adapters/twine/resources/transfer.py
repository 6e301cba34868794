"""Datasets on their way: a dataset that arrived in part is known as such, wherever the process was ended.

The first thing that is written to the target is its ``.octue`` file, saying *unfinished*; then come the files, several
at a time; the last thing is the ``.octue`` file again, with the metadata of the dataset and of all its files. Whoever
opens the target in between, or after the process was killed, is told that it is not whole (see ``listing``), and the
same upload once more makes it whole. Stores have no way to make many objects visible at once, so a reader that does not
look at ``.octue`` files cannot know. Files that were in the target before and are not in the dataset stay there. Into
one folder of this machine, transfers take turns; stores have no locks.
"""

import os
import re

from fairlead.adapters.twine.exceptions import InvalidInputException
from fairlead.adapters.twine.resources import listing, metadata
from fairlead.adapters.twine.resources.cloud import (
    has_content,
    has_metadata,
    keep_record,
    refuse_cut_name,
    refuse_escape,
    send,
    set_record,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from typing import Any

    from fairlead.adapters.twine.resources.datafile import Datafile

    Named = Sequence[tuple[str, Datafile]]
    """Files by their names in the dataset."""

_LEFTOVER = re.compile(r"(.*/)?\..+\.[0-9a-f]{16}")
"""What `storage.put` leaves in a local folder when its process is killed."""
_TURN = "..octue.turn"
"""Whose lock the transfers into a local folder wait for; it is there only as long, and no data."""


def upload(files: "Named", target: str, dataset: "Mapping[str, Any] | None") -> "dict[str, Mapping[str, Any] | None]":
    """Copy a dataset's files to a place, and what is known of it and them; each file in one request.

    A file that is there already is not sent again if the store's own checksum, and what is stored about the file, say
    that it is the same. An id that was not given is taken over from there. With ``dataset`` None, no metadata are
    written. Returns what is stored now about each file.
    """
    names = [name for name, _ in files]
    for name in {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ():
        msg = f"two files of the dataset are named '{name}'; give one of them another 'path_in_dataset'"
        raise InvalidInputException(msg)
    for name in names:
        refuse_cut_name(_join(target, name))
    with _turn(target):
        return _upload(files, target, dataset)


def _upload(files: "Named", target: str, dataset: "Mapping[str, Any] | None") -> "dict[str, Mapping[str, Any] | None]":
    before, there = listing.previous(target)
    if metadata.UNFINISHED in before.get("", {}):
        _remove_leftovers(target, there)

    def deliver(file: "tuple[str, Datafile]") -> "Mapping[str, Any] | None":
        name, datafile = file
        return _deliver(datafile, _join(target, name), there.get(name), described=dataset is not None)

    _begin(target, "upload", len(files))
    records = dict(zip([name for name, _ in files], listing.at_once(deliver, files), strict=True))
    if dataset is not None:
        _store(target, before, dataset, records, whole=True)
    elif "" in before:
        metadata.update(target, lambda records: records.pop(metadata.UNFINISHED, None))
    else:
        from fairlead.adapters import storage

        storage.remove(_join(target, metadata.FILE))
    return records


def describe(files: "Named", target: str, dataset: "Mapping[str, Any]") -> "dict[str, Mapping[str, Any]]":
    """Store what is known of a dataset that is in a store, and of these of its files, leaving their content.

    Returns what is stored now about each of them.
    """
    records: dict[str, Mapping[str, Any]] = {name: file.record() for name, file in files}
    before, there = listing.previous(target) if records else ({}, {})
    records = {name: record for name, record in records.items() if name in there}

    def keep(name: str) -> None:
        keep_record(_join(target, name), records[name])

    list(listing.at_once(keep, records))
    _store(target, before, dataset, records)
    return records


def download(files: "Named", folder: str, dataset: "Mapping[str, Any]") -> None:
    """Fetch a dataset's files into a folder on this machine, with what is known of it and them."""
    for name, _ in files:
        refuse_escape(name, folder)

    def get(file: "tuple[str, Datafile]") -> None:
        name, datafile = file
        datafile.download(os.path.join(folder, name))

    with _turn(folder):
        before, _ = listing.previous(folder)
        _begin(folder, "download", len(files))
        list(listing.at_once(get, files))
        records = {name: datafile.record() for name, datafile in files if datafile.is_described}
        _store(folder, before, dataset, records, whole=True)


def _turn(target: str) -> "Any":
    """Wait until no other transfer into a local folder is under way, in this process or another one."""
    import contextlib
    import fcntl

    from fairlead.adapters import storage

    if not storage.is_local(target):
        return contextlib.nullcontext()
    path = _join(str(storage.local_path(target)), _TURN)

    def locked() -> int | None:
        """Return the lock; None if the file that had it was removed meanwhile by who had it before."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    @contextlib.contextmanager
    def turn() -> "Generator[None]":
        os.makedirs(os.path.dirname(path), exist_ok=True)
        while (descriptor := locked()) is None:
            pass
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            os.close(descriptor)

    return turn()


def _begin(target: str, way: str, count: int) -> None:
    metadata.update(target, lambda records: records.update({metadata.UNFINISHED: {"files": count, "way": way}}))


def _store(
    target: str,
    before: "Mapping[str, Mapping[str, Any]]",
    dataset: "Mapping[str, Any]",
    records: "Mapping[str, Mapping[str, Any] | None]",
    *,
    whole: bool = False,
) -> None:
    """Write what is known: for each file where a lone `Datafile` looks for it, and last for the dataset.

    Where objects have metadata of their own, that of all files in the dataset's own file is enough. With ``whole``, the
    dataset has arrived.
    """
    folders: dict[str, dict[str, Any]] = {"": {}}
    for name, record in records.items():
        prefix = name[: len(name) - len(name.rpartition("/")[2])]
        if has_metadata(target) and prefix not in before:
            prefix = ""
        folders.setdefault(prefix, {})[name.removeprefix(prefix)] = record
    own = folders.pop("")
    for prefix, found in folders.items():

        def change(stored: "dict[str, Any]", found: "Mapping[str, Any]" = found) -> None:
            stored["datafiles"].update(found)

        metadata.update(_join(target, prefix.rstrip("/")), change)

    def finish(stored: "dict[str, Any]") -> None:
        if whole:
            stored.pop(metadata.UNFINISHED, None)
        if stored["datafiles"].keys() <= own.keys():  # all that it says is new
            stored.pop(metadata.AS_OF, None)
        stored["dataset"] = dict(dataset)
        stored["datafiles"].update(own)

    metadata.update(target, finish)


def _deliver(
    datafile: "Datafile", location: str, known: "listing.Listed | None", *, described: bool
) -> "Mapping[str, Any] | None":
    """Bring one file to its place unless it is there as it is here; returns its record, if files are ``described``."""
    stored = known[2] if known else None
    if described and stored and stored.get("id") and getattr(datafile, "_id", None) is None:
        datafile.take({"id": stored["id"]}, location)
    record = datafile.record() if described else None
    is_described = record is None or (stored is not None and _plain(record) == _plain(stored))
    if datafile.cloud_path == location and not datafile.exists_locally:
        if record is not None and not is_described:
            set_record(location, record)
        return record
    is_fetched = datafile.local_copy is None
    if not (known and is_described and has_content(known[3], datafile.local_path)):
        send(datafile.local_path, location, record, beside=False)
    if is_fetched:  # from another store, for this alone
        datafile.local_path = None
    return record


def _plain(record: "Mapping[str, Any]") -> "dict[str, Any]":
    return {field: value for field, value in record.items() if field != "sdk_version"}


def _remove_leftovers(target: str, there: "Mapping[str, Any]") -> None:
    from fairlead.adapters import storage

    if storage.is_local(target):
        for name in [name for name in there if _LEFTOVER.fullmatch(name)]:
            storage.remove(_join(target, name))


def _join(folder: str, name: str) -> str:
    from fairlead.adapters import storage

    return storage.join(folder, name)
