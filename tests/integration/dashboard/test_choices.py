"""What the figures can be narrowed to, and what is left out of them: trials in the playground."""

import re

import pytest

from cds_service import examples
from cds_service.config.settings import Settings
from cds_service.store.tables import CARDS, FEEDBACK
from cds_service.web.app import create_app
from cds_service.web.services import app_services
from tests.integration.dashboard.dashboard_rows import EHR, write_card
from tests.support.authenticated_service import authenticated_service
from tests.support.databases import rows, serving_with
from tests.support.service import CLOCK, ORDER_SELECT, TODAY, Client, serving

ARTICLE = examples.example("calls", "article", TODAY)
MARK = {"X-Plexus-CDS-Client": "playground"}


def called(client, headers):
    """Call the service and report on the card; return the card's id."""
    client.session.headers.update(headers)
    [card] = client.cards(ARTICLE)
    report = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-22T10:00:00Z"}
    assert client.post({"feedback": [report]}, f"{ORDER_SELECT}/feedback").status_code == 200
    for name in headers:
        del client.session.headers[name]
    return card["uuid"]


COUNTED = {"": "one of ours", "unnamed": "one of ours", "playground": "a trial"}


def test_trials_are_counted_apart(store_url, store, knowledge):
    """What the playground marks is in no figure and no file, unless it is chosen; there is a way to choose it."""
    with serving_with(store_url, knowledge) as (client, services):
        names = {called(client, MARK): "a trial", called(client, {}): "one of ours"}
        services.recorder.flush()
        for choice, expected in COUNTED.items():
            page = client.get(f"/dashboard?client={choice}").text
            assert "1 card shown, on 1 order. Of the cards, 0 accepted, 1 overridden" in page
            assert '<option value="">All except playground</option>' in page.replace(" selected", "")
            for what, count in (("cards", 1), ("feedback", 1), ("decisions", 1)):
                response = client.get(f"/dashboard/export/{what}.ndjson?client={choice}")
                assert len(response.text.splitlines()) == count
                assert [names[name] for name in names if name in response.text] == (
                    [expected] if what != "decisions" else []
                )
    assert {row.client for table in (CARDS, FEEDBACK) for row in rows(store, table)} == {"", "playground"}


@pytest.mark.parametrize("choice", ["playground", "unnamed"])
def test_nothing_was_tried_yet(store_url, store, knowledge, choice):
    """What can always be chosen is no fault where the store has none of it."""
    with store.writing() as connection:
        write_card(connection, "theirs", "11-20", client=EHR)
    with serving_with(store_url, knowledge) as (client, _):
        response = client.get(f"/dashboard?client={choice}")
    assert response.status_code == 200
    assert "No decisions in this period" in response.text


def test_no_playground_no_trials(store_url, store, knowledge):
    """Where the playground is not shown, nobody can keep a call out of the figures by marking it."""
    app = create_app(Settings(store_url=store_url), knowledge, clock=CLOCK)
    with serving(app) as base:
        client = Client(base)
        called(client, MARK)
        client.session.close()
    app_services(app).recorder.close()
    assert {row.client for table in (CARDS, FEEDBACK) for row in rows(store, table)} == {""}


def test_a_client_with_a_token_is_no_playground(tmp_path, knowledge):
    """A caller who is known is counted by the issuer of the token, whatever else the call says."""
    with authenticated_service(tmp_path, knowledge, development=True) as asking:
        asking.client.session.headers.update(MARK)
        assert asking.asked(ORDER_SELECT).status_code == 200
        asking.services.recorder.flush()
        assert EHR in {row.client for row in rows(asking.services.store, CARDS)}
        assert "playground" not in {row.client for row in rows(asking.services.store, CARDS)}


@pytest.mark.parametrize(("text", "field"), [("2026-02-30", ""), ("next%20week", ""), ("20261102", "2026-11-02")])
def test_a_field_holds_a_date_or_nothing(store_url, store, knowledge, text, field):
    """A browser warns of a date field that holds anything else: what is no date stands in the message."""
    with serving_with(store_url, knowledge) as (client, _):
        page = client.get(f"/dashboard?from={text}&to={TODAY}").text
    assert re.search(r'name="from" value="(.*?)"', page)[1] == field
    assert ("is not a valid date" in page, store.state()) == (not field, "ready")
