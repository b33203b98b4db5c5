"""No text from outside becomes a part of a page: with hostile texts each page has the elements that it always has."""

import json
from contextlib import closing
from html.parser import HTMLParser
from itertools import cycle
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.config.settings import Settings
from cds_service.decision.record import KEY_NAME
from cds_service.errors import SettingsError
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.store.period import FILTERS
from cds_service.web.app import create_app
from tests.generative.hostile.planting import planted
from tests.generative.hostile.texts import HOSTILE, hostile_texts, is_qualified
from tests.support.databases import serving_with
from tests.support.profiles import examples
from tests.support.service import CLOCK, ORDER_SELECT, Client, serving

FIELDS = ("from", "to", *FILTERS)
EXPLANATIONS = f"/playground/explanations/{ORDER_SELECT.rpartition('/')[2]}"
often = examples(60)


class Skeleton(HTMLParser):
    """The elements of a page in their order, with the names of their attributes, and where they lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.parts: list[tuple] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        """Note an element."""
        leads = [value for name, value in attrs if name in ("href", "src", "action", "formaction")]
        self.parts.append((tag, *(name for name, _ in attrs), *leads))

    def handle_comment(self, data: str) -> None:
        """Note a comment."""
        self.parts.append(("comment", data))


def skeleton(response) -> list[tuple]:
    """Return the skeleton of a page, which must come under its policy and set nothing in the browser."""
    assert response.headers["Content-Type"].startswith("text/html")
    assert "script-src" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in response.headers
    return Skeleton(response.text).parts


@pytest.fixture(scope="module")
def dashboard(knowledge, tmp_path_factory):
    """Give a function that asks for the dashboard, or a file of it, with values in all fields of the form."""
    url = f"sqlite:///{tmp_path_factory.mktemp('pages')}/store.sqlite3"
    migrate(Store(url))
    with serving_with(url, knowledge) as (client, _):
        yield lambda path, values: client.get(f"{path}?{urlencode(values, errors='surrogatepass')}")


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/export/cards.csv"])
@given(texts=st.lists(hostile_texts.filter(str.strip), min_size=1, max_size=4))
@often
def test_the_dashboard(path, texts, dashboard):
    """What is typed into the dashboard's form stays a value of its fields."""
    turns = cycle(texts)
    hostile = dashboard(path, {name: next(turns) for name in FIELDS})
    harmless = dashboard(path, dict.fromkeys(FIELDS, "x"))
    assert (hostile.status_code, skeleton(hostile)) == (400, skeleton(harmless))


def explained(service, text: str):
    """Return the explanation of a call with a text planted everywhere."""
    response = service.post(planted(lambda _: text), EXPLANATIONS)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    return response.json()


@given(text=hostile_texts.filter(lambda text: not (is_qualified(text) or text.startswith("#"))))
@often
def test_the_explanation(text, service):
    """The HTML of an explanation is that of our own words, and its steps have of the chart its references alone.

    A text that says how certain an entry is, or whose "#" makes the subject contained, is read, as it must be.
    """
    explanation, clean = explained(service, text), explained(service, "x")
    assert all(KEY_NAME.fullmatch(key) for key in explanation["steps"]["record"]["ignored_keys"])
    assert explanation["details"] == clean["details"]
    assert without_references(explanation["steps"]) == without_references(clean["steps"])


def without_references(value):
    """Return steps without references to the chart, the hosts of its code systems, and unknown prefetch keys.

    Of these keys only what can be a name is listed: letters, digits and a few signs.
    """
    if isinstance(value, list):
        return [without_references(member) for member in value]
    if not isinstance(value, dict):
        return value
    kept = {
        name: member
        for name, member in value.items()
        if name not in ("reference", "references", "order", "unrecognized", "ignored_keys")
    }
    return {name: without_references(member) for name, member in kept.items()}


def about(knowledge, folder, contact: str) -> list[tuple] | None:
    """Return the skeleton of the page behind the card where a site names this contact; None where it is refused."""
    file = folder / "site.toml"
    file.write_text(f"contact = {json.dumps(contact)}", encoding="utf-8")
    try:
        app = create_app(Settings(site_file=str(file)), knowledge, clock=CLOCK)
    except SettingsError:
        return None
    with serving(app) as base, closing((client := Client(base)).session):
        return skeleton(client.get("/cards/lumbosacral-plexus-mri"))


@pytest.fixture(scope="module")
def plain(knowledge, tmp_path_factory) -> list[tuple]:
    """Return the skeleton of the page where the contact is plain text."""
    return about(knowledge, tmp_path_factory.mktemp("plain"), "The radiology desk")


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - {"bare address"}))
def test_the_contact(name, plain, knowledge, tmp_path):
    """A contact of the site that is no link stays text, or is refused; a whole https address is the site's to give."""
    assert about(knowledge, tmp_path, HOSTILE[name]) in (None, plain)
