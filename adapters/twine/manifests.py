"""Input manifests, bound: every dataset found, every file named, hashed and made absolute before anything runs.

A manifest gives each dataset as a folder's location, or as an object with ``path``, ``files`` or both, in either of
Octue's dialects; ids may be absent. Relative paths are relative to the manifest's file; what is not there, and what
came from no file, to the working directory, as in Octue. What is stored about datasets and files, in ``.octue`` files
and with objects in stores, wins over what the manifest says. Bound, it is JSON data that an app's process turns into
`Manifest`, `Dataset` and `Datafile`; it writes nothing.
"""

from __future__ import annotations

import os
import posixpath
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.errors import InputInvalid, Problem
from fairlead.adapters.schemas import shown
from fairlead.adapters.twine.encoding import from_json, to_json
from fairlead.adapters.twine.exceptions import InvalidInputException, OctueSDKException
from fairlead.adapters.twine.resources import cloud, listing, metadata
from fairlead.adapters.twine.resources.datafile import Datafile
from fairlead.adapters.twine.resources.label import LabelSet
from fairlead.adapters.twine.resources.tag import TagDict
from fairlead.adapters.twine.sources import datasets_by_key

_DESCRIBED = ("tags", "labels", "timestamp")


def bind_manifest(
    data: Any, strand: str, base: Path | None, *, hashed: bool = True
) -> tuple[dict[str, Any], list[Problem]]:
    """Return a bound manifest, and every problem found on the way.

    The bound form: ``id``, and ``datasets`` by key with ``id``, ``name``, ``path``, ``tags``, ``labels`` and ``files``;
    a file has ``name`` (its path in the dataset), ``path``, ``id``, ``timestamp``, ``tags``, ``labels`` and ``digest``.
    An id that was not given is None, and a digest is empty unless the files are to be ``hashed``.
    """
    data = datasets_by_key(_described(data))
    if not isinstance(data, Mapping) or not isinstance(data.get("datasets"), Mapping):
        remedy = 'Give {"datasets": {"name": "folder"}}.'
        return {}, [Problem(strand, f"{shown(data)} is not a manifest", "an object with 'datasets'", remedy)]
    datasets: dict[str, Any] = {}
    problems = _description_problems(data, strand)
    for key, dataset in data["datasets"].items():
        place = f"{strand}.datasets.{key}"
        dataset = _described(dataset)  # noqa: PLW2901
        if isinstance(dataset, str | os.PathLike):
            dataset = {"path": os.fspath(dataset)}  # noqa: PLW2901
        if not isinstance(dataset, Mapping) or not ("path" in dataset or "files" in dataset):
            remedy = "Give the folder's path, or an object with 'files'."
            problems.append(Problem(place, f"{shown(dataset)} is not a dataset", "a path or an object", remedy))
            continue
        bound, found = _bind_dataset(dataset, key, place, base, hashed=hashed)
        datasets[key] = bound
        problems += found
    return {"id": data.get("id"), "datasets": datasets}, problems


def identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a bound manifest a result depends on: contents, names, tags, labels, times; no ids, no places."""
    return {key: _dataset_identity(dataset) for key, dataset in manifest["datasets"].items()}


def changed_since(start: float, manifest: Mapping[str, Any]) -> bool:
    """Tell whether a local file of a bound manifest has changed, or gone, since a time in seconds since the epoch."""
    for dataset in manifest["datasets"].values():
        for file in dataset["files"]:
            if not storage.is_local(file["path"]):
                continue
            try:
                if os.stat(file["path"]).st_ctime > start:
                    return True
            except OSError:
                return True
    return False


def _dataset_identity(dataset: Mapping[str, Any]) -> dict[str, Any]:
    files = sorted(dataset["files"], key=lambda file: file["name"])
    return {
        "name": dataset["name"],
        "tags": dataset["tags"],
        "labels": dataset["labels"],
        # One text instead of a mapping: thousands of files are encoded at once, and no name holds a NUL.
        "files": "\0".join(f"{file['name']}\0{file['digest']}" for file in files),
        "described": {
            file["name"]: {field: file[field] for field in _DESCRIBED}
            for file in files
            if any(file[field] not in (None, {}, []) for field in _DESCRIBED)
        },
    }


def _described(given: Any) -> Any:
    """Return the description of a manifest, a dataset or a file that is an object; anything else as it is."""
    return given.to_description() if hasattr(given, "to_description") else given


def _bind_dataset(
    dataset: Mapping[str, Any], key: str, place: str, base: Path | None, *, hashed: bool
) -> tuple[dict[str, Any], list[Problem]]:
    problems = _description_problems(dataset, place)
    path = dataset.get("path")
    if path is not None and not isinstance(path, str | os.PathLike):
        problems.append(Problem(f"{place}.path", f"{shown(path)} is not a path", "a text", "Give the folder's path."))
        path = None
    folder = _absolute(path, base) if path else None
    stored: Mapping[str, Any] = {}
    if dataset.get("files") and not isinstance(dataset["files"], list | tuple | set | frozenset):
        found = f"{shown(dataset['files'])} is not a list"
        problems.append(Problem(f"{place}.files", found, "a list of files", 'Give ["path"].'))
        files: list[dict[str, Any]] = []
    elif dataset.get("files") or _is_declared_empty(dataset, folder):
        problems += _unfinished_problems(folder, place)
        files = _files(list(dataset["files"]), place, folder, base, problems)
    else:
        stored, files = _listing(folder, place, problems) if not problems else ({}, [])
    places: dict[str, str] = {}
    for file in files:
        name, location = file["name"], file["path"]
        if name in places and not problems:
            found = f"two files are named '{name}': {places[name]} and {location}"
            remedy = "Give the dataset the 'path' of the folder that holds both."
            problems.append(Problem(place, found, "names that differ", remedy))
        places[name] = location
    digests = _digests([file["path"] for file in files]) if hashed else [""] * len(files)
    for file, digest in zip(files, digests, strict=True):
        if isinstance(digest, str):
            file["digest"] = digest
            continue
        found = (
            f"cannot read {storage.plain_url(file['path'])}: {getattr(digest, 'strerror', None) or 'it is not there'}"
        )
        remedy = "Check the path and its permissions."
        problems.append(Problem(f"{place}, file '{file['name']}'", found, "a file", remedy))
    described = {**dataset, **stored}
    return {
        **_description(described, place),
        "name": str(described.get("name") or key),
        "path": folder,
        "files": files,
    }, problems


def _digests(locations: list[str]) -> Iterable[str | Exception]:
    """Go through the digests of files, or why they have none; several are read at the same time from a store."""

    def digest(location: str) -> str | Exception:
        try:
            return storage.digest(location) if location else ""
        except (OSError, ValueError) as error:  # ValueError for what no file can be named
            return error

    if all(storage.is_local(location) for location in locations):
        return map(digest, locations)
    return listing.at_once(digest, locations)


def _files(
    given: list[Any], place: str, folder: str | None, base: Path | None, problems: list[Problem]
) -> list[dict[str, Any]]:
    """Return the files that a manifest names; what is stored about several in a store is asked for at the same time."""
    folders = _Folders()

    def bind(numbered: tuple[int, Any]) -> tuple[dict[str, Any], list[Problem]]:
        number, file = numbered
        found: list[Problem] = []
        return _file(file, f"{place}.files[{number}]", folder, base, folders, found), found

    remote = any("://" in str(_location(file)) for file in given)
    answers = list(listing.at_once(bind, enumerate(given)) if remote else map(bind, enumerate(given)))
    for _, found in answers:
        problems += found
    return [file for file, _ in answers]


def _location(file: Any) -> Any:
    """Return where a file of a manifest is said to be."""
    return (file.get("cloud_path") or file.get("path")) if isinstance(file, Mapping) else file


class _Folders:
    """The folders of the files that a manifest names; each is looked at once."""

    def __init__(self) -> None:
        self._stored: dict[str, Mapping[str, Any]] = {}
        self._real: dict[str, str] = {}

    def record(self, location: str) -> Mapping[str, Any] | None:
        """Return what is stored about a file."""
        folder, _, name = location.rpartition("/")
        if cloud.is_url(location):
            return None
        if cloud.has_metadata(location):
            known = cloud.look_up(location)
            if known is None or not known.is_elsewhere:
                return known.record() if known else None
        if folder not in self._stored:
            self._stored[folder] = metadata.read(folder)["datafiles"]
        return metadata.record_in(self._stored[folder], name)

    def real(self, location: str) -> str:
        """Return a path without links."""
        if os.path.islink(location):
            return os.path.realpath(location)
        folder, _, name = location.rpartition("/")
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return f"{self._real[folder]}/{name}"


def _unfinished_problems(folder: str | None, place: str) -> list[Problem]:
    """Return the problem of a folder that is not whole, whatever files of it are named."""
    if folder is None or cloud.is_url(folder):
        return []
    try:
        listing.refuse_unfinished(metadata.read(folder), folder)
    except InvalidInputException as error:
        return [Problem(place, str(error), "a dataset", "")]
    except (OSError, ValueError):  # its files will tell
        return []
    return []


def _is_declared_empty(dataset: Mapping[str, Any], folder: str | None) -> bool:
    """Tell whether a dataset says that it has no files, as one of an earlier app does whose folder was never made."""
    return dataset.get("files") is not None and folder is not None and not storage.exists(folder)


def _listing(folder: str | None, place: str, problems: list[Problem]) -> tuple[Mapping[str, Any], list[dict[str, Any]]]:
    """Return what is stored about a dataset, and every file in its folder with what is stored about it."""
    if folder is None:
        problems.append(Problem(place, "has neither 'path' nor any 'files'", "one of them", "Give the folder's path."))
        return {}, []
    if not listing.is_signed(folder) and not storage.is_folder(folder):
        is_file = storage.exists(folder)
        remedy = f'Give the folder, or {{"files": ["{folder}"]}}.' if is_file else "Check the path."
        found = f"{folder} is a file, not a folder" if is_file else f"{folder} is not there"
        problems.append(Problem(place, found, "a folder", remedy))
        return {}, []
    try:
        stored, listed = listing.contents(folder)
    except OSError as error:
        remedy = "Remove it, or put what it stands for in its place."
        if isinstance(error, PermissionError):
            remedy = "Make it readable."
        found = f"cannot read {error.filename}: {error.strerror}"
        problems.append(Problem(place, found, "files and folders", remedy))
        return {}, []
    except InvalidInputException as error:
        problems.append(Problem(place, str(error), "a dataset", ""))
        return {}, []
    where = f"{storage.plain_url(folder)}/{metadata.FILE}"
    problems += _description_problems(stored, f"{where}, dataset")
    files: list[dict[str, Any]] = []
    for name, location, record, _ in listed:
        if record is None:
            described: dict[str, Any] = {"id": None, "tags": {}, "labels": []}
        else:
            problems += _description_problems(record, f"{where}, '{name}'")
            described = _description(record, where)
        timestamp = record.get("timestamp") if record else None
        files.append({"name": name, "path": location, "timestamp": timestamp, **described})
    return {field: stored[field] for field in ("id", "name", "tags", "labels") if stored.get(field)}, files


def _file(
    file: Any, place: str, folder: str | None, base: Path | None, folders: _Folders, problems: list[Problem]
) -> dict[str, Any]:
    is_whole = hasattr(file, "to_description")  # and knows already what is stored
    file = _described(file)
    if isinstance(file, str | os.PathLike):
        file = {"path": os.fspath(file)}
    path = _location(file) if isinstance(file, Mapping) else None
    if not isinstance(path, str | os.PathLike):
        problems.append(
            Problem(place, f"{shown(file)} is not a file", "a path, or an object with 'path'", "Give its path.")
        )
        return {"name": "", "path": "", "timestamp": None, **_description({}, place)}
    path = os.fspath(path)
    if path and storage.is_local(path) and ".." not in path.split("/"):
        path = os.path.normpath(path)
    location = _absolute(path, base)
    if folder is not None and storage.is_local(path) and not os.path.isabs(path):
        below = storage.join(folder, path)
        if not storage.is_local(below) or os.path.exists(below):
            location = below
    prefix = _prefix(folder or "")
    plain = storage.plain_url(location)
    inside = folder is not None and plain.startswith(prefix)
    if folder is not None and _leads_out(location, prefix, folders, inside=inside):
        remedy = "Leave the dataset's 'path' out, or move the file into it."
        problems.append(Problem(place, f"{path} leads out of the dataset {folder}", "a file in its folder", remedy))
        return {"name": "", "path": "", "timestamp": None, **_description({}, place)}
    try:
        record = None if is_whole else folders.record(location)
    except InvalidInputException as error:
        problems.append(Problem(place, str(error), "a file", ""))
        record = None
    if record is not None:
        place = f"{posixpath.dirname(location)}/{metadata.FILE}, '{posixpath.basename(location)}'"
        file = {**file, **record}
    problems += _description_problems(file, place)
    return {
        "name": plain.removeprefix(prefix) if inside else posixpath.basename(plain),
        "path": location,
        **_description(file, place),
        "timestamp": to_json(file.get("timestamp"), f"{place}.timestamp"),
    }


def _leads_out(location: str, prefix: str, folders: _Folders, *, inside: bool) -> bool:
    """Tell whether a file is outside the dataset in whose folder it is said to be.

    A file in a store may stand in for one of a local folder. What is not there is told by who wants to read it.
    """
    if ".." in storage.plain_url(location).split("/"):
        return True
    if not storage.is_local(location):
        return not inside and not storage.is_local(prefix)
    if not inside:
        return not storage.is_local(prefix) or os.path.exists(location)
    return not folders.real(location).startswith(folders.real(prefix + ".")[:-1])


def leading_out(locations: Iterable[str], folder: str) -> list[str]:
    """Return those absolute locations of files that are outside a dataset's folder, or lead out of it by a link."""
    folders, prefix = _Folders(), _prefix(folder)
    return [
        location
        for location in locations
        if _leads_out(location, prefix, folders, inside=storage.plain_url(location).startswith(prefix))
    ]


