"""Input manifests, bound: every dataset found, every file named, hashed and made absolute before anything runs.

A manifest gives each dataset as a folder's location, or as an object with ``path``, ``files`` or both, in either of
Octue's dialects; ids may be absent. Relative paths are relative to the manifest's file; what is not there, and what
came from no file, to the working directory, as in Octue. Bound, it is JSON data that an app's process turns into
`Manifest`, `Dataset` and `Datafile`.
"""

from __future__ import annotations

import os
import posixpath
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.errors import Problem
from fairlead.adapters.schemas import shown
from fairlead.adapters.twine.encoding import to_json

METADATA_FILE = ".octue"
_DESCRIBED = ("tags", "labels", "timestamp")


def bind_manifest(data: Any, strand: str, base: Path | None) -> tuple[dict[str, Any], list[Problem]]:
    """Return a bound manifest, and every problem found on the way.

    The bound form: ``id``, and ``datasets`` by key with ``id``, ``name``, ``path``, ``tags``, ``labels`` and ``files``;
    a file has ``name`` (its path in the dataset), ``path``, ``id``, ``timestamp``, ``tags``, ``labels`` and ``digest``.
    An id that was not given is None.
    """
    if hasattr(data, "to_primitive"):
        data = data.to_primitive()
    if not isinstance(data, Mapping) or not isinstance(data.get("datasets"), Mapping):
        remedy = 'Give {"datasets": {"name": "folder"}}.'
        return {}, [Problem(strand, f"{shown(data)} is not a manifest", "an object with 'datasets'", remedy)]
    datasets: dict[str, Any] = {}
    problems = _description_problems(data, strand)
    for key, dataset in data["datasets"].items():
        place = f"{strand}.datasets.{key}"
        if hasattr(dataset, "to_primitive"):
            dataset = dataset.to_primitive()  # noqa: PLW2901
        if isinstance(dataset, str | os.PathLike):
            dataset = {"path": os.fspath(dataset)}  # noqa: PLW2901
        if not isinstance(dataset, Mapping) or not ("path" in dataset or "files" in dataset):
            remedy = "Give the folder's path, or an object with 'files'."
            problems.append(Problem(place, f"{shown(dataset)} is not a dataset", "a path or an object", remedy))
            continue
        bound, found = _bind_dataset(dataset, key, place, base)
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


def _bind_dataset(
    dataset: Mapping[str, Any], key: str, place: str, base: Path | None
) -> tuple[dict[str, Any], list[Problem]]:
    problems = _description_problems(dataset, place)
    path = dataset.get("path")
    if path is not None and not isinstance(path, str | os.PathLike):
        problems.append(Problem(f"{place}.path", f"{shown(path)} is not a path", "a text", "Give the folder's path."))
        path = None
    folder = _absolute(path, base) if path else None
    if dataset.get("files") and not isinstance(dataset["files"], list | tuple | set | frozenset):
        found = f"{shown(dataset['files'])} is not a list"
        problems.append(Problem(f"{place}.files", found, "a list of files", 'Give ["path"].'))
        files: list[dict[str, Any]] = []
    elif dataset.get("files") or _is_declared_empty(dataset, folder):
        files = [_file(file, f"{place}.files[{i}]", folder, base, problems) for i, file in enumerate(dataset["files"])]
    else:
        files = _listing(folder, place, problems) if not problems else []
    places: dict[str, str] = {}
    for file in files:
        name, location = file["name"], file["path"]
        if name in places and not problems:
            found = f"two files are named '{name}': {places[name]} and {location}"
            remedy = "Give the dataset the 'path' of the folder that holds both."
            problems.append(Problem(place, found, "names that differ", remedy))
        places[name] = location
        try:
            file["digest"] = storage.digest(location) if location else ""
        except (OSError, ValueError) as error:  # ValueError for what no file can be named
            found = f"cannot read {location}: {getattr(error, 'strerror', None) or 'it is not there'}"
            remedy = "Check the path and its permissions."
            problems.append(Problem(f"{place}, file '{name}'", found, "a file", remedy))
    return {
        **_description(dataset, place),
        "name": str(dataset.get("name") or key),
        "path": folder,
        "files": files,
    }, problems


