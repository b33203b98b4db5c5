"""Which servers may be read: the functions that decide, and the same over HTTP, without a proxy."""

import socket

import pytest

from cds_service.egress_policy import same_origin, within
from tests.support.hook_calls import TOKEN, entries, hook_call, reading, why
from tests.support.odd_server import holds, odd_server

BASE = "https://ehr.example/fhir/r4"
WITHIN = [
    "https://ehr.example/fhir/r4",
    "https://ehr.example/fhir/r4/",
    "https://ehr.example/fhir/r4//",
    "https://ehr.example/fhir/r4/tenant-1",
    "https://ehr.example:443/fhir/r4",
    "https://EHR.Example/fhir/r4",
    "HTTPS://ehr.example/fhir/r4",
    "https://ehr.example//fhir//r4",
]
NOT_WITHIN = [
    "https://ehr.example/fhir/r4evil",
    "https://ehr.example/fhir/R4",
    "https://ehr.example/fhir",
    "https://ehr.example/",
    "https://ehr.example",
    "https://ehr.example/fhir/r4/..",
    "https://ehr.example/fhir/r4/../admin",
    "https://ehr.example/fhir/./r4",
    "https://ehr.example/fhir/r4/%2e%2e/admin",
    "https://ehr.example/fhir/r4/%2E%2E/admin",
    "https://ehr.example/fhir/r4/.%2e/admin",
    "https://ehr.example/fhir/r4/..%2fadmin",
    "https://ehr.example/fhir/r4/x%2F..%2F..%2Fadmin",
    "https://ehr.example/fhir/r4/..%5cadmin",
    "https://ehr.example/fhir/r4/..\\admin",
    "https://ehr.example/fhir/r4/..;/admin",
    "https://ehr.example/fhir/r4/.;v=1/admin",
    "https://ehr.example/fhir/r4/%252e%252e/admin",
    "https://ehr.example/fhir/r4;v=1",
    "https://ehr.example:8443/fhir/r4",
    "https://ehr.example:0/fhir/r4",
    "https://ehr.example:x/fhir/r4",
    "http://ehr.example/fhir/r4",
    "http://ehr.example:443/fhir/r4",
    "ftp://ehr.example/fhir/r4",
    "//ehr.example/fhir/r4",
    "ehr.example/fhir/r4",
    "https:/ehr.example/fhir/r4",
    "https://ehr.example@evil.example/fhir/r4",
    "https://evil@ehr.example/fhir/r4",
    "https://@ehr.example/fhir/r4",
    "https://ehr.example\\@evil.example/fhir/r4",
    "https://evil.example\\.ehr.example/fhir/r4",
    "https://ehr.example.evil.example/fhir/r4",
    "https://ehr.example./fhir/r4",
    "https://evil.example/https://ehr.example/fhir/r4",
    "https://evil.example/fhir/r4",
    " https://ehr.example/fhir/r4",
    "https://ehr.example/fhir/r4 ",
    "https://ehr.example/fhir/ r4",
    "https://ehr.exam\tple/fhir/r4",
    "https://ehr.example/fhir/r4\r\nHost: evil.example",
    "https://ehr.example/fhir/r4\x00",
    "https://[ehr.example]/fhir/r4",
    "https://[::1/fhir/r4",
    "https:///fhir/r4",
    "",
]
DECISIVE = holds(*entries("prostate cancer"))


@pytest.mark.parametrize("url", WITHIN)
def test_within(url):
    """A spelling of the base, or a path below it, is within it."""
    assert within(url, BASE)


@pytest.mark.parametrize("url", NOT_WITHIN)
def test_not_within(url):
    """Another server, a path beside the base, or an address that hides where it leads is not."""
    assert not within(url, BASE)


@pytest.mark.parametrize(
    ("url", "other", "same"),
    [
        ("https://ehr.example/a?b=c", "https://ehr.example/d", True),
        ("https://ehr.example:443", "https://ehr.example", True),
        ("http://ehr.example:80", "http://ehr.example", True),
        ("http://[::1]:8080/a", "http://[::1]:8080/b", True),
        ("http://[::1]:8080/a", "http://[::1]:8081/a", False),
        ("http://[::1]:8080/a", "http://[::2]:8080/a", False),
        ("http://ehr.example:443", "https://ehr.example", False),
        ("https://ehr.example", "https://www.ehr.example", False),
        ("nothing", "nothing", False),
    ],
)
def test_same_origin(url, other, same):
    """Scheme, host and port make the origin; what has none is of no origin."""
    assert same_origin(url, other) is same
    assert same_origin(other, url) is same


