"""Step 5: a monitored order and its Findings -> Recommendation or Silence(reason) (contract sections 5 and 6)."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from cds_service.knowledge import Knowledge, ReservationRow
from cds_service.model import (
    PLEXUS_STUDIES,
    RECOMMENDED_BESIDE,
    DraftOrder,
    Field,
    Finding,
    FindingKind,
    Findings,
    History,
    Presentation,
    Reach,
    Recommendation,
    Silence,
    Site,
    WatchedOrder,
)

Holds = Callable[[WatchedOrder, Findings, Knowledge, Site], bool]

_NEED_ALL = ("not_readable", "no_history", "typed_history_only", "remote_without_presentation")

MISLEADING = frozenset({"part_not_read", *_NEED_ALL})
"""The silences that hold only if the whole record was read, and the one that replaces them if it was not."""

SILENCES: dict[str, Holds] = {
    "plexus_mri_done": lambda _order, findings, _knowledge, _site: bool(findings.of(FindingKind.PLEXUS_MRI)),
    "plexus_mri_ordered": lambda _order, findings, _knowledge, _site: bool(findings.of(FindingKind.PLEXUS_MRI_ORDERED)),
    "emergency": lambda _order, findings, _knowledge, _site: bool(findings.of(FindingKind.EMERGENCY)),
    "acute_trauma": lambda _order, findings, _knowledge, _site: bool(findings.of(FindingKind.TRAUMA)),
    "upper_limb_only": lambda _order, findings, _knowledge, _site: _names_only_the_arm(findings),
    "plexus_mri_on_record": lambda order, findings, knowledge, _site: _is_next_step(order, findings, knowledge),
    "alternative_with_device": lambda order, findings, knowledge, _site: _is_alternative(order, findings, knowledge),
    "part_not_read": lambda order, findings, knowledge, site: (
        findings.has_unread_text
        or (findings.not_all_read and any(SILENCES[reason](order, findings, knowledge, site) for reason in _NEED_ALL))
    ),
    "typed_history_only": lambda order, findings, knowledge, _site: _is_only_typed(order, findings, knowledge),
    "not_readable": lambda _order, findings, _knowledge, _site: (
        findings.not_readable and findings.history is History.NONE
    ),
    "no_history": lambda _order, findings, _knowledge, _site: findings.history is History.NONE,
    "remote_without_presentation": lambda _order, findings, _knowledge, site: _is_out_of_focus(findings, site),
}
"""When each silence of silences.csv holds; the table has the order in which they are tested (contract section 5)."""

RESERVATIONS: dict[str, Callable[[Findings], bool | tuple[Finding, ...]]] = {
    "device": lambda findings: findings.of(FindingKind.DEVICE),
    "contrast": lambda findings: findings.of(FindingKind.CONTRAST),
    "stat": lambda findings: findings.of(FindingKind.STAT),
    "spine_named": lambda findings: findings.of(FindingKind.SPINE),
    "cord_sign": lambda findings: findings.of(FindingKind.CORD_SIGN),
    "other_explanation": lambda findings: findings.of(FindingKind.OTHER_EXPLANATION),
    "plexus_mri_earlier": lambda findings: findings.of(FindingKind.PLEXUS_MRI_EARLIER),
    "no_specific_sign": lambda findings: findings.presentation is not Presentation.SPECIFIC,
    "history_not_placed": lambda findings: not _is_placed(findings),
    "remote_only": lambda findings: findings.history is History.REMOTE_ONLY,
    RECOMMENDED_BESIDE: lambda _findings: False,  # it is of the call: `recommend_once`
}
"""When each reservation of reservations.csv holds, or the findings by which it does (contract section 6).

