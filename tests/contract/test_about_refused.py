"""Texts of the page behind the card that contradict the rest stop the start: the file, the line, what to mend."""

import pytest

from tests.contract.test_knowledge_refused import both, edited, replaced
from tests.contract.test_tables_refused import cards, line_of, lines, more, refusal  # noqa: F401 - a fixture is used by its name

PITFALL = "pitfalls,Chemotherapy,"
AT = f"about.csv: line {line_of('about.csv', PITFALL)}"
REFUSED = {
    "unknown citation": (
        replaced("about.csv", 'hard to untangle.",gighz-2026', 'hard to untangle.",gighz-2031'),
        f"{AT}: Chemotherapy cites gighz-2031, which is no label of a relatedArtifact in plan_definition.json"),
    "one of two citations unknown": (
        edited("plan_definition.json", lambda plan: plan["relatedArtifact"][-1].update(label="other")),
        "cites pitman-2024, which is no label"),
    "statement without a text": (
        replaced("about.csv", "It may leave the question of tumor versus treatment change open.", ""),
        "text must not be empty"),
    "statement without a topic": (replaced("about.csv", PITFALL, "pitfalls,,"), f"{AT}: topic must not be empty"),
    "statement of an unknown section": (
        replaced("about.csv", PITFALL, "hints,Chemotherapy,"),
        f"{AT}: Chemotherapy is of the section hints, which about_sections.csv does not have"),
    "unknown section": (more("about_sections.csv", "hints,Hints"), "section must be one of in_short or"),
    "section without a title": (replaced("about_sections.csv", "in_short,Summary", "in_short,"), "title must not be"),
    "section twice": (
        more("about_sections.csv", "sources,Again"),
        "about_sections.csv: line 18: sources is on more than one line"),
    "section missing": (
        both(
            lines("about_sections.csv", lambda kept: kept.pop()),
            lines("about_sections.csv", lambda kept: kept.remove("silences,When no card is shown")),
        ),
        "about_sections.csv: no row for silences"),
    "word missing": (
        lines("about_words.csv", lambda kept: kept.pop(1)), "about_words.csv: no row for history.in_reach"),
    "word for a suggestion missing": (
        lines("about_words.csv", lambda kept: kept.__setitem__(slice(None), [
            line for line in kept if not line.startswith("suggestion.add,")])),
        "about_words.csv: no row for suggestion.add"),
    "word that nothing asks for": (
        more("about_words.csv", "history.both,both,x"), "nothing on the page asks for history.both"),
    "word without a meaning": (more("about_words.csv", "history.in_reach,x,"), "words must not be empty"),
    "attribute missing": (
        lines("source_attributes.csv", lambda kept: kept.remove("race,Use of race,Not used.")),
        "source_attributes.csv: no row for race"),
    "attribute without a value": (
        replaced("source_attributes.csv", "Use of race,Not used.", "Use of race,"), "value must not be empty"),
    "attribute that nothing asks for": (more("source_attributes.csv", "income,x,y"), "attribute must be one of"),
    "placeholder that nothing fills": (
        replaced("source_attributes.csv", "$publisher", "$owner"),
        "source_attributes.csv: line 3: developer: unknown placeholder $owner; use one of $citations, $publisher"),
    "dollar that is no placeholder": (
        replaced("source_attributes.csv", "$publisher", "5 $"),
        "source_attributes.csv: line 3: developer has a $ that starts no placeholder"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "says"), REFUSED.values(), ids=REFUSED)
def test_refused(damage, says, cards):  # noqa: F811 - the fixture
    """The refusal says in a sentence which file and line are wrong, and how."""
    damage(cards)
    message = refusal(cards)
    assert any(says in sentence for sentence in message), message
