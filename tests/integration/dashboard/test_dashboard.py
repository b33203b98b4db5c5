"""The page of the dashboard, and whom it is shown."""

import json
import re
from html import unescape

import pytest

from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.integration.dashboard.dashboard_rows import FIRST, LAST, SELECT, SPINE, fill, write_card, write_decisions
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


SAID = {
    "cards": "7 cards shown, on 7 orders. Of the cards, 4 accepted, 2 overridden, 1 without feedback so far.",
    "firing": "13 of 25 (52%) decisions on monitored orders called for a card.",
    "silences": "12 decisions on monitored orders without a card. Not shown, as no monitored order was selected: "
    "100 of “No selected order is one that this card monitors.”, 7 of “The site has switched this card off.”",
    "records": "The record was incomplete or missing for 9 of 26 (35%) decisions that needed it.",
    "versions": "2 rule versions in use in this period.",
}


@pytest.mark.parametrize("name", SAID)
def test_summaries(shown, name):
    """Each figure is stated in words, too."""
    assert SAID[name] in shown.sections[name]


def test_tiles(filled):
    """The numbers at the top say what they count, and of how many."""
    text = filled.get(f"/dashboard{PERIOD}").text
    tiles = re.findall(r'<li class="tile"><span>(.+?)</span><b>(.+?)</b><span class="faint">(.+?)</span>', text)
    assert tiles == [
        ("Decisions", "133", "25 on monitored orders"),
        ("Orders with a card", "7", "each once a day, edits included"),
        ("Accepted", "4 of 7", "orders with a card; n &lt; 20"),
        ("Overridden", "2 of 7", "orders with a card; n &lt; 20"),
        ("No feedback", "1 of 7", "orders with a card; n &lt; 20"),
        ("Cards shown", "7", "one for each edit of an order"),
        ("Incomplete", "35%", "9 of 26 records needed"),
        ("Unmatched feedback", "2", "for cards that are not in the store"),
        ("In shadow mode", "6", "of 13 cards, not shown"),
    ]


def test_tiles_of_a_version(filled):
    """Reports on unknown cards tell no version, so no number of them stands beside those of one version."""
    text = filled.get(f"/dashboard{PERIOD}&knowledge=2").text
    assert ("<b>4</b>" in text, "Unmatched feedback" in text) == (True, False)


def test_charts(filled):
    """The charts draw the numbers of the tables: shares in percent, those of too few apart."""
    text = filled.get(f"/dashboard{PERIOD}").text
    charts = json.loads(re.search(r'<script type="application/json" id="charts">(.+?)</script>', text)[1])
    assert charts["cards"] == {
        "kind": "steps",
        "unit": "cards",
        "step": "week",
        "days": ["2026-11-02", "2026-11-09"],
        "marks": ["2026-11-09"],
        "series": [
            {"role": "accepted", "name": "Accepted", "values": [2, 2]},
            {"role": "overridden", "name": "Overridden", "values": [1, 1]},
            {"role": "unreported", "name": "No feedback", "values": [0, 1]},
        ],
    }
    [few] = charts["firing"]["series"]
    assert few == {"role": "few", "name": "Card rate: n < 20", "values": [20, None, 100, None]}
    assert (charts["reasons"]["whole"], charts["reasons"]["series"][0]["role"]) == (2, "few")


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
    assert unescape(text).count(hostile) == 7, (
        "two choices and their values, an order, a reason and a version; the charts' JSON has none"
    )


def test_nothing_yet(client, store):
    """An empty store says what to do, and nothing is drawn."""
    text = client.get("/dashboard").text
    assert "No decisions in this period" in text
    assert '<a href="/">get a card in the playground</a>' in text
    assert ("plotly" in text, store.state()) == (False, "ready")


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


@pytest.mark.parametrize("path", [*ADDRESSES, "/dashboard/plotly-7.1.0.js"])
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


def test_plotly(filled):
    """The charts' library comes from this service, by its version, and may be kept for a year; another is not there."""
    page = filled.get(f"/dashboard{PERIOD}")
    address = re.search(r'src="(/dashboard/plotly-[\d.]+\.js)"', page.text)[1]
    library = filled.get(address)
    assert library.content.startswith(b"/**")
    assert "max-age=31536000" in library.headers["Cache-Control"]
    assert filled.get("/dashboard/plotly-0.0.0.js").status_code == 404


def test_policy(filled):
    """No script and no style of the page is inline but the two styles of the library, by their digests."""
    page = filled.get(f"/dashboard{PERIOD}")
    policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
    assert policy["script-src"] == "'self'"
    assert re.fullmatch(r"'self'( 'sha256-[\w+/=]{44}'){2}", policy["style-src"])
    assert page.headers["Cache-Control"] == "no-store"
    assert re.findall(r"<script(?! src| type=\"application/json\")|<style| style=| on\w+=", page.text) == []
