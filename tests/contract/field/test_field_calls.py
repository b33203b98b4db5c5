"""Calls as they come from the field: each of calls.ndjson, through HTTP, on a fixed day, against cases.csv.

The column `waits_for` names what a case cannot be answered rightly without: codes, systems, words_as_history, errors,
order_names or sites; or that the contract answers otherwise (contract). Such a case fails here once it is answered as
expected, so that the column is kept true.
"""

import json
import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from cds_service.config.settings import Settings
from cds_service.examples import dated
from cds_service.web.app import create_app
from tests.contract.field.answers import Answer, fits
from tests.support.notation import SITES, rows
from tests.support.service import CLOCK, ORDER_SELECT, ORDER_SIGN, TODAY, Client, serving

HERE = Path(__file__).parent
CASES = rows("contract/field/cases.csv")
LINES = (HERE / "calls.ndjson").read_text(encoding="utf-8").splitlines()
CALLS = {case["name"]: case["call"] for case in map(json.loads, LINES)}
WAITS = {"", "codes", "systems", "words_as_history", "errors", "order_names", "sites", "contract"}
PATHS = {"order-select": ORDER_SELECT, "order-sign": ORDER_SIGN}


@pytest.fixture(scope="module")
def focused(knowledge, tmp_path_factory):
    """Yield a client of a site that chose the focused policy."""
    file = tmp_path_factory.mktemp("site") / "site.toml"
    file.write_text(SITES["focused"], encoding="utf-8")
    with serving(create_app(Settings(development=True, site_file=str(file)), knowledge, clock=CLOCK)) as base:
        yield Client(base)


def answered(name: str, service: Client, focused: Client) -> Answer:
    """Return what the service answers to the call of a case; where its name says so, under the focused policy."""
    body = dated(CALLS[name], TODAY)
    asked = focused if name.endswith("-focused") else service
    response = asked.post(body, PATHS[body["hook"]])
    return Answer(response.status_code, response.json()["cards"] if response.status_code == 200 else [])


def check(case: dict[str, str], answer: Answer) -> None:
    """Assert that the answer is the expected one, or, where the case waits for something, that it is not yet."""
    says = f"expected {case['expected']}, got {answer}: {case['why']}"
    now_right = f"answered rightly now: empty its column waits_for ({case['waits_for']})"
    assert fits(case["expected"], answer) is (case["waits_for"] == ""), now_right if case["waits_for"] else says


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_field_call(case, service, focused):
    """The service answers this call as the case says, or waits for what its column names."""
    check(case, answered(case["name"], service, focused))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("field-sys-icd10who-control", {"expected": "silent"}),
        ("field-sys-icd10who-control", {"expected": "412"}),
        ("field-sys-icd10who-control", {"expected": "card-text:of another patient"}),
        ("field-sys-icd10who-control", {"waits_for": "systems"}),
        ("field-au-noknown", {"expected": "card"}),
        ("field-au-noknown", {"expected": "warning"}),
        ("field-env-prefetch-entry-list", {"expected": "silent"}),
        ("field-env-prefetch-entry-list", {"expected": "422"}),
        ("field-env-prefetch-entry-list", {"waits_for": "errors"}),
    ],
)
def test_a_wrong_case_fails(name, wrong, service, focused):
    """A case with the wrong answer fails through the same function, and so does one that waits in vain."""
    case = next(case for case in CASES if case["name"] == name)
    answer = answered(name, service, focused)
    check(case, answer)
    with pytest.raises(AssertionError):
        check(case | wrong, answer)


def test_cases_and_calls_are_the_same():
    """Each case has its call and each call its case, under one name."""
    assert [case["name"] for case in CASES] == list(CALLS)


def test_every_case_is_complete():
    """Every case says why, and waits for nothing that is not listed."""
    for case in CASES:
        assert case["why"].strip(), case
        assert case["waits_for"] in WAITS, case


def test_offsets_become_days():
    """Every offset in the calls is filled by a day, whichever way it is counted."""
    found = set(re.findall(r'"@today([^"]*)"', json.dumps(CALLS)))
    assert found
    for offset in found:
        days = re.fullmatch(r"-(\d+)d", offset)
        assert date.fromisoformat(dated(f"@today{offset}", TODAY)) == TODAY - timedelta(days=int(days[1])), offset
