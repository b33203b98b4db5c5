"""The figures of the dashboard: what the statistics of a period amount to, in words, as tables and as charts."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from string import Template

from cds_service.knowledge import Knowledge
from cds_service.model import Json
from cds_service.store.period import Period
from cds_service.store.statistics import Outcomes, Records, Statistics

FEW = 20
"""A share of fewer is told as n of N only: it would be too few to judge by."""

_WEEK = 7
"""Days."""

TOO_FEW = "too few to judge"


@dataclass(frozen=True, slots=True)
class Tile:
    """One number, what it counts, and what it is a part of."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One question answered: in words, as a table whose first column names its rows, and as a chart."""

    name: str
    heading: str
    summary: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = ()
    chart: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one colour; its role in dashboard.js says which."""

    role: str
    name: str
    values: tuple[float | None, ...]


def number(count: int) -> str:
    """Return a count as people write it."""
    return f"{count:,}"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def percent(part: int, whole: int) -> str:
    """Return a share in percent, or that it is too few to judge."""
    if whole < FEW:
        return TOO_FEW
    return "under 1%" if 0 < part / whole < 0.01 else f"{part / whole:.0%}"  # noqa: PLR2004 - as it says


def share(part: int, whole: int) -> str:
    """Return a share with its numerator and denominator."""
    return f"{number(part)} of {number(whole)} ({percent(part, whole)})" if whole else "none"


def share_tile(label: str, part: int, whole: int, what: str) -> Tile:
    """Return a tile that tells a share, and no percentage where there are too few."""
    fraction = f"{number(part)} of {number(whole)}"
    if whole < FEW:
        return Tile(label, fraction, f"{what}; {TOO_FEW}" if whole else f"{what}: there was none")
    return Tile(label, percent(part, whole), f"{fraction} {what}")


def step(begins: date, period: Period) -> str:
    """Return a week, or a month of a long period, with those of its days that are of the period."""
    whole = monthrange(begins.year, begins.month)[1] if period.by_month else _WEEK
    begin = max(begins, period.first)
    end = date.fromordinal(min(begins.toordinal() + whole - 1, period.last.toordinal()))
    days = (end - begin).days + 1
    part = "" if days == whole else f" ({counted(days, 'day')})"
    if period.by_month:
        return f"{begin:%b} {begin.year}{part}"
    year, week, _ = begins.isocalendar()
    return f"{year}-W{week:02}, {begin:%b} {begin.day} to {end:%b} {end.day}{part}"


def steps_chart(period: Period, series: Sequence[Series], unit: str, marks: Sequence[date] = ()) -> Json:
    """Return columns over weeks or months; on a marked day a new version of the knowledge came into use."""
    return _chart("steps", series, unit) | {
        "step": "month" if period.by_month else "week",
        "days": [day.isoformat() for day in period.steps],
        "marks": [day.isoformat() for day in marks],
    }


def bars_chart(
    labels: Sequence[str], notes: Sequence[str], series: Sequence[Series], *, unit: str = "", whole: int = 0
) -> Json:
    """Return one bar under each label, as long as its part of the whole, or of the longest; the notes tell numbers."""
    return _chart("bars", series, unit) | {"labels": list(labels), "notes": list(notes), "whole": whole}


def share_series(name: str, parts: Sequence[tuple[int, int]]) -> list[Series]:
    """Return shares in percent, those of too few apart."""

    def chosen(*, few: bool) -> tuple[float | None, ...]:
        return tuple(100 * part / whole if whole and (whole < FEW) == few else None for part, whole in parts)

    return [
        Series("share", name, chosen(few=False)),
        Series("few", f"{name}: {TOO_FEW}", chosen(few=True)),
    ]


def _chart(kind: str, series: Sequence[Series], unit: str) -> dict[str, object]:
    used = [one for one in series if any(one.values)] or list(series[:1])
    told = [{"role": one.role, "name": one.name, "values": list(one.values)} for one in used]
    return {"kind": kind, "unit": unit, "series": told}


_OUTCOMES = {"accepted": "Accepted", "overridden": "Overridden", "unreported": "No feedback"}
"""The parts of Outcomes, in our words and the order in which they are told."""

_DECIDED = {"card": "Card", "shadow": "Shadow", "silent": "No card", "refused": "Error"}
"""The outcomes of a decision, likewise."""


_SYSTEMS = {"none": "no code", "other": "another system"}


def tiles(found: Statistics) -> list[Tile]:
    """Return the numbers at the top."""
    cards, records = sum(found.cards.values(), Outcomes()), sum(found.records.values(), Records())
    due, watched = _due(found)
    shadow = sum(outcomes.get("shadow", 0) for outcomes in found.studies.values())
    told = [
        Tile("Decisions", number(found.decisions), f"{number(watched)} on monitored orders"),
        Tile("Cards shown", number(cards.shown), f"in {counted(len(found.cards), _step(found))}"),
        *(share_tile(name, getattr(cards, part), cards.shown, "cards shown") for part, name in _OUTCOMES.items()),
        share_tile("Incomplete", records.incomplete, records.needed, "records required"),
    ]
    if found.unknown_reports is not None:
        told.append(Tile("Unmatched feedback", number(found.unknown_reports), "for cards that are not in the store"))
    if shadow:
        told.append(Tile("In shadow mode", number(shadow), f"of {counted(due, 'card')} decided, not shown"))
    return told


def figures(found: Statistics, knowledge: Knowledge) -> list[Figure]:
    """Return the figures, in the order in which they are read."""
    return [
        _cards(found),
        _kinds(found, knowledge),
        _firing(found, knowledge),
        _reasons(found, knowledge),
        _silences(found, knowledge),
        _records(found),
        _unrecognized(found),
        _versions(found),
    ]


def _cards(found: Statistics) -> Figure:
    period, total = found.period, sum(found.cards.values(), Outcomes())
    newer = [version.since for version in found.versions[1:] if version.since > period.first]
    return Figure(
        "cards",
        f"Cards by {_step(found)}",
        f"{counted(total.shown, 'card')} shown: {number(total.accepted)} accepted, "
        f"{number(total.overridden)} overridden, {number(total.unreported)} without feedback so far.",
        (_step(found).capitalize(), *_columns("Shown")),
        tuple((step(day, period), *_told(outcomes)) for day, outcomes in found.cards.items()),
        steps_chart(period, _stacked(list(found.cards.values())), "cards", newer),
    )


def _reasons(found: Statistics, knowledge: Knowledge) -> Figure:
    words = {one["code"]: one["display"] for one in knowledge.card["override_reasons"]}
    words |= {"unlisted": "Reason not listed on the card", None: "No reason given"}
    total = sum(found.override_reasons.values())
    return _ranked(
        Figure("reasons", "Override reasons", f"{counted(total, 'card')} overridden.", ("Reason", "Cards")),
        {words.get(code, str(code)): count for code, count in found.override_reasons.items()},
        total,
    )


def _kinds(found: Statistics, knowledge: Knowledge) -> Figure:
    """Name each kind by its label in card.json, the holes filled for no order in particular."""
    nouns = {"proposed": "the proposed study", "order": "ordered study", "alternative": "the alternative"}
    nouns["without_contrast"] = "the study without contrast"
    said = knowledge.card["suggestions"].items()
    words: dict[str | None, str] = {kind: Template(one["label"]).safe_substitute(nouns) for kind, one in said}
    words[None] = "Suggestion not named in the feedback"
    total = sum(found.cards.values(), Outcomes()).accepted
    return _ranked(
        Figure("kinds", "Accepted suggestions", f"{counted(total, 'card')} accepted.", ("Suggestion", "Cards")),
        {words.get(kind, str(kind)): count for kind, count in found.accepted_kinds.items()},
        total,
    )


def _firing(found: Statistics, knowledge: Knowledge) -> Figure:
    studies = [*knowledge.watched, *sorted(found.studies.keys() - knowledge.watched.keys() - {""})]
    names = [_study(study, knowledge) for study in studies]
    counts = [found.studies.get(study, {}) for study in studies]
    parts = [(_cards_due(one), sum(one.values())) for one in counts]
    told = [share(part, whole) for part, whole in parts]
    due, watched = _due(found)
    return Figure(
        "firing",
        "Card rate by order",
        f"Decisions with a card, shown or in shadow mode: {share(due, watched)} on monitored orders."
        if watched
        else "No monitored order was received.",
        ("Order", *_DECIDED.values(), "Card rate"),
        tuple(
            (name, *(number(one.get(outcome, 0)) for outcome in _DECIDED), rate)
            for name, one, rate in zip(names, counts, told, strict=True)
        ),
        bars_chart(names, told, share_series("Card rate", parts), unit="%", whole=100),
    )


def _silences(found: Statistics, knowledge: Knowledge) -> Figure:
    words = knowledge.silences
    total = sum(found.silences.values())
    beside = ", ".join(f"{number(count)} of “{words.get(one, one)}”" for one, count in found.unwatched.items())
    return _ranked(
        Figure(
            "silences",
            "Why no card was shown for a monitored order",
            f"{counted(total, 'decision')} on monitored orders resulted in no card."
            + (f" Not charted, because no monitored order was selected: {beside}" if beside else ""),
            ("Reason", "Decisions"),
        ),
        {words.get(one, one): count for one, count in found.silences.items()},
        total,
    )


def _records(found: Statistics) -> Figure:
    period, total = found.period, sum(found.records.values(), Records())
    told = (
        f"The record was incomplete or missing for {share(total.incomplete, total.needed)} decisions that required it."
    )
    parts = [(one.incomplete, one.needed) for one in found.records.values()]
    return Figure(
        "records",
        f"Incomplete records by {_step(found)}",
        told if total.needed else "No decision required a record.",
        (_step(found).capitalize(), "Incomplete"),
        tuple((step(day, period), share(one.incomplete, one.needed)) for day, one in found.records.items()),
        steps_chart(period, share_series("Incomplete", parts), "%"),
    )


def _unrecognized(found: Statistics) -> Figure:
    total = sum(found.unrecognized.values())
    figure = Figure(
        "unrecognized",
        "Unrecognized codes",
        f"{counted(total, 'order or entry', 'orders and entries')} had only codes from unsupported code systems and "
        "no usable text. To fix this, map the system under [systems] or the code under [[orders]] in the site file."
        if total
        else "All orders and entries had a code from a supported system, or text.",
        ("Resource and code system", "Orders and entries"),
    )
    named = {f"{resource}: {_SYSTEMS.get(one, one)}": count for (resource, one), count in found.unrecognized.items()}
    return _ranked(figure, named, total)


def _versions(found: Statistics) -> Figure:
    return Figure(
        "versions",
        "By rule version",
        f"{counted(len(found.versions), 'version')} of the rule in use in this period.",
        ("Version", "First day", "Decisions", *_columns("Cards")),
        tuple((one.name, str(one.since), number(one.decisions), *_told(one.cards)) for one in found.versions),
        bars_chart(
            [f"{one.name}, since {one.since}" for one in found.versions],
            [f"{share(one.cards.accepted, one.cards.shown)} accepted" for one in found.versions],
            _stacked([one.cards for one in found.versions]),
        ),
    )


def _ranked(figure: Figure, counts: Mapping[str, int], total: int) -> Figure:
    """Return a figure of counts, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    told = [share(count, total) for _, count in ranked]
    name, counts_told = figure.columns[-1], tuple(count for _, count in ranked)
    series = Series("few", f"{name}: {TOO_FEW}", counts_told) if total < FEW else Series("plain", name, counts_told)
    rows = tuple((name, rate) for (name, _), rate in zip(ranked, told, strict=True))
    return replace(figure, rows=rows, chart=bars_chart([name for name, _ in ranked], told, [series], whole=total))


def _step(found: Statistics) -> str:
    return "month" if found.period.by_month else "week"


def _columns(total: str) -> tuple[str, ...]:
    return (total, *_OUTCOMES.values(), "Accepted share")


def _told(cards: Outcomes) -> tuple[str, ...]:
    parts = (number(getattr(cards, part)) for part in _OUTCOMES)
    return (number(cards.shown), *parts, share(cards.accepted, cards.shown))


def _stacked(cards: Sequence[Outcomes]) -> list[Series]:
    return [Series(part, name, tuple(getattr(one, part) for one in cards)) for part, name in _OUTCOMES.items()]


def _study(study: str, knowledge: Knowledge) -> str:
    name: str = knowledge.card["orders"].get(study, {}).get("name", study)
    return name[:1].upper() + name[1:]


def _due(found: Statistics) -> tuple[int, int]:
    """Return how many decisions on monitored orders had a card, shown or not, and how many decisions there were."""
    watched = [outcomes for study, outcomes in found.studies.items() if study]
    return sum(map(_cards_due, watched)), sum(sum(outcomes.values()) for outcomes in watched)


def _cards_due(outcomes: Mapping[str, int]) -> int:
    return outcomes.get("card", 0) + outcomes.get("shadow", 0)
