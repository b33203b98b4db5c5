"""The dialects: each keeps its rules, and none changes a decision, over all vignettes through HTTP."""

import json
from contextlib import ExitStack

import pytest

from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.contract.test_vignettes import VIGNETTES, path_of
from tests.support.authenticated_service import LEAST, authenticated_service
from tests.support.dialect_rules import ASSOCIATED, RULES
from tests.support.notation import SITES, call
from tests.support.service import CLOCK, ORDER_SELECT, ORDER_SIGN, TODAY, Client, log_lines, serving

STUDIES = ("plexus_mri_without_and_with_contrast", "plexus_mri_without_contrast", "ct_abdomen_pelvis")
CODES = "".join(
    f'[cards.lumbosacral-plexus-mri.propose.{study}]\nsystem = "urn:site:orders"\ncode = "{study}"\ndisplay = "Ours"\n'
    for study in STUDIES
)
ALIKE = ("summary", "indicator", "detail", "source", "links", "overrideReasons")
"""The members of a card that are the same in each dialect."""
LOGGED = ("status", "outcome", "reasons", "against", "counts", "unrecognized", "prefetch")


def site_file(site: str, dialect: str, codes: str = CODES) -> str:
    """Return the file of a site of the vignettes in a dialect; it maps all proposals, unless it maps some itself."""
    text = SITES.get(site, "")
    return f'dialect = "{dialect}"\n{text}\n{"" if "propose" in text else codes}'


@pytest.fixture(scope="module")
def at(knowledge, tmp_path_factory):
    """Give a function that returns the client of a service with a site file; each is started once."""
    with ExitStack() as stack:
        clients: dict[str, Client] = {}

        def start(text: str) -> Client:
            if text not in clients:
                file = tmp_path_factory.mktemp("site") / "site.toml"
                file.write_text(text, encoding="utf-8")
                app = create_app(Settings(site_file=str(file)), knowledge, clock=CLOCK)
                clients[text] = Client(stack.enter_context(serving(app)))
            return clients[text]

        yield start


@pytest.fixture
def answered(at, caplog):
    """Give a function that returns status, body and log line of a call at a site in a dialect."""
    caplog.set_level("INFO", "plexus_cds")

    def ask(text: str, body: dict, path: str = ORDER_SELECT):
        caplog.clear()
        response = at(text).post(body, path)
        line = log_lines(caplog)[-1]
        return response.status_code, response.json(), line

    return ask


@pytest.mark.parametrize("row", VIGNETTES, ids=[row["vignette"] for row in VIGNETTES])
def test_a_dialect_changes_the_form_alone(row, answered):
    """Decision, silence, indicator, summary and detail are the same in all dialects; each answer keeps its rules."""
    body, path = call(row, TODAY), path_of(row)
    seen = {dialect: answered(site_file(row["site"], dialect), body, path) for dialect in RULES}
    status, standard, logged = seen["standard"]
    for dialect, (other_status, answer, line) in seen.items():
        assert other_status == status
        assert [line.get(name) for name in LOGGED] == [logged.get(name) for name in LOGGED], dialect
        if status == 200:
            assert [_alike(card) for card in answer["cards"]] == [_alike(card) for card in standard["cards"]], dialect
            # fhir.resources knows no ProcedureRequest, so an update of one cannot be checked.
            if dialect == "epic" or row["call"] != "as STU3":
                assert RULES[dialect](answer, body) == [], dialect
    if status == 200:
        for card, epic_card in zip(standard["cards"], seen["epic"][1]["cards"], strict=True):
            _assert_same_offers(card, epic_card, row["site"])


def _alike(card: dict) -> list:
    return [card.get(name) for name in ALIKE]


