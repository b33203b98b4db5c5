"""Texts are filled, and what a reason refers to is found, quickly exactly as slowly."""

from itertools import product
from random import Random
from string import Template

from hypothesis import given
from hypothesis import strategies as st

from cds_service.decision.references import ReferenceResolver
from cds_service.decision.rendering import fill
from cds_service.model import HookRequest, PatientRecord
from tests.support.notation import PATIENT
from tests.support.profiles import examples

AWKWARD = [
    *(
        "",
        "%",
        "%%",
        "%s",
        "%(count)s",
        "%(",
        "100 %d",
        "$",
        "$$",
        "$count",
        "${count}",
        "$1",
        "{",
        "}",
        "{0}",
        "{count}",
    ),
    *("\\", "\\1", "\n", "\0", "<b>", "é腰\U0001f9b4", "\ud800", "x" * 3000, 0, 17, -1),
]
PIECES = [
    "$a",
    "${a}",
    "$b",
    "$a_b",
    "${b}c",
    "$$",
    "$$a",
    "%",
    "%%",
    "%s",
    "%(a)s",
    "{a}",
    "{",
    "}",
    ")",
    "é",
    "\n",
    " ",
    "x",
]
WRONG = ["$", "$ ", "${", "${a", "$1", "${1}", "$é", "$c", "${c}", "%(c)s$c", "$$$", "$(a)"]


def all_texts(value):
    """Yield all texts within a JSON value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    yield from [value] if isinstance(value, str) else (text for one in inner for text in all_texts(one))


def filled(how, text, values):
    """Return a text as it is filled in one way, or None where it is refused."""
    try:
        return how(text, values)
    except (KeyError, ValueError):
        return None


def same(text, values) -> bool:
    """Tell whether the quick way fills a text as the standard library does."""
    quick = filled(lambda text, values: fill(text, **values), text, values)
    return quick == filled(lambda text, values: Template(text).substitute(values), text, values)


def test_every_text_of_the_card(knowledge):
    """Each text of card.json is filled as the standard library fills it, whatever its holes are filled with."""
    texts = [*all_texts(knowledge.card)]
    assert sum("$" in text for text in texts) > 30
    for text, value, odd in product(texts, AWKWARD, (0, 1)):
        names = Template(text).get_identifiers()
        values = {name: value if n % 2 == odd else "y" for n, name in enumerate(names)} | {"count" * 2: value}
        assert same(text, values), (text, values)


@given(pieces=st.lists(st.sampled_from([*PIECES, *WRONG]), max_size=6), value=st.sampled_from(AWKWARD))
@examples(2000)
def test_any_text(pieces, value):
    """Any text is filled or refused as the standard library does: holes, percent signs, braces, and what is no hole."""
    assert same("".join(pieces), {"a": value, "b": "%s$a", "a_b": value})


def a_text(random, phrases) -> str:
    """Return a made-up reason: phrases whole, cut, joined and in other letters, among other words."""
    noise = ["", "no", "left leg", "pain", "s/p", "r/o", "or", "but", "since 2019", "(resolved)", "x", "'", "WEAK", "-"]
    chosen = [*random.choices(phrases, k=2), *random.choices(noise, k=3)]
    pieces = [one[: random.choice([len(one), len(one), len(one) - 1, 3])] for one in chosen]
    return "".join(
        random.choice([str.upper, str.lower, str])(one) + random.choice([" ", ", ", "-", "", "; "]) for one in pieces
    )


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
