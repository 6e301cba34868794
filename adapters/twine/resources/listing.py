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


def contents(folder: str, *, recursive: bool = True, links_out: bool = False) -> "tuple[Record, list[Listed]]":
    """Return what is stored about a dataset, and its files in the order of their names; a missing folder has none.

    Raises `InvalidInputException` if the dataset's upload was not finished, and OSError for a link that leads out of
    the folder, unless ``links_out``, and for what is neither file nor folder.
    """
    if f"/{SIGNED}/" in folder and folder.startswith(("http://", "https://")):
        return _signed(folder)
    if "://" in folder or "::" in folder:
        stored, files = _in_store(folder)
    else:
        stored, files = _local(folder, recursive=recursive, links_out=links_out)
    refuse_unfinished(stored, folder)
    if not recursive:
        files = [file for file in files if "/" not in file[0]]
    return stored["dataset"], files


def refuse_unfinished(stored: "Record", folder: str) -> None:
    """Raise `InvalidInputException` if an upload to a folder has begun and was not finished."""
    if metadata.UNFINISHED in stored:
        how_many = (
            stored[metadata.UNFINISHED].get("files", "?") if isinstance(stored[metadata.UNFINISHED], dict) else "?"
        )
        msg = (
            f"the dataset {folder} is not whole: an upload of {how_many} files to it was not finished; upload it again"
        )
        raise InvalidInputException(msg)


def _local(folder: str, *, recursive: bool = True, links_out: bool = False) -> "tuple[Record, list[Listed]]":
    from fairlead.adapters import storage

    real = os.path.join(os.path.realpath(folder), "")

    def skip(entry: "os.DirEntry[str]") -> bool:
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
    records = {prefix: metadata.read(folder + "/" + prefix) for prefix in described}
    known = {prefix: stored["datafiles"] for prefix, stored in records.items()}
    stored = records.get("") or {"dataset": {}, "datafiles": {}}
    return stored, [(name, path, _record(known, name), None) for name, path in found]


def _in_store(folder: str) -> "tuple[Record, list[Listed]]":
    from fairlead.adapters import storage
    from fairlead.adapters.twine.resources import cloud

    objects = cloud.objects(folder)
    stored, known, files = _sorted_out(folder, objects)
    listed: list[Listed] = []
    unknown: list[int] = []
    for name, found in files.items():
        record = _record(known, name)
        if found.metadata is not None and (own := metadata.from_object(found.metadata)).keys() - {"sidecar"}:
            record = own
        elif cloud.has_metadata(folder) and found.metadata is None and not _holds(known, objects, name, record):
            unknown.append(len(listed))
        listed.append((name, storage.join(folder, name), record, found))
    if unknown and metadata.UNFINISHED not in stored:
        answers = at_once(cloud.look_up, [listed[index][1] for index in unknown])
        for index, answer in zip(unknown, answers, strict=True):
            name, location, record, found = listed[index]
            own = metadata.from_object(answer.metadata or {}) if answer else {}
            listed[index] = (name, location, own if own.keys() - {"sidecar"} else record, answer or found)
    return stored, listed


def previous(folder: str) -> "tuple[Record, dict[str, Listed]]":
    """Return what is in a place to which a dataset is about to be uploaded: what its file says, and its files by name.

    Only what the store tells without being asked for each file: a record that this does not hold is None.
    """
    from fairlead.adapters import storage
    from fairlead.adapters.twine.resources import cloud

    if storage.is_local(folder):
        stored, files = _local(str(storage.local_path(folder)))
        return stored, {file[0]: file for file in files}
    objects = cloud.objects(folder)
    stored, known, kept = _sorted_out(folder, objects)
    listed: dict[str, Listed] = {}
    for name, found in kept.items():
        record = _record(known, name) if _holds(known, objects, name, _record(known, name)) else None
        listed[name] = (name, storage.join(folder, name), metadata.from_object(found.metadata or {}) or record, found)
    return stored, listed


def _sorted_out(
    folder: str, objects: "Mapping[str, StoredObject]"
) -> "tuple[Record, dict[str, Record], dict[str, StoredObject]]":
    """Return what the dataset's file says, what each folder's file says of its files, and the objects that are data."""
    from fairlead.adapters import storage

    prefixes = [name[: -len(metadata.FILE)] for name in objects if f"/{name}".endswith(f"/{metadata.FILE}")]
    texts = at_once(lambda prefix: metadata.read(storage.join(folder, prefix) if prefix else folder), prefixes)
    records = dict(zip(prefixes, texts, strict=True))
    files = {
        name: found
        for name, found in objects.items()
        if not name.startswith(f"{SIGNED}/") and not metadata.is_metadata(name.rpartition("/")[2])
    }
    known = {prefix: record["datafiles"] for prefix, record in records.items()}
    return records.get("", {"dataset": {}, "datafiles": {}}), known, files


def _holds(
    known: "Mapping[str, Record]", objects: "Mapping[str, StoredObject]", name: str, record: "Record | None"
) -> bool:
    """Tell whether what a folder's file says of an object was written after the object was last changed."""
    if record is None:
        return False
    prefix = name[: len(name) - len(name.rpartition("/")[2])]
    place = prefix if metadata.record_in(known.get(prefix, {}), name[len(prefix) :]) is not None else ""
    changed, written = objects[name].modified, objects[place + metadata.FILE].modified
    return changed is None or written is None or changed < written


def _record(known: "Mapping[str, Record]", name: str) -> "Record | None":
    """Return what is stored about a file: in its own folder's file, else in the dataset's."""
    if not known:
        return None
    prefix, slash, base = name.rpartition("/")
    record = metadata.record_in(known.get(prefix + slash, {}), base)
    return metadata.record_in(known.get("", {}), name) if record is None else record


def _signed(address: str) -> "tuple[Record, list[Listed]]":
    from fairlead.adapters import storage
    from fairlead.adapters.twine.manifests import plain_url
    from fairlead.adapters.twine.resources import cloud

    try:
        document = json.loads(storage.read_bytes(address))
        files = document["files"]
        described = document.get("datafiles", {})
        known = described if isinstance(described, dict) else {}
        wrong = [file for file in files if not str(file).startswith(("http://", "https://"))]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{plain_url(address)} is no signed dataset, which is an object with 'files'"
        raise InvalidInputException(msg) from error
    if wrong:
        msg = f"the signed dataset {plain_url(address)} names {wrong[0]!r}, which is no web address"
        raise InvalidInputException(msg)
    root = plain_url(address).partition(f"/{SIGNED}/")[0] + "/"
    listed: list[Listed] = []
    for file in files:
        plain = plain_url(file)
        name = plain.removeprefix(root) if plain.startswith(root) else plain.rpartition("/")[2]
        listed.append((name, file, metadata.record_in(known, name), None))
    if "datafiles" not in document:  # Octue leaves it to each object to say what is known of it
        answers = at_once(cloud.look_up_address, [location for _, location, _, _ in listed])
        listed = [
            (name, location, metadata.from_object(found.metadata or {}) or None, found)
            for (name, location, _, _), found in zip(listed, answers, strict=True)
        ]
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