The table has the studies that each applies to.
"""

_INDICATORS = ("info", "warning")


def silence(order: WatchedOrder, findings: Findings, knowledge: Knowledge, site: Site) -> Silence | None:
    """Return the first silence that holds, in the order of silences.csv, or None (contract section 5)."""
    for reason in knowledge.silences:
        holds = SILENCES.get(reason)
        if holds is not None and holds(order, findings, knowledge, site):
            return Silence(reason, order, findings)
    return None


def recommend(order: WatchedOrder, findings: Findings, knowledge: Knowledge, site: Site) -> Recommendation | Silence:
    """Return the first silence that holds, else what decision_table.csv and reservations.csv recommend.

    Contract sections 5 and 6. A study without a row for its presentation is not monitored after all.
    """
    if no_card := silence(order, findings, knowledge, site):
        return no_card
    row = knowledge.decision_table.get((order.study, findings.history, findings.presentation))
    if row is None:
        return Silence("nothing_watched", order, findings)
    recommendation = Recommendation(order, findings, row.indicator, row.recommended)
    for reservation in reservations(order, findings, knowledge):
        recommendation = _with_reservation(recommendation, reservation)
    return recommendation


def recommend_once(
    outcomes: Sequence[Recommendation | Silence], knowledge: Knowledge, is_offered: Callable[[Recommendation], bool]
) -> list[Recommendation | Silence]:
    """Return the outcomes of a call with each study recommended for one order at most: whoever takes all gets one.

    It stays recommended for an order that is a plexus MRI already, else where it replaces the order, else for the
    first order, where `is_offered` says that the card has this suggestion.
    """
    recommended = [outcome for outcome in outcomes if isinstance(outcome, Recommendation) and outcome.recommended]
    if len(recommended) <= 1:  # as in nearly every call
        return [*outcomes]
    kept: dict[str, Recommendation] = {}
    for recommendation in sorted(filter(is_offered, recommended), key=_precedence):
        kept.setdefault(recommendation.order.proposed, recommendation)
    rows = {study: row for row in knowledge.reservations if row.reason == RECOMMENDED_BESIDE for study in row.studies}

    def once(outcome: Recommendation | Silence) -> Recommendation | Silence:
        if not isinstance(outcome, Recommendation) or not outcome.recommended:
            return outcome
        row = rows.get(outcome.order.study)
        is_beside = kept.get(outcome.order.proposed, outcome) is not outcome
        return _with_reservation(outcome, row) if row and is_beside else outcome

    return [once(outcome) for outcome in outcomes]


def _precedence(recommendation: Recommendation) -> tuple[bool, bool]:
    return recommendation.order.study not in PLEXUS_STUDIES, recommendation.recommended != "replace"


def _with_reservation(recommendation: Recommendation, row: ReservationRow) -> Recommendation:
    """Return the recommendation without a recommended suggestion, and no stronger than the row allows."""
    indicator = min(recommendation.indicator, row.at_most or recommendation.indicator, key=_INDICATORS.index)
    against = (*recommendation.against, row.reason)
    return recommendation._replace(indicator=indicator, recommended="", against=against)


def reservations(order: WatchedOrder, findings: Findings, knowledge: Knowledge) -> Iterator[ReservationRow]:
    """Yield the reservations that hold for this order, in the order of reservations.csv (contract section 6)."""
    for row in knowledge.reservations:
        if order.study in row.studies and RESERVATIONS[row.reason](findings):
            yield row


class DecisionCell(NamedTuple):
    """What the card does for one history and one presentation: an indicator, or the reason for no card."""

    history: History
    presentation: Presentation
    indicator: str = ""
    recommended: str = ""
    reason: str = ""
    """A row of silences.csv; `nothing_watched` where the study is not monitored for this presentation."""


def decision_table(study: str, knowledge: Knowledge, site: Site) -> Iterator[tuple[DecisionCell, ...]]:
    """Yield a study's decision table, a row a history, by running the rules (contract section 5)."""
    for history in History:
        yield tuple(_cell(study, history, presentation, knowledge, site) for presentation in Presentation)


def _cell(study: str, history: History, presentation: Presentation, knowledge: Knowledge, site: Site) -> DecisionCell:
    row = knowledge.watched[study]
    if row.only_for and presentation != row.only_for:
        return DecisionCell(history, presentation, reason="nothing_watched")
    order = WatchedOrder(DraftOrder({}, "", selected=True), study, "", row.proposes)
    outcome = recommend(order, _minimal_findings(history, presentation), knowledge, site)
    if isinstance(outcome, Recommendation):
        return DecisionCell(history, presentation, outcome.indicator, outcome.recommended)
    return DecisionCell(history, presentation, reason=outcome.reason)


def _minimal_findings(history: History, presentation: Presentation) -> Findings:
    """Return minimal findings with this history and presentation, and no reservation."""
    reach = {History.IN_REACH: Reach.PLEXUS_ADJACENT, History.REMOTE_ONLY: Reach.REMOTE}.get(history)
    cancer = (Finding(FindingKind.MALIGNANCY, "", (), reach=reach),) if reach else ()
    return Findings(malignancies=cancer, history=history, presentation=presentation)


def _names_only_the_arm(findings: Findings) -> bool:
    """Return whether the reasons name the arm, neither the low back nor the leg, and no leg sign is on record."""
    elsewhere = findings.presentations or findings.of(FindingKind.LOWER_BODY)
    return bool(findings.of(FindingKind.UPPER_LIMB)) and not elsewhere


def _is_placed(findings: Findings) -> bool:
    """Return whether a cancer near the plexus is on record, or radiotherapy whose recorded field is in reach."""
    near = any(finding.reach is Reach.PLEXUS_ADJACENT for finding in findings.malignancies)
    return near or any(finding.field not in (None, Field.UNKNOWN) for finding in findings.radiotherapy)


def _is_next_step(order: WatchedOrder, findings: Findings, knowledge: Knowledge) -> bool:
    """Return whether a study that comes after the plexus MRI was ordered after an MRI was done or mentioned."""
    done = findings.of(FindingKind.PLEXUS_MRI_EARLIER) or findings.of(FindingKind.MRI_DONE)
    return bool(knowledge.watched[order.study].only_for) and bool(done)


def _is_alternative(order: WatchedOrder, findings: Findings, knowledge: Knowledge) -> bool:
    """Return whether a study without MRI was ordered for a patient with a device or who cannot have an MRI."""
    return bool(knowledge.watched[order.study].only_for) and bool(findings.of(FindingKind.DEVICE))


def _is_only_typed(order: WatchedOrder, findings: Findings, knowledge: Knowledge) -> bool:
    """Return whether history is in free text alone, and there is no sign or the study needs a coded history."""
    if findings.history is not History.IN_WORDS:
        return False
    if knowledge.watched[order.study].only_for:
        return True
    return findings.presentation is Presentation.NONE and order.study not in PLEXUS_STUDIES


def _is_out_of_focus(findings: Findings, site: Site) -> bool:
    """Return whether the focused policy shows no card: remote cancer, no sign, and no history in free text."""
    if site.policy != "focused" or findings.history is not History.REMOTE_ONLY:
        return False
    if any(finding.as_typed for finding in (*findings.malignancies, *findings.radiotherapy)):
        return False
    return findings.presentation is Presentation.NONE
