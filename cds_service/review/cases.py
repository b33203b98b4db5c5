"""The cases of REVIEW.md: the card as it is shown to invented patients, and the vignettes that prove the rules."""

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from cds_service import examples
from cds_service.decision.order_select import decide
from cds_service.knowledge import Knowledge
from cds_service.model import Pages, Site

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
    yield f"## The card, for {len(CASES)} invented patients"
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
    labels = (f"[{one['label']}]{' (recommended)' if 'isRecommended' in one else ''}" for one in card["suggestions"])
    yield f"> {' '.join(labels)}"


def _plain(name: str) -> str:
    return name.replace("-", " ")


def vignettes(source: Path) -> Iterator[str]:
    """Yield the clinical table with what each row proves, where the tests stand beside the knowledge."""
    yield "## Vignettes"
    yield ""
    if not source.exists():
        yield "The table is in the repository, in tests/vignettes.csv."
        return
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    silent = sum(row["says"].startswith("silent") for row in rows)
    yield f"{len(rows)} rows, {silent} of them silent. Each is sent to the service over HTTP by the tests."
    yield ""
    yield "| vignette | patient | order | says | proves |"
    yield "|---|---|---|---|---|"
    for row in rows:
        cells = (row["vignette"], row["patient"] or "empty chart", row["order"], row["says"], row["proves"])
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
