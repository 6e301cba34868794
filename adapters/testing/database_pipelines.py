"""Test cases for commands that need a database: each test has a fresh one, in the configuration of its scope.

Migrations are the test's to apply: ``self.run_command(["management", "db", "upgrade", "heads"], force_dry_run=False)``.
How databases are made and removed is in ``databases``.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from fairlead.adapters.testing.databases import FreshPostgresql, FreshSqlite, Section, fresh_postgresql, server_of
from fairlead.adapters.testing.pipelines import CommandTestCase
from fairlead.adapters.workflow.pipeline.scope import PipelineContextManager, config


class _WithDatabase(CommandTestCase):
    """A test in a scope whose configuration has the test's database."""

    section: Section

    @pytest.fixture(autouse=True)
    def with_pipeline_context_manager(self, fresh_database: None) -> Generator[PipelineContextManager]:  # noqa: ARG002 (it must be there)
        """Open a scope with the fresh database."""
        with PipelineContextManager() as manager:
            config["databases"] = {"default": self.section}
            yield manager


class DatabaseCommandTestCase(FreshSqlite, _WithDatabase):
    """A test of a command with a fresh file of SQLite; ``with self.pipeline_db_session() as session`` looks into it."""


class PostgresCommandTestCase(FreshPostgresql, _WithDatabase):
    """Likewise with a fresh database of the server at ``$FAIRLEAD_TEST_POSTGRESQL``, or that a ``pytest.ini`` names."""


@pytest.fixture
def postgresql_fixture(pytestconfig: pytest.Config) -> Generator[Section]:
    """Make a fresh database on that server, and describe it as a configuration does."""
    with fresh_postgresql(server_of(pytestconfig)) as section:
        yield section
