"""The analysis: what an app is given, and where it leaves what it has made.

Lives in the app's process for one run. Only the standard library is imported at the start; the contract is compiled
when the first monitor message is sent, or when the app finalises its outputs itself. It does not run the app: see
``worker`` for a host's run, ``runner`` for a program's own.
"""

import logging
import os
import threading

from fairlead.adapters.twine.resources.mixins import Identifiable, Labelable, Serialisable, Taggable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Self

    from fairlead.adapters.errors import ContractError
    from fairlead.adapters.twine.children import Child
    from fairlead.adapters.twine.resources import Manifest
    from fairlead.adapters.twine.twined import Twine

logger = logging.getLogger(__name__)

VALUES_STRANDS = ("configuration_values", "input_values", "output_values")
MANIFEST_STRANDS = ("configuration_manifest", "input_manifest", "output_manifest")


class Analysis(Identifiable, Labelable, Taggable, Serialisable):
    """One run of an app: its configuration and inputs, and its outputs, by the names of the twine's strands.

    A strand that the twine does not declare is None. ``output_values`` starts as an empty object if the twine declares
    it, so that an app can fill it in place.

    ``configuration_values_hash``, ``configuration_manifest_hash``, ``input_values_hash`` and ``input_manifest_hash``
    are Octue's hashes of these strands, computed when they are read, None for a strand that is None. They are for
    programs that expect them: what identifies a run is its fingerprint.
    """

    _SERIALISE_FIELDS = ("id", "name", "labels", "tags", "twine", *VALUES_STRANDS, *MANIFEST_STRANDS)

    def __init__(
        self,
        twine: "Twine | Mapping[str, Any] | str | os.PathLike[str]",
        handle_monitor_message: "Callable[[Any], None] | None" = None,
        *,
        configuration_values: "Any" = None,
        configuration_manifest: "Manifest | None" = None,
        input_values: "Any" = None,
        input_manifest: "Manifest | None" = None,
        output_values: "Any" = None,
        output_manifest: "Manifest | None" = None,
        children: "Mapping[str, Child] | None" = None,
        output_location: "str | None" = None,
        use_signed_urls_for_output_datasets: bool = False,
        id: "str | None" = None,  # noqa: A002 (Octue's name)
        name: "str | None" = None,
        tags: "Mapping[str, Any] | None" = None,
        labels: "Iterable[str] | str | None" = None,
    ) -> None:
        """Hold the parts of a run; they are taken for valid.

        Args:
            twine: the contract: loaded, as data, as JSON text or as the path of a ``.json`` file.
            handle_monitor_message: receives each monitor message that keeps the contract.
            configuration_values: JSON data, JSON text or the path of a ``.json`` file; as are all values.
            configuration_manifest: the app's configuration datasets.
            input_values: the values that the app works on.
            input_manifest: the datasets that the app works on.
            output_values: what the app fills or replaces; an empty object if None and the twine declares it.
            output_manifest: likewise; left None if None.
            children: the services that the app may ask, by key.
            output_location: the folder or URL below which `finalise` puts output datasets.
            use_signed_urls_for_output_datasets: whether their paths become signed URLs when they are there.
            id: a UUID; made if None.
            name: a name for people.
            tags: key-value pairs for people.
            labels: words for people.
        """
        super().__init__(id=id, name=name, tags=tags, labels=labels)
        self._contract = twine
        self._twine: Twine | None = None
        self._handle_monitor_message = handle_monitor_message
        self._periodic_monitor_message_sender_threads: list[PeriodicMessage] = []
        self.configuration_values = _loaded(configuration_values, "configuration_values")
        self.configuration_manifest = configuration_manifest
        self.input_values = _loaded(input_values, "input_values")
        self.input_manifest = input_manifest
        self.output_values: Any = _loaded(output_values, "output_values")
        if output_values is None and self._declares("output_values_schema"):
            self.output_values = {}
        self.output_manifest = output_manifest
        self.children = children
        self.output_location = output_location
        self.use_signed_urls_for_output_datasets = use_signed_urls_for_output_datasets
        self._finalised = False
        self._uploaded: dict[str, dict[str, Any]] = {}

    @classmethod
    def deserialise(cls, serialised_object: "str | Mapping[str, Any]", from_string: bool = False) -> "Self":  # noqa: FBT001, FBT002 (Octue's)
        """Make an analysis of what `to_primitive` returns, or with ``from_string`` of what `serialise` does."""
        import json

        from fairlead.adapters.twine.resources import Manifest

        given = json.loads(serialised_object) if isinstance(serialised_object, str) else dict(serialised_object)
        for strand in MANIFEST_STRANDS:
            if isinstance(given.get(strand), dict):
                given[strand] = Manifest(**given[strand])
        for strand in VALUES_STRANDS:  # a text is the value, not the path of a file
            if isinstance(given.get(strand), str):
                given[strand] = json.dumps(given[strand])
        del from_string
        return cls(**given)

    def to_primitive(self) -> "dict[str, Any]":
        """Return the analysis as JSON data: its twine, its strands, and what is known about it."""
        fields = super().to_primitive()
        manifests = {strand: fields[strand].to_primitive() for strand in MANIFEST_STRANDS if fields[strand] is not None}
        return fields | manifests | {"twine": dict(self.twine.raw), "tags": dict(self.tags)}

    @property
    def twine(self) -> "Twine":
        """The app's contract."""
        if self._twine is None:
            from fairlead.adapters.twine.twined import Twine

            self._twine = self._contract if isinstance(self._contract, Twine) else Twine(source=self._contract)
        return self._twine

    @property
    def finalised(self) -> bool:
        """Whether the outputs have been checked and, where there is an output location, are there."""
        return self._finalised

    @property
    def configuration_values_hash(self) -> "str | None":
        """Octue's hash of the configuration values."""
        return _hash(self.configuration_values)

    @property
    def configuration_manifest_hash(self) -> "str | None":
        """Octue's hash of the configuration manifest."""
        return _hash(self.configuration_manifest)

    @property
    def input_values_hash(self) -> "str | None":
        """Octue's hash of the input values."""
        return _hash(self.input_values)

    @property
    def input_manifest_hash(self) -> "str | None":
        """Octue's hash of the input manifest."""
        return _hash(self.input_manifest)

    def send_monitor_message(self, data: "Any") -> None:
        """Send JSON data to whoever watches the run, at once.

        Raises `InvalidMonitorMessage` if the twine's ``monitor_message_schema`` does not allow it, or there is none.
        """
        from fairlead.adapters.errors import MonitorMessageInvalid
        from fairlead.adapters.twine.encoding import to_json
        from fairlead.adapters.twine.exceptions import InvalidMonitorMessage

        try:
            data = to_json(data, "monitor_message", error=MonitorMessageInvalid)
            problems = self.twine.message_problems(data)
        except MonitorMessageInvalid as error:
            problems = [*error.problems]
        if problems:
            wrong = MonitorMessageInvalid(problems)
            raise _told(InvalidMonitorMessage(str(wrong)), wrong)
        if self._handle_monitor_message is None:
            logger.warning("A monitor message was sent, but nobody handles them: give 'handle_monitor_message'.")
            return
        self._handle_monitor_message(data)

    def set_up_periodic_monitor_message(self, create_monitor_message: "Callable[[], Any]", period: float = 60) -> None:
        """Send what a function returns every ``period`` seconds, first after one period, until the run ends.

        If the function raises, or returns what the twine does not allow, the messages stop and the run fails with that
        error when the app returns.
        """
        if not isinstance(period, int | float) or not period > 0:  # pyright: ignore[reportUnnecessaryIsInstance]
            msg = f"period is {period!r}; give the seconds between two messages, a number above 0"
            raise ValueError(msg)
        thread = PeriodicMessage(self.send_monitor_message, create_monitor_message, period)
        self._periodic_monitor_message_sender_threads.append(thread)
        thread.start()

    def stop_periodic_messages(self) -> "Exception | None":
        """Send no more periodic messages; returns what went wrong with one of them, if anything did."""
        threads = self._periodic_monitor_message_sender_threads
        for thread in threads:
            thread.stop()
        return next((thread.error for thread in threads if thread.error is not None), None)

    def finalise(
        self,
        upload_output_datasets_to: "str | None" = None,
        use_signed_urls: "bool | None" = None,
    ) -> None:
        """Check the outputs and, where there is a location, upload the output datasets there.

        Args:
            upload_output_datasets_to: the folder or URL for the datasets, each below its key. If None, they go into a
                new folder, whose name begins with the analysis' id, below the ``output_location``, if there is one.
            use_signed_urls: whether the paths in the output manifest become signed URLs, which let anybody read the
                datasets for a week; as the analysis was told if None.

        Raises:
            InvalidValuesContents: the output values break the contract; every problem is listed.
            InvalidManifestContents: the output manifest does.
            TwineValueException: an output that the contract requires was not made.
            StrandNotFound: one was made that the contract does not have.
        """
        self._check_outputs()
        location = upload_output_datasets_to
        if location is None and self.output_location is not None:
            # Some run ids are made into one and the same id each time: the rest keeps runs apart.
            location = f"{self.output_location.rstrip('/')}/{self.id}-{os.urandom(4).hex()}"
        if location is not None and self.output_manifest is not None:
            signed = self.use_signed_urls_for_output_datasets if use_signed_urls is None else use_signed_urls
            for key, dataset in self.output_manifest.datasets.items():
                target = dataset.upload(cloud_path=f"{location.rstrip('/')}/{key}")
                self._uploaded[key] = {"location": target, "signed": signed}
            if signed:
                self.output_manifest.use_signed_urls_for_datasets()
        self._finalised = True

    def _check_outputs(self) -> None:
        """Raise what is wrong with the outputs, all of it at once, under the name that twined has for the first."""
        from fairlead.adapters.errors import OutputInvalid
        from fairlead.adapters.twine.twined import exceptions

        try:
            problems = self.twine.output_problems(self.serialise_outputs())
        except OutputInvalid as error:
            problems = [*error.problems]
        if not problems:
            return
        strand = problems[0].where.partition(".")[0]
        cls: type[exceptions.TwineException] = exceptions.invalid_contents(strand)
        if self.twine.presence_problems(strand, given=getattr(self, strand, None) is not None):
            cls = exceptions.TwineValueException if self.twine.declares(strand) else exceptions.StrandNotFound
        told = cls("The outputs break the contract.").telling(problems)
        raise _told(told, OutputInvalid(problems))

    def serialise_outputs(self) -> "dict[str, Any]":
        """Return ``output_values`` and ``output_manifest`` as JSON data; a strand that was not set is left out.

        Of a dataset that `finalise` has uploaded, ``uploaded`` says where it is and whether its addresses are signed.
        Raises `OutputInvalid` for what has no JSON form, and for datasets that cannot be read.
        """
        from fairlead.adapters.twine.encoding import to_json

        outputs: dict[str, Any] = {}
        if self.output_values is not None:
            outputs["output_values"] = to_json(self.output_values, "output_values", finite=True)
        if self.output_manifest is not None:
            try:
                manifest = _described(self.output_manifest)
                for key, uploaded in self._uploaded.items():
                    manifest["datasets"][key] |= {"path": uploaded["location"], "uploaded": uploaded}
            except OSError as error:
                from fairlead.adapters.errors import OutputInvalid, Problem

                found = f"cannot read {error.filename}: {error.strerror}"
                raise OutputInvalid(Problem("output_manifest", found, "files and folders", "Remove it.")) from error
            outputs["output_manifest"] = to_json(manifest, "output_manifest", finite=True)
        return outputs

    def _declares(self, key: str) -> bool:
        contract = self._contract
        return key in contract if isinstance(contract, dict) else self.twine.declares(key.removesuffix("_schema"))


