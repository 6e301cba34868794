"""Where code finds the pipeline that it runs in: ``context``, ``config`` and ``settings``, wherever they are imported.

They are looked up when they are used, in the scope of the pipeline that is running: each pipeline of a process has its
own, in any thread. A worker process gets that of the process which it works for (`WorkerSetup`). They do not hold
between runs: nothing that is set in one pipeline is seen in the next.
"""

from __future__ import annotations

import logging
import pickle
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from fairlead.adapters.errors import ContractInvalid, Problem
from fairlead.adapters.workflow.run_state import configured_parameters

if TYPE_CHECKING:
    from types import TracebackType

    from fairlead.adapters.workflow.pipeline.configuration import Config
    from fairlead.adapters.workflow.pipeline.settings_modules import Settings
    from fairlead.adapters.workflow.records.databases import Databases


class PipelineContext:
    """What a command runs with. Whatever else is set as an attribute is kept until the pipeline ends."""

    def __init__(self, config: Config, settings: Settings) -> None:
        """Start as a pipeline that has parsed nothing yet."""
        self.config = config
        self.settings = settings
        self.args = Namespace()
        """The command line, parsed."""
        self.extra_args: list[str] = []
        """What a command with ``allow_extra_args`` was given besides its own arguments."""
        self.backend_name = "default"
        self.db_untracked = False
        self.dry_run = False
        """Whether no database is used."""
        self.force_dry_run = False
        self.overwrite_cache = False
        self._databases: Databases | None = None

    @property
    def databases(self) -> Databases:
        """The databases of the configuration, opened when they are first asked for."""
        if self._databases is None:
            try:
                self._databases = databases_of(self.config, self.settings)
            except ModuleNotFoundError as error:
                raise ContractInvalid(
                    Problem("context.session", f"{error.name} is not installed", "", "pip install 'fairlead[db]'")
                ) from None
        return self._databases

    @property
    def session(self) -> Any:
        """A session of SQLAlchemy for all databases, with the role that works with data."""
        return self.databases.session

    @property
    def admin_session(self) -> Any:
        """Likewise, with the role that may change tables."""
        return self.databases.admin_session

    def close_sessions(self) -> None:
        """Roll back what was not committed, and close the sessions, if any was opened."""
        if self._databases is not None:
            self._databases.close_sessions()

    def close(self) -> None:
        """Close the databases, if any was opened."""
        if self._databases is not None:
            self._databases.close()
            self._databases = None

    def forget_databases(self) -> None:
        """Leave connections to the process that opened them."""
        self._databases = None


def databases_of(config: Config, settings: Settings) -> Databases:
    """Return the databases of a pipeline, by its configuration and settings; none is opened."""
    from fairlead.adapters.workflow.records.databases import Databases

    root = settings.ROOT_DIRECTORY
    return Databases(config, main=settings.MAIN_DATABASE, root=Path(root) if root else None)


@dataclass(eq=False)
class Scope:
    """All that a pipeline has."""

    config: Config
    settings: Settings
    context: PipelineContext


_current: ContextVar[Scope | None] = ContextVar("fairlead_pipeline", default=None)
_variables: tuple[ContextVar[Any], ...] = (_current, configured_parameters)
_open: list[Scope] = []
"""All that there are in this process."""
_lock = threading.Lock()


def current() -> Scope:
    """Return the scope that this is in.

    A thread that was started without one finds the only one that there is. Raises `ContractInvalid` if there is none.
    """
    scope = _current.get()
    if scope is None:
        opened = list(_open)
        if len(opened) == 1:
            return opened[0]
        raise ContractInvalid(
            Problem(
                "context, config and settings",
                "were used outside a pipeline" if not opened else "were used in a thread of none of several pipelines",
                "use in a task, in setup_tasks, or in what a plugin does when it is imported",
                "Elsewhere, write `with Pipeline(root_directory=...)`, or in tests PipelineContextManager.",
            )
        )
    return scope


def current_or_none() -> Scope | None:
    """Return the scope of this thread, if it has one."""
    return _current.get()


