"""The page of the dashboard, and whom it is shown."""

import re
from html import unescape

import pytest

from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.integration.dashboard.dashboard_rows import (
    EHR,
    FIRST,
    LAST,
    SELECT,
    SIGN,
    SPINE,
    fill,
    write_card,
    write_decisions,
)
from tests.support.databases import serving_with
from tests.support.html_page import Page
from tests.support.service import TODAY, Client, serving

PERIOD = f"?from={FIRST}&to={LAST}"
ADDRESSES = ("/dashboard", "/dashboard/export/cards.csv", "/dashboard/export/decisions.ndjson")


@pytest.fixture(scope="module")
def client(store_url, knowledge):
    """Yield a client of a service with the store."""
    with serving_with(store_url, knowledge) as (client, _):
        yield client


@pytest.fixture
def filled(client, store):
    """Return the client, once the store has the rows of two weeks."""
    with store.writing() as connection:
        fill(connection)
    return client


@pytest.fixture
def shown(filled):
    """Return the page of the two weeks."""
    return Page(filled.get(f"/dashboard{PERIOD}").text)


TABLES = {
    "Cards by week": [
        ["2026-W45, Nov 2 to Nov 8", "3", "2", "1", "0", "2 of 3 (n < 20)"],
        ["2026-W46, Nov 9 to Nov 15", "4", "2", "1", "1", "2 of 4 (n < 20)"],
    ],
    "Accepted suggestions": [
        ["Add the proposed study, keep the ordered study", "2 of 4 (n < 20)"],
        ["If MRI is contraindicated: the alternative", "1 of 4 (n < 20)"],
        ["Order the proposed study instead", "1 of 4 (n < 20)"],
        ["Suggestion not reported", "1 of 4 (n < 20)"],
    ],
    "Card rate by order": [
        ["Lumbar-spine MRI", "3", "0", "12", "0", "3 of 15 (n < 20)"],
        ["Plexus MRI without contrast", "0", "0", "0", "0", "none"],
        ["PET/CT", "4", "6", "0", "0", "10 of 10 (n < 20)"],
        ["CT of the abdomen and pelvis", "0", "0", "0", "0", "none"],
    ],
    "Override reasons": [
        ["No reason given", "1 of 2 (n < 20)"],
        ["The spine itself is the question", "1 of 2 (n < 20)"],
    ],
    "Reasons for no card on monitored orders": [
        ["No malignancy and no radiotherapy that counts is on record.", "12 of 12 (n < 20)"],
    ],
    "Incomplete records by week": [
        ["2026-W45, Nov 2 to Nov 8", "3 of 16 (n < 20)"],
        ["2026-W46, Nov 9 to Nov 15", "6 of 10 (n < 20)"],
    ],
    "By rule version": [
        ["1", "2026-11-01", "116", "3", "2", "1", "0", "2 of 3 (n < 20)"],
        ["2", "2026-11-09", "17", "4", "2", "1", "1", "2 of 4 (n < 20)"],
    ],
}


@pytest.mark.parametrize("heading", TABLES)
def test_tables(shown, heading):
    """Each figure stands as a table, in our own words, with numerators and denominators; it needs no JavaScript."""
    assert shown.tables[heading].rows[1:] == TABLES[heading]


FIGURES = {
    "cards": "7 cards shown, on 7 orders. Of the cards, 4 accepted, 2 overridden, 1 without feedback so far.",
    "firing": "13 of 25 (52%) decisions on monitored orders led to a card.",
    "silences": "12 decisions on monitored orders without a card. Not charted, because no monitored order was "
    "selected: 100 (“No selected order is one that this card monitors.”), 7 (“The site has switched this card off.”)",
    "records": "The record was incomplete or missing for 9 of 26 (35%) decisions that needed it.",
    "versions": "2 rule versions in use in this period.",
}


@pytest.mark.parametrize("name", FIGURES)
def test_summaries(shown, name):
    """Each figure is stated in words, too."""
    assert FIGURES[name] in shown.sections[name]


def test_tiles(filled):
    """The numbers at the top say what they count, and of how many."""
    text = filled.get(f"/dashboard{PERIOD}").text
    tiles = re.findall(r'<li class="tile"><span>(.+?)</span><b>(.+?)</b><span class="faint">(.+?)</span>', text)
    assert tiles == [
        ("Decisions", "133", "25 on monitored orders"),
        ("Orders with a card", "7", "each once a day, edits included"),
        ("Acceptance rate", "4 of 7", "orders with a card; n &lt; 20"),
        ("Override rate", "2 of 7", "orders with a card; n &lt; 20"),
        ("No feedback", "1 of 7", "orders with a card; n &lt; 20"),
        ("Cards shown", "7", "one for each edit of an order"),
        ("Incomplete record", "35%", "9 of 26 decisions that needed the record"),
        ("Unmatched feedback", "2", "for cards that are not in the store"),
        ("In shadow mode", "6", "of 13 cards, not shown"),
    ]


