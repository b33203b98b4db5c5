"""The checks can fail: a good answer is damaged in one way at a time, and the check names the requirement."""

import copy
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.spec.body_checks import body_faults, of, outcome_faults
from tests.spec.checks import answer_faults
from tests.spec.discovery_checks import discovery_faults
from tests.support.corpus import call

HERE = Path(__file__).parent
CHECKS = ("body_checks.py", "checks.py", "discovery_checks.py")
CARD = ("cards", 0)
SUGGESTION = (*CARD, "suggestions", 0)
ACTION = (*SUGGESTION, "actions", 0)
LINK = (*CARD, "links", 0)
SERVICE = ("services", 0)
TEMPLATE = (*SERVICE, "prefetch", "conditions")
SEARCH = "Condition?patient={{context.patientId}}"

ANSWER_DAMAGES = [
    # requirement, where, what it is replaced by: `...` takes it away
    ("A-01", ("cards",), ...),
    ("A-01", ("cards",), None),
    ("C-30", ("systemActions",), [{"type": "update", "description": "a"}]),
    ("C-01", (*CARD, "uuid"), "card-1"),
    ("C-01", ("cards",), "twice the first"),
    ("C-02", (*CARD, "summary"), "x" * 140),
    ("C-02", (*CARD, "summary"), ...),
    ("C-02", (*CARD, "summary"), "two\nlines"),
    ("C-03", (*CARD, "detail"), ["a", "b"]),
    ("C-04", (*CARD, "detail"), "A <b>bold</b> word"),
    ("C-04", (*CARD, "detail"), "<img src=x onerror=alert(1)>"),
    ("C-05", (*CARD, "indicator"), "critical-ish"),
    ("C-05", (*CARD, "indicator"), "hard-stop"),
    ("C-05", (*CARD, "indicator"), ...),
    ("C-06", (*CARD, "source"), ...),
    ("C-07", (*CARD, "suggestions"), {"label": "a"}),
    ("C-07", (*CARD, "suggestions"), []),
    ("C-08", (*CARD, "selectionBehavior"), ...),
    ("C-08", (*CARD, "selectionBehavior"), "any"),
    ("C-08", (*CARD, "suggestions"), ...),
    ("C-10", (*CARD, "overrideReasons"), "declined"),
    ("C-11", (*CARD, "overrideReasons", 0, "display"), ...),
    ("C-12", (*CARD, "links"), {"label": "a"}),
    ("C-13", (*CARD, "source", "label"), ...),
    ("C-14", (*CARD, "source", "url"), "/guideline"),
    ("C-14", (*CARD, "source", "url"), "https://example.org/guideline?patient=1"),
    ("C-15", (*CARD, "source", "icon"), "icon.png"),
    ("C-16", (*CARD, "source", "topic"), "plexus"),
    ("C-17", (*SUGGESTION, "label"), ...),
    ("C-18", (*SUGGESTION, "uuid"), ...),
    ("C-19", (*SUGGESTION, "isRecommended"), "yes"),
    ("C-19", (*CARD, "suggestions"), "all recommended"),
    ("C-20", (*SUGGESTION, "actions"), {"type": "create"}),
    ("C-20", (*SUGGESTION, "actions"), "in the wrong order"),
    ("C-21", (*SUGGESTION, "actionSelectionBehavior"), "any"),
    ("C-22", (*ACTION, "type"), "UPDATE"),
    ("C-23", (*ACTION, "description"), ...),
    ("C-24", (*CARD, "suggestions", 1, "actions", 0, "resource"), ...),
    ("C-25", (*ACTION, "resource"), ...),
    ("C-25", (*ACTION, "resource", "id"), ...),
    ("C-26", (*ACTION, "type"), "delete"),
    ("C-27", (*LINK, "url"), "/cards/lumbosacral-plexus-mri"),
    ("C-27", (*LINK, "url"), "javascript:alert(1)"),
    ("C-27", (*LINK, "label"), ...),
    ("C-27", (*LINK, "type"), "relative"),
    ("C-28", (*LINK, "appContext"), "a"),
    ("C-29", (*LINK, "autolaunchable"), True),
    ("C-31", (*CARD, "overrideReasons", 0, "system"), ...),
    ("C-31", (*CARD, "source", "topic", "code"), ...),
    ("E-01", (*CARD, "extension"), ["a"]),
    ("E-01", (*CARD, "selectionbehavior"), "at-most-one"),
    ("E-01", (*ACTION, "resourceid"), "ServiceRequest/1"),
    ("E-02", (*LINK, "extension"), {"tenant": {"a": 1}}),
    ("G-02", (*CARD, "detail"), None),
    ("G-02", (*ACTION, "resource", "priority"), None),
    ("G-03", (*CARD, "links"), []),
    ("G-03", (*CARD, "detail"), ""),
    ("G-03", (*CARD, "source", "extension"), {}),
    ("G-05", (*ACTION, "resource", "category"), {"text": "an object where FHIR has a list"}),
    ("G-05", (*ACTION, "resource", "colour"), "unknown to FHIR"),
    ("G-05", (*ACTION, "resource"), "<ServiceRequest/>"),
    ("G-07", (*SUGGESTION, "actionSelectionBehavior"), "all"),
]

