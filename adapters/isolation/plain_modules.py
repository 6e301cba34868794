"""An app's modules under their own names, so that tests of the app can patch them and find their loggers.

Octue's runner imports ``app.py`` as ``app``, and tests rely on it: they patch ``app.something`` and look for records of
the logger ``app``. `modules_of` does the same for one app at a time, and cleans up: what the app imported from its own
folders is forgotten afterwards, and other modules of the same names are back in their place. Any other app that runs
meanwhile in this process gets private modules (see ``private_modules``). It does not isolate anything else.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from types import ModuleType

from fairlead.adapters.isolation.private_modules import MARK, PrivateModules

_in_use = threading.Lock()


class PlainModules:
    """The modules of one app, from the folders ``roots``; forgotten when it is closed."""

    def __init__(self, roots: Sequence[str]) -> None:
        """Put the folders first on ``sys.path``; the caller holds the lock."""
        self._roots = [os.path.realpath(root) for root in roots]
        sys.path[:0] = roots
        self._paths = list(roots)
        self._hidden = {name: sys.modules.pop(name) for name in [*self._namesakes()]}
        self._before = set(sys.modules)

    def load(self, name: str) -> ModuleType:
        """Import a module as usual; one that is imported already, and is the app's, may have been patched."""
        importlib.invalidate_caches()
        return importlib.import_module(name)

    def plain(self, text: str) -> str:
        """Return the text: names are plain already."""
        return text

    def close(self) -> None:
        """Forget what was imported from the folders, and put back what was hidden by it."""
        try:
            for name, module in sys.modules.copy().items():  # at once: others import meanwhile
                # Another load of these folders, in another thread, has marked names.
                if name not in self._before and MARK not in name and self._is_own(module):
                    sys.modules.pop(name, None)
            sys.modules.update(self._hidden)
            for path in self._paths:
                if path in sys.path:
                    sys.path.remove(path)
        finally:
            _in_use.release()

    def _namesakes(self) -> Iterator[str]:
        """Go through the imported modules that would be taken for the app's, though they are from elsewhere."""
        own = {name for root in self._roots for name in _importable(root)} - sys.stdlib_module_names
        for name, module in sys.modules.copy().items():  # at once: others import meanwhile
            top = name.partition(".")[0]
            if top in own and not self._is_own(sys.modules.get(top, module)):
                yield name

    def _is_own(self, module: ModuleType) -> bool:
        places = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
        files = [os.path.realpath(place) for place in places if place]
        return any(
            file.startswith(root + os.sep) and "site-packages" not in file.removeprefix(root)
            for file in files
            for root in self._roots
        )


def _importable(folder: str) -> Iterator[str]:
    """Go through the top-level names that a folder holds."""
    try:
        entries = [*os.scandir(folder)]
    except OSError:
        return
    for entry in entries:
        stem, suffix = os.path.splitext(entry.name)
        if suffix == ".py" or (not suffix and os.path.exists(os.path.join(entry.path, "__init__.py"))):
            yield stem


def modules_of(roots: Sequence[str]) -> PlainModules | PrivateModules:
    """Return the modules of an app: under their own names, unless another app's are at the moment."""
    return PlainModules(roots) if _in_use.acquire(blocking=False) else PrivateModules(roots)