class PipelineContextManager:
    """Opens a scope: one that is given, or one with default settings and an empty configuration."""

    def __init__(self, scope: Scope | None = None) -> None:
        """Take the scope."""
        self.scope = scope
        self._tokens: list[Token[Any]] = []

    def __enter__(self) -> Self:
        """Open it."""
        if self.scope is None:
            self.scope = new_scope()
        values = (self.scope, _Parameters(self.scope.config))
        self._tokens = [variable.set(value) for variable, value in zip(_variables, values, strict=True)]
        with _lock:
            _open.append(self.scope)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it, with the databases that were opened in it."""
        assert self.scope is not None
        with _lock:
            _open.remove(self.scope)
        for variable, token in zip(_variables, self._tokens, strict=True):
            try:
                variable.reset(token)
            except ValueError:  # a fixture of pytest is left in another context than it was entered in
                variable.set(None if token.old_value is Token.MISSING else token.old_value)
        self.scope.context.close()


def new_scope(config: Config | None = None, settings: Settings | None = None) -> Scope:
    """Make a scope of what a pipeline has read; defaults stand for the rest."""
    from fairlead.adapters.workflow.pipeline.configuration import Config
    from fairlead.adapters.workflow.pipeline.settings_modules import Settings

    config = Config() if config is None else config
    settings = settings or Settings()
    return Scope(config, settings, PipelineContext(config, settings))


class _Parameters(Mapping[str, Any]):
    """The ``parameters`` of a configuration, as they are when they are asked for."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def _section(self) -> Mapping[str, Any]:
        return self._config.get("parameters") or {}

    def __getitem__(self, name: str) -> Any:
        return self._section()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._section())

    def __len__(self) -> int:
        return len(self._section())

    def __bool__(self) -> bool:
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


# Proxies


class _Proxy:
    """Stands for a part of the scope that it is used in."""

    __slots__ = ("_part",)

    def __init__(self, part: str) -> None:
        object.__setattr__(self, "_part", part)

    def _found(self) -> Any:
        return getattr(current(), object.__getattribute__(self, "_part"))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # what inspects modules asks for such, outside any pipeline
        return getattr(self._found(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._found(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._found(), name)

    def __getitem__(self, name: str) -> Any:
        return self._found()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._found()[name] = value

    def __delitem__(self, name: str) -> None:
        del self._found()[name]

    def __contains__(self, name: object) -> bool:
        return name in self._found()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        scope = _current.get()
        part = object.__getattribute__(self, "_part")
        return f"<{part} of the pipeline that runs>" if scope is None else repr(getattr(scope, part))

    def __reduce__(self) -> str:
        return str(object.__getattribute__(self, "_part"))


context = cast("PipelineContext", _Proxy("context"))
"""The context of the pipeline that runs."""
config = cast("Config", _Proxy("config"))
"""Its configuration."""
settings = cast("Settings", _Proxy("settings"))
"""Its settings."""


# Worker processes


class WorkerSetup:
    """What a process that works for a pipeline calls first; then it is in the pipeline's scope, as far as it goes.

    It can be pickled: then Python's path, served packages, settings, configuration, the command line, what was set in
    the context and the levels of logging travel with it. What cannot be pickled of the settings and the context stays
    behind, as databases do: the worker opens its own.
    """

    def __init__(self, scope: Scope) -> None:
        """Take the scope."""
        self._scope = scope

    def __call__(self) -> None:
        """Enter the scope in a process that was forked."""
        self._scope.context.forget_databases()
        _enter(self._scope)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        from fairlead.adapters.workflow.pipeline.logging import levels

        scope = self._scope
        own = {name: value for name, value in vars(scope.context).items() if name not in {"config", "settings"}}
        own.pop("_databases")
        payload = _pickled(
            {
                "config": scope.config,
                "settings": _portable({**scope.settings.to_dict(), "ROOT_COMMAND_CLASS": None}),
                "context": _portable(own),
            }
        )
        return _Restore, (tuple(sys.path), "outflow" in sys.modules, levels(), payload)


@dataclass(frozen=True)
class _Restore:
    """A `WorkerSetup` in another process; its payload is read when the process can import what is in it."""

    path: tuple[str, ...]
    serves_outflow: bool
    levels: Mapping[str, int]
    payload: bytes

    def __call__(self) -> None:
        sys.path.extend(each for each in self.path if each not in sys.path)
        if self.serves_outflow:
            from fairlead.adapters import compat

            compat.install("outflow", prefer="outflow" not in sys.modules)
        for name, level in self.levels.items():
            logging.getLogger(name).setLevel(level)
        parts = pickle.loads(self.payload)  # noqa: S301 (from the process that it works for)
        from fairlead.adapters.workflow.pipeline.settings_modules import Settings

        settings = {name: value for name, value in parts["settings"].items() if name != "ROOT_COMMAND_CLASS"}
        scope = new_scope(parts["config"], Settings(settings, source="the settings of the pipeline"))
        vars(scope.context).update(parts["context"])
        _enter(scope)


def _enter(scope: Scope) -> None:
    _current.set(scope)
    configured_parameters.set(_Parameters(scope.config))
    _open[:] = [scope]


def _portable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what can be pickled."""
    found = {}
    for name, value in values.items():
        try:
            _pickled(value)
        except Exception as error:  # noqa: BLE001 (whatever a value's own pickling raises)
            logging.getLogger(__name__).debug("%s stays in this process: %s", name, error)
        else:
            found[name] = value
    return found


def _pickled(value: Any) -> bytes:
    import cloudpickle

    data: bytes = cloudpickle.dumps(value)
    return data
