"""Thousands of reasons, put together from what clinicians type, each with what must be read in it."""

from itertools import chain

import pytest

from tests.generative.grid import PRESENTATIONS, Sentence, body_for, check, reader
from tests.generative.grid_brakes import arms, emergencies, no_emergencies, no_traumas, traumas
from tests.generative.grid_denials import denials, doubts, ended, unclear
from tests.generative.grid_signs import pasts, signs
from tests.support.service import log_lines

GRIDS = (denials, doubts, unclear, ended, emergencies, no_emergencies, traumas, no_traumas, arms, pasts, signs)
AT_LEAST = 4000
OVER_HTTP = 200


@pytest.fixture(scope="module")
def read(knowledge):
    """Return what reads a reason by the decision alone."""
    return reader(knowledge)


@pytest.fixture
def read_over_http(service, caplog):
    """Return what reads a reason through HTTP, as the log has it."""
    caplog.set_level("INFO", "plexus_cds")

    def read(reason: str) -> str:
        caplog.clear()
        service.cards(body_for(reason))
        [logged] = log_lines(caplog)[-1]["reasons"]
        return logged.rsplit(":", 1)[-1]

    return read


def everything() -> list[Sentence]:
    """Return the sentences of all grids."""
    return list(chain.from_iterable(grid() for grid in GRIDS))


def some() -> list[Sentence]:
    """Return some 200 sentences from all over the grids."""
    whole = everything()
    return whole[:: len(whole) // OVER_HTTP]


def test_what_is_denied_is_not_found(read):
    """No sign of a denied list is a finding, and no emergency, injury or arm in it silences."""
    check(denials(), read)


def test_what_is_doubted_is_no_sign(read):
    """A sign that is only asked for is none, and plexopathy by name, asked for but not denied, is the indication."""
    check(doubts(), read)


def test_an_unclear_item_of_a_denied_list(read):
    """After a denial an item with a side, a grade, a time or a verb is no sign, but a brake that holds."""
    check(unclear(), read)


def test_what_ends_a_denial(read):
    """A denial ends with its sentence and at but, now, new, has, presents with or however: what follows is asserted."""
    check(ended(), read)


def test_an_emergency_silences(read):
    """An emergency that is asserted, doubted, asked for or typed wrong silences, in seven languages."""
    check(emergencies(), read)


def test_no_emergency_does_not_silence(read):
    """An emergency that is past, chronic or denied does not silence, nor does what resembles one."""
    check(no_emergencies(), read)


def test_trauma_silences(read):
    """An injury of the last 90 days, or without a date, silences, in seven languages."""
    check(traumas(), read)


def test_no_acute_trauma_does_not_silence(read):
    """An injury that is old, healed, denied, pathological or a symptom does not silence."""
    check(no_traumas(), read)


def test_the_arm_alone_silences(read):
    """The arm silences where neither the leg nor the low back is named; the neck is no arm."""
    check(arms(), read)


def test_what_is_past_or_of_a_relative_is_no_sign(read):
    """A sign that is past or a relative's is not the patient's now, and hides none that is."""
    check(pasts(), read)


def test_signs_in_many_spellings(read):
    """A sign that is asserted is found in all its spellings, and words that only resemble one are not read as it."""
    check(signs(), read)


def test_some_over_http(read_over_http):
    """Sentences from all over the grids are read so through HTTP, too."""
    check(some(), read_over_http)


def test_http_and_the_decision_read_alike(read, read_over_http):
    """What the grids read by the decision alone is what the service reads through HTTP."""
    assert {reason.text: read(reason.text) for reason in some()} == {
        reason.text: read_over_http(reason.text) for reason in some()
    }


def test_there_are_thousands_and_each_once():
    """There are more than 4,000 sentences, and none stands in two grids with different meanings."""
    whole = everything()
    meanings: dict[str, set[str]] = {}
    for reason in whole:
        meanings.setdefault(reason.text, set()).add(reason.expected)
    assert len(meanings) >= AT_LEAST
    more = {
        text: meanings_of_text
        for text, meanings_of_text in meanings.items()
        if len(meanings_of_text) > 1 and not _the_same(meanings_of_text)
    }
    assert more == {}


def _the_same(meanings_of_text: set[str]) -> bool:
    """Tell whether two meanings are compatible: any card, and a certain one."""
    return (
        "card" in meanings_of_text and meanings_of_text - {"card"} <= set(PRESENTATIONS) and len(meanings_of_text) == 2
    )


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        ("LBP", "none", "specific"),
        ("LBP", "card", "emergency"),
        ("foot drop", "specific", "none"),
        ("foot drop", "card", "not specific"),
        ("leg pain", "compatible", "specific"),
        ("cauda equina syndrome", "emergency", "card"),
        ("MVA", "acute_trauma", "emergency"),
        ("left arm weakness", "upper_limb_only", "none"),
    ],
)
def test_a_wrong_sentence_fails(text, right, wrong, read):
    """A sentence with the wrong meaning fails through the same function, and is named with what was read."""
    check([Sentence(text, right)] * 50, read)
    sentences = [Sentence(text, right), Sentence(text, wrong)]
    with pytest.raises(AssertionError, match=f"1 of 2 sentences are read wrongly(?s:.*){text!r}: expected {wrong}"):
        check(sentences, read)
