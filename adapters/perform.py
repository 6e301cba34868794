"""The one path by which every unit runs, in every host.

 1. bind the inputs and check them against the contract (`InputInvalid`: nothing ran)
 2. compute the fingerprint
 3. look it up in the result cache; a verified hit ends here
 4. run the unit in the isolation asked for, passing its events to the host and to the log as they happen
 5. check the outputs against the contract (`OutputInvalid`: nothing is cached)
 6. commit outputs and files to the cache
 7. return an `Outcome`

Hosts translate, they repeat none of this. The module does not retry: it raises, and the orchestrator decides by
``retryable``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fairlead.adapters import events
from fairlead.adapters.cache import DamagedEntry, Entry, ResultCache
from fairlead.adapters.errors import AppRaised, Cancelled, FairleadError, StorageFailed
from fairlead.adapters.fingerprint import fingerprint

if TYPE_CHECKING:
    from fairlead.adapters.events import Event
    from fairlead.adapters.host import Host
    from fairlead.adapters.isolation.protocol import Isolation
    from fairlead.adapters.storage import StoredFile
    from fairlead.adapters.unit import Unit, Work


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    unit: str
    """The unit's name."""
    fingerprint: str
    cached: bool
    """Whether it was found in the cache; then nothing ran."""
    outputs: Mapping[str, Any]
    """JSON data by name of the output; files in it are locations."""
    files: tuple[StoredFile, ...]
    """Every file that was produced."""
    log: str | None
    """Where the log of the run that made this is: one event a line, see ``events``."""
    run_seconds: float
    """How long that run took."""
    seconds: float
    """How long it took this time, from binding the inputs to here."""

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain JSON data, as engines pass it on."""
        return {
            "unit": self.unit,
            "fingerprint": self.fingerprint,
            "cached": self.cached,
            "outputs": dict(self.outputs),
            "files": [asdict(file) for file in self.files],
            "log": self.log,
            "run_seconds": self.run_seconds,
            "seconds": self.seconds,
        }


def perform(
    unit: Unit,
    inputs: Mapping[str, Any],
    host: Host,
    *,
    cache: ResultCache,
    isolation: Isolation,
    refresh: bool = False,
) -> Outcome:
    """Do a piece of work, or find that it was done.

    Args:
        unit: what to run.
        inputs: the unit's inputs by name.
        host: who runs it.
        cache: where results are looked up and kept.
        isolation: where the unit's code runs.
        refresh: run in any case, and replace what the cache holds.

    Raises:
        ContractError: something written down was not kept; see its ``problems``.
        RunFailed: the unit's code did not end well; the error says where the log is.
        StorageFailed: the cache, or a file that the run needs, could not be read or written.
    """
    start = time.perf_counter()
    with _translated():
        work, key = identify(unit, inputs)
        entry = None if refresh else look_up(cache, key, host.log)
    cached = entry is not None
    if entry is None:
        key, entry = _run(unit, work, key, host, cache, isolation)
        host.log(logging.INFO, f"{unit.name}: done in {entry.seconds:.2f} s, fingerprint {key[:12]}")
    else:
        host.log(logging.INFO, f"{unit.name}: found in the cache, fingerprint {key[:12]}")
    return Outcome(
        unit=unit.name,
        fingerprint=key,
        cached=cached,
        outputs=work.locate(entry.outputs, entry.files_root),
        files=entry.files,
        log=entry.log,
        run_seconds=entry.seconds,
        seconds=time.perf_counter() - start,
    )


def identify(unit: Unit, inputs: Mapping[str, Any]) -> tuple[Work, str]:
    """Bind the inputs and compute the fingerprint: the first two steps, which run nothing."""
    work = unit.bind(inputs)
    return work, fingerprint(work.identity)


def look_up(cache: ResultCache, key: str, log: Callable[[int, str], None]) -> Entry | None:
    """Look a fingerprint up in the result cache: the third step. A damaged entry is none, and is told to ``log``."""
    try:
        return cache.lookup(key)
    except DamagedEntry as damage:
        log(logging.WARNING, f"A damaged cache entry is ignored and will be replaced: {damage}.")
        return None


def _run(unit: Unit, work: Work, key: str, host: Host, cache: ResultCache, isolation: Isolation) -> tuple[str, Entry]:
    if host.cancelled():
        raise Cancelled("The run was cancelled before it started.")
    with _scratch_folder() as directory, cache.run_log(key) as (log, stream):
        logged = _LoggedHost(host, stream)
        name = f"{unit.name}: run {host.run_id}, attempt {host.attempt}, fingerprint {key}"
        logged.record(events.log_record(logging.INFO, "fairlead", name))
        start = time.perf_counter()
        try:
            with _translated():
                produced = work.collect(isolation.run(work.call(directory), logged), directory)
                seconds = time.perf_counter() - start
                if not work.is_unchanged():
                    changed = f"{unit.name}: its source or an input changed while it ran; nobody will find this result"
                    logged.log(logging.WARNING, changed)
                    key = fingerprint({"changed while it ran": key, "once": os.urandom(16)})
                made_by = {"kind": unit.kind, "name": unit.name}
                return key, cache.commit(key, produced, unit=made_by, seconds=seconds, log=log)
        except BaseException as error:
            end = events.raised(error)
            if isinstance(error, AppRaised):
                end["traceback"] = error.traceback
                host.log(logging.ERROR, f"The app's traceback:\n{error.traceback}")
            if isinstance(error, FairleadError):
                error.log = log
            logged.record(end)
            raise


@contextlib.contextmanager
def _scratch_folder() -> Generator[Path]:
    """Yield a folder for one run, which is removed however the run ends."""
    with _translated():
        directory = Path(tempfile.mkdtemp(prefix="fairlead-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _translated() -> Generator[None]:
    """Make what the system refuses (a full disk, a file that has just gone) an error that can be tried again."""
    try:
        yield
    except OSError as error:
        raise StorageFailed(
            f"The system refused: {error}.", remedy="Check free space and permissions of that place, then try again."
        ) from error


class _LoggedHost:
    """A host whose events are also written to the run's log."""

    def __init__(self, host: Host, stream: IO[bytes]) -> None:
        self.run_id, self.attempt = host.run_id, host.attempt
        self.cancelled = host.cancelled
        self._host = host
        self._stream: IO[bytes] | None = stream

    @property
    def deadline(self) -> float | None:
        return self._host.deadline

    def log(self, level: int, message: str) -> None:
        self.record(events.log_record(level, "fairlead", message))
        self._host.log(level, message)

    def emit(self, event: Event) -> None:
        self.record(event)
        self._host.emit(event)

    def record(self, event: Event) -> None:
        """Write to the log; a full disk costs the log, not the run."""
        if self._stream is None:
            return
        try:
            self._stream.write(events.encode(event))
        except OSError as error:
            self._stream = None
            self._host.log(logging.WARNING, f"The run's log cannot be written any more: {error}")
