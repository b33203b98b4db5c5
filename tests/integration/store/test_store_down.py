"""A store that cannot be written never stands in the way of a card, and feedback is not acknowledged then."""

import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from itertools import islice
from threading import Event

from cds_service import examples
from cds_service.store import READY, UNREACHABLE, Recorder, Store
from cds_service.store.migration import migrate
from cds_service.store.records import DecisionKind, ShownCard
from cds_service.store.tables import CARDS, DECISIONS, FEEDBACK
from tests.support.databases import rows, running_postgresql, serving_with
from tests.support.metric_series import series
from tests.support.service import CLOCK, ORDER_SELECT, TODAY

ARTICLE = examples.example("calls", "article", TODAY)
REPORT = {
    "card": "44dcbf3e-a90e-4503-8bd0-eb24a7bbe9e4",
    "outcome": "accepted",
    "outcomeTimestamp": "2026-11-22T08:30Z",
}
MANY = 20
KIND = DecisionKind(TODAY, "service", "", "0", "study", "silent", "reason", incomplete=False)


def report(client):
    """Send feedback and return the response."""
    return client.post({"feedback": [REPORT]}, f"{ORDER_SELECT}/feedback")


def shown(number, **changes):
    """Return a card that was shown."""
    texts = dict.fromkeys(("service", "client", "knowledge", "study", "indicator", "history", "presentation"), "x")
    moment = {"shown_at": CLOCK.now(), "day": TODAY}
    return ShownCard(
        **(
            texts
            | moment
            | {"uuid": f"card-{number}", "incomplete": False, "patient": None, "suggestions": ()}
            | changes
        )
    )


def test_a_card_is_answered_and_feedback_is_not(tmp_path, knowledge, caplog):
    """Without a store a call gets its card; feedback gets a 503 that says when to come again, and both are logged."""
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with serving_with(f"sqlite:///{tmp_path}/file/s.sqlite3", knowledge) as (client, parts):
        assert len(client.cards(ARTICLE)) == 1
        response = report(client)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
        issue = response.json()["issue"][0]
        assert (response.json()["resourceType"], issue["code"]) == ("OperationOutcome", "transient")
        assert parts.recorder.failures > 0
        assert parts.recorder.lost == 0
    assert '"reason":"store","error":"unable to open database file"' in caplog.text
    assert '"event":"store_write_failed"' in caplog.text
    assert str(tmp_path) not in response.text


def test_a_store_that_hangs_holds_no_hook_call(tmp_path, knowledge):
    """Another process holds SQLite's lock: feedback beyond half of the threads is refused at once, cards go out."""
    store = Store(f"sqlite:///{tmp_path}/store.sqlite3")
    migrate(store)
    with serving_with(f"sqlite:///{tmp_path}/store.sqlite3", knowledge, threads=8) as (client, parts):
        before = series(client)
        with closing(sqlite3.connect(store.file)) as other, ThreadPoolExecutor(MANY) as pool:
            other.execute("BEGIN IMMEDIATE")
            client.cards(ARTICLE)
            sent = [pool.submit(report, client) for _ in range(MANY)]
            answered = [future.result().status_code for future in islice(as_completed(sent), MANY - 4)]
            assert client.cards(ARTICLE)
            assert {*answered, *(future.result().status_code for future in sent)} == {503}
            other.rollback()
        parts.recorder.flush()
        after = series(client)
        assert after["circuit_opened{circuit=feedback}"] > before["circuit_opened{circuit=feedback}"]
        assert after["circuit_opened{circuit=replay}"] == before["circuit_opened{circuit=replay}"]
        while report(client).status_code == 503:  # until those who were refused may come again
            time.sleep(0.1)
    assert (len(rows(store, FEEDBACK)), len(rows(store, CARDS))) == (1, 2)
    store.close()


def test_what_was_shown_meanwhile_is_kept_for_later(knowledge):
    """PostgreSQL stops: cards go out, feedback is refused; once it runs again, all of it is written."""
    with running_postgresql() as server:
        store = Store(server.get_uri())
        migrate(store)
        with serving_with(server.get_uri(), knowledge) as (client, parts):
            client.cards(ARTICLE)
            assert (report(client).status_code, store.state()) == (200, READY)
            server.stop()
            client.cards(ARTICLE)
            assert (report(client).status_code, store.state()) == (503, UNREACHABLE)
            server.start()
            assert report(client).status_code == 200
            assert (len(rows(store, CARDS)), len(rows(store, FEEDBACK))) == (2, 1)
            [counted] = rows(store, DECISIONS)
            assert (counted.count, parts.recorder.lost) == (2, 0)
        store.close()


