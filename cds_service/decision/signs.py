"""Signs of plexopathy, and every brake on them, in codes and in typed words (contract sections 4 to 6)."""

from collections.abc import Iterator

from cds_service.decision.entry_filter import EntryFilter
from cds_service.decision.fhir_fields import codings, text_of
from cds_service.knowledge.terminology import Terms
from cds_service.model import BRAKE_FAMILIES, Certainty, Finding, FindingKind, Json, Term

_FAMILIES = {family: FindingKind(family) for family in ("presentation", *BRAKE_FAMILIES, "iodine")}
"""What the codes of each family are found as."""

_HELD = frozenset({Certainty.ASSERTED, Certainty.ASKED, Certainty.UNCLEAR})
"""How certain a text must be of a brake for it to hold: not at all."""

_EVER = _HELD | {Certainty.PAST}
_TOPICS = {
    "presentation": (FindingKind.PRESENTATION, frozenset({Certainty.ASSERTED})),
    "plexopathy": (FindingKind.PRESENTATION, frozenset({Certainty.ASSERTED, Certainty.ASKED})),
    "emergency": (FindingKind.EMERGENCY, _EVER),
    "trauma": (FindingKind.TRAUMA, _HELD),
    "upper_limb": (FindingKind.UPPER_LIMB, _HELD),
    "lower_body": (FindingKind.LOWER_BODY, _EVER),
    "spine": (FindingKind.SPINE, _EVER),
    "other_explanation": (FindingKind.OTHER_EXPLANATION, _EVER),
    "device": (FindingKind.DEVICE, _EVER),
    "contrast": (FindingKind.CONTRAST, _EVER),
    "stat": (FindingKind.STAT, _HELD),
    "plexus_mri": (FindingKind.PLEXUS_MRI_EARLIER, _EVER),
    "mri_done": (FindingKind.MRI_DONE, _EVER),
    "other_question": (FindingKind.OTHER_QUESTION, _HELD),
}
"""What each topic of reason_words.csv is found as, and how certain a text must be of it (contract section 4)."""

_SAID_NOTHING = "neither"
_SPHINCTER, _RENAL = "sphincter", "renal"
_PASSES = {"pregnancy": "pregnancy", "acute_renal": "acute_kidney_injury"}
"""The contrast cautions that pass, and the window in which each holds."""

_WINDOWS = {
    FindingKind.PRESENTATION: "presentation",
    FindingKind.SPINE: "presentation",
    FindingKind.TRAUMA: "trauma",
}
"""The windows in which findings of the record count; of all others an active one does."""

_ANY_DATE = frozenset({"tumor", "metastasis"})
"""What of the spine counts whatever its date (contract section 6)."""

_OF_THE_ORDER = frozenset(
    {
        FindingKind.UPPER_LIMB,
        FindingKind.LOWER_BODY,
        FindingKind.STAT,
        FindingKind.MRI_DONE,
        FindingKind.OTHER_QUESTION,
        FindingKind.PLEXUS_MRI_EARLIER,
    }
)
"""What only the order's own reason can say."""


def in_reason(entry_filter: EntryFilter, reason: Json, terms: Terms) -> Iterator[Finding]:
    """Yield what a reason of the order says, by its codes and by what was typed."""
    if not codings(reason.get("code")) and not entry_filter.typed(reason) and not _is_shown(reason):
        entry_filter.tally["reason that could not be read"] += 1
    typed = list(_by_words(entry_filter, reason))
    said_otherwise = _takes_back(entry_filter, reason)
    for kind, term in _by_code(terms):
        if kind is not FindingKind.PRESENTATION or not said_otherwise:
            yield entry_filter.of_condition(kind, term, reason, from_order=True)
    if "presentation" in terms or ("spine" in terms and "upper_limb" not in terms):
        yield Finding(FindingKind.LOWER_BODY, "", (), from_order=True)
    for kind, term in typed:
        yield entry_filter.of_condition(kind, term, reason, from_order=True)


