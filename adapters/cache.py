"""The result cache: what was done once is found again by its fingerprint, from any host that shares the root.

The root is any location (see ``storage``). One entry is one folder:

    <root>/<first two digits>/<fingerprint>/
        outcome.json                   outputs, the list of files with their digests, and a digest of all that
        files/<digest of the list>/    the files, under their names
        logs/<time>-<random>.ndjson    the events of every run of this work, also of those that failed

Files come first and ``outcome.json`` last, so an entry without it does not exist yet, and a crash leaves none half
made. Writers of one fingerprint do not get in each other's way: equal files have one name, different ones different
names, and the last ``outcome.json`` wins whole. Every hit reads everything and checks the digests. Only JSON and the
files as they were made are kept, never a pickle.

What it does not do: evict. An entry may be deleted at any time by whoever needs the space.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from fairlead.adapters import storage
from fairlead.adapters.errors import StorageFailed
from fairlead.adapters.fingerprint import fingerprint as digest_of
from fairlead.adapters.storage import StoredFile
from fairlead.adapters.unit import Produced

_VERSION = 1
_ATTEMPTS = 100


class DamagedEntry(Exception):
    """An entry is there, but it is not what was written; it counts as absent and is replaced by the next run."""


@dataclass(frozen=True)
class Entry:
    """One cached result."""

    outputs: dict[str, Any]
    files: tuple[StoredFile, ...]
    files_root: str
    """The folder below which the files have their names."""
    log: str | None
    """Where the log of the run that made it is."""
    seconds: float
    """How long that run took."""


class ResultCache:
    """The results below one root."""

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        """Use a root; without one, ``$FAIRLEAD_CACHE`` or else ``fairlead`` in the user's cache folder."""
        chosen = os.fspath(root or default_root())
        storage.refuse_secrets(chosen, "cache")
        self.root = str(storage.local_path(chosen)) if storage.is_local(chosen) else storage.join(chosen)

    def __repr__(self) -> str:
        """Show the root."""
        return f"ResultCache({self.root!r})"

    def folder(self, fingerprint: str) -> str:
        """Return the folder of an entry."""
        return storage.join(self.root, fingerprint[:2], fingerprint)

    def lookup(self, fingerprint: str) -> Entry | None:
        """Return a verified entry, or None; raises `DamagedEntry` with the reason, and `StorageFailed`."""
        folder = self.folder(fingerprint)
        try:
            data = storage.read_bytes(storage.join(folder, "outcome.json"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from error
        try:
            record = json.loads(data)
            claimed = record.pop("digest")
            if record["version"] > _VERSION:
                return None
            intact = record["fingerprint"] == fingerprint and digest_of(record) == claimed
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DamagedEntry(f"{folder}/outcome.json cannot be read ({error!r})") from error
        if not intact:
            raise DamagedEntry(f"{folder}/outcome.json has changed since it was written")
        root = storage.join(folder, "files", record["tree"])
        files = []
        for item in record["files"]:
            file = StoredFile(item["name"], storage.join(root, item["name"]), item["digest"], item["size"])
            try:
                found = storage.digest(file.location)
            except FileNotFoundError as error:
                raise DamagedEntry(f"{file.location} is missing") from error
            except OSError as error:
                raise DamagedEntry(f"{file.location} cannot be read ({error})") from error
            if found != file.digest:
                raise DamagedEntry(f"{file.location} has changed since it was written")
            files.append(file)
        log = storage.join(folder, record["log"]) if record["log"] else None
        return Entry(record["outputs"], tuple(files), root, log, record["seconds"])

    def commit(
        self, fingerprint: str, produced: Produced, *, unit: Mapping[str, str], seconds: float, log: str | None
    ) -> Entry:
        """Make a result visible, replacing what was there; local files are moved, not copied, if that is possible."""
        with self._translated():
            return self._commit(fingerprint, produced, unit, seconds, log)

    def _commit(
        self, fingerprint: str, produced: Produced, unit: Mapping[str, str], seconds: float, log: str | None
    ) -> Entry:
        folder = self.folder(fingerprint)
        found = {
            name: (storage.digest_local(path), path.stat().st_size) for name, path in sorted(produced.files.items())
        }
        tree = digest_of({name: digest for name, (digest, _) in found.items()})[:32]
        root = storage.join(folder, "files", tree)
        files = tuple(StoredFile(name, storage.join(root, name), *facts) for name, facts in found.items())
        if files:
            if storage.is_local(folder):
                _publish(produced.files, files, Path(root))
            else:
                for file in files:
                    storage.put(produced.files[file.name], file.location)
        record: dict[str, Any] = {
            "version": _VERSION,
            "fingerprint": fingerprint,
            "unit": dict(unit),
            "outputs": dict(produced.outputs),
            "files": [{key: value for key, value in asdict(file).items() if key != "location"} for file in files],
            "tree": tree,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": seconds,
            "log": log.removeprefix(folder + "/") if log else None,
        }
        # What is hashed is what a reader will parse.
        record = json.loads(json.dumps(record))
        text = json.dumps(record | {"digest": digest_of(record)}, indent=1)
        storage.write_bytes(storage.join(folder, "outcome.json"), text.encode())
        return Entry(record["outputs"], files, root, log, seconds)

    @contextlib.contextmanager
    def _translated(self) -> Generator[None]:
        """Make the system's refusals of a local root what they are of a remote one."""
        try:
            yield
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> StorageFailed:
        return StorageFailed(
            f"The result cache {self.root} cannot be used: {error}.",
            remedy="Check permissions and free space there, or choose another place (FAIRLEAD_CACHE).",
        )

    @contextlib.contextmanager
    def run_log(self, fingerprint: str) -> Generator[tuple[str, IO[bytes]]]:
        """Open the log of a new run: its location, and a stream for the lines. It is kept however the run ends.

        A local log grows as the run speaks; a remote one is written when the run ends.
        """
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(4).hex()}.ndjson"
        location = storage.join(self.folder(fingerprint), "logs", name)
        if storage.is_local(location):
            path = storage.local_path(location)
            with self._translated():
                path.parent.mkdir(parents=True, exist_ok=True)
                stream = path.open("wb", buffering=0)
            with stream:
                yield location, stream
            return
        with tempfile.NamedTemporaryFile(prefix="fairlead-log-") as spool:
            try:
                yield location, spool
            except BaseException:
                with contextlib.suppress(StorageFailed, OSError):  # why the run failed counts
                    self._upload(spool, location)
                raise
            self._upload(spool, location)

    @staticmethod
    def _upload(spool: IO[bytes], location: str) -> None:
        try:
            spool.flush()
            storage.put(Path(spool.name), location)
        except OSError as error:
            raise StorageFailed(f"{location}: the log of the run could not be written: {error}.") from error


def default_root() -> str:
    """Return ``$FAIRLEAD_CACHE``, or else ``fairlead`` below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    configured = os.environ.get("FAIRLEAD_CACHE")
    if configured:
        return configured
    return str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fairlead")


def _publish(sources: Mapping[str, Path], files: tuple[StoredFile, ...], root: Path) -> None:
    """Move files below a folder that appears whole; what is there already is kept if it is sound."""
    if _are_sound(files):
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = root.with_name(f".new-{os.urandom(8).hex()}")
    temporary.mkdir()
    try:
        for file in files:
            target = temporary / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(sources[file.name], target)
        for _ in range(_ATTEMPTS):
            try:
                temporary.rename(root)
            except OSError:  # something is there: a faster writer's equal files, or damaged ones
                if _are_sound(files):
                    return
                damaged = root.with_name(f".old-{os.urandom(8).hex()}")
                with contextlib.suppress(FileNotFoundError):
                    root.rename(damaged)
                storage.remove(str(damaged))
            else:
                return
        raise StorageFailed(f"{root}: could not be replaced.", remedy="Check who else writes there.")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _are_sound(files: tuple[StoredFile, ...]) -> bool:
    try:
        return all(storage.digest(file.location) == file.digest for file in files)
    except OSError:
        return False
