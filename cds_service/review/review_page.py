"""The sections of REVIEW.md."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from cds_service import examples
from cds_service.decision.order_select import decide
from cds_service.decision.rules import DecisionCell, decision_table
from cds_service.knowledge import Knowledge
from cds_service.knowledge.about import Word
from cds_service.knowledge.terminology import PROVENANCE, WORDING, extension
from cds_service.model import Pages, Presentation, Site


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


POLICIES = ("broad", "focused")


CASES = (
    ("article", "mri-lumbar-spine-without-and-with-contrast"),
    ("breast-cancer-remote", "mri-lumbar-spine-without-contrast"),
    ("pelvic-radiotherapy-in-sessions", "mri-lumbosacral-plexus-without-contrast"),
    ("metastatic-breast-cancer", "fdg-pet-ct"),
    ("prostate-cancer-with-pacemaker", "mri-lumbar-spine-without-and-with-contrast"),
)
"""A patient and an order of fixtures/ each."""


def cards(knowledge: Knowledge) -> Iterator[str]:
    """Yield the card for each case, computed by calling the code."""
    yield f"## The card for {len(CASES)} synthetic patients"
    today = date.fromisoformat(knowledge.plan["date"])
    for patient, order in CASES:
        body = examples.call(examples.example("patients", patient, today), [examples.example("orders", order, today)])
        yield ""
        yield f"### {_plain(patient)}, {_plain(order)}"
        for card in _decided(body, knowledge, today):
            yield ""
            yield from _rendered(card)


def _decided(body: Any, knowledge: Knowledge, today: date) -> tuple[dict[str, Any], ...]:
    return decide(
        body,
        "order-select",
        knowledge,
        Site(),
        today=today,
        fetch=lambda _, searches: [Pages() for _ in searches],
        new_id=lambda: "",
    ).cards


def _rendered(card: dict[str, Any]) -> Iterator[str]:
    yield f"> **{card['summary']}** ({card['indicator']})"
    yield ">"
    yield from (f"> {line}".rstrip() for line in card["detail"].split("\n"))
    yield ">"
    labels = (
        f"[{suggestion['label']}]{' (recommended)' if 'isRecommended' in suggestion else ''}"
        for suggestion in card["suggestions"]
    )
    yield f"> {' '.join(labels)}"


def _plain(name: str) -> str:
    return name.replace("-", " ")


def vignettes(source: Path) -> Iterator[str]:
    """Yield the clinical table with what each row proves, where the tests are beside the knowledge."""
    yield "## Vignettes"
    yield ""
    if not source.exists():
        yield "The table is in the repository, in tests/vignettes.csv."
        return
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    silent = sum(row["says"].startswith("silent") for row in rows)
    yield f"{len(rows)} rows, {silent} of them without a card. The tests send each to the service over HTTP."
    yield ""
    yield "| vignette | patient | order | says | proves |"
    yield "|---|---|---|---|---|"
    for row in rows:
        cells = (row["vignette"], row["patient"] or "empty chart", row["order"], row["says"], row["proves"])
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


SYSTEMS = {
    "http://snomed.info/sct": "SNOMED CT",
    "http://loinc.org": "LOINC",
    "http://radlex.org": "RadLex",
    "http://www.ama-assn.org/go/cpt": "CPT",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
    "http://hl7.org/fhir/sid/icd-10": "ICD-10",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD-9-CM",
    "http://www.cms.gov/Medicare/Coding/ICD10": "ICD-10-PCS",
    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": "HCPCS",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": "ICD-10-GM",
    "http://hl7.org/fhir/sid/icd-10-nl": "ICD-10-NL",
    "http://hl7.org/fhir/sid/icd-10-ca": "ICD-10-CA",
    "urn:oid:1.2.208.176.2.4.12": "SKS",
    "http://terminology.hl7.org/CodeSystem/icd-o-3": "ICD-O-3",
    "http://fhir.de/CodeSystem/bfarm/ops": "OPS",
    "https://fhir.hl7.org.uk/Id/opcs-4": "OPCS-4",
}
"""The names by which people know the code systems."""

LISTED = 130
"""Value sets of up to this many entries are listed code by code, longer ones by wording."""


def value_sets(knowledge: Knowledge) -> Iterator[str]:
    """Yield what each value set is for, its codes by our words, and where they were verified."""
    yield "## Value sets"
    for name, value_set in knowledge.value_sets.items():
        yield ""
        yield f"### {value_set['title']}"
        yield ""
        yield f"{value_set['purpose']} Entries: {knowledge.entries[name]}."
        yield ""
        entry_line = _codes_of if knowledge.entries[name] <= LISTED else _counts_of
        for wording, codes in sorted(_by_wording(value_set).items()):
            yield entry_line(wording, codes)
        yield ""
        provenance = "; ".join(sorted(_provenance(value_set)))
        yield f"Verified by: {provenance}. All codes: [{name}.json](valuesets/{name}.json)."


def _codes_of(wording: str, codes: list[str]) -> str:
    return f"* {wording}: {', '.join(codes)}"


def _counts_of(wording: str, codes: list[str]) -> str:
    categories = [code for code in codes if not code.startswith("SNOMED")]
    named = f" ({', '.join(categories)})" if categories else ""
    return f"* {wording}: {len(codes)}{named}"


def _by_wording(value_set: Mapping[str, Any]) -> dict[str, list[str]]:
    codes: dict[str, list[str]] = defaultdict(list)
    for include in value_set["compose"]["include"]:
        system = SYSTEMS.get(include["system"], include["system"])
        entries = [concept["code"] for concept in include.get("concept", [])]
        entries = entries or [code_filter["value"] for code_filter in include["filter"]]
        codes[extension(include, WORDING)] += [f"{system} {_as_code(entry)}" for entry in entries]
    return codes


def _as_code(entry: str) -> str:
    """Return a pattern as code, whose brackets Markdown would read as links, and any other entry as it is."""
    return f"`{entry}`" if "^" in entry or "[" in entry else entry


def _provenance(value_set: Mapping[str, Any]) -> set[str]:
    texts = (extension(include, PROVENANCE) for include in value_set["compose"]["include"])
    return {part for text in texts for part in text.split("; ")}


def page(knowledge: Knowledge, vignettes_table: Path) -> str:
    """Return REVIEW.md: what the card does, computed by calling the code that does it."""
    sections = (
        *(
            _head,
            _watched,
            _decision_table,
            _reservations,
            _silences,
            _lookback_windows,
            _ratings,
            _sources,
            cards,
            _statuses,
            _unknowns,
        ),
        *(_about, _about_words, _attributes, value_sets, _words),
    )
    rendered = [*(section(knowledge) for section in sections), vignettes(vignettes_table)]
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
    yield "## Monitored orders"
    yield ""
    orders, proposals, words = knowledge.card["orders"], knowledge.card["proposals"], knowledge.about.words
    yield from table(
        (
            "selected order",
            "reason for exam",
            "proposed study",
            "suggestions",
            "what the card states about the selected order",
            "citation",
        ),
        (
            (
                orders[row.study]["name"],
                f"a {words[f'presentation.{row.only_for}'].name}" if row.only_for else "any",
                proposals[row.proposes]["code"]["text"],
                "; ".join(words[f"suggestion.{kind}"].name for kind in row.suggestions),
                orders[row.study]["misses"],
                orders[row.study]["citation"],
            )
            for row in knowledge.watched.values()
        ),
    )


def _decision_table(knowledge: Knowledge) -> Iterator[str]:
    yield "## Decision tables"
    yield ""
    yield "Rows are history, columns are signs; [Terms](#terms) defines them. Each cell was computed by the service."
    words = knowledge.about.words
    for policy in POLICIES:
        yield ""
        yield f"### Policy *{policy}*"
        for row in knowledge.watched.values():
            yield ""
            yield f"{knowledge.card['orders'][row.study]['name']}:"
            yield ""
            yield from table(
                ("history", *(words[f"presentation.{presentation}"].name for presentation in Presentation)),
                (
                    (words[f"history.{cells[0].history}"].name, *(_cell(cell, words) for cell in cells))
                    for cells in decision_table(row.study, knowledge, Site(policy=policy))
                ),
            )


def _cell(cell: DecisionCell, words: Mapping[str, Word]) -> str:
    if cell.indicator:
        recommended = f", recommended: {words[f'suggestion.{cell.recommended}'].name}" if cell.recommended else ""
        return f"{cell.indicator}{recommended}"
    return "not monitored" if cell.reason == "nothing_watched" else f"no card (`{cell.reason}`)"


def _reservations(knowledge: Knowledge) -> Iterator[str]:
    yield "## When no suggestion is recommended"
    yield ""
    yield "Each of these removes the recommendation. The last column limits how strong the card is."
    yield ""
    names = knowledge.card["orders"]
    yield from table(
        ("reason", "orders", "meaning", "card at most"),
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
    yield "## When no card is shown"
    yield ""
    yield "Checked from top to bottom; the first that applies is the reason."
    yield ""
    for reason, words in knowledge.silences.items():
        yield f"1. `{reason}` {words}"


def _ratings(knowledge: Knowledge) -> Iterator[str]:
    yield "## Ratings"
    yield ""
    yield from table(
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


def _lookback_windows(knowledge: Knowledge) -> Iterator[str]:
    yield "## Look-back windows and thresholds"
    yield ""
    yield from table(
        ("limit", "value", "meaning"),
        ((r["limit"], f"{r['value']} {r['unit']}", r["meaning"]) for r in knowledge.lookback_window_rows),
    )


def _statuses(knowledge: Knowledge) -> Iterator[str]:
    yield "## Statuses that exclude an entry"
    yield ""
    for element, codes in knowledge.refused.items():
        yield f"* {element}: {', '.join(sorted(codes))}"


def _words(knowledge: Knowledge) -> Iterator[str]:
    yield "## Words"
    yield ""
    yield "Phrases that identify an order without a known code:"
    yield ""
    for meaning, phrases in knowledge.phrases.items():
        yield f"* {meaning.replace('_', ' ')}: {', '.join(phrases)}"
    yield ""
    yield "Phrases that are read in free text, in reasons and in the record (`<name>` is a list of the table):"
    yield ""
    yield from table(
        ("topic", "means", "words", "beside", "wording"),
        ((r["topic"], r["means"], r["words"], r["beside"], r["wording"]) for r in knowledge.reason_rows),
    )


def _unknowns(knowledge: Knowledge) -> Iterator[str]:
    yield "## Known limitations"
    yield ""
    for row in knowledge.unknowns:
        until = f" Until the site switches on `{row['until']}`." if row["until"] else ""
        yield f"* {row['unknown']} {row['consequence']}{until}"


def _about(knowledge: Knowledge) -> Iterator[str]:
    yield "## The page behind the card"
    yield ""
    yield "What it states besides the tables above, and the sources of each statement."
    for section in filter(lambda section: section.statements, knowledge.about.sections):
        yield ""
        yield f"### {section.title}"
        yield ""
        for statement in section.statements:
            citations = f" ({', '.join(statement.citations)})" if statement.citations else ""
            yield f"* **{statement.topic}.** {statement.text}{citations}"


def _about_words(knowledge: Knowledge) -> Iterator[str]:
    yield "### Terms"
    yield ""
    rows = ((term, word.name, word.words) for term, word in knowledge.about.words.items())
    yield from table(("term", "name", "meaning"), rows)


def _attributes(knowledge: Knowledge) -> Iterator[str]:
    yield "### Source attribute values"
    yield ""
    yield from table(("attribute", "value"), ((row["name"], row["value"]) for row in knowledge.source_attributes))
