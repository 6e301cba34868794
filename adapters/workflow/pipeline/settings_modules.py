"""A pipeline's settings: what it is made of, as the uppercase names of a Python module, over defaults.

Of several places to name the module, the first that does is taken: ``--settings``, ``$OUTFLOW_SETTINGS_MODULE``, and
``settings.py`` in the pipeline's folder. A module in that folder is run for each pipeline anew, so that two of one
process do not share it. What changes from run to run belongs into the configuration.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.adapters.errors import InputInvalid, Problem
from fairlead.adapters.workflow.masking import Mask

VARIABLE = "OUTFLOW_SETTINGS_MODULE"
_FOLDERS = ("TEMP_DIR",)
"""Settings that are paths, also where they were written as texts."""


class Settings:
    """Settings as attributes."""

    def __init__(self, values: Mapping[str, Any] | None = None, *, source: str = "the defaults") -> None:
        """Take what overrides the defaults; ``source`` is where it was written."""
        from fairlead.adapters.workflow.pipeline import default_settings

        self.source = source
        for names in (vars(default_settings), values or {}):
            for name, value in names.items():
                if name.isupper():
                    setattr(self, name, Path(value) if name in _FOLDERS else value)

    @classmethod
    def load(cls, module: str | None, folder: Path | None, overrides: Mapping[str, Any]) -> Settings:
        """Read the module that is named here or by ``$OUTFLOW_SETTINGS_MODULE``, or else the pipeline's own, if any.

        Raises `InputInvalid` if a module that is named is not there.
        """
        by = "--settings"
        if not module and (module := os.environ.get(VARIABLE)):
            by = f"${VARIABLE}"
        values, source = _names_of(module or "settings", folder, by=by if module else "")
        if folder is not None:
            values = {"ROOT_DIRECTORY": str(folder), **values}
        return cls({**values, **overrides}, source=source)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        msg = f"There is no setting {name} in {self.source}. There are: {', '.join(sorted(self.to_dict()))}."
        raise AttributeError(msg, name=name, obj=self)

    def to_dict(self) -> dict[str, Any]:
        """Return all settings by name."""
        return {name: value for name, value in vars(self).items() if name.isupper()}

    def __repr__(self) -> str:
        """Show the names and values, without what is secret."""
        return f"<Settings {Mask().data(self.to_dict())}>"


def _names_of(module: str, folder: Path | None, *, by: str) -> tuple[dict[str, Any], str]:
    """Return what a module says and where it is; one in the folder goes before one that is elsewhere."""
    path = (folder or Path()).joinpath(*module.split(".")).with_suffix(".py")
    if folder is not None and path.is_file():
        spec = importlib.util.spec_from_file_location(module, path)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return vars(made), str(path)
    if not by:
        return {}, "the defaults"
    try:
        return vars(importlib.import_module(module)), module
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # something that it imports
        remedy = "Give the import path of a module that is in the pipeline's folder or on the Python path."
        raise InputInvalid(Problem(f"{by} {module}", "is no module", "e.g. my_project.my_settings", remedy)) from None
