"""Texts are passed over, and what a reason refers to is found, quickly exactly as slowly."""

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.decision.references import ReferenceResolver
from cds_service.knowledge.typed_text.vocabulary import Vocabulary
from cds_service.model import HookRequest, PatientRecord
from tests.support.notation import PATIENT
from tests.support.profiles import examples
from tests.support.service import TODAY


def a_text(random, phrases) -> str:
    """Return a made-up reason: phrases whole, cut, joined and in other letters, among other words."""
    noise = ["", "no", "left leg", "pain", "s/p", "r/o", "or", "but", "since 2019", "(resolved)", "x", "'", "WEAK", "-"]
    chosen = [*random.choices(phrases, k=2), *random.choices(noise, k=3)]
    pieces = [one[: random.choice([len(one), len(one), len(one) - 1, 3])] for one in chosen]
    return "".join(
        random.choice([str.upper, str.lower, str])(one) + random.choice([" ", ", ", "-", "", "; "]) for one in pieces
    )


@pytest.fixture(scope="module")
def reasons_in_words(knowledge):
    """Return thousands of made-up reasons, the phrases of reason_words.csv among them."""
    lists = {row["means"]: row["words"].split(";") for row in knowledge.reason_rows if row["topic"] == "list"}
    random = Random(3)
    phrases = [
        re.sub(r"<(\w+)>", lambda name: random.choice(lists[name[1]]), phrase).strip()
        for row in knowledge.reason_rows
        for phrase in row["words"].split(";")
    ]
    misspelled = [one[:3] + one[4:] for one in phrases if len(one) > 5]
    return [*phrases, "eGFR 18", "GFR: 12", *misspelled, *(a_text(random, phrases) for _ in range(3000))]


def test_a_text_that_is_passed_over_says_nothing(knowledge, reasons_in_words, monkeypatch):
    """A text is passed over only where reading it word by word finds nothing in it."""
    words, asked = knowledge.reason_words, []
    has_words = Vocabulary.has_words
    monkeypatch.setattr(Vocabulary, "has_words", lambda *given: asked.append(has_words(*given)) or asked[-1])
    quick = [words.read(text, TODAY, knowledge.lookback_windows) for text in reasons_in_words]
    assert min(asked.count(True), asked.count(False)) > 300
    monkeypatch.setattr(Vocabulary, "has_words", lambda *_: True)
    assert [words.read(text, TODAY, knowledge.lookback_windows) for text in reasons_in_words] == quick


def test_what_names_no_plexus_is_no_plexus_study(knowledge):
    """An order's words are a study of the plexus only where they name one: no others are read beside a code."""
    phrases = [one.rstrip("*") for some in knowledge.phrases.values() for one in some]
    random, seen = Random(4), set()
    for text in (*phrases, *(a_text(random, [*phrases, "plexus MRI"]) for _ in range(4000))):
        is_study, named = "plexus" in (knowledge.words.study(text) or ""), knowledge.words.names_plexus(text)
        assert named or not is_study, text
        seen.add((is_study, named))
    assert seen == {(False, False), (True, True), (False, True)}


KINDS = st.sampled_from(["Condition", "Procedure", "ServiceRequest", 1, None, ""])
IDS = st.sampled_from(["a", "b", "", None, 1, "a/b"])
SUBJECTS = st.sampled_from(
    [f"Patient/{PATIENT}", "Patient/q", "#p", "", None, f"https://x/Patient/{PATIENT}/_history/1"]
)
resources = st.fixed_dictionaries(
    {"resourceType": KINDS, "id": IDS},
    optional={"subject": SUBJECTS.map(lambda one: {"reference": one}), "n": st.integers(0, 99)},
)
entries = st.fixed_dictionaries(
    {"resource": resources | st.lists(resources, max_size=2) | st.none()},
    optional={"fullUrl": st.sampled_from(["urn:uuid:1", "urn:uuid:2", "https://x/Condition/a", None, 1])},
)
bundles = st.fixed_dictionaries({"entry": st.lists(entries, max_size=4) | entries | st.just("x")})
prefetches = st.dictionaries(
    st.sampled_from(["conditions", "procedures", "x", "y"]), bundles | st.lists(bundles, max_size=2) | st.just(1)
)


def as_list(value):
    """Return the objects of a member that may hold one or a list."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def named_slowly(drafts, prefetch, record):
    """Yield (name, resource) of all that a reason may refer to, one after another: of two, the later one holds."""
    for bundle in (drafts, *(one for value in prefetch.values() for one in as_list(value))):
        for entry in as_list(bundle.get("entry")):
            for one in as_list(entry.get("resource")):
                subject = (one.get("subject") or {}).get("reference") or "#"
                if subject.startswith("#") or PATIENT in subject.split("/"):
                    yield name_of(one), one
                    if str(entry.get("fullUrl")).startswith("urn:"):
                        yield entry["fullUrl"], one
    yield from ((name_of(one), one) for one in record)


def name_of(resource) -> str:
    """Return `Type/id`, or the type alone, of what may have neither."""
    kind, own_id = (one if isinstance(one, str) else "" for one in (resource["resourceType"], resource["id"]))
    return f"{kind}/{own_id}" if own_id else kind


NAMES = [
    f"{kind}/{own_id}" for kind in ("Condition", "Procedure", "ServiceRequest", "") for own_id in ("a", "b", "a/b")
]
NAMES += ["", "Condition", "Procedure", "urn:uuid:1", "urn:uuid:2", "https://x/Condition/a", "gone", "a"]


@given(drafts=bundles, prefetch=prefetches, record=st.lists(resources, max_size=4), order=st.permutations(NAMES))
@examples(1000)
def test_what_a_reason_may_refer_to(drafts, prefetch, record, order):
    """By any name, asked in any order, comes the resource that a list of them all has last, or none."""
    request = HookRequest("order-select", PATIENT, (), prefetch, drafts)
    read = PatientRecord(tuple(record[:2]), tuple(record[2:]))
    for known, slowly in (
        (ReferenceResolver(request, read), named_slowly(drafts, prefetch, record)),
        (ReferenceResolver(request), named_slowly(drafts, prefetch, [])),
        (ReferenceResolver(), ()),
    ):
        plain = dict(slowly)
        assert all(known.get(name) is plain.get(name) for name in order)
