"""The page behind the card: each of its sections with its data, what is in force at the site, and whom to tell."""

import dataclasses
import json
import re
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest

from cds_service import examples
from cds_service.cli import main
from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.support.html_page import Page
from tests.support.notation import call
from tests.support.service import CLOCK, TODAY, Client, serving

PATH = "/cards/lumbosacral-plexus-mri"


@pytest.fixture
def at(tmp_path, knowledge):
    """Give a function that starts the service with a site file, and with other knowledge where it is given."""

    @contextmanager
    def start(text: str = "", **changes):
        file = tmp_path / "site.toml"
        file.write_text(text, encoding="utf-8")
        app = create_app(Settings(site_file=str(file)), dataclasses.replace(knowledge, **changes), clock=CLOCK)
        with serving(app) as base, closing((client := Client(base)).session):
            yield client

    return start


def read(client: Client) -> Page:
    """Return the page as a reader meets it."""
    response = client.get(PATH)
    assert response.status_code == 200, response.text
    return Page(response.text)


@pytest.fixture
def page(service) -> Page:
    """Give the page where the site has set nothing."""
    return read(service)


def test_the_card_links_to_it(service):
    """The article's card leads to the page, which is headed by the title of the knowledge."""
    [card] = service.cards(examples.example("calls", "article", TODAY))
    [link] = [link["url"] for link in card["links"] if link["label"] == "About this advice"]
    assert urlsplit(link).path == PATH
    assert "<h1>MRI of the lumbosacral plexus after cancer or radiotherapy</h1>" in service.get(PATH).text


def test_each_section_states_what_its_table_has(page, knowledge):
    """Every section stands there in its order, folded under its title, and holds all its statements."""
    names = [section.name for section in knowledge.about.sections]
    assert list(page.sections) == names
    assert names[0] == "in_short"
    for section in knowledge.about.sections:
        assert page.sections[section.name].startswith(section.title)
        for statement in section.statements:
            assert f"{statement.topic} {statement.text}" in page.sections[section.name]


def test_the_first_section_says_all_in_five_lines(page, knowledge):
    """In short: what it is, what to do, what to keep, who decides and whom to tell; and that nobody signed it."""
    assert len(knowledge.about.sections[0].statements) == 4
    assert "Report a problem Contact the team that runs this service" in page.sections["in_short"]
    assert "Not yet reviewed by a clinician." in page.sections["in_short"]


def test_each_citation_leads_to_its_source(page, knowledge):
    """Each source of a statement is linked beside it, and the list has its citation and its address."""
    for source in knowledge.plan["relatedArtifact"]:
        assert f"source-{source['label']}" in page.ids
        assert source["citation"] in page.sections["sources"]
        assert source["url"] in page.links
    cited = [
        label
        for section in knowledge.about.sections
        for statement in section.statements
        for label in statement.citations
    ]
    for label in cited:
        assert page.links.count(f"#source-{label}") >= cited.count(label)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids), "no link leads nowhere"
    assert len(page.ids) == len(set(page.ids))


def test_each_statement_on_the_protocol_has_two_sources(knowledge):
    """What the protocol needs is said by two independent sources at least, but for who decides on it."""
    [protocol] = [section for section in knowledge.about.sections if section.name == "protocol"]
    assert [statement.topic for statement in protocol.statements if len(statement.citations) < 2] == ["Who decides"]


def test_ratings_and_radiation(page, knowledge):
    """The ratings stand there as in the table: a radiation that the source does not state is not stated."""
    _, *rows = page.tables["Lumbosacral plexopathy, known malignancy or post-treatment syndrome, initial imaging"].rows
    ratings = [[row["name"], row["category"], row["radiation"]] for row in knowledge.ratings.values()]
    assert [row[:3] for row in rows] == ratings
    assert ["CT abdomen and pelvis with IV contrast", "May Be Appropriate", "not stated in our source"] in ratings


