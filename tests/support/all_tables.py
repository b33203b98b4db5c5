"""All rows of all tables in one go and without HTTP: what `make mutation` asks of each mutant first.

`make test` leaves this file out, as it asks the same of each row through HTTP.
"""

import pytest

from cds_service import review
from cds_service.errors import RecordUnavailable
from cds_service.knowledge import load
from cds_service.web.call_summary import reasons as reasons_of
from tests.contract import test_order_words as orders
from tests.contract import test_reason_words as reasons
from tests.contract.test_vignettes import VIGNETTES, agree, asked
from tests.support.in_process import decided
from tests.support.service import TODAY

MEANINGS = {"specific": reasons.SPECIFIC, "compatible": reasons.COMPATIBLE, "none": reasons.NONE, **reasons.SILENT}
REASONS = [(words, meaning) for meaning, texts in MEANINGS.items() for words in reasons.parted(texts)]
ORDERS = {
    "lumbar_spine_mri": orders.lines(orders.LUMBAR),
    "plexus_mri": orders.lines(orders.PLEXUS),
    "not_watched": orders.lines(orders.NOT_WATCHED),
    "plexus_mri_with_contrast": [f"MRI LUMBOSACRAL PLEXUS {phrase}" for phrase in orders.WITH],
    "plexus_mri_without_contrast": [f"MRI LUMBOSACRAL PLEXUS {phrase}" for phrase in orders.WITHOUT],
}
NAMES = [(name, study) for study, names in ORDERS.items() for name in names]
BARE = {"patient": "prostate cancer", "order": "lumbar MRI", "also drafted": "", "call": "", "site": ""}


@pytest.mark.parametrize("row", VIGNETTES, ids=[row["vignette"] for row in VIGNETTES])
def test_vignette(row, knowledge):
    """The decision on this patient's order is what the clinical table says."""
    body = asked(row)
    try:
        decision = decided(row, knowledge, TODAY, body)
    except RecordUnavailable:
        assert row["says"] == "412", row["proves"]
    else:
        agree(row, body, list(decision.cards), [reason.split(":") for reason in reasons_of(decision)])


@pytest.mark.parametrize(("words", "meaning"), REASONS)
def test_reason(words, meaning, knowledge):
    """The words of a reason are read as the list says in which they stand."""
    body = asked(BARE)
    body["context"]["draftOrders"]["entry"][0]["resource"]["reasonCode"] = [{"text": words}]
    [reason] = reasons_of(decided(BARE, knowledge, TODAY, body))
    assert reason.rsplit(":", 1)[-1] == meaning


@pytest.mark.parametrize(("name", "study"), NAMES)
def test_order(name, study, knowledge):
    """The name of an order is read as the study that it names."""
    assert orders.read(name, knowledge) == study


def test_knowledge_read_anew():
    """With the knowledge read in this very moment every row is answered as it says, and REVIEW.md is current."""
    knowledge = load()
    review.check(knowledge)
    for row in VIGNETTES:
        test_vignette(row, knowledge)
    for words, meaning in REASONS:
        test_reason(words, meaning, knowledge)
    for name, study in NAMES:
        test_order(name, study, knowledge)
