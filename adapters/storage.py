"""Files wherever they are: a local path, or any URL that fsspec reads (``s3://``, ``gs://``, ``memory://``, ``https://``).

A *location* is a string: a path or a URL. Local ones (no scheme, or ``file://``) never touch fsspec, so that work on
one machine needs neither its import nor its indirection. Digests are BLAKE3, as lower-case hexadecimal. The module does
not decide where anything is kept, and it does not retry.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import posixpath
import re
import shutil
import stat
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fairlead.adapters.errors import InputInvalid, Problem, StorageFailed

T = TypeVar("T")

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)(://|::(?=[A-Za-z][A-Za-z0-9+.-]*(?:://|::)))")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_PLAIN = {*_EXTRAS, "memory"}
"""Stores that read from no other, so that '::' in an address is part of a name."""
_ADDRESSES_WITH_COLONS = {"github", "git"}  # org:repository@revision
_SMALL = 1 << 18
_CHUNK = 1 << 22
_PART = 1 << 23
"""Bytes of a part of an upload: stores ask for at least 5 MiB."""
_PARTS = 10_000
"""How many parts an upload may have."""


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
        if _shares_streams(fs):
            return _digest_stream(io.BytesIO(fs.cat_file(path)).readinto)
        with fs.open(path, "rb") as stream:
            return _digest_stream(stream.readinto)

    return on_store(location, read)


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


def refuse_secrets(location: str, where: str) -> None:
    """Raise `InputInvalid` for an address with a password in it, which would show in logs and results."""
    scheme, _, rest = location.partition("://")
    user, at, host = rest.partition("/")[0].rpartition("@")
    if at and ":" in user and scheme not in _ADDRESSES_WITH_COLONS:
        found = f"{scheme}://…@{host} holds a password"
        remedy = "Leave it out, and give it to the process in the way that its storage package documents."
        raise InputInvalid(Problem(where, found, "an address without credentials", remedy))


def plain_url(location: str) -> str:
    """Return a web address without its query and fragment, which may hold a signature; any other location as it is."""
    return re.split(r"[?#]", location, maxsplit=1)[0] if location.startswith(("http://", "https://")) else location


def exists(location: str) -> bool:
    """Tell whether a file or folder is there."""
    if is_local(location):
        return local_path(location).exists()
    return on_store(location, lambda fs, path: bool(fs.exists(path)))


def is_folder(location: str) -> bool:
    """Tell whether a folder is there (in object stores: whether anything is below that name)."""
    if is_local(location):
        return local_path(location).is_dir()
    return on_store(location, lambda fs, path: bool(fs.isdir(path)))


def walk(location: str) -> list[str]:
    """Return the names of all files below a folder, as POSIX paths in it, sorted; a missing folder has none.

    A link counts as what it leads to, except where it leads back to a folder that it is in. Raises OSError for what is
    neither file nor folder, such as a link to nothing.
    """
    if is_local(location):
        return sorted(name for name, _ in local_files(str(local_path(location))))

    def find(fs: Any, path: str) -> list[str]:
        fs.invalidate_cache(path)
        prefix = path.rstrip("/") + "/"
        return sorted(name.removeprefix(prefix) for name in fs.find(path) if name.startswith(prefix))

    return on_store(location, find)


def local_files(
    folder: str, skip: Callable[[os.DirEntry[str]], bool] | None = None, prefix: str = "", above: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Go through all files below a local folder, as `walk` does: each one's name, and its path.

    Raises OSError for what is neither file nor folder. Of what ``skip`` says yes to, nothing is seen. ``prefix`` and
    ``above`` (the folders that this one is in) are for the way down.
    """
    above = (*above, folder)
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if skip is not None and skip(entry):
                continue
            if entry.is_dir():
                if not (entry.is_symlink() and _leads_back(entry.path, above)):
                    yield from local_files(entry.path, skip, f"{prefix}{entry.name}/", above)
            elif entry.is_file():
                yield prefix + entry.name, entry.path
            else:
                raise OSError(errno.EINVAL, "it is no file but a link to nothing, a pipe or the like", entry.path)


