"""Bodies that no EHR should send and some do: each gets a clear answer, never a fault of ours.

What is said of each: a status, `card` where the damage is beside the point, `silent` where it took away the point.
"""

import json
from copy import deepcopy

import pytest

from tests.support.notation import call
from tests.support.service import ORDER_SELECT, TODAY
from tests.support.serving import a_granian_service, granian, run  # noqa: F401 - a fixture is used by its name

MIB = 1024 * 1024
LIMIT = 8 * MIB
CHARTS = {"procedure": "radiotherapy course [completed, -27m, site prostate]"}
PLACES = {
    "": (),
    "drafts": ("context", "draftOrders", "entry"),
    "order": ("context", "draftOrders", "entry", 0, "resource"),
    "entry": ("prefetch", "conditions", "entry", 0),
    "condition": ("prefetch", "conditions", "entry", 0, "resource"),
    "procedure": ("prefetch", "procedures", "entry", 0, "resource"),
}


def good(place: str = "") -> dict:
    """Return a call that gets one card, by a cancer or by radiotherapy."""
    chart = CHARTS.get(place, "prostate cancer")
    return call({"patient": chart, "order": "lumbar MRI", "also drafted": ""}, TODAY)


GOOD = json.dumps(good())
NESTED = '{"extension": [' * 100_000 + "]}" * 100_000

TEXTS = {
    "empty": (b"", "400"),
    "blank": (b" \n", "400"),
    "not JSON": (b"hook=order-select", "400"),
    "cut short": (GOOD[:-1].encode(), "400"),
    "two bodies": ((GOOD + GOOD).encode(), "400"),
    "list": (b"[]", "422"),
    "the call in a list": (f"[{GOOD}]".encode(), "422"),
    "number": (b"7", "422"),
    "string": (b'"order-select"', "422"),
    "null": (b"null", "422"),
    "no members": (b"{}", "422"),
    "100,000 levels": (NESTED.encode(), "413"),
    "100,000 levels in a member": (GOOD.replace("{", '{"x": ' + NESTED + ",", 1).encode(), "413"),
    "6,000 digits": (GOOD.replace("{", '{"x": ' + "9" * 6000 + ",", 1).encode(), "400"),
    "20-digit integer": (GOOD.replace("{", '{"x": 99999999999999999999,', 1).encode(), "400"),
    "negative 20-digit integer": (GOOD.replace("{", '{"x": -99999999999999999999,', 1).encode(), "400"),
    "NaN": (GOOD.replace("{", '{"x": NaN,', 1).encode(), "400"),
    "Infinity": (GOOD.replace("{", '{"x": -Infinity,', 1).encode(), "400"),
    "BOM": (b"\xef\xbb\xbf" + GOOD.encode(), "card"),
    "UTF-16": (GOOD.encode("utf-16"), "card"),
    "half a UTF-16": (GOOD.encode("utf-16")[:-1], "400"),
    "bad UTF-8": (GOOD.replace("order-select", "order-s\xe9lect").encode("latin-1"), "400"),
    "control character": (GOOD.replace("pt-1", "pt\x01-1").encode(), "400"),
    "compressed": (b"\x1f\x8b\x08\x00" + GOOD.encode(), "400"),
    "a member twice, the last counts": (GOOD.replace("{", '{"hook": 7,', 1).encode(), "card"),
    "unknown members": (GOOD.replace("{", '{"x": {"y": [null, {}]},', 1).encode(), "card"),
}

