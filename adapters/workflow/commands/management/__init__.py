"""The commands that every pipeline has, below ``management``: create, shell, display_config, and those for databases.

Their arguments and what they do are in the modules here; those for databases need the extra ``db``.
"""

from __future__ import annotations

from fairlead.adapters.workflow.commands.management.create import Create, CreatePipeline, CreatePlugin
from fairlead.adapters.workflow.commands.management.databases import (
    Db,
    Debug,
    ExecuteSQL,
    GenDoc,
    ListRuns,
    MakeMigrations,
)
from fairlead.adapters.workflow.commands.management.management import DisplayConfig, Management, Shell

__all__ = [
    "Create",
    "CreatePipeline",
    "CreatePlugin",
    "Db",
    "Debug",
    "DisplayConfig",
    "ExecuteSQL",
    "GenDoc",
    "ListRuns",
    "MakeMigrations",
    "Management",
    "Shell",
]
