"""A card that was dismissed is not shown again to the same user for the same order within the hours of the site."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import func, select, update

from cds_service.clock import Clock
from cds_service.config.settings import Settings
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.store.period import PLAYGROUND, Period
from cds_service.store.statistics import statistics
from cds_service.store.tables import CARDS, DECISIONS, FEEDBACK, ORDER_HASH_KEYS
from cds_service.web.app import create_app
from cds_service.web.services import app_services
from tests.support.authenticated_service import LEAST, authenticated_service
from tests.support.databases import rows
from tests.support.metric_series import rises
from tests.support.notation import call
from tests.support.service import ORDER_SELECT, ORDER_SIGN, TODAY, Client, log_lines, serving
from tests.support.signing import ISSUER

CARD = "cards.lumbosacral-plexus-mri."
HOURS = 8
ON = f"{CARD}dismissal_hours = {HOURS}\n"
HIDDEN = ["dismissed_before"]
INFO, WARNING = ["info:in_reach:none"], ["warning:in_reach:specific"]
PATHS = {"order-select": ORDER_SELECT, "order-sign": ORDER_SIGN}
PROPOSED = f"""
[{CARD}propose.plexus_mri_without_and_with_contrast]
system = "urn:site:orders"
code = "PLEX"
display = "MR plexus"
"""


def asking(order="lumbar MRI", patient="prostate cancer", hook="order-select", **context) -> dict:
    """Return a call for an order; `context` has the id of the patient, or of the order."""
    how = hook if hook == "order-sign" else ""
    text = json.dumps(call({"patient": patient, "order": order, "also drafted": "", "call": how}, TODAY))
    for before, after in context.items():
        text = text.replace(f'"{before}"', f'"{after}"').replace(f'/{before}"', f'/{after}"')
    return json.loads(text)


def signing(**changes) -> dict:
    """Return the call at the signature of the order."""
    return asking(hook="order-sign", **changes)


def half_read() -> dict:
    """Return a call whose Procedures could not be read."""
    body = asking()
    body["prefetch"]["procedures"] = {"resourceType": "OperationOutcome"}
    return body


class Time:
    """The moment that it is, which a test moves."""

    def __init__(self) -> None:
        self.moment = datetime.combine(TODAY, time(12), UTC)
        self.clock = Clock(lambda: self.moment, UTC)

    def passes(self, **time_passed: float) -> None:
        """Let some time pass."""
        self.moment += timedelta(**time_passed)


@dataclass
class Service:
    """A running service, the time that it goes by, and what it logs."""

    client: Client
    services: object
    time: Time
    caplog: pytest.LogCaptureFixture

    def says(self, body=None) -> list[str]:
        """Return the outcomes of a call as the log has them; there is a card for each that is no silence."""
        self.caplog.clear()
        body = body or asking()
        cards = self.client.cards(body, PATHS[body["hook"]])
        reasons = self.lines("call")[-1]["reasons"]
        assert len([reason for reason in reasons if ":" in reason]) == len(cards)
        return reasons

    def shown(self, body=None) -> str:
        """Return the id of the card of a call, which must have one."""
        [card] = self.client.cards(body or asking())
        return card["uuid"]

    def report(self, card: str, outcome: str = "overridden", **changes) -> None:
        """Report the outcome of a card, which happened just now; again, as a client may, where the store was slow."""
        outcome = {"card": card, "outcome": outcome, "outcomeTimestamp": self.time.moment.isoformat(), **changes}
        statuses = (self.client.post({"feedback": [outcome]}, f"{ORDER_SELECT}/feedback").status_code for _ in range(9))
        assert next(status for status in statuses if status != 503) == 200

    def dismissed(self, body=None) -> str:
        """Get a card, dismiss it, and return its id."""
        card = self.shown(body)
        self.report(card)
        return card

    def lines(self, event: str) -> list[dict]:
        """Return the lines of an event."""
        return log_lines(self.caplog, event)


Start = Callable[..., Service]


@pytest.fixture
def url(request, store_url) -> str:
    """Return the address of a store that is empty, in each kind of database."""
    request.getfixturevalue("store")
    return store_url


@pytest.fixture
def start(tmp_path, knowledge, caplog) -> Iterator[Start]:
    """Give a function that starts a service with a site file and a store; all of them go by the same time."""
    caplog.set_level("INFO", "plexus_cds")
    now = Time()

    @contextmanager
    def running(store_url: str, text: str, **settings) -> Iterator[Service]:
        file = tmp_path / "site.toml"
        file.write_text(text, encoding="utf-8")
        settings = {"playground": True} | settings
        app = create_app(Settings(site_file=str(file), store_url=store_url, **settings), knowledge, clock=now.clock)
        services = app_services(app)
        with serving(app) as base, closing((client := Client(base)).session):
            yield Service(client, services, now, caplog)
        services.recorder.close()

    with ExitStack() as services:
        yield lambda url, text=ON, **settings: services.enter_context(running(url, text, **settings))


SAME_CARD = {
    "at the signature": signing(),
    "at another edit": asking("lumbar MRI [priority urgent]"),
    "with another contrast": asking("lumbar MRI (with contrast)"),
    "with a reason that decides nothing": asking('lumbar MRI [for "low back pain"]'),
    "with more on record": asking(patient="prostate cancer; hypertension"),
}


@pytest.mark.parametrize("body", SAME_CARD.values(), ids=SAME_CARD)
def test_the_same_card(body, start, url, store):
    """What was dismissed is not shown again for this order, at either hook, as long as it would say the same."""
    service = start(url)
    service.dismissed()
    assert service.says(body) == HIDDEN
    assert len(rows(store, CARDS)) == 1, "what is not shown is not recorded as shown"


OTHER_CARD = {
    "another order": (asking(o1="o2"), INFO),
    "another order at the signature": (signing(o1="o2"), INFO),
    "another patient": (asking(**{"pt-1": "pt-2"}), INFO),
    "a warning now": (asking("lumbar MRI [for foot drop]"), WARNING),
    "a sign now": (asking("lumbar MRI [for sciatica]"), ["info:in_reach:compatible"]),
    "another history": (asking(patient="breast cancer"), ["info:remote_only:none"]),
    "another proposal": (asking(patient="prostate cancer; pacemaker"), INFO),
    "an incomplete record": (half_read(), INFO),
    "another study": (asking("plexus MRI (without contrast)"), ["warning:in_reach:none"]),
}


@pytest.mark.parametrize(("body", "says"), OTHER_CARD.values(), ids=OTHER_CARD)
def test_another_card(body, says, start, url, store):
    """Another order, or a card that says or proposes something else, is shown, and can be dismissed for itself."""
    service = start(url)
    service.dismissed()
    assert service.says(body) == says
    assert service.says() == HIDDEN, "the dismissal holds all the same"
    [last] = {row.uuid for row in rows_after_flush(service, store)} - {first_card(store)}
    service.report(last)
    assert service.says(body) == HIDDEN


def by(user: object = None, body: dict | None = None) -> dict:
    """Return a call of a user, or of none."""
    body = body or asking()
    context = {name: value for name, value in body["context"].items() if name != "userId"}
    return body | {"context": context if user is None else {"userId": user} | context}


OTHER_USERS = {
    "another clinician": by("Practitioner/another"),
    "another at the signature": by("Practitioner/another", signing()),
    "the same id of another type": by("PractitionerRole/example"),
    "the same id in other letters": by("Practitioner/Example"),
    "no user": by(),
    "no user at the signature": by(None, signing()),
    "an empty user": by(""),
    "no id": by("Practitioner/"),
    "no text": by(7),
}


@pytest.mark.parametrize("body", OTHER_USERS.values(), ids=OTHER_USERS)
def test_another_user(body, start, url):
    """What one clinician dismissed is shown to another, and wherever the call does not say to whom."""
    service = start(url)
    service.dismissed()
    assert (service.says(body), service.says()) == (INFO, HIDDEN)


def test_each_user_dismisses_for_themselves(start, url):
    """Two clinicians dismiss the card of one order, each their own: only then is it silent for both."""
    service = start(url)
    first, second = by("Practitioner/first"), by("Practitioner/second", signing())
    service.dismissed(first)
    [card] = service.client.cards(second, ORDER_SIGN)
    assert (service.says(first), service.says(second)) == (HIDDEN, INFO)
    service.report(card["uuid"])
    assert (service.says(first), service.says(second), service.says()) == (HIDDEN, HIDDEN, INFO)


@pytest.mark.parametrize("user", [None, "", " ", "Practitioner/", 7, ["Practitioner/1"], {}], ids=str)
def test_a_call_without_a_user(user, start, url, monkeypatch):
    """Where a call names no user, its dismissal silences nothing, not even for the next such call."""
    service = start(url)
    asked = look_ups(service, monkeypatch)
    service.dismissed(by(user))
    assert (service.says(by(user)), service.says(), asked) == (INFO, INFO, [1])


@pytest.mark.parametrize(("text", "hashes"), [(ON, 2), ("", 0)], ids=["hides cards", "hides none"])
def test_what_is_stored_of_a_user(text, hashes, start, url, store):
    """The store has no user in the clear: a hash of order and user, where it is needed; one order stays one order."""
    service = start(url, text)
    for user in ("Practitioner/first-of-the-test", "Practitioner/second-of-the-test", None):
        service.shown(by(user))
    cards = rows_after_flush(service, store)
    assert "of-the-test" not in str([*cards, *rows(store, ORDER_HASH_KEYS)])
    users = {card.order_user_hash for card in cards if card.order_user_hash}
    assert [len(user) for user in users] == [64] * hashes
    assert len({card.order_hash for card in cards} - users) == 1
    with store.reading() as connection:
        assert statistics(connection, Period(TODAY, TODAY)).orders.shown == 1


def test_a_card_of_the_version_before(start, url, store):
    """A card that was stored without a user is shown again after its dismissal."""
    service = start(url)
    service.dismissed()
    with store.writing() as connection:
        connection.execute(update(CARDS).values(order_user_hash=None))
    assert service.says() == INFO


def rows_after_flush(service: Service, store: Store) -> list:
    """Return the cards that were shown, once they are written."""
    service.services.recorder.flush()
    return list(rows(store, CARDS))


def first_card(store: Store) -> str:
    """Return the id of the card that was dismissed."""
    [report] = rows(store, FEEDBACK)
    return report.card


TIMES = {
    "at once": (0, HIDDEN),
    "near the end": (7.99, HIDDEN),
    "at the end": (8, INFO),
    "after it": (8.01, INFO),
    "a day later": (24, INFO),
    "weeks later": (400, INFO),
}


@pytest.mark.parametrize(("hours", "says"), TIMES.values(), ids=TIMES)
def test_the_time_passes(hours, says, start, url):
    """The dismissal holds for the hours of the site file, and no longer."""
    service = start(url)
    service.dismissed()
    service.time.passes(hours=hours)
    assert service.says(signing()) == says


@pytest.mark.parametrize(("hours", "says"), [(25, HIDDEN), (47.9, HIDDEN), (48, INFO)], ids=["25", "47.9", "48"])
def test_over_midnight(hours, says, start, url):
    """It holds over midnight, up to two days, though each day's hashes have another key."""
    service = start(url, f"{CARD}dismissal_hours = 48")
    service.dismissed()
    for _ in range(2):
        service.time.passes(hours=hours / 2)
        service.shown(asking(o1="of-that-day"))  # makes the key of the day, and deletes old ones
    service.services.recorder.flush()
    assert service.says(signing()) == says


