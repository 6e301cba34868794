"""The Airflow provider: operators that run units of work as Airflow tasks.

Names are loaded when they are first used, because Airflow imports this package wherever it looks for providers.
"""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.operators.forms import filled_in as filled_in
    from fairlead.operators.forms import params as params
    from fairlead.operators.twine import TwineAppOperator as TwineAppOperator
    from fairlead.operators.workflow import WorkflowTaskGroup as WorkflowTaskGroup
    from fairlead.operators.workflow import workflow_dag as workflow_dag

__getattr__ = attributes(
    __name__,
    {
        "TwineAppOperator": "twine",
        "WorkflowTaskGroup": "workflow",
        "filled_in": "forms",
        "params": "forms",
        "workflow_dag": "workflow",
    },
)
__all__ = ["TwineAppOperator", "WorkflowTaskGroup", "filled_in", "params", "workflow_dag"]
