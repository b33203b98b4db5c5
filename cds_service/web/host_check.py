"""The Host header of a request, where callers have no tokens: it must be a name by which this service is known.

A page that a clinician opens could otherwise let its own name point to this service (DNS rebinding), and read from it
as if it were its own site. Such an attack needs a name, so an IP address is always accepted.
"""

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from cds_service.config.settings import Settings
from cds_service.errors import UnknownHost
from cds_service.web.request_context import RequestContext

_LOCAL = "localhost"


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
        name = _host_name(host)
        return name in self._names or name.endswith(".localhost") or _is_address(name)


def _host_name(host: str) -> str:
    """Return the name or the address of `name:port` or `[address]:port`, in lower case and without a final dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
