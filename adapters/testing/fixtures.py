"""A plugin of pytest for tests of pipelines: ``pytest -p fairlead.adapters.testing.fixtures``, or in a ``conftest.py``.

It lets tests import the pipeline's plugins and, under Outflow's names, fairlead; and it has fixtures for tests that are
functions. What is served stays so until pytest ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fairlead.adapters import compat
from fairlead.adapters.testing.pipelines import with_pipeline_context_manager
from fairlead.adapters.workflow.pipeline import plugins
from fairlead.adapters.workflow.pipeline.pipeline import Pipeline

__all__ = ["RunPipeline", "pytest_configure", "run_pipeline", "with_pipeline_context_manager"]

RunPipeline = Callable[..., tuple[int, list[dict[str, Any]]]]


def pytest_configure(config: pytest.Config) -> None:
    """Put the pipeline's folder and those of its plugins on the path, and serve Outflow's names."""
    plugins.add_to_path(plugins.folders(config.rootpath))
    compat.install("outflow", prefer=True)


@pytest.fixture
def run_pipeline(pytestconfig: pytest.Config) -> RunPipeline:
    """Return what runs a command of a pipeline, by default of the folder of the tests; see `CommandTestCase`."""

    def run(*arguments: str, root_directory: Any = None, **options: Any) -> tuple[int, list[dict[str, Any]]]:
        root = root_directory or pytestconfig.rootpath
        options.setdefault("force_dry_run", True)
        with Pipeline(root_directory=root, argv=arguments, **options) as pipeline:
            return pipeline.run(), pipeline.result

    return run
