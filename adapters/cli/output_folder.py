"""Results as files in a folder of the user's: ``output_values.json``, ``output_manifest.json`` and the datasets.

A file of the same name is replaced, as ``cc -o`` and ``cp`` do; one that is the same already is not touched; anything
else in the folder stays. Each file appears whole, the two JSON files last, so a folder that has them is complete. Paths
in the manifest are relative to it: the folder can be moved, and its manifest be the next app's input.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        outputs["output_manifest"] = _relative(outputs["output_manifest"])
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


def _relative(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest with each dataset's key as its path, and each file's name in the dataset as the file's."""
    datasets = {
        key: dataset
        | {
            "path": key,
            "files": [file | {"path": file["path"].removeprefix(f"{dataset['path']}/")} for file in dataset["files"]],
        }
        for key, dataset in manifest["datasets"].items()
    }
    return dict(manifest) | {"datasets": datasets}
