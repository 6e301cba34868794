"""Which codec takes a value, and which made what was packed: by type, by kind of class, or from an installed package.

A type's own codec comes first: a registered or built-in one. Then come the kinds of ``classes``, then the codecs of
installed packages, which are entry points of the group ``fairlead.codecs`` (``name = "module:codec"``) and are looked
at only when nothing else takes a type or has a name. Codecs of numpy, pandas and twine are imported when a type of
theirs is met. A codec is never taken for a subclass, because the value would come back as another type.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from fairlead.adapters.errors import ContractInvalid, Problem
from fairlead.adapters.values import classes, standard
from fairlead.adapters.values.codec import Codec, Family, Unfit, full_name

GROUP = "fairlead.codecs"

_ELSEWHERE = {
    "numpy": "fairlead.adapters.values.arrays",
    "pandas": "fairlead.adapters.values.frames",
    "pyarrow": "fairlead.adapters.values.tables",
    "fairlead.adapters.twine": "fairlead.adapters.twine.resources.codecs",
}
"""Where the codecs are of types whose modules begin so; the names of the codecs begin with the last word."""
_PLAIN = (bool, dict, float, frozenset, int, list, set, str, type(None))
_METHODS = ("pack", "unpack")

_of_type: dict[type | str, Codec] = {}
_of_name: dict[str, Codec | Family] = {}
_own: set[str] = set()
"""The names of the codecs that are part of fairlead."""
_met: dict[type, Codec | Family] = {}
"""What took a type before."""


def register(codec: Codec) -> None:
    """Let values of a codec's types travel; in every process that packs or reads such values.

    A codec of the same name takes the place of the one before. Raises `ContractInvalid` for what is no codec, for the
    name of a built-in one and for types that JSON has itself.
    """
    problem = _problem(codec)
    if problem is not None:
        raise ContractInvalid(problem)
    _add(codec)


def codec_of(kind: type) -> Codec | Family | None:
    """Return what takes the values of a type, or None."""
    codec = _met.get(kind) or _find(kind)
    if codec is not None:
        _met[kind] = codec
    return codec


def codec_named(name: str) -> Codec | Family:
    """Return what made a packed value; raises `Unfit`."""
    codec = _of_name.get(name)
    if codec is None:
        _load(name.partition(".")[0])
        codec = _of_name.get(name) or _installed()[1].get(name)
    if codec is None:
        remedy = "Install the package that has it, or register it as where it was packed: values.register(codec)."
        raise Unfit(f"was packed by the codec '{name}', which is not known here", remedy=remedy)
    return codec


def _find(kind: type) -> Codec | Family | None:
    name = full_name(kind)
    for prefix in _ELSEWHERE:
        if f"{kind.__module__}.".startswith(f"{prefix}."):
            _load(prefix.rpartition(".")[2])
    codec = _of_type.get(kind) or _of_type.get(name)
    family = next((family for family in classes.FAMILIES if family.takes(kind)), None)
    return codec or family or _installed()[0].get(kind) or _installed()[0].get(name)


def _add(codec: Codec) -> None:
    for kind in codec.types:
        _of_type[kind] = codec
    _of_name[codec.name] = codec
    _met.clear()


def _problem(codec: Any) -> Problem | None:
    """Return what is wrong with what somebody gives as a codec."""
    where = f"the codec {getattr(codec, 'name', codec)!r}"
    expected = "an object with name, types, pack(value) and unpack(parts)"
    missing = [name for name in ("name", "types", *_METHODS) if not hasattr(codec, name)]
    missing += [name for name in _METHODS if name not in missing and not callable(getattr(codec, name))]
    if isinstance(codec, type) or missing:
        found = "is a class" if isinstance(codec, type) else f"has no {' and no '.join(missing)}"
        remedy = f"Register an object of it: register({codec.__name__}())." if isinstance(codec, type) else "Add it."
        return Problem(where, found, expected, remedy)
    if not isinstance(codec.name, str) or codec.name in _own or codec.name in {"", "dict", "set", "frozenset"}:
        return Problem(where, "cannot have this name", "a text that no built-in codec has", "Use e.g. 'acme.turbine'.")
    if isinstance(codec.types, str | type):
        remedy = "Write a tuple: types = (Turbine,)."
        return Problem(f"{where}, types", f"{codec.types!r} is no sequence", "types, or their names", remedy)
    for kind in codec.types:
        if not (isinstance(kind, type) or (isinstance(kind, str) and kind.count(":") == 1)):
            remedy = "Give the class, or e.g. 'acme.wind:Turbine'."
            return Problem(f"{where}, types", f"{kind!r} is no type", "a type, or 'module:Qualname'", remedy)
        if kind in _PLAIN:
            remedy = "Make a class of your own for it."
            return Problem(f"{where}, types", f"{kind.__name__} travels as it is", "another type", remedy)
    return None


@functools.cache
def _load(word: str) -> None:
    """Take up the codecs whose names begin with a word, e.g. numpy."""
    for prefix, module in _ELSEWHERE.items():
        if prefix.rpartition(".")[2] == word:
            try:
                codecs = importlib.import_module(module).codecs()
            except ImportError as error:
                remedy = f"Install it in this environment: pip install {error.name or word}."
                raise Unfit(f"needs a package that is not installed: {error}", remedy=remedy) from error
            _add_own(codecs)


@functools.cache
def _installed() -> tuple[dict[type | str, Codec], dict[str, Codec]]:
    """Return the codecs of installed packages, by type and by name."""
    from importlib.metadata import entry_points

    codecs: list[Codec] = []
    for entry in entry_points(group=GROUP):
        where = f"the entry point {entry.name} = {entry.value} of {GROUP}"
        try:
            codec = entry.load()
        except Exception as error:
            raise Unfit(f"{where} cannot be imported: {error!r}", remedy="Mend or remove that package.") from error
        problem = _problem(codec)
        if problem is not None:
            raise Unfit(f"{where} is no codec: {problem}", remedy="Mend or remove that package.")
        codecs.append(codec)
    return {kind: codec for codec in codecs for kind in codec.types}, {codec.name: codec for codec in codecs}


def _add_own(codecs: tuple[Codec, ...]) -> None:
    for codec in codecs:
        _add(codec)
        _own.add(codec.name)


_add_own(standard.CODECS)
for _family in classes.FAMILIES:
    _of_name[_family.name] = _family
    _own.add(_family.name)
