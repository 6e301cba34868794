"""Results as files in a folder of the user's: ``output_values.json``, ``output_manifest.json`` and the datasets.

A file of the same name is replaced, as ``cc -o`` and ``cp`` do; one that is the same already is not touched; anything
else in the folder stays. Each file appears whole, the two JSON files last, so a folder that has them is complete. Paths
in the manifest are relative to it: the folder can be moved, and its manifest be the next app's input.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fairlead.adapters import storage
from fairlead.adapters.errors import InputInvalid, Problem

if TYPE_CHECKING:
    from fairlead.adapters.perform import Outcome


def refuse_source(folder: Path, source: Path) -> None:
    """Raise `InputInvalid` for a folder in that of an app, where results would count as source and change it."""
    if folder.resolve().is_relative_to(source.resolve()):
        found = f"{folder} is in the app's folder, and whatever is there counts as the app's source"
        raise InputInvalid(Problem("--output-dir", found, "a folder elsewhere", f"Give e.g. ../{folder.name}."))


def write_outputs(outcome: Outcome, folder: Path) -> list[str]:
    """Write the outputs and copy the files of an outcome; returns the names of other files found in its datasets."""
    outputs = dict(outcome.outputs)
    datasets: Mapping[str, Any] = {}
    if "output_manifest" in outputs:
        outputs["output_manifest"] = _relative(outputs["output_manifest"], (file.name for file in outcome.files))
        datasets = outputs["output_manifest"]["datasets"]
    for key in datasets:
        (folder / key).mkdir(parents=True, exist_ok=True)
    for file in outcome.files:
        target = folder / file.name
        if not (target.is_file() and storage.digest_local(target) == file.digest):
            storage.fetch(file.location, target)
    for name, value in outputs.items():
        target = folder / f"{name}.json"
        data = (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
        if not (target.is_file() and target.read_bytes() == data):
            storage.write_bytes(str(target), data)
    present = {f"{key}/{name}" for key in datasets for name in storage.walk(str(folder / key))}
    return sorted(present - {file.name for file in outcome.files})


def _relative(manifest: Mapping[str, Any], files: Iterable[str]) -> dict[str, Any]:
    """Return a manifest with each dataset's key as its path, and each file's name in the dataset as the file's."""
    names = list(files)
    datasets = {}
    for key, dataset in manifest["datasets"].items():
        own = {name.removeprefix(f"{key}/") for name in names if name.startswith(f"{key}/")}
        paths = [_unsigned(file["path"]) for file in dataset["files"]]
        root = _root(paths, own)
        datasets[key] = dataset | {
            "path": key,
            "files": [
                file | {"path": path.removeprefix(root)} for file, path in zip(dataset["files"], paths, strict=True)
            ],
        }
    return dict(manifest) | {"datasets": datasets}


def _unsigned(path: str) -> str:
    return unquote(storage.plain_url(path)) if path.startswith(("http://", "https://")) else path


def _root(paths: Sequence[str], names: Collection[str]) -> str:
    """Return what precedes files' names in their paths. A dataset's own path may be a signed URL of another form."""
    roots = (path.removesuffix(name) for path in paths[:1] for name in names if path.endswith(f"/{name}"))
    return next((root for root in roots if {path.removeprefix(root) for path in paths} == set(names)), "")
