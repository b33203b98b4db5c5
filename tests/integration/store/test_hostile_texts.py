"""Texts that a database does not take as they are: they are stored as far as they can be, and cost nothing beside."""

import json
from uuid import uuid4

import pytest
from sqlalchemy import text

from cds_service import examples
from cds_service.store import Recorder
from cds_service.store.records import DecisionKind, ShownCard, ShownSuggestion, Unrecognized
from cds_service.store.tables import CARDS, DECISIONS, FEEDBACK, METADATA, SUGGESTIONS, UNRECOGNIZED
from tests.support.databases import rows, serving_with
from tests.support.metric_series import rises
from tests.support.service import CLOCK, ORDER_SELECT, TODAY

AT = "2026-11-22T08:30:00Z"
STORED = {
    "a\ud800b": "a\ufffdb",
    "\udfff": "\ufffd",
    "a\0b": "ab",
    "a\x01\x1b\x7f\x9fb": "ab",
    "line\r\nline\ttab": "line\r\nline\ttab",
    "\N{PERSEVERING FACE}\ufffe\u202e": "\N{PERSEVERING FACE}\ufffe\u202e",
    "\ud83d\ude23": "\N{PERSEVERING FACE}",
    "x" * 9000: "x" * 4000,
    "\0": "",
}
HOSTILE = "\ud800\0\x1f" + "x" * 9000
REFUSING = {
    "sqlite": """CREATE TRIGGER refusing BEFORE INSERT ON feedback WHEN NEW.comment = 'refused'
        BEGIN SELECT RAISE(ABORT, 'refused'); END""",
    "postgresql": "ALTER TABLE feedback ADD CONSTRAINT refusing CHECK (comment <> 'refused')",
}
ACCEPTING = {
    "sqlite": "DROP TRIGGER refusing",
    "postgresql": "ALTER TABLE feedback DROP CONSTRAINT refusing",
}


def dismissal(words: str) -> dict:
    """Return a report on a card of its own, with a comment."""
    override = {"userComment": words}
    return {"card": str(uuid4()), "outcome": "overridden", "outcomeTimestamp": AT, "overrideReason": override}


def send(client, batch):
    """Send reports in one body, escaped as JSON has it, and return the response."""
    return client.post(json.dumps({"feedback": batch}).encode(), f"{ORDER_SELECT}/feedback")


def test_comments(store, store_url, knowledge):
    """Each comment is stored as far as the database can, and no comment costs another report of its batch."""
    batch = {words: dismissal(words) for words in STORED}
    with serving_with(store_url, knowledge, store_comments=True) as (client, _):
        assert send(client, list(batch.values())).status_code == 200
    comments = {row.card: row.comment for row in rows(store, FEEDBACK)}
    assert comments == {batch[words]["card"]: stored for words, stored in STORED.items()}


def test_every_member_of_a_report(store, store_url, knowledge):
    """A hostile text in any member of a report is no fault; reports with a card and an outcome are stored."""
    reports = [dismissal("kept") | {name: HOSTILE} for name in ("outcomeTimestamp", "hookInstance", HOSTILE)]
    reports += [dismissal("kept") | {"overrideReason": {"reason": reason}} for reason in hostile_codings()]
    reports += [dismissal("kept") | {"outcome": "accepted", "acceptedSuggestions": [{"id": HOSTILE}]}]
    unusable = [dismissal("lost") | {name: HOSTILE} for name in ("card", "outcome")]
    with serving_with(store_url, knowledge, store_comments=True) as (client, _):
        assert send(client, reports + unusable).status_code == 200
    assert sorted(row.card for row in rows(store, FEEDBACK)) == sorted(report["card"] for report in reports)


def hostile_codings():
    """Yield reasons with a hostile text, by code, display or system."""
    yield HOSTILE
    yield from ({name: HOSTILE} for name in ("code", "display", "system"))


