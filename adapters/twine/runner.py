"""Octue's `Runner`: runs an app in this process, for programs and tests that hold the analysis in their hands.

What it shares with a host's run is the contract, the app's loading and the analysis. What it has not is the rest of
`perform`: no fingerprint, no result cache, no isolation that could be stopped. So it serves code that was written for
Octue's SDK, and apps under test; work that matters is run by a host.

An app that it runs cannot change its caller's inputs or the next run's configuration, which are copied, nor this
process's working directory, environment, ``sys.path`` and logging, which are put back.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import logging
import os
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from types import ModuleType
from typing import Any, Literal, Self

from fairlead.adapters import compat, events
from fairlead.adapters.isolation.plain_modules import modules_of
from fairlead.adapters.isolation.process_state import preserved
from fairlead.adapters.twine.analysis import VALUES_STRANDS, Analysis
from fairlead.adapters.twine.children import Child
from fairlead.adapters.twine.configuration import ServiceConfiguration, locate_app
from fairlead.adapters.twine.entry_points import entry_point
from fairlead.adapters.twine.resources import Dataset, Manifest
from fairlead.adapters.twine.run_record import RunRecord
from fairlead.adapters.twine.twined import Twine, exceptions
from fairlead.adapters.twine.unit import bind_strand
from fairlead.adapters.twine.worker import perform_analysis

App = Callable[[Analysis], object]
_RUN_IDS = uuid.UUID("6f1b7f5e-7d3c-5f0e-9f60-0d8b3c2b7a11")
"""The namespace of ids that are made of names."""
_SAVED: dict[str, Literal["crash", "always"] | None] = {
    "SAVE_DIAGNOSTICS_OFF": None,
    "SAVE_DIAGNOSTICS_ON_CRASH": "crash",
    "SAVE_DIAGNOSTICS_ON": "always",
}


class Runner:
    """Runs analyses of one app with one configuration."""

    def __init__(
        self,
        app_src: App | type | ModuleType | str | os.PathLike[str],
        twine: Twine | Mapping[str, Any] | str | os.PathLike[str] = "twine.json",
        configuration_values: Any = None,
        configuration_manifest: Any = None,
        children: Any = None,
        output_location: str | None = None,
        crash_diagnostics_cloud_path: str | None = None,
        project_name: str | None = None,
        service_id: str | None = None,
        *,
        use_signed_urls_for_output_datasets: bool = False,
        diagnostics_cloud_path: str | None = None,
        project_id: str | None = None,
        service_registries: Sequence[Mapping[str, str]] | None = None,
        delete_local_files: bool = False,
    ) -> None:
        """Take an app and its configuration; the twine is loaded and checked.

        Args:
            app_src: a function of an analysis, a class that is made with one and has a method ``run``, a module with
                a function ``run``, or the folder of an ``app.py``.
            twine: the contract: a path, JSON text, data or a `Twine`.
            configuration_values: a path of a ``.json`` file, an open file, JSON text or an object.
            configuration_manifest: likewise, or a `Manifest`.
            children: the services that the app may ask, in Octue's form: objects of ``key``, ``id`` and ``backend``.
            output_location: the folder or URL below which output datasets are uploaded, each run into its own folder.
            crash_diagnostics_cloud_path: the folder or URL for what `diagnostics` keeps of a run that crashed.
            project_name: accepted and not used; credentials come from the environment.
            service_id: the service's name.
            use_signed_urls_for_output_datasets: whether the paths of uploaded datasets become signed URLs.
            diagnostics_cloud_path: the newer name of ``crash_diagnostics_cloud_path``.
            project_id: the newer name of ``project_name``.
            service_registries: accepted and not used.
            delete_local_files: accepted and not used; fetched files go when nothing refers to them.

        Raises:
            InvalidTwine: the twine is none.
        """
        self.app_source = app_src
        self.twine = twine if isinstance(twine, Twine) else Twine(source=twine)
        self.configuration_values = configuration_values
        self.configuration_manifest = configuration_manifest
        self.children = children
        self.output_location = output_location
        self.use_signed_urls_for_output_datasets = use_signed_urls_for_output_datasets
        self.diagnostics_cloud_path = diagnostics_cloud_path or crash_diagnostics_cloud_path
        self.project_id = project_id or project_name
        self.service_id = service_id
        self.service_registries = service_registries
        self.delete_local_files = delete_local_files

    def __repr__(self) -> str:
        """Show the service's name, or the app's."""
        return f"<Runner({(self.service_id or str(self.app_source))!r})>"

    @classmethod
    def from_configuration(
        cls,
        service_configuration: ServiceConfiguration,
        app_configuration: Any = None,
        project_name: str | None = None,
        service_id: str | None = None,
        **overrides: Any,
    ) -> Self:
        """Make a runner of what `load_service_and_app_configuration` returns; ``overrides`` are those of `Runner`."""
        if isinstance(app_configuration, str):  # in octue 0.63 and later, project and service stand in its place
            app_configuration, project_name, service_id = None, app_configuration, service_id or project_name
        app = app_configuration or service_configuration
        arguments: dict[str, Any] = {
            "app_src": service_configuration.app_source_path,
            "twine": Twine(source=service_configuration.twine_path),
            "configuration_values": app.configuration_values,
            "configuration_manifest": app.configuration_manifest,
            "children": app.children,
            "output_location": app.output_location,
            "use_signed_urls_for_output_datasets": bool(app.use_signed_urls_for_output_datasets),
            "service_registries": service_configuration.service_registries,
            "delete_local_files": bool(service_configuration.delete_local_files),
            "diagnostics_cloud_path": service_configuration.diagnostics_cloud_path,
            "project_id": project_name,
            "service_id": service_id or service_configuration.service_id,
        }
        return cls(**arguments | overrides)

    def run(
        self,
        analysis_id: str | None = None,
        input_values: Any = None,
        input_manifest: Any = None,
        analysis_log_level: int | str = logging.INFO,
        analysis_log_handler: logging.Handler | None = None,
        handle_monitor_message: Callable[[Any], None] | None = None,
        allow_save_diagnostics_data_on_crash: bool = True,  # noqa: FBT001, FBT002 (documented so)
        sent_messages: list[Any] | None = None,
        *,
        children: Any = None,
        save_diagnostics: str = "SAVE_DIAGNOSTICS_ON_CRASH",
        originator_question_uuid: str | None = None,  # noqa: ARG002 (documented, and of no use here)
        originator: str | None = None,  # noqa: ARG002
    ) -> Analysis:
        """Run an analysis, and return it with its outputs checked.

        Args:
            analysis_id: a UUID; any other text is made into one, always the same, and kept as the tag ``run_id``.
            input_values: a path of a ``.json`` file, an open file, JSON text or an object, which is not changed.
            input_manifest: likewise, or a `Manifest`.
            analysis_log_level: records below it are ignored while the analysis runs, a number or a name.
            analysis_log_handler: also receives the records of this run.
            handle_monitor_message: receives each monitor message.
            allow_save_diagnostics_data_on_crash: whether diagnostics may be kept of this run.
            sent_messages: messages that are kept with the diagnostics.
            children: instead of those of the runner.
            save_diagnostics: ``SAVE_DIAGNOSTICS_OFF``, ``SAVE_DIAGNOSTICS_ON_CRASH`` or ``SAVE_DIAGNOSTICS_ON``.
            originator_question_uuid: accepted and not used.
            originator: accepted and not used.

        Raises:
            TwineException: the configuration, an input or an output breaks the contract.
            ValueError: there is no such way to save diagnostics.
            Exception: whatever the app raises.
        """
        if save_diagnostics not in _SAVED:
            msg = f"save_diagnostics is {save_diagnostics!r}; choose one of {', '.join(_SAVED)}"
            raise ValueError(msg)
        with preserved(), _logged(analysis_log_level, analysis_log_handler), contextlib.ExitStack() as stack:
            record = None
            when = _SAVED[save_diagnostics] if allow_save_diagnostics_data_on_crash else None
            if self.diagnostics_cloud_path is not None and when is not None:
                record = stack.enter_context(self._recorded(when, input_values, input_manifest))
                handle_monitor_message = record.monitor(handle_monitor_message)
            analysis = self._analysis(analysis_id, input_values, input_manifest, children, handle_monitor_message)
            try:
                self._perform(analysis, record)
            except Exception as error:
                if record:
                    record.end(analysis.id, error, sent_messages)
                raise
            if record:
                record.end(analysis.id, None, sent_messages)
            return analysis

    def _perform(self, analysis: Analysis, record: RunRecord | None) -> None:
        """Run the app on an analysis, and check what it has made."""
        for key, child in (analysis.children or {}).items():
            if record:
                child.on_answered = functools.partial(_write_down, record, key)
        with self._loaded() as app:  # once the credentials are there, which apps read when they are imported
            perform_analysis(app, analysis, where=str(self.app_source))
            if not analysis.finalised:
                analysis.finalise()

    @contextlib.contextmanager
    def _recorded(self, when: Literal["crash", "always"], *inputs: Any) -> Generator[RunRecord]:
        """Write down what a run says, for diagnostics."""
        sources = dict(zip(("input_values", "input_manifest"), inputs, strict=True))
        sources |= {"configuration_values": self.configuration_values}
        sources |= {"configuration_manifest": self.configuration_manifest}
        source = self.app_source
        folder = os.fspath(source) if isinstance(source, str | os.PathLike) else None
        record = RunRecord(
            str(self.diagnostics_cloud_path),
            when,
            twine=self.twine,
            sources={strand: source for strand, source in sources.items() if source is not None},
            app=folder or str(getattr(source, "__name__", "app")),
            located=locate_app(folder, with_twine=False) if folder else None,
        )
        logging.getLogger().addHandler(record)
        try:
            yield record
        finally:
            logging.getLogger().removeHandler(record)
            record.close()

    def _analysis(
        self,
        analysis_id: str | None,
        input_values: Any,
        input_manifest: Any,
        children: Any,
        handle_monitor_message: Callable[[Any], None] | None,
    ) -> Analysis:
        """Check all that goes in, and make copies that are this run's own."""
        twine = self.twine
        given = twine.validate(
            configuration_values=self.configuration_values,
            configuration_manifest=self.configuration_manifest,
            input_values=input_values,
            input_manifest=input_manifest,
            children=children or self.children,
        )
        if twine.declares("credentials"):
            twine.validate_credentials()
        children = given.pop("children")
        manifests = {"input_manifest": input_manifest, "configuration_manifest": self.configuration_manifest}
        strands: dict[str, Any] = {
            strand: _own_values(data) if strand in VALUES_STRANDS else self._own_manifest(strand, manifests[strand])
            for strand, data in given.items()
            if data is not None
        }
        outputs = None
        if twine.declares("output_manifest"):
            outputs = Manifest({key: Dataset(key) for key in twine.datasets("output_manifest")})
        identifier, tags = _identifier(analysis_id)
        return Analysis(
            twine,
            handle_monitor_message,
            **strands,
            output_manifest=outputs,
            children=None if children is None else self._children(children),
            output_location=self.output_location,
            use_signed_urls_for_output_datasets=self.use_signed_urls_for_output_datasets,
            id=identifier,
            tags=tags,
        )

    def _own_manifest(self, strand: str, data: Any) -> Manifest:
        """Return a manifest that is this run's own, of files that are there and have the tags the twine asks for."""
        if isinstance(data, Manifest):
            manifest, problems = copy.deepcopy(data), []
            if any("file_tags_template" in dataset for dataset in self.twine.datasets(strand).values()):
                problems = self.twine.manifest_problems(strand, manifest.to_description()["datasets"])
        else:
            bound, problems = bind_strand(self.twine, strand, data, hashed=False)
            manifest = Manifest() if problems else Manifest.from_description(bound)
        if problems:
            raise exceptions.InvalidManifestContents(f"The {strand} cannot be used.").telling(problems)
        return manifest

    def _children(self, data: Sequence[Mapping[str, Any]]) -> dict[str, Child]:
        return {
            child["key"]: Child(id=child["id"], backend=child["backend"], internal_service_name=self.service_id)
            for child in data
        }

    @contextlib.contextmanager
    def _loaded(self) -> Generator[App]:
        """Yield what runs the app; modules that were loaded from its folder are forgotten afterwards."""
        source: Any = self.app_source
        if not isinstance(source, str | os.PathLike):
            if isinstance(source, ModuleType):
                yield entry_point(vars(source), source.__name__)
            elif isinstance(source, type):
                yield lambda analysis: source(analysis).run()
            else:
                yield getattr(source, "run", source)
            return
        located = locate_app(source, with_twine=False)  # the twine is the runner's
        compat.install("octue", "twined")
        modules = modules_of([str(root) for root in located.roots])
        try:
            yield entry_point(vars(modules.load("app")), os.fspath(source))
        finally:
            modules.close()


