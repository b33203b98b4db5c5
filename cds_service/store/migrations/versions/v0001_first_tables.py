"""The first tables: cards, suggestions, feedback, accepted suggestions, decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables as they were in the first version, whatever tables.py says by now."""
    op.create_table(
        "cards",
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("client", sa.String(255), nullable=False),
        sa.Column("knowledge", sa.String(64), nullable=False),
        sa.Column("study", sa.String(64), nullable=False),
        sa.Column("indicator", sa.String(16), nullable=False),
        sa.Column("history", sa.String(32), nullable=False),
        sa.Column("presentation", sa.String(32), nullable=False),
        sa.Column("incomplete", sa.Boolean, nullable=False),
        sa.Column("patient", sa.String(64)),
    )
    op.create_index("ix_cards_day", "cards", ["day"])
    op.create_table(
        "suggestions",
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column(
            "card",
            sa.String(36),
            sa.ForeignKey("cards.uuid", name="fk_suggestions_card", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("recommended", sa.Boolean, nullable=False),
    )
    op.create_index("ix_suggestions_card", "suggestions", ["card"])
    _feedback()
    op.create_table(
        "decisions",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("service", sa.String(64), primary_key=True),
        sa.Column("client", sa.String(255), primary_key=True),
        sa.Column("knowledge", sa.String(64), primary_key=True),
        sa.Column("study", sa.String(64), primary_key=True),
        sa.Column("outcome", sa.String(16), primary_key=True),
        sa.Column("reason", sa.String(64), primary_key=True),
        sa.Column("incomplete", sa.Boolean, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
    )


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("card", sa.String(36), nullable=False),
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("client", sa.String(255), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("comment", sa.Text),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_day", sa.Date, nullable=False),
    )
    op.create_index("ix_feedback_received_day", "feedback", ["received_day"])
    op.create_index("ix_feedback_card_happened_at", "feedback", ["card", "happened_at"])
    op.create_table(
        "accepted_suggestions",
        sa.Column(
            "feedback",
            sa.Integer,
            sa.ForeignKey("feedback.id", name="fk_accepted_suggestions_feedback", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("suggestion", sa.String(36), primary_key=True),
    )
