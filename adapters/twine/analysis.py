"""The analysis: what an app is given, and where it leaves what it has made.

Lives in the app's process for one run. Only the standard library is imported at the start; the contract is compiled
when the first monitor message is sent, or when the app finalises its outputs itself.
"""

import os
import threading

from fairlead.adapters import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from fairlead.adapters.isolation.protocol import Workspace
    from fairlead.adapters.twine.contract import Twine
    from fairlead.adapters.twine.resources import Manifest


class Analysis:
    """One run of an app: its configuration and inputs, and its outputs, by the names of the twine's strands.

    A strand that the twine does not declare is None. ``output_values`` starts as an empty object, and
    ``output_manifest`` with an empty folder for each dataset that the twine declares.
    """

    def __init__(
        self,
        contract: "Mapping[str, Any]",
        workspace: "Workspace",
        *,
        configuration_values: "Any" = None,
        configuration_manifest: "Manifest | None" = None,
        input_values: "Any" = None,
        input_manifest: "Manifest | None" = None,
        id: str,  # noqa: A002 (Octue's name)
    ) -> None:
        """Prepare a run; the inputs are valid already."""
        self._contract = contract
        self._workspace = workspace
        self._twine: Twine | None = None
        self._timers: list[_PeriodicMessage] = []
        self.id = id
        self.configuration_values = configuration_values
        self.configuration_manifest = configuration_manifest
        self.input_values = input_values
        self.input_manifest = input_manifest
        self.output_values: Any = {} if "output_values_schema" in contract else None
        self.output_manifest: Manifest | None = None
        self.children: Mapping[str, Any] | None = None
        self.finalised = False
        if "output_manifest" in contract:
            from fairlead.adapters.twine import resources

            datasets = {}
            for key in contract["output_manifest"]["datasets"]:
                path = os.path.join(workspace.directory, "output", key)
                os.makedirs(path)
                datasets[key] = resources.Dataset(path, name=key)
            self.output_manifest = resources.Manifest(datasets)

    @property
    def twine(self) -> "Twine":
        """The app's contract."""
        if self._twine is None:
            from fairlead.adapters.twine.contract import Twine

            self._twine = Twine(self._contract)
        return self._twine

    def send_monitor_message(self, data: "Any") -> None:
        """Send JSON data to whoever watches the run, at once.

        A number ``progress`` in it moves progress bars: from 0 to the ``maximum`` that the schema gives it, else to 1.
        Raises `MonitorMessageInvalid` if the twine's ``monitor_message_schema`` does not allow it.
        """
        from fairlead.adapters.errors import MonitorMessageInvalid
        from fairlead.adapters.twine.encoding import to_json

        data = to_json(data, "monitor_message", error=MonitorMessageInvalid)
        problems = self.twine.message_problems(data)
        if problems:
            raise MonitorMessageInvalid(problems)
        self._workspace.emit(events.monitor(data))
        done = data.get("progress") if isinstance(data, dict) else None
        if isinstance(done, int | float) and not isinstance(done, bool):
            declared = self._contract["monitor_message_schema"].get("properties", {}).get("progress", {})
            whole = (declared.get("maximum") if isinstance(declared, dict) else None) or 1
            self._workspace.emit(events.progress(done / whole, str(data.get("status_text", ""))))

    def set_up_periodic_monitor_message(self, create_monitor_message: "Callable[[], Any]", period: float = 60) -> None:
        """Send what a function returns every ``period`` seconds, until the run ends.

        If the function raises, or returns what the twine does not allow, the messages stop and the run fails with that
        error when the app returns.
        """
        self._timers.append(_PeriodicMessage(self.send_monitor_message, create_monitor_message, period))

    def stop_periodic_messages(self) -> "Exception | None":
        """Send no more periodic messages; returns what went wrong with one of them, if anything did."""
        for timer in self._timers:
            timer.stop()
        return next((timer.error for timer in self._timers if timer.error is not None), None)

    def finalise(self) -> None:
        """Check the outputs now instead of after the app has returned; raises `OutputInvalid` with every problem."""
        from fairlead.adapters.errors import OutputInvalid

        problems = self.twine.output_problems(self.serialise_outputs())
        if problems:
            raise OutputInvalid(problems)
        self.finalised = True

    def serialise_outputs(self) -> "dict[str, Any]":
        """Return ``output_values`` and ``output_manifest`` as JSON data; a strand that was not set is left out."""
        from fairlead.adapters.twine.encoding import to_json

        outputs: dict[str, Any] = {}
        if self.output_values is not None:
            outputs["output_values"] = to_json(self.output_values, "output_values", finite=True)
        if self.output_manifest is not None:
            try:
                manifest = self.output_manifest.to_primitive()
            except OSError as error:
                from fairlead.adapters.errors import OutputInvalid, Problem

                found = f"cannot read {error.filename}: {error.strerror}"
                raise OutputInvalid(Problem("output_manifest", found, "files and folders", "Remove it.")) from error
            outputs["output_manifest"] = to_json(manifest, "output_manifest", finite=True)
        return outputs


class _PeriodicMessage:
    """A thread that sends messages until it is stopped."""

    def __init__(self, send: "Callable[[Any], None]", create: "Callable[[], Any]", period: float) -> None:
        self.error: Exception | None = None
        self._send, self._create, self._period = send, create, period
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="periodic monitor message", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(self._period):
            try:
                self._send(self._create())
            except Exception as error:  # noqa: BLE001 (raised again in the run's own thread)
                self.error = error
                return

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
