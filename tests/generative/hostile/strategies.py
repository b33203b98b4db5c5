"""Hook calls for fuzzing: plain ones for the oracle, valid ones with all that FHIR has, nearly valid, hostile."""

import json
from itertools import cycle

from hypothesis import strategies as st

from cds_service.examples import searchset
from tests.generative.hostile.oracle import members
from tests.generative.hostile.planting import planted
from tests.generative.hostile.texts import hostile_texts
from tests.generative.test_emitted_orders import ODD, odd_orders, valid_orders
from tests.support.notation import PATIENT

SUBJECT = {"reference": f"Patient/{PATIENT}"}
UNKNOWN = [
    ("http://snomed.info/sct", "38341003"),
    ("https://ehr.example.org/codes", "C61"),
    ("http://loinc.org", "0-0"),
]
VERIFICATION = ("confirmed", "refuted", "provisional", "unconfirmed", "entered-in-error", "differential")
PROCEDURE = ("completed", "in-progress", "not-done", "preparation", "entered-in-error", "stopped", "unknown")
HOOKS = ("order-select", "order-sign")


def coded(*families: str):
    """Return a strategy for a concept with one coding: of any value set of these families as likely, or of none."""
    sets: dict[str, list[tuple[str, str]]] = {}
    for kind, system, code, row in (member for family in families for member in members(family)):
        longer = {"code": ("",), "is-a": ("", "0", "9"), "regex": ()}[kind]
        sets.setdefault(row["value_set"], []).extend((system, code + more) for more in longer)
    codings = st.sampled_from([*filter(None, sets.values()), UNKNOWN]).flatmap(st.sampled_from)
    return codings.map(lambda pair: {"coding": [{"system": pair[0], "code": pair[1]}]})


def entries(kind: str, **of):
    """Return a strategy for a searchset of resources of one kind, each with an id of its own."""
    entry = st.fixed_dictionaries(
        {"resourceType": st.just(kind), "subject": st.just(SUBJECT), **of.pop("required")}, optional=of
    )
    many = st.lists(entry, max_size=4)
    return many.map(lambda found: searchset(row | {"id": f"{kind[0].lower()}{n}"} for n, row in enumerate(found)))


plain_orders = st.fixed_dictionaries(
    {
        "resourceType": st.just("ServiceRequest"),
        "status": st.just("draft"),
        "intent": st.just("order"),
        "code": coded("order"),
        "subject": st.just(SUBJECT),
    },
    optional={"reasonCode": st.lists(coded("presentation"), min_size=1, max_size=2)},
)
conditions = entries(
    "Condition",
    required={
        "code": coded("malignancy", "radiation_history"),
        "verificationStatus": st.sampled_from(VERIFICATION).map(lambda code: {"coding": [{"code": code}]}),
    },
)
procedures = entries(
    "Procedure",
    required={"code": coded("radiotherapy"), "status": st.sampled_from(PROCEDURE)},
    bodySite=coded("body_site").map(lambda site: [site]),
)


@st.composite
def plain_calls(draw, orders=plain_orders):
    """Draw a call that says no more than the main rule needs."""
    drafts = [order | {"id": f"o{n}"} for n, order in enumerate(draw(st.lists(orders, min_size=1, max_size=3)))]
    hook = draw(st.sampled_from(HOOKS))
    context = {"userId": "Practitioner/p", "patientId": PATIENT}
    context["draftOrders"] = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": draft} for draft in drafts],
    }
    if hook == "order-select":
        chosen = draw(st.lists(st.sampled_from(drafts), max_size=3, unique_by=lambda order: order["id"]))
        context["selections"] = [f"ServiceRequest/{order['id']}" for order in chosen]
    prefetch = {"conditions": draw(conditions), "procedures": draw(procedures)}
    return {"hook": hook, "hookInstance": "4f7a5a3e", "context": context, "prefetch": prefetch}


valid_calls = plain_calls(valid_orders().map(lambda order: order | {"subject": SUBJECT}))
"""Calls whose orders are valid FHIR with many members or few."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | hostile_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile_texts, inner, max_size=3),
    max_leaves=8,
)


def places(value, way=()):
    """Return the way to every member of a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, item in inner for found in [(*way, name), *places(item, (*way, name))]]


@st.composite
def nearly_valid_calls(draw):
    """Draw a call in which some members are missing, of another type, or doubled."""
    call = json.loads(json.dumps(draw(plain_calls(valid_orders() | odd_orders() | plain_orders))))
    for _ in range(draw(st.integers(1, 4))):
        ways = places(call)
        if ways:
            *way, last = draw(st.sampled_from(ways))
            owner = call
            for name in way:
                owner = owner[name]
            how = draw(st.sampled_from(["odd", "any", "gone", "named"]))
            if how == "gone":
                del owner[last]
            elif how == "named" and isinstance(owner, dict):
                owner[draw(hostile_texts)] = owner.pop(last)
            else:
                owner[last] = draw(ODD if how == "odd" else json_values)
    return call


@st.composite
def hostile_calls(draw):
    """Draw a call with hostile texts in every place that decides nothing."""
    turns = cycle(draw(st.lists(hostile_texts, min_size=1, max_size=4)))
    return planted(lambda _: next(turns), draw(st.sampled_from(HOOKS)))


@st.composite
def broken_bodies(draw):
    """Draw the bytes of a call that were cut, changed or nested without end."""
    body = json.dumps(draw(plain_calls())).encode()
    at = draw(st.integers(0, len(body)))
    how = draw(st.sampled_from(["cut", "change", "insert", "nest"]))
    if how == "cut":
        return body[:at]
    if how == "nest":
        depth = draw(st.sampled_from([10, 200, 990, 3000]))
        return body[:-1] + b', "x": ' + b"[" * depth + b"]" * depth + b"}"
    added = draw(st.binary(min_size=1, max_size=4))
    return body[:at] + added + body[at + (len(added) if how == "change" else 0) :]


reports = st.fixed_dictionaries(
    {},
    optional={
        "card": st.uuids().map(str) | json_values,
        "outcome": st.sampled_from(["accepted", "overridden"]) | json_values,
        "outcomeTimestamp": st.datetimes().map(lambda moment: moment.isoformat()) | json_values,
        "acceptedSuggestions": st.lists(st.fixed_dictionaries({"id": st.uuids().map(str) | json_values})) | json_values,
        "overrideReason": st.fixed_dictionaries({}, optional={"reason": json_values, "userComment": hostile_texts})
        | json_values,
        "overrideReasons": json_values,
    },
)
feedback = st.fixed_dictionaries({"feedback": st.lists(reports, max_size=3)}) | reports | json_values
