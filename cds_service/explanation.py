"""A decision told as a person would explain it: what was watched, what was found, what is said and why."""

from collections.abc import Iterator
from datetime import date

from cds_service.decision.phrases import finding_words, told
from cds_service.knowledge import Knowledge
from cds_service.model import Decision, Findings, PatientRecord, Recommendation, Silence, WatchedOrder


def explain(decision: Decision, knowledge: Knowledge, today: date) -> str:
    """Return the decision as plain lines, each finding with the entries of the record that it comes from."""
    lines = ["The site runs this card in shadow mode: no card is shown."] if decision.is_shadow else []
    lines += [line for outcome in decision.outcomes for line in _outcome(outcome, knowledge, today)]
    if decision.record:
        lines += _record(decision.record)
    return "\n".join(lines)


def _outcome(outcome: Recommendation | Silence, knowledge: Knowledge, today: date) -> Iterator[str]:
    if outcome.order:
        yield _order(outcome.order, knowledge)
    if outcome.findings:
        yield from _findings(outcome.findings, knowledge, today)
    if isinstance(outcome, Recommendation):
        yield f"Card: {outcome.indicator}{f', {outcome.recommended} is recommended' if outcome.recommended else ''}."
        proposed = knowledge.card["proposals"][outcome.order.proposed]["code"]["text"]
        yield f"  It proposes {proposed}."
    else:
        yield f"Silent ({outcome.reason}): {knowledge.silences[outcome.reason]}"


def _order(order: WatchedOrder, knowledge: Knowledge) -> str:
    name = order.name or knowledge.card["orders"][order.study]["name"]
    return f"Watched order: {order.order.reference}, {name}."


def _findings(findings: Findings, knowledge: Knowledge, today: date) -> Iterator[str]:
    texts, durations = knowledge.card["findings"], knowledge.card["durations"]
    for one in told(findings):
        words = finding_words(one, texts, durations, today)
        yield f"  Found: {words} [{', '.join(one.references) or 'the order'}]"
    for one in findings.others:
        words = finding_words(one, texts, durations, today)
        yield f"  Found, {one.kind.replace('_', ' ')}: {words} [{', '.join(one.references) or 'the order'}]"
    for one in findings.radiotherapy_elsewhere:
        words = finding_words(one, texts, durations, today)
        yield f"  Not counted, its field does not reach the plexus: {words} [{', '.join(one.references)}]"
    for what, count in findings.tally.items():
        if count:
            yield f"  Not used, {what}: {count}"
    yield f"  History: {findings.history.replace('_', ' ')}. Presentation: {findings.presentation}."


def _record(record: PatientRecord) -> Iterator[str]:
    yield f"Record: {len(record.conditions)} Conditions, {len(record.procedures)} Procedures were read."
    for part in record.unread:
        yield f"  Not read{' in full' if part.partly else ''}: {part.key}, {part.why}."
    if record.skipped:
        yield f"  Entries that are no resources: {record.skipped}."
    if record.other_patient:
        yield f"  Entries of another patient, dropped: {record.other_patient}."