def _is_shown(reason: Json) -> bool:
    """Tell whether a reason without a code has a display of a system that we know."""
    code = reason.get("code")
    return isinstance(code, dict) and any(
        isinstance(coding, dict) and text_of(coding.get("display")) for coding in code.get("coding") or []
    )


def _takes_back(entry_filter: EntryFilter, reason: Json) -> bool:
    """Tell whether a reason's text denies or doubts all the signs that it names: then its code asserts none."""
    signs = [one.certainty for one in entry_filter.mentions(reason) if one.topic == "presentation"]
    return bool(signs) and Certainty.ASSERTED not in signs


def in_condition(entry_filter: EntryFilter, condition: Json, terms: Terms) -> Iterator[Finding]:
    """Yield what a Condition says, by its codes and by what was typed, where its status and date let it count."""
    coded, typed = list(_by_code(terms)), list(_by_words(entry_filter, condition))
    for kind, term in [*coded, *typed]:
        counts_as = _in_record(entry_filter, condition, kind, term)
        if counts_as is not None:
            yield entry_filter.of_condition(counts_as, term, condition)


def _in_record(entry_filter: EntryFilter, condition: Json, kind: FindingKind, term: Term) -> FindingKind | None:
    """Return what an entry of the record is found as, or None where it does not count (contract sections 4 to 6)."""
    if kind in _OF_THE_ORDER:
        return None
    if kind in (FindingKind.EMERGENCY, FindingKind.CORD_SIGN):
        is_now = kind is FindingKind.EMERGENCY and entry_filter.is_active(condition) and term.means != _SPHINCTER
        return kind if is_now and entry_filter.is_recent(entry_filter.later(condition), kind) else FindingKind.CORD_SIGN
    if kind is FindingKind.SPINE and term.means in _ANY_DATE:
        return kind
    return kind if entry_filter.is_active(condition) and _is_in_window(entry_filter, condition, kind, term) else None


def _is_in_window(entry_filter: EntryFilter, condition: Json, kind: FindingKind, term: Term) -> bool:
    window = _WINDOWS.get(kind) or _PASSES.get(term.means)
    if window is None:
        return True
    is_sign = kind is FindingKind.PRESENTATION
    when = entry_filter.dated(condition) if is_sign else entry_filter.later(condition)
    if when is None:
        return window == FindingKind.PRESENTATION  # an undated entry lies in this window and in no other
    return entry_filter.is_recent(when, window)


def in_procedure(entry_filter: EntryFilter, procedure: Json) -> Iterator[Finding]:
    """Yield the device, the dialysis or the spine surgery that a Procedure's text names; `cautions` reads its codes."""
    for kind, term in _by_words(entry_filter, procedure):
        is_brake = kind in (FindingKind.DEVICE, FindingKind.SPINE) or (
            kind is FindingKind.CONTRAST and term.means == _RENAL
        )
        if is_brake and entry_filter.was_performed(procedure):
            yield entry_filter.of_procedure(kind, term, procedure)


def _by_code(terms: Terms) -> Iterator[tuple[FindingKind, Term]]:
    for family, kind in _FAMILIES.items():
        if family in terms and (said := [term for term in terms[family] if term.means != _SAID_NOTHING]):
            yield kind, min(said, key=lambda term: term.means not in ("specific", *_ANY_DATE))


def _by_words(entry_filter: EntryFilter, entry: Json) -> Iterator[tuple[FindingKind, Term]]:
    for topic, means, wording, certainty in entry_filter.mentions(entry):
        if topic not in _TOPICS:
            continue
        kind, enough = _TOPICS[topic]
        if certainty not in enough or (certainty is Certainty.PAST and means in _PASSES):
            continue
        if kind is FindingKind.EMERGENCY and certainty is Certainty.PAST:
            kind = FindingKind.CORD_SIGN
        yield kind, Term("reason_words", means, wording)
