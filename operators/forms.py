"""The trigger form of a DAG, made from an app's contract: a parameter for each value that the app takes.

    with DAG("wind", params=params("apps/wind_resource")):
        TwineAppOperator(task_id="wind", app="apps/wind_resource", input_values=filled_in("apps/wind_resource"), ...)

The contract is read when the DAG file is parsed. Airflow checks what people fill in against each value's schema, its
``format`` included; the contract as a whole is checked when the task runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow.sdk import Param

if TYPE_CHECKING:
    from fairlead.adapters.twine import Twine, TwineApp

    Source: TypeAlias = str | os.PathLike[str] | TwineApp | Twine | Mapping[str, Any]


def params(source: Source, strand: str = "input_values") -> dict[str, Param]:
    """Return the parameters of a DAG that asks for a strand of an app.

    A value that the app requires and that has no default has none here either: Airflow asks for it, and does not accept
    a schedule for the DAG. A value that may be absent is None until it is filled in.

    Args:
        source: an app's folder, an app, a twine or a JSON Schema.
        strand: ``input_values`` or ``configuration_values``.

    Raises:
        AppInvalid: there is no app.
        ContractInvalid: the contract cannot be used, or the strand is not an object with named values.
    """
    from fairlead.adapters.schemas import airflow_params
    from fairlead.adapters.twine.forms import form_of

    made: dict[str, Param] = {}
    for name, spec in airflow_params(**form_of(source, strand)).items():
        words: dict[str, Any] = {"description": spec.description, "schema": dict(spec.schema)}
        made[name] = Param(spec.default, **words) if spec.has_default else Param(**words)
    return made


def filled_in(source: Source, strand: str = "input_values") -> str:
    """Return a template that gives an operator what was filled in, as JSON text; arguments as for `params`.

    A value that may be absent and is None is left out.
    """
    from fairlead.adapters.schemas import fields
    from fairlead.adapters.twine.forms import form_of

    named = fields(**form_of(source, strand))
    required = [field.name for field in named if field.required]
    optional = [field.name for field in named if not field.required]
    given = f"params.items() | selectattr(0, 'in', {required!r})"
    present = f"params.items() | selectattr(0, 'in', {optional!r}) | rejectattr(1, 'none')"
    return f"{{{{ dict(({given} | list) + ({present} | list)) | tojson }}}}"
