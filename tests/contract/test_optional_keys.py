"""What a site may send beside conditions and procedures: allergies, devices and the estimated filtration rate."""

from datetime import timedelta

import pytest

from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.support.notation import SYSTEMS, call, coded
from tests.support.service import CLOCK, TODAY, Client, serving

KEYS = {"AllergyIntolerance": "allergies", "Device": "devices", "Observation": "egfr"}
CONTRAST, DEVICE = "Contrast: discuss with radiology", "Check first"
GADOLINIUM, GADOBUTROL, IODINATED = "sct|105879004", "sct|407976008", "sct|426722004"
PACEMAKER, EGFR = "sct|14106009", "loinc|62238-1"
PLEXUS_CERTAIN = {"coding": [{"system": SYSTEMS["icd10cm"], "code": "G54.1"}]}


def allergy(code=GADOLINIUM, **more) -> dict:
    """Return an allergy of the patient."""
    resource = {"resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/pt-1"}}
    return resource | {"code": coded(code)} | more


def device(code=PACEMAKER, **more) -> dict:
    """Return a device of the patient."""
    return {
        "resourceType": "Device",
        "id": "d1",
        "patient": {"reference": "Patient/pt-1"},
        "type": coded(code),
    } | more


def egfr(value=25, days=30, **more) -> dict:
    """Return a final result of the patient, so many days old, or without a date."""
    resource = {"resourceType": "Observation", "id": "o1", "status": "final", "code": coded(EGFR)}
    resource |= {
        "subject": {"reference": "Patient/pt-1"},
        "valueQuantity": {"value": value, "unit": "mL/min/{1.73_m2}"},
    }
    if days is not None:
        resource["effectiveDateTime"] = (TODAY - timedelta(days)).isoformat()
    return resource | more


def status(name: str, code: str) -> dict:
    """Return a status of an allergy, by the name of its member."""
    return {name: {"coding": [{"code": code}]}}


def asking(*optional, patient="prostate cancer") -> dict:
    """Return a call whose order's reason is a plexopathy, with optional resources under their keys."""
    body = call({"patient": patient, "order": "lumbar MRI", "also drafted": "", "call": ""}, TODAY)
    body["context"]["draftOrders"]["entry"][0]["resource"]["reasonCode"] = [PLEXUS_CERTAIN]
    for resource in optional:
        key = KEYS[resource["resourceType"]]
        bundle = body["prefetch"].setdefault(key, {"resourceType": "Bundle", "type": "searchset", "entry": []})
        bundle["entry"].append({"resource": resource})
    return body


@pytest.fixture(scope="module")
def advertising(knowledge, tmp_path_factory):
    """Give a client of a service whose site advertises all optional keys; it has no FHIR server."""
    file = tmp_path_factory.mktemp("site") / "site.toml"
    file.write_text('prefetch = ["allergies", "devices", "egfr"]', encoding="utf-8")
    with serving(create_app(Settings(site_file=str(file)), knowledge, clock=CLOCK)) as base:
        client = Client(base)
        yield client
        client.session.close()


CONTRAST_LINES = {
    "gadolinium": (allergy(), "Gadolinium allergy"),
    "an agent that contains it": (allergy(GADOBUTROL), "gadobutrol"),
    "gadolinium in RxNorm": (
        allergy()
        | {"code": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "1310171"}]}},
        "Gadolinium allergy",
    ),
    "confirmed and active": (
        allergy(**status("clinicalStatus", "active"), **status("verificationStatus", "confirmed")),
        "Gadolinium allergy",
    ),
    "named by its reaction": (allergy(IODINATED, reaction=[{"substance": coded(GADOLINIUM)}]), "Gadolinium allergy"),
    "contrast of an unknown kind": (allergy("sct|385420005"), "Contrast allergy"),
    "low": (egfr(), "eGFR"),
    "just below 30": (egfr(29.9), "eGFR"),
    "a year old": (egfr(days=365), "eGFR"),
    "low and only preliminary": (egfr(status="preliminary"), "eGFR"),
    "dated by its issue": (egfr(days=None, issued=f"{TODAY}T10:00:00Z"), "eGFR"),
    "over a period": (egfr(days=None, effectivePeriod={"end": f"{TODAY}"}), "eGFR"),
}
NO_LINE = {
    "X-ray dye": allergy(IODINATED),
    "X-ray dye (ICD-10-CM)": allergy("icd10cm|Z91.041"),
    "something else": allergy("sct|256277009"),
    "an allergy entered in error": allergy(**status("verificationStatus", "entered-in-error")),
    "a refuted allergy": allergy(**status("verificationStatus", "refuted")),
    "a resolved allergy": allergy(**status("clinicalStatus", "resolved")),
    "an allergy of words": allergy() | {"code": {"text": "gadolinium"}},
    "another patient's allergy": allergy(patient={"reference": "Patient/somebody-else"}),
    "an eGFR of 30": egfr(30),
    "an eGFR above": egfr(31),
    "an eGFR older than a year": egfr(days=366),
    "an eGFR without a date": egfr(days=None),
    "a cancelled eGFR": egfr(status="cancelled"),
    "an eGFR entered in error": egfr(status="entered-in-error"),
    "an eGFR in words": egfr(valueQuantity=None, valueString="<30"),
    "an eGFR whose number is a text": egfr("25"),
    "an eGFR whose number is true": egfr(valueQuantity={"value": True}),
    "an eGFR without a value": egfr(valueQuantity={"unit": "mL/min"}),
    "another laboratory value": egfr(code=coded("loinc|2160-0")),
    "another patient's eGFR": egfr(subject={"reference": "Patient/somebody-else"}),
    "an inactive device": device(status="inactive"),
    "a device entered in error": device(status="entered-in-error"),
    "a device that is no implant": device("sct|37299003"),
    "another patient's device": device(patient={"reference": "Patient/somebody-else"}),
}


