"""Small counts are hidden so that no sum of what is published tells one of them."""

from hypothesis import given
from hypothesis import strategies as st

from cds_service.backtest.scan import Plan, Variant
from cds_service.backtest.small_cells import protect
from cds_service.backtest.summary import poisson_interval, summarize, wilson_interval
from cds_service.backtest.tally import Tally
from cds_service.model import Site
from tests.support.profiles import examples

COUNTS = st.one_of(st.integers(0, 14), st.integers(0, 400))
TABLES = st.lists(COUNTS, max_size=8).map(lambda counts: dict(enumerate(counts)))


def possible(published: dict, total: int, cell) -> set[int]:
    """Return the values that a hidden cell may have: by the total, the shown cells, and that zeros are shown."""
    hidden = [name for name, count in published.items() if count is None]
    left = total - sum(count for count in published.values() if count is not None)
    if len(hidden) == len(published):
        return set(range(left + 1)) if len(hidden) > 1 else {left}
    assert cell in hidden
    return set(range(1, left - (len(hidden) - 1) + 1)) if len(hidden) > 1 else {left}


@examples(1000)
@given(TABLES, st.integers(3, 15))
def test_no_sum_tells_a_small_count(counts, at_least):
    """Each small count is hidden, and by total and shown cells it may be any of at_least - 1 values or more."""
    total = sum(counts.values())
    published = protect(counts, at_least)
    for cell, count in counts.items():
        if 0 < count < at_least <= total and len(counts) > 1:
            assert published[cell] is None
            assert len(possible(published, total, cell)) >= at_least - 1


@examples(1000)
@given(TABLES, st.integers(3, 15))
def test_no_more_is_hidden_than_needed(counts, at_least):
    """A table without small counts is shown as it is, and what is shown is true."""
    published = protect(counts, at_least)
    assert all(published[cell] in (None, count) for cell, count in counts.items())
    if all(count == 0 or count >= at_least for count in counts.values()):
        assert published == counts


@examples(1000)
@given(st.lists(st.tuples(COUNTS, st.integers(0, 30)), min_size=1, max_size=6))
def test_a_cap_does_not_tell(pairs):
    """Where the orders of a row are published, its hidden cards, and those without, still have several values."""
    cards = dict(enumerate(count for count, _ in pairs))
    orders = protect({cell: count + pairs[cell][1] for cell, count in cards.items()}, 11)
    published = protect(cards, 11, orders)
    hidden = [cell for cell, count in published.items() if count is None]
    for cell, count in published.items():
        if count is not None and orders[cell] is not None:
            assert not 0 < orders[cell] - count < 11
    if hidden and len(hidden) < len(cards):
        left = sum(cards[cell] for cell in hidden)
        for cell in hidden:
            most = {other: left if orders[other] is None else min(orders[other], left) for other in hidden}
            others = sum(most.values()) - most[cell]
            low, high = max(1, left - others), min(most[cell], left - len(hidden) + 1)
            assert high > low


RESULTS = ("info", "warning", "no_history", "emergency", "acute_trauma", "nothing_watched")


@examples(1000)
@given(st.lists(COUNTS, min_size=len(RESULTS), max_size=len(RESULTS)))
def test_no_sum_in_a_summary_tells_a_small_count(counts):
    """Of the results of all orders, their sums by level published beside them, no small one can be computed."""
    tally = Tally(11)
    for result, count in zip(RESULTS, counts, strict=True):
        tally.counts["result", result] = count
        if result != "nothing_watched":
            tally.counts["monitored_result", result] = count
            tally.counts["monitored",] += count
    tally.counts["cards",] = counts[0] + counts[1]
    summary = summarize(tally, Plan((Variant(Site()),), ()), [])
    names = dict(zip(RESULTS, counts, strict=True))
    published = {**summary["silences"], **{name: summary["cards"][name] for name in ("info", "warning")}}
    sums = {
        "cards": (summary["cards"]["total"], ["info", "warning"]),
        "monitored": (summary["monitored"], [name for name in RESULTS if name != "nothing_watched"]),
        "orders": (summary["orders"], list(RESULTS)),
    }
    for name, count in names.items():
        if 0 < count < 11:
            assert published.get(name) is None
            for total, parts in sums.values():
                if total is not None and name in parts:
                    known = [published.get(part) for part in parts if part != name]
                    assert None in known or total == count, (name, total, parts)
    for low, high in (("cards", "monitored"), ("monitored", "orders")):
        if sums[low][0] is not None and sums[high][0] is not None:
            outside = [part for part in sums[high][1] if part not in sums[low][1]]
            left = sums[high][0] - sums[low][0]
            unknown = [part for part in outside if published.get(part) is None and names[part]]
            known = sum(published.get(part) or 0 for part in outside)
            assert len(unknown) != 1 or not 0 < left - known < 11


def test_intervals():
    """Wilson and Poisson intervals are those of published tables, to the precision that the report has."""
    assert [round(bound, 4) for bound in wilson_interval(10, 100)] == [0.0552, 0.1744]
    assert wilson_interval(0, 10)[0] == 0
    low, high = poisson_interval(10)
    assert abs(low - 4.795) < 0.02
    assert abs(high - 18.39) < 0.03
    assert poisson_interval(0)[0] == 0
