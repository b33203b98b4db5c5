"""The nouns of one hook call: a request, its orders, the record, what was found, what is said."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

PLEXUS_STUDIES = ("plexus_mri", "plexus_mri_with_contrast", "plexus_mri_without_contrast")
"""What an order or a Procedure for an MRI of the lumbosacral plexus is called, by its contrast."""


class PrefetchKey(NamedTuple):
    """What a client sends for one prefetch key: a search by patient for one resource type."""

    resource_type: str
    parameters: str = ""
    """Further parameters of the search, beside the patient."""
    is_caution: bool = False
    """Without it only a caution on the card is missing, so it is never reported as unread."""
    is_imaging: bool = False
    """It tells of plexus MRIs only, and nothing of cancer or radiotherapy."""


MAIN_KEYS: Mapping[str, PrefetchKey] = {"conditions": PrefetchKey("Condition"), "procedures": PrefetchKey("Procedure")}
"""Always advertised, needed, and fetched where they were not prefetched (requirements P-17 to P-21)."""

OPTIONAL_KEYS: Mapping[str, PrefetchKey] = {
    "allergies": PrefetchKey("AllergyIntolerance", is_caution=True),
    "devices": PrefetchKey("Device", is_caution=True),
    "egfr": PrefetchKey("Observation", is_caution=True),
    "encounters": PrefetchKey("Encounter"),
    "imaging_orders": PrefetchKey("ServiceRequest", "&status=active", is_imaging=True),
    "imaging_reports": PrefetchKey("DiagnosticReport", is_imaging=True),
}
"""Advertised where a site turns them on; read as they were sent, never fetched."""

if TYPE_CHECKING:
    OptionalKey = str
else:  # a type checker cannot read a list that is computed
    OptionalKey = Literal[tuple(OPTIONAL_KEYS)]

PREFETCH_KEYS: Mapping[str, PrefetchKey] = {**MAIN_KEYS, **OPTIONAL_KEYS}
"""All prefetch keys; discovery, record, site file, metrics and the page's terms derive from them."""

DECIDED_FIRST = ("rule_off", "selection_not_found", "nothing_watched", "not_a_draft", "already_drafted")
"""The silences that are decided before the record is read, in this order (contract section 5)."""

SILENCE_REASONS = (
    *DECIDED_FIRST,
    *("plexus_mri_done", "plexus_mri_ordered", "emergency", "acute_trauma", "upper_limb_only", "plexus_mri_on_record"),
    *("alternative_with_device", "part_not_read", "typed_history_only", "not_readable", "no_history"),
    "remote_without_presentation",
)
"""The rows of silences.csv; `decision.rules` says when each of the others holds, the table in which order."""

RESERVATION_REASONS = (
    *("device", "contrast", "stat", "spine_named", "cord_sign", "other_explanation", "plexus_mri_earlier"),
    *("no_specific_sign", "history_not_placed", "remote_only"),
)
"""The reasons of reservations.csv; `decision.rules` says when each holds."""

BRAKE_FAMILIES = ("emergency", "trauma", "upper_limb", "spine", "other_explanation", "device", "contrast")
"""The families of value sets that stop or soften a card."""

CONDITION_FAMILIES = ("malignancy", "radiation_history", "presentation", *BRAKE_FAMILIES)
"""The families by which a Condition of the record is explained, and offered in the playground."""

FAMILIES = (
    *("order", "malignancy", "tumor_site", "radiotherapy", "radiation_history", "body_site", "presentation"),
    *BRAKE_FAMILIES,
    *("iodine", "observation", "context"),
)
"""The families of value sets, as valuesets.csv names them."""


class Reach(StrEnum):
    """How a malignancy relates to the lumbosacral plexus."""

    PLEXUS_ADJACENT = "plexus_adjacent"
    UNSPECIFIED = "unspecified"
    REMOTE = "remote"


