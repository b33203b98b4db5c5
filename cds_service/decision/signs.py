"""Signs of plexopathy, and every brake on them, in codes and in typed words (contract sections 4 to 6)."""

from collections.abc import Iterator

from cds_service.decision.entry_filter import EntryFilter, Omission
from cds_service.decision.fhir_fields import codings, text_of
from cds_service.knowledge.terminology import Terms
from cds_service.model import BRAKE_FAMILIES, Certainty, Finding, FindingKind, Json, Term

_FAMILIES = {family: FindingKind(family) for family in ("presentation", *BRAKE_FAMILIES, "iodine")}
"""What the codes of each family are found as."""

_POSSIBLE = frozenset({Certainty.ASSERTED, Certainty.ASKED, Certainty.UNCLEAR})
"""The certainties at which a brake holds: any but denied or past, as weak proof is enough (contract, the principle)."""

_POSSIBLE_OR_PAST = _POSSIBLE | {Certainty.PAST}
_TOPICS = {
    "presentation": (FindingKind.PRESENTATION, frozenset({Certainty.ASSERTED})),
    "plexopathy": (FindingKind.PRESENTATION, frozenset({Certainty.ASSERTED, Certainty.ASKED})),
    "emergency": (FindingKind.EMERGENCY, _POSSIBLE_OR_PAST),
    "trauma": (FindingKind.TRAUMA, _POSSIBLE),
    "upper_limb": (FindingKind.UPPER_LIMB, _POSSIBLE),
    "lower_body": (FindingKind.LOWER_BODY, _POSSIBLE_OR_PAST),
    "spine": (FindingKind.SPINE, _POSSIBLE_OR_PAST),
    "other_explanation": (FindingKind.OTHER_EXPLANATION, _POSSIBLE_OR_PAST),
    "device": (FindingKind.DEVICE, _POSSIBLE_OR_PAST),
    "contrast": (FindingKind.CONTRAST, _POSSIBLE_OR_PAST),
    "stat": (FindingKind.STAT, _POSSIBLE),
    "plexus_mri": (FindingKind.PLEXUS_MRI_EARLIER, _POSSIBLE_OR_PAST),
    "mri_done": (FindingKind.MRI_DONE, _POSSIBLE_OR_PAST),
    "other_question": (FindingKind.OTHER_QUESTION, _POSSIBLE),
}
"""What each topic of reason_words.csv is found as, and how certain a text must be of it (contract section 4)."""

_NEITHER = "neither"
_SPHINCTER, _RENAL = "sphincter", "renal"
_PASSING_CAUTIONS = {"pregnancy": "pregnancy", "acute_renal": "acute_kidney_injury"}
"""The contrast cautions that pass, and the window in which each holds."""

_WINDOWS = {
    FindingKind.PRESENTATION: "presentation",
    FindingKind.SPINE: "presentation",
    FindingKind.TRAUMA: "trauma",
}
"""The windows in which findings of the record count; of all others an active one does."""

_ANY_DATE = frozenset({"tumor", "metastasis"})
"""What of the spine counts whatever its date (contract section 6)."""

_ORDER_ONLY = frozenset(
    {
        FindingKind.UPPER_LIMB,
        FindingKind.LOWER_BODY,
        FindingKind.STAT,
        FindingKind.MRI_DONE,
        FindingKind.OTHER_QUESTION,
        FindingKind.PLEXUS_MRI_EARLIER,
    }
)
"""The kinds that only the order's own reason can be of."""


def reason_findings(entry_filter: EntryFilter, reason: Json, terms: Terms) -> Iterator[Finding]:
    """Yield the findings of a reason of the order, by its codes and its free text (contract section 4)."""
    if not codings(reason.get("code")) and not entry_filter.typed_text(reason) and not _has_display(reason):
        entry_filter.unused["reason that could not be read"] += 1
    typed = list(_typed_terms(entry_filter, reason))
    is_denied = _denies_signs(entry_filter, reason)
    for kind, term in _coded_terms(terms):
        if kind is not FindingKind.PRESENTATION or not is_denied:
            yield entry_filter.condition_finding(kind, term, reason, from_order=True)
    if "presentation" in terms or ("spine" in terms and "upper_limb" not in terms):
        yield Finding(FindingKind.LOWER_BODY, "", (), from_order=True)
    for kind, term in typed:
        yield entry_filter.condition_finding(kind, term, reason, from_order=True)


