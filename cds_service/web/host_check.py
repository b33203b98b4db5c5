"""The Host header of a request, where callers have no tokens: it must be a name by which this service is known.

A page that a clinician opens could otherwise let its own name point to this service (DNS rebinding), and read from it
as if it were its own site. Such an attack needs a name, so an IP address is always accepted.
"""

import re
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from cds_service.config.settings import Settings
from cds_service.errors import UnknownHost
from cds_service.web.request_context import RequestContext

_LOCAL = "localhost"

_HOST = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]@]+))(?::\d*)?")
"""`[address]` or a name, and perhaps a port (RFC 9110, section 7.2)."""


class HostGuard:
    """Guard that refuses a request for a host that the site does not name."""

    def __init__(self, settings: Settings) -> None:
        own = urlsplit(settings.base_url).hostname or ""
        self._names = {_LOCAL, settings.host.lower(), own, *(name.lower() for name in settings.allowed_hosts)}
        self._is_known = lru_cache(maxsize=256)(self._has)  # clients have few names for it

    def __call__(self, context: RequestContext) -> None:
        """Raise UnknownHost, unless the Host header has a known name, an IP address, or is missing (HTTP/1.0)."""
        if not self._is_known(context.environ.get("HTTP_HOST") or _LOCAL):
            raise UnknownHost

    def _has(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        address, name = match[1], (match[2] or "").lower().removesuffix(".")
        return _is_address(address or name) or name in self._names or name.endswith(".localhost")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
