"""A text is skipped only if it has nothing to find."""

import re
from random import Random

import pytest

from cds_service.knowledge.typed_text.prefilter import Prefilter
from tests.support.service import TODAY


def a_text(random, phrases) -> str:
    """Return a random reason: phrases whole, truncated, joined and in any case, among other words."""
    noise = ["", "no", "left leg", "pain", "s/p", "r/o", "or", "but", "since 2019", "(resolved)", "x", "'", "WEAK", "-"]
    chosen = [*random.choices(phrases, k=2), *random.choices(noise, k=3)]
    pieces = [word[: random.choice([len(word), len(word), len(word) - 1, 3])] for word in chosen]
    return "".join(
        random.choice([str.upper, str.lower, str])(piece) + random.choice([" ", ", ", "-", "", "; "])
        for piece in pieces
    )


@pytest.fixture(scope="module")
def reasons_in_words(knowledge):
    """Return thousands of random reasons, and all phrases of reason_words.csv."""
    lists = {row["means"]: row["words"].split(";") for row in knowledge.reason_rows if row["topic"] == "list"}
    random = Random(3)
    phrases = [
        re.sub(r"<(\w+)>", lambda name: random.choice(lists[name[1]]), phrase).strip()
        for row in knowledge.reason_rows
        for phrase in row["words"].split(";")
    ]
    misspelled = [phras[:3] + phras[4:] for phras in phrases if len(phras) > 5]
    return [*phrases, "eGFR 18", "GFR: 12", *misspelled, *(a_text(random, phrases) for _ in range(3000))]


def read(knowledge, texts) -> list[tuple]:
    """Return what texts say, and how each opens."""
    typed = [knowledge.reason_words.typed_text(text, TODAY, knowledge.lookback_windows) for text in texts]
    return [(text.mentions, text.opening) for text in typed]


def test_a_skipped_text_has_nothing_to_find(knowledge, reasons_in_words, monkeypatch):
    """A text is skipped only if reading it word by word finds nothing, and no doubt at its beginning."""
    prefilter = knowledge.reason_words.prefilter
    topics = [prefilter.topics(text) for text in reasons_in_words]
    doubts = [prefilter.may_open_in_doubt(text) for text in reasons_in_words]
    quick = read(knowledge, reasons_in_words)
    for verdicts in (list(map(bool, topics)), doubts):
        assert min(verdicts.count(True), verdicts.count(False)) > 300
    for may_be, (mentions, _) in zip(topics, quick, strict=True):
        assert may_be >= {mention.topic for mention in mentions}
    every_topic = prefilter.topics("eGFR")
    monkeypatch.setattr(Prefilter, "topics", lambda *_: every_topic)
    monkeypatch.setattr(Prefilter, "may_open_in_doubt", lambda *_: True)
    assert read(knowledge, reasons_in_words) == quick


def test_a_plexus_study_names_the_plexus(knowledge):
    """An order's text is a plexus study only if it names the plexus: no other text is read beside a code."""
    phrases = [word.rstrip("*") for phrase in knowledge.phrases.values() for word in phrase]
    random, seen = Random(4), set()
    for text in (*phrases, *(a_text(random, [*phrases, "plexus MRI"]) for _ in range(4000))):
        is_study, named = "plexus" in (knowledge.words.study(text) or ""), knowledge.words.names_plexus(text)
        assert named or not is_study, text
        seen.add((is_study, named))
    assert seen == {(False, False), (True, True), (False, True)}
