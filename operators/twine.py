"""Twine apps as Airflow tasks.

Only what a DAG file needs is imported at the start; the machinery that runs an app is loaded in the task's process.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator, ObjectStoragePath

from fairlead.adapters.isolation import OUTPUT_LIMIT, check_options, named
from fairlead.operators.host import AirflowHost

if TYPE_CHECKING:
    from airflow.sdk import Context

    from fairlead.adapters.diagnostics import Wish


_UNIT = (
    "app",
    "configuration_values",
    "configuration_manifest",
    "children",
    "output_location",
    "use_signed_urls_for_output_datasets",
)
"""The arguments of which the unit is made."""


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
        "children",
        "output_location",
        "cache",
        "diagnostics",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "input_values": "json",
        "input_manifest": "json",
        "configuration_values": "json",
        "configuration_manifest": "json",
        "children": "json",
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
        children: object = None,
        output_location: str | os.PathLike[str] | ObjectStoragePath | None = None,
        use_signed_urls_for_output_datasets: bool | None = None,
        cache: str | os.PathLike[str] | ObjectStoragePath | None = None,
        isolation: Literal["process", "thread"] = "process",
        refresh: bool = False,
        silence_limit: float | None = None,
        on_silence: Literal["report", "stop"] = "report",
        output_limit: int | None = OUTPUT_LIMIT,
        diagnostics: Wish | ObjectStoragePath = None,
        **kwargs: Any,
    ) -> None:
        """Describe the task; nothing is read before it runs, and what is, or holds, a template is checked then.

        Every argument up to ``cache``, except the flag, and ``diagnostics`` is a template and may be, or hold, the
        output of an upstream task. A `Diagnostics` is taken as it is: give an object with its fields to have them
        rendered.

        Args:
            app: the folder that holds ``twine.json`` and ``app.py``, or an ``octue.yaml`` that says where they are.
            input_values: JSON data, or the path of a JSON file.
            input_manifest: likewise, e.g. ``{"datasets": {"weather": "s3://bucket/weather"}}``.
            configuration_values: likewise.
            configuration_manifest: likewise.
            children: the services that the app may ask, by key: the folder of an app, or an object with ``id`` and
                ``backend``; each instead of what the app's configuration says.
            output_location: a folder or URL where output datasets are put, besides the result cache.
            use_signed_urls_for_output_datasets: whether their paths there are signed URLs, valid for a week.
            cache: where results are looked up and kept, a path or URL; without one ``$FAIRLEAD_CACHE`` of the worker,
                or else ``fairlead`` in its user's cache folder.
            isolation: where the app runs: in a child ``process``, or in a ``thread`` of the task's own process, where
                it starts sooner but cannot be stopped before it next logs or sends a message.
            refresh: run the app in any case, and replace what the cache holds.
            silence_limit: seconds without a sign of life after which an app counts as hung.
            on_silence: whether an app that hangs is reported in the log, or stopped.
            output_limit: bytes that the app may print and log before it is stopped; None for no limit.
            diagnostics: where a run that crashes leaves what ``fairlead replay`` needs, a path or URL, an object with
                ``url`` and, if wanted, ``when`` ("crash" or "always") and ``copy_datasets``, or a `Diagnostics`;
                without one what ``$FAIRLEAD_DIAGNOSTICS`` of the worker says.
            kwargs: those of every operator.

        Raises:
            InputInvalid: ``app`` is no path, there is no such isolation, a limit is none, or ``diagnostics`` cannot be
                understood.
        """
        super().__init__(**kwargs)
        _check_templates(app, diagnostics)
        check_options(
            isolation=isolation, on_silence=on_silence, silence_limit=silence_limit, output_limit=output_limit
        )
        self.app = app
        self.input_values = input_values
        self.input_manifest = input_manifest
        self.configuration_values = configuration_values
        self.configuration_manifest = configuration_manifest
        self.children = children
        self.output_location = output_location
        self.use_signed_urls_for_output_datasets = use_signed_urls_for_output_datasets
        self.cache = cache
        self.isolation = isolation
        self.refresh = refresh
        self.silence_limit = silence_limit
        self.on_silence: Literal["report", "stop"] = on_silence
        self.output_limit = output_limit
        self.diagnostics = diagnostics
        # Airflow puts what it renders in the place of what it was given.
        self._templates = {
            "input_values": input_values,
            "input_manifest": input_manifest,
            "configuration_values": configuration_values,
            "configuration_manifest": configuration_manifest,
            "children": children,
        }

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the app and return its outcome as plain JSON data.

        Raises:
            AirflowFailException: the failure would only repeat itself; the error itself is its cause.
            FairleadError: any other failure of the app or of the store.
        """
        from fairlead.adapters.twine import TwineApp
        from fairlead.operators.tasks import run_unit

        task = context["ti"]  # pyright: ignore[reportTypedDictNotRequiredAccess] (a task that runs has one)
        self._host = AirflowHost(task)
        try:
            return run_unit(
                TwineApp,
                {name: getattr(self, name) for name in _UNIT},
                {name: getattr(self, name) for name in ("input_values", "input_manifest")},
                self._host,
                cache=self.cache,
                isolation=functools.partial(
                    named,
                    self.isolation,
                    silence_limit=self.silence_limit,
                    on_silence=self.on_silence,
                    output_limit=self.output_limit,
                ),
                refresh=self.refresh,
                diagnostics=self.diagnostics,
                templates=self._templates,
                push=task.xcom_push if self.do_xcom_push else None,
            )
        finally:
            self._host = None

    def on_kill(self) -> None:
        """Stop the app and everything that it started; returns when that is done."""
        if self._host:
            self._host.stop()


def _check_templates(app: object, diagnostics: Any) -> None:
    """Raise `InputInvalid` for what no rendering changes, and is wrong; loads nothing where there is nothing to say."""
    if not isinstance(app, str) and _is_final(app):
        from fairlead.adapters.errors import InputInvalid, Problem

        raise InputInvalid(Problem("app", f"{app!r} is not a path", "an app's folder", "Give its path."))
    if diagnostics is not None and _is_final(diagnostics):
        from fairlead.adapters.diagnostics import requested

        requested(diagnostics)


def _is_final(value: object) -> bool:
    """Tell whether a value is plain data without a template in it."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, Mapping):
        return all(map(_is_final, value.values()))
    return value is None or isinstance(value, int | float) or (isinstance(value, list) and all(map(_is_final, value)))
