"""What a FHIR server can do wrong, and what is answered to the call then."""

import gzip
import json
import socket
import threading
import time

import pytest

from cds_service.examples import searchset
from tests.support.hook_calls import TOKEN, entries, hook_call, reading, searches_end, why
from tests.support.odd_server import (
    answers,
    chunked,
    drips,
    holds,
    http,
    odd_server,
    repeats,
    sends,
    stalls,
)

CANCER = entries("prostate cancer")
RADIOTHERAPY = entries("radiotherapy course [completed, -27m, site prostate]")
FULL = json.dumps(searchset(CANCER)).encode()
"""A whole answer, which would bring a card."""
HALF = FULL[: len(FULL) // 2]
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "diagnostics": "canary-of-the-server"}]}
EMPTY = holds()
DEADLINE = 0.6
"""Seconds: six times the pause between the bytes of a slow server, so a time-out that restarts never comes."""

NOT_ANSWERED = "the FHIR server could not answer"
REFUSED = "the FHIR server refused the access token"
CUT_OFF = "the FHIR server could not be reached"
NOT_JSON = "the FHIR server did not answer with JSON"
NO_BUNDLE = "the FHIR server did not answer with a Bundle"
TOO_LARGE = "the FHIR server sent more than is read"
TOO_SLOW = "the FHIR server did not answer in time"

