"""Runs a program as Python does, with packages served that it imports and that are not installed.

It does not take Python's own options, which belong before its ``-m``, and serves nothing to what the program starts.
"""

from __future__ import annotations

import os
import runpy
import sys
from types import ModuleType

from fairlead.adapters import compat

USAGE = """\
usage: python -m fairlead.adapters.compat [--prefer] (-m MODULE | -c CODE | FILE) [ARGUMENT ...]

Run a program in which octue, outflow and twined can be imported, by fairlead's modules where these are not installed.

  --prefer   fairlead's modules also where the packages are installed
"""


def main() -> None:
    """Take the command line apart and become the program; its arguments and its exit are its own."""
    arguments = sys.argv[1:]
    prefer = arguments[:1] == ["--prefer"]
    if prefer:
        del arguments[0]
    if arguments[:1] in (["-h"], ["--help"]):
        sys.stdout.write(USAGE)
        return
    is_option = arguments[:1] in (["-m"], ["-c"])
    if len(arguments) < 1 + is_option or (not is_option and arguments[0].startswith("-")):
        found = f"{arguments[0]} is no option, or its value is missing" if arguments else "no program"
        sys.stderr.write(f"{USAGE}\nerror: {found}\n")
        sys.exit(2)
    compat.install(prefer=prefer)
    if arguments[0] == "-m":
        sys.argv[:] = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv[:] = ["-c", *arguments[2:]]
        _look_first_in("")
        program = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(arguments[1], "<string>", "exec"), vars(program))  # noqa: S102 (that is what was asked for)
    else:
        sys.argv[:] = arguments
        _look_first_in(os.path.dirname(os.path.realpath(arguments[0])))  # noqa: PTH120 (as Python does it)
        runpy.run_path(arguments[0], run_name="__main__")


def _look_first_in(folder: str) -> None:
    """Put the folder where Python looks first, which was that of this program."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


if __name__ == "__main__":
    main()
