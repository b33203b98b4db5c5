"""The types of one hook call: the request, its orders, the record, the findings and the decision."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

PLEXUS_STUDIES = ("plexus_mri", "plexus_mri_with_contrast", "plexus_mri_without_contrast")
"""What an order or a Procedure for an MRI of the lumbosacral plexus is called, by its contrast."""

LEVEL_NOT_STATED = "level_not_stated"
"""What an order's code means that leaves the level of the spine open: its words are read instead."""


Dialect = Literal["standard", "epic", "crd"]
"""The form of an answer; `web.dialects` says what each has."""


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

if TYPE_CHECKING:
    PrefetchName = str
else:
    PrefetchName = Literal[tuple(PREFETCH_KEYS)]

DECIDED_FIRST = ("rule_off", "selection_not_found", "nothing_watched", "not_a_draft", "already_drafted")
"""The silences that are decided before the record is read, in this order (contract section 5)."""

DISMISSED_BEFORE = "dismissed_before"
"""The silence that the decision does not know: `web.dismissals` asks the store about cards that were decided."""

SILENCE_REASONS = (
    *DECIDED_FIRST,
    *("plexus_mri_done", "plexus_mri_ordered", "emergency", "acute_trauma", "upper_limb_only", "plexus_mri_on_record"),
    *("alternative_with_device", "part_not_read", "typed_history_only", "not_readable", "no_history"),
    "remote_without_presentation",
    DISMISSED_BEFORE,
)
"""The rows of silences.csv; `decision.rules` says when each of the others holds, the table in which order."""

RECOMMENDED_BESIDE = "recommended_beside"
"""The reservation that no single order has: another order of the call has the recommendation."""

RESERVATION_REASONS = (
    *("device", "contrast", "stat", "spine_named", "cord_sign", "other_explanation", "plexus_mri_earlier"),
    *("no_specific_sign", "history_not_placed", "remote_only"),
    RECOMMENDED_BESIDE,
)
"""The reasons of reservations.csv; `decision.rules` says when each holds."""

BRAKE_FAMILIES = ("emergency", "trauma", "upper_limb", "spine", "other_explanation", "device", "contrast")
"""The families of value sets that stop or soften a card."""

CONDITION_FAMILIES = ("malignancy", "radiation_history", "presentation", *BRAKE_FAMILIES, "iodine")
"""The families by which a Condition of the record is explained, and offered in the playground."""

CLIENT_HEADER, DOCTOR = "X-Plexus-CDS-Client", "doctor"
"""The header that marks a call of `plexus-cds doctor` as a trial."""

FAMILIES = (
    *("order", "malignancy", "tumor_site", "radiotherapy", "radiation_history", "body_site", "presentation"),
    *BRAKE_FAMILIES,
    *("iodine", "observation", "context"),
)
"""The families of value sets, as valuesets.csv names them."""


class Reach(StrEnum):
    """How near a malignancy is to the lumbosacral plexus (contract section 3)."""

    PLEXUS_ADJACENT = "plexus_adjacent"
    UNSPECIFIED = "unspecified"
    REMOTE = "remote"


class Field(StrEnum):
    """Where radiotherapy was given (contract section 3)."""

    PELVIS = "pelvis"
    LUMBOSACRAL_SPINE = "lumbosacral_spine"
    ABDOMEN = "abdomen"
    UNCERTAIN = "uncertain"
    UNKNOWN = "unknown"
    REMOTE = "remote"


class History(StrEnum):
    """The history of malignancy and radiotherapy, as the decision table has it (contract section 3)."""

    IN_REACH = "in_reach"
    REMOTE_ONLY = "remote_only"
    IN_WORDS = "in_words"
    """Only typed text mentions it: it never adds to a coded history."""
    NONE = "none"


class Presentation(StrEnum):
    """How strongly the signs point to lumbosacral plexopathy (contract section 4)."""

    SPECIFIC = "specific"
    COMPATIBLE = "compatible"
    NONE = "none"


class Certainty(StrEnum):
    """How certain typed text is of what it mentions (contract section 4)."""

    ASSERTED = "asserted"
    ASKED = "asked"
    """To be ruled out, suspected, or in question."""
    UNCLEAR = "unclear"
    PAST = "past"
    DENIED = "denied"
    """Of the patient; what a relative has is denied, too."""


