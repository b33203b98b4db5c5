"""The integration sheet: what it promises is what the started service answers, and it follows the configuration."""

import json
import subprocess
from pathlib import Path

import pytest

from cds_service.cli import main
from cds_service.clock import SYSTEM_CLOCK
from cds_service.examples import example
from tests.support.html_page import Page
from tests.support.integration_sheets import EPIC, SANDBOX, SYSTEM, cases, hospital, prefetch
from tests.support.metric_series import rises
from tests.support.service import CLOCK
from tests.support.serving import COMMAND, environment, granian, run
from tests.support.signing import claims, header, key, signed

FIGURES = ("calls", "decisions", "feedback", "refused", "trials")
SITE_CARD = "cards.lumbosacral-plexus-mri."


@pytest.fixture
def sheet(monkeypatch, capsys, tmp_path):
    """Give a function that prints the sheet by settings and a site file; returns code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def sheet(*arguments, site="", **settings):
        if site:
            (tmp_path / "own.toml").write_text(site, encoding="utf-8")
            settings["site_file"] = "own.toml"
        for name, text in settings.items():
            monkeypatch.setenv(f"PLEXUS_CDS_{name.upper()}", text)
        code = main(["integration-sheet", *arguments], CLOCK)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return sheet


def token(issuer: str, url: str) -> str:
    """Return a new token of a client for one call of one URL, at the time of this machine."""
    now = int(SYSTEM_CLOCK.now().timestamp())
    tenant = {"tenant": "north"} if issuer == EPIC else {}
    return signed(header(), claims(iss=issuer, aud=url, iat=now, exp=now + 120, **tenant))


@pytest.fixture(scope="module", params=["no clients", EPIC, SANDBOX])
def deployment(request, tmp_path_factory):
    """Start a service, and print the sheet for one of its clients; yields its server, its settings, and the sheet."""
    folder = tmp_path_factory.mktemp("site")
    issuer = "" if request.param == "no clients" else request.param
    settings = hospital(folder) if issuer else {"store_url": f"sqlite:///{folder}/store.sqlite3"}
    with granian(**settings) as server:
        settings["port"] = str(server.port)
        printed = run("integration-sheet", *(["--client", issuer] if issuer else []), **settings)
        assert printed.returncode == 0, printed.stderr
        yield issuer, server, settings, printed.stdout


def answer(case, issuer: str, settings: dict[str, str]) -> dict:
    """Run the command of a test patient as it is printed, with a new token; returns the answer."""
    own = environment(**settings)
    own["PATH"] = f"{Path(COMMAND).parent}:{own['PATH']}"
    own["TOKEN"] = token(issuer, case.url)
    done = subprocess.run(
        ["/bin/sh", "-c", case.command], env=own, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_command_gets_what_the_sheet_promises(deployment):
    """The answers have the summaries, the suggestions and the recommendation of the sheet; no figure counts them."""
    issuer, server, settings, text = deployment
    answers = {}
    rise = rises(
        server.client,
        lambda: answers.update((case.title, answer(case, issuer, settings)) for case in cases(text)),
        *FIGURES,
    )
    assert {name.partition("{")[0] for name in rise} == {"trials"}
    for case in cases(text):
        body = answers[case.title]
        if case.status != 200:
            assert body["issue"][0]["diagnostics"] == case.why_none
            continue
        assert [card["summary"] for card in body["cards"]] == case.summaries, case.title
        assert bool(case.why_none) is not bool(body["cards"])
        suggestions = [suggestion for card in body["cards"] for suggestion in card.get("suggestions", ())]
        names = {
            id(suggestion): suggestion["actions"][0]["description"] if issuer == EPIC else suggestion["label"]
            for suggestion in suggestions
        }
        assert [names[id(suggestion)] for suggestion in suggestions] == case.suggestions, case.title
        assert [names[id(suggestion)] for suggestion in suggestions if suggestion.get("isRecommended")] == case.marked
    kinds = {(case.status, len(case.summaries), bool(case.marked)) for case in cases(text)}
    assert kinds >= {(200, 1, True), (200, 1, False), (200, 0, False), (412, 0, False)}


def test_prefetch_lines_are_those_of_discovery(deployment):
    """Each key is on the sheet with discovery's query, under the site's name for it."""
    issuer, server, _, text = deployment
    url = f"{server.client.base}/cds-services"
    services = server.client.get("/cds-services", headers={"Authorization": f"Bearer {token(issuer, url)}"}).json()
    names = {"procedures": "Surgical_History"} if issuer else {}
    assert len(services["services"]) == 2
    for service in services["services"]:
        expected = {names.get(name, name): query for name, query in service["prefetch"].items()}
        assert prefetch(text) == expected
        assert f"`{server.client.base}/cds-services/{service['id']}`" in text
        assert f"`{server.client.base}/cds-services/{service['id']}/feedback`" in text


def test_calls_have_the_keys_and_the_codes_of_the_site(sheet, tmp_path):
    """A test call has the client's prefetch keys, and the site's code of the study alone; it names no FHIR server."""
    settings = hospital(tmp_path)
    _, out, _ = sheet("--client", EPIC, "--call", "article", **settings)
    call = json.loads(out)
    assert set(call["prefetch"]) == {
        "problems",
        "encounter_diagnoses",
        "Surgical_History",
        "imaging_orders",
        "allergies",
    }
    assert len(call["prefetch"]["problems"]["entry"]) == 1
    assert call["prefetch"]["encounter_diagnoses"]["entry"] == []
    [entry] = call["context"]["draftOrders"]["entry"]
    assert entry["resource"]["code"]["coding"] == [{"system": SYSTEM, "code": "IMG1234"}]
    assert {"fhirServer", "fhirAuthorization"}.isdisjoint(call)


def test_a_key_in_parts(sheet):
    """The parts of a key are on the sheet in its place, and a test call has all of them, with the data in one."""
    site = 'prefetch_aliases.conditions = ["Problems", "Encounter_Dx"]\nprefetch_aliases.procedures = ["A", "B"]'
    _, out, _ = sheet(site=site, fhir_servers="https://fhir.example.org/r4")
    assert set(prefetch(out)) == {"Problems", "Encounter_Dx", "A", "B"}
    assert "Of a key in parts each part is needed." in out
    assert "a card may lack a caution" not in out
    assert "The service does not search for keys in parts" in out
    _, out, _ = sheet("--call", "article", site=site)
    sent = json.loads(out)["prefetch"]
    assert {name: len(bundle["entry"]) for name, bundle in sent.items()} == {
        "Problems": 1,
        "Encounter_Dx": 0,
        "A": 1,
        "B": 0,
    }


def test_all_sections(sheet, tmp_path):
    """Each sheet has its twelve sections, and says in which dialect and of which day it is."""
    settings = hospital(tmp_path)
    for issuer, dialect in ((EPIC, "epic"), (SANDBOX, "standard"), ("https://crd.example.org", "crd")):
        code, out, _ = sheet("--client", issuer, **settings)
        assert code == 0
        numbers = [line.split(".")[0] for line in out.splitlines() if line.startswith("## ") and line[3].isdigit()]
        assert numbers == [f"## {number}" for number in range(1, 13)]
        assert f"# Integration sheet: {issuer}\n" in out
        assert f"Dialect: **{dialect}**. Made on 2026-11-22 " in out


CHANGES = {
    "an order": (f'[[orders]]\nsystem = "{SYSTEM}"\ncode = "IMG7"\nstudy = "fdg_pet_ct"', f"`IMG7` (`{SYSTEM}`)"),
    "an order that is not monitored": (
        f'[[orders]]\nsystem = "{SYSTEM}"\ncode = "IMG8"\nstudy = "not_watched"',
        f"| `IMG8` | `{SYSTEM}` | `not_watched` |",
    ),
    "a proposal": (
        f'[{SITE_CARD}propose.ct_abdomen_pelvis]\nsystem = "urn:own"\ncode = "CT9"\ndisplay = "CT A|P"',
        "`CT9` (`urn:own`: CT A\\|P), `ct-abdomen-pelvis-with-contrast`",
    ),
    "an override reason": ('override_reasons.77 = "patient-declines"', "| `patient-declines` | `77` |"),
    "more of the record": ('prefetch = ["devices"]', "patient/Device.rs"),
    "an alias": ('prefetch_aliases.conditions = "Dx"', "Key `Dx` (discovery calls it `conditions`; both are read)"),
    "parts of a key": (
        'prefetch_aliases.procedures = ["Surgeries", "Radiotherapies"]',
        "Key `Radiotherapies`, a part of `procedures`: restrict the query to its part of the chart:",
    ),
    "dismissals": (f"{SITE_CARD}dismissal_hours = 8", "same user (`context.userId`) for the same order for 8 hours"),
    "a proposed code that is no order's": (
        f'[{SITE_CARD}propose.ct_abdomen_pelvis]\nsystem = "urn:own"\ncode = "CT9"\ndisplay = "CT"',
        "The code CT9 is proposed, not under \\[\\[orders\\]\\]",
    ),
    "a system": ('systems."urn:own:icd" = "http://hl7.org/fhir/sid/icd-10"', "| `urn:own:icd` | `http://hl7.org"),
    "the switch": (f"{SITE_CARD}off = true", "The card is switched off now, so these calls get no card."),
    "shadow mode": (
        f"{SITE_CARD}shadow.until = 2026-12-24",
        "Shadow mode: no card is shown until the end of 2026-12-24",
    ),
    "a shadow mode that ended": (f"{SITE_CARD}shadow.until = 2026-11-21", "Shadow mode ended on 2026-11-21"),
    "the policy": (f'{SITE_CARD}policy = "focused"', "(now *focused*)"),
    "a contact": ('contact = "extension 5"', "Report problems to: extension 5."),
    "the dialect": ('dialect = "epic"', "lumbar-spine MRI: no order code of yours is mapped (section 6)."),
}


NAMED = {
    "FDG-PET/CT whole body": True,
    "CT abdomen and pelvis with IV contrast": True,
    "MRI LUMBAR SPINE, protocol 7": True,
    "CT abdomen and pelvis, protocol 7": False,
}
"""Names of orders without a code, and whether the sheet says that they are recognized."""


@pytest.mark.parametrize("name", NAMED)
def test_what_is_recognized_without_a_code(name, sheet, service):
    """An MRI is recognized by words in its name, a PET/CT or CT only by its whole name, as the sheet says."""
    _, text, _ = sheet()
    assert "Without a known code, an MRI is recognized by words in its name, a PET/CT or CT only where" in text
    body = example("calls", "article", CLOCK.today())
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["code"] = {"text": name}
    order["reasonCode"] = [{"text": "lumbosacral plexopathy"}]
    assert bool(service.cards(body)) == NAMED[name]


@pytest.mark.parametrize(("site", "says"), CHANGES.values(), ids=CHANGES)
def test_the_site_file_changes_the_sheet(site, says, sheet):
    """What is changed in the site file is on the next sheet, and was not on the one before."""
    assert says not in sheet()[1]
    code, out, _ = sheet(site=site)
    assert code == 0
    assert says in out


def test_the_card_is_promised_as_it_will_be_shown(sheet):
    """While the card is off or in shadow mode the expected cards are those of after that."""
    shown = [case.summaries for case in cases(sheet()[1])]
    for site in (f"{SITE_CARD}off = true", f"{SITE_CARD}shadow.until = 2099-01-01"):
        assert [case.summaries for case in cases(sheet(site=site)[1])] == shown


def test_settings_change_the_sheet(sheet):
    """Settings that a client meets are on the sheet: URL, limits, FHIR servers, and what is stored of patients."""
    _, out, _ = sheet(
        public_url="https://cds.example.org",
        body_megabytes="3",
        fhir_servers="https://fhir.example.org/r4",
        fetch_seconds="2.5",
        store_days="30",
        store_comments="true",
        calls_per_minute="77",
    )
    for says in (
        "Base URL: `https://cds.example.org`.",
        "at most 3 MiB",
        "only from `https://fhir.example.org/r4`",
        "up to 2.5 seconds",
        "feedback; for 30 days, by a daily",
        "comments of clinicians, which may contain patient data",
        "more than 77 a minute",
    ):
        assert says in out


def test_token_of_each_client(sheet, tmp_path):
    """The sheet has the claims and the key set of its client, and of no other."""
    settings = hospital(tmp_path)
    _, epic, _ = sheet("--client", EPIC, **settings)
    for says in ("exactly `https://epic.example.org`", "at most 300 seconds", "| `north` |", "one of `ES384-1`"):
        assert says in epic
    assert "pinned on the server, 1 key." in epic
    assert "anything: it is ignored" in epic
    _, crd, _ = sheet("--client", "https://crd.example.org", **settings)
    assert "absent, or exactly `https://crd.example.org/keys`" in crd
    assert "at most 900 seconds" in crd
    assert (EPIC in crd, "north" in crd, "public keys" in crd) == (False, False, True)


@pytest.mark.parametrize("options", [[], ["--html"]], ids=["Markdown", "HTML"])
def test_no_secret(options, sheet, tmp_path):
    """Neither form has a password, a secret, key material or a folder of the server."""
    settings = hospital(tmp_path)
    secrets = {"store_url": "postgresql://cds:hunter2@db.example.org/cds", "patient_key": "open sesame, open sesame"}
    _, out, _ = sheet("--client", EPIC, *options, **(settings | secrets))
    material = [text for name, text in key("ES384").as_dict(private=True).items() if name in ("x", "y", "d")]
    assert "a keyed hash of the patient id" in out
    assert [
        text for text in ("hunter2", "open sesame", "db.example.org", str(tmp_path), *material) if text in out
    ] == []


WRONG = {
    "a misspelled client": (["--client", "https://epic.exmaple.org"], f"Did you mean {EPIC}? There are: {EPIC}, "),
    "another client": (["--client", "x"], "there is no client 'x'. There are: "),
    "no client": ([], "name one, as there are several clients. There are: "),
    "two forms": (["--client", EPIC, "--call", "article", "--html"], "--call and --html exclude each other"),
    "a file of a call": (["--client", EPIC, "--call", "article", "--output", "x"], "--call and --output exclude"),
    "an unknown patient": (["--client", EPIC, "--call", "articel"], "Did you mean article?"),
}


@pytest.mark.parametrize(("arguments", "fault"), WRONG.values(), ids=WRONG)
def test_wrong_usage(arguments, fault, sheet, tmp_path):
    """Wrong usage is exit code 2, and says what there is."""
    code, out, error = sheet(*arguments, **hospital(tmp_path))
    assert (code, out) == (2, "")
    assert fault in error


def test_client_without_a_clients_file(sheet):
    """Where there is no clients file, a client cannot be named."""
    code, _, error = sheet("--client", EPIC)
    assert code == 2
    assert "there are no clients: PLEXUS_CDS_CLIENTS_FILE is not set. Leave the option out." in error


def test_the_only_client(sheet, tmp_path):
    """With one client in the file the sheet is of that one, which is blocked by an empty list; then there is none."""
    settings = hospital(tmp_path)
    assert "remove its table" in sheet("--client", EPIC, **settings)[1]
    file = Path(settings["clients_file"])
    file.write_text(file.read_text("utf-8").partition(f'[[clients]]\nissuer = "{SANDBOX}"')[0], encoding="utf-8")
    _, out, _ = sheet()
    assert f"# Integration sheet: {EPIC}\n" in out
    assert "remove its table" not in out
    assert "replace its table in the clients file by `clients = []`" in out
    file.write_text("clients = []", encoding="utf-8")
    code, out, error = sheet()
    assert (code, out) == (2, "")
    assert f"nobody may call: {file} has no clients." in error


@pytest.mark.parametrize(
    ("url", "public_url", "fault"),
    [
        ("cds.example.org", "", '--url: must be an https:// or http:// URL such as https://cds.example.org, not "cds'),
        ("https://u:secret@cds.example.org", "", "--url: must be"),
        ("https://a.example.org", "https://b.example.org", "is not the URL of the service, https://b.example.org, on"),
    ],
)
def test_wrong_url(url, public_url, fault, sheet):
    """A base URL that no client could call, or for which the service refuses tokens, is a fault in one line."""
    code, out, error = sheet("--url", url, **({"public_url": public_url} if public_url else {}))
    assert (code, out, error.count("\n")) == (1, "", 1)
    assert fault in error
    assert "secret" not in error


def test_another_url_than_that_of_the_tokens(sheet, tmp_path):
    """Where tokens name the URL, another one is refused, also if the setting has its default."""
    code, _, error = sheet("--client", EPIC, "--url", "https://a.example.org", **hospital(tmp_path))
    assert code == 1
    assert "is not the URL of the service, http://127.0.0.1:8080, on which tokens and links depend" in error


def test_url(sheet):
    """The base URL of the option is that of the sheet, and of the commands in it."""
    _, out, _ = sheet("--url", "https://a.example.org/")
    assert "Base URL: `https://a.example.org`." in out
    assert "PLEXUS_CDS_PUBLIC_URL is not set" not in out
    assert all("--url https://a.example.org " in case.command for case in cases(out))
    assert all(case.url.startswith("https://a.example.org/cds-services/") for case in cases(out))


def test_output(sheet, tmp_path):
    """A file gets the form of its name, and the same text as the terminal."""
    _, markdown, _ = sheet()
    _, html, _ = sheet("--html")
    assert sheet("--output", "sheet.md")[:2] == (0, "Wrote sheet.md.\n")
    assert (tmp_path / "sheet.md").read_text("utf-8") == markdown
    assert sheet("--output", "sheet.html")[0] == 0
    assert (tmp_path / "sheet.html").read_text("utf-8") == html
    gone = run("integration-sheet", "--output", f"{tmp_path}/gone/sheet.md")
    assert (gone.returncode, gone.stderr) == (1, f"plexus-cds: {tmp_path}/gone/sheet.md: No such file or directory\n")


class Tables(Page):
    """A page with all its tables, in their order, its text, and the kinds of its elements."""

    def __init__(self, text: str) -> None:
        self.all_tables, self.text, self.elements = [], "", set()
        super().__init__(text)

    def handle_starttag(self, tag, attrs):
        """Note the kind of the element."""
        self.elements.add(tag)
        super().handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        """Keep a table that ends."""
        super().handle_endtag(tag)
        if tag == "table":
            self.all_tables.append(self._table.rows)

    def handle_data(self, data):
        """Keep the text."""
        self.text += data
        super().handle_data(data)


HOSTILE = "<b>x</b> | `y` | *z* [a](https://evil.example.org) & ~"


def test_odd_names_stay_text(sheet):
    """Markup in a name of the site is text: no element, no link, and no cell comes from it."""
    site = (
        f"contact = '{HOSTILE}'\noverride_reasons.'{HOSTILE}' = 'other'\n"
        f"[{SITE_CARD}propose.ct_abdomen_pelvis]\nsystem = '{HOSTILE}'\ncode = '{HOSTILE}'\ndisplay = '{HOSTILE}'"
    )
    page, usual = Tables(sheet("--html", site=site)[1]), Tables(sheet("--html", site="contact = 'a'")[1])
    assert (page.links, page.inline, page.elements) == (usual.links, usual.inline, usual.elements)
    cells = {cell for table in page.all_tables for row in table for cell in row}
    assert HOSTILE in cells
    assert any(f"{HOSTILE} ({HOSTILE}: {HOSTILE})" in cell for cell in cells)
    assert all(len(row) == len(table[0]) for table in page.all_tables for row in table)
    assert f"Report problems to: {HOSTILE}." in page.text


def test_both_forms_have_the_same_text(sheet):
    """Each command, query and cell of the Markdown is in the HTML as it is."""
    markdown, html = sheet()[1], sheet("--html")[1]
    page = Tables(html)
    for case in cases(markdown):
        assert case.command in page.text
        assert all(line in page.text for line in (case.title, *case.summaries, *case.suggestions))
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert len(rows) == sum(len(table) for table in page.all_tables)
