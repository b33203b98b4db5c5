"""A back-test leaves out entries that mean nothing on any day: the decision is that on the whole record."""

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.backtest.chart import ChartReader, Entry
from cds_service.backtest.moments import Moment, recorded_moment
from cds_service.backtest.scan import Variant
from cds_service.decision.fhir_fields import reference_of, resources_of
from cds_service.decision.order_select import decide
from cds_service.examples import dated
from cds_service.knowledge.typed_text.budget import MOST_LOOKED_AT
from cds_service.model import Recommendation, Site
from tests.support.in_process import knowledge_read_once
from tests.support.notation import call, rows
from tests.support.profiles import examples
from tests.support.service import TODAY

LINES = (Path(__file__).parents[1] / "contract" / "field" / "calls.ndjson").read_text("utf-8").splitlines()
FIELD_CALLS = [dated(json.loads(line)["call"], TODAY) for line in LINES]
VIGNETTES = [call(row, TODAY) for row in rows("vignettes.csv") if not row["site"]]
KINDS = {"conditions": "Condition", "procedures": "Procedure"}
SYSTEMS = ("http://hl7.org/fhir/sid/icd-10-cm", "http://snomed.info/sct", "urn:oid:1.2.3.4.5.6.7")
ORDERED = Moment(TODAY, TODAY)


def entries_of(body) -> list[dict]:
    """Return the Conditions and Procedures that a call has prefetched as Bundles."""
    prefetch = body.get("prefetch") or {}
    bundles = [prefetch[key] for key in KINDS if isinstance(prefetch.get(key), dict)]
    return [resource for bundle in bundles for resource in resources_of(bundle)]


def orders_of(body) -> list[dict]:
    """Return the orders of a call that a back-test can have: of the hook, and drafts."""
    drafts = (body.get("context") or {}).get("draftOrders")
    found = resources_of(drafts) if isinstance(drafts, dict) else ()
    return [resource for resource in found if resource.get("resourceType") == "ServiceRequest"]


CALLS = [body for body in (*VIGNETTES, *FIELD_CALLS) if orders_of(body)]
ORDERS = [order for body in CALLS for order in orders_of(body)[:1]]
ENTRIES = [entry for body in CALLS for entry in entries_of(body) if entry.get("resourceType") in KINDS.values()]


def outcomes(orders, entries, site) -> list[tuple]:
    """Return what is decided on orders with a record: all but the counts of entries that were not used."""
    body = {
        "hook": "order-select",
        "hookInstance": "1",
        "context": {"patientId": "p", "draftOrders": bundle({**order, "status": "draft"} for order in orders)},
        "prefetch": {
            key: bundle(entry for entry in entries if entry["resourceType"] == kind) for key, kind in KINDS.items()
        },
    }
    decision = decide(
        body, "order-select", knowledge_read_once(), site, today=TODAY, fetch=lambda *_: (), new_id=lambda: ""
    )
    return [
        (
            outcome.reason if not isinstance(outcome, Recommendation) else "",
            getattr(outcome, "indicator", ""),
            getattr(outcome, "recommended", ""),
            getattr(outcome, "against", ()),
            outcome.findings and outcome.findings._replace(unused={}),
        )
        for outcome in decision.outcomes
    ]


def bundle(resources) -> dict:
    """Return a Bundle of resources."""
    return {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in resources]}


def of_patient(resource: dict) -> dict:
    """Return a resource without a subject: it is of the patient of the call."""
    return {name: value for name, value in resource.items() if name not in ("subject", "patient")}


def needed(orders, entries, sites) -> list[dict]:
    """Return the entries of a chart that a decision needs, on this day."""
    chart = ChartReader([Variant(site) for site in sites]).chart(
        [Entry(entry, recorded_moment(entry)) for entry in entries], orders
    )
    return [resource for resource, _ in chart.as_of(ORDERED, {("as_of", name): 0 for name in TIMINGS})]


TIMINGS = ("before", "after", "same_day", "undated")


SITES = [Site(), Site(systems={SYSTEMS[2]: SYSTEMS[0]})]
"""The second reads a code system of its own."""


@pytest.mark.parametrize("body", CALLS, ids=range(len(CALLS)))
def test_each_call(body):
    """Each vignette and each call of the field is decided alike without the entries that mean nothing."""
    orders, entries = list(map(of_patient, orders_of(body))), list(map(of_patient, entries_of(body)))
    on_record = [entry for entry in entries if entry["resourceType"] in KINDS.values() and is_earlier(entry)]
    for site in SITES:
        whole = outcomes(orders, on_record, site)
        assert outcomes(orders, needed(orders, on_record, [site]), site) == whole


def is_earlier(entry) -> bool:
    """Return whether an entry is on record by this day."""
    recorded = recorded_moment(entry)
    return recorded is None or recorded.first <= TODAY


