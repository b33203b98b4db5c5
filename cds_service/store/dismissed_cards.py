"""Cards that were dismissed a short time ago: whether the like of a card is among them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from cds_service.store.order_hashes import hash_order
from cds_service.store.records import ShownCard
from cds_service.store.tables import CARDS, FEEDBACK, ORDER_HASH_KEYS, SUGGESTIONS

Likeness = tuple[Any, ...]

_LIKE = ("knowledge", "study", "indicator", "history", "presentation", "incomplete")


def dismissed_cards(
    connection: Connection, cards: Sequence[ShownCard], services: Collection[str], since: datetime
) -> set[str]:
    """Return the UUIDs of those cards whose like was shown to the same user for the same order, and dismissed later.

    A card is like another if it comes from the same rules (version, indicator, history and presentation), on as
    complete a record, and offers the same suggestions with the same one recommended; so a card that says or proposes
    anything else is shown. All cards are of one client, and only its own last report on a card counts; it must have
    happened after `since`.
    """
    keys = connection.scalars(select(ORDER_HASH_KEYS.c.key)).all()
    uuids: dict[tuple[str, Likeness], str] = {}
    for card in cards:
        likeness = _likeness(card, [(suggestion.kind, suggestion.recommended) for suggestion in card.suggestions])
        uuids |= {(hash_order(key, card.order_user_digest), likeness): card.uuid for key in keys}
    hashes = {order_user_hash for order_user_hash, _ in uuids}
    dismissed = _dismissed(connection, hashes, cards[0].client, services, since) if hashes else []
    suggestions = _suggestions(connection, [card.uuid for card in dismissed])
    likes = {(card.order_user_hash, _likeness(card, suggestions[card.uuid])) for card in dismissed}
    return {uuid for key, uuid in uuids.items() if key in likes}


def _likeness(card: Any, suggestions: Iterable[tuple[str, bool]]) -> Likeness:
    return (*(getattr(card, name) for name in _LIKE), frozenset(suggestions))


def _dismissed(
    connection: Connection, hashes: Collection[str], client: str, services: Collection[str], since: datetime
) -> list[Any]:
    """Return the cards of these orders and this user whose last report is a dismissal after a moment."""
    own_report = (FEEDBACK.c.card == CARDS.c.uuid) & (FEEDBACK.c.client == CARDS.c.client)
    query = (
        select(CARDS, FEEDBACK.c.outcome, FEEDBACK.c.happened_at)
        .join(FEEDBACK, own_report)
        .where(CARDS.c.order_user_hash.in_(hashes), CARDS.c.client == client, CARDS.c.service.in_(services))
        .order_by(FEEDBACK.c.happened_at, FEEDBACK.c.received_at, FEEDBACK.c.id)
    )
    last_reports = {row.uuid: row for row in connection.execute(query)}
    return [row for row in last_reports.values() if row.outcome == "overridden" and row.happened_at > since]


def _suggestions(connection: Connection, cards: Collection[str]) -> dict[str, list[tuple[str, bool]]]:
    """Return the suggestions of each card: kind, and whether it was recommended."""
    suggestions: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    if cards:
        query = select(SUGGESTIONS.c.card, SUGGESTIONS.c.kind, SUGGESTIONS.c.recommended)
        for card, kind, recommended in connection.execute(query.where(SUGGESTIONS.c.card.in_(cards))):
            suggestions[card].append((kind, recommended))
    return suggestions
