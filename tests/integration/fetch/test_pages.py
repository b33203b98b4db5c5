"""Page after page: where a link `next` may lead, how many are read, and what a page may hold."""

import threading

import pytest

from cds_service.examples import searchset
from tests.support.hook_calls import TOKEN, entries, hook_call, reading, why
from tests.support.odd_server import answers, drips, holds, http, odd_server, only_by_get, page_by_page, sends

CANCER = entries("prostate cancer")
EMPTY = holds()
DECISIVE = holds(*CANCER)
OUTSIDE = "conditions (in part): its next page is outside the FHIR server's base URL"


@pytest.fixture(scope="module", name="odd")
def an_odd_server():
    """Run the server that is listed."""
    with odd_server() as server:
        yield server


@pytest.fixture(name="elsewhere")
def a_server_elsewhere():
    """Run a server that is not listed; it would answer with what brings a card."""
    with odd_server() as server:
        server.stages(condition=DECISIVE, procedure=DECISIVE)
        yield server


@pytest.fixture(scope="module", name="reader")
def a_service(odd, knowledge):
    """Serve the application, reading at most three pages and one megabyte of each search."""
    with reading(knowledge, odd.url, fetch_megabytes=1, fetch_pages=3) as client:
        yield client


def link(odd, number: int) -> str:
    """Return the address of a later page of the Conditions."""
    return f"{odd.url}/Condition?page={number}"


def test_pages_are_read_to_the_last(odd, reader, caplog):
    """Three pages are read, the token goes with each, and the card is of what the last one holds."""
    caplog.set_level("DEBUG")
    pages = holds(next_url=link(odd, 2)), holds(next_url=link(odd, 3)), DECISIVE
    odd.stages(condition=page_by_page(*pages), procedure=EMPTY)
    [card] = reader.cards(hook_call(odd.url))
    assert "incomplete" not in card["detail"]
    assert sorted(request.page for request in odd.requests) == [1, 1, 2, 3]
    assert {request.headers["authorization"] for request in odd.requests} == {f"Bearer {TOKEN}"}
    assert TOKEN not in caplog.text


def test_a_loop_of_pages_ends_at_the_cap(odd, reader):
    """A page that names itself as the next one is read no more often than the cap allows."""
    odd.stages(condition=holds(next_url=link(odd, 1)), procedure=EMPTY)
    assert "conditions (in part): it has more pages than are read" in why(reader.post(hook_call(odd.url)))
    assert [request.kind for request in odd.requests].count("Condition") == 3


def test_all_pages_share_the_cap_on_bytes(odd, reader):
    """Three pages that are small enough are too large together."""
    filler = {"resourceType": "Condition", "id": "x", "note": "x" * 400_000}
    pages = [holds(filler, next_url=link(odd, number)) for number in (2, 3)]
    odd.stages(condition=page_by_page(*pages, holds(filler)), procedure=EMPTY)
    assert "conditions (in part): the FHIR server sent more than is read" in why(reader.post(hook_call(odd.url)))


def test_what_was_read_before_a_fault_counts(odd, reader, knowledge):
    """The first page brings the card, the second fails, and the card says that a part is missing."""
    pages = holds(*CANCER, next_url=link(odd, 2)), answers({}, 500)
    odd.stages(condition=page_by_page(*pages), procedure=EMPTY)
    [card] = reader.cards(hook_call(odd.url))
    assert knowledge.card["incomplete"]["conditions_partly"] in card["detail"]


