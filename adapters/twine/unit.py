"""A twine app as a unit of work: bound to its strands, identified by all that it depends on, run in an isolation."""

from __future__ import annotations

import functools
import os
import posixpath
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.errors import AppInvalid, ContractError, InputInvalid, OutputInvalid, Problem
from fairlead.adapters.fingerprint import source_tree
from fairlead.adapters.isolation.protocol import Call
from fairlead.adapters.schemas import did_you_mean
from fairlead.adapters.twine.app_file import check_source
from fairlead.adapters.twine.children import children_identity, merged
from fairlead.adapters.twine.configuration import AppLocation, locate_app
from fairlead.adapters.twine.contract import MANIFEST_STRANDS, Twine
from fairlead.adapters.twine.delivery import Delivery
from fairlead.adapters.twine.encoding import to_json
from fairlead.adapters.twine.manifests import bind_manifest, changed_since, identity
from fairlead.adapters.twine.sources import load_json
from fairlead.adapters.unit import Description, Ports, Produced

INPUT_STRANDS = ("configuration_values", "configuration_manifest", "input_values", "input_manifest")
_IDENTITY_VERSION = 1


class TwineApp:
    """An app's folder, with its configuration.

    Inputs are ``input_values`` and ``input_manifest``, outputs ``output_values`` and ``output_manifest``; each only
    if the twine declares it.
    """

    kind = "twine"

    def __init__(
        self,
        app: str | os.PathLike[str],
        *,
        configuration_values: object = None,
        configuration_manifest: object = None,
        children: object = None,
        output_location: str | os.PathLike[str] | None = None,
        use_signed_urls_for_output_datasets: bool | None = None,
    ) -> None:
        """Name an app; nothing is read before it is bound.

        Each argument but the first is taken from the app's configuration (``octue.yaml``) if it is None.

        Args:
            app: the folder that holds ``twine.json`` and ``app.py``, or one with an ``octue.yaml`` that says where
                they are.
            configuration_values: a path to a JSON file, an open file, a JSON text or an object.
            configuration_manifest: likewise, or a `Manifest`.
            children: the services that the app may ask: Octue's list of objects with ``key``, ``id`` and ``backend``,
                or a mapping of keys to such objects or to the folders of apps on this machine; a mapping may name only
                those that shall be asked elsewhere than the configuration says.
            output_location: a folder or URL where the output datasets are put, besides the result cache.
            use_signed_urls_for_output_datasets: whether the paths of datasets there are signed URLs, which let
                anybody read them for a week.

        Raises:
            InputInvalid: ``app`` is no path.
        """
        try:
            self.app = os.fspath(app)
        except TypeError as error:
            raise InputInvalid(Problem("app", f"{app!r} is not a path", "an app's folder", "Give its path.")) from error
        self.arguments = {
            "configuration_values": configuration_values,
            "configuration_manifest": configuration_manifest,
            "children": children,
            "output_location": os.fspath(output_location) or None if output_location is not None else None,
            "use_signed_urls_for_output_datasets": use_signed_urls_for_output_datasets,
        }

    def __repr__(self) -> str:
        """Show the folder."""
        return f"TwineApp({self.app!r})"

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.parent.name if self.folder.suffix in {".yaml", ".yml"} else self.folder.name

    @functools.cached_property
    def folder(self) -> Path:
        """The app's folder."""
        return storage.local_path(self.app)

    def locate(self) -> AppLocation:
        """Find the app's parts, and see that there is an app, which does not run.

        Raises `AppInvalid`, and `ContractInvalid` for an ``octue.yaml`` that cannot be used.
        """
        located = locate_app(self.app)
        check_source(located.source / "app.py", self.app)
        return located

    def load(self) -> Twine:
        """Read the contract of an app that can be run; raises `AppInvalid` and `ContractInvalid`. Runs nothing."""
        return Twine(self.locate().twine)

    def settings(self, located: AppLocation) -> Mapping[str, Any]:
        """Return what the app is configured with, by name: what was given, else what its ``octue.yaml`` says."""
        configured = {name: getattr(located.app, name, None) for name in self.arguments}
        chosen: dict[str, Any] = {
            name: configured[name] if value is None else value for name, value in self.arguments.items()
        }
        chosen["output_location"] = chosen["output_location"] or None
        if chosen["output_location"] is not None:
            storage.refuse_secrets(chosen["output_location"], "output_location")
        return chosen | {"children": merged(configured["children"], self.arguments["children"])}

    def environment_files(self, located: AppLocation) -> list[str]:
        """Return the files whose variables the app is given; of equal names, the first counts."""
        return environment_files(located)

    def bind(self, inputs: Mapping[str, Any]) -> TwineWork:
        """See `Unit.bind`. Every dataset is looked up and hashed."""
        return self._bound(inputs, INPUT_STRANDS)

    def identity(self) -> Mapping[str, Any]:
        """Return what all results of the app depend on besides its inputs, as a document for `fingerprint`.

        Raises `InputInvalid` if its configuration breaks the contract.
        """
        return self._bound({}, INPUT_STRANDS[:2]).identity

    def ports(self) -> Ports:
        """Say what it takes and gives: the strands of its twine; raises `AppInvalid` and `ContractInvalid`."""
        located = self.locate()
        twine = Twine(located.twine)
        settings = self.settings(located)
        declared = [strand for strand in INPUT_STRANDS if twine.declares(strand)]
        return Ports(
            inputs={strand: settings.get(strand) is None and twine.requires(strand) for strand in declared},
            outputs=tuple(strand for strand in ("output_values", "output_manifest") if twine.declares(strand)),
        )

    def _bound(self, inputs: Mapping[str, Any], expected: Sequence[str]) -> TwineWork:
        start = time.time()
        located = self.locate()
        twine = Twine(located.twine)
        settings = self.settings(located)
        unknown = set(inputs) - set(INPUT_STRANDS)
        problems = [
            Problem(name, "is not an input of a twine app", "", did_you_mean(name, INPUT_STRANDS))
            for name in sorted(unknown)
        ]
        strands: dict[str, Any] = {}
        for strand in expected:
            source = inputs.get(strand, settings.get(strand))
            absent = twine.presence_problems(strand, given=source is not None)
            problems += absent
            if source is None or absent:
                continue
            strands[strand], found = bind_strand(twine, strand, source)
            problems += found
        children = settings["children"]
        problems += twine.children_problems(children or [])
        env_files = self.environment_files(located)
        try:
            at_hand = {*os.environ, *_names_in(env_files)}
        except InputInvalid as error:
            problems += error.problems
        else:
            problems += twine.credential_problems(at_hand, folders=located.roots)
        problems += _location_problems(settings["output_location"], located)
        if problems:
            raise InputInvalid(problems)
        return TwineWork(
            app=self,
            located=located,
            twine=twine,
            strands=strands,
            children=children,
            children_identity=children_identity(children),
            output_location=settings["output_location"],
            signed_urls=bool(settings["use_signed_urls_for_output_datasets"]),
            environment_files=env_files,
            source=_source(located, self.app),
            start=start,
        )

    def describe(self, inputs: Mapping[str, Any]) -> Description:
        """See `Unit.describe`."""
        from fairlead.adapters.twine.diagnostics import describe_inputs

        return describe_inputs(self, inputs)


