"""The statistics on both databases, against numbers that were counted by hand."""

from datetime import date

import pytest

from cds_service.store.period import Period
from cds_service.store.statistics import Outcomes, Records, Version, choices, statistics
from tests.integration.dashboard.dashboard_rows import EHR, FIRST, LAST, PET, SELECT, SIGN, SPINE, day_of, fill

MONDAYS = (date(2026, 11, 2), date(2026, 11, 9))


@pytest.fixture
def filled(store):
    """Return a store with the rows of two weeks."""
    with store.writing() as connection:
        fill(connection)
    return store


def found(store, first=FIRST, last=LAST, **narrowed):
    """Return the statistics of a period."""
    with store.reading() as connection:
        return statistics(connection, Period(first, last, **narrowed))


COUNTED = {
    "cards": dict(zip(MONDAYS, (Outcomes(2, 1, 0), Outcomes(2, 1, 1)), strict=True)),
    "records": dict(zip(MONDAYS, (Records(16, 3), Records(10, 6)), strict=True)),
    "override_reasons": {"spine-is-the-question": 1, None: 1},
    "accepted_kinds": {"replace": 1, "add": 2, "alternative": 1, None: 1},
    "unknown_reports": 2,
    "studies": {
        SPINE: {"card": 3, "silent": 12},
        PET: {"card": 4, "shadow": 6},
        "": {"silent": 107, "refused": 1},
    },
    "silences": {"no_history": 12},
    "unwatched": {"nothing_watched": 100, "rule_off": 7},
    "unrecognized": {("Condition", "urn:site:problems"): 7, ("ServiceRequest", "none"): 1},
    "versions": [
        Version("1", day_of("11-01"), 116, Outcomes(2, 1, 0)),
        Version("2", day_of("11-09"), 17, Outcomes(2, 1, 1)),
    ],
    "decisions": 133,
    "shown": 7,
    "is_empty": False,
}


@pytest.mark.parametrize("what", COUNTED)
def test_counts(filled, what):
    """Each figure is what one counts by hand; of several reports the one that happened last counts, however it came."""
    assert getattr(found(filled), what) == COUNTED[what]


DAYS = {
    "11-01": (1, 5),
    "11-02": (1, 113),
    "11-03": (0, 0),
    "11-08": (1, 3),
    "11-15": (1, 13),
    "11-16": (1, 9),
    "11-17": (0, 0),
}


@pytest.mark.parametrize("day", DAYS)
def test_a_period_of_one_day(filled, day):
    """The first and the last day belong to a period, and the days beside them do not."""
    seen = found(filled, day_of(day), day_of(day))
    assert (seen.shown, seen.decisions) == DAYS[day]


NARROWED = {
    "to a service": ({"service": SIGN}, 1, 4, 0),
    "to the other service": ({"service": SELECT}, 6, 129, 2),
    "to a client": ({"client": EHR}, 1, 4, 0),
    "to a version": ({"knowledge": "2"}, 4, 17, None),
    "to clients without a name": ({"client": "unnamed"}, 6, 129, 2),
    "to what no row has": ({"client": "x"}, 0, 0, 0),
    "to two things": ({"service": SELECT, "knowledge": "1"}, 3, 116, None),
}


@pytest.mark.parametrize("case", NARROWED)
def test_narrowed(filled, case):
    """A period can be narrowed; reports on unknown cards have no version, so none are counted for one."""
    narrowed, *expected = NARROWED[case]
    seen = found(filled, **narrowed)
    assert [seen.shown, seen.decisions, seen.unknown_reports] == expected


def test_choices(filled):
    """A period can be narrowed to what the store has."""
    with filled.reading() as connection:
        assert choices(connection) == {"service": (SELECT, SIGN), "client": ("unnamed", EHR), "knowledge": ("1", "2")}


def test_an_empty_store(store):
    """Where there is nothing, there are weeks of nothing."""
    seen = found(store)
    assert seen.is_empty
    assert (seen.cards, seen.records) == (dict.fromkeys(MONDAYS, Outcomes()), dict.fromkeys(MONDAYS, Records()))


@pytest.mark.parametrize(
    ("first", "last", "steps"),
    [
        ("2026-11-08", "2026-11-09", ["2026-11-02", "2026-11-09"]),
        ("2027-01-01", "2027-01-03", ["2026-12-28"]),
        ("9999-12-27", "9999-12-31", ["9999-12-27"]),
    ],
)
def test_weeks(first, last, steps):
    """A period touches each week of which it has a day, over the turn of a year and at the end of the calendar."""
    period = Period(date.fromisoformat(first), date.fromisoformat(last))
    assert [step.isoformat() for step in period.steps] == steps


def test_months(filled):
    """A period of more than two years is shown by month, with the same cards in all."""
    assert len(found(filled, date(2024, 11, 15), LAST).cards) == 105
    cards = found(filled, date(2024, 10, 31), date(2026, 11, 30)).cards
    assert (len(cards), min(cards), max(cards)) == (26, date(2024, 10, 1), date(2026, 11, 1))
    assert cards[date(2026, 11, 1)] == sum(found(filled, day_of("11-01"), day_of("11-30")).cards.values(), Outcomes())
