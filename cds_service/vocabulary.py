"""The words in which findings are weighed; the tables of cards/ use the same."""

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