def _leads_back(link: str, above: tuple[str, ...]) -> bool:
    target = os.path.realpath(link)
    folders = [os.path.realpath(folder) for folder in above]
    return target in folders or folders[0].startswith(target.rstrip("/") + "/")


def size(location: str) -> int:
    """Return a file's size in bytes."""
    if is_local(location):
        return local_path(location).stat().st_size
    return on_store(location, lambda fs, path: int(fs.size(path)))


def read_bytes(location: str) -> bytes:
    """Return a whole (small) file; raises FileNotFoundError."""
    if is_local(location):
        return local_path(location).read_bytes()
    return on_store(location, lambda fs, path: bytes(fs.cat_file(path)))


def write_bytes(location: str, data: bytes) -> None:
    """Write a whole (small) file so that a reader sees the old content or the new, never a part."""
    if not is_local(location):
        on_store(location, lambda fs, path: fs.pipe_file(path, data))
        return
    with _appearing(local_path(location)) as temporary:
        temporary.write_bytes(data)


def put(source: Path, location: str, metadata: Mapping[str, str] | None = None) -> None:
    """Copy a local file to a location, making its folders; locally, it appears whole or not at all.

    ``metadata`` go with the object in the same request, to stores that keep them with objects (``s3://``, ``gs://``);
    others leave them out. Larger files are sent in parts, of which only a few are in memory.
    """
    if not is_local(location):
        options = _put_options(location.partition(":")[0], source.stat().st_size, metadata)
        on_store(location, lambda fs, path: fs.put_file(str(source), path, **options))
        return
    with _appearing(local_path(location)) as temporary:
        shutil.copyfile(source, temporary)


def _put_options(scheme: str, size: int, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """Return what tells a store's package to send parts of bounded size, and metadata with the object."""
    kept = dict(metadata or {})
    if scheme in {"s3", "s3a"}:
        part = max(_PART, -(-size // _PARTS))
        return {"chunksize": part, "max_concurrency": 4, **({"Metadata": kept} if kept else {})}
    if scheme in {"gs", "gcs"}:
        return {"chunksize": _PART, **({"metadata": kept} if kept else {})}
    return {}


def fetch(location: str, target: Path) -> None:
    """Copy a file from a location to a local path, making its folders; it appears whole or not at all."""
    if is_local(location):
        put(local_path(location), str(target))
        return

    def get(fs: Any, path: str) -> None:
        if _shares_streams(fs):
            temporary.write_bytes(fs.cat_file(path))
        else:
            fs.get_file(path, str(temporary))

    with _appearing(target) as temporary:
        on_store(location, get)


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

    on_store(location, delete)


@contextlib.contextmanager
def _appearing(path: Path) -> Generator[Path]:
    """Yield a temporary path beside another, which becomes that one when all went well; makes its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _shares_streams(fs: Any) -> bool:
    """Tell whether all readers of a file get one stream, with one position, as those of ``memory://`` do."""
    return "memory" in fs.protocol


def on_store(location: str, action: Callable[[Any, str], T]) -> T:
    """Do something with the file system and path of a URL; a store's own failure becomes `StorageFailed`.

    Where fsspec has no word for it: what is the same in all stores has a function of its own here.
    """
    scheme = location.partition(":")[0]
    try:
        import fsspec

        if "::" in location and scheme in _PLAIN:  # part of a name
            fs = fsspec.filesystem(scheme)
            path = fs._strip_protocol(location)  # noqa: SLF001 (its only way from address to path)
            path = f"/{path.lstrip('/')}" if scheme == "memory" else path  # fsspec's own slip
        else:
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
        shown = location.partition("?")[0]  # a query may be a signature
        told = str(error).replace(location, shown)
        raise StorageFailed(
            f"{shown}: the store answered with {type(error).__name__}: {told}",
            remedy="Check the address, the credentials in the environment and the network.",
        ) from error
