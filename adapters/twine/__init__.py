"""Octue's twine apps: a ``twine.json`` contract and an ``app.py``, as units of work.

Names are loaded when they are first used, because the child process of every run imports this package.
"""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.twine.analysis import Analysis as Analysis
    from fairlead.adapters.twine.contract import Twine as Twine
    from fairlead.adapters.twine.resources import Datafile as Datafile
    from fairlead.adapters.twine.resources import Dataset as Dataset
    from fairlead.adapters.twine.resources import Manifest as Manifest
    from fairlead.adapters.twine.runner import Runner as Runner
    from fairlead.adapters.twine.unit import TwineApp as TwineApp

__getattr__ = attributes(
    __name__,
    {
        "Analysis": "analysis",
        "Datafile": "resources",
        "Dataset": "resources",
        "Manifest": "resources",
        "Runner": "runner",
        "Twine": "contract",
        "TwineApp": "unit",
    },
)
__all__ = ["Analysis", "Datafile", "Dataset", "Manifest", "Runner", "Twine", "TwineApp"]
