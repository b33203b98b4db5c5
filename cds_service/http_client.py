"""The only door to requests: no redirects, no proxies, one deadline, a cap on bytes.

It takes long to load, so it is imported where a server is asked.
"""

import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from cds_service.egress_policy import Deadline, FetchLimits, HttpClientError
from cds_service.model import FetchFault
from cds_service.strict_json import strict_json

_SUCCESS = range(200, 300)

logging.getLogger("urllib3").setLevel(logging.CRITICAL)
"""Its log lines name URLs, which after a refused POST hold the patient's id."""


class HttpClient:
    """Reads JSON from one server, with the call's token if there is one, until the clock or the bytes run out."""

    def __init__(
        self, token: str | None, clock: Deadline, limits: FetchLimits, accept: str = "application/fhir+json"
    ) -> None:
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
            left: Any = Timeout(total=self._clock.remaining())
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
            raise HttpClientError(FetchFault.TOO_SLOW) from None
        except (requests.RequestException, HTTPError, OSError, ValueError):
            self._clock.remaining()
            raise HttpClientError(FetchFault.UNREACHABLE) from None

    def _body(self, response: requests.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise HttpClientError(FetchFault.NOT_JSON)
        chunks = []
        while chunk := response.raw.read1(65536):
            self._clock.remaining()
            self._bytes_left -= len(chunk)
            if self._bytes_left < 0:
                raise HttpClientError(FetchFault.TOO_LARGE)
            chunks.append(chunk)
        self._clock.remaining()
        return b"".join(chunks)


def _json(content: bytes) -> Any:
    try:
        return strict_json(content)
    except ValueError as error:
        raise HttpClientError(FetchFault.NOT_JSON) from error


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
