"""Octue's twine apps: a ``twine.json`` contract and an ``app.py``, as units of work.

Names are loaded when they are first used, because the child process of every run imports this package.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.twine.analysis import Analysis as Analysis
    from fairlead.adapters.twine.contract import Twine as Twine
    from fairlead.adapters.twine.resources import Datafile as Datafile
    from fairlead.adapters.twine.resources import Dataset as Dataset
    from fairlead.adapters.twine.resources import Manifest as Manifest
    from fairlead.adapters.twine.unit import TwineApp as TwineApp

_MODULES = {
    "Analysis": "analysis",
    "Datafile": "resources",
    "Dataset": "resources",
    "Manifest": "resources",
    "Twine": "contract",
    "TwineApp": "unit",
}
__all__ = ["Analysis", "Datafile", "Dataset", "Manifest", "Twine", "TwineApp"]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
