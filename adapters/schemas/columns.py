"""Large values at a glance: whether they keep a schema, looked at column by column instead of one after the other.

A validator asks each of a hundred thousand numbers whether it is a number. `are_kept` asks it of all of them at once:
it collects the values that stand at one place of a schema, of all members of a list or of all objects in it, and checks
the set of their types, their least and their greatest. It knows the plain rules that large data have; where it meets
any other, or a value that is not plainly valid, it does not say that the schema is kept. Then the validator decides,
and tells what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.adapters.schemas.keywords import ANNOTATIONS

_NUMBERS = {int, float}
_TYPES: Mapping[Any, set[type]] = {
    "number": _NUMBERS,
    "integer": {int},
    "string": {str},
    "boolean": {bool},
    "null": {type(None)},
    "array": {list},
    "object": {dict},
}
_SILENT = {*ANNOTATIONS, "$schema", "$comment", "$defs", "definitions", "format", "optional"}
Values = Sequence[Any]


def are_kept(values: Values, rules: Any, root: Mapping[str, Any] | None = None) -> bool:
    """Tell whether all values are plainly valid; if not, they may be valid still.

    Args:
        values: JSON data.
        rules: a valid schema, of any draft.
        root: the schema in which its references lead to places; without it, none is followed.
    """
    if rules is True or not values:
        return True
    if not isinstance(rules, dict):
        return False
    return all(
        keyword in _SILENT or (keyword in _CHECKS and _CHECKS[keyword](values, rule, rules, root))
        for keyword, rule in rules.items()
    )


def _only(values: Values, types: set[type]) -> Values:
    """Return those values that a rule is about: others keep it whatever they are."""
    found = {*map(type, values)}
    if found <= types:
        return values
    return [value for value in values if type(value) in types] if found & types else ()


def _type(values: Values, rule: Any, _rules: Any, _root: Any) -> bool:
    names = rule if isinstance(rule, list) else [rule]
    if not all(isinstance(name, str) for name in names):  # the oldest drafts had schemas there
        return False
    return {*map(type, values)} <= set[type]().union(*(_TYPES.get(name, set()) for name in names))


def _bound(types: set[type], measure: Callable[[Any], Any] | None, keeps: Callable[[Any, Any, Any], bool]) -> Any:
    """Return a check of a limit, given the least and the greatest of what is measured."""

    def check(values: Values, rule: Any, _rules: Any, _root: Any) -> bool:
        if isinstance(rule, bool):  # `exclusiveMinimum: true` of older drafts
            return False
        measured: Any = _only(values, types)
        if measure is not None:
            measured = [*map(measure, measured)]
        return len(measured) == 0 or keeps(min(measured), max(measured), rule)

    return check


def _enum(values: Values, rule: Any, _rules: Any, _root: Any) -> bool:
    texts = {option for option in rule if isinstance(option, str)}
    return all(type(value) is str for value in values) and {*values} <= texts


def _multiple_of(values: Values, rule: Any, _rules: Any, _root: Any) -> bool:
    numbers = _only(values, _NUMBERS)
    return type(rule) is int and {*map(type, numbers)} <= {int} and not any(number % rule for number in numbers)


def _items(values: Values, rule: Any, _rules: Any, root: Any) -> bool:
    members = [member for value in _only(values, {list}) for member in value]
    return not members or are_kept(members, rule, root)


def _properties(values: Values, rule: Any, _rules: Any, root: Any) -> bool:
    objects = _only(values, {dict})
    if any(isinstance(part, dict) and isinstance(part.get("required"), bool) for part in rule.values()):
        return False  # the oldest drafts said so at each property, also of one that is absent
    return all(are_kept([value[name] for value in objects if name in value], part, root) for name, part in rule.items())


def _additional(values: Values, rule: Any, rules: Mapping[str, Any], _root: Any) -> bool:
    if rule is True:
        return True
    known = rules.get("properties", {}).keys()
    return rule is False and all(value.keys() <= known for value in _only(values, {dict}))


def _required(values: Values, rule: Any, _rules: Any, _root: Any) -> bool:
    if not isinstance(rule, list):
        return False
    names = {*rule}
    return all(names <= value.keys() for value in _only(values, {dict}))


def _reference(values: Values, rule: Any, _rules: Any, root: Mapping[str, Any] | None) -> bool:
    part: Any = root
    if root is None or not isinstance(rule, str) or not rule.startswith("#/"):
        return False
    for step in rule[2:].split("/"):
        if not isinstance(part, dict) or "~" in step or "%" in step or step not in part:
            return False
        part = part[step]
    return are_kept(values, part, root)


def _any_of(values: Values, rule: Any, _rules: Any, root: Any) -> bool:
    if any(are_kept(values, part, root) for part in rule):
        return True
    names = [
        part.get("type") if isinstance(part, dict) and part.keys() <= {"type", *_SILENT} else None for part in rule
    ]
    return all(isinstance(name, str) for name in names) and _type(values, names, {}, root)


def _all_of(values: Values, rule: Any, _rules: Any, root: Any) -> bool:
    return all(are_kept(values, part, root) for part in rule)


_CHECKS: Mapping[str, Callable[[Values, Any, Any, Any], bool]] = {
    "type": _type,
    "minimum": _bound(_NUMBERS, None, lambda least, _, limit: least >= limit),
    "maximum": _bound(_NUMBERS, None, lambda _, greatest, limit: greatest <= limit),
    "exclusiveMinimum": _bound(_NUMBERS, None, lambda least, _, limit: least > limit),
    "exclusiveMaximum": _bound(_NUMBERS, None, lambda _, greatest, limit: greatest < limit),
    "minItems": _bound({list}, len, lambda least, _, limit: least >= limit),
    "maxItems": _bound({list}, len, lambda _, greatest, limit: greatest <= limit),
    "minLength": _bound({str}, len, lambda least, _, limit: least >= limit),
    "maxLength": _bound({str}, len, lambda _, greatest, limit: greatest <= limit),
    "multipleOf": _multiple_of,
    "enum": _enum,
    "items": _items,
    "properties": _properties,
    "additionalProperties": _additional,
    "required": _required,
    "$ref": _reference,
    "anyOf": _any_of,
    "allOf": _all_of,
}
