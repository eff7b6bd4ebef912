"""Alembic's entry: runs inside the transaction that appliance.store.migrate opened."""

from alembic import context

from appliance.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, render_as_batch=True, transaction_per_migration=False
)
context.run_migrations()
