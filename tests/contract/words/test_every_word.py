"""What clinicians type, with what must be read in it: every spelling of reason_words.csv stands in some text here."""

import pytest

from tests.contract.words.every_word import Text, corpus, outcome, read, wrong
from tests.support.notation import call
from tests.support.service import TODAY, log_lines

AT_LEAST = 3000
OVER_HTTP = 150
ROW = {"patient": "prostate cancer [2023-05, remission]", "order": "lumbar MRI", "also drafted": ""}


@pytest.fixture(scope="module")
def texts():
    """Return the corpus."""
    return corpus()


def test_every_text_is_read_right(texts, knowledge):
    """Each text of the corpus is read as a clinician means it; those that are not are all listed."""
    faults = list(wrong(knowledge.reason_words, texts, knowledge.lookback_windows))
    assert not faults, f"{len(faults)} of {len(texts)} texts are read wrongly\n" + "\n".join(faults)


def test_some_over_http(texts, service, caplog):
    """Texts from all over the corpus are answered through HTTP as their reading wants, too."""
    caplog.set_level("INFO", "plexus_cds")
    body = call(ROW, TODAY)
    [entry] = body["context"]["draftOrders"]["entry"]
    faults = []
    for row in texts[:: len(texts) // OVER_HTTP]:
        entry["resource"]["reasonCode"] = [{"text": row.text}]
        caplog.clear()
        service.cards(body)
        [logged] = log_lines(caplog)[-1]["reasons"]
        if (got := logged.rsplit(":", 1)[-1]) != outcome(row):
            faults.append(f"{row.text!r}: expected {outcome(row)}, got {got}")
    assert not faults, "\n".join(faults)


def test_no_text_twice(texts):
    """There are thousands of texts, and none stands in the corpus twice."""
    assert len({row.text for row in texts}) == len(texts) >= AT_LEAST


def test_a_wrong_reading_fails(knowledge):
    """A text with the wrong meaning, certainty or wording is found by the same function."""
    right = Text("left foot drop", "lower_body:named:asserted; presentation:specific:asserted", "")
    assert read(knowledge.reason_words, right, knowledge.lookback_windows) == right
    others = [
        right._replace(says=right.says.replace("specific", "compatible")),
        right._replace(says=right.says.replace("asserted", "denied")),
        right._replace(named="Foot drop"),
        right._replace(says="none"),
    ]
    assert len(list(wrong(knowledge.reason_words, [right, *others], knowledge.lookback_windows))) == len(others)
