"""What must not be shown or recorded: passwords of databases, and whatever a configuration keeps under ``secrets``.

Known secrets and passwords in URLs are replaced wherever a text has them; the value of an option, an input or a key
that is called like a secret is, with all that is in it. A secret that was computed from others is not recognised.
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
    r"secret|passw|passphrase|pwd|token|credential|authori[sz]ation|(?<![a-z])auth(?![a-z])"
    r"|(?:api|access|account|private|signing|encryption)[-_. ]?key",
    re.IGNORECASE,
)
_ROLES = ("admin", "user")
_ROLE = re.compile(r"([^:]*):(.+)", re.DOTALL)
_URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):[^\s@]+@")


class Mask:
    """Hides a set of secrets, and all that is called like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take the secrets."""
        self._all = set(secrets)
        found = sorted({secret for secret in self._all if len(secret) >= _SHORTEST}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, found))) if found else None

    def text(self, text: str) -> str:
        """Return a text without secrets, and without characters that databases refuse."""
        text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text) if "://" in text else text
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        if "\0" in text:
            text = text.replace("\0", "\\0")
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()

    def data(self, value: Any) -> Any:
        """Return data without secrets: a copy whose lists and mappings are those of JSON.

        Masked is all below a name that is called like a secret, whatever it is; of it, only the names are left.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._named(str(name), item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(item) for item in value]
        return MASK if type(value) in {int, float} and str(value) in self._all else value

    def arguments(self, arguments: Sequence[str]) -> list[str]:
        """Return a command line without secrets: known ones, and values of options that are called like one."""
        shown: list[str] = []
        follows = False
        for argument in arguments:
            name, equals, _ = argument.partition("=")
            is_option = argument.startswith("-")
            is_secret = _SECRET_NAME.search(name) is not None
            if follows and not is_option:
                shown.append(MASK)  # and what follows it: an option may take several values
                continue
            shown.append(f"{name}={MASK}" if equals and is_secret else self.text(argument))
            follows = is_option and not equals and is_secret
        return shown

    def _named(self, name: str, value: Any) -> Any:
        if _SECRET_NAME.search(name):
            return _hidden(value)
        if name in _ROLES and isinstance(value, str) and (role := _ROLE.fullmatch(value)):
            return f"{self.text(role[1])}:{MASK}"
        return self.data(value)


def _hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _hidden(item) for name, item in value.items()}
    return value if value is None else MASK


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
    """Return a configuration as it is recorded: as JSON data, with secrets masked and without databases' accounts."""
    shown: dict[str, Any] = {str(name): _plain(section) for name, section in configuration.items()}
    databases = shown.get("databases")
    if isinstance(databases, dict):
        shown["databases"] = {
            label: {key: value for key, value in login.items() if key not in _ROLES}
            for label, login in databases.items()
            if isinstance(login, dict)
        }
    masked: dict[str, Any] = mask.data(shown)
    return masked


def _plain(value: Any) -> Any:
    """Return JSON data of any length; what JSON has no form for is described."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str) else glimpse(value)
