"""Where children are: one module a kind of backend, found by the name in its data.

A backend's data is JSON, e.g. ``{"name": "local", "app": "apps/yield"}``, and never holds a credential. Its module is
loaded when a question is asked.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from fairlead.adapters.twine.children.backends.protocol import Backend

# By name: the module, what must be given, and what may be.
_KINDS: "dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]" = {
    "local": ("local_app", ("app",), ("configuration_values", "configuration_manifest", "children", "cache")),
    "prefect": ("prefect", ("deployment",), ("api_url",)),
    "airflow": ("airflow", ("dag_id",), ("task_id", "url")),
    "emulator": ("emulated", (), ("file", "events", "messages")),
    "recorded": ("recorded", (), ("questions", "otherwise")),
}
ELSEWHERE = "GCPPubSubBackend"
"""Octue's own: its data is accepted, so that twines and configurations can be read, but nothing can be asked there."""
_EXAMPLES = (
    '{"name": "local", "app": "apps/child"}, {"name": "prefect", "deployment": "run-twine-app/child"}, '
    '{"name": "airflow", "dag_id": "child"} or {"name": "emulator", "file": "child.json"}'
)


def check(backend: "Mapping[str, Any]", child: str) -> None:
    """See that a backend's data can be used.

    Raises `BackendNotFound` for an unknown name, `InvalidInputException` for anything missing or too much.
    """
    from fairlead.adapters.twine.exceptions import BackendNotFound, InvalidInputException

    name = backend.get("name")
    if name == ELSEWHERE:
        return
    if not isinstance(name, str) or name not in _KINDS:
        found = "its backend's 'name' is no text"
        if name is None or isinstance(name, str):
            found = f"there is no backend named {name!r}"
        msg = f"Child '{child}': {found}. Give {_EXAMPLES}."
        raise BackendNotFound(msg)
    _, needed, possible = _KINDS[name]
    problems = [f"'{key}' is missing" for key in needed if not backend.get(key)]
    problems += [f"'{key}' is not taken" for key in backend if key not in {"name", *needed, *possible}]
    problems += [
        f"'{key}' must be a text"
        for key in ("app", "deployment", "dag_id", "task_id", "api_url", "url", "file", "cache")
        if backend.get(key) is not None and not isinstance(backend[key], str)
    ]
    if name == "emulator" and not any(key in backend for key in possible):
        problems.append("one of 'file', 'events' and 'messages' is missing")
    if problems:
        takes = ", ".join(f"'{key}'" for key in (*needed, *possible))
        msg = (
            f"Child '{child}': in its backend '{name}', {', '.join(problems)}. It takes {takes}; "
            "credentials are read from the environment."
        )
        raise InvalidInputException(msg)
    for key in ("api_url", "url"):
        if backend.get(key) is not None:
            check_address(backend[key], f"child '{child}', {key}")


def check_address(address: str, where: str) -> None:
    """Raise `InvalidInputException` unless an address is one, without credentials in it (which are not quoted)."""
    from urllib.parse import urlsplit

    from fairlead.adapters.twine.exceptions import InvalidInputException

    parts = urlsplit(address)
    if parts.username or parts.password:
        msg = f"{where}: the address has a user or a password in it. Leave it out: credentials have variables."
        raise InvalidInputException(msg)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        msg = f"{where}: that is no address of an API. Give http://host:port or https://host, with a path if need be."
        raise InvalidInputException(msg)


def make(backend: "Mapping[str, Any]", child: str) -> "Backend":
    """Return what asks questions, from a backend's data that was checked."""
    import importlib

    from fairlead.adapters.twine.exceptions import BackendNotFound

    if backend["name"] == ELSEWHERE:
        msg = (
            f"Child '{child}' is configured with {ELSEWHERE}, where no question can be asked from here. Point it at "
            "one that can: in the app's configuration, or by children= or --children where the app is run, give the "
            f"child's key the backend {_EXAMPLES}."
        )
        raise BackendNotFound(msg)
    module = importlib.import_module(f"{__name__}.{_KINDS[backend['name']][0]}")
    made: Backend = module.make({key: value for key, value in backend.items() if key != "name"})
    return made
