"""The quick service says what the tables say, and what it says itself with every short cut taken away."""

import json
from copy import deepcopy
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.generative.hostile import oracle
from tests.generative.hostile.fuzzing import KINDS, Service
from tests.generative.hostile.short_cuts import answered, path_of, slowly
from tests.generative.hostile.strategies import SUBJECT, plain_calls
from tests.generative.hostile.texts import HOSTILE
from tests.support.notation import ENTRIES, PATIENT, call, concept, rows
from tests.support.profiles import ALL, examples
from tests.support.service import TODAY


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """Yield the service, called in this process."""
    service = Service(f"sqlite:///{tmp_path_factory.mktemp('fast')}/store.sqlite3")
    yield service
    service.stop()


def test_the_tables_say_the_same_of_thousands_of_calls(service):
    """Orders of any call with the record of any other get the cards that the tables ask for."""
    asked = []

    @given(calls=st.lists(plain_calls(), min_size=6, max_size=6))
    @examples(100)
    def agree(calls) -> None:
        for mixed_call in (first | {"prefetch": second["prefetch"]} for first in calls for second in calls):
            status, content, _ = answered(service, json.dumps(mixed_call), path_of(mixed_call))
            indicators = [card["indicator"] for card in json.loads(content)["cards"]]
            assert (status, indicators) == (200, oracle.expected_indicators(mixed_call)), mixed_call
            asked.append(bool(indicators))

    agree()
    drawn = settings.default.max_examples
    assert len(asked) >= 30 * drawn
    assert min(asked.count(True), asked.count(False)) > (3 * drawn if drawn == ALL else len(asked) / 20)


ODD = [None, True, 0, -0.0, 1.5, 10**17, "", "x", [], {}, [[]], [None], [{}], {"x": 1}, {"coding": [{}]}, PATIENT]
ODD += [{"reference": "Condition/c0"}, {"reference": "#c0"}, "2020-02", SUBJECT, *HOSTILE.values()]
ODD += [concept(name) for name, row in ENTRIES.items() if row["codes"]]


def places(value):
    """Yield (owner, name) of each member within a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in inner:
        yield value, name
        yield from places(member)


def damaged(call, random):
    """Return the bytes of a call of which some members are gone, doubled or odd, and now and then a byte."""
    call = {"fhirServer": None, "fhirAuthorization": {"access_token": None}} | deepcopy(call)
    for _ in range(random.choice([0, 1, 1, 2, 4])):
        anywhere, outside = [*places(call)], [(call, name) for name in call]
        owner, name = random.choice(random.choice([anywhere, anywhere, outside]) or [({"x": 1}, "x")])
        how = random.choice(["odd", "odd", "gone", "listed", "moved"])
        if how == "gone":
            del owner[name]
        else:
            other, its = random.choice(anywhere or [(owner, name)])
            owner[name] = deepcopy({"odd": random.choice(ODD), "listed": [owner[name]] * 2, "moved": other[its]}[how])
    content = json.dumps(call, ensure_ascii=random.random() < 0.5).encode(errors="surrogatepass")
    at = random.randrange(len(content) + 1)
    return content if random.random() < 0.9 else content[:at] + random.choice([b"", b"}", b'"', b"\\", b"\xff"])


def differing(service, contents):
    """Return the shortest of some (path, body) that is answered or logged in another way slowly, and the statuses."""
    quick = [answered(service, content, path) for path, content in contents]
    with slowly(service):
        slow = [answered(service, content, path) for path, content in contents]
    wrong = [
        content
        for content, fast_answer, slow_answer in zip(contents, quick, slow, strict=True)
        if fast_answer != slow_answer
    ]
    return min(wrong, key=lambda pair: len(pair[1]), default=None), [status for status, *_ in slow]


@pytest.mark.parametrize(("kind", "drawn", "of_each"), [("plain", 40, 15), ("valid", 25, 15), ("hostile", 25, 15)])
def test_any_call_slowly(kind, drawn, of_each, service):
    """A call, and what becomes of it by damage, is answered and logged the same with every short cut taken away."""
    statuses = []

    @given(call=KINDS[kind], random=st.randoms(use_true_random=True))
    @examples(drawn)
    def same(call, random) -> None:
        contents = [(path_of(call), json.dumps(call).encode())]
        contents += [(path_of(call), damaged(call, random)) for _ in range(of_each - 1)]
        found, statuses_of_call = differing(service, contents)
        assert found is None
        statuses.extend(statuses_of_call)

    same()
    assert {200, 400, 422} <= {*statuses}
    assert len(statuses) >= drawn * settings.default.max_examples // ALL * of_each


@pytest.mark.parametrize("kind", ["nearly valid", "broken"])
def test_any_body_slowly(kind, service):
    """A nearly valid call, or bytes that were one, is answered and logged the same with every short cut taken away."""

    @given(call=KINDS[kind])
    @examples(100)
    def same(call) -> None:
        content = call if isinstance(call, bytes) else json.dumps(call).encode()
        assert differing(service, [(path_of(call), content)])[0] is None

    same()


VIGNETTES = [call(row, TODAY) for row in rows("vignettes.csv")]


@pytest.mark.parametrize("part", range(4))
def test_the_calls_of_the_table_slowly(part, service):
    """Each call of the clinical table, whole and damaged, is answered the same with every short cut taken away."""
    random = Random(part)
    calls = VIGNETTES[part::4]
    contents = [(path_of(call), json.dumps(call).encode()) for call in calls]
    contents += [(path_of(call), damaged(call, random)) for call in calls]
    found, statuses = differing(service, contents)
    assert found is None
    assert {200, 400, 412, 422} >= {*statuses} >= {200, 422}
