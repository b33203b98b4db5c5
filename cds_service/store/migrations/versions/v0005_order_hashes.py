"""Which cards were for one order, by a keyed hash, and the keys, which are deleted after two days."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column, empty for the cards before, and make the table of keys."""
    op.add_column("cards", sa.Column("order_hash", sa.String(64)))
    op.create_index("ix_cards_order_hash", "cards", ["order_hash"])
    op.create_table(
        "order_hash_keys",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("key", sa.String(64), nullable=False),
    )
