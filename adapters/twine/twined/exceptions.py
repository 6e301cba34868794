"""What twined raises, by twined's names: what code catches that was written for it.

    TwineException
    ├── TwineValueException (ValueError), UnknownStrand (TwineValueException), TwineTypeException (TypeError)
    ├── StrandNotFound (KeyError), CredentialNotFound, TwineVersionConflict
    ├── TwineFileNotFound, ConfigurationValuesFileNotFound, InputManifestFileNotFound… (FileNotFoundError)
    ├── InvalidTwine, InvalidValues, InvalidManifest
    │   ├── InvalidTwineJson, InvalidValuesJson, InvalidManifestJson
    │   └── InvalidTwineContents, InvalidValuesContents, InvalidManifestContents (jsonschema.ValidationError)
    └── InvalidSourceKindException, FolderNotFound, InvalidManifestType, UnexpectedNumberOfResults, NotImplementedYet

Each can be made from a text alone, and carries every broken rule that was found in ``problems``. This module does not
decide what is raised when; `Twine` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from jsonschema import ValidationError

from fairlead.adapters.errors import Problem


class TwineException(Exception):
    """The root of what twined raises: a first line in twined's words, then every problem with what to do about it."""

    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        return "\n".join([*(str(text) for text in self.args[:1]), *map(str, self.problems)])

    def telling(self, problems: Iterable[Problem]) -> Self:
        """Return the exception with all that is wrong, which its text then lists."""
        self.problems = tuple(problems)
        return self


class NotImplementedYet(TwineException):
    """Never raised here; the name is twined's."""


class TwineValueException(TwineException, ValueError):
    """A strand that must be given is not."""


class UnknownStrand(TwineValueException):
    """There is no strand of that name."""


class TwineTypeException(TwineException, TypeError):
    """An argument is of the wrong type."""


class TwineVersionConflict(TwineException):
    """Never raised here, where ``twined_version`` is ignored; the name is twined's."""


class StrandNotFound(TwineException, KeyError):
    """A strand is given, or asked for, that the twine does not declare."""


class CredentialNotFound(TwineException):
    """A credential is neither in the environment nor in the ``.env`` file."""


class FolderNotFound(TwineException):
    """A folder is not there."""


class TwineFileNotFound(TwineException, FileNotFoundError):
    """The twine's file is not there."""


class ConfigurationValuesFileNotFound(TwineException, FileNotFoundError):
    """The file with the configuration values is not there."""


class InputValuesFileNotFound(TwineException, FileNotFoundError):
    """The file with the input values is not there."""


class OutputValuesFileNotFound(TwineException, FileNotFoundError):
    """The file with the output values is not there."""


class ConfigurationManifestFileNotFound(TwineException, FileNotFoundError):
    """The file with the configuration manifest is not there."""


class InputManifestFileNotFound(TwineException, FileNotFoundError):
    """The file with the input manifest is not there."""


class OutputManifestFileNotFound(TwineException, FileNotFoundError):
    """The file with the output manifest is not there."""


class InvalidTwine(TwineException):
    """The twine cannot be used."""


class InvalidTwineJson(InvalidTwine):
    """The twine is not JSON."""


class InvalidTwineContents(InvalidTwine, ValidationError):
    """The twine is JSON, but no twine."""


class InvalidSourceKindException(TwineException):
    """A source is of a kind that was not allowed."""


class InvalidValues(TwineException):
    """Values, children or a monitor message cannot be used."""


class InvalidValuesJson(InvalidValues):
    """Values are not JSON, or there are none."""


class InvalidValuesContents(InvalidValues, ValidationError):
    """Values break their schema."""


class InvalidManifest(TwineException):
    """A manifest cannot be used."""


class InvalidManifestJson(InvalidManifest):
    """A manifest is not JSON, or there is none."""


class InvalidManifestType(InvalidManifest):
    """Never raised here; the name is twined's."""


class InvalidManifestContents(InvalidManifest, ValidationError):
    """A manifest breaks the twine, or what is in it is no manifest."""


class UnexpectedNumberOfResults(TwineException):
    """Never raised here; the name is twined's."""


_FILES: dict[str, type[TwineException]] = {
    "twine": TwineFileNotFound,
    "configuration_values": ConfigurationValuesFileNotFound,
    "input_values": InputValuesFileNotFound,
    "output_values": OutputValuesFileNotFound,
    "configuration_manifest": ConfigurationManifestFileNotFound,
    "input_manifest": InputManifestFileNotFound,
    "output_manifest": OutputManifestFileNotFound,
}


def file_not_found(kind: str) -> type[TwineException]:
    """Return what is raised for a file of a strand, or of the ``twine``, that is not there."""
    return _FILES.get(kind, InvalidValuesJson)


def invalid_json(kind: str) -> type[TwineException]:
    """Return what is raised for what is no JSON."""
    return InvalidTwineJson if kind == "twine" else InvalidManifestJson if "manifest" in kind else InvalidValuesJson


def invalid_contents(kind: str) -> type[InvalidTwineContents | InvalidValuesContents | InvalidManifestContents]:
    """Return what is raised for JSON that breaks its rules."""
    if kind == "twine":
        return InvalidTwineContents
    return InvalidManifestContents if "manifest" in kind else InvalidValuesContents
