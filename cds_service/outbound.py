"""The only door to requests: allowed servers, no redirects, no proxies, one deadline, a cap on bytes."""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from cds_service.errors import PlexusError
from cds_service.strict_json import strict_json
from cds_service.vocabulary import FetchFault

_PORTS = {"http": 80, "https": 443}
_SUCCESS = range(200, 300)
_ODD = ("%2e", "%2f", "%5c", "%25", "\\")
"""What a server may read as a dot or a slash, or decode to what it does."""

logging.getLogger("urllib3").setLevel(logging.CRITICAL)
"""Its log lines name URLs, which after a refused POST hold the patient's id."""


class OutboundError(PlexusError):
    """A server could not be read; the text names neither its address nor what it said."""

    def __init__(self, fault: FetchFault) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one record may cost, and whom it may trust."""

    seconds: float = 5.0
    megabytes: float = 16
    pages: int = 50
    ca_file: str = ""
    """Certificates of authorities that are trusted in the place of the public ones."""


class Clock:
    """One deadline over everything that is read for a call."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left, or raise OutboundError where there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise OutboundError(FetchFault.TOO_SLOW)
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


def resolved(link: str, page: str) -> str:
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


class Outbound:
    """Reads JSON from one server, with the call's token if there is one, until the clock or the bytes run out."""

    def __init__(self, token: str | None, clock: Clock, limits: Limits, accept: str = "application/fhir+json") -> None:
        self._clock, self._bytes_left = clock, int(limits.megabytes * 1024 * 1024)
        self._session = _Session()
        self._session.trust_env = False
        self._session.verify = limits.ca_file or True
        self._session.mount("http://", _ClockedAdapter())
        self._session.mount("https://", _ClockedAdapter())
        self._session.headers = {"Accept": accept, "Accept-Encoding": "identity"}
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, url: str) -> tuple[int, Any]:
        """Return status and JSON of a GET; anything but a 2xx has None for JSON."""
        return self._read("GET", url, None)

    def post_form(self, url: str, form: Mapping[str, str]) -> tuple[int, Any]:
        """Return status and JSON of a POST of a form, which keeps patient data out of URLs."""
        return self._read("POST", url, form)

    def _read(self, method: str, url: str, form: Mapping[str, str] | None) -> tuple[int, Any]:
        with self._as_outbound_errors():
            left: Any = Timeout(total=self._clock.left())
            with self._session.request(
                method, url, data=form, timeout=left, stream=True, allow_redirects=False
            ) as response:
                raw: Any = response.raw
                try:
                    if response.status_code not in _SUCCESS:
                        return response.status_code, None
                    return response.status_code, _json(self._body(response))
                finally:
                    raw.watch.cancel()

    @contextmanager
    def _as_outbound_errors(self) -> Iterator[None]:
        """Keep the exceptions of requests in this module: they name URLs."""
        try:
            yield
        except requests.Timeout:
            raise OutboundError(FetchFault.TOO_SLOW) from None
        except (requests.RequestException, HTTPError, OSError, ValueError):
            self._clock.left()
            raise OutboundError(FetchFault.UNREACHABLE) from None

    def _body(self, response: requests.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise OutboundError(FetchFault.NOT_JSON)
        chunks = []
        while chunk := response.raw.read1(65536):
            self._clock.left()
            self._bytes_left -= len(chunk)
            if self._bytes_left < 0:
                raise OutboundError(FetchFault.TOO_LARGE)
            chunks.append(chunk)
        self._clock.left()
        return b"".join(chunks)


def _json(content: bytes) -> Any:
    try:
        return strict_json(content)
    except ValueError as error:
        raise OutboundError(FetchFault.NOT_JSON) from error


class _Session(requests.Session):
    """Sees no redirects: requests would read the whole body of one, however long, though it is not followed."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return that there is nothing to follow."""


class _Clocked:
    """A connection that is shut at the deadline: the time-out of a socket restarts with every byte that comes."""

    def getresponse(self) -> Any:
        """Return the response with its `watch`, to be cancelled once the body is read."""
        watch = threading.Timer(float(self.timeout), _shut, [self.sock])  # type: ignore[attr-defined]
        watch.daemon = True
        watch.start()
        try:
            response = super().getresponse()  # type: ignore[misc]
        except BaseException:
            watch.cancel()
            raise
        response.watch = watch
        return response


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _HTTP(_Clocked, HTTPConnection):
    pass


class _HTTPS(_Clocked, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPS


class _ClockedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
