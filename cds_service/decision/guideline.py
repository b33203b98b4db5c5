"""Step 5: a watched order and its Findings -> Recommendation or Silence(reason)."""

from collections.abc import Callable

from cds_service.knowledge import Knowledge
from cds_service.model import Findings, Recommendation, Silence, Site, WatchedOrder
from cds_service.vocabulary import FindingKind, History, Presentation

Holds = Callable[[WatchedOrder, Findings, Knowledge, Site], bool]

SILENCES: dict[str, Holds] = {
    "plexus_mri_done": lambda _order, findings, _knowledge, _site: bool(findings.of(FindingKind.PLEXUS_MRI)),
    "emergency": lambda _order, findings, _knowledge, _site: bool(findings.of(FindingKind.EMERGENCY)),
    "acute_trauma": lambda _order, findings, _knowledge, _site: bool(findings.of(FindingKind.TRAUMA)),
    "upper_limb_only": lambda _order, findings, _knowledge, _site: _names_only_the_arm(findings),
    "alternative_with_device": lambda order, findings, knowledge, _site: _is_alternative(order, findings, knowledge),
    "no_history": lambda _order, findings, _knowledge, _site: findings.history is History.NONE,
    "remote_without_presentation": lambda _order, findings, _knowledge, site: _is_out_of_focus(findings, site),
}
"""What each silence of silences.csv asks of the findings; the table says in which order they are tested."""


def silence(order: WatchedOrder, findings: Findings, knowledge: Knowledge, site: Site) -> Silence | None:
    """Return the first silence that holds, or None where the card may speak."""
    for reason in knowledge.silences:
        holds = SILENCES.get(reason)
        if holds is not None and holds(order, findings, knowledge, site):
            return Silence(reason, order, findings)
    return None


def recommend(order: WatchedOrder, findings: Findings, knowledge: Knowledge, site: Site) -> Recommendation | Silence:
    """Return the first silence that holds, or what strength.csv says for this study and these findings.

    A study without a row for them is not watched after all: its reason did not hold.
    """
    if said := silence(order, findings, knowledge, site):
        return said
    row = knowledge.strength.get((order.study, findings.history, findings.presentation))
    if row is None:
        return Silence("nothing_watched", order, findings)
    recommended = "" if findings.of(FindingKind.DEVICE) else row.recommended
    return Recommendation(order, findings, row.indicator, recommended)


def _names_only_the_arm(findings: Findings) -> bool:
    leg = any(one.from_order for one in findings.presentations)
    return bool(findings.of(FindingKind.UPPER_LIMB)) and not leg


def _is_alternative(order: WatchedOrder, findings: Findings, knowledge: Knowledge) -> bool:
    """Tell whether the study that card.json names as the alternative was chosen for a patient with a device."""
    return order.study == knowledge.card["alternative"] and bool(findings.of(FindingKind.DEVICE))


def _is_out_of_focus(findings: Findings, site: Site) -> bool:
    if site.policy != "focused" or findings.history is not History.REMOTE_ONLY:
        return False
    return findings.presentation is Presentation.NONE
