"""A twine app as a unit of work: bound to its strands, identified by all that it depends on, run in an isolation."""

from __future__ import annotations

import functools
import os
import posixpath
import re
import symtable
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.errors import AppInvalid, ContractError, InputInvalid, OutputInvalid, Problem
from fairlead.adapters.fingerprint import source_tree
from fairlead.adapters.isolation.protocol import Call
from fairlead.adapters.schemas import did_you_mean
from fairlead.adapters.twine.contract import MANIFEST_STRANDS, Twine
from fairlead.adapters.twine.encoding import to_json
from fairlead.adapters.twine.manifests import bind_manifest, changed_since, identity
from fairlead.adapters.twine.sources import load_json
from fairlead.adapters.twine.worker import check_entry_points
from fairlead.adapters.unit import Produced

INPUT_STRANDS = ("configuration_values", "configuration_manifest", "input_values", "input_manifest")
_IDENTITY_VERSION = 1
_STAR_IMPORT = re.compile(rb"^\s*from\s.+\simport\s+\(?\s*\*", re.MULTILINE)


class TwineApp:
    """An app's folder, with its configuration.

    Inputs are ``input_values`` and ``input_manifest``, outputs ``output_values`` and ``output_manifest``; each only
    if the twine declares it.
    """

    kind = "twine"

    def __init__(
        self, app: str | os.PathLike[str], *, configuration_values: object = None, configuration_manifest: object = None
    ) -> None:
        """Name an app; nothing is read before it is bound.

        Args:
            app: the folder that holds ``twine.json`` and ``app.py``.
            configuration_values: a path to a JSON file, an open file, a JSON text or an object.
            configuration_manifest: likewise, or a `Manifest`.
        """
        self.app = os.fspath(app)
        self.configuration = {
            "configuration_values": configuration_values,
            "configuration_manifest": configuration_manifest,
        }

    def __repr__(self) -> str:
        """Show the folder."""
        return f"TwineApp({self.app!r})"

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @functools.cached_property
    def folder(self) -> Path:
        """The app's folder."""
        return storage.local_path(self.app)

    def load(self) -> Twine:
        """Read the contract, and see that there is an app; raises `AppInvalid` and `ContractInvalid`. Runs nothing."""
        for path, remedy in (
            (self.folder, "Check the path."),
            (self.folder / "app.py", "Give the folder that holds the app's 'app.py' and 'twine.json'."),
            (self.folder / "twine.json", "Give the folder that holds the app's 'app.py' and 'twine.json'."),
        ):
            if not path.exists():
                raise AppInvalid(Problem(self.app, f"{path} is not there", "an app's folder", remedy))
        _check_source(self.folder / "app.py", self.app)
        return Twine.of_app(self.folder)

    def bind(self, inputs: Mapping[str, Any]) -> TwineWork:
        """See `Unit.bind`. Every dataset is looked up and hashed."""
        start = time.time()
        twine = self.load()
        unknown = set(inputs) - set(INPUT_STRANDS)
        problems = [
            Problem(name, "is not an input of a twine app", "", did_you_mean(name, INPUT_STRANDS))
            for name in sorted(unknown)
        ]
        strands: dict[str, Any] = {}
        for strand in INPUT_STRANDS:
            source = inputs.get(strand, self.configuration.get(strand))
            absent = twine.presence_problems(strand, given=source is not None)
            problems += absent
            if source is None or absent:
                continue
            strands[strand], found = bind_strand(twine, strand, source)
            problems += found
        problems += twine.credential_problems()
        if twine.raw.get("children"):
            problems.append(
                Problem("children", "cannot be asked in this version", twine.where, "Run an app without children.")
            )
        if problems:
            raise InputInvalid(problems)
        try:
            source = source_tree(self.folder)
        except OSError as error:
            reason = f"cannot read {error.filename}: {error.strerror}"
            raise AppInvalid(Problem(self.app, reason, "readable files", "Mend or remove it.")) from error
        return TwineWork(self, twine, strands, source, start)


