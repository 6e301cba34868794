"""What a run of a twine app leaves to be run again, under the names that Octue's services use, and how that is done.

Besides what ``adapters.diagnostics`` writes of any unit, a bundle of an app holds ``configuration_values.json``,
``configuration_manifest.json``, ``input_values.json`` and ``input_manifest.json``, each if the strand was given, as it
was before the app saw it. Manifests are bound: every file is named, with its digest. Datasets that were copied are in
``configuration_manifest_datasets/<key>/`` and ``input_manifest_datasets/<key>/``, and their manifest says so.

`RecordedApp` is a bundle as a unit, to be performed like any other; `load_test_fixture_from_diagnostics` reads one, be
it ours or Octue's, for an app's own tests. The module does not compare how two runs ended.
"""

from __future__ import annotations

import atexit
import dataclasses
import os
import posixpath
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.adapters import storage
from fairlead.adapters.diagnostics import QUESTIONS, SOURCE, Bundle, fetch
from fairlead.adapters.errors import ContractError, ContractInvalid, InputInvalid, Problem
from fairlead.adapters.fingerprint import source_files
from fairlead.adapters.twine.configuration import locate_app
from fairlead.adapters.twine.contract import MANIFEST_STRANDS
from fairlead.adapters.twine.encoding import to_json
from fairlead.adapters.twine.sources import load_json
from fairlead.adapters.twine.unit import INPUT_STRANDS, TwineApp, TwineWork, environment_files
from fairlead.adapters.unit import Description, Produced

if TYPE_CHECKING:
    from fairlead.adapters.isolation.protocol import Call
    from fairlead.adapters.twine.children import ChildEmulator
    from fairlead.adapters.twine.configuration import AppLocation
    from fairlead.adapters.twine.resources import Manifest

_MOST_NAMED = 3
_CONTRACT = "twine.json"


def describe(work: TwineWork, call: Call, *, copied: bool) -> Description:
    """Describe a run: its strands, its source, and files to copy if that is wanted."""
    return describe_analysis(
        call.payload["analysis_id"],
        work.strands,
        app=work.app.app,
        located=work.located,
        source=work.source,
        secrets=credentials(work.twine.raw, work.environment_files),
        copied=copied,
    )


def describe_analysis(
    analysis_id: str,
    strands: Mapping[str, Any],
    *,
    app: str,
    located: AppLocation | None,
    source: str | None,
    secrets: Mapping[str, str],
    copied: bool,
) -> Description:
    """Describe an analysis by its bound strands; an app that is no folder is not ``located`` and has no ``source``."""
    documents: dict[str, Any] = {}
    files: dict[str, tuple[str, str]] = {}
    unsigned: list[str] = []
    for strand, bound in strands.items():
        document = bound
        if strand in MANIFEST_STRANDS:
            datasets = {
                key: _copied(dataset, f"{strand}_datasets/{key}", files)
                if copied and _can_be_copied(key, dataset)
                else _referenced(dataset, f"{strand}.datasets.{key}", unsigned)
                for key, dataset in bound["datasets"].items()
            }
            document = bound | {"datasets": datasets}
        documents[f"{strand}.json"] = document
    return Description(
        name=analysis_id,
        documents=documents | _contract_elsewhere(located),
        files=files,
        source=located.root if located else None,
        secrets=secrets,
        facts={
            "app": app,
            "analysis_id": analysis_id,
            "inside": located.inside if located else "",
            "source": source,
            "without_signature": unsigned,
        },
    )


def _configured(app: TwineApp) -> Mapping[str, Any]:
    """Return the strands that an app is configured with, as far as they can be found."""
    try:
        return app.settings(app.locate())
    except ContractError:
        return app.arguments