def test_the_time_is_that_of_the_dismissal(start, url):
    """It counts from the moment of the dismissal, not from the card, or the receipt of the report."""
    service = start(url)
    card = service.shown()
    service.time.passes(hours=5)
    happened = service.time.moment
    service.time.passes(hours=2)
    service.report(card, outcomeTimestamp=happened.isoformat())
    service.time.passes(hours=5.9)
    assert service.says() == HIDDEN
    service.time.passes(hours=0.1)
    assert service.says() == INFO


OUTCOMES = {
    "no report": ([], INFO),
    "accepted": (["accepted"], INFO),
    "dismissed": (["overridden"], HIDDEN),
    "dismissed, then accepted": (["overridden", "accepted"], INFO),
    "accepted, then dismissed": (["accepted", "overridden"], HIDDEN),
}


@pytest.mark.parametrize(("outcomes", "says"), OUTCOMES.values(), ids=OUTCOMES)
def test_the_last_outcome_counts(outcomes, says, start, url):
    """Only a dismissal silences: a card that was accepted, or is not reported, is shown again."""
    service = start(url)
    card = service.shown()
    for outcome in outcomes:
        service.time.passes(minutes=1)
        service.report(card, outcome)
    assert service.says() == says


def test_dismissed_at_the_signature(start, url):
    """What was dismissed at order-sign is silent at order-select, too."""
    service = start(url)
    [card] = service.client.cards(signing(), ORDER_SIGN)
    service.report(card["uuid"])
    assert (service.says(), service.says(asking(o1="o2"))) == (HIDDEN, INFO)