def condition_findings(entry_filter: EntryFilter, condition: Json, terms: Terms) -> list[Finding]:
    """Return the findings of a Condition, by codes and free text, if its status and date count (contract section 4)."""
    return [
        entry_filter.condition_finding(counts_as, term, condition)
        for kind, term in [*_coded_terms(terms), *_typed_terms(entry_filter, condition)]
        if (counts_as := _kind_on_record(entry_filter, condition, kind, term)) is not None
    ]


def procedure_findings(entry_filter: EntryFilter, procedure: Json) -> Iterator[Finding]:
    """Yield the device, the dialysis or the spine surgery that a Procedure's text names; `cautions` reads its codes."""
    for kind, term in _typed_terms(entry_filter, procedure):
        is_brake = kind in (FindingKind.DEVICE, FindingKind.SPINE) or (
            kind is FindingKind.CONTRAST and term.means == _RENAL
        )
        if not is_brake:
            entry_filter.note(procedure, Omission.NOT_IN_PROCEDURE)
        elif entry_filter.was_performed(procedure):
            yield entry_filter.procedure_finding(kind, term, procedure)


def _has_display(reason: Json) -> bool:
    """Tell whether a reason without a code has a display of a system that we know."""
    code = reason.get("code")
    return isinstance(code, dict) and any(
        isinstance(coding, dict) and text_of(coding.get("display")) for coding in code.get("coding") or []
    )


def _typed_terms(entry_filter: EntryFilter, entry: Json) -> Iterator[tuple[FindingKind, Term]]:
    for topic, means, wording, certainty in entry_filter.mentions_of(_TOPICS, entry):
        kind, enough = _TOPICS[topic]
        if certainty not in enough or (certainty is Certainty.PAST and means in _PASSING_CAUTIONS):
            entry_filter.note_certainty(entry, certainty)
            continue
        if kind is FindingKind.EMERGENCY and certainty is Certainty.PAST:
            kind = FindingKind.CORD_SIGN
        yield kind, Term("reason_words", means, wording)


def _denies_signs(entry_filter: EntryFilter, reason: Json) -> bool:
    """Return whether the text of a reason denies or doubts all signs that it names: then its code asserts none."""
    certainties = [mention.certainty for mention in entry_filter.mentions(reason) if mention.topic == "presentation"]
    return bool(certainties) and Certainty.ASSERTED not in certainties


def _coded_terms(terms: Terms) -> Iterator[tuple[FindingKind, Term]]:
    for family, kind in _FAMILIES.items():
        if family in terms and (meaningful := [term for term in terms[family] if term.means != _NEITHER]):
            yield kind, min(meaningful, key=lambda term: term.means not in ("specific", *_ANY_DATE))


def _kind_on_record(entry_filter: EntryFilter, condition: Json, kind: FindingKind, term: Term) -> FindingKind | None:
    """Return the kind of finding of an entry on record, or None if it does not count (contract sections 4 to 6)."""
    if kind in _ORDER_ONLY:
        if kind is not FindingKind.LOWER_BODY:
            entry_filter.note(condition, Omission.ORDER_ONLY)
        return None
    if kind in (FindingKind.EMERGENCY, FindingKind.CORD_SIGN):
        is_now = kind is FindingKind.EMERGENCY and entry_filter.is_active(condition) and term.means != _SPHINCTER
        return (
            kind
            if is_now and entry_filter.is_recent(condition, entry_filter.latest_date(condition), kind)
            else FindingKind.CORD_SIGN
        )
    if kind is FindingKind.SPINE and term.means in _ANY_DATE:
        return kind
    return kind if entry_filter.is_active(condition) and _is_in_window(entry_filter, condition, kind, term) else None


def _is_in_window(entry_filter: EntryFilter, condition: Json, kind: FindingKind, term: Term) -> bool:
    window = _WINDOWS.get(kind) or _PASSING_CAUTIONS.get(term.means)
    if window is None:
        return True
    is_sign = kind is FindingKind.PRESENTATION
    when = entry_filter.onset_or_recorded(condition) if is_sign else entry_filter.latest_date(condition)
    if when is None and window == FindingKind.PRESENTATION:
        return True  # an undated entry lies in this window and in no other
    return entry_filter.is_recent(condition, when, window)
