"""Two weeks of cards, reports and decisions, and a day on either side: few enough to be counted by hand."""

from datetime import UTC, date, datetime

from sqlalchemy import insert

from cds_service.store.tables import ACCEPTED, CARDS, DECISIONS, FEEDBACK, SUGGESTIONS, UNRECOGNIZED

FIRST, LAST = date(2026, 11, 2), date(2026, 11, 15)
SELECT, SIGN = "lumbosacral-plexus-mri-order-select", "lumbosacral-plexus-mri-order-sign"
SPINE, PET = "lumbar_spine_mri", "fdg_pet_ct"
EHR = "https://ehr.example.org"

SHOWN = {
    "before": ("11-01", SELECT, "", "1", SPINE, "replace add"),
    "first": ("11-02", SELECT, "", "1", SPINE, "replace add"),
    "second": ("11-04", SELECT, "", "1", SPINE, "replace add"),
    "changed": ("11-08", SELECT, "", "1", SPINE, "replace add"),
    "taken-back": ("11-09", SELECT, "", "2", SPINE, "replace add"),
    "silent": ("11-10", SIGN, "", "2", PET, "add_first replace"),
    "unnamed": ("11-12", SELECT, "", "2", SPINE, "replace add"),
    "both": ("11-15", SELECT, EHR, "2", SPINE, "add alternative replace"),
    "after": ("11-16", SELECT, "", "2", SPINE, "replace add"),
}
"""Each card: its day, service, client, knowledge, study and the kinds of its suggestions; the first is recommended."""

REPORTED = [
    ("before", "11-01T10:00", "accepted", None, "before-replace"),
    ("first", "11-02T10:00", "accepted", None, "first-replace"),
    ("second", "11-20T10:00", "overridden", "spine-is-the-question", ""),
    ("changed", "11-08T12:00", "accepted", None, "changed-add"),
    ("changed", "11-08T10:00", "overridden", "other", ""),
    ("taken-back", "11-09T09:00", "accepted", None, "taken-back-replace"),
    ("taken-back", "11-09T11:00", "overridden", None, ""),
    ("unnamed", "11-12T10:00", "accepted", None, "first-replace"),
    ("both", "11-15T10:00", "accepted", None, "both-add both-alternative"),
    ("after", "11-16T10:00", "overridden", "other", ""),
    ("unknown-1", "11-01T10:00", "accepted", None, ""),
    ("unknown-2", "11-02T10:00", "accepted", None, ""),
    ("unknown-3", "11-15T10:00", "overridden", "unlisted", ""),
    ("unknown-4", "11-16T10:00", "overridden", None, ""),
]
"""Each report as it came: its card, when it happened (and was received), the outcome, the reason, what was accepted."""

DECIDED = [
    ("11-01", SELECT, "", "1", SPINE, "card", "info", False, 5),
    ("11-02", SELECT, "", "1", SPINE, "card", "info", False, 3),
    ("11-02", SELECT, "", "1", SPINE, "silent", "no_history", False, 10),
    ("11-02", SELECT, "", "1", "", "silent", "nothing_watched", False, 100),
    ("11-08", SELECT, "", "1", SPINE, "silent", "no_history", True, 2),
    ("11-08", SELECT, "", "1", "", "refused", "record", False, 1),
    ("11-09", SIGN, EHR, "2", PET, "card", "warning", False, 4),
    ("11-15", SELECT, "", "2", PET, "shadow", "warning", True, 6),
    ("11-15", SELECT, "", "2", "", "silent", "rule_off", False, 7),
    ("11-16", SELECT, "", "2", SPINE, "card", "info", False, 9),
]


UNREAD = [
    ("11-01", SELECT, "", "Condition", "urn:site:problems", 5),
    ("11-02", SELECT, "", "Condition", "urn:site:problems", 3),
    ("11-09", SIGN, EHR, "Condition", "urn:site:problems", 4),
    ("11-09", SELECT, "playground", "Condition", "urn:site:problems", 9),
    ("11-15", SELECT, "", "ServiceRequest", "none", 1),
    ("11-16", SELECT, "", "Procedure", "other", 2),
]
"""Counts of what no code explained: day, service, client, resource type, system."""


def fill(connection) -> None:
    """Write all of it."""
    for name, (day, *rest, kinds) in SHOWN.items():
        write_card(connection, name, day, *rest, kinds=kinds.split())
    for place, (card, at, outcome, reason, accepted) in enumerate(REPORTED, 1):
        client = SHOWN[card][2] if card in SHOWN else ""
        write_report(connection, place, card, at, outcome, reason, client=client, accepted=accepted.split())
    write_decisions(connection, DECIDED)
    names = [column.name for column in UNRECOGNIZED.columns]
    rows = [dict(zip(names, (day_of(day), *rest), strict=True)) for day, *rest in UNREAD]
    connection.execute(insert(UNRECOGNIZED), rows)


def write_decisions(connection, decided) -> None:
    """Write counts of decisions, in the form of DECIDED."""
    names = [column.name for column in DECISIONS.columns]
    rows = [dict(zip(names, (day_of(day), *rest), strict=True)) for day, *rest in decided]
    connection.execute(insert(DECISIONS), rows)


def day_of(text: str) -> date:
    """Return a day of 2026 from its month and day."""
    return date.fromisoformat(f"2026-{text}")


def write_card(connection, uuid, day, service=SELECT, client="", knowledge="1", study=SPINE, *, kinds=("add",)):
    """Write a card, shown at noon, and its suggestions: named by the card and their kind."""
    noon = datetime.fromisoformat(f"2026-{day}T12:00+00:00")
    card = {"uuid": uuid, "service": service, "shown_at": noon, "day": noon.date(), "client": client}
    card |= {"knowledge": knowledge, "study": study, "indicator": "info", "history": "in_reach", "presentation": "none"}
    connection.execute(insert(CARDS), card | {"incomplete": False, "patient": None})
    rows = [{"uuid": f"{uuid}-{kind}", "card": uuid, "kind": kind, "recommended": kind == kinds[0]} for kind in kinds]
    connection.execute(insert(SUGGESTIONS), rows)


def write_report(connection, place, card, at, outcome, reason=None, *, client="", comment=None, accepted=()):
    """Write a report that was received when it happened, and what it says was accepted."""
    when = datetime.fromisoformat(f"2026-{at}").replace(tzinfo=UTC)
    row = {"id": place, "digest": str(place), "card": card, "service": SELECT, "client": client, "outcome": outcome}
    row |= {"reason": reason, "comment": comment, "happened_at": when, "received_at": when, "received_day": when.date()}
    connection.execute(insert(FEEDBACK), row)
    for suggestion in accepted:
        connection.execute(insert(ACCEPTED), {"feedback": place, "suggestion": suggestion})
