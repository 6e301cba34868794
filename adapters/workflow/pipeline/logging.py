"""What a pipeline logs, and where to: ``logger`` is the logger of whoever imports it, and lines go to the console.

The ``logging`` section of the configuration is what `logging.config.dictConfig` takes, with a console, a file and a
level that are there without being written. Loggers are shared by a process, so a pipeline adds its handlers for as long
as it runs, and they take no lines of other pipelines; handlers of whoever runs the process, and of pytest, stay.
"""

from __future__ import annotations

import copy
import logging
import logging.config
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.adapters.errors import InputInvalid, Problem

if TYPE_CHECKING:
    from fairlead.adapters.workflow.pipeline.scope import Scope

    logger = logging.getLogger()
    """The logger of the module that imports it."""

_ON_THE_WAY = ("importlib", "fairlead.adapters.compat.finder", "fairlead.adapters.lazy")
"""What may stand between a module and the logger that it imports."""
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LINE = "%(asctime)s - %(name)s - %(filename)s:%(lineno)d - %(levelname)s - %(message)s"
CONSOLE, FILE = "console", "file"
DEFAULT_LOGGING: Mapping[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {CONSOLE: {"format": LINE}, FILE: {"format": LINE}},
    "handlers": {
        CONSOLE: {"class": f"{__name__}.ConsoleHandler", "formatter": CONSOLE},
        FILE: {
            "class": "logging.handlers.RotatingFileHandler",
            "formatter": FILE,
            "filename": "pipeline.log",
            "maxBytes": 10_000_000,
            "backupCount": 5,
            "encoding": "utf-8",
            "delay": True,
        },
    },
    "loggers": {"alembic.runtime.plugins": {"level": "WARNING"}},
}
"""What every pipeline has; a handler ``file`` that no logger uses makes no file."""


def __getattr__(name: str) -> Any:
    """Return the logger of the module that asks."""
    if name != "logger":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    frame = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] (the only way to know who asks)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_ON_THE_WAY):
        frame = frame.f_back
    return logging.getLogger(frame.f_globals.get("__name__"))


class ConsoleHandler(logging.StreamHandler[Any]):
    """Writes lines to standard error: coloured in a terminal, unless ``NO_COLOR`` or ``--no-color`` forbids it."""

    _STYLES = {"DEBUG": "dim", "INFO": "green", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}  # noqa: RUF012

    def __init__(self, stream: Any = None, *, color: bool = True) -> None:
        """Write to a stream; without one, to what is standard error when a line is written."""
        super().__init__(stream)
        self._own = stream
        self._color = color

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        self.stream = sys.stderr if self._own is None else self._own
        if self._color and not os.environ.get("NO_COLOR") and self.stream.isatty():
            self._write_coloured(record)
        else:
            super().emit(record)

    def _write_coloured(self, record: logging.LogRecord) -> None:
        from rich.console import Console
        from rich.text import Text

        try:
            text = Text(self.format(record))
            text.highlight_words([record.levelname], self._STYLES.get(record.levelname, ""))
            text.highlight_words([record.name], "cyan")
            Console(file=self.stream, soft_wrap=True, highlight=False).print(text)
        except Exception:  # noqa: BLE001 (as handlers do with whatever goes wrong in them)
            self.handleError(record)


_active: list[PipelineLogging] = []
_before: dict[str, tuple[int, bool]] = {}
"""Levels and propagation of loggers before the first pipeline that is still open."""
_lock = threading.Lock()


