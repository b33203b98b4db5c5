"""What a reason refers to: drafts, the prefetch, contained resources, by any name; else its display, else a count."""

import io
import json
import sys

import pytest

from cds_service.cli import main
from tests.support.notation import call, concept
from tests.support.service import TODAY, log_lines

URN = "urn:uuid:0b2e8a3c-5d1f-4f0e-9a53-6b1f0f4cf2f1"
SPECIFIC, COMPATIBLE = "warning:in_reach:specific", "info:in_reach:compatible"
NO_SIGN, EMERGENCY = "info:in_reach:none", "emergency"
UNREAD = "    reason that could not be read: 1\n"


def asking(*references, study="lumbar MRI") -> dict:
    """Return a call for a study, of a patient with cancer, whose reason is these references."""
    body = call({"patient": "prostate cancer", "order": study, "also drafted": ""}, TODAY)
    body["context"]["draftOrders"]["entry"][0]["resource"]["reasonReference"] = [*references]
    return body


def sign(**members) -> dict:
    """Return a Condition that is no longer active, so that it counts as the order's reason alone."""
    status = {"coding": [{"code": "resolved"}]}
    resource = {"resourceType": "Condition", "subject": {"reference": "Patient/pt-1"}, "clinicalStatus": status}
    return resource | {"code": concept("leg weakness")} | members


def entry(resource: dict, full_url: str = URN) -> dict:
    """Return an entry of a Bundle."""
    return {"fullUrl": full_url, "resource": resource}


@pytest.fixture
def logged_reason(service, caplog):
    """Give a function that makes a call and returns why it was answered so."""
    caplog.set_level("INFO", "plexus_cds")

    def ask(body: dict) -> str:
        caplog.clear()
        service.cards(body)
        [line] = log_lines(caplog)
        [reason] = line["reasons"]
        return reason

    return ask


@pytest.fixture
def explained(capsys, monkeypatch):
    """Give a function that returns what `decide` prints about a call."""

    def explain(body: dict) -> str:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(body).encode())))
        assert main(["decide", "-", "--today", TODAY.isoformat()]) == 0
        return capsys.readouterr().out

    return explain


DISPLAYS = {
    "a sign": ("left leg weakness", SPECIFIC),
    "a compatible sign": ("sciatica", COMPATIBLE),
    "a sign that is denied": ("no leg weakness", NO_SIGN),
    "an emergency": ("cauda equina syndrome", EMERGENCY),
    "a history in words adds nothing to a coded one": ("breast cancer", NO_SIGN),
    "no words": (" ", NO_SIGN),
    "no text": (7, NO_SIGN),
}


@pytest.mark.parametrize(("display", "reason"), DISPLAYS.values(), ids=DISPLAYS)
def test_a_display_is_read_as_a_reason_in_words(display, reason, logged_reason):
    """A reference that has only a display, or is not to be found, gives the reason by its display."""
    reference = {"display": display}
    assert logged_reason(asking(reference)) == reason
    assert logged_reason(asking(reference | {"identifier": {"value": "4711"}})) == reason
    assert logged_reason(asking(reference | {"reference": "Condition/not-here"})) == reason
    assert logged_reason(asking(reference | {"reference": "#not-here"})) == reason
    in_r5 = asking()
    in_r5["context"]["draftOrders"]["entry"][0]["resource"]["reason"] = [{"reference": reference}]
    assert logged_reason(in_r5) == reason


def test_a_display_makes_a_second_study_watched(logged_reason):
    """A PET/CT whose reason is a specific sign by its display is watched; a compatible one leaves it alone."""
    assert logged_reason(asking({"display": "left leg weakness"}, study="PET/CT")) == SPECIFIC
    assert logged_reason(asking({"display": "sciatica"}, study="PET/CT")) == "nothing_watched"


def test_what_is_found_counts_before_its_display(logged_reason):
    """A resource that is found says what it says, whatever is shown for it."""
    body = asking({"reference": "Condition/s", "display": "left leg weakness"})
    body["prefetch"]["conditions"]["entry"].append({"resource": sign(id="s", code=concept("hypertension"))})
    assert logged_reason(body) == NO_SIGN
    body["prefetch"]["conditions"]["entry"][-1]["resource"] |= sign(id="s", verificationStatus="refuted")
    assert logged_reason(body) == NO_SIGN


