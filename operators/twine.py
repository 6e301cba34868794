"""Twine apps as Airflow tasks.

Only what a DAG file needs is imported at the start; the machinery that runs an app is loaded in the task's process.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator, ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException

from fairlead.adapters.errors import Cancelled, FairleadError, InputInvalid, Problem
from fairlead.operators.host import AirflowHost

if TYPE_CHECKING:
    from airflow.sdk import Context

# How a problem reads whose cause may be a template: an argument that is a text, but would or should be other JSON.
_TEMPLATED = re.compile(r"\w+: is not JSON|.*: '(-?\d.*|[Tt]rue|[Ff]alse|None|null|[\[{].*)' is not an? ", re.DOTALL)
_NATIVE_REMEDY = """
A template gives text. If that value comes from one, set render_template_as_native_obj=True on the operator or the DAG,
or give the upstream task's output itself instead of a template."""


class TwineAppOperator(BaseOperator):
    """Runs an Octue twine app, or takes its result from the cache if the same work was done before.

    The task returns the outcome as plain JSON: ``outputs`` (``output_values`` and ``output_manifest``, each if the
    twine declares it), ``files`` (every file with its location, digest and size), ``fingerprint``, ``cached``, ``log``
    (where the log of the run is), ``unit``, ``run_seconds`` and ``seconds``. Each output is also an XCom under its own
    name, so that one app feeds another: ``TwineAppOperator(..., input_manifest=study.output["output_manifest"])``.

    How it works: the app runs in a child process. ``execution_timeout``, marking the task in the UI and stopping the
    worker end that process with everything that it started. What the app logs and prints goes to the task's log,
    progress in steps of ten percent. A failure that would only repeat itself, such as an input that breaks the
    contract, fails the task at once; for any other Airflow's ``retries`` hold, also when the worker is stopped.

    What it does not do: read files as templates. Airflow renders a file whose name ends in one of ``template_ext``;
    here a name that ends in ``.json`` is a file for the app, whose braces are its own, so ``template_ext`` is empty.
    """

    template_fields: Collection[str] = (
        "app",
        "input_values",
        "input_manifest",
        "configuration_values",
        "configuration_manifest",
        "cache",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "input_values": "json",
        "input_manifest": "json",
        "configuration_values": "json",
        "configuration_manifest": "json",
    }
    ui_color = "#d7eef4"
    _host: AirflowHost | None = None

    def __init__(
        self,
        *,
        app: str | os.PathLike[str],
        input_values: object = None,
        input_manifest: object = None,
        configuration_values: object = None,
        configuration_manifest: object = None,
        cache: str | os.PathLike[str] | ObjectStoragePath | None = None,
        isolation: Literal["process", "thread"] = "process",
        refresh: bool = False,
        silence_limit: float | None = None,
        on_silence: Literal["report", "stop"] = "report",
        output_limit: int | None = 32 << 20,
        **kwargs: Any,
    ) -> None:
        """Describe the task; nothing is read or checked before it runs.

        Every argument up to ``cache`` is a template and may be, or hold, the output of an upstream task.

        Args:
            app: the folder that holds ``twine.json`` and ``app.py``.
            input_values: JSON data, or the path of a JSON file.
            input_manifest: likewise, e.g. ``{"datasets": {"weather": "s3://bucket/weather"}}``.
            configuration_values: likewise.
            configuration_manifest: likewise.
            cache: where results are looked up and kept, a path or URL; without one ``$FAIRLEAD_CACHE`` of the worker,
                or else ``fairlead`` in its user's cache folder.
            isolation: where the app runs: in a child ``process``, or in a ``thread`` of the task's own process, where
                it starts sooner but cannot be stopped before it next logs or sends a message.
            refresh: run the app in any case, and replace what the cache holds.
            silence_limit: seconds without a sign of life after which an app counts as hung.
            on_silence: whether an app that hangs is reported in the log, or stopped.
            output_limit: bytes that the app may print before it is stopped; None for no limit.
            kwargs: those of every operator.
        """
        super().__init__(**kwargs)
        self.app = app
        self.input_values = input_values
        self.input_manifest = input_manifest
        self.configuration_values = configuration_values
        self.configuration_manifest = configuration_manifest
        self.cache = cache
        self.isolation = isolation
        self.refresh = refresh
        self.silence_limit = silence_limit
        self.on_silence: Literal["report", "stop"] = on_silence
        self.output_limit = output_limit

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the app and return its outcome as plain JSON data.

        Raises:
            AirflowFailException: the failure would only repeat itself; the error itself is its cause.
            FairleadError: any other failure of the app or of the store.
        """
        from fairlead.adapters import isolation
        from fairlead.adapters.cache import ResultCache
        from fairlead.adapters.perform import perform
        from fairlead.adapters.twine import TwineApp

        task = context["ti"]  # pyright: ignore[reportTypedDictNotRequiredAccess] (a task that runs has one)
        self._host = host = AirflowHost(task)
        try:
            app, cache = _plain(self.app, "app"), _plain(self.cache, "cache")
            inputs = {name: _plain(getattr(self, name), name) for name in ("input_values", "input_manifest")}
            configuration = {
                name: _plain(getattr(self, name), name) for name in ("configuration_values", "configuration_manifest")
            }
            outcome = host.run(
                lambda: perform(
                    TwineApp(app, **configuration),
                    inputs,
                    host,
                    cache=ResultCache(cache),
                    isolation=isolation.named(
                        self.isolation,
                        silence_limit=self.silence_limit,
                        on_silence=self.on_silence,
                        output_limit=self.output_limit,
                    ),
                    refresh=self.refresh,
                )
            )
        except FairleadError as error:
            error.with_traceback(None)  # where in fairlead it was raised tells a reader of the task's log nothing
            # Airflow has noted already if it was a user who stopped the task; a worker that goes away is worth a retry.
            if error.retryable or isinstance(error, Cancelled):
                raise
            templated = isinstance(error, InputInvalid) and any(_TEMPLATED.match(str(item)) for item in error.problems)
            raise AirflowFailException(f"{error}{_NATIVE_REMEDY if templated else ''}") from error
        finally:
            self._host = None
        for name, dataset in outcome.outputs.get("output_manifest", {"datasets": {}})["datasets"].items():
            count = len(dataset["files"])
            host.log(logging.INFO, f"{name}: {count} {'file' if count == 1 else 'files'} in {dataset['path']}")
        if self.do_xcom_push:
            for name, output in outcome.outputs.items():
                task.xcom_push(name, output)
        return outcome.to_dict()

    def on_kill(self) -> None:
        """Stop the app and everything that it started; returns when that is done."""
        if self._host:
            self._host.stop()


def _plain(value: Any, where: str) -> Any:
    """Return a value with the paths in it as texts, and what Airflow makes of several upstream results as lists."""
    if isinstance(value, ObjectStoragePath):
        if value.conn_id:
            found = f"{value} names the connection '{value.conn_id}', which an app's process cannot use"
            remedy = "Leave the connection out, and give the worker's environment what the store asks for."
            raise InputInvalid(Problem(where, found, "a path or URL without a connection", remedy))
        return str(value) if value.protocol not in {"", "file"} else value.path
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {key: _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    return value
