"""No text of the chart becomes markup, link or image: cards are of our words alone, and plain in every renderer."""

import copy
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.generative.hostile.planting import planted
from tests.generative.hostile.rendering import addresses, card_faults, faults
from tests.generative.hostile.texts import CONTROLS, HOSTILE, MARKUP, hostile_texts, is_qualified
from tests.support.notation import call, rows
from tests.support.profiles import examples
from tests.support.service import ORDER_SELECT, ORDER_SIGN, TODAY

PATHS = {"order-select": ORDER_SELECT, "order-sign": ORDER_SIGN}
OURS = {
    "https://doi.org/10.1016/j.jacr.2021.08.014",
    "http://127.0.0.1:8080/cards/lumbosacral-plexus-mri",
}
often = examples(150)


def words(card: dict) -> dict:
    """Return all of a card but its UUIDs and the orders that it carries, which are the call's own."""
    comparable = copy.deepcopy(card)
    comparable.pop("uuid")
    comparable.pop("extension", None)
    for suggestion in comparable["suggestions"]:
        suggestion.pop("uuid")
        for action in suggestion["actions"]:
            action.pop("resource")
    return comparable


@pytest.fixture(scope="module", params=PATHS)
def asked(request, service):
    """Give a function that returns the cards for texts planted everywhere, in turn."""

    def cards(*texts: str) -> list[dict]:
        turns = cycle(texts)

        def word(place: str) -> str:
            """Give the next text; where a clinician types, none that says how sure the rest is."""
            text = next(turns)
            return "" if place.endswith((".text", ".display")) and is_qualified(text) else text

        return service.cards(planted(word, request.param), PATHS[request.param])

    return cards


@pytest.fixture(scope="module")
def clean(asked) -> list[dict]:
    """Return what the cards say where harmless texts are planted."""
    return [words(card) for card in asked("x")]


def test_the_cards_have_all_that_cards_can_have(clean):
    """The cards of these tests name their order, cautions, a rating of all studies, and what could not be read."""
    assert [card["indicator"] for card in clean] == ["warning", "warning"]
    for part in ("draft order", "Leg weakness", "Radiotherapy", "Prostate cancer", "|---|", "Check first", "Contrast"):
        assert all(part in card["detail"] for card in clean), part
    assert all("incomplete record" in card["detail"] for card in clean)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_changes_no_word(text, asked, clean):
    """With a hostile text in every place of the call the cards say the same as without it."""
    assert [words(card) for card in asked(text)] == clean


@given(texts=st.lists(hostile_texts, min_size=1, max_size=5))
@often
def test_hostile_texts_change_no_word(texts, asked, clean):
    """With any hostile texts in the places of the call the cards say the same as without them."""
    assert [words(card) for card in asked(*texts)] == clean


LONG = (
    "first.code.text",
    "first.code.code",
    "first.code.display",
    "first.reason.text",
    "first.reason.code",
    "first.id",
    "cancer.code.code",
    "cancer.onset",
    "longer code",
    "unknown.code",
    "radiotherapy.code.code",
    "radiotherapy.bodySite.code",
)


@pytest.mark.parametrize("place", LONG)
def test_a_long_text_is_read_once(place, service):
    """A text of two million characters changes no word, and nothing reads it again for each of its characters."""
    body = planted(lambda name: "7" * 2_000_000 if name == place else "x")
    assert [words(card) for card in service.cards(body)] == [
        words(card) for card in service.cards(planted(lambda _: "x"))
    ]


def test_cards_are_plain(clean):
    """As CommonMark, as GFM and as raw HTML these cards are paragraphs, lists, tables and emphasis, and lead to us."""
    for card in clean:
        assert card_faults(card) == []
        assert addresses(card) == OURS


def test_all_cards_are_plain(service):
    """So are the cards of all vignettes."""
    seen = {}
    for row in rows("vignettes.csv"):
        path = PATHS["order-sign" if row["call"] == "order-sign" else "order-select"]
        cards = service.post(call(row, TODAY), path).json().get("cards", [])
        seen |= {card["detail"]: card for card in cards}
    assert len(seen) > 100
    assert [fault for card in seen.values() for fault in card_faults(card)] == []
    assert all(addresses(card) == OURS for card in seen.values())


@pytest.mark.parametrize("text", [*MARKUP.values(), *CONTROLS.values()], ids=[*MARKUP, *CONTROLS])
def test_what_is_hostile_is_found(text, service):
    """The check can fail: a hostile text that stood in a card would be found."""
    card = service.cards(planted(lambda _: "x"))[0]
    assert card_faults(card | {"detail": f"{card['detail']}\n\nProstate cancer {text}"})
    assert card_faults(card | {"summary": f"Suspected {text}"})


def test_markup_of_ours_is_no_fault():
    """What `detail` may have is not found, and a line may not have it."""
    assert faults("A **word**, *another*\n\n- one\n\n| a | b |\n|---|---|\n| c | d |") == []
    assert faults("A **word**", frozenset({"p"}))
