"""Prefect runs units of work: a task for any twine app, and flows of apps and workflows that are ready to be deployed.

Names are loaded when they are first used, because Prefect imports every collection when its command line starts.
"""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.flows.answers import answering as answering
    from fairlead.flows.cache_policy import FingerprintPolicy as FingerprintPolicy
    from fairlead.flows.forms import twine_flow as twine_flow
    from fairlead.flows.host import PrefectHost as PrefectHost
    from fairlead.flows.twine import run_twine_app as run_twine_app
    from fairlead.flows.twine import twine_task as twine_task
    from fairlead.flows.workflow import workflow_flow as workflow_flow
    from fairlead.flows.workflow import workflow_outputs as workflow_outputs

__getattr__ = attributes(
    __name__,
    {
        "FingerprintPolicy": "cache_policy",
        "PrefectHost": "host",
        "answering": "answers",
        "run_twine_app": "twine",
        "twine_flow": "forms",
        "twine_task": "twine",
        "workflow_flow": "workflow",
        "workflow_outputs": "workflow",
    },
)
__all__ = [
    "FingerprintPolicy",
    "PrefectHost",
    "answering",
    "run_twine_app",
    "twine_flow",
    "twine_task",
    "workflow_flow",
    "workflow_outputs",
]
