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
from fairlead.adapters.twine.resources.datafile import send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

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
    if metadata.UNFINISHED in before:
        _remove_leftovers(target, there)

    def deliver(file: "tuple[str, Datafile]") -> "Mapping[str, Any] | None":
        name, datafile = file
        known = there.get(name)
        record = None
        if dataset is not None:
            if known and known[2] and known[2].get("id") and getattr(datafile, "_id", None) is None:
                metadata.take(datafile, {"id": known[2]["id"]}, known[1])
            record = datafile.record()
        if not (known and _is_same(datafile, record, known)):
            send(datafile, _join(target, name), record, beside=False)
        return record

    with_marker = {"dataset": before["dataset"], metadata.UNFINISHED: {"files": len(files)}}
    _write(target, with_marker)
    records = dict(zip(names, listing.at_once(deliver, files), strict=True))
    if dataset is not None:
        kept = {name: listed[2] for name, listed in there.items() if listed[2] and name not in records}
        _write(target, {"dataset": dict(dataset), "datafiles": {**kept, **records}})
    elif before["dataset"] or before["datafiles"]:
        before.pop(metadata.UNFINISHED, None)  # type: ignore[attr-defined]  # it was read as a dictionary
        _write(target, before)
    else:
        from fairlead.adapters import storage

        storage.remove(_join(target, metadata.FILE))


def download(files: "Named", folder: str, dataset: "Mapping[str, Any]") -> None:
    """Fetch a dataset's files into a folder on this machine, with what is known of it and them."""
    for name, _ in files:
        from fairlead.adapters.twine.resources.cloud import refuse_escape

        refuse_escape(name, folder)
    _write(folder, {"dataset": {}, metadata.UNFINISHED: {"files": len(files)}})

    def get(file: "tuple[str, Datafile]") -> None:
        name, datafile = file
        datafile.download(os.path.join(folder, name))

    list(listing.at_once(get, files))
    records = {name: datafile.record() for name, datafile in files if datafile.is_described}
    _write(folder, {"dataset": dict(dataset), "datafiles": records})


def _is_same(datafile: "Datafile", record: "Mapping[str, Any] | None", known: "listing.Listed") -> bool:
    """Tell whether a file is in the store as it is here, by what the store has told already."""
    found = known[3]
    if found is None or found.md5 is None:
        return False
    if record is not None and (known[2] is None or _plain(record) != _plain(known[2])):
        return False
    import hashlib

    path = datafile.local_path
    if os.path.getsize(path) != found.size:
        return False
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


def _write(folder: str, records: "Mapping[str, Any]") -> None:
    from fairlead.adapters import storage

    storage.write_bytes(_join(folder, metadata.FILE), metadata.text_of(dict(records)).encode())


def _join(folder: str, name: str) -> str:
    from fairlead.adapters import storage

    return storage.join(folder, name)
