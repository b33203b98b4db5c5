"""A FHIR R4 ValueSet of ours, written so that a changed code is one changed line."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from code_tables import Code, Row

Json = dict[str, "Json"] | list["Json"] | str | bool

DATE = "2026-11-22"
VERSION = "0.1.0"
ONE_LINE = ("concept", "extension", "filter")
COPYRIGHT = {
    "http://snomed.info/sct": "This value set includes content from SNOMED CT, which is copyright of "
    "SNOMED International; use needs an affiliate licence or a member country's.",
    "http://loinc.org": "LOINC content is copyright of Regenstrief Institute, Inc., and is used here "
    "under the LOINC license (loinc.org/license).",
    "http://radlex.org": "RadLex content is copyright of the Radiological Society of North America "
    "(RSNA), and is used here under the RadLex license.",
    "http://www.ama-assn.org/go/cpt": "CPT is a registered trademark of the American Medical "
    "Association; numbers only, the words beside them are ours.",
}


def value_set(row: Row, codes: Iterable[tuple[Code, str]]) -> dict[str, Json]:
    """Make the ValueSet of one row of the plan."""
    codes = list(codes)
    name = row["value_set"]
    head: dict[str, Json] = {
        "resourceType": "ValueSet",
        "id": name,
        "url": f"urn:plexus-cds:ValueSet:{name}",
        "version": VERSION,
        "name": "".join(part.capitalize() for part in name.split("-")),
        "title": row["title"],
        "status": "active",
        "experimental": False,
        "date": DATE,
        "publisher": "plexus-cds",
        "description": row["description"],
        "purpose": row["purpose"],
    }
    systems = {code.system for code, _ in codes}
    owed = " ".join(COPYRIGHT[system] for system in sorted(systems & COPYRIGHT.keys()))
    if owed:
        head["copyright"] = owed
    return head | {"compose": {"include": includes(codes)}}


def includes(codes: Iterable[tuple[Code, str]]) -> list[Json]:
    """Make one include for each system and wording, and for each category."""
    groups: dict[tuple[str, str, str], list[Code]] = defaultdict(list)
    for code, words in codes:
        groups[code.system, words, "" if code.match == "exact" else code.code].append(code)
    return [include(words, group) for (_, words, _), group in sorted(groups.items())]


def include(words: str, codes: list[Code]) -> dict[str, Json]:
    """Make one include: the words, where its codes were verified, and the codes."""
    verified = "; ".join(sorted({code.verified_by for code in codes}))
    texts: list[Json] = [
        {"url": "urn:plexus-cds:wording", "valueString": words},
        {"url": "urn:plexus-cds:provenance", "valueString": verified},
    ]
    head: dict[str, Json] = {"extension": texts, "system": codes[0].system}
    return head | content(codes)


def content(codes: list[Code]) -> dict[str, Json]:
    """Return the codes of an include: concepts, a category or a pattern."""
    code = codes[0]
    if code.match == "exact":
        listed = sorted((code.code, code.display) for code in codes)
        return {"concept": [{"code": number, "display": display} for number, display in listed]}
    if code.match == "prefix":
        return {"filter": [{"property": "concept", "op": "is-a", "value": code.code}]}
    return {"filter": [{"property": "code", "op": "regex", "value": code.code}]}


def render(value: Json, indent: str = "") -> str:
    """Write JSON indented by two spaces, each concept, extension and filter on one line."""
    inner = indent + "  "
    if isinstance(value, list):
        return bracket("[]", [render(item, inner) for item in value], indent)
    if isinstance(value, dict):
        members = [f"{compact(name)}: {member(name, item, inner)}" for name, item in value.items()]
        return bracket("{}", members, indent)
    return compact(value)


def member(name: str, value: Json, indent: str) -> str:
    """Write the value of one member of an object."""
    if name in ONE_LINE and isinstance(value, list):
        return bracket("[]", [compact(item) for item in value], indent)
    return render(value, indent)


def compact(value: Json) -> str:
    """Write JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def bracket(pair: str, items: list[str], indent: str) -> str:
    """Put items between brackets, each on its own line."""
    lines = ",\n".join(f"{indent}  {item}" for item in items)
    return f"{pair[0]}\n{lines}\n{indent}{pair[1]}"