SURROGATE = "\ud800"
MEMBERS = [
    *(("hook", bad, "422") for bad in (None, 7, "", [], {}, "order-sing", SURROGATE)),
    *(("hookInstance", bad, "422") for bad in (None, 7, "", [])),
    *(("hookInstance", odd, "card") for odd in ("not a UUID", SURROGATE)),
    *(("context", bad, "422") for bad in (None, [], "x", 7, {})),
    *(("context.patientId", bad, "422") for bad in (None, 7, "", ["pt-1"], "pt-1,pt-2", "a b", SURROGATE)),
    ("context.patientId", "pt-1\n", "422"),
    ("context.patientId", "x" * 300, "422"),
    ("context.patientId", "Patient/pt-1", "card"),
    *(("context.userId", odd, "card") for odd in (None, 7, [], {})),
    *(("context.selections", bad, "422") for bad in ("ServiceRequest/o1", 7, {}, True)),
    *(("context.selections", odd, "card") for odd in (None, [], [None, 7], [[], {}, "ServiceRequest/o1", None])),
    *(("context.selections", odd, "silent") for odd in (["x"], ["/"], ["/_history/"], [SURROGATE])),
    *(("context.draftOrders", bad, "422") for bad in ([], "x", 7, {"entry": {}}, {"entry": "x"})),
    ("context.draftOrders", None, "422"),
    *(("context.draftOrders", odd, "silent") for odd in ({}, {"entry": None}, {"entry": [None, 7, [], "x"]})),
    *(("drafts.0", odd, "silent") for odd in (None, 7, [], "x", {}, {"resource": None}, {"resource": []})),
    *(("drafts.1", odd, "card") for odd in (None, 7, [], "x", {}, {"resource": None}, {"resource": []})),
    *(("order.resourceType", odd, "silent") for odd in (None, 7, [], {}, "Task")),
    *(("order.code", odd, "silent") for odd in (None, "x", 7, [], [None], {}, {"text": 7}, {"text": SURROGATE})),
    *(("order.code", {"coding": odd}, "silent") for odd in (None, [None], [{}], [7, "x"], "x", 7, [[]])),
    *(("order.code", {"coding": [odd]}, "silent") for odd in ({"system": [], "code": {}}, {"code": 72148})),
    ("order.code", {"coding": {"system": "http://www.ama-assn.org/go/cpt", "code": "72148"}}, "card"),
    *((f"order.{name}", odd, "card") for name in ("reasonCode", "bodySite", "subject", "reasonReference")
      for odd in (None, "x", 7, {}, [], [None], ["x"], [{"coding": [None]}], [{"reference": 7}])),
    *((f"order.{name}", odd, "card") for name in ("status", "intent", "extension", "contained", "text", "note")
      for odd in (None, 7, [], [None], SURROGATE)),
    *((f"order.{name}", odd, "card") for name in ("authoredOn", "occurrenceDateTime")
      for odd in ("0000-00", 99999999, None, [])),
    *(("order.id", odd, "silent") for odd in (None, 7, [], {})),
    *(("prefetch", bad, "422") for bad in ([], "x", 7, True)),
    *(("prefetch", odd, "412") for odd in (None, {})),
    *(("prefetch.conditions", odd, "412") for odd in ([], "x", 7, True, {}, {"resourceType": []})),
    ("prefetch.conditions", None, "silent"),
    *(("prefetch.procedures", odd, "card") for odd in (None, [], "x", 7, True, {}, {"resourceType": 7})),
    *(("prefetch.x", odd, "card") for odd in (None, [], "123", 7)),
    ("prefetch.conditions.entry", good()["prefetch"]["conditions"]["entry"][0], "card"),
    *(("prefetch.conditions.entry", odd, "412") for odd in (None, [])),
    *(("prefetch.conditions.entry", odd, "silent") for odd in ([None], [7, "x", []], [{}])),
    *(("prefetch.procedures.entry", odd, "card") for odd in (None, {}, "x", 7, [None], [7, "x", []])),
    *((f"prefetch.conditions.{name}", odd, "card") for name in ("link", "total", "type")
      for odd in (None, "x", -7, {}, [None, 7], [{"relation": "next", "url": 7}])),
    *(("entry.resource", odd, "silent") for odd in (None, 7, "x", [], {})),
    *((f"condition.{name}", odd, "card")
      for name in ("id", "subject", "verificationStatus", "clinicalStatus", "onsetDateTime", "recordedDate", "bodySite")
      for odd in (None, 7, [], [None], {}, {"coding": [None]}, "0000-00", 99999999, SURROGATE)),
    *(("condition.onsetPeriod", odd, "card") for odd in ({"start": 7}, {"end": "2024-13"}, {"start": "2024-02-30"})),
    *(("condition.code", odd, "silent") for odd in (None, "x", 7, [], {"coding": None}, {"coding": [[]]})),
    *((f"procedure.{name}", odd, "card")
      for name in ("status", "bodySite", "reasonCode", "reasonReference", "performedPeriod", "performedDateTime")
      for odd in (None, 7, [], {}, [None, 7], "0000-00", "9999-12-31T99:99", {"start": 7, "end": []})),
]  # fmt: skip


def damaged(path: str, value) -> bytes:
    """Return the good call with one member replaced, or added at the end of a list."""
    place, _, rest = path.rpartition(".")
    body = member = good(place)
    for name in PLACES.get(place, place.split(".")):
        member = member[name]
    if isinstance(member, list):
        member[int(rest) : int(rest) + 1] = [deepcopy(value)]
    else:
        member[rest] = deepcopy(value)
    return json.dumps(body).encode()


def answer(response) -> str:
    """Return what was answered: `card`, `silent`, or a status that comes with an OperationOutcome."""
    body = json.loads(response.text, parse_constant=pytest.fail)
    if response.status_code == 200:
        return "card" if body["cards"] else "silent"
    assert response.headers["Content-Type"] == "application/fhir+json"
    assert body["resourceType"] == "OperationOutcome"
    assert all(issue["severity"] == "error" and issue["code"] and issue["diagnostics"] for issue in body["issue"])
    assert "pt-1" not in response.text
    return str(response.status_code)


