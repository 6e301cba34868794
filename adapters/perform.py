"""The one path by which every unit runs, in every host.

 1. bind the inputs and check them against the contract (`InputInvalid`: nothing ran)
 2. compute the fingerprint
 3. look it up in the result cache; a verified hit ends here
 4. run the unit in the isolation asked for, passing its events to the host and to the log as they happen
 5. check the outputs against the contract (`OutputInvalid`: nothing is cached)
 6. commit outputs and files to the cache
 7. return an `Outcome`

A run that crashes leaves a bundle to run it again, where that is asked for (see ``diagnostics``). Hosts translate, they
repeat none of this. The module does not retry: it raises, and the orchestrator decides by
``retryable``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fairlead.adapters import events
from fairlead.adapters.cache import DamagedEntry, Entry, ResultCache
from fairlead.adapters.diagnostics import Ending, Scrubber, save
from fairlead.adapters.errors import AppRaised, Cancelled, FairleadError, RunFailed, StorageFailed
from fairlead.adapters.fingerprint import fingerprint

if TYPE_CHECKING:
    from fairlead.adapters.diagnostics import Diagnostics
    from fairlead.adapters.events import Event
    from fairlead.adapters.host import Host
    from fairlead.adapters.isolation.protocol import Call, Isolation
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
    diagnostics: str | None = None
    """Where all that is needed to run it again was saved, if it ran and that was asked for."""

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
            "diagnostics": self.diagnostics,
        }


def perform(
    unit: Unit,
    inputs: Mapping[str, Any],
    host: Host,
    *,
    cache: ResultCache,
    isolation: Isolation,
    refresh: bool = False,
    diagnostics: Diagnostics | None = None,
) -> Outcome:
    """Do a piece of work, or find that it was done.

    Args:
        unit: what to run.
        inputs: the unit's inputs by name.
        host: who runs it.
        cache: where results are looked up and kept.
        isolation: where the unit's code runs.
        refresh: run in any case, and replace what the cache holds.
        diagnostics: where runs that crash leave what is needed to run them again; None for nowhere.

    Raises:
        ContractError: something written down was not kept; see its ``problems``.
        RunFailed: the unit's code did not end well; the error says where the log is.
        StorageFailed: the cache, or a file that the run needs, could not be read or written.
    """
    start = time.perf_counter()
    bundles = _Bundles(diagnostics, unit, host, isolation)
    with _translated():
        try:
            work, key = identify(unit, inputs)
        except FairleadError as error:
            error.diagnostics = bundles.of_refused(inputs, error)
            raise
        entry = None if refresh else look_up(cache, key, host.log)
    cached = entry is not None
    bundle = None
    if entry is None:
        key, entry, bundle = _run(unit, work, key, host, cache, isolation, bundles)
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
        diagnostics=bundle,
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


def _run(
    unit: Unit, work: Work, key: str, host: Host, cache: ResultCache, isolation: Isolation, bundles: _Bundles
) -> tuple[str, Entry, str | None]:
    if host.cancelled():
        raise Cancelled("The run was cancelled before it started.")
    with _scratch_folder() as directory, cache.run_log(key) as (log, stream):
        logged = _LoggedHost(host, stream, work.secrets)
        name = f"{unit.name}: run {host.run_id}, attempt {host.attempt}, fingerprint {key}"
        logged.record(events.log_record(logging.INFO, "fairlead", name))
        start = time.perf_counter()
        call: Call | None = None
        try:
            with _translated():
                call = replace(work.call(directory), cache=cache.root)
                produced = work.collect(isolation.run(call, logged), directory)
                seconds = time.perf_counter() - start
                if not work.is_unchanged():
                    changed = f"{unit.name}: its source or an input changed while it ran; nobody will find this result"
                    logged.log(logging.WARNING, changed)
                    key = fingerprint({"changed while it ran": key, "once": os.urandom(16)})
                made_by = {"kind": unit.kind, "name": unit.name}
                entry = cache.commit(key, produced, unit=made_by, seconds=seconds, log=log)
        except BaseException as error:
            if isinstance(error, RunFailed):
                logged.clean(error)
            end = events.raised(error)
            if isinstance(error, AppRaised):
                end["traceback"] = error.traceback
                host.log(logging.ERROR, f"The app's traceback:\n{error.traceback}")
            if isinstance(error, FairleadError):
                error.log = log
            logged.record(end)
            if isinstance(error, Exception) and call is not None:
                bundle = bundles.of_run(work, call, key, logged, stream, error)
                if isinstance(error, FairleadError):
                    error.diagnostics = bundle
            raise
        return key, entry, bundles.of_run(work, call, key, logged, stream, None)


class _Bundles:
    """What diagnostics are written of one piece of work, if any are asked for."""

    def __init__(self, wish: Diagnostics | None, unit: Unit, host: Host, isolation: Isolation) -> None:
        self._wish = wish
        self._unit, self._host, self._isolation = unit, host, isolation
        self._start = time.monotonic()

    def of_refused(self, inputs: Mapping[str, Any], error: FairleadError) -> str | None:
        """Write what was refused, if that is asked for; return where it is."""
        if self._wish is None or self._wish.when != "always":
            return None
        ending = Ending(self._unit, self._host, self._isolation, None, self._start, None, error)
        return save(self._wish, ending, lambda _copied: self._unit.describe(inputs), self._host.log)

    def of_run(
        self, work: Work, call: Call, key: str, host: _LoggedHost, stream: IO[bytes], error: Exception | None
    ) -> str | None:
        """Write what a run was given and has said, if that is asked for; return where it is."""
        if self._wish is None or (error is None and self._wish.when != "always"):
            return None
        stream.flush()
        ending = Ending(self._unit, self._host, self._isolation, key, self._start, Path(stream.name), error)
        return save(self._wish, ending, lambda copied: work.describe(call, copied=copied), host.log)


@contextlib.contextmanager
def _scratch_folder() -> Generator[Path]:
    """Yield a folder for one run, which whoever needs it makes, and which is removed however the run ends."""
    with _translated():
        directory = Path(tempfile.gettempdir(), f"fairlead-{uuid.uuid4().hex[:12]}")
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
    """A host whose events are also written to the run's log; secrets are taken out of both."""

    def __init__(self, host: Host, stream: IO[bytes], secrets: Mapping[str, str]) -> None:
        self.run_id, self.attempt = host.run_id, host.attempt
        self.cancelled = host.cancelled
        self._host = host
        self._stream: IO[bytes] | None = stream
        self._scrub = Scrubber(secrets)

    @property
    def deadline(self) -> float | None:
        return self._host.deadline

    def log(self, level: int, message: str) -> None:
        message = self._scrub.text(message)
        self.record(events.log_record(level, "fairlead", message))
        self._host.log(level, message)

    def clean(self, error: RunFailed) -> None:
        """Take secrets out of what a run has failed with, of which the app has written most."""
        error.message = self._scrub.text(error.message)
        error.args = (error.message, *error.args[1:])
        error.tail = tuple(self._scrub.text(line) for line in error.tail)
        if isinstance(error, AppRaised):
            error.traceback = self._scrub.text(error.traceback)

    def emit(self, event: Event) -> None:
        line = events.encode(event)
        clean = self._scrub.line(line)
        self._write(clean)
        self._host.emit(event if clean is line else events.decode(clean))

    def record(self, event: Event) -> None:
        self._write(self._scrub.line(events.encode(event)))

    def _write(self, line: bytes) -> None:
        """Write to the log; a full disk costs the log, not the run."""
        if self._stream is None:
            return
        try:
            self._stream.write(line)
        except OSError as error:
            self._stream = None
            self._host.log(logging.WARNING, f"The run's log cannot be written any more: {error}")
