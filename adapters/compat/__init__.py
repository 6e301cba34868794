"""Code that imports a package which is not installed runs unmodified, on our modules under that package's names.

How it works: a finder stands first in the import system. Asked for a package that it knows, it lets all others look
for it, and serves the names of a table only if none of them has it, or if ours are preferred. Tables are data: see
``fairlead.adapters.twine.octue_names``. They are read when the first of their names is imported, so `install` costs
next to nothing.

What it does not do: pretend to be installed. ``importlib.metadata`` does not find a package that is served, and what a
program starts does not inherit that it is served.
"""

import os
import sys

from fairlead.adapters.compat.finder import Finder

TABLES = {
    "octue": "fairlead.adapters.twine.octue_names",
    "outflow": "fairlead.adapters.workflow.outflow_names",
    "twined": "fairlead.adapters.twine.octue_names",
}
"""Which packages can be served, and the module that has the table of each."""

_finder = Finder()


def install(*names: str, prefer: bool = False) -> None:
    """Serve packages by our own modules, all that there are or those that are named, until the process ends.

    A package that is installed is left alone, unless ours is preferred: by ``prefer``, or by ``FAIRLEAD_COMPAT=prefer``
    in the environment. Calling it again changes nothing, but may prefer what was not preferred before.

    Raises:
        ValueError: for a name of no package that can be served.
        InputInvalid: for another value of ``FAIRLEAD_COMPAT``.
        ImportError: if ours is preferred, and the installed package has been imported already.
    """
    unknown = [name for name in names if name not in TABLES]
    if unknown:
        msg = f"{', '.join(unknown)}: no package that can be served. There are: {', '.join(TABLES)}."
        raise ValueError(msg)
    wish = os.environ.get("FAIRLEAD_COMPAT", "")
    if wish not in {"", "prefer"}:
        from fairlead.adapters.errors import InputInvalid, Problem

        remedy = "Set it so to be served also what is installed, or unset it."
        raise InputInvalid(Problem("FAIRLEAD_COMPAT", f"{wish!r} is unknown", "'prefer'", remedy))
    for name in names or TABLES:
        _finder.serve(name, TABLES[name], prefer=prefer or wish == "prefer")
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def is_served(name: str) -> bool:
    """Tell whether a package has been imported, and is ours."""
    return _finder.is_served(name)


__all__ = ["install", "is_served"]
