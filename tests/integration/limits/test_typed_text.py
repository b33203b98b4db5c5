"""Typed text costs what its length is worth, whatever is in it, and what is too long for one call is not read."""

import re
from random import Random

import pytest

from cds_service.knowledge.typed_text.budget import MOST_LOOKED_AT, MOST_READ
from tests.support.interpreter_steps import counting
from tests.support.notation import call
from tests.support.service import TODAY, log_lines

LONGEST = 2000
SIGN = "left foot drop"


def texts(count: int, length: int = LONGEST, saying: str = "possible left leg pain") -> list[str]:
    """Return so many different texts of this length that have to be read whole."""
    return [f"{number:06} {saying} ".ljust(length, "x") for number in range(count)]


def calling(*, reasons=(), conditions=()) -> dict:
    """Return a call for a lumbar MRI of a patient with cancer, with these texts in its reasons and in its record."""
    body = call({"patient": "prostate cancer", "order": "lumbar MRI", "also drafted": ""}, TODAY)
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["reasonCode"] = [{"text": text} for text in (SIGN, *reasons)]
    more = [{"resourceType": "Condition", "id": f"t{n}", "code": {"text": text}} for n, text in enumerate(conditions)]
    body["prefetch"]["conditions"]["entry"] += [{"resource": condition} for condition in more]
    return body


@pytest.fixture
def answer(service, caplog):
    """Return what asks the service: how many cards a call brings, and the reasons in its log line."""

    def ask(body) -> tuple[int, list[str]]:
        caplog.clear()
        caplog.set_level("INFO", "plexus_cds")
        cards = service.cards(body)
        return len(cards), log_lines(caplog)[-1]["reasons"]

    return ask


@pytest.mark.parametrize("place", ["reasons", "conditions"])
@pytest.mark.parametrize(
    ("some", "is_read"),
    [
        (texts(MOST_READ // LONGEST - 1), True),
        (texts(MOST_READ // LONGEST + 1), False),
        (texts(1) * 90, True),
        (texts(90, 40), True),
    ],
    ids=["as much as is read", "more", "one text again and again", "short ones"],
)
def test_no_card_where_text_is_not_read(answer, place, some, is_read):
    """A brake may be in the text that is not read, so there is no card, and the reason is that a part was not read."""
    count, reasons = answer(calling(**{place: some}))
    assert (count, reasons == ["part_not_read"]) == ((1, False) if is_read else (0, True))


def test_an_emergency_is_named_where_more_is_not_read(answer):
    """An emergency in what was read is the reason, however much was not."""
    assert answer(calling(reasons=["urinary retention", *texts(50)])) == (0, ["emergency"])


def test_no_card_where_words_are_not_looked_up(answer):
    """Texts without a word of the table cost less, and are too many in the end."""
    plain = texts(MOST_LOOKED_AT // LONGEST - 5, saying="plain")
    assert answer(calling(conditions=plain))[0] == 1
    assert answer(calling(conditions=[*plain, *texts(10, saying="simple")])) == (0, ["part_not_read"])


def phrases(rows, random) -> list[str]:
    """Return every phrase of the table, and what else a sentence is made of."""
    lists = {row["means"]: row["words"].split(";") for row in rows if row["topic"] == "list"}
    spellings = [spelling for row in rows for spelling in row["words"].split(";")]
    filled = [re.sub(r"<(\w+)>", lambda name: random.choice(lists[name[1]]), text).strip() for text in spellings]
    return [*filled, *["x 3 wks", "since 2019", "left", "and", "or", ",", "?", "(", "a", "1", "-", "4/5", "@3"] * 20]


def worst_texts(rows) -> list[str]:
    """Return texts that repeat a few phrases: one, or several in turn."""
    random = Random(8)
    every = phrases(rows, random)
    alone = ["fx", "rle", "foot drop", "no urine", "in", "father", "past", "resolved", "cannot", "since 2019 fx", "?"]
    return [*alone, *(" ".join(random.choices(every, k=random.choice([1, 2, 3, 6]))) for _ in range(50))]


def test_twice_the_text_takes_twice_the_steps(knowledge):
    """A text twice as long is read in about twice the steps, whatever phrases it repeats."""

    def read(text: str) -> None:
        typed = knowledge.reason_words.typed_text(text, TODAY, knowledge.lookback_windows)
        assert typed.mentions is not None
        assert typed.opening

    def steps_of(text: str) -> int:
        with counting("typed_text") as steps:
            read(text)
        return steps()

    ratios = {}
    for text in worst_texts(knowledge.reason_rows):
        quarter = f"{text} " * max(1, LONGEST // 4 // (len(text) + 1))  # whole: another last word is another text
        read(2 * quarter)  # so that what is made once is made
        ratios[text] = steps_of(2 * quarter) / steps_of(quarter)
    assert {text: ratio for text, ratio in ratios.items() if ratio > 2.6} == {}


@pytest.mark.parametrize("separator", [" ", ", ", ". ", "\n"])
def test_what_a_text_repeats_is_read_a_few_times(separator, knowledge):
    """A text that says the same again and again says what it says once, and costs little more."""
    reader = knowledge.reason_words

    def steps_of(text: str) -> int:
        with counting("typed_text") as steps:
            reader.read(text, TODAY, knowledge.lookback_windows)
        return steps()

    for text in ("left foot drop", "no leg weakness", "hx of prostate cancer and foot drop", "r/o cauda equina or fx"):
        few, many = separator.join([text] * 3), separator.join([text] * 150)[:LONGEST]
        few_mentions = reader.read(few, TODAY, knowledge.lookback_windows)  # and what is made once is made
        assert few_mentions
        assert reader.read(many, TODAY, knowledge.lookback_windows) == few_mentions
        assert steps_of(many) < 5 * steps_of(few)
