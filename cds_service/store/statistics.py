"""Statistics for the dashboard: outcomes of cards and counts of decisions, by the database, per week or month."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Subquery,
    and_,
    case,
    func,
    or_,
    select,
    union,
)

from cds_service.store.period import FILTERS, UNNAMED, Period
from cds_service.store.tables import ACCEPTED, CARDS, DECISIONS, FEEDBACK, SUGGESTIONS, UNRECOGNIZED


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many cards had each outcome; each card is counted once."""

    accepted: int = 0
    overridden: int = 0
    unreported: int = 0

    @property
    def shown(self) -> int:
        """Return the number of cards shown."""
        return self.accepted + self.overridden + self.unreported

    def __add__(self, other: "Outcomes") -> "Outcomes":
        """Return the sums of the counts."""
        return Outcomes(
            self.accepted + other.accepted, self.overridden + other.overridden, self.unreported + other.unreported
        )


@dataclass(frozen=True, slots=True)
class Records:
    """How many decisions needed the record, and for how many of these it was incomplete or missing."""

    needed: int = 0
    incomplete: int = 0

    def __add__(self, other: "Records") -> "Records":
        """Return the sums of the counts."""
        return Records(self.needed + other.needed, self.incomplete + other.incomplete)


@dataclass(frozen=True, slots=True)
class Version:
    """The decisions and cards of one knowledge version in the period; `since` is its first day in the whole store."""

    name: str
    since: date
    decisions: int
    cards: Outcomes


@dataclass(frozen=True, slots=True)
class DecisionsAndCards:
    """The decisions and cards of one service or client in the period."""

    decisions: int
    cards: Outcomes


@dataclass(frozen=True, slots=True)
class Totals:
    """What is compared with the period before."""

    decisions: int
    cards: Outcomes
    orders: Outcomes
    records: Records


@dataclass(frozen=True, slots=True)
class Statistics:
    """All figures of the dashboard for one period."""

    period: Period
    cards: dict[date, Outcomes]
    orders: Outcomes
    """Of the orders with a card, each counted once a day however often it was edited."""
    records: dict[date, Records]
    override_reasons: dict[str | None, int]
    accepted_kinds: dict[str | None, int]
    studies: dict[str, dict[str, int]]
    silences: dict[str, int]
    unwatched: dict[str, int]
    unrecognized: dict[tuple[str, str], int]
    """Orders and entries that neither a code nor text identified, by resource type and code system."""
    versions: list[Version]
    services: dict[str, DecisionsAndCards]
    clients: dict[str, DecisionsAndCards]
    """The decisions and cards of each client; one without a name has an empty text."""
    before: Totals
    """Of the period of as many days before this one."""
    unknown_reports: int | None
    """None where the period is filtered by version: an unmatched report has none."""

    @property
    def decisions(self) -> int:
        """Return the number of decisions, those without a watched order included."""
        return sum(sum(outcomes.values()) for outcomes in self.studies.values())

    @property
    def shown(self) -> int:
        """Return the number of cards shown."""
        return sum(outcomes.shown for outcomes in self.cards.values())

    @property
    def is_empty(self) -> bool:
        """Return whether there are no figures at all."""
        return not (self.decisions or self.shown or self.unknown_reports)


def statistics(connection: Connection, period: Period) -> Statistics:
    """Return all figures of a period; `connection` is a reading one, so that they are of one snapshot."""
    return Statistics(
        period,
        cards_by_step(connection, period),
        orders_with_card(connection, period),
        records_by_step(connection, period),
        override_reasons(connection, period),
        accepted_kinds(connection, period),
        decisions_by_study(connection, period),
        silences(connection, period, watched=True),
        silences(connection, period, watched=False),
        unrecognized(connection, period),
        versions(connection, period),
        decisions_and_cards(connection, period, "service"),
        decisions_and_cards(connection, period, "client"),
        totals(connection, period.before),
        None if period.knowledge else unknown_reports(connection, period),
    )


def cards_by_step(connection: Connection, period: Period) -> dict[date, Outcomes]:
    """Return the outcomes of the cards shown in every week or month of the period, by its first day."""
    steps = dict.fromkeys(period.steps, Outcomes())
    for day, outcomes in _outcomes(connection, period, "day").items():
        steps[period.step_of(day)] += outcomes
    return steps


