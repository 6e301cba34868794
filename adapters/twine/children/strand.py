"""The children strand: from what a configuration says of an app's children to plain data, to `Child`, and to identity.

A configuration gives children as Octue's list of ``{"key", "id", "backend"}``, or as an object: by key, each with
``id`` and ``backend``, or the path of an app's folder. `plain_children` makes the list form of either, with absolute
paths, which can go into another process. The module asks nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.errors import ContractError, InputInvalid, Problem
from fairlead.adapters.schemas import shown
from fairlead.adapters.twine.children.child import Child
from fairlead.adapters.twine.encoding import to_json
from fairlead.adapters.twine.exceptions import OctueSDKException
from fairlead.adapters.twine.sources import load_json

_REMEDY = 'Give {"key": "...", "id": "...", "backend": {"name": "local", "app": "apps/child"}}.'
_SOURCES = ("configuration_values", "configuration_manifest")


def plain_children(source: object, base: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """Return children as JSON data in Octue's list form, with absolute paths; raises `InputInvalid` with every problem.

    Args:
        source: a list or an object of children, their JSON text, the path of a JSON file, or None; a `Child` may stand
            in a child's place.
        base: the folder that relative paths are relative to; that of the file if it comes from one, else the working
            directory.
    """
    data, folder = load_json(source, "children", InputInvalid)
    here = Path(base) if base is not None else folder or Path.cwd()
    if data is None:
        return []
    if isinstance(data, Mapping):
        items = [(f"children.{key}", _keyed(str(key), item)) for key, item in data.items()]
    elif isinstance(data, list | tuple):
        items = [(f"children[{index}]", item) for index, item in enumerate(data)]
    else:
        found = f"{shown(data)} is neither a list nor an object"
        raise InputInvalid(Problem("children", found, "a list of children", f"{_REMEDY[:-1]} in a list."))
    problems: list[Problem] = []
    children: dict[str, dict[str, Any]] = {}
    for place, item in items:
        child: Any = item.to_data() if isinstance(item, Child) else item
        key = child.get("key") if isinstance(child, Mapping) else None
        if not isinstance(key, str) or not isinstance(child.get("backend"), Mapping):
            found = f"{shown(child)} is not a child"
            problems.append(Problem(place, found, "an object with 'key', 'id' and 'backend'", _REMEDY))
            continue
        if key in children:
            problems.append(Problem(place, f"there are two children '{key}'", "keys that differ", "Rename one."))
        plain: dict[str, Any] = {
            "key": key,
            "id": str(child.get("id") or key),
            "backend": _absolute(child["backend"], here),
        }
        try:
            children[key] = to_json(plain, place, error=InputInvalid)
            Child(plain["id"], plain["backend"])
        except InputInvalid as error:
            problems += error.problems
        except OctueSDKException as error:
            problems.append(Problem(f"{place}.backend", str(error).rstrip(".")))
    if problems:
        raise InputInvalid(problems)
    return list(children.values())


def merged(
    configured: object, given: object, base: str | os.PathLike[str] | None = None
) -> list[dict[str, Any]] | None:
    """Return the children that an app is configured with and those it is given, as `plain_children` does.

    A list that is given replaces those of the configuration, an object only those whose keys it has. None if there are
    neither.
    """
    if configured is None and given is None:
        return None
    data, _ = load_json(given, "children", InputInvalid)
    instead = plain_children(given, base)
    if isinstance(data, list | tuple):
        return instead
    children = {child["key"]: child for child in [*plain_children(configured, base), *instead]}
    return list(children.values())


def children_from_data(
    data: object, base: str | os.PathLike[str] | None = None, *, cache: str | None = None
) -> dict[str, Child]:
    """Return the children of an app by key, see `plain_children`. Nothing is read or contacted.

    ``cache`` is the root of the result cache of those that are apps on this machine and name no other.
    """
    made = {}
    for child in plain_children(data, base):
        backend = child["backend"]
        if cache is not None and backend["name"] == "local":
            backend.setdefault("cache", cache)
        made[child["key"]] = Child(child["id"], backend, key=child["key"])
    return made


def children_identity(data: object, base: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Return what of its children an app's result depends on, by key, as a document for `fingerprint`.

    A local app counts with its source, its twine, its configuration and its own children, an emulator with what it
    says, any other child with its id and its place in its backend, but without addresses: what is behind those may
    change without a sign.
    """
    return {child["key"]: _identity(child) for child in plain_children(data, base)}


def _identity(child: Mapping[str, Any]) -> dict[str, Any]:
    backend = child["backend"]
    if backend["name"] == "local":
        return _app_identity(child["key"], backend)
    if backend["name"] == "emulator":
        from fairlead.adapters.twine.children.emulator import emulated_messages, read_file

        said = emulated_messages(read_file(backend["file"]) if "file" in backend else backend)
        return {"backend": "emulator", "says": [_without_circumstances(message) for message in said]}
    place = {name: value for name, value in backend.items() if name not in {"api_url", "url"}}
    return {"id": child["id"], "backend": place}


def _app_identity(key: str, backend: Mapping[str, Any]) -> dict[str, Any]:
    from fairlead.adapters.twine.unit import TwineApp

    options = {name: backend[name] for name in (*_SOURCES, "children") if name in backend}
    try:
        return {"backend": "local", **TwineApp(backend["app"], **options).identity()}
    except ContractError as error:
        problems = [replace(problem, where=f"child '{key}': {problem.where}") for problem in error.problems]
        raise type(error)(problems) from error


def _without_circumstances(message: Mapping[str, Any]) -> Any:
    """Return a message without its attributes, which say when and between whom it was sent."""
    return {name: value for name, value in message.items() if name != "attributes"}


def _keyed(key: str, item: object) -> object:
    """Return a child of the object form in the list form."""
    if isinstance(item, Child):
        return {**item.to_data(), "key": key}
    if isinstance(item, str | os.PathLike):
        return {"key": key, "id": key, "backend": {"name": "local", "app": os.fspath(item)}}
    return {**item, "key": key} if isinstance(item, Mapping) else item


def _absolute(backend: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Return a backend's data with the paths in it made absolute."""
    plain = dict(backend)
    for name in ("app", "file", *_SOURCES):
        value = plain.get(name)
        if isinstance(value, os.PathLike):
            value = plain[name] = os.fspath(value)
        is_path = isinstance(value, str) and (name not in _SOURCES or value.strip().endswith(".json"))
        if is_path and storage.is_local(str(value)):
            path = str(value).strip()
            plain[name] = str(storage.local_path(path) if "://" in path else base / Path(path).expanduser())
    if plain.get("children") is not None and plain.get("name") == "local":
        plain["children"] = plain_children(plain["children"], base)
    return plain