def test_every_text_column(store):
    """A hostile text in any column of what is recorded costs no row."""
    texts = dict.fromkeys(("service", "client", "knowledge", "study", "indicator", "history", "presentation"), HOSTILE)
    suggestion = ShownSuggestion("suggestion", HOSTILE, recommended=True)
    common = {"shown_at": CLOCK.now(), "day": TODAY, "incomplete": False, "patient": HOSTILE}
    recorder = Recorder(store)
    kind = DecisionKind(TODAY, *[HOSTILE] * 6, incomplete=False)
    recorder.record(
        [ShownCard(uuid="card", **texts, **common, suggestions=(suggestion,))],
        {kind: 1, Unrecognized(TODAY, *[HOSTILE] * 4): 1},
    )
    assert recorder.flush()
    assert (recorder.lost, recorder.failures) == (0, 0)
    assert [len(rows(store, table)) for table in (CARDS, SUGGESTIONS, DECISIONS, UNRECOGNIZED)] == [1, 1, 1, 1]
    recorder.close()


def test_a_report_that_the_database_refuses_costs_no_other(store, store_url, knowledge, caplog):
    """All other reports are stored, and the answer is a 503 that counts for the alert, until the refused one is too."""
    batch = [dismissal("refused" if number == 25 else "kept") for number in range(60)]
    dialect = store_url.partition(":")[0]
    with serving_with(store_url, knowledge, store_comments=True) as (client, _):
        execute(store, REFUSING[dialect])
        try:
            counted = rises(client, lambda: send(client, batch), "feedback", "store_failures")
            assert sorted(row.card for row in rows(store, FEEDBACK)) == sorted(
                report["card"] for report in batch if report != batch[25]
            )
        finally:
            execute(store, ACCEPTING[dialect])
        assert send(client, batch).status_code == 200, "the circuit is closed, as the database responded"
    assert len(rows(store, FEEDBACK)) == len(batch)
    assert counted == {
        "feedback{outcome=overridden}": 59,
        "feedback{outcome=refused}": 1,
        "store_failures{what=feedback}": 1,
    }
    assert '"reason":"store","error":"IntegrityError"' in caplog.text


def execute(store, statement):
    """Run a statement of the test's own."""
    with store.writing() as connection:
        connection.execute(text(statement))


def test_a_fault_of_ours_in_feedback_counts_for_the_alert(store, store_url, knowledge, monkeypatch):
    """An unforeseen fault of feedback answers 500, and counts as feedback that was not stored."""
    with serving_with(store_url, knowledge) as (client, parts):
        monkeypatch.setattr(parts.recorder, "flush", None)
        counted = rises(client, lambda: send(client, [dismissal("x")]), "feedback", "store_failures")
    assert counted == {"feedback{outcome=refused}": 1, "store_failures{what=feedback}": 1}
    assert rows(store, FEEDBACK) == []


@pytest.mark.parametrize("fast_path", [True, False])
@pytest.mark.parametrize("bad", ["\ud800", "\0", "x" * 9000])
def test_every_text_of_a_call(fast_path, bad, store, store_url, knowledge, caplog):
    """A call with such a sign in any of its texts is no fault on either way, and its answer is JSON in UTF-8."""
    call = examples.example("calls", "article", TODAY)
    shown = 0
    settings = {"fast_path": fast_path, "patient_key": "key " * 10}
    with serving_with(store_url, knowledge, **settings) as (client, parts):
        for changed in with_each_text_changed(call, bad):
            response = client.post(json.dumps(changed).encode())
            assert response.status_code < 500, response.text
            shown += len(json.loads(response.content.decode("utf-8")).get("cards", []))
        assert parts.recorder.flush()
        assert parts.recorder.lost == 0
    assert '"event":"fault"' not in caplog.text
    assert len(rows(store, CARDS)) == shown > 0


def with_each_text_changed(body, bad):
    """Yield a body once for each of its texts, with something bad appended to it and to all that equal it."""
    for text_of_body in sorted(set(texts_in(body))):
        yield replaced(body, text_of_body, text_of_body + bad)


def texts_in(value):
    """Yield the texts of a JSON value, without the names of its members."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_in(inner)


def replaced(value, old, new):
    """Return a JSON value with one text in place of another."""
    if isinstance(value, dict):
        return {name: replaced(inner, old, new) for name, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, old, new) for inner in value]
    return new if value == old else value


def test_no_column_takes_texts_unchecked():
    """Every text column has the type that makes its values storable."""
    types = {type(column.type).__name__ for table in METADATA.sorted_tables for column in table.columns}
    assert types == {"StorableText", "UtcDateTime", "Date", "Boolean", "Integer"}
