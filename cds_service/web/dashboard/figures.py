"""The figures of the dashboard: the statistics of a period in words, as tables and as charts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import Template

from cds_service.knowledge import Knowledge
from cds_service.store.statistics import DecisionsAndCards, Outcomes, Records, Statistics
from cds_service.web.dashboard.charts import (
    FEW,
    TOO_FEW,
    Chart,
    Series,
    bars_chart,
    share_series,
    step,
    steps_chart,
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One number, what it counts, and what it is a part of."""

    label: str
    value: str
    note: str = ""
    before: str = ""
    """The same in the period before, or no text where it cannot be compared."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One section of the page: a summary, a table whose first column names its rows, and a chart."""

    name: str
    heading: str
    summary: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = ()
    chart: Chart = field(default_factory=Chart)


def number(count: int) -> str:
    """Return a count with thousands separators."""
    return f"{count:,}"


def counted(count: int, singular: str, plural: str = "") -> str:
    """Return a count with its noun."""
    return f"{number(count)} {singular if count == 1 else plural or f'{singular}s'}"


def percent(part: int, whole: int) -> str:
    """Return a share in percent, or that there are too few for one."""
    if whole < FEW:
        return TOO_FEW
    return "under 1%" if 0 < part / whole < 0.01 else f"{part / whole:.0%}"  # noqa: PLR2004 - as it says


def share(part: int, whole: int) -> str:
    """Return a share with its numerator and denominator."""
    return f"{number(part)} of {number(whole)} ({percent(part, whole)})" if whole else "none"


def share_tile(label: str, part: int, whole: int, unit: str, earlier: tuple[int, int] | None = None) -> Tile:
    """Return a tile with a share, and the one before, without a percentage where there are too few."""
    fraction = f"{number(part)} of {number(whole)}"
    before = share(*earlier) if earlier else ""
    if whole < FEW:
        return Tile(label, fraction, f"{unit}; {TOO_FEW}" if whole else f"no {unit}", before)
    return Tile(label, percent(part, whole), f"{fraction} {unit}", before)


_OUTCOMES = {"accepted": "Accepted", "overridden": "Overridden", "unreported": "No feedback"}
"""The parts of Outcomes, with their labels, in the order in which they are shown."""

_RATES = {"accepted": "Acceptance rate", "overridden": "Override rate", "unreported": "No feedback"}
"""Their shares, likewise."""

_DECIDED = {"card": "Card", "shadow": "Shadow", "silent": "No card", "refused": "Refused"}
"""The outcomes of a decision, likewise."""


_SYSTEMS = {"none": "no code", "other": "another system"}


def tiles(results: Statistics) -> list[Tile]:
    """Return the numbers at the top."""
    cards, records = sum(results.cards.values(), Outcomes()), sum(results.records.values(), Records())
    orders = results.orders
    due, watched = _due(results)
    shadow = sum(outcomes.get("shadow", 0) for outcomes in results.studies.values())
    before = results.before if results.before.decisions else None
    tiles = [
        Tile(
            "Decisions",
            number(results.decisions),
            f"{number(watched)} on monitored orders",
            number(before.decisions) if before else "",
        ),
        Tile(
            "Orders with a card",
            number(orders.shown),
            "each once a day, edits included",
            number(before.orders.shown) if before else "",
        ),
        *(
            share_tile(
                name,
                getattr(orders, part),
                orders.shown,
                "orders with a card",
                (getattr(before.orders, part), before.orders.shown) if before else None,
            )
            for part, name in _RATES.items()
        ),
        Tile(
            "Cards shown",
            number(cards.shown),
            "one for each edit of an order",
            number(before.cards.shown) if before else "",
        ),
        share_tile(
            "Incomplete record",
            records.incomplete,
            records.needed,
            "decisions that needed the record",
            (before.records.incomplete, before.records.needed) if before else None,
        ),
    ]
    if results.unknown_reports is not None:
        tiles.append(Tile("Unmatched feedback", number(results.unknown_reports), "for cards that are not in the store"))
    if shadow:
        tiles.append(Tile("In shadow mode", number(shadow), f"of {counted(due, 'card')}, not shown"))
    return tiles


def figures(results: Statistics, knowledge: Knowledge) -> list[Figure]:
    """Return the figures, in the order in which they are read."""
    return [
        _cards(results),
        _kinds(results, knowledge),
        _firing(results, knowledge),
        _reasons(results, knowledge),
        _silences(results, knowledge),
        _records(results),
        _unrecognized(results),
        *_services_and_clients(results),
        _versions(results),
    ]


