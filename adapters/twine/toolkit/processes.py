"""What an app does beside its own work: call a function again and again, run another program and log what it prints.

Nothing here outlives its end: a cancelled timer calls no more, and a program does not run on after the function that
runs it. It does not limit what is run.
"""

import os
import selectors
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    import subprocess
    from collections.abc import Iterable, Iterator
    from typing import Any

_TICK = 0.05
"""Seconds after which a program that has ended is noticed though another one holds its output open."""
_READ = 1 << 16


class RepeatingTimer(threading.Timer):
    """A thread that calls a function every ``interval`` seconds, first after one, from ``start()`` to ``cancel()``.

    As in `threading.Timer`, ``cancel`` does not wait for a call that is under way; no other follows. What the function
    raises ends the thread.
    """

    def run(self) -> None:
        """Be the thread; not to be called."""
        while not self.finished.wait(self.interval):
            self.function(*self.args, **self.kwargs)


def run_logged_subprocess(
    command: "str | Iterable[str]", logger: "logging.Logger", log_level: str = "info", *args: "Any", **kwargs: "Any"
) -> "subprocess.Popen[bytes]":
    """Run a program to its end, and log each line that it prints, on either stream, as it comes.

    Args:
        command: as `subprocess.Popen` takes it.
        logger: where the lines go, without the blanks around them.
        log_level: the name of a method of the logger, such as ``info`` or ``warning``, in any case.
        args: further arguments of ``Popen`` by place, after ``command``.
        kwargs: further arguments of ``Popen`` by name.

    Returns:
        The process, which has ended; all that it printed is logged.

    Raises:
        subprocess.CalledProcessError: if it does not exit with 0.
    """
    import subprocess

    log = getattr(logger, log_level.lower())
    command = command if isinstance(command, str | bytes | os.PathLike) else [*command]
    process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]  # the rest is the caller's
        command, *args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs
    )
    try:
        for line in _lines(process):
            log("%s", line.decode(errors="replace").strip())
        code = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if code:
        raise subprocess.CalledProcessError(code, process.args)
    return process


def _lines(process: "subprocess.Popen[bytes]") -> "Iterator[bytes]":
    """Go through what a process prints until it ends; another one that it has left behind may hold the pipe open."""
    stream = process.stdout
    assert stream is not None
    begun: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            has_ended = process.poll() is not None
            if not selector.select(0 if has_ended else _TICK):
                if has_ended:
                    break
                continue
            chunk = os.read(stream.fileno(), _READ)
            if not chunk:
                break
            *ended, rest = chunk.split(b"\n")
            for line in ended:
                yield b"".join([*begun, line])
                begun.clear()
            begun.append(rest)
    if any(begun):
        yield b"".join(begun)


class ProcessesContextManager:
    """Kills processes when a ``with`` block is left, however that happens."""

    def __init__(self, processes: "Iterable[subprocess.Popen[Any]]") -> None:
        """Take processes that run, or a list to which they will be added."""
        self.processes = processes

    def __enter__(self) -> "Iterable[subprocess.Popen[Any]]":
        """Return the processes."""
        return self.processes

    def __exit__(self, *_error: object) -> None:
        """Kill each process, and wait until it is gone."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
