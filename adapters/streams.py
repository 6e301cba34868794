"""Standard streams that take nothing: a full disk, or a pipe that nobody reads any more.

What is said on the way is lost then, and the run goes on; a result that cannot be written is an error. Which error, and
how a program ends with it, is its own business.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any, TextIO


class _Lossy(io.FileIO):
    """A file of which writing never fails."""

    def write(self, data: Any, /) -> Any:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def lossy(stream: TextIO) -> TextIO:
    """Return a stream to the same file, in which what that does not take is lost."""
    return io.TextIOWrapper(
        io.BufferedWriter(_Lossy(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=getattr(stream, "line_buffering", True),
        write_through=getattr(stream, "write_through", False),
    )


def lossy_stderr() -> None:
    """Let nothing that this program says on standard error end it. A stream that somebody has put there stays."""
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison] (it was closed by whoever started this)
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (until the program ends)
        return
    is_the_programs = sys.stderr is sys.__stderr__
    if is_the_programs:
        sys.stderr = lossy(sys.stderr)


def flush_output() -> None:
    """Write standard output to its last byte; where that fails, what is left is dropped, and `OSError` raised."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] (it was closed by whoever started this)
        return
    try:
        sys.stdout.flush()
    except OSError:
        drop_output()
        raise


def drop_output() -> None:
    """Let what is still on its way to standard output go nowhere."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
