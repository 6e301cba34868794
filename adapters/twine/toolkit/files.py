"""Files and folders: temporary ones that can be found again, and whether something is one or the other.

Temporary folders are in one list, for whoever clears up after an app. Removing them is up to their owner, or to Python
at its end, as with any `tempfile.TemporaryDirectory`.
"""

import os
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

registered_temporary_directories: "list[RegisteredTemporaryDirectory]" = []
"""Every folder that was made here in this process, also those that are removed by now."""


class RegisteredTemporaryDirectory(tempfile.TemporaryDirectory[str]):
    """A temporary folder that is listed in ``registered_temporary_directories``."""

    def __init__(
        self,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: "str | PathLike[str] | None" = None,  # noqa: A002 (tempfile's name)
        ignore_cleanup_errors: bool = False,  # noqa: FBT001, FBT002 (tempfile's order)
    ) -> None:
        """Make the folder, as `tempfile.TemporaryDirectory` does."""
        super().__init__(suffix, prefix, dir, ignore_cleanup_errors)
        registered_temporary_directories.append(self)


def isfile(*parts: "str | PathLike[str]") -> bool:
    """Tell whether the path that the parts make is a file."""
    return os.path.isfile(os.path.join(*parts))


def isfolder(*parts: "str | PathLike[str]", make_if_absent: bool = False) -> bool:
    """Tell whether the path that the parts make is a folder, which is made first if that is asked for."""
    path = os.path.join(*parts)
    if make_if_absent:
        os.makedirs(path, exist_ok=True)
    return os.path.isdir(path)
