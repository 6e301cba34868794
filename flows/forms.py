"""A flow whose parameters are the values that an app takes, so that Prefect's pages ask for them by name.

The contract is read when the flow is made. Prefect checks what people fill in against each value's schema before a run
starts; the contract as a whole is checked when the flow runs. What a run does is said by ``twine``.
"""

import inspect
import keyword
import os
from collections.abc import Mapping
from typing import Any

from prefect import Flow
from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fairlead.adapters.errors import ContractInvalid, Problem
from fairlead.adapters.schemas import fields, prefect_parameters
from fairlead.adapters.twine import TwineApp
from fairlead.adapters.twine.forms import form_of
from fairlead.flows.answers import answering
from fairlead.flows.results import SERIALIZER
from fairlead.flows.twine import JSONSource, twine_task

_MANIFEST = {
    "title": "Input manifest",
    "description": 'The input datasets: {"datasets": {"name": "folder"}}, or the path of a .json file.',
    "anyOf": [{"type": "object"}, {"type": "string"}],
}


def twine_flow(
    app: str | os.PathLike[str],
    *,
    name: str | None = None,
    configuration_values: JSONSource = None,
    configuration_manifest: JSONSource = None,
    **options: Any,
) -> Flow[..., dict[str, Any]]:
    """Make a flow of a twine app, ready to be deployed, with a parameter for each of its input values.

    The parameters have the titles, descriptions, units, choices, ranges and defaults of the twine. If the twine has an
    input manifest, ``input_manifest`` is a parameter, too. The flow returns the outcome as JSON data, and answers
    questions (see ``answers``).

        wind_resource = twine_flow("apps/wind_resource", retries=2)

        if __name__ == "__main__":
            wind_resource.serve()

    Prefect finds a deployed flow by its function's name in the file: call the variable as the flow, whose name is the
    folder's where none is given.

    Args:
        app: the folder that holds ``twine.json`` and ``app.py``.
        name: the flow's name, and what the variable is called; a name as Python has them.
        configuration_values: as for `twine_task`.
        configuration_manifest: likewise.
        options: what else `twine_task` takes, e.g. ``cache``, ``retries`` and ``timeout``.

    Raises:
        AppInvalid: there is no app.
        ContractInvalid: the twine cannot be used, its input values are no object, or a name is none in Python.
    """
    unit = TwineApp(app)
    twine = unit.load()
    title = name or unit.name.replace("-", "_")
    parameters: dict[str, Any] = {"properties": {}, "required": []}
    optional: set[str] = set()
    if twine.declares("input_values"):
        form = form_of(twine, "input_values")
        parameters = prefect_parameters(**form)
        optional = {field.name for field in fields(**form) if not field.required}
    properties: dict[str, Any] = dict(parameters["properties"])
    required: list[str] = [*parameters["required"]]
    _check_names(title, properties, twine.where)
    takes_manifest = twine.declares("input_manifest")
    if takes_manifest:
        properties["input_manifest"] = {**_MANIFEST, "position": len(properties)}
        required += ["input_manifest"] if twine.requires("input_manifest") else []
    task = twine_task(
        app,
        configuration_values=configuration_values,
        configuration_manifest=configuration_manifest,
        **options,
    )

    def run(**values: Any) -> dict[str, Any]:
        given = {name: value.default if isinstance(value, FieldInfo) else value for name, value in values.items()}
        # What is missing is told by the contract.
        given = {name: value for name, value in given.items() if value is not PydanticUndefined}
        manifest = given.pop("input_manifest", None) if takes_manifest else None
        inputs = {name: value for name, value in given.items() if value is not None or name not in optional}
        with answering() as answer:
            return answer(task(inputs if twine.declares("input_values") else None, manifest))

    run.__name__ = run.__qualname__ = title
    run.__module__ = caller()
    run.__doc__ = twine.raw.get("description") or twine.raw.get("title")
    run.__signature__ = signature(properties, required)  # type: ignore[attr-defined]
    return Flow(
        run,
        name=title.replace("_", "-"),
        validate_parameters=False,  # they are by the contract
        persist_result=True,
        result_serializer=SERIALIZER,
    )


def caller() -> str:
    """Return the module that makes a flow, which is where Prefect looks for it."""
    frame = inspect.currentframe()
    while frame and str(frame.f_globals.get("__name__")).startswith(f"{__package__}."):
        frame = frame.f_back
    return str(frame.f_globals["__name__"]) if frame else "__main__"


def signature(properties: Mapping[str, Mapping[str, Any]], required: list[str]) -> inspect.Signature:
    """Return a signature from which Prefect makes the parameters' schema."""
    return inspect.Signature([
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Any,
            default=Field(
                default=... if name in required else part.get("default"),
                description=part.get("description"),
                json_schema_extra={key: value for key, value in part.items() if key != "default"},
            ),
        )
        for name, part in properties.items()
    ])  # fmt: skip


def _check_names(title: str, properties: Mapping[str, Any], where: str) -> None:
    problems: list[Problem] = []
    for name, place in ((title, "name"), *((name, f"{where}: input_values_schema") for name in properties)):
        found = f"'{name}' cannot be the name of a flow" if place == "name" else f"'{name}' cannot be a parameter"
        remedy = "Give another 'name'." if place == "name" else "Use run_twine_app, which takes all values as one."
        if not name.isidentifier() or keyword.iskeyword(name):
            problems.append(Problem(place, found, "a name as Python has them", remedy))
        elif place != "name" and name == "input_manifest":
            found += ": the name is reserved for the input datasets"
            problems.append(Problem(place, found, "another name", remedy))
    if problems:
        raise ContractInvalid(problems)