def _assert_same_offers(card: dict, epic_card: dict, site: str) -> None:
    """Assert that both cards offer the same studies, recommend alike, and offer to replace the order alike."""
    actions = [suggestion["actions"][0] for suggestion in card["suggestions"]]
    if any(action["resource"]["resourceType"] != "ServiceRequest" for action in actions):
        assert "suggestions" not in epic_card
        return
    epic_actions = [suggestion["actions"][0] for suggestion in epic_card.get("suggestions", [])]
    if "propose" in SITES.get(site, ""):
        return
    studies = {action["resource"]["code"]["coding"][0]["code"] for action in actions}
    created = [action["resource"]["code"]["coding"][0]["code"] for action in epic_actions if action["type"] == "create"]
    assert sorted(created) == sorted(studies)
    updated = [action["resource"]["code"]["coding"][0]["code"] for action in actions if action["type"] == "update"]
    assert [action["type"] for action in epic_actions].count("delete") == updated.count(STUDIES[0])
    recommended = [suggestion for suggestion in card["suggestions"] if suggestion.get("isRecommended")]
    marked = [suggestion for suggestion in epic_card["suggestions"] if suggestion.get("isRecommended")]
    assert len(marked) == len(recommended)
    if marked:
        assert marked == epic_card["suggestions"][:1]


CALL = call(
    {"patient": "prostate cancer", "order": "lumbar MRI [for foot drop]", "also drafted": "", "call": ""}, TODAY
)


def test_the_same_patient_in_epic(answered):
    """What replaces the order is a preselected create and a delete; what adds one is the same create."""
    _, answer, _ = answered(site_file("", "epic"), CALL)
    [card] = answer["cards"]
    create, delete = card["suggestions"]
    assert (create["isRecommended"], "isRecommended" in delete) == (True, False)
    assert create["actions"][0]["resource"]["code"] == {
        "coding": [{"system": "urn:site:orders", "code": STUDIES[0], "display": "Ours"}]
    }
    order = CALL["context"]["draftOrders"]["entry"][0]["resource"]
    assert delete["actions"][0]["resourceId"] == f"ServiceRequest/{order['id']}"


def test_without_a_code_epic_is_offered_nothing(answered):
    """A study that the site file does not map is not suggested, nor is the order deleted; the log names the study."""
    _, answer, line = answered(site_file("", "epic", ""), CALL)
    [card] = answer["cards"]
    assert not {"suggestions", "selectionBehavior"} & card.keys()
    assert line["unmapped"] == [STUDIES[0]]
    _, _, line = answered(site_file("", "epic"), CALL)
    assert line["unmapped"] == []
    _, _, line = answered(site_file("", "standard", ""), CALL)
    assert line["unmapped"] == []


TWO = {"patient": "prostate cancer", "order": "lumbar MRI [for foot drop] + lumbar MRI (with contrast) [for foot drop]"}


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize("dialect", RULES)
def test_two_orders_preselect_one_plexus_mri(dialect, hook, answered):
    """Of two orders that could be replaced one card recommends it; the other offers the same, and says so."""
    body = call(TWO | {"also drafted": "", "call": hook if hook == "order-sign" else ""}, TODAY)
    path = ORDER_SIGN if hook == "order-sign" else ORDER_SELECT
    _, answer, line = answered(site_file("", dialect), body, path)
    first, second = answer["cards"]
    assert [_recommended(card) for card in (first, second)] == [[STUDIES[0]], []]
    assert {card["indicator"] for card in (first, second)} == {"warning"}
    assert [study for study, _ in _studies(first)] == [study for study, _ in _studies(second)]
    note = "the plexus MRI is recommended for another of these orders, and one is enough."
    assert [note in card["detail"] for card in (first, second)] == [False, True]
    assert line["against"] == ["recommended_beside"]


@pytest.mark.parametrize("dialect", RULES)
def test_an_order_without_an_id_takes_no_recommendation(dialect, answered):
    """An order that cannot be replaced recommends nothing, so the other does."""
    body = call(TWO | {"also drafted": "", "call": "order-sign"}, TODAY)
    del body["context"]["draftOrders"]["entry"][0]["resource"]["id"]
    _, answer, _ = answered(site_file("", dialect), body, ORDER_SIGN)
    assert [_recommended(card) for card in answer["cards"]] == [[], [STUDIES[0]]]


def _recommended(card: dict) -> list[str]:
    """Return the studies of the suggestions that are recommended."""
    return [study for study, is_recommended in _studies(card) if is_recommended]


