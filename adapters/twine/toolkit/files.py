"""Temporary folders that can be found again: each is in one list, for whoever clears up after an app.

Removing them is up to their owner, or to Python at its end, as with any `tempfile.TemporaryDirectory`.
"""

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
