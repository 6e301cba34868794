"""What is allowed in a twine and is probably not meant: keys that nobody reads, rules that nothing keeps, old forms.

They are shown by ``fairlead validate``, and never keep an app from running. What a twine must not say is said by
``contract``; what is the same for every JSON Schema by ``schemas.lints``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from fairlead.adapters.errors import Problem
from fairlead.adapters.schemas import lints as of_schema
from fairlead.adapters.twine.contract import KEYS, MANIFEST_STRANDS, VALUES_STRANDS, Twine

_FOR_PEOPLE = ("$schema", "$id", "$comment", "title", "description", "name", "version")
_OCTUES_CREDENTIAL = re.compile("[A-Z]+(?:_[A-Z]+)*")


def lints(twine: Twine) -> list[Problem]:
    """Return all that a valid twine says and probably does not mean, each with what to do."""
    return [
        *_unknown_keys(twine),
        *_schemas(twine),
        *_old_datasets(twine),
        *_credentials(twine),
    ]


def remarks(twine: Twine) -> list[Problem]:
    """Return what is worth knowing about a twine and no mistake: defaults, of which its forms make use."""
    return [
        problem
        for place, schema in twine.schemas()
        for problem in of_schema.unfilled(schema, f"{twine.where}: {place}")
    ]


def _unknown_keys(twine: Twine) -> Iterator[Problem]:
    for key in twine.written:
        if key not in KEYS and key not in _FOR_PEOPLE:
            near = difflib.get_close_matches(key, KEYS, n=1)
            remedy = f"Did you mean '{near[0]}'?" if near else "Leave it out, or say it in 'description'."
            yield Problem(f"{twine.where}: {key}", "is not part of a twine, and is ignored", "", remedy)


def _schemas(twine: Twine) -> Iterator[Problem]:
    for place, schema in twine.schemas():
        yield from of_schema.lints(schema, f"{twine.where}: {place}")
    for strand in (*VALUES_STRANDS, "monitor_message"):
        schema = twine.raw.get(f"{strand}_schema", True)
        # Any values may be wanted; but what looks like rules, and messages of which nobody knows anything, are not.
        if schema is not True and (
            strand == "monitor_message" or any(isinstance(part, dict) for part in schema.values())
        ):
            yield from of_schema.unconstrained(schema, f"{twine.where}: {strand}_schema")


def _old_datasets(twine: Twine) -> Iterator[Problem]:
    for strand in MANIFEST_STRANDS:
        if strand in twine.written and isinstance(twine.written[strand]["datasets"], list):
            found = "is a list, which Octue has not read since 2022"
            remedy = 'Write {"name": {"purpose": "…"}} instead of [{"key": "name", "purpose": "…"}].'
            yield Problem(f"{twine.where}: {strand}.datasets", found, "an object of datasets by key", remedy)


def _credentials(twine: Twine) -> Iterator[Problem]:
    for index, credential in enumerate(twine.raw.get("credentials", ())):
        if not _OCTUES_CREDENTIAL.fullmatch(credential["name"]):
            yield Problem(
                f"{twine.where}: credentials[{index}].name",
                f"'{credential['name']}' is a name that Octue refuses, and that is accepted here",
                "capitals and underscores alone, for Octue",
                "Leave the digits out if the app is to run there, too.",
            )
