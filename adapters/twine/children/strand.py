"""The children strand: from what a configuration says of an app's children to plain data, to `Child`, and to identity.

A configuration gives children as Octue's list of ``{"key", "id", "backend"}``, or as an object: by key, each with
``id`` and ``backend``, or the path of an app's folder. `plain_children` makes the list form of either, with absolute
paths, which can go into another process. The module asks nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar
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
_on_the_way: ContextVar[tuple[tuple[str, dict[str, Any]], ...]] = ContextVar("on_the_way", default=())
"""The local apps, by folder and configuration, whose children are being identified."""


def plain_children(source: object, base: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """Return children as JSON data in Octue's list form, with absolute paths; raises `InputInvalid` with every problem.

    Args:
        source: a list or an object of children, their JSON text, the path of a JSON file, or None; a `Child` may stand
            in a child's place.
        base: the folder that relative paths are relative to; that of the file if it comes from one, else the working
            directory.
    """
    data, folder = load_json(source, "children", InputInvalid)
    # Absolute: what is in it goes into another process, whose working directory is another.
    here = Path(base if base is not None else folder or "").absolute()
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
        if found := _lacking(child):
            problems.append(Problem(place, found, "an object with 'key', 'id' and 'backend'", _REMEDY))
            continue
        key = child["key"]
        if key in children:
            problems.append(Problem(place, f"there are two children '{key}'", "keys that differ", "Rename one."))
        plain: dict[str, Any] = {"key": key, "id": str(child.get("id") or key)}
        try:
            plain["backend"] = _absolute(child["backend"], here, place)
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
    says, any other child with its id and its backend, an address in that included; what is behind it may change
    without a sign. An address from the environment does not count.
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
    return {"id": child["id"], "backend": backend}


def _app_identity(key: str, backend: Mapping[str, Any]) -> dict[str, Any]:
    from fairlead.adapters.twine.unit import TwineApp

    options = {name: backend[name] for name in (*_SOURCES, "children") if name in backend}
    here, before = (os.path.realpath(backend["app"]), options), _on_the_way.get()
    if here in before:
        way = " asks ".join(folder for folder, _ in (*before[before.index(here) :], here))
        found = f"asks itself without end: {way}"
        remedy = "Let one of them, in its configuration, ask another child."
        raise InputInvalid(Problem(f"child '{key}'", found, "children that do not lead back to themselves", remedy))
    token = _on_the_way.set((*before, here))
    try:
        return {"backend": "local", **TwineApp(backend["app"], **options).identity()}
    except ContractError as error:
        problems = [replace(problem, where=f"child '{key}': {problem.where}") for problem in error.problems]
        raise type(error)(problems) from error
    finally:
        _on_the_way.reset(token)


def _without_circumstances(message: Mapping[str, Any]) -> Any:
    """Return a message without its attributes, which say when and between whom it was sent."""
    return {name: value for name, value in message.items() if name != "attributes"}


def _lacking(child: object) -> str:
    """Return why something is no child, empty if it may be one. A backend may hold a credential: it is not quoted."""
    if not isinstance(child, Mapping):
        return f"{shown(child)} is not a child"
    if not isinstance(child.get("key"), str):
        return "has no 'key'" if child.get("key") is None else f"has a 'key' that is no text: {shown(child['key'])}"
    if not isinstance(child.get("backend"), Mapping):
        return "has no 'backend'" if child.get("backend") is None else "has a 'backend' that is no object"
    return ""


def _keyed(key: str, item: object) -> object:
    """Return a child of the object form in the list form."""
    if isinstance(item, Child):
        return {**item.to_data(), "key": key}
    if isinstance(item, str | os.PathLike):
        return {"key": key, "id": key, "backend": {"name": "local", "app": os.fspath(item)}}
    return {**item, "key": key} if isinstance(item, Mapping) else item


def _absolute(backend: Mapping[str, Any], base: Path, place: str) -> dict[str, Any]:
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
        try:
            plain["children"] = plain_children(plain["children"], base)
        except InputInvalid as error:
            raise InputInvalid(
                [replace(problem, where=f"{place}.backend.{problem.where}") for problem in error.problems]
            ) from error
    return plain
