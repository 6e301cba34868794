"""How Alembic runs our migrations: what it loads for each of its commands, with what we put into its configuration.

Imported by anybody else, it does nothing.
"""

from alembic import context

from fairlead.adapters.workflow.records.migrations import Space

if __name__ == "env_py":
    space: Space = context.config.attributes["space"]
    login = space.database.login
    context.configure(
        connection=space.connection,
        target_metadata=space.metadata,
        transactional_ddl=True,
        include_name=space.includes,
        include_object=space.compares,
        compare_type=True,
        render_as_batch=login.is_sqlite,
        user_role=login.user.username if login.user else None,
    )
    with context.begin_transaction():
        context.run_migrations()