WRONG = {
    "500": (answers(OUTCOME, 500), NOT_ANSWERED),
    "503": (sends(http(b"", 503)), NOT_ANSWERED),
    "401": (answers(OUTCOME, 401), REFUSED),
    "403": (answers(OUTCOME, 403), REFUSED),
    "304": (sends(http(b"", 304)), NOT_ANSWERED),
    "300 with a Bundle": (sends(http(FULL, 300)), NOT_ANSWERED),
    "404 to POST and GET": (answers(OUTCOME, 404), NOT_ANSWERED),
    "redirect without end": (repeats(http(b"", 302, Location="/", Content_Length=None), b"x" * 65536), NOT_ANSWERED),
    "closes at once": (sends(b""), CUT_OFF),
    "closes half-way": (sends(http(HALF, Content_Length=len(FULL))), CUT_OFF),
    "closes half-way in chunks": (sends(chunked(HALF)), CUT_OFF),
    "closes in the head": (sends(b"HTTP/1.1 200 OK\r\nContent-Ty"), NOT_JSON),
    "length too short": (sends(http(FULL, Content_Length=len(HALF))), NOT_JSON),
    "half, without a length": (sends(http(HALF, Content_Length=None)), NOT_JSON),
    "not HTTP": (sends(b"SSH-2.0-OpenSSH_9.9\r\n"), CUT_OFF),
    "HTML": (sends(http(b"<html>Log in, please</html>", Content_Type="text/html")), NOT_JSON),
    "nothing in the body": (sends(http(b"")), NOT_JSON),
    "gzip": (sends(http(gzip.compress(FULL), Content_Encoding="gzip")), NOT_JSON),
    "gzip, not said so": (sends(http(gzip.compress(FULL))), NOT_JSON),
    "not UTF-8": (sends(http(FULL.replace(b"c61", b"\xff").replace(b"C61", b"\xff"))), NOT_JSON),
    "NaN": (sends(http(FULL.replace(b'"total": 1', b'"total": NaN'))), NOT_JSON),
    "a number of 5000 digits": (sends(http(FULL.replace(b'"total": 1', b'"total": ' + b"1" * 5000))), NOT_JSON),
    "a number of 20 digits": (sends(http(FULL.replace(b'"total": 1', b'"total": ' + b"9" * 20))), NOT_JSON),
    "a number beyond a float": (sends(http(FULL.replace(b'"total": 1', b'"total": 1e999'))), NOT_JSON),
    "deep nesting": (sends(http(b"[" * 200_000)), NOT_JSON),
    "list": (answers([searchset(CANCER)]), NO_BUNDLE),
    "text": (answers("Bundle"), NO_BUNDLE),
    "OperationOutcome": (answers(OUTCOME), NO_BUNDLE),
    "another resource": (answers(CANCER[0]), NO_BUNDLE),
    "body without end": (repeats(http(b"[", Content_Length=None), b" " * 65536), TOO_LARGE),
    "chunks without end": (repeats(chunked(b"["), b"1000\r\n" + b" " * 4096 + b"\r\n"), TOO_LARGE),
    "header of 70 KB": (sends(http(FULL, X_Long="x" * 70_000)), CUT_OFF),
    "200 headers": (sends(http(FULL, **{f"X_{number}": "x" for number in range(200)})), CUT_OFF),
    "headers without end": (repeats(b"HTTP/1.1 200 OK\r\n", b"X-More: more\r\n" * 1000), CUT_OFF),
}
SLOW = {
    "never answers": stalls(),
    "a byte at a time in the head": drips(b"", http(FULL)),
    "a byte at a time in the body": drips(http(b"", Content_Length=len(FULL)), FULL),
    "a byte at a time in a chunk": drips(chunked() + b"%x\r\n" % len(FULL), FULL),
    "a byte at a time in the size of a chunk": drips(chunked(), b"1;" + b"x" * 200),
    "a byte at a time without a length": drips(http(b"", Content_Length=None), FULL),
    "a byte at a time in a redirect": drips(http(b"", 302, Location="/", Content_Length=None), FULL),
    "stops half-way": stalls(http(HALF, Content_Length=len(FULL))),
    "continues without end": repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.fixture(scope="module", name="odd")
def an_odd_server():
    """Run a server that answers as a test says."""
    with odd_server() as server:
        yield server


@pytest.fixture(scope="module", name="patient_service")
def a_patient_service(odd, knowledge):
    """Serve the application with its usual deadline, and low caps on bytes and pages."""
    with reading(knowledge, odd.url, fetch_megabytes=1, fetch_pages=3) as client:
        yield client


@pytest.fixture(scope="module", name="hasty_service")
def a_hasty_service(odd, knowledge):
    """Serve the application with a short deadline."""
    with reading(knowledge, odd.url, fetch_seconds=DEADLINE) as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_leaks(caplog):
    """Whatever happens, a log of everything holds neither the token, nor the patient, nor what the server said."""
    caplog.set_level("DEBUG")
    yield
    assert not [word for word in (TOKEN, "pt-1", "canary") if word in caplog.text]


@pytest.mark.parametrize(("play", "words"), WRONG.values(), ids=WRONG)
def test_wrong_and_nothing_else_found(play, words, odd, patient_service):
    """One search fails and the other finds nothing: a 412 which says what could not be read, and why."""
    odd.stages(condition=play, procedure=EMPTY)
    began = time.monotonic()
    response = patient_service.post(hook_call(odd.url))
    assert time.monotonic() - began < 4, "a plain fault is not waited out"
    assert why(response).endswith(f"conditions: {words}.")
    assert "canary" not in response.text


@pytest.mark.parametrize("play", [play for play, _ in WRONG.values()], ids=WRONG)
def test_wrong_but_history_found(play, odd, patient_service, knowledge):
    """One search fails, but the other finds radiotherapy in reach: a card which says what is missing."""
    odd.stages(condition=play, procedure=holds(*RADIOTHERAPY))
    [card] = patient_service.cards(hook_call(odd.url))
    assert knowledge.card["incomplete"]["conditions"] in card["detail"]


@pytest.mark.parametrize("play", SLOW.values(), ids=SLOW)
def test_slow(play, odd, hasty_service, knowledge):
    """The deadline holds for the whole answer, however its bytes come, and no thread is held beyond it."""
    odd.stages(condition=play, procedure=holds(*RADIOTHERAPY))
    began = time.monotonic()
    [card] = hasty_service.cards(hook_call(odd.url))
    assert time.monotonic() - began < DEADLINE + 1
    assert searches_end()
    assert knowledge.card["incomplete"]["conditions"] in card["detail"]


def test_late_and_then_silent(odd, knowledge):
    """What comes just before the deadline does not buy the server as much time again."""
    deadline = 2.0
    play = stalls(http(HALF, Content_Length=len(FULL)), after=deadline * 0.8)
    odd.stages(condition=play, procedure=EMPTY)
    with reading(knowledge, odd.url, fetch_seconds=deadline) as client:
        began = time.monotonic()
        text = why(client.post(hook_call(odd.url)))
        assert time.monotonic() - began < deadline + 1
    assert text.endswith(f"conditions: {TOO_SLOW}.")


@pytest.mark.parametrize("play", [SLOW["never answers"], SLOW["a byte at a time without a length"]])
def test_both_slow(play, odd, hasty_service):
    """Two slow searches share one deadline, and the 412 says that it was time that ran out."""
    odd.stages(condition=play, procedure=play)
    began = time.monotonic()
    text = why(hasty_service.post(hook_call(odd.url)))
    assert time.monotonic() - began < DEADLINE + 1
    assert text.endswith(f"conditions: {TOO_SLOW}; procedures: {TOO_SLOW}.")


def test_slow_name_service(odd, knowledge, monkeypatch):
    """The deadline holds where not even the address of the server is found in time."""
    ends, found = threading.Event(), socket.getaddrinfo

    def slow(host, *rest, **options):
        return (ends.wait(10) and []) if host == "ehr.invalid" else found(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    server = f"http://ehr.invalid:{odd.port}"
    with reading(knowledge, server, fetch_seconds=DEADLINE) as client:
        began = time.monotonic()
        text = why(client.post(hook_call(server)))
        took = time.monotonic() - began
    ends.set()
    assert took < DEADLINE + 1
    assert text.endswith(f"conditions: {TOO_SLOW}; procedures: {TOO_SLOW}.")