class Field(StrEnum):
    """Where radiotherapy was given."""

    PELVIS = "pelvis"
    LUMBOSACRAL_SPINE = "lumbosacral_spine"
    ABDOMEN = "abdomen"
    UNCERTAIN = "uncertain"
    UNKNOWN = "unknown"
    REMOTE = "remote"


class History(StrEnum):
    """What the findings amount to."""

    IN_REACH = "in_reach"
    REMOTE_ONLY = "remote_only"
    IN_WORDS = "in_words"
    """Only typed words tell of it: it never adds to a coded history."""
    NONE = "none"


class Presentation(StrEnum):
    """How strongly the signs point to lumbosacral plexopathy."""

    SPECIFIC = "specific"
    COMPATIBLE = "compatible"
    NONE = "none"


class Certainty(StrEnum):
    """How certain a typed text is of what it names (contract section 4)."""

    ASSERTED = "asserted"
    ASKED = "asked"
    """It is to be ruled out, suspected, or in question."""
    UNCLEAR = "unclear"
    PAST = "past"
    DENIED = "denied"
    """Of the patient: also what a relative has."""


class FindingKind(StrEnum):
    """What a finding is about; the first three in the order in which a card tells them."""

    PRESENTATION = "presentation"
    RADIOTHERAPY = "radiotherapy"
    MALIGNANCY = "malignancy"
    EMERGENCY = "emergency"
    TRAUMA = "trauma"
    UPPER_LIMB = "upper_limb"
    PLEXUS_MRI = "plexus_mri"
    PLEXUS_MRI_ORDERED = "plexus_mri_ordered"
    """On record as an order that is signed or about to be, and not done yet."""
    DEVICE = "device"
    CONTRAST = "contrast"
    IODINE = "iodine"
    """What speaks against the contrast of a CT, and not against that of an MRI."""
    SPINE = "spine"
    """The spine itself is the question, or is diseased."""
    CORD_SIGN = "cord_sign"
    """A cord, cauda equina or sphincter sign that is past, chronic, undated or on the chart only."""
    OTHER_EXPLANATION = "other_explanation"
    """A disease of brain, cord, nerves or muscles that may explain the sign, or signs in both legs."""
    PLEXUS_MRI_EARLIER = "plexus_mri_earlier"
    """Of the last year, or spoken of, and not so recent that the card is silent."""
    MRI_DONE = "mri_done"
    STAT = "stat"
    LOWER_BODY = "lower_body"
    """The order's reason names the low back or the leg."""
    OTHER_QUESTION = "other_question"
    OTHER_NEOPLASM = "other_neoplasm"
    """In situ, of the skin, or benign: no malignancy, but radiotherapy may have been for it."""


class PrefetchState(StrEnum):
    """What a client sent for one prefetch key."""

    BUNDLE = "bundle"
    FIRST_PAGE = "first_page"
    RESOURCE = "resource"
    NULL = "null"
    ABSENT = "absent"
    FAILED = "failed"
    UNREADABLE = "unreadable"


class FetchFault(StrEnum):
    """Why a search of the FHIR server did not bring everything, in words for people."""

    NO_SERVER = "it was not prefetched in full, and the call names no FHIR server"
    NOT_LISTED = (
        "it was not prefetched in full, and the call's FHIR server is not among those that this service may read "
        "(setting PLEXUS_CDS_FHIR_SERVERS, or the clients file)"
    )
    NOT_ASKED = "it was not prefetched in full, and an explanation reads no FHIR server"
    UNREACHABLE = "the FHIR server could not be reached"
    REFUSED = "the FHIR server refused the access token"
    TOO_SLOW = "the FHIR server did not answer in time"
    TOO_LARGE = "the FHIR server sent more than is read"
    NOT_ANSWERED = "the FHIR server could not answer"
    NOT_JSON = "the FHIR server did not answer with JSON"
    NOT_A_BUNDLE = "the FHIR server did not answer with a Bundle"
    OUTSIDE = "its next page is outside the FHIR server's base URL"
    TOO_MANY_PAGES = "it has more pages than are read"
    REPORTED = "the FHIR server could not read it"

    @property
    def label(self) -> str:
        """Return the fault as one word, for logs and metrics."""
        return self.name.lower()