def orders_with_card(connection: Connection, period: Period) -> Outcomes:
    """Return the outcomes of the orders with a card, by the report on any of their cards that happened last.

    A card of an earlier version, which kept no hash of its order, counts as an order of its own.
    """
    cards = cards_with_outcome(period)

    def latest(outcome: str) -> ColumnElement[Any]:
        return func.max(case((cards.c.outcome == outcome, cards.c.happened_at))).label(outcome)

    by_order = func.coalesce(cards.c.order_hash, cards.c.uuid)
    orders = select(latest("accepted"), latest("overridden")).group_by(by_order).subquery("orders")
    accepted, overridden = orders.c.accepted, orders.c.overridden
    outcome = case(
        (and_(accepted.is_(None), overridden.is_(None)), "unreported"),
        (or_(overridden.is_(None), accepted >= overridden), "accepted"),
        else_="overridden",
    ).label("outcome")
    outcomes = select(outcome).subquery("outcomes")
    query = select(outcomes.c.outcome, func.count()).group_by(outcomes.c.outcome)
    return Outcomes(**_counts_by_key(connection.execute(query)))


def records_by_step(connection: Connection, period: Period) -> dict[date, Records]:
    """Return how complete the records were in every week or month of the period, by its first day.

    A call without a watched order needs no record; a refused call is one whose record could not be read.
    """
    refused = DECISIONS.c.outcome == "refused"
    needed = _decisions(period, DECISIONS.c.day).where(or_(DECISIONS.c.study != "", refused))
    incomplete = _counts_by_key(connection.execute(needed.where(or_(DECISIONS.c.incomplete, refused))))
    steps = dict.fromkeys(period.steps, Records())
    for day, count in connection.execute(needed):
        steps[period.step_of(day)] += Records(count, incomplete.get(day, 0))
    return steps


def override_reasons(connection: Connection, period: Period) -> dict[str | None, int]:
    """Return how many cards were overridden for each reason; None where no reason was given."""
    cards = cards_with_outcome(period)
    query = select(cards.c.reason, func.count()).where(cards.c.outcome == "overridden").group_by(cards.c.reason)
    return _counts_by_key(connection.execute(query))


def accepted_kinds(connection: Connection, period: Period) -> dict[str | None, int]:
    """Return how many cards were accepted by each kind of suggestion; None where the report names none."""
    cards = cards_with_outcome(period)
    suggestions = (
        select(ACCEPTED.c.feedback, SUGGESTIONS.c.card, SUGGESTIONS.c.kind)
        .join(SUGGESTIONS, SUGGESTIONS.c.uuid == ACCEPTED.c.suggestion)
        .subquery("accepted")
    )
    of_card = and_(suggestions.c.feedback == cards.c.report, suggestions.c.card == cards.c.uuid)
    query = (
        select(suggestions.c.kind, func.count(cards.c.uuid.distinct()))
        .select_from(cards)
        .outerjoin(suggestions, of_card)
        .where(cards.c.outcome == "accepted")
        .group_by(suggestions.c.kind)
    )
    return _counts_by_key(connection.execute(query))


def unknown_reports(connection: Connection, period: Period) -> int:
    """Return how many reports of the period match no card of their client."""
    is_shown = select(CARDS.c.uuid).where(report_matches_card(FEEDBACK, CARDS)).exists()
    received = period.where(FEEDBACK, FEEDBACK.c.received_day)
    return connection.scalar(select(func.count()).select_from(FEEDBACK).where(received, ~is_shown)) or 0


def decisions_by_study(connection: Connection, period: Period) -> dict[str, dict[str, int]]:
    """Return the decisions per study and outcome; those without a watched order are under an empty text."""
    studies: dict[str, dict[str, int]] = defaultdict(dict)
    for study, outcome, count in connection.execute(_decisions(period, DECISIONS.c.study, DECISIONS.c.outcome)):
        studies[study][outcome] = int(count)
    return dict(studies)


def silences(connection: Connection, period: Period, *, watched: bool) -> dict[str, int]:
    """Return the silent decisions per reason, on watched orders or else on calls without one."""
    has_study = DECISIONS.c.study != "" if watched else DECISIONS.c.study == ""
    query = _decisions(period, DECISIONS.c.reason).where(DECISIONS.c.outcome == "silent", has_study)
    return _counts_by_key(connection.execute(query))


def unrecognized(connection: Connection, period: Period) -> dict[tuple[str, str], int]:
    """Return the unrecognized orders and entries per resource type and code system."""
    by = (UNRECOGNIZED.c.resource, UNRECOGNIZED.c.system)
    query = select(*by, func.sum(UNRECOGNIZED.c["count"])).where(period.where(UNRECOGNIZED)).group_by(*by)
    return {(resource, system): int(count) for resource, system, count in connection.execute(query)}


