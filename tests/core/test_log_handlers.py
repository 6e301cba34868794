"""Octue's log format, where a program applies it itself."""

from __future__ import annotations

import io
import logging

import pytest

from fairlead.adapters.twine.log_handlers import apply_log_handler


@pytest.fixture
def logger():
    logger = logging.getLogger("test_log_handlers.named")
    logger.propagate = False
    yield logger
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def stream():
    return logging.StreamHandler(io.StringIO())


def test_a_line_tells_time_level_and_logger(logger, stream):
    assert apply_log_handler(logger_name=logger.name, handler=stream) is stream
    logger.info("hello")
    time, level, rest = stream.stream.getvalue().strip("[").split(" | ")
    assert time[:2] == "20"
    assert (level, rest) == ("INFO", f"{logger.name}] hello\n")


def test_the_logger_itself_counts_more_than_a_name(logger, stream):
    apply_log_handler(logger_name="another", logger=logger, handler=stream)
    assert stream in logger.handlers
    assert stream not in logging.getLogger("another").handlers


@pytest.mark.parametrize("level", ["warning", "WARNING", logging.WARNING])
def test_records_below_the_level_are_ignored(logger, stream, level):
    apply_log_handler(logger=logger, handler=stream, log_level=level)
    logger.info("quiet")
    logger.warning("loud")
    assert stream.stream.getvalue().count("\n") == 1


def test_lines_tell_more_if_asked(logger, stream):
    asked = {"include_line_number": True, "include_process_name": True, "include_thread_name": True}
    apply_log_handler(logger=logger, handler=stream, **asked)
    logger.info("hello")
    assert stream.stream.getvalue().endswith(" | MainProcess | MainThread] hello\n")


def test_a_formatter_counts_instead(logger, stream):
    apply_log_handler(logger=logger, handler=stream, formatter=logging.Formatter("<%(message)s>"))
    logger.info("hello")
    assert stream.stream.getvalue() == "<hello>\n"


def test_without_a_handler_lines_go_to_standard_error(logger):
    assert type(apply_log_handler(logger=logger)) is logging.StreamHandler


def test_a_handler_is_added_once(logger, stream):
    for _ in range(2):
        apply_log_handler(logger=logger, handler=stream)
    assert logger.handlers.count(stream) == 1


def test_in_googles_cloud_lines_have_no_time(logger, stream, monkeypatch):
    monkeypatch.setenv("COMPUTE_PROVIDER", "GOOGLE_CLOUD_RUN")
    apply_log_handler(logger=logger, handler=stream)
    logger.info("hello")
    assert stream.stream.getvalue() == f"[INFO | {logger.name}] hello\n"
