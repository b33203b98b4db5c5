"""The cell of the decision table that an order fell into, and how far the list of silences was tried."""

from collections.abc import Iterator
from dataclasses import dataclass

from cds_service.decision.guideline import SILENCES, plainest, recommend
from cds_service.knowledge import Knowledge
from cds_service.model import Recommendation, Silence, Site, WatchedOrder
from cds_service.vocabulary import History, Presentation


@dataclass(frozen=True, slots=True)
class Cell:
    """What is said of a study with this history and this presentation, and whether the patient is here."""

    history: str
    presentation: str
    indicator: str
    """Of the card, or no text where there is none."""
    recommended: str
    reason: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class SilenceStep:
    """One row of silences.csv, and whether it was passed, holds, or was not reached."""

    reason: str
    words: str
    state: str


def cells(outcome: Recommendation | Silence, knowledge: Knowledge, site: Site) -> Iterator[Cell]:
    """Yield the table of an order's study, row by row, by asking the code for each cell."""
    if outcome.order is None or outcome.findings is None:
        return
    for history in History:
        for presentation in Presentation:
            is_here = (outcome.findings.history, outcome.findings.presentation) == (history, presentation)
            yield _cell(outcome.order, history, presentation, knowledge, site, is_here=is_here)


def _cell(
    order: WatchedOrder,
    history: History,
    presentation: Presentation,
    knowledge: Knowledge,
    site: Site,
    *,
    is_here: bool,
) -> Cell:
    said = recommend(order, plainest(history, presentation), knowledge, site)
    only_for = knowledge.watched[order.study].only_for
    if only_for and presentation != only_for:
        return Cell(history, presentation, "", "", "nothing_watched", is_here)
    if isinstance(said, Recommendation):
        return Cell(history, presentation, said.indicator, said.recommended, "", is_here)
    return Cell(history, presentation, "", "", said.reason, is_here)


def silence_steps(outcome: Recommendation | Silence, knowledge: Knowledge) -> Iterator[SilenceStep]:
    """Yield the silences in their order: those that were passed, the one that holds, those that were not reached."""
    held = outcome.reason if isinstance(outcome, Silence) else ""
    # a study without a row of strength.csv is found out last, after all silences
    is_last = bool(outcome.findings) and held not in SILENCES
    state = "passed"
    for reason, words in knowledge.silences.items():
        now = "holds" if reason == held else state
        yield SilenceStep(reason, words, now)
        if now == "holds" and not is_last:
            state = "not reached"
