"""The base class of the tables that users describe: called like the class, and in the database that they say.

A model is a plain SQLAlchemy model. Each database has tables of its own (`metadata_of`), so that migrations are made
for one at a time. Who opens databases is ``databases``, who changes their layout ``migrations``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import FromClause, MetaData
from sqlalchemy.orm import DeclarativeBase, MappedColumn
from sqlalchemy.schema import Column

from fairlead.adapters.errors import ContractInvalid, Problem
from fairlead.adapters.workflow.naming import to_snake_case

_metadata: dict[str | None, MetaData] = {}
_models: dict[FromClause, type[Model]] = {}


def metadata_of(bind: str | None) -> MetaData:
    """Return the tables of one database by its label; None stands for the main one."""
    if bind not in _metadata:
        _metadata[bind] = MetaData(info={"bind_key": bind})
    return _metadata[bind]


class Model(DeclarativeBase):
    """A table of a plugin: a subclass with columns.

    The table is called like the class in snake case, unless ``__tablename__`` says otherwise. It is in the main
    database, unless ``__bind_key__`` names another one of the configuration.
    """

    __abstract__ = True
    __allow_unmapped__ = True  # models written for SQLAlchemy 1.4 may annotate what is no column
    __bind_key__: ClassVar[str | None] = None
    metadata: ClassVar[MetaData] = metadata_of(None)

    def __init_subclass__(cls, **options: Any) -> None:
        """Name the table and find its database.

        Raises `ContractInvalid` if another model has a table of this name there.
        """
        if not vars(cls).get("__abstract__"):
            cls.metadata = metadata_of(cls.__bind_key__)
            if _needs_table_name(cls):
                cls.__tablename__ = to_snake_case(cls.__name__)
            _make_room(cls)
        super().__init_subclass__(**options)
        if "__table__" in vars(cls):
            _models.setdefault(cls.__table__, cls)


def _needs_table_name(cls: type[Model]) -> bool:
    """Tell whether a class has a table of its own and does not say how that is called."""
    own = vars(cls)
    if "__table__" in own:
        return False
    mapped = [base for base in cls.__mro__[1:] if "__table__" in vars(base)]
    if any("__tablename__" in vars(base) for base in cls.__mro__ if base not in mapped):
        return False
    columns = [value.column if isinstance(value, MappedColumn) else value for value in own.values()]
    return not mapped or any(isinstance(column, Column) and column.primary_key for column in columns)


def _make_room(cls: type[Model]) -> None:
    """Forget an earlier class of the same module and name: a pipeline may be loaded twice in one process."""
    name = getattr(cls, "__tablename__", None)
    table = cls.metadata.tables.get(f"{cls.metadata.schema}.{name}" if cls.metadata.schema else str(name))
    if table is None or "__table__" in vars(cls):
        return
    other = _models.get(table)
    if other is not None:
        if issubclass(cls, other):
            return
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ContractInvalid(
                Problem(
                    f"model {cls.__module__}.{cls.__qualname__}",
                    f"its table '{name}' is also that of {other.__module__}.{other.__qualname__}",
                    "one model for each table",
                    "Rename one of the classes, or give it a __tablename__.",
                )
            )
        # There is no public way to forget one class of several.
        cls.registry._dispose_cls(other)  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
    _models.pop(table, None)
    cls.metadata.remove(table)


def models_in(bind: str | None, plugin: str | None = None) -> list[type[Model]]:
    """Return the models of a database, by its label, in the order of their tables' names; only a plugin's, if asked."""
    found = [_models[table] for table in metadata_of(bind).tables.values() if table in _models]
    owned = [model for model in found if plugin is None or f"{model.__module__}.".startswith(f"{plugin}.")]
    return sorted(owned, key=lambda model: str(model.__tablename__))


def binds() -> list[str | None]:
    """Return the labels of all databases that models have named."""
    return list(_metadata)
