"""Run records and models: what was run, when, where and how it ended, in a database beside the user's own tables.

It needs the extra ``db``. Names are loaded when they are first used.
"""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.workflow.records.databases import Databases as Databases
    from fairlead.adapters.workflow.records.exceptions import DatabaseInvalid as DatabaseInvalid
    from fairlead.adapters.workflow.records.exceptions import DatabaseUnavailable as DatabaseUnavailable
    from fairlead.adapters.workflow.records.exceptions import MigrationsMissing as MigrationsMissing
    from fairlead.adapters.workflow.records.migrations import downgrade as downgrade
    from fairlead.adapters.workflow.records.migrations import make_migrations as make_migrations
    from fairlead.adapters.workflow.records.migrations import upgrade as upgrade
    from fairlead.adapters.workflow.records.models import Model as Model
    from fairlead.adapters.workflow.records.reading import list_runs as list_runs
    from fairlead.adapters.workflow.records.reading import read_run as read_run
    from fairlead.adapters.workflow.records.recorder import Recorder as Recorder

_MODULES = {
    "databases": ("Databases",),
    "exceptions": ("DatabaseInvalid", "DatabaseUnavailable", "MigrationsMissing"),
    "migrations": ("downgrade", "make_migrations", "upgrade"),
    "models": ("Model",),
    "reading": ("list_runs", "read_run"),
    "recorder": ("Recorder",),
}
__getattr__ = attributes(__name__, {name: module for module, names in _MODULES.items() for name in names})
__all__ = [  # noqa: PLE0604  # pyright: ignore[reportUnsupportedDunderAll] (names, all of them texts)
    *sorted(name for names in _MODULES.values() for name in names)
]
