"""The twine: the contract that ``twine.json`` makes about an app's configuration, inputs and outputs.

A `Twine` is checked whole when it is loaded, its strands' schemas included, and tells every problem at once. It then
checks values, manifests, children and the environment. It needs no network, and it runs nothing.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from fairlead.adapters.errors import ContractInvalid, Problem
from fairlead.adapters.schemas import Schema, compiled, did_you_mean
from fairlead.adapters.twine import published
from fairlead.adapters.twine.encoding import to_json
from fairlead.adapters.twine.references import Schemas, referred
from fairlead.adapters.twine.sources import datasets_by_key, load_json

VALUES_STRANDS = ("configuration_values", "input_values", "output_values")
MANIFEST_STRANDS = ("configuration_manifest", "input_manifest", "output_manifest")
SCHEMA_KEYS = (*(f"{strand}_schema" for strand in VALUES_STRANDS), "monitor_message_schema")
KEYS = (*SCHEMA_KEYS, *MANIFEST_STRANDS, "credentials", "children", "twined_version")
"""All keys of a twine that mean something."""

_MANIFEST = {
    "type": "object",
    "required": ["datasets"],
    "properties": {
        "optional": {"type": "boolean"},
        "datasets": {
            "type": "object",
            "propertyNames": {"pattern": r"^(?!\.{1,2}$)[^/\\]+$"},
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "purpose": {"type": "string"},
                    "optional": {"type": "boolean"},
                    "file_tags_template": {"type": "object"},
                },
            },
        },
    },
}
_CONTRACT = {
    "type": "object",
    "properties": {
        **{key: {"type": "object"} for key in SCHEMA_KEYS},
        **dict.fromkeys(MANIFEST_STRANDS, _MANIFEST),
        "credentials": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "pattern": "^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*\\Z"},
                    "purpose": {"type": "string"},
                },
                "additionalProperties": False,
            },
        },
        "children": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["key"],
                "properties": {"key": {"type": "string"}, "purpose": {"type": "string"}},
            },
        },
        "twined_version": {"type": "string"},
    },
}


class Twine:
    """A loaded and checked contract."""

    def __init__(self, source: object, *, where: str = "twine.json", schemas: Schemas | None = None) -> None:
        """Load a contract.

        Args:
            source: a path, an open file, a JSON text or an object.
            where: how messages name it.
            schemas: those that its ``$ref``s may lead to, see ``references``; without it, ``FAIRLEAD_SCHEMAS`` names
                them.

        Raises:
            ContractInvalid: it is not a twine; every problem is listed.
        """
        data, _ = load_json(source, where, ContractInvalid)
        data = to_json(data, where, error=ContractInvalid)
        self.where = where
        self.written: Mapping[str, Any] = data
        """The contract as it was written."""
        if isinstance(data, dict):
            data = data | {strand: datasets_by_key(data[strand]) for strand in MANIFEST_STRANDS if strand in data}
        try:
            mapped = referred([schema for _, schema in _schemas(data) if isinstance(schema, dict)], schemas)
            problems = _problems(json.dumps(data), where, json.dumps(mapped))
        except RecursionError as error:
            found = "is nested too deeply to be checked"
            raise ContractInvalid(Problem(where, found, "", "Give its schemas fewer levels.")) from error
        if problems:
            raise ContractInvalid(problems)
        self.raw: Mapping[str, Any] = data
        """The contract, with the datasets of each manifest by their keys."""
        self.mapped: Mapping[str, Any] = mapped
        """Schemas by address that the contract leads to beyond itself; with `raw`, all that it says."""

    @classmethod
    def of_app(cls, folder: Path, *, schemas: Schemas | None = None) -> Self:
        """Load the ``twine.json`` of an app's folder."""
        return cls(folder / "twine.json", schemas=schemas)

    def declares(self, strand: str) -> bool:
        """Tell whether the contract has a strand, e.g. ``input_values`` or ``credentials``."""
        return strand in self.raw or f"{strand}_schema" in self.raw

    def requires(self, strand: str) -> bool:
        """Tell whether a strand must be given."""
        part = self.raw.get(strand, self.raw.get(f"{strand}_schema"))
        if isinstance(part, Mapping):
            return part.get("optional") is not True
        return bool(part)  # a list of children or credentials

    def datasets(self, strand: str) -> Mapping[str, Mapping[str, Any]]:
        """Return the datasets that a manifest strand declares, by key."""
        datasets: Mapping[str, Mapping[str, Any]] = self.raw.get(strand, {}).get("datasets", {})
        return datasets

    def presence_problems(self, strand: str, *, given: bool) -> list[Problem]:
        """Return the problem of a strand that is given but not declared, or required but not given."""
        if given and not self.declares(strand):
            suffix = "_schema" if strand in VALUES_STRANDS else ""
            remedy = f"Leave it out, or declare '{strand}{suffix}'."
            return [Problem(strand, "is given, but the app does not take it", self.where, remedy)]
        if not given and self.requires(strand):
            remedy = f"Give the app's {strand.replace('_', ' ')}."
            return [Problem(strand, "is missing", f"{self.where} requires it", remedy)]
        return []

    def schemas(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Go through all schemas in the contract, each with its place."""
        return ((place, schema) for place, schema in _schemas(self.raw) if schema is not None)

    def schema(self, strand: str) -> Schema:
        """Return the compiled schema of a values strand, or of a ``monitor_message``."""
        return compiled(self.raw[f"{strand}_schema"], self.mapped)

    def value_problems(self, strand: str, value: Any) -> list[Problem]:
        """Return every violation of a values strand; ``value`` is JSON data."""
        return self.schema(strand).problems(value, strand, f"{self.where}: {strand}_schema")

    def message_problems(self, message: Any) -> list[Problem]:
        """Return every violation of a monitor message."""
        if "monitor_message_schema" not in self.raw:
            return [
                Problem(
                    "the monitor message",
                    "cannot be sent, because the app does not declare any",
                    self.where,
                    "Declare 'monitor_message_schema'.",
                )
            ]
        return self.value_problems("monitor_message", message)

    def manifest_problems(self, strand: str, datasets: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
        """Return every dataset that is required but absent, and every file whose tags break the dataset's template.

        ``datasets`` is by key, each with ``files``: a list of mappings with ``name`` and ``tags``.
        """
        problems: list[Problem] = []
        for key, declared in self.datasets(strand).items():
            place = f"{strand}.datasets.{key}"
            if key not in datasets:
                if not declared.get("optional"):
                    remedy = f"Add the dataset '{key}' to the manifest."
                    problems.append(Problem(place, "is missing", f"{self.where}: {strand}", remedy))
                continue
            template = declared.get("file_tags_template")
            if template is not None:
                for file in datasets[key]["files"]:
                    problems += compiled(template, self.mapped).problems(
                        file["tags"], f"{place}, tags of {file['name']}", f"{self.where}: file_tags_template"
                    )
        return problems

    def output_problems(self, outputs: Mapping[str, Any]) -> list[Problem]:
        """Return every way in which serialised outputs, by strand, break the contract."""
        problems: list[Problem] = []
        for strand in ("output_values", "output_manifest"):
            absent = self.presence_problems(strand, given=strand in outputs)
            problems += absent
            if strand not in outputs or absent:
                continue
            if strand in VALUES_STRANDS:
                problems += self.value_problems(strand, outputs[strand])
            else:
                problems += self.manifest_problems(strand, outputs[strand]["datasets"])
        return problems

    def children_problems(self, children: Any) -> list[Problem]:
        """Return every violation of what children must be, and every child that is missing or not asked for.

        ``children`` is JSON data: a list of objects with ``key``, ``id`` and ``backend``.
        """
        rule = f"{self.where}: children"
        problems = compiled(published.schema("children")).problems(children, "children", "the format of children")
        if problems:
            return problems
        declared = [child["key"] for child in self.raw.get("children", ())]
        given = [child["key"] for child in children]
        for key in declared:
            if key not in given:
                remedy = f"Add a child with the key '{key}'."
                problems.append(Problem(f"children.{key}", f"No children found matching the key {key}", rule, remedy))
        for index, key in enumerate(given):
            if key not in declared:
                found = f"Child with key '{key}' found but no such key exists in the 'children' strand of the twine"
                remedy = did_you_mean(key, declared) or "Leave it out."
                problems.append(Problem(f"children[{index}].key", found, rule, remedy))
        return problems

    def credential_problems(
        self, names: Container[str] | None = None, *, folders: Sequence[Path] = ()
    ) -> list[Problem]:
        """Return every credential that is not among the names at hand, by default those in the environment.

        ``folders`` are those whose ``.env`` files were looked in.
        """
        at_hand = os.environ if names is None else names
        or_else = f", or write it into a file '.env' in {' or '.join(map(str, folders))}" if folders else ""
        return [
            Problem(
                f"credentials.{credential['name']}",
                "is not in the environment",
                self.where,
                f"Set the environment variable {credential['name']} where the app runs{or_else}.",
            )
            for credential in self.raw.get("credentials", ())
            if credential["name"] not in at_hand
        ]


@functools.lru_cache(maxsize=64)
def _problems(text: str, where: str, elsewhere: str) -> tuple[Problem, ...]:
    """Return what is wrong with a twine; one that is loaded for every run is checked once."""
    data, mapped = json.loads(text), json.loads(elsewhere)
    problems = compiled(_CONTRACT).problems(data, where, "the twine format")
    for place, schema in _schemas(data):
        if isinstance(schema, dict):
            problems += compiled(schema, mapped).invalid(f"{where}: {place}")
    for address, schema in mapped.items():
        problems += compiled(schema, mapped, address=address).invalid(address)
    return tuple(problems)


def _schemas(data: Any) -> Iterator[tuple[str, Any]]:
    """Go through all schemas in a twine, which may be wrong in any way, with their places in it."""
    parts = data if isinstance(data, dict) else {}
    for key in SCHEMA_KEYS:
        yield key, parts.get(key)
    for strand in MANIFEST_STRANDS:
        manifest = parts.get(strand)
        datasets = manifest.get("datasets") if isinstance(manifest, dict) else None
        for key, dataset in datasets.items() if isinstance(datasets, dict) else ():
            template = dataset.get("file_tags_template") if isinstance(dataset, dict) else None
            yield f"{strand}.datasets.{key}.file_tags_template", template