def card_for(client, body) -> dict:
    """Return the card, whose first suggestion proposes the plexus MRI, whatever is to be checked."""
    [card] = client.cards(body)
    assert card["indicator"] == "warning"
    code = card["suggestions"][0]["actions"][0]["resource"]["code"]["coding"][0]["code"]
    assert code == "plexus-mri-without-and-with-contrast"
    return card


def is_plain(card) -> bool:
    """Tell whether a card asks to check nothing: two suggestions, the first recommended."""
    recommended = [suggestion.get("isRecommended", False) for suggestion in card["suggestions"]]
    return recommended == [True, False] and CONTRAST not in card["detail"] and DEVICE not in card["detail"]


@pytest.mark.parametrize(("resource", "says"), CONTRAST_LINES.values(), ids=CONTRAST_LINES)
def test_contrast_is_to_be_discussed(resource, says, advertising):
    """A gadolinium allergy or a low filtration rate is stated first, in our words, and removes the recommendation."""
    card = card_for(advertising, asking(resource))
    line = card["detail"].splitlines()[0]
    assert CONTRAST in line
    assert says in line
    assert not any("isRecommended" in suggestion for suggestion in card["suggestions"])
    assert [suggestion["actions"][0]["type"] for suggestion in card["suggestions"]][:2] == ["create", "update"]
    assert card["suggestions"][-1]["label"] == "Order plexus MRI without contrast instead"


@pytest.mark.parametrize("more", [{}, {"status": "active"}, {"status": "unknown"}])
def test_a_device_is_to_be_checked(more, advertising):
    """A device that is not inactive is named; nothing is recommended then, and CT is the third suggestion."""
    card = card_for(advertising, asking(device(**more)))
    assert "whether MRI is safe: Cardiac pacemaker on record" in card["detail"]
    assert not any("isRecommended" in suggestion for suggestion in card["suggestions"])
    assert len(card["suggestions"]) == 3
    alternative = card["suggestions"][2]["actions"][0]["resource"]["code"]["coding"]
    assert [coding["code"] for coding in alternative] == [
        "ct-abdomen-pelvis-with-contrast",
        "432370003",
        "36813-4",
        "74177",
    ]


@pytest.mark.parametrize("resource", NO_LINE.values(), ids=NO_LINE)
def test_what_does_not_count(resource, advertising):
    """What is no gadolinium allergy, no device in this body and no recent low result leaves the card as it is."""
    assert is_plain(card_for(advertising, asking(resource)))


@pytest.mark.parametrize("resource", [allergy(), device(), egfr()], ids=KEYS.values())
def test_only_where_the_site_advertises_the_key(resource, service):
    """A key that the site does not advertise is not read, even where a client sends it."""
    assert is_plain(card_for(service, asking(resource)))


def test_all_at_once(advertising):
    """Allergy, low result and device together give both lines, once each."""
    card = card_for(advertising, asking(allergy(), allergy(GADOBUTROL), egfr(), egfr(20), device()))
    assert [card["detail"].count(line) for line in (CONTRAST, DEVICE, "eGFR")] == [1, 1, 1]


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden"}]},
        {"resourceType": "Bundle", "link": [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]},
        {"resourceType": "Bundle", "entry": [None, {}, {"resource": None}, {"resource": {"resourceType": "Device"}}]},
        "no",
        [],
        7,
    ],
)
@pytest.mark.parametrize("key", KEYS.values())
def test_never_fetched_never_missed(key, value, advertising):
    """An optional key that is null, failed, cut short or odd costs nothing: a card, no 412, no word about it."""
    body = asking()
    body["prefetch"][key] = value
    card = card_for(advertising, body)
    assert is_plain(card)
    assert "incomplete record" not in card["detail"]


def test_absent_keys_cost_nothing(advertising):
    """Without any optional key, and without a FHIR server to ask, the card comes and asks to check nothing."""
    assert is_plain(card_for(advertising, asking()))
    silent = call({"patient": "", "order": "lumbar MRI", "also drafted": "", "call": ""}, TODAY)
    assert advertising.cards(silent) == []


def test_an_active_device_counts_after_an_older_removal(advertising):
    """A device that is recorded as active today is in the body, whichever one was taken out years ago."""
    body = asking(device(status="active"))
    removal = {"resourceType": "Procedure", "status": "completed", "performedDateTime": "2019-05-01"}
    removal["code"] = coded("sct|175140001")
    body["prefetch"]["procedures"]["entry"].append({"resource": removal})
    assert DEVICE in card_for(advertising, body)["detail"]


def test_the_newest_filtration_rate_counts(advertising):
    """Of several results the newest decides whether contrast is to be discussed, whichever is the lowest."""
    fallen, risen = (egfr(60, days=90), egfr(25, days=3)), (egfr(25, days=90), egfr(60, days=3))
    for results in (fallen, fallen[::-1]):
        assert CONTRAST in card_for(advertising, asking(*results))["detail"]
    for results in (risen, risen[::-1]):
        assert is_plain(card_for(advertising, asking(*results)))
