"""The report of a back-test: one HTML page that needs no network, summary.json, and tables as CSV."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from cds_service.knowledge import Knowledge
from cds_service.plots import Column, ColumnSegment, bars_by_name, columns_over_time
from cds_service.spreadsheet import cell

_MOST_ROWS = 25
"""Of a table on the page; its CSV has all."""

_HIDDEN = "hidden"

_LIMITS = (
    "The export has today's statuses: a diagnosis refuted later is missing, and one resolved later is resolved.",
    "A Procedure in FHIR R4 has no date of recording: it counts from the day on which it was performed.",
    "An order is replayed as it is in the export. Its reason may have been changed after it was signed.",
    "Other drafts of the same session are known only where they were ordered in the same encounter at the same moment.",
    "Further prefetch keys are replayed where the site file turns them on and the export has their resources.",
    "Orders on record are not replayed as part of the record: nobody can tell which were still open then.",
    "A card that is shown is not a card that is read. Acceptance can only be measured in use: start in shadow mode.",
    "The intervals are of chance alone, as if orders were independent of each other.",
    "They do not cover errors of the export, codes that are not mapped, or change over time.",
)


def report_files(summary: Mapping[str, Any], knowledge: Knowledge, about: Sequence[str]) -> dict[str, bytes]:
    """Return the files of a report by name; `about` are lines on what was run, such as the site file's name."""
    tables = dict(_tables(summary))
    texts = {name: _as_csv(rows) for name, rows in tables.items()}
    texts["summary.json"] = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    texts["report.html"] = _page(summary, knowledge, about)
    return {name: text.encode() for name, text in texts.items()}


def headline(summary: Mapping[str, Any]) -> str:
    """Return the result in one sentence, with its interval."""
    rates, period = summary["rates"], summary["period"]
    if summary["monitored"] == 0:
        return "The export has no order that this service monitors, so it would have shown no card."
    if rates is None or period is None:
        return "The number of cards is hidden: only a few of the monitored orders had a card, or only a few had none."
    low, high = rates["per_thousand_interval"]
    sentence = (
        f"In {period['weeks']:,} weeks this service would have shown {summary['cards']['total']:,} cards for "
        f"{summary['monitored']:,} monitored orders: {_plain(rates['per_week'])} a week, "
        f"{_plain(rates['per_thousand'])} per 1,000 (95% interval {_plain(low)} to {_plain(high)}, Wilson)"
    )
    most = rates["most_in_a_week_to_one_clinician"]
    return f"{sentence}{f', never more than {most:,} in a week to one clinician' if most else ''}."