Json = Mapping[str, Any]
"""A JSON object as it came: nothing about its members is promised."""

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Term:
    """A code that the knowledge has: its value set, what it means there, and our words for it."""

    value_set: str
    means: str
    wording: str
    metastatic: bool = False
    length: int = 0
    """Characters of the code that matched: the longest match wins."""


class PartialDate(NamedTuple):
    """A date as precisely as the record has it."""

    text: str
    first: date
    last: date


class DraftOrder(NamedTuple):
    """One draft order of the call, as it came."""

    resource: Json
    reference: str
    selected: bool
    position: int = 1
    """Among the orders of the call."""


class HookRequest(NamedTuple):
    """A hook call of ours, read; `prefetch` is as it came."""

    hook: str
    patient_id: str
    draft_orders: tuple[DraftOrder, ...]
    prefetch: Json
    drafts: Json = _NOTHING
    """The Bundle of the drafts as it came, orders or not: a reason may refer to any of them."""
    names_a_draft: bool = True
    """Whether a selection names any of the drafts, or nothing is selected, which is all of them."""
    fhir_server: str | None = None
    access_token: str | None = None

    def __repr__(self) -> str:
        """Return the hook alone: the rest is the patient's, or a secret."""
        return f"HookRequest({self.hook!r})"


class WatchedOrder(NamedTuple):
    """A selected order that the card watches, the study it asks for and the study that we propose."""

    order: DraftOrder
    study: str
    name: str
    proposed: str
    already_drafted: bool = False


class Search(NamedTuple):
    """What has to be read from the FHIR server for one prefetch key."""

    key: str
    resource_type: str
    patient_id: str
    next_url: str | None = None
    """The page to go on with, where the client sent the pages before it."""


class Pages(NamedTuple):
    """What a search brought: the Bundles read, and why it is not everything."""

    bundles: tuple[Json, ...] = ()
    problem: FetchFault | None = None


Fetch = Callable[[HookRequest, Sequence[Search]], Sequence[Pages]]
"""Reads all searches at the same time within one deadline; answers in their order and never raises."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of the record that could not be read."""

    key: str
    why: str
    partly: bool = False
    is_needed: bool = True
    """Without it, silence is answered with 412; else the silence has a reason of its own."""
    holds: str = ""
    """What the key holds, where the site switched it on: a category of Conditions, or an optional key."""


class Retrieval(NamedTuple):
    """How the record was had, by prefetch key; nothing of the patient is in it."""

    prefetched: Mapping[str, PrefetchState] = _NOTHING
    """What the client sent for each key that was asked for."""
    fetched: Mapping[str, FetchFault | None] = _NOTHING
    """The keys that were searched on the FHIR server, and what went wrong there."""


class PatientRecord(NamedTuple):
    """The Conditions and Procedures of the patient that we may read, and what is missing of them."""

    conditions: tuple[Json, ...] = ()
    procedures: tuple[Json, ...] = ()
    optional: Mapping[str, tuple[Json, ...]] = _NOTHING
    """What a site sends beyond what is asked for everywhere, by the keys that it has switched on."""
    unread: tuple[Unread, ...] = ()
    skipped: int = 0
    other_patient: int = 0
    not_sent: int = 0
    """Entries that a Bundle counts in its total, beyond those in it and without a link to a next page."""
    retrieval: Retrieval = Retrieval()