@pytest.mark.parametrize("own_id", [{}, {"id": "s"}], ids=["no id", "an id"])
@pytest.mark.parametrize("place", ["drafts", "a key of its own", "conditions"])
def test_a_urn_is_found(place, own_id, logged_reason):
    """A reason that is a urn:uuid is the entry with this fullUrl among the drafts or in any Bundle of the prefetch."""
    body = asking({"reference": URN})
    body["prefetch"]["more"] = {"resourceType": "Bundle", "entry": []}
    bundles = {
        "drafts": body["context"]["draftOrders"],
        "a key of its own": body["prefetch"]["more"],
        "conditions": body["prefetch"]["conditions"],
    }
    bundles[place]["entry"].append(entry(sign(**own_id)))
    assert logged_reason(body) == SPECIFIC
    bundles[place]["entry"][-1]["fullUrl"] = URN.replace("0b", "0c")
    assert logged_reason(body) == NO_SIGN


def test_a_urn_that_is_contained_is_not_one(logged_reason):
    """A contained resource is found by its # name alone."""
    body = asking({"reference": "#s"})
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["contained"] = [sign(id="s")]
    assert logged_reason(body) == SPECIFIC
    order["reasonReference"] = [{"reference": "urn:uuid:s"}]
    assert logged_reason(body) == NO_SIGN


def test_a_urn_of_another_patient_is_not_found(logged_reason):
    """A reason that is a urn:uuid is never another patient's entry."""
    body = asking({"reference": URN})
    body["context"]["draftOrders"]["entry"].append(entry(sign(subject={"reference": "Patient/somebody-else"})))
    assert logged_reason(body) == NO_SIGN


NAMESAKES = {
    "a draft and a Condition": ("drafts", "conditions"),
    "a draft and a key of its own": ("drafts", "more"),
    "two Conditions": ("conditions", "conditions"),
}


@pytest.mark.parametrize("places", NAMESAKES.values(), ids=NAMESAKES)
@pytest.mark.parametrize(
    ("codes", "reason"), [(["hypertension", "leg weakness"], SPECIFIC), (["leg weakness", "hypertension"], NO_SIGN)]
)
def test_of_two_with_one_id_the_later_counts(places, codes, reason, logged_reason):
    """Of two resources with one id the later one is the reason; the record comes after the drafts."""
    body = asking({"reference": "Condition/s"})
    body["prefetch"]["more"] = {"resourceType": "Bundle", "entry": []}
    bundles = body["prefetch"] | {"drafts": body["context"]["draftOrders"]}
    for place, code in zip(places, codes, strict=True):
        bundles[place]["entry"].append({"resource": sign(id="s", code=concept(code))})
    assert logged_reason(body) == reason


@pytest.mark.parametrize("url", [None, 7, "", "urn:", ["urn:uuid:x"]], ids=repr)
def test_odd_full_urls(url, logged_reason):
    """No fullUrl is too odd to be passed over."""
    body = asking({"reference": URN}, {"reference": url})
    body["context"]["draftOrders"]["entry"].append(entry(sign(id="s"), url))
    assert logged_reason(body) == (SPECIFIC if url == "urn:" else NO_SIGN)


def test_what_is_not_read_is_counted(explained):
    """A reason without code or words, or not found, and an entry without a code, are listed as not used."""
    assert UNREAD in explained(asking({"reference": "Condition/not-here"}))
    assert UNREAD in explained(asking({"reference": URN}))
    assert UNREAD in explained(asking({"identifier": {"value": "4711"}}))
    assert UNREAD not in explained(asking({"display": "back pain"}))
    body = asking()
    body["context"]["draftOrders"]["entry"][0]["resource"]["reason"] = [{"id": "r1"}]
    assert UNREAD in explained(body)
    procedure = {"resourceType": "Procedure", "id": "p", "code": {"reference": {"reference": "x/1"}}}
    body["prefetch"]["procedures"]["entry"].append({"resource": procedure})
    assert "    without a code: 1\n" in explained(body)