def describe_inputs(app: TwineApp, inputs: Mapping[str, Any]) -> Description:
    """Describe what was to be run and was refused: the strands as they were given, as far as they can be read."""
    documents: dict[str, Any] = {}
    configured = _configured(app)
    for strand in INPUT_STRANDS:
        source = inputs.get(strand, configured.get(strand))
        if source is None:
            continue
        try:
            data, _ = load_json(source, strand, InputInvalid)
            if hasattr(data, "to_primitive"):
                data = data.to_primitive()
            documents[f"{strand}.json"] = to_json(data, strand, error=InputInvalid)
        except ContractError:
            continue  # what is wrong with it is in the error, which is in the bundle, too
    source, inside = None, ""
    try:
        located = app.locate()
        documents |= _contract_elsewhere(located)
        source, inside = located.root, located.inside
        secrets = credentials(app.load().raw, environment_files(located))
    except ContractError:
        secrets = {}
    return Description(
        name=f"refused-{os.urandom(8).hex()}",
        documents=documents,
        source=source,
        secrets=secrets,
        facts={"app": app.app, "inside": inside},
    )


def _contract_elsewhere(located: AppLocation | None) -> dict[str, Any]:
    """Return the document of a contract that is not where the source is, by its name in a bundle."""
    if located is None or located.twine.is_relative_to(located.root):
        return {}
    return {_CONTRACT: load_json(located.twine, "twine", ContractInvalid)[0]}


def credentials(contract: Mapping[str, Any], files: list[str]) -> dict[str, str]:
    """Return the values of an app's credentials, those in its ``.env`` files included."""
    known: dict[str, str | None] = {}
    if files:
        import dotenv

        for file in reversed(files):  # of equal names, the first counts
            known |= dotenv.dotenv_values(file)
    known |= os.environ
    names = [credential["name"] for credential in contract.get("credentials", ())]
    return {name: value for name in names if (value := known.get(name))}


def _can_be_copied(key: str, dataset: Mapping[str, Any]) -> bool:
    """Tell whether all names can be names of files below the bundle."""
    names = [key, *(part for file in dataset["files"] for part in file["name"].split("/"))]
    return "/" not in key and not {"", ".", ".."} & set(names)