def test_any_of_its_cards_was_dismissed(start, url):
    """Of several cards that one order was shown, the dismissal of any silences; that of an unknown card does not."""
    service = start(url)
    card, _ = service.shown(), service.shown()
    service.report("44dcbf3e-a90e-4503-8bd0-eb24a7bbe9e4")
    assert service.says() == INFO
    service.report(card)
    assert service.says() == HIDDEN


def test_one_of_two_orders(start, url):
    """Of two orders in a call, only the one whose card was dismissed is silent; the other keeps its card."""
    service = start(url)
    both = asking("lumbar MRI + lumbar MRI (with contrast)")
    first, second = service.client.cards(both)
    service.report(second["uuid"])
    assert service.says(both) == [*INFO, *HIDDEN]
    [left] = service.client.cards(both)
    assert left["extension"] == first["extension"]
    service.report(first["uuid"])
    assert service.says(both) == [*HIDDEN, *HIDDEN]


@pytest.mark.parametrize("ids", [(None,), ("",), ("o1", "o1")], ids=["no id", "an empty id", "one id twice"])
def test_an_order_that_cannot_be_recognized(ids, start, url):
    """A draft without an id, or with that of another draft, may be any order: its card is shown each time."""
    body = asking(" + ".join(["lumbar MRI"] * len(ids)))
    body["context"]["selections"] = []
    for entry, own_id in zip(body["context"]["draftOrders"]["entry"], ids, strict=True):
        del entry["resource"]["id"]
        entry["resource"] |= {} if own_id is None else {"id": own_id}
    service = start(url)
    for card in service.client.cards(body):
        service.report(card["uuid"])
    assert service.says(body) == INFO * len(ids)


