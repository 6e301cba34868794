"""The contract as twined offers it: for code that validates strands itself, with twined's names and exceptions.

    twine = Twine(source="twine.json")
    strands = twine.validate(input_values="values.json", input_manifest=manifest, cls={"input_manifest": Manifest})

All checks are those of `contract.Twine`; here they are given twined's names. An exception tells twined's message first
and then every problem, which it also has in ``problems``. Values come back as JSON data. As strict as twined 0.5.1, and
a strand may be ``optional``, as in 0.6.0. The module looks into no dataset, and runs nothing.
"""

from __future__ import annotations

import logging
import os
import posixpath
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from dotenv import load_dotenv

from fairlead.adapters.errors import ContractInvalid, InputInvalid, Problem
from fairlead.adapters.schemas import Schema, compiled
from fairlead.adapters.twine import contract, published
from fairlead.adapters.twine.contract import MANIFEST_STRANDS, VALUES_STRANDS
from fairlead.adapters.twine.encoding import to_json
from fairlead.adapters.twine.references import Schemas
from fairlead.adapters.twine.sources import datasets_by_key, load_json
from fairlead.adapters.twine.twined import exceptions as exceptions

SCHEMA_STRANDS = (*VALUES_STRANDS, "monitor_message")
ALL_STRANDS = (*SCHEMA_STRANDS, *MANIFEST_STRANDS, "credentials", "children")

_logger = logging.getLogger(__name__)