@contextlib.contextmanager
def _logged(level: int | str, handler: logging.Handler | None) -> Generator[None]:
    """Let records from a level on through, and give them to a handler as well; `preserved` puts the level back."""
    root = logging.getLogger()
    root.setLevel(level.upper() if isinstance(level, str) else level)
    added = None if handler is None or handler in root.handlers else handler
    if added is not None:
        root.addHandler(added)
    try:
        yield
    finally:
        if added is not None:  # at once, though other runs may go on, which `preserved` waits for
            root.removeHandler(added)


def _write_down(record: RunRecord, key: str, answered: Mapping[str, Any]) -> None:
    record.hear(events.question(key, dict(answered["question"]), [*answered["messages"]]))


def _own_values(data: Any) -> Any:
    """Return a copy for one run; a text as the JSON that an analysis takes for that text."""
    return json.dumps(data) if isinstance(data, str) else copy.deepcopy(data)


def _identifier(name: str | None) -> tuple[str | None, dict[str, str]]:
    """Return the id of an analysis, and as tags what it was called if that is no UUID."""
    if name is None:
        return None, {}
    try:
        return str(uuid.UUID(str(name))), {}
    except ValueError:
        return str(uuid.uuid5(_RUN_IDS, str(name))), {"run_id": str(name)}
