"""The only door to requests: allowed servers, no redirects, no proxies, one deadline, a cap on bytes."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from cds_service.errors import PlexusError

_PORTS = {"http": 80, "https": 443}


class OutboundError(PlexusError):
    """A server could not be read; the text names neither its address nor what it said."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one record may cost."""

    seconds: float = 5.0
    megabytes: int = 16
    pages: int = 50


class Clock:
    """One deadline over everything that is read for a call."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left, or raise OutboundError where there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise OutboundError(TOO_SLOW)
        return left


TOO_SLOW = "the FHIR server did not answer in time"
TOO_LARGE = "the FHIR server sent more than is read"
NOT_JSON = "the FHIR server did not answer with JSON"
UNREACHABLE = "the FHIR server could not be reached"


def same_origin(url: str, other: str) -> bool:
    """Tell whether two URLs have the same scheme, host and port."""
    one, two = _origin(url), _origin(other)
    return one is not None and one == two


def within(url: str, base: str) -> bool:
    """Tell whether a URL is on the same origin as `base` and its path is that of `base` or below it."""
    path, root = _path(url), _path(base)
    return same_origin(url, base) and path is not None and root is not None and path[: len(root)] == root


def _origin(url: str) -> tuple[str, str, int] | None:
    parts = _split(url)
    if parts is None or parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def _path(url: str) -> list[str] | None:
    """Return the segments of a path, or None where it could mean another one than it says."""
    parts = _split(url)
    segments = [segment for segment in parts.path.split("/") if segment] if parts else []
    odd = any(segment in (".", "..") or "%2e" in segment.lower() or "\\" in segment for segment in segments)
    return None if parts is None or odd else segments


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return None if any(ord(letter) <= ord(" ") for letter in url) else parts


class Outbound:
    """Reads JSON from one server, with the call's token, until the clock or the bytes run out."""

    def __init__(self, token: str | None, clock: Clock, limits: Limits) -> None:
        self._clock, self._bytes_left = clock, limits.megabytes * 1024 * 1024
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", _ClockedAdapter())
        self._session.mount("https://", _ClockedAdapter())
        self._session.headers = {"Accept": "application/fhir+json", "Accept-Encoding": "identity"}
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
            left = self._clock.left()
            with self._session.request(
                method, url, data=form, timeout=left, stream=True, allow_redirects=False
            ) as response:
                if not response.ok or response.is_redirect:
                    return response.status_code, None
                return response.status_code, _json(self._body(response))

    @contextmanager
    def _as_outbound_errors(self) -> Iterator[None]:
        """Keep the exceptions of requests in this module: they name URLs."""
        try:
            yield
        except requests.Timeout:
            raise OutboundError(TOO_SLOW) from None
        except (requests.RequestException, HTTPError, OSError, ValueError):
            self._clock.left()
            raise OutboundError(UNREACHABLE) from None

    def _body(self, response: requests.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise OutboundError(NOT_JSON)
        chunks = []
        while chunk := response.raw.read1(65536):
            self._clock.left()
            self._bytes_left -= len(chunk)
            if self._bytes_left < 0:
                raise OutboundError(TOO_LARGE)
            chunks.append(chunk)
        return b"".join(chunks)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise OutboundError(NOT_JSON) from error


class _Clocked:
    """A connection that gives up on an answer's head at the deadline, though a byte of it comes every second."""

    def getresponse(self) -> Any:
        """Return the response, or fail at the time-out as a whole: of itself it restarts with every byte."""
        watch = threading.Timer(float(self.timeout), self._shut)  # type: ignore[attr-defined]
        watch.start()
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            watch.cancel()

    def _shut(self) -> None:
        with suppress(OSError, AttributeError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # type: ignore[attr-defined]


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
