"""HTTP itself: addresses, methods, sizes, browsers (CDS Hooks 2.0.1, CORS; HTTP Status Codes)."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from cds_service.config.settings import Settings
from cds_service.web.app import create_app
from tests.spec.body_checks import outcome_faults
from tests.support.corpus import call
from tests.support.service import ORDER_SELECT, ORDER_SIGN, Client, serving

SANDBOX = "https://sandbox.cds-hooks.org"
ADDRESSES = [("/cds-services", "GET")] + [
    (path, "POST") for path in (ORDER_SELECT, ORDER_SIGN, f"{ORDER_SELECT}/feedback", f"{ORDER_SIGN}/feedback")
]


def preflight(service, path, method, origin=SANDBOX):
    """Ask as a browser does before a page's request; it sends no credentials."""
    asks = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type"}
    headers = {"Origin": origin} | asks
    return service.session.options(service.base + path, headers=headers, timeout=10)


def listed(response, name) -> set:
    """Return the members of a header that is a list, in lower case."""
    return {name.strip().lower() for name in response.headers.get(name, "").split(",")}


@pytest.mark.requirement("X-21", broken="401 for a preflight, or no Authorization among the allowed headers")
@pytest.mark.parametrize(("path", "method"), ADDRESSES)
def test_a_preflight_is_answered(path, method, service):
    """A preflight succeeds without authentication, and allows the method, Authorization and Content-Type."""
    response = preflight(service, path, method)
    assert response.ok
    assert response.headers["Access-Control-Allow-Origin"] == SANDBOX
    assert method.lower() in listed(response, "Access-Control-Allow-Methods")
    assert listed(response, "Access-Control-Allow-Headers") >= {"authorization", "content-type"}


@pytest.mark.requirement("X-21", broken="an answer that the browser keeps from the page")
@pytest.mark.parametrize(("body", "status"), [(call(), 200), (b"{", 400), ({}, 422), (call("nothing-prefetched"), 412)])
def test_answers_and_faults_reach_a_page(body, status, service):
    """Answers carry the origin that may read them, and so do faults."""
    options = {"data": body} if isinstance(body, bytes) else {"json": body}
    headers = {"Origin": SANDBOX, "Content-Type": "application/json"}
    response = service.session.post(service.base + ORDER_SELECT, headers=headers, timeout=10, **options)
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (status, SANDBOX)


@pytest.mark.requirement("X-21", broken="`*`, or an origin that echoes whoever asks")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{SANDBOX}.evil.example", "http://localhost.evil"])
def test_other_origins_are_not_allowed(origin, service):
    """A page of another origin may not read answers."""
    for path, method in ADDRESSES:
        assert "Access-Control-Allow-Origin" not in preflight(service, path, method, origin).headers


@pytest.mark.requirement("X-21", broken="an EHR in a browser that the operator listed and that cannot call")
def test_the_operator_lists_the_origins(knowledge):
    """Outside development mode the listed origins may call, and the Sandbox may not."""
    own = "https://ehr.example.org"
    with serving(create_app(Settings(allowed_origins=(own,)), knowledge)) as base:
        answers = [preflight(Client(base), ORDER_SELECT, "POST", origin) for origin in (own, SANDBOX)]
    assert [answer.headers.get("Access-Control-Allow-Origin") for answer in answers] == [own, None]


@pytest.mark.requirement("A-05", broken="an HTML page")
@pytest.mark.requirement("D-12", broken="200 or 500")
@pytest.mark.parametrize("path", ["/cards", "/cds-services/", "/cds-services/unknown/more/still"])
def test_an_unknown_address_is_404(path, service):
    """An address where nothing is is answered 404."""
    response = service.get(path)
    assert (response.status_code, outcome_faults(response)) == (404, [])


@pytest.mark.requirement("D-12", broken="500, or the advice of another service")
def test_an_unknown_service_is_404(service):
    """A call to a service that there is not is answered 404, with the services that there are."""
    response = service.post(call(), "/cds-services/unknown")
    assert (response.status_code, outcome_faults(response)) == (404, [])
    assert "lumbosacral-plexus-mri-order-select" in response.text


