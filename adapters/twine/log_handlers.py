"""Octue's log format, for programs that apply it themselves: `apply_log_handler`.

Runs of apps need none of it: their records go to whoever runs them. Colours are used on terminals only, and handlers
that somebody else has added stay where they are.
"""

from __future__ import annotations

import logging
import os
import sys

_CLOUD = {"GOOGLE_CLOUD_FUNCTION", "GOOGLE_CLOUD_RUN", "GOOGLE_DATAFLOW"}
_GREEN, _PLAIN = "\x1b[32m", "\x1b[0m"


def get_log_record_attributes(
    *, include_line_number: bool = False, include_process_name: bool = False, include_thread_name: bool = False
) -> list[str]:
    """Return what stands in the brackets of a line; without the time where a cloud's log has its own."""
    parts = [] if os.environ.get("COMPUTE_PROVIDER") in _CLOUD else ["%(asctime)s"]
    parts += ["%(levelname)s", "%(name)s"]
    chosen = (
        (include_line_number or _asked("INCLUDE_LINE_NUMBER_IN_LOGS"), "%(lineno)d"),
        (include_process_name or _asked("INCLUDE_PROCESS_NAME_IN_LOGS"), "%(processName)s"),
        (include_thread_name or _asked("INCLUDE_THREAD_NAME_IN_LOGS"), "%(threadName)s"),
    )
    return parts + [part for wanted, part in chosen if wanted]


def create_octue_formatter(
    log_record_attributes: list[str],
    additional_context: list[str] | None = None,
    *,
    use_colour: bool = False,
) -> logging.Formatter:
    """Return a formatter of ``[time | LEVEL | logger] message``; each context stands in brackets of its own."""
    start, end = (_GREEN, _PLAIN) if use_colour else ("", "")
    contexts = [" | ".join(log_record_attributes), *(additional_context or [])]
    brackets = " ".join(f"{start}[{context}]{end}" for context in contexts)
    return logging.Formatter(f"{brackets} %(message)s")


def apply_log_handler(
    logger_name: str | None = None,
    logger: logging.Logger | None = None,
    handler: logging.Handler | None = None,
    log_level: int | str = logging.INFO,
    formatter: logging.Formatter | None = None,
    include_line_number: bool = False,  # noqa: FBT001, FBT002 (documented so)
    include_process_name: bool = False,  # noqa: FBT001, FBT002
    include_thread_name: bool = False,  # noqa: FBT001, FBT002
) -> logging.Handler:
    """Add a handler to a logger, the root's if none is named; returns the handler.

    Args:
        logger_name: the logger's name.
        logger: the logger itself, which counts if both are given.
        handler: what to add; one that writes to standard error if None.
        log_level: records below it are ignored, a number or a name in any case.
        formatter: how lines look; the arguments below count without one.
        include_line_number: whether lines tell the line of the program.
        include_process_name: whether lines tell the process.
        include_thread_name: whether lines tell the thread.
    """
    logger = logger or logging.getLogger(logger_name)
    handler = handler or logging.StreamHandler()
    if formatter is None:
        formatter = create_octue_formatter(
            get_log_record_attributes(
                include_line_number=include_line_number,
                include_process_name=include_process_name,
                include_thread_name=include_thread_name,
            ),
            use_colour=_is_terminal(handler),
        )
    level = log_level.upper() if isinstance(log_level, str) else log_level
    handler.setFormatter(formatter)
    handler.setLevel(level)
    if handler not in logger.handlers:
        logger.addHandler(handler)
    logger.setLevel(level)
    return handler


def _asked(variable: str) -> bool:
    return os.environ.get(variable) == "1"


def _is_terminal(handler: logging.Handler) -> bool:
    stream = getattr(handler, "stream", None)
    return stream in {sys.stderr, sys.stdout} and stream is not None and stream.isatty()
