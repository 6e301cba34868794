"""Where functions and classes are defined, and the text of it, for who reads outputs or an identity off that.

A function is found by its file and place, so that two lambdas in one line are two. A file may have been edited since it
was imported: a text that would not make the bytecode that runs is none. The module does not say what a text means.
"""

from __future__ import annotations

import ast
import functools
import inspect
import io
import linecache
import textwrap
import tokenize
import types
from typing import Any, TypeAlias

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_parsed: dict[str, tuple[list[str], dict[int, list[Definition]]]] = {}
"""Of each file, its lines and the definitions that begin in each of them."""
_compiled: dict[str, tuple[list[str], dict[tuple[int, str], list[types.CodeType]]]] = {}
"""Of each file, its lines and the bytecode that they make, by the line in which each function begins and its name."""


def definition(function: types.FunctionType) -> Definition | None:
    """Return where a function is defined in its file, or None if its text is not at hand."""
    code = function.__code__
    found = [
        node
        for node in _definitions(code.co_filename).get(code.co_firstlineno, ())
        if getattr(node, "name", "<lambda>") == code.co_name
    ]
    if len(found) > 1:  # several lambdas in one line
        places = [place for place in code.co_positions() if None not in place and place[2] != place[3]]
        found = [node for node in found if all(_contains(node, place) for place in places)]
    return found[-1] if found else None


def _contains(node: Definition, place: tuple[int | None, ...]) -> bool:
    start, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    return start <= (place[0], place[2]) < end


def _definitions(file: str) -> dict[int, list[Definition]]:
    """Return the functions that are defined in a file, by the line in which each begins with its decorators."""
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    if file in _parsed and _parsed[file][0] is lines:
        return _parsed[file][1]
    found: dict[int, list[Definition]] = {}
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.setdefault(min(each.lineno for each in (node, *node.decorator_list)), []).append(node)
        elif isinstance(node, ast.Lambda):
            found.setdefault(node.lineno, []).append(node)
    _parsed[file] = lines, found
    return found


@functools.lru_cache(maxsize=4096)
def text_of(function: types.FunctionType) -> str:
    """Return the text of a function without its decorators and comments; of one that has no text, its bytecode."""
    code = function.__code__
    node = definition(function)
    if node is None or not _is_made_of_its_file(code):
        return repr(_bytecode(code))
    lines = linecache.getlines(code.co_filename)
    if isinstance(node, ast.Lambda):
        return ast.get_source_segment("".join(lines), node) or ""
    return without_comments(textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno])))


def _is_made_of_its_file(code: types.CodeType) -> bool:
    """Tell whether a file, as it is now, makes the code of a function that was made of it."""
    file = code.co_filename
    lines = linecache.getlines(file)
    if file not in _compiled or _compiled[file][0] is not lines:
        _compiled[file] = lines, _codes("".join(lines), file)
    places = list(code.co_positions()) if code.co_name == "<lambda>" else None  # there may be several in a line
    return any(
        _bytecode(each) == _bytecode(code) and (places is None or list(each.co_positions()) == places)
        for each in _compiled[file][1].get((code.co_firstlineno, code.co_name), ())
    )


def _codes(text: str, file: str) -> dict[tuple[int, str], list[types.CodeType]]:
    found: dict[tuple[int, str], list[types.CodeType]] = {}
    try:
        codes = [compile(text, file, "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):
        return found
    while codes:
        code = codes.pop()
        found.setdefault((code.co_firstlineno, code.co_name), []).append(code)
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return found


def _bytecode(code: types.CodeType) -> tuple[Any, ...]:
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return code.co_code, code.co_exceptiontable, names, [_constant(each) for each in code.co_consts]


def _constant(value: Any) -> Any:
    """Return what a constant is as what shows itself alike in every process; 1, 1.0 and True are three."""
    if isinstance(value, types.CodeType):
        return _bytecode(value)
    if isinstance(value, tuple):
        return tuple(_constant(each) for each in value)
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)


@functools.lru_cache(maxsize=4096)
def class_text(cls: type) -> str:
    """Return the text of a class without its decorators and comments, or its name if it has none."""
    try:
        text = textwrap.dedent(inspect.getsource(cls))
        return without_comments("\n".join(text.split("\n")[ast.parse(text).body[0].lineno - 1 :]))
    except (OSError, TypeError, SyntaxError):
        return cls.__qualname__


def without_comments(text: str) -> str:
    """Return the text of a definition without comments and empty lines."""
    lines = text.split("\n")
    empty = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        number, column = token.start
        if token.type == tokenize.COMMENT:
            lines[number - 1] = lines[number - 1][:column].rstrip()
        if token.type == tokenize.NL and not lines[number - 1].strip():
            empty.add(number)
    return "\n".join(line for number, line in enumerate(lines, 1) if number not in empty)
