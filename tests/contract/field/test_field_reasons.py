"""Reasons as clinicians typed them for a lumbar-spine MRI after prostate cancer: each of reasons.csv, through HTTP.

Expected: E an emergency, T acute trauma, A the arm alone (all silent, each under its own name), S a specific sign (a
warning), C a compatible sign, or one whose cause may lie elsewhere, N no sign (both an info card).
"""

import pytest

from tests.support.notation import call, rows
from tests.support.service import TODAY, log_lines

REASONS = rows("contract/field/reasons.csv")
MENTIONS = {
    "E": ("silent", "emergency"),
    "T": ("silent", "acute_trauma"),
    "A": ("silent", "upper_limb_only"),
    "S": ("warning", "specific"),
    "C": ("info", ""),
    "N": ("info", "none"),
}
"""The indicator, and the name of the silence or the presentation; no text where it may be any."""


def heard(reason: str, service, caplog) -> tuple[str, str]:
    """Return the indicator of the card, and the presentation that was read, or why there is none."""
    body = call({"patient": "prostate cancer [2023-05, remission]", "order": "lumbar MRI", "also drafted": ""}, TODAY)
    [entry] = body["context"]["draftOrders"]["entry"]
    entry["resource"]["reasonCode"] = [{"text": reason}]
    caplog.clear()
    caplog.set_level("INFO", "plexus_cds")
    cards = service.cards(body)
    [[logged]] = [line["reasons"] for line in log_lines(caplog, "call")]
    return cards[0]["indicator"] if cards else "silent", logged.rsplit(":", 1)[-1]


def check(expected: str, indicator: str, read: str) -> None:
    """Assert that a reason of this class was answered so."""
    strength, meaning = MENTIONS[expected]
    assert (indicator, meaning and read) == (strength, meaning), f"expected {expected}, got {indicator}, {read}"


@pytest.mark.parametrize("row", REASONS, ids=[row["reason"] for row in REASONS])
def test_typed_reason(row, service, caplog):
    """The service reads this reason as a clinician means it."""
    check(row["expected"], *heard(row["reason"], service, caplog))


@pytest.mark.parametrize(
    ("reason", "right"), [("foot drop", "S"), ("LBP", "N"), ("r/o cauda equina", "E"), ("MVC", "T")]
)
def test_a_wrong_class_fails(reason, right, service, caplog):
    """A reason of the wrong class fails, through the same function."""
    mentioned = heard(reason, service, caplog)
    check(right, *mentioned)
    for wrong in set(MENTIONS) - {right, "C" if right == "N" else right}:
        with pytest.raises(AssertionError):
            check(wrong, *mentioned)


def test_no_reason_twice():
    """No reason stands in the table twice, and every class is there."""
    reasons = [row["reason"] for row in REASONS]
    assert len(set(reasons)) == len(reasons)
    assert {row["expected"] for row in REASONS} == set(MENTIONS)
