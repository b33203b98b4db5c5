"""The description of a decision as text, for `plexus-cds decide`."""

from collections.abc import Iterator, Mapping
from typing import Any

from cds_service.decision.orders import NO_CODE
from cds_service.explanation.steps import ELSEWHERE

Words = Mapping[str, str]
"""Names of histories, presentations and suggestions by their term: `{"history.in_reach": ...}` (about_words.csv)."""


def render(description: dict[str, Any], words: Words) -> str:
    """Return what `describe` returns as lines of text, in the same steps."""
    lines = ["Shadow mode: no card is shown."] if description["is_shadow"] else []
    lines += ["Orders", *_orders(description["orders"])]
    lines += ["Record", *_record(description["record"])]
    for row in description["unrecognized"]:
        system = "no code" if row["system"] == NO_CODE else row["system"]
        lines.append(f"  No supported code: {row['count']} {row['resource']} ({system})")
    for outcome in description["outcomes"]:
        lines += _outcome(outcome, words)
    return "\n".join(lines)


def _orders(orders: list[dict[str, Any]]) -> Iterator[str]:
    for order in orders:
        name = f", {order['name']}" if order["name"] else ""
        yield f"  {order['reference'] or 'An order without an id'}{name}"
        yield f"    {'monitored' if order['is_watched'] else 'not monitored'}: {order['why']}"
    if not orders:
        yield "  The call has no draft order."


def _record(record: dict[str, Any] | None) -> Iterator[str]:
    if record is None:
        yield "  Not read: the answer did not need it."
        return
    optional = "".join(f", {count} {_plain(key)}" for key, count in record["more"].items())
    main = (_count(record["conditions"], "Condition"), _count(record["procedures"], "Procedure"))
    yield f"  Read: {', '.join(main)}{optional}"
    for part in record["unread"]:
        yield f"  Not read{' in full' if part['partly'] else ''}: {part['key']}, {part['why']}"
    if record["ignored_keys"]:
        yield f"  Prefetch keys that no setting names, not read: {', '.join(record['ignored_keys'])}"
    counters = {
        "skipped": "Entries that are not resources",
        "not_sent": "Entries in a Bundle's total that were not sent",
        "other_patient": "Entries of another patient, dropped",
    }
    yield from (f"  {words}: {record[member]}" for member, words in counters.items() if record[member])


def _outcome(outcome: dict[str, Any], words: Words) -> Iterator[str]:
    heading = f"{outcome['order']}, {outcome['name']}" if outcome["order"] else "All orders"
    yield heading
    if outcome["history"]:
        yield "  Findings"
        yield from map(_finding, outcome["findings"])
        if not outcome["findings"]:
            yield "    none"
        yield "  Unused entries"
        yield from (f"    {entry['reference']}: {entry['why']}" for entry in outcome["unused_entries"])
        yield from (f"    {reason}: {count}" for reason, count in outcome["not_used"].items())
        if not outcome["unused_entries"] and not outcome["not_used"]:
            yield "    none"
        yield "  Decision table"
        yield from (_cell(cell, words) for cell in outcome["decision_table"] if cell["is_here"])
    yield "  Reasons for no card"
    yield f"    {_silences(outcome['silences'])}"
    yield "  Outcome"
    yield from _result(outcome, words)


def _finding(finding: dict[str, Any]) -> str:
    use = "does not count: " if finding["use"] == ELSEWHERE else ""
    references = ", ".join(finding["references"]) or "the order"
    return f"    {finding['words']} [{references}] - {use}{finding['why']}"


def _cell(cell: dict[str, str], words: Words) -> str:
    card = f"card, {cell['indicator']}" if cell["indicator"] else f"no card ({cell['reason']})"
    recommended = f", recommended: {words['suggestion.' + cell['recommended']]}" if cell["recommended"] else ""
    history, sign = words[f"history.{cell['history']}"], words[f"presentation.{cell['presentation']}"]
    return f"    History: {history}. Sign: {sign}. Result: {card}{recommended}"


def _silences(silences: list[dict[str, str]]) -> str:
    """Return how many reasons for no card were tested, in their order, and the one that applies."""
    for number, silence in enumerate(silences, 1):
        if silence["state"] == "holds":
            return f"Number {number} of {len(silences)} applies: {silence['reason']}"
    return f"None of {len(silences)} applies"


def _result(outcome: dict[str, Any], words: Words) -> Iterator[str]:
    if outcome["silence"]:
        yield f"    No card ({outcome['silence']['reason']}): {outcome['silence']['words']}"
        return
    card = outcome["card"]
    yield f"    Card ({card['indicator']}): proposes {card['proposes']}"
    yield f"    Recommended suggestion: {words['suggestion.' + card['recommended']] if card['recommended'] else 'none'}"
    for row in card["against"]:
        named = f" {'; '.join(row['findings'])}" if row["findings"] else ""
        places = f" [{', '.join(row['references'])}]" if row["references"] else ""
        yield f"      because ({row['reason']}): {row['words']}{named}{places}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _plain(name: str) -> str:
    return name.replace("_", " ")
