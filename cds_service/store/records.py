"""What is kept: cards shown, decisions counted, reports of feedback. None of it can hold patient data but a comment."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple


class ShownSuggestion(NamedTuple):
    """One suggestion of a card, by its kind in watched_orders.csv."""

    uuid: str
    kind: str
    recommended: bool


class ShownCard(NamedTuple):
    """A card that was shown; `patient` is a keyed hash, or None where the site sets no key."""

    uuid: str
    service: str
    shown_at: datetime
    day: date
    client: str
    knowledge: str
    study: str
    indicator: str
    history: str
    presentation: str
    incomplete: bool
    patient: str | None
    suggestions: tuple[ShownSuggestion, ...]


class DecisionKind(NamedTuple):
    """What is counted: decisions that are alike in all of this.

    `study` is empty where nothing watched was selected; `outcome` is card, silent, shadow or refused; `reason` is
    that of the silence, the indicator of the card, or what a refused call lacked.
    """

    day: date
    service: str
    client: str
    knowledge: str
    study: str
    outcome: str
    reason: str
    incomplete: bool


class Unrecognized(NamedTuple):
    """What is counted: orders, or entries of records, of a code system that is not read; `none` is no code at all."""

    day: date
    service: str
    client: str
    resource: str
    system: str


Counted = DecisionKind | Unrecognized


@dataclass(frozen=True, slots=True)
class Report:
    """One report of feedback, read: `reason` is one of the card's override reasons or `unlisted`."""

    card: str
    service: str
    client: str
    outcome: str
    reason: str | None
    comment: str | None
    happened_at: datetime
    received_at: datetime
    received_day: date
    suggestions: tuple[str, ...]
    digest: str
