"""The steps of a decision as a person would tell them, line by line."""

from collections.abc import Iterator
from datetime import date

from cds_service.decision.orders import NO_CODE
from cds_service.decision.record import amounts
from cds_service.explanation.steps import CHECKED, COUNTS, ELSEWHERE, FindingStep, OutcomeStep, outcome_step
from cds_service.knowledge import Knowledge
from cds_service.model import Decision, PatientRecord

_FOUND = {COUNTS: "Found", CHECKED: "Found, {kind}", ELSEWHERE: "Not counted, {why}"}


def explain(decision: Decision, knowledge: Knowledge, today: date) -> str:
    """Return the decision as plain lines, each finding with the entries of the record that it comes from."""
    lines = ["The site runs this card in shadow mode: no card is shown."] if decision.is_shadow else []
    for outcome in decision.outcomes:
        lines += _outcome(outcome_step(outcome, knowledge, today))
    if decision.record:
        lines += _record(decision.record)
    for (resource, system), count in decision.unrecognized.items():
        lines.append(f"No code is read of {count} {resource} ({'no code' if system == NO_CODE else system}).")
    return "\n".join(lines)


def _outcome(step: OutcomeStep) -> Iterator[str]:
    if step.order:
        yield f"Watched order: {step.order}, {step.name}."
    yield from map(_finding, step.findings)
    for what, count in step.not_used.items():
        yield f"  Not used, {what}: {count}"
    if step.history and step.presentation:
        yield f"  History: {step.history.replace('_', ' ')}. Presentation: {step.presentation}."
    if step.silence:
        yield f"Silent ({step.silence.reason}): {step.silence.words}"
    if card := step.card:
        yield f"Card: {card.indicator}{f', {card.recommended} is recommended' if card.recommended else ''}."
        yield f"  It proposes {card.proposes}."
        for one in card.against:
            yield f"  Nothing is recommended ({one.reason}): {one.words}"


def _finding(step: FindingStep) -> str:
    how = _FOUND[step.use].format(kind=step.kind.replace("_", " "), why=step.why)
    return f"  {how}: {step.words} [{', '.join(step.references) or 'the order'}]"


def _record(record: PatientRecord) -> Iterator[str]:
    read = amounts(record)
    more = "".join(f", {read[key]} {key.replace('_', ' ')}" for key in record.optional)
    yield f"Record: {read['conditions']} Conditions, {read['procedures']} Procedures{more} were read."
    for part in record.unread:
        yield f"  Not read{' in full' if part.partly else ''}: {part.key}, {part.why}."
    if record.skipped:
        yield f"  Entries that are no resources: {record.skipped}."
    if record.not_sent:
        yield f"  Entries that the client counts and did not send: {record.not_sent}."
    if record.other_patient:
        yield f"  Entries of another patient, dropped: {record.other_patient}."