@dataclass(frozen=True)
class TwineWork:
    """An app bound to valid strands."""

    app: TwineApp
    located: AppLocation
    twine: Twine
    strands: Mapping[str, Any]
    """Values as JSON data, manifests in the bound form of ``manifests``."""
    children: list[dict[str, Any]] | None
    """The services that the app may ask, as `children_from_data` takes them."""
    children_identity: Any
    """What of them the result depends on."""
    output_location: str | None
    """Below which location output datasets go, besides the result cache."""
    signed_urls: bool
    """Whether their paths there are signed URLs."""
    environment_files: list[str]
    """``.env`` files with credentials for the app."""
    source: str
    """The digest of the app's source."""
    start: float
    """When binding began, in seconds since the epoch."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """See `Work.secrets`: the values of the app's credentials."""
        from fairlead.adapters.twine.diagnostics import credentials

        return credentials(self.twine.raw, self.environment_files)

    @property
    def identity(self) -> Mapping[str, Any]:
        """See `Work.identity`: the app's source, its contract, and every strand by content."""
        document: dict[str, Any] = {
            "kind": TwineApp.kind,
            "version": _IDENTITY_VERSION,
            "source": self.source,
            "twine": self.twine.written,
            "strands": {
                strand: identity(bound) if strand in MANIFEST_STRANDS else bound
                for strand, bound in self.strands.items()
            },
        }
        # Named only where there is something to name, so that an app without any keeps the fingerprint that it has.
        parts = {"schemas": self.twine.mapped, "children": self.children_identity, "app": self.located.inside}
        return document | {name: part for name, part in parts.items() if part}

    def call(self, directory: Path) -> Call:
        """See `Work.call`."""
        payload = {
            "app": self.app.app,
            "contract": self.twine.raw,
            "schemas": self.twine.mapped,
            "analysis_id": str(uuid.uuid4()),
            "children": self.children,
            "environment_files": self.environment_files,
            **self.strands,
        }
        return Call(
            entry="fairlead.adapters.twine.worker:run",
            payload=payload,
            directory=str(directory),
            roots=tuple(str(root) for root in self.located.roots),
        )

    def describe(self, call: Call, *, copied: bool) -> Description:
        """See `Work.describe`."""
        from fairlead.adapters.twine.diagnostics import describe

        return describe(self, call, copied=copied)

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
        return _source(self.located, self.app.app) == self.source and not any(
            changed_since(self.start, bound) for bound in manifests
        )

    def locate(self, outputs: Mapping[str, Any], files: str) -> dict[str, Any]:
        """See `Work.locate`."""
        located = dict(outputs)
        if "output_manifest" in located:
            manifest = located["output_manifest"]
            datasets: dict[str, Any] = {}
            for key, dataset in manifest["datasets"].items():
                datasets[key] = dataset | {
                    "path": storage.join(files, dataset["path"]),
                    "files": [file | {"path": storage.join(files, file["path"])} for file in dataset["files"]],
                }
                if delivery := self._delivery(key, datasets[key].pop("uploaded", None), files):
                    datasets[key] = delivery.deliver(datasets[key])
            located["output_manifest"] = manifest | {"datasets": datasets}
        return located

    def _delivery(self, key: str, uploaded: Mapping[str, Any] | None, files: str) -> Delivery | None:
        """Return where a dataset goes: where the app has uploaded it itself, else below the output location."""
        if uploaded is not None:
            return Delivery(**uploaded)
        if self.output_location is None:
            return None
        digest = posixpath.basename(files.rstrip("/"))
        return Delivery(storage.join(self.output_location, digest, key), signed=self.signed_urls)