def _studies(card: dict) -> list[tuple[str, bool]]:
    """Return the study of each suggestion that has one, and whether it is recommended."""
    return [
        (suggestion["actions"][0]["resource"]["code"]["coding"][0]["code"], "isRecommended" in suggestion)
        for suggestion in card["suggestions"]
        if "resource" in suggestion["actions"][0]
    ]


@pytest.mark.parametrize("own_id", ["https://ehr.example.org/fhir/ServiceRequest/o1", "o1/_history/2", "o 1", "é" * 65])
def test_an_order_with_an_odd_id_is_not_named(own_id, answered):
    """An order whose id is none of FHIR is not deleted and not named: its reference might be read as another's."""
    body = json.loads(json.dumps(CALL | {"hook": "order-sign"}))
    body["context"]["draftOrders"]["entry"][0]["resource"]["id"] = own_id
    for dialect in RULES:
        [card] = answered(site_file("", dialect), body, ORDER_SIGN)[1]["cards"]
        assert "extension" not in card
        actions = [suggestion["actions"][0] for suggestion in card["suggestions"]]
        assert [action["type"] for action in actions] == (["create"] if dialect == "epic" else ["update", "create"])


def test_crd_has_system_actions_at_order_sign_alone(answered):
    """Clients of CRD want the list in each answer to order-sign, with a card or without; others must not see it."""
    signed = CALL | {"hook": "order-sign"}
    silent = call({"patient": "", "order": "lumbar MRI", "also drafted": "", "call": "order-sign"}, TODAY)
    for body in (signed, silent):
        assert answered(site_file("", "crd"), body, ORDER_SIGN)[1]["systemActions"] == []
        for dialect in ("standard", "epic"):
            assert "systemActions" not in answered(site_file("", dialect), body, ORDER_SIGN)[1]
    assert "systemActions" not in answered(site_file("", "crd"), CALL)[1]


BALLOT = {
    "version": "3.0.0-ballot",
    "hookVersion": "1.0",
    "extension": {"davinci-crd.configuration": {"lumbosacral": False}, "org.example.new": [1]},
    "acceptedLanguages": ["de"],
}
"""Members that the 3.0 ballot, CRD or a vendor may add to a request."""


@pytest.mark.parametrize("dialect", RULES)
def test_members_of_the_next_version_change_nothing(dialect, answered):
    """A request with members of the 3.0 ballot is answered as one without."""
    grown = CALL | BALLOT | {"context": CALL["context"] | {"extension": {"a.b": 1}, "performer": "Practitioner/1"}}
    plain, other = (answered(site_file("", dialect), body)[1]["cards"] for body in (CALL, grown))
    assert [_alike(card) for card in plain] == [_alike(card) for card in other]
    assert len(plain) == 1


def test_the_dialect_of_the_client_wins(tmp_path, knowledge):
    """A client's own dialect goes before that of the site file."""
    file = tmp_path / "site.toml"
    file.write_text(site_file("", "crd"), encoding="utf-8")
    for own, behavior in (('\ndialect = "epic"', "any"), ("", "at-most-one")):
        folder = tmp_path / (own.strip('\n"').replace(" ", "") or "none")
        folder.mkdir()
        with authenticated_service(folder, knowledge, f"{LEAST}{own}", site_file=str(file)) as service:
            [card] = service.asked(ORDER_SELECT, CALL).json()["cards"]
            assert card["selectionBehavior"] == behavior
            assert (ASSOCIATED in card.get("extension", {})) is (own == "")


@pytest.mark.parametrize("dialect", RULES)
@pytest.mark.parametrize(
    "damage",
    [
        lambda card: card.update(selectionBehavior="all"),
        lambda card: card["suggestions"][0].pop("label"),
        lambda card: card["suggestions"][0]["actions"][0].update(type="UPDATE"),
        lambda card: card["source"]["topic"].update(code=""),
        lambda card: card.update(extension={ASSOCIATED: [{"reference": "ServiceRequest/gone"}]}),
    ],
)
def test_the_rules_can_fail(dialect, damage, answered):
    """Each rule finds an answer that breaks it."""
    _, answer, _ = answered(site_file("", dialect), CALL)
    assert RULES[dialect](answer, CALL) == []
    damage(answer["cards"][0])
    assert RULES[dialect](answer, CALL) != []
