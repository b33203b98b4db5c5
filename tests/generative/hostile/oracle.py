"""A slow, plain reading of a hook call straight from the tables of cards/, without any code of the service.

It knows the main rule alone: a watched order that is selected, by its code; a malignancy or radiotherapy on record that
counts, by code and status; signs of plexopathy among the order's own reasons, by code. Calls of `plain_calls` in
strategies.py say no more than that, so the service must agree.
"""

import csv
import json
import re
from functools import cache
from pathlib import Path

CARD = Path(__file__).parents[3] / "cards" / "lumbosacral_plexus_mri"


@cache
def table(name: str) -> tuple[dict, ...]:
    """Return the rows of a table of the card."""
    with (CARD / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def members(family: str) -> tuple[tuple[str, str, str, dict], ...]:
    """Return every code, category and pattern of a family, with its system and its row of valuesets.csv."""
    found = []
    for row in table("valuesets"):
        if row["family"] == family:
            text = (CARD / "valuesets" / f"{row['value_set']}.json").read_text(encoding="utf-8")
            for include in json.loads(text)["compose"]["include"]:
                found += [("code", include["system"], concept["code"], row) for concept in include.get("concept", [])]
                found += [
                    (code_filter["op"], include["system"], code_filter["value"], row)
                    for code_filter in include.get("filter", [])
                ]
    return tuple(found)


def length(kind: str, member: str, code: str) -> int:
    """Return how much of a code a member of a value set matches, an exact match most of all."""
    plain, own = code.replace(".", ""), member.replace(".", "")
    if kind == "code":
        return 1000 if own == plain else 0
    if kind == "is-a":
        return 100 + len(own) if plain.startswith(own) else 0
    match = re.match(member, plain)
    return match.end() if match else 0


def rows_of(family: str, concept: dict) -> list[dict]:
    """Return for each coding that is in the family its row of valuesets.csv, that of the longest match."""
    rows = []
    for coding in concept["coding"]:
        fits = [
            (length(kind, member, coding["code"]), n)
            for n, (kind, system, member, _) in enumerate(members(family))
            if system == coding["system"]
        ]
        best = max(fits, default=(0, 0))
        rows += [members(family)[best[1]][3]] if best[0] else []
    return rows


def means(family: str, concepts: list[dict]) -> set[str]:
    """Return what concepts mean in a family."""
    return {row["means"] for concept in concepts for row in rows_of(family, concept)}


SITE_MISSING = {
    "by_site": "unspecified",
    "by_site_or_skin": "remote",
    "excluded_by_site": "excluded",
}
"""What a morphology means without a site beside it."""

UNKNOWN_FIELDS = ("not_in_code", "needs_malignancy")


def all_rows(family: str, concepts: list[dict]) -> list[dict]:
    """Return the rows of valuesets.csv of all concepts in a family."""
    return [row for concept in concepts for row in rows_of(family, concept)]


def refused(element: str, status: str) -> bool:
    """Tell whether a status keeps an entry from counting."""
    return any((row["element"], row["code"], row["counts"]) == (element, status, "no") for row in table("statuses"))


def study(order: dict) -> str:
    """Return the study of an order, which has one code."""
    studies = means("order", [order["code"]]) - {"level_not_stated"}
    return next(iter(studies), "not_watched")


def history(conditions: list[dict], procedures: list[dict]) -> str:
    """Return what the record amounts to, of the concepts of its Conditions and of its Procedures."""
    tumors = [
        row | {"means": SITE_MISSING.get(row["means"], row["means"])} for row in all_rows("malignancy", conditions)
    ]
    cancers = [row for row in tumors if not row["means"].startswith("excluded")]
    reaches = [
        (row["means"].removeprefix("excluded_"), row["metastatic"]) for row in tumors if row["means"] != "excluded"
    ]
    open_end = not reaches or any(reach != "remote" or metastatic for reach, metastatic in reaches)
    fields = [row["means"] for condition in conditions for row in rows_of("radiation_history", condition)]
    fields += [field(procedure) for procedure in procedures if not refused("Procedure.status", procedure["status"])]
    if any(field not in ("remote", "none", *UNKNOWN_FIELDS) for field in fields):
        return "in_reach"
    if open_end and ("not_in_code" in fields or ("needs_malignancy" in fields and cancers)):
        return "in_reach"
    if any(row["means"] != "remote" for row in cancers):
        return "in_reach"
    return "remote_only" if cancers else "none"


def field(procedure: dict) -> str:
    """Return where a Procedure was radiotherapy, or `none` where it was none."""
    fields = next(iter(means("radiotherapy", [procedure["code"]]) - {"not_delivery"}), "none")
    sites = means("body_site", procedure.get("bodySite", []))
    return next(iter(sites), fields) if fields in UNKNOWN_FIELDS else fields


def strongest(signs: set[str]) -> str:
    """Return the strongest of some signs."""
    return next((strength for strength in ("specific", "compatible") if strength in signs), "none")


def another_path(reasons: list[dict]) -> bool:
    """Tell whether an order's reasons name an emergency, a trauma, or nothing but the arm."""
    arm_only = means("upper_limb", reasons) and not means("presentation", reasons) and not means("spine", reasons)
    return bool(means("emergency", reasons) or means("trauma", reasons) or arm_only)


def expected_indicators(call: dict) -> list[str]:
    """Return the indicators of the cards that a plain call must get, in the order of its drafts."""
    orders = [entry["resource"] for entry in call["context"]["draftOrders"]["entry"]]
    chosen = {name.rpartition("/")[2] for name in call["context"].get("selections", [])}
    drafted = {study(order) for order in orders}
    return [
        indicator(order, call["prefetch"])
        for order in orders
        if (not chosen or order["id"] in chosen) and is_watched(order, drafted) and indicator(order, call["prefetch"])
    ]


def is_watched(order: dict, drafted: set[str]) -> bool:
    """Tell whether an order is watched, has the reason that its study needs, and is not drafted already."""
    row = next((row for row in table("watched_orders") if row["study"] == study(order)), None)
    if row is None or not drafted.isdisjoint(row["same_as"].split()):
        return False
    return row["only_for"] in ("", strongest(means("presentation", order.get("reasonCode", []))))


def indicator(order: dict, prefetch: dict) -> str:
    """Return how a card for an order is put, or no text where there is silence."""
    conditions, procedures = (
        [entry["resource"] for entry in prefetch[key]["entry"]] for key in ("conditions", "procedures")
    )
    stands = [
        condition["code"]
        for condition in conditions
        if not refused("Condition.verificationStatus", condition["verificationStatus"]["coding"][0]["code"])
    ]
    reasons = order.get("reasonCode", [])
    past, signs = history([*reasons, *stands], procedures), strongest(means("presentation", [*reasons, *stands]))
    if past == "none" or another_path(reasons):
        return ""
    rows = (row for row in table("decision_table") if row["study"] == study(order))
    fits = (row for row in rows if row["history"] in (past, "any") and row["presentation"] in (signs, "any"))
    return next((cell["indicator"] for cell in fits), "")
