"""What of an app is asked for in a form: the schema of one of its strands, with all that it refers to.

Both engines' forms begin here. What a form is made of is said by ``schemas.forms``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fairlead.adapters.errors import ContractInvalid, Problem
from fairlead.adapters.twine.contract import VALUES_STRANDS, Twine
from fairlead.adapters.twine.unit import TwineApp


def form_of(source: str | os.PathLike[str] | TwineApp | Twine | Mapping[str, Any], strand: str) -> dict[str, Any]:
    """Return the arguments of `schemas.fields` and of all that is made of fields.

    Args:
        source: an app's folder, an app, a twine or a JSON Schema.
        strand: ``input_values``, ``configuration_values`` or ``output_values``; of no account for a schema.

    Raises:
        AppInvalid: there is no app.
        ContractInvalid: the twine or the schema cannot be used, or the twine has no such strand.
    """
    if isinstance(source, Mapping):
        twine = Twine({f"{strand}_schema": source}, where="the schema")
    else:
        twine = source if isinstance(source, Twine) else _app(source).load()
    if strand not in VALUES_STRANDS or not twine.declares(strand):
        remedy = (
            f"Declare '{strand}_schema'." if strand in VALUES_STRANDS else f"Give one of {', '.join(VALUES_STRANDS)}."
        )
        raise ContractInvalid(Problem(strand, "is not declared, so there is nothing to ask for", twine.where, remedy))
    return {
        "schema": twine.raw[f"{strand}_schema"],
        "where": f"{twine.where}: {strand}_schema",
        "elsewhere": twine.mapped,
    }


def _app(source: str | os.PathLike[str] | TwineApp) -> TwineApp:
    return source if isinstance(source, TwineApp) else TwineApp(source)