def _cards(results: Statistics) -> Figure:
    period, total = results.period, sum(results.cards.values(), Outcomes())
    newer = [version.since for version in results.versions[1:] if version.since > period.first]
    heading = f"Cards by {_step(results)}"
    return Figure(
        "cards",
        heading,
        f"{counted(total.shown, 'card')} shown, on {counted(results.orders.shown, 'order')}. Of the cards, "
        f"{number(total.accepted)} accepted, "
        f"{number(total.overridden)} overridden, {number(total.unreported)} without feedback so far.",
        (_step(results).capitalize(), *_columns("Shown")),
        tuple((step(day, period), *_outcome_cells(outcomes)) for day, outcomes in results.cards.items()),
        steps_chart(heading, period, _stacked(list(results.cards.values())), marks=newer),
    )


def _reasons(results: Statistics, knowledge: Knowledge) -> Figure:
    labels = {reason["code"]: reason["display"] for reason in knowledge.card["override_reasons"]}
    labels |= {"unlisted": "Reason not listed on the card", None: "No reason given"}
    total = sum(results.override_reasons.values())
    return _ranked(
        Figure("reasons", "Override reasons", f"{counted(total, 'card')} overridden.", ("Reason", "Cards")),
        {labels.get(code, str(code)): count for code, count in results.override_reasons.items()},
        total,
    )


def _kinds(results: Statistics, knowledge: Knowledge) -> Figure:
    """Name each kind by its label in card.json, with its placeholders filled for no order in particular."""
    nouns = {"proposed": "the proposed study", "order": "ordered study", "alternative": "the alternative"}
    nouns["without_contrast"] = "the study without contrast"
    texts = knowledge.card
    suggestions = [*texts["suggestions"].items(), ("delete", texts["create_and_delete"]["delete"])]
    labels: dict[str | None, str] = {kind: Template(text["label"]).safe_substitute(nouns) for kind, text in suggestions}
    labels[None] = "Suggestion not reported"
    total = sum(results.cards.values(), Outcomes()).accepted
    return _ranked(
        Figure("kinds", "Accepted suggestions", f"{counted(total, 'card')} accepted.", ("Suggestion", "Cards")),
        {labels.get(kind, str(kind)): count for kind, count in results.accepted_kinds.items()},
        total,
    )


def _firing(results: Statistics, knowledge: Knowledge) -> Figure:
    studies = [*knowledge.watched, *sorted(results.studies.keys() - knowledge.watched.keys() - {""})]
    names = [_study(study, knowledge) for study in studies]
    counts = [results.studies.get(study, {}) for study in studies]
    parts = [(_cards_due(outcomes), sum(outcomes.values())) for outcomes in counts]
    rates = [share(part, whole) for part, whole in parts]
    due, watched = _due(results)
    return Figure(
        "firing",
        "Card rate by order",
        f"{share(due, watched)} decisions on monitored orders led to a card."
        if watched
        else "No monitored orders in this period.",
        ("Order", *_DECIDED.values(), "Card rate"),
        tuple(
            (name, *(number(outcomes.get(outcome, 0)) for outcome in _DECIDED), rate)
            for name, outcomes, rate in zip(names, counts, rates, strict=True)
        ),
        bars_chart(names, rates, share_series("Card rate", parts), unit="%", whole=100),
    )


def _silences(results: Statistics, knowledge: Knowledge) -> Figure:
    reasons = knowledge.silences
    total = sum(results.silences.values())
    beside = ", ".join(
        f"{number(count)} (“{reasons.get(reason, reason)}”)" for reason, count in results.unwatched.items()
    )
    return _ranked(
        Figure(
            "silences",
            "Reasons for no card on monitored orders",
            f"{counted(total, 'decision')} on monitored orders without a card."
            + (f" Not charted, because no monitored order was selected: {beside}" if beside else ""),
            ("Reason", "Decisions"),
        ),
        {reasons.get(reason, reason): count for reason, count in results.silences.items()},
        total,
    )


def _records(results: Statistics) -> Figure:
    period, total = results.period, sum(results.records.values(), Records())
    summary = (
        f"The record was incomplete or missing for {share(total.incomplete, total.needed)} decisions that needed it."
    )
    parts = [(records.incomplete, records.needed) for records in results.records.values()]
    heading = f"Incomplete records by {_step(results)}"
    return Figure(
        "records",
        heading,
        summary if total.needed else "No decision needed a record.",
        (_step(results).capitalize(), "Incomplete"),
        tuple(
            (step(day, period), share(records.incomplete, records.needed)) for day, records in results.records.items()
        ),
        steps_chart(heading, period, share_series("Incomplete", parts), unit="%"),
    )


