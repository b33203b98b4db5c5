"""How long what is kept is kept: `plexus-cds purge`."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from cds_service.store.records import DecisionKind, Report, ShownCard, ShownSuggestion, Unrecognized
from cds_service.store.tables import ACCEPTED, CARDS, DECISIONS, FEEDBACK, SUGGESTIONS, UNRECOGNIZED
from cds_service.store.writing import write_reports, write_shown
from tests.support.databases import rows
from tests.support.service import CLOCK, TODAY

TABLES = {table.name: table for table in (ACCEPTED, FEEDBACK, SUGGESTIONS, CARDS, DECISIONS, UNRECOGNIZED)}
AGES = {"new": 10, "old": 1000}


def shown(name: str) -> ShownCard:
    """Return a card that was shown so many days ago."""
    day = TODAY - timedelta(days=AGES[name])
    offered = (ShownSuggestion(f"{name}-suggestion", "replace", recommended=True),)
    moment = datetime.combine(day, datetime.min.time(), UTC)
    decision = ("0", "study", "info", "none", "none")
    return ShownCard(name, "service", moment, day, "", *decision, incomplete=False, patient=None, suggestions=offered)


def report(card: str, days: int) -> Report:
    """Return a report on a card that came so many days ago."""
    moment = CLOCK.now() - timedelta(days=days)
    received = (moment, CLOCK.day_of(moment))
    suggestion = (f"{card}-suggestion",)
    return Report(
        card, "service", "", "accepted", None, f"canary {card}", moment, *received, suggestion, f"{card} {days}"
    )


@pytest.fixture
def filled(store):
    """Return a store with an old and a new card, feedback on both and on no card, and counts."""
    days = {name: shown(name).day for name in AGES}
    counts = {
        DecisionKind(day, "service", "", "0", "", "silent", "reason", incomplete=False): 7 for day in days.values()
    }
    counts |= {Unrecognized(day, "service", "", "Condition", "urn:site:problems"): 2 for day in days.values()}
    write_shown(store, [shown(name) for name in AGES], counts)
    reports = [report("old", 999), report("old", 1), report("new", 5), report("none", 1000), report("none", 3)]
    write_reports(store, reports, Counter())
    return store


def held(store) -> dict:
    """Return how many rows each table has."""
    return {name: len(rows(store, table)) for name, table in TABLES.items()}


def printed_counts(output: str) -> dict:
    """Return the rows of each table that the command says it deleted."""
    lines = (line.split(": ") for line in output.splitlines()[1:])
    return {name.strip(): int(count) for name, count in lines}


DELETED = {"accepted_suggestions": 3, "feedback": 3, "suggestions": 1, "cards": 1, "decisions": 1, "unrecognized": 1}


def test_what_is_old_is_deleted(filled, store_url, command):
    """Old cards go with their suggestions and all feedback on them, old feedback on no card, and old counts."""
    before = held(filled)
    code, output, errors = command("purge", store_url=store_url)
    assert (code, errors, printed_counts(output)) == (0, "", DELETED)
    assert held(filled) == {name: before[name] - DELETED[name] for name in before}
    assert [row.uuid for row in rows(filled, CARDS)] == ["new"]
    assert sorted(row.card for row in rows(filled, FEEDBACK)) == ["new", "none"]
    assert set(printed_counts(command("purge", store_url=store_url)[1]).values()) == {0}


def test_a_dry_run_deletes_nothing(filled, store_url, command):
    """A dry run says what would be deleted and leaves it."""
    before = held(filled)
    code, output, _ = command("purge", "--dry-run", store_url=store_url)
    assert (code, printed_counts(output)) == (0, DELETED)
    assert "would delete" in output
    assert held(filled) == before


@pytest.mark.parametrize(
    ("arguments", "settings", "cards"),
    [
        (["--days", "5"], {}, 0),
        (["--days", "2000"], {}, 2),
        ([], {"store_days": "5"}, 0),
        ([], {"store_days": "0"}, 2),
        (["--days", "0"], {"store_days": "5"}, 2),
    ],
)
def test_the_days_are_the_sites(arguments, settings, cards, filled, store_url, command):
    """The command line comes before the setting; 0 keeps everything for ever."""
    assert command("purge", *arguments, store_url=store_url, **settings)[0] == 0
    assert len(rows(filled, CARDS)) == cards


@pytest.mark.parametrize("days", ["-1", "36501", "99999999"])
def test_days_out_of_bounds_are_refused(days, store_url, command):
    """Less than nothing, and more than the setting takes, is a wrong use."""
    code, output, errors = command("purge", "--days", days, store_url=store_url)
    assert (code, output) == (2, "")
    assert f"'--days': must be a whole number from 0 to 36500, not '{days}'." in errors


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_what_is_deleted_is_gone(filled, store_url, command):
    """Of a comment that was purged nothing is left in the files of an embedded store."""
    file = filled.file
    files = [file, file.with_name(f"{file.name}-wal")]
    assert b"canary old" in b"".join(file.read_bytes() for file in files)
    assert command("purge", store_url=store_url)[0] == 0
    left = b"".join(file.read_bytes() for file in files)
    assert b"canary new" in left
    assert b"canary old" not in left
