"""One order that is edited counts once, and the store names neither the order nor its patient."""

import json
from contextlib import closing
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from cds_service import examples
from cds_service.store import READY, Store
from cds_service.store.migration import migrate
from cds_service.store.order_hashes import make_key
from cds_service.store.period import Period
from cds_service.store.statistics import Outcomes, statistics
from cds_service.store.tables import CARDS, ORDER_HASH_KEYS
from tests.support.databases import rows, serving_with
from tests.support.metric_series import rises
from tests.support.service import ORDER_SELECT, ORDER_SIGN, TODAY

EDITS = 5


def call(number: int, hook: str = "order-select", order: str = "", patient: str = "") -> dict:
    """Return the call at one edit of an order: hookInstance differs at each."""
    body = examples.example("calls", "article" if hook == "order-select" else "order-sign", TODAY)
    body["hookInstance"] = f"d1577c69-dfbe-44ad-ba6d-3e05e953b2e{number}"
    context = body["context"]
    before, after = context["patientId"], patient or "patient-of-the-test"
    draft = context["draftOrders"]["entry"][0]["resource"]["id"]
    content = json.dumps(body).replace(f'"{before}"', f'"{after}"').replace(f'Patient/{before}"', f'Patient/{after}"')
    return json.loads(content.replace(draft, order or "order-of-the-test"))


def figures(store: Store) -> tuple[int, Outcomes]:
    """Return the cards shown, and the outcomes of the orders with a card."""
    with store.reading() as connection:
        results = statistics(connection, Period(TODAY, TODAY))
    return results.shown, results.orders


def edit(client, *calls) -> list[str]:
    """Send calls and return the id of the card of each."""
    return [client.cards(body, path)[0]["uuid"] for body, path in calls]


def five_edits() -> list[tuple[dict, str]]:
    """Return the calls of one order: four edits, and its signature."""
    edits = [(call(number), ORDER_SELECT) for number in range(EDITS - 1)]
    return [*edits, (call(EDITS, "order-sign"), ORDER_SIGN)]


def test_one_order_edited_five_times(store, store_url, knowledge):
    """Five edits of one order are five cards and one order, which is accepted where any of its cards is."""
    with serving_with(store_url, knowledge) as (client, parts):

        def work() -> None:
            *_, last = edit(client, *five_edits())
            accepted = {"card": last, "outcome": "accepted", "outcomeTimestamp": "2026-11-22T08:30:00Z"}
            client.post({"feedback": [accepted]}, f"{ORDER_SIGN}/feedback")
            parts.recorder.flush()

        assert rises(client, work, "orders_with_card") == {"orders_with_card{}": 1}
    assert figures(store) == (5, Outcomes(accepted=1))


@pytest.mark.parametrize("other", [{"order": "another-order"}, {"patient": "another-patient"}], ids=str)
def test_another_order(other, store, store_url, knowledge):
    """Another order, or another patient's order with the same id, is one more."""
    with serving_with(store_url, knowledge) as (client, parts):
        edit(client, (call(1), ORDER_SELECT), (call(2, **other), ORDER_SELECT))
        parts.recorder.flush()
    assert figures(store) == (2, Outcomes(unreported=2))


def test_nothing_is_in_the_clear(store, store_url, knowledge):
    """Neither the order nor the patient can be read from a card; the hash is of a key that the day has for itself."""
    with serving_with(store_url, knowledge) as (client, parts):
        edit(client, *five_edits())
        parts.recorder.flush()
    kept = str([*rows(store, CARDS), *rows(store, ORDER_HASH_KEYS)])
    assert "of-the-test" not in kept
    assert {len(row.order_hash) for row in rows(store, CARDS)} == {64}
    assert [row.day for row in rows(store, ORDER_HASH_KEYS)] == [TODAY]


def test_keys_are_deleted(store):
    """A key lives two days: the first card of a later day deletes it, and each day has another."""
    days = [TODAY + timedelta(days=number) for number in range(5)]
    with store.writing() as connection:
        keys = [make_key(connection, day) for day in days for _ in range(2)]
    assert len(set(keys)) == len(days)
    assert [row.day for row in rows(store, ORDER_HASH_KEYS)] == days[2:]


def test_cards_from_before(empty_url, empty_store):
    """Cards that the version before kept stay, each as an order of its own; that version can still write."""
    insert = text(
        "INSERT INTO cards (uuid, service, shown_at, day, client, knowledge, study, indicator, history, presentation, "
        "incomplete) VALUES (:uuid, 's', '2026-11-22 08:00:00', '2026-11-22', '', '1', 'x', 'info', 'x', 'x', false)"
    )
    migrate(empty_store, "0004")
    with empty_store.writing() as connection:
        connection.execute(insert, [{"uuid": "first"}, {"uuid": "second"}])
    assert empty_store.state() != READY
    migrate(empty_store)
    assert empty_store.state() == READY
    with empty_store.writing() as connection:
        connection.execute(insert, {"uuid": "third"})
    with closing(Store(empty_url)) as store, store.reading() as connection:
        day = date(2026, 11, 22)
        assert statistics(connection, Period(day, day)).orders == Outcomes(unreported=3)
