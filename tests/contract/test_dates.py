"""Dates as precisely as they were recorded, and the time since then in words."""

from datetime import date

import pytest

from cds_service.decision.fhir_fields import months_since, partial_date, period
from cds_service.decision.rendering import render_duration
from tests.support.service import TODAY


@pytest.mark.parametrize(
    ("recorded", "text", "first", "last"),
    [
        ("2024", "2024", "2024-01-01", "2024-12-31"),
        ("2024-08", "2024-08", "2024-08-01", "2024-08-31"),
        ("2024-02", "2024-02", "2024-02-01", "2024-02-29"),
        ("2023-02", "2023-02", "2023-02-01", "2023-02-28"),
        ("2024-08-15", "2024-08-15", "2024-08-15", "2024-08-15"),
        ("2024-02-29", "2024-02-29", "2024-02-29", "2024-02-29"),
        ("2024-08-15T23:59:59+14:00", "2024-08-15", "2024-08-15", "2024-08-15"),
        ("2024-08-15T09:30Z", "2024-08-15", "2024-08-15", "2024-08-15"),
        ("1951", "1951", "1951-01-01", "1951-12-31"),
        ("2024-08-1\uff15", "2024-08-15", "2024-08-15", "2024-08-15"),
    ],
)
def test_a_date_has_its_precision(recorded, text, first, last):
    """A year, a month and a day each span what they say."""
    read = partial_date(recorded, TODAY)
    assert (read.text, read.first, read.last) == (text, date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    "recorded",
    [
        *(None, 2024, True, [], {}, "", " ", "soon", "0000", "24-08", "2024-8", "2024-08-1", "2024/08/15"),
        *("2024-13", "2024-00", "2023-02-29", "2024-08-32", "2024-08-15 09:30", "20240815", "x2024-08-15"),
        *("2024-W01-1", "2024-W01", "2024-001", "20240815T", "2024-08-1T", "2024-08-", "2024-02-30T09:30"),
    ],
)
def test_what_is_no_date_is_none(recorded):
    """Anything that is no FHIR date counts as undated, and nothing raises."""
    assert partial_date(recorded, TODAY) is None


@pytest.mark.parametrize(
    ("recorded", "text"),
    [
        ("2027", "2026-11-22"),
        ("2026-12", "2026-11-22"),
        ("2026-11-23", "2026-11-22"),
        ("9999-12-31", "2026-11-22"),
        ("2026-11-22", "2026-11-22"),
        ("2026-11", "2026-11"),
        ("2026", "2026"),
    ],
)
def test_a_future_date_is_today(recorded, text):
    """A date that lies wholly in the future is today; one that has begun stays as it is."""
    assert partial_date(recorded, TODAY).text == text


@pytest.mark.parametrize(
    ("resource", "first", "last"),
    [
        ({}, None, None),
        ({"when": "2024-08"}, "2024-08", "2024-08"),
        ({"span": {"start": "2024-06", "end": "2024-08"}}, "2024-06", "2024-08"),
        ({"span": {"start": "2024-06"}}, "2024-06", "2024-06"),
        ({"span": {"end": "2024-08"}}, "2024-08", "2024-08"),
        ({"when": "2020", "span": {"end": "2024-08"}}, "2020", "2020"),
        ({"when": "soon", "span": {"end": "2024-08"}}, "2024-08", "2024-08"),
        ({"when": 7, "span": ["2024"]}, None, None),
        ({"span": {}}, None, None),
    ],
)
def test_the_first_dated_member_tells_the_period(resource, first, last):
    """Of the members that may hold the date, the first that is dated is taken, from its start to its end."""
    texts = [when and when.text for when in period(resource, ("when", "span"), TODAY)]
    assert texts == [first, last]


@pytest.mark.parametrize(
    ("recorded", "months"),
    [
        ("2026-11-22", 0),
        ("2026-10-23", 0),
        ("2026-10-22", 1),
        ("2026-10", 1),
        ("2025-11-23", 11),
        ("2025-11-22", 12),
        ("2025-11", 12),
        ("2024-08-31", 26),
        ("2024-08", 27),
        ("2030-01-01", 0),
    ],
)
def test_months_are_whole(recorded, months):
    """A month counts once its day has come; a date without a day counts by calendar months."""
    assert months_since(partial_date(recorded, TODAY), TODAY) == months


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        ("2026-11-22", "less than a month"),
        ("2026-10-23", "less than a month"),
        ("2026-11", "less than a month"),
        ("2026-10-22", "1 month"),
        ("2026-09", "2 months"),
        ("2025-12-22", "11 months"),
        ("2025-11-22", "1 year"),
        ("2025-11", "1 year"),
        ("2025-10-22", "1 year 1 month"),
        ("2024-08-22", "2 years 3 months"),
        ("2024-08-23", "2 years 2 months"),
        ("2024-08", "2 years 3 months"),
        ("1995-11", "31 years"),
        ("2025", "1 year"),
        ("2024", "2 years"),
        ("1996", "30 years"),
        ("2030-01", "less than a month"),
    ],
)
def test_latency_in_words(recorded, words, knowledge):
    """The time since a treatment is given in years and months, or in years where only its year is known."""
    then = partial_date(recorded, TODAY)
    assert render_duration(then, knowledge.card["durations"], TODAY) == words


def test_a_treatment_of_this_year_is_not_told_by_the_month(knowledge):
    """Of a treatment of which only this year is known, nothing more precise than the year is said."""
    words = render_duration(partial_date("2026", TODAY), knowledge.card["durations"], TODAY)
    assert words != "less than a month"
