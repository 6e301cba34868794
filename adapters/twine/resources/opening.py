"""A datafile that is open: as the built-in ``open`` does it, and what follows when it has been written.

A file of a store is written on this machine and sent when it is closed. It does not decide where a file is.
"""

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    from fairlead.adapters.twine.resources.datafile import Datafile

_WRITING = frozenset("wax+U")


class OpenDatafile:
    """A datafile that is open for as long as a ``with`` statement lasts."""

    def __init__(self, datafile: "Datafile", mode: str, options: "dict[str, Any]", *, update_metadata: bool) -> None:
        self._datafile = datafile
        self._mode = mode
        self._options = options
        self._update_metadata = update_metadata
        self._writes = bool(_WRITING & set(mode))
        self._stream: Any = None

    def __enter__(self) -> "IO[Any]":
        path = self._path()
        if self._writes:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            self._stream = (
                self._open_hdf5(path) if self._datafile.extension == "hdf5" else open(path, self._mode, **self._options)
            )
        except BaseException:
            self._forget()
            raise
        return self._stream  # type: ignore[no-any-return]  # an h5py.File counts as one

    def __exit__(self, error: object, *_: object) -> None:
        self._stream.close()
        if not self._writes:
            return
        if error is not None:
            self._forget()
            return
        if self._datafile.exists_in_cloud:
            self._datafile.upload(update_cloud_metadata=self._update_metadata)
        elif self._update_metadata:
            self._datafile.update_local_metadata()

    def _forget(self) -> None:
        """Let what was not written whole not stand for what is in the store."""
        if self._writes and self._datafile.exists_in_cloud:
            self._datafile.local_path = None

    def _path(self) -> str:
        datafile = self._datafile
        if self._writes and datafile.exists_in_cloud:
            datafile.writable()
            if "w" in self._mode:  # nothing of the old content is needed
                return datafile.begin()
            if "x" in self._mode or ("a" in self._mode and not datafile.exists_locally):
                from fairlead.adapters import storage

                is_there = storage.exists(datafile.cloud_path or "")
                if is_there and "x" in self._mode:
                    raise FileExistsError(errno.EEXIST, "File exists", datafile.cloud_path)
                if not is_there:
                    return datafile.begin()
        return datafile.local_path

    def _open_hdf5(self, path: str) -> "Any":
        try:
            import h5py
        except ImportError as error:
            msg = f"{self._datafile!r} is an HDF5 file, which the package h5py opens: pip install h5py."
            raise ImportError(msg) from error
        return h5py.File(path, self._mode, **self._options)
