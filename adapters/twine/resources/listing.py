"""Which files a dataset has, and what is stored about each: one look at the folder, one at each ``.octue`` file.

The folder is on this machine, in a store, or a *signed dataset*: a web address of a JSON document that lists the web
addresses of files. Nothing that leads out of the folder is taken: no link, no name with ``..`` in it, and of a signed
dataset nothing but web addresses. Nothing is read of the files themselves.
"""

import errno
import json
import os

from fairlead.adapters.twine.exceptions import InvalidInputException
from fairlead.adapters.twine.resources import metadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from fairlead.adapters.twine.resources.cloud import StoredObject

    Record = Mapping[str, Any]
    Listed = tuple[str, str, Record | None, StoredObject | None]
    """A file's name in the dataset, its location, what is stored about it, and what a store's listing says of it."""

SIGNED = ".signed_metadata_files"
"""The folder in a dataset where signed datasets are kept."""
AT_ONCE = 16
"""How many requests to a store are on their way at the same time."""


def contents(
    folder: str, *, recursive: bool = True, links_out: bool = False, described: bool = True
) -> "tuple[Record, list[Listed]]":
    """Return what is stored about a dataset, and its files in the order of their names; a missing folder has none.

    Unless ``described``, a store is not asked what it keeps with each file. Raises `InvalidInputException` if an upload
    was not finished, and OSError for what is neither file nor folder, and for a link that leads out of the folder
    unless ``links_out``.
    """
    if is_signed(folder):
        return _signed(folder)
    if metadata.is_remote(folder):
        records, files = _in_store(folder, described=described)
    else:
        records, files = _local(folder, recursive=recursive, links_out=links_out)
    stored = records.get("", metadata.NOTHING)
    for prefix, record in records.items():  # a dataset in the dataset, too
        refuse_unfinished(record, f"{folder}/{prefix}".rstrip("/"))
    if not recursive:
        files = [file for file in files if "/" not in file[0]]
    return stored["dataset"], files


def is_signed(folder: str) -> bool:
    """Tell whether a location is the address of a signed dataset."""
    return f"/{SIGNED}/" in folder and folder.startswith(("http://", "https://"))


def refuse_unfinished(stored: "Record", folder: str) -> None:
    """Raise `InvalidInputException` if an upload or a download to a folder has begun and was not finished."""
    if metadata.UNFINISHED in stored:
        told = stored[metadata.UNFINISHED] if isinstance(stored[metadata.UNFINISHED], dict) else {}
        way, its = ("download", "a") if told.get("way") == "download" else ("upload", "an")
        what = f"{its} {way} of {told.get('files', 'its')} files to it was not finished"
        msg = f"the dataset {folder} is not whole: {what}; {way} it again"
        raise InvalidInputException(msg)


def _local(folder: str, *, recursive: bool = True, links_out: bool = False) -> "tuple[dict[str, Record], list[Listed]]":
    from fairlead.adapters import storage

    real = os.path.join(os.path.realpath(folder), "")

    def skip(entry: "os.DirEntry[str]") -> bool:
        if entry.name == metadata.FILE and entry.is_dir():
            metadata.read(os.path.dirname(entry.path))  # says so
        if not links_out and entry.is_symlink():
            target = os.path.realpath(entry.path)
            if os.path.exists(target) and not f"{target}/".startswith(real) and not real.startswith(f"{target}/"):
                raise OSError(errno.EPERM, f"it is a link that leads out of the dataset, to {target}", entry.path)
        return not recursive and entry.is_dir()

    described: list[str] = []
    found: list[tuple[str, str]] = []
    for name, path in storage.local_files(folder, skip):
        if ".octue" in name and metadata.is_metadata(name.rpartition("/")[2]):
            if name.endswith(f"/{metadata.FILE}") or name == metadata.FILE:
                described.append(name[: -len(metadata.FILE)])
        elif not name.startswith(f"{SIGNED}/"):
            found.append((name, path))
    found.sort()
    records: dict[str, Record] = {prefix: metadata.read(folder + "/" + prefix) for prefix in described}
    known = _known(records)
    return records, [(name, path, _record(known, name), None) for name, path in found]


def _in_store(folder: str, *, described: bool) -> "tuple[dict[str, Record], list[Listed]]":
    from fairlead.adapters import storage
    from fairlead.adapters.twine.resources import cloud

    objects = cloud.objects(folder)
    records, files = _sorted_out(folder, objects)
    known = _known(records)
    listed: list[Listed] = []
    unknown: list[int] = []
    for name, found in files.items():
        record = _record(known, name)
        if cloud.has_metadata(folder) and found.metadata is None and not _holds(records, objects, name, record):
            unknown.append(len(listed))
        listed.append((name, storage.join(folder, name), found.record() or record, found))
    if described and unknown and metadata.UNFINISHED not in records.get("", {}):
        answers = at_once(cloud.look_up, [listed[index][1] for index in unknown])
        for index, answer in zip(unknown, answers, strict=True):
            name, location, record, one = listed[index]
            listed[index] = (name, location, (answer and answer.record()) or record, answer or one)
    return records, listed


