"""Step 2: the selected draft orders -> the monitored ones, and counts of the unrecognized (contract section 2)."""

import re
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from cds_service.decision import signs
from cds_service.decision.entry_filter import EntryFilter
from cds_service.decision.fhir_fields import codings, is_of, status_codes
from cds_service.decision.references import ReferenceResolver, reasons
from cds_service.decision.studies import UNRECOGNIZED, study_of
from cds_service.knowledge import Knowledge
from cds_service.model import DraftOrder, Finding, FindingKind, HookRequest, Json, Site, WatchedOrder

NO_CODE, OTHER = "none", "other"
"""In place of a code system: there is no code, or its name may not be logged."""

_OID = r"(?:urn:oid:)?\d+(?:\.\d+){3,}"
_CODE_SYSTEM = r"https?://[a-z][a-z\d.-]*(?:/[a-z]+)*/(?:CodeSystem|NamingSystem|sid)(?:/[A-Za-z._-]+)+"
_LOGGABLE = re.compile(rf"{_OID}|{_CODE_SYSTEM}")
"""An OID, or the URL of a code system without a digit in it: it is logged as it is."""
_HOST = re.compile(r"https?://[a-z][a-z\d.-]*(?=[:/]|$)|urn:[a-z]+(?=:)")
"""The part of other URIs that is logged: their path, or what follows the namespace, may identify a patient."""

_MAX_NAME_LENGTH, _MAX_NAMES = 120, 10
"""Longest name, and most names per call, that are logged."""


class SelectedOrders(NamedTuple):
    """The selected orders that the card monitors, in the order of the call, and those that nothing explains."""

    watched: list[WatchedOrder]
    unrecognized: list[str]
    """Of each its first code system, or no text."""


def selected_orders(request: HookRequest, knowledge: Knowledge, site: Site, today: date) -> SelectedOrders:
    """Return the selected orders that ask for a monitored study, and those of which no study can be read.

    Contract section 2, W1 to W3; `already_drafted` where another draft asks for what would be proposed (section 5).
    """
    drafts = [order for order in request.draft_orders if _is_draft(order.resource, request.patient_id, knowledge)]
    orders_and_studies = [(order, *study_of(order.resource, knowledge, site)) for order in drafts]
    studies = {study for _, study, _ in orders_and_studies}
    entry_filter: EntryFilter | None = None
    watched, unrecognized = [], []
    for order, study, name in orders_and_studies:
        row = knowledge.watched.get(study)
        if not order.selected:
            continue
        if study == UNRECOGNIZED:
            unrecognized.append(next((system for system, _ in codings(order.resource.get("code"))), ""))
        if row is None:
            continue
        if row.only_for:
            entry_filter = entry_filter or EntryFilter(knowledge, site, today, ReferenceResolver(request))
            if not _has_only_reason(order, row.only_for, entry_filter):
                continue
        watched.append(WatchedOrder(order, study, name, row.proposes, not studies.isdisjoint(row.same_as)))
    return SelectedOrders(watched, unrecognized)


def selects_closed_order(request: HookRequest, knowledge: Knowledge, site: Site) -> bool:
    """Return whether a selected order would be monitored if still a draft of this patient (contract section 2)."""
    closed = (
        order
        for order in request.draft_orders
        if order.selected and not _is_draft(order.resource, request.patient_id, knowledge)
    )
    return any(study_of(order.resource, knowledge, site)[0] in knowledge.watched for order in closed)


def counts_by_system(counts_by_name: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Return how many entries are of each (resource type, code system), by names of systems that may be logged."""
    counts: Counter[tuple[str, str]] = Counter()
    for rank, ((resource, system), count) in enumerate(sorted(counts_by_name.items(), key=lambda item: -item[1])):
        counts[resource, _loggable_name(system) if rank < _MAX_NAMES else OTHER] += count
    return dict(counts)


def _is_draft(order: Json, patient_id: str, knowledge: Knowledge) -> bool:
    """Return whether a draft may still become an order of this patient."""
    can_go_on = knowledge.refused["ServiceRequest.status"].isdisjoint(status_codes(order.get("status")))
    return can_go_on and order.get("doNotPerform") is not True and is_of(patient_id, order)


def _has_only_reason(order: DraftOrder, wanted: str, entry_filter: EntryFilter) -> bool:
    """Return whether a reason of the order is the `wanted` presentation, and none asks another question (W3).

    Nothing is fetched to know it.
    """
    findings = [
        finding
        for reason in reasons(order.resource, entry_filter.references)
        for finding in entry_filter.read_once(_reason_findings, reason)
    ]
    if any(finding.kind is FindingKind.OTHER_QUESTION for finding in findings):
        return False
    return any(finding.kind is FindingKind.PRESENTATION and finding.means == wanted for finding in findings)


def _reason_findings(entry_filter: EntryFilter, reason: Json) -> list[Finding]:
    return (
        list(signs.reason_findings(entry_filter, reason, entry_filter.terms(reason)))
        if entry_filter.is_verified(reason)
        else []
    )


def _loggable_name(system: str) -> str:
    if not system:
        return NO_CODE
    if len(system) > _MAX_NAME_LENGTH:
        return OTHER
    host = _HOST.match(system)
    return system if _LOGGABLE.fullmatch(system) else host[0] if host else OTHER
