"""Schemas that a twine refers to by address: found in what the user maps and in what Octue has published.

The mapping is a JSON object of addresses, each with a schema or with the path of its file:

    {"https://example.org/wind.json": "schemas/wind.json"}

It is given to `Twine` and `TwineApp`, or its file is named by the variable FAIRLEAD_SCHEMAS where the work runs, which
serves terminals, operators and tasks alike. It is read only for a twine that leads out of itself. Nothing is ever
downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from fairlead.adapters.errors import ContractInvalid, Problem
from fairlead.adapters.schemas import compiled, shown
from fairlead.adapters.twine.encoding import to_json
from fairlead.adapters.twine.published import published
from fairlead.adapters.twine.sources import load_json

VARIABLE = "FAIRLEAD_SCHEMAS"

Schemas: TypeAlias = Mapping[str, Any] | str | os.PathLike[str]
"""A mapping of addresses to schemas or to the paths of their files, or the path of a JSON file that holds one."""


def referred(schemas: Iterable[Mapping[str, Any]], given: Schemas | None) -> dict[str, Any]:
    """Return every schema that some schemas lead to beyond themselves, directly or not, by its address.

    What is in no mapping is left out; the schema that refers to it reports that when it is checked.

    Args:
        schemas: those of a twine.
        given: the user's mapping; None for that of the environment.

    Raises:
        ContractInvalid: the mapping, or a schema in it that is asked for, cannot be read.
    """
    addresses = [address for schema in schemas for address in compiled(schema).outside]
    if not addresses:
        return {}
    mapping, base = _mapping(given)
    found: dict[str, Any] = {}
    while addresses:
        address = addresses.pop()
        if address in found:
            continue
        schema = _read(address, mapping[address], base) if address in mapping else published(address)
        if schema is not None:
            found[address] = schema
            addresses += compiled(schema, address=address).outside
    return dict(sorted(found.items()))


def _mapping(given: Schemas | None) -> tuple[Mapping[str, Any], Path]:
    """Return the user's mapping, and the folder to which its paths are relative."""
    source, where = given, "schemas"
    if source is None:
        source, where = os.environ.get(VARIABLE), VARIABLE
        if not source:
            return {}, Path()
    if isinstance(source, str):
        source = Path(source)
    data, base = load_json(source, where, ContractInvalid)
    if not isinstance(data, Mapping):
        remedy = 'Give {"https://example.org/a.json": "a.json"}.'
        expected = "an object of addresses, each with a schema or its file's path"
        raise ContractInvalid(Problem(where, f"{shown(data)} is no mapping of schemas", expected, remedy))
    return {str(address).removesuffix("#"): schema for address, schema in data.items()}, base or Path()


def _read(address: str, schema: object, base: Path) -> dict[str, Any]:
    where = f"schemas['{address}']"
    if isinstance(schema, str | os.PathLike):
        schema, _ = load_json(base / schema, where, ContractInvalid)
    if not isinstance(schema, Mapping):
        found = f"{shown(schema)} is not a schema"
        raise ContractInvalid(Problem(where, found, "an object, or the path of its file", "Correct it there."))
    data: dict[str, Any] = to_json(schema, where, error=ContractInvalid)
    return data
