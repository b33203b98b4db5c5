"""The egress policy: which URLs may be read, within which limits; http_client reads them."""

import re
import ssl
import time
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from cds_service.errors import PlexusError
from cds_service.model import FetchFault

_PORTS = {"http": 80, "https": 443}
_AMBIGUOUS = ("%2e", "%2f", "%5c", "%25", "\\")
"""Parts of a path that a server may decode to a dot or a slash, at once or by decoding twice."""


class HttpClientError(PlexusError):
    """A server could not be read; `fault` says why, and the text contains neither its URL nor its response."""

    def __init__(self, fault: FetchFault) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """The limits of reading one record from a FHIR server."""

    seconds: float = 5.0
    megabytes: float = 16
    pages: int = 50
    ca_file: str = ""
    """A PEM file of certificate authorities that are trusted instead of the public ones; empty for these."""


class Deadline:
    """One deadline for everything that is read for a call."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds that remain; HttpClientError where there are none."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise HttpClientError(FetchFault.TOO_SLOW)
        return seconds


NO_CERTIFICATE = "must be a file of certificates in PEM"


def same_origin(url: str, other: str) -> bool:
    """Return whether two URLs have the same scheme, host and port."""
    origin = _origin(url)
    return origin is not None and origin == _origin(other)


def within(url: str, base: str) -> bool:
    """Return whether a URL has the origin of `base`, and the path of `base` or one below it."""
    path, base_path = _segments(url), _segments(base)
    return same_origin(url, base) and path is not None and base_path is not None and path[: len(base_path)] == base_path


def is_base_url(url: str) -> bool:
    """Return whether a text is an absolute http or https URL without a user, a query or a fragment."""
    parts = _split(url)
    return _origin(url) is not None and parts is not None and not parts.query and not parts.fragment


def is_origin(text: str) -> bool:
    """Return whether a text is `scheme://host[:port]`, as browsers send it (RFC 6454), or with a slash at its end."""
    parts = _split(text)
    return is_base_url(text) and parts is not None and parts.path in ("", "/")


def without_user(url: str) -> str:
    """Return a URL for a message: the user and the password in it, if any, are left out."""
    return re.sub(r"//[^/]*@", "//...@", url)


def resolve_link(link: str, page: str) -> str:
    """Return the absolute URL of a link on a page, or no text where it is not one plain URL."""
    parts = _split(link)
    return "" if parts is None or (parts.scheme and not parts.netloc) else urljoin(page, link)


def ca_file_fault(path: str) -> str:
    """Return why a file has no readable PEM certificate, or no text where it has one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return NO_CERTIFICATE
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if context.cert_store_stats()["x509"] else NO_CERTIFICATE


def _origin(url: str) -> tuple[str, str, int] | None:
    parts = _split(url)
    if parts is None or parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, _PORTS[parts.scheme] if parts.port is None else parts.port


def _segments(url: str) -> list[str] | None:
    """Return the segments of a URL's path, or None where a server might read another path."""
    parts = _split(url)
    segments = [segment for segment in parts.path.split("/") if segment] if parts else []
    is_ambiguous = any(
        segment.split(";")[0] in (".", "..") or any(text in segment.lower() for text in _AMBIGUOUS)
        for segment in segments
    )
    return None if parts is None or is_ambiguous else segments


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return None if any(ord(letter) <= ord(" ") for letter in url) else parts