class PeriodicMessage(threading.Thread):
    """A thread that sends messages until it is stopped."""

    def __init__(self, send: "Callable[[Any], None]", create: "Callable[[], Any]", period: float) -> None:
        """Send what ``create`` returns every ``period`` seconds, once the thread is started."""
        super().__init__(name="periodic monitor message", daemon=True)
        self.error: Exception | None = None
        self._send, self._create, self._period = send, create, period
        self._done = threading.Event()

    def run(self) -> None:
        """Send until `cancel` is called or something goes wrong."""
        while not self._done.wait(self._period):
            try:
                self._send(self._create())
            except Exception as error:  # noqa: BLE001 (raised again in the run's own thread)
                self.error = error
                return

    def cancel(self) -> None:
        """Send no further message."""
        self._done.set()

    def stop(self) -> None:
        """Send no further message, and wait for one that is on its way."""
        self.cancel()
        if self.is_alive():
            self.join()


def contract_error(error: BaseException) -> "ContractError | None":
    """Return the contract error for which an analysis has raised an exception of Octue's or twined's name."""
    return getattr(error, "_contract_error", None)


def _told(error: Exception, contract_error: "ContractError") -> Exception:
    error._contract_error = contract_error  # type: ignore[attr-defined]  # noqa: SLF001 (for `contract_error`)
    return error


