"""Reading a ``.env`` file: the credentials of a developer's machine, one ``NAME=value`` in a line.

A line may begin with ``export``; ``#`` starts a comment; a value in double quotes may hold escapes as texts of Python
do, one in single quotes is taken as it is. Lines of any other form are passed over, and nothing is substituted. The
module sets nothing in the environment.
"""

from __future__ import annotations

import os
import re

_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*
    (?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<plain>[^\s"'#][^\n]*?)?)
    [ \t]*(?:(?<=[\s"'=])\#[^\n]*)?$""",
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read_dotenv(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the variables in a ``.env`` file; none if there is no such file."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return {}
    return {found["name"]: _value(found) for found in _LINE.finditer(text)}


def _value(found: re.Match[str]) -> str:
    if found["double"] is not None:
        return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), found["double"], flags=re.DOTALL)
    return found["single"] if found["single"] is not None else found["plain"] or ""
