"""Modules that belong to one load of one app: two apps in one process never share a module, even of the same name.

How it works: every load has a mark, and its modules are in ``sys.modules`` under names that bear it, such as
``weather@0000001f`` or ``wind@0000001f.rose``. They are executed with a built-ins dictionary of their own, whose
``__import__`` puts the mark on every name that is in the app's folders and leaves all others as they are; Python's own
import system does the rest. So every import statement of those modules is private, also inside functions, in other
threads and long after the load, and whoever looks a class's module up by its name finds it (data classes, type hints,
pickling in this process).

What it does not do: ``importlib.import_module("sibling")`` from an app and the fresh interpreters of
``multiprocessing`` do not find its modules. An app that needs those runs in a child process.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import itertools
import logging
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder, SourceFileLoader, SourcelessFileLoader
from types import ModuleType
from typing import Any

from fairlead.adapters.isolation.app_source import SourceLoader

_numbers = itertools.count(1)
MARK = "@"
"""What begins the mark in a name; no name that Python can import otherwise has it."""


class PrivateModules:
    """The modules of one load of one app, from the folders ``roots``; forgotten when it is closed."""

    def __init__(self, roots: Sequence[str]) -> None:
        """Load nothing yet."""
        self._roots = list(roots)
        self._mark = f"{MARK}{next(_numbers):08x}"
        self._builtins = {**vars(builtins), "__import__": self._import}
        self._found: set[str] = set()
        _finder.loads[self._mark] = self

    def load(self, name: str) -> ModuleType:
        """Import a module by its absolute name, from the folders or, failing that, as usual."""
        return importlib.import_module(self._marked(name))

    def plain(self, text: str) -> str:
        """Return a text without the mark: names of modules, loggers and exceptions as the app's author knows them."""
        return text.replace(self._mark, "")

    def close(self) -> None:
        """Forget the modules, and the loggers that bear their names."""
        del _finder.loads[self._mark]
        for name in self._found:
            sys.modules.pop(name, None)
        loggers = logging.Logger.manager.loggerDict
        for name in [*loggers]:
            if self._mark in name:
                loggers.pop(name, None)

    def find(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """Return how to load a module whose name bears the mark; ``path`` is that of the package it is in, if any."""
        found = PathFinder.find_spec(name, path) if path is not None else self._in_roots(name.removesuffix(self._mark))
        if found is None:
            return None
        if isinstance(found.loader, SourcelessFileLoader):
            return None  # see ``app_source``
        self._found.add(name)
        locations = found.submodule_search_locations
        if found.origin is None:
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [*(locations or ())]
            return spec
        loader = found.loader
        if isinstance(loader, SourceFileLoader):
            loader = _PrivateSource(name, str(loader.path), self._builtins)
        elif isinstance(loader, ExtensionFileLoader):
            loader = _PrivateExtension(found.name, str(loader.path))
        return importlib.util.spec_from_file_location(
            name, found.origin, loader=loader, submodule_search_locations=locations
        )

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 (the names of the function that it stands for)
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        return builtins.__import__(name if level else self._marked(name), globals, locals, fromlist or (), level)

    def _marked(self, name: str) -> str:
        top, dot, rest = name.partition(".")
        marked = top + self._mark
        return marked + dot + rest if marked in sys.modules or self._in_roots(top) else name

    def _in_roots(self, top: str) -> ModuleSpec | None:
        """Look a top-level name up in the folders; a mere folder of that name does not hide a module from elsewhere."""
        if top in sys.builtin_module_names:
            return None
        found = PathFinder.find_spec(top, self._roots)
        if found is not None and found.origin is None:
            elsewhere = sys.modules.get(top) or importlib.util.find_spec(top)
            return None if elsewhere else found
        return found


class _PrivateSource(SourceLoader):
    """Executes a module with built-ins of its own."""

    def __init__(self, name: str, path: str, builtins: Mapping[str, Any]) -> None:
        super().__init__(name, path)
        self._builtins = builtins

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = self._builtins
        super().exec_module(module)


class _PrivateExtension(ExtensionFileLoader):
    """Initialises a compiled module under the name that it was compiled with."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return super().create_module(ModuleSpec(self.name, self, origin=spec.origin))


class _Finder:
    """Finds the modules of all loads that are open, on behalf of Python's import system."""

    def __init__(self) -> None:
        self.loads: dict[str, PrivateModules] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        _, at, number = name.partition(".")[0].rpartition("@")
        load = self.loads.get(at + number) if at else None
        return load.find(name, path) if load else None


_finder = _Finder()
# First, because PathFinder would find the modules of private packages too. It stays: import loops go over this list.
sys.meta_path.insert(0, _finder)
