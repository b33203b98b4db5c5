"""The rows to store: cards shown, counts of decisions, feedback reports. Only a comment can hold patient data."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple


class ShownSuggestion(NamedTuple):
    """One suggestion of a card, by its kind in watched_orders.csv."""

    uuid: str
    kind: str
    recommended: bool


class ShownCard(NamedTuple):
    """A card shown; `patient` is a keyed hash, or None where the site sets no key."""

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
    order_digest: str = ""
    """The SHA-256 of client, patient and order; only a keyed hash of it is stored."""
    order_user_digest: str = ""
    """The same with the user, where the site hides dismissed cards and the call names one; stored likewise."""


class DecisionKind(NamedTuple):
    """The key of a count of decisions.

    `study` is empty where no watched order was selected; `outcome` is card, silent, shadow or refused; `reason` is
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
    """The key of a count of orders or entries that were not recognized; `system` is `none` where there is no code."""

    day: date
    service: str
    client: str
    resource: str
    system: str


Counted = DecisionKind | Unrecognized


@dataclass(frozen=True, slots=True)
class Report:
    """One feedback report (CDS Hooks 2.0.1, "Feedback"); `reason` is an override reason of the card or `unlisted`."""

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
