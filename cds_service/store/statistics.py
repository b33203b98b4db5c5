"""What became of the cards, and how often what was decided: counted by the database, and here by week or month."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, FromClause, Select, Subquery, and_, func, or_, select, union

from cds_service.store.period import NARROWED_BY, UNNAMED, Period
from cds_service.store.tables import ACCEPTED, CARDS, DECISIONS, FEEDBACK, SUGGESTIONS, UNRECOGNIZED


def is_on(reports: FromClause, cards: FromClause) -> ColumnElement[bool]:
    """Return whether a report is on a card: by its client alone, unless the card was shown to one without a name."""
    by_its_client = or_(cards.c.client == "", cards.c.client == reports.c.client)
    return and_(reports.c.card == cards.c.uuid, by_its_client)


def judged_cards(period: Period) -> Subquery:
    """Return a query for each card of the period once, with its latest report: the one that happened last."""
    reports = FEEDBACK.alias("reports")
    latest = (
        select(reports.c.id)
        .where(is_on(reports, CARDS), reports.c.outcome.in_(("accepted", "overridden")))
        .order_by(reports.c.happened_at.desc(), reports.c.received_at.desc(), reports.c.id.desc())
        .limit(1)
        .correlate(CARDS)
        .scalar_subquery()
    )
    said = (FEEDBACK.c.id.label("report"), FEEDBACK.c.outcome, FEEDBACK.c.reason, FEEDBACK.c.happened_at)
    judged = CARDS.outerjoin(FEEDBACK, FEEDBACK.c.id == latest)
    return select(CARDS, *said).select_from(judged).where(period.of(CARDS)).subquery("judged")


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of some cards, each counted once."""

    accepted: int = 0
    overridden: int = 0
    unreported: int = 0

    @property
    def shown(self) -> int:
        """Return how many cards there were."""
        return self.accepted + self.overridden + self.unreported

    def __add__(self, other: "Outcomes") -> "Outcomes":
        """Return the sum, part by part."""
        return Outcomes(
            self.accepted + other.accepted, self.overridden + other.overridden, self.unreported + other.unreported
        )


@dataclass(frozen=True, slots=True)
class Records:
    """Of how many decisions that needed the record it was incomplete, or missing altogether."""

    needed: int = 0
    incomplete: int = 0

    def __add__(self, other: "Records") -> "Records":
        """Return the sum, part by part."""
        return Records(self.needed + other.needed, self.incomplete + other.incomplete)


@dataclass(frozen=True, slots=True)
class Version:
    """What one version of the knowledge did in the period; `since` is its first day in the whole store."""

    name: str
    since: date
    decisions: int
    cards: Outcomes


