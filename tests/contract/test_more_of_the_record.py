"""More of the record, where a site switches it on: encounters, imaging orders and reports, and where it is shown."""

import io
import json
import sys
from datetime import timedelta

import pytest

from cds_service.cli import main
from cds_service.examples import searchset
from tests.support.hook_calls import entries
from tests.support.notation import MORE, SYSTEMS, concept
from tests.support.optional_keys import CANCER, SITES, asking, at, clients, split  # noqa: F401
from tests.support.service import TODAY

GIVEN = (TODAY - timedelta(800)).isoformat()
VISIT = {"resourceType": "Encounter", "id": "v", "status": "finished", "period": {"end": GIVEN}}
RADIOTHERAPY = concept("radiotherapy session")


@pytest.mark.parametrize(
    ("visit", "says"),
    [
        ({"type": [RADIOTHERAPY]}, "info"),
        ({"type": RADIOTHERAPY}, "info"),
        ({"type": [concept("hypertension"), RADIOTHERAPY]}, "info"),
        ({"serviceType": RADIOTHERAPY}, "info"),
        ({"serviceType": [{"concept": RADIOTHERAPY}]}, "info"),
        ({"type": [RADIOTHERAPY], "serviceType": concept("hypertension")}, "info"),
        ({"type": [{"text": "Radiotherapy of the prostate"}]}, "no_history"),
        ({"type": [{"text": "Prostate cancer, new patient"}]}, "no_history"),
        ({"class": RADIOTHERAPY["coding"][0]}, "no_history"),
        ({"code": RADIOTHERAPY}, "no_history"),
        ({"type": [RADIOTHERAPY], "status": " Cancelled "}, "no_history"),
        ({"type": [], "serviceType": None}, "no_history"),
    ],
)
def test_what_a_visit_is_of(visit, says, at):
    """A visit is radiotherapy by the codes of its type or service; words that name a visit assert no history."""
    assert at("more").says(asking(encounters=searchset([VISIT | visit]))) == says


def test_a_visit_is_told_like_a_procedure(at):
    """The card shows radiotherapy from visits as it does from Procedures; both together are one course."""
    site = at("more")
    session = {"resourceType": "Procedure", "id": "p", "status": "completed", "performedDateTime": GIVEN}
    visits, sessions = searchset([VISIT | {"type": [RADIOTHERAPY]}]), searchset([session | {"code": RADIOTHERAPY}])
    findings = [
        site.detail(asking(encounters=a, procedures=b)) for a, b in ((visits, ""), ("", sessions), (visits, sessions))
    ]
    assert findings[0] == findings[1] == findings[2]
    assert GIVEN in findings[0]


@pytest.mark.parametrize(
    ("treated", "is_told"), [("breast cancer", False), ("prostate cancer", True), ("hypertension", True)]
)
@pytest.mark.parametrize("where", ["diagnosis", "reasonReference"])
def test_the_tumor_that_a_visit_treated(where, treated, is_told, at):
    """The field of a visit without one is that of the tumor that was treated, by its diagnosis or its reason."""
    chart = entries("prostate cancer; breast cancer; hypertension")
    reference = next(
        {"reference": f"Condition/{resource['id']}"}
        for resource in chart
        if resource["id"] == treated.replace(" ", "-")
    )
    visit = VISIT | {"type": [RADIOTHERAPY], where: [{"condition": reference} if where == "diagnosis" else reference]}
    body = asking(encounters=searchset([visit]), conditions=searchset(chart))
    assert ("adiotherapy" in at("more").detail(body).partition("A lumbar")[0]) is is_told


@pytest.mark.parametrize(
    ("key", "reason"), [("imaging_orders", "plexus_mri_ordered"), ("imaging_reports", "plexus_mri_done")]
)
def test_the_sites_own_code_and_words(key, reason, at):
    """A plexus MRI on record is known by the site's own code too, and by its words."""
    kind, when = ("ServiceRequest", "authoredOn") if key == "imaging_orders" else ("DiagnosticReport", "issued")
    procedure = {
        "resourceType": kind,
        "id": "x",
        "status": "active" if key == "imaging_orders" else "final",
        when: f"{TODAY}",
    }
    own, words = {"coding": [{"system": SYSTEMS["local"], "code": "PLEX-1"}]}, {"text": "MRI LUMBOSACRAL PLEXUS W WO"}
    for site, code, says in (
        ("own codes", own, reason),
        ("more", own, "info"),
        ("more", words, reason),
        ("more", {"text": "MRI BRACHIAL PLEXUS"}, "info"),
    ):
        assert at(site).says(asking(conditions=CANCER, **{key: searchset([procedure | {"code": code}])})) == says


def test_the_later_date_of_an_order_counts(at):
    """Of its signing and the day that it is for, the later dates an order on record."""
    order = {"resourceType": "ServiceRequest", "id": "x", "status": "active", "code": concept("plexus MRI")}
    long_ago, today = (TODAY - timedelta(300)).isoformat(), TODAY.isoformat()
    for dates, says in (
        ({"authoredOn": long_ago, "occurrenceDateTime": today}, "plexus_mri_ordered"),
        (
            {"authoredOn": long_ago, "occurrencePeriod": {"end": (TODAY + timedelta(40)).isoformat()}},
            "plexus_mri_ordered",
        ),
        ({"authoredOn": today, "occurrenceDateTime": long_ago}, "plexus_mri_ordered"),
        ({"authoredOn": long_ago, "occurrenceDateTime": long_ago}, "info"),
    ):
        assert at("more").says(asking(conditions=CANCER, imaging_orders=searchset([order | dates]))) == says