class FindingKind(StrEnum):
    """What a finding is about; a card lists the first three in this order."""

    PRESENTATION = "presentation"
    RADIOTHERAPY = "radiotherapy"
    MALIGNANCY = "malignancy"
    EMERGENCY = "emergency"
    TRAUMA = "trauma"
    UPPER_LIMB = "upper_limb"
    PLEXUS_MRI = "plexus_mri"
    PLEXUS_MRI_ORDERED = "plexus_mri_ordered"
    """On record as an order in force that is not done yet."""
    DEVICE = "device"
    CONTRAST = "contrast"
    IODINE = "iodine"
    """A caution on iodinated contrast: it concerns a CT, and no MRI."""
    SPINE = "spine"
    """A disease of the spine, or a question about the spine itself."""
    CORD_SIGN = "cord_sign"
    """A cord, cauda equina or sphincter sign that is past, chronic, undated or on the chart only."""
    OTHER_EXPLANATION = "other_explanation"
    """A disease of brain, cord, nerves or muscles that may explain the sign, or signs in both legs."""
    PLEXUS_MRI_EARLIER = "plexus_mri_earlier"
    """Of the last year or mentioned in the reason, and not so recent that there is no card."""
    MRI_DONE = "mri_done"
    STAT = "stat"
    LOWER_BODY = "lower_body"
    """The order's reason names the low back or the leg."""
    OTHER_QUESTION = "other_question"
    OTHER_NEOPLASM = "other_neoplasm"
    """In situ, of the skin, or benign: not a malignancy, but radiotherapy may have been given for it."""


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
    """Why a search of the FHIR server was incomplete; the value is a text for people."""

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
        """Return the fault as a label for logs and metrics."""
        return self.name.lower()


Json = Mapping[str, Any]
"""A JSON object as received: its members are not validated."""

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Term:
    """A code of a value set: what it means there, and our wording for it."""

    value_set: str
    means: str
    wording: str
    metastatic: bool = False
    length: int = 0
    """Characters of the code that matched; the longest match wins."""


class PartialDate(NamedTuple):
    """A FHIR date of any precision: its text, and the first and last day that it can mean."""

    text: str
    first: date
    last: date


class DraftOrder(NamedTuple):
    """One draft order of the call, as received."""

    resource: Json
    reference: str
    selected: bool
    position: int = 1
    """Among the orders of the call, from 1."""


class HookRequest(NamedTuple):
    """A valid call of one of this service's hooks; `prefetch` is as received."""

    hook: str
    patient_id: str
    draft_orders: tuple[DraftOrder, ...]
    prefetch: Json
    drafts: Json = _NOTHING
    """The Bundle of drafts as received, other resources included: a reason may refer to any of them."""
    names_a_draft: bool = True
    """Whether a selection names a draft; an empty list of selections means all drafts."""
    fhir_server: str | None = None
    access_token: str | None = None

    def __repr__(self) -> str:
        """Return the hook alone, without patient data or the access token."""
        return f"HookRequest({self.hook!r})"


class WatchedOrder(NamedTuple):
    """A selected order that the service monitors, its study and the study to propose (contract section 2)."""

    order: DraftOrder
    study: str
    name: str
    proposed: str
    already_drafted: bool = False


class Search(NamedTuple):
    """A search of the FHIR server for one prefetch key."""

    key: str
    resource_type: str
    patient_id: str
    next_url: str | None = None
    """The next page, if the client sent the pages before it."""


class Pages(NamedTuple):
    """The result of a search: the Bundles read, and the problem if it is incomplete."""

    bundles: tuple[Json, ...] = ()
    problem: FetchFault | None = None
    seconds: float = 0.0
    """How long it took."""


Fetch = Callable[[HookRequest, Sequence[Search]], Sequence[Pages]]
"""Runs all searches concurrently within one deadline; returns results in their order and never raises."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A prefetch key whose data could not be read, or not in full."""

    key: str
    reason: str
    """For the client: it failed to read it, or why the search failed."""
    partly: bool = False
    is_needed: bool = True
    """Without it, a call without a card is answered with 412; otherwise the silence may be `part_not_read`."""
    holds: str = ""
    """What the site turned the key on for: a category of Conditions, an optional key, or the key it is part of."""
    others_read: bool = False
    """Other parts of the same key were read, so that what is missing is not all of it."""


class Retrieval(NamedTuple):
    """How the record was retrieved, by prefetch key, without patient data."""

    prefetched: Mapping[str, PrefetchState] = _NOTHING
    """What the client sent for each advertised key."""
    fetched: Mapping[str, FetchFault | None] = _NOTHING
    """The keys that were searched on the FHIR server, each with its fault or None."""


class PatientRecord(NamedTuple):
    """The Conditions and Procedures of the patient, and what could not be read."""

    conditions: tuple[Json, ...] = ()
    procedures: tuple[Json, ...] = ()
    optional: Mapping[str, tuple[Json, ...]] = _NOTHING
    """Entries of the optional keys that the site has turned on, by key."""
    unread: tuple[Unread, ...] = ()
    skipped: int = 0
    other_patient: tuple[str, ...] = ()
    """References of entries that name another patient; they were dropped."""
    not_sent: int = 0
    """Entries in a Bundle's total that are neither in it nor behind a link to a next page."""
    ignored_keys: tuple[str, ...] = ()
    """Prefetch keys of the client that no setting names; what they hold was not read (CDS Hooks 2.0.1, Prefetch)."""
    retrieval: Retrieval = Retrieval()