def test_tiles_of_a_version(filled):
    """Reports on unknown cards tell no version, so no number of them stands beside those of one version."""
    text = filled.get(f"/dashboard{PERIOD}&knowledge=2").text
    assert ("<b>4</b>" in text, "Unmatched feedback" in text) == (True, False)


def test_columns(filled):
    """The columns have the numbers of the table, each in its color, and the new rule version at its day."""
    text = filled.get(f"/dashboard{PERIOD}").text
    plots = re.findall(r'<div class="plot (\w+)">(<svg.+?</svg>)', text)
    assert [width for width, _ in plots] == ["narrow", "medium", "wide"] * 2, "of cards, and of incomplete records"
    for _, svg in plots[:3]:
        assert re.findall(r"<title>(.+?)</title>", svg) == [
            "2026-W45, Nov 2 to Nov 8: Accepted 2, Overridden 1, No feedback 0",
            "2026-W46, Nov 9 to Nov 15: Accepted 2, Overridden 1, No feedback 1",
        ]
        heights = [float(height) for height in re.findall(r'height="([\d.]+)" class="(?:accepted|overridden)"', svg)]
        assert heights[::2] == [pytest.approx(2 * height, abs=0.2) for height in heights[1::2]]
        assert svg.count('class="unreported"') == 1
        assert (svg.count('class="mark"'), svg.count("new rule version")) == (1, 1)
    assert re.findall(r"<title>(.+?)</title>", plots[3][1]) == [
        "2026-W45, Nov 2 to Nov 8: Incomplete: n &lt; 20 18.8%",
        "2026-W46, Nov 9 to Nov 15: Incomplete: n &lt; 20 60.0%",
    ]


def test_bars(filled):
    """The bars have the shares of the table, and those of too few are gray."""
    text = filled.get(f"/dashboard{PERIOD}").text
    firing = re.search(r'id="firing".+?</section>', text, re.DOTALL)[0]
    assert re.findall(r'<rect x="([\d.]+)" width="([\d.]+)" height="1" class="(\w+)">', firing) == [
        ("0.0", "20.0", "few"),
        ("0.0", "100.0", "few"),
    ]
    assert firing.count('class="track"') == 4
    versions = re.search(r'id="versions".+?</section>', text, re.DOTALL)[0]
    assert re.findall(r'width="([\d.]+)" height="1" class="(\w+)">', versions) == [
        ("50.0", "accepted"),
        ("25.0", "overridden"),
        ("50.0", "accepted"),
        ("25.0", "overridden"),
        ("25.0", "unreported"),
    ]


def test_by_service_and_client(shown):
    """Where several services or clients called, each has its numbers."""
    assert shown.tables["By service"].rows[1:] == [
        [SELECT, "129", "6", "4", "2", "0", "4 of 6 (n < 20)"],
        [SIGN, "4", "1", "0", "0", "1", "0 of 1 (n < 20)"],
    ]
    assert [row[:3] for row in shown.tables["By client"].rows[1:]] == [["Unnamed", "129", "6"], [EHR, "4", "1"]]


def test_no_table_by_one_service(client, store):
    """Where one service and one client called, no table says so."""
    with store.writing() as connection:
        write_decisions(connection, [("11-20", SELECT, "", "1", SPINE, "silent", "no_history", False, 30)])
    tables = Page(client.get("/dashboard").text).tables
    assert ("By service" in tables, "By client" in tables) == (False, False)


def test_the_period_before(filled):
    """Each number stands beside that of as many days before; where nothing is stored of them, that is said."""
    text = filled.get("/dashboard?from=2026-11-09&to=2026-11-15").text
    before = dict(
        re.findall(r'<li class="tile"><span>(.+?)</span>.+?(?:<span class="before">(.+?)</span>)?</li>', text)
    )
    assert before == {
        "Decisions": "before: 116",
        "Orders with a card": "before: 3",
        "Acceptance rate": "before: 2 of 3 (n &lt; 20)",
        "Override rate": "before: 1 of 3 (n &lt; 20)",
        "No feedback": "before: 0 of 3 (n &lt; 20)",
        "Cards shown": "before: 3",
        "Incomplete record": "before: 3 of 16 (n &lt; 20)",
        "Unmatched feedback": "",
        "In shadow mode": "",
    }
    assert "7 days before this one, 2026-11-02 to 2026-11-08" in text
    assert "No data for the 7 days before" in filled.get("/dashboard?from=2026-10-28&to=2026-11-03").text


