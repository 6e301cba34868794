"""Input manifests, bound: every dataset found, every file named, hashed and made absolute before anything runs.

A manifest gives each dataset as a folder's location, or as an object with ``path``, ``files`` or both, in either of
Octue's dialects; ids may be absent. Relative paths are relative to the manifest's file, or to the working directory if
it came from none. Bound, it is JSON data that an app's process turns into `Manifest`, `Dataset` and `Datafile`.
"""

from __future__ import annotations

import os
import posixpath
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.errors import Problem
from fairlead.adapters.schemas import shown

METADATA_FILE = ".octue"


def bind_manifest(data: Any, strand: str, base: Path | None) -> tuple[dict[str, Any], list[Problem]]:
    """Return a bound manifest, and every problem found on the way.

    The bound form: ``id``, and ``datasets`` by key with ``id``, ``name``, ``path``, ``tags``, ``labels`` and ``files``;
    a file has ``name`` (its path in the dataset), ``path``, ``id``, ``timestamp``, ``tags``, ``labels`` and ``digest``.
    """
    if hasattr(data, "to_primitive"):
        data = data.to_primitive()
    if not isinstance(data, Mapping) or not isinstance(data.get("datasets"), Mapping):
        remedy = 'Give {"datasets": {"name": "folder"}}.'
        return {}, [Problem(strand, f"{shown(data)} is not a manifest", "an object with 'datasets'", remedy)]
    datasets: dict[str, Any] = {}
    problems: list[Problem] = []
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
    return {"id": data.get("id") or str(uuid.uuid4()), "datasets": datasets}, problems


def identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a bound manifest a result depends on: contents, names, tags, labels, times; no ids, no places."""
    return {
        key: {
            "tags": dataset["tags"],
            "labels": dataset["labels"],
            "files": {
                file["name"]: {field: file[field] for field in ("digest", "tags", "labels", "timestamp")}
                for file in dataset["files"]
            },
        }
        for key, dataset in manifest["datasets"].items()
    }


def _bind_dataset(
    dataset: Mapping[str, Any], key: str, place: str, base: Path | None
) -> tuple[dict[str, Any], list[Problem]]:
    problems: list[Problem] = []
    folder = _absolute(dataset["path"], base) if dataset.get("path") else None
    files = [_file(file, folder, base) for file in (dataset.get("files") or _listing(folder, place, problems))]
    names: dict[str, str] = {}
    for file in files:
        if file["name"] in names and not problems:
            problems.append(
                Problem(
                    place,
                    f"two files are named '{file['name']}': {names[file['name']]} and {file['path']}",
                    "names that differ",
                    "Give the dataset the 'path' of the folder that holds both.",
                )
            )
        names[file["name"]] = file["path"]
        try:
            file["digest"] = storage.digest(file["path"])
        except OSError as error:
            found = f"cannot read {file['path']}: {error.strerror or 'it is not there'}"
            remedy = "Check the path and its permissions."
            problems.append(Problem(f"{place}, file '{file['name']}'", found, "a file", remedy))
    return {
        "id": dataset.get("id") or str(uuid.uuid4()),
        "name": dataset.get("name") or posixpath.basename((folder or key).rstrip("/")),
        "path": folder,
        "tags": dict(dataset.get("tags") or {}),
        "labels": _labels(dataset.get("labels")),
        "files": files,
    }, problems


def _listing(folder: str | None, place: str, problems: list[Problem]) -> list[dict[str, Any]]:
    if folder is None:
        problems.append(Problem(place, "has neither 'path' nor any 'files'", "one of them", "Give the folder's path."))
        return []
    if not storage.is_folder(folder):
        kind = "is a file, not a folder" if storage.exists(folder) else "is not there"
        remedy = f'Give the folder, or {{"files": ["{folder}"]}}.' if "file" in kind else "Check the path."
        problems.append(Problem(place, f"{folder} {kind}", "a folder", remedy))
        return []
    return [{"path": name} for name in storage.walk(folder) if posixpath.basename(name) != METADATA_FILE]


def _file(file: Any, folder: str | None, base: Path | None) -> dict[str, Any]:
    if hasattr(file, "to_primitive"):
        file = file.to_primitive()
    if isinstance(file, str | os.PathLike):
        file = {"path": os.fspath(file)}
    path = file.get("cloud_path") or file["path"]
    if folder is not None and storage.is_local(path) and not os.path.isabs(path):
        below = storage.join(folder, path)
        location = below if not storage.is_local(below) or os.path.exists(below) else _absolute(path, base)
    else:
        location = _absolute(path, base)
    prefix = (folder or "").rstrip("/") + "/"
    inside = folder is not None and location.startswith(prefix)
    return {
        "name": location.removeprefix(prefix) if inside else posixpath.basename(location),
        "path": location,
        "id": file.get("id") or str(uuid.uuid4()),
        "timestamp": file.get("timestamp"),
        "tags": dict(file.get("tags") or {}),
        "labels": _labels(file.get("labels")),
    }


def _absolute(location: str | os.PathLike[str], base: Path | None) -> str:
    location = os.fspath(location)
    if not storage.is_local(location):
        return location
    return str(storage.local_path(os.path.join(base or "", os.path.expanduser(location.removeprefix("file://")))))


def _labels(labels: Any) -> list[str]:
    if isinstance(labels, Mapping):  # Octue writes sets so
        labels = labels.get("items", ())
    return sorted(labels.split() if isinstance(labels, str) else labels or ())
