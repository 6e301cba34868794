"""Workflows: tasks joined by ``|``, maps, loops and branches, run in one process, on a cluster or by an orchestrator.

Names are loaded when they are first used.
"""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.workflow.branches import IdentityTask as IdentityTask
    from fairlead.adapters.workflow.branches import IfThenElse as IfThenElse
    from fairlead.adapters.workflow.branches import MergeTask as MergeTask
    from fairlead.adapters.workflow.exceptions import exit_pipeline as exit_pipeline
    from fairlead.adapters.workflow.failures import Failure as Failure
    from fairlead.adapters.workflow.graph import Edge as Edge
    from fairlead.adapters.workflow.graph import Graph as Graph
    from fairlead.adapters.workflow.graph import Node as Node
    from fairlead.adapters.workflow.loops import IterativeWorkflow as IterativeWorkflow
    from fairlead.adapters.workflow.loops import LoopWorkflow as LoopWorkflow
    from fairlead.adapters.workflow.maps import MapWorkflow as MapWorkflow
    from fairlead.adapters.workflow.running import Result as Result
    from fairlead.adapters.workflow.running import run as run
    from fairlead.adapters.workflow.targets import Target as Target
    from fairlead.adapters.workflow.task import Task as Task
    from fairlead.adapters.workflow.task import as_task as as_task
    from fairlead.adapters.workflow.types import Parameter as Parameter
    from fairlead.adapters.workflow.types import Skipped as Skipped
    from fairlead.adapters.workflow.units import as_block as as_block
    from fairlead.adapters.workflow.workflow import Workflow as Workflow
    from fairlead.adapters.workflow.workflow import as_workflow as as_workflow

_MODULES = {
    "branches": ("IdentityTask", "IfThenElse", "MergeTask"),
    "exceptions": ("exit_pipeline",),
    "failures": ("Failure",),
    "graph": ("Edge", "Graph", "Node"),
    "loops": ("IterativeWorkflow", "LoopWorkflow"),
    "maps": ("MapWorkflow",),
    "running": ("Result", "run"),
    "targets": ("Target",),
    "task": ("Task", "as_task"),
    "types": ("Parameter", "Skipped"),
    "units": ("as_block",),
    "workflow": ("Workflow", "as_workflow"),
}
__getattr__ = attributes(__name__, {name: module for module, names in _MODULES.items() for name in names})
__all__ = [  # noqa: PLE0604  # pyright: ignore[reportUnsupportedDunderAll] (names, all of them texts)
    *sorted(name for names in _MODULES.values() for name in names)
]
