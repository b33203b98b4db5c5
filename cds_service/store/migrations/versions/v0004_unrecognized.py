"""How many orders and entries of records neither a code nor words explained, by day and code system."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "unrecognized",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("service", sa.String(64), primary_key=True),
        sa.Column("client", sa.String(255), primary_key=True),
        sa.Column("resource", sa.String(32), primary_key=True),
        sa.Column("system", sa.String(120), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
    )
