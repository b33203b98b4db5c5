"""Checks of the connection: TLS and its certificate, the clock, response times, and body limits on the way."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from statistics import median
from urllib.parse import urlsplit

from cds_service.doctor.deployment import DISCOVERY, Deployment, Result, State, is_outcome
from cds_service.http_client import NoResponse, Response

CONNECTION = "Connection"
"""The check of a URL that gives no answer: its only result."""
_EXPIRES_SOON = 30
"""Days."""
_SKEW, _SMALL_SKEW = 60, 20
"""Seconds: what tokens allow (docs/authentication.md), and what is worth a look."""
_MINUTES_FROM = 120
"""Seconds."""
_GUIDANCE_MS = 500
"""CDS Hooks 2.0.1, "CDS Service Response": a service should answer within 500 ms."""
_TIMED_CALLS = 7
_MEGABYTE = 1024 * 1024
_HALVINGS = 5


def is_this_machine(base: str) -> bool:
    """Return whether a URL names this machine."""
    host = urlsplit(base).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tls(deployment: Deployment) -> Result:
    """Check TLS version and expiry of the certificate; whether it is valid at all is seen by the first call."""
    why = "Calls carry patient data and tokens."
    soon = "From its last day on no client gets an answer."
    parts = urlsplit(deployment.base)
    if parts.scheme != "https":
        if is_this_machine(deployment.base):
            return Result("TLS", State.OK, "No TLS, and none is needed: the URL is of this machine.", why)
        todo = "Put the service behind a proxy with TLS, and give that URL."
        return Result("TLS", State.FAILED, "No TLS: the URL is http.", why, todo)
    context = ssl.create_default_context(cafile=deployment.probe.ca_file or None)
    host = parts.hostname or ""
    with (
        socket.create_connection((host, parts.port or 443), deployment.probe.seconds) as connection,
        context.wrap_socket(connection, server_hostname=host) as encrypted,
    ):
        version, certificate = encrypted.version(), encrypted.getpeercert() or {}
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    days = (ends - deployment.probe.clock.now()).days
    found = f"{version}; the certificate is valid for {days} more days."
    if days < _EXPIRES_SOON:
        return Result("TLS", State.WARNING, found, soon, "Renew the certificate, and reload the proxy.")
    return Result("TLS", State.OK, found, why)


def clock_skew(deployment: Deployment, response: Response) -> Result:
    """Check the server's clock by the Date header, which has whole seconds, against this machine's."""
    why = f"Clocks that differ by more than {_SKEW} seconds make the service refuse good tokens."
    try:
        theirs = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError, TypeError):
        return Result("Clock", State.NOT_CHECKED, "The answer has no usable Date header.", why)
    skew = round((theirs - deployment.probe.clock.now()).total_seconds())
    size = f"{abs(skew)} s" if abs(skew) < _MINUTES_FROM else f"{abs(skew) / 60:.0f} minutes"
    found = f"The server's clock, or that of its proxy, differs from this machine's by {size}."
    if abs(skew) > 1:
        found = f"{found[:-1]}: it is {'ahead' if skew > 0 else 'behind'}."
    todo = "Synchronize the clocks of both machines (NTP), then find out which one was wrong."
    state = State.FAILED if abs(skew) > _SKEW else State.WARNING if abs(skew) > _SMALL_SKEW else State.OK
    return Result("Clock", state, found, why, "" if state is State.OK else todo)


def response_times(deployment: Deployment, path: str, call: bytes) -> Result:
    """Check median and worst of a few calls, each on a connection of its own, against the guidance."""
    why = f"CDS Hooks asks for an answer within {_GUIDANCE_MS} ms: the clinician waits for it."
    times = sorted(deployment.post(path, call).seconds * 1000 for _ in range(_TIMED_CALLS))
    found = f"{_TIMED_CALLS} calls, each on a new connection: median {median(times):.0f} ms, worst {times[-1]:.0f} ms."
    if times[-1] > _GUIDANCE_MS:
        todo = "Compare with duration_ms in the service's log: the rest is network and proxy."
        return Result("Response times", State.WARNING, found, why, todo)
    return Result("Response times", State.OK, found, why)


def body_limits(deployment: Deployment, path: str, call: bytes) -> Iterator[Result]:
    """Check that a body of the documented size passes, and that a larger one gets 413 with an OperationOutcome."""
    limit = int(deployment.probe.body_megabytes * _MEGABYTE)
    size = f"{deployment.probe.body_megabytes:g} MiB"
    why = "Records of patients with a long history are large: these are the ones who need advice."
    response = deployment.post(path, call.ljust(limit))
    found = f"A call of {size} is answered with {response.status}."
    if response.status == HTTPStatus.OK:
        yield Result("Large body", State.OK, found, why)
    else:
        halves = (limit >> halvings for halvings in range(1, _HALVINGS + 1))
        passes = next(
            (half for half in halves if deployment.post(path, call.ljust(half)).status == HTTPStatus.OK), None
        )
        found += f" One of {passes / _MEGABYTE:g} MiB passes." if passes else " Much smaller ones do not pass either."
        todo = (
            "Set the proxy's limit to PLEXUS_CDS_BODY_MEGABYTES (nginx: `client_max_body_size`, 1 MiB by default); if "
            "that setting is not 8, give it by --body-megabytes."
        )
        yield Result("Large body", State.FAILED, found, why, todo)
    response = deployment.post(path, call.ljust(limit + _MEGABYTE))
    is_refused, has_outcome = response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE, is_outcome(response)
    kind = "an OperationOutcome" if has_outcome else "no OperationOutcome"
    found = f"A call of 1 MiB more is answered with {response.status} and {kind}."
    why = "An EHR can show or log the reason only if it is an OperationOutcome; a larger limit makes the service slow."
    todo = "Use the error_page lines of deploy/nginx.conf, and the same limit in proxy and service."
    state = State.OK if is_refused and has_outcome else State.WARNING if is_refused else State.FAILED
    yield Result("Too large body", state, found, why, "" if state is State.OK else todo)


def first_response(deployment: Deployment) -> Response:
    """Return the response to discovery, by which clock and discovery are checked; raise NoResponse."""
    return deployment.get(DISCOVERY)


_CERTIFICATE_ADVICE = {
    "expired": "Renew the certificate, and reload the proxy.",
    "not yet valid": "Check the clock of this machine, and from when on the certificate is valid.",
    "mismatch": "Call it by a name that the certificate has, or get a certificate with this name.",
    "issuer": "Let the proxy send the whole chain; if the hospital has its own authority, give its file by --ca-file.",
    "self-signed": "If the hospital has its own authority, give its file by --ca-file; EHRs must trust it, too.",
}
"""By words in the reason that OpenSSL gives."""


def unanswered(error: NoResponse) -> Result:
    """Return the failure of a URL that gives no answer."""
    advice = (todo for words, todo in _CERTIFICATE_ADVICE.items() if words in str(error))
    todo = next(advice, "Check host and port, firewall, proxy, and whether the service runs.")
    why = "Clients that meet the same get no answer, and an EHR then goes on without advice."
    return Result(CONNECTION, State.FAILED, f"It does not answer: {error}. Nothing else was checked.", why, todo)
