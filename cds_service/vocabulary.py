"""The words in which findings are weighed, which the tables of cards/ use too, and those for how a record was had."""

from enum import StrEnum


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
    NONE = "none"


class Presentation(StrEnum):
    """How strongly the signs point to lumbosacral plexopathy."""

    SPECIFIC = "specific"
    COMPATIBLE = "compatible"
    NONE = "none"


class FindingKind(StrEnum):
    """What a finding is about; the first three in the order in which a card tells them."""

    PRESENTATION = "presentation"
    RADIOTHERAPY = "radiotherapy"
    MALIGNANCY = "malignancy"
    EMERGENCY = "emergency"
    TRAUMA = "trauma"
    UPPER_LIMB = "upper_limb"
    PLEXUS_MRI = "plexus_mri"
    DEVICE = "device"
    CONTRAST = "contrast"


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