class Finding(NamedTuple):
    """One entry of the record, or several equivalent ones, that matters for the decision."""

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
    """A site is recorded, but by no code or word that we know."""
    treats: str = ""
    as_typed: bool = False
    """It was read from typed text, and from no code."""

    @property
    def newest(self) -> date:
        """Return the latest date of the finding, or `date.min` if it has none."""
        when = self.until or self.since or self.recorded
        return when.last if when else date.min


class Findings(NamedTuple):
    """The findings for one order, and the history and presentation that they amount to."""

    malignancies: tuple[Finding, ...] = ()
    radiotherapy: tuple[Finding, ...] = ()
    radiotherapy_elsewhere: tuple[Finding, ...] = ()
    presentations: tuple[Finding, ...] = ()
    others: tuple[Finding, ...] = ()
    """What suppresses the card or is to be checked first."""
    history: History = History.NONE
    presentation: Presentation = Presentation.NONE
    unused: Mapping[str, int] = _NOTHING
    """How many entries of the record were not used, by the reason."""
    not_readable: bool = False
    """There are Conditions, but none could be read."""
    not_all_read: bool = False
    """A key that the site has turned on, and that can hold cancer or radiotherapy, could not be read."""
    has_unread_text: bool = False
    """There is more typed text than is read: a brake may be in it, so there is no card."""

    def of(self, kind: FindingKind) -> tuple[Finding, ...]:
        """Return the other findings of a kind."""
        return tuple([finding for finding in self.others if finding.kind is kind]) if self.others else ()


class Recommendation(NamedTuple):
    """A card for this order (contract section 6)."""

    order: WatchedOrder
    findings: Findings
    indicator: str
    recommended: str
    """The kind of the recommended suggestion, or no text."""
    against: tuple[str, ...] = ()
    """Why no suggestion is recommended: rows of reservations.csv."""


class Silence(NamedTuple):
    """No card, with the reason: a row of silences.csv (contract section 5)."""

    reason: str
    order: WatchedOrder | None = None
    findings: Findings | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """What the site file and the settings of this installation add to the knowledge."""

    public_url: str = "http://127.0.0.1:8080"
    development: bool = False
    dialect: Dialect = "standard"
    """For each client that has none of its own in the clients file."""
    policy: str = "broad"
    lookback: Mapping[str, int] = field(default_factory=dict)
    """The site's values in place of those in lookback_windows.csv."""
    systems: Mapping[str, str] = field(default_factory=dict)
    """The code system for each of the site's own names of one."""
    studies: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The study of each of the site's own order codes, by (system, code)."""
    proposed_codings: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    """The site's own codings of a proposed study; they come before ours."""
    override_reasons: Mapping[str, str] = field(default_factory=dict)
    """Our override reason for each code that the site's EHR reports."""
    optional_keys: tuple[str, ...] = ()
    """The prefetch keys beyond conditions and procedures that the site's settings advertise."""
    prefetch_aliases: Mapping[str, str] = field(default_factory=dict)
    """The name under which clients may send a prefetch key, too, by our name of it."""
    prefetch_parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names under which clients send the parts of a prefetch key, by our name of it: two or more, all expected."""
    condition_keys: Mapping[str, str] = field(default_factory=dict)
    """The prefetch keys in place of `conditions`, if the site splits them, and the category of each."""
    contact: str = ""
    """Where to report a problem with a card: a text or a link, or no text."""
    dismissal_hours: int = 0
    """For how long a dismissed card is not shown again for the same order; 0 shows it each time."""
    is_off: bool = False
    is_shadow: bool = False
    """Decide and log, but show no card (shadow mode)."""


class Decision(NamedTuple):
    """The decision on one call: an outcome per monitored order, or one silence for the call."""

    outcomes: tuple[Recommendation | Silence, ...]
    cards: tuple[dict[str, Any], ...] = ()
    record: PatientRecord | None = None
    is_shadow: bool = False
    """Shadow mode: no cards, whatever the outcomes."""
    patient_id: str = ""
    """The patient of the cards; empty if no record was read."""
    unrecognized: Mapping[tuple[str, str], int] = _NOTHING
    """How many orders and entries were not recognized, by resource type and code system; safe for logs."""

    def __repr__(self) -> str:
        """Return the outcomes' types, without patient data."""
        return f"Decision({[type(outcome).__name__ for outcome in self.outcomes]})"
