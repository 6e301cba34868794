"""The tables of a plugin written down as reStructuredText, for the plugin's own documentation; nothing is opened."""

from __future__ import annotations

import inspect
from typing import Any

from sqlalchemy import UniqueConstraint

from fairlead.adapters.errors import Problem
from fairlead.adapters.workflow.records.exceptions import DatabaseInvalid
from fairlead.adapters.workflow.records.migrations import load_models, package_folder
from fairlead.adapters.workflow.records.models import binds, models_in

_HEADINGS = ("Column", "Type", "Rules", "Description")


def of_plugin(plugin: str) -> str:
    """Return a section for each table; raises `DatabaseInvalid` for a plugin that is none, or has none."""
    package_folder(plugin)
    load_models(plugin)
    models = [model for bind in binds() for model in models_in(bind, plugin)]
    if not models:
        raise DatabaseInvalid(
            Problem(
                f"plugin '{plugin}'", "it has no models", "classes made from Model", f"Write them in {plugin}.models."
            )
        )
    return "\n".join([*_heading(plugin, "="), *(line for model in models for line in _table(model))])


def _heading(text: str, line: str) -> list[str]:
    return [text, line * len(text), ""]


def _table(model: Any) -> list[str]:
    table = model.__table__
    bind = table.metadata.info.get("bind_key")
    where = [f"In the database ``{bind}``.", ""] if bind else []
    about = model.__dict__.get("__doc__")
    rows = [
        _HEADINGS,
        *(
            (column.name, str(column.type), _rules(column), column.doc or column.comment or "")
            for column in table.columns
        ),
    ]
    listed = [f"   {'*' if not number else ' '} - {cell}".rstrip() for row in rows for number, cell in enumerate(row)]
    return [
        *_heading(table.name, "-"),
        *([inspect.cleandoc(about), ""] if about else []),
        *where,
        ".. list-table::",
        "   :header-rows: 1",
        "",
        *listed,
        "",
    ]


def _rules(column: Any) -> str:
    groups = [
        each for each in column.table.constraints if isinstance(each, UniqueConstraint) and column.name in each.columns
    ]
    together = [[other.name for other in group.columns if other is not column] for group in groups]
    rules = [
        "primary key" if column.primary_key else "",
        "" if column.nullable or column.primary_key else "required",
        *(f"unique with {', '.join(names)}" if names else "unique" for names in together),
        *(f"references {key.target_fullname}" for key in column.foreign_keys),
    ]
    return ", ".join(filter(None, rules))