def _unrecognized(results: Statistics) -> Figure:
    total = sum(results.unrecognized.values())
    figure = Figure(
        "unrecognized",
        "Unrecognized codes",
        f"{counted(total, 'order or entry', 'orders and entries')} had only codes of unrecognized code systems, and "
        "no usable text. To fix this, add the system under [systems] in the site file, or the code under [[orders]]."
        if total
        else "All orders and entries had a recognized code system, or text.",
        ("Resource and code system", "Orders and entries"),
    )
    counts = {
        f"{resource}: {_SYSTEMS.get(system, system)}": count
        for (resource, system), count in results.unrecognized.items()
    }
    return _ranked(figure, counts, total)


def _services_and_clients(results: Statistics) -> Iterator[Figure]:
    """Yield the figures by service and by client, where there is more than one in the period."""
    clients = {name or "Unnamed": counts for name, counts in results.clients.items()}
    for noun, heading, by_name in (("service", "By service", results.services), ("client", "By client", clients)):
        if len(by_name) > 1:
            yield _by_name(noun, heading, by_name)


def _by_name(noun: str, heading: str, by_name: Mapping[str, DecisionsAndCards]) -> Figure:
    cards = [counts.cards for counts in by_name.values()]
    return Figure(
        f"{noun}s",
        heading,
        f"{counted(len(by_name), noun)} called in this period.",
        (noun.capitalize(), "Decisions", *_columns("Cards")),
        tuple((name, number(counts.decisions), *_outcome_cells(counts.cards)) for name, counts in by_name.items()),
        bars_chart(
            list(by_name),
            [f"{share(outcomes.accepted, outcomes.shown)} accepted" for outcomes in cards],
            _stacked(cards),
        ),
    )


def _versions(results: Statistics) -> Figure:
    versions = results.versions
    return Figure(
        "versions",
        "By rule version",
        f"{counted(len(versions), 'rule version')} in use in this period.",
        ("Version", "First day", "Decisions", *_columns("Cards")),
        tuple(
            (version.name, str(version.since), number(version.decisions), *_outcome_cells(version.cards))
            for version in versions
        ),
        bars_chart(
            [f"{version.name}, since {version.since}" for version in versions],
            [f"{share(version.cards.accepted, version.cards.shown)} accepted" for version in versions],
            _stacked([version.cards for version in versions]),
        ),
    )


def _ranked(figure: Figure, counts: Mapping[str, int], total: int) -> Figure:
    """Return a figure of counts, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shares = [share(count, total) for _, count in ranked]
    name, values = figure.columns[-1], tuple(count for _, count in ranked)
    series = Series("few", f"{name}: {TOO_FEW}", values) if total < FEW else Series("plain", name, values)
    rows = tuple((name, rate) for (name, _), rate in zip(ranked, shares, strict=True))
    return replace(figure, rows=rows, chart=bars_chart([name for name, _ in ranked], shares, [series], whole=total))


def _step(results: Statistics) -> str:
    return "month" if results.period.by_month else "week"


def _columns(total: str) -> tuple[str, ...]:
    return (total, *_OUTCOMES.values(), "Accepted share")


def _outcome_cells(cards: Outcomes) -> tuple[str, ...]:
    parts = (number(getattr(cards, part)) for part in _OUTCOMES)
    return (number(cards.shown), *parts, share(cards.accepted, cards.shown))


def _stacked(cards: Sequence[Outcomes]) -> list[Series]:
    return [
        Series(part, name, tuple(getattr(outcomes, part) for outcomes in cards)) for part, name in _OUTCOMES.items()
    ]


def _study(study: str, knowledge: Knowledge) -> str:
    name: str = knowledge.card["orders"].get(study, {}).get("name", study)
    return name[:1].upper() + name[1:]


def _due(results: Statistics) -> tuple[int, int]:
    """Return how many decisions on monitored orders called for a card, and how many there were."""
    watched = [outcomes for study, outcomes in results.studies.items() if study]
    return sum(map(_cards_due, watched)), sum(sum(outcomes.values()) for outcomes in watched)


def _cards_due(outcomes: Mapping[str, int]) -> int:
    return outcomes.get("card", 0) + outcomes.get("shadow", 0)