@pytest.mark.parametrize("fast_path", [True, False])
@pytest.mark.parametrize("dialect", ["standard", "crd", "epic"])
@pytest.mark.parametrize("mapped", ["", PROPOSED], ids=["no codes", "own codes"])
def test_each_way_and_form_of_an_answer(mapped, dialect, fast_path, start, url):
    """With and without Flask, and in each dialect, a card is silenced and another is not."""
    service = start(url, f'dialect = "{dialect}"\n{ON}{mapped}', fast_path=fast_path)
    service.dismissed()
    response = service.client.post(signing(), ORDER_SIGN)
    assert response.json() == {"cards": []} | ({"systemActions": []} if dialect == "crd" else {})
    assert service.says() == HIDDEN
    assert service.says(asking(o1="o2")) == INFO


def test_two_instances(start, url):
    """A dismissal that one instance took silences the same order at the other."""
    first, second = start(url), start(url)
    card = first.shown()
    second.report(card)  # perhaps before the first has written its card
    first.services.recorder.flush()
    assert (first.says(), second.says(signing())) == (HIDDEN, HIDDEN)


def test_another_client(tmp_path, knowledge):
    """The dismissal of one client silences no other, whatever it says of the other's card."""
    other = "https://other.example.org"
    (tmp_path / "site.toml").write_text(ON, encoding="utf-8")
    clients = LEAST, LEAST.replace(ISSUER, other)
    with authenticated_service(tmp_path, knowledge, *clients, site_file=str(tmp_path / "site.toml")) as service:

        def cards(issuer: str) -> list[dict]:
            return service.asked(ORDER_SELECT, asking(), iss=issuer).json()["cards"]

        [card] = cards(ISSUER)
        report = {"feedback": [{"card": card["uuid"], "outcome": "overridden"}]}
        for issuer, expected in ((other, 1), (ISSUER, 0)):
            assert service.asked(f"{ORDER_SELECT}/feedback", report, iss=issuer).status_code == 200
            assert len(cards(ISSUER)) == expected
        assert len(cards(other)) == 1


def look_ups(service: Service, monkeypatch) -> list:
    """Return a list to which each look-up in the store adds an entry."""
    calls: list = []
    look_up = service.services.dismissals.dismissed
    monkeypatch.setattr(service.services.dismissals, "dismissed", lambda *given: calls.append(1) or look_up(*given))
    return calls