class Twine(contract.Twine):
    """A loaded and checked contract, whose keys are attributes: ``twine.input_values_schema``, ``twine.children``."""

    def __init__(self, source: object = None, *, where: str = "twine.json", schemas: Schemas | None = None) -> None:
        """Load a contract; without a source an empty one.

        Raises:
            TwineFileNotFound: its file is not there.
            InvalidTwineJson: it is not JSON.
            InvalidTwineContents: it is JSON, and no twine.
        """
        if source is None:
            _logger.warning("No twine source specified. Loading empty twine.")
            source = {}
        data = _loaded("twine", source, where)
        try:
            super().__init__(data, where=where, schemas=schemas)
        except ContractInvalid as error:
            _fail(exceptions.InvalidTwineContents, "The twine is invalid.", error.problems)

    def __getattr__(self, name: str) -> Any:
        """Return a part of the twine by its key."""
        raw: Mapping[str, Any] = self.__dict__.get("raw", {})
        if name in raw:
            return raw[name]
        msg = f"{type(self).__name__!r} object has no attribute {name!r}"
        raise AttributeError(msg)

    @property
    def available_strands(self) -> set[str]:
        """The names of all that is in the twine, without ``_schema``."""
        return {name.removesuffix("_schema") for name in self.raw}

    @property
    def available_manifest_strands(self) -> set[str]:
        """The names of the manifests in the twine."""
        return self.available_strands & set(MANIFEST_STRANDS)

    @property
    def required_strands(self) -> set[str]:
        """The names of the strands that must be given: all that are declared, but those that say they are optional."""
        return {strand for strand in ALL_STRANDS if self.requires(strand)}

    def validate(
        self,
        allow_missing: bool = False,  # noqa: FBT001, FBT002 (twined's signature)
        allow_extra: bool = False,  # noqa: FBT001, FBT002
        cls: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Validate strands, each given by its name, and return them as data.

        Args:
            allow_missing: accept None for a strand that the twine requires.
            allow_extra: return a strand that the twine does not declare as it is.
            cls: a class for every strand, or classes by strand, of which the data are made into an instance.
            kwargs: the strands; anything else is passed on to what validates each.

        Raises:
            StrandNotFound: a strand is given that the twine does not declare.
            TwineValueException: a strand is None that the twine requires.
            TwineException: a strand breaks the contract, see the method that validates it.
        """
        sources = {name: kwargs.pop(name) for name in [*kwargs] if name in ALL_STRANDS}
        valid: dict[str, Any] = {}
        for strand, source in sources.items():
            extra = source is not None and not self._has(strand)
            if extra and not allow_extra:
                message = f"Source data is provided for '{strand}' but no such strand is defined in the twine"
                _fail(exceptions.StrandNotFound, message, self.presence_problems(strand, given=True))
            if source is None and self._has(strand) and self.requires(strand) and not allow_missing:
                message = f"The '{strand}' strand is defined in the twine, but no data is provided in sources"
                _fail(exceptions.TwineValueException, message, self.presence_problems(strand, given=False))
            if source is None or extra:
                valid[strand] = source
            else:
                valid[strand] = self._validator(strand)(source, cls=_class_for(strand, cls), **kwargs)
        return valid

    def validate_strand(self, name: str, source: object, **kwargs: Any) -> Any:
        """Validate one strand, given by its name; see `validate`."""
        if name not in ALL_STRANDS:
            _fail(exceptions.UnknownStrand, f"Unknown strand {name}. Try one of {ALL_STRANDS}.")
        strand: dict[str, Any] = {name: source}
        return self.validate(**strand, **kwargs)[name]

    def validate_configuration_values(self, source: object, cls: Any = None, **_: Any) -> Any:
        """Validate configuration values; raises as `validate_input_values`."""
        return self._values("configuration_values", source, cls)

    def validate_input_values(self, source: object, cls: Any = None, **_: Any) -> Any:
        """Validate input values from a path, an open file, a JSON text or an object.

        Raises:
            InputValuesFileNotFound: the file is not there (each strand has an exception of its own).
            InvalidValuesJson: they are not JSON, or there are none.
            InvalidValuesContents: they break the schema.
            StrandNotFound: the twine has no schema for them.
        """
        return self._values("input_values", source, cls)

    def validate_output_values(self, source: object, cls: Any = None, **_: Any) -> Any:
        """Validate output values; raises as `validate_input_values`."""
        return self._values("output_values", source, cls)

    def validate_monitor_message(self, source: object, cls: Any = None, **_: Any) -> Any:
        """Validate a monitor message; raises as `validate_input_values`."""
        return self._values("monitor_message", source, cls)

    def validate_configuration_manifest(self, source: object, cls: Any = None, **_: Any) -> Any:
        """Validate a configuration manifest; raises as `validate_input_manifest`."""
        return self._manifest("configuration_manifest", source, cls)

    def validate_input_manifest(self, source: object, cls: Any = None, **_: Any) -> Any:
        """Validate an input manifest from a path, an open file, a JSON text, an object or a `Manifest`.

        The tags of files are checked as far as the manifest describes them; nothing is looked up in a folder or store.

        Raises:
            InputManifestFileNotFound: the file is not there (each strand has an exception of its own).
            InvalidManifestJson: it is not JSON, or there is none.
            InvalidManifestContents: it is no manifest, a dataset is missing, or a file's tags break the template.
            StrandNotFound: the twine has no such manifest.
        """
        return self._manifest("input_manifest", source, cls)

    def validate_output_manifest(self, source: object, cls: Any = None, **_: Any) -> Any:
        """Validate an output manifest; raises as `validate_input_manifest`."""
        return self._manifest("output_manifest", source, cls)

    def validate_children(self, source: object, **_: Any) -> list[dict[str, Any]]:
        """Validate children: a list of objects with ``key``, ``id`` and ``backend``.

        Raises:
            InvalidValuesJson: they are not JSON, or there are none.
            InvalidValuesContents: one is not as it must be, missing, not in the twine, or there are two of one key.
        """
        children: list[dict[str, Any]] = _data("children", _loaded("children", source, "children"))
        schema = compiled(published.schema("children"))
        if problems := self.children_problems(children):
            if schema.first_error(children):
                _fail_schema("children", schema, children, problems)
            _fail(exceptions.InvalidValuesContents, problems[0].found, problems)
        keys = [child["key"] for child in children]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            found = f"Children with the key {twice!r} stand {keys.count(twice)} times"
            problem = Problem(f"children.{twice}", found, "one child for each key", "Give each a key of its own.")
            _fail(exceptions.InvalidValuesContents, found, [problem])
        return children

    def validate_credentials(
        self, *_: object, dotenv_path: str | os.PathLike[str] | None = None, **__: Any
    ) -> list[dict[str, Any]]:
        """Validate that each credential is in the environment, or in a ``.env`` file, which is read into it.

        Args:
            dotenv_path: the file; ``.env`` in the working directory without it. What is in the environment wins.

        Raises:
            CredentialNotFound: one is in neither.
        """
        credentials: list[dict[str, Any]] = self.raw.get("credentials", [])
        if credentials:
            load_dotenv(dotenv_path or ".env")
        if problems := self.credential_problems():
            name = problems[0].where.removeprefix("credentials.")
            message = f"Credential {name!r} missing from environment or .env file."
            _fail(exceptions.CredentialNotFound, message, problems)
        return credentials

    def prepare(self, *args: str, cls: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Return an empty instance for each strand named: None for one that the twine does not declare.

        Args:
            args: names of strands.
            cls: a class for all, or classes by strand; an object without it. What has a method ``prepare`` is given
                its strand of the twine.
            kwargs: passed on to the classes.

        Raises:
            UnknownStrand: there is no strand of that name.
        """
        prepared: dict[str, Any] = {}
        for strand in args:
            if strand not in ALL_STRANDS:
                _fail(exceptions.UnknownStrand, f"Unknown strand '{strand}'")
            instance: Any = None
            if self._has(strand):
                make = _class_for(strand, cls) or dict
                instance = make(**kwargs)
                if hasattr(instance, "prepare"):
                    instance = instance.prepare(self.raw[f"{strand}_schema" if strand in SCHEMA_STRANDS else strand])
            prepared[strand] = instance
        return prepared

    def _has(self, strand: str) -> bool:
        return strand in self.available_strands

    def _validator(self, strand: str) -> Callable[..., Any]:
        validator: Callable[..., Any] = getattr(self, f"validate_{strand}")
        return validator

    def _values(self, strand: str, source: object, cls: Any) -> Any:
        if not self._has(strand):
            message = f"Cannot validate - no {strand}_schema strand in the twine"
            _fail(exceptions.StrandNotFound, message, self.presence_problems(strand, given=True))
        data = _data(strand, _loaded(strand, source, strand))
        if problems := self.value_problems(strand, data):
            _fail_schema(strand, self.schema(strand), data, problems)
        return cls(**data) if cls else data

    def _manifest(self, strand: str, source: object, cls: Any) -> Any:
        if not self._has(strand):
            message = f"Cannot validate - no {strand} strand in the twine"
            _fail(exceptions.StrandNotFound, message, self.presence_problems(strand, given=True))
        loaded = _loaded(strand, source, strand)
        data = datasets_by_key(_data(strand, loaded))
        schema = compiled(published.schema("manifest"))
        if problems := schema.problems(data, strand, "the format of manifests"):
            _fail_schema(strand, schema, data, problems)
        described = {key: {"files": _described_files(dataset)} for key, dataset in data["datasets"].items()}
        if problems := self.manifest_problems(strand, described):
            absent = [key for key in self.datasets(strand) if problems[0].where == f"{strand}.datasets.{key}"]
            message = f"The files of the {strand} do not have the tags that the twine asks for."
            if absent:
                message = f"A dataset named {absent[0]!r} is expected in the {strand} but is missing."
            _fail(exceptions.InvalidManifestContents, message, problems)
        return cls(**data) if cls and not hasattr(loaded, "to_primitive") else data


def _class_for(strand: str, cls: Any) -> Any:
    return cls.get(strand) if isinstance(cls, Mapping) else cls


def _described_files(dataset: Any) -> list[dict[str, Any]]:
    """Return the files of a dataset in a manifest that say themselves which tags they have."""
    files = dataset.get("files") or () if isinstance(dataset, dict) else ()
    return [
        {"name": posixpath.basename(file.get("path") or file["cloud_path"]), "tags": file.get("tags") or {}}
        for file in files
        if isinstance(file, dict)
    ]


def _loaded(kind: str, source: object, where: str) -> Any:
    """Return the data of a source of a strand, or of the ``twine``."""
    if source is None:
        _fail(exceptions.invalid_json(kind), f"Cannot load {kind} - no data source specified.")
    try:
        return load_json(source, where, InputInvalid)[0]
    except InputInvalid as error:
        if isinstance(error.__cause__, FileNotFoundError):
            _fail(exceptions.file_not_found(kind), str(error.__cause__), error.problems)
        _fail(exceptions.invalid_json(kind), error.problems[0].found, error.problems)


def _data(strand: str, loaded: object) -> Any:
    """Return JSON data of what was loaded."""
    try:
        return to_json(loaded, strand, error=InputInvalid)
    except InputInvalid as error:
        _fail(exceptions.invalid_contents(strand), error.problems[0].found, error.problems)


def _fail_schema(strand: str, schema: Schema, data: Any, problems: Iterable[Problem]) -> NoReturn:
    """Raise for data that break a schema, with the details of the first violation as jsonschema tells them."""
    cls = exceptions.invalid_contents(strand)
    error = schema.first_error(data)
    raised = cls.create_from(error) if error else cls("")
    raise raised.telling(problems) from None


def _fail(cls: type[exceptions.TwineException], message: str, problems: Iterable[Problem] = ()) -> NoReturn:
    raise cls(message).telling(problems) from None
