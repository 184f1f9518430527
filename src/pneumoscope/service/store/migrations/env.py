"""Runs migrations on the connection that :func:`pneumoscope.service.store.database.migrate` gives."""

from alembic import context

from pneumoscope.service.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
context.run_migrations()
