"""What is kept of feedback: each report once, in the shapes that occur, and nothing of its free text."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest

from cds_service import examples
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.store.tables import ACCEPTED, CARDS, FEEDBACK
from tests.support.databases import rows, serving_with
from tests.support.service import ORDER_SELECT, ORDER_SIGN, TODAY, log_lines

CARD, SUGGESTION = "44dcbf3e-a90e-4503-8bd0-eb24a7bbe9e4", "31be72f8-8cd2-4bc6-bbde-9cdab1f09b14"
AT = "2026-11-22T08:30:00Z"
DISMISSAL = {"card": CARD, "outcome": "overridden", "outcomeTimestamp": AT}
ACCEPTANCE = DISMISSAL | {"outcome": "accepted", "acceptedSuggestions": [{"id": SUGGESTION}]}
DECLINES = {"code": "patient-declines", "system": "urn:plexus-cds:override-reason", "display": "The patient declines"}
SITE_FILE = '[override_reasons]\n"3" = "mri-not-possible"\n'


@pytest.fixture(scope="module")
def reported_to(store_url, knowledge, tmp_path_factory):
    """Yield a client of a service with a store, and with a site file that maps an override reason."""
    file = tmp_path_factory.mktemp("site") / "site.toml"
    file.write_text(SITE_FILE, encoding="utf-8")
    with serving_with(store_url, knowledge, site_file=str(file)) as (client, _):
        yield client


@pytest.fixture
def service(reported_to, store):
    """Return the client, once the store is empty."""
    assert rows(store, FEEDBACK) == []
    return reported_to


def send(service, *reports, path=ORDER_SELECT):
    """Report and return the status."""
    return service.post({"feedback": list(reports)}, f"{path}/feedback").status_code


def test_a_card_a_report_and_its_rows(service, store):
    """A card is shown, its first suggestion accepted: the report stands beside the card that it is on."""
    [card] = service.cards(examples.example("calls", "article", TODAY))
    taken = card["suggestions"][0]["uuid"]
    report = ACCEPTANCE | {"card": card["uuid"], "acceptedSuggestions": [{"id": taken}]}
    assert send(service, report) == 200
    [row] = rows(store, FEEDBACK)
    assert (row.card, row.outcome, row.reason, row.client) == (card["uuid"], "accepted", None, "")
    assert (row.service, row.comment) == (ORDER_SELECT.rpartition("/")[2], None)
    assert (row.happened_at, row.received_day) == (datetime(2026, 11, 22, 8, 30, tzinfo=UTC), TODAY)
    assert [(row.feedback, row.suggestion) for row in rows(store, ACCEPTED)] == [(row.id, taken)]
    assert [row.uuid for row in rows(store, CARDS)] == [card["uuid"]], "a card just shown is known"


def test_a_report_on_an_unknown_card_is_kept_apart(service, store):
    """A report on a card that was never shown is kept, and there is no card for it."""
    assert send(service, DISMISSAL) == 200
    assert [row.card for row in rows(store, FEEDBACK)] == [CARD]
    assert rows(store, CARDS) == []


SAME = {
    "as it was": {},
    "at the same moment elsewhere": {"outcomeTimestamp": "2026-11-22T09:30:00.000+01:00"},
    "at the same moment without an offset": {"outcomeTimestamp": "2026-11-22T08:30:00"},
    "with its ids in capitals": {"card": CARD.upper(), "acceptedSuggestions": [{"id": f"urn:uuid:{SUGGESTION}"}]},
    "with a suggestion twice": {"acceptedSuggestions": [{"id": SUGGESTION}, {"id": SUGGESTION}]},
    "with members that nobody knows": {"hookInstance": "x", "extension": {"x": 1}},
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_a_report_is_kept_once(change, service, store):
    """A report that comes again, in the same batch or later and on either service, changes nothing."""
    assert send(service, ACCEPTANCE, ACCEPTANCE | change) == 200
    assert send(service, ACCEPTANCE | change, path=ORDER_SIGN) == 200
    assert len(rows(store, FEEDBACK)) == len(rows(store, ACCEPTED)) == 1


def test_reports_without_a_moment_are_kept_once(service, store):
    """A report without a timestamp that comes again is the same; it happened when it came."""
    report = {name: value for name, value in ACCEPTANCE.items() if name != "outcomeTimestamp"}
    assert [send(service, report) for _ in range(2)] == [200, 200]
    [row] = rows(store, FEEDBACK)
    assert row.happened_at == row.received_at


def test_what_has_not_happened_yet_happened_now(service, store):
    """A moment in the future counts as that of receipt, so that it does not beat all that is reported later."""
    assert send(service, ACCEPTANCE | {"outcomeTimestamp": "2999-01-01T00:00:00Z"}) == 200
    [row] = rows(store, FEEDBACK)
    assert row.happened_at == row.received_at


def test_a_misdated_report_in_another_time_zone(postgresql, knowledge):
    """A report of year 1 counts as of its receipt, also where PostgreSQL's time zone would make it a year BC."""
    url = postgresql()
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET timezone TO 'America/New_York'")
    migrate(Store(url))
    misdated = ACCEPTANCE | {"card": str(uuid4()), "outcomeTimestamp": "0001-01-01T00:00:00Z"}
    with serving_with(url, knowledge) as (client, services):
        assert [send(client, ACCEPTANCE, misdated) for _ in range(2)] == [200, 200]
        kept = {row.card: row for row in rows(services.store, FEEDBACK)}
        assert kept[misdated["card"]].happened_at == kept[misdated["card"]].received_at
        assert kept[CARD].happened_at == datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
        services.store.close()


