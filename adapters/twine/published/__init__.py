"""Octue's published schemas, kept here so that twines which refer to them by address work without a network.

They are written anew from what is known of them, and say the same of what apps send and are given; where Octue asks for
more than work needs (ids and tags of every file, one kind of backend), these ask for less. Which version an address
names makes no difference beyond that. Other addresses are found by ``references``.
"""

from __future__ import annotations

import functools
import json
import re
from importlib import resources
from typing import Any

_ADDRESS = re.compile(
    r"https://(?:refs\.schema|jsonschema\.registry)\.octue\.com/octue/"
    r"(?:(?P<manifest>manifest/0\.1\.0)|(?P<children>children/0\.[12]\.0)"
    r"|(?P<essential_monitors>essential-monitors/0\.0\.[23]))\.json"
)


def published(address: str) -> dict[str, Any] | None:
    """Return the schema that Octue has published at an address, or None."""
    found = _ADDRESS.fullmatch(address)
    return schema(found.lastgroup) if found and found.lastgroup else None


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """Return the schema of a ``manifest``, of ``children`` or of the ``essential_monitors``, as they are given."""
    text = resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data
