"""Processes that work for one run: chunks of items go out to them, answers come back item by item, whatever happens.

A `Work` is what a map, or a block, wants done; the thread that wants it reads its `inbox`. One thread of the pool moves
bytes between works and processes. A process that dies fails the item that it was at; the rest of its chunk goes to
others, and a fresh process takes its place. One that hangs beyond a time limit is killed.

A process is forked where this one has no other threads, and started afresh else. Each leads a group of its own, so that
what a block has started goes with it; and if this process dies first, all of them are killed (see ``last_will``).

What it does not do: read answers, or know what an item is.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pickle
import queue
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, Literal

from fairlead.adapters.errors import RunFailed, WorkerDied
from fairlead.adapters.isolation import process_tree
from fairlead.adapters.workflow.engines.crossing import not_readable, written_chunk
from fairlead.adapters.workflow.engines.last_will import LastWill
from fairlead.adapters.workflow.limits import timed_out

_BRISK = 0.05
"""Seconds that a chunk should take, where the engine chooses."""
_LARGEST = 256
_ROUNDS = 1000
_MOMENT = 0.001
_LONGEST = 3600.0
"""Seconds between two looks at the clock; what waits for processes takes no more than some weeks."""
_WILL = (
    "kill -s KILL -- {groups}; for file in $(grep -ls -e {mark} /proc/[0-9]*/environ); do "
    "pid=${{file#/proc/}}; kill -s KILL ${{pid%/environ}}; done"
)
_numbers = itertools.count()


class Work:
    """Items that are to be done, and the inbox of what comes of them.

    What is put into the inbox are tuples: ``("notes", notes)``, ``("done", index, answer)``,
    ``("died", index, exception)``, ``("error", exception)``, ``("broken", answer)``, and ``("quiet",)`` whenever
    nothing of it is running or waiting any more.
    """

    def __init__(
        self,
        body: bytes,
        who: str,
        inputs: Sequence[Mapping[str, Any]] | Sequence[bytes],
        *,
        chunk: int | Literal["auto"] = "auto",
        limit: int | None = None,
        names: Sequence[int] | None = None,
    ) -> None:
        """Take what is wanted.

        Args:
            body: what is sent to each process once.
            who: what an item is called, with ``{index}``.
            inputs: what each item is given, which is written when its turn comes; or that, as `written_inputs` has it.
            chunk: how many items a process is given at a time.
            limit: how many processes may be at it at the same time.
            names: the indices of the items; from 0 without them.
        """
        names = range(len(inputs)) if names is None else names
        self.key = next(_numbers)
        self.body, self.who, self.inputs = body, who, dict(zip(names, inputs, strict=True))
        self.chunk, self.limit = chunk, limit
        self.pending = deque(names)
        self.inbox: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self.last = max(names, default=0)
        """The last item that is still wanted."""
        self.workers: set[_Process] = set()
        self.is_one_by_one = False
        """Whether items are written one by one, since a chunk of them could not be read."""
        self.pace: float | None = None
        """Seconds for each item, lately."""

    def take(self, workers: int) -> tuple[list[int], list[bytes]]:
        """Take the next chunk from what waits, and write it; an item that cannot be written has died."""
        size = self.chunk if isinstance(self.chunk, int) else self._size(min(workers, self.limit or workers))
        indices = [self.pending.popleft() for _ in range(min(size, len(self.pending)))]
        given = [(index, self.inputs[index]) for index in indices]
        if written := [each for _, each in given if isinstance(each, bytes)]:
            return indices, written
        return written_chunk(
            self.who,
            given,  # type: ignore[arg-type]
            lambda index, error: self.inbox.put(("died", index, error)),
            one_by_one=self.is_one_by_one,
        )

    def _size(self, workers: int) -> int:
        """Choose a chunk: single items until it is known how long one takes, and towards the end."""
        if self.pace is None:
            return 1
        fair = len(self.pending) // (2 * workers)
        return max(1, min(_LARGEST, fair, int(_BRISK / max(self.pace, 1e-6))))

    @property
    def is_brisk(self) -> bool:
        """Whether so little time passes between answers that what is said can wait for the next."""
        return self.pace is not None and self.pace < _BRISK


class _Process:
    """One worker process, as this one sees it."""

    def __init__(
        self, pid: int, connection: Connection[Any, Any], popen: subprocess.Popen[bytes] | None, mark: str
    ) -> None:
        self.pid, self.connection, self._popen, self._mark = pid, connection, popen, mark
        self.sentinel = os.pidfd_open(pid)
        self.is_ready = False
        self.work: Work | None = None
        self.items: deque[int] = deque()
        """What it was given and has not answered."""
        self.size = 0
        self.since = 0.0
        self.limits: list[tuple[float, float, str]] = []
        """When each limit that is in force will have passed, its seconds, and whose it is."""
        self.overdue: tuple[float, str] | None = None
        """The limit for which it was killed."""
        self.bodies: set[int] = set()

    def send(self, *message: Any) -> None:
        with contextlib.suppress(OSError):  # it is dead, which is dealt with where that is seen
            self.connection.send_bytes(pickle.dumps(message))

    def kill(self) -> None:
        """Kill it with what it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def end(self) -> int:
        """Wait until it has ended, kill what it left, and return its status as `subprocess.Popen.returncode` has it."""
        if self._popen is not None:
            code = self._popen.wait()
        else:
            try:
                code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            except ChildProcessError:  # somebody else has asked for it
                code = -signal.SIGKILL
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        _kill_marked(self._mark, above=self.pid)
        os.close(self.sentinel)
        self.connection.close()
        return code


