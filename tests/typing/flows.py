"""Calls the Prefect collection as users do; checked by mypy and pyright, never run."""

from typing import Any, assert_type

from prefect import Flow, Task, flow, unmapped

from fairlead.flows import run_twine_app, twine_flow, twine_task

wind = twine_task(
    "apps/wind",
    configuration_values={"method": "fast"},
    retries=2,
    retry_delay_seconds=[1, 10],
    timeout=600,
    silence_limit=60,
    on_silence="stop",
    diagnostics={"url": "s3://bucket/left", "copy_datasets": True},
    result_storage="s3-bucket/results",
)
assert_type(wind, Task[..., dict[str, Any]])


@flow
def study(heights: list[float]) -> list[dict[str, Any]]:
    first = wind(input_values={"height": heights[0]})
    assert_type(first, dict[str, Any])
    return [first, *wind.map([{"height": height} for height in heights[1:]], unmapped("manifest.json")).result()]


assert_type(run_twine_app("apps/wind", {"height": 90}, retries=2, timeout=600), dict[str, Any])
assert_type(twine_flow("apps/wind", retries=2), Flow[..., dict[str, Any]])