def test_the_last_twelve_weeks(client, store):
    """Without a period the page is about the last twelve weeks, the present one among them."""
    text = client.get("/dashboard").text
    assert 'name="from" value="2026-08-31"' in text
    assert f'name="to" value="{TODAY}"' in text
    assert store.state() == "ready"


WRONG = {
    "from=2026-11-15&to=2026-11-02": ("from", "Start date must be on or before the end date."),
    "from=2026-02-30&to=2026-11-02": (
        "from",
        "“2026-02-30” is not a valid date; use YYYY-MM-DD, for example 2026-11-22.",
    ),
    "from=2026-11-02&to=": ("to", "Enter a date; use YYYY-MM-DD, for example 2026-11-22."),
    "from=1900-01-01&to=2026-11-02": ("from", "The period is longer than 10 years"),
    "from=0001-01-01&to=9999-12-31": ("from", "The period is longer than 10 years"),
    "client=nobody": ("client", "Unknown client: choose one from the list."),
    "knowledge=%3Cscript%3Ealert(1)%3C/script%3E": ("knowledge", "Unknown rule version: choose one from the list."),
}


@pytest.mark.parametrize("query", WRONG)
@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/export/cards.csv"])
def test_wrong_period(client, store, path, query):
    """What is wrong with a period is said beside its field, in words; nothing of the query runs in the page."""
    response = client.get(f"{path}?{query}")
    field, fault = WRONG[query]
    assert response.status_code == 400
    assert re.search(rf'id="{field}-fault">(.+?)</p>', response.text)[1].startswith(fault)
    assert f'aria-describedby="{field}-fault"' in response.text
    assert "<script>" not in response.text
    assert store.state() == "ready"


def test_hostile_names(client, store):
    """A client's name is shown as text, wherever it stands."""
    hostile = "</script><script>alert(1)</script>"
    with store.writing() as connection:
        for name, text in (("a", hostile), ("b", "b")):
            write_card(connection, name, "11-20", client=text, knowledge=text, study=text)
        write_decisions(connection, [("11-20", SELECT, hostile, hostile, hostile, "silent", hostile, False, 30)])
    text = client.get("/dashboard").text
    assert "<script>alert" not in text
    assert unescape(text).count(hostile) == 12, (
        "two choices and their values; an order, a reason, a client and a version, each in a table and at a bar"
    )


def test_nothing_yet(client, store):
    """An empty store says what to do, and nothing is drawn."""
    text = client.get("/dashboard").text
    assert "No decisions in this period" in text
    assert '<a href="/">get a card in the playground</a>' in text
    assert ("<svg" in text.partition("<main")[2], store.state()) == (False, "ready")


def test_no_card_yet(client, store):
    """Where calls came and no card was shown, that is said, and the silences are shown."""
    with store.writing() as connection:
        write_decisions(connection, [("11-20", SELECT, "", "1", SPINE, "silent", "no_history", False, 30)])
    text = client.get("/dashboard").text
    assert "No card was shown in this period." in text
    assert Page(text).tables["Reasons for no card on monitored orders"].rows[1][1] == "30 of 30 (100%)"


@pytest.mark.parametrize("path", ADDRESSES)
def test_store_gone(knowledge, tmp_path, path):
    """Where the store cannot be reached the page says so in plain words, and files do, too."""
    with serving_with(f"sqlite:///{tmp_path}/nothing.sqlite3", knowledge) as (client, _):
        response = client.get(path)
    assert response.status_code == 503
    assert "Statistics are unavailable: the database does not respond." in response.text
    assert "Traceback" not in response.text


@pytest.mark.parametrize("path", ADDRESSES)
def test_only_where_allowed(knowledge, path):
    """In production there is no dashboard unless the site sets it."""
    with serving(create_app(Settings(), knowledge)) as base:
        client = Client(base)
        assert client.get(path).status_code == 404
        client.session.close()
    with serving(create_app(Settings(dashboard=True), knowledge)) as base:
        client = Client(base)
        assert client.get("/dashboard").status_code == 200
        client.session.close()


@pytest.mark.parametrize("path", ["/dashboard/export/patients.csv", "/dashboard/export/cards.xlsx"])
def test_no_other_files(client, path):
    """There are three tables in two forms, and no others."""
    assert client.get(path).status_code == 404


def test_policy(filled):
    """The page has no script, and no style of it is inline."""
    page = filled.get(f"/dashboard{PERIOD}")
    policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
    assert policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self'"
    assert page.headers["Cache-Control"] == "no-store"
    assert re.findall(r"<script|<style| style=| on\w+=", page.text) == []
