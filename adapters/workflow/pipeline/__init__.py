"""Pipelines: a folder with settings, a configuration file and plugins, whose commands run workflows.

Names are loaded when they are first used.
"""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.workflow.pipeline.configuration import Config as Config
    from fairlead.adapters.workflow.pipeline.pipeline import Pipeline as Pipeline
    from fairlead.adapters.workflow.pipeline.scope import PipelineContext as PipelineContext
    from fairlead.adapters.workflow.pipeline.scope import PipelineContextManager as PipelineContextManager
    from fairlead.adapters.workflow.pipeline.scope import config as config
    from fairlead.adapters.workflow.pipeline.scope import context as context
    from fairlead.adapters.workflow.pipeline.scope import settings as settings
    from fairlead.adapters.workflow.pipeline.settings_modules import Settings as Settings

_MODULES = {
    "configuration": ("Config",),
    "pipeline": ("Pipeline",),
    "scope": ("PipelineContext", "PipelineContextManager", "config", "context", "settings"),
    "settings_modules": ("Settings",),
}
__getattr__ = attributes(__name__, {name: module for module, names in _MODULES.items() for name in names})
__all__ = [
    "Config",
    "Pipeline",
    "PipelineContext",
    "PipelineContextManager",
    "Settings",
    "config",
    "context",
    "settings",
]
