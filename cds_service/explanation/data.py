"""The whole explanation of one decision as JSON; of the chart it holds references and our own words alone."""

from dataclasses import asdict
from datetime import date
from typing import Any

from cds_service.decision.record import amounts
from cds_service.decision.request import read_hook
from cds_service.errors import TooLarge
from cds_service.explanation.steps import decision_cells, left_out, order_steps, outcome_step, silence_steps
from cds_service.knowledge import Knowledge
from cds_service.model import Decision, PatientRecord, Recommendation, Silence, Site

_MOST_ENTRIES = 100_000
"""Of the record, for all orders together, that are told as used or left out; a real call has a few thousand."""


def explanation(
    decision: Decision, body: Any, hook: str, knowledge: Knowledge, site: Site, today: date
) -> dict[str, Any]:
    """Return the steps of a decision on a call: orders, record, and for each outcome findings, table and silences."""
    request = read_hook(body, hook)
    _is_tellable(decision)
    return {
        "is_shadow": decision.is_shadow,
        "orders": [asdict(step) for step in order_steps(request, knowledge, site, today)],
        "record": _record(decision.record) if decision.record else None,
        "unrecognized": [
            {"resource": resource, "system": system, "count": count}
            for (resource, system), count in decision.unrecognized.items()
        ],
        "outcomes": [_outcome(one, decision.record, knowledge, site, today) for one in decision.outcomes],
    }


def _is_tellable(decision: Decision) -> None:
    """Raise TooLarge for a call with too many orders and too large a record."""
    record, orders = decision.record, len(decision.outcomes)
    entries = sum(amounts(record).values()) if record else 0
    if orders * entries > _MOST_ENTRIES:
        message = (
            f"The call has {orders} watched orders and {entries} entries of the record, and each order would be "
            f"explained with each entry. At most {_MOST_ENTRIES} such pairs are told: send fewer of either."
        )
        raise TooLarge(message)


def _record(record: PatientRecord) -> dict[str, Any]:
    return {
        "conditions": len(record.conditions),
        "procedures": len(record.procedures),
        "more": {key: len(entries) for key, entries in record.optional.items()},
        "unread": [asdict(part) for part in record.unread],
        "skipped": record.skipped,
        "other_patient": record.other_patient,
        "not_sent": record.not_sent,
    }


def _outcome(
    outcome: Recommendation | Silence, record: PatientRecord | None, knowledge: Knowledge, site: Site, today: date
) -> dict[str, Any]:
    step = outcome_step(outcome, knowledge, today)
    used = {reference for finding in step.findings for reference in finding.references}
    rest = left_out(record, used, knowledge, site, today) if record and outcome.findings else ()
    return asdict(step) | {
        "left_out": [asdict(one) for one in rest],
        "cells": [cell._asdict() | {"is_here": is_here} for cell, is_here in decision_cells(outcome, knowledge, site)],
        "silences": [asdict(one) for one in silence_steps(outcome, knowledge)],
    }