def _is_declared_empty(dataset: Mapping[str, Any], folder: str | None) -> bool:
    """Tell whether a dataset says that it has no files, as one of an earlier app does whose folder was never made."""
    return dataset.get("files") is not None and folder is not None and not storage.exists(folder)


def _listing(folder: str | None, place: str, problems: list[Problem]) -> list[dict[str, Any]]:
    if folder is None:
        problems.append(Problem(place, "has neither 'path' nor any 'files'", "one of them", "Give the folder's path."))
        return []
    if not storage.is_folder(folder):
        is_file = storage.exists(folder)
        remedy = f'Give the folder, or {{"files": ["{folder}"]}}.' if is_file else "Check the path."
        found = f"{folder} is a file, not a folder" if is_file else f"{folder} is not there"
        problems.append(Problem(place, found, "a folder", remedy))
        return []
    prefix = folder.rstrip("/") + "/"
    try:
        names = storage.walk(folder)
    except OSError as error:
        remedy = "Remove it, or fetch what it stands for."
        found = f"cannot read {error.filename}: {error.strerror}"
        problems.append(Problem(place, found, "files and folders", remedy))
        return []
    return [
        {"name": name, "path": prefix + name, "id": None, "timestamp": None, "tags": {}, "labels": []}
        for name in names
        if posixpath.basename(name) != METADATA_FILE
    ]


def _file(file: Any, place: str, folder: str | None, base: Path | None, problems: list[Problem]) -> dict[str, Any]:
    if hasattr(file, "to_primitive"):
        file = file.to_primitive()
    if isinstance(file, str | os.PathLike):
        file = {"path": os.fspath(file)}
    path = (file.get("cloud_path") or file.get("path")) if isinstance(file, Mapping) else None
    if not isinstance(path, str | os.PathLike):
        problems.append(
            Problem(place, f"{shown(file)} is not a file", "a path, or an object with 'path'", "Give its path.")
        )
        return {"name": "", "path": "", **_description({}, place)}
    problems += _description_problems(file, place)
    path = os.fspath(path)
    location = _absolute(path, base)
    if folder is not None and storage.is_local(path) and not os.path.isabs(path):
        below = storage.join(folder, path)
        if not storage.is_local(below) or os.path.exists(below):
            location = below
    prefix = (folder or "").rstrip("/") + "/"
    inside = folder is not None and location.startswith(prefix)
    plain = plain_url(location)
    return {
        "name": plain.removeprefix(prefix) if inside else posixpath.basename(plain),
        "path": location,
        **_description(file, place),
        "timestamp": to_json(file.get("timestamp"), f"{place}.timestamp"),
    }


def _description_problems(given: Mapping[str, Any], place: str) -> list[Problem]:
    """Return what is wrong with the id, tags and labels of a dataset or a file."""
    problems: list[Problem] = []
    identifier, tags, labels = given.get("id"), given.get("tags"), given.get("labels")
    try:
        uuid.UUID(str(identifier or uuid.NAMESPACE_URL))
    except ValueError:
        problems.append(
            Problem(f"{place}.id", f"{shown(identifier)} is not a UUID", "", "Leave it out to have one made.")
        )
    if tags and not isinstance(tags, Mapping):
        problems.append(Problem(f"{place}.tags", f"{shown(tags)} is not an object", "", 'Give {"key": value}.'))
    if labels and not isinstance(labels, str | list | tuple | set | frozenset | Mapping):
        problems.append(Problem(f"{place}.labels", f"{shown(labels)} is not a list", "", 'Give ["label"].'))
    return problems


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


def plain_url(location: str) -> str:
    """Return a web address without its query and fragment, which may hold a signature; any other location as it is."""
    return re.split(r"[?#]", location, maxsplit=1)[0] if location.startswith(("http://", "https://")) else location


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