class PipelineLogging:
    """The handlers and levels of one pipeline, in force from `start` to `stop`."""

    def __init__(
        self,
        section: Mapping[str, Any],
        *,
        names: Iterable[str],
        level: str | None = None,
        color: bool = True,
        folder: Path | None = None,
        scope: Scope | None = None,
    ) -> None:
        """Take the configuration's section.

        Args:
            section: its ``logging``.
            names: loggers that are heard on the console also where the root logger's lines go elsewhere: of plugins.
            level: that of ``--log-level``; INFO if it is not given.
            color: whether the console may be coloured.
            folder: where the handler ``file`` makes its file.
            scope: whose lines these are.

        Raises:
            InputInvalid: it is no such section.
        """
        self.scope = scope
        self.tree = merged(section, names=names, level=level, color=color, folder=folder)
        self._added: list[tuple[logging.Logger, logging.Handler]] = []
        self._handlers: list[logging.Handler] = []

    def start(self) -> None:
        """Add the handlers and set the levels."""
        configurator = logging.config.DictConfigurator(copy.deepcopy(self.tree))
        parts = configurator.config
        what = ""
        try:
            for what, each in parts["formatters"].items():
                parts["formatters"][what] = configurator.configure_formatter(each)
            for what, each in parts.get("filters", {}).items():
                parts["filters"][what] = configurator.configure_filter(each)
            for what in sorted(parts["handlers"], key=lambda name: "target" in parts["handlers"][name]):
                handler = configurator.configure_handler(parts["handlers"][what])
                handler.name = what
                handler.addFilter(self._is_ours)
                parts["handlers"][what] = handler
                self._handlers.append(handler)
        except Exception as error:
            self._close()
            why = error.__cause__ or error
            raise InputInvalid(Problem(f"config.logging, '{what}'", f"{why}", "what dictConfig takes", "")) from error
        with _lock:
            _active.append(self)
            for name, entry in parts["loggers"].items():
                self._set(logging.getLogger(name or None), entry, parts["handlers"])

    def stop(self) -> None:
        """Take the handlers away and, if no pipeline is left, put the levels back."""
        with _lock:
            for logger, handler in self._added:
                logger.removeHandler(handler)
            if self in _active:
                _active.remove(self)
            if not _active:
                for name, (level, propagates) in _before.items():
                    logger = logging.getLogger(name or None)
                    logger.setLevel(level)
                    logger.propagate = propagates
                _before.clear()
        self._close()

    def _set(self, logger: logging.Logger, entry: Mapping[str, Any], handlers: Mapping[str, logging.Handler]) -> None:
        name = "" if logger.parent is None else logger.name
        _before.setdefault(name, (logger.level, logger.propagate))
        if entry.get("level") is not None:
            logger.setLevel(entry["level"])
        if "propagate" in entry:
            logger.propagate = entry["propagate"]
        for each in entry.get("handlers", ()):
            logger.addHandler(handlers[each])
            self._added.append((logger, handlers[each]))

    def _is_ours(self, _record: logging.LogRecord) -> bool:
        from fairlead.adapters.workflow.pipeline.scope import current_or_none

        scope = current_or_none()
        return scope is None or self.scope is None or scope is self.scope

    def _close(self) -> None:
        for handler in self._handlers:
            handler.close()
        self._handlers.clear()


def merged(
    section: Any, *, names: Iterable[str], level: str | None, color: bool, folder: Path | None = None
) -> dict[str, Any]:
    """Return a whole tree for `dictConfig` from what a configuration says of it.

    Without an entry for the root logger, that has the console. With one that has not, the loggers of ``names`` have it.
    A logger with a handler that the root logger has too does not hand its lines on, so that none is written twice.
    Raises `InputInvalid` for what is no section, or names a handler or level that is not there.
    """
    if not isinstance(section, Mapping):
        raise InputInvalid(Problem("config.logging", f"is {section!r}", "names with values", ""))
    tree = copy.deepcopy({**DEFAULT_LOGGING, **section})
    for part in ("formatters", "handlers"):
        tree[part] = copy.deepcopy({**DEFAULT_LOGGING[part], **(section.get(part) or {})})
    console, file = tree["handlers"][CONSOLE], tree["handlers"][FILE]
    if not color and console == DEFAULT_LOGGING["handlers"][CONSOLE]:
        console["color"] = False
    if folder is not None and file == DEFAULT_LOGGING["handlers"][FILE]:
        file["filename"] = str(folder / file["filename"])
    loggers = {name: dict(entry or {}) for name, entry in (tree.get("loggers") or {}).items()}
    root = {**loggers.pop("", {}), **(tree.pop("root", None) or {})} or {
        "level": level or "INFO",
        "handlers": [CONSOLE],
    }
    for name in names if level else ():
        loggers.setdefault(name, {})["level"] = level
    if CONSOLE in root.get("handlers", ()):
        for entry in loggers.values():
            if set(entry.get("handlers", ())) & set(root["handlers"]):
                entry.setdefault("propagate", False)
    else:
        for name in names:
            loggers.setdefault(name, {"level": level or "INFO"}).setdefault("handlers", [CONSOLE])
    tree["loggers"] = {"": root, **loggers}
    _check(tree)
    return tree


def _check(tree: Mapping[str, Any]) -> None:
    for name, entry in tree["loggers"].items():
        where = f"config.logging.loggers.{name or 'root'}"
        for each in entry.get("handlers", ()):
            if each not in tree["handlers"]:
                expected = f"one of: {', '.join(tree['handlers'])}"
                raise InputInvalid(Problem(f"{where}.handlers", f"'{each}' is no handler", expected, "Define it."))
        level = entry.get("level")
        if isinstance(level, str) and level not in logging.getLevelNamesMapping():
            raise InputInvalid(Problem(f"{where}.level", f"{level!r} is no level", ", ".join(LEVELS), ""))


def levels() -> dict[str, int]:
    """Return the levels that were set by pipelines in this process, for one that works for it."""
    with _lock:
        return {name: logging.getLogger(name or None).level for name in _before}
