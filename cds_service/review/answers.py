"""The decision tables, computed by asking the code: what it answers to each history and presentation."""

from collections.abc import Iterator
from dataclasses import dataclass

from cds_service.decision.guideline import plainest, recommend
from cds_service.knowledge import Knowledge, WatchedRow
from cds_service.model import DraftOrder, Findings, Recommendation, Site, WatchedOrder
from cds_service.vocabulary import History, Presentation

POLICIES = ("broad", "focused")


@dataclass(frozen=True, slots=True)
class Answer:
    """One cell: a card's indicator and recommended suggestion, or the reason of a silence, or nothing watched."""

    indicator: str = ""
    recommended: str = ""
    silence: str = ""


def grid(knowledge: Knowledge, row: WatchedRow, site: Site) -> Iterator[tuple[History, tuple[Answer, ...]]]:
    """Yield for each history the answers to the presentations, in their order."""
    for history in History:
        yield (
            history,
            tuple(_answer(knowledge, row, plainest(history, one), site) for one in Presentation),
        )


def _answer(knowledge: Knowledge, row: WatchedRow, findings: Findings, site: Site) -> Answer:
    if row.only_for and findings.presentation != row.only_for:
        return Answer()
    order = WatchedOrder(DraftOrder({}, "", selected=True), row.study, "", row.proposes)
    outcome = recommend(order, findings, knowledge, site)
    if isinstance(outcome, Recommendation):
        return Answer(outcome.indicator, outcome.recommended)
    return Answer(silence=outcome.reason)
