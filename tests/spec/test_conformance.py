"""docs/conformance.md says of each requirement what proves it, and says so truly."""

import re

import pytest

from tests.spec import conformance
from tests.spec.conformance import KINDS, PAGE, WHO, citations_of, kind, page, requirements, unknown, unproved

ROWS = requirements()


@pytest.fixture(scope="module")
def citations(all_tests):
    """Return what the tests cite."""
    return citations_of(all_tests)


def test_the_requirements_are_well_formed():
    """Each row has an id of its own, a level, whom it binds, words, and an answer of a known kind or none."""
    ids = [row["id"] for row in ROWS]
    assert len(set(ids)) == len(ids) == 148
    for row in ROWS:
        assert re.fullmatch(f"[{''.join(conformance.PARTS)}]-\\d\\d", row["id"])
        assert row["who"] in WHO, row
        assert row["level"], row
        assert row["requirement"], row
        assert kind(row) in KINDS, row
        assert not row["answer"] or re.fullmatch(r"[a-z ]+: .+", row["answer"]), row


def test_what_binds_the_client_alone_is_no_excuse_for_us():
    """`client` answers only for requirements on the client."""
    assert {row["who"] for row in ROWS if kind(row) == "client"} == {"C"}


def test_every_requirement_is_proved_or_answered(citations):
    """No requirement is without a test and without an answer."""
    assert unproved(ROWS, citations) == []


def test_no_test_cites_an_unknown_requirement(citations):
    """Each cited id is in requirements.csv."""
    assert unknown(ROWS, citations) == []


def test_every_citation_says_what_broken_looks_like(citations):
    """Each citation states what the test would see if the requirement were broken."""
    assert [citation for citation in citations if not citation["broken"]] == []


def test_the_page_is_fresh(citations):
    """docs/conformance.md is what `python -m tests.spec.conformance` writes."""
    assert PAGE.read_text(encoding="utf-8") == page(ROWS, citations)


def test_a_gap_would_be_found():
    """A requirement that nobody proves and a citation of none are both found."""
    row = {"id": "D-01", "level": "SHALL", "who": "S", "requirement": "a", "answer": ""}
    citation = {"id": "D-02", "file": "test_a.py", "test": "test_b", "broken": "c"}
    assert unproved([row], [citation]) == ["D-01"]
    assert unproved([row | {"answer": "later: d"}], []) == []
    assert unknown([row], [citation]) == ["D-02"]
    assert "| D-01 | SHALL | service | a |  |" in page([row], [citation])
