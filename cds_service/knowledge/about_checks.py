"""The contradictions in the texts of the page behind the card."""

from collections import Counter
from collections.abc import Iterator
from string import Template

from cds_service.knowledge.about import HOLES
from cds_service.knowledge.folder import Folder
from cds_service.knowledge.table_checks import labels, numbered
from cds_service.vocabulary import History, Presentation

_SECTIONS = {
    *("in_short", "next_steps", "rule", "pitfalls", "protocol", "ratings", "decisions", "silences", "limits"),
    *("record", "unknowns", "intended_use", "signatures", "contact", "attributes", "sources"),
}

_ATTRIBUTES = {
    *("bibliographic_citation", "developer", "funding_source", "release_and_revision_dates", "race", "ethnicity"),
    *("language", "sexual_orientation", "gender_identity", "sex", "date_of_birth", "social_determinants_of_health"),
    "health_status_assessments",
}

_TERMS = {
    *(f"history.{one}" for one in History),
    *(f"presentation.{one}" for one in Presentation),
    *("indicator.info", "indicator.warning", "answer.silent", "answer.not_watched", "policy.broad", "policy.focused"),
    *("optional.allergies", "optional.devices", "optional.egfr", "optional.encounters", "optional.imaging_orders"),
    *("optional.imaging_reports", "optional.conditions", "optional.none", "site.off", "site.shadow"),
    *("contact.none", "signature.none", "signature.current", "signature.changed"),
}
"""The terms that the page shows, beside the suggestions of card.json."""


def about_faults(folder: Folder) -> Iterator[str]:
    """Yield a sentence for each contradiction in the texts of the page."""
    suggestions = {f"suggestion.{name}" for name in folder.card["suggestions"]}
    yield from _row_faults(folder, "about_sections", "section", _SECTIONS)
    yield from _row_faults(folder, "source_attributes", "attribute", _ATTRIBUTES)
    yield from _row_faults(folder, "about_words", "term", _TERMS | suggestions)
    yield from _statement_faults(folder)
    yield from _hole_faults(folder)


def _row_faults(folder: Folder, table: str, column: str, needed: set[str]) -> Iterator[str]:
    """Yield the rows that the page asks for and that are missing, not known or there twice."""
    times = Counter(row[column] for row in folder.tables[table])
    for name in sorted(needed - set(times)):
        yield f"{table}.csv: no row for {name}"
    for line, row in numbered(folder.tables[table]):
        if row[column] not in needed:
            yield f"{table}.csv: line {line}: nothing on the page asks for {row[column]}"
        elif times[row[column]] > 1:
            yield f"{table}.csv: line {line}: {row[column]} stands on more than one line"


def _statement_faults(folder: Folder) -> Iterator[str]:
    titled = {row["section"] for row in folder.tables["about_sections"]}
    for line, row in numbered(folder.tables["about"]):
        where = f"about.csv: line {line}: {row['topic']}"
        if row["section"] not in titled:
            yield f"{where} is of the section {row['section']}, which about_sections.csv does not have"
        for citation in row["citations"].split():
            if citation not in labels(folder):
                yield f"{where} cites {citation}, which is no label of a relatedArtifact in plan_definition.json"


def _hole_faults(folder: Folder) -> Iterator[str]:
    for line, row in numbered(folder.tables["source_attributes"]):
        template, where = Template(row["value"]), f"source_attributes.csv: line {line}: {row['attribute']}"
        if not template.is_valid():
            yield f"{where} has a dollar that is no hole (write $$ for a dollar)"
        elif unknown := set(template.get_identifiers()) - set(HOLES):
            yield f"{where}: nothing fills ${', $'.join(sorted(unknown))}; there are: ${', $'.join(HOLES)}"
