"""Who was shown a card for one order, by a keyed hash: a dismissal holds for its user alone."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column, empty for the cards before: they are shown again."""
    op.add_column("cards", sa.Column("order_user_hash", sa.String(64)))
    op.create_index("ix_cards_order_user_hash", "cards", ["order_user_hash"])
