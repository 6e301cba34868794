"""Files wherever they are: a local path, or any URL that fsspec reads (``s3://``, ``gs://``, ``memory://``, ``https://``).

A *location* is a string: a path or a URL. Local ones (no scheme, or ``file://``) never touch fsspec, so that work on
one machine needs neither its import nor its indirection. Digests are BLAKE3, as lower-case hexadecimal. The module does
not decide where anything is kept, and it does not retry.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fairlead.adapters.errors import StorageFailed

T = TypeVar("T")

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)(://|::)")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_SMALL = 1 << 18
_CHUNK = 1 << 22


@dataclass(frozen=True)
class StoredFile:
    """One file of a folder: ``name`` (its POSIX path there), ``location``, BLAKE3 ``digest`` and ``size`` in bytes."""

    name: str
    location: str
    digest: str
    size: int


def is_local(location: str) -> bool:
    """Tell whether a location is on this machine's file system."""
    scheme = _SCHEME.match(location)
    return scheme is None or scheme[1] == "file"


def local_path(location: str) -> Path:
    """Return the absolute path of a local location, with ``~`` expanded."""
    return Path(os.path.abspath(os.path.expanduser(location.removeprefix("file://"))))  # noqa: PTH100, PTH111 (keeps symlinks)


def join(location: str, *parts: str) -> str:
    """Return the location of something below a folder."""
    scheme = _SCHEME.match(location)
    folder = location.rstrip("/") or "/"
    return posixpath.join(location if scheme and len(folder) < scheme.end() else folder, *parts)


def digest(location: str) -> str:
    """Return the BLAKE3 digest of a file's bytes; the file is never held in memory whole."""
    if location.startswith("/"):  # told apart at once, because large trees ask this for every file
        return digest_local(location)
    if is_local(location):
        return digest_local(local_path(location))

    def read(fs: Any, path: str) -> str:
        with fs.open(path, "rb") as stream:
            return _digest_stream(stream.readinto)

    return _remote(location, read)


def digest_local(path: str | os.PathLike[str]) -> str:
    """Return the BLAKE3 digest of a local file.

    Files are read, not mapped: a mapped file that another process truncates would end this process with a signal.
    Reading the next block while hashing the last costs next to nothing over mapping.
    """
    from blake3 import blake3

    # As few calls of the system as can be, because large trees come here for every file.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        facts = os.fstat(descriptor)
        size = facts.st_size
        if size < _SMALL and stat.S_ISREG(facts.st_mode):
            data = os.read(descriptor, size + 1)
            if len(data) == size:
                return blake3(data).hexdigest()
            os.lseek(descriptor, 0, os.SEEK_SET)  # it changes, or its system gives less than it is asked for
        with open(descriptor, "rb", buffering=0, closefd=False) as stream:
            return _digest_stream(stream.readinto)
    finally:
        os.close(descriptor)


def _digest_stream(readinto: Callable[[memoryview], int | None]) -> str:
    from blake3 import blake3

    hasher = blake3(max_threads=_own_threads or blake3.AUTO)
    buffers = (memoryview(bytearray(_CHUNK)), memoryview(bytearray(_CHUNK)))
    with ThreadPoolExecutor(1) as reader:
        turn = 0
        pending = reader.submit(readinto, buffers[turn])
        while size := pending.result():
            pending = reader.submit(readinto, buffers[1 - turn])
            hasher.update(buffers[turn][:size])
            turn = 1 - turn
    return hasher.hexdigest()


_own_threads: int | None = None


def _leave_threads() -> None:
    """Hash with threads of one's own from now on: blake3's shared ones stay behind in a fork, and are waited for."""
    global _own_threads  # noqa: PLW0603 (a process has one state of this)
    _own_threads = os.cpu_count()


os.register_at_fork(after_in_child=_leave_threads)


def exists(location: str) -> bool:
    """Tell whether a file or folder is there."""
    if is_local(location):
        return local_path(location).exists()
    return _remote(location, lambda fs, path: bool(fs.exists(path)))


def is_folder(location: str) -> bool:
    """Tell whether a folder is there (in object stores: whether anything is below that name)."""
    if is_local(location):
        return local_path(location).is_dir()
    return _remote(location, lambda fs, path: bool(fs.isdir(path)))


def walk(location: str) -> list[str]:
    """Return the names of all files below a folder, as POSIX paths in it, sorted; a missing folder has none.

    Links to files count as files, links to folders are not followed.
    """
    if is_local(location):
        return sorted(_walk_local(str(local_path(location)), ""))

    def find(fs: Any, path: str) -> list[str]:
        fs.invalidate_cache(path)
        prefix = path.rstrip("/") + "/"
        return sorted(name.removeprefix(prefix) for name in fs.find(path) if name.startswith(prefix))

    return _remote(location, find)


def _walk_local(folder: str, prefix: str) -> Iterator[str]:
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk_local(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                yield prefix + entry.name


def size(location: str) -> int:
    """Return a file's size in bytes."""
    if is_local(location):
        return local_path(location).stat().st_size
    return _remote(location, lambda fs, path: int(fs.size(path)))


def read_bytes(location: str) -> bytes:
    """Return a whole (small) file; raises FileNotFoundError."""
    if is_local(location):
        return local_path(location).read_bytes()
    return _remote(location, lambda fs, path: bytes(fs.cat_file(path)))


def write_bytes(location: str, data: bytes) -> None:
    """Write a whole (small) file so that a reader sees the old content or the new, never a part."""
    if not is_local(location):
        _remote(location, lambda fs, path: fs.pipe_file(path, data))
        return
    path = local_path(location)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def put(source: Path, location: str) -> None:
    """Copy a local file to a location, making its folders; locally, it appears whole or not at all."""
    if not is_local(location):
        _remote(location, lambda fs, path: fs.put_file(str(source), path))
        return
    path = local_path(location)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        shutil.copyfile(source, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def fetch(location: str, target: Path) -> None:
    """Copy a file from a location to a local path, making its folders; it appears whole or not at all."""
    if is_local(location):
        put(local_path(location), str(target))
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.urandom(8).hex()}")
    try:
        _remote(location, lambda fs, path: fs.get_file(path, str(temporary)))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def remove(location: str) -> None:
    """Remove a file or a folder with all below it; nothing there is no error."""
    if is_local(location):
        path = local_path(location)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        return

    def delete(fs: Any, path: str) -> None:
        if fs.exists(path):
            fs.rm(path, recursive=True)

    _remote(location, delete)


def _remote(location: str, action: Callable[[Any, str], T]) -> T:
    """Do something with the file system and path of a URL; a store's own failure becomes `StorageFailed`."""
    scheme = location.partition(":")[0]
    try:
        import fsspec

        fs, path = fsspec.core.url_to_fs(location)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        raise StorageFailed(
            f"{location}: the package for '{scheme}' storage is not installed: {error}.",
            remedy=f"Install it: pip install 'fairlead[{extra}]'." if extra else "Install the package that this names.",
        ) from error
    except ValueError as error:
        raise StorageFailed(
            f"{location}: '{scheme}' is no storage that fsspec knows: {error}.", remedy="Check the address."
        ) from error
    try:
        return action(fs, path)
    except Exception as error:  # every store has its own exceptions; this is the one place where they are translated
        cause = error.__cause__
        silent = isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)
        if isinstance(error, FileNotFoundError) and not silent:  # fsspec says so too of a web server that is silent
            raise
        raise StorageFailed(
            f"{location}: the store answered with {type(error).__name__}: {error}",
            remedy="Check the address, the credentials in the environment and the network.",
        ) from error
