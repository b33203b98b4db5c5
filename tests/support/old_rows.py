"""Rows of a store as they are after years, in any number."""

from datetime import UTC, date, datetime
from uuid import uuid4

from sqlalchemy import select

from cds_service.store import Store
from cds_service.store.tables import ACCEPTED, CARDS, DECISIONS, FEEDBACK, SUGGESTIONS

PER_CARD = {ACCEPTED.name: 1, FEEDBACK.name: 1, SUGGESTIONS.name: 2, CARDS.name: 1, DECISIONS.name: 1}
"""The rows of each table that `add_old_rows` adds for a card."""


def add_old_rows(store: Store, day: date, number: int) -> None:
    """Add so many cards of a day with their suggestions, an accepting report on each, and as many counts."""
    moment, texts = datetime.combine(day, datetime.min.time(), UTC), dict.fromkeys(("service", "client"), "x")
    names = dict.fromkeys(("knowledge", "study", "indicator", "history", "presentation"), "x")
    of_cards = {**texts, **names, "shown_at": moment, "day": day, "incomplete": False, "patient": None}
    cards = [str(uuid4()) for _ in range(number)]
    suggestions = [
        {"uuid": str(uuid4()), "card": card, "kind": "x", "recommended": False} for card in cards for _ in range(2)
    ]
    times = {"happened_at": moment, "received_at": moment, "received_day": day}
    reports = [
        {**texts, **times, "digest": card, "card": card, "outcome": "accepted", "comment": "y" * 200} for card in cards
    ]
    counts = [
        {
            **texts,
            "day": day,
            "knowledge": str(index),
            "study": "x",
            "outcome": "x",
            "reason": "x",
            "incomplete": False,
            "count": 1,
        }
        for index in range(number)
    ]
    with store.writing() as connection:
        connection.execute(CARDS.insert(), [{**of_cards, "uuid": card} for card in cards])
        connection.execute(SUGGESTIONS.insert(), suggestions)
        connection.execute(FEEDBACK.insert(), reports)
        stored = connection.scalars(select(FEEDBACK.c.id).where(FEEDBACK.c.received_day == day))
        connection.execute(ACCEPTED.insert(), [{"feedback": report, "suggestion": "x"} for report in stored])
        connection.execute(DECISIONS.insert(), counts)
