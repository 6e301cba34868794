"""How classes and functions are named as blocks, and blocks of one name told apart.

Names are Outflow's: snake case for what is run, camel case for the class that a function becomes. They make paths such
as ``study/each[3]/double``, which are read again, so that no name may have what separates their parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_FORBIDDEN = re.compile(r"[/\[\]\x00-\x1f\x7f-\x9f]")


def forbidden_in(name: str) -> str:
    """Return the first character of a name that no block's name may have, or nothing."""
    found = _FORBIDDEN.search(name)
    return found[0] if found else ""


def without_forbidden(name: str) -> str:
    """Return a name that is not the user's choice as one that a block may have."""
    return _FORBIDDEN.sub("_", name)


def to_snake_case(name: str) -> str:
    """Return a name in snake case: ``ABCTask2Go`` becomes ``abc_task2_go``."""
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def to_camel_case(name: str) -> str:
    """Return a name in camel case: ``gen_data`` becomes ``GenData``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def keys_of(names: Iterable[str]) -> list[str]:
    """Return a key for each name, in order: the name itself, or with a number from 2 on where it came before."""
    keys: list[str] = []
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    for name in names:
        key, number = name, numbers.get(name, 1)
        while key in taken:
            number += 1
            key = f"{name}-{number}"
        numbers[name] = number
        taken.add(key)
        keys.append(key)
    return keys
