"""Twine apps in Prefect: `twine_task` makes a task of an app, `run_twine_app` is a flow that runs any app.

The app runs in a child process of its own. See ``tasks`` for what a run does, ``cache_policy`` for when it need not.
"""

# Annotations are values here, not texts: Prefect sends a served flow to its process without what only a text names.
import functools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from prefect import Task, flow
from prefect.cache_policies import NO_CACHE
from prefect.results import ResultStorage
from prefect.runtime import flow_run
from pydantic import BeforeValidator, Field

from fairlead.adapters.diagnostics import Wish, requested
from fairlead.adapters.isolation import OUTPUT_LIMIT, check_options, named
from fairlead.adapters.twine import TwineApp
from fairlead.flows.answers import answering
from fairlead.flows.cache_policy import FingerprintPolicy, given
from fairlead.flows.results import SERIALIZER
from fairlead.flows.tasks import is_retryable, run_unit, show_outcome

JSONSource: TypeAlias = Mapping[str, Any] | list[Any] | str | os.PathLike[str] | float | bool | None
"""A strand: JSON data, a text that ends in ``.json`` (a path), a text of JSON, or a path."""


def twine_task(
    app: str | os.PathLike[str],
    *,
    name: str | None = None,
    configuration_values: JSONSource = None,
    configuration_manifest: JSONSource = None,
    children: JSONSource = None,
    output_location: str | os.PathLike[str] | None = None,
    use_signed_urls_for_output_datasets: bool | None = None,
    cache: str | os.PathLike[str] | None = None,
    isolation: Literal["process", "thread"] = "process",
    refresh: bool = False,
    retries: int | None = None,
    retry_delay_seconds: float | list[float] | Callable[[int], list[float]] | None = None,
    retry_jitter_factor: float | None = None,
    timeout: float | None = None,
    silence_limit: float | None = None,
    on_silence: Literal["report", "stop"] = "report",
    output_limit: int | None = OUTPUT_LIMIT,
    diagnostics: Wish = None,
    tags: Iterable[str] | None = None,
    task_run_name: Callable[[], str] | str | None = None,
    persist_result: bool | None = None,
    result_storage: ResultStorage | None = None,
) -> Task[..., dict[str, Any]]:
    """Make a Prefect task of a twine app.

    The task takes ``input_values`` and ``input_manifest``, and returns the outcome as JSON data (`Outcome.to_dict`):
    the outputs, the fingerprint, whether it was found in the cache, the files and the log. Work that was done before,
    by any host that shares the cache, is not done again.

        wind = twine_task("apps/wind_resource", configuration_values={"air_density_method": "measured"}, retries=2)

        @flow
        def study(heights: list[float]) -> list[dict[str, Any]]:
            return wind.map([{"hub_height": height} for height in heights], unmapped("weather.json")).result()

    Args:
        app: the folder that holds ``twine.json`` and ``app.py``, where the task runs, or an ``octue.yaml`` that says
            where they are.
        name: the task's name; the folder's without it.
        configuration_values: the app's configuration, as data, as JSON text or as the path of a JSON file.
        configuration_manifest: likewise.
        children: the services that the app may ask, by key: the folder of an app, or an object with ``id`` and
            ``backend``; each instead of what the app's configuration says.
        output_location: a folder or URL where output datasets are put, besides the result cache.
        use_signed_urls_for_output_datasets: whether their paths there are signed URLs, valid for a week.
        cache: where results are looked up and kept; ``$FAIRLEAD_CACHE`` or the user's cache folder without it.
        isolation: where the app runs: a child ``process``, or this one's ``thread`` (fast, but it cannot be stopped).
        refresh: run in any case, and replace what both caches hold; Prefect's ``refresh_cache`` and its setting do the
            same.
        retries: how often to try again after an error that says it is retryable: the app failed, was killed or timed
            out, or a store did not answer. What breaks the contract is never tried again.
        retry_delay_seconds: as in Prefect.
        retry_jitter_factor: as in Prefect.
        timeout: seconds that one attempt may take; then everything that the app has started is stopped (`TimedOut`). It
            holds in worker threads, too, where Prefect's ``timeout_seconds`` does not.
        silence_limit: seconds without a sign of life after which an app counts as hung.
        on_silence: whether an app that hangs is reported in the log, or stopped (`Hung`).
        output_limit: bytes that the app may print and log before it is stopped; None for no limit.
        diagnostics: where a run that crashes leaves what ``fairlead replay`` needs: a path or URL, a `Diagnostics`, or
            an object with its fields; ``$FAIRLEAD_DIAGNOSTICS`` where the task runs without it.
        tags: as in Prefect.
        task_run_name: as in Prefect.
        persist_result: as in Prefect; False also does without Prefect's record of the result, never without the cache.
        result_storage: as in Prefect.

    Raises:
        InputInvalid: ``app`` is no path, there is no such isolation, a limit is none, or ``diagnostics`` cannot be
            understood.
    """
    # What is wrong is told here, not in the first run.
    check_options(
        isolation=isolation,
        on_silence=on_silence,
        silence_limit=silence_limit,
        output_limit=output_limit,
        timeout=timeout,
    )
    wish = None if diagnostics is None else requested(diagnostics)
    unit = TwineApp(
        app,
        configuration_values=configuration_values,
        configuration_manifest=configuration_manifest,
        children=children,
        output_location=output_location,
        use_signed_urls_for_output_datasets=use_signed_urls_for_output_datasets,
    )
    root = None if cache is None else os.fspath(cache)
    isolated = functools.partial(
        named, isolation, silence_limit=silence_limit, on_silence=on_silence, output_limit=output_limit
    )

    def run(input_values: JSONSource = None, input_manifest: JSONSource = None) -> dict[str, Any]:
        """Run the app, or find that it was run with these inputs before; return its outcome as JSON data."""
        inputs = given({"input_values": input_values, "input_manifest": input_manifest})
        return run_unit(
            unit, inputs, cache=root, isolation=isolated(), timeout=timeout, refresh=refresh, diagnostics=wish
        )

    run.__name__ = run.__qualname__ = unit.name  # Prefect makes the task's key of it
    return Task(
        run,
        name=name or unit.name,
        tags=tags,
        task_run_name=task_run_name,
        cache_policy=NO_CACHE if persist_result is False else FingerprintPolicy(unit=unit, cache=root),
        refresh_cache=refresh or None,
        retries=retries,
        retry_delay_seconds=retry_delay_seconds,
        retry_jitter_factor=retry_jitter_factor,
        retry_condition_fn=is_retryable,
        on_completion=[show_outcome],
        persist_result=persist_result,
        result_storage=result_storage,
        result_serializer=None if persist_result is False else SERIALIZER,
    )


