"""What must not be shown or recorded: passwords, and whatever a configuration keeps under ``secrets``.

`masked` goes by names and forms: what a key calls a secret, all below ``secrets``, passwords in URLs and in the roles
of databases. A `Mask` hides known secrets besides, wherever a text has them. A secret that was computed from others is
not recognised.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fairlead.adapters.workflow.glimpses import glimpse

MASK = "******"
_SHORTEST = 4
"""Shorter secrets are not looked for in texts: they would be found everywhere."""
_SECRET_NAME = re.compile(
    r"(?i)secret|passw|passphrase|credential|api[-_]?key|(?:access|private)[-_]?key|(?:^|[-_.])(?:pwd|auth)s?$|tokens?$"
)
_URL_PASSWORD = re.compile(r"(\w+://[^:/@\s]*):[^@\s]+@")
_ROLES = ("admin", "user")
_ROLE = re.compile(r"^([^:/@\s]+):(.+)$")


def is_secret_name(name: str) -> bool:
    """Tell whether what goes by a name is a secret."""
    return _SECRET_NAME.search(name) is not None


def masked(values: Any, *, inside: str = "") -> Any:
    """Return a copy of data in which nothing is secret any more by its name or form.

    Masked is all below a key that is called like a secret, such as ``secrets`` and ``api_key``, and passwords in the
    roles of databases and in URLs.
    """
    if is_secret_name(inside):
        return _hidden(values)
    if isinstance(values, Mapping):
        return {key: masked(value, inside=str(key)) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [masked(value, inside=inside) for value in values]
    if isinstance(values, str):
        role = _ROLE.match(values) if inside in _ROLES else None
        return f"{role[1]}:{MASK}" if role else _without_password(values)
    return values


def _hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _hidden(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(each) for each in value]
    return None if value is None else MASK


def _without_password(text: str) -> str:
    return _URL_PASSWORD.sub(rf"\1:{MASK}@", text) if "://" in text else text


class Mask:
    """Hides a set of secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Take the secrets."""
        self._all = set(secrets)
        found = sorted({secret for secret in self._all if len(secret) >= _SHORTEST}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, found))) if found else None

    def text(self, text: str) -> str:
        """Return a text without secrets, and without characters that databases refuse."""
        text = _without_password(text)
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        if "\0" in text:
            text = text.replace("\0", "\\0")
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()

    def data(self, value: Any) -> Any:
        """Return JSON data without secrets."""
        return self._replaced(masked(value))

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._replaced(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._replaced(item) for item in value]
        return MASK if type(value) in {int, float} and str(value) in self._all else value

    def arguments(self, arguments: Sequence[str]) -> list[str]:
        """Return a command line without secrets: known ones, and values of options that are called like one."""
        shown: list[str] = []
        follows = False
        for argument in arguments:
            name, equals, _ = argument.partition("=")
            is_option = argument.startswith("-")
            is_secret = is_option and is_secret_name(name.lstrip("-"))
            if follows and not is_option:
                shown.append(MASK)
            elif is_secret and equals:
                shown.append(f"{name}={MASK}")
            else:
                shown.append(self.text(argument))
            follows = is_secret and not equals
        return shown


def secrets_in(configuration: Mapping[str, Any]) -> set[str]:
    """Return all values that a configuration keeps under ``secrets``, as texts."""
    found: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, Mapping):
            for item in value.values():
                collect(item)
        elif isinstance(value, list | tuple):
            for item in value:
                collect(item)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            found.add(str(value))

    collect(configuration.get("secrets") or {})
    return found


def shown_configuration(configuration: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    """Return a configuration as it is recorded: as JSON data, without secrets."""
    shown: dict[str, Any] = mask.data(_plain(configuration))
    return shown


def _plain(value: Any) -> Any:
    """Return JSON data of any length; what JSON has no form for is described."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str) else glimpse(value)
