"""A pipeline's configuration: what differs from one place or run to another, read from a JSON, YAML or TOML file.

Of several places to name the file, the first that does is taken: ``--config``, ``$OUTFLOW_CONFIG_PATH``, and
``config.{json,yml,yaml,toml}`` in the pipeline's folder. YAML files can include others: ``databases: !include db.yml``.
What a pipeline is, whatever its configuration, is in its settings; see ``settings_modules``.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from fairlead.adapters import json_text
from fairlead.adapters.errors import InputInvalid, Problem
from fairlead.adapters.workflow.masking import Mask, secrets_in
from fairlead.adapters.workflow.pipeline.logging import DEFAULT_LOGGING

VARIABLE = "OUTFLOW_CONFIG_PATH"
SUFFIXES = ("json", "yml", "yaml", "toml")
DEFAULTS: Mapping[str, Any] = {
    "logging": DEFAULT_LOGGING,
    "databases": {"default": {"dialect": "sqlite", "path": "outflow.db"}},
}
"""What holds where the file says nothing; a section of the file replaces all of its default."""


class NotConfigured(InputInvalid, AttributeError, KeyError):
    """The configuration has nothing under this name."""


class Config(MutableMapping[str, Any]):
    """A configuration: a mapping whose keys are attributes as well.

    Values are plain data: mappings below the first level have no attributes.
    """

    path: Path | None
    """The file that it was read from, if any."""

    def __init__(self, values: Mapping[str, Any] | None = None, *, path: Path | None = None) -> None:
        """Take what a file says; what it does not say is as in `DEFAULTS`."""
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "_values", {**copy.deepcopy(dict(DEFAULTS)), **(values or {})})

    @classmethod
    def load(cls, file: str | os.PathLike[str] | None, folder: Path | None) -> Config:
        """Read the file that is named here or by ``$OUTFLOW_CONFIG_PATH``, or else the one in the pipeline's folder.

        Raises `InputInvalid` if a file that is named is not there, if there are several in the folder, or if one cannot
        be read as what it is.
        """
        for named, by in ((file, "--config"), (os.environ.get(VARIABLE), f"${VARIABLE}")):
            if named:
                path = Path(named).expanduser()
                if not path.is_file():
                    raise InputInvalid(
                        Problem(f"{by} {named}", "is no file", "a configuration file", "Check the path.")
                    )
                return cls(read(path), path=path.resolve())
        found = [path for suffix in SUFFIXES if folder and (path := folder / f"config.{suffix}").is_file()]
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise InputInvalid(
                Problem(str(folder), f"has several configuration files: {names}", "one", "Name one: --config PATH.")
            )
        return cls(read(found[0]), path=found[0].resolve()) if found else cls()

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            there = ", ".join(map(str, self._values)) or "nothing"
            where = f"config.{name}"
            remedy = f"Write it into {self.path or 'a configuration file, e.g. config.yml'}."
            raise NotConfigured(Problem(where, f"is missing: there are {there}", "", remedy)) from None

    def __setitem__(self, name: str, value: Any) -> None:
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._values, self.path)

    def __repr__(self) -> str:
        """Show what it says, without what is secret."""
        shown = Mask(secrets_in(self._values)).data(self._values)
        return f"<Config {str(self.path) if self.path else 'without a file'}: {shown}>"


def _restored(values: dict[str, Any], path: Path | None) -> Config:
    return Config(values, path=path)


# Files


def read(path: Path, _above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return what a configuration file says; raises `InputInvalid` if it is no mapping, or cannot be read."""
    path = path.resolve()
    data = _content(path, _above)
    if data is None:
        return {}
    if not isinstance(data, dict):
        remedy = "Write e.g. backend: parallel."
        raise InputInvalid(Problem(str(path), f"is a {type(data).__name__}", "names with values", remedy))
    return data


def _content(path: Path, above: tuple[Path, ...]) -> Any:
    import tomllib

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise InputInvalid(Problem(str(path), found, "a configuration file in UTF-8", "")) from None
    suffix = path.suffix.lower().lstrip(".")
    try:
        if suffix == "json":
            return json_text.parse(text, str(path), InputInvalid, finite=True)
        if suffix == "toml":
            return tomllib.loads(text)
        if suffix in {"yml", "yaml"}:
            return _yaml(text, path, above)
    except ValueError as error:
        raise InputInvalid(Problem(str(path), f"is not {suffix.upper()}: {error}", "", "")) from None
    expected = ", ".join(f".{each}" for each in SUFFIXES)
    raise InputInvalid(Problem(str(path), f"its name ends with {path.suffix or 'nothing'!r}", expected, "Rename it."))


def _yaml(text: str, path: Path, above: tuple[Path, ...]) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # a class of this file, so that the tag knows where it is
        def compose_mapping_node(self, anchor: Any) -> Any:
            """Refuse a key that stands twice, before ``<<`` adds keys that may: one of its values would be lost."""
            node = super().compose_mapping_node(anchor)
            found = set()
            for key, _ in node.value:
                name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
                if name in found:
                    where = f"{path}, line {key.start_mark.line + 1}"
                    problem = Problem(
                        where, f"the key '{key.value}' stands twice in one mapping", "", "Keep one of them."
                    )
                    raise InputInvalid(problem)
                found |= {name} if name else set()
            return node

    def include(loader: Any, node: Any) -> Any:
        is_mapping = isinstance(node, yaml.MappingNode)
        named = loader.construct_mapping(node).get("pathname") if is_mapping else loader.construct_scalar(node)
        other = (path.parent / str(named)).resolve()
        where = f"{path}, !include {named}"
        if other in (*above, path):
            raise InputInvalid(Problem(where, "includes itself", "a file that does not include this one", ""))
        if not other.is_file():
            raise InputInvalid(Problem(where, f"{other} is no file", "a path relative to this file", ""))
        return _content(other, (*above, path))

    Loader.add_constructor("!include", include)
    try:
        return yaml.load(text, Loader)  # noqa: S506 (a safe loader with one tag more)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
