"""The configuration of a service: ``octue.yaml`` and app configuration files, and where they say that an app is.

Both of Octue's dialects are read: the older one, in which an ``octue.yaml`` names an ``app_configuration.json``, and
the newer one (octue 0.63 and later), in which the service's entry holds the configuration itself. Relative paths are
relative to the file in which they stand; what is not there, to the working directory, as in the older dialect. Keys
for deployments are kept as they are, and nothing is deployed. Nothing is run, and values are not yet checked against
a twine.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from fairlead.adapters import storage
from fairlead.adapters.errors import AppInvalid, ContractInvalid, Problem
from fairlead.adapters.schemas import compiled, did_you_mean
from fairlead.adapters.twine.encoding import to_json
from fairlead.adapters.twine.sources import load_json

logger = logging.getLogger(__name__)

SERVICE_FILE = "octue.yaml"
PATH_VARIABLE = "OCTUE_SERVICE_CONFIGURATION_PATH"
REVISION_VARIABLE = "OCTUE_SERVICE_REVISION_TAG"

_TEXT = {"type": ["string", "null"]}
_COUNT = {"type": ["integer", "null"], "minimum": 0}
_FLAG = {"type": ["boolean", "null"]}
_APP = {
    "configuration_values": {},
    "configuration_manifest": {"type": ["object", "string", "null"]},
    "children": {"type": ["array", "object", "string", "null"]},
    "output_location": _TEXT,
    "use_signed_urls_for_output_datasets": _FLAG,
}
_SERVICE = {
    **_APP,
    "name": {"type": "string", "minLength": 1},
    "app_source_path": {"type": "string", "minLength": 1},
    "twine_path": {"type": "string", "minLength": 1},
    "branch_pattern": {"type": "string"},
    "maximum_instances": _COUNT,
    "minimum_instances": _COUNT,
    "concurrency": _COUNT,
    "cpus": {"type": ["number", "null"], "exclusiveMinimum": 0},
    "memory": {"type": ["string", "integer", "null"]},
    "environment_variables": {"type": ["array", "object", "null"]},
    "secrets": {"type": ["array", "object", "null"]},
    "service_registries": {"type": ["array", "null"]},
    "delete_local_files": _FLAG,
    **dict.fromkeys(
        (
            "app_configuration_path",
            "cloud_build_configuration_path",
            "crash_diagnostics_cloud_path",
            "diagnostics_cloud_path",
            "dockerfile_path",
            "event_store_table_id",
            "machine_type",
            "namespace",
            "organisation",
            "project_name",
            "region",
            "repository_name",
            "repository_owner",
            "service_account_email",
            "setup_file_path",
            "temporary_files_location",
        ),
        _TEXT,
    ),
}
_SERVICES = {
    "type": "object",
    "required": ["services"],
    "properties": {
        "services": {
            "type": "array",
            "minItems": 1,
            "prefixItems": [{"type": "object", "required": ["name"], "properties": _SERVICE}],
        }
    },
}


class AppConfiguration:
    """What an app is configured with: values, a manifest, children, and where its output datasets go.

    Values, manifest and children are data, JSON texts or paths of JSON files.
    """

    def __init__(
        self,
        configuration_values: Any = None,
        configuration_manifest: Any = None,
        children: Any = None,
        output_location: str | None = None,
        use_signed_urls_for_output_datasets: bool | None = None,  # noqa: FBT001 (Octue's)
        **kwargs: Any,
    ) -> None:
        """Keep what is given; other keyword arguments are told in a warning."""
        self.configuration_values = configuration_values
        self.configuration_manifest = configuration_manifest
        self.children = children
        self.output_location = output_location
        self.use_signed_urls_for_output_datasets = use_signed_urls_for_output_datasets
        _warn_of_unused(type(self).__name__, kwargs, _APP)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read a JSON file; raises `ContractInvalid` with every problem."""
        where = os.fspath(path)
        raw, folder = load_json(Path(path), where, ContractInvalid)
        _check(raw, {"type": "object", "properties": _APP}, where, "an app configuration")
        logger.debug("App configuration loaded from %r.", os.path.abspath(path))
        return cls(**_placed(raw, folder or Path.cwd()))


