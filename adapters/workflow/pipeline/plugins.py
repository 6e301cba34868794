"""Plugins: packages with tasks, commands and models, that a pipeline's settings name and that are imported for it.

A pipeline's plugins are in folders below its ``plugins``, or installed. Commands and tasks are told apart by the module
that they were written in, so that in one process a pipeline does not offer what another one's plugins have.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fairlead.adapters.errors import InputInvalid, Problem

if TYPE_CHECKING:
    from fairlead.adapters.workflow.commands.command import Command

MANAGEMENT = "fairlead.adapters.workflow.commands.management"
OURS = {"outflow.management": MANAGEMENT, "fairlead.management": MANAGEMENT}
"""Plugins that are part of this package."""

_added: Counter[str] = Counter()
"""What open pipelines have put on Python's path, and how many of them."""
_loaded: set[str] = set()
"""Plugins that were imported for any pipeline of this process."""
_lock = threading.Lock()


def folders(root: Path | None, more: Iterable[str] = ()) -> list[str]:
    """Return where a pipeline's modules are: in its folder, in each folder below its ``plugins``, and in others."""
    own = [root, *sorted(each for each in root.glob("plugins/*") if each.is_dir())] if root else []
    return [str(each.resolve()) for each in (*own, *map(Path, more))]


def add_to_path(paths: Iterable[str]) -> list[str]:
    """Let Python find modules in folders; return those that `remove_from_path` is to be given."""
    mine = []
    with _lock:
        for each in paths:
            if each not in sys.path or each in _added:
                if each not in sys.path:
                    sys.path.append(each)
                _added[each] += 1
                mine.append(each)
    return mine


def remove_from_path(paths: Iterable[str]) -> None:
    """Undo that, except for folders that other pipelines have added too."""
    with _lock:
        for each in paths:
            _added[each] -= 1
            if not _added[each]:
                del _added[each]
                if each in sys.path:
                    sys.path.remove(each)


def load(names: Sequence[str], *, source: str) -> list[ModuleType]:
    """Import plugins, with their commands.

    Args:
        names: of their packages.
        source: where they are listed.

    Raises:
        InputInvalid: one is not there, or another of the same name, from another folder, is in this process already.
    """
    return [_load(name, source) for name in names]


def _load(name: str, source: str) -> ModuleType:
    package = OURS.get(name, name)
    where = f"{source}: PLUGINS, '{name}'"
    _extend(package)
    known = sys.modules.get(package)
    try:
        module = known or importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{package}.".startswith(f"{error.name}."):
            raise  # something that it imports
        remedy = "Put it into a folder below 'plugins', or install it; with its namespace, e.g. 'tuto.data_reduction'."
        raise InputInvalid(Problem(where, "is no package on the Python path", "", remedy)) from None
    if known is not None:
        _refuse_other(package, known, where)
    _loaded.add(package)
    commands = f"{package}.commands"
    if importlib.util.find_spec(commands) is not None:
        importlib.import_module(commands)
    _mark(package, name)
    return module


def _extend(package: str) -> None:
    """Let packages that hold plugins, and were imported before, see folders that were put on the path since."""
    around = package.rpartition(".")[0]
    while around:
        module = sys.modules.get(around)
        if hasattr(module, "__path__") and not around.startswith("fairlead"):
            assert module is not None
            module.__path__ = pkgutil.extend_path(module.__path__, around)
        around = around.rpartition(".")[0]
    importlib.invalidate_caches()


def _refuse_other(package: str, known: ModuleType, where: str) -> None:
    """Refuse a plugin of which another pipeline of this process has one of the same name."""
    parts = package.split(".")
    here = next((folder for each in sys.path if (folder := Path(each or ".").joinpath(*parts)).is_dir()), None)
    there = next(iter(getattr(known, "__path__", ())), None)
    if here and there and here.resolve() != Path(there).resolve():
        remedy = "Run this pipeline in a process of its own."
        raise InputInvalid(Problem(where, f"is {here}, but {there} has been imported in this process", "", remedy))


def _mark(package: str, name: str) -> None:
    """Tell the tasks of a plugin which it is."""
    from fairlead.adapters.workflow.task import Task

    for full, module in sys.modules.copy().items():
        if f"{full}.".startswith(f"{package}."):
            for each in list(vars(module).values()):
                if isinstance(each, type) and issubclass(each, Task) and each.__module__ == full:
                    each.plugin_name = each.plugin_name or name


def plugin_of(module: str, names: Iterable[str]) -> str | None:
    """Return which of a pipeline's plugins a module belongs to, if any."""
    found = [name for name in names if f"{module}.".startswith(f"{OURS.get(name, name)}.")]
    return max(found, key=len, default=None)


def is_offered(command: type[Command], names: Iterable[str], root: Path | None) -> bool:
    """Tell whether a command is one of this pipeline, and not of another one in this process."""
    module = command.__module__
    if plugin_of(module, names):
        return True
    if any(f"{module}.".startswith(f"{each}.") for each in _loaded):
        return False
    file: Any = getattr(sys.modules.get(module), "__file__", None)
    if file is None or module == "__main__":
        return True
    others = [each for each in list(_roots) if each != root]
    return not any(Path(file).is_relative_to(each) for each in others if root is None or not root.is_relative_to(each))


_roots: set[Path] = set()
"""The folders of all pipelines that this process has opened."""


def remember(root: Path | None) -> None:
    """Keep in mind that what is in a folder belongs to a pipeline."""
    if root is not None:
        _roots.add(root)
