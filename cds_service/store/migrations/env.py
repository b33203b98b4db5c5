"""How Alembic runs the migrations: on the connection, and in the transaction, that it is given."""

from alembic import context

from cds_service.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,  # SQLite, too, can take back a change of tables
)
with context.begin_transaction():
    context.run_migrations()