@pytest.fixture(scope="module", name="ehr")
def an_ehr():
    """Run the server that is listed, with the path /fhir."""
    with odd_server() as server:
        yield server


@pytest.fixture(name="elsewhere")
def a_server_elsewhere():
    """Run a server that is not listed, and must not hear anything."""
    with odd_server() as server:
        server.stages(condition=DECISIVE, procedure=DECISIVE)
        yield server
        assert server.connections == 0


@pytest.fixture(scope="module", name="reader")
def a_service(ehr, knowledge):
    """Serve the application, with the FHIR server listed."""
    with reading(knowledge, ehr.url) as client:
        yield client


@pytest.fixture(autouse=True)
def _fresh(ehr):
    ehr.stages(condition=DECISIVE, procedure=DECISIVE)


@pytest.mark.parametrize(
    ("pattern", "arrives_at"),
    [
        ("{root}/fhir", "/fhir"),
        ("{root}/fhir/", "/fhir"),
        ("{root}/fhir/tenant-1", "/fhir/tenant-1"),
        ("HTTP{root_rest}/fhir", "/fhir"),
    ],
)
def test_a_listed_server_is_read(pattern, arrives_at, ehr, reader):
    """What is within the listed server is read, at just that address."""
    url = pattern.format(root=ehr.root, root_rest=ehr.root.removeprefix("http"))
    assert len(reader.cards(hook_call(url))) == 1
    targets = [f"{arrives_at}/{kind}/_search" for kind in ("Condition", "Procedure")]
    assert sorted(request.target for request in ehr.requests) == targets


@pytest.mark.parametrize(
    "pattern",
    [
        "{root}/fhirevil",
        "{root}",
        "{root}/fhir/../admin",
        "{root}/fhir/%2e%2e/admin",
        "{root}/fhir/..%2fadmin",
        "{root}/fhir?",
        "{root}/fhir?x=",
        "{root}/fhir#",
        "{root}/fhir#x",
        "{root}/fhir\n",
        " {root}/fhir",
        "https://127.0.0.1:{port}/fhir",
        "http://127.0.0.1:{there}/fhir",
        "http://127.0.0.1:{port}@127.0.0.1:{there}/fhir",
        "http://127.0.0.1:{there}#@127.0.0.1:{port}/fhir",
        "http://127.0.0.1:{there}?@127.0.0.1:{port}/fhir",
        "http://127.0.0.1:{there}\\@127.0.0.1:{port}/fhir",
        "http://localhost:{port}/fhir",
        "http://[::ffff:127.0.0.1]:{port}/fhir",
        "http://2130706433:{port}/fhir",
        "file:///fhir",
        "fhir",
    ],
)
def test_any_other_is_not(pattern, ehr, elsewhere, reader):
    """A 412 names the setting, and nothing arrives anywhere."""
    url = pattern.format(root=ehr.root, port=ehr.port, there=elsewhere.port)
    text = why(reader.post(hook_call(url)))
    assert "PLEXUS_CDS_FHIR_SERVERS" in text
    assert url not in text
    assert ehr.connections == 0


def test_an_address_in_ipv6(knowledge):
    """A server may be listed by its IPv6 address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with odd_server("::1") as ehr, reading(knowledge, ehr.url) as client:
        ehr.stages(condition=DECISIVE, procedure=DECISIVE)
        assert len(client.cards(hook_call(ehr.url))) == 1


def test_proxies_of_the_environment_are_not_used(ehr, elsewhere, reader, monkeypatch):
    """A proxy would see the token, so none is used, however the environment names it."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, elsewhere.root)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert len(reader.cards(hook_call(ehr.url))) == 1
    assert ehr.connections == 2


def test_passwords_of_a_netrc_file_are_not_used(ehr, reader, monkeypatch, tmp_path):
    """The server gets the call's token, though a .netrc file has a password for it."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    reader.cards(hook_call(ehr.url))
    assert {request.headers["authorization"] for request in ehr.requests} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("token", ["two\r\nX-Injected: lines", "a\nb", "\u20ac", "\ud800"])
def test_a_token_that_is_none(token, ehr, reader):
    """A token that no header can hold is not sent, and is no fault of ours."""
    text = why(reader.post(hook_call(ehr.url, token=token)))
    assert "the FHIR server could not be reached" in text
    assert ehr.requests == []


def test_no_token_is_sent_where_there_is_none(ehr, reader):
    """An open server is read without a token."""
    assert len(reader.cards(hook_call(ehr.url, token=None))) == 1
    assert not [request for request in ehr.requests if "authorization" in request.headers]
