"""The calls whose answer is another by another version of the knowledge."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from cds_service import examples
from cds_service.decision.order_select import decide
from cds_service.errors import CallError
from cds_service.knowledge import Knowledge
from cds_service.model import FetchFault, Pages, Recommendation, Site

_HOOKS = ("order-select", "order-sign")
_PARTS = ("summary", "detail", "indicator", "suggestions", "overrideReasons", "links", "source")


def changed_answers(old: Knowledge, new: Knowledge, today: date) -> dict[str, Any]:
    """Return both versions, how many calls were compared, and a row for each call whose answer is another."""
    calls = list(_calls(today))
    rows = []
    for name, call in calls:
        before, after = _answer(call, old, today), _answer(call, new, today)
        if before != after:
            row = {"call": name, "old": before["outcomes"], "new": after["outcomes"]}
            rows.append(row | {"changed": _changed_parts(before["cards"], after["cards"])})
    return {"old": old.version, "new": new.version, "compared": len(calls), "changed": rows}


def as_table(changes: dict[str, Any]) -> str:
    """Return the changes as a table of text."""
    rows = [
        (row["call"], ", ".join(row["old"]), ", ".join(row["new"]), ", ".join(row["changed"]))
        for row in changes["changed"]
    ]
    lines = [f"{changes['old']} -> {changes['new']}: {len(rows)} of {changes['compared']} answers change."]
    if rows:
        table = [("call", "old", "new", "parts of the card"), *rows]
        widths = [max(len(row[column]) for row in table) for column in range(4)]
        lines += [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table
        ]
    return "\n".join(lines)


def _calls(today: date) -> Iterator[tuple[str, Any]]:
    """Yield the cases of the playground and the example calls."""
    for row in examples.vignettes(today):
        yield row["title"], row["call"]
    for name in examples.names("calls"):
        yield f"example {name}", examples.example("calls", name, today)


def _answer(call: Any, knowledge: Knowledge, today: date) -> dict[str, Any]:
    """Return what each outcome is, and the cards without what differs from call to call."""
    hook = call["hook"] if call.get("hook") in _HOOKS else _HOOKS[0]
    try:
        decision = decide(
            call,
            hook,
            knowledge,
            Site(),
            today=today,
            fetch=lambda _request, searches: [Pages((), FetchFault.NOT_ASKED) for _ in searches],
            new_id=lambda: "",
        )
    except CallError as error:
        return {"outcomes": [type(error).__name__], "cards": []}
    outcomes = [
        f"{outcome.indicator}{f' ({outcome.recommended})' if outcome.recommended else ''}"
        if isinstance(outcome, Recommendation)
        else outcome.reason
        for outcome in decision.outcomes
    ]
    return {"outcomes": outcomes, "cards": [{part: card.get(part) for part in _PARTS} for card in decision.cards]}


def _changed_parts(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    """Return the parts of the cards that differ; `card` where one has come or gone."""
    if len(before) != len(after):
        return ["card"]
    return [part for part in _PARTS if any(old[part] != new[part] for old, new in zip(before, after, strict=True))]