def _copied(dataset: Mapping[str, Any], place: str, files: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Return a bound dataset with the files that it will have in the bundle, and list them in ``files``."""
    files |= {f"{place}/{file['name']}": (file["path"], file["digest"]) for file in dataset["files"]}
    return {**dataset, "path": place, "files": [file | {"path": file["name"]} for file in dataset["files"]]}


def _referenced(dataset: Mapping[str, Any], place: str, unsigned: list[str]) -> dict[str, Any]:
    """Return a bound dataset with addresses that hold no signature, and list in ``unsigned`` where one was."""
    plain: dict[str, Any] = {
        **dataset,
        "files": [file | {"path": storage.plain_url(file["path"])} for file in dataset["files"]],
    }
    if dataset["path"]:
        plain["path"] = storage.plain_url(dataset["path"])
    if plain != dataset:
        unsigned.append(place)
    return plain


class _AppHere(TwineApp):
    """An app whose ``.env`` may also be in the working directory, because a bundle holds none.

    Its ``contract`` is the one of that path, if it was not where its source was.
    """

    contract: Path | None = None

    def locate(self) -> AppLocation:
        if self.contract is None:
            return super().locate()
        return dataclasses.replace(locate_app(self.app, with_twine=False), twine=self.contract)

    def environment_files(self, located: AppLocation) -> list[str]:
        here = os.path.abspath(".env")
        return list(dict.fromkeys([*super().environment_files(located), *([here] if os.path.isfile(here) else [])]))


class RecordedApp:
    """The app of a bundle, with the very analysis that it ran: same id, same configuration, same inputs.

    Its children give the answers that were recorded. Its inputs are those of the bundle; it takes no others.
    """

    kind = TwineApp.kind

    def __init__(
        self,
        bundle: Bundle,
        *,
        app: str | None = None,
        children: list[dict[str, Any]] | None = None,
        tell: Callable[[str], None],
    ) -> None:
        """Read a bundle.

        Args:
            bundle: a bundle that was fetched.
            app: the folder of an app to be run instead of the bundle's, such as a mended one.
            children: who answers what was not asked then, as `plain_children` returns them.
            tell: receives what differs from the recorded run, once the inputs are bound.

        Raises:
            InputInvalid: the bundle is not of an app, or has no source and no ``app`` was given.
        """
        kind = bundle.record.get("unit", {}).get("kind", self.kind)
        source = bundle.folder / SOURCE
        if kind != self.kind:
            raise InputInvalid(
                Problem(bundle.url, f"is of a unit of kind '{kind}'", "a twine app's", "Choose another.")
            )
        if app is None and not source.is_dir():
            found = "the app's source is not in it"
            raise InputInvalid(Problem(bundle.url, found, "", "Say with --app which app to run."))
        self.bundle = bundle
        self.questions = questions_in(bundle.folder)
        self.children = children or []
        self.is_bound = False
        """Whether the app and its inputs were found to be as they must be, so that it could run."""
        self._app = _AppHere(app or source / str(bundle.record.get("inside", "")))
        self._is_mended = app is not None
        contract = bundle.folder / _CONTRACT
        if contract.is_file() and not self._is_mended:
            self._app.contract = contract
        self._tell = tell

    @property
    def name(self) -> str:
        """The app's name."""
        recorded = self.bundle.record.get("unit", {}).get("name")
        return self._app.name if self._is_mended or not recorded else str(recorded)

    @property
    def folder(self) -> Path:
        """The folder of the app that will run."""
        return self._app.folder

    @property
    def root(self) -> Path:
        """The folder of all that counts as its source."""
        return self._app.locate().root

    def bind(self, inputs: Mapping[str, Any]) -> RecordedWork:
        """See `Unit.bind`; the ``inputs`` must be empty."""
        if inputs:
            raise InputInvalid(Problem(min(inputs), "is given, but a recorded run has its inputs", "", "Leave it out."))
        recorded = strands_in(self.bundle.folder)
        declared = [child["key"] for child in self._app.load().raw.get("children", ())]
        app = self._app
        if declared or self.children:
            app = _AppHere(app.app, children=recorded_children(declared, self.questions, self.children))
            app.contract = self._app.contract
        try:
            work = app.bind(recorded)
        except InputInvalid as error:
            raise InputInvalid([self._explained(problem) for problem in error.problems]) from error
        for strand in MANIFEST_STRANDS:
            if strand in work.strands:
                self._compare(strand, recorded[strand], work.strands[strand])
        self.is_bound = True
        # What is run again is delivered nowhere: those outputs are there, or must not be.
        work = dataclasses.replace(work, output_location=None)
        return RecordedWork(work, self.bundle.record.get("analysis_id"))

    def secrets(self) -> dict[str, str]:
        """Return the values of the app's credentials here, as far as they can be found."""
        try:
            return credentials(self._app.load().raw, self._app.environment_files(self._app.locate()))
        except ContractError:
            return {}

    def describe(self, inputs: Mapping[str, Any]) -> Description:
        """See `Unit.describe`."""
        return self._app.describe({**strands_in(self.bundle.folder), **inputs})

    def _explained(self, problem: Problem) -> Problem:
        """Add to a problem what it has to do with the bundle."""
        unsigned = self.bundle.record.get("without_signature", ())
        if any(problem.where.startswith(place) for place in unsigned):
            remedy = "It was read by a signed address, whose signature is not kept; copy datasets into diagnostics."
        elif problem.where.startswith(tuple(MANIFEST_STRANDS)) and not self.bundle.record.get("copied"):
            remedy = "The diagnostics only refer to it; bring it there, or let datasets be copied into diagnostics."
        elif problem.where.startswith("credentials."):
            places = "in the working directory or beside the app" if self._is_mended else "in the working directory"
            remedy = f"Diagnostics hold no credentials; a file '.env' {places} may have it, too."
        else:
            return problem
        return dataclasses.replace(problem, remedy=f"{problem.remedy} {remedy}".strip())

    def _compare(self, strand: str, recorded: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        for key, dataset in found["datasets"].items():
            before = recorded["datasets"].get(key)
            known = {file["name"]: file["digest"] for file in _files_of(before) if "digest" in file and "name" in file}
            changed = [file["name"] for file in dataset["files"] if known.get(file["name"], "") != file["digest"]]
            if known and changed:
                names = ", ".join(changed[:_MOST_NAMED]) + (" …" if changed[_MOST_NAMED:] else "")
                self._tell(f"{strand}, dataset '{key}': {names} changed since the recorded run")


def _files_of(dataset: Any) -> list[Mapping[str, Any]]:
    files = dataset.get("files") if isinstance(dataset, Mapping) else None
    return [file for file in files or () if isinstance(file, Mapping)]


@dataclasses.dataclass(frozen=True)
class RecordedWork:
    """An app's work whose analysis has the id of the recorded one."""

    work: TwineWork
    analysis_id: str | None
    """None where nothing tells it; then the analysis gets one of its own."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """See `Work.identity`."""
        return self.work.identity

    @property
    def secrets(self) -> Mapping[str, str]:
        """See `Work.secrets`."""
        return self.work.secrets

    def call(self, directory: Path) -> Call:
        """See `Work.call`."""
        call = self.work.call(directory)
        if self.analysis_id is None:
            return call
        return dataclasses.replace(call, payload={**call.payload, "analysis_id": self.analysis_id})

    def describe(self, call: Call, *, copied: bool) -> Description:
        """See `Work.describe`."""
        return self.work.describe(call, copied=copied)

    def collect(self, value: Any, directory: Path) -> Produced:
        """See `Work.collect`."""
        return self.work.collect(value, directory)

    def is_unchanged(self) -> bool:
        """See `Work.is_unchanged`."""
        return self.work.is_unchanged()

    def locate(self, outputs: Mapping[str, Any], files: str) -> dict[str, Any]:
        """See `Work.locate`; also what the app itself wants delivered stays."""
        kept = dict(outputs)
        if "output_manifest" in kept:
            datasets = {
                key: {name: value for name, value in dataset.items() if name != "uploaded"}
                for key, dataset in kept["output_manifest"]["datasets"].items()
            }
            kept["output_manifest"] = kept["output_manifest"] | {"datasets": datasets}
        return self.work.locate(kept, files)


def changed_source(bundle: Bundle, folder: Path) -> list[str]:
    """Return the names of the files in which an app's folder differs from the source in a bundle."""
    recorded = {name: storage.digest_local(path) for name, path in source_files(bundle.folder / SOURCE)}
    found = {name: storage.digest_local(path) for name, path in source_files(folder)}
    return sorted(name for name in {*recorded, *found} if recorded.get(name) != found.get(name))


def strands_in(folder: Path) -> dict[str, Any]:
    """Return the strands in a local bundle by name; manifests name the bundle's copies of files where there are any."""
    strands: dict[str, Any] = {}
    for strand in INPUT_STRANDS:
        path = folder / f"{strand}.json"
        if path.exists():
            data, _ = load_json(path, strand, InputInvalid)
            strands[strand] = _manifest(data, strand, folder) if strand in MANIFEST_STRANDS else data
    return strands


def _manifest(data: Any, strand: str, folder: Path) -> Any:
    if not isinstance(data, Mapping) or not isinstance(data.get("datasets"), Mapping):
        return data  # whoever binds it says what is wrong
    datasets: dict[str, Any] = {}
    for key, dataset in data["datasets"].items():
        place = f"{strand}_datasets/{key}"
        copy = folder / place
        described = dataset if isinstance(dataset, Mapping) else {"path": dataset}
        if described.get("path") == place or copy.is_dir():
            files = described.get("files")
            described = {**described, "path": str(copy)}
            if files is not None:
                described["files"] = [_in_copy(file, str(dataset.get("path") or ""), copy) for file in files]
        datasets[key] = described
    return {**data, "datasets": datasets}


def _in_copy(file: Any, origin: str, copy: Path) -> Any:
    """Return the description of a file, at its place in a copied dataset that was at ``origin``, if it is there."""
    path = (file.get("cloud_path") or file.get("path")) if isinstance(file, Mapping) else file
    if not isinstance(path, str):
        return file
    inside = path.removeprefix(origin.rstrip("/") + "/")
    for name in (inside, posixpath.basename(path)):
        if (copy / name).is_file():
            place = {"path": str(copy / name)}
            return {**file, **place, "cloud_path": None} if isinstance(file, Mapping) else place
    return file


def questions_in(folder: Path) -> list[dict[str, Any]]:
    """Return what a recorded run asked its children, in the order of the answers; each with ``id`` and ``events``."""
    path = folder / QUESTIONS
    if not path.exists():
        return []
    data, _ = load_json(path, QUESTIONS, InputInvalid)
    if not isinstance(data, list) or not all(isinstance(question, dict) for question in data):
        found = "is no list of questions"
        raise InputInvalid(Problem(QUESTIONS, found, "a list of objects with 'id' and 'events'", "Fetch it again."))
    return [
        {**question, "events": question.get("events", question.get("messages")) or []}
        for question in data  # pyright: ignore[reportUnknownVariableType]
    ]


def recorded_children(
    keys: list[str], questions: list[dict[str, Any]], given: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Return an app's children, as it is given them, that answer what they were asked as they did then.

    What was not asked then goes to those that are ``given``, if there is one of that key.
    """
    asked: dict[str, list[dict[str, Any]]] = {key: [] for key in keys}
    for question in questions:
        asked.setdefault(key_of(question), []).append(question)
    others = {child["key"]: child for child in given or ()}
    children: list[dict[str, Any]] = []
    for key in keys:
        answers, other = asked[key], others.pop(key, None)
        backend: dict[str, Any] = {"name": "recorded", "questions": answers}
        if other:
            backend["otherwise"] = other["backend"]
        children.append({"key": key, "id": str((answers or [other or {}])[0].get("id") or key), "backend": backend})
    return [*children, *others.values()]  # of which the app knows nothing, as it will say


def key_of(question: Mapping[str, Any]) -> str:
    """Return the key of the child that was asked."""
    return str(question.get("key") or question.get("id"))


def load_test_fixture_from_diagnostics(
    path: str | os.PathLike[str],
) -> tuple[Any, Manifest | None, Any, Manifest | None, tuple[ChildEmulator, ...]]:
    """Read a bundle, ours or Octue's, for an app's tests.

    Args:
        path: where it is, a path or URL; what is remote is fetched, and kept until this program ends.

    Returns:
        configuration values, configuration manifest, input values and input manifest, each None if the run had none;
        and an emulator for each question that the run asked a child, in the order of the answers.

    Raises:
        InputInvalid: nothing is there, or it cannot be used.
    """
    location = os.fspath(path)
    if storage.is_local(location):
        folder = storage.local_path(location)
        if not folder.is_dir():
            raise InputInvalid(Problem(location, "is not there", "a folder of diagnostics", "Check the path."))
    else:
        folder = Path(tempfile.mkdtemp(prefix="fairlead-fixture-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        fetch(location, folder, whole=False)
    strands = strands_in(folder)
    questions = questions_in(folder)
    emulators: tuple[ChildEmulator, ...] = ()
    if questions:
        from fairlead.adapters.twine.children import ChildEmulator

        emulators = tuple(ChildEmulator(id=question.get("id"), events=question["events"]) for question in questions)
    return (
        strands.get("configuration_values"),
        _as_manifest(strands.get("configuration_manifest")),
        strands.get("input_values"),
        _as_manifest(strands.get("input_manifest")),
        emulators,
    )


def _as_manifest(data: Any) -> Manifest | None:
    if data is None:
        return None
    from fairlead.adapters.twine.resources import Manifest

    return Manifest(data["datasets"], id=data.get("id"))
