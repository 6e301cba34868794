"""Datasets on their way: a dataset that arrived in part is known as such, wherever the process was ended.

The first thing that is written to the target is its ``.octue`` file, saying *unfinished*; then come the files, several
at a time; the last thing is the ``.octue`` file again, with the metadata of the dataset and of all its files. Whoever
opens the target in between, or after the process was killed, is told that it is not whole (see ``listing``), and the
same upload once more makes it whole. Stores have no way to make many objects visible at once, so a reader that does not
look at ``.octue`` files cannot know. Files that were in the target before and are not in the dataset stay there.
"""

import os
import re

from fairlead.adapters.twine.exceptions import InvalidInputException
from fairlead.adapters.twine.resources import listing, metadata
from fairlead.adapters.twine.resources.cloud import has_metadata, refuse_escape, send, set_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from fairlead.adapters.twine.resources.cloud import StoredObject
    from fairlead.adapters.twine.resources.datafile import Datafile

    Named = Sequence[tuple[str, Datafile]]
    """Files by their names in the dataset."""

_LEFTOVER = re.compile(r"(.*/)?\..+\.[0-9a-f]{16}")
"""What `storage.put` leaves in a local folder when its process is killed."""
_BLOCK = 1 << 20


def upload(files: "Named", target: str, dataset: "Mapping[str, Any] | None") -> None:
    """Copy a dataset's files to a place, and what is known of it and them; each file in one request.

    A file that is there already is not sent again if the store's own checksum, and what is stored about the file, say
    that it is the same. An id that was not given is taken over from there. With ``dataset`` None, no metadata are
    written.
    """
    names = [name for name, _ in files]
    for name in {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ():
        msg = f"two files of the dataset are named '{name}'; give one of them another 'path_in_dataset'"
        raise InvalidInputException(msg)
    before, there = listing.previous(target)
    if metadata.UNFINISHED in before.get("", {}):
        _remove_leftovers(target, there)

    def deliver(file: "tuple[str, Datafile]") -> "Mapping[str, Any] | None":
        name, datafile = file
        return _deliver(datafile, _join(target, name), there.get(name), described=dataset is not None)

    _begin(target, len(files))
    records = dict(zip(names, listing.at_once(deliver, files), strict=True))
    if dataset is not None:
        _finish(target, before, dataset, records)
    elif "" in before:
        metadata.update(target, lambda records: records.pop(metadata.UNFINISHED, None))
    else:
        from fairlead.adapters import storage

        storage.remove(_join(target, metadata.FILE))


def download(files: "Named", folder: str, dataset: "Mapping[str, Any]") -> None:
    """Fetch a dataset's files into a folder on this machine, with what is known of it and them."""
    for name, _ in files:
        refuse_escape(name, folder)
    before, _ = listing.previous(folder)
    _begin(folder, len(files))

    def get(file: "tuple[str, Datafile]") -> None:
        name, datafile = file
        datafile.download(os.path.join(folder, name))

    list(listing.at_once(get, files))
    _finish(folder, before, dataset, {name: datafile.record() for name, datafile in files if datafile.is_described})


def _begin(target: str, count: int) -> None:
    metadata.update(target, lambda records: records.update({metadata.UNFINISHED: {"files": count}}))


def _finish(
    target: str,
    before: "Mapping[str, Mapping[str, Any]]",
    dataset: "Mapping[str, Any]",
    records: "Mapping[str, Mapping[str, Any] | None]",
) -> None:
    """Write what is known: for each file where a lone `Datafile` looks for it, and last for the dataset.

    Where objects have metadata of their own, that of all files in the dataset's own file is enough.
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
    elif not (known and is_described and _has_content(known[3], datafile.local_path)):
        send(datafile.local_path, location, record, beside=False)
    return record


def _has_content(found: "StoredObject | None", path: str) -> bool:
    """Tell whether an object is known to have the content of a file on this machine."""
    if found is None or found.md5 is None or found.size != os.path.getsize(path):
        return False
    import hashlib

    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb", buffering=0) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest() == found.md5


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
