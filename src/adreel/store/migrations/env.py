"""Alembic runs this file for every command; the connection comes from `upgrade`."""

from __future__ import annotations

from alembic import context

from adreel.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