OTHER = {
    "another card": {"card": str(uuid4())},
    "another outcome": {"outcome": "overridden"},
    "another moment": {"outcomeTimestamp": "2026-11-22T08:31:00Z"},
    "another suggestion": {"acceptedSuggestions": [{"id": str(uuid4())}]},
    "no suggestion": {"acceptedSuggestions": []},
    "a reason": {"outcome": "overridden", "overrideReason": {"reason": DECLINES}},
}


def test_other_reports_are_kept_beside_it(service, store):
    """What differs in card, outcome, moment, suggestions or reason is another report."""
    assert send(service, ACCEPTANCE, *(ACCEPTANCE | change for change in OTHER.values())) == 200
    assert len(rows(store, FEEDBACK)) == 1 + len(OTHER)


def test_a_report_from_many_at_once_is_kept_once(service, store):
    """Requests that race with the same reports, in any order, are all answered, and each report is kept once."""
    reports = [ACCEPTANCE | {"card": str(uuid4())} for _ in range(5)]
    batches = [reports, reports[::-1]] * 8
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda batch: send(service, *batch), batches)) == {200}
    assert len(rows(store, FEEDBACK)) == len(rows(store, ACCEPTED)) == len(reports)


EPIC = {"com.example.cdshooks.feedback": {"reasonDisplay": "The patient declines"}}
REASONS = [
    ({"overrideReason": {"reason": DECLINES}}, "patient-declines"),
    ({"overrideReason": {"reason": {"code": "patient-declines"}}}, "patient-declines"),
    ({"overrideReason": {"reason": {"code": "patient-declines", "system": "urn:of-the-site"}}}, "patient-declines"),
    ({"overrideReason": {"reason": {"display": " the patient declines"}}}, "patient-declines"),
    ({"overrideReason": {"reason": "patient-declines"}}, "patient-declines"),
    ({"overrideReason": {"reason": {"code": "3", "display": "canary"}}}, "mri-not-possible"),
    ({"overrideReasons": {"reason": DECLINES}}, "patient-declines"),
    ({"overrideReasons": [{"reason": DECLINES}]}, "patient-declines"),
    ({"overrideReasons": [{"reason": {"code": "canary"}}, {"reason": DECLINES}]}, "patient-declines"),
    ({"overrideReasons": {"extension": EPIC}}, "patient-declines"),
    ({"overrideReasons": {"extension": {"reasonDisplay": "The patient declines"}}}, "patient-declines"),
    ({"overrideReasons": {"extension": {"reasonDisplay": "canary"}}}, "unlisted"),
    ({"overrideReason": {"reason": {"code": "canary", "display": "The patient declines"}}}, "unlisted"),
    ({"overrideReason": {"reason": {"code": 3}}}, "unlisted"),
    ({"overrideReason": {"reason": {"display": "canary"}}}, "unlisted"),
    ({"overrideReason": {"reason": ["canary"]}}, "unlisted"),
    ({"overrideReason": {"userComment": "canary"}}, None),
    ({"overrideReason": {"reason": {}, "extension": "canary"}}, None),
    ({"overrideReason": "canary"}, None),
    ({"overrideReason": None, "overrideReasons": [None]}, None),
    ({}, None),
]


