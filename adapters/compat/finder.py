"""The import finder: which of the names below a package are served, and by which modules.

A table is a module with two mappings. ``MODULES`` has an entry for each module that is served, by its full name: the
name of our module, which is then served itself, so that whoever patches it reaches what we use; or a mapping of names
to the modules that have them, of which a package is made that loads them when they are used. ``ABSENT`` says for names
that the package has and we have not, modules or what is in them, what to use instead; what it says of a module holds
for all below it.

It imports nothing of what it serves before it is asked for, and does not look at versions.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import CodeType, ModuleType
    from typing import Any, Protocol

    class Table(Protocol):
        """What is served of a package."""

        MODULES: Mapping[str, str | Mapping[str, str]]
        ABSENT: Mapping[str, str]


class Finder:
    """Finds and loads, on behalf of Python's import system, the modules of packages that are served."""

    def __init__(self) -> None:
        """Serve nothing yet."""
        self._tables: dict[str, str] = {}
        self._preferred: set[str] = set()
        self._served: dict[str, ModuleType] = {}

    def serve(self, package: str, table: str, *, prefer: bool) -> None:
        """Serve a package by the table in a module; only where it is absent, unless ours is preferred."""
        loaded = sys.modules.get(package)
        if prefer and loaded is not None and loaded is not self._served.get(package):
            where = getattr(loaded, "__file__", None) or "elsewhere"
            msg = f"{package} has been imported already, from {where}. Prefer ours before the first import of it."
            raise ImportError(msg, name=package)
        self._tables[package] = table
        if prefer:
            self._preferred.add(package)

    def is_served(self, package: str) -> bool:
        """Tell whether a package has been imported, and is ours."""
        return package in self._served and sys.modules.get(package) is self._served[package]

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Return how to load a module that is served; raises ModuleNotFoundError for one below it that is not."""
        package, dot, _ = name.partition(".")
        if package not in self._tables:
            return None
        if dot and sys.modules[package] is not self._served.get(package):
            return None
        if not dot and package not in self._preferred:
            installed = self._find_elsewhere(name, path, target)
            if installed is not None:
                return installed
        table = self._table(package)
        if name not in table.MODULES:
            # Without a name, because the import system takes one with it for "no such attribute" and says less.
            raise ModuleNotFoundError(_explanation(table, name))
        is_package = not isinstance(table.MODULES[name], str)
        return ModuleSpec(name, self, is_package=is_package)  # type: ignore[arg-type]  # it has what a loader needs

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system to make an empty module."""

    def exec_module(self, module: "ModuleType") -> None:
        """Fill a package that is made of names; put our own module into the place of any other."""
        name = module.__name__
        table = self._table(name.partition(".")[0])
        entry = table.MODULES[name]
        if isinstance(entry, str):
            # Whatever stands there after the load is what is imported; our module keeps its own name and spec.
            module = sys.modules[name] = import_module(entry)
            vars(module).setdefault("__getattr__", _refuse(module, table))
        else:
            vars(module).update(
                __doc__=f"{name}, served by fairlead.",
                __all__=sorted(entry),
                __getattr__=_look_up(module, table, entry),
                __dir__=lambda: sorted({*vars(module), *_names_in(table, name)}),
            )
        self._served[name] = module

    def get_code(self, name: str) -> "CodeType":
        """Return what ``python -m`` runs of a module: that it runs ours as a program."""
        entry = self._table(name.partition(".")[0]).MODULES[name]
        return compile(f"import runpy; runpy.run_module({entry!r}, run_name=__name__)", f"<{name}>", "exec")

    def _table(self, package: str) -> "Table":
        table: Any = import_module(self._tables[package])
        return table  # type: ignore[no-any-return]  # a table is a module

    def _find_elsewhere(
        self, name: str, path: "Sequence[str] | None", target: "ModuleType | None"
    ) -> "ModuleSpec | None":
        """Ask the finders of the import system in turn; a mere folder of that name is no package."""
        for finder in sys.meta_path:
            if finder is not self:
                found = finder.find_spec(name, path, target)
                if found is not None:
                    return found if found.loader is not None else None
        return None


def _look_up(package: "ModuleType", table: "Table", names: "Mapping[str, str]") -> "Callable[[str], object]":
    """Return the ``__getattr__`` of a package that is made of names, which keeps what it has loaded."""

    def __getattr__(name: str) -> object:  # noqa: N807 (that is what it becomes)
        full = f"{package.__name__}.{name}"
        if name in names:
            value = getattr(import_module(names[name]), name)
            setattr(package, name, value)
            return value
        if full in table.MODULES:
            return import_module(full)
        raise AttributeError(_explanation(table, full), name=name, obj=package)

    return __getattr__


def _refuse(module: "ModuleType", table: "Table") -> "Callable[[str], object]":
    """Return the ``__getattr__`` of a module of ours that is served.

    For a name that is known to be absent it raises ImportError, because of an AttributeError in ``from module import
    name`` the import system keeps no word.
    """
    served = [name for name, entry in table.MODULES.items() if entry == module.__name__]

    def __getattr__(name: str) -> object:  # noqa: N807 (that is what it becomes)
        hints = [hint for each in served if (hint := table.ABSENT.get(f"{each}.{name}"))]
        there = ", ".join(sorted(_public(module)))
        message = f"{module.__name__}, which is served as {' and '.join(served)}, has no {name!r}. It has: {there}."
        raise (ImportError if hints else AttributeError)(" ".join([message, *hints]), name=name)

    return __getattr__


def _explanation(table: "Table", name: str) -> str:
    """Say that a name is not served, what is there beside it, and what to use instead."""
    around = name.rpartition(".")[0]
    while around not in table.MODULES:
        around = around.rpartition(".")[0]
    sentences = [f"{name.partition('.')[0]} is served by fairlead, which has no {name}."]
    there = _names_in(table, around)
    if there:
        sentences.append(f"In {around} there are: {', '.join(sorted(there))}.")
    known = name
    while known and known not in table.ABSENT:
        known = known.rpartition(".")[0]
    if known:
        sentences.append(table.ABSENT[known])
    return " ".join(sentences)


def _names_in(table: "Table", module: str) -> "set[str]":
    """Return the public names of a module that is served, with those of the modules below it."""
    entry = table.MODULES[module]
    below = {other.rpartition(".")[2] for other in table.MODULES if other.rpartition(".")[0] == module}
    return below | (_public(import_module(entry)) if isinstance(entry, str) else {*entry})


def _public(module: "ModuleType") -> "set[str]":
    """Return the names that a module says are public, else those of what is defined in it."""
    names = vars(module)
    if "__all__" in names:
        return {*names["__all__"]}
    return {
        name
        for name, value in names.items()
        if name[0] != "_" and getattr(value, "__module__", None) == module.__name__
    }
