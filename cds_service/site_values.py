"""The values of a site file that need more than a type: names that are known, links, prefetch keys."""

import re
from collections.abc import Callable, Collection

from pydantic import AfterValidator, ValidationInfo

from cds_service.decision.record import KEY_NAME, KEYS
from cds_service.knowledge import Knowledge


def one_of(names: Callable[[Knowledge], Collection[str]]) -> AfterValidator:
    """Refuse a name that the knowledge does not have; it is the context of the validation."""

    def check(name: str, info: ValidationInfo) -> str:
        known = names(info.context) if info.context else [name]
        if name not in known:
            message = f"{name} is not known; there are: {', '.join(sorted(known))}"
            raise ValueError(message)
        return name

    return AfterValidator(check)


def known_system(name: str, info: ValidationInfo) -> str:
    """Return a code system by the name that systems.csv gives it, or refuse one that we don't know."""
    if info.context is None:
        return name
    known = info.context.known_systems
    if name not in known:
        message = f"{name} is not known; there are: {', '.join(sorted(set(known.values())))}"
        raise ValueError(message)
    return str(known[name])


def unknown_system(name: str, info: ValidationInfo) -> str:
    """Refuse to take a system that we know for another one."""
    if info.context is not None and name in info.context.known_systems:
        message = f"{name} is known as {info.context.known_systems[name]} already"
        raise ValueError(message)
    return name


_LINKS = {
    "mailto": r"mailto:[^\s@]+@[^\s@]+",
    "https": r"https://[^\s/@]+(/\S*)?",
    "tel": r"tel:\+?[0-9][0-9().-]*",
}
"""The links that a contact may be, by scheme."""


def safe_contact(text: str) -> str:
    """Refuse a contact that is neither one line of plain text nor a link that a reader can safely follow."""
    text = text.strip()
    if not text or not text.isprintable():
        message = "must be one line of text"
        raise ValueError(message)
    scheme = re.match(r"([a-z][a-z0-9+.-]*):\S", text, re.IGNORECASE)
    if scheme and not re.fullmatch(_LINKS.get(scheme[1], ""), text):
        message = "must be plain text, or a link such as mailto:name@example.org, https://example.org/ or tel:+15550100"
        raise ValueError(message)
    return text


def key_name(name: str) -> str:
    """Refuse a name that is no plain one for a prefetch key of Conditions, or is that of another key."""
    if not KEY_NAME.fullmatch(name):
        message = "must be a letter, and then letters, digits, _, . or - (40 characters at most)"
        raise ValueError(message)
    if name in KEYS and name != "conditions":
        message = f"{name} is the key of something else; choose another name"
        raise ValueError(message)
    return name
