"""The tokens that were used, as one tree of pages where there were three: every call waits for what it writes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Drop the index by time, and let SQLite keep the rows in the index of their digests; all rows stay."""
    op.drop_index("ix_seen_tokens_expires_at", table_name="seen_tokens")
    if op.get_bind().dialect.name == "sqlite":
        op.rename_table("seen_tokens", "seen_tokens_before")
        op.create_table(
            "seen_tokens",
            sa.Column("digest", sa.String(64), primary_key=True),
            sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
            sqlite_with_rowid=False,
        )
        op.execute("INSERT INTO seen_tokens SELECT digest, expires_at FROM seen_tokens_before")
        op.drop_table("seen_tokens_before")