@dataclass(frozen=True, slots=True)
class Statistics:
    """All that the dashboard tells of one period."""

    period: Period
    cards: dict[date, Outcomes]
    records: dict[date, Records]
    override_reasons: dict[str | None, int]
    accepted_kinds: dict[str | None, int]
    studies: dict[str, dict[str, int]]
    silences: dict[str, int]
    unwatched: dict[str, int]
    unrecognized: dict[tuple[str, str], int]
    """How many orders and entries neither a code nor words explained, by resource type and code system."""
    versions: list[Version]
    unknown_reports: int | None
    """None where the period is narrowed to a version: such a report tells none."""

    @property
    def decisions(self) -> int:
        """Return how many decisions there were, on watched orders and on none."""
        return sum(sum(outcomes.values()) for outcomes in self.studies.values())

    @property
    def shown(self) -> int:
        """Return how many cards were shown."""
        return sum(outcomes.shown for outcomes in self.cards.values())

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to be told."""
        return not (self.decisions or self.shown or self.unknown_reports)


def statistics(connection: Connection, period: Period) -> Statistics:
    """Return what is to be told of a period."""
    return Statistics(
        period,
        cards_by_step(connection, period),
        records_by_step(connection, period),
        override_reasons(connection, period),
        accepted_kinds(connection, period),
        decisions_by_study(connection, period),
        silences(connection, period, watched=True),
        silences(connection, period, watched=False),
        unrecognized(connection, period),
        versions(connection, period),
        None if period.knowledge else unknown_reports(connection, period),
    )


def cards_by_step(connection: Connection, period: Period) -> dict[date, Outcomes]:
    """Return what became of the cards that were shown in each step of the period, by its first day; all are there."""
    steps = dict.fromkeys(period.steps, Outcomes())
    for day, outcomes in _outcomes(connection, period, "day").items():
        steps[period.step_of(day)] += outcomes
    return steps


def records_by_step(connection: Connection, period: Period) -> dict[date, Records]:
    """Return how complete the records of each step of the period were, by its first day; all are there.

    A call without a watched order needs no record; a refused call is one whose record could not be had.
    """
    refused = DECISIONS.c.outcome == "refused"
    needed = _decisions(period, DECISIONS.c.day).where(or_(DECISIONS.c.study != "", refused))
    incomplete = _counted(connection.execute(needed.where(or_(DECISIONS.c.incomplete, refused))))
    steps = dict.fromkeys(period.steps, Records())
    for day, count in connection.execute(needed):
        steps[period.step_of(day)] += Records(count, incomplete.get(day, 0))
    return steps


def override_reasons(connection: Connection, period: Period) -> dict[str | None, int]:
    """Return how many cards were overridden for each reason; None where no reason was given."""
    cards = judged_cards(period)
    query = select(cards.c.reason, func.count()).where(cards.c.outcome == "overridden").group_by(cards.c.reason)
    return _counted(connection.execute(query))


def accepted_kinds(connection: Connection, period: Period) -> dict[str | None, int]:
    """Return how many cards were accepted by each kind of suggestion; None where the report names none of theirs."""
    cards = judged_cards(period)
    named = (
        select(ACCEPTED.c.feedback, SUGGESTIONS.c.card, SUGGESTIONS.c.kind)
        .join(SUGGESTIONS, SUGGESTIONS.c.uuid == ACCEPTED.c.suggestion)
        .subquery("named")
    )
    theirs = and_(named.c.feedback == cards.c.report, named.c.card == cards.c.uuid)
    query = select(named.c.kind, func.count(cards.c.uuid.distinct())).select_from(cards).outerjoin(named, theirs)
    return _counted(connection.execute(query.where(cards.c.outcome == "accepted").group_by(named.c.kind)))


def unknown_reports(connection: Connection, period: Period) -> int:
    """Return how many reports came in the period on cards that the store does not have, or of another client."""
    known = select(CARDS.c.uuid).where(is_on(FEEDBACK, CARDS)).exists()
    received = period.of(FEEDBACK, FEEDBACK.c.received_day)
    return connection.scalar(select(func.count()).select_from(FEEDBACK).where(received, ~known)) or 0


def decisions_by_study(connection: Connection, period: Period) -> dict[str, dict[str, int]]:
    """Return how many decisions on each study had each outcome; under no text, those on no watched order."""
    studies: dict[str, dict[str, int]] = defaultdict(dict)
    for study, outcome, count in connection.execute(_decisions(period, DECISIONS.c.study, DECISIONS.c.outcome)):
        studies[study][outcome] = int(count)
    return dict(studies)


def silences(connection: Connection, period: Period, *, watched: bool) -> dict[str, int]:
    """Return how often there was silence for each reason, on watched orders or else on calls without one."""
    of_these = DECISIONS.c.study != "" if watched else DECISIONS.c.study == ""
    query = _decisions(period, DECISIONS.c.reason).where(DECISIONS.c.outcome == "silent", of_these)
    return _counted(connection.execute(query))


def unrecognized(connection: Connection, period: Period) -> dict[tuple[str, str], int]:
    """Return how many orders and entries of each resource type and code system nothing explained."""
    by = (UNRECOGNIZED.c.resource, UNRECOGNIZED.c.system)
    query = select(*by, func.sum(UNRECOGNIZED.c["count"])).where(period.of(UNRECOGNIZED)).group_by(*by)
    return {(resource, system): int(count) for resource, system, count in connection.execute(query)}


def versions(connection: Connection, period: Period) -> list[Version]:
    """Return what each version of the knowledge did in the period, in the order in which they came into use."""
    cards = _outcomes(connection, period, "knowledge")
    decisions = _counted(connection.execute(_decisions(period, DECISIONS.c.knowledge)))
    days = union(*(select(table.c.knowledge, table.c.day) for table in (DECISIONS, CARDS))).subquery("days")
    first = select(days.c.knowledge, func.min(days.c.day)).group_by(days.c.knowledge)
    found = [
        Version(name, since, decisions.get(name, 0), cards.get(name, Outcomes()))
        for name, since in connection.execute(first)
        if name in cards or name in decisions
    ]
    return sorted(found, key=lambda version: (version.since, version.name))


def choices(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Return the services, clients and versions of the knowledge that a period can be narrowed to: the store's."""
    tables = (DECISIONS, CARDS)
    found = {name: union(*(select(table.c[name]) for table in tables)) for name in NARROWED_BY}
    names = {name: sorted(connection.scalars(query)) for name, query in found.items()}
    return {name: tuple(value or UNNAMED for value in values) for name, values in names.items()}


def _decisions(period: Period, *columns: Column[Any]) -> Select[Any]:
    return select(*columns, func.sum(DECISIONS.c.count)).where(period.of(DECISIONS)).group_by(*columns)


def _outcomes(connection: Connection, period: Period, name: str) -> dict[Any, Outcomes]:
    """Return what became of the cards of the period, by one of their columns."""
    cards = judged_cards(period)
    by = (cards.c[name], cards.c.outcome)
    found: dict[Any, dict[str, int]] = defaultdict(dict)
    for key, outcome, count in connection.execute(select(*by, func.count()).group_by(*by)):
        found[key][outcome or "unreported"] = int(count)
    return {key: Outcomes(**counts) for key, counts in found.items()}


def _counted(rows: Iterable[Any]) -> dict[Any, int]:
    return {key: int(count) for key, count in rows}
