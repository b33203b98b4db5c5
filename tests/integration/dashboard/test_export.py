"""The rows behind the figures as files: complete, exact, and harmless in a spreadsheet."""

import csv
import io
import json

import pytest

from cds_service import examples
from tests.integration.dashboard.dashboard_rows import EHR, FIRST, LAST, SELECT, SPINE, fill, write_card, write_report
from tests.support.databases import serving_with
from tests.support.service import ORDER_SELECT, TODAY

MARK = b"\xef\xbb\xbf"
HARMLESS = 'said, "so"\r\nand = so on; ünïcode \u2028 \''
FORMULAS = {
    '=cmd|" /C calc"!A0': '\'=cmd|" /C calc"!A0',
    "+1": "'+1",
    "-1": "'-1",
    "@SUM(1)": "'@SUM(1)",
    "\t=1": "'\t'=1",
    "\r=1": "'\r'=1",
    "\n=1": "'\n'=1",
    "\uff1d1": "'\uff1d1",
    "\uff0b1": "'\uff0b1",
    "\uff0d1": "'\uff0d1",
    "\uff201": "'\uff201",
    " \u00a0=1": "' \u00a0=1",
    "=1\t": "'=1\t",
    "a;=1": "a;'=1",
    'a;"=1': "a;'\"=1",
    "a; -1;b": "a;' -1;b",
    "a\n=1": "a\n'=1",
    "1=1": "1=1",
    "": "",
    HARMLESS: HARMLESS,
}


@pytest.fixture(scope="module")
def served(store_url, knowledge):
    """Yield a client of a service with the store, and the service's parts."""
    with serving_with(store_url, knowledge, store_comments=True) as pair:
        yield pair


@pytest.fixture
def exported(served, store):
    """Return a function that writes rows and gives back a file, as it comes and as its rows."""

    def exported(what, kind, write=fill, query=f"from={FIRST}&to={LAST}"):
        with store.writing() as connection:
            write(connection)
        response = served[0].get(f"/dashboard/export/{what}.{kind}?{query}")
        assert response.status_code == 200, response.text
        return response, rows_of(response, kind)

    return exported


def rows_of(response, kind):
    """Return the rows of a file, as a program would read them."""
    if kind == "ndjson":
        return [json.loads(line) for line in response.content.splitlines()]
    assert response.content.startswith(MARK)
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


CARDS = {
    "first": ("accepted", ["replace"], None, "2026-11-02T10:00:00+00:00"),
    "second": ("overridden", [], "spine-is-the-question", "2026-11-20T10:00:00+00:00"),
    "changed": ("accepted", ["add"], None, "2026-11-08T12:00:00+00:00"),
    "taken-back": ("overridden", [], None, "2026-11-09T11:00:00+00:00"),
    "silent": ("no report", [], None, None),
    "unnamed": ("accepted", [], None, "2026-11-12T10:00:00+00:00"),
    "both": ("accepted", ["add", "alternative"], None, "2026-11-15T10:00:00+00:00"),
}


def test_cards(exported):
    """Each card of the period stands once, in order, with what became of it."""
    _, rows = exported("cards", "ndjson")
    names = ("outcome", "accepted_suggestions", "override_reason", "outcome_at")
    assert {row["card"]: tuple(row[name] for name in names) for row in rows} == CARDS
    assert [row["card"] for row in rows] == list(CARDS)
    both = rows[-1]
    assert (
        both
        | {
            "shown_at": "2026-11-15T12:00:00+00:00",
            "day": "2026-11-15",
            "service": SELECT,
            "client": EHR,
            "knowledge": "2",
            "study": SPINE,
            "incomplete": False,
            "suggestions": ["add", "alternative", "replace"],
            "recommended": "add",
        }
        == both
    )
    assert "patient" not in both


FEEDBACK = [
    ("first", True, "accepted", ["replace"], None, "1"),
    ("changed", True, "overridden", [], "other", "1"),
    ("changed", True, "accepted", ["add"], None, "1"),
    ("taken-back", True, "accepted", ["replace"], None, "2"),
    ("taken-back", True, "overridden", [], None, "2"),
    ("unnamed", True, "accepted", [], None, "2"),
    ("both", True, "accepted", ["add", "alternative"], None, "2"),
]
UNKNOWN = [
    ("unknown-2", False, "accepted", [], None, None),
    ("unknown-3", False, "overridden", [], "unlisted", None),
]
NAMES = ("card", "known", "outcome", "accepted_suggestions", "override_reason", "knowledge")


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [("", FEEDBACK + UNKNOWN), ("&knowledge=2", FEEDBACK[3:]), ("&client=https://ehr.example.org", FEEDBACK[-1:])],
)
def test_feedback(exported, narrowed, expected):
    """Each report that was received in the period stands once, those on unknown cards among them."""
    _, rows = exported("feedback", "ndjson", query=f"from={FIRST}&to={LAST}{narrowed}")
    seen = [tuple(row[name] for name in NAMES) for row in rows]
    assert sorted(seen, key=repr) == sorted(expected, key=repr)
    assert [row["received_at"] for row in rows] == sorted(row["received_at"] for row in rows)