def _prefix(folder: str) -> str:
    """Return how the locations of the files in a dataset begin."""
    return storage.plain_url(folder).partition(f"/{listing.SIGNED}/")[0].rstrip("/") + "/"


def _description_problems(given: Mapping[str, Any], place: str) -> list[Problem]:
    """Return what is wrong with the name, id, tags and labels of a dataset or a file."""
    name = given.get("name")
    problems = [] if name is None or isinstance(name, str) else [_wrong_name(name, place)]
    identifier, tags, labels = given.get("id"), given.get("tags"), given.get("labels")
    try:
        uuid.UUID(str(identifier or uuid.NAMESPACE_URL))
    except ValueError:
        problems.append(
            Problem(f"{place}.id", f"{shown(identifier)} is not a UUID", "", "Leave it out to have one made.")
        )
    if tags:
        problems += _tag_problems(tags, f"{place}.tags")
    if labels and not isinstance(labels, str | list | tuple | set | frozenset | Mapping):
        problems.append(Problem(f"{place}.labels", f"{shown(labels)} is not a list", "", 'Give ["label"].'))
    elif labels:
        try:
            LabelSet(labels.get("items", ()) if isinstance(labels, Mapping) else labels)
        except OctueSDKException as error:
            problems.append(Problem(f"{place}.labels", str(error).rstrip("."), "Octue's labels", "Rename it."))
    if given.get("timestamp") is not None:
        try:
            Datafile("", timestamp=from_json(given["timestamp"]), ignore_stored_metadata=True)
        except (OctueSDKException, TypeError) as error:
            remedy = 'Give seconds since 1970, or {"_type": "datetime", "value": "2020-01-01T00:00:00"}.'
            problems.append(Problem(f"{place}.timestamp", str(error).rstrip("."), "a time", remedy))
    return problems


