"""Modules that belong to one load of one app: two apps in one process never share a module, even of the same name.

How it works: an app's modules are executed with a built-ins dictionary of their own, whose ``__import__`` looks in the
app's folders first and keeps what it finds there in a table of its own instead of in ``sys.modules``. Every import
statement of those modules goes through it, also inside functions, in other threads and long after the load. Anything
not found in the folders is imported as usual and shared.

What it does not do: ``importlib.import_module("sibling")`` from an app, pickling of classes that an app defines and
``multiprocessing`` go round it. An app that needs those runs in a child process.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import importlib.util
import threading
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any


class PrivateModules:
    """The modules of one load of one app, from the folders ``roots``."""

    def __init__(self, roots: Sequence[str]) -> None:
        """Load nothing yet."""
        self._roots = list(roots)
        self._modules: dict[str, ModuleType] = {}
        self._lock = threading.RLock()
        self._builtins = {**vars(builtins), "__import__": self._import}

    def load(self, name: str) -> ModuleType:
        """Import a module by its absolute name, from the folders or, failing that, as usual."""
        module = self._find(name)
        return module if module is not None else importlib.import_module(name)

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 (the names of the function that it stands for)
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        package = (globals or {}).get("__package__")
        absolute = importlib.util.resolve_name("." * level + name, package) if level else name
        module = self._find(absolute)
        if module is None:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        for attribute in fromlist or ():
            if attribute == "*":
                for listed in getattr(module, "__all__", ()):
                    self._submodule(module, listed)
            else:
                self._submodule(module, attribute)
        return module if fromlist else self._modules[absolute.partition(".")[0] if not level else absolute]

    def _submodule(self, package: ModuleType, name: str) -> None:
        if not hasattr(package, name) and hasattr(package, "__path__"):
            self._find(f"{package.__name__}.{name}")

    def _find(self, name: str) -> ModuleType | None:
        with self._lock:
            if name in self._modules:
                return self._modules[name]
            parent_name, _, short_name = name.rpartition(".")
            if parent_name:
                parent = self._find(parent_name)
                if parent is None:
                    return None
                search = list(getattr(parent, "__path__", []))
            else:
                parent, search = None, self._roots
            spec = importlib.machinery.PathFinder.find_spec(name, search)
            if spec is None:
                if parent is not None:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)
                return None
            module = self._execute(spec)
            if parent is not None:
                setattr(parent, short_name, module)
            return module

    def _execute(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.util.module_from_spec(spec)
        module.__dict__["__builtins__"] = self._builtins
        self._modules[spec.name] = module
        try:
            if spec.loader is not None and not _is_namespace(spec):
                spec.loader.exec_module(module)
        except BaseException:
            del self._modules[spec.name]
            raise
        return module


def _is_namespace(spec: importlib.machinery.ModuleSpec) -> bool:
    return spec.origin is None and spec.submodule_search_locations is not None