class ServiceConfiguration:
    """An entry of ``octue.yaml``: what a service is called, where its app is, and how it is configured and deployed.

    The arguments up to ``machine_type`` are those of Octue's older dialect, in its order; the newer ones are given by
    name. A deployment's arguments are only kept.
    """

    def __init__(
        self,
        name: str,
        organisation: str | None = None,
        app_source_path: str = ".",
        twine_path: str = "twine.json",
        app_configuration_path: str | None = None,
        crash_diagnostics_cloud_path: str | None = None,
        repository_name: str | None = None,
        repository_owner: str | None = None,
        project_name: str | None = None,
        region: str | None = None,
        dockerfile_path: str | None = None,
        cloud_build_configuration_path: str | None = None,
        maximum_instances: int = 10,
        branch_pattern: str = "^main$",
        environment_variables: Any = None,
        secrets: Any = None,
        concurrency: int = 10,
        memory: str = "128Mi",
        cpus: float = 1,
        minimum_instances: int = 0,
        temporary_files_location: str | None = None,
        setup_file_path: str | None = None,
        service_account_email: str | None = None,
        machine_type: str | None = None,
        *,
        namespace: str | None = None,
        diagnostics_cloud_path: str | None = None,
        service_registries: list[Any] | None = None,
        event_store_table_id: str | None = None,
        delete_local_files: bool | None = None,
        configuration_values: Any = None,
        configuration_manifest: Any = None,
        children: Any = None,
        output_location: str | None = None,
        use_signed_urls_for_output_datasets: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep what is given; other keyword arguments are told in a warning."""
        self.name = name
        self.organisation = organisation
        self.namespace = namespace
        self.app_source_path = app_source_path
        self.twine_path = twine_path
        self.app_configuration_path = app_configuration_path
        self.diagnostics_cloud_path = diagnostics_cloud_path or crash_diagnostics_cloud_path
        self.crash_diagnostics_cloud_path = self.diagnostics_cloud_path
        self.configuration_values = configuration_values
        self.configuration_manifest = configuration_manifest
        self.children = children
        self.output_location = output_location
        self.use_signed_urls_for_output_datasets = use_signed_urls_for_output_datasets
        self.service_registries = service_registries
        self.event_store_table_id = event_store_table_id
        self.delete_local_files = delete_local_files
        self.repository_name = repository_name
        self.repository_owner = repository_owner
        self.project_name = project_name
        self.region = region
        self.dockerfile_path = dockerfile_path
        self.provided_cloud_build_configuration_path = cloud_build_configuration_path
        self.maximum_instances = maximum_instances
        self.minimum_instances = minimum_instances
        self.branch_pattern = branch_pattern
        self.environment_variables = environment_variables or []
        self.secrets = secrets or {}
        self.concurrency = concurrency
        self.memory = memory
        self.cpus = cpus
        self.temporary_files_location = temporary_files_location
        self.setup_file_path = setup_file_path
        self.service_account_email = service_account_email
        self.worker_machine_type = machine_type
        _warn_of_unused(type(self).__name__, kwargs, _SERVICE)

    def __repr__(self) -> str:
        """Show the id."""
        return f"<ServiceConfiguration({self.service_id!r})>"

    @property
    def service_id(self) -> str:
        """``<namespace or organisation>/<name>``, or the name alone; with the revision that the environment names."""
        owner = self.namespace or self.organisation
        revision = os.environ.get(REVISION_VARIABLE)
        return (f"{owner}/" if owner else "") + self.name + (f":{revision}" if revision else "")

    @classmethod
    def from_file(cls, path: str | os.PathLike[str] | None = None) -> Self:
        """Read the first service of a YAML file, see `load_service_and_app_configuration`."""
        return cls(**_entry(_service_file(path), warn=True))


def load_service_and_app_configuration(
    service_configuration_path: str | os.PathLike[str] | None = None,
) -> tuple[ServiceConfiguration, AppConfiguration]:
    """Read a service's configuration from a YAML file, and its app's, wherever it stands.

    What the service's entry says wins over the file that it names. Paths of what exists are made absolute.

    Args:
        service_configuration_path: the file; by default what ``OCTUE_SERVICE_CONFIGURATION_PATH`` names, or the
            ``octue.yaml`` in the working directory.

    Raises:
        ContractInvalid: a file cannot be read or used; every problem in it is listed.
    """
    path = _service_file(service_configuration_path)
    service = ServiceConfiguration.from_file(path)
    app = AppConfiguration()
    if service.app_configuration_path and not Path(service.app_configuration_path).exists():
        logger.warning("No app configuration found: %s names %r.", path, service.app_configuration_path)
    elif service.app_configuration_path:
        app = AppConfiguration.from_file(service.app_configuration_path)
    for name in _APP:
        if (value := getattr(service, name)) is not None:
            setattr(app, name, value)
    return service, app


@dataclass(frozen=True)
class AppLocation:
    """Where the parts of an app are. All paths are absolute."""

    source: Path
    """The folder that holds ``app.py``."""
    twine: Path
    """The file with its contract."""
    roots: tuple[Path, ...]
    """The folders whose modules the app may import, in the order in which they are looked in; ``source`` first."""
    root: Path
    """The folder that holds all that counts as the app's source: ``source``, or one above it."""
    service: ServiceConfiguration | None = None
    app: AppConfiguration | None = None

    @property
    def inside(self) -> str:
        """Where in ``root`` the app is, as a POSIX path; empty if it is ``root`` itself."""
        return "" if self.source == self.root else self.source.relative_to(self.root).as_posix()


def locate_app(app: str | os.PathLike[str], *, with_twine: bool = True) -> AppLocation:
    """Find the parts of an app.

    How it works: a folder with an ``octue.yaml`` is what that says, and so is such a file itself, and a folder that the
    nearest ``octue.yaml`` above it names. Any other folder holds ``app.py`` and ``twine.json``. An app may import what
    is beside its ``app.py``; what is in the folder of the ``octue.yaml`` that names it, which then is its source, too;
    and, if its folder is a package, that package by its full name.

    Args:
        app: a folder, a file URL of one, or the path of a service configuration file.
        with_twine: whether the contract must be there, too.

    Raises:
        AppInvalid: a part is not there.
        ContractInvalid: the configuration cannot be used.
    """
    named = os.fspath(app)
    path = Path(os.path.abspath(storage.local_path(named)))
    if not path.exists():
        raise AppInvalid(Problem(named, f"{path} is not there", "an app's folder", "Check the path."))
    file = _file_for(path)
    if file is None:
        source, twine, service, configuration = path, path / "twine.json", None, None
        remedy = f"Give the folder that holds the app's 'app.py' and 'twine.json', or one with an '{SERVICE_FILE}'."
    else:
        service, configuration = load_service_and_app_configuration(file)
        source, twine = Path(service.app_source_path), Path(service.twine_path)
        remedy = f"Correct 'app_source_path' and 'twine_path' in {file}."
    for part in (source, source / "app.py", *([twine] if with_twine else [])):
        if not part.exists():
            raise AppInvalid(Problem(named, f"{part} is not there", "an app's folder", remedy))
    package = _topmost_package(source)
    roots, root = [source], source
    if file and source.is_relative_to(file.parent):
        root = file.parent
        roots.append(root)
    if package:
        root = package if root.is_relative_to(package) else root
        roots.append(package.parent)
    return AppLocation(source, twine, tuple(dict.fromkeys(roots)), root, service, configuration)


def _file_for(path: Path) -> Path | None:
    """Return the service configuration file that says where the app is that a path names, if there is one."""
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        return path
    if (path / SERVICE_FILE).is_file():
        return path / SERVICE_FILE
    above = next((folder / SERVICE_FILE for folder in path.parents if (folder / SERVICE_FILE).is_file()), None)
    if above and Path(_entry(above)["app_source_path"]).resolve() == path.resolve():
        return above
    return None


def _topmost_package(folder: Path) -> Path | None:
    """Return the outermost of the packages that a folder is in or is itself, if it is one."""
    package = None
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        package, folder = folder, folder.parent
    return package


def _service_file(path: str | os.PathLike[str] | None) -> Path:
    return Path(path if path is not None else os.environ.get(PATH_VARIABLE) or SERVICE_FILE)


def _entry(path: Path, *, warn: bool = False) -> dict[str, Any]:
    """Return the first service of a file with its paths made absolute; raises `ContractInvalid` with every problem."""
    raw = to_json(_read_yaml(path), str(path), error=ContractInvalid)
    _check(raw, _SERVICES, str(path), "a service configuration")
    first, *others = raw["services"]
    if warn:
        logger.debug("Service configuration loaded from %r.", os.path.abspath(path))
    if warn and others:
        logger.warning("%s has %d services; the first, %r, is used.", path, len(raw["services"]), first["name"])
    folder = Path(os.path.abspath(path)).parent
    entry = _placed(first, folder)
    # An unrelated app or twine in the working directory is never taken for this one.
    source = _below(folder, first.get("app_source_path", "."))
    twine = _there([_below(place, first.get("twine_path", "twine.json")) for place in (folder, source)])
    entry |= {"app_source_path": str(source), "twine_path": str(twine)}
    if first.get("app_configuration_path"):
        entry["app_configuration_path"] = str(_path(first["app_configuration_path"], folder))
    return entry


def _read_yaml(path: Path) -> Any:
    """Return the data of a YAML file; dates in it stay texts, since JSON has none. Raises `ContractInvalid`."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        found = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise ContractInvalid(Problem(str(path), found, "a YAML file", "Check the path.")) from error
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        for key in _twice_or_dated(node, set()):
            found = f"the key '{key.value}' stands twice in one mapping, again at line {key.start_mark.line + 1}"
            raise ContractInvalid(Problem(str(path), found, "", "Keep one of them."))
        data = None if node is None else loader.construct_document(node)
        json.dumps(data, default=str)  # what refers to itself has no end
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        found = f"is not YAML: {' '.join(str(error).split())}"
        raise ContractInvalid(Problem(str(path), found, "", "Correct it there.")) from error
    finally:
        loader.dispose()
    return data


def _twice_or_dated(node: Any, seen: set[int]) -> Iterator[Any]:
    """Go through the keys that stand twice; on the way, make texts of dates."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if node.id == "mapping":
        keys = set()
        for key, value in node.value:
            if key.id == "scalar" and key.value in keys:
                yield key
            keys.add(key.value if key.id == "scalar" else id(key))
            yield from _twice_or_dated(value, seen)
    elif node.id == "sequence":
        for item in node.value:
            yield from _twice_or_dated(item, seen)
    elif node.tag == "tag:yaml.org,2002:timestamp":
        node.tag = "tag:yaml.org,2002:str"


def _placed(raw: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a configuration with the paths in it made absolute, if something is there, by the folder of its file."""
    configuration = dict(raw)
    for strand in ("configuration_values", "configuration_manifest", "children"):
        source = raw.get(strand)
        if isinstance(source, str) and source.strip().endswith(".json"):
            configuration[strand] = str(_path(source.strip(), folder))
    manifest = raw.get("configuration_manifest")
    if isinstance(manifest, Mapping) and isinstance(manifest.get("datasets"), Mapping):
        datasets = {key: _placed_paths(dataset, folder) for key, dataset in manifest["datasets"].items()}
        configuration["configuration_manifest"] = {**manifest, "datasets": datasets}
    children = raw.get("children")
    if isinstance(children, Mapping):
        configuration["children"] = {key: _placed_paths(child, folder) for key, child in children.items()}
    elif isinstance(children, list):
        configuration["children"] = [_placed_paths(child, folder) for child in children]
    location = raw.get("output_location")
    if isinstance(location, str) and location and storage.is_local(location):
        configuration["output_location"] = str(_below(folder, location))
    return configuration


def _placed_paths(part: Any, folder: Path) -> Any:
    """Return a dataset or a child with the paths in it made absolute; what is not there is left as it is."""
    if isinstance(part, str):
        path = _below(folder, part)
        return str(path) if part and storage.is_local(part) and path.exists() else part
    if not isinstance(part, Mapping):
        return part
    placed = {key: _placed_paths(part[key], folder) for key in ("path", "backend", "app", "file") if key in part}
    if isinstance(part.get("files"), list):
        placed["files"] = [_placed_paths(file, folder) for file in part["files"]]
    return {**part, **placed}


def _path(path: str, *folders: Path) -> Path:
    """Return where a path leads from the first folder, or the working directory, where something is there."""
    return _there([_below(folder, path) for folder in (*folders, Path.cwd())])


def _there(places: list[Path]) -> Path:
    """Return the first place where something is, or else the first."""
    return next((place for place in places if place.exists()), places[0])


def _below(folder: Path, path: str) -> Path:
    """Return a path or a file's URL as an absolute path; a relative one starts from the folder."""
    return Path(os.path.normpath(folder / Path(path.removeprefix("file://")).expanduser()))


def _check(raw: Any, schema: Mapping[str, Any], where: str, rule: str) -> None:
    problems = compiled(schema).problems(raw, where, rule)
    if problems:
        raise ContractInvalid([replace(problem, remedy=problem.remedy or "Correct it there.") for problem in problems])


def _warn_of_unused(name: str, kwargs: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    if not kwargs:
        return
    remedies = [did_you_mean(key, known) for key in kwargs]
    near = dict.fromkeys(remedy for remedy in remedies if remedy.startswith("Did"))
    told = " ".join([f"{', '.join(map(repr, kwargs))}.", *near])
    logger.warning("The following keyword arguments were not used by %s: %s", name, told)