ASKED = {
    ("could involve the plexus", 1): ("prostate cancer", "lumbar MRI [for foot drop]"),
    ("could involve the plexus", 2): ("prostate cancer", "lumbar MRI [for sciatica]"),
    ("could involve the plexus", 3): ("prostate cancer", "lumbar MRI"),
    ("far from the plexus only", 1): ("breast cancer", "lumbar MRI [for foot drop]"),
    ("far from the plexus only", 2): ("breast cancer", "lumbar MRI [for sciatica]"),
    ("far from the plexus only", 3): ("breast cancer", "lumbar MRI"),
    ("in free text only", 1): ('"prostate cancer"', "lumbar MRI [for foot drop]"),
    ("in free text only", 2): ('"prostate cancer"', "lumbar MRI [for sciatica]"),
    ("in free text only", 3): ('"prostate cancer"', "lumbar MRI"),
    ("no history", 1): ("", "lumbar MRI [for foot drop]"),
    ("no history", 3): ("", "lumbar MRI"),
}
"""A patient and an order for a row and a column of the table of the lumbar-spine MRI."""


@pytest.mark.parametrize("policy", ["broad", "focused"])
def test_the_decision_table_is_what_a_call_is_answered(policy, at):
    """Each cell is what the service answers at this site: the indicator, or silence; and what is recommended."""
    with at(f'cards.lumbosacral-plexus-mri.policy = "{policy}"') as client:
        page = read(client)
        assert f"Policy in force at this site: {policy}" in page.sections["decisions"]
        cells = {row[0]: row for row in page.tables["lumbar-spine MRI"].rows}
        for (history, column), (patient, order) in ASKED.items():
            body = call({"patient": patient, "order": order, "also drafted": "", "call": ""}, TODAY)
            cards = client.cards(body)
            result, _, recommended = cells[history][column].partition(" recommended: ")
            assert result == (cards[0]["indicator"] if cards else "no card"), (history, column)
            chosen = [
                suggestion["label"]
                for card in cards
                for suggestion in card["suggestions"]
                if suggestion.get("isRecommended")
            ]
            assert (recommended == "replace the order") == any("instead" in label for label in chosen)


def test_each_watched_study_has_a_table(page, knowledge):
    """PET/CT and CT are watched for a specific sign alone; the tables have heads for rows and columns."""
    studies = [knowledge.card["orders"][study]["name"] for study in knowledge.watched]
    assert [caption for caption in page.tables if caption in studies] == studies
    for study in ("PET/CT", "CT of the abdomen and pelvis"):
        rows = {row[0]: row[1:] for row in page.tables[study].rows}
        recommended = "warning recommended: add first, keep the order"
        assert rows["could involve the plexus"] == [recommended, "not monitored", "not monitored"]
        assert rows["far from the plexus only"] == ["warning", "not monitored", "not monitored"]
        assert rows["in free text only"] == rows["no history"] == ["no card", "not monitored", "not monitored"]
    for table in page.tables.values():
        assert set(table.scopes) == {"col", "row"}


def test_what_speaks_against_a_recommendation(page, knowledge):
    """Beside the tables stands all that speaks against recommending anything, in the order of its table."""
    section = page.sections["decisions"]
    places = [section.index(row.words) for row in knowledge.reservations]
    assert places == sorted(places)


def test_silences_stand_in_their_order(page, knowledge):
    """The reasons for silence are listed in the order of the tests."""
    section = page.sections["silences"]
    places = [section.index(words) for words in knowledge.silences.values()]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("hours", "says"), [(0, "is shown again at each edit"), (1, "for 1 hour, unless"), (8, "for 8 hours, unless")]
)
def test_how_long_a_dismissal_holds(hours, says, at):
    """Clinicians can read whether a card that they dismiss is shown again, and for how long it is not."""
    with at(f"cards.lumbosacral-plexus-mri.dismissal_hours = {hours}") as client:
        assert says in read(client).sections["silences"]


def test_limits_in_force(page, at):
    """Each limit is shown with the value in force and, where the site chose it, with the default."""
    plain = {row[0]: row[1] for row in page.tables["Values in force at this site"].rows}
    with at("cards.lumbosacral-plexus-mri.lookback.presentation = 180") as client:
        own = {row[0]: row[1] for row in read(client).tables["Values in force at this site"].rows}
    [(name, value)] = set(own.items()) - set(plain.items())
    assert plain[name] == "365 days"
    assert value == "180 days (set by this site; default 365)"


