"""The HTTP client, by requests: no redirects, no proxies, one deadline over all reads, and a limit on bytes.

No other module imports requests. It is slow to load, so this module is imported where a server is read.
"""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
"""Its log lines contain URLs, which after a refused POST hold the patient's id."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered to one request; `seconds` is until the whole body was there."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    seconds: float

    def json(self) -> Any:
        """Return the parsed body, None where it is not JSON."""
        try:
            return strict_json(self.content)
        except ValueError:
            return None


class NoResponse(Exception):
    """A request had no answer; the text says why in plain words, without the URL."""


class HttpClient:
    """Reads JSON from one server, with a bearer token where there is one, within a deadline and a limit on bytes."""

    def __init__(
        self, token: str | None, deadline: Deadline, limits: FetchLimits, accept: str = "application/fhir+json"
    ) -> None:
        self._deadline, self._bytes_left = deadline, int(limits.megabytes * 1024 * 1024)
        self._session = _Session()
        self._session.trust_env = False
        self._session.verify = limits.ca_file or True
        self._session.mount("http://", _DeadlineAdapter())
        self._session.mount("https://", _DeadlineAdapter())
        self._session.headers = {"Accept": accept, "Accept-Encoding": "identity"}
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, url: str) -> tuple[int, Any]:
        """Return the status and the parsed JSON of a GET, None unless 2xx; HttpClientError where it cannot be read."""
        return self._read("GET", url, None)

    def post_form(self, url: str, form: Mapping[str, str]) -> tuple[int, Any]:
        """Return the same of a POST of a form, which keeps patient data out of URLs (FHIR R4, "Search")."""
        return self._read("POST", url, form)

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Response:
        """Return the answer to any request, of any status; exceptions of requests are the caller's."""
        timeout: Any = Timeout(total=self._deadline.remaining())
        started = time.perf_counter()
        with self._session.request(
            method, url, headers=dict(headers), data=content, timeout=timeout, stream=True, allow_redirects=False
        ) as response:
            raw: Any = response.raw
            try:
                body = self._body(response)
            finally:
                raw.timer.cancel()
        return Response(response.status_code, response.headers, body, time.perf_counter() - started)

    def _read(self, method: str, url: str, form: Mapping[str, str] | None) -> tuple[int, Any]:
        with self._as_client_errors():
            timeout: Any = Timeout(total=self._deadline.remaining())
            with self._session.request(
                method, url, data=form, timeout=timeout, stream=True, allow_redirects=False
            ) as response:
                raw: Any = response.raw
                try:
                    if response.status_code not in _SUCCESS:
                        return response.status_code, None
                    return response.status_code, _json(self._body(response))
                finally:
                    raw.timer.cancel()

    @contextmanager
    def _as_client_errors(self) -> Iterator[None]:
        """Turn the exceptions of requests into HttpClientError: their texts contain URLs."""
        try:
            yield
        except requests.Timeout:
            raise HttpClientError(FetchFault.TOO_SLOW) from None
        except (requests.RequestException, HTTPError, OSError, ValueError):
            self._deadline.remaining()
            raise HttpClientError(FetchFault.UNREACHABLE) from None

    def _body(self, response: requests.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise HttpClientError(FetchFault.NOT_JSON)
        chunks = []
        while chunk := response.raw.read1(65536):
            self._deadline.remaining()
            self._bytes_left -= len(chunk)
            if self._bytes_left < 0:
                raise HttpClientError(FetchFault.TOO_LARGE)
            chunks.append(chunk)
        self._deadline.remaining()
        return b"".join(chunks)


def send(
    method: str, url: str, *, headers: Mapping[str, str], content: bytes | None, seconds: float, ca_file: str = ""
) -> Response:
    """Return what a server answers to one request on a connection of its own, whatever its status, or NoResponse."""
    limits = FetchLimits(seconds=seconds, ca_file=ca_file)
    client = HttpClient(None, Deadline(seconds), limits, accept="application/json")
    try:
        return client.send(method, url, headers, content)
    except (requests.Timeout, HttpClientError):
        message = f"no answer within {seconds:g} s"
        raise NoResponse(message) from None
    except requests.exceptions.SSLError as error:
        raise NoResponse(_tls_fault(error)) from None
    except (requests.ConnectionError, HTTPError, OSError):
        message = "the connection failed: wrong host or port, a firewall, or nothing that listens there"
        raise NoResponse(message) from None
    except (requests.RequestException, ValueError):
        message = "this is not a URL that can be called"
        raise NoResponse(message) from None
    finally:
        client.close()


def _tls_fault(error: BaseException) -> str:
    """Return why the TLS connection failed: the reason that OpenSSL gives for a certificate, where it does."""
    causes: list[Any] = [error]
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not valid: {cause.verify_message}"
        nested = [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *getattr(cause, "args", ())]
        causes += [item for item in nested if isinstance(item, BaseException) and item not in causes]
    return "no TLS connection could be made: is it an https address?"


def _json(content: bytes) -> Any:
    try:
        return strict_json(content)
    except ValueError as error:
        raise HttpClientError(FetchFault.NOT_JSON) from error


class _Session(requests.Session):
    """Ignores redirects: requests would read the whole body of one, however long, though it is not followed."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: nothing is followed."""


class _DeadlineConnection:
    """A connection that is shut down at the deadline: the timeout of a socket restarts with every byte received."""

    def getresponse(self) -> Any:
        """Return the response with its `timer`, to be cancelled once the body is read."""
        timer = threading.Timer(float(self.timeout), _shut_down, [self.sock])  # type: ignore[attr-defined]
        timer.daemon = True
        timer.start()
        try:
            response = super().getresponse()  # type: ignore[misc]
        except BaseException:
            timer.cancel()
            raise
        response.timer = timer
        return response


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _HTTP(_DeadlineConnection, HTTPConnection):
    pass


class _HTTPS(_DeadlineConnection, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPS


class _DeadlineAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
