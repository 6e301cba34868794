"""Isolation in a child process of its own, which can be stopped with all that it started: the default in both engines.

How it works: the child is started with the call on its standard input, and three pipes come back: events, standard
output and standard error. One loop reads them line by line into the host, and looks at the deadline, at cancellation
and at silence. However the run ends, and also if this process is killed, nothing of it lives on (see ``process_tree``).

What it does not do: limit memory or processor time, hide the file system, or run in another environment.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Literal

from fairlead.adapters import errors, events
from fairlead.adapters.isolation import OUTPUT_LIMIT, check_options, process_tree

if TYPE_CHECKING:
    from fairlead.adapters.events import Event
    from fairlead.adapters.host import Host
    from fairlead.adapters.isolation.protocol import Call

_START = "from fairlead.adapters.isolation.child import main; main()"
_TICK = 0.1
_READ = 1 << 16
_PIPE_READS = 16  # of _READ bytes: as large as a pipe may be made
_LINE_LIMIT = 1 << 15
_CONTINUATION = range(0x80, 0xC0)  # what all bytes of a character but its first are in UTF-8
_TAIL_LINES = 20
_TAIL_WIDTH = 400


class ChildProcess:
    """Carries each call out in a fresh interpreter."""

    name = "process"

    def __init__(
        self,
        *,
        python: str = sys.executable,
        silence_limit: float | None = None,
        on_silence: Literal["report", "stop"] = "report",
        output_limit: int | None = OUTPUT_LIMIT,
        grace: float = 3.0,
    ) -> None:
        """Set the limits.

        Args:
            python: the interpreter; fairlead must be importable there.
            silence_limit: seconds without any line or event after which a run counts as hung; None for no limit.
            on_silence: whether a hung run is reported in the log or stopped (`Hung`).
            output_limit: bytes of standard output, standard error and events together after which a run is stopped
                (`OutputFlooded`); None for no limit.
            grace: seconds between asking a run to end (SIGTERM) and killing it, and how long threads that an app
                left behind may keep its process alive after it has returned.

        Raises:
            InputInvalid: a limit is none, or ``on_silence`` is not known.
        """
        check_options(on_silence=on_silence, silence_limit=silence_limit, output_limit=output_limit)
        self.python = python
        self.silence_limit = silence_limit
        self.on_silence = on_silence
        self.output_limit = output_limit
        self.grace = grace

    def run(self, call: Call, host: Host) -> Any:
        """See `Isolation.run`."""
        run = _Run(self, call, host)
        try:
            run.follow()
            return run.result()
        finally:
            run.close()


class _Run:
    """One child, from start to end."""

    def __init__(self, limits: ChildProcess, call: Call, host: Host) -> None:
        self._limits = limits
        self._host = host
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._said = 0
        self._end: Event | None = None
        self._end_time = 0.0
        self._last_sign = time.monotonic()
        self._start = self._last_sign
        self._ended = False
        self._is_good = False
        self._directory = call.directory
        self._mark = uuid.uuid4().hex
        self._selector = selectors.DefaultSelector()
        # What an app leaves among its temporary files goes with the call's folder.
        temporary = os.path.join(call.directory, "tmp")
        channel, channel_of_child = os.pipe()
        self._guard = process_tree.Guard(call.directory)
        try:
            call.make_directory()
            os.mkdir(temporary)
            self._process = subprocess.Popen(
                [limits.python, "-P", "-X", "faulthandler", "-c", _START, str(channel_of_child)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=call.directory,
                env=process_tree.environment(self._mark) | {"PYTHONUNBUFFERED": "1", "TMPDIR": temporary},
                pass_fds=(channel_of_child,),
                start_new_session=True,
            )
        except BaseException as error:
            os.close(channel)
            self._selector.close()
            self._guard.dismiss()
            if isinstance(error, OSError) and error.filename == limits.python:
                found = f"{limits.python} cannot be run: {error.strerror}"
                raise errors.InputInvalid(
                    errors.Problem("python", found, "an interpreter", "Check the path.")
                ) from error
            raise
        finally:
            os.close(channel_of_child)
        self._channel = channel
        try:
            # The child waits for its call until it is guarded: there is no moment in which it could be orphaned.
            self._guard.watch(self._process.pid, self._mark)
            self._open(call)
        except BaseException:
            self.close()
            raise

    def _open(self, call: Call) -> None:
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stderr
        self._selector.register(self._channel, selectors.EVENT_READ, _Lines(self._receive, None))
        for stream, name in ((self._process.stdout, "stdout"), (self._process.stderr, "stderr")):
            self._selector.register(stream, selectors.EVENT_READ, _Lines(self._printer(name), _LINE_LIMIT))
        self._request = memoryview(json.dumps(vars(call)).encode())
        os.set_blocking(self._process.stdin.fileno(), False)
        self._selector.register(self._process.stdin, selectors.EVENT_WRITE, None)

    def follow(self) -> None:
        """Read what the child sends until it has ended; raises if it has to be stopped."""
        with _exit_descriptor(self._process) as exited:
            if exited is not None:
                self._selector.register(exited, selectors.EVENT_READ, None)
            while self._process.poll() is None:
                self._read(_TICK)
                self._check()
        process_tree.sweep(self._process, self._mark, time.monotonic() - self._start)
        self._ended = True
        self._drain()

    def _drain(self) -> None:
        """Pass on what is left in the pipes, but no more than they hold: who escaped might write on for ever."""
        for _ in range(_PIPE_READS):
            if not self._read(0.0):
                return

    def _read(self, timeout: float) -> bool:
        """Pass on what is there to read; returns whether anything was."""
        some = False
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._process.stdin:
                self._write_request()
                continue
            if key.data is None:
                self._selector.unregister(key.fileobj)
                continue
            data = os.read(key.fd, _READ)
            if data:
                some = True
                self._last_sign = time.monotonic()
                key.data.feed(data)
            else:
                self._selector.unregister(key.fileobj)
                key.data.finish()
        return some

    def _write_request(self) -> None:
        """Write as much of the call as the child takes now."""
        assert self._process.stdin
        try:
            self._request = self._request[os.write(self._process.stdin.fileno(), self._request) :]
        except BrokenPipeError:  # a child that is dead already is reported by how it died
            self._request = self._request[:0]
        if not self._request:
            self._selector.unregister(self._process.stdin)
            self._process.stdin.close()

    def _receive(self, line: bytes) -> None:
        try:
            event = events.decode(line)
        except ValueError:
            self._print("stderr", line.decode(errors="replace"))
            return
        if event["kind"] in {"returned", "raised"}:
            self._end, self._end_time = event, time.monotonic()
            return
        if event["kind"] != "question":  # that is data of the run, as inputs and outputs are, and not what it says
            self._said += len(line) + 1
        if event["kind"] == "log":
            self._remember(event["message"])
        self._host.emit(event)

    def _printer(self, stream: str) -> Any:
        def printer(line: bytes) -> None:
            self._said += len(line) + 1
            # A progress bar redraws its line with carriage returns: the last drawing is the line.
            self._print(stream, line.decode(errors="replace").rstrip("\r").rpartition("\r")[2])

        return printer

    def _print(self, stream: Any, text: str) -> None:
        self._remember(text)
        self._host.emit(events.output(stream, text))

    def _remember(self, text: str) -> None:
        for line in text.splitlines()[-_TAIL_LINES:]:
            self._tail.append(line if len(line) <= _TAIL_WIDTH else line[:_TAIL_WIDTH] + " …")

    def _check(self) -> None:
        limits, host, now = self._limits, self._host, time.monotonic()
        if host.cancelled():
            raise errors.Cancelled("The run was cancelled, and everything that it had started was stopped.")
        if host.deadline is not None and now > host.deadline:
            raise errors.TimedOut(
                "The run passed its time limit, and everything that it had started was stopped.",
                remedy="Raise the limit, or find out from the log what it was doing.",
                tail=self._tail,
            )
        if limits.output_limit is not None and self._said > limits.output_limit:
            raise errors.OutputFlooded(
                f"The app printed and logged more than {limits.output_limit / (1 << 20):g} MiB and was stopped.",
                remedy="Let it say less or write to a file of an output dataset, or raise the output limit "
                "(None for no limit).",
                tail=list(self._tail)[-3:],
            )
        if limits.silence_limit is not None and now - self._last_sign > limits.silence_limit:
            message = f"The run has sent nothing for {limits.silence_limit:g} s"
            if limits.on_silence == "stop":
                raise errors.Hung(
                    f"{message}, and was stopped.",
                    remedy="Raise the silence limit, or let the app log or send a monitor message now and then.",
                    tail=self._tail,
                )
            host.log(logging.WARNING, f"{message}; it may hang.")
            self._last_sign = now
        if self._end is not None and now - self._end_time > limits.grace:
            host.log(logging.WARNING, "The app has returned but left threads running; they were stopped.")
            process_tree.stop(self._process, self._mark, 0.0)

    def result(self) -> Any:
        """Return the child's value, or raise for how it ended."""
        if self._end is None:
            raise self._death()
        if self._end["kind"] == "returned":
            self._is_good = True
            return self._end["value"]
        assert self._end["kind"] == "raised"
        problems = self._end.get("problems")
        contract_error = getattr(errors, self._end["exception"].rpartition(".")[2], None)
        if problems is not None and contract_error is not None:
            raise contract_error([errors.Problem(**problem) for problem in problems])
        if self._end["exception"] == "fairlead.adapters.errors.StorageFailed":
            raise errors.StorageFailed(self._end["message"])
        raise errors.AppRaised(
            errors.raised_by_app(self._end["exception"], self._end["message"]),
            exception=self._end["exception"],
            traceback=self._end["traceback"],
            tail=self._tail,
        )

    def _death(self) -> errors.RunFailed:
        code = self._process.returncode
        if code >= 0:
            return errors.AppExited(
                f"The app ended its process with exit status {code} before it returned.",
                code=code,
                remedy="Return from `run` when the work is done, raise an exception when it failed; do not call "
                "sys.exit or os._exit.",
                tail=self._tail,
            )
        name = signal.Signals(-code).name if -code in {*signal.Signals} else f"number {-code}"
        remedy = "Find out who sent it: the app itself, a compiled extension or the system."
        if -code == signal.SIGKILL:
            remedy = "The system ends processes so when memory runs out: look at its memory use."
        elif -code == signal.SIGSEGV:
            remedy = "A compiled extension crashed: its stack is in the last lines."
        return errors.AppKilled(
            f"The app's process was ended by signal {name}.", signal=-code, remedy=remedy, tail=self._tail
        )

    def close(self) -> None:
        """Leave nothing behind."""
        try:
            if not self._ended:
                process_tree.stop(self._process, self._mark, self._limits.grace)
                with contextlib.suppress(Exception):  # the last lines are welcome, the reason for stopping counts
                    self._drain()
            if not self._is_good:  # while the guard would still do it, if this process were killed now
                shutil.rmtree(self._directory, ignore_errors=True)
        finally:
            self._guard.dismiss()
            self._selector.close()
            os.close(self._channel)
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                if stream:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()


