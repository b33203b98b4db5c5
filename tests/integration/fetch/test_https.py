"""The same over HTTPS, as outside of development: certificates are checked, and the deadline holds there too."""

import ssl
import subprocess
import time

import pytest
import trustme

from cds_service.config.settings import read_settings
from cds_service.errors import SettingsError
from tests.support.fhir_server import COMMAND
from tests.support.hook_calls import entries, hook_call, reading, searches_end, why
from tests.support.odd_server import chunked, drips, holds, http, odd_server, stalls
from tests.support.serving import run

CANCER = holds(*entries("prostate cancer"))
RADIOTHERAPY = holds(*entries("radiotherapy course [completed, -27m, site prostate]"))
DEADLINE = 0.6
NOT_REACHED = "conditions: the FHIR server could not be reached; procedures: the FHIR server could not be reached."


@pytest.fixture(scope="session", name="certificates")
def two_certificates(tmp_path_factory):
    """Make certificates, one for this machine's address and one for another machine's name."""
    folder = tmp_path_factory.mktemp("tls")
    for name, host in (("own", "127.0.0.1"), ("other", "ehr.example")):
        command = [COMMAND, "keys", "tls-cert", host, "--out", name]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=30)
    return folder


@pytest.fixture(name="https")
def a_server_with_https(certificates, monkeypatch):
    """Return a function that runs a server with one of the certificates, and lets this process trust one."""

    def run(has: str, trusted: str):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pair(certificates, has))
        monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", pair(certificates, trusted)[0])
        return odd_server(tls=context)

    return run


def pair(folder, name: str) -> tuple[str, str]:
    """Return the files of a certificate and its key."""
    return str(folder / f"{name}.crt"), str(folder / f"{name}.key")


def test_a_trusted_server_is_read(https, knowledge):
    """A certificate that is trusted and has the server's name brings the card."""
    with https("own", trusted="own") as ehr, reading(knowledge, ehr.url) as client:
        ehr.stages(condition=CANCER, procedure=RADIOTHERAPY)
        [card] = client.cards(hook_call(ehr.url))
        assert "incomplete" not in card["detail"]


@pytest.mark.parametrize(("has", "trusted"), [("own", "other"), ("other", "other")])
def test_a_server_that_may_be_another_one(has, trusted, https, knowledge):
    """A certificate that is not trusted, or has another name, gets neither the token nor the request."""
    with https(has, trusted=trusted) as ehr, reading(knowledge, ehr.url) as client:
        ehr.stages(condition=CANCER, procedure=RADIOTHERAPY)
        assert why(client.post(hook_call(ehr.url))).endswith(NOT_REACHED)
        assert ehr.connections == 2
        assert ehr.requests == []


@pytest.fixture(scope="module", name="hospital")
def a_private_authority():
    """Make the authority of a hospital, which no public list has."""
    return trustme.CA()


@pytest.fixture(name="ehr")
def a_server_of_the_hospital(hospital):
    """Run a server with a certificate of the hospital's authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    hospital.issue_cert("127.0.0.1").configure_cert(context)
    with odd_server(tls=context) as server:
        server.stages(condition=CANCER, procedure=RADIOTHERAPY)
        yield server


def test_an_authority_of_the_hospital(hospital, ehr, knowledge):
    """A server whose certificate is of the authority in PLEXUS_CDS_CA_FILE is read."""
    with hospital.cert_pem.tempfile() as file, reading(knowledge, ehr.url, ca_file=file) as client:
        [card] = client.cards(hook_call(ehr.url))
        assert "incomplete" not in card["detail"]


def test_an_authority_that_nobody_named(hospital, ehr, knowledge, monkeypatch):
    """Without the setting such a server is not read, whatever other programs trust."""
    with hospital.cert_pem.tempfile() as file, reading(knowledge, ehr.url) as client:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", file)
        assert why(client.post(hook_call(ehr.url))).endswith(NOT_REACHED)
        assert ehr.requests == []


def test_an_authority_in_the_place_of_others(https, hospital, knowledge):
    """What is in the file is all that is trusted: the public authorities are not, unless they are in it, too."""
    with https("own", trusted="own") as public, hospital.cert_pem.tempfile() as file:
        public.stages(condition=CANCER, procedure=RADIOTHERAPY)
        with reading(knowledge, public.url, ca_file=file) as client:
            assert why(client.post(hook_call(public.url))).endswith(NOT_REACHED)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone.pem", "cannot be read: No such file or directory"),
        ("", "cannot be read: Is a directory"),
        ("empty.pem", "must be a file of certificates in PEM"),
        ("key.pem", "must be a file of certificates in PEM"),
        ("cut.pem", "must be a file of certificates in PEM"),
        ("binary.pem", "must be a file of certificates in PEM"),
    ],
)
def test_a_file_without_certificates(name, says, hospital, tmp_path, monkeypatch):
    """A file that is not there, or holds no certificate, stops the start with one line that names the setting."""
    (tmp_path / "empty.pem").touch()
    hospital.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "cut.pem").write_bytes(hospital.cert_pem.bytes()[:200])
    (tmp_path / "binary.pem").write_bytes(ssl.PEM_cert_to_DER_cert(hospital.cert_pem.bytes().decode()))
    monkeypatch.setenv("PLEXUS_CDS_CA_FILE", str(tmp_path / name))
    with pytest.raises(SettingsError) as refusal:
        read_settings()
    assert str(refusal.value) == f'PLEXUS_CDS_CA_FILE: "{tmp_path / name}" {says}'


def test_the_start_without_certificates(tmp_path):
    """`plexus-cds serve` ends at once with that one line and exit code 1."""
    done = run("serve", ca_file=f"{tmp_path}/gone.pem")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f'plexus-cds: PLEXUS_CDS_CA_FILE: "{tmp_path}/gone.pem" cannot be read: ')


@pytest.mark.parametrize(
    "play",
    [
        stalls(),
        drips(b"", http(b"x" * 100)),
        drips(http(b"", Content_Length=100), b" " * 100),
        drips(chunked(), b"1;" + b"x" * 100),
    ],
    ids=["never answers", "a byte at a time in the head", "in the body", "in the size of a chunk"],
)
def test_slow(play, https, knowledge):
    """The deadline holds however the bytes come, and no thread is held beyond it."""
    with https("own", trusted="own") as ehr, reading(knowledge, ehr.url, fetch_seconds=DEADLINE) as client:
        ehr.stages(condition=play, procedure=RADIOTHERAPY)
        began = time.monotonic()
        [card] = client.cards(hook_call(ehr.url))
        assert time.monotonic() - began < DEADLINE + 1
        assert searches_end()
    assert knowledge.card["incomplete"]["conditions"] in card["detail"]


def test_a_handshake_that_never_ends(knowledge):
    """A server that does not speak TLS at all does not hold the answer up."""
    with odd_server() as ehr:
        url = f"https://127.0.0.1:{ehr.port}"
        with reading(knowledge, url, fetch_seconds=DEADLINE) as client:
            began = time.monotonic()
            assert "conditions: the FHIR server did not answer in time" in why(client.post(hook_call(url)))
            assert time.monotonic() - began < DEADLINE + 1