def _flow_run_name() -> str:
    app = str(flow_run.parameters["app"])
    return f"{TwineApp(app).name} {flow_run.name}"


def _as_text(path: object) -> object:
    return os.fspath(path) if isinstance(path, os.PathLike) else path


_Path = Annotated[str, BeforeValidator(_as_text)]
_Strand: TypeAlias = dict[str, Any] | list[Any] | str | None


@flow(flow_run_name=_flow_run_name, persist_result=True, result_serializer=SERIALIZER)
def run_twine_app(
    app: _Path,
    input_values: _Strand = None,
    input_manifest: _Strand = None,
    configuration_values: _Strand = None,
    configuration_manifest: _Strand = None,
    children: _Strand = None,
    output_location: _Path | None = None,
    use_signed_urls_for_output_datasets: bool | None = None,  # noqa: FBT001
    cache: _Path | None = None,
    refresh: bool = False,  # noqa: FBT001, FBT002 (a flow's parameters are named when it is deployed)
    retries: Annotated[int, Field(ge=0)] = 0,
    retry_delay_seconds: Annotated[float, Field(ge=0)] | list[float] = 0,
    timeout: Annotated[float, Field(gt=0)] | None = None,
    silence_limit: Annotated[float, Field(gt=0)] | None = None,
    on_silence: Literal["report", "stop"] = "report",
    output_limit: Annotated[int, Field(gt=0)] | None = OUTPUT_LIMIT,
    isolation: Literal["process", "thread"] = "process",
    diagnostics: _Path | dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Run a twine app, or find that it was run with these inputs before; returns its outcome as JSON data.

    Ready to be deployed: every parameter is plain JSON. Paths are those of the machine where the flow runs.

    Args:
        app: The folder that holds the app's twine.json and app.py.
        input_values: The app's input values: JSON, or the path of a .json file.
        input_manifest: The app's input datasets: {"datasets": {"name": "folder"}}, or the path of a .json file.
        configuration_values: The app's configuration: JSON, or the path of a .json file.
        configuration_manifest: The app's configuration datasets, like the input manifest.
        children: The services that the app may ask, {"key": "folder of an app"}; as its octue.yaml says if empty.
        output_location: Where output datasets are put besides the cache, a folder or a URL.
        use_signed_urls_for_output_datasets: Whether the paths of datasets there are signed URLs.
        cache: Where results are looked up and kept, a folder or a URL; the worker's default if empty.
        refresh: Run even if the result is known, and replace it.
        retries: How often to try again after the app failed. Invalid inputs are never tried again.
        retry_delay_seconds: Seconds to wait before that, or one number for each time.
        timeout: Seconds that one attempt may take before the app is stopped.
        silence_limit: Seconds without a sign of life after which the app counts as hung.
        on_silence: Whether an app that hangs is reported in the log, or stopped.
        output_limit: Bytes that the app may print before it is stopped.
        isolation: Where the app runs: in a child process, or in a thread of the flow's, where it cannot be stopped.
        diagnostics: Where a run that crashes leaves what "fairlead replay" needs: a folder or URL, or an object with
            "url", "when" ("crash" or "always") and "copy_datasets"; the worker's default if empty.
    """
    task = twine_task(
        app,
        configuration_values=configuration_values,
        configuration_manifest=configuration_manifest,
        children=children,
        output_location=output_location,
        use_signed_urls_for_output_datasets=use_signed_urls_for_output_datasets,
        cache=cache,
        isolation=isolation,
        refresh=refresh,
        retries=retries,
        retry_delay_seconds=retry_delay_seconds,
        timeout=timeout,
        silence_limit=silence_limit,
        on_silence=on_silence,
        output_limit=output_limit,
        diagnostics=diagnostics,
    )
    with answering() as answer:
        return answer(task(input_values, input_manifest))
