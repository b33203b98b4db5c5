"""Which servers may be asked, and what an answer may cost; `asking` does it."""

import ssl
import time
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from cds_service.errors import PlexusError
from cds_service.model import FetchFault

_PORTS = {"http": 80, "https": 443}
_ODD = ("%2e", "%2f", "%5c", "%25", "\\")
"""What a server may read as a dot or a slash, or decode to what it does."""


class HttpClientError(PlexusError):
    """A server could not be read; the text names neither its address nor what it said."""

    def __init__(self, fault: FetchFault) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What reading one record may cost, and whom it may trust."""

    seconds: float = 5.0
    megabytes: float = 16
    pages: int = 50
    ca_file: str = ""
    """Certificates of authorities that are trusted in the place of the public ones."""


class Deadline:
    """One deadline over everything that is read for a call."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds that are left, or raise HttpClientError where there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise HttpClientError(FetchFault.TOO_SLOW)
        return left


NO_CERTIFICATE = "must be a file of certificates in PEM"


def same_origin(url: str, other: str) -> bool:
    """Tell whether two URLs have the same scheme, host and port."""
    one, two = _origin(url), _origin(other)
    return one is not None and one == two


def within(url: str, base: str) -> bool:
    """Tell whether a URL is on the same origin as `base` and its path is that of `base` or below it."""
    path, root = _path(url), _path(base)
    return same_origin(url, base) and path is not None and root is not None and path[: len(root)] == root


def resolve_link(link: str, page: str) -> str:
    """Return where a link of a page leads, or no text where it hides that."""
    parts = _split(link)
    return "" if parts is None or (parts.scheme and not parts.netloc) else urljoin(page, link)


def ca_file_fault(path: str) -> str:
    """Return why no certificate can be read from a file, or no text where one can."""
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


def _path(url: str) -> list[str] | None:
    """Return the segments of a path, or None where it could mean another one than it says."""
    parts = _split(url)
    segments = [segment for segment in parts.path.split("/") if segment] if parts else []
    odd = any(
        segment.split(";")[0] in (".", "..") or any(sign in segment.lower() for sign in _ODD) for segment in segments
    )
    return None if parts is None or odd else segments


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return None if any(ord(letter) <= ord(" ") for letter in url) else parts
