"""Where functions and classes are defined, and the text of it, for who reads outputs or an identity off that.

A function is found by its file and place, so that two lambdas in one line are two. The module does not say what a text
means.
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
    if node is None:
        return repr((code.co_code, code.co_names, _constants(code)))
    lines = linecache.getlines(code.co_filename)
    if isinstance(node, ast.Lambda):
        return ast.get_source_segment("".join(lines), node) or ""
    return without_comments(textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno])))


def _constants(code: types.CodeType) -> list[Any]:
    return [
        (each.co_code, each.co_names, _constants(each)) if isinstance(each, types.CodeType) else each
        for each in code.co_consts
    ]


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
