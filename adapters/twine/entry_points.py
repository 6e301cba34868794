"""The one name of an ``app.py`` that is called: a function ``run``, or a class ``App``."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def entry_point(names: "Mapping[str, Any]", where: str) -> "Callable[[Any], object]":
    """Return what runs an app on its analysis, from the names in its ``app.py``.

    Raises `AppInvalid` unless there is exactly one.
    """
    function, cls = names.get("run"), names.get("App")
    here = names.get("__name__")
    if isinstance(cls, type) and cls.__module__ == here and getattr(function, "__module__", here) != here:
        function = None  # it is imported, for a use of its own, as that of ``subprocess`` may be
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