def test_decisions(exported):
    """Each count of the period stands as it is kept; together they are all decisions."""
    _, rows = exported("decisions", "ndjson")
    assert len(rows) == 8
    assert sum(row["count"] for row in rows) == 133
    assert {row["incomplete"] for row in rows} == {True, False}


@pytest.mark.parametrize("what", ["cards", "feedback", "decisions", "unrecognized"])
def test_csv_says_the_same(exported, what):
    """The CSV file has the rows of the NDJSON file, in the same order, under the same names."""
    _, exact = exported(what, "ndjson")
    response, rows = exported(what, "csv", write=lambda _: None)
    assert rows == [{name: cell(value) for name, value in row.items()} for row in exact]
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    name = f"plexus-cds-{what}-2026-11-02-to-2026-11-15.csv"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response.headers["Cache-Control"] == "no-store"


def cell(value) -> str:
    """Return how a value of JSON is written in CSV."""
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def write_comments(connection):
    """Write a report for each comment, all on one card."""
    write_card(connection, "first", "11-02")
    for place, comment in enumerate(FORMULAS, 1):
        write_report(connection, place, "first", f"11-02T10:{place:02}", "overridden", comment=comment)


@pytest.fixture
def comments(store, store_url, command):
    """Return a function that writes comments and gives back those that the command prints in a format."""
    with store.writing() as connection:
        write_comments(connection)

    def comments(kind, *arguments):
        code, out, _ = command("export", "comments", "--format", kind, *arguments, store_url=store_url)
        assert code == 0
        lines = out.splitlines() if kind == "ndjson" else csv.DictReader(io.StringIO(out[1:], newline=""))
        return [(json.loads(line) if kind == "ndjson" else line)["comment"] for line in lines]

    return comments


def test_formulas(comments):
    """What a spreadsheet would take for a formula has an apostrophe in CSV, and stands as it is in NDJSON."""
    assert comments("ndjson") == list(FORMULAS)
    assert comments("csv") == list(FORMULAS.values())
    assert comments("csv", "--from", "2026-11-03") == []
    assert comments("csv", "--to", "2026-11-01") == []


def test_comments_are_not_sent(exported, served):
    """What clinicians wrote may name a patient: it is in no file that a browser can have."""
    for kind in ("csv", "ndjson"):
        response, rows = exported("feedback", kind, write=write_comments if kind == "csv" else lambda _: None)
        assert len(rows) == len(FORMULAS)
        assert "comment" not in rows[0]
        assert "SUM" not in response.text
        assert served[0].get(f"/dashboard/export/comments.{kind}").status_code == 404


def test_reports_of_another_client(exported):
    """A report of another client than the card was shown to is on no card that is known, whatever it says."""

    def write(connection):
        write_card(connection, "theirs", "11-02", client=EHR)
        write_card(connection, "anyone's", "11-02")
        write_report(connection, 1, "theirs", "11-02T13:00", "accepted", client=EHR)
        write_report(connection, 2, "theirs", "11-02T14:00", "overridden", client="https://other.example.org")
        write_report(connection, 3, "theirs", "11-02T15:00", "overridden")
        write_report(connection, 4, "anyone's", "11-02T14:00", "overridden", client=EHR)

    _, cards = exported("cards", "ndjson", write=write)
    assert {row["card"]: row["outcome"] for row in cards} == {"theirs": "accepted", "anyone's": "overridden"}
    _, reports = exported("feedback", "ndjson", write=lambda _: None)
    assert [row["known"] for row in reports] == [True, False, True, False]


def test_a_hostile_client(exported):
    """A name that comes from outside is harmless in every column."""
    _, rows = exported("cards", "csv", write=lambda connection: write_card(connection, "=1+1", "11-02", client="@x"))
    assert [(row["card"], row["client"]) for row in rows] == [("'=1+1", "'@x")]


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_long(exported, kind):
    """A file of several parts has each row once."""

    def write(connection):
        for number in range(1234):
            write_card(connection, f"{number:04}", "11-02")

    _, rows = exported("cards", kind, write=write)
    assert [row["card"] for row in rows] == [f"{number:04}" for number in range(1234)]


def test_nothing(exported):
    """Where there is nothing, a CSV file has its head alone, and an NDJSON file has nothing."""
    response, rows = exported("cards", "csv", write=lambda _: None)
    assert (rows, response.text.count("\n")) == ([], 1)
    assert exported("cards", "ndjson", write=lambda _: None)[0].content == b""


def test_from_call_to_file(served, store):
    """A card that is shown, and reported on twice over, is one row with the outcome of the report."""
    client, parts = served
    [card] = client.cards(examples.example("calls", "article", TODAY))
    parts.recorder.flush()
    taken = {"id": card["suggestions"][0]["uuid"]}
    report = {"card": card["uuid"], "outcome": "accepted", "acceptedSuggestions": [taken]}
    for _ in range(2):
        sent = {"feedback": [report | {"outcomeTimestamp": "2026-11-22T10:00:00Z"}]}
        assert client.post(sent, f"{ORDER_SELECT}/feedback").status_code == 200
    [row] = rows_of(client.get("/dashboard/export/cards.ndjson"), "ndjson")
    assert (row["card"], row["outcome"], row["accepted_suggestions"]) == (card["uuid"], "accepted", ["replace"])
    assert store.embedded == (store.file is not None)
