"""Apps run from their source, never from bytecode that lies beside it: a result belongs to the source that was hashed.

Python takes bytecode for that of a source of the same size and time, in whole seconds. A second edit within one second,
or an archive that sets all times alike, would run the old program under the new one's fingerprint, for good. What this
does not do: keep Python from using bytecode of what is installed, also where that is below the app's folder.
"""

import os
import sys
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class SourceLoader(SourceFileLoader):
    """Loads a module from its source; writes no bytecode either."""

    def path_stats(self, path: str) -> "Mapping[str, Any]":
        """Raise OSError, which is how the import system is told that there is nothing to compare bytecode with."""
        raise OSError(path)


def add_roots(roots: "Sequence[str]") -> None:
    """Put folders of apps first on this process's ``sys.path``."""

    def find_in(path: str) -> FileFinder:
        for root in roots:
            inside = path.removeprefix(root)
            if inside != path and inside[:1] in {"", os.sep} and "site-packages" not in inside:
                return FileFinder(
                    path,
                    (ExtensionFileLoader, EXTENSION_SUFFIXES),
                    (SourceLoader, SOURCE_SUFFIXES),
                )
        raise ImportError(path)

    sys.path_hooks.insert(0, find_in)
    sys.path[:0] = roots
