"""The manifest of a question: as plain data that can travel, and what in it is on this machine alone.

The module does not look whether anything is there: the child does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.errors import InputInvalid
from fairlead.adapters.twine.encoding import to_json
from fairlead.adapters.twine.sources import load_json


def absolute_manifest(source: object) -> tuple[Any, list[str]]:
    """Return a manifest as JSON data with absolute locations, and those of them that are on this machine.

    Relative paths are relative to the manifest's file, or to the working directory. What is no manifest is returned as
    it is, for the child to tell.
    """
    data, folder = load_json(source, "input_manifest", InputInvalid)
    if hasattr(data, "to_description"):
        data = data.to_description()
    data = to_json(data, "input_manifest", error=InputInvalid)
    local: list[str] = []
    if isinstance(data, Mapping) and isinstance(data.get("datasets"), Mapping):
        base = str(folder or Path.cwd())
        datasets = {key: _dataset(dataset, base, local) for key, dataset in data["datasets"].items()}
        data = {**data, "datasets": datasets}
    return data, local


def _dataset(dataset: Any, base: str, local: list[str]) -> Any:
    if isinstance(dataset, str):
        return _placed(dataset, [base], local)
    if not isinstance(dataset, Mapping):
        return dataset
    plain = dict(dataset)
    folders = [base]
    if isinstance(plain.get("path"), str):
        plain["path"] = _placed(plain["path"], folders, local)
        folders = [plain["path"], base]
    if isinstance(plain.get("files"), list):
        plain["files"] = [_file(file, folders, local) for file in plain["files"]]
    return plain


def _file(file: Any, folders: list[str], local: list[str]) -> Any:
    if isinstance(file, str):
        return _placed(file, folders, local)
    if isinstance(file, Mapping) and isinstance(file.get("path"), str) and not file.get("cloud_path"):
        return {**file, "path": _placed(file["path"], folders, local)}
    return file


def _placed(path: str, folders: list[str], local: list[str]) -> str:
    """Return where a path is: below the first folder that has it, or else below the first."""
    if storage.is_local(path) and "://" not in path and not os.path.isabs(path):
        places = [storage.join(folder, path) for folder in folders]
        path = next((place for place in places if storage.is_local(place) and os.path.exists(place)), places[0])
    if storage.is_local(path):
        path = os.path.abspath(storage.local_path(path))
        local.append(path)
    return path
