"""What a function or class does, as a document for `fingerprint`: its code, and all of the user's own that it uses.

That is its text without decorators and comments; the values that it closes over; its defaults; and the user's own
functions, classes, objects and constants that it uses by name or imports, with all that these use. What decorators have
made of a function counts. What is installed counts by its name only, and what is fairlead's not at all: so an edit of
a helper in the user's modules is other work, and a new release of numpy is not.

A list, tuple, set or dict counts by its content if that is data, else by what can be called in it: where that is, and
the numbers and texts beside it. So a table of functions counts, and a list in which a task keeps what it met does not.

It does not look into what a function does with names: what it finds by `getattr` or `importlib` is not seen, nor what
an object that it uses holds if no codec takes that, nor other data in a container of functions, nor the methods of
objects that are inside data or come as inputs.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import sys
import sysconfig
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fairlead.adapters import values
from fairlead.adapters.errors import ContractError, NotFingerprintable, Problem
from fairlead.adapters.workflow.block import Block
from fairlead.adapters.workflow.sources import class_text, definition, text_of

_PLAIN = (type(None), bool, int, float, str, bytes)
_NO_STATE = frozenset({"name", "options", "plugin_name"})
"""What a class of blocks says of them that does not change what they do."""
_CONTAINERS = (list, tuple, dict, set, frozenset)


def code_of(thing: Any) -> Any:
    """Return what a function, a class or anything else that can be called does, as a document for `fingerprint`.

    Raises `NotFingerprintable` for a value that it closes over and that has no identity on another machine.
    """
    return _Code().described(thing)


@functools.cache
def _installed() -> tuple[str, ...]:
    """Return the folders of Python's own modules and of what is installed."""
    paths = sysconfig.get_paths()
    return tuple(str(Path(paths[name]).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


@functools.lru_cache(maxsize=4096)
def _is_users(module: str | None) -> bool:
    """Tell whether a module is the user's own code."""
    if module is None or module.partition(".")[0] in {"fairlead", *sys.builtin_module_names}:
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    if module == "__main__" or file is None:
        return module.partition(".")[0] not in sys.stdlib_module_names
    return not str(Path(file).resolve()).startswith(_installed())


class _Code:
    """Goes through a function and what it uses, each once."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []
        self._inside: set[int] = set()

    def described(self, thing: Any) -> Any:
        """Return a document of what can be called."""
        if id(thing) in self._seen:
            return {"again": self._seen[id(thing)]}
        self._seen[id(thing)] = len(self._seen)
        self._kept.append(thing)  # an object that is gone would give its id to another
        if isinstance(thing, type):
            return self._class(thing) if _is_users(thing.__module__) else {"name": _full_name(thing)}
        if isinstance(thing, types.FunctionType):
            return self._function(thing)
        return self._callable(thing)

    def _callable(self, thing: Any) -> dict[str, Any]:
        if isinstance(thing, types.MethodType):
            return {"method": self.described(thing.__func__), "of": self._value(thing.__self__, "a method's object")}
        if isinstance(thing, functools.partial):
            bound = self._value([list(thing.args), thing.keywords], "a function's bound arguments")
            return {"partial": self.described(thing.func), "bound": bound}
        if hasattr(thing, "__wrapped__"):
            return {"name": _full_name(type(thing)), "wraps": self.described(thing.__wrapped__)}
        return {"name": _full_name(thing)} if _is_found_by_name(thing) else self._object(thing)

    def _function(self, function: types.FunctionType) -> dict[str, Any]:
        if _is_users(function.__globals__.get("__name__")):
            return {"text": text_of(function), **self._used(function)}
        name = f"{function.__globals__.get('__name__')}.{function.__code__.co_qualname}"
        closed = {each: self._counted(value) for each, value in _closure(function)}
        registry = getattr(function, "registry", None)
        if isinstance(registry, types.MappingProxyType):  # of functools.singledispatch
            ways: dict[type, Any] = dict(registry)
            closed["registry"] = self._callables({kind: ways[kind] for kind in sorted(ways, key=_full_name)})
        return {"name": name, "uses": closed}

    def _class(self, cls: type) -> dict[str, Any]:
        parts = {}
        left_out = _NO_STATE if issubclass(cls, Block) else frozenset()
        for base in cls.__mro__:
            if _is_users(base.__module__):
                members = {
                    name: self._counted(member)
                    for name, member in vars(base).items()
                    if name not in left_out and (not name.startswith("__") or _is_method(name, member))
                }
                counted = {name: member for name, member in members.items() if member is not None}
                parts[base.__qualname__] = {"text": class_text(base), "members": counted}
        made_by = {"metaclass": self.described(type(cls))} if _is_users(type(cls).__module__) else {}
        return {"class": parts, **made_by}

    def _used(self, function: types.FunctionType) -> dict[str, Any]:
        """Return what a function takes from outside itself: defaults, closure, and the user's names."""
        where = f"the function '{function.__qualname__}'"
        found: dict[str, Any] = {}
        for name, value in _closure(function):
            found[name] = self._value(value, f"{where}, its variable '{name}'")
        for name, value in _globals(function):
            described = self._counted(value)
            if described is not None:
                found[name] = described
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        return {"uses": found, "defaults": [self._value(value, f"{where}, a default") for value in defaults]}

    def _counted(self, value: Any) -> Any:
        """Return the document of a global or a member of a class, or None if it is none of the user's own data."""
        value = _called(value)
        if isinstance(value, types.ModuleType):
            return None
        if isinstance(value, types.FunctionType | type) and not hasattr(value, "__wrapped__"):
            module = value.__globals__.get("__name__") if isinstance(value, types.FunctionType) else value.__module__
            return self.described(value) if _is_users(module) else None
        seen = dict(self._seen)
        try:
            if callable(value) or _is_users(type(value).__module__):
                return self._value(value, "a global")
            return values.identity(value, "a global")
        except ContractError:
            self._seen = seen  # what was found on the way is not in the document
            inside = self._callables(value) if isinstance(value, _CONTAINERS) else None
            own = self.described(type(value)) if _is_users(type(value).__module__) else None
            return {"object": own, "callables": inside} if own and inside else own or inside

    def _callables(self, container: Any) -> Any:
        """Return the document of what can be called in a container, or None if there is nothing."""
        if id(container) in self._inside:
            return None
        self._inside.add(id(container))
        try:
            pairs = container.items() if isinstance(container, dict) else enumerate(_in_order(container))
            found = [(key, value, self._callable_member(value)) for key, value in pairs]
        finally:
            self._inside.remove(id(container))
        if all(document is None for _, _, document in found):
            return None
        return [
            [
                self.described(key) if isinstance(key, type) else self._counted(key),
                value if document is None else document,
            ]
            for key, value, document in found
            if document is not None or type(value) in _PLAIN
        ]

    def _callable_member(self, value: Any) -> Any:
        value = _called(value)
        if callable(value):
            return self._counted(value)
        if isinstance(value, _CONTAINERS):
            return self._callables(value)
        kind = type(value)
        # Its methods, once: a task may add more and more objects of a class to a list.
        return self.described(kind) if _is_users(kind.__module__) and id(kind) not in self._seen else None

    def _value(self, value: Any, where: str) -> Any:
        """Return the document of a value that a function has; raises `NotFingerprintable` naming it."""
        if type(value) in _PLAIN:
            return value
        if isinstance(value, types.ModuleType):
            return {"module": value.__name__}
        try:
            document = values.identity(value, where)
            return {"value": document, "of": self.described(type(value))} if _is_object(value) else document
        except ContractError as error:
            if isinstance(value, list | tuple | set | frozenset):
                members = enumerate(_in_order(value))
                return {"members": [self._value(each, f"{where}[{place}]") for place, each in members]}
            if isinstance(value, dict):
                return {"items": [[self._value(key, where), self._value(each, where)] for key, each in value.items()]}
            if callable(value) or _is_users(type(value).__module__):
                return self.described(value)
            raise NotFingerprintable(error.problems) from error

    def _object(self, thing: Any) -> dict[str, Any]:
        """Return the document of an object by what pickle would make it of."""
        where = f"an object of the class {_full_name(type(thing))}"
        try:
            made = thing.__reduce_ex__(2)
        except Exception as error:
            found = f"has no identity that holds on another machine: {error}"
            raise NotFingerprintable(Problem(where, found, "data, functions and classes", "Pass these.")) from error
        if isinstance(made, str):
            return {"name": f"{_full_name(type(thing))}.{made}"}
        parts = [list(part) if isinstance(part, Iterator) else part for part in made[1:]]
        return {"object": self.described(type(thing)), "made by": self._value(list(parts), where)}


def _called(value: Any) -> Any:
    """Return what is called by way of a member of a class: its function, or several; anything else as it is."""
    while isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if isinstance(value, property):
        return value.fget if value.fset is None and value.fdel is None else (value.fget, value.fset, value.fdel)
    if isinstance(value, functools.cached_property):
        return value.func
    if isinstance(value, functools.singledispatchmethod):
        return value.dispatcher
    if isinstance(value, functools.partialmethod):
        return (value.func, *value.args, *value.keywords, *value.keywords.values())
    return value


def _is_method(name: str, member: Any) -> bool:
    """Tell whether a member of a class with a name in double underscores is a function or calls one."""
    return name != "__wrapped__" and (isinstance(member, types.FunctionType) or _called(member) is not member)


def _is_object(value: Any) -> bool:
    """Tell whether a value is of a user's class, whose methods can be called."""
    return not isinstance(value, type) and _is_users(type(value).__module__)


def _in_order(members: Any) -> list[Any]:
    """Return members in an order that is the same in every process, as that of a set is not."""
    if not isinstance(members, set | frozenset):
        return list(members)

    def place(member: Any) -> tuple[str, int, str]:
        code = getattr(member, "__code__", None)
        shown = repr(member) if type(member) in _PLAIN else ""
        return _full_name(member), getattr(code, "co_firstlineno", 0), shown

    return sorted(members, key=place)


def _full_name(thing: Any) -> str:
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', type(thing).__qualname__)}"


def _is_found_by_name(thing: Any) -> bool:
    found: Any = sys.modules.get(getattr(thing, "__module__", None) or "")
    for part in getattr(thing, "__qualname__", "?").split("."):
        found = getattr(found, part, None)
    return found is thing


def _closure(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Go through the variables that a function has of those round it."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # it has no value yet
            continue


def _globals(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Go through the global names of a function's code, and of the functions in it, with what they are now."""
    names: dict[str, None] = {}
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        names.update(dict.fromkeys(code.co_names))
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    yield from _looked_up(list(names), function.__globals__, "", set())
    for name, module in _imported(function):
        yield from _looked_up(list(names), vars(module), f"{name}.", set())


def _looked_up(names: list[str], scope: Mapping[str, Any], prefix: str, seen: set[str]) -> Iterator[tuple[str, Any]]:
    """Go through names in a scope; those of the user's modules are looked up in these as well."""
    for name in names:
        if name not in scope:
            continue
        value = scope[name]
        if not isinstance(value, types.ModuleType):
            yield f"{prefix}{name}", value
        elif value.__name__ not in seen and _is_users(value.__name__):
            seen.add(value.__name__)
            yield from _looked_up(names, vars(value), f"{prefix}{name}.", seen)


def _imported(function: types.FunctionType) -> Iterator[tuple[str, types.ModuleType]]:
    """Go through the user's modules that a function imports when it is called."""
    for name in _imports(function):
        if _can_be_users(name.partition(".")[0]):
            try:
                yield name, importlib.import_module(name)
            except Exception:  # noqa: BLE001, S112 (the function itself will say what is wrong with it)
                continue


@functools.lru_cache(maxsize=4096)
def _imports(function: types.FunctionType) -> tuple[str, ...]:
    """Return the names of the modules that the text of a function imports."""
    package = function.__globals__.get("__package__") or ""
    node = definition(function)
    names: list[str] = []
    for each in ast.walk(node) if node is not None else ():
        if isinstance(each, ast.Import):
            names += [alias.name for alias in each.names]
        elif isinstance(each, ast.ImportFrom) and (package or not each.level):
            names.append(importlib.util.resolve_name("." * each.level + (each.module or ""), package))
    return tuple(names)


@functools.lru_cache(maxsize=4096)
def _can_be_users(package: str) -> bool:
    if package in sys.stdlib_module_names or package == "fairlead":
        return False
    if package in sys.modules:
        return _is_users(package)
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return False
    if spec is None:
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return not any(str(Path(place).resolve()).startswith(_installed()) for place in places)