def versions(connection: Connection, period: Period) -> list[Version]:
    """Return the knowledge versions that decided something in the period, in the order of their first use."""
    cards = _outcomes(connection, period, "knowledge")
    decisions = _counts_by_key(connection.execute(_decisions(period, DECISIONS.c.knowledge)))
    days = union(*(select(table.c.knowledge, table.c.day) for table in (DECISIONS, CARDS))).subquery("days")
    first = select(days.c.knowledge, func.min(days.c.day)).group_by(days.c.knowledge)
    used = [
        Version(name, since, decisions.get(name, 0), cards.get(name, Outcomes()))
        for name, since in connection.execute(first)
        if name in cards or name in decisions
    ]
    return sorted(used, key=lambda version: (version.since, version.name))


def decisions_and_cards(connection: Connection, period: Period, column: str) -> dict[str, DecisionsAndCards]:
    """Return the decisions and cards of each service or client, the one with the most cards first."""
    cards = _outcomes(connection, period, column)
    decisions = _counts_by_key(connection.execute(_decisions(period, DECISIONS.c[column])))
    by_name = {
        name: DecisionsAndCards(decisions.get(name, 0), cards.get(name, Outcomes())) for name in {*cards, *decisions}
    }
    return dict(sorted(by_name.items(), key=lambda item: (-item[1].cards.shown, -item[1].decisions, item[0])))


def totals(connection: Connection, period: Period) -> Totals:
    """Return the sums of a period."""
    studies = decisions_by_study(connection, period)
    return Totals(
        sum(sum(outcomes.values()) for outcomes in studies.values()),
        sum(cards_by_step(connection, period).values(), Outcomes()),
        orders_with_card(connection, period),
        sum(records_by_step(connection, period).values(), Records()),
    )


def choices(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Return the services, clients and knowledge versions of the store, by which a period can be filtered."""
    tables = (DECISIONS, CARDS)
    queries = {name: union(*(select(table.c[name]) for table in tables)) for name in FILTERS}
    values = {name: sorted(connection.scalars(query)) for name, query in queries.items()}
    return {name: tuple(value or UNNAMED for value in of_filter) for name, of_filter in values.items()}


def cards_with_outcome(period: Period) -> Subquery:
    """Return a query for each card of the period, with the report on it that happened last."""
    reports = FEEDBACK.alias("reports")
    latest = (
        select(reports.c.id)
        .where(report_matches_card(reports, CARDS), reports.c.outcome.in_(("accepted", "overridden")))
        .order_by(reports.c.happened_at.desc(), reports.c.received_at.desc(), reports.c.id.desc())
        .limit(1)
        .correlate(CARDS)
        .scalar_subquery()
    )
    report_columns = (FEEDBACK.c.id.label("report"), FEEDBACK.c.outcome, FEEDBACK.c.reason, FEEDBACK.c.happened_at)
    joined = CARDS.outerjoin(FEEDBACK, FEEDBACK.c.id == latest)
    return select(CARDS, *report_columns).select_from(joined).where(period.where(CARDS)).subquery("cards_with_outcome")


def report_matches_card(reports: FromClause, cards: FromClause) -> ColumnElement[bool]:
    """Return the condition that a report is on a card: from its client, unless the card's client had no name."""
    same_client = or_(cards.c.client == "", cards.c.client == reports.c.client)
    return and_(reports.c.card == cards.c.uuid, same_client)


def _decisions(period: Period, *columns: Column[Any]) -> Select[Any]:
    return select(*columns, func.sum(DECISIONS.c.count)).where(period.where(DECISIONS)).group_by(*columns)


def _outcomes(connection: Connection, period: Period, column: str) -> dict[Any, Outcomes]:
    """Return the outcomes of the cards of the period, by one of their columns."""
    cards = cards_with_outcome(period)
    by = (cards.c[column], cards.c.outcome)
    outcomes: dict[Any, dict[str, int]] = defaultdict(dict)
    for key, outcome, count in connection.execute(select(*by, func.count()).group_by(*by)):
        outcomes[key][outcome or "unreported"] = int(count)
    return {key: Outcomes(**counts) for key, counts in outcomes.items()}


def _counts_by_key(rows: Iterable[Any]) -> dict[Any, int]:
    return {key: int(count) for key, count in rows}