@pytest.mark.parametrize(("body", "expected"), TEXTS.values(), ids=TEXTS)
def test_damaged_text(body, expected, service):
    """A body that is damaged as a text is a 400, JSON that is no call a 422; what can be read gets its card."""
    assert answer(service.post(body)) == expected


@pytest.mark.parametrize(("path", "value", "expected"), MEMBERS, ids=[f"{p}={v!r:.30}" for p, v, _ in MEMBERS])
def test_damaged_member(path, value, expected, service):
    """One damaged member is a clear 4xx where the call needs it, and costs nobody the card where it does not."""
    assert answer(service.post(damaged(path, value))) == expected


@pytest.mark.parametrize("levels", [50, 150, 250, 300, 350, 400, 450, 490])
@pytest.mark.parametrize("member", ["reasonCode", "contained", "note", "extension"])
def test_nested_member(member, levels, service):
    """An order nested as deep as JSON is read at all is answered: with its card, or as one that cannot be read."""
    nested = f'"{member}": ' + '[{"extension": ' * levels + "[]" + "}]" * levels
    body = GOOD.replace('"intent": "order"', f'"intent": "order", {nested}').encode()
    assert answer(service.post(body)) in ("card", "400")


def test_number_beyond_floats(service):
    """A number that is larger than any float does not make the answer something that is no JSON."""
    body = GOOD.replace('"intent": "order"', '"intent": "order", "quantityQuantity": {"value": 1e400}').encode()
    assert answer(service.post(body)) in ("card", "400")


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"null", b"{}", b'{"feedback": null}', b'{"feedback": [null]}'])
def test_damaged_feedback(body, service):
    """Feedback that is none is a clear 4xx."""
    assert answer(service.post(body, f"{ORDER_SELECT}/feedback")) in ("400", "422")


def test_odd_feedback(service):
    """Feedback with odd members is taken: nobody is helped by an error."""
    reports = [{"card": 7, "outcome": []}, {"outcome": {}}, {"overrideReason": None}]
    assert service.post({"feedback": reports}, f"{ORDER_SELECT}/feedback").status_code == 200


@pytest.fixture(params=["service", "granian_service"])
def either(request):
    """Give a client of the application alone, and of the real server."""
    return request.getfixturevalue(request.param)


def padded(size: int) -> bytes:
    """Return the good call, made this large by a member that nobody reads."""
    start = GOOD[:-1] + ', "padding": "'
    return (start + "x" * (size - len(start) - 2) + '"}').encode()


def chunks(body: bytes):
    """Yield a body in pieces, which are sent chunked: nothing says how many there are."""
    yield from (body[start : start + MIB // 8] for start in range(0, len(body), MIB // 8))


def sent(client, body):
    """POST bytes with a Content-Length, or pieces without."""
    return client.session.post(client.base + ORDER_SELECT, data=body, timeout=30)


@pytest.mark.parametrize(("size", "expected"), [(LIMIT, "card"), (LIMIT + 1, "413"), (64 * MIB, "413")])
@pytest.mark.parametrize("way", [bytes, chunks], ids=["with Content-Length", "chunked"])
def test_size(way, size, expected, either):
    """A body up to the limit is read whole, a larger one is a 413, whether it states its length or not."""
    assert answer(sent(either, way(padded(size)))) == expected


def test_cut_at_the_limit(either):
    """A chunked body that is a whole call up to the limit and goes on after it is a 413, not a shorter call."""
    assert answer(sent(either, chunks(padded(LIMIT) + b" " * LIMIT))) == "413"


@pytest.mark.parametrize(("group", "attempt"), [(False, 1), (True, 1), (True, 2), (True, 3)])
def test_stop(group, attempt):
    """Ctrl-C, which a worker gets too, stops the server in 10 seconds with exit code 0 and without a traceback."""
    with granian() as server:
        assert server.stop(group=group) == 0, attempt
        assert not server.left_over()
        assert "Traceback" not in server.errors() + server.output()


def test_taken_port():
    """A port that another program listens on is one clear line and exit code 1, not a second server."""
    with granian() as server:
        done = run("serve", "--port", str(server.port))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"cannot listen on 127.0.0.1:{server.port}" in done.stderr
    assert "choose another port with --port or PLEXUS_CDS_PORT" in done.stderr


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("port", "x", "PLEXUS_CDS_PORT: "),
        ("development", "perhaps", "PLEXUS_CDS_DEVELOPMENT: "),
        ("public_url", "ehr.example.org", "PLEXUS_CDS_PUBLIC_URL: "),
        ("fhir_servers", "http://ehr.example.org", "https://"),
        ("fhir_server", "https://ehr.example.org", "did you mean PLEXUS_CDS_FHIR_SERVERS?"),
    ],
)
def test_wrong_setting(name, text, says):
    """A wrong setting stops the start with one clear line that names it."""
    done = run("serve", **{name: text})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("plexus-cds: ")
    assert says in done.stderr