@pytest.mark.parametrize("path", ["/cds-services//x", f"{ORDER_SELECT}/", f"{ORDER_SELECT}//", "/cds-services/x/y"])
def test_another_spelling_is_404(path, service):
    """Another spelling of an address is none, and is not redirected to where a proxy may not have meant to go."""
    response = service.session.post(service.base + path, json=call(), timeout=10, allow_redirects=False)
    assert (response.status_code, outcome_faults(response)) == (404, [])


@pytest.mark.requirement("Q-01", broken="200, 404 or 500")
@pytest.mark.requirement("A-05", broken="an HTML page")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_another_method_is_405(method, service):
    """Discovery takes GET, calls and feedback POST; another method is answered 405 with those allowed."""
    for path, right in ADDRESSES:
        if method != right:
            response = service.session.request(method, service.base + path, timeout=10)
            assert (response.status_code, outcome_faults(response)) == (405, [])
            assert right in response.headers["Allow"]


@pytest.mark.requirement("Q-01", broken="415 for the media type of FHIR")
@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/fhir+json", 200),
        ("application/json; charset=utf-8", 200),
        ("text/plain", 415),
    ],
)
def test_the_content_type_is_json(kind, status, service):
    """A body is read where its Content-Type says that it is JSON, of FHIR or not, and else refused."""
    headers = {"Content-Type": kind}
    response = service.session.post(service.base + ORDER_SELECT, json=call(), headers=headers, timeout=10)
    assert response.status_code == status


@pytest.mark.requirement("A-04", broken="the whole body read into memory")
@pytest.mark.requirement("A-05", broken="an HTML page, or a cut connection")
@pytest.mark.parametrize("path", [ORDER_SELECT, f"{ORDER_SELECT}/feedback"])
@pytest.mark.parametrize("chunked", [False, True], ids=["by its length", "in chunks"])
def test_a_body_that_is_too_large_is_413(chunked, path, knowledge):
    """A body beyond the limit is answered 413, whether it states its length or comes in chunks."""
    with serving(create_app(Settings(body_megabytes=1), knowledge)) as base:
        response = too_large(base, path, (1 << 20) + 1, chunked=chunked)
    assert (response.status_code, outcome_faults(response)) == (413, [])


class Received:
    """An answer that http.client received, as the checks know answers."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status_code, self.headers, self.content = response.status, response.headers, response.read()

    def json(self):
        """Return the body as JSON."""
        return json.loads(self.content)


def too_large(base: str, path: str, size: int, *, chunked: bool) -> Received:
    """Send the head of a request for `size` bytes, and in chunks these too, but never its end."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=10)
    connection.putrequest("POST", path)
    connection.putheader(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(size))))
    connection.putheader("Content-Type", "application/json")
    connection.endheaders()
    if chunked:
        connection.send(f"{size:x}\r\n".encode() + b" " * size + b"\r\n")
    received = Received(connection.getresponse())
    connection.close()
    return received


@pytest.mark.requirement("X-04", broken="401 or 500 for a client that signs its calls")
@pytest.mark.parametrize("token", ["Bearer eyJhbGciOiJFUzM4NCJ9.e30.c2ln", "Bearer", "Basic dTpw"])
def test_an_authorization_header_does_no_harm(token, service):
    """While clients are not authenticated, what they send for it is not looked at."""
    headers = {"Authorization": token}
    answers = [
        service.get("/cds-services", headers=headers),
        service.session.post(service.base + ORDER_SELECT, json=call(), headers=headers, timeout=10),
    ]
    assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.requirement("A-05", broken="a trace, an HTML page, or words of the patient's record")
@pytest.mark.requirement("D-12", broken="a cut connection")
def test_a_fault_of_ours_is_500(knowledge):
    """A fault of the service is answered 500, with nothing of the call and nothing of the fault in it."""

    def fail():
        message = "Prostate cancer"
        raise RuntimeError(message)

    with serving(create_app(Settings(), knowledge, new_id=fail)) as base:
        response = Client(base).post(call())
    assert (response.status_code, outcome_faults(response)) == (500, [])
    assert "Prostate" not in response.text


@pytest.mark.requirement("Q-07", broken="a production service that reads FHIR servers without TLS")
def test_a_fhir_server_without_tls_is_refused():
    """Outside development mode the service does not start with a FHIR server that has no https."""
    with pytest.raises(ValueError, match="https"):
        Settings(fhir_servers=("http://ehr.example.org/fhir",))
