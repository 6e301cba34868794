"""An outcome as Markdown, for people: what was done, what came out, and where the files and the log are.

Only the text is made here; see ``artifacts`` for where it goes. Floats are shown with six digits: the exact ones are in
the task's result and in the table of values.
"""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.presentation import duration, is_plain, is_table, size

_MOST_ROWS = 60
_LONGEST_JSON = 10_000
_LONGEST_CELL = 200
_IMAGES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_ROOM_FOR_IMAGES = 400_000


def report(outcome: Mapping[str, Any]) -> str:
    """Return the whole report of an outcome as JSON data (`Outcome.to_dict`)."""
    took = duration(outcome["run_seconds"])
    if outcome["cached"]:
        end = f"**Found in the result cache**; nothing ran. The run that made it took {took}."
    else:
        end = f"**Computed** in {took}."
    parts = [f"# {_text(outcome['unit'])}", end]
    for name, value in _values(outcome).items():
        parts += [f"## {_text(name.replace('_', ' ').capitalize())}", *_shown(value)]
    if outcome["files"]:
        parts += ["## Files", *_pictures(outcome["files"]), *_files(outcome["files"])]
    parts += ["## Origin", "Fingerprint of the app, its configuration and its inputs:", _code(outcome["fingerprint"])]
    if outcome["log"]:
        parts += ["Log of the run, one event a line:", _code(outcome["log"])]
    return "\n\n".join(parts) + "\n"


def scalars(outcome: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every number, text and truth value of the outputs, with the path to it; manifests are left out."""
    for name, value in _values(outcome).items():
        yield from _flat(value, "" if name == "output_values" and isinstance(value, Mapping) else name)


def _values(outcome: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in outcome["outputs"].items() if name != "output_manifest"}


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _flat(item, f"{path}[{index}]")
    else:
        yield path, value


def _shown(value: Any) -> list[str]:
    """Show plain values as a table, lists of plain objects as one table each, and the rest as JSON."""
    if not isinstance(value, Mapping):
        return [_records(value) or _json(value)]
    plain = [(f"`{name}`", _cell(item)) for name, item in value.items() if is_plain(item)]
    parts = [_table(("Name", "Value"), plain)] if plain else []
    for name, item in value.items():
        if not is_plain(item):
            parts += [f"### {_text(name)}", _records(item) or _json(item)]
    return parts or [_json(value)]


def _records(value: Any) -> str | None:
    """Return a table of a list of objects that have the same, plain fields; None for anything else."""
    if not is_table(value):
        return None
    rows = [[_cell(item[field]) for field in value[0]] for item in value[:_MOST_ROWS]]
    return _table([_text(field) for field in value[0]], rows) + _left_out(len(value) - _MOST_ROWS, "rows")


def _files(files: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(_link(file), size(file["size"]), f"`{file['digest'][:12]}`") for file in files[:_MOST_ROWS]]
    table = _table(("File", "Size", "BLAKE3"), rows) + _left_out(len(files) - _MOST_ROWS, "files")
    return [table, "They are in this folder:", _code(files[0]["location"].removesuffix(files[0]["name"]))]


def _link(file: Mapping[str, Any]) -> str:
    """Return a link where a browser can follow it: it opens nothing on this machine or in a bucket."""
    linked = file["location"].startswith(("http://", "https://"))
    return f"[{_text(file['name'])}]({file['location']})" if linked else _text(file["name"])


def _pictures(files: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the images among the files, inside the text: a browser would not load them from where they are."""
    pictures: list[str] = []
    room = _ROOM_FOR_IMAGES  # in bytes, all in all: Prefect keeps every report in its database
    for file in files:
        kind = mimetypes.guess_type(file["name"])[0]
        if kind in _IMAGES and file["size"] <= room:
            room -= file["size"]
            data = base64.b64encode(storage.read_bytes(file["location"])).decode()
            pictures.append(f"![{_text(file['name'])}](data:{kind};base64,{data})")
    return pictures


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _left_out(count: int, what: str) -> str:
    return f"\n\n… and {count} more {what}." if count > 0 else ""


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return _text(value if len(value) <= _LONGEST_CELL else value[:_LONGEST_CELL] + " …")
    return f"{value:.6g}" if isinstance(value, float) else json.dumps(value)


def _text(text: str) -> str:
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("\n", " ")):
        text = text.replace(character, escaped)
    return text


def _json(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if len(text) > _LONGEST_JSON:
        text = text[:_LONGEST_JSON] + f"\n… {len(text) - _LONGEST_JSON} more characters"
    return _code(text, "json")


def _code(text: str, language: str = "") -> str:
    return f"```{language}\n{text}\n```"