def _loaded(source: "Any", strand: str) -> "Any":
    """Return the data of a values strand; all that is neither text nor path is the data itself."""
    if not isinstance(source, str) and not hasattr(source, "__fspath__"):
        return source
    from fairlead.adapters.errors import InputInvalid
    from fairlead.adapters.twine.sources import load_json

    return load_json(source, strand, InputInvalid)[0]


def _hash(strand: "Any") -> "str | None":
    from fairlead.adapters.twine.resources import hashing

    if strand is None:
        return None
    known: str | None = strand.hash_value if hasattr(strand, "hash_value") else hashing.hash_of_value(strand)
    return known


def _described(manifest: "Any") -> "Any":
    """Return all that is known of an output manifest; raises `OutputInvalid` for anything else in its place."""
    from fairlead.adapters.errors import OutputInvalid, Problem

    remedy = "Assign a Manifest, and put Datasets into its 'datasets'."
    if not hasattr(manifest, "to_description"):
        raise OutputInvalid(Problem("output_manifest", f"is a {type(manifest).__name__}", "a Manifest", remedy))
    for key, dataset in manifest.datasets.items():
        if not hasattr(dataset, "to_description"):
            place = f"output_manifest.datasets.{key}"
            raise OutputInvalid(Problem(place, f"is a {type(dataset).__name__}", "a Dataset", remedy))
    return manifest.to_description()
