"""What can be seen of an app's ``app.py`` without running it: that it is Python, and has one entry point to be called.

A mistake in it is told when the work is bound, before anything runs. Where the file leaves it open what a name will be
(a star import, several definitions, a decorator), nothing is said: it is checked again when the app is loaded. It never
imports anything.
"""

from __future__ import annotations

import ast
import functools
import re
import symtable
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from fairlead.adapters.errors import AppInvalid, Problem
from fairlead.adapters.twine.entry_points import check_entry_points

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_GLOBAL = re.compile(rb"^\s*global\s", re.MULTILINE)
_STAR_IMPORT = re.compile(rb"^\s*from\s.+\simport\s+\(?\s*\*", re.MULTILINE)


def check_source(path: Path, app: str) -> None:
    """See, without running it, that ``app.py`` is Python and defines exactly one entry point, which can be called."""
    try:
        source = path.read_bytes()
    except OSError as error:
        found = f"cannot be read: {error.strerror}"
        raise AppInvalid(Problem(f"{app}/app.py", found, "a readable file", "Make it readable.")) from error
    _check(source, str(path), app)


@functools.lru_cache(maxsize=32)
def _check(source: bytes, path: str, app: str) -> None:
    """Check a source; the same again, as in a run after the look into the cache, costs nothing."""
    try:
        table = symtable.symtable(source, path, "exec")  # type: ignore[arg-type]  # bytes have an encoding of their own
        tree = ast.parse(source, path)
    except RecursionError:  # it is Python all the same
        return
    except (SyntaxError, ValueError) as error:
        place = f" at line {error.lineno}" if isinstance(error, SyntaxError) else ""
        found = f"is not Python: {getattr(error, 'msg', None) or error}{place}"
        raise AppInvalid(Problem(f"{app}/app.py", found, "", "Correct it there.")) from error
    if _STAR_IMPORT.search(source):
        return  # what a star brings is known only when the app is loaded, and checked then
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
    imported = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_imported()} - _for_types_only(tree)
    function = "run" in own or ("run" in imported and "App" not in own)  # such as that of ``subprocess``
    check_entry_points(function=function, cls="App" in own | imported, where=app)
    if not _GLOBAL.search(source):  # what a function does to the module's names is not followed
        _check_signatures(tree.body, app)


def _for_types_only(tree: ast.Module) -> set[str]:
    """Return the names that are imported for type checkers alone."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    imports = [
        statement
        for block in blocks
        if ast.unparse(block.test).rpartition(".")[2] == "TYPE_CHECKING"
        for statement in block.body
        if isinstance(statement, ast.Import | ast.ImportFrom)
    ]
    return {alias.asname or alias.name for statement in imports for alias in statement.names}


def _check_signatures(body: list[ast.stmt], app: str) -> None:
    """See that an entry point takes what it is given, if its definition is all that can be meant by its name."""
    run, cls = _definition("run", body), _definition("App", body)
    if isinstance(run, _FUNCTION) and not _takes(run, 1):
        _refuse(app, "the function 'run' cannot be called with the analysis alone", "Define 'def run(analysis):'.", run)
    if not isinstance(cls, ast.ClassDef) or cls.keywords:
        return
    for name, count, form in (("__init__", 2, "def __init__(self, analysis):"), ("run", 1, "def run(self):")):
        method = _definition(name, cls.body)
        if isinstance(method, _FUNCTION) and not _takes(method, count):
            given = "the analysis alone" if count > 1 else "nothing"
            _refuse(app, f"'{name}' of the class 'App' cannot be called with {given}", f"Define '{form}'.", method)
        inherited = cls.bases or any(_names_of(node) & {name, "__new__", "__getattr__"} for node in _outer(cls.body))
        if method is None and not inherited:
            _refuse(app, f"the class 'App' has no '{name}'", f"Define '{form}' in it.", cls)


def _refuse(app: str, found: str, remedy: str, node: ast.stmt) -> NoReturn:
    raise AppInvalid(Problem(f"{app}/app.py", f"{found} (line {node.lineno})", "", remedy))


def _takes(function: ast.FunctionDef | ast.AsyncFunctionDef, count: int) -> bool:
    """Tell whether a function can be called with a number of arguments that are not named."""
    form = function.args
    most = len(form.posonlyargs) + len(form.args)
    is_free = all(default is not None for default in form.kw_defaults)
    return is_free and most - len(form.defaults) <= count and (count <= most or form.vararg is not None)


def _definition(name: str, body: list[ast.stmt]) -> ast.AST | None:
    """Return what defines a name in a module or class; None if nothing, several or a decorator may do so."""
    found = [node for node in _outer(body) if name in _names_of(node)]
    return found[0] if len(found) == 1 and not getattr(found[0], "decorator_list", ()) else None


def _outer(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Go through the syntax of a body, without what is inside of its functions and classes."""
    for part in body:
        if isinstance(part, (*_FUNCTION, ast.ClassDef)):
            yield part
        else:
            yield from ast.walk(part)


def _names_of(node: ast.AST) -> set[str]:
    """Return the names that a piece of syntax gives to something."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.alias():
            return {node.asname or node.name.partition(".")[0]}
        case ast.Name(ctx=ast.Store() | ast.Del()):
            return {node.id}
        case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store()):  # of a class, what it lacks
            return {name}
        case ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id=name), *_]):
            return {name}
        case _:
            return set()
