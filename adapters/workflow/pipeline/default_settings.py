"""The settings of a pipeline that says nothing else: each is overridden by the name of the same in its settings module.

Programs read settings through ``fairlead.adapters.workflow.pipeline.settings``, never from here.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from fairlead.adapters.workflow.commands.root import RootCommand
from fairlead.adapters.workflow.engines import NAMES

ROOT_DIRECTORY = os.environ.get("PIPELINE_ROOT_DIRECTORY")
"""The pipeline's folder; ``manage.py`` says which it is."""

PLUGINS = ["outflow.management"]
"""Packages whose commands the pipeline has."""

TEMP_DIR = Path(tempfile.gettempdir()) / "outflow_tmp"
"""Where work that is going on has its files; on a cluster, a folder that all nodes share."""

MAIN_DATABASE = "default"
"""The database of run records, and of models that name none."""

BACKENDS = dict.fromkeys(NAMES, "fairlead.adapters.workflow.engines")
"""The module of each engine: its function ``named(name, **options)`` returns it."""

ROOT_COMMAND_CLASS = RootCommand
"""The command that all others are below."""