def test_a_store_without_tables_refuses_feedback(empty_url, empty_store, knowledge):
    """A database that is not migrated is as good as none, until it is."""
    with serving_with(empty_url, knowledge) as (client, _):
        client.cards(ARTICLE)
        assert report(client).status_code == 503
        migrate(empty_store)
        assert report(client).status_code == 200
    assert len(rows(empty_store, CARDS)) == 1


def test_what_cannot_be_written_is_bounded(tmp_path):
    """Of cards that cannot be written, the newest are kept up to a bound; the others are counted as lost."""
    url = f"sqlite:///{tmp_path}/later/store.sqlite3"
    store = Store(url)
    recorder = Recorder(store, bound=5)
    for number in range(12):
        recorder.record([shown(number)], [KIND])
        assert not recorder.flush()
    assert recorder.lost == 7
    migrate(store)
    assert recorder.flush()
    assert [row.uuid for row in rows(store, CARDS)] == [f"card-{number}" for number in range(7, 12)]
    assert [row.count for row in rows(store, DECISIONS)] == [12]
    recorder.close()


def test_a_row_that_is_refused_does_not_block_the_others(store):
    """What the database will never take is given up and counted; what comes after it is written."""
    recorder = Recorder(store)
    recorder.record([shown(1, service=None)], [])
    assert recorder.flush()
    assert (recorder.lost, recorder.failures) == (1, 1)
    recorder.record([shown(2)], [])
    assert recorder.flush()
    assert [row.uuid for row in rows(store, CARDS)] == ["card-2"]
    recorder.close()


def test_a_row_that_is_refused_costs_no_other(store):
    """Of what is written together, a row that the database will never take is lost alone."""
    recorder = Recorder(store)
    recorder.record([shown(1), shown(2, service=None), shown(3)], [KIND, KIND])
    assert recorder.flush()
    assert recorder.lost == 1
    assert sorted(row.uuid for row in rows(store, CARDS)) == ["card-1", "card-3"]
    assert [row.count for row in rows(store, DECISIONS)] == [2]
    recorder.close()


def test_a_fault_of_ours_in_writing_costs_one_row(store):
    """What our own code cannot write is given up and counted, and costs nothing beside it."""
    recorder = Recorder(store)
    recorder.record([shown(1)], [])
    recorder.record([shown(2)], [object()])
    assert recorder.flush()
    assert (recorder.lost, recorder.last_error) == (1, "AttributeError")
    assert sorted(row.uuid for row in rows(store, CARDS)) == ["card-1", "card-2"]
    recorder.close()


def test_cards_that_keep_coming_hold_no_flush_up(store):
    """A flush writes what was recorded before it, and ends while further cards come: feedback waits for it."""
    recorder, flushed = Recorder(store, bound=50), Event()

    def record_cards():
        for number in range(1_000_000):
            recorder.record([shown(f"later-{number}")], [])
            if flushed.is_set():
                return

    recorder.record([shown(1)], [KIND])
    with ThreadPoolExecutor(1) as pool:
        recording = pool.submit(record_cards)
        has_written = recorder.flush()
        is_recording = not recording.done()
        flushed.set()
    assert (has_written, is_recording) == (True, True)
    assert [row.count for row in rows(store, DECISIONS)] == [1]
    recorder.close()


def test_a_fault_of_ours_keeps_no_card_back(store, store_url, knowledge, caplog, monkeypatch):
    """Whatever goes wrong in keeping a card, the card goes out; the fault is logged by its kind alone."""
    with serving_with(store_url, knowledge) as (client, parts):
        monkeypatch.setattr(parts.recorder, "record", None)
        assert len(client.cards(ARTICLE)) == 1
    assert re.search(
        r'"event":"fault","error":"TypeError","location":"cds_service\.web\.recording:\d+"}$', caplog.text, re.MULTILINE
    )
    assert rows(store, CARDS) == []


def test_no_file_descriptors_lose_nothing(tmp_path, caplog, monkeypatch):
    """Whatever the machine refuses (EMFILE, EIO) is logged in one line, and what was recorded is written later."""
    store = Store(f"sqlite:///{tmp_path}/store.sqlite3")
    migrate(store)
    recorder = Recorder(store)

    def refuse(*_):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("cds_service.store.recorder._writer", lambda: refuse)  # the database's files cannot be opened
        recorder.record([shown(1), shown(2)], [KIND])
        assert not recorder.flush()
        patch.setattr("cds_service.store.recorder._writer", refuse)  # nor can modules
        assert not recorder.flush()
    assert caplog.text.count('"event":"store_write_failed"') == 1
    assert recorder.flush()
    assert (recorder.lost, len(rows(store, CARDS)), len(rows(store, DECISIONS))) == (0, 2, 1)
    recorder.close()