DISCOVERY_DAMAGES = [
    ("D-02", ("services",), {}),
    ("D-04", (*SERVICE, "hook"), ...),
    ("D-05", (*SERVICE, "title"), ...),
    ("D-06", (*SERVICE, "description"), ["a"]),
    ("D-07", (*SERVICE, "id"), "a/b"),
    ("D-08", (*SERVICE, "prefetch"), [SEARCH]),
    ("D-08", TEMPLATE, {"resource": "Condition"}),
    ("D-09", (*SERVICE, "usageRequirements"), ["a"]),
    ("D-10", (*SERVICE, "id"), "lumbosacral-plexus-mri-order-sign"),
    ("D-13", (*SERVICE, "version"), "STU2"),
    ("D-14", (*SERVICE, "hookVersion"), "2.0.1"),
    ("P-16", TEMPLATE, "Condition?patient={context.patientId}"),
    ("P-17", TEMPLATE, f"{SEARCH}&recorded-date=ge{{{{today()}}}}"),
    ("P-18", TEMPLATE, "Condition?patient={{context.patient.id}}"),
    ("P-19", TEMPLATE, "Condition?patient={{patientId}}"),
    ("P-20", TEMPLATE, "ServiceRequest?_id={{context.selections}}"),
    ("P-21", TEMPLATE, f"{SEARCH}&onset-date=ge2020&onset-date=le2021"),
    ("P-21", TEMPLATE, f"{SEARCH}&_include=Condition:encounter"),
    ("P-21", TEMPLATE, f"{SEARCH}&code:below=C61"),
    ("P-21", TEMPLATE, f"{SEARCH}&onset-date=sa2020"),
    ("P-21", TEMPLATE, "Patient/{{context.patientId}}/$everything"),
    ("P-34", TEMPLATE, "Encounter/{{%encounter.id}}"),
]

ISSUE = {"severity": "error", "code": "invalid", "diagnostics": "What to do about it."}
BODY_DAMAGES = [
    ("G-06", b'{"cards": [],}'),
    ("G-06", b'{"cards": []} // silence'),
    ("G-06", b'{"cards": [NaN]}'),
    ("G-06", b'{"cards": [], "cards": []}'),
    ("G-06", '{"cards": "\u00e9"}'.encode("latin-1")),
]
OUTCOME_DAMAGES = [
    # requirement, status, Content-Type, the outcome
    ("A-04", 200, "application/fhir+json", {"resourceType": "OperationOutcome", "issue": [ISSUE]}),
    ("G-01", 422, "text/html", {"resourceType": "OperationOutcome", "issue": [ISSUE]}),
    ("A-05", 422, "application/json", {"error": "bad request"}),
    ("A-05", 422, "application/json", {"resourceType": "OperationOutcome"}),
    ("A-05", 422, "application/json", {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}),
]


@pytest.fixture(scope="module")
def good(service):
    """Return a good answer, with a card that has all kinds of members."""
    return service.post(call()).json()


@pytest.fixture(scope="module")
def good_discovery(service):
    """Return a good answer of discovery."""
    return service.get("/cds-services").json()


def damaged(value, path, change):
    """Return a copy of a value with one member replaced, or taken away where `change` is `...`."""
    copied = copy.deepcopy(value)
    *way, last = path
    owner = copied
    for name in way:
        owner = owner[name]
    if change is ...:
        del owner[last]
    else:
        owner[last] = SPECIAL[change](owner[last]) if isinstance(change, str) and change in SPECIAL else change
    return copied


SPECIAL = {
    "twice the first": lambda cards: [*cards, cards[0]],
    "all recommended": lambda suggestions: [suggestion | {"isRecommended": True} for suggestion in suggestions],
    "in the wrong order": lambda actions: [*actions, actions[0] | {"type": "create"}],
}


def test_a_good_answer_has_no_faults(good, good_discovery):
    """What is not damaged has no faults, so each fault below is the damage's."""
    assert (answer_faults(good), discovery_faults(good_discovery)) == ([], [])


@pytest.mark.parametrize(("requirement", "path", "change"), ANSWER_DAMAGES)
def test_a_damaged_answer_is_found(requirement, path, change, good):
    """The check of answers names the requirement that the damage breaks."""
    assert of(requirement, answer_faults(damaged(good, path, change)))


@pytest.mark.parametrize(("requirement", "path", "change"), DISCOVERY_DAMAGES)
def test_damaged_discovery_is_found(requirement, path, change, good_discovery):
    """The check of discovery names the requirement that the damage breaks."""
    assert of(requirement, discovery_faults(damaged(good_discovery, path, change)))


@pytest.mark.parametrize(("requirement", "content"), BODY_DAMAGES)
def test_a_damaged_body_is_found(requirement, content):
    """The check of bodies names the requirement that the damage breaks."""
    assert of(requirement, body_faults(content))


@pytest.mark.parametrize(("requirement", "status", "kind", "outcome"), OUTCOME_DAMAGES)
def test_a_damaged_outcome_is_found(requirement, status, kind, outcome):
    """The check of faults names the requirement that the damage breaks."""
    response = SimpleNamespace(status_code=status, headers={"Content-Type": kind}, content=b"{}", json=lambda: outcome)
    assert of(requirement, outcome_faults(response))


def test_every_check_is_damaged_once():
    """Each requirement that the checks can name has a damage above."""
    sources = "".join((HERE / name).read_text(encoding="utf-8") for name in CHECKS)
    tables = (ANSWER_DAMAGES, DISCOVERY_DAMAGES, BODY_DAMAGES, OUTCOME_DAMAGES)
    named = set(re.findall(r'"([A-Z]-\d\d)\b', sources))
    assert named == {row[0] for table in tables for row in table}
