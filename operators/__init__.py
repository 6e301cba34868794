"""The Airflow provider: operators that run units of work as Airflow tasks.

Names are loaded when they are first used, because Airflow imports this package wherever it looks for providers.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.operators.twine import TwineAppOperator as TwineAppOperator

_MODULES = {"TwineAppOperator": "twine"}
__all__ = ["TwineAppOperator"]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
