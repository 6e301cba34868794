"""Checking a contract, the app that made it and inputs for it, without running anything.

What an ``octue.yaml`` says of the configuration and the children is checked as well. Unlike a run, it asks for no
input that was not given, so that each can be checked as it is written, and for no credentials, which belong where the
app will run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.errors import AppInvalid, ContractError, ContractInvalid, InputInvalid, Problem
from fairlead.adapters.twine.contract import MANIFEST_STRANDS, Twine
from fairlead.adapters.twine.lints import lints, remarks
from fairlead.adapters.twine.unit import INPUT_STRANDS, TwineApp, bind_strand

_STRANDS = (*INPUT_STRANDS, "output_values", "output_manifest", "monitor_message", "credentials", "children")


@dataclass(frozen=True)
class Strand:
    """One part of a valid contract."""

    required: bool
    members: tuple[str, ...]
    """What is in it: the names of values, datasets, credentials or children."""
    checked: bool
    """Whether data for it was given, and is valid."""


@dataclass(frozen=True)
class Contract:
    """A valid contract."""

    subject: str
    """The app or the twine, as the user named it."""
    strands: Mapping[str, Strand]
    warnings: tuple[Problem, ...]
    """What is allowed and probably not meant."""


def checked(subject: str, inputs: Mapping[str, object], *, strict: bool = False) -> Contract:
    """Check an app's folder or a twine's file, and inputs by strand; raises all problems in a contract error.

    With ``strict``, warnings are problems, too, except that of defaults.
    """
    errors: list[ContractError] = []
    twine = _load(subject, errors)
    given = {**_configured(subject, errors), **inputs} if twine else {}
    if twine:
        problems = [problem for strand, source in given.items() for problem in _input_problems(twine, strand, source)]
        if problems:
            errors.append(InputInvalid(problems))
    doubts = lints(twine) if twine else []
    if strict and doubts:
        errors.append(ContractInvalid(doubts))
    if errors:
        raise type(errors[0])([problem for error in errors for problem in error.problems])
    assert twine
    strands = {
        strand: Strand(
            required=strand != "monitor_message" and twine.requires(strand),
            members=tuple(_members(twine, strand)),
            checked=strand in given,
        )
        for strand in _STRANDS
        if twine.declares(strand)
    }
    return Contract(subject, strands, (*doubts, *remarks(twine)))


def _load(subject: str, errors: list[ContractError]) -> Twine | None:
    """Load a twine, also that of an app which cannot be loaded itself."""
    path = storage.local_path(subject)
    try:
        return Twine(path, where=subject) if _is_twine(path) else TwineApp(subject).load()
    except ContractError as error:
        errors.append(error)
    if isinstance(errors[0], AppInvalid) and (path / "twine.json").is_file():
        try:
            return Twine.of_app(path)
        except ContractInvalid as error:
            errors.append(error)
    return None


def _is_twine(path: Path) -> bool:
    return path.is_file() and path.suffix not in {".yaml", ".yml"}


def _configured(subject: str, errors: list[ContractError]) -> dict[str, object]:
    """Return what an app's ``octue.yaml`` says of its strands."""
    if errors or _is_twine(storage.local_path(subject)):
        return {}
    app = TwineApp(subject)
    try:
        settings = app.settings(app.locate())
    except ContractError as error:
        errors.append(error)
        return {}
    return {strand: settings[strand] for strand in (*INPUT_STRANDS[:2], "children") if settings[strand] is not None}


def _input_problems(twine: Twine, strand: str, source: object) -> list[Problem]:
    if strand == "children":
        return twine.children_problems(source)
    return twine.presence_problems(strand, given=True) or bind_strand(twine, strand, source)[1]


def _members(twine: Twine, strand: str) -> list[str]:
    if strand in MANIFEST_STRANDS:
        return list(twine.datasets(strand))
    if strand in {"credentials", "children"}:
        return [item.get("name") or item["key"] for item in twine.raw[strand]]
    properties: Mapping[str, Any] = twine.raw[f"{strand}_schema"].get("properties", {})
    return list(properties)
