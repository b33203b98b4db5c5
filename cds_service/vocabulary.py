"""The words in which findings are weighed, which the tables of cards/ use too, and those for how a record was had."""

from enum import StrEnum

PLEXUS_STUDIES = ("plexus_mri", "plexus_mri_with_contrast", "plexus_mri_without_contrast")
"""What an order or a Procedure for an MRI of the lumbosacral plexus is called, by its contrast."""

IMAGING_KEYS = ("imaging_orders", "imaging_reports")
"""The prefetch keys that tell of plexus MRIs alone, and nothing of cancer or radiotherapy."""


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