def _kill_marked(mark: str, *, above: int) -> None:
    """Kill what was started by a process that is no more, also what has left its group, and wait until it is gone."""
    for _ in range(_ROUNDS):
        found = process_tree.marked(mark, above=above)
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_MOMENT)


class Pool:
    """Processes, and the thread that gives them work."""

    def __init__(self, workers: int, grace: float) -> None:
        """Start nothing yet.

        Args:
            workers: how many processes there may be.
            grace: seconds after its time limit at which a process that has not stopped by itself is killed.
        """
        self.size, self._grace = workers, grace
        self._processes: list[_Process] = []
        self._works: deque[Work] = deque()
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._near, self._far = socket.socketpair()
        self._far.setblocking(False)  # noqa: FBT003 (the socket's own signature)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._far, selectors.EVENT_READ)
        self._will: LastWill | None = None
        self._thread: threading.Thread | None = None
        self._is_open = True
        self._mark = uuid.uuid4().hex
        self._started = itertools.count()
        self._start_lock = threading.Lock()

    # For threads that want work done

    def start(self) -> None:
        """Start what can be started at once; the sooner this is called, the fewer threads there are to mind."""
        with self._start_lock:
            if self._thread is not None:
                return
            self._will = LastWill()
            if _is_single_threaded():
                while len(self._processes) < self.size:
                    self._add()
            self._thread = threading.Thread(target=self._serve, name="fairlead-pool", daemon=True)
            self._thread.start()

    def submit(self, work: Work) -> None:
        """Have a work done."""
        self.start()
        if self._thread is None or not self._thread.is_alive():
            raise RunFailed("The processes of this engine have been ended.")
        self._call(lambda: self._works.append(work))

    def again(self, work: Work, index: int, inputs: Mapping[str, Any]) -> None:
        """Have an item done once more, with these inputs."""

        def do() -> None:
            if index <= work.last:
                work.inputs[index] = inputs
                work.pending.appendleft(index)

        self._call(do)

    def leave_out(self, work: Work, after: int = -1) -> None:
        """Start no item of a work any more that comes after one; those that run are let end."""

        def do() -> None:
            work.last = after
            work.pending = deque(index for index in work.pending if index <= after)
            for process in work.workers:
                process.send("until", after)
            self._report(work)

        self._call(do)

    def kill(self, work: Work) -> None:
        """Stop a work at once, with the processes that are at it."""

        def do() -> None:
            work.pending.clear()
            for process in [*work.workers]:
                self._remove(process)
            self._report(work)

        self._call(do)

    def forget(self, work: Work) -> None:
        """Let go of a work that has ended."""

        def do() -> None:
            with contextlib.suppress(ValueError):
                self._works.remove(work)
            for process in self._processes:
                if work.key in process.bodies and process.work is None:
                    process.bodies.discard(work.key)
                    process.send("forget", work.key)

        self._call(do)

    def close(self) -> None:
        """Kill all processes, and wait until they have ended."""
        self._is_open = False
        if self._thread is not None and self._thread.is_alive():  # it may not be, if its start was interrupted
            self._call(lambda: None)
            self._thread.join()
        self._end()
        for each in (self._near, self._far):
            each.close()
        self._selector.close()

    def _call(self, command: Callable[[], None]) -> None:
        self._commands.put(command)
        self._near.send(b"!")

    # In the thread of the pool

    def _serve(self) -> None:
        if not self._is_open:
            return
        try:
            while self._is_open:
                self._assign()
                for key, _ in self._selector.select(self._tick()):
                    if key.data is None:
                        self._obey()
                    elif key.data in self._processes:
                        self._attend(key.data, is_dead=key.fd == key.data.sentinel)
                self._stop_overdue()
        except BaseException as error:  # noqa: BLE001 (threads that wait for answers must not wait for ever)
            for work in self._works:
                work.inbox.put(("error", error))
        finally:
            self._end()

    def _end(self) -> None:
        """Kill all processes."""
        while self._processes:
            self._remove(self._processes[-1])
        if self._will is not None:
            self._will.dismiss()
            self._will = None

    def _obey(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._far.recv(4096)
        while not self._commands.empty():
            self._commands.get()()

    def _assign(self) -> None:
        """Give work to whoever has none, to each work in turn."""
        for _ in range(len(self._works)):
            while (work := self._works[0]).pending and (work.limit is None or len(work.workers) < work.limit):
                process = next((each for each in self._processes if each.work is None), None)
                if process is None and len(self._processes) < self.size:
                    try:
                        process = self._add()
                    except OSError as error:
                        self._give_up(work, RunFailed(f"A worker process could not be started: {error}."))
                        break
                if process is None:
                    return
                self._give(process, work)
                self._works.rotate(-1)
            self._works.rotate(-1)

    def _give(self, process: _Process, work: Work) -> None:
        try:
            indices, data = work.take(self.size)
        except Exception as error:  # noqa: BLE001 (it is raised in the thread that wants the work)
            self._give_up(work, error)
            return
        if not indices:
            self._report(work)
            return
        process.work, process.items, process.size = work, deque(indices), len(indices)
        process.since = time.monotonic()
        work.workers.add(process)
        if work.key not in process.bodies:
            process.bodies.add(work.key)
            process.send("body", work.key, work.body)
        process.send("chunk", work.key, indices, data, not work.is_brisk)

    def _give_up(self, work: Work, error: Exception) -> None:
        work.pending.clear()
        work.inbox.put(("error", error))

    def _attend(self, process: _Process, *, is_dead: bool) -> None:
        """Read what a process has sent, and see to its end if it has died."""
        try:
            while not is_dead or process.connection.poll():
                self._heed(process, *pickle.loads(process.connection.recv_bytes()))  # noqa: S301 (our own process)
                if not is_dead:
                    return
        except (EOFError, OSError):
            if not is_dead:  # it has closed its connection, by which it is no use any more
                process.kill()
        if is_dead:
            self._bury(process)

    def _heed(self, process: _Process, kind: str, notes: list[Any], *what: Any) -> None:  # noqa: C901 (a case a message)
        work = process.work
        if work is not None and notes:
            work.inbox.put(("notes", notes))
        if kind == "ready":
            process.is_ready = True
        elif kind == "limit":
            seconds, who = what
            if seconds:
                process.limits.append((time.monotonic() + seconds + self._grace, seconds, who))
            elif process.limits:
                process.limits.pop()
        elif work is None:
            return
        elif kind == "done":
            index, answer = what
            while process.items and process.items.popleft() != index:
                pass  # was left out
            process.limits.clear()
            work.inbox.put(("done", index, answer))
        elif kind == "refused":
            index, why = what
            process.items.remove(index)
            error = not_readable(work.who.format(index=index), "what it is given", why)
            work.inbox.put(("died", index, error))
        elif kind == "unread":
            work.is_one_by_one = True
            work.pending.extendleft(each for each in reversed(process.items) if each <= work.last)
        elif kind == "broken":
            work.pending.clear()
            work.inbox.put(("broken", what[0]))
            self._release(process)
        elif kind == "idle":
            work.pace = (time.monotonic() - process.since) / max(process.size, 1)
            self._release(process)

    def _release(self, process: _Process) -> None:
        work, process.work = process.work, None
        process.items.clear()
        process.limits.clear()
        if work is not None:
            work.workers.discard(process)
            self._report(work)

    def _report(self, work: Work) -> None:
        if not work.workers and not work.pending:
            work.inbox.put(("quiet",))

    def _bury(self, process: _Process) -> None:
        """Fail the item that a dead process was at, and let others do the rest."""
        work, items, overdue = process.work, process.items, process.overdue
        self._selector.unregister(process.connection)
        self._selector.unregister(process.sentinel)
        self._processes.remove(process)
        code = process.end()
        self._write_will()
        if work is None:
            return
        work.workers.discard(process)
        if not process.is_ready:
            self._give_up(work, RunFailed(f"A worker process could not be started: {_ending(code)}."))
        elif items:
            index = items.popleft()
            who = work.who.format(index=index)
            error = timed_out(*overdue) if overdue else _death(who, code)
            work.pending.extendleft(each for each in reversed(items) if each <= work.last)
            work.inbox.put(("died", index, error))
        self._report(work)

    def _remove(self, process: _Process) -> None:
        """Kill a process, and say nothing of what it was at."""
        process.kill()
        process.items.clear()
        process.is_ready = True
        self._bury(process)

    def _tick(self) -> float | None:
        ends = [process.limits[-1][0] for process in self._processes if process.limits]
        return max(0.0, min(min(ends) - time.monotonic(), _LONGEST)) if ends else None

    def _stop_overdue(self) -> None:
        now = time.monotonic()
        for process in self._processes:
            passed = [(seconds, who) for end, seconds, who in process.limits if end <= now]
            if passed:
                process.overdue = passed[0]
                process.limits.clear()
                process.kill()

    def _add(self) -> _Process:
        near, far = socket.socketpair()
        mark = f"{self._mark}.{next(self._started)}."
        environment = process_tree.environment(mark)
        try:
            pid, popen = self._forked(near, far, environment) if _is_single_threaded() else _spawned(far, environment)
        except BaseException:
            near.close()
            raise
        finally:
            far.close()
        process = _Process(pid, Connection(near.detach()), popen, mark)
        self._processes.append(process)
        self._selector.register(process.connection, selectors.EVENT_READ, process)
        self._selector.register(process.sentinel, selectors.EVENT_READ, process)
        self._write_will()
        return process

    def _forked(self, near: socket.socket, far: socket.socket, environment: Mapping[str, str]) -> tuple[int, None]:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            with contextlib.suppress(OSError):  # the child does it as well: whoever comes first
                os.setpgid(pid, pid)
            return pid, None
        try:
            os.setpgid(0, 0)
            os.environ.update(environment)
            ours = [near, self._near, self._far, self._selector, *([self._will] if self._will else [])]
            others = [number for each in self._processes for number in (each.connection.fileno(), each.sentinel)]
            for number in [*(each.fileno() for each in ours), *others]:  # type: ignore[attr-defined]
                os.close(number)
            from fairlead.adapters.workflow.engines.worker import main

            main(far.detach())
        finally:
            os._exit(1)

    def _write_will(self) -> None:
        if self._will is not None:
            groups = " ".join(f"-{process.pid}" for process in self._processes)
            self._will.be(_WILL.format(groups=groups, mark=self._mark) if groups else "")


def _spawned(far: socket.socket, environment: Mapping[str, str]) -> tuple[int, subprocess.Popen[bytes]]:
    from fairlead.adapters.workflow.engines.worker import START

    handle = far.fileno()
    popen = subprocess.Popen(
        [sys.executable, "-c", START, str(handle), json.dumps(sys.path)],
        pass_fds=[handle],
        env=environment,
        stdin=subprocess.DEVNULL,
        process_group=0,
    )
    return popen.pid, popen


def _is_single_threaded() -> bool:
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 (of a file system in memory)  # also threads that Python does not know
    except OSError:
        return threading.active_count() == 1


def _ending(code: int) -> str:
    if code >= 0:
        return f"it ended with exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "a signal"
    hint = ", as the system does when memory runs out" if -code == signal.SIGKILL else ""
    return f"it was ended by {name} (signal {-code}){hint}"


def _death(who: str, code: int) -> WorkerDied:
    return WorkerDied(
        f"{who}: the process that was at it has died: {_ending(code)}.",
        code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        remedy="See what the block does to its process, and how much memory it takes.",
    )
