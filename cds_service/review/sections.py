"""The sections of REVIEW.md."""

from collections.abc import Iterator
from pathlib import Path

from cds_service.knowledge import Knowledge
from cds_service.model import Site
from cds_service.review import cases
from cds_service.review.answers import POLICIES, Answer, grid
from cds_service.review.markdown import table as _table
from cds_service.review.value_sets import value_sets
from cds_service.vocabulary import Presentation


def page(knowledge: Knowledge, vignettes: Path) -> str:
    """Return REVIEW.md: what the card does, computed by calling the code that does it."""
    sections = (
        *(
            _head,
            _watched,
            _strength,
            _reservations,
            _silences,
            _limits,
            _ratings,
            _sources,
            cases.cards,
            _statuses,
            _unknowns,
        ),
        *(_about, _about_words, _attributes, value_sets, _words),
    )
    rendered = [*(section(knowledge) for section in sections), cases.vignettes(vignettes)]
    return "\n\n".join("\n".join(lines) for lines in rendered) + "\n"


def _head(knowledge: Knowledge) -> Iterator[str]:
    plan = knowledge.plan
    yield f"# {plan['title']}"
    yield ""
    yield "Generated from the files of this folder by `plexus-cds review`: change those, never this page."
    yield ""
    yield f"Version {knowledge.version}, of {plan['date']}, status {plan['status']}."
    yield from _signatures(knowledge)
    yield ""
    yield plan["description"]
    yield ""
    yield plan["purpose"]
    yield ""
    yield "What could harm a patient, what is done against it, and which test proves it: the repository's "
    yield "[hazard log](../../docs/clinical-safety.md)."


def _signatures(knowledge: Knowledge) -> Iterator[str]:
    """Tell who reviewed which version when, and whether anything changed since."""
    if not knowledge.signatures:
        yield "Not yet reviewed by a clinician."
    for row in knowledge.signatures:
        since = "" if row["version"] == knowledge.version else ", and it has changed since"
        yield f"* Version {row['version']} was reviewed by {row['reviewer']} on {row['date']}{since}."


def _watched(knowledge: Knowledge) -> Iterator[str]:
    yield "## What it watches"
    yield ""
    orders, proposals = knowledge.card["orders"], knowledge.card["proposals"]
    yield from _table(
        (
            "selected order",
            "only for",
            "proposed",
            "suggestions",
            "what the card says of the selected order",
            "citation",
        ),
        (
            (
                orders[row.study]["name"],
                f"a {row.only_for} presentation as its own reason" if row.only_for else "",
                proposals[row.proposes]["code"]["text"],
                ", ".join(row.suggestions),
                orders[row.study]["misses"],
                orders[row.study]["citation"],
            )
            for row in knowledge.watched.values()
        ),
    )


def _strength(knowledge: Knowledge) -> Iterator[str]:
    yield "## How strongly it speaks"
    yield ""
    yield "Each cell is the answer of the code to a patient with this history and this presentation."
    for policy in POLICIES:
        yield ""
        yield f"### Policy *{policy}*"
        for row in knowledge.watched.values():
            yield ""
            yield f"{knowledge.card['orders'][row.study]['name']}:"
            yield ""
            yield from _table(
                ("history", *(f"presentation {one}" for one in Presentation)),
                (
                    (history.replace("_", " "), *map(_cell, answers))
                    for history, answers in grid(knowledge, row, Site(policy=policy))
                ),
            )


def _cell(answer: Answer) -> str:
    if answer.indicator:
        return f"{answer.indicator}{f', *{answer.recommended}* recommended' if answer.recommended else ''}"
    return f"silent: {answer.silence}" if answer.silence else "not watched"


def _reservations(knowledge: Knowledge) -> Iterator[str]:
    yield "## When nothing is recommended"
    yield ""
    yield "Each of these speaks against recommending a suggestion; the card is then as strong as the last column says."
    yield ""
    names = knowledge.card["orders"]
    yield from _table(
        ("reason", "of", "why", "card at most"),
        (
            (
                f"`{row.reason}`",
                ", ".join(names[study]["name"] for study in knowledge.watched if study in row.studies),
                row.words,
                row.at_most or "as strong as above",
            )
            for row in knowledge.reservations
        ),
    )


def _silences(knowledge: Knowledge) -> Iterator[str]:
    yield "## When it is silent"
    yield ""
    yield "In this order; the first that holds is the reason."
    yield ""
    for reason, words in knowledge.silences.items():
        yield f"1. `{reason}` {words}"


def _ratings(knowledge: Knowledge) -> Iterator[str]:
    yield "## Ratings"
    yield ""
    yield from _table(
        ("study", "ACR category", "radiation", "scenario", "citation"),
        (
            (row["name"], row["category"], row["radiation"], row["scenario"], row["citation"])
            for row in knowledge.ratings.values()
        ),
    )


def _sources(knowledge: Knowledge) -> Iterator[str]:
    yield "## Sources"
    yield ""
    for source in knowledge.plan["relatedArtifact"]:
        yield f"* `{source['label']}` {source['citation']} <{source['url']}>"


def _limits(knowledge: Knowledge) -> Iterator[str]:
    yield "## Limits"
    yield ""
    yield from _table(
        ("limit", "value", "what"), ((r["limit"], f"{r['value']} {r['unit']}", r["what"]) for r in knowledge.limit_rows)
    )


def _statuses(knowledge: Knowledge) -> Iterator[str]:
    yield "## Entries that do not count for their status"
    yield ""
    for element, codes in knowledge.refused.items():
        yield f"* {element}: {', '.join(sorted(codes))}"


def _words(knowledge: Knowledge) -> Iterator[str]:
    yield "## Words"
    yield ""
    yield "By which an uncoded order is recognised:"
    yield ""
    for meaning, phrases in knowledge.phrases.items():
        yield f"* {meaning.replace('_', ' ')}: {', '.join(phrases)}"
    yield ""
    yield "By which typed text is read, in reasons and in the record (`<name>` is a list of the table):"
    yield ""
    yield from _table(
        ("topic", "means", "words", "beside", "wording"),
        ((r["topic"], r["means"], r["words"], r["beside"], r["wording"]) for r in knowledge.reason_rows),
    )


def _unknowns(knowledge: Knowledge) -> Iterator[str]:
    yield "## What is not known"
    yield ""
    for row in knowledge.unknowns:
        until = f" Until the site switches on `{row['until']}`." if row["until"] else ""
        yield f"* {row['unknown']} {row['consequence']}{until}"


def _about(knowledge: Knowledge) -> Iterator[str]:
    yield "## The page behind the card"
    yield ""
    yield "What it states beside the tables above, and the sources of each statement."
    for section in filter(lambda one: one.statements, knowledge.about.sections):
        yield ""
        yield f"### {section.title}"
        yield ""
        for one in section.statements:
            cited = f" ({', '.join(one.citations)})" if one.citations else ""
            yield f"* **{one.topic}.** {one.text}{cited}"


def _about_words(knowledge: Knowledge) -> Iterator[str]:
    yield "### Its words"
    yield ""
    words = knowledge.about.words.items()
    yield from _table(("term", "is called", "and means"), ((term, one.name, one.words) for term, one in words))


def _attributes(knowledge: Knowledge) -> Iterator[str]:
    yield "### Its source attributes"
    yield ""
    yield from _table(("attribute", "value"), ((row["name"], row["value"]) for row in knowledge.source_attributes))
