"""What happens in an app's process: load the app, give it its analysis, return what it has made as JSON data.

Called by an isolation with a payload that `TwineWork.call` made. It checks no outputs: that happens where the contract
is compiled already, in the host's process.
"""

import os

from fairlead.adapters import compat, events
from fairlead.adapters.twine.analysis import Analysis, contract_error
from fairlead.adapters.twine.entry_points import entry_point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from fairlead.adapters.isolation.protocol import Workspace
    from fairlead.adapters.twine.children import Child
    from fairlead.adapters.twine.resources import Manifest


def run(payload: "Mapping[str, Any]", workspace: "Workspace") -> "dict[str, Any]":
    """Run an app and return its outputs, see `Analysis.serialise_outputs`."""
    compat.install("octue", "twined")
    set_credentials(payload["environment_files"])
    contract = payload["contract"]
    analysis = Analysis(
        contract,
        _monitor(contract, workspace),
        id=payload["analysis_id"],
        configuration_values=_as_given(payload, "configuration_values"),
        configuration_manifest=_manifest(payload.get("configuration_manifest")),
        input_values=_as_given(payload, "input_values"),
        input_manifest=_manifest(payload.get("input_manifest")),
        output_manifest=_output_manifest(contract, workspace),
        children=_children(payload["children"], workspace),
    )
    try:
        perform_analysis(entry_point(vars(workspace.load("app")), payload["app"]), analysis, where=payload["app"])
        return analysis.serialise_outputs()
    except Exception as error:
        told = contract_error(error)
        if told is None:
            raise
        raise told from error


def perform_analysis(entry: "Callable[[Analysis], object]", analysis: "Analysis", *, where: str) -> None:
    """Run an app on an analysis; no periodic message is sent when this has ended.

    Raises whatever the app raises, and what went wrong with a periodic message if it does not raise by itself.
    """
    try:
        answer = entry(analysis)
    finally:
        error = analysis.stop_periodic_messages()
    if error is not None:
        raise error
    if type(answer).__name__ in {"coroutine", "generator", "async_generator"}:
        from fairlead.adapters.errors import AppInvalid, Problem

        answer.close()  # type: ignore[attr-defined]
        found = f"'run' is a {type(answer).__name__}, none of whose lines has run"
        raise AppInvalid(Problem(f"{where}/app.py", found, "a plain function", "Drop its async or yield."))


def set_credentials(files: "list[str]") -> None:
    """Take credentials from ``.env`` files, the first before the others, into this process's environment.

    What is set already stays. Raises `InputInvalid` where that is the credential of another app in this process.
    """
    if not files:
        return
    import dotenv

    values: dict[str, str | None] = {}
    for file in files:
        values = dotenv.dotenv_values(file) | values
    for name, value in values.items():
        known = os.environ.get(name)
        if value is not None and known is None:
            os.environ[name] = _set_here[name] = value
        elif value is not None and known != value and _set_here.get(name) == known:
            from fairlead.adapters.errors import InputInvalid, Problem

            found = "an app that runs in this process at the same time has another value for it"
            remedy = "Run one of them in a child process, or after the other."
            raise InputInvalid(Problem(f"credentials.{name}", found, "the app's own", remedy))


_set_here: dict[str, str] = {}
"""What `set_credentials` has set in this process; when the last app has ended, it is out of the environment."""


def _as_given(payload: "Mapping[str, Any]", strand: str) -> "Any":
    """Return JSON data so that the analysis takes a text for the value that it is."""
    value = payload.get(strand)
    if isinstance(value, str):
        import json

        return json.dumps(value)
    return value


def _monitor(contract: "Mapping[str, Any]", workspace: "Workspace") -> "Callable[[Any], None]":
    """Return what passes monitor messages on to the host, and a number ``progress`` in them as progress.

    It goes from 0 to the ``maximum`` that the schema gives it, else to 1.
    """

    def handle(data: "Any") -> None:
        workspace.emit(events.monitor(data))
        done = data.get("progress") if isinstance(data, dict) else None
        if isinstance(done, int | float) and not isinstance(done, bool):
            declared = contract["monitor_message_schema"].get("properties", {}).get("progress", {})
            whole = (declared.get("maximum") if isinstance(declared, dict) else None) or 1
            workspace.emit(events.progress(done / whole, str(data.get("status_text", ""))))

    return handle


def _manifest(bound: "Mapping[str, Any] | None") -> "Manifest | None":
    if bound is None:
        return None
    from fairlead.adapters.twine.resources import Manifest

    return Manifest.from_description(bound)


def _output_manifest(contract: "Mapping[str, Any]", workspace: "Workspace") -> "Manifest | None":
    """Return a manifest with an empty folder for each dataset that the contract promises."""
    if "output_manifest" not in contract:
        return None
    from fairlead.adapters.twine.resources import Dataset, Manifest

    datasets = {}
    for key in contract["output_manifest"]["datasets"]:
        path = os.path.join(workspace.directory, "output", key)
        os.makedirs(path)
        datasets[key] = Dataset(path, name=key)
    return Manifest(datasets)


def _children(data: "Any", workspace: "Workspace") -> "dict[str, Child] | None":
    """Return the app's children by key, whose questions and answers the host is told, and that they are waited for."""
    if data is None:
        return None
    from fairlead.adapters.twine.children import children_from_data
    from fairlead.adapters.twine.children.waiting import SignsOfLife

    signs = SignsOfLife(lambda: workspace.emit(events.heartbeat()))
    children = children_from_data(data, cache=workspace.cache)
    for key, child in children.items():

        def tell(record: "Mapping[str, Any]", key: str = key) -> None:
            workspace.emit(events.question(key, dict(record["question"]), [*record["messages"]]))

        child.on_answered, child.while_waiting = tell, signs.during
    return children