@pytest.mark.parametrize(
    "pattern",
    [
        "http://127.0.0.1:{there}/fhir/Condition",
        "HTTP://127.0.0.1:{there}/fhir/Condition",
        "https://127.0.0.1:{here}/fhir/Condition",
        "http://localhost:{here}/fhir/Condition",
        "http://127.1:{here}/fhir/Condition",
        "http://127.0.0.1.:{here}/fhir/Condition",
        "http://127.0.0.1:{here}@127.0.0.1:{there}/fhir/Condition",
        "http://user:secret@127.0.0.1:{here}/fhir/Condition",
        "http://127.0.0.1:{there}#@127.0.0.1:{here}/fhir/Condition",
        "http://127.0.0.1:{there}\\@127.0.0.1:{here}/fhir/Condition",
        "http://127.0.0.1:{here}\\@127.0.0.1:{there}/fhir/Condition",
        "http://127.0.0.1:{there}\t@127.0.0.1:{here}/fhir/Condition",
        " http://127.0.0.1:{there}/fhir/Condition",
        "//127.0.0.1:{there}/fhir/Condition",
        "http:127.0.0.1:{there}/fhir/Condition",
        "http://127.0.0.1:0/fhir/Condition",
        "http://127.0.0.1:99999/fhir/Condition",
        "http://[::1/fhir/Condition",
        "//127.0.0.1:{there}/fhir/Condition?page=2",
        "//evil.example/fhir/Condition?page=2",
        "/admin?page=2",
        "/fhirevil/Condition?page=2",
        "../Condition?page=2",
        "../../admin?page=2",
        "../../../../admin?page=2",
        "/fhir/../admin?page=2",
        "http://127.0.0.1:{here}/admin?page=2",
        "http://127.0.0.1:{here}/fhir/../admin?page=2",
        "%2e%2e/admin?page=2",
        "x/%2E%2E/%2e%2e/admin?page=2",
        "..%2f..%2fadmin?page=2",
        "..;/admin?page=2",
        "..\\admin?page=2",
        "Condition\t?page=2",
        "ftp://127.0.0.1:{here}/fhir/Condition",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
def test_a_next_page_elsewhere_is_not_read(pattern, odd, elsewhere, reader):
    """A link that leaves the server's base URL, or hides where it leads, is not followed at all."""
    url = pattern.format(here=odd.port, there=elsewhere.port)
    odd.stages(condition=page_by_page(holds(next_url=url), DECISIVE), procedure=EMPTY)
    assert OUTSIDE in why(reader.post(hook_call(odd.url)))
    assert odd.connections == 2
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("pattern", "arrives_at"),
    [
        ("Condition?page=2", "/fhir/Condition?page=2"),
        ("?page=2", "/fhir/Condition?page=2"),
        ("/fhir/Condition?page=2", "/fhir/Condition?page=2"),
        ("/fhir?of=/Condition&page=2", "/fhir?of=/Condition&page=2"),
        ("//127.0.0.1:{here}/fhir/Condition?page=2", "/fhir/Condition?page=2"),
        ("Condition/pages/1?page=2", "/fhir/Condition/pages/1?page=2"),
        ("./Condition?page=2", "/fhir/Condition?page=2"),
        ("../fhir/Condition?page=2", "/fhir/Condition?page=2"),
    ],
)
def test_a_relative_link(pattern, arrives_at, odd, reader):
    """A link that is relative is one of the page that it stands on, within the server's base URL."""
    odd.stages(condition=page_by_page(holds(next_url=pattern.format(here=odd.port)), DECISIVE), procedure=EMPTY)
    assert len(reader.cards(hook_call(odd.url))) == 1
    assert [request.target for request in odd.requests if request.page == 2] == [arrives_at]


def test_a_relative_link_of_a_later_page(odd, reader):
    """The third page is found relative to the second, wherever that was."""
    pages = holds(next_url="Condition/pages/x?page=2"), holds(next_url="y?page=3"), DECISIVE
    odd.stages(condition=page_by_page(*pages), procedure=EMPTY)
    assert len(reader.cards(hook_call(odd.url))) == 1
    assert "/fhir/Condition/pages/y?page=3" in [request.target for request in odd.requests]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status, odd, elsewhere, reader):
    """No redirect is followed, neither to another server nor to the same one."""
    odd.stages(
        condition=answers({}, status, Location=f"{elsewhere.url}/Condition"),
        procedure=answers({}, status, Location=f"{odd.url}/Condition?page=2"),
    )
    text = why(reader.post(hook_call(odd.url)))
    assert text.endswith("conditions: the FHIR server could not answer; procedures: the FHIR server could not answer.")
    assert odd.connections == 2
    assert elsewhere.connections == 0


def test_both_searches_run_at_the_same_time(odd, reader):
    """The server answers neither search before it has both."""
    both = threading.Barrier(2)

    def together(stage):
        both.wait(3)
        DECISIVE(stage)

    odd.stages(condition=together, procedure=together)
    [card] = reader.cards(hook_call(odd.url))
    assert "incomplete" not in card["detail"]


@pytest.mark.parametrize("status", [404, 405, 415, 501])
def test_a_server_that_searches_by_get_only(status, odd, reader, caplog):
    """A server that does not take a search by POST is asked by GET, and the URL stays out of the log."""
    caplog.set_level("DEBUG")
    odd.stages(condition=only_by_get(DECISIVE, status), procedure=EMPTY)
    assert len(reader.cards(hook_call(odd.url))) == 1
    asked = [(request.method, request.target, request.body) for request in odd.requests if request.kind == "Condition"]
    assert asked == [
        ("POST", "/fhir/Condition/_search", "patient=pt-1"),
        ("GET", "/fhir/Condition?patient=pt-1", ""),
    ]
    assert "pt-1" not in caplog.text


def test_another_patients_entries_do_not_count(odd, reader):
    """A server that mixes in what belongs to others does not make this patient one with cancer."""
    odd.stages(condition=holds(*entries("prostate cancer [another patient]; hypertension")), procedure=EMPTY)
    assert reader.cards(hook_call(odd.url)) == []


def test_this_patients_entries_count_among_others(odd, reader):
    """What belongs to others neither hides nor spoils what is this patient's own."""
    mixed = entries("prostate cancer [another patient]; prostate cancer")
    odd.stages(condition=holds(*mixed), procedure=EMPTY)
    [card] = reader.cards(hook_call(odd.url))
    assert card["detail"].lower().count("prostate") == 1


def test_odd_entries_are_skipped_and_counted(odd, reader):
    """Entries that are no resources do not cost the patient the card, which says how many there were."""
    bundle = searchset(CANCER)
    bundle["entry"] += [None, 7, {}, {"resource": []}, {"resource": {"id": "typeless"}}]
    odd.stages(condition=answers(bundle), procedure=EMPTY)
    [card] = reader.cards(hook_call(odd.url))
    assert "Entries that could not be read: 5." in card["detail"]


def test_the_lines_of_a_head_may_come_slowly(odd, reader):
    """Slowness alone is no fault: what comes within the deadline is read."""
    head, body = http(b"{}").split(b"\r\n\r\n")[0], b""
    odd.stages(condition=drips(head, b"\r\n\r\n" + body), procedure=sends(http(b"{}")))
    assert "did not answer with a Bundle" in why(reader.post(hook_call(odd.url)))