class _Lines:
    """Cuts a stream of bytes into lines; a line longer than ``limit`` bytes comes in pieces of that length."""

    def __init__(self, receive: Any, limit: int | None) -> None:
        self._receive = receive
        self._limit = limit
        self._rest: list[bytes] = []
        self._length = 0

    def feed(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._receive(self._cut(b"".join([*self._rest, line])))
            self._rest.clear()
            self._length = 0
        if rest:
            self._rest.append(rest)
            self._length += len(rest)
        if self._limit is not None and self._length > self._limit:
            self._rest[:] = [self._cut(b"".join(self._rest))]
            self._length = len(self._rest[0])

    def _cut(self, line: bytes) -> bytes:
        """Pass on the pieces of a line that is too long, and return what is left of it."""
        while self._limit is not None and len(line) > self._limit:
            cut = self._limit
            while cut > self._limit - 4 and line[cut] in _CONTINUATION:
                cut -= 1
            self._receive(line[:cut])
            line = line[cut:]
        return line

    def finish(self) -> None:
        if self._rest:
            self._receive(b"".join(self._rest))
            self._rest.clear()


@contextlib.contextmanager
def _exit_descriptor(process: subprocess.Popen[bytes]) -> Generator[int | None]:
    """Yield a descriptor that becomes readable when the process ends, where the system has such."""
    descriptor = None
    with contextlib.suppress(AttributeError, OSError):
        descriptor = os.pidfd_open(process.pid)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)