TEXTS = st.sampled_from(("", "hypertension", "hx prostate ca", "no h/o cancer", "foot drop", "x", "zq17 seen 2019"))
CODES = st.sampled_from(("I10", "C61", "M54.16", "Z92.3", "99213", "77427", "X1", "254837009", ""))
CONCEPTS = st.builds(
    lambda system, code, text: {"coding": [{"system": system, "code": code, "display": text}], "text": text},
    *(st.sampled_from(SYSTEMS), CODES, TEXTS),
)
MADE = st.builds(
    lambda kind, own_id, code, category, day, reason: {
        "resourceType": kind,
        "id": own_id,
        "code": code,
        "category": [category],
        "recordedDate": day,
        "performedDateTime": day,
        "status": "completed",
        "reasonReference": [{"reference": reason}],
    },
    *(st.sampled_from(tuple(KINDS.values())), st.sampled_from("abcd"), CONCEPTS, CONCEPTS),
    *(
        st.sampled_from((None, "2020", "2026-11-22", "2019-05-01T10:00:00Z")),
        st.sampled_from(("Condition/a", "Condition/b/_history/2", "https://ehr.example.org/fhir/Procedure/c", "#x")),
    ),
)
CHARTS = st.lists(st.sampled_from(ENTRIES) | MADE, max_size=12)


@given(order=st.sampled_from(ORDERS), entries=CHARTS, refers=st.booleans())
@examples(400)
def test_any_chart(order, entries, refers):
    """So is any mixture of their entries and of others, whatever the orders and entries refer to."""
    entries = [entry for entry in map(of_patient, entries) if is_earlier(entry)]
    order = of_patient(order)
    if refers and entries:
        order |= {"reasonReference": [{"reference": reference_of(entry), "display": "leg pain"} for entry in entries]}
    kept = needed([order], entries, SITES)
    for site in SITES:
        assert outcomes([order], kept, site) == outcomes([order], entries, site)


def coded(system: str, code: str) -> dict:
    """Return a CodeableConcept."""
    return {"coding": [{"system": system, "code": code}]}


CANCER = {"resourceType": "Condition", "id": "c", "code": coded(SYSTEMS[0], "C61")}
PLAIN = {"resourceType": "Condition", "id": "a", "code": coded(SYSTEMS[0], "I10")}
SESSION = {"resourceType": "Procedure", "status": "completed", "code": coded(SYSTEMS[1], "000001")}
LUMBAR_MRI = {"resourceType": "ServiceRequest", "id": "o", "code": coded("http://www.ama-assn.org/go/cpt", "72148")}


@pytest.mark.parametrize(
    ("entries", "names", "number"),
    [
        ([PLAIN, CANCER], "Condition/a", 2),
        ([PLAIN, {**PLAIN, "id": "b"}, CANCER], "Condition/b", 3),
        ([PLAIN, {**PLAIN, "id": "b"}, CANCER], "Condition/x", 2),
        ([SESSION, {**SESSION, "category": coded(SYSTEMS[1], "108290001")}], "", 2),
        ([SESSION, {**SESSION, "category": coded(SYSTEMS[1], "387713003")}], "", 1),
        ([SESSION, SESSION], "", 1),
    ],
)
def test_what_stays(entries, names, number):
    """What an order refers to stays, so that its display is not read instead, and so does what has a meaning."""
    order = {**LUMBAR_MRI, "reasonReference": [{"reference": names, "display": "foot drop"}]} if names else LUMBAR_MRI
    kept = needed([order], entries, [Site()])
    assert len(kept) == number
    assert outcomes([order], kept, Site()) == outcomes([order], entries, Site())


def test_most_entries_are_left_out():
    """Of a thousand entries that mean nothing one stays, and one of those that cannot be read."""
    plain = [{"resourceType": "Condition", "code": coded(SYSTEMS[0], "I10")} for _ in range(999)]
    unread = [{"resourceType": "Condition", "code": coded(SYSTEMS[2], "X1")} for _ in range(9)]
    assert len(needed([], [*plain, *unread], [Site()])) == 2


def test_text_beyond_the_budget():
    """A chart with more text than the service reads is left as it is: that there is too much of it counts."""
    entry = {"resourceType": "Condition", "code": coded(SYSTEMS[0], "I10") | {"text": "x" * 2000}}
    for number in (MOST_LOOKED_AT // 2000, MOST_LOOKED_AT // 2000 + 1):
        kept = needed([], [entry] * number, [Site()])
        assert len(kept) == (1 if number * 2000 <= MOST_LOOKED_AT else number)


@pytest.mark.parametrize("depth", [200, 900])
def test_a_deep_entry(depth):
    """An entry that is nested deeply is no fault."""
    code: list = []
    for _ in range(depth):
        code = [code]
    assert needed([], [{"resourceType": "Condition", "code": code}], [Site()])


@pytest.mark.parametrize("text", ["low back pain", "foot drop x 3 weeks", "fall yesterday", "hx prostate ca 2019"])
def test_texts_are_remembered(text, knowledge):
    """A reader that remembers says of a text what one says that does not, on each day."""
    reader, limits = knowledge.reason_words, knowledge.lookback_windows
    remembering = reader.remembering()
    for day in (TODAY, date(2019, 6, 1), date(2031, 1, 1), TODAY):
        for _ in range(2):
            assert remembering.read(text, day, limits) == reader.read(text, day, limits)