def _plain(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def _tables(summary: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield "weeks.csv", [{"period": summary["weeks"]["unit"], **row} for row in summary["weeks"]["rows"]]
    yield "silences.csv", [{"reason": name, "orders": count} for name, count in summary["silences"].items()]
    yield "studies.csv", summary["studies"]
    yield "findings.csv", summary["findings"]
    yield "unmapped_orders.csv", [{**row, "site_file": site_lines(row)} for row in summary["unmapped_orders"]]
    yield "unmapped_conditions.csv", summary["unmapped_entries"]
    yield "errors.csv", summary["errors"]
    if summary["places"] is not None:
        yield "places.csv", summary["places"]
    if summary["compared"] is not None:
        yield "compared.csv", summary["compared"]["rows"]


def site_lines(row: Mapping[str, Any]) -> str:
    """Return the lines of the site file that map an order.

    Where no study is known, the name that stands for it is refused by `check-config`, which lists the studies: nobody
    maps a code by mistake.
    """
    if not row["code"]:
        return ""
    study = row["study"] or "CHOOSE"
    values = {"system": row["system"], "code": row["code"], "study": study}
    return "\n".join(
        ["[[orders]]", *(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items())]
    )


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(rows[0] if rows else ["nothing"])
    for row in rows:
        writer.writerow(_cell(value) for value in row.values())
    return stream.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return _HIDDEN
    return cell(value) if isinstance(value, str) else value


def _page(summary: Mapping[str, Any], knowledge: Knowledge, about: Sequence[str]) -> str:
    style = (files("cds_service.backtest") / "report.css").read_text(encoding="utf-8")
    sections = "\n".join(filter(None, _sections(summary, knowledge, about)))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Back-test of plexus-cds</title><style>{style}</style></head>\n"
        f"<body><main>\n{sections}\n</main></body></html>\n"
    )


def _sections(summary: Mapping[str, Any], knowledge: Knowledge, about: Sequence[str]) -> Iterator[str]:
    yield _first_screen(summary, about)
    weeks = summary["weeks"]
    if weeks and weeks["rows"]:
        columns = [_column(row["start"], row["cards"]) for row in weeks["rows"]]
        title = f"Cards by {weeks['unit']}"
        yield _section(title, _scrolled(columns_over_time(title, columns)) + _note_on_periods(summary))
    yield _section("From order to card", bars_by_name("From order to card", list(_funnel(summary))))
    yield _silences(summary, knowledge)
    yield _studies(summary, knowledge)
    yield _what_is_behind(summary, knowledge)
    yield _what_they_recommend(summary, knowledge)
    yield _who(summary)
    yield _as_of(summary)
    yield _unmapped(summary)
    yield _compared(summary)
    yield _errors(summary)
    yield _section("What these numbers cannot say", _list(_LIMITS))


def _column(name: str, count: int | None) -> Column:
    return Column(name, f"{name}: {_HIDDEN if count is None else f'{count:,}'}", (ColumnSegment("bar", count),))


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _list(items: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _shown(value: Any) -> str:
    if value is None:
        return f'<span class="none">{_HIDDEN}</span>'
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def _table(headers: Sequence[str], rows: Sequence[Sequence[Any]], file: str = "") -> str:
    """Return a table; numbers are aligned to the right, and what does not fit is in the CSV file."""
    is_number = [
        any(row[place] is None or isinstance(row[place], int) for row in rows) for place in range(len(headers))
    ]
    head = "".join(
        f"<th{' class=number' if is_right else ''}>{escape(header)}</th>"
        for header, is_right in zip(headers, is_number, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="number">{_shown(value)}</td>'
            if value is None or isinstance(value, int)
            else f"<td>{_shown(value)}</td>"
            for value in row
        )
        + "</tr>"
        for row in rows[:_MOST_ROWS]
    )
    hidden_rows = len(rows) - _MOST_ROWS
    remark = _paragraph(f"{hidden_rows:,} more rows are in {file}.") if hidden_rows > 0 and file else ""
    return _scrolled(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>") + remark


def _scrolled(content: str) -> str:
    """Return what may be wider than a phone, so that it scrolls by itself; the keyboard reaches it, too."""
    return f'<div class="scroll" tabindex="0">{content}</div>'


def _first_screen(summary: Mapping[str, Any], about: Sequence[str]) -> str:
    cards, rates = summary["cards"], summary["rates"]
    tiles = []
    if rates:
        low, high = rates["per_week_interval"]
        tiles = [
            (_plain(rates["per_week"]), f"cards a week (95% interval {_plain(low)} to {_plain(high)}, Poisson)"),
            (_plain(rates["per_thousand"]), "cards per 1,000 monitored orders"),
            (_number_or_hidden(cards["warning"]), "of the cards are warnings: a sign on record fits"),
            (_number_or_hidden(cards["info"]), "of the cards are information: the card asks for signs"),
        ]
    shown = "".join(f"<div><b>{escape(number)}</b><span>{escape(words)}</span></div>" for number, words in tiles)
    lines = [
        f"Policy {summary['policy']}, knowledge {summary['knowledge']}, plexus-cds {summary['version']}.",
        *about,
        f"Counts alone. A count of 1 to {summary['at_least'] - 1} is hidden, and so is any other from which it could "
        "be derived."
        if summary["at_least"] > 1
        else "Counts alone, none of them hidden: do not pass this report on.",
        "Not clinically reviewed, and assessed by no authority.",
    ]
    return (
        f"<header><h1>Back-test</h1><p class=headline>{escape(headline(summary))}</p>"
        f"<div class=tiles>{shown}</div>{_list(lines)}</header>"
    )


def _number_or_hidden(count: int | None) -> str:
    return _HIDDEN if count is None else f"{count:,}"


def _note_on_periods(summary: Mapping[str, Any]) -> str:
    unit, at_least = summary["weeks"]["unit"], summary["at_least"]
    note = "" if unit == "week" else f"Shown by {unit}, as too many weeks have fewer than {at_least} cards or orders. "
    return _paragraph(f"{note}A hatched bar is hidden. The first and the last {unit} may not be whole.")


def _funnel(summary: Mapping[str, Any]) -> Iterator[tuple[str, int | None]]:
    yield "Orders in the period", summary["orders"]
    yield "Monitored", summary["monitored"]
    yield "With cancer or radiotherapy", summary["with_history"]
    yield "With a card", summary["cards"]["total"]


def _silences(summary: Mapping[str, Any], knowledge: Knowledge) -> str:
    counts = [(reason, count) for reason, count in summary["silences"].items() if count != 0]
    counts.sort(key=lambda row: -(row[1] or 0))
    of_monitored = [(_words(reason), count) for reason, count in counts if reason != "nothing_watched"]
    rows = [(_words(reason), knowledge.silences.get(reason, ""), count) for reason, count in counts]
    return _section(
        "Why there was no card",
        bars_by_name("Why a monitored order had no card", of_monitored) + _table(("reason", "meaning", "orders"), rows),
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _name_of(knowledge: Knowledge, table: str, term: str) -> str:
    word = knowledge.about.words.get(f"{table}.{term}")
    return word.name if word else _words(term)


def _studies(summary: Mapping[str, Any], knowledge: Knowledge) -> str:
    orders = knowledge.card["orders"]
    rows = [
        (orders[row["study"]]["name"] if row["study"] in orders else row["study"], row["monitored"], row["cards"])
        for row in summary["studies"]
    ]
    return _section("Which orders", _table(("study", "monitored", "cards"), rows))


def _what_is_behind(summary: Mapping[str, Any], knowledge: Knowledge) -> str:
    findings = [(_words(row["kind"]), row["finding"], row["cards"]) for row in summary["findings"]]
    cells = [
        (
            _name_of(knowledge, "history", row["history"]),
            _name_of(knowledge, "presentation", row["presentation"]),
            row["cards"],
            row["silent"],
        )
        for row in summary["cells"]
    ]
    text = f"A card has one to five findings. Those of fewer than {summary['at_least']} patients are left out."
    return _section(
        "What the cards rest on",
        _paragraph(text)
        + _table(("kind", "finding", "cards"), findings, "findings.csv")
        + _table(("history", "signs", "cards", "no card"), cells),
    )


def _what_they_recommend(summary: Mapping[str, Any], knowledge: Knowledge) -> str:
    recommended = [
        ("nothing: the clinician chooses" if kind == "none" else _name_of(knowledge, "suggestion", kind), count)
        for kind, count in summary["recommended"].items()
    ]
    if not recommended:
        return ""
    words = {row.reason: row.words for row in reversed(knowledge.reservations)}
    against = [(words.get(row["reason"], _words(row["reason"])), row["cards"]) for row in summary["against"]]
    reasons = (
        _paragraph("Why a card recommends nothing; a card may have several reasons, and rare ones are left out.")
        + _table(("reason", "cards"), against)
        if against
        else ""
    )
    return _section("What the cards recommend", _table(("recommended", "cards"), recommended) + reasons)


def _who(summary: Mapping[str, Any]) -> str:
    if summary["places"] is None:
        return ""
    places = sorted(summary["places"], key=lambda row: (row["role"], -(row["monitored"] or 0)))
    rows = [(row["role"], row["name"] or row["reference"], row["monitored"], row["cards"]) for row in places]
    text = f"Those with fewer than {summary['at_least']} monitored orders are left out. These names are of staff."
    return _section(
        "Whose orders", _paragraph(text) + _table(("role", "name", "monitored", "cards"), rows, "places.csv")
    )


def _as_of(summary: Mapping[str, Any]) -> str:
    excluded = summary["as_of_excluded"]
    rows = [
        ("recorded after the order: left out", excluded["after"]),
        ("recorded before it: read", excluded["before"]),
        ("of the same day without a time, or of a month or year that includes it: read", excluded["same_day"]),
        ("without any date: read", excluded["undated"]),
    ]
    names = {
        "without_undated": "without undated entries",
        "without_same_day": "without entries of the same day",
        "without_either": "without either",
    }
    bounds = [("as reported", _number_or_hidden(summary["cards"]["total"]))]
    for name, words in names.items():
        row = summary["without"][name]
        close = f"about the same: fewer than {summary['at_least']} apart"
        bounds.append((words, close if row["is_about_the_same"] else _number_or_hidden(row["cards"])))
    text = (
        "Each order was decided on the record of its moment. For some entries nobody can tell whether they were on "
        "the record by then; the second table has the number of cards without them."
    )
    return _section(
        "How sure the record of then is",
        _paragraph(text) + _table(("entries, counted for each order", "entries"), rows) + _table(("", "cards"), bounds),
    )


def _unmapped(summary: Mapping[str, Any]) -> str:
    orders = [
        (row["orders"], _words(row["recognized"]), _words(row["study"]), row["system"], row["code"], row["name"])
        for row in summary["unmapped_orders"]
    ]
    entries = [
        (row["patients"], row["resource"], row["system"], row["code"], row["name"], row["reads_as"])
        for row in summary["unmapped_entries"]
    ]
    return _section(
        "What is not mapped",
        _paragraph(
            "Orders that no code explains. Those recognized by their words are monitored; mapping them is safer. "
            "unmapped_orders.csv has the lines for the site file."
        )
        + _table(("orders", "recognized", "study", "system", "code", "name"), orders, "unmapped_orders.csv")
        + _paragraph(
            "Entries of the patients with a monitored order whose code system is not read. A row with a code has words "
            "that are read as the finding in the last column."
        )
        + _table(("patients", "resource", "system", "code", "name", "read as"), entries, "unmapped_conditions.csv"),
    )


def _compared(summary: Mapping[str, Any]) -> str:
    compared = summary["compared"]
    if compared is None:
        return ""
    text = (
        f"Compared with policy {compared['policy']}, knowledge {compared['knowledge']}: it would have shown "
        f"{_number_or_hidden(compared['cards'])} cards, {_number_or_hidden(compared['gained'])} gained and "
        f"{_number_or_hidden(compared['lost'])} lost."
    )
    rows = [(row["what"], _words(row["before"]), _words(row["after"]), row["orders"]) for row in compared["rows"]]
    return _section("Comparison", _paragraph(text) + _table(("", "here", "there", "orders"), rows, "compared.csv"))


def _errors(summary: Mapping[str, Any]) -> str:
    rows = [(row["file"], _words(row["kind"]), row["lines"], row["first_line"]) for row in summary["errors"]]
    left_out = [f"Orders left out, {_words(name)}: {_number_or_hidden(n)}" for name, n in summary["left_out"].items()]
    others = summary["files_of_other_types"]
    files_not_read = [f"Files of other resource types, not read: {', '.join(others)}"] if others else []
    table = _table(("file", "fault", "lines", "first line"), rows, "errors.csv")
    return _section(
        "What could not be used", table + _list([f"Lines read: {summary['lines']:,}", *left_out, *files_not_read])
    )