@pytest.mark.parametrize(("members", "reason"), REASONS, ids=lambda value: json.dumps(value)[:60])
def test_a_reason_is_one_of_ours_or_unlisted(members, reason, service, store):
    """A reason is kept where card or site file list it, in whatever shape it comes; a dismissal needs none."""
    assert send(service, DISMISSAL | members) == 200
    assert [(row.outcome, row.reason) for row in rows(store, FEEDBACK)] == [("overridden", reason)]


def test_a_mapping_to_no_reason_of_ours_is_refused(tmp_path, command):
    """The site file may map its codes to the card's own override reasons alone."""
    file = tmp_path / "site.toml"
    file.write_text('[override_reasons]\n"3" = "bored"\n', encoding="utf-8")
    code, _, errors = command("check-config", str(file))
    assert code == 1
    assert "site.toml: override_reasons.3: bored is not known; there are: contrast-not-possible, mri-not" in errors


UNUSABLE = [
    {"card": None},
    {"card": "canary"},
    {"card": {"id": CARD}},
    {"outcome": "ignored"},
    {"outcome": None},
    {"outcome": ["accepted"]},
    {"acceptedSuggestions": [{"id": f"{SUGGESTION[:-2]}{number}"} for number in range(10, 21)]},
]


@pytest.mark.parametrize("change", UNUSABLE, ids=lambda change: json.dumps(change)[:60])
def test_what_cannot_be_used_costs_nothing_else(change, service, store, caplog):
    """A report that does not say what became of which card is counted as unusable; the others of the batch are kept."""
    caplog.set_level("INFO", "plexus_cds")
    assert send(service, ACCEPTANCE | change, DISMISSAL) == 200
    assert [row.outcome for row in rows(store, FEEDBACK)] == ["overridden"]
    assert '"reports":{"overridden":1,"unusable":1}' in caplog.text
    assert "canary" not in caplog.text


HALF = [
    {"acceptedSuggestions": "canary"},
    {"acceptedSuggestions": [None, {"id": None}, {"id": "canary"}, {}]},
    {"acceptedSuggestions": {"id": "canary"}},
    {"acceptedSuggestions": [], "outcomeTimestamp": "yesterday"},
    {"acceptedSuggestions": [], "outcomeTimestamp": 5},
    {"acceptedSuggestions": [], "outcomeTimestamp": "0001-01-01T00:00:00+14:00"},
]


@pytest.mark.parametrize("change", HALF, ids=json.dumps)
def test_what_is_odd_in_a_report_is_left_out(change, service, store):
    """Suggestions that are none of ours and moments that are none are left out; the report is kept."""
    assert send(service, ACCEPTANCE | change) == 200
    assert [row.outcome for row in rows(store, FEEDBACK)] == ["accepted"]
    assert rows(store, ACCEPTED) == []


WHOLE = {
    "a list": {"feedback": [DISMISSAL]},
    "an object in place of the list": {"feedback": DISMISSAL},
    "a report by itself": DISMISSAL,
    "a list with other things in it": {"feedback": [DISMISSAL, None, "canary", 5]},
}


@pytest.mark.parametrize("body", WHOLE.values(), ids=WHOLE)
def test_a_batch_has_any_shape_that_occurs(body, service, store):
    """A report is kept however it is wrapped."""
    assert service.post(body, f"{ORDER_SELECT}/feedback").status_code == 200
    assert [row.card for row in rows(store, FEEDBACK)] == [CARD]


def test_feedback_that_is_none_is_logged_as_such(service, caplog):
    """A body that is no feedback has a line of feedback, not one of a hook call."""
    caplog.set_level("INFO", "plexus_cds")
    assert service.post({"feedback": 5}, f"{ORDER_SELECT}/feedback").status_code == 422
    line = log_lines(caplog)[-1]
    assert (line["event"], line["reason"], line["status"]) == ("feedback", "not_feedback", 422)
    assert "hook" not in line


def test_nothing_of_the_free_text_is_in_the_file(tmp_path, knowledge):
    """Whatever text a report has anywhere, none of it is in the database."""
    texts = dict.fromkeys(("hookInstance", "patient", "comment", "client", "service"), "canary")
    odd = [ACCEPTANCE | change for change in (*UNUSABLE, *HALF)]
    reasons = [DISMISSAL | members | texts for members, _ in REASONS]
    store = Store(url := f"sqlite:///{tmp_path}/store.sqlite3")
    migrate(store)
    with serving_with(url, knowledge) as (service, _):
        assert send(service, *odd, *reasons) == 200
    assert len(rows(store, FEEDBACK)) > 3
    held = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert CARD.encode() in held
    assert b"canary" not in held
