"""What neither a code nor words explained, counted by code system: so that a site learns what is not read."""

import re
from collections import Counter
from collections.abc import Mapping

NO_CODE, OTHER = "none", "other"
"""In place of a name: there is no code, or the name is none that is told."""

_NAME = re.compile(
    r"(?:urn:oid:)?\d+(?:\.\d+){3,}|(?:https?://|urn:)[A-Za-z][A-Za-z.-]*(?:[/:](?:[A-Za-z._~-]|(?<!\d)\d{1,3}(?!\d))+)*/?"
)
"""An OID, or a URI without four digits in a row: whatever else stands in its place may be the patient's."""

_LONGEST, _MOST = 120, 10
"""Characters of a name, and names of one call, that are told."""


def by_system(counted: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Return how many entries of a resource type are of each code system, under names that can be told."""
    told: Counter[tuple[str, str]] = Counter()
    for place, ((resource, system), count) in enumerate(sorted(counted.items(), key=lambda one: -one[1])):
        told[resource, _name(system) if place < _MOST else OTHER] += count
    return dict(told)


def _name(system: str) -> str:
    if not system:
        return NO_CODE
    return system if len(system) <= _LONGEST and _NAME.fullmatch(system) else OTHER
