"""Step 5: a watched order and its Findings -> Recommendation or Silence(reason)."""

from cds_service.knowledge import Knowledge
from cds_service.model import Findings, History, Recommendation, Silence, WatchedOrder


def recommend(order: WatchedOrder, findings: Findings, knowledge: Knowledge) -> Recommendation | Silence:
    """Return what the decision table of strength.csv says for these findings."""
    if findings.history is History.NONE:
        return Silence("no_history", order, findings)
    row = knowledge.strength[findings.history, findings.presentation]
    return Recommendation(order, findings, row.indicator, row.recommended)