@pytest.mark.parametrize("text", ["", f"{CARD}dismissal_hours = 0"], ids=["by default", "0 hours"])
def test_off(text, start, url, monkeypatch):
    """Where the site sets no time, each call gets its card, and the store is not asked."""
    service = start(url, text)
    asked = look_ups(service, monkeypatch)
    service.dismissed()
    assert (service.says(), service.says(signing()), asked) == (INFO, INFO, [])


def test_what_asks_nothing(start, url, monkeypatch):
    """A call without a card does not ask the store, where the site sets a time, too; one with a card does, once."""
    service = start(url)
    asked = look_ups(service, monkeypatch)
    for body, says in (
        (asking(patient=""), ["no_history"]),
        (asking("cervical MRI"), ["nothing_watched"]),
    ):
        assert (service.says(body), asked) == (says, [])
    assert (service.says(), asked) == (INFO, [1])


def test_shadow_mode(start, url, monkeypatch):
    """In shadow mode no card is shown, so none is hidden: the figures of the period have all decisions."""
    service = start(url)
    service.dismissed()
    shadow = start(url, f"{ON}{CARD}shadow.until = {TODAY}")
    asked = look_ups(shadow, monkeypatch)
    shadow.caplog.clear()
    assert shadow.client.cards(asking()) == []
    [line] = shadow.lines("call")
    assert (line["outcome"], line["reasons"], asked) == ("shadow", INFO, [])


def test_trials(start, url, monkeypatch):
    """The playground sees the card each time, and what is dismissed there silences no order."""
    service = start(url)
    mark = {"X-Plexus-CDS-Client": PLAYGROUND}
    service.dismissed()
    asked = look_ups(service, monkeypatch)
    service.client.session.headers.update(mark)
    service.dismissed(asking(o1="o2"))
    assert (service.says(), service.says(asking(o1="o2")), asked) == (INFO, INFO, [])
    del service.client.session.headers[next(iter(mark))]
    assert (service.says(), service.says(asking(o1="o2"))) == (HIDDEN, INFO)


def test_what_is_counted(start, url, store):
    """The silence has a reason of its own in the log, the metrics and the counts of the dashboard."""
    service = start(url)
    service.dismissed()
    names = "calls", "decisions", "orders_with_card", "store_failures"
    assert rises(service.client, lambda: service.says(signing()), *names) == {
        "calls{outcome=silent,service=lumbosacral-plexus-mri-order-sign}": 1,
        "decisions{outcome=silent,reason=dismissed_before,study=lumbar_spine_mri}": 1,
    }
    [line] = service.lines("call")
    assert (line["outcome"], line["counts"]["cards"], line["against"]) == ("silent", 0, [])
    assert "store" in line["phases_ms"]
    service.services.recorder.flush()
    with store.reading() as connection:
        outcome = select(func.sum(DECISIONS.c.count)).where(DECISIONS.c.reason == HIDDEN[0])
        assert connection.scalar(outcome.where(DECISIONS.c.outcome == "silent")) == 1


def test_a_store_that_is_down(start, tmp_path):
    """Without a store the card is shown, at once: it is counted, and logged now and then."""
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    service = start(f"sqlite:///{tmp_path}/file/s.sqlite3")
    failed = rises(service.client, lambda: [service.shown() for _ in range(5)], "store_failures")
    assert failed["store_failures{what=dismissals}"] == 5
    assert len(service.lines("dismissals_unavailable")) < 5
    assert str(tmp_path) not in service.caplog.text


def test_a_store_that_is_back(start, tmp_path):
    """A store that could not be used hides cards as soon as it can."""
    url = f"sqlite:///{tmp_path}/later/store.sqlite3"
    service = start(url)
    card = service.shown()
    [line] = service.lines("dismissals_unavailable")
    assert (line["level"], line["error"], line["suppressed"]) == ("warning", "unable to open database file", 0)
    with closing(Store(url)) as later:
        migrate(later)
    service.report(card)
    assert service.says() == HIDDEN


def test_a_fault_of_ours(start, url, monkeypatch):
    """Whatever goes wrong in the look-up, the card goes out; the fault is logged by its kind alone."""
    service = start(url)
    service.dismissed()
    monkeypatch.setattr(service.services.dismissals, "dismissed", None)
    assert service.says() == INFO
    assert [line["error"] for line in service.lines("fault")] == ["TypeError"]