@pytest.mark.parametrize(
    ("site", "keys"),
    [
        ("off", ["conditions", "procedures"]),
        ("more", ["conditions", "procedures", *MORE]),
        ("split", ["problems", "encounter_diagnoses", "procedures"]),
        ("split, with the main key", ["conditions", "encounter_diagnoses", "procedures"]),
        ("all", ["problems", "encounter_diagnoses", "procedures", *MORE]),
    ],
)
def test_discovery_advertises_what_is_on(site, keys, clients):
    """Discovery has the keys that are on, each a search of this patient alone, and no other."""
    types = {"procedures": "Procedure", **MORE}
    services = clients[site].get("/cds-services").json()["services"]
    assert len(services) == 2
    for service in services:
        assert list(service["prefetch"]) == keys
        for key, template in service["prefetch"].items():
            assert template.startswith(f"{types.get(key, 'Condition')}?patient={{{{context.patientId}}}}")
        assert ("Here Conditions come under: " in service["usageRequirements"]) is site.startswith(("split", "all"))


def test_the_searches(clients):
    """Conditions are asked for by category, orders that are active, and reports by the codes of a plexus MRI."""
    prefetch = clients["all"].get("/cds-services").json()["services"][0]["prefetch"]
    assert prefetch["encounter_diagnoses"].endswith("&category=encounter-diagnosis")
    assert prefetch["imaging_orders"].endswith("&status=active")
    own = clients["own codes"].get("/cds-services").json()["services"][0]["prefetch"]["imaging_reports"]
    assert own == f"{prefetch['imaging_reports']},{SYSTEMS['local']}|PLEX-1"
    assert prefetch["imaging_reports"].count("|") > 3
    assert "http://loinc.org|30866-8" in prefetch["imaging_reports"]


def test_the_page_behind_the_card(clients):
    """The page shows what the site has turned on, and no longer calls it unknown."""
    unknown = (
        "recorded only as an Encounter",
        "A plexus MRI that is ordered and not yet done",
        "documented only in a report",
    )
    for site, is_known in (("off", False), ("split", False), ("more", True), ("all", True)):
        text = clients[site].get("/cards/lumbosacral-plexus-mri").text
        assert [words in text for words in unknown] == [not is_known] * 3
        assert ("Conditions under several keys" in text) is (site in ("split", "all"))
        assert ("radiotherapy recorded as a visit" in text) is is_known
        assert ("this site sends no additional data" in text) is (site == "off")


def test_what_the_explanation_tells(clients):
    """The explanation counts what was read, names what was not, and each entry that was not used, with its reason."""
    body = split(
        problems=CANCER,
        encounters="radiotherapy visit [cancelled]",
        imaging_orders="plexus MRI [revoked, -5d]",
        imaging_reports="lumbar MRI report [final]",
        encounter_diagnoses=...,
    )
    path = "/playground/explanations/lumbosacral-plexus-mri-order-select"
    steps = clients["all"].post(body, path).json()["steps"]
    assert (steps["record"]["conditions"], steps["record"]["more"]) == (1, dict.fromkeys(MORE, 1))
    assert [part["key"] for part in steps["record"]["unread"]] == ["encounter_diagnoses"]
    assert {entry["reference"]: entry["why"] for entry in steps["outcomes"][0]["unused_entries"]} == {
        "Encounter/radiotherapy-visit": "its status, cancelled, does not count",
        "DiagnosticReport/lumbar-mri-report": "its study does not replace the one that the card proposes",
        "ServiceRequest/plexus-mri": "its status, revoked, does not count",
    }


@pytest.mark.parametrize(
    ("key", "entry", "reason", "reference"),
    [
        ("imaging_orders", "plexus MRI [active, -5d]", "plexus_mri_ordered", "ServiceRequest/plexus-mri"),
        ("imaging_reports", "plexus MRI report [final, -5d]", "plexus_mri_done", "DiagnosticReport/plexus-mri-report"),
    ],
)
def test_a_plexus_mri_on_record_is_explained(key, entry, reason, reference, clients):
    """The explanation of a silence names the order or report on which it rests."""
    path = "/playground/explanations/lumbosacral-plexus-mri-order-select"
    [outcome] = clients["more"].post(asking(conditions=CANCER, **{key: entry}), path).json()["steps"]["outcomes"]
    assert outcome["silence"]["reason"] == reason
    assert reference in [name for finding in outcome["findings"] for name in finding["references"]]


def test_the_playground_runs_where_all_is_on(clients):
    """The playground's own calls are answered as elsewhere: its patients have none of what the site has switched on."""
    for site in ("off", "all"):
        details = []
        for vignette in clients[site].get("/playground/data.json").json()["vignettes"]:
            response = clients[site].post(vignette["call"])
            assert response.status_code == clients["off"].post(vignette["call"]).status_code, vignette["name"]
            details += [card["detail"] for card in response.json().get("cards", ())]
        assert details
        assert not any("encounters could not be read" in detail for detail in details)


def test_decide_tells_it(tmp_path, monkeypatch, capsys):
    """`plexus-cds decide` prints the silence, the report behind it, how much was read, and what was not."""
    (tmp_path / "site.toml").write_text(SITES["all"], encoding="utf-8")
    body = split(problems=CANCER, imaging_reports="plexus MRI report [final, -5d]", encounters=...)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(body).encode())))
    monkeypatch.setenv("PLEXUS_CDS_SITE_FILE", str(tmp_path / "site.toml"))
    assert main(["decide", "-", "--today", f"{TODAY}"]) == 0
    output = capsys.readouterr().out
    for words in (
        "[DiagnosticReport/plexus-mri-report]",
        "No card (plexus_mri_done)",
        "Read: 1 Condition, 0 Procedures, 0 encounters, 0 imaging orders, 1 imaging reports",
        "Not read: encounters, it was not prefetched in full, and this service does not fetch it",
    ):
        assert words in output