SETS = {
    "cards.lumbosacral-plexus-mri.off = true": "Switched off:",
    "[cards.lumbosacral-plexus-mri.shadow]\nuntil = 2027-01-01": "Shadow mode:",
    'prefetch = ["egfr", "devices"]': "Kidney function (eGFR) only to find",
    "": "None this site sends no additional data",
}


@pytest.mark.parametrize("text", SETS)
def test_what_the_site_has_set_is_told(text, at):
    """The page says whether the card is off or in shadow mode, and which further data the site sends."""
    with at(text) as client:
        html = client.get(PATH).text
    page_text = " ".join(" ".join(Page(html).sections.values()).split()) + " ".join(html.split()).replace(
        "<strong>", ""
    )
    assert SETS[text] in page_text
    assert sum(other in page_text for other in SETS.values()) == (2 if "mri." in text else 1)


CONTACTS = {
    "Imaging informatics, extension 4711": "Imaging informatics, extension 4711",
    "mailto:cds@hospital.example": "cds@hospital.example",
    "https://hospital.example/cds?about=card&x=1": "https://hospital.example/cds?about=card&x=1",
    "tel:+1-555-0100": "+1-555-0100",
    "<b>us</b> & them": "<b>us</b> & them",
}


@pytest.mark.parametrize("contact", CONTACTS)
def test_whom_to_tell(contact, at):
    """The site's contact stands in the first lines and in its section: a link where it is one, else plain text."""
    with at(f"contact = {json.dumps(contact)}") as client:
        page = read(client)
    for section in ("in_short", "contact"):
        assert CONTACTS[contact] in page.sections[section]
        assert "team that runs this service" not in page.sections[section]
    assert page.links.count(contact) == (2 if contact.startswith(("mailto:", "https:", "tel:")) else 0)


MISLEADING = (
    *("", " ", "a\nb", "x" * 201, "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "tel:home"),
    *("mailto:nobody", "http://hospital.example/", "https://", "https://user@hospital.example/"),
)


@pytest.mark.parametrize("contact", MISLEADING)
def test_a_contact_that_misleads_is_refused(contact, tmp_path, capsys):
    """check-config refuses a contact that is empty, too long, or a link that a reader cannot safely follow."""
    file = tmp_path / "site.toml"
    file.write_text(f"contact = {json.dumps(contact)}", encoding="utf-8")
    assert main(["check-config", str(file)]) == 1
    assert "/site.toml: contact: " in capsys.readouterr().err


def test_who_signed_which_version(at, knowledge):
    """Each signature is shown with its version and day, and whether the knowledge has changed since."""
    rows = [
        {"version": knowledge.version, "reviewer": "Dr. A, radiology", "date": "2026-01-01"},
        {"version": "0", "reviewer": "Dr. B", "date": "2025-01-01"},
    ]
    with at(signatures=rows) as client:
        page = read(client)
        signatures = client.get(f"{PATH}/source-attributes.json").json()["signatures"]
    _, current, old = page.tables["Clinical reviews"].rows
    assert current == [
        knowledge.version,
        "Dr. A, radiology",
        "2026-01-01",
        "the running version is the reviewed version",
    ]
    assert old == ["0", "Dr. B", "2025-01-01", "the rule has changed since it was reviewed"]
    assert "Not yet reviewed" not in page.sections["in_short"] + page.sections["signatures"]
    assert [signature["is_current"] for signature in signatures] == [True, False]


def test_nobody_has_signed(page, knowledge):
    """As long as nobody has signed, the page says so once, at its top; the section has the version and the status."""
    assert "Not yet reviewed by a clinician." in page.sections["in_short"]
    assert sum(len(re.findall(r"not [a-z]*\s?reviewed", text, re.IGNORECASE)) for text in page.sections.values()) == 1
    assert f"Version {knowledge.version} of {knowledge.plan['date']}, status draft." in page.sections["signatures"]


def test_what_is_not_known(page, knowledge):
    """All that is not known stands there with its consequence."""
    assert knowledge.unknowns
    for row in knowledge.unknowns:
        assert f"{row['unknown']} {row['consequence']}" in page.sections["unknowns"]