class Finding(NamedTuple):
    """One entry of the record, or several that say the same, that matters for the decision."""

    kind: FindingKind
    wording: str
    references: tuple[str, ...]
    since: PartialDate | None = None
    until: PartialDate | None = None
    recorded: PartialDate | None = None
    status: str = ""
    from_order: bool = False
    from_procedure: bool = False
    means: str = ""
    reach: Reach | None = None
    metastatic: bool = False
    field: Field | None = None
    site: str = ""
    site_unread: bool = False
    """A site is recorded, in words or by a code that we do not know."""
    treats: str = ""
    as_typed: bool = False
    """It was read from typed words, and from no code."""

    @property
    def newest(self) -> date:
        """Return the latest date that the finding has, and the first of all days where it has none."""
        when = self.until or self.since or self.recorded
        return when.last if when else date.min


class Findings(NamedTuple):
    """All that matters in one record for one order, and what it amounts to."""

    malignancies: tuple[Finding, ...] = ()
    radiotherapy: tuple[Finding, ...] = ()
    radiotherapy_elsewhere: tuple[Finding, ...] = ()
    presentations: tuple[Finding, ...] = ()
    others: tuple[Finding, ...] = ()
    """What silences the card or is to be checked first."""
    history: History = History.NONE
    presentation: Presentation = Presentation.NONE
    tally: Mapping[str, int] = _NOTHING
    not_readable: bool = False
    """There are Conditions, and none could be read."""
    not_all_read: bool = False
    """A part that the site has switched on, and that can tell of cancer or radiotherapy, could not be read."""

    def of(self, kind: FindingKind) -> tuple[Finding, ...]:
        """Return those other findings that are of a kind."""
        return tuple([one for one in self.others if one.kind is kind])


class Recommendation(NamedTuple):
    """A card is to be shown for this order."""

    order: WatchedOrder
    findings: Findings
    indicator: str
    recommended: str
    """The suggestion that is recommended, or no text where none is."""
    against: tuple[str, ...] = ()
    """Why nothing is recommended: rows of reservations.csv."""


class Silence(NamedTuple):
    """No card, and the reason: a row of silences.csv."""

    reason: str
    order: WatchedOrder | None = None
    findings: Findings | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """What this installation adds to the knowledge."""

    public_url: str = "http://127.0.0.1:8080"
    development: bool = False
    policy: str = "broad"
    limits: Mapping[str, int] = field(default_factory=dict)
    """Values by which the site departs from lookback_windows.csv."""
    systems: Mapping[str, str] = field(default_factory=dict)
    """The code system that each name of the site's own stands for."""
    studies: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The study of each order code of the site's own, by (system, code)."""
    proposed_codings: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    """The site's own codings of a proposed study: they stand before ours."""
    override_reasons: Mapping[str, str] = field(default_factory=dict)
    """Our override reason for each code by which the site's EHR reports one."""
    optional_keys: tuple[str, ...] = ()
    """The prefetch keys beyond conditions and procedures that the site's settings advertise."""
    condition_keys: Mapping[str, str] = field(default_factory=dict)
    """The keys over which the site's Conditions are split, in place of `conditions`, and the category of each."""
    contact: str = ""
    """Whom to tell that a card is wrong: a text or a link; no text where the site names nobody."""
    is_off: bool = False
    is_shadow: bool = False
    """Decide and log, but show no card."""


class Decision(NamedTuple):
    """What is said to one call, and why: one outcome for each watched order, or one silence for the call."""

    outcomes: tuple[Recommendation | Silence, ...]
    cards: tuple[dict[str, Any], ...] = ()
    record: PatientRecord | None = None
    is_shadow: bool = False
    """The site lets the card decide without speaking: no cards, whatever the outcomes."""
    patient_id: str = ""
    """Whom the cards are about; empty where nothing was read."""
    unrecognized: Mapping[tuple[str, str], int] = _NOTHING
    """How many orders and entries nothing explained, by resource type and code system, named as they can be told."""

    def __repr__(self) -> str:
        """Return what was decided, and not of whom."""
        return f"Decision({[type(one).__name__ for one in self.outcomes]})"