def bind_strand(twine: Twine, strand: str, source: object, *, hashed: bool = True) -> tuple[Any, list[Problem]]:
    """Return the data of an input strand, values as JSON and manifests bound, with every problem found in it.

    The files of a manifest are read for their digests only if they are to be ``hashed``.
    """
    try:
        data, base = load_json(source, strand, InputInvalid)
        if strand in MANIFEST_STRANDS:
            bound, problems = bind_manifest(data, strand, base, hashed=hashed)
            return bound, problems or twine.manifest_problems(strand, bound["datasets"])
        data = to_json(data, strand, finite=True, error=InputInvalid)
    except ContractError as error:
        return None, list(error.problems)
    return data, twine.value_problems(strand, data)


def _source(located: AppLocation, app: str) -> str:
    """Return the digest of all source that the app's process imports from its folders."""
    try:
        return source_tree(located.root)
    except OSError as error:
        reason = f"cannot read {error.filename}: {error.strerror}"
        remedy = "Make it readable." if isinstance(error, PermissionError) else "Mend or remove it."
        raise AppInvalid(Problem(app, reason, "readable files", remedy)) from error


def _location_problems(location: str | None, located: AppLocation) -> list[Problem]:
    if location is None or not storage.is_local(location):
        return []
    if not storage.local_path(location).resolve().is_relative_to(located.root.resolve()):
        return []
    found = f"{location} is in the app's source, {located.root}: whatever is put there would make it another app"
    return [Problem("output_location", found, "a folder elsewhere, or a URL", "Give e.g. one beside the app.")]


def environment_files(located: AppLocation) -> list[str]:
    """Return the ``.env`` files beside the app and its configuration."""
    return [str(root / ".env") for root in located.roots if (root / ".env").is_file()]


def _names_in(environment_files: list[str]) -> list[str]:
    """Return the names that have a value in ``.env`` files; raises `InputInvalid` for files that cannot be read."""
    import dotenv

    names: list[str] = []
    problems: list[Problem] = []
    for file in environment_files:
        try:
            names += [name for name, value in dotenv.dotenv_values(file).items() if value]
        except (OSError, UnicodeError) as error:
            reason, remedy = "it is not UTF-8", "Save it as UTF-8."
            if isinstance(error, OSError):
                reason, remedy = str(error.strerror or error), "Make it readable."
            problems.append(Problem("credentials", f"cannot read {file}: {reason}", "a text in UTF-8", remedy))
    if problems:
        raise InputInvalid(problems)
    return names


def _collect_dataset(key: str, dataset: Mapping[str, Any], directory: Path, files: dict[str, Path]) -> dict[str, Any]:
    """Name the files of an output dataset, each its file in ``directory``; the dataset's paths become those names."""
    if key in {"", ".", ".."} or "/" in key:
        found = f"{key!r} cannot be the name of a dataset"
        raise OutputInvalid(Problem("output_manifest.datasets", found, "a name without '/'", "Rename it."))
    place = dataset.get("uploaded", {}).get("location")
    if place and storage.is_local(place) and storage.local_path(place).resolve().is_relative_to(directory.resolve()):
        found = f"it is uploaded to {place}, a folder that goes with the run"
        remedy = "Give 'upload_output_datasets_to' an absolute path or a URL."
        raise OutputInvalid(Problem(f"output_manifest.datasets.{key}", found, "a place that stays", remedy))
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
