"""What neither a code nor words explained, counted by code system: so that a site learns what is not read."""

import re
from collections import Counter
from collections.abc import Mapping

NO_CODE, OTHER = "none", "other"
"""In place of a name: there is no code, or the name is none that is told."""

_OID = r"(?:urn:oid:)?\d+(?:\.\d+){3,}"
_CODE_SYSTEM = r"https?://[a-z][a-z\d.-]*(?:/[a-z]+)*/(?:CodeSystem|NamingSystem|sid)(?:/[A-Za-z._-]+)+"
_NAME = re.compile(rf"{_OID}|{_CODE_SYSTEM}")
"""An OID, or a URL that says of itself that it is of a code system, without a digit: it is told as it is."""
_HOST = re.compile(r"https?://[a-z][a-z\d.-]*(?=[:/]|$)|urn:[a-z]+(?=:)")
"""What is told of other URIs: in their path, or after their namespace, a patient may stand."""

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
    if len(system) > _LONGEST:
        return OTHER
    host = _HOST.match(system)
    return system if _NAME.fullmatch(system) else host[0] if host else OTHER
