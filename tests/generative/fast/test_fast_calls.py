"""A body passes the fast validation exactly if it is valid by the schema of a hook call."""

from copy import deepcopy
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.schemas import first_fault, is_hook_call
from tests.support.notation import call, rows
from tests.support.profiles import examples
from tests.support.service import TODAY

MEMBERS = [
    *("hook", "hookInstance", "fhirServer", "fhirAuthorization", "fhirAuthorization.access_token", "prefetch"),
    *(
        "context",
        "context.patientId",
        "context.selections",
        "context.draftOrders",
        "context.draftOrders.entry",
        "other",
    ),
]
GONE = object()
VALUES = [GONE, None, True, False, 0, -1, 1.5, "", " ", "x", "\n", [], [None], ["x"], {}, {"entry": 1}, {"a": {}}]
VALUES += [{"patientId": "p"}, {"access_token": 1}, {"patientId": "p", "selections": 1}, {"access_token": None}]
WHOLE = {
    "hook": "order-select",
    "hookInstance": "4f7a5a3e",
    "fhirServer": "https://ehr.example.org/fhir",
    "fhirAuthorization": {"access_token": "x", "scope": 1},
    "prefetch": {"conditions": 1},
    "context": {"patientId": "pt-1", "selections": ["ServiceRequest/o1"], "draftOrders": {"entry": []}},
    "extension": 1,
}
IDS = [
    *("p" * length for length in (0, 1, 2, 255, 256, 257, 300)),
    *("Patient/" + "p" * length for length in (0, 1, 247, 248, 249, 256)),
    *(
        f"p{end}"
        for end in ("\n", "\r", "\r\n", "\x0b", "\x85", "\u2028", "\0", " ", "\t", ",q", "/", "\n\n", "\ud800")
    ),
    *(f"{start}p" for start in ("\n", " ", "/", "patient/", "Patient", "Patient//", "Patient/Patient/", "Group/", "^")),
    *(
        "p\nq",
        "a.b_c~d:e-f",
        "urn:uuid:1",
        "P" * 255 + "\n",
        "P" * 256 + "\n",
        "é",
        "\u017f",
        "\u212a",
        "\u0661",
        "\uff41",
        "p%",
        "$p",
    ),
]


def changed(body, way, value):
    """Return a body with the member at the end of a way changed or gone; as it is where the way leads nowhere."""
    body, (*owners, last) = deepcopy(body), way.split(".")
    owner = body
    for name in owners:
        owner = owner.get(name) if isinstance(owner, dict) else None
    if isinstance(owner, dict):
        owner[last] = value
        if value is GONE:
            del owner[last]
    return body


def is_valid(body):
    """Return whether the schema accepts a body; the fast validation must agree."""
    valid = first_fault("hook_call", body) is None
    assert is_hook_call(body) is valid, body
    return valid


@pytest.mark.parametrize("way", MEMBERS)
def test_each_member_of_each_type(way):
    """A member that is missing or of any JSON type gets the verdict of the schema, in a full or a minimal body."""
    bare = {"hook": "h", "hookInstance": "i", "context": {"patientId": "p"}}
    verdicts = {is_valid(changed(body, way, value)) for body in (WHOLE, bare) for value in VALUES}
    assert verdicts == ({True} if way == "other" else {True, False})


def test_two_members():
    """Two members changed at once get the verdict of the schema."""
    pairs = [(name, other) for names in combinations(MEMBERS, 2) for name, other in (names, names[::-1])]
    changes = [
        (name, other, VALUES[n % len(VALUES)], value) for n, (name, other) in enumerate(pairs) for value in VALUES
    ]
    verdicts = [is_valid(changed(changed(WHOLE, name, first), other, second)) for name, other, first, second in changes]
    assert len(verdicts) > 2000
    assert set(verdicts) == {True, False}


@pytest.mark.parametrize("body", [value for value in VALUES if value is not GONE])
def test_a_body_that_is_no_call(body):
    """A body that is no object is refused by both."""
    assert not is_valid(body)


@pytest.mark.parametrize("own_id", IDS, ids=ascii)
def test_ids(own_id):
    """An id of any length, with any character at its edges, gets the verdict of the schema; a hook is any text."""
    is_valid(changed(WHOLE, "context.patientId", own_id))
    assert is_valid(changed(changed(WHOLE, "hook", own_id), "hookInstance", own_id)) is bool(own_id)


@given(ids=st.lists(st.text("pP7.~:-_/\n\r ,é٣\u212a", max_size=6) | st.text(max_size=4), min_size=5, max_size=5))
@examples(400)
def test_any_id(ids):
    """An id of any characters, with and without its type, gets the verdict of the schema."""
    for own_id in ids:
        is_valid(changed(WHOLE, "context.patientId", own_id))
        is_valid(changed(WHOLE, "context.patientId", f"Patient/{own_id}"))


@pytest.mark.parametrize("row", rows("vignettes.csv")[::10], ids=lambda row: row["vignette"])
def test_the_calls_of_the_table(row):
    """A call of the clinical table is valid by both, so that the schema is not needed."""
    assert is_valid(call(row, TODAY))
