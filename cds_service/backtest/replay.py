"""One hash part -> its counts: each order decided as of its moment, by the service's own decision.

All entries of a patient are in the same part. A record of the past is not the one of that moment: what was recorded
later is left out, and what nobody can tell is decided with and without.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from cds_service.backtest.chart import Chart, ChartReader, Entry
from cds_service.backtest.moments import Moment, Timing, recorded_moment
from cds_service.backtest.scan import (
    NOT_WATCHED,
    Fault,
    Plan,
    Record,
    UnusableLine,
    Variant,
    hash_of,
    ordered_at,
    parsed,
)
from cds_service.decision.fhir_fields import members, reference_of, text_of
from cds_service.decision.order_select import decide
from cds_service.model import MAIN_KEYS, OPTIONAL_KEYS, Decision, Finding, History, Recommendation, Silence

HOOK = "order-select"
CARDS = ("info", "warning")
"""The results that are cards; all others are reasons of silences.csv."""

WITHOUT = {
    "without_undated": frozenset({Timing.UNDATED}),
    "without_same_day": frozenset({Timing.SAME_DAY}),
    "without_either": frozenset({Timing.UNDATED, Timing.SAME_DAY}),
}
"""What each further decision leaves out of that which nobody can place in time."""

_UNCERTAIN = WITHOUT["without_either"]


class Order(NamedTuple):
    """An order, when it was made, and where it came from."""

    resource: dict[str, Any]
    ordered: Moment
    record: Record


class Joint(NamedTuple):
    """All by which a monitored order counts in a table: sums of such counts are in several tables at once."""

    study: str
    result: str
    history: str
    presentation: str
    recommended: str = ""
    against: str = ""
    """Reservations, with spaces between."""


class Replay:
    """Decides the orders of hash parts and counts what came of them."""

    def __init__(self, plan: Plan, charts: ChartReader | None = None) -> None:
        """Prepare for hash parts; `charts` may be shared with the replay of others, as it remembers codes."""
        self.plan, self.tally = plan, plan.tally()
        self._charts = charts or ChartReader(plan.variants)
        self._chunk_positions: dict[str, tuple[str, int]] = {}

    def part(self, records: Iterable[Record]) -> None:
        """Decide all orders of a part."""
        orders: defaultdict[str, list[Record]] = defaultdict(list)
        entries: defaultdict[str, list[Record]] = defaultdict(list)
        for record in records:
            by_patient = orders if record.is_order else entries
            by_patient[record.patient].append(record)
        for patient in sorted(orders):
            self._patient(patient, orders[patient], entries.pop(patient, []))

    def _patient(self, patient: str, order_records: list[Record], entry_records: list[Record]) -> None:
        entries = [Entry(resource, recorded_moment(resource)) for resource, _ in self._resources(entry_records)]
        resources = list(self._resources(order_records))
        chart = self._charts.chart(entries, [resource for resource, _ in resources])
        calls: defaultdict[tuple[str, str], list[Order]] = defaultdict(list)
        for resource, record in resources:
            order = Order(resource, ordered_at(resource), record)
            calls[_encounter(resource), text_of(resource.get("authoredOn"))].append(order)
        for orders in calls.values():
            self._call(patient, orders, chart)
        for key in chart.unmapped:
            self.tally.add("unmapped_entry", *key)
            self.tally.add_patient(("unmapped_entry", *key), hash_of(patient))

    def _resources(self, records: list[Record]) -> Iterator[tuple[dict[str, Any], Record]]:
        """Yield the resources of lines, in the order of the export, each once: it may be in two files."""
        seen = set[tuple[str, str]]()
        for record in sorted(records, key=self._position):
            try:
                resource = parsed(record.content)
            except UnusableLine as unusable:
                self.tally.add_error(record.chunk, record.line, unusable.fault)
                continue
            own_id = resource.get("id")
            if isinstance(own_id, str) and own_id:
                key = (text_of(resource.get("resourceType")), own_id)
                if key in seen:
                    self.tally.add_error(record.chunk, record.line, Fault.DUPLICATE)
                    continue
                seen.add(key)
            yield resource, record

    def _position(self, record: Record) -> tuple[tuple[str, int], int]:
        """Return where a record is in the export, which orders records alike whatever read them."""
        position = self._chunk_positions.get(record.chunk)
        if position is None:
            file, start = record.chunk.split("\t")
            position = self._chunk_positions[record.chunk] = (file, int(start))
        return position, record.line

    def _call(self, patient: str, orders: list[Order], chart: Chart) -> None:
        """Decide the orders of one encounter and moment as one call, as a clinician signs them together."""
        ordered, call = orders[0].ordered, _Call(patient, [order.resource for order in orders])
        recorded = chart.as_of(ordered, self.tally.counts)
        decisions = [
            self._decision(call, variant, ordered, [resource for resource, _ in recorded], orders)
            for variant in self.plan.variants
        ]
        decision = decisions[0]
        if decision is None:
            return
        results = _results(decision, orders)
        for order, result, outcome in results:
            self._count(order, result, outcome)
        self._count_without(call, orders, recorded, results)
        if len(decisions) > 1 and decisions[1] is not None:
            compared = _results(decisions[1], orders)
            for (_, result, _), (_, compared_result, _) in zip(results, compared, strict=True):
                self.tally.add("compared", result, compared_result)

    def _decision(
        self, call: "_Call", variant: Variant, ordered: Moment, recorded: list[dict[str, Any]], orders: list[Order]
    ) -> Decision | None:
        try:
            return decide(
                call.body(recorded, variant),
                HOOK,
                variant.knowledge,
                variant.site,
                today=ordered.first,
                fetch=lambda _request, _searches: (),
                new_id=lambda: "",
            )
        except Exception:  # noqa: BLE001 - the server would answer it with an error, and a trace could hold patient data
            for order in orders:
                self.tally.add_error(order.record.chunk, order.record.line, Fault.NOT_DECIDED)
            return None

    def _count_without(
        self,
        call: "_Call",
        orders: list[Order],
        recorded: Sequence[tuple[dict[str, Any], Timing]],
        results: "list[_Result]",
    ) -> None:
        """Count the cards where what nobody can place in time is left out; where it says nothing, they are the same."""
        variant, ordered = self.plan.variants[0], orders[0].ordered
        is_watched = any(outcome and outcome.findings for _, _, outcome in results)
        relevant = set(self._relevant_timings(orders, recorded)) if is_watched else set()
        by_timings = {frozenset[Timing](): [result for _, result, _ in results]}
        for name, timings in WITHOUT.items():
            left_out = timings & relevant
            if left_out not in by_timings:
                remaining = [resource for resource, entry_timing in recorded if entry_timing not in left_out]
                decision = self._decision(call, variant, ordered, remaining, [])
                remaining_results = _results(decision, orders) if decision else []
                by_timings[left_out] = [result for _, result, _ in remaining_results]
            for result in by_timings[left_out]:
                if result in CARDS:
                    self.tally.add("without", name, result)

    def _relevant_timings(
        self, orders: list[Order], recorded: Sequence[tuple[dict[str, Any], Timing]]
    ) -> Iterator[Timing]:
        """Yield the timings of uncertain entries that can matter: they mean something, or an order refers to some."""
        uncertain = [(resource, entry_timing) for resource, entry_timing in recorded if entry_timing in _UNCERTAIN]
        if uncertain and any("reasonReference" in order.resource for order in orders):
            yield from (entry_timing for _, entry_timing in uncertain)
            return
        for resource, entry_timing in uncertain:
            if self._charts.matters(resource):
                yield entry_timing

    def _count(self, order: Order, result: str, outcome: Recommendation | Silence | None) -> None:
        tally = self.tally
        tally.add("result", result)
        if self.plan.sample_size:
            self._sample(order, result)
        if outcome is None or outcome.order is None or result == NOT_WATCHED:
            return
        tally.add("monitored_result", result)
        is_card, study = isinstance(outcome, Recommendation), outcome.order.study
        week = order.ordered.first - timedelta(days=order.ordered.first.weekday())
        kinds = ("monitored", "cards") if is_card else ("monitored",)
        for kind in kinds:
            tally.add(kind)
            tally.add("study", kind, study)
            tally.add("week", kind, week.isoformat())
            for role, name in _places(order.resource) if self.plan.by_place else ():
                tally.add("place", kind, role, *name)
        findings = outcome.findings
        if findings and findings.history is not History.NONE:
            tally.add("with_history")
        if findings:
            tally.add("cell", "cards" if is_card else "silent", findings.history, findings.presentation)
        tally.add("joint", *_joint(study, result, outcome))
        if isinstance(outcome, Recommendation):
            self._count_card(order, week.isoformat(), outcome)

    def _count_card(self, order: Order, week: str, card: Recommendation) -> None:
        for kind, wording in sorted(set(_behind(card))):
            self.tally.add("finding", kind, wording)
            self.tally.add_patient(("finding", kind, wording), hash_of(order.record.patient))
        for reason in card.against:
            self.tally.add("against", reason)
        self.tally.add("recommended", card.recommended or "none")
        if requester := _requester(order.resource):
            self.tally.add("clinician", hashlib.blake2b(requester.encode(), digest_size=8).hexdigest(), week)

    def _sample(self, order: Order, result: str) -> None:
        reference, record = reference_of(order.resource), order.record
        rank = int.from_bytes(hashlib.blake2b(f"{record.patient}/{reference}".encode(), digest_size=6).digest())
        row = [reference, f"Patient/{record.patient}", text_of(order.resource.get("authoredOn")), result]
        self.tally.add_sample(result, rank, row)


_Result = tuple[Order, str, Recommendation | Silence | None]
_KEYS = {**MAIN_KEYS} | {key: OPTIONAL_KEYS[key] for key in OPTIONAL_KEYS if key != "imaging_orders"}
"""The prefetch keys that are replayed: an order on record has the status of today, and says nothing of then."""


def replayed_keys(optional_keys: Sequence[str]) -> dict[str, str]:
    """Return the resource type of each prefetch key that is replayed for a site with these optional keys."""
    return {key: row.resource_type for key, row in _KEYS.items() if key in MAIN_KEYS or key in optional_keys}


class _Call:
    """The hook call of some orders; its record is that of their moment."""

    def __init__(self, patient: str, orders: list[dict[str, Any]]) -> None:
        self._context = {
            "patientId": patient,
            "draftOrders": {
                "resourceType": "Bundle",
                "entry": [{"resource": {**order, "status": "draft"}} for order in orders],
            },
        }

    def body(self, recorded: list[dict[str, Any]], variant: Variant) -> dict[str, Any]:
        """Return the body of the call with these entries as its record."""
        prefetch = {
            key: {
                "resourceType": "Bundle",
                "entry": [
                    {"resource": resource} for resource in recorded if resource.get("resourceType") == resource_type
                ],
            }
            for key, resource_type in replayed_keys(variant.site.optional_keys).items()
        }
        return {"hook": HOOK, "hookInstance": "back-test", "context": self._context, "prefetch": prefetch}


def _encounter(order: dict[str, Any]) -> str:
    encounter = order.get("encounter")
    return text_of(encounter.get("reference")) if isinstance(encounter, dict) else ""


def _results(decision: Decision, orders: list[Order]) -> list[_Result]:
    """Return the result of each order: a card's indicator or a silence's reason, and the outcome that has it."""
    by_position = {outcome.order.order.position: outcome for outcome in decision.outcomes if outcome.order}
    for_all = next(
        (outcome.reason for outcome in decision.outcomes if isinstance(outcome, Silence) and outcome.order is None),
        NOT_WATCHED,
    )
    results: list[_Result] = []
    for position, order in enumerate(orders, 1):
        outcome = by_position.get(position)
        result = (
            for_all
            if outcome is None
            else (outcome.indicator if isinstance(outcome, Recommendation) else outcome.reason)
        )
        results.append((order, result, outcome))
    return results


def _behind(card: Recommendation) -> Iterator[tuple[str, str]]:
    findings = card.findings
    shown: tuple[Finding, ...] = (*findings.presentations, *findings.radiotherapy, *findings.malignancies)
    for finding in shown:
        yield finding.kind, f"{finding.wording} (typed)" if finding.as_typed else finding.wording


def _joint(study: str, result: str, outcome: Recommendation | Silence) -> Joint:
    findings = outcome.findings
    cell = (findings.history, findings.presentation) if findings else ("", "")
    if isinstance(outcome, Silence):
        return Joint(study, result, *cell)
    return Joint(study, result, *cell, outcome.recommended or "none", " ".join(sorted(outcome.against)))


def _requester(order: dict[str, Any]) -> str:
    requester = order.get("requester")
    return text_of(requester.get("reference")) if isinstance(requester, dict) else ""


def _places(order: dict[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield who asked for an order and where, as it says itself."""
    for role, member in (("clinician", "requester"), ("place", "locationReference"), ("place", "locationCode")):
        for named in members(order.get(member))[:1]:
            reference = text_of(named.get("reference"))
            name = text_of(named.get("display")) or text_of(named.get("text"))
            if reference or name:
                yield role, (reference, name)
