"""Reading JSON the way Octue's documents allow: from a path, an open file, a JSON text or an object.

A text that ends in ``.json`` is a path, any other text is JSON itself. The module does not know what the JSON means.
"""

from __future__ import annotations

import os
from io import IOBase
from pathlib import Path
from typing import Any

from fairlead.adapters import json_text
from fairlead.adapters.errors import ContractError, Problem


def load_json(source: object, where: str, error: type[ContractError]) -> tuple[Any, Path | None]:
    """Return the data of a source, and the folder of the file that it came from, if it came from one.

    Args:
        source: a path (``pathlib.Path``, or a text ending in ``.json``), an open file, a JSON text or any object.
        where: what the source is, as users name it, e.g. ``input_values``.
        error: what to raise for a source that cannot be read.
    """
    if isinstance(source, os.PathLike) or (isinstance(source, str) and source.strip().endswith(".json")):
        path = Path(os.fspath(source).strip() if isinstance(source, str) else source)
        place = where if where == str(path) else f"{where} ({path})"
        try:
            path = path.expanduser()
            if path.exists() and not path.is_file():
                raise error(Problem(where, f"{path} is no file", "a JSON file", "Check the path."))
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as reason:
            raise error(json_text.not_utf8(place, reason)) from reason
        except (OSError, ValueError, RuntimeError) as reason:  # also a NUL in the name, and a user without a home
            found = f"cannot read {path}: {getattr(reason, 'strerror', None) or reason}"
            raise error(Problem(where, found, "", "Check the path.")) from reason
        return json_text.parse(text, place, error), path.parent
    if isinstance(source, str | bytes):
        return json_text.parse(source, where, error), None
    if isinstance(source, IOBase):
        name = getattr(source, "name", None)
        if source.seekable():
            source.seek(0)  # a retry reads it again
        return json_text.parse(source.read(), where, error), Path(name).parent if isinstance(name, str) else None
    return source, None


def datasets_by_key(manifest: Any) -> Any:
    """Return a manifest, of a twine or of data, with its datasets by key, also where it has the list of before 2022.

    What is no such list is returned as it is.
    """
    datasets = manifest.get("datasets") if isinstance(manifest, dict) else None
    if not isinstance(datasets, list):
        return manifest
    keys = [dataset.get("key") if isinstance(dataset, dict) else None for dataset in datasets]
    if len({key for key in keys if isinstance(key, str)}) < len(keys):
        return manifest
    inner = [{name: part for name, part in dataset.items() if name != "key"} for dataset in datasets]
    return manifest | {"datasets": dict(zip(keys, inner, strict=True))}
