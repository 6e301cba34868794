"""What is done when this process dies, however it goes: a shell waits on a pipe, and then does what it was told last.

It is told anew whenever something is started or has ended, and dismissed when all has. The shell stands in a session of
its own, so that what ends this process by its group does not end the shell.

What it does not do: survive a machine that loses power, or an end of all its processes at once.
"""

from __future__ import annotations

import contextlib
import subprocess

_SCRIPT = 'will=; while IFS= read -r line; do will=$line; done; eval "$will"'


class LastWill:
    """A command for a shell that is carried out if this process ends before it says otherwise."""

    def __init__(self) -> None:
        """Start the shell; so far it would do nothing."""
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._shell.stdin
        self._pipe = self._shell.stdin

    def be(self, command: str) -> None:
        """Replace what was to be done; the command is one line."""
        with contextlib.suppress(BrokenPipeError):
            self._pipe.write(f"{command}\n".encode())
            self._pipe.flush()

    def dismiss(self) -> None:
        """Let the shell do nothing, and end."""
        self.be("")
        with contextlib.suppress(BrokenPipeError):
            self._pipe.close()
        self._shell.wait()

    def fileno(self) -> int:
        """Return the pipe's end, which no process that this one forks may keep."""
        return self._pipe.fileno()
