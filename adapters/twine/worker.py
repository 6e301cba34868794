"""What happens in an app's process: load the app, give it its analysis, return what it has made as JSON data.

Called by an isolation with a payload that `TwineWork.call` made. It checks no outputs: that happens where the contract
is compiled already, in the host's process.
"""

from fairlead.adapters.twine.analysis import Analysis

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from fairlead.adapters.isolation.protocol import Workspace
    from fairlead.adapters.twine.resources import Manifest


def run(payload: "Mapping[str, Any]", workspace: "Workspace") -> "dict[str, Any]":
    """Run an app and return its outputs, see `Analysis.serialise_outputs`."""
    analysis = Analysis(
        payload["contract"],
        workspace,
        id=payload["analysis_id"],
        configuration_values=payload.get("configuration_values"),
        configuration_manifest=_manifest(payload.get("configuration_manifest")),
        input_values=payload.get("input_values"),
        input_manifest=_manifest(payload.get("input_manifest")),
    )
    entry = entry_point(vars(workspace.load("app")), payload["app"])
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
        raise AppInvalid(Problem(f"{payload['app']}/app.py", found, "a plain function", "Drop its async or yield."))
    return analysis.serialise_outputs()


def entry_point(names: "Mapping[str, Any]", where: str) -> "Callable[[Analysis], object]":
    """Return what runs an app, from the names that its ``app.py`` defines; raises `AppInvalid` unless there is one."""
    function, cls = names.get("run"), names.get("App")
    check_entry_points(function=callable(function), cls=isinstance(cls, type), where=where)
    if callable(function):
        return function  # type: ignore[no-any-return]  # whatever the app defines
    return lambda analysis: cls(analysis).run()  # type: ignore[misc]  # checked above


def check_entry_points(*, function: bool, cls: bool, where: str) -> None:
    """Raise `AppInvalid` unless an app has one of the two: a function ``run`` or a class ``App``."""
    if function != cls:
        return
    from fairlead.adapters.errors import AppInvalid, Problem

    if function:
        found = "has both a function 'run' and a class 'App'"
        remedy = "Keep the one that is the app, and rename the other."
    else:
        found = "has neither a function 'run' nor a class 'App'"
        remedy = "Define 'def run(analysis):', or 'class App' with '__init__(self, analysis)' and 'run(self)'."
    raise AppInvalid(Problem(f"{where}/app.py", found, "exactly one of the two", remedy))


def _manifest(bound: "Mapping[str, Any] | None") -> "Manifest | None":
    if bound is None:
        return None
    from fairlead.adapters.twine.resources import Manifest

    return Manifest(bound["datasets"], id=bound["id"])