@dataclass(frozen=True)
class TwineWork:
    """An app bound to valid strands."""

    app: TwineApp
    twine: Twine
    strands: Mapping[str, Any]
    """Values as JSON data, manifests in the bound form of ``manifests``."""
    source: str
    """The digest of the app's source."""
    start: float
    """When binding began, in seconds since the epoch."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """See `Work.identity`: the app's source, its contract, and every strand by content."""
        return {
            "kind": TwineApp.kind,
            "version": _IDENTITY_VERSION,
            "source": self.source,
            "twine": self.twine.raw,
            "strands": {
                strand: identity(bound) if strand in MANIFEST_STRANDS else bound
                for strand, bound in self.strands.items()
            },
        }

    def call(self, directory: Path) -> Call:
        """See `Work.call`."""
        payload = {
            "app": self.app.app,
            "contract": self.twine.raw,
            "analysis_id": str(uuid.uuid4()),
            **self.strands,
        }
        return Call(
            entry="fairlead.adapters.twine.worker:run",
            payload=payload,
            directory=str(directory),
            roots=(str(self.app.folder),),
        )

    def collect(self, value: Any, directory: Path) -> Produced:
        """See `Work.collect`: outputs with dataset files named ``<dataset>/<path in it>``."""
        problems = self.twine.output_problems(value)
        if problems:
            raise OutputInvalid(problems)
        files: dict[str, Path] = {}
        outputs = dict(value)
        if "output_manifest" in outputs:
            manifest = outputs["output_manifest"]
            datasets = {
                key: _collect_dataset(key, dataset, directory, files) for key, dataset in manifest["datasets"].items()
            }
            outputs["output_manifest"] = manifest | {"datasets": datasets}
        return Produced(outputs, files)

    def is_unchanged(self) -> bool:
        """See `Work.is_unchanged`: the app's source by content, local input files by the time of their last change."""
        manifests = [bound for strand, bound in self.strands.items() if strand in MANIFEST_STRANDS]
        return source_tree(self.app.folder) == self.source and not any(
            changed_since(self.start, bound) for bound in manifests
        )

    def locate(self, outputs: Mapping[str, Any], files: str) -> dict[str, Any]:
        """See `Work.locate`."""
        located = dict(outputs)
        if "output_manifest" in located:
            manifest = located["output_manifest"]
            datasets = {
                key: dataset
                | {
                    "path": storage.join(files, dataset["path"]),
                    "files": [file | {"path": storage.join(files, file["path"])} for file in dataset["files"]],
                }
                for key, dataset in manifest["datasets"].items()
            }
            located["output_manifest"] = manifest | {"datasets": datasets}
        return located


def bind_strand(twine: Twine, strand: str, source: object) -> tuple[Any, list[Problem]]:
    """Return the data of an input strand, values as JSON and manifests bound, with every problem found in it."""
    try:
        data, base = load_json(source, strand, InputInvalid)
        if strand in MANIFEST_STRANDS:
            bound, problems = bind_manifest(data, strand, base)
            return bound, problems or twine.manifest_problems(strand, bound["datasets"])
        data = to_json(data, strand, error=InputInvalid)
    except ContractError as error:
        return None, list(error.problems)
    return data, twine.value_problems(strand, data)


def _collect_dataset(key: str, dataset: Mapping[str, Any], directory: Path, files: dict[str, Path]) -> dict[str, Any]:
    """Name the files of an output dataset, each its file in ``directory``; the dataset's paths become those names."""
    if key in {"", ".", ".."} or "/" in key:
        found = f"{key!r} cannot be the name of a dataset"
        raise OutputInvalid(Problem("output_manifest.datasets", found, "a name without '/'", "Rename it."))
    described: list[dict[str, Any]] = []
    taken = {*files.values()}
    for file in dataset["files"]:
        inside = posixpath.relpath(file["path"], dataset["path"]) if dataset["path"] else "../"
        name = f"{key}/{file['name'] if inside.startswith('../') else inside}"
        if name in files:
            found = f"two files are named '{name.removeprefix(key + '/')}'"
            raise OutputInvalid(
                Problem(f"output_manifest.datasets.{key}", found, "names that differ", "Rename one of them.")
            )
        files[name] = _own(file["path"], name, directory, taken)
        described.append(dict(file) | {"path": name})
    return dict(dataset) | {"path": key, "files": described}


def _own(location: str, name: str, directory: Path, taken: set[Path]) -> Path:
    """Return a file that is the run's alone and may be moved: the file itself, or a copy.

    Of files from elsewhere, links and those that are ``taken`` by another dataset, a copy is made.
    """
    if storage.is_local(location):
        path = storage.local_path(location)
        inside = path.is_file() and path.resolve().is_relative_to(directory.resolve())
        if inside and path not in taken and not path.is_symlink() and path.stat().st_nlink == 1:
            return path
    copy = directory / "collected" / name
    try:
        storage.fetch(location, copy)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        found = f"{location} is not there"
        remedy = "Write it before the app returns."
        raise OutputInvalid(Problem(f"output_manifest, file '{name}'", found, "a file", remedy)) from error
    return copy


def _check_source(path: Path, app: str) -> None:
    """See, without running it, that ``app.py`` is Python and defines exactly one entry point."""
    try:
        source = path.read_bytes()
        table = symtable.symtable(source, str(path), "exec")  # type: ignore[arg-type]  # bytes have an encoding of their own
    except (SyntaxError, ValueError, OSError) as error:
        place = f" at line {error.lineno}" if isinstance(error, SyntaxError) else ""
        found = f"is not Python: {getattr(error, 'msg', None) or error}{place}"
        raise AppInvalid(Problem(f"{app}/app.py", found, "", "Correct it there.")) from error
    if _STAR_IMPORT.search(source):
        return  # what a star brings is known only when the app is loaded, and checked then
    defined = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    check_entry_points(function="run" in defined, cls="App" in defined, where=app)
