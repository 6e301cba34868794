"""The Airflow provider: operators that run units of work as Airflow tasks.

Names are loaded when they are first used, because Airflow imports this package wherever it looks for providers.
"""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.operators.forms import filled_in as filled_in
    from fairlead.operators.forms import params as params
    from fairlead.operators.twine import TwineAppOperator as TwineAppOperator

__getattr__ = attributes(
    __name__,
    {"TwineAppOperator": "twine", "filled_in": "forms", "params": "forms"},
)
__all__ = ["TwineAppOperator", "filled_in", "params"]
