"""The sections of REVIEW.md."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cds_service.decision.guideline import recommend
from cds_service.knowledge import Knowledge, WatchedRow
from cds_service.knowledge.codes import PROVENANCE, WORDING, extension
from cds_service.model import DraftOrder, Findings, Recommendation, Site, WatchedOrder
from cds_service.review import cases
from cds_service.vocabulary import History, Presentation

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
}
"""The names by which people know the code systems."""


def page(knowledge: Knowledge, vignettes: Path) -> str:
    """Return REVIEW.md: what the card does, computed by calling the code that does it."""
    sections = (_head, _watched, _strength, _silences, _limits, _ratings, cases.cards, _statuses, _unknowns)
    rendered = [*(section(knowledge) for section in sections), _value_sets(knowledge), _words(knowledge)]
    return "\n\n".join("\n".join(lines) for lines in [*rendered, cases.vignettes(vignettes)]) + "\n"


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
    for policy in ("broad", "focused"):
        yield ""
        yield f"### Policy *{policy}*"
        for row in knowledge.watched.values():
            yield ""
            yield f"{knowledge.card['orders'][row.study]['name']}:"
            yield ""
            yield from _table(
                ("history", *(f"presentation {one}" for one in Presentation)),
                (
                    (history.replace("_", " "), *(_cell(knowledge, row, history, one, policy) for one in Presentation))
                    for history in History
                ),
            )


def _cell(knowledge: Knowledge, row: WatchedRow, history: History, presentation: Presentation, policy: str) -> str:
    if row.only_for and presentation != row.only_for:
        return "not watched"
    order = WatchedOrder(DraftOrder({}, "", selected=True), row.study, "", row.proposes)
    findings = Findings(history=history, presentation=presentation)
    outcome = recommend(order, findings, knowledge, Site(policy=policy))
    if isinstance(outcome, Recommendation):
        return f"{outcome.indicator}{f', *{outcome.recommended}* recommended' if outcome.recommended else ''}"
    return f"silent: {outcome.reason}"


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
    citations = {source["label"]: f"[{source['display']}]({source['url']})" for source in _sources(knowledge)}
    yield from _table(
        ("study", "ACR category", "radiation", "scenario", "citation"),
        (
            (row["name"], row["category"], row["radiation"], row["scenario"], citations[row["citation"]])
            for row in knowledge.ratings.values()
        ),
    )
    yield ""
    for source in _sources(knowledge):
        yield f"* {source['citation']} <{source['url']}>"


def _sources(knowledge: Knowledge) -> Sequence[dict[str, str]]:
    found: Sequence[dict[str, str]] = knowledge.plan["relatedArtifact"]
    return found


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


LISTED = 130
"""Value sets of up to so many entries are told code by code, longer ones by wording."""


def _value_sets(knowledge: Knowledge) -> Iterator[str]:
    yield "## Value sets"
    for name, value_set in knowledge.value_sets.items():
        yield ""
        yield f"### [{value_set['title']}](valuesets/{name}.json)"
        yield ""
        yield f"{value_set['purpose']} Entries: {knowledge.entries[name]}."
        yield ""
        told = _codes_of if knowledge.entries[name] <= LISTED else _counts_of
        for wording, codes in sorted(_by_wording(value_set).items()):
            yield told(wording, codes)
        yield ""
        yield f"Verified by: {'; '.join(sorted(_provenance(value_set)))}"


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
        entries = [one["code"] for one in include.get("concept", [])] or [one["value"] for one in include["filter"]]
        codes[extension(include, WORDING)] += [f"{system} {entry.replace('|', '&#124;')}" for entry in entries]
    return codes


def _provenance(value_set: Mapping[str, Any]) -> set[str]:
    texts = (extension(include, PROVENANCE) for include in value_set["compose"]["include"])
    return {part for text in texts for part in text.split("; ")}


def _words(knowledge: Knowledge) -> Iterator[str]:
    yield "## Words"
    yield ""
    yield "By which an uncoded order is recognised:"
    yield ""
    for meaning, phrases in knowledge.phrases.items():
        yield f"* {meaning.replace('_', ' ')}: {', '.join(phrases)}"
    yield ""
    yield "By which an uncoded reason of an order is read:"
    yield ""
    yield from _table(
        ("topic", "means", "words", "beside", "wording"),
        ((r["topic"], r["means"], r["words"], r["beside"], r["wording"]) for r in knowledge.reason_rows),
    )


def _unknowns(knowledge: Knowledge) -> Iterator[str]:
    yield "## What is not known"
    yield ""
    for row in knowledge.unknowns:
        yield f"* {row['unknown']} {row['consequence']}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