def _tag_problems(tags: Any, place: str) -> Sequence[Problem]:
    if not isinstance(tags, Mapping):
        return [Problem(place, f"{shown(tags)} is not an object", "", 'Give {"key": value}.')]
    try:
        TagDict(tags)
        to_json(dict(tags), place, finite=True, error=InputInvalid)
    except OctueSDKException as error:
        return [Problem(place, str(error).rstrip("."), "Octue's tags", "Rename it.")]
    except InputInvalid as error:
        return error.problems
    return []


def _wrong_name(name: Any, place: str) -> Problem:
    return Problem(f"{place}.name", f"{shown(name)} is not a text", "", "Give a text, or leave it out.")


def _description(given: Mapping[str, Any], place: str) -> dict[str, Any]:
    tags, labels = given.get("tags"), given.get("labels")
    if isinstance(labels, Mapping):  # Octue writes sets so
        labels = labels.get("items", ())
    if isinstance(labels, str):
        labels = labels.split()
    return {
        "id": given.get("id"),
        "tags": to_json(dict(tags), f"{place}.tags") if isinstance(tags, Mapping) else {},
        "labels": sorted(str(label) for label in labels) if isinstance(labels, list | tuple | set | frozenset) else [],
    }


def _absolute(location: str | os.PathLike[str], base: Path | None) -> str:
    location = os.fspath(location)
    if not storage.is_local(location):
        storage.refuse_secrets(location, "input manifest")
        return location
    here = storage.local_path(location)
    if base is None or os.path.isabs(location):
        return str(here)
    beside = storage.local_path(str(base / location))
    return str(here if os.path.exists(here) and not os.path.exists(beside) else beside)