def previous(folder: str) -> "tuple[dict[str, Record], dict[str, Listed]]":
    """Return what is in a place to which a dataset is about to go: what each ``.octue`` file says, and the files.

    The former by the folders in the dataset (``""``, ``"inner/"``), the latter by their names. Only what the store
    tells without being asked for each file: a record that this does not hold is None.
    """
    from fairlead.adapters import storage
    from fairlead.adapters.twine.resources import cloud

    if storage.is_local(folder):
        records, files = _local(str(storage.local_path(folder)), links_out=True)
        return records, {file[0]: file for file in files}
    objects = cloud.objects(folder)
    records, kept = _sorted_out(folder, objects)
    known = _known(records)
    listed: dict[str, Listed] = {}
    for name, found in kept.items():
        record = _record(known, name)
        record = found.record() or (record if _holds(records, objects, name, record) else None)
        listed[name] = (name, storage.join(folder, name), record, found)
    return records, listed


def _sorted_out(
    folder: str, objects: "Mapping[str, StoredObject]"
) -> "tuple[dict[str, Record], dict[str, StoredObject]]":
    """Return what each folder's file says, and the objects that are data."""
    from fairlead.adapters import storage

    prefixes = [name[: -len(metadata.FILE)] for name in objects if f"/{name}".endswith(f"/{metadata.FILE}")]

    def read(prefix: str) -> "Record":
        return metadata.read(storage.join(folder, prefix) if prefix else folder)

    records = dict(zip(prefixes, at_once(read, prefixes), strict=True))
    files = {
        name: found
        for name, found in objects.items()
        if not name.startswith(f"{SIGNED}/") and not metadata.is_metadata(name.rpartition("/")[2])
    }
    return records, files


def _known(records: "Mapping[str, Record]") -> "dict[str, Record]":
    return {prefix: record["datafiles"] for prefix, record in records.items()}


def _holds(
    records: "Mapping[str, Record]", objects: "Mapping[str, StoredObject]", name: str, record: "Record | None"
) -> bool:
    """Tell whether what a folder's file says of an object was written after the object was last changed."""
    if record is None:
        return False
    prefix = name[: len(name) - len(name.rpartition("/")[2])]
    own = records.get(prefix, metadata.NOTHING)["datafiles"]
    place = prefix if metadata.record_in(own, name[len(prefix) :]) is not None else ""
    changed, written = objects[name].modified, objects[place + metadata.FILE].modified
    written = records[place].get(metadata.AS_OF, written)
    return changed is None or written is None or changed < written


def _record(known: "Mapping[str, Record]", name: str) -> "Record | None":
    """Return what is stored about a file: in its own folder's file, else in the dataset's."""
    if not known:
        return None
    prefix, slash, base = name.rpartition("/")
    record = metadata.record_in(known.get(prefix + slash, {}), base)
    return metadata.record_in(known.get("", {}), name) if record is None else record


def _signed(address: str) -> "tuple[Record, list[Listed]]":
    from urllib.parse import unquote

    from fairlead.adapters import storage
    from fairlead.adapters.twine.resources import cloud

    try:
        document = json.loads(storage.read_bytes(address))
        files = document["files"]
        described = document.get("datafiles", {})
        known = described if isinstance(described, dict) else {}
        wrong = [file for file in files if not str(file).startswith(("http://", "https://"))]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{storage.plain_url(address)} is no signed dataset, which is an object with 'files'"
        raise InvalidInputException(msg) from error
    if wrong:
        msg = f"the signed dataset {storage.plain_url(address)} names {wrong[0]!r}, which is no web address"
        raise InvalidInputException(msg)
    root = unquote(storage.plain_url(address)).partition(f"/{SIGNED}/")[0] + "/"
    listed: list[Listed] = []
    for file in files:
        plain = unquote(storage.plain_url(file))
        name = plain.removeprefix(root) if plain.startswith(root) else plain.rpartition("/")[2]
        cloud.refuse_escape(name, root)
        listed.append((name, file, metadata.record_in(known, name), None))
    if "datafiles" not in document:  # Octue leaves it to each object to say what is known of it
        answers = at_once(cloud.look_up_address, [location for _, location, _, _ in listed])
        listed = [(one[0], one[1], found.record(), found) for one, found in zip(listed, answers, strict=True)]
    return document, sorted(listed, key=lambda one: one[0])


def at_once(action: "Any", items: "Iterable[Any]") -> "Iterator[Any]":
    """Return what an action gives for each item, in their order; several are asked at the same time.

    Of the first error, nothing more is begun, what runs is waited for, and the error is raised.
    """
    from concurrent.futures import ThreadPoolExecutor

    items = list(items)
    if len(items) < 2:  # noqa: PLR2004 (one alone needs no threads)
        return iter([action(item) for item in items])
    with ThreadPoolExecutor(min(AT_ONCE, len(items))) as pool:
        pending = [pool.submit(action, item) for item in items]
        try:
            return iter([one.result() for one in pending])
        except BaseException:
            for one in pending:
                one.cancel()
            raise
