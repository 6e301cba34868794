"""Packages whose names are loaded when they are first used: importing them costs next to nothing.

Airflow imports operators whenever it parses a DAG file, Prefect its collections whenever its command line starts, and
every child process the packages on the way to its own module.
"""

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def attributes(package: str, modules: "Mapping[str, str]") -> "Callable[[str], object]":
    """Return a module-level ``__getattr__`` for a package; ``modules`` says in which module of it each name is."""

    def __getattr__(name: str) -> object:  # noqa: N807 (that is what it becomes)
        if name not in modules:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg)
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return __getattr__
