"""What goes wrong with databases, in the one tree of ``errors``: what describes, reaches or lays out one is not right.

What a query of the user's own gets wrong stays SQLAlchemy's error.
"""

from __future__ import annotations

from fairlead.adapters.errors import ContractInvalid, StorageFailed


class DatabaseInvalid(ContractInvalid):
    """The configuration of a database, or a request for one, cannot be used."""


class MigrationsMissing(ContractInvalid):
    """A database lacks tables or columns that migrations would make."""


class DatabaseUnavailable(StorageFailed):
    """A database cannot be reached, does not let us in, or cannot be written."""
